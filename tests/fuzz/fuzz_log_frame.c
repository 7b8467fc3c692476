/* Any bytes as a frame that came from elsewhere: what is taken is what was given, and everything in it is there.
 *
 * The input: a byte of flags (1: the checksums are made right), and the bytes. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "log/log.h"
#include "tests/fuzz/seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const struct log_frame *frame, const unsigned char *bytes, size_t used)
{
	size_t size, data_size = 0;
	uint64_t records = 0;
	const struct log_header *header = log_frame_header(frame);
	const unsigned char *again = log_frame_bytes(frame, &size);
	assert(size == used && size == header->size && size == log_frame_size(frame));
	assert(memcmp(again, bytes, size) == 0);
	assert(log_frame_count(frame) == header->count);
	for (uint32_t i = 0; i < header->count; i++) {
		const void *item;
		uint32_t item_size;
		log_frame_item(frame, i, &item, &item_size);
		assert((const unsigned char *)item >= again && (const unsigned char *)item + item_size <= again + size);
		data_size += item_size;
		/* Items are found by walking: of very many, the first are enough. */
		if (i == 500)
			return;
	}
	assert(data_size == log_frame_data_size(frame));
	for (uint32_t i = 0; i < log_frame_sessions(frame); i++) {
		struct log_session row;
		log_frame_session(frame, i, &row);
		records += row.count;
	}
	assert(records <= header->count && (header->type == LOG_RECORDS || log_frame_sessions(frame) == 0));
	assert(log_frame_sessions(frame) <= LOG_SESSIONS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct log_frame *frame;
	size_t used;
	if (size < 1)
		return 0;
	/* A copy of just that size, so that what is read past its end is caught. */
	unsigned char *bytes = malloc(size - 1 > 0 ? size - 1 : 1);
	assert(bytes != NULL);
	memcpy(bytes, data + 1, size - 1);
	if (data[0] & 1)
		seal_frame(bytes, size - 1);
	int rc = log_frame_parse(&frame, bytes, size - 1, &used);
	if (rc == 0) {
		look(frame, bytes, used);
		log_frame_unref(frame);
	} else {
		assert(rc == -EBADMSG || rc == -EPROTONOSUPPORT);
		assert(used == 0);
	}
	free(bytes);
	return 0;
}
