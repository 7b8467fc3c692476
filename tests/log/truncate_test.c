/* Cutting the tail: in memory, on the disk, and what is left when that is cut short. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/disk/memory.h"
#include "tests/log/parts.h"
#include "tests/log/script.h"

#define SEGMENTS 5u
#define FRAME_SIZE 3000u

static uint64_t seed;

struct stage {
	struct memory_disk *memory;
	struct log *log;
	struct model model;
	struct dice dice;
};

static void stage_begin(struct stage *stage)
{
	*stage = (struct stage){.memory = memory_disk_create()};
	dice_init(&stage->dice, seed);
	stage->log = script_open(memory_disk_door(stage->memory));
}

static void stage_end(struct stage *stage)
{
	log_close(stage->log);
	assert_int_equal(memory_disk_handles(stage->memory), 0);
	memory_disk_destroy(stage->memory);
	model_finish(&stage->model);
}

static void reopen(struct stage *stage)
{
	log_close(stage->log);
	stage->log = script_open(memory_disk_door(stage->memory));
}

/* A log of some segments, whose last one is not full. */
static void stage_fill(struct stage *stage, bool chores, bool again)
{
	script_fill(stage->log, &stage->model, &stage->dice, SEGMENTS, FRAME_SIZE);
	script_append_one(stage->log, &stage->model, &stage->dice, 700);
	script_append_one(stage->log, &stage->model, &stage->dice, 0);
	if (chores)
		script_chores(stage->log);
	if (again)
		reopen(stage);
}

/* Begins to cut; the model too. */
static struct log_job *begin(struct stage *stage, uint64_t entry)
{
	struct clog_error err = {0};
	struct log_job *job;
	if (log_truncate_begin(stage->log, entry, &job, &err) != 0)
		fail_msg("log_truncate_begin(%u): %s", (unsigned)entry, err.text);
	model_cut(&stage->model, entry - 1);
	return job;
}

static void run(struct stage *stage, struct log_job *job)
{
	struct clog_error err = {0};
	assert_true(log_job_writes(job));
	log_job_run(job);
	if (log_job_end(stage->log, job, &err) != 0)
		fail_msg("log_job_end: %s", err.text);
}

static void cut(struct stage *stage, uint64_t entry)
{
	struct log_job *job = begin(stage, entry);
	assert_non_null(job);
	run(stage, job);
}

/* Other frames than those that were cut, in a term of their own. */
static void append_others(struct stage *stage, uint64_t term, unsigned count)
{
	struct log *log = stage->log;
	script_append(log, &stage->model, script_other_frame(log, &stage->dice, term, LOG_BARRIER, 0));
	while (count-- > 0) {
		script_append(log, &stage->model, script_any_frame(log, &stage->dice, FRAME_SIZE));
		if (count % 3 == 0)
			script_sync(log);
	}
	script_sync(log);
}

static uint64_t first_entry_of(struct stage *stage, unsigned segment)
{
	static const char digits[] = "0123456789";
	struct log_tail tail;
	log_tail(stage->log, &tail);
	for (uint64_t entry = 1; entry <= tail.entry; entry++) {
		char path[64];
		size_t size;
		snprintf(path, sizeof path, "log/%020llu.store", (unsigned long long)entry);
		assert_int_equal(strspn(path + 4, digits), 20);
		if (memory_disk_bytes(stage->memory, path, &size) != NULL && segment-- == 0)
			return entry;
	}
	fail_msg("there are not so many segments");
	return 0;
}

static void frames_only_in_memory_are_cut_without_the_disk(void **state)
{
	struct stage stage;
	stage_begin(&stage);
	stage_fill(&stage, true, false);
	uint64_t durable = log_durable(stage.log);
	for (unsigned i = 0; i < 12; i++)
		script_append(stage.log, &stage.model, script_any_frame(stage.log, &stage.dice, FRAME_SIZE));
	uint64_t hash = memory_disk_hash(stage.memory);
	for (uint64_t entry = durable + 12; entry > durable; entry -= 3 + (entry == durable + 4)) {
		assert_null(begin(&stage, entry));
		parts_expect(&stage.model, stage.log);
		if (entry <= durable + 4)
			break;
	}
	assert_true(memory_disk_hash(stage.memory) == hash);
	append_others(&stage, 900, 20);
	script_expect(&stage.model, stage.log);
	reopen(&stage);
	script_expect(&stage.model, stage.log);
	stage_end(&stage);
}

static void all_that_was_never_written_can_be_cut(void **state)
{
	struct stage stage;
	stage_begin(&stage);
	for (unsigned i = 0; i < 20; i++)
		script_append(stage.log, &stage.model, script_any_frame(stage.log, &stage.dice, FRAME_SIZE));
	assert_null(begin(&stage, 1));
	parts_expect(&stage.model, stage.log);
	append_others(&stage, 7, 5);
	reopen(&stage);
	script_expect(&stage.model, stage.log);
	stage_end(&stage);
}

/* Cuts at an entry, looks, goes on with others, looks again, in this life and the next. */
static void try_entry(uint64_t entry, bool chores, bool again, unsigned more)
{
	struct stage stage;
	stage_begin(&stage);
	stage_fill(&stage, chores, again);
	while (more-- > 0)
		script_append(stage.log, &stage.model, script_any_frame(stage.log, &stage.dice, FRAME_SIZE));
	struct log_job *job = begin(&stage, entry);
	assert_non_null(job);
	parts_expect(&stage.model, stage.log);
	run(&stage, job);
	script_expect(&stage.model, stage.log);
	if (entry % 2 == 0)
		reopen(&stage);
	script_expect(&stage.model, stage.log);
	append_others(&stage, 1000, entry % 5 == 0 ? 40 : 4);
	script_expect(&stage.model, stage.log);
	if (entry % 3 == 0)
		script_chores(stage.log);
	memory_disk_watch(stage.memory, NULL, NULL);
	log_close(stage.log);
	memory_disk_crash(stage.memory, NULL, NULL);
	stage.log = script_open(memory_disk_door(stage.memory));
	const struct log_damage *damage;
	assert_int_equal(log_damage(stage.log, &damage), 0);
	parts_expect(&stage.model, stage.log);
	stage_end(&stage);
}

static uint64_t last_entry(void)
{
	struct stage stage;
	stage_begin(&stage);
	stage_fill(&stage, false, false);
	uint64_t last = log_durable(stage.log);
	stage_end(&stage);
	return last;
}

static void any_durable_entry_can_be_cut_and_others_follow(void **state)
{
	uint64_t last = last_entry();
	for (uint64_t entry = 1; entry <= last; entry++) {
		try_entry(entry, true, false, entry % 3);
		try_entry(entry, entry % 2, true, entry % 4);
	}
}

static void segments_that_are_not_sealed_yet_can_be_cut(void **state)
{
	uint64_t last = last_entry();
	for (uint64_t entry = 1; entry <= last; entry += 2)
		try_entry(entry, false, false, 0);
}

static void a_log_is_cut_again_and_again(void **state)
{
	struct stage stage;
	stage_begin(&stage);
	for (unsigned i = 0; i < 60; i++) {
		append_others(&stage, 100 * (i + 1), (unsigned)dice_below(&stage.dice, 25));
		if (dice_once_in(&stage.dice, 2))
			script_chores(stage.log);
		if (dice_once_in(&stage.dice, 3))
			reopen(&stage);
		uint64_t last = log_durable(stage.log);
		cut(&stage, last - dice_below(&stage.dice, last < 30 ? last : 30));
		parts_expect(&stage.model, stage.log);
		if (dice_once_in(&stage.dice, 3))
			script_mark(stage.log);
		if (dice_once_in(&stage.dice, 3)) {
			log_close(stage.log);
			memory_disk_crash(stage.memory, NULL, NULL);
			stage.log = script_open(memory_disk_door(stage.memory));
			parts_expect(&stage.model, stage.log);
		}
	}
	stage_end(&stage);
}

static void what_is_past_the_end_is_cut_for_nothing(void **state)
{
	struct stage stage;
	struct log_job *job;
	stage_begin(&stage);
	assert_int_equal(log_truncate_begin(stage.log, 1, &job, NULL), 0);
	assert_null(job);
	stage_fill(&stage, true, false);
	uint64_t hash = memory_disk_hash(stage.memory);
	assert_int_equal(log_truncate_begin(stage.log, log_durable(stage.log) + 1, &job, NULL), 0);
	assert_null(job);
	assert_int_equal(log_truncate_begin(stage.log, UINT64_MAX, &job, NULL), 0);
	assert_null(job);
	assert_true(memory_disk_hash(stage.memory) == hash);
	script_expect(&stage.model, stage.log);
	stage_end(&stage);
}

static void expect_refused(struct stage *stage, uint64_t entry, int error)
{
	struct clog_error err = {0};
	struct log_job *job;
	assert_int_equal(log_truncate_begin(stage->log, entry, &job, &err), error);
	assert_null(job);
	assert_int_equal(err.code, error);
	assert_true(err.text[0] != '\0');
}

static void nothing_is_cut_while_a_job_is_out(void **state)
{
	struct stage stage;
	struct log_job *job;
	uint64_t next;
	stage_begin(&stage);
	stage_fill(&stage, false, false);
	script_append(stage.log, &stage.model, script_any_frame(stage.log, &stage.dice, 100));
	for (unsigned kind = 0; kind < 3; kind++) {
		if (kind == 0)
			assert_int_equal(log_write_begin(stage.log, false, &job), 0);
		else if (kind == 1)
			assert_int_equal(log_chore_begin(stage.log, &job), 0);
		else
			assert_int_equal(log_verify_begin(stage.log, 1, &job, &next), 0);
		assert_non_null(job);
		expect_refused(&stage, 3, -EBUSY);
		log_job_run(job);
		expect_refused(&stage, 3, -EBUSY);
		assert_int_equal(log_job_end(stage.log, job, NULL), 0);
	}
	job = begin(&stage, 9);
	expect_refused(&stage, 3, -EBUSY);
	struct log_job *other;
	assert_int_equal(log_write_begin(stage.log, true, &other), 0);
	assert_null(other);
	run(&stage, job);
	parts_expect(&stage.model, stage.log);
	stage_end(&stage);
}

static void what_was_trimmed_cannot_be_cut(void **state)
{
	struct stage stage;
	stage_begin(&stage);
	stage_fill(&stage, true, false);
	expect_refused(&stage, 0, -EINVAL);
	uint64_t third = first_entry_of(&stage, 2);
	assert_int_equal(log_trim(stage.log, model_next_offset(&stage.model, third - 1), NULL), 0);
	script_chores(stage.log);
	expect_refused(&stage, third - 1, -EINVAL);
	expect_refused(&stage, 1, -EINVAL);
	parts_expect(&stage.model, stage.log);
	cut(&stage, third);
	parts_expect(&stage.model, stage.log);
	append_others(&stage, 50, 4);
	reopen(&stage);
	parts_expect(&stage.model, stage.log);
	stage_end(&stage);
}

/* Trimming to within a segment hides records that are still in it: cutting these too would give their offsets again. */
static void records_hidden_by_a_trim_cannot_be_cut(void **state)
{
	struct stage stage;
	stage_begin(&stage);
	stage_fill(&stage, true, false);
	uint64_t third = first_entry_of(&stage, 2), entry = third;
	while (stage.model.frames[entry - 1].header.type != LOG_RECORDS)
		entry++;
	uint64_t offset = model_next_offset(&stage.model, entry);
	assert_int_equal(log_trim(stage.log, offset, NULL), 0);
	expect_refused(&stage, entry, -EINVAL);
	script_chores(stage.log);
	expect_refused(&stage, entry, -EINVAL);
	parts_expect(&stage.model, stage.log);
	cut(&stage, entry + 1);
	parts_expect(&stage.model, stage.log);
	append_others(&stage, 50, 4);
	reopen(&stage);
	parts_expect(&stage.model, stage.log);
	stage_end(&stage);
}

/* A read that began before the cut, of what is cut or what is not, and runs or ends after it. */
static void expect_overtaken(uint64_t entry, bool again, bool run_first)
{
	struct stage stage;
	struct log_read reads[12] = {0};
	unsigned count = 0;
	stage_begin(&stage);
	stage_fill(&stage, true, again);
	uint64_t next = model_next_offset(&stage.model, log_durable(stage.log));
	for (; count < 12; count++) {
		struct log_read *read = &reads[count];
		read->kind = count % 2 ? LOG_READ_RECORD : LOG_READ_RANGE;
		read->offset = next - 1 - count * (next / 12);
		read->size = 100;
		assert_int_equal(log_read_begin(stage.log, read), 0);
		if (run_first)
			log_read_run(read, true);
	}
	cut(&stage, entry);
	if (!run_first)
		append_others(&stage, 2000, 40);
	next = model_next_offset(&stage.model, entry - 1);
	for (unsigned i = 0; i < count; i++) {
		if (!run_first)
			log_read_run(&reads[i], true);
		int rc = log_read_end(stage.log, &reads[i]);
		if (reads[i].offset < next)
			assert_int_equal(rc, 0);
		log_read_finish(&reads[i]);
	}
	if (run_first)
		append_others(&stage, 2000, 40);
	parts_expect(&stage.model, stage.log);
	stage_end(&stage);
}

static void reads_that_a_cut_overtakes_end_in_peace(void **state)
{
	uint64_t last = last_entry();
	for (uint64_t entry = 1; entry <= last; entry += 3) {
		expect_overtaken(entry, false, true);
		expect_overtaken(entry, true, true);
		expect_overtaken(entry, false, false);
		expect_overtaken(entry, true, false);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_only_in_memory_are_cut_without_the_disk),
		cmocka_unit_test(all_that_was_never_written_can_be_cut),
		cmocka_unit_test(any_durable_entry_can_be_cut_and_others_follow),
		cmocka_unit_test(segments_that_are_not_sealed_yet_can_be_cut),
		cmocka_unit_test(a_log_is_cut_again_and_again),
		cmocka_unit_test(what_is_past_the_end_is_cut_for_nothing),
		cmocka_unit_test(nothing_is_cut_while_a_job_is_out),
		cmocka_unit_test(what_was_trimmed_cannot_be_cut),
		cmocka_unit_test(records_hidden_by_a_trim_cannot_be_cut),
		cmocka_unit_test(reads_that_a_cut_overtakes_end_in_peace),
	};
	seed = dice_seed("truncate");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
