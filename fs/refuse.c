/* refuse: what a log forbids, and what is not there. */
#include "fs/refuse.h"

#include "fs/private.h"

#include <errno.h>

/* ---- What a log forbids ---- */

void refuse_mknod(fuse_req_t req, fuse_ino_t folder, const char *name, mode_t mode, dev_t device)
{
	(void)folder, (void)name, (void)mode, (void)device;
	reply_error(req, -EPERM);
}

void refuse_mkdir(fuse_req_t req, fuse_ino_t folder, const char *name, mode_t mode)
{
	(void)folder, (void)name, (void)mode;
	reply_error(req, -EPERM);
}

void refuse_unlink(fuse_req_t req, fuse_ino_t folder, const char *name)
{
	(void)folder, (void)name;
	reply_error(req, -EPERM);
}

void refuse_symlink(fuse_req_t req, const char *target, fuse_ino_t folder, const char *name)
{
	(void)target, (void)folder, (void)name;
	reply_error(req, -EPERM);
}

void refuse_rename(fuse_req_t req, fuse_ino_t folder, const char *name, fuse_ino_t to_folder, const char *to_name,
                   unsigned flags)
{
	(void)folder, (void)name, (void)to_folder, (void)to_name, (void)flags;
	reply_error(req, -EPERM);
}

void refuse_link(fuse_req_t req, fuse_ino_t node, fuse_ino_t folder, const char *name)
{
	(void)node, (void)folder, (void)name;
	reply_error(req, -EPERM);
}

/* ---- What is not there ---- */

void refuse_setxattr(fuse_req_t req, fuse_ino_t node, const char *name, const char *value, size_t size, int flags)
{
	(void)node, (void)name, (void)value, (void)size, (void)flags;
	reply_error(req, -EOPNOTSUPP);
}

void refuse_removexattr(fuse_req_t req, fuse_ino_t node, const char *name)
{
	(void)node, (void)name;
	reply_error(req, -ENODATA);
}

void refuse_ioctl(fuse_req_t req, fuse_ino_t node, unsigned command, void *arg, struct fuse_file_info *file,
                  unsigned flags, const void *data, size_t data_size, size_t room)
{
	(void)node, (void)command, (void)arg, (void)file, (void)flags, (void)data, (void)data_size, (void)room;
	reply_error(req, -ENOTTY);
}

/* Not EOPNOTSUPP: at that the C library writes a zero into each block by itself, and each would be a record. */
void refuse_fallocate(fuse_req_t req, fuse_ino_t node, int mode, off_t position, off_t size,
                      struct fuse_file_info *file)
{
	(void)node, (void)mode, (void)position, (void)size, (void)file;
	reply_error(req, -EPERM);
}

/* From a file of the mount to another. Not EXDEV nor EOPNOTSUPP: at these the kernel copies by itself, in pieces of 64
 * KiB, each of which would be a record. At EINVAL programs go on with read and write, in pieces of st_blksize. */
void refuse_copy(fuse_req_t req, fuse_ino_t from, off_t from_position, struct fuse_file_info *from_file, fuse_ino_t to,
                 off_t to_position, struct fuse_file_info *to_file, size_t size, int flags)
{
	(void)from, (void)from_position, (void)from_file, (void)to, (void)to_position, (void)to_file, (void)size;
	(void)flags;
	reply_error(req, -EINVAL);
}
