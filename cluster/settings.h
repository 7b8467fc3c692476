/* Settings: a table of values under keys, which is never changed: each change makes another one, so that who has one may
 * keep it. NULL is the table before the first change. */
#ifndef CLOG_CLUSTER_SETTINGS_H
#define CLOG_CLUSTER_SETTINGS_H

#include "service/service.h"

struct settings {
	unsigned references;
	uint64_t entry; /* that made it */
	size_t count;
	size_t size;                  /* bytes that they count for: see SERVICE_SETTINGS_SIZE_MAX */
	struct service_setting all[]; /* lowest key first; what they point to is behind them */
};

/* What one counts for besides its bytes, which is no less than it takes in settings_encode. */
#define SETTINGS_OVERHEAD 16u

/* Drops a reference; takes one more of it, and gives it. NULL is allowed. */
void settings_unref(struct settings *settings);
struct settings *settings_ref(struct settings *settings);
/* The entry that made it, 0 of none. */
uint64_t settings_entry(const struct settings *settings);

struct control;
/* The table that a command (CONTROL_SETTING) at an entry makes of another. -ENOSPC when there would be too much, -ENOMEM. */
int settings_change(const struct settings *before, const struct control *control, uint64_t entry,
                    struct settings **after);
/* 0, or -ENOSPC as settings_change. */
int settings_fit(const struct settings *before, const struct control *control);

/* Encodes into data, of at least SERVICE_SETTINGS_SIZE_MAX bytes. Returns the size. */
size_t settings_encode(const struct settings *settings, unsigned char *data);
/* Decodes so many bytes of so many settings; of none at entry 0 it is NULL. -EBADMSG when they are none that can be,
 * -ENOMEM. */
int settings_decode(const void *data, size_t size, uint32_t count, uint64_t entry, struct settings **settings);

#endif
