#include "log/window.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

size_t window_available(const struct window *window, uint64_t position)
{
	if (position < window->start || position >= window->start + window->filled)
		return 0;
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

int window_at(struct window *window, uint64_t position, size_t need, const unsigned char **bytes)
{
	size_t have = window_available(window, position);
	if (have >= need) {
		*bytes = *window->buffer + (position - window->start);
		return 0;
	}
	if (position > window->limit || need > window->limit - position)
		return -ENODATA;
	size_t size = need > window->piece ? need : window->piece;
	if (size > window->limit - position)
		size = (size_t)(window->limit - position);
	if (have > 0)
		memmove(*window->buffer, *window->buffer + (position - window->start), have);
	window->start = position;
	window->filled = have;
	int rc = grow(window, size);
	if (rc != 0)
		return rc;
	ssize_t count = window->disk->read(window->disk, window->handle, *window->buffer + have, size - have,
	                                   position + have, window->wait);
	if (count < 0)
		return (int)count;
	window->filled += (size_t)count;
	if (window->filled < need)
		return window->wait ? -ENODATA : -EAGAIN;
	*bytes = *window->buffer;
	return 0;
}
