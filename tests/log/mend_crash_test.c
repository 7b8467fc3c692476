/* Mending, cut short by a crash at every change of the disk, and by a disk that fails; and beside other jobs. */
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
#include "tests/log/mender.h"
#include "tests/log/outcomes.h"

static uint64_t seed;
static struct scene whole;

static int set_up(void **state)
{
	scene_begin(&whole, seed);
	return 0;
}

static int tear_down(void **state)
{
	scene_finish(&whole);
	return 0;
}

static int open_log(struct log_disk *disk, struct log **log, struct clog_error *err)
{
	const struct log_options options = {.disk = disk, .path = "log", .segment_size = LOG_SEGMENT_SIZE_MIN};
	return log_open(log, &options, err);
}

/* ---- Crashes ------------------------------------------------------------------------------------------------------ */

struct stage {
	struct scene *scene; /* its parts say what may be damaged: PART_EITHER */
	bool mended;         /* it must be whole */
	unsigned wholes, damaged;
};

/* What the crash has left can be mended, or is. */
static int judge(struct memory_disk *disk, void *arg, struct clog_error *err)
{
	struct stage *stage = arg;
	const struct parts parts = {.model = &whole.model};
	const struct log_damage *damage;
	struct log *log;
	int rc = open_log(memory_disk_door(disk), &log, err);
	if (rc != 0)
		return rc;
	rc = parts_check(stage->mended ? &parts : &stage->scene->parts, log, 1, err);
	mender_verify(log);
	size_t count = log_damage(log, &damage);
	stage->damaged += count > 0;
	stage->wholes += count == 0;
	if (rc == 0 && stage->mended && count > 0)
		rc = clog_error_set(err, -EILSEQ, "there are %zu damages", count);
	/* Where none is known, all is served; and where there is, it can be mended again. */
	if (rc == 0)
		mender_mend(&whole, log, false);
	if (rc == 0)
		rc = parts_check(&parts, log, 1, err);
	script_chores(log);
	log_close(log);
	if (rc == 0)
		rc = open_log(memory_disk_door(disk), &log, err);
	if (rc != 0)
		return rc;
	rc = parts_check(&parts, log, 1, err);
	log_close(log);
	return rc;
}

static void may_be_either(struct scene *scene)
{
	for (size_t i = 0; i < scene->model.frame_count; i++)
		scene->frames[i] = scene->frames[i] == PART_WHOLE ? PART_WHOLE : PART_EITHER;
	for (size_t i = 0; i < scene->model.record_count; i++)
		scene->records[i] = scene->records[i] == PART_WHOLE ? PART_WHOLE : PART_EITHER;
}

static bool crash(enum harm harm, uint64_t entry, enum found found, struct outcomes *sum, struct stage *seen)
{
	struct scene scene;
	const struct log_damage *damage;
	scene_copy(&scene, &whole);
	dice_init(&scene.dice, seed + entry);
	struct log *log = mender_harm(&scene, harm, entry, found);
	bool harmed = log != NULL;
	if (harmed) {
		struct stage stage = {.scene = &scene};
		struct outcomes outcomes = {.judge = judge, .arg = &stage, .sectors_max = dice_soak() ? 0 : 8};
		dice_init(&outcomes.dice, seed + 1);
		may_be_either(&scene);
		/* Sealed again, with what the index can know of damage. */
		if (entry % 2 == 0)
			script_chores(log);
		memory_disk_settle(scene.memory);
		memory_disk_watch(scene.memory, outcomes_watch, &outcomes);
		log_damage(log, &damage);
		struct log_job *job = mender_begin(&whole, log, &damage[0]);
		log_job_run(job);
		stage.mended = scene.must_count == 1;
		outcomes_forget(&outcomes);
		outcomes_look(&outcomes, scene.memory, "nothing: the job has run");
		assert_int_equal(log_job_end(log, job, NULL), 0);
		script_chores(log);
		outcomes_look(&outcomes, scene.memory, "nothing: the log is at rest");
		memory_disk_watch(scene.memory, NULL, NULL);
		log_close(log);
		sum->states += outcomes.states;
		sum->steps += outcomes.steps;
		sum->failures += outcomes.failures;
		seen->wholes += stage.wholes;
		seen->damaged += stage.damaged;
		outcomes_finish(&outcomes);
	}
	scene_finish(&scene);
	return harmed;
}

static void a_crash_leaves_damage_or_what_was_mended(void **state)
{
	struct outcomes sum = {0};
	struct stage seen = {0};
	for (unsigned kind = 0; kind < HARM_KINDS; kind++)
		for (uint64_t entry = 1 + kind % 3; entry <= whole.last; entry += dice_soak() ? 1 : 9)
			crash((enum harm)kind, entry, (enum found)((entry + kind) % FOUND_WAYS), &sum, &seen);
	for (unsigned segment = 0; segment < SCENE_SEGMENTS; segment++)
		for (unsigned found = 0; found < FOUND_WAYS; found++)
			crash(HARM_REST, whole.first[segment] + 1, (enum found)found, &sum, &seen);
	printf("mend: %u changes of the disk, %u states, %u of them damaged\n", sum.steps, sum.states, seen.damaged);
	assert_int_equal(sum.failures, 0);
	assert_true(seen.wholes > 100 && seen.damaged > 100);
}

/* ---- A disk that fails -------------------------------------------------------------------------------------------- */

/* Returns false when the job made less calls. */
static bool fail_at(enum harm harm, uint64_t entry, enum found found, unsigned nth, enum faulty_way way)
{
	struct scene scene;
	struct clog_error err = {0};
	const struct log_damage *damage;
	scene_copy(&scene, &whole);
	dice_init(&scene.dice, seed + entry);
	struct log *log = mender_harm(&scene, harm, entry, found);
	assert_non_null(log);
	script_chores(log);
	log_close(log);
	struct faulty_disk *faulty = faulty_disk_create(memory_disk_door(scene.memory));
	log = script_open(faulty_disk_door(faulty));
	mender_verify(log);
	size_t count = log_damage(log, &damage);
	assert_true(count > 0);
	struct log_job *job = mender_begin(&whole, log, damage);
	faulty_disk_fail(faulty, FAULTY_ANY, nth, -EIO, way);
	log_job_run(job);
	int rc = log_job_end(log, job, &err);
	bool fired = faulty_disk_fired(faulty);
	faulty_disk_fail(faulty, FAULTY_ANY, 0, 0, FAULTY_ONCE);
	assert_int_equal(rc, fired ? -EIO : 0);
	assert_int_equal(log_failure(log, NULL), 0);
	assert_int_equal(log_damage(log, &damage), fired ? count : count - 1);
	if (fired)
		assert_non_null(strstr(err.text, "log/"));
	/* It is tried again, and the log goes on. */
	mender_mend(&whole, log, false);
	mender_expect_whole(&whole, log, "a disk that failed", entry);
	script_chores(log);
	log_close(log);
	log = script_open(memory_disk_door(scene.memory));
	mender_verify(log);
	mender_expect_whole(&whole, log, "a disk that failed", entry);
	log_close(log);
	faulty_disk_destroy(faulty);
	scene_finish(&scene);
	return fired;
}

static void a_mend_whose_disk_fails_can_be_tried_again(void **state)
{
	static const enum faulty_way ways[] = {FAULTY_ONCE, FAULTY_PARTLY, FAULTY_ONWARD};
	for (unsigned segment = 0; segment < SCENE_SEGMENTS; segment += 3)
		for (unsigned way = 0; way < 3; way++)
			for (unsigned harm = 0; harm < 2; harm++) {
				unsigned nth = 1;
				enum harm kind = harm == 0 ? HARM_HEADER : HARM_FRAMES;
				while (fail_at(kind, whole.first[segment] + 1, (enum found)(way % 2), nth, ways[way]))
					nth++;
				assert_true(nth > 4);
			}
}

/* ---- Beside other jobs -------------------------------------------------------------------------------------------- */

static void end(struct log *log, struct log_job *job)
{
	struct clog_error err = {0};
	if (log_job_end(log, job, &err) != 0)
		fail_msg("log_job_end: %s", err.text);
}

/* While one mends, another may not, and the log cannot be cut. */
static void expect_busy(struct log *log, const struct log_damage *damage)
{
	struct log_job *other;
	size_t size;
	unsigned char *frames = mender_frames(&whole, damage->first_entry, damage->last_entry, &size);
	assert_int_equal(log_mend_begin(log, damage, frames, size, &other, NULL), -EBUSY);
	assert_null(other);
	assert_int_equal(log_truncate_begin(log, damage->first_entry, &other, NULL), -EBUSY);
	assert_null(other);
	const struct log_install install = {.base = {.entry = 100000, .term = 100000, .next_offset = 100000}};
	assert_int_equal(log_install_begin(log, &install, &other, NULL), -EBUSY);
	assert_null(other);
	free(frames);
}

/* All that was appended is there, and nothing is damaged, also after a start. */
static void expect_all(struct scene *scene, struct log *log, unsigned order)
{
	const struct parts parts = {.model = &scene->model};
	const struct log_damage *damage;
	struct clog_error err = {0};
	for (unsigned again = 0; again < 2; again++) {
		assert_int_equal(log_damage(log, &damage), 0);
		if (parts_check(&parts, log, 1, &err) != 0)
			fail_msg("order %u: %s", order, err.text);
		script_chores(log);
		if (parts_check(&parts, log, 1, &err) != 0)
			fail_msg("order %u: %s", order, err.text);
		script_sync(log);
		log_close(log);
		log = script_open(memory_disk_door(scene->memory));
		mender_verify(log);
	}
	log_close(log);
}

/* While one mends the last segment, others write it, fill it, and verify it; in every order of their ends. */
static void mend_beside_writes(unsigned order, bool fill, enum found found)
{
	struct scene scene;
	const struct log_damage *damage;
	struct log_job *write, *mending, *verify;
	struct log_stat stat;
	uint64_t next, entry = whole.first[SCENE_SEGMENTS - 1] + 1;
	scene_copy(&scene, &whole);
	struct log *log = mender_harm(&scene, HARM_FRAMES, entry, found);
	assert_non_null(log);
	assert_int_equal(log_verify_begin(log, entry, &verify, &next), 0);
	log_job_run(verify);
	for (unsigned i = 0; i < 4; i++)
		script_append(log, &scene.model, script_any_frame(log, &scene.dice, 800));
	assert_int_equal(log_write_begin(log, false, &write), 0);
	assert_int_equal(log_damage(log, &damage), 1);
	mending = mender_begin(&whole, log, damage);
	expect_busy(log, damage);
	if (order & 1)
		log_job_run(write);
	log_job_run(mending);
	if (!(order & 1))
		log_job_run(write);
	if (order & 2)
		end(log, write);
	log_stat(log, &stat);
	if (fill && (order & 2)) {
		/* The segment that is being mended is full then, and not sealed meanwhile. */
		script_fill(log, &scene.model, &scene.dice, stat.segments + 2, 2500);
		script_chores(log);
	}
	if (order & 4)
		end(log, verify);
	end(log, mending);
	if (!(order & 4))
		end(log, verify);
	if (!(order & 2))
		end(log, write);
	expect_all(&scene, log, order);
	scene_finish(&scene);
}

static void a_segment_is_mended_while_it_is_written(void **state)
{
	for (unsigned order = 0; order < 8; order++)
		for (unsigned fill = 0; fill < 2; fill++)
			mend_beside_writes(order, fill, order % 2 == 0 ? FOUND_OPENING : FOUND_OPEN);
}

static void what_is_being_sealed_is_not_mended(void **state)
{
	struct scene scene;
	const struct log_damage *damage;
	struct log_job *job, *other;
	size_t size;
	uint64_t entry = whole.first[1] + 1;
	scene_copy(&scene, &whole);
	struct log *log = mender_harm(&scene, HARM_FRAMES, entry, FOUND_OPENING);
	assert_int_equal(log_damage(log, &damage), 1);
	unsigned char *frames = mender_frames(&whole, damage->first_entry, damage->last_entry, &size);
	assert_int_equal(log_chore_begin(log, &job), 0);
	assert_non_null(job);
	assert_int_equal(log_mend_begin(log, damage, frames, size, &other, NULL), -EBUSY);
	assert_null(other);
	free(frames);
	log_job_run(job);
	end(log, job);
	mender_mend(&whole, log, false);
	script_chores(log);
	mender_expect_files(&whole, scene.memory);
	log_close(log);
	scene_finish(&scene);
}

/* What is being mended is trimmed: nothing is left to be mended. */
static void a_segment_may_be_trimmed_while_it_is_mended(void **state)
{
	for (unsigned order = 0; order < 2; order++) {
		struct scene scene;
		const struct log_damage *damage;
		scene_copy(&scene, &whole);
		struct log *log = mender_harm(&scene, HARM_FRAMES, whole.first[0] + 1, FOUND_VERIFYING);
		assert_int_equal(log_damage(log, &damage), 1);
		struct log_job *job = mender_begin(&whole, log, damage);
		if (order == 0)
			log_job_run(job);
		uint64_t offset = model_next_offset(&whole.model, whole.first[2] - 1);
		assert_int_equal(log_trim(log, offset, NULL), 0);
		script_chores(log);
		if (order == 1)
			log_job_run(job);
		end(log, job);
		assert_int_equal(log_damage(log, &damage), 0);
		assert_int_equal(log_failure(log, NULL), 0);
		parts_expect(&whole.model, log);
		log_close(log);
		scene_finish(&scene);
	}
}

/* A read that was begun before, and knows the index as it was, does not bring that back. */
static void reads_begun_before_end_in_peace(void **state)
{
	for (unsigned way = 0; way < 8; way++) {
		struct scene scene;
		struct log_read reads[30] = {0};
		const struct log_damage *damage;
		uint64_t entry = whole.first[1] + 1;
		scene_copy(&scene, &whole);
		struct log *log = mender_harm(&scene, HARM_FRAMES, entry, FOUND_OPENING);
		script_chores(log);
		log_close(log);
		log = script_open(memory_disk_door(scene.memory));
		uint64_t first = model_next_offset(&whole.model, whole.first[1] - 1);
		for (unsigned i = 0; i < 30; i++) {
			reads[i].kind = i % 2 ? LOG_READ_RECORD : LOG_READ_STAT;
			reads[i].offset = first + i / 2;
			assert_int_equal(log_read_begin(log, &reads[i]), 0);
			if (way & 1)
				log_read_run(&reads[i], true);
		}
		mender_verify(log);
		assert_int_equal(log_damage(log, &damage), 1);
		struct log_job *job = mender_begin(&whole, log, damage);
		log_job_run(job);
		for (unsigned i = 0; !(way & 1) && i < 30; i++)
			log_read_run(&reads[i], true);
		end(log, job);
		if (way & 2)
			script_chores(log);
		for (unsigned i = 0; i < 30; i++) {
			int rc = log_read_end(log, &reads[i]);
			assert_true(rc == 0 || rc == -EBADMSG);
			log_read_finish(&reads[i]);
		}
		mender_expect_whole(&whole, log, "reads", entry);
		log_close(log);
		scene_finish(&scene);
	}
}

/* ---- What is in the footer ---------------------------------------------------------------------------------------- */

static void give_state(void *arg, const void **data, size_t *size)
{
	*data = arg;
	*size = strlen(arg);
}

/* The state in the footer outlives the index that is made anew, and runs of terms that damage had hidden come back. */
static void a_mended_segment_keeps_its_state(void **state)
{
	char text[] = "the state at the end of a segment";
	struct scene scene = {.memory = memory_disk_create()};
	struct log_options options = {.disk = memory_disk_door(scene.memory),
	                              .path = "log",
	                              .segment_size = LOG_SEGMENT_SIZE_MIN,
	                              .state_cb = give_state,
	                              .arg = text};
	struct dice dice;
	struct log *log;
	struct log_tail tail;
	dice_init(&dice, seed);
	assert_int_equal(log_open(&log, &options, NULL), 0);
	struct model model = {0};
	script_fill(log, &model, &dice, 3, 1500);
	script_chores(log);
	struct log_job *job;
	const struct log_damage *damage;
	const char *path = "log/00000000000000000001.store";
	struct memory_disk *before = memory_disk_clone(scene.memory);
	memory_disk_poke(scene.memory, path, 4096 + 5, "\xff\xfe", 2);
	mender_verify(log);
	assert_int_equal(log_damage(log, &damage), 1);
	size_t size;
	const unsigned char *bytes = memory_disk_bytes(before, path, &size);
	assert_int_equal(log_mend_begin(log, damage, bytes + damage->position, damage->size, &job, NULL), 0);
	log_job_run(job);
	end(log, job);
	for (unsigned again = 0; again < 2; again++) {
		uint64_t entry;
		void *data = NULL;
		log_after(log, log_durable(log), &tail);
		assert_int_equal(log_state(log, tail.entry, &entry, &data, &size), 0);
		free(data);
		/* Of the first segment, too. */
		assert_int_equal(log_state(log, entry - 1, &entry, &data, &size), 0);
		assert_int_equal(size, strlen(text));
		assert_memory_equal(data, text, size);
		free(data);
		script_expect(&model, log);
		script_chores(log);
		log_close(log);
		assert_int_equal(log_open(&log, &options, NULL), 0);
	}
	log_close(log);
	memory_disk_destroy(before);
	memory_disk_destroy(scene.memory);
	model_finish(&model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_crash_leaves_damage_or_what_was_mended, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_mend_whose_disk_fails_can_be_tried_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_segment_is_mended_while_it_is_written, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_being_sealed_is_not_mended, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_segment_may_be_trimmed_while_it_is_mended, set_up, tear_down),
		cmocka_unit_test_setup_teardown(reads_begun_before_end_in_peace, set_up, tear_down),
		cmocka_unit_test(a_mended_segment_keeps_its_state),
	};
	seed = dice_seed("mend crash");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
