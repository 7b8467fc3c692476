/* What a log does when the disk is nearly full, and what it does not do when it is opened only to be read. */
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
#include "tests/log/parts.h"
#include "tests/log/script.h"

#define RESERVE 100000u

static uint64_t seed;

/* A disk in memory that says how much room it has. */
struct stage {
	struct log_disk door; /* first: its calls cast it back */
	struct memory_disk *memory;
	uint64_t space;
	int space_error;
	struct log *log;
	struct model model;
	struct dice dice;
};

static int say_space(struct log_disk *disk, const char *path, uint64_t *size)
{
	struct stage *stage = (struct stage *)disk;
	assert_string_equal(path, "log");
	*size = stage->space;
	return stage->space_error;
}

#define INNER(disk) (memory_disk_door(((struct stage *)(disk))->memory))

static int pass_open(struct log_disk *disk, const char *path, int flags)
{
	return INNER(disk)->open(INNER(disk), path, flags);
}

static void pass_close(struct log_disk *disk, int handle)
{
	INNER(disk)->close(INNER(disk), handle);
}

static ssize_t pass_read(struct log_disk *disk, int handle, void *data, size_t size, uint64_t position, bool wait)
{
	return INNER(disk)->read(INNER(disk), handle, data, size, position, wait);
}

static int pass_write(struct log_disk *disk, int handle, const void *data, size_t size, uint64_t position)
{
	return INNER(disk)->write(INNER(disk), handle, data, size, position);
}

static int pass_sync(struct log_disk *disk, int handle)
{
	return INNER(disk)->sync(INNER(disk), handle);
}

static int pass_size(struct log_disk *disk, int handle, uint64_t *size)
{
	return INNER(disk)->size(INNER(disk), handle, size);
}

static int pass_rename(struct log_disk *disk, const char *from, const char *to)
{
	return INNER(disk)->rename(INNER(disk), from, to);
}

static int pass_remove(struct log_disk *disk, const char *path)
{
	return INNER(disk)->remove(INNER(disk), path);
}

static int pass_make_folder(struct log_disk *disk, const char *path)
{
	return INNER(disk)->make_folder(INNER(disk), path);
}

static int pass_sync_folder(struct log_disk *disk, const char *path)
{
	return INNER(disk)->sync_folder(INNER(disk), path);
}

static int pass_list(struct log_disk *disk, const char *path, int (*cb)(const char *name, void *arg), void *arg)
{
	return INNER(disk)->list(INNER(disk), path, cb, arg);
}

static struct log *open_log(struct stage *stage, bool read_only)
{
	const struct log_options options = {.disk = &stage->door,
	                                    .path = "log",
	                                    .segment_size = LOG_SEGMENT_SIZE_MIN,
	                                    .reserve_size = RESERVE,
	                                    .read_only = read_only};
	struct clog_error err = {0};
	struct log *log;
	if (log_open(&log, &options, &err) != 0)
		fail_msg("log_open: %s", err.text);
	return log;
}

static void stage_begin(struct stage *stage)
{
	*stage = (struct stage){.door = {.open = pass_open,
	                                 .close = pass_close,
	                                 .read = pass_read,
	                                 .write = pass_write,
	                                 .sync = pass_sync,
	                                 .size = pass_size,
	                                 .rename = pass_rename,
	                                 .remove = pass_remove,
	                                 .make_folder = pass_make_folder,
	                                 .sync_folder = pass_sync_folder,
	                                 .list = pass_list,
	                                 .space = say_space},
	                        .memory = memory_disk_create(),
	                        .space = UINT64_MAX};
	dice_init(&stage->dice, seed);
	stage->log = open_log(stage, false);
}

static void stage_end(struct stage *stage)
{
	log_close(stage->log);
	assert_int_equal(memory_disk_handles(stage->memory), 0);
	memory_disk_destroy(stage->memory);
	model_finish(&stage->model);
}

/* Runs one chore; returns its error, or 1 when there is none to run. */
static int chore(struct log *log)
{
	struct log_job *job;
	struct clog_error err = {0};
	assert_int_equal(log_chore_begin(log, &job), 0);
	if (job == NULL)
		return 1;
	log_job_run(job);
	int rc = log_job_end(log, job, &err);
	assert_int_equal(err.code, rc);
	return rc;
}

static int chores(struct log *log)
{
	int rc = chore(log);
	while (rc == 0)
		rc = chore(log);
	return rc == 1 ? 0 : rc;
}

static uint32_t segments(struct log *log)
{
	struct log_stat stat;
	log_stat(log, &stat);
	return stat.segments;
}

/* Appends until the next segment is refused. */
static void append_until_full(struct stage *stage)
{
	uint32_t size = 2000;
	struct log_tail end;
	log_tail(stage->log, &end);
	for (unsigned i = 0; i < 100; i++) {
		struct log_frame *frame = script_frame(stage->log, &stage->dice, end.term + (end.term == 0), &size, 1);
		struct clog_error err = {0};
		struct log_tail before, after;
		log_tail(stage->log, &before);
		int room = log_room(stage->log, log_frame_header(frame)->size);
		int rc = log_append(stage->log, frame, &err);
		assert_int_equal(rc, room);
		if (rc == 0)
			model_note(&stage->model, frame);
		log_frame_unref(frame);
		if (rc == -ENOSPC) {
			/* Refused: nothing has happened, and it is not final. */
			log_tail(stage->log, &after);
			script_expect_tail(&after, &before);
			assert_true(err.text[0] != '\0');
			assert_int_equal(log_failure(stage->log, NULL), 0);
			script_sync(stage->log);
			return;
		}
		assert_int_equal(rc, 0);
	}
	fail_msg("the log was never full");
}

static void a_disk_that_is_nearly_full_refuses_the_next_segment(void **state)
{
	struct stage stage;
	stage_begin(&stage);
	script_fill(stage.log, &stage.model, &stage.dice, 1, 500);
	/* The prepared file is there: it is used all the same. */
	assert_int_equal(chores(stage.log), 0);
	stage.space = RESERVE + LOG_SEGMENT_SIZE_MIN - 1;
	script_fill(stage.log, &stage.model, &stage.dice, 2, 3000);
	uint64_t before = memory_disk_hash(stage.memory);
	assert_int_equal(chores(stage.log), -ENOSPC);
	assert_int_equal(chore(stage.log), 1);
	append_until_full(&stage);
	assert_int_equal(segments(stage.log), 2);
	assert_true(memory_disk_hash(stage.memory) != before);
	size_t size;
	assert_null(memory_disk_bytes(stage.memory, "log/prepared.store", &size));
	assert_null(memory_disk_bytes(stage.memory, "log/prepared.store.new", &size));
	script_expect(&stage.model, stage.log);
	/* A smaller frame may still fit. */
	assert_int_equal(log_room(stage.log, 96), 0);
	/* Room again: nobody knows until a chore is tried. */
	stage.space++;
	assert_int_equal(log_room(stage.log, 8000), -ENOSPC);
	assert_int_equal(chore(stage.log), 1);
	log_chore_retry(stage.log);
	assert_int_equal(chores(stage.log), 0);
	assert_int_equal(log_room(stage.log, 8000), 0);
	script_fill(stage.log, &stage.model, &stage.dice, 3, 3000);
	script_expect(&stage.model, stage.log);
	stage_end(&stage);
}

static void a_reserve_larger_than_the_disk_is_a_full_disk(void **state)
{
	static const uint64_t spaces[] = {0, 1, LOG_SEGMENT_SIZE_MIN, RESERVE, RESERVE + LOG_SEGMENT_SIZE_MIN - 1};
	for (unsigned i = 0; i < sizeof spaces / sizeof spaces[0]; i++) {
		struct stage stage;
		stage_begin(&stage);
		stage.space = spaces[i];
		assert_int_equal(chores(stage.log), -ENOSPC);
		assert_int_equal(log_room(stage.log, 100), -ENOSPC);
		stage.space = RESERVE + LOG_SEGMENT_SIZE_MIN;
		log_chore_retry(stage.log);
		assert_int_equal(chores(stage.log), 0);
		assert_int_equal(log_room(stage.log, 100), 0);
		stage_end(&stage);
	}
}

static void trimming_goes_on_and_makes_room(void **state)
{
	struct stage stage;
	struct log_tail tail;
	stage_begin(&stage);
	script_fill(stage.log, &stage.model, &stage.dice, 3, 3000);
	stage.space = 10;
	assert_int_equal(chores(stage.log), -ENOSPC);
	append_until_full(&stage);
	parts_expect(&stage.model, stage.log);
	log_tail(stage.log, &tail);
	assert_int_equal(log_trim(stage.log, tail.next_offset, NULL), 0);
	/* What goes becomes what is written next: one file more is not needed. */
	assert_int_equal(chores(stage.log), 0);
	assert_int_equal(segments(stage.log), 1);
	assert_int_equal(log_room(stage.log, 8000), 0);
	/* The one that was kept goes too, once another follows it; then there is nothing left to go. */
	unsigned rounds = 0;
	do
		script_fill(stage.log, &stage.model, &stage.dice, segments(stage.log) + 1, 3000);
	while (chores(stage.log) == 0 && ++rounds < 3);
	assert_true(rounds < 3);
	parts_expect(&stage.model, stage.log);
	append_until_full(&stage);
	log_close(stage.log);
	stage.log = open_log(&stage, false);
	parts_expect(&stage.model, stage.log);
	stage_end(&stage);
}

static void a_disk_that_cannot_say_its_room_is_an_error_of_the_chore(void **state)
{
	struct stage stage;
	stage_begin(&stage);
	stage.space_error = -EIO;
	assert_int_equal(chores(stage.log), -EIO);
	assert_int_equal(log_failure(stage.log, NULL), 0);
	/* It is not known to be full. */
	assert_int_equal(log_room(stage.log, 100), 0);
	script_fill(stage.log, &stage.model, &stage.dice, 2, 3000);
	script_expect(&stage.model, stage.log);
	stage_end(&stage);
}

static void no_change(struct memory_disk *disk, enum memory_call call, const char *path, void *arg)
{
	/* A sync changes nothing that is seen. */
	if (call != MEMORY_SYNC)
		fail_msg("%s of %s by a log that was opened to be read", memory_call_name(call), path);
}

static void a_log_in_use_can_be_opened_to_be_read(void **state)
{
	for (unsigned round = 0; round < 6; round++) {
		struct stage stage;
		struct log_job *job;
		struct clog_error err = {0};
		stage_begin(&stage);
		script_fill(stage.log, &stage.model, &stage.dice, round < 3 ? 1 : 4, 3000);
		script_append_one(stage.log, &stage.model, &stage.dice, 100);
		script_mark(stage.log);
		if (round % 2)
			assert_int_equal(chores(stage.log), 0);
		if (round == 5) {
			assert_int_equal(log_trim(stage.log, stage.model.record_count / 2, NULL), 0);
			assert_int_equal(chores(stage.log), 0);
		}
		uint64_t marked = log_durable(stage.log);
		script_append_one(stage.log, &stage.model, &stage.dice, 100);
		memory_disk_put(stage.memory, "log/00000000000000009999.store.new", "x", 1);
		uint64_t hash = memory_disk_hash(stage.memory);
		memory_disk_watch(stage.memory, no_change, NULL);
		struct log *log = open_log(&stage, true);
		/* What the mark names: the round that was written last is not in it yet. */
		assert_int_equal(log_durable(log), marked);
		parts_expect(&stage.model, log);
		uint32_t size = 10;
		struct log_frame *frame = script_frame(log, &stage.dice, 90, &size, 1);
		assert_int_equal(log_append(log, frame, &err), -EROFS);
		assert_true(err.text[0] != '\0');
		log_frame_unref(frame);
		assert_int_equal(log_room(log, 100), -EROFS);
		assert_int_equal(log_trim(log, 1, &err), -EROFS);
		assert_int_equal(log_truncate_begin(log, marked, &job, &err), -EROFS);
		assert_int_equal(log_chore_begin(log, &job), 0);
		assert_null(job);
		assert_int_equal(log_write_begin(log, true, &job), 0);
		assert_null(job);
		log_close(log);
		memory_disk_watch(stage.memory, NULL, NULL);
		assert_true(memory_disk_hash(stage.memory) == hash);
		parts_expect(&stage.model, stage.log);
		stage_end(&stage);
	}
}

static void a_log_that_is_not_there_cannot_be_opened_to_be_read(void **state)
{
	struct memory_disk *disk = memory_disk_create();
	const struct log_options options = {.disk = memory_disk_door(disk), .path = "log", .read_only = true};
	struct clog_error err = {0};
	struct log *log;
	uint64_t hash = memory_disk_hash(disk);
	assert_int_equal(log_open(&log, &options, &err), -ENOENT);
	assert_non_null(strstr(err.text, "log"));
	assert_true(memory_disk_hash(disk) == hash);
	memory_disk_destroy(disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_disk_that_is_nearly_full_refuses_the_next_segment),
		cmocka_unit_test(a_reserve_larger_than_the_disk_is_a_full_disk),
		cmocka_unit_test(trimming_goes_on_and_makes_room),
		cmocka_unit_test(a_disk_that_cannot_say_its_room_is_an_error_of_the_chore),
		cmocka_unit_test(a_log_in_use_can_be_opened_to_be_read),
		cmocka_unit_test(a_log_that_is_not_there_cannot_be_opened_to_be_read),
	};
	seed = dice_seed("reserve");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
