/* fs: a log as files, by FUSE's low-level interface on the libuv loop.
 *
 * docs/filesystem.md has the tree. One thread: everything here belongs to the loop's. The loop must never touch its own
 * mount: what asks for a file in it waits for the loop to answer. */
#ifndef CLOG_FS_FS_H
#define CLOG_FS_FS_H

#include <stdbool.h>

struct clog_error;
struct service;
struct auth_policy;
struct uv_loop_s;
struct fs;

enum fs_guard {
	FS_GUARD_YES, /* make the empty folder under the mount immutable; where that cannot be had, an event warns */
	FS_GUARD_NO,  /* leave it alone */
};

struct fs_options {
	const char *folder;             /* where to mount; made when it is not there, but not its parent; copied */
	const char *config;             /* the text of status/config; borrowed while mounted */
	const struct auth_policy *auth; /* borrowed while mounted */
	enum fs_guard guard;
	bool allow_other; /* let other users in; the kernel then checks modes */
};

/* Mounts the service's log. Dead mounts that earlier clogds left at the folder are taken off first. Blocks; before the
 * loop runs. When the mount is ended from outside (umount, or its connection is cut), ended(arg) is called, on the
 * loop, once; fs_unmount is then still to be called. service must outlive the mount. Errors, with a sentence in err:
 * -ENOTEMPTY (the folder has something in it, named), -EBUSY (something is mounted there), -ENOENT (no /dev/fuse, or no
 * parent folder), -EACCES, -EPERM, -ENOTDIR, -EINVAL (the kernel is set to cut writes below 1 MiB), -ENOMEM; nothing is
 * left of the attempt. */
int fs_mount(struct fs **fs, struct uv_loop_s *loop, struct service *service, const struct fs_options *options,
             void (*ended)(void *arg), void *arg, struct clog_error *err);

/* Unmounts: from now on what needs the service is refused (EHOSTUNREACH); when all that the service has under way is
 * answered, the mount is taken off, and done(arg) called, on the loop, later; fs is freed by then. The folder is
 * removed if fs_mount made it, else it stays guarded. Once; ended() is not called after it. The service must go on
 * answering until done. */
void fs_unmount(struct fs *fs, void (*done)(void *arg), void *arg);

#endif
