/* owner: whose the files of a mount are, by name or number. */
#ifndef CLOG_CMD_OWNER_H
#define CLOG_CMD_OWNER_H

#include <sys/types.h>

struct clog_error;

/* Reads USER or USER:GROUP, each a name or a number. Without a group it is the user's own. Returns -EINVAL, with a
 * sentence that begins with the label, such as "--owner", for a text of another form, for a name that nobody has here, and
 * for a number that no user has where its group is asked for. One thread at a time. */
int owner_parse(const char *text, const char *label, uid_t *user, gid_t *group, struct clog_error *err);

/* Reads a mode in octal, of at most 0666. -EINVAL with a sentence, likewise. */
int owner_parse_mode(const char *text, const char *label, mode_t *mode, struct clog_error *err);

#endif
