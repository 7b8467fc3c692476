/* Memory runs out at any moment of trimming, cutting, verifying, and of opening and reading what is damaged. The disk is
 * the operating system's, so that all allocations counted are the log's own. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/disk/allocation.h"
#include "tests/log/damage.h"
#include "tests/log/folder.h"
#include "tests/log/scene.h"
#include "tests/log/script.h"

static uint64_t seed;
static struct scene scene;
static char folder[FOLDER_PATH_SIZE];

static void remove_folder(void)
{
	if (folder[0] != '\0')
		folder_leave(folder);
	folder[0] = '\0';
}

static int copy_file(const char *name, void *arg)
{
	struct log_disk *disk = log_disk_posix();
	char path[300];
	size_t size;
	snprintf(path, sizeof path, "log/%s", name);
	unsigned char *bytes = damage_copy(scene.memory, path, &size);
	int handle = disk->open(disk, path, O_RDWR | O_CREAT | O_EXCL);
	assert_true(handle >= 0);
	assert_int_equal(disk->write(disk, handle, bytes, size, 0), 0);
	disk->close(disk, handle);
	free(bytes);
	return 0;
}

/* Puts the scene's files, as they are now, into a fresh folder of the operating system's. */
static void lay_out(void)
{
	struct log_disk *disk = log_disk_posix(), *memory = memory_disk_door(scene.memory);
	remove_folder();
	folder_enter(folder);
	assert_int_equal(disk->make_folder(disk, "log"), 0);
	assert_int_equal(memory->list(memory, "log", copy_file, NULL), 0);
}

static int set_up(void **state)
{
	scene_begin(&scene, seed);
	return 0;
}

static int tear_down(void **state)
{
	allocation_fail(0);
	remove_folder();
	scene_finish(&scene);
	return 0;
}

static bool heal(void)
{
	bool fired = allocation_fired();
	allocation_fail(0);
	return fired;
}

static void expect(struct log *log)
{
	struct clog_error err = {0};
	if (scene_check_damage(&scene, log, &err) != 0 || parts_check(&scene.parts, log, 3, &err) != 0)
		fail_msg("%s", err.text);
}

/* The same, in whatever order the damage was found. */
static void expect_damaged(struct log *log)
{
	struct clog_error err = {0};
	const struct log_damage *damage;
	size_t count = log_damage(log, &damage), found = 0;
	assert_int_equal(count, scene.must_count);
	for (size_t i = 0; i < count; i++)
		for (unsigned j = 0; j < scene.must_count; j++)
			found += damage[i].first_entry == scene.must[j].first_entry &&
			         damage[i].last_entry == scene.must[j].last_entry &&
			         damage[i].position == scene.must[j].position;
	assert_int_equal(found, count);
	if (parts_check(&scene.parts, log, 3, &err) != 0)
		fail_msg("%s", err.text);
}

static int run(struct log *log, struct log_job *job, struct clog_error *err)
{
	log_job_run(job);
	return log_job_end(log, job, err);
}

/* A frame that is lost, one whose body is damaged, an index that is, and one that is gone. */
static void harm_all(void)
{
	char path[64];
	assert_true(scene_harm(&scene, HARM_HEADER, scene.first[0] + 1));
	uint64_t entry = scene.first[1];
	while (!scene_harm(&scene, HARM_SIZE, entry))
		entry++;
	assert_true(scene_harm(&scene, HARM_HEADER, scene.first[3] + 1));
	scene_path(&scene, scene.first[0], ".index", path);
	damage_flip(scene.memory, path, 7);
	scene_drop_index(&scene, scene.first[2]);
}

/* ---- Trimming and cutting ------------------------------------------------------------------------------------ */

static void trimming_survives_every_failed_allocation(void **state)
{
	uint64_t offset = model_next_offset(&scene.model, scene.first[2] - 1) + 1;
	bool fired = true;
	unsigned nth;
	for (nth = 1; fired; nth++) {
		struct clog_error err = {0};
		struct log_stat before, after;
		struct log_job *job = NULL;
		lay_out();
		struct log *log = script_open(log_disk_posix());
		log_stat(log, &before);
		allocation_fail(nth);
		int rc = log_trim(log, offset, &err);
		if (rc != 0) {
			assert_int_equal(err.code, rc);
			log_stat(log, &after);
			assert_int_equal(after.first_offset, before.first_offset);
			expect(log);
			allocation_fail(0);
		}
		for (int chore = rc; chore == 0;) {
			rc = chore = log_chore_begin(log, &job);
			if (chore == 0 && job == NULL)
				break;
			if (chore == 0)
				rc = chore = run(log, job, &err);
		}
		fired = rc != 0;
		heal();
		assert_int_equal(rc, fired ? -ENOMEM : 0);
		/* Only memory was missing: the log goes on, and so does the trim. */
		assert_int_equal(log_failure(log, NULL), 0);
		assert_int_equal(log_trim(log, offset, NULL), 0);
		log_chore_retry(log);
		script_chores(log);
		log_close(log);
		log = script_open(log_disk_posix());
		log_stat(log, &after);
		assert_int_equal(after.first_offset, offset);
		assert_int_equal(after.first_entry, scene.first[2]);
		expect(log);
		log_close(log);
	}
	assert_true(nth > 5);
}

static void try_cut(uint64_t entry)
{
	bool fired = true;
	unsigned nth;
	for (nth = 1; fired; nth++) {
		struct clog_error err = {0};
		struct log_job *job;
		struct log_tail tail;
		lay_out();
		struct log *log = script_open(log_disk_posix());
		allocation_fail(nth);
		int rc = log_truncate_begin(log, entry, &job, &err);
		fired = heal();
		assert_int_equal(rc, fired ? -ENOMEM : 0);
		assert_int_equal(err.code, rc);
		assert_int_equal(log_failure(log, NULL), 0);
		if (rc != 0) {
			assert_null(job);
			assert_int_equal(log_durable(log), scene.last);
			expect(log);
			assert_int_equal(log_truncate_begin(log, entry, &job, NULL), 0);
		}
		assert_int_equal(run(log, job, NULL), 0);
		log_tail(log, &tail);
		assert_int_equal(tail.entry, entry - 1);
		expect(log);
		script_append_one(log, NULL, &scene.dice, 100);
		log_close(log);
		log = script_open(log_disk_posix());
		assert_int_equal(log_durable(log), entry);
		log_close(log);
	}
	assert_true(nth > 3);
}

static void cutting_survives_every_failed_allocation(void **state)
{
	try_cut(scene.first[1] + 1);
	try_cut(scene.first[3]);
	try_cut(scene.last);
}

/* ---- Verifying, opening, reading ----------------------------------------------------------------------------- */

static void verify(struct log *log, uint64_t entry)
{
	struct clog_error err = {0};
	struct log_job *job;
	uint64_t next;
	bool fired = true;
	for (unsigned nth = 1; fired; nth++) {
		allocation_fail(nth);
		int rc = log_verify_begin(log, entry, &job, &next);
		if (rc == 0)
			rc = run(log, job, &err);
		else
			assert_null(job);
		fired = heal();
		assert_int_equal(rc, fired ? -ENOMEM : 0);
		assert_int_equal(log_failure(log, NULL), 0);
		assert_true(fired || nth > 4);
	}
}

static void verifying_survives_every_failed_allocation(void **state)
{
	lay_out();
	struct log *log = script_open(log_disk_posix());
	for (unsigned segment = 0; segment < SCENE_SEGMENTS; segment++)
		verify(log, scene.first[segment]);
	/* No index was made again for want of memory. */
	assert_int_equal(script_chores(log), 0);
	expect(log);
	log_close(log);
}

static void damage_is_found_in_spite_of_every_failed_allocation(void **state)
{
	harm_all();
	lay_out();
	struct log *log = script_open(log_disk_posix());
	for (unsigned segment = SCENE_SEGMENTS; segment-- > 0;)
		verify(log, scene.first[segment]);
	script_chores(log);
	expect_damaged(log);
	log_close(log);
	log = script_open(log_disk_posix());
	for (unsigned segment = 0; segment < SCENE_SEGMENTS; segment++)
		verify(log, scene.first[segment]);
	expect_damaged(log);
	log_close(log);
}

static void opening_survives_every_failed_allocation(void **state)
{
	harm_all();
	lay_out();
	bool fired = true;
	unsigned nth;
	for (nth = 1; fired; nth++) {
		const struct log_options options = {
			.disk = log_disk_posix(), .path = "log", .segment_size = LOG_SEGMENT_SIZE_MIN};
		struct clog_error err = {0};
		struct log *log = NULL;
		allocation_fail(nth);
		int rc = log_open(&log, &options, &err);
		fired = heal();
		assert_int_equal(rc, fired ? -ENOMEM : 0);
		assert_int_equal(err.code, rc);
		log_close(log);
	}
	assert_true(nth > 20);
	struct log *log = script_open(log_disk_posix());
	/* Their footers are right: opening saw nothing of it. */
	verify(log, scene.first[0]);
	verify(log, scene.first[1]);
	expect_damaged(log);
	log_close(log);
}

static void try_read(struct log_read *read)
{
	bool fired = true;
	for (unsigned nth = 1; fired; nth++) {
		struct log *log = script_open(log_disk_posix());
		allocation_fail(nth);
		assert_int_equal(log_read_begin(log, read), 0);
		log_read_run(read, true);
		int rc = log_read_end(log, read);
		fired = heal();
		/* What was gathered before is good. */
		assert_true(rc == 0 || (fired && rc == -ENOMEM && read->data == NULL));
		rc = parts_serve(log, read);
		assert_int_equal(rc, 0);
		log_read_finish(read);
		log_close(log);
		assert_true(fired || nth > 3);
	}
}

static void ranges_and_frames_survive_every_failed_allocation(void **state)
{
	lay_out();
	for (unsigned kind = LOG_READ_STAT; kind <= LOG_READ_FRAMES; kind++) {
		struct log_read read = {.kind = (enum log_read_kind)kind, .entry = 1, .size = 9000};
		while (kind == LOG_READ_STREAM && scene.model.records[read.offset].size == 0)
			read.offset++;
		read.position = scene.model.records[read.offset].position;
		try_read(&read);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(trimming_survives_every_failed_allocation, set_up, tear_down),
		cmocka_unit_test_setup_teardown(cutting_survives_every_failed_allocation, set_up, tear_down),
		cmocka_unit_test_setup_teardown(verifying_survives_every_failed_allocation, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damage_is_found_in_spite_of_every_failed_allocation, set_up, tear_down),
		cmocka_unit_test_setup_teardown(opening_survives_every_failed_allocation, set_up, tear_down),
		cmocka_unit_test_setup_teardown(ranges_and_frames_survive_every_failed_allocation, set_up, tear_down),
	};
	seed = dice_seed("scarce");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
