/* settings: what the cluster keeps besides the log, as a command reads and changes it. */
#ifndef CLOG_CMD_SETTINGS_H
#define CLOG_CMD_SETTINGS_H

#include "service/service.h"

#include <stddef.h>

struct clog_error;
struct remote;

/* Asks for all settings, and calls cb(arg, settings, count) with them, which are borrowed for the call and sorted by their
 * keys. Returns its status, or CLOG_FAILED with a sentence. */
int settings_read(struct remote *remote,
                  int (*cb)(void *arg, const struct service_setting *settings, size_t count, struct clog_error *err),
                  void *arg, struct clog_error *err);
/* Sets one, or with size 0 takes it away. Returns CLOG_OK, or CLOG_FAILED with a sentence that says that nothing was changed,
 * or that it may yet come about. */
int settings_write(struct remote *remote, const char *key, const void *value, size_t size, struct clog_error *err);
/* Gives the setting with a key, or NULL. */
const struct service_setting *settings_find(const struct service_setting *settings, size_t count, const char *key);

#endif
