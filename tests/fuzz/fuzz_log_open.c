/* A store of any bytes, opened and read as a log: it is refused, or everything in it can be read or is reported, and
 * the log goes on from there.
 *
 * The input: a byte of flags (1: the checksums are made right; 2: the frames are made to follow each other), and the
 * store. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "error/error.h"
#include "log/log.h"
#include "tests/disk/memory.h"
#include "tests/fuzz/seal.h"

#define STORE "log/00000000000000000001.store"
#define LOOKS_MAX 64 /* records and entries that are looked at, from each end */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int rc)
{
	if (rc != 0)
		abort();
}

static struct memory_disk *disk_with(const uint8_t *data, size_t size)
{
	struct memory_disk *disk = memory_disk_create();
	struct log_disk *door = memory_disk_door(disk);
	unsigned char *copy = malloc(size);
	assert(copy != NULL);
	must(door->make_folder(door, "log"));
	memcpy(copy, data + 1, size - 1);
	if (data[0] & 1)
		seal_store(copy, size - 1, data[0] & 2);
	memory_disk_put(disk, STORE, copy, size - 1);
	free(copy);
	return disk;
}

static void read_record(struct log *log, struct log_read *read, uint64_t offset)
{
	read->offset = offset;
	for (unsigned kind = LOG_READ_STAT; kind <= LOG_READ_RECORD; kind++) {
		read->kind = (enum log_read_kind)kind;
		must(log_read_begin(log, read)); /* it is below the end and not below the first */
		log_read_run(read, kind == LOG_READ_RECORD);
		if (read->status == -EAGAIN)
			log_read_run(read, true);
		if (log_read_end(log, read) == 0)
			assert(read->record.offset == offset && read->record.size <= LOG_RECORD_SIZE_MAX);
	}
}

static void read_stream(struct log *log, struct log_read *read, uint64_t begin, uint64_t end)
{
	read->kind = LOG_READ_STREAM;
	read->size = 4096;
	for (read->position = begin; read->position < end; read->position += read->data_size) {
		must(log_read_begin(log, read));
		log_read_run(read, true);
		if (log_read_end(log, read) != 0)
			return;
		assert(read->data_size > 0 && read->data_size <= read->size);
	}
}

static void read_entry(struct log *log, uint64_t entry)
{
	struct log_frame *frame;
	if (log_read_frame(log, entry, &frame, NULL) != 0)
		return;
	assert(log_frame_header(frame)->entry == entry);
	for (uint32_t i = 0; i < log_frame_count(frame) && i < LOOKS_MAX; i++) {
		const void *item;
		uint32_t size;
		log_frame_item(frame, i, &item, &size);
	}
	log_frame_unref(frame);
}

static void look(struct log *log)
{
	const struct log_term *terms;
	struct log_read read = {0};
	struct log_tail tail;
	struct log_stat stat;
	log_tail(log, &tail);
	log_stat(log, &stat);
	log_terms(log, &terms);
	assert(stat.first_entry <= tail.entry + 1 && log_configuration(log, tail.entry) <= tail.entry);
	for (uint64_t i = 0; i < tail.next_offset - stat.first_offset && i < LOOKS_MAX; i++) {
		read_record(log, &read, stat.first_offset + i);
		read_record(log, &read, tail.next_offset - 1 - i);
	}
	read_stream(log, &read, stat.stream_begin, tail.stream_size);
	for (uint64_t i = 0; i < tail.entry + 1 - stat.first_entry && i < LOOKS_MAX; i++) {
		read_entry(log, stat.first_entry + i);
		read_entry(log, tail.entry - i);
	}
	log_read_finish(&read);
}

/* What was opened takes another frame, and has it after the next start. */
static void go_on(struct memory_disk *disk, struct log *log, const struct log_options *options)
{
	struct log_tail before, after;
	struct log_frame *frame;
	log_tail(log, &before);
	must(log_frame_create(&frame));
	must(log_frame_add(frame, "more", 4));
	log_frame_close(frame, &before, &(struct log_header){.term = before.term, .type = LOG_RECORDS});
	if (before.entry < UINT64_MAX / 2 && before.next_offset < UINT64_MAX / 2 &&
	    before.stream_size < UINT64_MAX / 2) {
		must(log_append(log, frame, NULL));
		must(log_sync(log, NULL));
	}
	log_frame_unref(frame);
	log_tail(log, &before);
	log_close(log);
	memory_disk_crash(disk, NULL, NULL);
	must(log_open(&log, options, NULL));
	log_tail(log, &after);
	assert(after.entry == before.entry && after.chain == before.chain);
	log_close(log);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	struct memory_disk *disk = disk_with(data, size);
	const struct log_options options = {
		.disk = memory_disk_door(disk), .path = "log", .segment_size = LOG_SEGMENT_SIZE_MIN};
	struct clog_error err = {0};
	struct log *log;
	int rc = log_open(&log, &options, &err);
	if (rc == 0) {
		look(log);
		go_on(disk, log, &options);
	} else {
		assert(err.code == rc && err.text[0] != '\0');
	}
	assert(memory_disk_handles(disk) == 0);
	memory_disk_destroy(disk);
	return 0;
}
