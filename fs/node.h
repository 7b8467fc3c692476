/* node: the files of the mount, and the ids that the kernel knows them by.
 *
 * A node id is made of a kind and a number, and says by itself which file it is: no table is kept, and a FORGET has
 * nothing to free. The number is the offset of a record, the id of a member, the position in the joined stream where
 * an opened stream begins, or, of append and lines, a count that makes each lookup's node a new one. */
#ifndef CLOG_FS_NODE_H
#define CLOG_FS_NODE_H

#include "auth/auth.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum node_kind {
	NODE_NONE,
	NODE_ROOT, /* 1, FUSE's own id of the root */
	NODE_APPEND_LINK,
	NODE_RECORDS_LINK,
	NODE_LEADER,
	NODE_SELF,
	NODE_ACL,
	NODE_LOG,
	NODE_APPEND,
	NODE_LINES,
	NODE_RECORDS,
	NODE_RECORD, /* number: its offset */
	NODE_CLAIM,  /* a name in records/ that was created and is no record yet; number: as of append */
	NODE_STREAM, /* number: the position in the joined stream that is its byte 0 */
	NODE_FOLLOW,
	NODE_FIRST,
	NODE_NEXT,
	NODE_RETENTION,
	NODE_CLUSTER,
	NODE_MEMBER, /* number, and that of the files in it: the member's id */
	NODE_MEMBER_ID,
	NODE_MEMBER_ADDRESS,
	NODE_MEMBER_ROLE,
	NODE_MEMBER_STATE,
	NODE_MEMBER_MATCH,
	NODE_MEMBER_LAG,
	NODE_STATUS,
	NODE_HEALTH,
	NODE_METRICS,
	NODE_VERSION,
	NODE_CONFIG,
	NODE_TERM,
	NODE_COMMIT,
	NODE_KIND_COUNT
};

#define NODE_KIND_BITS 6
#define NODE_NUMBER_MAX (UINT64_MAX >> NODE_KIND_BITS)

/* What is the same for all nodes of a kind. */
struct node_type {
	const char *name;        /* in its folder; NULL where the number makes the name */
	enum node_kind folder;   /* that holds it */
	mode_t mode;             /* its type, and the most that anyone may: access_mode has what it is shown with */
	enum auth_action action; /* that looking it up, asking for its attributes and opening it to read are */
	enum auth_action change; /* that writing to it is, or making and removing something in it */
	bool common;             /* whoever may do any action may look it up and open it to read */
	uint32_t entry_s;        /* how long the kernel may trust the name, */
	uint32_t attr_s;         /* and the attributes */
	uint32_t block_size;     /* st_blksize: the size of pieces that programs are told to work in */
	bool closed;             /* to open it to read is what changing it is; looking it up is not */
};

/* The type of a kind; static. */
const struct node_type *node_type(enum node_kind kind);

/* The id of a node: number <= NODE_NUMBER_MAX. */
uint64_t node_id(enum node_kind kind, uint64_t number);
/* The kind in an id; NODE_NONE when it is no id of ours. */
enum node_kind node_kind(uint64_t id);
uint64_t node_number(uint64_t id);
/* The st_ino of a node: its id, but the same for all nodes of append, of lines and of stream. */
uint64_t node_ino(uint64_t id);

/* The kind that is called name in a folder, of those that have a name; NODE_NONE when there is none. */
enum node_kind node_find(enum node_kind folder, const char *name);

#endif
