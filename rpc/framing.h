/* framing: the messages in the bytes of a stream of gRPC: each a flag, whether it is compressed, its size in four bytes, big
 * end first, and itself. */
#ifndef CLOG_RPC_FRAMING_H
#define CLOG_RPC_FRAMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAMING_HEAD_SIZE 5u
#define FRAMING_SIZE_MAX (2u << 20)   /* bytes of a message */
#define FRAMING_IDLE_SIZE (64u << 10) /* bytes that are kept for what comes when nothing is there */

/* Bytes that have come and are not taken yet: those from begin to end. All zero at first. */
struct framing {
	unsigned char *data;
	size_t begin, end, capacity;
};

struct framing_message {
	bool compressed;
	const unsigned char *data; /* borrowed until the next call */
	size_t size;
};

void framing_finish(struct framing *framing);
/* Adds bytes, which are copied. -ENOMEM. */
int framing_add(struct framing *framing, const void *data, size_t size);
/* Gives the first message: 1, or 0 when it is not there in whole. -EMSGSIZE: it is too large, and message has its size;
 * -EBADMSG: its flag is none. */
int framing_next(const struct framing *framing, struct framing_message *message);
/* Takes the first message off; it is there in whole. */
void framing_take(struct framing *framing);
/* Whether there are bytes at all, and whether there are more than those of the first message, which is there in whole. */
bool framing_empty(const struct framing *framing);
bool framing_exceeds(const struct framing *framing);

/* Writes a message's head. */
void framing_head(uint32_t size, unsigned char head[FRAMING_HEAD_SIZE]);

#endif
