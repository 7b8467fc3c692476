/* Joining items that stand in memory one after the other: their bytes, checked and without the headers between them. */
#ifndef CLOG_LOG_JOIN_H
#define CLOG_LOG_JOIN_H

#include <stddef.h>
#include <stdint.h>

struct join {
	const unsigned char *bytes; /* of the items, from the next one on */
	size_t size;                /* of these bytes */
	uint64_t offset;            /* of the next item's record */
	uint32_t left;              /* items */
	unsigned char *to;          /* where the next item's bytes go */
	size_t room;                /* bytes there */
};

/* Takes items from the front, and moves each field past them, as far as they are whole, right, and have room. Of the one
 * that is not, bytes may be in the room. Returns how many there were. */
uint32_t join_items(struct join *join);
/* The same, as it is done where the processor has no instructions for more. */
uint32_t join_items_plain(struct join *join);

#endif
