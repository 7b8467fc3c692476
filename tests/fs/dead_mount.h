/* dead_mount: mounts of FUSE whose program is gone, as kill -9 leaves them. */
#ifndef CLOG_TESTS_FS_DEAD_MOUNT_H
#define CLOG_TESTS_FS_DEAD_MOUNT_H

#include <stdbool.h>

/* True when this machine has /dev/fuse; else says on stderr what is missing. */
bool fuse_there(void);
/* Mounts a dead filesystem of the type ("fuse.clog") at a folder. Returns 0 or a negative errno. */
int dead_mount(const char *folder, const char *type);

#endif
