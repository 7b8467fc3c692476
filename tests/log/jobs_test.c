/* The jobs of a log: what they take, and that they may run at any moment and on any thread. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/disk/faulty.h"
#include "tests/disk/memory.h"
#include "tests/log/folder.h"
#include "tests/log/script.h"

static struct memory_disk *disk;
static struct log *log_under_test;
static struct model model;
static struct dice dice;

static int set_up(void **state)
{
	disk = memory_disk_create();
	dice_init(&dice, 11);
	log_under_test = script_open(memory_disk_door(disk));
	return 0;
}

static int tear_down(void **state)
{
	log_close(log_under_test);
	memory_disk_destroy(disk);
	model_finish(&model);
	return 0;
}

/* Loses all that was not synced. */
static void lose_power(void)
{
	log_close(log_under_test);
	memory_disk_crash(disk, NULL, NULL);
	log_under_test = script_open(memory_disk_door(disk));
}

static struct log_frame *one_record(uint32_t size)
{
	struct log_tail tail;
	log_tail(log_under_test, &tail);
	return script_frame(log_under_test, &dice, tail.term == 0 ? 1 : tail.term, &size, 1);
}

static uint32_t segments(void)
{
	struct log_stat stat;
	log_stat(log_under_test, &stat);
	return stat.segments;
}

static void end_job(struct log_job *job)
{
	struct clog_error err = {0};
	if (log_job_end(log_under_test, job, &err) != 0)
		fail_msg("%s", err.text);
}

static void a_write_job_takes_what_was_appended_before_it(void **state)
{
	struct log_job *job, *second;
	script_append(log_under_test, &model, one_record(10));
	script_append(log_under_test, &model, one_record(20));
	assert_int_equal(log_write_begin(log_under_test, false, &job), 0);
	assert_non_null(job);
	assert_true(log_job_writes(job));
	script_append(log_under_test, &model, one_record(30));
	assert_int_equal(log_write_begin(log_under_test, true, &second), 0);
	assert_null(second);
	log_job_run(job);
	assert_int_equal(log_durable(log_under_test), 0);
	end_job(job);
	assert_int_equal(log_durable(log_under_test), 2);
	assert_int_equal(log_write_begin(log_under_test, false, &job), 0);
	log_job_run(job);
	end_job(job);
	assert_int_equal(log_durable(log_under_test), 3);
	assert_int_equal(log_write_begin(log_under_test, false, &job), 0);
	assert_null(job);
	lose_power();
	script_expect(&model, log_under_test);
}

static void an_idle_log_writes_its_mark_once(void **state)
{
	struct log_job *job;
	assert_int_equal(log_write_begin(log_under_test, true, &job), 0);
	assert_null(job);
	script_append_one(log_under_test, &model, &dice, 10);
	assert_int_equal(log_write_begin(log_under_test, false, &job), 0);
	assert_null(job);
	assert_int_equal(log_write_begin(log_under_test, true, &job), 0);
	assert_non_null(job);
	log_job_run(job);
	end_job(job);
	assert_int_equal(log_write_begin(log_under_test, true, &job), 0);
	assert_null(job);
	script_expect(&model, log_under_test);
}

static void there_is_one_chore_at_a_time_and_an_end_to_them(void **state)
{
	struct log_job *chore, *second;
	script_fill(log_under_test, &model, &dice, 4, 2000);
	assert_int_equal(log_chore_begin(log_under_test, &chore), 0);
	assert_non_null(chore);
	assert_false(log_job_writes(chore));
	assert_int_equal(log_chore_begin(log_under_test, &second), 0);
	assert_null(second);
	log_job_run(chore);
	end_job(chore);
	/* Two more segments to seal, and one to prepare. */
	assert_int_equal(script_chores(log_under_test), 3);
	assert_int_equal(script_chores(log_under_test), 0);
	script_expect(&model, log_under_test);
}

static void several_segments_may_be_written_by_one_job(void **state)
{
	struct log_job *job;
	script_chores(log_under_test);
	for (unsigned i = 0; i < 40; i++)
		script_append(log_under_test, &model, one_record(2000));
	assert_true(segments() > 4);
	assert_int_equal(log_write_begin(log_under_test, false, &job), 0);
	log_job_run(job);
	end_job(job);
	assert_int_equal(log_durable(log_under_test), 40);
	script_expect(&model, log_under_test);
	lose_power();
	script_expect(&model, log_under_test);
}

/* What lies between two syncs is bounded, but a frame goes whole. */
static void a_round_is_bounded(void **state)
{
	struct log_frame *frame;
	unsigned char *bytes = calloc(1, LOG_RECORD_SIZE_MAX);
	unsigned jobs = 0;
	assert_non_null(bytes);
	for (unsigned i = 0; i < 7; i++) {
		struct log_tail tail;
		log_tail(log_under_test, &tail);
		assert_int_equal(log_frame_create(&frame), 0);
		while (log_frame_fits(frame, LOG_RECORD_SIZE_MAX, 1))
			assert_int_equal(log_frame_add(frame, bytes, LOG_RECORD_SIZE_MAX), 0);
		log_frame_close(frame, &tail, &(struct log_header){.term = 1, .type = LOG_RECORDS, .time_ns = i});
		script_append(log_under_test, NULL, frame);
	}
	free(bytes);
	for (struct log_job *job;; jobs++) {
		uint64_t before = log_durable(log_under_test);
		assert_int_equal(log_write_begin(log_under_test, false, &job), 0);
		if (job == NULL)
			break;
		log_job_run(job);
		end_job(job);
		uint64_t frames = log_durable(log_under_test) - before;
		assert_true(frames >= 1 && frames * 15 * LOG_RECORD_SIZE_MAX <= LOG_ROUND_SIZE_MAX);
	}
	assert_true(jobs >= 4);
	assert_int_equal(log_durable(log_under_test), 7);
}

/* A chore that fails is not tried in vain again and again, but with the next segment; the log goes on. */
static void a_chore_that_failed_is_tried_again_with_the_next_segment(void **state)
{
	struct faulty_disk *faulty = faulty_disk_create(memory_disk_door(disk));
	log_close(log_under_test);
	log_under_test = script_open(faulty_disk_door(faulty));
	for (unsigned nth = 1; nth < 40; nth++) {
		struct log_job *job, *second;
		struct clog_error err = {0};
		script_fill(log_under_test, &model, &dice, segments() + 1, 3000);
		assert_int_equal(log_chore_begin(log_under_test, &job), 0);
		assert_non_null(job);
		faulty_disk_fail(faulty, FAULTY_ANY, 1 + nth % 9, -EIO, FAULTY_PARTLY);
		log_job_run(job);
		bool fired = faulty_disk_fired(faulty);
		faulty_disk_fail(faulty, FAULTY_ANY, 0, 0, FAULTY_ONCE);
		int rc = log_job_end(log_under_test, job, &err);
		assert_int_equal(rc, fired ? -EIO : 0);
		assert_true(!fired || err.text[0] != '\0');
		assert_int_equal(log_failure(log_under_test, NULL), 0);
		assert_int_equal(log_chore_begin(log_under_test, &second), 0);
		assert_true(second == NULL || !fired);
		if (second == NULL)
			continue;
		log_job_run(second);
		end_job(second);
	}
	script_fill(log_under_test, &model, &dice, segments() + 1, 3000);
	assert_true(script_chores(log_under_test) > 1);
	script_expect(&model, log_under_test);
	log_close(log_under_test);
	faulty_disk_destroy(faulty);
	log_under_test = script_open(memory_disk_door(disk));
	script_expect(&model, log_under_test);
}

static void what_a_chore_made_is_durable(void **state)
{
	const char *paths[] = {"log/00000000000000000001.index", "log/prepared.store"};
	size_t sizes[2], size;
	script_fill(log_under_test, &model, &dice, 2, 3000);
	script_chores(log_under_test);
	const uint64_t hash = memory_disk_hash(disk);
	for (unsigned i = 0; i < 2; i++)
		assert_non_null(memory_disk_bytes(disk, paths[i], &sizes[i]));
	lose_power();
	for (unsigned i = 0; i < 2; i++) {
		assert_non_null(memory_disk_bytes(disk, paths[i], &size));
		assert_int_equal(size, sizes[i]);
	}
	assert_true(memory_disk_hash(disk) == hash);
}

static void a_sync_while_a_job_writes_says_so(void **state)
{
	struct log_job *job;
	struct clog_error err = {0};
	const uint32_t size = 50;
	script_append(log_under_test, &model, script_frame(log_under_test, &dice, 1, &size, 1));
	assert_int_equal(log_write_begin(log_under_test, false, &job), 0);
	assert_int_equal(log_sync(log_under_test, &err), -EBUSY);
	assert_true(err.text[0] != '\0');
	log_job_run(job);
	end_job(job);
	assert_int_equal(log_sync(log_under_test, NULL), 0);
}

/* On a full disk the zeros of a segment that could not be prepared would be in the way of what is worth keeping. */
static void a_segment_half_prepared_is_removed(void **state)
{
	struct log_job *job;
	size_t size;
	script_append_one(log_under_test, &model, &dice, 100);
	memory_disk_set_room(disk, 8192);
	assert_int_equal(log_chore_begin(log_under_test, &job), 0);
	log_job_run(job);
	assert_int_equal(log_job_end(log_under_test, job, NULL), -ENOSPC);
	assert_null(memory_disk_bytes(disk, "log/prepared.store.new", &size));
	assert_null(memory_disk_bytes(disk, "log/prepared.store", &size));
	script_append_one(log_under_test, &model, &dice, 100);
	script_expect(&model, log_under_test);
}

/* ---- Jobs at once -------------------------------------------------------------------------------------------- */

/* A job that runs between two calls of another. */
struct nested {
	struct log_job *job;
	unsigned after; /* changes of the disk */
};

static void run_nested(struct memory_disk *on, enum memory_call call, const char *path, void *arg)
{
	struct nested *nested = arg;
	if (nested->job == NULL || nested->after-- > 0)
		return;
	struct log_job *job = nested->job;
	nested->job = NULL;
	log_job_run(job);
}

/* A write that rolls and a chore, one run in the midst of the other after so many calls. Returns whether it was. */
static bool run_nested_after(unsigned after, bool chore_inside, bool prepared)
{
	struct log_job *write, *chore;
	if (prepared)
		script_chores(log_under_test);
	script_fill(log_under_test, &model, &dice, segments() + 1, 3000);
	if (prepared)
		script_chores(log_under_test);
	while (segments() % 4 != 3)
		script_append(log_under_test, &model, one_record(2500));
	assert_int_equal(log_write_begin(log_under_test, false, &write), 0);
	assert_int_equal(log_chore_begin(log_under_test, &chore), 0);
	if (chore == NULL) {
		log_job_run(write);
		end_job(write);
		return false;
	}
	struct nested nested = {.job = chore_inside ? chore : write, .after = after};
	memory_disk_watch(disk, run_nested, &nested);
	log_job_run(chore_inside ? write : chore);
	memory_disk_watch(disk, NULL, NULL);
	bool was = nested.job == NULL;
	if (!was)
		log_job_run(nested.job);
	end_job(chore);
	end_job(write);
	return was;
}

static void a_chore_and_a_write_may_meet_at_any_moment(void **state)
{
	for (unsigned way = 0; way < 4; way++) {
		for (unsigned after = 0; after < 25; after++) {
			run_nested_after(after, way % 2 == 0, way / 2 == 0);
			lose_power();
			struct log_tail tail;
			log_tail(log_under_test, &tail);
			assert_int_equal(tail.entry, model.frame_count);
		}
	}
	script_expect(&model, log_under_test);
}

/* ---- On a thread, on real files ------------------------------------------------------------------------------ */

static void *run_job(void *arg)
{
	log_job_run(arg);
	return NULL;
}

static void *run_read(void *arg)
{
	log_read_run(arg, true);
	return NULL;
}

static int set_up_files(void **state)
{
	static char folder[FOLDER_PATH_SIZE];
	folder_enter(folder);
	*state = folder;
	dice_init(&dice, 12);
	log_under_test = script_open(log_disk_posix());
	return 0;
}

static int tear_down_files(void **state)
{
	log_close(log_under_test);
	folder_leave(*state);
	model_finish(&model);
	return 0;
}

/* While jobs and a read run on threads of their own, the owner appends, asks and reads. */
static void jobs_and_reads_run_on_other_threads(void **state)
{
	struct log_read read = {.kind = LOG_READ_STREAM, .size = 20000};
	for (unsigned round = 0; round < 100; round++) {
		struct log_job *jobs[2];
		pthread_t threads[3];
		struct clog_error err = {0};
		for (unsigned i = 0; i < 3; i++)
			script_append(log_under_test, &model, script_any_frame(log_under_test, &dice, 3000));
		assert_int_equal(log_write_begin(log_under_test, false, &jobs[0]), 0);
		assert_int_equal(log_chore_begin(log_under_test, &jobs[1]), 0);
		uint64_t end = model_stream_size(&model, log_durable(log_under_test));
		read.position = dice_below(&dice, end + 1);
		bool reading = log_read_begin(log_under_test, &read) == 0;
		assert_int_equal(reading, read.position < end);
		for (unsigned i = 0; i < 2; i++)
			if (jobs[i] != NULL)
				assert_int_equal(pthread_create(&threads[i], NULL, run_job, jobs[i]), 0);
		if (reading)
			assert_int_equal(pthread_create(&threads[2], NULL, run_read, &read), 0);
		for (unsigned i = 0; i < 3; i++)
			script_append(log_under_test, &model, script_any_frame(log_under_test, &dice, 500));
		if (model_check_queries(&model, log_under_test, &err) != 0)
			fail_msg("%s", err.text);
		for (uint64_t entry = 1; entry < model.frame_count; entry += 17)
			assert_int_equal(model_check_frame(&model, log_under_test, entry, &err), 0);
		for (unsigned i = 0; i < 2; i++) {
			if (jobs[i] == NULL)
				continue;
			assert_int_equal(pthread_join(threads[i], NULL), 0);
			end_job(jobs[i]);
		}
		if (!reading)
			continue;
		assert_int_equal(pthread_join(threads[2], NULL), 0);
		assert_int_equal(log_read_end(log_under_test, &read), 0);
		assert_memory_equal(read.data, model.stream + read.position, read.data_size);
	}
	log_read_finish(&read);
	script_sync(log_under_test);
	script_expect(&model, log_under_test);
}

static void real_files_hold_a_log(void **state)
{
	script_fill(log_under_test, &model, &dice, 6, 4000);
	script_chores(log_under_test);
	script_expect(&model, log_under_test);
	log_close(log_under_test);
	log_under_test = script_open(log_disk_posix());
	script_expect(&model, log_under_test);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_write_job_takes_what_was_appended_before_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_idle_log_writes_its_mark_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(there_is_one_chore_at_a_time_and_an_end_to_them, set_up, tear_down),
		cmocka_unit_test_setup_teardown(several_segments_may_be_written_by_one_job, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_round_is_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_chore_that_failed_is_tried_again_with_the_next_segment, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(what_a_chore_made_is_durable, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_sync_while_a_job_writes_says_so, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_segment_half_prepared_is_removed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_chore_and_a_write_may_meet_at_any_moment, set_up, tear_down),
		cmocka_unit_test_setup_teardown(jobs_and_reads_run_on_other_threads, set_up_files, tear_down_files),
		cmocka_unit_test_setup_teardown(real_files_hold_a_log, set_up_files, tear_down_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
