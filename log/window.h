/* A window over a file that is read forward: one buffer, filled in large pieces. */
#ifndef CLOG_LOG_WINDOW_H
#define CLOG_LOG_WINDOW_H

#include "log/log.h"

struct window {
	struct log_disk *disk;
	int handle;
	bool wait;
	uint32_t piece; /* bytes to read at a time, at least */
	uint64_t limit; /* nothing is read at or past this position */
	/* The buffer is the caller's, who frees it; it grows as needed. */
	unsigned char **buffer;
	size_t *buffer_size;
	size_t head;    /* where in the buffer the window begins */
	uint64_t start; /* position of its first byte */
	size_t filled;
};

/* Gives the bytes at the position, at least need of them, until the next call. -ENODATA when the limit or the file's
 * end comes first, -EAGAIN when it would block and must not, -ENOMEM, or the disk's error. need is bounded by the
 * caller. */
int window_at(struct window *window, uint64_t position, size_t need, const unsigned char **bytes);

/* Gives the bytes that there are at the position without reading more. Returns their count. */
size_t window_available(const struct window *window, uint64_t position, const unsigned char **bytes);

#endif
