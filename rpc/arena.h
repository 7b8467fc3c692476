/* arena: the memory that messages of protobuf are unpacked into, no more than so much of it. What is in it is given up at
 * once, before the next message. */
#ifndef CLOG_RPC_ARENA_H
#define CLOG_RPC_ARENA_H

#include <stddef.h>

#include <protobuf-c/protobuf-c.h>

/* A message of the largest size with as many values as a request may have, and what protobuf-c needs around them: for each 16
 * bytes, as many at most to align it, and up to 80 while it looks for the fields. One that is made of a great many more fields
 * does not fit. */
#define ARENA_SIZE (10u << 20)

struct arena {
	unsigned char *data;
	size_t used;
	ProtobufCAllocator allocator;
};

/* -ENOMEM. */
int arena_init(struct arena *arena);
void arena_finish(struct arena *arena);
/* Unpacks a message; NULL when it is malformed, does not fit, or a string in it has a NUL.
 * Valid until the next call. */
void *arena_unpack(struct arena *arena, const ProtobufCMessageDescriptor *type, const void *data, size_t size);

#endif
