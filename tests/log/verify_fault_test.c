/* Verifying, opening and reading what is damaged, on a disk that fails: damage is told from failures, and failures are
 * told. */
#include <errno.h>
#include <limits.h>
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
#include "tests/log/folder.h"
#include "tests/log/scene.h"
#include "tests/log/script.h"

#define LAST (SCENE_SEGMENTS - 1)
#define FIRST_FRAME 4096u

static uint64_t seed;

struct stage {
	struct scene scene;
	struct faulty_disk *faulty;
	struct log *log;
};

static int open_log(struct stage *stage, struct clog_error *err)
{
	const struct log_options options = {
		.disk = faulty_disk_door(stage->faulty), .path = "log", .segment_size = LOG_SEGMENT_SIZE_MIN};
	return log_open(&stage->log, &options, err);
}

static void stage_begin(struct stage *stage, const struct scene *whole)
{
	memset(stage, 0, sizeof *stage);
	scene_copy(&stage->scene, whole);
	stage->faulty = faulty_disk_create(memory_disk_door(stage->scene.memory));
	stage->log = script_open(faulty_disk_door(stage->faulty));
}

static void stage_end(struct stage *stage)
{
	log_close(stage->log);
	faulty_disk_destroy(stage->faulty);
	scene_finish(&stage->scene);
}

static void reopen(struct stage *stage)
{
	log_close(stage->log);
	stage->log = script_open(faulty_disk_door(stage->faulty));
}

static bool heal(struct stage *stage)
{
	bool fired = faulty_disk_fired(stage->faulty);
	faulty_disk_fail(stage->faulty, FAULTY_ANY, 0, 0, FAULTY_ONCE);
	return fired;
}

static int verify(struct log *log, uint64_t entry, uint64_t *next, struct clog_error *err)
{
	struct log_job *job;
	assert_int_equal(log_verify_begin(log, entry, &job, next), 0);
	assert_non_null(job);
	log_job_run(job);
	return log_job_end(log, job, err);
}

static void verify_all(struct log *log)
{
	struct clog_error err = {0};
	for (uint64_t next = 1; next != 0;)
		if (verify(log, next, &next, &err) != 0)
			fail_msg("verifying: %s", err.text);
}

static void expect(struct stage *stage)
{
	struct clog_error err = {0};
	if (scene_check_damage(&stage->scene, stage->log, &err) != 0 ||
	    parts_check(&stage->scene.parts, stage->log, 1, &err) != 0)
		fail_msg("%s", err.text);
}

/* ---- Verifying ----------------------------------------------------------------------------------------------- */

/* Does harm to a segment or, from HARM_KINDS on, to its index: damaged, gone, or nothing at all. */
static bool do_harm(struct stage *stage, unsigned segment, unsigned harm)
{
	uint64_t entry = stage->scene.first[segment] + 1;
	char path[64];
	if (harm < HARM_KINDS)
		return scene_harm(&stage->scene, (enum harm)harm, entry);
	scene_path(&stage->scene, entry, ".index", path);
	if (harm == HARM_KINDS && segment != LAST)
		damage_flip(stage->scene.memory, path, 3);
	else if (harm == HARM_KINDS + 1 && segment != LAST)
		scene_drop_index(&stage->scene, entry);
	return true;
}

static bool try_verify(const struct scene *whole, unsigned segment, unsigned harm, unsigned nth, enum faulty_way way)
{
	struct stage stage;
	struct clog_error err = {0};
	const struct log_damage *damage;
	uint64_t next;
	stage_begin(&stage, whole);
	if (!do_harm(&stage, segment, harm)) {
		stage_end(&stage);
		return false;
	}
	faulty_disk_fail(stage.faulty, FAULTY_ANY, nth, -EIO, way);
	int rc = verify(stage.log, stage.scene.first[segment], &next, &err);
	bool fired = heal(&stage);
	assert_int_equal(rc, fired ? -EIO : 0);
	assert_int_equal(err.code, rc);
	assert_true(rc == 0 || strstr(err.text, "log/") != NULL);
	assert_int_equal(log_failure(stage.log, NULL), 0);
	/* What could not be read is not damage. */
	if (rc != 0)
		assert_int_equal(log_damage(stage.log, &damage), 0);
	verify_all(stage.log);
	expect(&stage);
	script_chores(stage.log);
	reopen(&stage);
	verify_all(stage.log);
	expect(&stage);
	assert_int_equal(script_chores(stage.log), 0);
	stage_end(&stage);
	return fired;
}

static void verifying_may_fail_at_any_call(void **state)
{
	struct scene whole;
	scene_begin(&whole, seed);
	for (unsigned segment = 0; segment < SCENE_SEGMENTS; segment++)
		for (unsigned harm = 0; harm < HARM_KINDS + 3; harm++)
			for (unsigned nth = 1; try_verify(&whole, segment, harm, nth, FAULTY_ONCE); nth++)
				if (nth % 2 == 0)
					assert_true(try_verify(&whole, segment, harm, nth, FAULTY_ONWARD));
	scene_finish(&whole);
}

/* A store in whose place another one stands, or next to nothing, is damaged as a whole. */
static void a_store_that_is_another_is_damaged_as_a_whole(void **state)
{
	struct scene whole;
	scene_begin(&whole, seed);
	for (unsigned segment = 0; segment < SCENE_SEGMENTS; segment++)
		for (unsigned kind = 0; kind < 2; kind++) {
			struct stage stage;
			struct clog_error err = {0};
			const struct log_damage *damage;
			char path[64], other[64];
			size_t size, other_size;
			uint64_t next;
			stage_begin(&stage, &whole);
			struct memory_disk *memory = stage.scene.memory;
			uint64_t first = stage.scene.first[segment], end = stage.scene.first[segment + 1];
			scene_path(&stage.scene, first, ".store", path);
			scene_path(&stage.scene, stage.scene.first[(segment + 1) % SCENE_SEGMENTS], ".store", other);
			unsigned char *bytes = damage_copy(memory, path, &size);
			unsigned char *others = damage_copy(memory, other, &other_size);
			memory_disk_put(memory, path, others, kind == 0 ? other_size : 300);
			assert_int_equal(verify(stage.log, first, &next, &err), 0);
			assert_int_equal(log_damage(stage.log, &damage), 1);
			assert_int_equal(damage->segment, first);
			assert_int_equal(damage->position, FIRST_FRAME);
			assert_int_equal(damage->first_entry, first);
			assert_int_equal(damage->last_entry, end - 1);
			assert_int_equal(damage->first_offset, model_next_offset(&stage.scene.model, first - 1));
			assert_int_equal(damage->next_offset, model_next_offset(&stage.scene.model, end - 1));
			for (uint64_t entry = 1; entry <= stage.scene.last; entry++)
				stage.scene.frames[entry - 1] = entry >= first && entry < end ? PART_DAMAGED : 0;
			for (uint64_t i = damage->first_offset; i < damage->next_offset; i++)
				stage.scene.records[i] = PART_DAMAGED;
			if (parts_check(&stage.scene.parts, stage.log, 1, &err) != 0)
				fail_msg("%s", err.text);
			memory_disk_put(memory, path, bytes, size);
			free(bytes);
			free(others);
			stage_end(&stage);
		}
	scene_finish(&whole);
}

/* An index that is whole, but of another segment, or of the same one in another life. */
static void an_index_that_is_another_is_made_again(void **state)
{
	struct scene whole;
	scene_begin(&whole, seed);
	for (unsigned kind = 0; kind < 2; kind++) {
		struct stage stage, life;
		char path[64], other[64];
		size_t size, other_size, again_size;
		stage_begin(&stage, &whole);
		stage_begin(&life, &whole);
		scene_path(&stage.scene, 1, ".index", path);
		scene_path(&stage.scene, stage.scene.first[kind == 0], ".index", other);
		if (kind == 1) {
			struct log_job *job;
			assert_int_equal(log_truncate_begin(life.log, 3, &job, NULL), 0);
			log_job_run(job);
			assert_int_equal(log_job_end(life.log, job, NULL), 0);
			script_fill(life.log, NULL, &life.scene.dice, 2, 2000);
			script_chores(life.log);
		}
		unsigned char *bytes = damage_copy(stage.scene.memory, path, &size);
		unsigned char *others = damage_copy(life.scene.memory, other, &other_size);
		memory_disk_put(stage.scene.memory, path, others, other_size);
		/* Those who read find it out too. */
		expect(&stage);
		verify_all(stage.log);
		expect(&stage);
		assert_int_equal(script_chores(stage.log), 1);
		const unsigned char *again = memory_disk_bytes(stage.scene.memory, path, &again_size);
		assert_int_equal(again_size, size);
		assert_memory_equal(again, bytes, size);
		free(bytes);
		free(others);
		stage_end(&stage);
		stage_end(&life);
	}
	scene_finish(&whole);
}

static void what_was_never_written_is_not_verified(void **state)
{
	struct scene whole;
	struct stage stage;
	struct log_stat stat;
	struct log_job *job;
	uint64_t next = 7;
	scene_begin(&whole, seed);
	stage_begin(&stage, &whole);
	for (log_stat(stage.log, &stat); stat.segments == SCENE_SEGMENTS; log_stat(stage.log, &stat))
		script_append(stage.log, &stage.scene.model, script_any_frame(stage.log, &stage.scene.dice, 3000));
	struct log_tail tail;
	log_tail(stage.log, &tail);
	assert_int_equal(log_verify_begin(stage.log, tail.entry, &job, &next), 0);
	assert_null(job);
	assert_int_equal(next, 0);
	script_sync(stage.log);
	verify_all(stage.log);
	expect(&stage);
	stage_end(&stage);
	scene_finish(&whole);
}

/* ---- The state in the footers -------------------------------------------------------------------------------- */

static void give_state(void *arg, const void **data, size_t *size)
{
	*data = "the state";
	*size = 9;
}

static bool has_state(struct log *log, int *status)
{
	uint64_t entry;
	void *data = NULL;
	size_t size;
	*status = log_state(log, log_durable(log), &entry, &data, &size);
	bool has = *status == 0 && size == 9 && memcmp(data, "the state", 9) == 0;
	free(data);
	return has;
}

static void a_failure_to_read_an_index_loses_no_state(void **state)
{
	struct memory_disk *memory = memory_disk_create();
	struct faulty_disk *faulty = faulty_disk_create(memory_disk_door(memory));
	const struct log_options options = {.disk = faulty_disk_door(faulty),
	                                    .path = "log",
	                                    .segment_size = LOG_SEGMENT_SIZE_MIN,
	                                    .state_cb = give_state};
	struct log *log;
	struct dice dice;
	uint64_t next;
	int status;
	dice_init(&dice, seed);
	assert_int_equal(log_open(&log, &options, NULL), 0);
	script_fill(log, NULL, &dice, 2, 3000);
	script_chores(log);
	assert_true(has_state(log, &status));
	static const int errors[] = {-EIO, -EMFILE, -ENOMEM};
	for (unsigned i = 0; i < 3; i++) {
		bool fired = true;
		for (unsigned nth = 1; fired; nth++) {
			faulty_disk_fail(faulty, FAULTY_ANY, nth, errors[i], FAULTY_ONCE);
			int rc = verify(log, 1, &next, NULL);
			fired = faulty_disk_fired(faulty);
			faulty_disk_fail(faulty, FAULTY_ANY, 0, 0, FAULTY_ONCE);
			assert_int_equal(rc, fired ? errors[i] : 0);
			assert_int_equal(script_chores(log), 0);
			assert_true(has_state(log, &status));
		}
		for (unsigned nth = 1;; nth++) {
			faulty_disk_fail(faulty, FAULTY_ANY, nth, errors[i], FAULTY_ONCE);
			bool has = has_state(log, &status);
			fired = faulty_disk_fired(faulty);
			faulty_disk_fail(faulty, FAULTY_ANY, 0, 0, FAULTY_ONCE);
			assert_int_equal(has, !fired);
			assert_int_equal(status, fired ? errors[i] : 0);
			if (!fired)
				break;
		}
	}
	log_close(log);
	assert_int_equal(memory_disk_handles(memory), 0);
	faulty_disk_destroy(faulty);
	memory_disk_destroy(memory);
}

/* ---- Opening and reading ------------------------------------------------------------------------------------- */

static bool try_open(const struct scene *whole, unsigned segment, unsigned harm, unsigned nth)
{
	struct stage stage;
	struct clog_error err = {0};
	stage_begin(&stage, whole);
	log_close(stage.log);
	stage.log = NULL;
	bool harmed = do_harm(&stage, segment, harm);
	if (harm < HARM_KINDS && segment != LAST)
		scene_drop_index(&stage.scene, stage.scene.first[segment]);
	faulty_disk_fail(stage.faulty, FAULTY_ANY, nth, -EIO, FAULTY_ONCE);
	int rc = harmed ? open_log(&stage, &err) : 0;
	bool fired = heal(&stage);
	/* A footer that cannot be read is done without. */
	assert_true(rc == 0 || (fired && rc == -EIO && err.code == rc && strstr(err.text, "log") != NULL));
	if (rc != 0)
		assert_int_equal(memory_disk_handles(stage.scene.memory), 0);
	if (stage.log == NULL)
		stage.log = script_open(faulty_disk_door(stage.faulty));
	if (harmed)
		expect(&stage);
	stage_end(&stage);
	return fired;
}

static void opening_a_damaged_log_may_fail_at_any_call(void **state)
{
	struct scene whole;
	scene_begin(&whole, seed);
	for (unsigned segment = 0; segment < SCENE_SEGMENTS; segment++)
		for (unsigned harm = 0; harm < HARM_KINDS + 3; harm++)
			for (unsigned nth = 1; try_open(&whole, segment, harm, nth);)
				nth++;
	scene_finish(&whole);
}

/* A read that fails is told as it is, and the next one finds everything. */
static bool try_read(const struct scene *whole, enum log_read_kind kind, bool index, unsigned nth)
{
	struct stage stage;
	stage_begin(&stage, whole);
	if (index)
		scene_drop_index(&stage.scene, 1);
	struct log_read read = {.kind = kind, .entry = 2, .offset = 1, .size = 9000};
	read.position = stage.scene.model.records[1].position;
	faulty_disk_fail(stage.faulty, FAULTY_ANY, nth, -EIO, FAULTY_ONCE);
	assert_int_equal(log_read_begin(stage.log, &read), 0);
	log_read_run(&read, false);
	if (read.status == -EAGAIN)
		log_read_run(&read, true);
	int rc = log_read_end(stage.log, &read);
	bool fired = heal(&stage);
	/* What was gathered before is good. */
	assert_true(rc == 0 || (fired && rc == -EIO && read.data == NULL && read.data_size == 0));
	if (rc == 0 && kind == LOG_READ_STREAM)
		assert_memory_equal(read.data, stage.scene.model.stream + read.position, read.data_size);
	log_read_finish(&read);
	expect(&stage);
	stage_end(&stage);
	return fired;
}

static void reading_may_fail_at_any_call(void **state)
{
	struct scene whole;
	scene_begin(&whole, seed);
	for (unsigned kind = LOG_READ_STAT; kind <= LOG_READ_FRAMES; kind++)
		for (unsigned index = 0; index < 2; index++) {
			unsigned nth = 1;
			while (try_read(&whole, (enum log_read_kind)kind, index, nth))
				nth++;
			assert_true(nth > 4);
		}
	scene_finish(&whole);
}

/* ---- Paths --------------------------------------------------------------------------------------------------- */

/* The path of the folder "log", made so long by "./" before it. */
static void long_path(char *path, size_t size)
{
	for (size_t i = 0; i < size; i++)
		path[i] = i % 2 == 0 ? '.' : '/';
	memcpy(path + size - 4, "/log", 4);
	path[size] = '\0';
}

/* A path that leaves too little room for the names of files is refused before anything is done; one that leaves enough
 * does for all of them. */
static void names_that_are_too_long_are_refused(void **state)
{
	char folder[FOLDER_PATH_SIZE], path[PATH_MAX + 1];
	struct model model = {0};
	struct dice dice;
	unsigned opened = 0, refused = 0;
	folder_enter(folder);
	dice_init(&dice, seed);
	struct log *log = script_open(log_disk_posix());
	script_fill(log, &model, &dice, 3, 3000);
	log_close(log);
	for (size_t size = PATH_MAX; size > PATH_MAX - 37; size--) {
		const struct log_options options = {
			.disk = log_disk_posix(), .path = path, .segment_size = LOG_SEGMENT_SIZE_MIN};
		struct clog_error err = {0};
		long_path(path, size);
		int rc = log_open(&log, &options, &err);
		if (rc != 0) {
			assert_int_equal(rc, -ENAMETOOLONG);
			assert_int_equal(err.code, rc);
			assert_int_equal(opened, 0);
			refused++;
			continue;
		}
		opened++;
		parts_expect(&model, log);
		script_chores(log);
		script_fill(log, &model, &dice, 4 + opened, 3000);
		parts_expect(&model, log);
		log_close(log);
	}
	assert_true(opened > 3 && refused > 20);
	log = script_open(log_disk_posix());
	script_chores(log);
	parts_expect(&model, log);
	log_close(log);
	model_finish(&model);
	folder_leave(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verifying_may_fail_at_any_call),
		cmocka_unit_test(a_store_that_is_another_is_damaged_as_a_whole),
		cmocka_unit_test(an_index_that_is_another_is_made_again),
		cmocka_unit_test(what_was_never_written_is_not_verified),
		cmocka_unit_test(a_failure_to_read_an_index_loses_no_state),
		cmocka_unit_test(opening_a_damaged_log_may_fail_at_any_call),
		cmocka_unit_test(reading_may_fail_at_any_call),
		cmocka_unit_test(names_that_are_too_long_are_refused),
	};
	seed = dice_seed("verify_fault");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
