/* folders: where a member's data and its mount may lie. */
#ifndef CLOG_CMD_FOLDERS_H
#define CLOG_CMD_FOLDERS_H

#include <stddef.h>

struct clog_error;

/* Refuses, with -EINVAL and a sentence, a mount folder that is the data folder, or in it, or around it: the member
 * would wait for itself. Links are followed; the folders need not be there. Other errors are the file system's.
 * Blocks. */
int folders_check(const char *data, const char *mount, struct clog_error *err);
/* The same for two mounts. */
int folders_check_mounts(const char *mount, const char *other, struct clog_error *err);
/* The same for a member's data folder and all of its mounts. */
int folders_check_all(const char *data, const char *const *mounts, size_t count, struct clog_error *err);

#endif
