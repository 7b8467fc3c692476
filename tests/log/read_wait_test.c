/* Reads that may not wait, and reads while the log changes. */
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

static void fill(uint32_t segments)
{
	script_fill(log_under_test, &model, &dice, segments, 2000);
	script_chores(log_under_test);
	script_append_one(log_under_test, &model, &dice, 100);
}

/* ---- Without waiting ----------------------------------------------------------------------------------------- */

static void expect_after_waiting(enum log_read_kind kind, uint64_t offset, uint64_t position)
{
	const struct model_record *record = &model.records[offset];
	reading.kind = kind;
	reading.offset = offset;
	reading.position = position;
	reading.size = 5000;
	assert_int_equal(log_read_begin(log_under_test, &reading), 0);
	log_read_run(&reading, false);
	assert_int_equal(reading.status, -EAGAIN);
	assert_int_equal(reading.data_size, 0);
	log_read_run(&reading, false);
	assert_int_equal(reading.status, -EAGAIN);
	log_read_run(&reading, true);
	assert_int_equal(log_read_end(log_under_test, &reading), 0);
	if (kind == LOG_READ_STREAM)
		assert_memory_equal(reading.data, model.stream + position, reading.data_size);
	else
		assert_int_equal(reading.record.size, record->size);
	if (kind == LOG_READ_RECORD)
		assert_memory_equal(reading.data, model.stream + record->position, record->size);
}

static void what_would_block_is_eagain_and_read_when_it_may(void **state)
{
	fill(3);
	uint64_t offset = model.record_count - 1;
	memory_disk_set_resident(disk, 0, 0);
	expect_after_waiting(LOG_READ_STAT, offset, 0);
	expect_after_waiting(LOG_READ_RECORD, offset, 0);
	expect_after_waiting(LOG_READ_STREAM, offset, model.records[offset].position);
	/* A sealed segment after a start: neither its store nor its index is open. */
	memory_disk_set_resident(disk, SIZE_MAX, UINT32_MAX);
	reopen();
	expect_after_waiting(LOG_READ_RECORD, 1, 0);
	reopen();
	expect_after_waiting(LOG_READ_STREAM, 1, model.stream_size / 5);
	reopen();
	expect_after_waiting(LOG_READ_STAT, 0, 0);
}

static void what_is_in_memory_is_read_without_waiting(void **state)
{
	fill(3);
	script_expect(&model, log_under_test);
	for (uint64_t offset = 0; offset < model.record_count; offset += 3) {
		for (unsigned kind = LOG_READ_STAT; kind <= LOG_READ_STREAM; kind++) {
			if (kind == LOG_READ_STREAM && model.records[offset].position == model.stream_size)
				continue;
			reading.kind = (enum log_read_kind)kind;
			reading.offset = offset;
			reading.position = model.records[offset].position;
			reading.size = 100;
			assert_int_equal(log_read_begin(log_under_test, &reading), 0);
			log_read_run(&reading, false);
			assert_int_equal(log_read_end(log_under_test, &reading), 0);
		}
	}
}

/* Whatever part of the file is in memory: the answer is right, or EAGAIN. */
static void reads_of_a_half_resident_file_are_right_or_eagain(void **state)
{
	unsigned again = 0, served = 0;
	fill(3);
	script_expect(&model, log_under_test);
	for (unsigned i = 0; i < 4000; i++) {
		struct clog_error err = {0};
		uint32_t size;
		memory_disk_set_resident(disk, (size_t)dice_below(&dice, 3000), (unsigned)dice_below(&dice, 4));
		reading.kind = LOG_READ_STREAM;
		reading.position = dice_below(&dice, model.stream_size);
		reading.size = 1 + (uint32_t)dice_below(&dice, 6000);
		assert_int_equal(log_read_begin(log_under_test, &reading), 0);
		log_read_run(&reading, false);
		int rc = log_read_end(log_under_test, &reading);
		assert_true(rc == 0 || rc == -EAGAIN);
		if (rc == 0) {
			assert_true(reading.data_size > 0);
			assert_memory_equal(reading.data, model.stream + reading.position, reading.data_size);
		}
		again += rc == -EAGAIN;
		served += rc == 0;
		rc = model_check_record(&model, log_under_test, &reading, dice_below(&dice, model.record_count), false,
		                        &err);
		if (rc == 0)
			rc = model_check_stream(&model, log_under_test, &reading, dice_below(&dice, model.stream_size),
			                        false, &size, &err);
		if (rc != 0)
			fail_msg("%s", err.text);
	}
	assert_true(again > 100 && served > 100);
}

/* ---- While things change ------------------------------------------------------------------------------------- */

static void a_read_goes_on_while_its_segment_is_sealed_and_let_go(void **state)
{
	struct log_read pinned[2] = {{.kind = LOG_READ_RECORD, .offset = 3}, {.kind = LOG_READ_STREAM, .size = 3000}};
	script_fill(log_under_test, &model, &dice, 2, 3000);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(log_read_begin(log_under_test, &pinned[i]), 0);
	/* So many stores are read that the limit of open ones is passed. */
	for (uint32_t segments = 3; segments < 80; segments++) {
		script_fill(log_under_test, &model, &dice, segments, 3000);
		script_chores(log_under_test);
	}
	script_expect(&model, log_under_test);
	for (unsigned i = 0; i < 2; i++) {
		log_read_run(&pinned[i], true);
		assert_int_equal(log_read_end(log_under_test, &pinned[i]), 0);
	}
	assert_memory_equal(pinned[0].data, model.stream + model.records[3].position, model.records[3].size);
	assert_memory_equal(pinned[1].data, model.stream, pinned[1].data_size);
	for (unsigned i = 0; i < 2; i++)
		log_read_finish(&pinned[i]);
	script_expect(&model, log_under_test);
}

/* What a job has written, and even synced, is read when the job has ended, not before. */
static void a_stream_ends_where_durability_does(void **state)
{
	struct log_job *job;
	script_append_one(log_under_test, &model, &dice, 100);
	for (unsigned i = 0; i < 3; i++) {
		const uint32_t size = 50;
		script_append(log_under_test, &model, script_frame(log_under_test, &dice, 1, &size, 1));
	}
	assert_int_equal(log_write_begin(log_under_test, false, &job), 0);
	log_job_run(job);
	reading.kind = LOG_READ_STREAM;
	reading.size = 1000;
	assert_int_equal(log_read_begin(log_under_test, &reading), 0);
	log_read_run(&reading, true);
	assert_int_equal(log_read_end(log_under_test, &reading), 0);
	assert_int_equal(reading.data_size, 100);
	assert_int_equal(log_job_end(log_under_test, job, NULL), 0);
	assert_int_equal(log_read_begin(log_under_test, &reading), 0);
	log_read_run(&reading, true);
	assert_int_equal(log_read_end(log_under_test, &reading), 0);
	assert_int_equal(reading.data_size, 250);
}

static void two_reads_may_open_the_same_segment(void **state)
{
	struct log_read reads[2] = {{.kind = LOG_READ_RECORD, .offset = 2}, {.kind = LOG_READ_STREAM, .size = 100}};
	fill(3);
	reopen();
	for (unsigned order = 0; order < 2; order++) {
		for (unsigned i = 0; i < 2; i++)
			assert_int_equal(log_read_begin(log_under_test, &reads[i]), 0);
		for (unsigned i = 0; i < 2; i++)
			log_read_run(&reads[i], true);
		assert_int_equal(log_read_end(log_under_test, &reads[order]), 0);
		assert_int_equal(log_read_end(log_under_test, &reads[1 - order]), 0);
		assert_memory_equal(reads[0].data, model.stream + model.records[2].position, model.records[2].size);
		assert_memory_equal(reads[1].data, model.stream, reads[1].data_size);
		reopen();
	}
	for (unsigned i = 0; i < 2; i++)
		log_read_finish(&reads[i]);
}

static void one_read_is_used_for_all_kinds_and_sizes_in_turn(void **state)
{
	fill(3);
	for (unsigned i = 0; i < 300; i++) {
		uint64_t offset = dice_below(&dice, model.record_count);
		struct clog_error err = {0};
		uint32_t size;
		int rc = model_check_record(&model, log_under_test, &reading, offset, i % 2, &err);
		if (rc == 0)
			rc = model_check_stat(&model, log_under_test, &reading, offset, i % 2, &err);
		reading.size = 1 + (uint32_t)dice_below(&dice, 1u << dice_below(&dice, 20));
		if (rc == 0)
			rc = model_check_stream(&model, log_under_test, &reading, dice_below(&dice, model.stream_size),
			                        i % 2, &size, &err);
		if (rc != 0)
			fail_msg("%s", err.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_would_block_is_eagain_and_read_when_it_may, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_in_memory_is_read_without_waiting, set_up, tear_down),
		cmocka_unit_test_setup_teardown(reads_of_a_half_resident_file_are_right_or_eagain, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_read_goes_on_while_its_segment_is_sealed_and_let_go, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_stream_ends_where_durability_does, set_up, tear_down),
		cmocka_unit_test_setup_teardown(two_reads_may_open_the_same_segment, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_read_is_used_for_all_kinds_and_sizes_in_turn, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
