/* Cutting the tail, cut short: by a crash at every change of the disk, and by a disk that fails. */
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
#include "tests/log/outcomes.h"
#include "tests/log/parts.h"
#include "tests/log/script.h"

#define FRAME_SIZE 3000u

static uint64_t seed;

/* A log that is cut, and what a crash may leave of it. */
struct stage {
	struct memory_disk *memory;
	struct faulty_disk *faulty; /* NULL: none */
	struct log *log;
	struct model old;   /* before the cut */
	struct model other; /* up to the cut, and what followed */
	struct dice dice;
	struct outcomes outcomes;
	const struct model *must; /* of which of the two a crash leaves a beginning */
	uint64_t least;           /* the last entry that must be there */
};

static struct log_disk *disk_of(struct stage *stage)
{
	return stage->faulty != NULL ? faulty_disk_door(stage->faulty) : memory_disk_door(stage->memory);
}

static int open_log(struct log_disk *disk, struct log **log, struct clog_error *err)
{
	const struct log_options options = {.disk = disk, .path = "log", .segment_size = LOG_SEGMENT_SIZE_MIN};
	return log_open(log, &options, err);
}

static int check(const struct model *model, struct log *log, uint64_t least, struct clog_error *err)
{
	const struct parts parts = {.model = model};
	const struct log_damage *damage;
	struct log_tail tail;
	log_tail(log, &tail);
	if (tail.entry < least || log_durable(log) != tail.entry)
		return clog_error_set(err, -EILSEQ, "%llu entries are there, %llu durable, must be %llu at least",
		                      (unsigned long long)tail.entry, (unsigned long long)log_durable(log),
		                      (unsigned long long)least);
	if (log_damage(log, &damage) > 0)
		return clog_error_set(err, -EILSEQ, "entries %llu to %llu are said to be damaged",
		                      (unsigned long long)damage->first_entry, (unsigned long long)damage->last_entry);
	return parts_check(&parts, log, 5, err);
}

/* Appends a frame that is in no model, syncs, loses power, opens again: all must be there. */
static int go_on(struct memory_disk *disk, struct log *log, const struct model *model, struct clog_error *err)
{
	struct log_tail before, after;
	struct log_frame *frame;
	log_tail(log, &before);
	assert_int_equal(log_frame_create(&frame), 0);
	assert_int_equal(log_frame_add(frame, "after the crash", 15), 0);
	log_frame_close(frame, &before, &(struct log_header){.term = 5000, .type = LOG_RECORDS, .time_ns = 1});
	int rc = log_append(log, frame, err);
	if (rc == 0)
		rc = log_sync(log, err);
	log_close(log);
	uint32_t chain = log_frame_header(frame)->chain;
	log_frame_unref(frame);
	memory_disk_crash(disk, NULL, NULL);
	if (rc == 0)
		rc = open_log(memory_disk_door(disk), &log, err);
	if (rc != 0)
		return rc;
	log_tail(log, &after);
	if (after.entry != before.entry + 1 || after.chain != chain)
		rc = clog_error_set(err, -EILSEQ, "what was appended after the crash is not there: %llu entries",
		                    (unsigned long long)after.entry);
	for (uint64_t entry = 1; rc == 0 && entry <= before.entry; entry++)
		rc = model_check_frame(model, log, entry, err);
	log_close(log);
	return rc;
}

static int judge(struct memory_disk *disk, void *arg, struct clog_error *err)
{
	struct stage *stage = arg;
	struct log *log;
	int rc = open_log(memory_disk_door(disk), &log, err);
	if (rc != 0)
		return rc;
	rc = check(stage->must, log, stage->least, err);
	if (rc == 0)
		return go_on(disk, log, stage->must, err);
	log_close(log);
	return rc;
}

static void append(struct stage *stage, struct log_frame *frame, bool old)
{
	if (old)
		model_note(&stage->old, frame);
	script_append(stage->log, &stage->other, frame);
}

/* A log with some segments, known to both models. */
static void stage_begin(struct stage *stage, bool faulty, bool again)
{
	struct log_stat stat = {0};
	*stage = (struct stage){.memory = memory_disk_create(), .must = &stage->old};
	stage->faulty = faulty ? faulty_disk_create(memory_disk_door(stage->memory)) : NULL;
	stage->outcomes = (struct outcomes){.judge = judge, .arg = stage, .sectors_max = dice_soak() ? 0 : 12};
	dice_init(&stage->dice, seed);
	dice_init(&stage->outcomes.dice, seed + 1);
	stage->log = script_open(disk_of(stage));
	for (; stat.segments < 4; log_stat(stage->log, &stat)) {
		append(stage, script_any_frame(stage->log, &stage->dice, FRAME_SIZE), true);
		script_sync(stage->log);
		if (dice_once_in(&stage->dice, 6))
			script_chores(stage->log);
	}
	append(stage, script_any_frame(stage->log, &stage->dice, 100), true);
	append(stage, script_any_frame(stage->log, &stage->dice, 100), true);
	script_sync(stage->log);
	script_mark(stage->log);
	script_chores(stage->log);
	if (again) {
		log_close(stage->log);
		stage->log = script_open(disk_of(stage));
	}
}

static void stage_end(struct stage *stage)
{
	log_close(stage->log);
	assert_int_equal(memory_disk_handles(stage->memory), 0);
	faulty_disk_destroy(stage->faulty);
	memory_disk_destroy(stage->memory);
	model_finish(&stage->old);
	model_finish(&stage->other);
	outcomes_finish(&stage->outcomes);
}

static uint64_t last_entry(void)
{
	struct stage stage;
	stage_begin(&stage, false, false);
	uint64_t last = log_durable(stage.log);
	stage_end(&stage);
	return last;
}

static void append_and_sync(struct stage *stage, struct log_frame *frame)
{
	append(stage, frame, false);
	script_sync(stage->log);
	stage->least = log_durable(stage->log);
}

/* Cuts at an entry and goes on, looking at every step. */
static void crash_at(uint64_t entry, bool again, struct outcomes *sum)
{
	struct stage stage;
	struct log_job *job;
	stage_begin(&stage, false, again);
	struct outcomes *outcomes = &stage.outcomes;
	outcomes->judge = judge;
	outcomes->arg = &stage;
	stage.must = &stage.old;
	stage.least = entry - 1;
	memory_disk_watch(stage.memory, outcomes_watch, outcomes);
	assert_int_equal(log_truncate_begin(stage.log, entry, &job, NULL), 0);
	assert_non_null(job);
	log_job_run(job);
	assert_int_equal(log_job_end(stage.log, job, NULL), 0);
	/* From now on it is cut, whatever happens. */
	model_cut(&stage.other, entry - 1);
	outcomes_forget(outcomes);
	stage.must = &stage.other;
	outcomes_look(outcomes, stage.memory, "nothing: the job has ended");
	append_and_sync(&stage, script_other_frame(stage.log, &stage.dice, 1000, LOG_BARRIER, 0));
	append_and_sync(&stage, script_any_frame(stage.log, &stage.dice, FRAME_SIZE));
	script_mark(stage.log);
	if (entry % 4 == 0) {
		uint32_t size = 12000;
		append_and_sync(&stage, script_frame(stage.log, &stage.dice, 2000, &size, 1));
		append_and_sync(&stage, script_frame(stage.log, &stage.dice, 2000, &size, 1));
		script_chores(stage.log);
		outcomes_look(outcomes, stage.memory, "nothing: the log is at rest");
	}
	sum->states += outcomes->states;
	sum->steps += outcomes->steps;
	sum->failures += outcomes->failures;
	memory_disk_watch(stage.memory, NULL, NULL);
	stage_end(&stage);
}

static void a_cut_that_crashes_leaves_a_beginning_of_the_log(void **state)
{
	uint64_t last = last_entry(), step = dice_soak() ? 1 : 3;
	struct outcomes sum = {0};
	for (uint64_t entry = 1; entry <= last; entry += step)
		crash_at(entry, entry % 2, &sum);
	crash_at(last, true, &sum);
	printf("truncate: %u changes of the disk, %u states\n", sum.steps, sum.states);
	assert_int_equal(sum.failures, 0);
	assert_true(sum.states > 500);
}

/* The first entry of each segment: the segment before it is the last one then, and stays full. */
static void a_cut_between_segments_that_crashes_leaves_a_beginning_of_the_log(void **state)
{
	uint64_t last = last_entry(), found = 0;
	struct outcomes sum = {0};
	for (uint64_t entry = 2; entry <= last; entry++) {
		struct stage stage;
		char path[64];
		size_t size;
		stage_begin(&stage, false, false);
		snprintf(path, sizeof path, "log/%020llu.store", (unsigned long long)entry);
		bool first = memory_disk_bytes(stage.memory, path, &size) != NULL;
		stage_end(&stage);
		if (!first)
			continue;
		found++;
		crash_at(entry, false, &sum);
		crash_at(entry, true, &sum);
	}
	assert_true(found >= 3);
	printf("truncate: between segments %u changes of the disk, %u states\n", sum.steps, sum.states);
	assert_int_equal(sum.failures, 0);
}

/* One slot of the mark rots after a cut: what was cut must not be asked for, or come back. */
static void a_mark_that_rots_after_a_cut_does_not_bring_anything_back(void **state)
{
	uint64_t last = last_entry();
	for (uint64_t entry = 1; entry <= last; entry += 2) {
		struct stage stage;
		struct log_job *job;
		stage_begin(&stage, false, entry % 4 == 1);
		assert_int_equal(log_truncate_begin(stage.log, entry, &job, NULL), 0);
		log_job_run(job);
		assert_int_equal(log_job_end(stage.log, job, NULL), 0);
		model_cut(&stage.other, entry - 1);
		stage.must = &stage.other;
		stage.least = entry - 1;
		char path[64];
		size_t size;
		uint64_t first = entry > 1 ? entry - 1 : 1;
		do
			snprintf(path, sizeof path, "log/%020llu.store", (unsigned long long)first);
		while (memory_disk_bytes(stage.memory, path, &size) == NULL && first-- > 0);
		for (unsigned slot = 0; slot < 2; slot++) {
			struct memory_disk *copy = memory_disk_clone(stage.memory);
			struct clog_error err = {0};
			memory_disk_poke(copy, path, 512 + 512 * slot + 100, "\xff", 1);
			if (judge(copy, &stage, &err) != 0)
				fail_msg("entry %u, slot %u: %s", (unsigned)entry, slot, err.text);
			memory_disk_destroy(copy);
		}
		stage_end(&stage);
	}
}

/* ---- A disk that fails --------------------------------------------------------------------------------------- */

static void expect_recovery(struct stage *stage, bool lose)
{
	struct memory_disk *copy = memory_disk_clone(stage->memory);
	struct clog_error err = {0};
	if (lose)
		memory_disk_crash(copy, NULL, NULL);
	if (judge(copy, stage, &err) != 0)
		fail_msg("reopened after a failure: %s", err.text);
	memory_disk_destroy(copy);
}

static void expect_read_only(struct stage *stage, uint64_t entry, int error)
{
	struct clog_error err = {0};
	struct log_job *job;
	assert_int_equal(log_failure(stage->log, &err), error);
	assert_non_null(strstr(err.text, "log"));
	assert_int_equal(log_room(stage->log, 100), error);
	assert_int_equal(log_sync(stage->log, &err), error);
	assert_int_equal(log_truncate_begin(stage->log, 1, &job, &err), error);
	assert_null(job);
	assert_int_equal(log_write_begin(stage->log, true, &job), error);
	assert_null(job);
	model_cut(&stage->other, entry - 1);
	parts_expect(&stage->other, stage->log);
}

/* Returns false when the cut made less calls. */
static bool fail_at(uint64_t entry, unsigned nth, int error, enum faulty_way way)
{
	struct stage stage;
	struct clog_error err = {0};
	struct log_job *job;
	stage_begin(&stage, true, entry % 2);
	stage.must = &stage.old;
	stage.least = log_durable(stage.log);
	faulty_disk_fail(stage.faulty, FAULTY_ANY, nth, error, way);
	int rc = log_truncate_begin(stage.log, entry, &job, &err);
	if (rc != 0) {
		/* Refused: nothing has happened. */
		faulty_disk_fail(stage.faulty, FAULTY_ANY, 0, 0, FAULTY_ONCE);
		assert_int_equal(rc, error);
		assert_null(job);
		assert_int_equal(log_failure(stage.log, NULL), 0);
		parts_expect(&stage.old, stage.log);
		expect_recovery(&stage, true);
		stage_end(&stage);
		return true;
	}
	stage.least = entry - 1;
	log_job_run(job);
	rc = log_job_end(stage.log, job, &err);
	bool fired = faulty_disk_fired(stage.faulty);
	faulty_disk_fail(stage.faulty, FAULTY_ANY, 0, 0, FAULTY_ONCE);
	assert_int_equal(rc, fired ? error : 0);
	expect_recovery(&stage, false);
	expect_recovery(&stage, true);
	if (fired)
		expect_read_only(&stage, entry, error);
	stage_end(&stage);
	return fired;
}

static void a_cut_whose_disk_fails_leaves_a_log_that_opens_again(void **state)
{
	static const struct {
		int error;
		enum faulty_way way;
	} faults[] = {{-EIO, FAULTY_ONCE}, {-ENOSPC, FAULTY_PARTLY}, {-EIO, FAULTY_ONWARD}};
	uint64_t last = last_entry();
	for (uint64_t entry = 1; entry <= last; entry += last / 7)
		for (unsigned i = 0; i < sizeof faults / sizeof faults[0]; i++) {
			unsigned nth = 1;
			while (fail_at(entry, nth, faults[i].error, faults[i].way))
				nth++;
			assert_true(nth > 5);
		}
}

/* A log that forgets to lower its mark, or to sync it, must be found out, or the tests above prove nothing. */
static void a_cut_that_is_not_synced_is_caught(void **state)
{
	struct outcomes sum = {0};
	struct stage stage;
	struct log_job *job;
	stage_begin(&stage, false, true);
	uint64_t entry = log_durable(stage.log) - 1;
	stage.least = entry - 1;
	memory_disk_ignore_sync(stage.memory, ".store");
	assert_int_equal(log_truncate_begin(stage.log, entry, &job, NULL), 0);
	log_job_run(job);
	assert_int_equal(log_job_end(stage.log, job, NULL), 0);
	model_cut(&stage.other, entry - 1);
	stage.must = &stage.other;
	struct memory_disk *copy = memory_disk_clone(stage.memory);
	struct clog_error err = {0};
	memory_disk_crash(copy, NULL, NULL);
	assert_int_equal(judge(copy, &stage, &err), -EILSEQ);
	memory_disk_destroy(copy);
	outcomes_finish(&sum);
	stage_end(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cut_that_crashes_leaves_a_beginning_of_the_log),
		cmocka_unit_test(a_cut_between_segments_that_crashes_leaves_a_beginning_of_the_log),
		cmocka_unit_test(a_mark_that_rots_after_a_cut_does_not_bring_anything_back),
		cmocka_unit_test(a_cut_whose_disk_fails_leaves_a_log_that_opens_again),
		cmocka_unit_test(a_cut_that_is_not_synced_is_caught),
	};
	seed = dice_seed("truncate crash");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
