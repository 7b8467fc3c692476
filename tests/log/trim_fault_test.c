/* Trimming on a disk that fails, and beside other work: each failure is told, and nothing is lost by it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/disk/faulty.h"
#include "tests/log/damage.h"
#include "tests/log/scene.h"
#include "tests/log/script.h"

#define LAST (SCENE_SEGMENTS - 1)

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

static uint64_t offset_in(const struct stage *stage, unsigned segment, unsigned more)
{
	return model_next_offset(&stage->scene.model, stage->scene.first[segment] - 1) + more;
}

static void trim(struct stage *stage, uint64_t offset)
{
	struct clog_error err = {0};
	if (log_trim(stage->log, offset, &err) != 0)
		fail_msg("log_trim: %s", err.text);
}

static bool is_there(const struct stage *stage, const char *path)
{
	size_t size;
	return memory_disk_bytes(stage->scene.memory, path, &size) != NULL;
}

static void remove_file(struct stage *stage, unsigned segment, const char *suffix)
{
	struct log_disk *disk = memory_disk_door(stage->scene.memory);
	char path[64];
	scene_path(&stage->scene, stage->scene.first[segment], suffix, path);
	assert_int_equal(disk->remove(disk, path), 0);
	memory_disk_settle(stage->scene.memory);
}

/* The prepared file goes into the last segment: there is none then, and the first store that is trimmed becomes one. */
static void use_prepared(struct stage *stage)
{
	struct log_stat stat;
	struct log_job *job;
	log_stat(stage->log, &stat);
	script_fill(stage->log, &stage->scene.model, &stage->scene.dice, stat.segments + 1, 3000);
	/* The segment that became full is sealed before any other chore. */
	assert_int_equal(log_chore_begin(stage->log, &job), 0);
	log_job_run(job);
	assert_int_equal(log_job_end(stage->log, job, NULL), 0);
	assert_false(is_there(stage, "log/prepared.store"));
}

/* Where the stream begins at an offset is in an index, whole, damaged or gone: then it takes the store to know. */
static bool try_hiding(unsigned index, unsigned nth, enum faulty_way way)
{
	struct stage stage;
	struct log_stat before, after;
	struct clog_error err = {0};
	char path[64];
	stage_begin(&stage);
	scene_path(&stage.scene, stage.scene.first[1], ".index", path);
	if (index == 1)
		damage_flip(stage.scene.memory, path, 1);
	else if (index == 2)
		remove_file(&stage, 1, ".index");
	log_stat(stage.log, &before);
	uint64_t offset = offset_in(&stage, 1, 2);
	fail_nth(&stage, nth, way);
	int rc = log_trim(stage.log, offset, &err);
	bool fired = heal(&stage);
	assert_int_equal(rc, fired ? -EIO : 0);
	assert_int_equal(err.code, rc);
	assert_int_equal(log_failure(stage.log, NULL), 0);
	log_stat(stage.log, &after);
	assert_int_equal(after.first_offset, fired ? before.first_offset : offset);
	assert_true(!fired || strstr(err.text, "trimmed") != NULL);
	expect_whole(&stage);
	/* Nothing stands in the way of the next try. */
	trim(&stage, offset);
	script_chores(stage.log);
	reopen(&stage);
	log_stat(stage.log, &after);
	assert_int_equal(after.first_offset, offset);
	assert_int_equal(after.first_entry, stage.scene.first[1]);
	expect_whole(&stage);
	stage_end(&stage);
	return fired;
}

static void a_trim_that_finds_no_place_hides_nothing(void **state)
{
	for (unsigned index = 0; index < 3; index++)
		for (unsigned way = FAULTY_ONCE; way <= FAULTY_ONWARD; way++) {
			unsigned nth = 1;
			while (try_hiding(index, nth, (enum faulty_way)way))
				nth++;
			assert_true(nth > 4);
		}
}

/* Files that somebody else has deleted are no reason to fail, and make no prepared file. */
static void what_is_gone_already_is_trimmed_all_the_same(void **state)
{
	for (unsigned kind = 0; kind < 2; kind++) {
		struct stage stage;
		struct log_stat stat;
		stage_begin(&stage);
		if (kind == 1)
			use_prepared(&stage);
		trim(&stage, offset_in(&stage, LAST, 1));
		for (unsigned segment = 0; segment < LAST; segment++)
			remove_file(&stage, segment, ".store");
		remove_file(&stage, 0, ".index");
		script_chores(stage.log);
		assert_int_equal(log_failure(stage.log, NULL), 0);
		log_stat(stage.log, &stat);
		assert_int_equal(stat.first_entry, stage.scene.first[LAST]);
		assert_true(is_there(&stage, "log/prepared.store"));
		script_fill(stage.log, &stage.scene.model, &stage.scene.dice, stat.segments + 2, 3000);
		script_chores(stage.log);
		expect_whole(&stage);
		reopen(&stage);
		expect_whole(&stage);
		stage_end(&stage);
	}
}

/* One chore deletes the last store that could be recycled: with nothing left to prepare from, appending goes on. */
static void a_store_that_is_gone_cannot_be_recycled(void **state)
{
	struct stage stage;
	struct log_stat stat;
	struct log_job *job;
	stage_begin(&stage);
	use_prepared(&stage);
	trim(&stage, offset_in(&stage, 1, 0));
	remove_file(&stage, 0, ".store");
	assert_int_equal(log_chore_begin(stage.log, &job), 0);
	assert_non_null(job);
	log_job_run(job);
	assert_int_equal(log_job_end(stage.log, job, NULL), 0);
	assert_false(is_there(&stage, "log/prepared.store"));
	log_stat(stage.log, &stat);
	script_fill(stage.log, &stage.scene.model, &stage.scene.dice, stat.segments + 2, 3000);
	expect_whole(&stage);
	stage_end(&stage);
}

/* A write job that rolls has taken the prepared file, or there was none to take. The trim's chore runs between its
 * begin and its run: it must not put a store in that place. */
static void a_trim_beside_a_write_leaves_its_prepared_file_alone(void **state)
{
	for (unsigned kind = 0; kind < 3; kind++) {
		struct stage stage;
		struct log_stat stat;
		struct log_job *write, *chore;
		stage_begin(&stage);
		if (kind == 1)
			use_prepared(&stage);
		log_stat(stage.log, &stat);
		for (uint32_t segments = stat.segments; kind < 2 && stat.segments == segments;) {
			script_append(stage.log, &stage.scene.model,
			              script_any_frame(stage.log, &stage.scene.dice, 3000));
			log_stat(stage.log, &stat);
		}
		if (kind == 2)
			script_append(stage.log, &stage.scene.model,
			              script_any_frame(stage.log, &stage.scene.dice, 10));
		assert_int_equal(log_write_begin(stage.log, false, &write), 0);
		assert_non_null(write);
		trim(&stage, offset_in(&stage, 1, 0));
		assert_int_equal(log_chore_begin(stage.log, &chore), 0);
		assert_non_null(chore);
		log_job_run(chore);
		/* Kind 0: the file is the write's. 1: it was used up, and the store is recycled. 2: nobody's yet. */
		assert_true(is_there(&stage, "log/prepared.store"));
		log_job_run(write);
		assert_int_equal(is_there(&stage, "log/prepared.store"), kind != 0);
		assert_int_equal(log_job_end(stage.log, chore, NULL), 0);
		assert_int_equal(log_job_end(stage.log, write, NULL), 0);
		script_fill(stage.log, &stage.scene.model, &stage.scene.dice, stat.segments + 2, 3000);
		script_chores(stage.log);
		expect_whole(&stage);
		reopen(&stage);
		expect_whole(&stage);
		stage_end(&stage);
	}
}

/* The bytes of a store that is being read must not become those of another. */
static void a_store_that_is_read_is_not_recycled(void **state)
{
	struct stage stage;
	struct log_read read = {.kind = LOG_READ_RECORD, .offset = 1};
	stage_begin(&stage);
	use_prepared(&stage);
	assert_int_equal(log_read_begin(stage.log, &read), 0);
	log_read_run(&read, true);
	assert_int_equal(read.status, 0);
	trim(&stage, offset_in(&stage, 1, 0));
	script_chores(stage.log);
	script_fill(stage.log, &stage.scene.model, &stage.scene.dice, 7, 3000);
	log_read_run(&read, true);
	assert_int_equal(log_read_end(stage.log, &read), 0);
	const struct model_record *record = &stage.scene.model.records[1];
	assert_int_equal(read.data_size, record->size);
	assert_memory_equal(read.data, stage.scene.model.stream + record->position, record->size);
	log_read_finish(&read);
	expect_whole(&stage);
	stage_end(&stage);
}

static void damage_elsewhere_is_told_of_after_a_trim(void **state)
{
	struct stage stage;
	const struct log_damage *damage;
	struct log_job *job;
	uint64_t next = 1;
	stage_begin(&stage);
	assert_true(scene_harm(&stage.scene, HARM_HEADER, 2));
	assert_true(scene_harm(&stage.scene, HARM_HEADER, stage.scene.first[2] + 1));
	while (next != 0) {
		assert_int_equal(log_verify_begin(stage.log, next, &job, &next), 0);
		log_job_run(job);
		assert_int_equal(log_job_end(stage.log, job, NULL), 0);
	}
	assert_int_equal(log_damage(stage.log, &damage), 2);
	trim(&stage, offset_in(&stage, 1, 0));
	script_chores(stage.log);
	assert_int_equal(log_damage(stage.log, &damage), 1);
	assert_int_equal(damage->segment, stage.scene.first[2]);
	assert_int_equal(damage->first_entry, stage.scene.first[2] + 1);
	stage_end(&stage);
}

/* Brings back what a trim has deleted, as after a crash that kept nothing of its deletions. */
static void bring_back(struct stage *stage, struct memory_disk *before)
{
	for (unsigned segment = 0; segment < 3; segment++)
		for (unsigned i = 0; i < 2; i++) {
			char path[64];
			size_t size;
			scene_path(&stage->scene, stage->scene.first[segment], i == 0 ? ".store" : ".index", path);
			const unsigned char *bytes = memory_disk_bytes(before, path, &size);
			memory_disk_put(stage->scene.memory, path, bytes, size);
		}
	memory_disk_put(stage->scene.memory, "log/base.new", "half", 4);
}

static int open_log(struct stage *stage, bool read_only, struct clog_error *err)
{
	const struct log_options options = {.disk = faulty_disk_door(stage->faulty),
	                                    .path = "log",
	                                    .segment_size = LOG_SEGMENT_SIZE_MIN,
	                                    .read_only = read_only};
	return log_open(&stage->log, &options, err);
}

static void opening_what_a_trim_left_may_fail_at_any_call(void **state)
{
	struct stage stage;
	stage_begin(&stage);
	struct memory_disk *before = memory_disk_clone(stage.scene.memory);
	uint64_t offset = offset_in(&stage, LAST, 1);
	trim(&stage, offset);
	script_chores(stage.log);
	log_close(stage.log);
	stage.log = NULL;
	bool fired = true;
	for (unsigned nth = 1; fired; nth++) {
		struct clog_error err = {0};
		struct log_stat stat;
		bring_back(&stage, before);
		/* A log that is only read leaves them where they are. */
		uint64_t hash = memory_disk_hash(stage.scene.memory);
		assert_int_equal(open_log(&stage, true, &err), 0);
		expect_whole(&stage);
		log_close(stage.log);
		assert_true(memory_disk_hash(stage.scene.memory) == hash);
		faulty_disk_fail(stage.faulty, FAULTY_ANY, nth, -ENOSPC, FAULTY_ONCE);
		/* Whether the caller wants the sentence or not, the code is the same. */
		int rc = open_log(&stage, false, nth % 2 ? &err : NULL);
		fired = heal(&stage);
		assert_int_equal(rc, fired ? -ENOSPC : 0);
		assert_true(rc == 0 || nth % 2 == 0 || err.code == rc);
		if (rc == 0)
			log_close(stage.log);
		assert_int_equal(memory_disk_handles(stage.scene.memory), 0);
		stage.log = script_open(faulty_disk_door(stage.faulty));
		log_stat(stage.log, &stat);
		assert_int_equal(stat.first_offset, offset);
		expect_whole(&stage);
		log_close(stage.log);
		stage.log = NULL;
		assert_true(fired || nth > 15);
	}
	memory_disk_destroy(before);
	stage_end(&stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_trim_that_finds_no_place_hides_nothing),
		cmocka_unit_test(what_is_gone_already_is_trimmed_all_the_same),
		cmocka_unit_test(a_store_that_is_gone_cannot_be_recycled),
		cmocka_unit_test(a_trim_beside_a_write_leaves_its_prepared_file_alone),
		cmocka_unit_test(a_store_that_is_read_is_not_recycled),
		cmocka_unit_test(damage_elsewhere_is_told_of_after_a_trim),
		cmocka_unit_test(opening_what_a_trim_left_may_fail_at_any_call),
	};
	seed = dice_seed("trim_fault");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
