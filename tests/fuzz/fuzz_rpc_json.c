/* Any bytes as JSON from a client. The first byte chooses what it is taken for. What is taken is within its bounds, and is the
 * same records when it is written again. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "error/error.h"
#include "rpc/http_json.h"
#include "service/service.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void write_again(const struct http_batch *batch)
{
	size_t at = 0;
	for (uint32_t i = 0; i < batch->count && i < 16; at += batch->sizes[i++]) {
		const struct service_record record = {.size = batch->sizes[i]};
		struct http_batch again = {0};
		size_t size;
		char *text = http_json_book(i, batch->data + at, record.size, &size);
		assert(text != NULL && http_json_produce(text, size, &again, NULL) == 0);
		assert(again.count == 1 && again.sizes[0] == record.size);
		assert(record.size == 0 || memcmp(again.data, batch->data + at, record.size) == 0);
		free(text);
		http_batch_finish(&again);
	}
}

static int decode(uint8_t kind, const char *text, size_t size, struct http_batch *batch)
{
	struct clog_error err = {0};
	uint64_t offset = 0;
	int rc = kind % 4 == 0   ? http_json_produce(text, size, batch, &err)
	         : kind % 4 == 1 ? http_json_list(text, size, batch, &err)
	         : kind % 4 == 2 ? http_json_lines(text, size, batch, &err)
	                         : http_json_consume(text, size, &offset, &err);
	assert(rc == 0 || rc == -EINVAL || rc == -EMSGSIZE);
	assert(rc == 0 || (err.code == rc && err.text[0] != '\0'));
	assert(offset <= INT64_MAX);
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_batch batch = {0};
	if (size == 0)
		return 0;
	/* A copy without a NUL behind it, so that a read past the end is seen. */
	char *text = malloc(size > 1 ? size - 1 : 1);
	assert(text != NULL);
	memcpy(text, data + 1, size - 1);
	if (decode(data[0], text, size - 1, &batch) == 0) {
		size_t sum = 0;
		for (uint32_t i = 0; i < batch.count; i++) {
			assert(batch.sizes[i] <= SERVICE_RECORD_SIZE_MAX);
			sum += batch.sizes[i];
		}
		assert(batch.count <= HTTP_BATCH_COUNT_MAX && batch.data_size <= HTTP_BATCH_SIZE_MAX &&
		       sum == batch.data_size);
		write_again(&batch);
	}
	http_batch_finish(&batch);
	free(text);
	return 0;
}
