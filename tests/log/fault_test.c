/* Every call of the disk fails once, in each operation of the log: the Nth, N from 1 until none fails any more. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/disk/faulty.h"
#include "tests/disk/memory.h"
#include "tests/log/script.h"

/* The state that an operation is tried in. */
struct stage {
	struct memory_disk *memory;
	struct faulty_disk *faulty;
	struct log *log;
	struct model model;
	struct dice dice;
	uint64_t durable; /* known before the operation, or said by it */
};

struct operation {
	const char *name;
	void (*prepare)(struct stage *stage);                    /* on a healthy disk */
	int (*act)(struct stage *stage, struct clog_error *err); /* on a disk that fails */
	bool writes;                                             /* its failure, if it is of a change, is final */
};

static struct log_disk *disk_of(struct stage *stage)
{
	return faulty_disk_door(stage->faulty);
}

static int open_log(struct stage *stage, struct clog_error *err)
{
	const struct log_options options = {
		.disk = disk_of(stage), .path = "log", .segment_size = LOG_SEGMENT_SIZE_MIN};
	return log_open(&stage->log, &options, err);
}

/* ---- Preparations -------------------------------------------------------------------------------------------- */

static void with_nothing(struct stage *stage)
{
}

static void with_empty_log(struct stage *stage)
{
	stage->log = script_open(disk_of(stage));
}

static void with_three_segments(struct stage *stage)
{
	with_empty_log(stage);
	script_fill(stage->log, &stage->model, &stage->dice, 3, 2000);
	script_append_one(stage->log, &stage->model, &stage->dice, 500);
	stage->durable = log_durable(stage->log);
}

static void with_sealed_segments(struct stage *stage)
{
	with_three_segments(stage);
	script_chores(stage->log);
}

/* The last segment has no room for another frame of 2,000 bytes. */
static void with_full_segment(struct stage *stage, bool prepared)
{
	with_empty_log(stage);
	if (prepared)
		script_chores(stage->log);
	for (unsigned i = 0; i < 6; i++)
		script_append_one(stage->log, &stage->model, &stage->dice, 1900);
	if (prepared)
		script_chores(stage->log);
	stage->durable = log_durable(stage->log);
}

static void with_full_segment_prepared(struct stage *stage)
{
	with_full_segment(stage, true);
}

static void with_full_segment_unprepared(struct stage *stage)
{
	with_full_segment(stage, false);
}

static void closed(struct stage *stage)
{
	log_close(stage->log);
	stage->log = NULL;
}

static void with_closed_log(struct stage *stage)
{
	with_three_segments(stage);
	closed(stage);
}

static void with_closed_sealed_log(struct stage *stage)
{
	with_sealed_segments(stage);
	closed(stage);
}

static void with_leftovers(struct stage *stage)
{
	with_closed_sealed_log(stage);
	memory_disk_put(stage->memory, "log/00000000000000009999.store.new", "x", 1);
	memory_disk_put(stage->memory, "log/00000000000000000001.index.new", "y", 1);
}

/* ---- Operations ---------------------------------------------------------------------------------------------- */

static int act_open(struct stage *stage, struct clog_error *err)
{
	return open_log(stage, err);
}

static int append(struct stage *stage, uint32_t size, struct clog_error *err)
{
	struct log_tail tail;
	log_tail(stage->log, &tail);
	struct log_frame *frame = script_frame(stage->log, &stage->dice, tail.term == 0 ? 1 : tail.term, &size, 1);
	int rc = log_append(stage->log, frame, err);
	if (rc == 0)
		model_note(&stage->model, frame);
	log_frame_unref(frame);
	return rc;
}

static int act_append_and_sync(struct stage *stage, struct clog_error *err)
{
	int rc = append(stage, 3000, err);
	if (rc == 0)
		rc = append(stage, 100, err);
	return rc == 0 ? log_sync(stage->log, err) : rc;
}

static int act_roll(struct stage *stage, struct clog_error *err)
{
	int rc = 0;
	for (unsigned i = 0; i < 10 && rc == 0; i++)
		rc = append(stage, 3900, err);
	return rc == 0 ? log_sync(stage->log, err) : rc;
}

static int act_mark(struct stage *stage, struct clog_error *err)
{
	struct log_job *job;
	int rc = log_write_begin(stage->log, true, &job);
	if (rc != 0 || job == NULL)
		return rc;
	log_job_run(job);
	return log_job_end(stage->log, job, err);
}

/* All chores that there are: segments sealed, the next one prepared. */
static int act_chores(struct stage *stage, struct clog_error *err)
{
	struct log_job *job;
	int rc = log_chore_begin(stage->log, &job);
	for (; rc == 0 && job != NULL; rc = rc == 0 ? log_chore_begin(stage->log, &job) : rc) {
		log_job_run(job);
		rc = log_job_end(stage->log, job, err);
	}
	return rc;
}

static int act_read(struct stage *stage, struct clog_error *err)
{
	struct log_read read = {.size = 5000};
	uint32_t size = 0;
	int rc = 0;
	for (uint64_t offset = 0; rc == 0 && offset < stage->model.record_count; offset += 40) {
		rc = model_check_record(&stage->model, stage->log, &read, offset, true, err);
		if (rc == 0)
			rc = model_check_stat(&stage->model, stage->log, &read, offset, false, err);
	}
	for (uint64_t at = 0; rc == 0 && at < stage->model.stream_size; at += size)
		rc = model_check_stream(&stage->model, stage->log, &read, at, at % 3 == 0, &size, err);
	log_read_finish(&read);
	return rc;
}

static int act_read_frame(struct stage *stage, struct clog_error *err)
{
	int rc = 0;
	for (uint64_t entry = 1; rc == 0 && entry <= stage->durable; entry += 3)
		rc = model_check_frame(&stage->model, stage->log, entry, err);
	return rc;
}

/* Sealed segments are read after a start: their stores and indexes are opened anew. */
static void with_reopened_log(struct stage *stage)
{
	struct clog_error err;
	with_closed_sealed_log(stage);
	assert_int_equal(open_log(stage, &err), 0);
}

static const struct operation operations[] = {
	{"open a new log", with_nothing, act_open, false},
	{"open a log", with_closed_log, act_open, false},
	{"open a sealed log", with_closed_sealed_log, act_open, false},
	{"open a log with leftovers", with_leftovers, act_open, false},
	{"append to an empty log", with_empty_log, act_append_and_sync, true},
	{"append", with_three_segments, act_append_and_sync, true},
	{"roll to a prepared segment", with_full_segment_prepared, act_roll, true},
	{"roll to an unprepared segment", with_full_segment_unprepared, act_roll, true},
	{"write the mark", with_three_segments, act_mark, true},
	{"seal and prepare", with_three_segments, act_chores, false},
	{"read", with_reopened_log, act_read, false},
	{"read frames", with_reopened_log, act_read_frame, false},
};

/* ---- Trying -------------------------------------------------------------------------------------------------- */

static void stage_begin(struct stage *stage, const struct operation *operation, uint64_t seed)
{
	*stage = (struct stage){.memory = memory_disk_create()};
	stage->faulty = faulty_disk_create(memory_disk_door(stage->memory));
	dice_init(&stage->dice, seed);
	operation->prepare(stage);
}

static void stage_end(struct stage *stage)
{
	assert_int_equal(memory_disk_handles(stage->memory), 0);
	faulty_disk_destroy(stage->faulty);
	memory_disk_destroy(stage->memory);
	model_finish(&stage->model);
}

/* A failed write or sync makes the log read-only, for good, with the error that it was; reads go on. */
static void expect_final(struct stage *stage, int error)
{
	struct clog_error first = {0}, second = {0};
	struct log_job *job;
	assert_int_equal(log_failure(stage->log, &first), error);
	assert_int_equal(first.code, error);
	assert_non_null(strstr(first.text, "log"));
	assert_int_equal(append(stage, 10, &second), error);
	assert_string_equal(first.text, second.text);
	assert_int_equal(log_sync(stage->log, &second), error);
	assert_int_equal(log_write_begin(stage->log, true, &job), error);
	assert_null(job);
	assert_int_equal(log_chore_begin(stage->log, &job), 0);
	assert_null(job);
}

/* What was durable is read, and what is not is not. */
static void expect_readable(struct stage *stage)
{
	struct clog_error err = {0};
	struct log_read read = {.kind = LOG_READ_RECORD};
	assert_true(log_durable(stage->log) >= stage->durable);
	if (model_check_all(&stage->model, stage->log, 5, &err) != 0)
		fail_msg("after a failure: %s", err.text);
	read.offset = model_next_offset(&stage->model, log_durable(stage->log));
	assert_int_equal(log_read_begin(stage->log, &read), -ENOENT);
	log_read_finish(&read);
}

/* On a healthy disk, after a crash that loses or keeps all that was not synced, the log has what was durable. */
static void expect_recovery(struct stage *stage, bool lose)
{
	struct memory_disk *copy = memory_disk_clone(stage->memory);
	struct clog_error err = {0};
	if (lose)
		memory_disk_crash(copy, NULL, NULL);
	struct log *log = script_open(memory_disk_door(copy));
	struct log_tail tail;
	log_tail(log, &tail);
	assert_true(tail.entry >= stage->durable);
	if (model_check_all(&stage->model, log, 5, &err) != 0)
		fail_msg("reopened after a failure: %s", err.text);
	model_cut(&stage->model, tail.entry);
	script_append_one(log, NULL, &stage->dice, 77);
	log_close(log);
	memory_disk_destroy(copy);
}

/* Runs the operation with the nth call failing. Returns false when none failed. */
static bool try_nth(const struct operation *operation, unsigned nth, int error, enum faulty_way way)
{
	struct stage stage;
	struct clog_error err = {0};
	stage_begin(&stage, operation, 7);
	faulty_disk_fail(stage.faulty, FAULTY_ANY, nth, error, way);
	int rc = operation->act(&stage, &err);
	bool fired = faulty_disk_fired(stage.faulty);
	enum faulty_call call = faulty_disk_failed_call(stage.faulty);
	faulty_disk_fail(stage.faulty, FAULTY_ANY, 0, 0, FAULTY_ONCE);
	assert_int_not_equal(rc, -EILSEQ);
	if (rc != 0) {
		assert_true(fired);
		assert_int_equal(rc, error);
		assert_true(err.text[0] != '\0');
	}
	if (stage.log != NULL) {
		bool final = operation->writes && fired && (call & (FAULTY_CHANGE | FAULTY_OPEN));
		if (final)
			expect_final(&stage, error);
		else
			assert_int_equal(log_failure(stage.log, NULL), 0);
		expect_readable(&stage);
		stage.durable = log_durable(stage.log);
		log_close(stage.log);
	} else {
		assert_int_not_equal(rc, 0);
	}
	expect_recovery(&stage, false);
	expect_recovery(&stage, true);
	stage_end(&stage);
	return fired;
}

static void try_all(int error, enum faulty_way way)
{
	for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
		unsigned nth = 1;
		while (try_nth(&operations[i], nth, error, way))
			nth++;
		printf("fault: %s: %u calls\n", operations[i].name, nth - 1);
		assert_true(nth > 1);
	}
}

static void any_call_may_fail_once(void **state)
{
	try_all(-EIO, FAULTY_ONCE);
}

static void any_write_may_fail_half_way(void **state)
{
	try_all(-ENOSPC, FAULTY_PARTLY);
}

static void the_disk_may_fail_for_good_at_any_call(void **state)
{
	try_all(-EIO, FAULTY_ONWARD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_call_may_fail_once),
		cmocka_unit_test(any_write_may_fail_half_way),
		cmocka_unit_test(the_disk_may_fail_for_good_at_any_call),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
