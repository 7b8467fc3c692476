/* Appending, and rolling to the next segment. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/disk/memory.h"
#include "tests/log/folder.h"
#include "tests/log/script.h"

static struct memory_disk *disk;
static struct log *log_under_test;
static struct model model;
static struct dice dice;

static int set_up(void **state)
{
	disk = memory_disk_create();
	dice_init(&dice, 11);
	log_under_test = script_open(memory_disk_door(disk));
	return 0;
}

static int tear_down(void **state)
{
	log_close(log_under_test);
	memory_disk_destroy(disk);
	model_finish(&model);
	return 0;
}

static void reopen(void)
{
	log_close(log_under_test);
	assert_int_equal(memory_disk_handles(disk), 0);
	log_under_test = script_open(memory_disk_door(disk));
}

static struct log_frame *one_record(uint32_t size)
{
	struct log_tail tail;
	log_tail(log_under_test, &tail);
	return script_frame(log_under_test, &dice, tail.term == 0 ? 1 : tail.term, &size, 1);
}

static uint32_t segments(void)
{
	struct log_stat stat;
	log_stat(log_under_test, &stat);
	return stat.segments;
}

static void end_job(struct log_job *job)
{
	struct clog_error err = {0};
	if (log_job_end(log_under_test, job, &err) != 0)
		fail_msg("%s", err.text);
}

static void a_frame_that_does_not_follow_is_refused(void **state)
{
	script_append(log_under_test, &model, script_other_frame(log_under_test, &dice, 5, LOG_BARRIER, 0));
	struct log_tail tail, after;
	log_tail(log_under_test, &tail);
	const struct log_tail wrong[] = {
		{.entry = 0, .next_offset = 0, .chain = tail.chain},
		{.entry = 2, .next_offset = 0, .chain = tail.chain},
		{.entry = 1, .next_offset = 1, .chain = tail.chain},
		{.entry = 1, .next_offset = 0, .chain = tail.chain + 1},
		{.entry = 1, .next_offset = 0, .chain = tail.chain}, /* right, but its term is lower */
	};
	for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct clog_error err = {0};
		struct log_frame *frame;
		assert_int_equal(log_frame_create(&frame), 0);
		log_frame_close(frame, &wrong[i], &(struct log_header){.term = i == 4 ? 4 : 5, .type = LOG_BARRIER});
		assert_int_equal(log_append(log_under_test, frame, &err), -EINVAL);
		assert_true(err.text[0] != '\0');
		log_frame_unref(frame);
		log_tail(log_under_test, &after);
		script_expect_tail(&tail, &after);
	}
	assert_int_equal(log_failure(log_under_test, NULL), 0);
	script_append_one(log_under_test, &model, &dice, 10);
	script_expect(&model, log_under_test);
}

static void what_is_appended_is_seen_at_once_and_read_when_durable(void **state)
{
	struct log_read read = {.kind = LOG_READ_RECORD, .size = 10};
	struct clog_error err = {0};
	struct log_tail tail;
	script_append(log_under_test, &model, one_record(100));
	log_tail(log_under_test, &tail);
	assert_int_equal(tail.entry, 1);
	assert_int_equal(tail.next_offset, 1);
	assert_int_equal(tail.stream_size, 100);
	assert_int_equal(log_durable(log_under_test), 0);
	assert_int_equal(log_read_begin(log_under_test, &read), -ENOENT);
	read.kind = LOG_READ_STREAM;
	assert_int_equal(log_read_begin(log_under_test, &read), -ENOENT);
	assert_int_equal(model_check_frame(&model, log_under_test, 1, &err), 0);
	script_sync(log_under_test);
	assert_int_equal(log_durable(log_under_test), 1);
	assert_int_equal(log_read_begin(log_under_test, &read), 0);
	log_read_run(&read, true);
	assert_int_equal(log_read_end(log_under_test, &read), 0);
	log_read_finish(&read);
	script_expect(&model, log_under_test);
}

static void a_log_rolls_with_and_without_a_prepared_segment(void **state)
{
	size_t size;
	script_chores(log_under_test);
	assert_non_null(memory_disk_bytes(disk, "log/prepared.store", &size));
	assert_int_equal(size, LOG_SEGMENT_SIZE_MIN);
	script_append_one(log_under_test, &model, &dice, 10);
	assert_null(memory_disk_bytes(disk, "log/prepared.store", &size));
	assert_non_null(memory_disk_bytes(disk, "log/00000000000000000001.store", &size));
	assert_int_equal(size, LOG_SEGMENT_SIZE_MIN);
	script_fill(log_under_test, &model, &dice, 3, 2000);
	script_expect(&model, log_under_test);
	reopen();
	script_expect(&model, log_under_test);
	script_chores(log_under_test);
	script_fill(log_under_test, &model, &dice, 5, 2000);
	script_expect(&model, log_under_test);
	reopen();
	script_expect(&model, log_under_test);
}

/* The largest record that a new segment takes beside nothing else: by trying. */
static void a_segment_fills_to_its_last_byte(void **state)
{
	struct log_stat stat;
	script_append_one(log_under_test, &model, &dice, 100);
	log_stat(log_under_test, &stat);
	uint32_t left = LOG_SEGMENT_SIZE_MIN - (uint32_t)stat.bytes;
	struct log_frame *frame = one_record(1000);
	uint32_t overhead = log_frame_header(frame)->size - 1000;
	log_frame_unref(frame);
	frame = one_record(left - overhead);
	assert_int_equal(log_frame_header(frame)->size, left);
	script_append(log_under_test, &model, frame);
	script_sync(log_under_test);
	assert_int_equal(segments(), 1);
	log_stat(log_under_test, &stat);
	assert_int_equal(stat.bytes, LOG_SEGMENT_SIZE_MIN);
	script_append(log_under_test, &model, script_other_frame(log_under_test, &dice, 1, LOG_BARRIER, 0));
	assert_int_equal(segments(), 2);
	script_sync(log_under_test);
	script_expect(&model, log_under_test);
	reopen();
	script_expect(&model, log_under_test);
	/* And a frame that is 8 bytes too large goes to the next one. */
	log_stat(log_under_test, &stat);
	left = 2 * LOG_SEGMENT_SIZE_MIN - (uint32_t)stat.bytes;
	script_append(log_under_test, &model, one_record(left - overhead + 1));
	assert_int_equal(segments(), 3);
	script_sync(log_under_test);
	script_expect(&model, log_under_test);
}

static void a_frame_larger_than_a_segment_has_one_of_its_own(void **state)
{
	script_append_one(log_under_test, &model, &dice, 10);
	script_append_one(log_under_test, &model, &dice, LOG_RECORD_SIZE_MAX);
	assert_int_equal(segments(), 2);
	script_append_one(log_under_test, &model, &dice, 10);
	assert_int_equal(segments(), 3);
	script_append_one(log_under_test, &model, &dice, 3 * LOG_SEGMENT_SIZE_MIN);
	assert_int_equal(segments(), 4);
	reopen();
	script_append_one(log_under_test, &model, &dice, 10);
	assert_int_equal(segments(), 5);
	script_chores(log_under_test);
	script_expect(&model, log_under_test);
	reopen();
	script_expect(&model, log_under_test);
}

static void a_long_queue_of_frames_keeps_its_order(void **state)
{
	struct log_job *job;
	for (unsigned round = 0; round < 60; round++) {
		for (unsigned i = 0; i < 1 + round % 7; i++)
			script_append(log_under_test, &model, script_any_frame(log_under_test, &dice, 300));
		assert_int_equal(log_write_begin(log_under_test, false, &job), 0);
		for (unsigned i = 0; i < round % 11; i++)
			script_append(log_under_test, &model, script_any_frame(log_under_test, &dice, 300));
		log_job_run(job);
		end_job(job);
		struct clog_error err = {0};
		if (model_check_queries(&model, log_under_test, &err) != 0)
			fail_msg("%s", err.text);
		for (uint64_t entry = log_durable(log_under_test) + 1; entry <= model.frame_count; entry++)
			assert_int_equal(model_check_frame(&model, log_under_test, entry, &err), 0);
	}
	script_sync(log_under_test);
	script_expect(&model, log_under_test);
}

static void closing_drops_what_was_not_synced(void **state)
{
	script_append_one(log_under_test, &model, &dice, 10);
	for (unsigned i = 0; i < 20; i++)
		script_append(log_under_test, NULL, one_record(3000));
	reopen();
	script_expect(&model, log_under_test);
	assert_int_equal(log_durable(log_under_test), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_frame_that_does_not_follow_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_appended_is_seen_at_once_and_read_when_durable, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_log_rolls_with_and_without_a_prepared_segment, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_segment_fills_to_its_last_byte, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_frame_larger_than_a_segment_has_one_of_its_own, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_long_queue_of_frames_keeps_its_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(closing_drops_what_was_not_synced, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
