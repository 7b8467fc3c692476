#include "fs/private.h"

#include <errno.h>
#include <limits.h>

int reply_errno(int error)
{
	switch (error) {
	case -ESHUTDOWN: /* it was never proposed: refused */
		return EHOSTUNREACH;
	case -EBADMSG:
		return EIO;
	default:
		return -error;
	}
}

void reply_error(fuse_req_t req, int error)
{
	if (req != NULL)
		fuse_reply_err(req, reply_errno(error));
}

void reply_entry(fuse_req_t req, uint64_t node, const struct stat *attr)
{
	const struct node_type *type = node_type(node_kind(node));
	const struct fuse_entry_param entry = {
		.ino = node, .attr = *attr, .entry_timeout = type->entry_s, .attr_timeout = type->attr_s};
	fuse_reply_entry(req, &entry);
}

void reply_attr(fuse_req_t req, uint64_t node, const struct stat *attr)
{
	fuse_reply_attr(req, attr, node_type(node_kind(node))->attr_s);
}

void reply_piece(fuse_req_t req, const void *data, size_t data_size, size_t size, off_t offset)
{
	if (offset < 0 || (uint64_t)offset >= data_size) {
		reply_data(req, NULL, 0);
		return;
	}
	size_t left = data_size - (size_t)offset;
	reply_data(req, (const char *)data + offset, left < size ? left : size);
}

bool reply_data(fuse_req_t req, const void *data, size_t size)
{
	return req != NULL && fuse_reply_buf(req, data, size) == 0;
}

void reply_poll(fuse_req_t req, unsigned events)
{
	fuse_reply_poll(req, events);
}

void reply_written(fuse_req_t req, size_t size)
{
	if (req != NULL)
		fuse_reply_write(req, size);
}

void reply_link(fuse_req_t req, const char *target)
{
	fuse_reply_readlink(req, target);
}

bool reply_open(fuse_req_t req, const struct fuse_file_info *file)
{
	return req != NULL && fuse_reply_open(req, file) == 0;
}

bool reply_created(fuse_req_t req, uint64_t node, const struct stat *attr, const struct fuse_file_info *file)
{
	const struct node_type *type = node_type(node_kind(node));
	const struct fuse_entry_param entry = {
		.ino = node, .attr = *attr, .entry_timeout = type->entry_s, .attr_timeout = type->attr_s};
	return fuse_reply_create(req, &entry, file) == 0;
}

void reply_statfs(fuse_req_t req)
{
	/* No blocks, as /proc has none: df leaves it out, and no program takes the log's room for the disk's. */
	const struct statvfs statfs = {.f_bsize = 4096, .f_frsize = 4096, .f_namemax = NAME_MAX};
	fuse_reply_statfs(req, &statfs);
}

void reply_xattr(fuse_req_t req, const char *text, size_t text_size, size_t size)
{
	if (size == 0)
		fuse_reply_xattr(req, text_size);
	else if (text_size > size)
		reply_error(req, -ERANGE);
	else
		reply_data(req, text, text_size);
}
