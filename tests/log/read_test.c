#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/disk/faulty.h"
#include "tests/disk/memory.h"
#include "tests/log/damage.h"
#include "tests/log/script.h"

#define FIRST_STORE "log/00000000000000000001.store"
#define FIRST_INDEX "log/00000000000000000001.index"

static struct memory_disk *disk;
static struct log *log_under_test;
static struct model model;
static struct dice dice;
static struct log_read reading; /* the one read that most tests need */

static void open_log(void)
{
	log_under_test = script_open(memory_disk_door(disk));
}

static void reopen(void)
{
	log_close(log_under_test);
	assert_int_equal(memory_disk_handles(disk), 0);
	open_log();
}

static int set_up(void **state)
{
	disk = memory_disk_create();
	dice_init(&dice, 21);
	reading = (struct log_read){0};
	open_log();
	return 0;
}

static int tear_down(void **state)
{
	log_read_finish(&reading);
	log_close(log_under_test);
	assert_int_equal(memory_disk_handles(disk), 0);
	memory_disk_destroy(disk);
	model_finish(&model);
	return 0;
}

static void append_sizes(const uint32_t *sizes, uint32_t count)
{
	script_append(log_under_test, &model, script_frame(log_under_test, &dice, 1, sizes, count));
	script_sync(log_under_test);
}

static void fill(uint32_t segments)
{
	script_fill(log_under_test, &model, &dice, segments, 2000);
	script_chores(log_under_test);
	script_append_one(log_under_test, &model, &dice, 100);
}

/* Reads a record from begin to end, and returns the read's status. */
static int read_record(uint64_t offset)
{
	reading.kind = LOG_READ_RECORD;
	reading.offset = offset;
	int rc = log_read_begin(log_under_test, &reading);
	if (rc != 0)
		return rc;
	log_read_run(&reading, true);
	return log_read_end(log_under_test, &reading);
}

static int read_stream(uint64_t position, uint32_t size)
{
	reading.kind = LOG_READ_STREAM;
	reading.position = position;
	reading.size = size;
	int rc = log_read_begin(log_under_test, &reading);
	if (rc != 0)
		return rc;
	log_read_run(&reading, true);
	return log_read_end(log_under_test, &reading);
}

static void expect_stream(uint64_t position, uint32_t size, uint32_t expected)
{
	assert_int_equal(read_stream(position, size), 0);
	assert_int_equal(reading.data_size, expected);
	assert_memory_equal(reading.data, model.stream + position, expected);
}

static void records_of_every_size_are_read(void **state)
{
	const uint32_t sizes[] = {0,    1,    2,    7,    8,     9,     511,    512,    513,    4015,
	                          4016, 4096, 5000, 8191, 65535, 65536, 262143, 262144, 262145, LOG_RECORD_SIZE_MAX};
	append_sizes(sizes, sizeof sizes / sizeof sizes[0]);
	script_expect(&model, log_under_test);
	reopen();
	script_expect(&model, log_under_test);
	append_sizes(sizes, 3);
	script_chores(log_under_test);
	reopen();
	script_expect(&model, log_under_test);
}

static void empty_records_are_records(void **state)
{
	const uint32_t zeros[8] = {0}, mixed[] = {0, 0, 5, 0, 0, 3, 0};
	append_sizes(zeros, 8);
	assert_int_equal(read_record(7), 0);
	assert_int_equal(reading.data_size, 0);
	assert_int_equal(reading.record.size, 0);
	assert_int_equal(reading.record.crc32c, 0);
	assert_int_equal(read_stream(0, 10), -ENOENT);
	append_sizes(mixed, 7);
	append_sizes(zeros, 8);
	expect_stream(0, 10, 8);
	expect_stream(5, 10, 3);
	assert_int_equal(read_stream(8, 10), -ENOENT);
	script_expect(&model, log_under_test);
}

static void frames_of_other_types_take_no_offsets_and_no_stream(void **state)
{
	const uint32_t sizes[] = {10, 20};
	append_sizes(sizes, 2);
	script_append(log_under_test, &model, script_other_frame(log_under_test, &dice, 1, LOG_CONTROL, 500));
	script_append(log_under_test, &model, script_other_frame(log_under_test, &dice, 2, LOG_BARRIER, 0));
	script_append(log_under_test, &model, script_other_frame(log_under_test, &dice, 2, LOG_CONFIGURATION, 77));
	script_append(log_under_test, &model, script_frame(log_under_test, &dice, 2, sizes, 0));
	script_append(log_under_test, &model, script_frame(log_under_test, &dice, 2, sizes, 2));
	script_sync(log_under_test);
	expect_stream(0, 1000, 60);
	assert_int_equal(read_record(2), 0);
	assert_int_equal(reading.record.entry, 6);
	script_expect(&model, log_under_test);
}

/* The first and the last record and byte of every segment; a stream ends with its segment. */
static void the_edges_of_segments_are_read(void **state)
{
	fill(6);
	reopen();
	for (uint64_t offset = 0; offset < model.record_count; offset++) {
		const struct model_record *record = &model.records[offset];
		assert_int_equal(read_record(offset), 0);
		assert_int_equal(reading.data_size, record->size);
		if (record->size == 0)
			continue;
		expect_stream(record->position, 1, 1);
		expect_stream(record->position + record->size - 1, 1, 1);
		expect_stream(record->position, record->size, record->size);
	}
	unsigned pieces = 0;
	for (uint64_t position = 0; position < model.stream_size; position += reading.data_size, pieces++)
		assert_int_equal(read_stream(position, LOG_READ_SIZE_MAX), 0);
	assert_int_equal(pieces, 6);
	assert_int_equal(read_stream(model.stream_size, 1), -ENOENT);
	assert_int_equal(read_stream(UINT64_MAX, 1), -ENOENT);
	assert_int_equal(read_record(model.record_count), -ENOENT);
	assert_int_equal(read_record(UINT64_MAX), -ENOENT);
}

static void a_stream_is_read_in_pieces_of_any_size(void **state)
{
	const uint32_t sizes[] = {1, 2, 3, 7, 100, 1000, 4096, 65536};
	fill(4);
	for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		uint64_t position = 0;
		while (position < model.stream_size && position < 2000u * sizes[i]) {
			assert_int_equal(read_stream(position, sizes[i]), 0);
			assert_true(reading.data_size > 0 && reading.data_size <= sizes[i]);
			assert_memory_equal(reading.data, model.stream + position, reading.data_size);
			position += reading.data_size;
		}
	}
}

/* A log whose head is gone begins with a later segment. */
static void what_is_below_the_first_kept_is_stale(void **state)
{
	struct log_frame *frame;
	struct log_stat stat;
	struct log_read frames = {.kind = LOG_READ_FRAMES, .entry = 1, .size = 1};
	fill(4);
	assert_int_equal(log_read_begin(log_under_test, &frames), 0);
	log_read_run(&frames, true);
	assert_int_equal(log_read_end(log_under_test, &frames), 0);
	const uint64_t kept = model.record_count / 2;
	assert_int_equal(log_trim(log_under_test, kept, NULL), 0);
	script_chores(log_under_test);
	assert_int_equal(log_read_begin(log_under_test, &frames), -ESTALE);
	log_read_finish(&frames);
	log_stat(log_under_test, &stat);
	assert_true(stat.first_entry > 1 && stat.segments < 4);
	assert_int_equal(stat.first_offset, kept);
	assert_int_equal(stat.stream_begin, model.records[kept].position);
	assert_int_equal(read_record(stat.first_offset - 1), -ESTALE);
	assert_int_equal(read_record(0), -ESTALE);
	assert_int_equal(read_stream(stat.stream_begin - 1, 1), -ESTALE);
	assert_int_equal(log_read_frame(log_under_test, stat.first_entry - 1, &frame, NULL), -ENOENT);
	struct clog_error err = {0};
	for (uint64_t offset = stat.first_offset; offset < model.record_count; offset++)
		if (model_check_record(&model, log_under_test, &reading, offset, true, &err) != 0)
			fail_msg("%s", err.text);
	for (uint64_t entry = stat.first_entry; entry <= model.frame_count; entry++)
		if (model_check_frame(&model, log_under_test, entry, &err) != 0)
			fail_msg("%s", err.text);
	expect_stream(stat.stream_begin, 10, 10);
}

static void a_frame_is_read_by_its_entry(void **state)
{
	struct log_frame *frame, *again;
	struct clog_error err = {0};
	fill(3);
	reopen();
	assert_int_equal(log_read_frame(log_under_test, 0, &frame, &err), -ENOENT);
	assert_int_equal(log_read_frame(log_under_test, model.frame_count + 1, &frame, &err), -ENOENT);
	assert_non_null(strstr(err.text, "log"));
	assert_int_equal(log_read_frame(log_under_test, UINT64_MAX, &frame, NULL), -ENOENT);
	/* A frame that was read can be appended elsewhere: its bytes are the same. */
	struct memory_disk *other_disk = memory_disk_create();
	struct log *other = script_open(memory_disk_door(other_disk));
	for (uint64_t entry = 1; entry <= model.frame_count; entry++) {
		assert_int_equal(log_read_frame(log_under_test, entry, &frame, &err), 0);
		assert_int_equal(log_append(other, frame, &err), 0);
		assert_int_equal(log_read_frame(other, entry, &again, &err), 0);
		log_frame_unref(again);
		log_frame_unref(frame);
	}
	script_sync(other);
	script_expect(&model, other);
	log_close(other);
	memory_disk_destroy(other_disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(records_of_every_size_are_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(empty_records_are_records, set_up, tear_down),
		cmocka_unit_test_setup_teardown(frames_of_other_types_take_no_offsets_and_no_stream, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_edges_of_segments_are_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_stream_is_read_in_pieces_of_any_size, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_below_the_first_kept_is_stale, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_frame_is_read_by_its_entry, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
