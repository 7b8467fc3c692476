/* An index of any bytes beside a whole store: whatever it says, what is served is right.
 *
 * The input: a byte of flags (1: the checksums are made right), and the index. Where the checksums of a forged index
 * are right, what it tells of sizes and places is believed; the bytes of records, and frames, are still their own
 * witnesses. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/disk/dice.h"
#include "tests/disk/memory.h"
#include "tests/fuzz/seal.h"
#include "tests/fuzz/two_segments.h"
#include "tests/log/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(int rc, bool believed, const struct clog_error *err)
{
	if (rc == 0 || rc == -EBADMSG || (rc == -EILSEQ && believed))
		return;
	fprintf(stderr, "%s\n", err->text);
	abort();
}

static void look(const struct model *model, struct log *log, bool forged)
{
	struct log_read read = {.size = 3000};
	struct clog_error err = {0};
	uint32_t size;
	for (uint64_t offset = 0; offset < model->record_count; offset++) {
		int rc = model_check_record(model, log, &read, offset, true, &err);
		check(rc, forged, &err);
		const struct model_record *record = &model->records[offset];
		if (rc == -EILSEQ && (read.data_size != record->size ||
		                      memcmp(read.data, model->stream + record->position, record->size) != 0))
			check(rc, false, &err);
		check(model_check_stat(model, log, &read, offset, true, &err), forged, &err);
	}
	for (uint64_t position = 0; position < model->stream_size; position += 1000)
		check(model_check_stream(model, log, &read, position, true, &size, &err), forged, &err);
	for (uint64_t entry = 1; entry <= model->frame_count; entry++)
		check(model_check_frame(model, log, entry, &err), false, &err);
	log_read_finish(&read);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct model model;
	static struct memory_disk *original;
	if (size < 1)
		return 0;
	if (original == NULL)
		original = two_segments_create(&model);
	struct memory_disk *disk = memory_disk_clone(original);
	const struct log_options options = {
		.disk = memory_disk_door(disk), .path = "log", .segment_size = LOG_SEGMENT_SIZE_MIN};
	unsigned char *copy = malloc(size);
	assert(copy != NULL);
	memcpy(copy, data + 1, size - 1);
	if (data[0] & 1)
		seal_index(copy, size - 1);
	memory_disk_put(disk, TWO_SEGMENTS_INDEX, copy, size - 1);
	free(copy);
	struct clog_error err = {0};
	struct log *log;
	int rc = log_open(&log, &options, &err);
	if (rc == 0) {
		look(&model, log, data[0] & 1);
		log_close(log);
	} else {
		assert(err.text[0] != '\0');
	}
	assert(memory_disk_handles(disk) == 0);
	memory_disk_destroy(disk);
	return 0;
}
