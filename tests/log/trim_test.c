/* Trimming the head: hidden at once, deleted by chores, whatever comes between. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/disk/faulty.h"
#include "tests/log/outcomes.h"
#include "tests/log/scene.h"
#include "tests/log/script.h"

static uint64_t seed;

/* A scene that is open, and what a crash may leave of it. */
struct stage {
	struct scene scene;
	struct faulty_disk *faulty;
	struct log *log;
	struct outcomes outcomes;
	uint64_t least;      /* the last entry that must be there */
	uint64_t offsets[2]; /* the first offset is one of these */
};

static struct log_disk *disk_of(struct stage *stage)
{
	return stage->faulty != NULL ? faulty_disk_door(stage->faulty) : memory_disk_door(stage->scene.memory);
}

static int judge(struct memory_disk *disk, void *arg, struct clog_error *err)
{
	struct stage *stage = arg;
	const struct log_options options = {
		.disk = memory_disk_door(disk), .path = "log", .segment_size = LOG_SEGMENT_SIZE_MIN};
	const struct parts parts = {.model = &stage->scene.model};
	const struct log_damage *damage;
	struct log_stat stat;
	struct log *log;
	int rc = log_open(&log, &options, err);
	if (rc != 0)
		return rc;
	log_stat(log, &stat);
	if (stat.first_offset != stage->offsets[0] && stat.first_offset != stage->offsets[1])
		rc = clog_error_set(err, -EILSEQ, "the first offset is %llu", (unsigned long long)stat.first_offset);
	else if (log_durable(log) < stage->least || log_damage(log, &damage) > 0)
		rc = clog_error_set(err, -EILSEQ, "%llu entries are there", (unsigned long long)log_durable(log));
	else
		rc = parts_check(&parts, log, 5, err);
	/* What it goes on with is durable, and hurts nothing. */
	if (rc == 0) {
		uint64_t durable = log_durable(log);
		script_chores(log);
		script_append_one(log, NULL, &stage->scene.dice, 900);
		script_append_one(log, NULL, &stage->scene.dice, 15000);
		log_close(log);
		memory_disk_crash(disk, NULL, NULL);
		rc = log_open(&log, &options, err);
		if (rc != 0)
			return rc;
		log_stat(log, &stat);
		for (uint64_t entry = stat.first_entry; rc == 0 && entry <= durable; entry++)
			rc = model_check_frame(parts.model, log, entry, err);
		if (rc == 0 && log_durable(log) != durable + 2)
			rc = clog_error_set(err, -EILSEQ, "what followed is not there");
	}
	log_close(log);
	return rc;
}

static void stage_begin(struct stage *stage, bool faulty)
{
	memset(stage, 0, sizeof *stage);
	scene_begin(&stage->scene, seed);
	stage->faulty = faulty ? faulty_disk_create(memory_disk_door(stage->scene.memory)) : NULL;
	stage->log = script_open(disk_of(stage));
	stage->outcomes = (struct outcomes){.judge = judge, .arg = stage, .sectors_max = dice_soak() ? 0 : 8};
	dice_init(&stage->outcomes.dice, seed + 1);
	stage->least = stage->scene.last;
}

static void stage_end(struct stage *stage)
{
	log_close(stage->log);
	faulty_disk_destroy(stage->faulty);
	outcomes_finish(&stage->outcomes);
	scene_finish(&stage->scene);
}

static void reopen(struct stage *stage)
{
	log_close(stage->log);
	stage->log = script_open(disk_of(stage));
}

static void trim(struct stage *stage, uint64_t offset)
{
	struct clog_error err = {0};
	if (log_trim(stage->log, offset, &err) != 0)
		fail_msg("log_trim: %s", err.text);
}

/* The offset of the first record of a segment and, with more, some further on; at most the next one, for the last
 * segment may have few. */
static uint64_t offset_in(const struct stage *stage, unsigned segment, unsigned more)
{
	uint64_t offset = model_next_offset(&stage->scene.model, stage->scene.first[segment] - 1) + more;
	return offset < stage->scene.model.record_count ? offset : stage->scene.model.record_count;
}

static int ask(struct log *log, enum log_read_kind kind, uint64_t where)
{
	struct log_read read = {.kind = kind, .offset = where, .position = where, .entry = where, .size = 10};
	int rc = parts_serve(log, &read);
	log_read_finish(&read);
	return rc;
}

static void expect_hidden(struct stage *stage, uint64_t offset)
{
	struct log_stat stat;
	log_stat(stage->log, &stat);
	assert_int_equal(stat.first_offset, offset);
	for (uint64_t below = 0; below < offset; below += 7) {
		assert_int_equal(ask(stage->log, LOG_READ_STAT, below), -ESTALE);
		assert_int_equal(ask(stage->log, LOG_READ_RECORD, below), -ESTALE);
		assert_int_equal(ask(stage->log, LOG_READ_RANGE, below), -ESTALE);
	}
	assert_int_equal(ask(stage->log, LOG_READ_RECORD, offset - 1), -ESTALE);
	/* The records below may all be empty. */
	if (stat.stream_begin > 0) {
		assert_int_equal(ask(stage->log, LOG_READ_STREAM, 0), -ESTALE);
		assert_int_equal(ask(stage->log, LOG_READ_STREAM, stat.stream_begin - 1), -ESTALE);
	}
	for (uint64_t entry = 0; entry < stat.first_entry; entry++)
		assert_int_equal(ask(stage->log, LOG_READ_FRAMES, entry), -ESTALE);
	parts_expect(&stage->scene.model, stage->log);
}

static bool is_there(const struct stage *stage, unsigned segment, const char *suffix)
{
	char path[64];
	size_t size;
	scene_path(&stage->scene, stage->scene.first[segment], suffix, path);
	return memory_disk_bytes(stage->scene.memory, path, &size) != NULL;
}

static void records_below_are_hidden_at_once(void **state)
{
	struct stage stage;
	struct log_stat stat;
	stage_begin(&stage, false);
	for (unsigned segment = 0; segment < SCENE_SEGMENTS; segment++) {
		trim(&stage, offset_in(&stage, segment, 3));
		expect_hidden(&stage, offset_in(&stage, segment, 3));
		log_stat(stage.log, &stat);
		assert_int_equal(stat.segments, SCENE_SEGMENTS);
	}
	/* Going back is asking for nothing. */
	trim(&stage, 1);
	expect_hidden(&stage, offset_in(&stage, SCENE_SEGMENTS - 1, 3));
	stage_end(&stage);
}

static void segments_go_by_chores_the_lowest_first(void **state)
{
	struct stage stage;
	struct log_stat stat;
	struct log_job *job;
	stage_begin(&stage, false);
	trim(&stage, offset_in(&stage, SCENE_SEGMENTS - 1, 3));
	for (unsigned gone = 1; gone < SCENE_SEGMENTS; gone++) {
		assert_int_equal(log_chore_begin(stage.log, &job), 0);
		assert_non_null(job);
		assert_false(log_job_writes(job));
		log_job_run(job);
		assert_int_equal(log_job_end(stage.log, job, NULL), 0);
		log_stat(stage.log, &stat);
		assert_int_equal(stat.segments, SCENE_SEGMENTS - gone);
		assert_int_equal(stat.first_entry, stage.scene.first[gone]);
		for (unsigned segment = 0; segment < SCENE_SEGMENTS; segment++) {
			assert_int_equal(is_there(&stage, segment, ".store"), segment >= gone);
			/* The footer of the last one that went tells the state at the base. */
			bool index = segment + 1 >= gone && segment + 1 < SCENE_SEGMENTS;
			assert_int_equal(is_there(&stage, segment, ".index"), index);
		}
		parts_expect(&stage.scene.model, stage.log);
	}
	script_chores(stage.log);
	expect_hidden(&stage, offset_in(&stage, SCENE_SEGMENTS - 1, 3));
	stage_end(&stage);
}

static void the_first_offset_survives(void **state)
{
	for (unsigned segment = 0; segment < SCENE_SEGMENTS; segment++)
		for (unsigned more = 0; more < 5; more += 2) {
			struct stage stage;
			stage_begin(&stage, false);
			uint64_t offset = offset_in(&stage, segment, more + 1);
			trim(&stage, offset);
			script_chores(stage.log);
			log_close(stage.log);
			memory_disk_crash(stage.scene.memory, NULL, NULL);
			stage.log = script_open(disk_of(&stage));
			expect_hidden(&stage, offset);
			script_fill(stage.log, &stage.scene.model, &stage.scene.dice, 6, 3000);
			trim(&stage, log_durable(stage.log) > 0 ? stage.scene.model.record_count : 0);
			script_chores(stage.log);
			reopen(&stage);
			expect_hidden(&stage, stage.scene.model.record_count);
			stage_end(&stage);
		}
}

static void everything_can_be_trimmed_and_nothing_more(void **state)
{
	struct stage stage;
	struct clog_error err = {0};
	stage_begin(&stage, false);
	uint64_t next = stage.scene.model.record_count;
	assert_int_equal(log_trim(stage.log, next + 1, &err), -EINVAL);
	assert_int_equal(err.code, -EINVAL);
	script_append(stage.log, &stage.scene.model, script_any_frame(stage.log, &stage.scene.dice, 500));
	uint32_t sizes[2] = {5, 6};
	script_append(stage.log, &stage.scene.model, script_frame(stage.log, &stage.scene.dice, 900, sizes, 2));
	/* What is not durable cannot be trimmed. */
	assert_int_equal(log_trim(stage.log, stage.scene.model.record_count, NULL), -EINVAL);
	script_sync(stage.log);
	trim(&stage, stage.scene.model.record_count);
	script_chores(stage.log);
	expect_hidden(&stage, stage.scene.model.record_count);
	assert_int_equal(ask(stage.log, LOG_READ_RECORD, stage.scene.model.record_count), -ENOENT);
	reopen(&stage);
	expect_hidden(&stage, stage.scene.model.record_count);
	script_append_one(stage.log, &stage.scene.model, &stage.scene.dice, 33);
	parts_expect(&stage.scene.model, stage.log);
	stage_end(&stage);
}

/* Reads that hold a segment while it goes: what they give is right. */
static void a_read_outlives_its_segment(void **state)
{
	for (unsigned again = 0; again < 2; again++) {
		struct stage stage;
		struct log_read reads[5] = {0};
		struct log_job *job;
		uint64_t next;
		stage_begin(&stage, false);
		if (!again)
			parts_expect(&stage.scene.model, stage.log);
		for (unsigned i = 0; i < 5; i++) {
			reads[i] = (struct log_read){
				.kind = (enum log_read_kind)i, .entry = 2, .offset = 3, .size = 3000};
			reads[i].position = stage.scene.model.records[3].position;
			assert_int_equal(log_read_begin(stage.log, &reads[i]), 0);
		}
		assert_int_equal(log_verify_begin(stage.log, 1, &job, &next), 0);
		assert_non_null(job);
		trim(&stage, offset_in(&stage, 3, 1));
		script_chores(stage.log);
		script_fill(stage.log, &stage.scene.model, &stage.scene.dice, 4, 3000);
		log_job_run(job);
		assert_int_equal(log_job_end(stage.log, job, NULL), 0);
		for (unsigned i = 0; i < 5; i++) {
			log_read_run(&reads[i], true);
			int rc = log_read_end(stage.log, &reads[i]);
			if (rc != 0)
				assert_int_equal(rc, -ESTALE);
			else if (i == LOG_READ_STREAM || i == LOG_READ_RECORD)
				assert_memory_equal(reads[i].data, stage.scene.model.stream + reads[i].position,
				                    reads[i].data_size);
			/* A store that was open can be read to the end. */
			assert_true(again || rc == 0);
			log_read_finish(&reads[i]);
		}
		parts_expect(&stage.scene.model, stage.log);
		stage_end(&stage);
	}
}

/* The job has deleted the store, and its end comes later. */
static void a_read_that_ends_before_the_trim_does_says_that_it_was_trimmed(void **state)
{
	struct stage stage;
	struct log_read read = {.kind = LOG_READ_STREAM, .size = 100};
	struct log_job *job;
	stage_begin(&stage, false);
	script_chores(stage.log);
	assert_int_equal(log_read_begin(stage.log, &read), 0);
	trim(&stage, offset_in(&stage, 1, 0));
	assert_int_equal(log_chore_begin(stage.log, &job), 0);
	assert_non_null(job);
	log_job_run(job);
	log_read_run(&read, true);
	assert_int_equal(log_read_end(stage.log, &read), -ESTALE);
	assert_int_equal(log_job_end(stage.log, job, NULL), 0);
	log_read_finish(&read);
	parts_expect(&stage.scene.model, stage.log);
	stage_end(&stage);
}

/* Uses up the prepared file, and trims: the store that goes becomes the next one. */
static void recycle(struct stage *stage)
{
	struct log_stat stat;
	struct log_job *job;
	log_stat(stage->log, &stat);
	script_fill(stage->log, &stage->scene.model, &stage->scene.dice, stat.segments + 1, 3000);
	stage->least = log_durable(stage->log);
	for (bool sealed = false; !sealed;) {
		assert_int_equal(log_chore_begin(stage->log, &job), 0);
		assert_non_null(job);
		log_job_run(job);
		assert_int_equal(log_job_end(stage->log, job, NULL), 0);
		sealed = is_there(stage, SCENE_SEGMENTS - 1, ".index");
	}
}

static void a_recycled_store_shows_nothing_of_its_life_before(void **state)
{
	struct stage stage;
	size_t size, zeros = 0;
	stage_begin(&stage, false);
	recycle(&stage);
	trim(&stage, offset_in(&stage, 1, 0));
	script_chores(stage.log);
	const unsigned char *bytes = memory_disk_bytes(stage.scene.memory, "log/prepared.store", &size);
	assert_non_null(bytes);
	for (size_t i = 4096; i < size; i++)
		zeros += bytes[i] == 0;
	assert_true(zeros < size / 2);
	/* The new store is shorter than the old one was: old frames stand behind its last one, at every step. */
	stage.offsets[0] = stage.offsets[1] = offset_in(&stage, 1, 0);
	memory_disk_watch(stage.scene.memory, outcomes_watch, &stage.outcomes);
	for (unsigned i = 0; i < 12; i++) {
		script_append_one(stage.log, &stage.scene.model, &stage.scene.dice, 1000 + 300 * i);
		stage.least = log_durable(stage.log);
	}
	memory_disk_watch(stage.scene.memory, NULL, NULL);
	printf("trim: a recycled store: %u states\n", stage.outcomes.states);
	assert_int_equal(stage.outcomes.failures, 0);
	assert_null(memory_disk_bytes(stage.scene.memory, "log/prepared.store", &size));
	parts_expect(&stage.scene.model, stage.log);
	reopen(&stage);
	parts_expect(&stage.scene.model, stage.log);
	stage_end(&stage);
}

static void a_trim_that_crashes_leaves_a_log_that_opens(void **state)
{
	unsigned states = 0;
	for (unsigned round = 0; round < 12; round++) {
		struct stage stage;
		unsigned kind = round % 6;
		stage_begin(&stage, false);
		if (kind % 2)
			recycle(&stage);
		/* Sometimes it was trimmed before. */
		if (kind >= 2)
			trim(&stage, offset_in(&stage, 1, 1));
		if (kind >= 4)
			script_chores(stage.log);
		if (kind >= 2 && kind < 4)
			reopen(&stage);
		stage.offsets[0] = kind >= 4 ? offset_in(&stage, 1, 1) : 0;
		stage.offsets[1] = offset_in(&stage, round < 6 ? 3 : 2, 2 + kind);
		trim(&stage, stage.offsets[1]);
		memory_disk_watch(stage.scene.memory, outcomes_watch, &stage.outcomes);
		script_chores(stage.log);
		stage.offsets[0] = stage.offsets[1];
		outcomes_forget(&stage.outcomes);
		outcomes_look(&stage.outcomes, stage.scene.memory, "nothing: trimmed");
		memory_disk_watch(stage.scene.memory, NULL, NULL);
		assert_int_equal(stage.outcomes.failures, 0);
		states += stage.outcomes.states;
		stage_end(&stage);
	}
	printf("trim: %u states\n", states);
	assert_true(states > 300);
}

static void what_a_trim_left_is_removed_at_opening(void **state)
{
	struct stage stage;
	size_t size;
	stage_begin(&stage, false);
	struct memory_disk *before = memory_disk_clone(stage.scene.memory);
	trim(&stage, offset_in(&stage, 2, 0));
	script_chores(stage.log);
	log_close(stage.log);
	/* Stores and indexes come back that were deleted, and a base that was being made. */
	for (unsigned segment = 0; segment < 2; segment++) {
		char path[64];
		scene_path(&stage.scene, stage.scene.first[segment], ".store", path);
		const unsigned char *bytes = memory_disk_bytes(before, path, &size);
		memory_disk_put(stage.scene.memory, path, bytes, size);
		scene_path(&stage.scene, stage.scene.first[segment], ".index", path);
		bytes = memory_disk_bytes(before, path, &size);
		memory_disk_put(stage.scene.memory, path, bytes, size);
	}
	memory_disk_put(stage.scene.memory, "log/base.new", "half", 4);
	memory_disk_destroy(before);
	stage.log = script_open(disk_of(&stage));
	for (unsigned segment = 0; segment < 2; segment++) {
		assert_false(is_there(&stage, segment, ".store"));
		assert_int_equal(is_there(&stage, segment, ".index"), segment == 1);
	}
	assert_null(memory_disk_bytes(stage.scene.memory, "log/base.new", &size));
	expect_hidden(&stage, offset_in(&stage, 2, 0));
	stage_end(&stage);
}

/* Runs chores until one fails. */
static int chores(struct log *log, struct clog_error *err)
{
	struct log_job *job;
	int rc = log_chore_begin(log, &job);
	while (rc == 0 && job != NULL) {
		log_job_run(job);
		rc = log_job_end(log, job, err);
		if (rc == 0)
			rc = log_chore_begin(log, &job);
	}
	return rc;
}

static bool fail_at(unsigned nth, int error, enum faulty_way way)
{
	struct stage stage;
	struct clog_error err = {0};
	stage_begin(&stage, true);
	if (nth % 2)
		recycle(&stage);
	stage.offsets[1] = offset_in(&stage, 3, 2);
	faulty_disk_fail(stage.faulty, FAULTY_ANY, nth, error, way);
	int rc = log_trim(stage.log, stage.offsets[1], &err);
	if (rc == 0)
		rc = chores(stage.log, &err);
	bool fired = faulty_disk_fired(stage.faulty);
	faulty_disk_fail(stage.faulty, FAULTY_ANY, 0, 0, FAULTY_ONCE);
	assert_int_equal(rc, fired ? error : 0);
	assert_true(rc == 0 || err.text[0] != '\0');
	parts_expect(&stage.scene.model, stage.log);
	for (unsigned lose = 0; lose < 2; lose++) {
		struct memory_disk *copy = memory_disk_clone(stage.scene.memory);
		if (lose)
			memory_disk_crash(copy, NULL, NULL);
		if (judge(copy, &stage, &err) != 0)
			fail_msg("after the failure of call %u: %s", nth, err.text);
		memory_disk_destroy(copy);
	}
	stage_end(&stage);
	return fired;
}

static void a_trim_whose_disk_fails_leaves_a_log_that_opens_again(void **state)
{
	static const enum faulty_way ways[] = {FAULTY_ONCE, FAULTY_PARTLY, FAULTY_ONWARD};
	for (unsigned i = 0; i < 3; i++)
		for (unsigned odd = 0; odd < 2; odd++) {
			unsigned nth = 1 + odd;
			while (fail_at(nth, i == 1 ? -ENOSPC : -EIO, ways[i]))
				nth += 2;
			assert_true(nth > 15);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_below_are_hidden_at_once),
		cmocka_unit_test(segments_go_by_chores_the_lowest_first),
		cmocka_unit_test(the_first_offset_survives),
		cmocka_unit_test(everything_can_be_trimmed_and_nothing_more),
		cmocka_unit_test(a_read_outlives_its_segment),
		cmocka_unit_test(a_read_that_ends_before_the_trim_does_says_that_it_was_trimmed),
		cmocka_unit_test(a_recycled_store_shows_nothing_of_its_life_before),
		cmocka_unit_test(a_trim_that_crashes_leaves_a_log_that_opens),
		cmocka_unit_test(what_a_trim_left_is_removed_at_opening),
		cmocka_unit_test(a_trim_whose_disk_fails_leaves_a_log_that_opens_again),
	};
	seed = dice_seed("trim");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
