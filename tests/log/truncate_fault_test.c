/* Cutting the tail on a disk that fails: each failure is told, and nothing is lost by it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/disk/faulty.h"
#include "tests/log/damage.h"
#include "tests/log/scene.h"
#include "tests/log/script.h"

#define LAST (SCENE_SEGMENTS - 1)
#define MARK 512u /* where the cell of the durable mark stands in a store */

static uint64_t seed;

struct stage {
	struct scene scene;
	struct faulty_disk *faulty;
	struct log *log;
};

static void reopen(struct stage *stage)
{
	log_close(stage->log);
	stage->log = script_open(faulty_disk_door(stage->faulty));
}

static void stage_begin(struct stage *stage)
{
	memset(stage, 0, sizeof *stage);
	scene_begin(&stage->scene, seed);
	stage->faulty = faulty_disk_create(memory_disk_door(stage->scene.memory));
	stage->log = script_open(faulty_disk_door(stage->faulty));
}

static void stage_end(struct stage *stage)
{
	log_close(stage->log);
	faulty_disk_destroy(stage->faulty);
	scene_finish(&stage->scene);
}

static void fail_nth(struct stage *stage, unsigned nth, enum faulty_way way)
{
	faulty_disk_fail(stage->faulty, FAULTY_ANY, nth, -EIO, way);
}

/* Ends the failing; tells whether it came to that. */
static bool heal(struct stage *stage)
{
	bool fired = faulty_disk_fired(stage->faulty);
	faulty_disk_fail(stage->faulty, FAULTY_ANY, 0, 0, FAULTY_ONCE);
	return fired;
}

static void expect_whole(struct stage *stage)
{
	const struct log_damage *damage;
	assert_int_equal(log_damage(stage->log, &damage), 0);
	parts_expect(&stage->scene.model, stage->log);
}

static int cut(struct stage *stage, uint64_t entry, struct clog_error *err)
{
	struct log_job *job;
	int rc = log_truncate_begin(stage->log, entry, &job, err);
	if (rc != 0) {
		assert_null(job);
		return rc;
	}
	if (job == NULL)
		return 0;
	log_job_run(job);
	return log_job_end(stage->log, job, err);
}

/* After a cut that failed: as much as it has cut is gone, or less; what was to stay is there, and takes others. */
static void expect_left(const struct stage *stage, uint64_t entry, bool lose)
{
	struct memory_disk *copy = memory_disk_clone(stage->scene.memory);
	struct clog_error err = {0};
	const struct log_damage *damage;
	if (lose)
		memory_disk_crash(copy, NULL, NULL);
	struct log *log = script_open(memory_disk_door(copy));
	assert_true(log_durable(log) >= entry - 1 && log_durable(log) <= stage->scene.last);
	assert_int_equal(log_damage(log, &damage), 0);
	if (model_check_all(&stage->scene.model, log, 5, &err) != 0)
		fail_msg("after a failed cut at entry %u: %s", (unsigned)entry, err.text);
	struct dice dice = stage->scene.dice;
	script_append_one(log, NULL, &dice, 1234);
	log_close(log);
	memory_disk_destroy(copy);
}

static bool try_cut(uint64_t entry, unsigned nth, enum faulty_way way)
{
	struct stage stage;
	struct clog_error err = {0}, failure = {0};
	struct log_tail before, tail;
	stage_begin(&stage);
	log_tail(stage.log, &before);
	fail_nth(&stage, nth, way);
	int rc = cut(&stage, entry, &err);
	bool fired = heal(&stage);
	assert_int_equal(rc, fired ? -EIO : 0);
	assert_int_equal(err.code, rc);
	log_tail(stage.log, &tail);
	if (tail.entry == before.entry) {
		/* It never began: nothing has changed. */
		assert_true(fired);
		assert_int_equal(log_failure(stage.log, NULL), 0);
		script_expect_tail(&tail, &before);
		expect_whole(&stage);
		assert_int_equal(cut(&stage, entry, &err), 0);
		script_append_one(stage.log, NULL, &stage.scene.dice, 10);
	} else {
		assert_int_equal(tail.entry, entry - 1);
		assert_int_equal(log_failure(stage.log, &failure), rc);
		assert_string_equal(failure.text, err.text);
		assert_int_equal(log_sync(stage.log, NULL), rc);
		expect_whole(&stage);
		expect_left(&stage, entry, false);
		expect_left(&stage, entry, true);
	}
	stage_end(&stage);
	return fired;
}

static void a_cut_may_fail_at_any_call(void **state)
{
	struct stage stage;
	uint64_t entries[6];
	stage_begin(&stage);
	/* Into the last segment, its first entry, the one before, the middle of a full one, the first of all. */
	entries[0] = stage.scene.last;
	entries[1] = stage.scene.first[LAST];
	entries[2] = stage.scene.first[LAST] - 1;
	entries[3] = stage.scene.first[1] + 2;
	entries[4] = stage.scene.first[1] + 1;
	entries[5] = 1;
	stage_end(&stage);
	for (unsigned i = 0; i < 6; i++)
		for (unsigned way = FAULTY_ONCE; way <= FAULTY_ONWARD; way++) {
			unsigned nth = 1;
			while (try_cut(entries[i], nth, (enum faulty_way)way))
				nth++;
			assert_true(nth > 8);
		}
}

/* Segments that are only in memory go with those that are on the disk. */
static void what_was_never_written_is_cut_with_what_was(void **state)
{
	struct stage stage;
	struct log_stat stat;
	stage_begin(&stage);
	for (log_stat(stage.log, &stat); stat.segments < SCENE_SEGMENTS + 3; log_stat(stage.log, &stat))
		script_append(stage.log, &stage.scene.model, script_any_frame(stage.log, &stage.scene.dice, 3000));
	uint64_t entry = stage.scene.first[2] + 1;
	assert_int_equal(cut(&stage, entry, NULL), 0);
	model_cut(&stage.scene.model, entry - 1);
	expect_whole(&stage);
	log_stat(stage.log, &stat);
	assert_int_equal(stat.segments, 3);
	script_fill(stage.log, &stage.scene.model, &stage.scene.dice, 5, 3000);
	script_chores(stage.log);
	expect_whole(&stage);
	reopen(&stage);
	expect_whole(&stage);
	stage_end(&stage);
}

/* The mark of a full segment is of no use until it is cut: then a damaged one is made anew. */
static void a_damaged_mark_is_made_anew_by_a_cut(void **state)
{
	struct stage stage;
	char path[64];
	stage_begin(&stage);
	uint64_t entry = stage.scene.first[1] + 1;
	scene_path(&stage.scene, entry, ".store", path);
	for (unsigned slot = 0; slot < 2; slot++)
		damage_flip(stage.scene.memory, path, MARK + slot * LOG_CELL_SLOT_SIZE + 50);
	reopen(&stage);
	expect_whole(&stage);
	assert_int_equal(cut(&stage, entry, NULL), 0);
	model_cut(&stage.scene.model, entry - 1);
	reopen(&stage);
	assert_int_equal(log_durable(stage.log), entry - 1);
	expect_whole(&stage);
	script_fill(stage.log, &stage.scene.model, &stage.scene.dice, 3, 3000);
	reopen(&stage);
	expect_whole(&stage);
	stage_end(&stage);
}

/* Where another frame stands than the index says, nothing tells what a cut would leave. */
static void a_cut_after_a_frame_that_is_not_there_is_refused(void **state)
{
	for (unsigned kind = 0; kind < 3; kind++) {
		struct stage stage;
		struct clog_error err = {0};
		size_t size;
		char path[64];
		stage_begin(&stage);
		uint64_t entry = stage.scene.first[1] + 1;
		uint64_t position = scene_position(&stage.scene, entry), next = scene_position(&stage.scene, entry + 1);
		scene_path(&stage.scene, entry, ".store", path);
		unsigned char *bytes = damage_copy(stage.scene.memory, path, &size);
		if (kind == 0)
			damage_flip(stage.scene.memory, path, position + 20);
		else if (kind == 1)
			memory_disk_poke(stage.scene.memory, path, position, bytes + next, 88);
		else
			memory_disk_put(stage.scene.memory, path, bytes, position + 40);
		assert_int_equal(cut(&stage, entry + 1, &err), -EBADMSG);
		assert_int_equal(err.code, -EBADMSG);
		assert_int_equal(log_failure(stage.log, NULL), 0);
		assert_int_equal(log_durable(stage.log), stage.scene.last);
		/* The medium comes to its senses: nothing was spoilt. */
		memory_disk_put(stage.scene.memory, path, bytes, size);
		free(bytes);
		expect_whole(&stage);
		stage_end(&stage);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cut_may_fail_at_any_call),
		cmocka_unit_test(what_was_never_written_is_cut_with_what_was),
		cmocka_unit_test(a_damaged_mark_is_made_anew_by_a_cut),
		cmocka_unit_test(a_cut_after_a_frame_that_is_not_there_is_refused),
	};
	seed = dice_seed("truncate_fault");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
