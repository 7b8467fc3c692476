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

#include "tests/disk/memory.h"
#include "tests/log/folder.h"
#include "tests/log/script.h"

static struct memory_disk *disk;
static struct model model;
static struct dice dice;

static int set_up(void **state)
{
	disk = memory_disk_create();
	dice_init(&dice, 3);
	return 0;
}

static int tear_down(void **state)
{
	assert_int_equal(memory_disk_handles(disk), 0);
	memory_disk_destroy(disk);
	model_finish(&model);
	return 0;
}

static struct log *open_log(void)
{
	return script_open(memory_disk_door(disk));
}

/* Checks that opening is refused, with the error and a sentence that names the file, and changes nothing. */
static void expect_refused(int error, const char *name)
{
	const struct log_options options = {
		.disk = memory_disk_door(disk), .path = "log", .segment_size = LOG_SEGMENT_SIZE_MIN};
	struct clog_error err = {0};
	struct log *log = NULL;
	uint64_t hash = memory_disk_hash(disk);
	assert_int_equal(log_open(&log, &options, &err), error);
	assert_null(log);
	assert_int_equal(err.code, error);
	if (strstr(err.text, name) == NULL)
		fail_msg("\"%s\" does not name %s", err.text, name);
	assert_true(memory_disk_hash(disk) == hash);
	assert_int_equal(memory_disk_handles(disk), 0);
	assert_int_equal(log_open(&log, &options, NULL), error);
}

/* Opens, compares with the model, appends, and closes. */
static void expect_whole(void)
{
	struct log *log = open_log();
	struct log_tail tail;
	log_tail(log, &tail);
	assert_int_equal(tail.entry, model.frame_count);
	script_expect(&model, log);
	script_append_one(log, &model, &dice, 100);
	script_expect(&model, log);
	log_close(log);
}

/* A log of so many segments, sealed but for the last. */
static void make_log(uint32_t segments)
{
	struct log *log = open_log();
	script_fill(log, &model, &dice, segments, 1500);
	script_chores(log);
	script_append_one(log, &model, &dice, 300);
	script_append_one(log, &model, &dice, 300);
	log_close(log);
}

static void an_empty_folder_is_an_empty_log(void **state)
{
	struct log *log = open_log();
	struct log_tail tail, after;
	struct log_stat stat;
	struct log_read read = {.kind = LOG_READ_RECORD};
	struct log_frame *frame;
	const struct log_term *terms;
	log_tail(log, &tail);
	assert_int_equal(tail.entry + tail.term + tail.next_offset + tail.stream_size + tail.chain, 0);
	assert_int_equal(log_durable(log), 0);
	log_stat(log, &stat);
	assert_int_equal(stat.first_entry, 1);
	assert_int_equal(stat.first_offset + stat.stream_begin + stat.bytes + stat.segments, 0);
	assert_int_equal(log_terms(log, &terms), 0);
	assert_int_equal(log_configuration(log, 10), 0);
	assert_int_equal(log_after(log, 0, &after), 0);
	assert_int_equal(after.entry, 0);
	assert_int_equal(log_after(log, 1, &after), -ENOENT);
	assert_int_equal(log_read_begin(log, &read), -ENOENT);
	read.kind = LOG_READ_STREAM;
	assert_int_equal(log_read_begin(log, &read), -ENOENT);
	assert_int_equal(log_read_frame(log, 1, &frame, NULL), -ENOENT);
	assert_int_equal(log_sync(log, NULL), 0);
	log_close(log);
	log_close(NULL);
	expect_whole();
}

static void a_bad_segment_size_is_refused(void **state)
{
	const uint32_t sizes[] = {1, LOG_SEGMENT_SIZE_MIN - 1, LOG_SEGMENT_SIZE_MAX + 1, UINT32_MAX};
	struct clog_error err;
	struct log *log;
	for (unsigned i = 0; i < 4; i++) {
		const struct log_options options = {
			.disk = memory_disk_door(disk), .path = "log", .segment_size = sizes[i]};
		assert_int_equal(log_open(&log, &options, &err), -EINVAL);
		assert_non_null(strstr(err.text, "segment size"));
	}
	log_close(script_open_sized(memory_disk_door(disk), 0));
	log_close(script_open_sized(memory_disk_door(disk), LOG_SEGMENT_SIZE_MAX));
}

static void a_folder_that_cannot_be_made_is_named(void **state)
{
	const struct log_options options = {.disk = memory_disk_door(disk), .path = "none/log"};
	struct clog_error err;
	struct log *log;
	assert_int_equal(log_open(&log, &options, &err), -ENOENT);
	assert_non_null(strstr(err.text, "none/log"));
}

/* A log whose path leaves too little room for its files' names is not opened; any other works. */
static bool try_path(const char *path)
{
	const struct log_options options = {
		.disk = log_disk_posix(), .path = path, .segment_size = LOG_SEGMENT_SIZE_MIN};
	struct clog_error err = {0};
	struct log *log;
	int rc = log_open(&log, &options, &err);
	if (rc != 0) {
		assert_int_equal(rc, -ENAMETOOLONG);
		assert_true(err.text[0] != '\0');
		return false;
	}
	for (unsigned i = 0; i < 4; i++) {
		struct log_job *job;
		struct log_tail tail;
		const uint32_t size = 9000;
		log_tail(log, &tail);
		struct log_frame *frame = script_frame(log, &dice, 1, &size, 1);
		assert_int_equal(log_append(log, frame, &err), 0);
		log_frame_unref(frame);
		assert_int_equal(log_sync(log, &err), 0);
		assert_int_equal(log_chore_begin(log, &job), 0);
		if (job == NULL)
			continue;
		log_job_run(job);
		assert_int_equal(log_job_end(log, job, &err), 0);
	}
	log_close(log);
	return true;
}

static void a_path_of_any_length_works_or_is_refused(void **state)
{
	char folder[FOLDER_PATH_SIZE];
	char *path = malloc(PATH_MAX + 10);
	assert_non_null(path);
	folder_enter(folder);
	for (size_t size = PATH_MAX - 45; size < PATH_MAX + 9; size++) {
		/* "././././log": a path of this very length to the same folder. */
		for (size_t i = 0; i < size; i++)
			path[i] = i % 2 == 0 ? '.' : '/';
		memcpy(path + size - 4, "/log", 4);
		path[size] = '\0';
		assert_int_equal(try_path(path), size + 31 < PATH_MAX);
	}
	free(path);
	folder_leave(folder);
}

static void the_folder_may_be_anywhere(void **state)
{
	const char *paths[] = {"one", "two/log", "/three", "/four/log"};
	struct log_disk *door = memory_disk_door(disk);
	assert_int_equal(door->make_folder(door, "two"), 0);
	assert_int_equal(door->make_folder(door, "/four"), 0);
	assert_int_equal(door->sync_folder(door, "."), 0);
	assert_int_equal(door->sync_folder(door, "/"), 0);
	for (unsigned i = 0; i < 4; i++) {
		const struct log_options options = {.disk = door, .path = paths[i], .segment_size = 0};
		struct log_tail tail;
		struct log *log;
		assert_int_equal(log_open(&log, &options, NULL), 0);
		script_append_one(log, NULL, &dice, 10);
		log_close(log);
		memory_disk_crash(disk, NULL, NULL);
		assert_int_equal(log_open(&log, &options, NULL), 0);
		log_tail(log, &tail);
		assert_int_equal(tail.entry, 1);
		log_close(log);
	}
}

static void what_was_synced_is_there_again(void **state)
{
	make_log(4);
	expect_whole();
	expect_whole();
}

static void what_was_not_synced_is_not_there_again(void **state)
{
	struct log *log = open_log();
	script_append_one(log, &model, &dice, 50);
	script_append(log, NULL, script_any_frame(log, &dice, 100));
	log_close(log);
	expect_whole();
}

static void names_that_are_not_the_logs_are_left_alone(void **state)
{
	const char *names[] = {"log/notes.txt", "log/.hidden",        "log/store",
	                       "log/1",         "log/mine.store.new", "log/mine.index.new"};
	struct log_disk *door = memory_disk_door(disk);
	size_t size;
	make_log(2);
	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
		memory_disk_put(disk, names[i], "mine", 4);
	assert_int_equal(door->make_folder(door, "log/lost+found"), 0);
	expect_whole();
	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (memory_disk_bytes(disk, names[i], &size) == NULL)
			fail_msg("%s is gone", names[i]);
		assert_int_equal(size, 4);
	}
}

static void names_that_only_look_like_the_logs_are_reported(void **state)
{
	const char *names[] = {"copy.store",
	                       "00000000000000000000.store",
	                       "99999999999999999999.store",
	                       "0000000000000000001.store",
	                       "+0000000000000000001.store",
	                       "copy.index"};
	char path[64];
	struct log_disk *door = memory_disk_door(disk);
	make_log(2);
	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
		snprintf(path, sizeof path, "log/%s", names[i]);
		memory_disk_put(disk, path, "?", 1);
		expect_refused(-EINVAL, names[i]);
		assert_int_equal(door->remove(door, path), 0);
	}
	expect_whole();
}

static void files_that_were_being_made_are_removed(void **state)
{
	char names[40][64] = {"log/00000000000000000099.store.new", "log/prepared.store.new"};
	size_t size;
	make_log(2);
	for (unsigned i = 0; i < 40; i++) {
		if (i >= 2)
			snprintf(names[i], sizeof names[i], "log/%020u.index.new", i);
		memory_disk_put(disk, names[i], "half", 4);
	}
	expect_whole();
	for (unsigned i = 0; i < 40; i++)
		assert_null(memory_disk_bytes(disk, names[i], &size));
}

static void many_segments_need_few_handles(void **state)
{
	struct log *log = open_log();
	for (uint32_t segments = 2; segments < 150; segments++) {
		script_fill(log, &model, &dice, segments, 3000);
		script_chores(log);
	}
	script_expect(&model, log);
	log_close(log);
	unsigned most = memory_disk_handles_most(disk);
	if (most > 100)
		fail_msg("%u handles were open at once", most);
	struct memory_disk *copy = memory_disk_clone(disk);
	log = script_open(memory_disk_door(copy));
	assert_true(memory_disk_handles_most(copy) <= 4);
	script_expect(&model, log);
	assert_true(memory_disk_handles_most(copy) <= 100);
	log_close(log);
	memory_disk_destroy(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_empty_folder_is_an_empty_log, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_bad_segment_size_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_folder_that_cannot_be_made_is_named, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_path_of_any_length_works_or_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_folder_may_be_anywhere, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_was_synced_is_there_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_was_not_synced_is_not_there_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(names_that_are_not_the_logs_are_left_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(names_that_only_look_like_the_logs_are_reported, set_up, tear_down),
		cmocka_unit_test_setup_teardown(files_that_were_being_made_are_removed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(many_segments_need_few_handles, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
