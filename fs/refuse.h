/* refuse: operations that answer all that ask for them with an error. They are for the table in operations.c alone. */
#ifndef CLOG_FS_REFUSE_H
#define CLOG_FS_REFUSE_H

#include "fs/private.h"

/* What a log forbids. */
void refuse_mknod(fuse_req_t req, fuse_ino_t folder, const char *name, mode_t mode, dev_t device);
void refuse_mkdir(fuse_req_t req, fuse_ino_t folder, const char *name, mode_t mode);
void refuse_unlink(fuse_req_t req, fuse_ino_t folder, const char *name);
void refuse_symlink(fuse_req_t req, const char *target, fuse_ino_t folder, const char *name);
void refuse_rename(fuse_req_t req, fuse_ino_t folder, const char *name, fuse_ino_t to_folder, const char *to_name,
                   unsigned flags);
void refuse_link(fuse_req_t req, fuse_ino_t node, fuse_ino_t folder, const char *name);
void refuse_setxattr(fuse_req_t req, fuse_ino_t node, const char *name, const char *value, size_t size, int flags);
void refuse_removexattr(fuse_req_t req, fuse_ino_t node, const char *name);
void refuse_ioctl(fuse_req_t req, fuse_ino_t node, unsigned command, void *arg, struct fuse_file_info *file,
                  unsigned flags, const void *data, size_t data_size, size_t room);
void refuse_fallocate(fuse_req_t req, fuse_ino_t node, int mode, off_t position, off_t size,
                      struct fuse_file_info *file);
void refuse_copy(fuse_req_t req, fuse_ino_t from, off_t from_position, struct fuse_file_info *from_file, fuse_ino_t to,
                 off_t to_position, struct fuse_file_info *to_file, size_t size, int flags);

#endif
