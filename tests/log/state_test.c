/* The state of the log's user in the footers: asked when a segment is full, found again by an entry. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/disk/memory.h"
#include "tests/log/damage.h"
#include "tests/log/parts.h"
#include "tests/log/script.h"

#define ASKED_MAX 64u

static uint64_t seed;

struct stage {
	struct memory_disk *memory;
	struct log *log;
	struct model model;
	struct dice dice;
	unsigned char buffer[700];
	unsigned life;             /* goes into the states, so that none is taken for another */
	unsigned count;            /* of those asked */
	uint64_t asked[ASKED_MAX]; /* entries */
	unsigned lives[ASKED_MAX];
};

/* The state at an entry: its number and life, and as many bytes as that makes. */
static size_t make_state(unsigned char *bytes, uint64_t entry, unsigned life)
{
	size_t size = 16 + entry * 7 % 600;
	memset(bytes, (int)(entry * 31 + life), size);
	memcpy(bytes, &entry, sizeof entry);
	memcpy(bytes + 8, &life, sizeof life);
	return size;
}

static void give_state(void *arg, const void **data, size_t *size)
{
	struct stage *stage = arg;
	struct log_tail tail;
	log_tail(stage->log, &tail);
	assert_true(stage->count < ASKED_MAX);
	stage->asked[stage->count] = tail.entry;
	stage->lives[stage->count++] = stage->life;
	*size = make_state(stage->buffer, tail.entry, stage->life);
	*data = stage->buffer;
}

static void open_log(struct stage *stage)
{
	const struct log_options options = {.disk = memory_disk_door(stage->memory),
	                                    .path = "log",
	                                    .segment_size = LOG_SEGMENT_SIZE_MIN,
	                                    .state_cb = give_state,
	                                    .arg = stage};
	struct clog_error err = {0};
	stage->life++;
	if (log_open(&stage->log, &options, &err) != 0)
		fail_msg("log_open: %s", err.text);
}

static void stage_begin(struct stage *stage)
{
	*stage = (struct stage){.memory = memory_disk_create()};
	dice_init(&stage->dice, seed);
	open_log(stage);
}

static void stage_end(struct stage *stage)
{
	log_close(stage->log);
	memory_disk_destroy(stage->memory);
	model_finish(&stage->model);
}

static void fill(struct stage *stage, uint32_t segments)
{
	script_fill(stage->log, &stage->model, &stage->dice, segments, 3000);
}

/* The first entry of the last segment. */
static uint64_t last_segment(struct stage *stage)
{
	for (uint64_t entry = log_durable(stage->log); entry > 0; entry--) {
		char path[64];
		size_t size;
		snprintf(path, sizeof path, "log/%020llu.store", (unsigned long long)entry);
		if (memory_disk_bytes(stage->memory, path, &size) != NULL)
			return entry;
	}
	return 0;
}

/* Of each entry the newest state at or below it is found; none is older than the first. */
static void expect_states(struct stage *stage)
{
	unsigned char wanted[700];
	for (uint64_t entry = 0; entry <= log_durable(stage->log) + 1; entry++) {
		unsigned newest = stage->count;
		while (newest > 0 && stage->asked[newest - 1] > entry)
			newest--;
		uint64_t state_entry = 0;
		void *data = NULL;
		size_t size = 0;
		int rc = log_state(stage->log, entry, &state_entry, &data, &size);
		assert_int_equal(rc, newest == 0 ? -ENOENT : 0);
		if (rc != 0)
			continue;
		assert_int_equal(state_entry, stage->asked[newest - 1]);
		assert_int_equal(size, make_state(wanted, state_entry, stage->lives[newest - 1]));
		assert_memory_equal(data, wanted, size);
		free(data);
	}
}

static void the_state_is_asked_once_a_full_segment_at_its_end(void **state)
{
	struct stage stage;
	stage_begin(&stage);
	for (uint32_t segments = 1; segments < 8; segments++) {
		fill(&stage, segments);
		assert_int_equal(stage.count, segments - 1);
		if (segments > 1)
			assert_int_equal(stage.asked[segments - 2], last_segment(&stage) - 1);
		if (segments % 3 == 0)
			script_chores(stage.log);
	}
	script_chores(stage.log);
	expect_states(&stage);
	assert_int_equal(stage.count, 7 - 1);
	stage_end(&stage);
}

static void states_survive(void **state)
{
	struct stage stage;
	stage_begin(&stage);
	for (uint32_t segments = 2; segments < 8; segments += 2) {
		fill(&stage, segments);
		script_chores(stage.log);
		log_close(stage.log);
		memory_disk_crash(stage.memory, NULL, NULL);
		open_log(&stage);
		expect_states(&stage);
	}
	stage_end(&stage);
}

static void a_state_that_was_not_sealed_is_lost_in_a_crash(void **state)
{
	struct stage stage;
	stage_begin(&stage);
	fill(&stage, 3);
	script_chores(stage.log);
	fill(&stage, 5);
	log_close(stage.log);
	memory_disk_crash(stage.memory, NULL, NULL);
	open_log(&stage);
	assert_int_equal(stage.count, 4);
	stage.count = 2;
	expect_states(&stage);
	/* The segments are sealed without: the states before them are the newest. */
	script_chores(stage.log);
	expect_states(&stage);
	parts_expect(&stage.model, stage.log);
	stage_end(&stage);
}

static void cut(struct stage *stage, uint64_t entry)
{
	struct log_job *job;
	assert_int_equal(log_truncate_begin(stage->log, entry, &job, NULL), 0);
	assert_non_null(job);
	log_job_run(job);
	assert_int_equal(log_job_end(stage->log, job, NULL), 0);
	model_cut(&stage->model, entry - 1);
	while (stage->count > 0 && stage->asked[stage->count - 1] >= entry - 1)
		stage->count--;
}

/* The segment that is cut is not full any more, even when it keeps all its entries; full again, it is asked again. */
static void states_are_cut_with_the_entries(void **state)
{
	for (unsigned which = 0; which < 6; which++) {
		struct stage stage;
		stage_begin(&stage);
		fill(&stage, 5);
		script_chores(stage.log);
		cut(&stage, stage.asked[1 + which / 3] + which % 3);
		expect_states(&stage);
		if (which % 2) {
			log_close(stage.log);
			memory_disk_crash(stage.memory, NULL, NULL);
			open_log(&stage);
			expect_states(&stage);
		}
		stage.life++;
		fill(&stage, 6);
		script_chores(stage.log);
		assert_int_equal(stage.count, 5);
		expect_states(&stage);
		log_close(stage.log);
		open_log(&stage);
		expect_states(&stage);
		parts_expect(&stage.model, stage.log);
		stage_end(&stage);
	}
}

/* The segment before the cut is full again, and could be sealed, before the job that deletes its old index has run: the
 * chores of that time, if there are any, and the job must leave its new one. */
static void a_segment_sealed_anew_while_the_cut_is_out_keeps_its_index(void **state)
{
	for (unsigned which = 0; which < 4; which++) {
		struct stage stage;
		struct log_job *job, *chore;
		struct log_stat stat;
		stage_begin(&stage);
		fill(&stage, 3);
		script_chores(stage.log);
		assert_int_equal(log_truncate_begin(stage.log, stage.asked[1] + 1, &job, NULL), 0);
		model_cut(&stage.model, stage.asked[1]);
		stage.count--;
		stage.life++;
		for (stat.segments = 0; stat.segments < 3; log_stat(stage.log, &stat))
			script_append(stage.log, &stage.model, script_any_frame(stage.log, &stage.dice, 6000));
		if (which % 2)
			assert_int_equal(log_trim(stage.log, model_next_offset(&stage.model, stage.asked[0]), NULL), 0);
		assert_int_equal(log_chore_begin(stage.log, &chore), 0);
		if (chore != NULL && which < 2)
			log_job_run(chore);
		log_job_run(job);
		if (chore != NULL && which >= 2)
			log_job_run(chore);
		assert_int_equal(log_job_end(stage.log, job, NULL), 0);
		if (chore != NULL)
			assert_int_equal(log_job_end(stage.log, chore, NULL), 0);
		script_sync(stage.log);
		script_chores(stage.log);
		expect_states(&stage);
		stage_end(&stage);
	}
}

/* The states below the base go, but the one that is the base's. */
static void the_state_at_the_base_outlives_a_trim(void **state)
{
	struct stage stage;
	stage_begin(&stage);
	fill(&stage, 6);
	script_chores(stage.log);
	for (unsigned gone = 0; gone < 5; gone += 2) {
		assert_int_equal(log_trim(stage.log, model_next_offset(&stage.model, stage.asked[0]), NULL), 0);
		if (gone > 0) {
			assert_int_equal(log_trim(stage.log, model_next_offset(&stage.model, stage.asked[2]), NULL), 0);
			memmove(stage.asked, stage.asked + 2, (stage.count - 2) * sizeof stage.asked[0]);
			memmove(stage.lives, stage.lives + 2, (stage.count - 2) * sizeof stage.lives[0]);
			stage.count -= 2;
		}
		script_chores(stage.log);
		struct log_stat stat;
		log_stat(stage.log, &stat);
		assert_int_equal(stat.first_entry, stage.asked[0] + 1);
		expect_states(&stage);
		log_close(stage.log);
		memory_disk_crash(stage.memory, NULL, NULL);
		open_log(&stage);
		expect_states(&stage);
	}
	parts_expect(&stage.model, stage.log);
	stage_end(&stage);
}

/* An index whose places are damaged is made again; its footer is whole, and so is the state in it. */
static void a_state_outlives_the_index_around_it(void **state)
{
	struct stage stage;
	struct log_job *job;
	char path[64];
	stage_begin(&stage);
	fill(&stage, 4);
	script_chores(stage.log);
	snprintf(path, sizeof path, "log/%020llu.index", (unsigned long long)stage.asked[0] + 1);
	damage_flip(stage.memory, path, 5);
	uint64_t next = stage.asked[0] + 1;
	assert_int_equal(log_verify_begin(stage.log, next, &job, &next), 0);
	log_job_run(job);
	assert_int_equal(log_job_end(stage.log, job, NULL), 0);
	assert_int_equal(script_chores(stage.log), 1);
	expect_states(&stage);
	log_close(stage.log);
	open_log(&stage);
	expect_states(&stage);
	stage_end(&stage);
}

static void a_state_that_is_damaged_is_passed_over(void **state)
{
	struct stage stage;
	char path[64];
	unsigned char wanted[700];
	stage_begin(&stage);
	fill(&stage, 4);
	script_chores(stage.log);
	snprintf(path, sizeof path, "log/%020llu.index", (unsigned long long)stage.asked[1] + 1);
	size_t size = make_state(wanted, stage.asked[2], stage.lives[2]);
	damage_flip(stage.memory, path, damage_find(stage.memory, path, wanted, size, 0) + 3);
	stage.count = 2;
	expect_states(&stage);
	log_close(stage.log);
	open_log(&stage);
	expect_states(&stage);
	parts_expect(&stage.model, stage.log);
	stage_end(&stage);
}

static void a_log_without_states_has_none(void **state)
{
	struct memory_disk *disk = memory_disk_create();
	struct model model = {0};
	struct dice dice;
	dice_init(&dice, seed);
	struct log *log = script_open(memory_disk_door(disk));
	uint64_t entry;
	void *data;
	size_t size;
	assert_int_equal(log_state(log, 10, &entry, &data, &size), -ENOENT);
	script_fill(log, &model, &dice, 3, 3000);
	script_chores(log);
	assert_int_equal(log_state(log, log_durable(log), &entry, &data, &size), -ENOENT);
	log_close(log);
	memory_disk_destroy(disk);
	model_finish(&model);
}

static void expect_state(struct log *log, uint64_t entry, const char *must)
{
	uint64_t state_entry;
	void *data = NULL;
	size_t size;
	assert_int_equal(log_state(log, entry, &state_entry, &data, &size), 0);
	assert_int_equal(state_entry, entry);
	assert_int_equal(size, strlen(must));
	assert_memory_equal(data, must, size);
	free(data);
}

/* A state that is given while the segment's index is written without it, or verified, is not lost. */
static void a_state_given_while_a_job_is_out_is_kept(void **state)
{
	for (unsigned verify = 0; verify < 2; verify++) {
		struct stage stage = {.memory = memory_disk_create()};
		struct log_job *job;
		uint64_t next;
		dice_init(&stage.dice, seed);
		stage.log = script_open(memory_disk_door(stage.memory));
		fill(&stage, 2);
		uint64_t entry = log_stateless(stage.log);
		assert_true(entry > 0);
		if (verify) {
			script_chores(stage.log);
			damage_flip(stage.memory, "log/00000000000000000001.index", 3);
			assert_int_equal(log_verify_begin(stage.log, 1, &job, &next), 0);
			log_job_run(job);
		} else {
			assert_int_equal(log_chore_begin(stage.log, &job), 0);
		}
		assert_int_equal(log_set_state(stage.log, entry, "late", 4), 0);
		if (!verify)
			log_job_run(job);
		assert_int_equal(log_job_end(stage.log, job, NULL), 0);
		script_chores(stage.log);
		assert_int_equal(log_stateless(stage.log), 0);
		for (unsigned again = 0; again < 2; again++) {
			expect_state(stage.log, entry, "late");
			script_expect(&stage.model, stage.log);
			log_close(stage.log);
			stage.log = script_open(memory_disk_door(stage.memory));
		}
		stage_end(&stage);
	}
}

/* A state is of the end of a full segment that has none yet. */
static void a_state_that_cannot_be_is_refused(void **state)
{
	static unsigned char large[LOG_STATE_SIZE_MAX + 1];
	struct stage stage = {.memory = memory_disk_create()};
	dice_init(&stage.dice, seed);
	stage.log = script_open(memory_disk_door(stage.memory));
	assert_int_equal(log_stateless(stage.log), 0);
	assert_int_equal(log_set_state(stage.log, 0, "state", 5), -EINVAL);
	fill(&stage, 3);
	uint64_t entry = log_stateless(stage.log);
	assert_int_equal(log_set_state(stage.log, entry + 1, "state", 5), -EINVAL);
	assert_int_equal(log_set_state(stage.log, log_durable(stage.log), "state", 5), -EINVAL);
	assert_int_equal(log_set_state(stage.log, entry, "state", 0), -EINVAL);
	assert_int_equal(log_set_state(stage.log, entry, large, sizeof large), -EINVAL);
	assert_int_equal(log_stateless(stage.log), entry);
	assert_int_equal(log_set_state(stage.log, entry, large, sizeof large - 1), 0);
	assert_int_equal(log_set_state(stage.log, entry, "state", 5), -EINVAL);
	assert_true(log_stateless(stage.log) > entry);
	script_chores(stage.log);
	script_expect(&stage.model, stage.log);
	stage_end(&stage);
}

/* In a log that is read-only it counts, and nothing is written. */
static void a_state_may_be_given_to_a_log_that_is_read_only(void **state)
{
	struct stage stage = {.memory = memory_disk_create()};
	struct log_job *job;
	dice_init(&stage.dice, seed);
	stage.log = script_open(memory_disk_door(stage.memory));
	fill(&stage, 3);
	script_chores(stage.log);
	log_close(stage.log);
	uint64_t hash = memory_disk_hash(stage.memory);
	const struct log_options options = {.disk = memory_disk_door(stage.memory),
	                                    .path = "log",
	                                    .segment_size = LOG_SEGMENT_SIZE_MIN,
	                                    .read_only = true};
	assert_int_equal(log_open(&stage.log, &options, NULL), 0);
	uint64_t entry = log_stateless(stage.log);
	assert_int_equal(log_set_state(stage.log, entry, "state", 5), 0);
	assert_true(log_stateless(stage.log) > entry);
	assert_int_equal(log_chore_begin(stage.log, &job), 0);
	assert_null(job);
	assert_true(memory_disk_hash(stage.memory) == hash);
	stage_end(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_state_is_asked_once_a_full_segment_at_its_end),
		cmocka_unit_test(states_survive),
		cmocka_unit_test(a_state_that_was_not_sealed_is_lost_in_a_crash),
		cmocka_unit_test(states_are_cut_with_the_entries),
		cmocka_unit_test(a_segment_sealed_anew_while_the_cut_is_out_keeps_its_index),
		cmocka_unit_test(the_state_at_the_base_outlives_a_trim),
		cmocka_unit_test(a_state_outlives_the_index_around_it),
		cmocka_unit_test(a_state_that_is_damaged_is_passed_over),
		cmocka_unit_test(a_log_without_states_has_none),
		cmocka_unit_test(a_state_that_cannot_be_is_refused),
		cmocka_unit_test(a_state_may_be_given_to_a_log_that_is_read_only),
		cmocka_unit_test(a_state_given_while_a_job_is_out_is_kept),
	};
	seed = dice_seed("state");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
