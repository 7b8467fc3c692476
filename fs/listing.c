/* listing: what is in a folder.
 *
 * The place after an entry is its number in the folder plus one; "." is 0, ".." is 1, and the record at offset N is
 * N + 2, so that a listing of records can go on at any place, whatever has been appended or trimmed meanwhile. */
#include "fs/private.h"

#include <inttypes.h>
#include <stdio.h>

/* An answer being filled. */
struct listing {
	struct fs *fs;
	fuse_req_t req;
	size_t room;
	size_t used;
};

/* Adds an entry. Returns false when there is no room for it. */
static bool add(struct listing *listing, const char *name, uint64_t node, uint64_t number)
{
	const struct stat attr = {.st_ino = node_ino(node), .st_mode = node_type(node_kind(node))->mode};
	size_t left = listing->room - listing->used;
	size_t size = fuse_add_direntry(listing->req, listing->fs->listing + listing->used, left, name, &attr,
	                                (off_t)(number + 1));
	if (size > left)
		return false;
	listing->used += size;
	return true;
}

static void add_records(struct listing *listing, uint64_t number)
{
	struct service_state state;
	char name[24];
	service_state(listing->fs->service, &state);
	uint64_t offset = number - 2 < state.first_offset ? state.first_offset : number - 2;
	for (; offset < state.next_offset; offset++) {
		snprintf(name, sizeof name, "%" PRIu64, offset);
		if (!add(listing, name, node_id(NODE_RECORD, offset), offset + 2))
			return;
	}
}

static void add_members(struct listing *listing, uint64_t number)
{
	struct service_member members[SERVICE_MEMBERS_MAX];
	size_t count = service_members(listing->fs->service, members, SERVICE_MEMBERS_MAX);
	for (uint64_t i = number - 2; i < count && i < SERVICE_MEMBERS_MAX; i++)
		if (!add(listing, members[i].name, node_id(NODE_MEMBER, members[i].id), i + 2))
			return;
}

/* Adds the nodes that have a name of their own; each one's number is its kind's. */
static void add_named(struct listing *listing, uint64_t folder, uint64_t number)
{
	for (uint64_t kind = number > NODE_ROOT ? number : NODE_ROOT + 1; kind < NODE_KIND_COUNT; kind++) {
		const struct node_type *type = node_type((enum node_kind)kind);
		if (type->folder != node_kind(folder))
			continue;
		bool of_member = node_kind(folder) == NODE_MEMBER;
		uint64_t node = node_id(kind, of_member ? node_number(folder) : tree_number(listing->fs, kind));
		/* Who reads all files of a folder would wait in follow for ever. */
		if (kind == NODE_FOLLOW || (kind == NODE_LEADER && node_number(node) == 0))
			continue;
		if (!add(listing, type->name, node, kind))
			return;
	}
}

static uint64_t parent(uint64_t folder)
{
	enum node_kind above = node_type(node_kind(folder))->folder;
	return node_id(above == NODE_NONE ? NODE_ROOT : above, 0);
}

void listing_read(struct fs *fs, fuse_req_t req, uint64_t folder, size_t size, off_t position)
{
	struct listing listing = {.fs = fs, .req = req, .room = size < FS_LISTING_SIZE ? size : FS_LISTING_SIZE};
	uint64_t number = (uint64_t)position;
	if (number == 0 && add(&listing, ".", folder, 0))
		number = 1;
	if (number == 1 && add(&listing, "..", parent(folder), 1))
		number = 2;
	if (number >= 2 && node_kind(folder) == NODE_RECORDS)
		add_records(&listing, number);
	else if (number >= 2 && node_kind(folder) == NODE_CLUSTER)
		add_members(&listing, number);
	else if (number >= 2)
		add_named(&listing, folder, number);
	reply_data(req, fs->listing, listing.used);
}
