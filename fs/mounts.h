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
/* Takes the uppermost mount at the path off, also while files are open in it. Who is not root may do that with mounts of
 * FUSE that are their own: fusermount3 does it for them, which blocks. Returns 0 or a negative errno. */
int mounts_take_off(const char *path);

#endif
