#include "fs/node.h"

#include <assert.h>
#include <string.h>
#include <sys/stat.h>

/* Seconds that something is trusted which does not change while the mount lasts. */
#define ALWAYS 3600

#define FOLDER (S_IFDIR | 0755)
#define LINK (S_IFLNK | 0777)
#define WRITABLE (S_IFREG | 0644)
#define READABLE (S_IFREG | 0444)

#define PAGE 4096u
/* Writers that ask for st_blksize write as many whole lines at once, and less than a record may have. */
#define WRITE_BLOCK (512u << 10)
/* Readers of the stream read as much at once as one request can carry. */
#define READ_BLOCK (1u << 20)
/* Who copies a file to a name that becomes a record writes all of it at once, or is refused for its size. */
#define RECORD_BLOCK (1u << 20)

static const struct node_type types[NODE_KIND_COUNT] = {
	[NODE_ROOT] = {"/", NODE_NONE, FOLDER, AUTH_OBSERVE, AUTH_ADMIN, true, ALWAYS, ALWAYS, PAGE},
	[NODE_APPEND_LINK] = {"append", NODE_ROOT, LINK, AUTH_PRODUCE, AUTH_PRODUCE, true, ALWAYS, ALWAYS, PAGE},
	[NODE_RECORDS_LINK] = {"records", NODE_ROOT, LINK, AUTH_CONSUME, AUTH_ADMIN, false, ALWAYS, ALWAYS, PAGE},
	[NODE_LEADER] = {"leader", NODE_ROOT, LINK, AUTH_OBSERVE, AUTH_ADMIN, false, 0, 0, PAGE},
	[NODE_SELF] = {"self", NODE_ROOT, LINK, AUTH_OBSERVE, AUTH_ADMIN, false, 0, 0, PAGE},
	[NODE_ACL] = {AUTH_ACL_KEY, NODE_ROOT, WRITABLE, AUTH_OBSERVE, AUTH_ADMIN, false, ALWAYS, 0, PAGE,
                      .closed = true},
	[NODE_LOG] = {"log", NODE_ROOT, FOLDER, AUTH_CONSUME, AUTH_ADMIN, true, ALWAYS, ALWAYS, PAGE},
	[NODE_APPEND] = {"append", NODE_LOG, WRITABLE, AUTH_PRODUCE, AUTH_PRODUCE, true, 0, ALWAYS, WRITE_BLOCK},
	[NODE_LINES] = {"lines", NODE_LOG, WRITABLE, AUTH_PRODUCE, AUTH_PRODUCE, true, 0, ALWAYS, WRITE_BLOCK},
	[NODE_RECORDS] = {"records", NODE_LOG, FOLDER, AUTH_CONSUME, AUTH_PRODUCE, false, ALWAYS, 1, PAGE},
	[NODE_RECORD] = {NULL, NODE_RECORDS, READABLE, AUTH_CONSUME, AUTH_PRODUCE, false, 1, ALWAYS, PAGE},
	[NODE_CLAIM] = {NULL, NODE_RECORDS, WRITABLE, AUTH_CONSUME, AUTH_PRODUCE, false, 0, 0, RECORD_BLOCK},
	[NODE_STREAM] = {"stream", NODE_LOG, READABLE, AUTH_CONSUME, AUTH_ADMIN, false, 0, 0, READ_BLOCK},
	[NODE_FOLLOW] = {"follow", NODE_LOG, READABLE, AUTH_CONSUME, AUTH_ADMIN, false, ALWAYS, ALWAYS, READ_BLOCK},
	[NODE_FIRST] = {"first", NODE_LOG, WRITABLE, AUTH_CONSUME, AUTH_ADMIN, false, ALWAYS, 0, PAGE},
	[NODE_NEXT] = {"next", NODE_LOG, READABLE, AUTH_CONSUME, AUTH_ADMIN, false, ALWAYS, 0, PAGE},
	[NODE_RETENTION] = {"retention", NODE_LOG, WRITABLE, AUTH_CONSUME, AUTH_ADMIN, false, ALWAYS, 0, PAGE},
	[NODE_CLUSTER] = {"cluster", NODE_ROOT, FOLDER, AUTH_OBSERVE, AUTH_ADMIN, false, ALWAYS, ALWAYS, PAGE},
	[NODE_MEMBER] = {NULL, NODE_CLUSTER, FOLDER, AUTH_OBSERVE, AUTH_ADMIN, false, 0, 0, PAGE},
	[NODE_MEMBER_ID] = {"id", NODE_MEMBER, READABLE, AUTH_OBSERVE, AUTH_ADMIN, false, 0, 0, PAGE},
	[NODE_MEMBER_ADDRESS] = {"address", NODE_MEMBER, READABLE, AUTH_OBSERVE, AUTH_ADMIN, false, 0, 0, PAGE},
	[NODE_MEMBER_ROLE] = {"role", NODE_MEMBER, WRITABLE, AUTH_OBSERVE, AUTH_ADMIN, false, 0, 0, PAGE},
	[NODE_MEMBER_STATE] = {"state", NODE_MEMBER, READABLE, AUTH_OBSERVE, AUTH_ADMIN, false, 0, 0, PAGE},
	[NODE_MEMBER_MATCH] = {"match", NODE_MEMBER, READABLE, AUTH_OBSERVE, AUTH_ADMIN, false, 0, 0, PAGE},
	[NODE_MEMBER_LAG] = {"lag", NODE_MEMBER, READABLE, AUTH_OBSERVE, AUTH_ADMIN, false, 0, 0, PAGE},
	[NODE_STATUS] = {"status", NODE_ROOT, FOLDER, AUTH_OBSERVE, AUTH_ADMIN, false, ALWAYS, ALWAYS, PAGE},
	[NODE_HEALTH] = {"health", NODE_STATUS, READABLE, AUTH_OBSERVE, AUTH_ADMIN, false, ALWAYS, 0, PAGE},
	[NODE_METRICS] = {"metrics", NODE_STATUS, READABLE, AUTH_OBSERVE, AUTH_ADMIN, false, ALWAYS, 0, PAGE},
	[NODE_VERSION] = {"version", NODE_STATUS, READABLE, AUTH_OBSERVE, AUTH_ADMIN, false, ALWAYS, 0, PAGE},
	[NODE_CONFIG] = {"config", NODE_STATUS, READABLE, AUTH_OBSERVE, AUTH_ADMIN, false, ALWAYS, 0, PAGE},
	[NODE_TERM] = {"term", NODE_STATUS, READABLE, AUTH_OBSERVE, AUTH_ADMIN, false, ALWAYS, 0, PAGE},
	[NODE_COMMIT] = {"commit", NODE_STATUS, READABLE, AUTH_OBSERVE, AUTH_ADMIN, false, ALWAYS, 0, PAGE},
};

static_assert(NODE_KIND_COUNT <= 1 << NODE_KIND_BITS, "a kind must fit its bits");

const struct node_type *node_type(enum node_kind kind)
{
	assert(kind > NODE_NONE && kind < NODE_KIND_COUNT);
	return &types[kind];
}

uint64_t node_id(enum node_kind kind, uint64_t number)
{
	assert(kind > NODE_NONE && kind < NODE_KIND_COUNT && number <= NODE_NUMBER_MAX);
	return number << NODE_KIND_BITS | kind;
}

enum node_kind node_kind(uint64_t id)
{
	uint64_t kind = id & ((1u << NODE_KIND_BITS) - 1);
	return kind < NODE_KIND_COUNT ? (enum node_kind)kind : NODE_NONE;
}

uint64_t node_number(uint64_t id)
{
	return id >> NODE_KIND_BITS;
}

uint64_t node_ino(uint64_t id)
{
	enum node_kind kind = node_kind(id);
	return kind == NODE_APPEND || kind == NODE_LINES || kind == NODE_STREAM ? kind : id;
}

enum node_kind node_find(enum node_kind folder, const char *name)
{
	for (enum node_kind kind = NODE_ROOT; kind < NODE_KIND_COUNT; kind++)
		if (types[kind].folder == folder && types[kind].name != NULL && strcmp(types[kind].name, name) == 0)
			return kind;
	return NODE_NONE;
}
