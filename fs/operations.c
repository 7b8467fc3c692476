/* operations: what the kernel may ask, by FUSE's low-level interface.
 *
 * Nothing here is left out for the default to answer that would say ENOSYS, where the kernel takes that as said for all
 * files of the mount and for ever; but for those that mean what is true: no access (the kernel checks modes itself),
 * no poll (all files are always ready), no lseek (there are no holes), no locks (the kernel's own, of this machine). */
#include "fs/private.h"

#include <errno.h>
#include <fcntl.h>

static struct fs *fs_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/* Answers and returns false where the user may not use the node, or the id is none of ours. */
static bool allowed(fuse_req_t req, fuse_ino_t node, uid_t uid)
{
	enum node_kind kind = node_kind(node);
	int rc = kind == NODE_NONE ? -ESTALE : access_ask(fs_of(req), uid, kind);
	if (rc != 0)
		reply_error(req, rc);
	return rc == 0;
}

static bool caller_allowed(fuse_req_t req, fuse_ino_t node)
{
	return allowed(req, node, fuse_req_ctx(req)->uid);
}

/* Who opened the file that a request comes by: what is done by an open file is done in that name. */
static uid_t opener(fuse_ino_t node, const struct fuse_file_info *file)
{
	enum node_kind kind = node_kind(node);
	if (kind == NODE_RECORD || kind == NODE_STREAM || S_ISDIR(node_type(kind)->mode))
		return (uid_t)file->fh;
	return ((const struct handle *)handle_of(file))->uid;
}

static bool opener_allowed(fuse_req_t req, fuse_ino_t node, const struct fuse_file_info *file)
{
	return allowed(req, node, opener(node, file));
}

static void on_init(void *userdata, struct fuse_conn_info *connection)
{
	(void)userdata;
	/* Every write as one piece; of a write that is too large for a record, nothing after the refusal. */
	if (connection->max_write > FS_PIECE_SIZE)
		connection->max_write = FS_PIECE_SIZE;
	connection->max_read = FS_PIECE_SIZE;
	connection->want &= ~(uint32_t)(FUSE_CAP_ASYNC_DIO | FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_READDIRPLUS |
	                                FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
	                                FUSE_CAP_SPLICE_MOVE);
	/* A link's node has one target for ever: another leader's is another node. */
	connection->want |= connection->capable & FUSE_CAP_CACHE_SYMLINKS;
}

static void on_lookup(fuse_req_t req, fuse_ino_t folder, const char *name)
{
	if (caller_allowed(req, folder))
		tree_lookup(fs_of(req), req, folder, name);
}

static void on_getattr(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *file)
{
	(void)file;
	if (caller_allowed(req, node))
		tree_attr(fs_of(req), req, node);
}

/* Truncating and touching append and lines changes nothing, and programs that do it by habit go on. */
static int setattr_check(fuse_ino_t node, const struct stat *attr, int set)
{
	enum node_kind kind = node_kind(node);
	if (kind != NODE_APPEND && kind != NODE_LINES)
		return -EPERM;
	struct stat now;
	tree_attr_begin(node, 0, &now);
	if ((set & FUSE_SET_ATTR_MODE) && (attr->st_mode & 07777) != (now.st_mode & 07777))
		return -EPERM;
	if ((set & FUSE_SET_ATTR_UID) && attr->st_uid != now.st_uid)
		return -EPERM;
	if ((set & FUSE_SET_ATTR_GID) && attr->st_gid != now.st_gid)
		return -EPERM;
	return 0;
}

static void on_setattr(fuse_req_t req, fuse_ino_t node, struct stat *attr, int set, struct fuse_file_info *file)
{
	if (!(file != NULL ? opener_allowed(req, node, file) : caller_allowed(req, node)))
		return;
	int rc = setattr_check(node, attr, set);
	if (rc == 0)
		tree_attr(fs_of(req), req, node);
	else
		reply_error(req, rc);
}

static void on_readlink(fuse_req_t req, fuse_ino_t node)
{
	if (caller_allowed(req, node))
		tree_link(fs_of(req), req, node);
}

static void on_opendir(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *file)
{
	if (!caller_allowed(req, node))
		return;
	file->fh = fuse_req_ctx(req)->uid;
	reply_open(req, file);
}

static void on_readdir(fuse_req_t req, fuse_ino_t node, size_t size, off_t position, struct fuse_file_info *file)
{
	if (opener_allowed(req, node, file))
		listing_read(fs_of(req), req, node, size, position);
}

static bool writable(fuse_ino_t node)
{
	return node_kind(node) == NODE_APPEND || node_kind(node) == NODE_LINES;
}

static void on_open(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *file)
{
	struct fs *fs = fs_of(req);
	if (!caller_allowed(req, node))
		return;
	if (!writable(node) && ((file->flags & O_ACCMODE) != O_RDONLY || (file->flags & O_TRUNC))) {
		reply_error(req, -EPERM);
		return;
	}
	switch (node_kind(node)) {
	case NODE_APPEND:
		append_open(fs, req, file);
		break;
	case NODE_LINES:
		lines_open(fs, req, file);
		break;
	case NODE_RECORD:
		records_open(fs, req, node_number(node), file);
		break;
	case NODE_STREAM:
		stream_open(req, file);
		break;
	default:
		text_open(fs, req, node, file);
		break;
	}
}

static void on_read(fuse_req_t req, fuse_ino_t node, size_t size, off_t position, struct fuse_file_info *file)
{
	struct fs *fs = fs_of(req);
	if (!opener_allowed(req, node, file))
		return;
	switch (node_kind(node)) {
	case NODE_APPEND:
		append_read(req, size, file);
		break;
	case NODE_LINES:
		lines_read(req, size, file);
		break;
	case NODE_RECORD:
		records_read(fs, req, node_number(node), size, position);
		break;
	case NODE_STREAM:
		stream_read(fs, req, node_number(node), size, position);
		break;
	default:
		text_read(req, size, position, file);
		break;
	}
}

static void on_write(fuse_req_t req, fuse_ino_t node, const char *data, size_t size, off_t position,
                     struct fuse_file_info *file)
{
	(void)position; /* a log is written at its end */
	if (!opener_allowed(req, node, file))
		return;
	if (size == 0)
		reply_written(req, 0);
	else if (node_kind(node) == NODE_APPEND)
		append_write(fs_of(req), req, data, size, file);
	else if (node_kind(node) == NODE_LINES)
		lines_write(fs_of(req), req, data, size, file);
	else
		reply_error(req, -EPERM);
}

static void on_flush(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *file)
{
	if (node_kind(node) != NODE_LINES)
		reply_error(req, 0); /* every write has been answered already, and is durable */
	else if (opener_allowed(req, node, file))
		lines_end(fs_of(req), req, file);
}

static void on_fsync(fuse_req_t req, fuse_ino_t node, int data_only, struct fuse_file_info *file)
{
	(void)data_only;
	on_flush(req, node, file);
}

static void on_fsyncdir(fuse_req_t req, fuse_ino_t node, int data_only, struct fuse_file_info *file)
{
	(void)node;
	(void)data_only;
	(void)file;
	reply_error(req, 0);
}

static void on_release(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *file)
{
	enum node_kind kind = node_kind(node);
	if (kind != NODE_RECORD && kind != NODE_STREAM)
		handle_destroy(handle_of(file));
	reply_error(req, 0);
}

static void on_statfs(fuse_req_t req, fuse_ino_t node)
{
	if (caller_allowed(req, node))
		reply_statfs(req);
}

/* ---- What a log forbids ---- */

static void refuse_create(fuse_req_t req, fuse_ino_t folder, const char *name, mode_t mode, struct fuse_file_info *file)
{
	(void)folder, (void)name, (void)mode, (void)file;
	reply_error(req, -EPERM);
}

static void refuse_mknod(fuse_req_t req, fuse_ino_t folder, const char *name, mode_t mode, dev_t device)
{
	(void)folder, (void)name, (void)mode, (void)device;
	reply_error(req, -EPERM);
}

static void refuse_mkdir(fuse_req_t req, fuse_ino_t folder, const char *name, mode_t mode)
{
	(void)folder, (void)name, (void)mode;
	reply_error(req, -EPERM);
}

static void refuse_remove(fuse_req_t req, fuse_ino_t folder, const char *name)
{
	(void)folder, (void)name;
	reply_error(req, -EPERM);
}

static void refuse_symlink(fuse_req_t req, const char *target, fuse_ino_t folder, const char *name)
{
	(void)target, (void)folder, (void)name;
	reply_error(req, -EPERM);
}

static void refuse_rename(fuse_req_t req, fuse_ino_t folder, const char *name, fuse_ino_t to_folder,
                          const char *to_name, unsigned flags)
{
	(void)folder, (void)name, (void)to_folder, (void)to_name, (void)flags;
	reply_error(req, -EPERM);
}

static void refuse_link(fuse_req_t req, fuse_ino_t node, fuse_ino_t folder, const char *name)
{
	(void)node, (void)folder, (void)name;
	reply_error(req, -EPERM);
}

/* ---- What is not there ---- */

static void refuse_setxattr(fuse_req_t req, fuse_ino_t node, const char *name, const char *value, size_t size,
                            int flags)
{
	(void)node, (void)name, (void)value, (void)size, (void)flags;
	reply_error(req, -EOPNOTSUPP);
}

static void refuse_getxattr(fuse_req_t req, fuse_ino_t node, const char *name, size_t size)
{
	(void)node, (void)name, (void)size;
	reply_error(req, -ENODATA);
}

static void on_listxattr(fuse_req_t req, fuse_ino_t node, size_t size)
{
	if (caller_allowed(req, node))
		reply_no_attributes(req, size);
}

static void refuse_removexattr(fuse_req_t req, fuse_ino_t node, const char *name)
{
	(void)node, (void)name;
	reply_error(req, -ENODATA);
}

static void refuse_ioctl(fuse_req_t req, fuse_ino_t node, unsigned command, void *arg, struct fuse_file_info *file,
                         unsigned flags, const void *data, size_t data_size, size_t room)
{
	(void)node, (void)command, (void)arg, (void)file, (void)flags, (void)data, (void)data_size, (void)room;
	reply_error(req, -ENOTTY);
}

/* Not EOPNOTSUPP: at that the C library writes a zero into each block by itself, and each would be a record. */
static void refuse_fallocate(fuse_req_t req, fuse_ino_t node, int mode, off_t position, off_t size,
                             struct fuse_file_info *file)
{
	(void)node, (void)mode, (void)position, (void)size, (void)file;
	reply_error(req, -EPERM);
}

/* From a file of the mount to another. Not EXDEV nor EOPNOTSUPP: at these the kernel copies by itself, in pieces of 64
 * KiB, each of which would be a record. At EINVAL programs go on with read and write, in pieces of st_blksize. */
static void refuse_copy(fuse_req_t req, fuse_ino_t from, off_t from_position, struct fuse_file_info *from_file,
                        fuse_ino_t to, off_t to_position, struct fuse_file_info *to_file, size_t size, int flags)
{
	(void)from, (void)from_position, (void)from_file, (void)to, (void)to_position, (void)to_file, (void)size;
	(void)flags;
	reply_error(req, -EINVAL);
}

const struct fuse_lowlevel_ops operations = {
	.init = on_init,
	.lookup = on_lookup,
	.getattr = on_getattr,
	.setattr = on_setattr,
	.readlink = on_readlink,
	.opendir = on_opendir,
	.readdir = on_readdir,
	.fsyncdir = on_fsyncdir,
	.statfs = on_statfs,
	.open = on_open,
	.read = on_read,
	.write = on_write,
	.flush = on_flush,
	.fsync = on_fsync,
	.release = on_release,
	.listxattr = on_listxattr,
	.create = refuse_create,
	.mknod = refuse_mknod,
	.mkdir = refuse_mkdir,
	.unlink = refuse_remove,
	.rmdir = refuse_remove,
	.symlink = refuse_symlink,
	.rename = refuse_rename,
	.link = refuse_link,
	.setxattr = refuse_setxattr,
	.getxattr = refuse_getxattr,
	.removexattr = refuse_removexattr,
	.ioctl = refuse_ioctl,
	.fallocate = refuse_fallocate,
	.copy_file_range = refuse_copy,
};
