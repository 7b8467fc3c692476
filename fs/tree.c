/* tree: names and attributes. */
#include "fs/private.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_NS 1000000000u

/* Where a link of the root points to. */
struct target {
	char path[sizeof "cluster/" + SERVICE_NAME_SIZE];
};

void tree_attr_begin(const struct fs *fs, uint64_t node, uint64_t time_ns, struct stat *attr)
{
	const struct node_type *type = node_type(node_kind(node));
	const struct timespec time = {.tv_sec = (time_t)(time_ns / SECOND_NS), .tv_nsec = (long)(time_ns % SECOND_NS)};
	/* One link for folders, too: their subfolders are not counted. */
	*attr = (struct stat){.st_ino = node_ino(node),
	                      .st_mode = access_mode(fs, node_kind(node)),
	                      .st_nlink = 1,
	                      .st_uid = fs->auth->owner,
	                      .st_gid = fs->auth->group,
	                      .st_blksize = type->block_size,
	                      .st_atim = time,
	                      .st_mtim = time,
	                      .st_ctim = time};
}

uint64_t tree_number(struct fs *fs, enum node_kind kind)
{
	struct service_state state;
	switch (kind) {
	case NODE_APPEND:
	case NODE_LINES:
	case NODE_CLAIM:
		/* A node of its own for each opening: the kernel lets one write at a time into a node. */
		return fs->lookups = (fs->lookups + 1) & NODE_NUMBER_MAX;
	case NODE_STREAM:
		/* The file's size must not shrink by a trim: who opens it after one sees another node. */
		service_state(fs->service, &state);
		return state.stream_begin;
	case NODE_LEADER:
		service_state(fs->service, &state);
		return state.leader;
	case NODE_SELF:
		service_state(fs->service, &state);
		return state.self;
	default:
		return 0;
	}
}

static int link_target(struct fs *fs, uint64_t node, struct target *target)
{
	struct service_member member;
	switch (node_kind(node)) {
	case NODE_APPEND_LINK:
		snprintf(target->path, sizeof target->path, "log/append");
		return 0;
	case NODE_RECORDS_LINK:
		snprintf(target->path, sizeof target->path, "log/records");
		return 0;
	default:
		if (member_by_id(fs, node_number(node), &member) != 0)
			return -ENOENT;
		snprintf(target->path, sizeof target->path, "cluster/%s", member.name);
		return 0;
	}
}

/* Gives the attributes of a node, but for a record's. */
static int attributes(struct fs *fs, uint64_t node, struct stat *attr)
{
	struct service_member member;
	struct service_state state;
	struct target target;
	enum node_kind kind = node_kind(node);
	char *text;
	size_t size = 0;
	int rc = 0;

	service_state(fs->service, &state);
	bool of_log = node_type(kind)->folder == NODE_LOG && state.time_ns != 0;
	tree_attr_begin(fs, node, of_log ? state.time_ns : state.start_ns, attr);
	if (kind == NODE_STREAM) {
		size = state.stream_end - node_number(node);
	} else if (kind == NODE_MEMBER) {
		rc = member_by_id(fs, node_number(node), &member);
	} else if (S_ISLNK(attr->st_mode)) {
		rc = link_target(fs, node, &target);
		if (rc == 0)
			size = strlen(target.path);
	} else if (S_ISREG(attr->st_mode) && kind != NODE_APPEND && kind != NODE_LINES && kind != NODE_CLAIM &&
	           kind != NODE_FOLLOW) {
		rc = text_render(fs, node, &text, &size);
		if (rc == 0)
			free(text);
	}
	if (rc == 0) {
		attr->st_size = (off_t)size;
		attr->st_blocks = (blkcnt_t)((size + 511) / 512);
	}
	return rc;
}

/* Gives the node that a name in a folder stands for; in records/ records_lookup does that. */
static int find(struct fs *fs, uint64_t folder, const char *name, uint64_t *node)
{
	struct service_member member;
	if (node_kind(folder) == NODE_CLUSTER) {
		int rc = member_by_name(fs, name, &member);
		if (rc == 0)
			*node = node_id(NODE_MEMBER, member.id);
		return rc;
	}
	enum node_kind kind = node_find(node_kind(folder), name);
	if (kind == NODE_NONE)
		return -ENOENT;
	uint64_t number = node_kind(folder) == NODE_MEMBER ? node_number(folder) : tree_number(fs, kind);
	if (kind == NODE_LEADER && number == 0)
		return -ENOENT;
	*node = node_id(kind, number);
	return 0;
}

void tree_lookup(struct fs *fs, fuse_req_t req, uint64_t folder, const char *name)
{
	struct stat attr;
	uint64_t node;
	if (node_kind(folder) == NODE_RECORDS && strlen(name) <= NAME_MAX) {
		records_lookup(fs, req, name);
		return;
	}
	/* The kernel passes longer ones on. */
	int rc = strlen(name) > NAME_MAX ? -ENAMETOOLONG : find(fs, folder, name, &node);
	if (rc == 0)
		rc = access_ask(fs, access_caller(req), node_kind(node), false);
	if (rc == 0)
		rc = attributes(fs, node, &attr);
	if (rc == 0)
		reply_entry(req, node, &attr);
	else
		reply_error(req, rc);
}

void tree_attr(struct fs *fs, fuse_req_t req, uint64_t node)
{
	struct stat attr;
	if (node_kind(node) == NODE_RECORD) {
		records_attr(fs, req, node_number(node));
		return;
	}
	int rc = attributes(fs, node, &attr);
	if (rc == 0)
		reply_attr(req, node, &attr);
	else
		reply_error(req, rc);
}

void tree_link(struct fs *fs, fuse_req_t req, uint64_t node)
{
	struct target target;
	int rc = S_ISLNK(node_type(node_kind(node))->mode) ? link_target(fs, node, &target) : -EINVAL;
	if (rc == 0)
		reply_link(req, target.path);
	else
		reply_error(req, rc);
}
