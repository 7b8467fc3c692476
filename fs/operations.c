/* operations: what the kernel may ask, by FUSE's low-level interface.
 *
 * Nothing here is left out for the default to answer that would say ENOSYS, where the kernel takes that as said for all
 * files of the mount and for ever; but for those that mean what is true: no access (the kernel checks modes itself),
 * no lseek (there are no holes), no locks (the kernel's own, of this machine). */
#include "fs/private.h"
#include "fs/refuse.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>

static struct fs *fs_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/* Answers and returns false where the user may not use the node, or the id is none of ours. */
static bool allowed(fuse_req_t req, fuse_ino_t node, struct auth_principal principal, bool change)
{
	enum node_kind kind = node_kind(node);
	int rc = kind == NODE_NONE ? -ESTALE : access_ask(fs_of(req), principal, kind, change);
	if (rc != 0)
		reply_error(req, rc);
	return rc == 0;
}

static bool caller_allowed(fuse_req_t req, fuse_ino_t node)
{
	return allowed(req, node, access_caller(req), false);
}

static bool caller_may_change(fuse_req_t req, fuse_ino_t node)
{
	return allowed(req, node, access_caller(req), true);
}

/* Who opened the file that a request comes by: what is done by an open file is done in that name. */
static struct auth_principal opener(fuse_ino_t node, const struct fuse_file_info *file)
{
	enum node_kind kind = node_kind(node);
	if (kind == NODE_RECORD || kind == NODE_STREAM || S_ISDIR(node_type(kind)->mode))
		return access_unpack(file->fh);
	return ((const struct handle *)handle_of(file))->opener;
}

static bool opener_allowed(fuse_req_t req, fuse_ino_t node, const struct fuse_file_info *file)
{
	return allowed(req, node, opener(node, file), node_type(node_kind(node))->closed);
}

static bool opener_may_change(fuse_req_t req, fuse_ino_t node, const struct fuse_file_info *file)
{
	return allowed(req, node, opener(node, file), true);
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
	/* For whoever asks, as of any file: who gets to it by a path has passed its folders, and who was given it open may
	 * do all else with it, too. The kernel does not tell the one from the other. */
	if (node_kind(node) == NODE_NONE)
		reply_error(req, -ESTALE);
	else
		tree_attr(fs_of(req), req, node);
}

static bool is_writable(enum node_kind kind)
{
	return kind == NODE_APPEND || kind == NODE_LINES || kind == NODE_CLAIM || admin_writable(kind);
}

/* Truncating and touching what can be written changes nothing, and programs that do it by habit go on. */
static int setattr_check(const struct fs *fs, fuse_ino_t node, const struct stat *attr, int set)
{
	if (!is_writable(node_kind(node)))
		return -EPERM;
	struct stat now;
	tree_attr_begin(fs, node, 0, &now);
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
	if (!(file != NULL ? opener_may_change(req, node, file) : caller_may_change(req, node)))
		return;
	int rc = setattr_check(fs_of(req), node, attr, set);
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
	file->fh = access_pack(access_caller(req));
	reply_open(req, file);
}

static void on_readdir(fuse_req_t req, fuse_ino_t node, size_t size, off_t position, struct fuse_file_info *file)
{
	if (opener_allowed(req, node, file))
		listing_read(fs_of(req), req, node, size, position);
}

/* Answers and returns false where the file may not be opened like that. append and lines are there to be written: who
 * may do that opens them to read, too. */
static bool open_allowed(fuse_req_t req, fuse_ino_t node, int flags)
{
	enum node_kind kind = node_kind(node);
	bool change = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);
	if (change && (!is_writable(kind) || kind == NODE_CLAIM)) {
		reply_error(req, kind == NODE_NONE ? -ESTALE : -EPERM);
		return false;
	}
	return (!(change || (kind != NODE_NONE && node_type(kind)->closed)) || caller_may_change(req, node)) &&
	       ((flags & O_ACCMODE) == O_WRONLY || caller_allowed(req, node));
}

static void on_open(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *file)
{
	struct fs *fs = fs_of(req);
	if (!open_allowed(req, node, file->flags))
		return;
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
	case NODE_CLAIM: /* again, by /proc: it is no file yet */
		reply_error(req, -ESTALE);
		break;
	case NODE_FOLLOW:
		follow_open(fs, req, file);
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
	case NODE_CLAIM:
		reply_data(req, NULL, 0);
		break;
	case NODE_FOLLOW:
		follow_read(fs, req, size, file);
		break;
	case NODE_STREAM:
		stream_read(fs, req, node_number(node), size, position);
		break;
	default:
		text_read(req, size, position, file);
		break;
	}
}

static void on_create(fuse_req_t req, fuse_ino_t folder, const char *name, mode_t mode, struct fuse_file_info *file)
{
	(void)mode;
	if (node_kind(folder) != NODE_RECORDS)
		reply_error(req, -EPERM);
	else if (caller_may_change(req, folder))
		claim_create(fs_of(req), req, name, file);
}

static void on_unlink(fuse_req_t req, fuse_ino_t folder, const char *name)
{
	if (node_find(node_kind(folder), name) != NODE_ACL)
		refuse_unlink(req, folder, name);
	else if (caller_may_change(req, node_id(NODE_ACL, 0)))
		admin_remove_list(fs_of(req), req);
}

static void on_rmdir(fuse_req_t req, fuse_ino_t folder, const char *name)
{
	if (node_kind(folder) != NODE_CLUSTER)
		reply_error(req, -EPERM);
	else if (caller_may_change(req, folder))
		admin_remove(fs_of(req), req, name);
}

static void on_write(fuse_req_t req, fuse_ino_t node, const char *data, size_t size, off_t position,
                     struct fuse_file_info *file)
{
	const struct write write = {
		.req = req, .node = node, .file = *file, .data = data, .size = size, .position = position};
	if (!is_writable(node_kind(node))) {
		reply_error(req, -EPERM);
		return;
	}
	if (!opener_may_change(req, node, file))
		return;
	if (size == 0)
		reply_written(req, 0);
	else if (admin_writable(node_kind(node)))
		admin_write(fs_of(req), &write);
	else
		write_start(fs_of(req), &write);
}

static void on_poll(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *file, struct fuse_pollhandle *poll)
{
	if (node_kind(node) == NODE_FOLLOW) {
		follow_poll(req, file, poll);
		return;
	}
	if (poll != NULL)
		fuse_pollhandle_destroy(poll);
	reply_poll(req, POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM); /* all others are always ready */
}

static void on_flush(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *file)
{
	const struct write end = {.req = req, .node = node, .file = *file};
	if (node_kind(node) != NODE_LINES)
		reply_error(req, 0); /* every write has been answered already, and is durable */
	else if (opener_allowed(req, node, file))
		write_start(fs_of(req), &end);
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
	(void)node; /* and whoever asks: it tells nothing */
	reply_statfs(req);
}

static void on_listxattr(fuse_req_t req, fuse_ino_t node, size_t size)
{
	if (!caller_allowed(req, node))
		return;
	if (node_kind(node) == NODE_RECORD)
		records_list_xattr(req, size);
	else
		reply_xattr(req, NULL, 0, size);
}

static void on_getxattr(fuse_req_t req, fuse_ino_t node, const char *name, size_t size)
{
	if (node_kind(node) != NODE_RECORD)
		reply_error(req, -ENODATA);
	else if (caller_allowed(req, node))
		records_xattr(fs_of(req), req, node_number(node), name, size);
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
	.poll = on_poll,
	.flush = on_flush,
	.fsync = on_fsync,
	.release = on_release,
	.listxattr = on_listxattr,
	.create = on_create,
	.mknod = refuse_mknod,
	.mkdir = refuse_mkdir,
	.unlink = on_unlink,
	.rmdir = on_rmdir,
	.symlink = refuse_symlink,
	.rename = refuse_rename,
	.link = refuse_link,
	.setxattr = refuse_setxattr,
	.getxattr = on_getxattr,
	.removexattr = refuse_removexattr,
	.ioctl = refuse_ioctl,
	.fallocate = refuse_fallocate,
	.copy_file_range = refuse_copy,
};
