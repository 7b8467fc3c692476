/* What a log says of itself without touching a file. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/disk/memory.h"
#include "tests/log/script.h"

static struct memory_disk *disk;
static struct log *log_under_test;
static struct model model;
static struct dice dice;

static int set_up(void **state)
{
	disk = memory_disk_create();
	dice_init(&dice, 31);
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
	log_under_test = script_open(memory_disk_door(disk));
}

static void append(uint64_t term, enum log_type type, uint32_t size)
{
	script_append(log_under_test, &model, script_other_frame(log_under_test, &dice, term, type, size));
}

static void the_tail_moves_with_every_frame(void **state)
{
	const uint32_t sizes[] = {10, 0, 30};
	struct log_tail tail;
	append(3, LOG_BARRIER, 0);
	log_tail(log_under_test, &tail);
	assert_int_equal(tail.entry, 1);
	assert_int_equal(tail.term, 3);
	assert_int_equal(tail.next_offset, 0);
	assert_int_not_equal(tail.chain, 0);
	struct log_frame *frame = script_frame(log_under_test, &dice, 3, sizes, 3);
	uint64_t time_ns = log_frame_header(frame)->time_ns;
	uint32_t chain = log_frame_header(frame)->chain;
	script_append(log_under_test, &model, frame);
	log_tail(log_under_test, &tail);
	assert_int_equal(tail.entry, 2);
	assert_int_equal(tail.next_offset, 3);
	assert_int_equal(tail.stream_size, 40);
	assert_int_equal(tail.time_ns, time_ns);
	assert_int_equal(tail.chain, chain);
	append(7, LOG_CONFIGURATION, 100);
	script_sync(log_under_test);
	struct log_tail before, after;
	log_tail(log_under_test, &before);
	reopen();
	log_tail(log_under_test, &after);
	script_expect_tail(&before, &after);
	assert_int_equal(after.term, 7);
	assert_int_equal(after.stream_size, 40);
}

static void the_state_after_an_entry_is_known_from_the_last_durable_one_on(void **state)
{
	struct log_tail tails[20], after;
	for (unsigned i = 1; i < 20; i++) {
		script_append(log_under_test, &model, script_any_frame(log_under_test, &dice, 200));
		log_tail(log_under_test, &tails[i]);
		if (i == 9)
			script_sync(log_under_test);
	}
	for (unsigned i = 0; i < 20; i++) {
		int rc = log_after(log_under_test, i, &after);
		assert_int_equal(rc, i < 9 ? -ENOENT : 0);
		if (rc != 0)
			continue;
		assert_int_equal(after.entry, i);
		assert_int_equal(after.term, tails[i].term);
		assert_int_equal(after.next_offset, tails[i].next_offset);
		assert_int_equal(after.stream_size, tails[i].stream_size);
	}
	assert_int_equal(log_after(log_under_test, 20, &after), -ENOENT);
	assert_int_equal(log_after(log_under_test, UINT64_MAX, &after), -ENOENT);
	script_sync(log_under_test);
	reopen();
	assert_int_equal(log_after(log_under_test, 18, &after), -ENOENT);
	assert_int_equal(log_after(log_under_test, 19, &after), 0);
	assert_int_equal(after.stream_size, tails[19].stream_size);
}

static void a_configuration_holds_until_the_next(void **state)
{
	append(1, LOG_BARRIER, 0);
	append(1, LOG_CONFIGURATION, 10);
	append(1, LOG_CONTROL, 10);
	append(1, LOG_CONFIGURATION, 10);
	append(1, LOG_BARRIER, 0);
	const uint64_t expected[] = {0, 0, 2, 2, 4, 4, 4};
	for (unsigned round = 0; round < 2; round++) {
		for (uint64_t entry = 0; entry < 7; entry++)
			assert_int_equal(log_configuration(log_under_test, entry), expected[entry]);
		assert_int_equal(log_configuration(log_under_test, UINT64_MAX), 4);
		script_sync(log_under_test);
		reopen();
	}
}

static void expect_terms(const struct log_term *expected, size_t count)
{
	const struct log_term *terms;
	assert_int_equal(log_terms(log_under_test, &terms), count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(terms[i].term, expected[i].term);
		assert_int_equal(terms[i].last_entry, expected[i].last_entry);
	}
}

static void terms_come_in_runs(void **state)
{
	const uint64_t terms[] = {1, 1, 4, 5, 5, 5, 9};
	const struct log_term runs[] = {{2, 1}, {3, 4}, {6, 5}, {7, 9}};
	for (unsigned i = 0; i < 7; i++)
		append(terms[i], LOG_BARRIER, 0);
	expect_terms(runs, 4);
	script_sync(log_under_test);
	reopen();
	expect_terms(runs, 4);
}

/* Runs and configurations that lie across segments, sealed and not, are the same after a start. */
static void runs_and_configurations_go_across_segments(void **state)
{
	struct clog_error err = {0};
	for (unsigned i = 0; i < 60; i++) {
		append(1 + i / 17, i % 13 == 5 ? LOG_CONFIGURATION : LOG_CONTROL, 1500);
		if (i % 3 == 0)
			script_sync(log_under_test);
		if (i == 30)
			script_chores(log_under_test);
	}
	script_sync(log_under_test);
	const struct log_term runs[] = {{17, 1}, {34, 2}, {51, 3}, {60, 4}};
	for (unsigned round = 0; round < 3; round++) {
		expect_terms(runs, 4);
		if (model_check_queries(&model, log_under_test, &err) != 0)
			fail_msg("%s", err.text);
		if (round == 1)
			script_chores(log_under_test);
		reopen();
	}
}

static void stat_counts_segments_and_their_bytes(void **state)
{
	struct log_stat stat;
	uint64_t bytes = 0;
	for (uint32_t segments = 1; segments < 6; segments++) {
		script_fill(log_under_test, &model, &dice, segments, 2000);
		log_stat(log_under_test, &stat);
		assert_int_equal(stat.segments, segments);
		assert_true(stat.bytes > bytes && stat.bytes <= segments * LOG_SEGMENT_SIZE_MIN);
		bytes = stat.bytes;
	}
	reopen();
	log_stat(log_under_test, &stat);
	assert_int_equal(stat.segments, 5);
	assert_int_equal(stat.bytes, bytes);
	assert_int_equal(stat.first_entry, 1);
	assert_int_equal(stat.first_offset, 0);
	assert_int_equal(stat.stream_begin, 0);
}

static void the_oldest_segment_is_told_once_another_follows(void **state)
{
	struct log_oldest oldest;
	struct log_stat stat;
	uint64_t last = 0;
	assert_false(log_oldest(log_under_test, &oldest));
	for (log_stat(log_under_test, &stat); stat.segments < 2; log_stat(log_under_test, &stat)) {
		last = model.frame_count;
		assert_false(log_oldest(log_under_test, &oldest));
		script_append_one(log_under_test, &model, &dice, 1500);
	}
	for (unsigned round = 0; round < 2; round++) {
		assert_true(log_oldest(log_under_test, &oldest));
		assert_int_equal(oldest.next_offset, model_next_offset(&model, last));
		assert_int_equal(oldest.time_ns, model.frames[last - 1].header.time_ns);
		assert_true(oldest.bytes > LOG_SEGMENT_SIZE_MIN / 2 && oldest.bytes <= LOG_SEGMENT_SIZE_MIN);
		script_chores(log_under_test);
		reopen();
	}
}

static void a_healthy_log_has_no_failure(void **state)
{
	struct clog_error err = {.code = 5};
	assert_int_equal(log_failure(log_under_test, &err), 0);
	assert_int_equal(log_failure(log_under_test, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_tail_moves_with_every_frame, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_state_after_an_entry_is_known_from_the_last_durable_one_on, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_configuration_holds_until_the_next, set_up, tear_down),
		cmocka_unit_test_setup_teardown(terms_come_in_runs, set_up, tear_down),
		cmocka_unit_test_setup_teardown(runs_and_configurations_go_across_segments, set_up, tear_down),
		cmocka_unit_test_setup_teardown(stat_counts_segments_and_their_bytes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_oldest_segment_is_told_once_another_follows, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_healthy_log_has_no_failure, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
