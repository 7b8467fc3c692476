/* Every allocation fails once, in each operation of the log: the Nth, N from 1 until none fails any more. The disk is
 * the operating system's, so that all allocations counted are the log's own. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/disk/allocation.h"
#include "tests/log/folder.h"
#include "tests/log/script.h"

static char folder[FOLDER_PATH_SIZE];
static struct model model;
static struct dice dice;

static int open_log(struct log **log, struct clog_error *err)
{
	const struct log_options options = {
		.disk = log_disk_posix(), .path = "log", .segment_size = LOG_SEGMENT_SIZE_MIN};
	return log_open(log, &options, err);
}

static void leave_leftovers(void)
{
	struct log_disk *disk = log_disk_posix();
	char path[64];
	for (unsigned i = 1; i < 20; i++) {
		snprintf(path, sizeof path, "log/%020u.index.new", i);
		int handle = disk->open(disk, path, O_RDWR | O_CREAT);
		assert_true(handle >= 0);
		disk->close(disk, handle);
	}
}

static int set_up(void **state)
{
	folder_enter(folder);
	dice_init(&dice, 5);
	struct log *log = script_open(log_disk_posix());
	script_fill(log, &model, &dice, 3, 2500);
	script_chores(log);
	script_fill(log, &model, &dice, 4, 2500);
	/* So many terms, configurations, segments and leftovers that every list of them has to grow. */
	for (uint64_t term = 20; term < 60; term++) {
		enum log_type type = term % 2 ? LOG_CONFIGURATION : LOG_BARRIER;
		script_append(log, &model, script_other_frame(log, &dice, term, type, 0));
	}
	script_sync(log);
	for (unsigned i = 0; i < 15; i++)
		script_append_one(log, &model, &dice, 9000);
	log_close(log);
	leave_leftovers();
	return 0;
}

static int tear_down(void **state)
{
	allocation_fail(0);
	model_finish(&model);
	folder_leave(folder);
	return 0;
}

static void opening_survives_every_failed_allocation(void **state)
{
	unsigned nth = 1;
	for (;; nth++) {
		struct clog_error err = {0};
		struct log *log = NULL;
		leave_leftovers();
		allocation_fail(nth);
		int rc = open_log(&log, &err);
		bool fired = allocation_fired();
		allocation_fail(0);
		if (rc == 0) {
			script_expect(&model, log);
			log_close(log);
		} else {
			assert_int_equal(rc, -ENOMEM);
			assert_int_equal(err.code, -ENOMEM);
		}
		if (!fired)
			break;
	}
	printf("allocation: open: %u\n", nth - 1);
	assert_true(nth > 5);
}

/* So many that the items have to make room. */
static void add_rows(struct log_frame *frame)
{
	for (uint64_t i = 0; i < 50; i++) {
		const struct log_session row = {.session = log_frame_sessions(frame)};
		int rc = log_frame_add_session(frame, &row);
		assert_true(rc == 0 || rc == -ENOMEM);
	}
	for (uint32_t i = 0; i < log_frame_sessions(frame); i++) {
		struct log_session row;
		log_frame_session(frame, i, &row);
		assert_int_equal(row.session, i);
	}
}

/* Builds a frame, with a failure or without; -ENOMEM leaves it as it was, so that it can be tried again. */
static void a_frame_survives_every_failed_allocation(void **state)
{
	unsigned char bytes[3000];
	const uint32_t sizes[] = {1000, 0, 2000};
	dice_fill(&dice, bytes, sizeof bytes);
	for (unsigned nth = 1;; nth++) {
		struct log_frame *frame = NULL;
		allocation_fail(nth);
		int rc = log_frame_create(&frame);
		if (rc == 0) {
			for (unsigned i = 0; i < 8; i++) {
				uint32_t before = log_frame_count(frame);
				rc = log_frame_add_many(frame, bytes, sizes, 3);
				assert_true(rc == 0 || rc == -ENOMEM);
				assert_int_equal(log_frame_count(frame), before + (rc == 0 ? 3 : 0));
				assert_int_equal(log_frame_data_size(frame), (size_t)log_frame_count(frame) * 1000);
				add_rows(frame);
			}
		} else {
			assert_int_equal(rc, -ENOMEM);
		}
		bool fired = allocation_fired();
		allocation_fail(0);
		log_frame_unref(frame);
		if (!fired)
			break;
	}
}

/* Appends a frame, with every allocation of it failing in turn before it works. Returns how many there were. */
static unsigned append_again(struct log *log)
{
	struct log_tail before, after;
	log_tail(log, &before);
	const uint32_t sizes[] = {7000, 30};
	struct log_frame *frame = script_frame(log, &dice, before.term, sizes, 2);
	for (unsigned nth = 1;; nth++) {
		struct clog_error err = {0};
		allocation_fail(nth);
		int rc = log_append(log, frame, &err);
		bool fired = allocation_fired();
		allocation_fail(0);
		assert_int_equal(rc, fired ? -ENOMEM : 0);
		if (rc == 0) {
			model_note(&model, frame);
			log_frame_unref(frame);
			return nth - 1;
		}
		assert_true(err.text[0] != '\0');
		log_tail(log, &after);
		script_expect_tail(&before, &after);
	}
}

static void appending_survives_every_failed_allocation(void **state)
{
	struct log *log = script_open(log_disk_posix());
	unsigned fired = 0;
	for (unsigned i = 0; i < 80; i++) {
		fired += append_again(log);
		if (i % 30 == 29)
			script_sync(log);
	}
	printf("allocation: append: %u\n", fired);
	assert_true(fired > 20);
	script_sync(log);
	script_expect(&model, log);
	log_close(log);
}

static void a_job_survives_every_failed_allocation(void **state)
{
	struct log *log = script_open(log_disk_posix());
	unsigned fired_count = 0;
	for (unsigned nth = 1; nth < 20; nth++) {
		struct log_job *job;
		for (unsigned i = 0; i < 20; i++)
			script_append(log, &model, script_any_frame(log, &dice, 2000));
		allocation_fail(nth);
		int rc = log_write_begin(log, false, &job);
		fired_count += allocation_fired();
		allocation_fail(0);
		assert_true(rc == 0 || (rc == -ENOMEM && job == NULL));
		if (job != NULL) {
			log_job_run(job);
			assert_int_equal(log_job_end(log, job, NULL), 0);
		}
		script_sync(log);
	}
	printf("allocation: write job: %u\n", fired_count);
	assert_true(fired_count > 2);
	script_expect(&model, log);
	log_close(log);
}

/* A chore that finds no memory fails alone: the log is not read-only. */
static void a_chore_survives_every_failed_allocation(void **state)
{
	unsigned fired_count = 0, nth;
	struct log *log = script_open(log_disk_posix());
	for (nth = 1; nth < 30; nth++) {
		struct log_stat stat;
		struct log_job *job;
		log_stat(log, &stat);
		script_fill(log, &model, &dice, stat.segments + 1, 3000);
		allocation_fail(nth % 10);
		int rc = log_chore_begin(log, &job);
		assert_true(rc == 0 || (rc == -ENOMEM && job == NULL));
		if (job != NULL) {
			log_job_run(job);
			rc = log_job_end(log, job, NULL);
			assert_true(rc == 0 || rc == -ENOMEM);
		}
		fired_count += allocation_fired();
		allocation_fail(0);
		assert_int_equal(log_failure(log, NULL), 0);
		script_sync(log);
	}
	printf("allocation: chores: %u\n", fired_count);
	assert_true(fired_count > 5);
	script_expect(&model, log);
	log_close(log);
}

/* Reads one thing of each kind from a log that has just been opened. */
static int read_all_kinds(struct log *log, uint64_t offset)
{
	struct clog_error err = {0};
	struct log_read read = {.size = 4000};
	uint32_t size;
	int rc = model_check_record(&model, log, &read, offset, true, &err);
	if (rc == 0)
		rc = model_check_stat(&model, log, &read, offset / 2, true, &err);
	if (rc == 0 && model.records[offset].position < model.stream_size)
		rc = model_check_stream(&model, log, &read, model.records[offset].position, true, &size, &err);
	if (rc == 0)
		rc = model_check_frame(&model, log, model.records[offset].entry, &err);
	log_read_finish(&read);
	return rc;
}

static void reading_survives_every_failed_allocation(void **state)
{
	unsigned nth;
	for (nth = 1;; nth++) {
		struct log *log = script_open(log_disk_posix());
		allocation_fail(nth);
		int rc = read_all_kinds(log, 3);
		bool fired = allocation_fired();
		allocation_fail(0);
		assert_int_equal(rc, fired ? -ENOMEM : 0);
		assert_int_equal(read_all_kinds(log, 3), 0);
		log_close(log);
		if (!fired)
			break;
	}
	printf("allocation: read: %u\n", nth - 1);
	assert_true(nth > 5);
}

/* What could not begin has changed nothing; a job that fails leaves the log as it was, or the new one. */
static void beginning_anew_survives_every_failed_allocation(void **state)
{
	uint64_t base = 10000;
	unsigned refused = 0, failed = 0, nth;
	for (nth = 1;; nth++) {
		struct log *log = script_open(log_disk_posix());
		const struct log_install install = {.base = {.entry = base + nth, .term = 7, .next_offset = 1000000},
		                                    .state = "the state",
		                                    .state_size = 9};
		struct log_job *job;
		allocation_fail(nth);
		int rc = log_install_begin(log, &install, &job, NULL);
		if (rc == 0) {
			log_job_run(job);
			rc = log_job_end(log, job, NULL);
			failed += rc != 0;
		} else {
			refused++;
		}
		bool fired = allocation_fired();
		allocation_fail(0);
		assert_int_equal(rc, fired ? -ENOMEM : 0);
		if (fired && failed == 0)
			script_expect(&model, log);
		log_close(log);
		if (!fired)
			break;
	}
	struct log *log = script_open(log_disk_posix());
	struct log_tail tail;
	log_tail(log, &tail);
	assert_int_equal(tail.entry, base + nth);
	log_close(log);
	printf("allocation: install: %u refused, %u failed\n", refused, failed);
	assert_true(refused > 3 && failed > 0);
}

/* Reads or writes bytes of the first store. */
static void touch_store(bool write, unsigned char *bytes, size_t size, uint64_t position)
{
	struct log_disk *disk = log_disk_posix();
	int handle = disk->open(disk, "log/00000000000000000001.store", O_RDWR);
	assert_true(handle >= 0);
	if (write)
		assert_int_equal(disk->write(disk, handle, bytes, size, position), 0);
	else
		assert_int_equal(disk->read(disk, handle, bytes, size, position, true), size);
	disk->close(disk, handle);
}

/* The damage stays until it is mended, and then nothing is lost. */
static void mending_survives_every_failed_allocation(void **state)
{
	unsigned char frames[9000], zeros[100] = {0};
	const struct log_damage *damage;
	struct log *log = script_open(log_disk_posix());
	struct log_job *job;
	uint64_t next;
	unsigned nth = 1;
	touch_store(false, frames, sizeof frames, 4096);
	touch_store(true, zeros, sizeof zeros, 4096);
	assert_int_equal(log_verify_begin(log, 1, &job, &next), 0);
	log_job_run(job);
	assert_int_equal(log_job_end(log, job, NULL), 0);
	for (; log_damage(log, &damage) > 0; nth++) {
		struct clog_error err = {0};
		assert_true(damage->size <= sizeof frames);
		allocation_fail(nth);
		int rc = log_mend_begin(log, damage, frames, damage->size, &job, &err);
		if (rc == 0) {
			log_job_run(job);
			rc = log_job_end(log, job, &err);
		}
		bool fired = allocation_fired();
		allocation_fail(0);
		assert_int_equal(rc, fired ? -ENOMEM : 0);
		assert_true(rc == 0 || err.text[0] != '\0');
		assert_int_equal(log_failure(log, NULL), 0);
		assert_int_equal(log_damage(log, &damage), fired ? 1 : 0);
	}
	printf("allocation: mend: %u\n", nth - 2);
	assert_true(nth > 8);
	script_expect(&model, log);
	log_close(log);
}

/* Frames are damaged in their bodies, and the index that knew them is gone: the store is read, or there is no memory. */
static void opening_a_damaged_log_survives_every_failed_allocation(void **state)
{
	unsigned char zeros[1000] = {0};
	struct log_disk *disk = log_disk_posix();
	unsigned nth = 1, failed = 0;
	for (bool fired = true; fired; nth++) {
		const struct log_damage *damage;
		struct clog_error err = {0};
		struct log *log = NULL;
		for (uint64_t position = 4500; position < 12000; position += 2500)
			touch_store(true, zeros, sizeof zeros, position);
		disk->remove(disk, "log/00000000000000000001.index");
		allocation_fail(nth);
		int rc = open_log(&log, &err);
		fired = allocation_fired();
		allocation_fail(0);
		assert_int_equal(rc, rc == 0 ? 0 : -ENOMEM);
		assert_int_equal(err.code, rc);
		failed += rc != 0;
		if (rc == 0)
			assert_true(log_damage(log, &damage) > 0);
		log_close(log);
	}
	printf("allocation: open a damaged log: %u\n", failed);
	assert_true(failed > 10);
}

static void giving_a_state_survives_every_failed_allocation(void **state)
{
	unsigned failed = 0;
	for (bool fired = true; fired;) {
		struct log *log = script_open(log_disk_posix());
		script_chores(log);
		uint64_t entry = log_stateless(log);
		assert_true(entry > 0);
		allocation_fail(failed + 1);
		int rc = log_set_state(log, entry, "state", 5);
		fired = allocation_fired();
		allocation_fail(0);
		assert_int_equal(rc, fired ? -ENOMEM : 0);
		assert_true((log_stateless(log) == entry) == fired);
		failed += fired;
		script_expect(&model, log);
		log_close(log);
	}
	assert_true(failed > 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(opening_survives_every_failed_allocation, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_frame_survives_every_failed_allocation, set_up, tear_down),
		cmocka_unit_test_setup_teardown(appending_survives_every_failed_allocation, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_job_survives_every_failed_allocation, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_chore_survives_every_failed_allocation, set_up, tear_down),
		cmocka_unit_test_setup_teardown(beginning_anew_survives_every_failed_allocation, set_up, tear_down),
		cmocka_unit_test_setup_teardown(opening_a_damaged_log_survives_every_failed_allocation, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(giving_a_state_survives_every_failed_allocation, set_up, tear_down),
		cmocka_unit_test_setup_teardown(mending_survives_every_failed_allocation, set_up, tear_down),
		cmocka_unit_test_setup_teardown(reading_survives_every_failed_allocation, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
