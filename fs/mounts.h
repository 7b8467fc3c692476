/* mounts: what is mounted at a folder. */
#ifndef CLOG_FS_MOUNTS_H
#define CLOG_FS_MOUNTS_H

#include <stdbool.h>

struct mount {
	char type[64];    /* of the filesystem: "fuse.clog", "ext4" */
	char source[256]; /* what is mounted, cut where it is longer */
};

/* Gives the uppermost mount at an absolute path, as this process sees it. -ENOENT when nothing is mounted there, or
 * the error of reading the table of mounts. */
int mounts_find(const char *path, struct mount *mount);
/* True when the filesystem at the path is one of FUSE whose program is gone. */
bool mounts_dead(const char *path);

#endif
