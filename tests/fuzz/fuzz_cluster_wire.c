/* Any bytes from a peer, in pieces of any size: units are taken out of them, and each is decoded as all that it might be.
 * What is taken for something is encoded again and must come out the same.
 *
 * The input: a byte for the size of the pieces, and what comes on the wire. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/wire.h"

#define PREFIX_SIZE 8u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_hello(const void *header, size_t size)
{
	unsigned char head[WIRE_HEAD_SIZE_MAX];
	struct wire_hello hello, again;
	int rc = wire_decode_hello(header, size, &hello);
	assert(rc == 0 || rc == -EBADMSG || rc == -EPROTONOSUPPORT);
	if (rc == 0) {
		size_t head_size = wire_encode_hello(&hello, head);
		assert(wire_decode_hello(head + PREFIX_SIZE, head_size - PREFIX_SIZE, &again) == 0);
		assert(strcmp(hello.name, again.name) == 0 && strcmp(hello.address, again.address) == 0);
		assert(hello.member == again.member && hello.wanted == again.wanted);
	}
	rc = wire_decode_welcome(header, size, &hello);
	assert(rc == 0 || rc == -EBADMSG || rc == -EPROTONOSUPPORT);
	if (rc == 0) {
		size_t head_size = wire_encode_welcome(&hello, head);
		assert(wire_decode_welcome(head + PREFIX_SIZE, head_size - PREFIX_SIZE, &again) == 0);
		assert(strcmp(hello.refused, again.refused) == 0);
	}
}

static int take(void *arg, const void *header, size_t header_size, const void *data, size_t data_size)
{
	unsigned char head[WIRE_HEAD_SIZE_MAX], more[WIRE_HEAD_SIZE_MAX];
	struct message message, again;
	size_t *units = arg;
	volatile unsigned char sum = 0; /* so that a byte that is not there is seen */
	for (size_t i = 0; i < data_size; i++)
		sum = (unsigned char)(sum + ((const unsigned char *)data)[i]);
	try_hello(header, header_size);
	int rc = wire_decode_message(header, header_size, &message);
	assert(rc == 0 || rc == -EBADMSG);
	if (rc == 0) {
		size_t size = wire_encode_message(&message, head);
		assert(wire_decode_message(head + PREFIX_SIZE, size - PREFIX_SIZE, &again) == 0);
		assert(wire_encode_message(&again, more) == size && memcmp(head, more, size) == 0);
	}
	return ++*units < 100 ? 0 : -ECANCELED;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_reader reader = {.data_size_max = 1u << 20};
	size_t units = 0;
	if (size < 1)
		return 0;
	size_t piece = data[0] == 0 ? size : data[0];
	for (size_t at = 1; at < size; at += piece) {
		size_t count = size - at < piece ? size - at : piece;
		unsigned char *copy = malloc(count);
		assert(copy != NULL);
		memcpy(copy, data + at, count);
		int rc = wire_reader_take(&reader, copy, count, take, &units);
		free(copy);
		assert(rc == 0 || rc == -EMSGSIZE || rc == -ECANCELED);
		assert(reader.capacity <= 2 * size + PREFIX_SIZE);
		if (rc != 0)
			break;
	}
	wire_reader_finish(&reader);
	return 0;
}
