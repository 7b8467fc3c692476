/* pair: two streams and the wire between them, in memory, for tests. */
#ifndef CLOG_TESTS_TLS_PAIR_H
#define CLOG_TESTS_TLS_PAIR_H

#include "error/error.h"
#include "tls/tls.h"

/* A side. */
struct end {
	struct tls_stream *stream;
	int rc; /* of the first call that failed, with its sentence */
	struct clog_error err;
	unsigned char *read; /* what was received in clear */
	size_t read_size;
	size_t sent; /* bytes that it put on the wire */
};

/* ends[TLS_CONNECT] connects, ends[TLS_ACCEPT] accepts. */
struct pair {
	struct end ends[2];
	/* The byte on the wire, of those that this side sends, that is changed on its way; none when flip is 0. */
	enum tls_side flipped_side;
	size_t flipped_at;
	unsigned char flip;
};

/* The contexts stay the caller's. */
void pair_begin(struct pair *pair, struct tls_context *connecting, struct tls_context *accepting);
/* The same, where whoever accepts does so as side. */
void pair_begin_as(struct pair *pair, struct tls_context *connecting, struct tls_context *accepting,
                   enum tls_side side);
void pair_end(struct pair *pair);
/* Moves what is pending, pieces of at most so many bytes, until there is nothing more, and reads what comes. A side that
 * has failed takes nothing more, but what it has pending is given to the other. */
void pair_run(struct pair *pair, size_t piece);
/* As pair_begin and pair_run, and both must be ready. */
void pair_shaken(struct pair *pair, struct tls_context *connecting, struct tls_context *accepting);

#endif
