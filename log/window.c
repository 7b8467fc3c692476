#include "log/window.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The kernel's copy to a place that no line of the cache begins at takes half as long again. */
#define WINDOW_ALIGN 64u

size_t window_available(const struct window *window, uint64_t position, const unsigned char **bytes)
{
	if (position < window->start || position >= window->start + window->filled)
		return 0;
	*bytes = *window->buffer + window->head + (position - window->start);
	return (size_t)(window->start + window->filled - position);
}

static int grow(struct window *window, size_t size)
{
	if (size <= *window->buffer_size)
		return 0;
	unsigned char *buffer = realloc(*window->buffer, size);
	if (buffer == NULL)
		return -ENOMEM;
	*window->buffer = buffer;
	*window->buffer_size = size;
	return 0;
}

/* Moves the bytes that stay, have of them at place, to where what follows them can be read to a border of WINDOW_ALIGN. */
static void slide(struct window *window, size_t place, size_t have)
{
	size_t past = ((uintptr_t)*window->buffer + have) % WINDOW_ALIGN;
	window->head = past > 0 ? WINDOW_ALIGN - past : 0;
	if (have > 0)
		memmove(*window->buffer + window->head, *window->buffer + place, have);
}

int window_at(struct window *window, uint64_t position, size_t need, const unsigned char **bytes)
{
	size_t have = window_available(window, position, bytes);
	if (have >= need)
		return 0;
	if (position > window->limit || need > window->limit - position)
		return -ENODATA;
	size_t size = need > window->piece ? need : window->piece;
	if (size > window->limit - position)
		size = (size_t)(window->limit - position);
	size_t place = have > 0 ? (size_t)(*bytes - *window->buffer) : 0;
	int rc = grow(window, size + WINDOW_ALIGN);
	if (rc != 0)
		return rc;
	slide(window, place, have);
	window->start = position;
	window->filled = have;
	*bytes = *window->buffer + window->head;
	ssize_t count = window->disk->read(window->disk, window->handle, *window->buffer + window->head + have,
	                                   size - have, position + have, window->wait);
	if (count < 0)
		return (int)count;
	window->filled += (size_t)count;
	if (window->filled < need)
		return window->wait ? -ENODATA : -EAGAIN;
	return 0;
}
