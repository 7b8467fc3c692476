/* retention: how much of a log is kept, as text: "bytes=10GiB age=7d", or "all". */
#ifndef CLOG_FS_RETENTION_H
#define CLOG_FS_RETENTION_H

#include <stddef.h>
#include <stdint.h>

#define RETENTION_TEXT_SIZE 64 /* bytes of the longest text, its NUL included */
/* A sentence of what may be written. */
extern const char retention_allowed[];

/* Limits; 0: none. */
struct retention {
	uint64_t bytes;
	uint64_t time_ns;
};

/* Reads a text: each limit at most once, at least one, in any order, with one blank between them; or "all". A limit that
 * is not there is none. -EINVAL for anything else: a unit that is not known, 0, more than 2^64 - 1 bytes or ns. */
int retention_parse(struct retention *retention, const char *text);
/* Writes the text that gives the same again, with the largest units that do. Returns its length. */
size_t retention_print(const struct retention *retention, char text[static RETENTION_TEXT_SIZE]);

#endif
