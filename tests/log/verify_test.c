/* Verifying: damage is found where it is, and nowhere else; an index is made again. */
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

static uint64_t seed;

/* Verifies the segment that holds an entry; returns the first entry of the next one. */
static uint64_t verify_one(struct log *log, uint64_t entry)
{
	struct clog_error err = {0};
	struct log_job *job, *second;
	uint64_t next, other;
	assert_int_equal(log_verify_begin(log, entry, &job, &next), 0);
	assert_non_null(job);
	assert_false(log_job_writes(job));
	/* One at a time. */
	assert_int_equal(log_verify_begin(log, entry, &second, &other), 0);
	assert_null(second);
	log_job_run(job);
	if (log_job_end(log, job, &err) != 0)
		fail_msg("log_job_end: %s", err.text);
	return next;
}

static unsigned verify_all(struct log *log)
{
	unsigned count = 0;
	for (uint64_t entry = 1; entry != 0; count++)
		entry = verify_one(log, entry);
	return count;
}

static void expect(const struct scene *scene, struct log *log, const char *what, uint64_t entry)
{
	struct clog_error err = {0};
	if (scene_check_damage(scene, log, &err) != 0 || parts_check(&scene->parts, log, 1, &err) != 0)
		fail_msg("%s of entry %u: %s", what, (unsigned)entry, err.text);
}

static void a_log_without_damage_verifies_clean(void **state)
{
	struct scene scene;
	struct log_job *job;
	uint64_t next;
	scene_begin(&scene, seed);
	struct memory_disk *empty = memory_disk_create();
	struct log *log = script_open(memory_disk_door(empty));
	assert_int_equal(log_verify_begin(log, 1, &job, &next), 0);
	assert_null(job);
	assert_int_equal(next, 0);
	log_close(log);
	memory_disk_destroy(empty);
	log = script_open(memory_disk_door(scene.memory));
	uint64_t hash = memory_disk_hash(scene.memory);
	assert_int_equal(verify_all(log), SCENE_SEGMENTS);
	expect(&scene, log, "nothing", 0);
	/* Any entry names its segment. */
	for (uint64_t entry = 1; entry <= scene.last; entry++) {
		unsigned segment = scene_segment(&scene, entry);
		next = verify_one(log, entry);
		assert_int_equal(next, segment + 1 < SCENE_SEGMENTS ? scene.first[segment + 1] : 0);
	}
	expect(&scene, log, "nothing", 0);
	assert_true(memory_disk_hash(scene.memory) == hash);
	assert_int_equal(script_chores(log), 0);
	log_close(log);
	scene_finish(&scene);
}

static bool try_harm(const struct scene *whole, enum harm harm, uint64_t entry, bool open)
{
	struct scene scene;
	scene_copy(&scene, whole);
	dice_init(&scene.dice, seed + entry);
	struct log *log = open ? script_open(memory_disk_door(scene.memory)) : NULL;
	bool harmed = scene_harm(&scene, harm, entry);
	if (!open)
		log = script_open(memory_disk_door(scene.memory));
	/* Once is enough, twice is not too much. */
	for (unsigned i = 0; i < 2; i++) {
		verify_all(log);
		expect(&scene, log, scene_harm_name(harm), entry);
	}
	script_chores(log);
	log_close(log);
	log = script_open(memory_disk_door(scene.memory));
	verify_all(log);
	expect(&scene, log, scene_harm_name(harm), entry);
	log_close(log);
	scene_finish(&scene);
	return harmed;
}

static void each_kind_of_damage_is_found(void **state)
{
	struct scene whole;
	scene_begin(&whole, seed);
	for (unsigned kind = 0; kind < HARM_KINDS; kind++) {
		unsigned count = 0;
		for (uint64_t entry = 1; entry <= whole.last; entry += dice_soak() ? 1 : 3)
			count += try_harm(&whole, (enum harm)kind, entry, (entry + kind) % 2);
		assert_true(count > 2);
	}
	scene_finish(&whole);
}

/* An index is damaged, or gone: nothing is lost, and it is made again just as it was. */
static void expect_index_made_again(const struct scene *whole, unsigned segment, unsigned how)
{
	struct scene scene;
	char path[64];
	size_t size, again_size;
	scene_copy(&scene, whole);
	scene_path(&scene, scene.first[segment], ".index", path);
	unsigned char *before = damage_copy(scene.memory, path, &size);
	struct log *log = script_open(memory_disk_door(scene.memory));
	if (how == 0)
		damage_flip(scene.memory, path, dice_below(&scene.dice, size));
	else if (how == 1)
		memory_disk_put(scene.memory, path, before, size / 2);
	else
		scene_drop_index(&scene, scene.first[segment]);
	verify_all(log);
	expect(&scene, log, "an index", scene.first[segment]);
	assert_true(script_chores(log) >= 1);
	const unsigned char *again = memory_disk_bytes(scene.memory, path, &again_size);
	assert_non_null(again);
	assert_int_equal(again_size, size);
	assert_memory_equal(again, before, size);
	free(before);
	verify_all(log);
	assert_int_equal(script_chores(log), 0);
	log_close(log);
	log = script_open(memory_disk_door(scene.memory));
	assert_int_equal(script_chores(log), 0);
	expect(&scene, log, "an index", scene.first[segment]);
	log_close(log);
	scene_finish(&scene);
}

static void a_damaged_index_is_made_again(void **state)
{
	struct scene whole;
	scene_begin(&whole, seed);
	for (unsigned segment = 0; segment + 1 < SCENE_SEGMENTS; segment++)
		for (unsigned how = 0; how < 3; how++)
			for (unsigned round = 0; round < (how == 0 ? 8u : 1u); round++) {
				dice_init(&whole.dice, seed + round);
				expect_index_made_again(&whole, segment, how);
			}
	scene_finish(&whole);
}

/* The last segment is read while it grows, and while it becomes full. */
static void a_segment_is_verified_while_appends_go_on(void **state)
{
	struct scene scene;
	scene_begin(&scene, seed);
	struct log *log = script_open(memory_disk_door(scene.memory));
	for (unsigned i = 0; i < 60; i++) {
		struct log_job *job, *write;
		struct log_stat stat;
		uint64_t next;
		log_stat(log, &stat);
		script_append(log, &scene.model, script_any_frame(log, &scene.dice, 2500));
		assert_int_equal(log_write_begin(log, false, &write), 0);
		assert_int_equal(log_verify_begin(log, log_durable(log), &job, &next), 0);
		assert_non_null(job);
		if (i % 3 == 0)
			log_job_run(job);
		log_job_run(write);
		if (i % 3 == 1)
			log_job_run(job);
		assert_int_equal(log_job_end(log, write, NULL), 0);
		script_append(log, &scene.model, script_any_frame(log, &scene.dice, 2500));
		script_sync(log);
		if (i % 4 == 0)
			script_chores(log);
		if (i % 3 == 2)
			log_job_run(job);
		assert_int_equal(log_job_end(log, job, NULL), 0);
	}
	expect(&scene, log, "nothing", 0);
	script_chores(log);
	verify_all(log);
	log_close(log);
	log = script_open(memory_disk_door(scene.memory));
	expect(&scene, log, "nothing", 0);
	log_close(log);
	scene_finish(&scene);
}

/* A damaged segment goes while it is verified, or after: it is of no matter any more. */
static void a_segment_is_verified_while_it_is_trimmed(void **state)
{
	for (unsigned when = 0; when < 3; when++) {
		struct scene scene;
		struct log_job *job;
		uint64_t next;
		const struct log_damage *damage;
		scene_begin(&scene, seed);
		assert_true(scene_harm(&scene, HARM_HEADER, 2));
		struct log *log = script_open(memory_disk_door(scene.memory));
		assert_int_equal(log_verify_begin(log, 1, &job, &next), 0);
		if (when == 0)
			log_job_run(job);
		if (when == 2) {
			log_job_run(job);
			assert_int_equal(log_job_end(log, job, NULL), 0);
			expect(&scene, log, "header", 2);
		}
		assert_int_equal(log_trim(log, model_next_offset(&scene.model, scene.first[2] - 1), NULL), 0);
		script_chores(log);
		if (when == 1)
			log_job_run(job);
		if (when < 2)
			assert_int_equal(log_job_end(log, job, NULL), 0);
		assert_int_equal(log_damage(log, &damage), 0);
		verify_one(log, 1);
		assert_int_equal(log_damage(log, &damage), 0);
		parts_expect(&scene.model, log);
		log_close(log);
		scene_finish(&scene);
	}
}

/* What was told of damage is forgotten with the entries, in whatever order it was found. */
static void damage_is_forgotten_with_what_is_cut(void **state)
{
	struct scene scene;
	const struct log_damage *damage;
	struct log_job *job;
	scene_begin(&scene, seed);
	struct log *log = script_open(memory_disk_door(scene.memory));
	assert_true(scene_harm(&scene, HARM_HEADER, scene.first[2] + 1));
	assert_true(scene_harm(&scene, HARM_HEADER, 2));
	verify_one(log, scene.first[2]);
	verify_one(log, 1);
	expect(&scene, log, "header", 2);
	assert_int_equal(log_truncate_begin(log, scene.first[2], &job, NULL), 0);
	log_job_run(job);
	assert_int_equal(log_job_end(log, job, NULL), 0);
	assert_int_equal(log_damage(log, &damage), 1);
	assert_int_equal(damage->first_entry, 2);
	log_close(log);
	scene_finish(&scene);
}

/* A disk that cannot be read is an error of the job, and no damage. */
static void a_failure_to_read_is_not_damage(void **state)
{
	struct scene scene;
	const struct log_damage *damage;
	scene_begin(&scene, seed);
	struct faulty_disk *faulty = faulty_disk_create(memory_disk_door(scene.memory));
	struct log *log = script_open(faulty_disk_door(faulty));
	for (unsigned nth = 1;; nth++) {
		struct clog_error err = {0};
		struct log_job *job;
		uint64_t next;
		assert_int_equal(log_verify_begin(log, 1, &job, &next), 0);
		faulty_disk_fail(faulty, FAULTY_ANY, nth, -EIO, FAULTY_ONCE);
		log_job_run(job);
		bool fired = faulty_disk_fired(faulty);
		faulty_disk_fail(faulty, FAULTY_ANY, 0, 0, FAULTY_ONCE);
		int rc = log_job_end(log, job, &err);
		assert_int_equal(log_damage(log, &damage), 0);
		assert_int_equal(log_failure(log, NULL), 0);
		if (!fired) {
			assert_int_equal(rc, 0);
			assert_true(nth > 4);
			break;
		}
		/* The index may be unreadable: then it is made again. */
		assert_true(rc == -EIO || (rc == 0 && nth > 3));
	}
	script_chores(log);
	expect(&scene, log, "nothing", 0);
	log_close(log);
	faulty_disk_destroy(faulty);
	scene_finish(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_log_without_damage_verifies_clean),
		cmocka_unit_test(each_kind_of_damage_is_found),
		cmocka_unit_test(a_damaged_index_is_made_again),
		cmocka_unit_test(a_segment_is_verified_while_appends_go_on),
		cmocka_unit_test(a_segment_is_verified_while_it_is_trimmed),
		cmocka_unit_test(damage_is_forgotten_with_what_is_cut),
		cmocka_unit_test(a_failure_to_read_is_not_damage),
	};
	seed = dice_seed("verify");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
