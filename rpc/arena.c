#include "rpc/arena.h"

#include <errno.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define WIRE_VARINT 0u
#define WIRE_64BIT 1u
#define WIRE_BYTES 2u
#define WIRE_32BIT 5u

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

static uint64_t varint(const unsigned char **at, const unsigned char *end)
{
	uint64_t number = 0;
	for (unsigned shift = 0; *at < end && shift < 64; shift += 7) {
		const unsigned char byte = *(*at)++;
		number |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80)
			break;
	}
	return number;
}

static bool has_strings(const ProtobufCMessageDescriptor *type)
{
	for (unsigned i = 0; i < type->n_fields; i++)
		if (type->fields[i].type == PROTOBUF_C_TYPE_STRING)
			return true;
	return false;
}

/* Whether a string of a message has a NUL in it: protobuf-c gives it as if it ended there. Only those of the message itself:
 * what is within others is not asked for anywhere. */
static bool has_nul(const ProtobufCMessageDescriptor *type, const unsigned char *at, size_t size)
{
	const unsigned char *const end = at + size;
	while (at < end) {
		const uint64_t key = varint(&at, end);
		const unsigned wire = key & 7;
		const ProtobufCFieldDescriptor *field = NULL;
		uint64_t skip = 0;
		if (wire == WIRE_VARINT) {
			varint(&at, end);
		} else if (wire == WIRE_BYTES) {
			skip = varint(&at, end);
			field = protobuf_c_message_descriptor_get_field(type, (unsigned)(key >> 3));
		} else {
			skip = wire == WIRE_64BIT ? 8 : wire == WIRE_32BIT ? 4 : UINT64_MAX;
		}
		skip = skip < (size_t)(end - at) ? skip : (size_t)(end - at);
		if (field != NULL && field->type == PROTOBUF_C_TYPE_STRING && memchr(at, '\0', skip) != NULL)
			return true;
		at += skip;
	}
	return false;
}

void *arena_unpack(struct arena *arena, const ProtobufCMessageDescriptor *type, const void *data, size_t size)
{
	arena->used = 0;
	void *message = protobuf_c_message_unpack(type, &arena->allocator, size, data);
	return message != NULL && has_strings(type) && has_nul(type, data, size) ? NULL : message;
}
