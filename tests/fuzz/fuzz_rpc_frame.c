/* Any bytes from a client of gRPC, in pieces of any size, while the log answers now and then: nothing is left when it is
 * gone, and what waits for it is bounded.
 *
 * The input: a byte for the size of the pieces, one for how often the log answers and the client reads, and what the client
 * sends after its greeting. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/rpc/door.h"

/* The frames that may wait in a channel when it is busy already, and what one call may have made before it was asked. */
#define OUTPUT_SIZE_MAX ((256u << 10) + (2u << 20))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* The preface, settings, and that those of the server are known. */
	static const char greeting[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\0\0\0\4\1\0\0\0\0";
	static struct door door;
	if (size < 2)
		return 0;
	const size_t piece = data[0] == 0 ? size : data[0];
	const unsigned answers = data[1] & 7, reads = data[1] >> 3 & 7;
	door_open(&door);
	door.full = data[1] >> 6;
	door_feed(&door, greeting, sizeof greeting - 1);
	unsigned turn = 0;
	for (size_t at = 2; at < size && !door.destroyed; at += piece, turn++) {
		const size_t count = size - at < piece ? size - at : piece;
		unsigned char *copy = malloc(count);
		assert(copy != NULL);
		memcpy(copy, data + at, count);
		door_feed(&door, copy, count);
		free(copy);
		if (answers != 0 && turn % answers == 0) {
			door_answer(&door);
			door_make_room(&door);
		}
		if (reads != 0 && turn % reads == 0)
			door_take(&door);
		assert(door.out_size <= OUTPUT_SIZE_MAX);
	}
	door_close(&door);
	return 0;
}
