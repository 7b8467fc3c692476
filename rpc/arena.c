#include "rpc/arena.h"

#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>

static void *take(void *arg, size_t size)
{
	struct arena *arena = arg;
	const size_t place = (arena->used + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	if (place > ARENA_SIZE || size > ARENA_SIZE - place)
		return NULL;
	arena->used = place + size;
	return arena->data + place;
}

static void give_back(void *arg, void *data)
{
}

int arena_init(struct arena *arena)
{
	*arena = (struct arena){.allocator = {.alloc = take, .free = give_back}};
	arena->allocator.allocator_data = arena;
	arena->data = malloc(ARENA_SIZE);
	return arena->data == NULL ? -ENOMEM : 0;
}

void arena_finish(struct arena *arena)
{
	free(arena->data);
	arena->data = NULL;
}

void *arena_unpack(struct arena *arena, const ProtobufCMessageDescriptor *type, const void *data, size_t size)
{
	arena->used = 0;
	return protobuf_c_message_unpack(type, &arena->allocator, size, data);
}
