/* folder: the folder under the mount.
 *
 * An append while nothing is mounted would make a plain file in it, and the record would be lost: so it must be empty,
 * and is guarded, which is to make it immutable. All of this happens before there is a mount over it, or after. */
#ifndef CLOG_FS_FOLDER_H
#define CLOG_FS_FOLDER_H

#include "fs/fs.h"

struct folder {
	char *path;   /* absolute, without links in it; NULL while it is not prepared */
	bool made;    /* it was not there: it goes at the end */
	bool guarded; /* it was made immutable now, not before */
};

/* Prepares the folder at a path for a mount: takes dead mounts of ours off it, makes it when it is not there, checks
 * that it is empty, and guards it. Errors, with a sentence, as fs_mount's; then nothing is changed but for the dead
 * mounts. Blocks. */
int folder_prepare(struct folder *folder, const char *path, enum fs_guard guard, struct clog_error *err);
/* Takes back what folder_prepare did, when no mount came of it. */
void folder_abandon(struct folder *folder);
/* Before the mount is taken off: removes a folder that was made, with the mount, where that is possible. */
void folder_end(struct folder *folder);
/* True when the mount is still there, but dead: its connection was cut. */
bool folder_is_dead(const struct folder *folder);
/* After the end of the mount: takes it off, if it is still there and dead; removes the folder if it was made; frees.
 * A guarded folder stays so. */
void folder_finish(struct folder *folder);

#endif
