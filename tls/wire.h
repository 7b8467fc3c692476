/* wire: the bytes that wait on either side of an SSL, as the BIO that it reads from and writes to. */
#ifndef CLOG_TLS_WIRE_H
#define CLOG_TLS_WIRE_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/bio.h>

/* Bytes in a row; those before begin have gone. */
struct wire_bytes {
	unsigned char *data;
	size_t begin, end, capacity;
};

struct wire {
	struct wire_bytes in, out;
	bool no_memory; /* some bytes could not be kept */
};

/* Gives a BIO over a wire, which must outlive it. NULL without memory. */
BIO *wire_bio(struct wire *wire);
/* Forgets all bytes. */
void wire_finish(struct wire *wire);

/* Adds bytes behind the others. -ENOMEM. */
int wire_add(struct wire_bytes *bytes, const void *data, size_t size);
/* Takes off the first so many, or all when there are not so many. The memory goes with the last: most connections have
 * nothing to say most of the time. */
void wire_take(struct wire_bytes *bytes, size_t size);

#endif
