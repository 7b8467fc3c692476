/* fs: a log as files, by FUSE's low-level interface on the libuv loop.
 *
 * docs/filesystem.md has the tree. One thread: everything here belongs to the loop's. The loop must never touch its own
 * mount. */
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
	const char *folder;              /* where to mount; made when it is not there */
	const char *config;              /* the text of status/config; borrowed */
	const struct auth_policy *auth;  /* borrowed */
	enum fs_guard guard;
	bool allow_other;                /* let other users in; the kernel then checks modes */
};

/* Mounts the service's log. A dead mount that an earlier clogd left at the folder is taken off first. Called once, from
 * the kernel's side, when the mount ended from outside (umount): ended(arg), later, on the loop. Errors, with a sentence
 * in err: -ENOTEMPTY (the folder has something in it, named), -EBUSY (something is mounted there), -ENOENT (no /dev/fuse,
 * or no parent folder), -EACCES, -EPERM, -ENOTDIR, -ENOMEM. Blocks; before the loop runs. */
int fs_mount(struct fs **fs, struct uv_loop_s *loop, struct service *service, const struct fs_options *options,
             void (*ended)(void *arg), void *arg, struct clog_error *err);

/* Stops taking requests in, waits for those under way to be answered, unmounts, and then calls done(arg), on the loop;
 * fs is freed by then. The folder is removed if fs_mount made it, else it stays guarded. */
void fs_unmount(struct fs *fs, void (*done)(void *arg), void *arg);

#endif
