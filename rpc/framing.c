#include "rpc/framing.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void framing_finish(struct framing *framing)
{
	free(framing->data);
	*framing = (struct framing){0};
}

/* The size of the first message, whose head is there. */
static uint32_t first_size(const struct framing *framing)
{
	const unsigned char *head = framing->data + framing->begin;
	return (uint32_t)head[1] << 24 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 8 | head[4];
}

int framing_add(struct framing *framing, const void *data, size_t size)
{
	if (size == 0)
		return 0;
	if (framing->end + size > framing->capacity && framing->begin > 0) {
		memmove(framing->data, framing->data + framing->begin, framing->end - framing->begin);
		framing->end -= framing->begin;
		framing->begin = 0;
	}
	if (framing->end + size > framing->capacity) {
		size_t capacity = 2 * (framing->end + size);
		unsigned char *grown = realloc(framing->data, capacity);
		if (grown == NULL)
			return -ENOMEM;
		framing->data = grown;
		framing->capacity = capacity;
	}
	memcpy(framing->data + framing->end, data, size);
	framing->end += size;
	return 0;
}

int framing_next(const struct framing *framing, struct framing_message *message)
{
	if (framing->end - framing->begin < FRAMING_HEAD_SIZE)
		return 0;
	const unsigned char *head = framing->data + framing->begin;
	message->compressed = head[0] == 1;
	message->size = first_size(framing);
	message->data = head + FRAMING_HEAD_SIZE;
	if (head[0] > 1)
		return -EBADMSG;
	if (message->size > FRAMING_SIZE_MAX)
		return -EMSGSIZE;
	return framing->end - framing->begin - FRAMING_HEAD_SIZE >= message->size;
}

void framing_take(struct framing *framing)
{
	framing->begin += FRAMING_HEAD_SIZE + first_size(framing);
	assert(framing->begin <= framing->end);
	if (framing->begin < framing->end)
		return;
	framing->begin = framing->end = 0;
	if (framing->capacity > FRAMING_IDLE_SIZE)
		framing_finish(framing);
}

bool framing_empty(const struct framing *framing)
{
	return framing->begin == framing->end;
}

bool framing_exceeds(const struct framing *framing)
{
	return framing->end - framing->begin > FRAMING_HEAD_SIZE + first_size(framing);
}

void framing_head(uint32_t size, unsigned char head[FRAMING_HEAD_SIZE])
{
	head[0] = 0;
	head[1] = (unsigned char)(size >> 24);
	head[2] = (unsigned char)(size >> 16);
	head[3] = (unsigned char)(size >> 8);
	head[4] = (unsigned char)size;
}
