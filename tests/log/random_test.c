/* Random operations on a log, against a model of plain arrays. */
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
#include "tests/log/script.h"

#define READS_MAX 4

/* A log in use: jobs and reads begun and not ended. */
struct play {
	struct memory_disk *disk;
	struct log *log;
	struct model model;
	struct dice dice;
	uint32_t segment_size;
	struct log_job *write, *chore;
	bool write_ran, chore_ran;
	struct log_read reads[READS_MAX];
	bool reading[READS_MAX];
	struct memory_disk *snapshot; /* the disk at a moment before a crash */
	unsigned snapshot_in;         /* so many changes of the disk before that moment */
};

static void open_it(struct play *play)
{
	play->log = script_open_sized(memory_disk_door(play->disk), play->segment_size);
}

static void check(int rc, const struct clog_error *err)
{
	if (rc != 0)
		fail_msg("%s", err->text);
}

static void append(struct play *play)
{
	uint32_t size_max = dice_once_in(&play->dice, 50) ? 40000 : dice_once_in(&play->dice, 4) ? 4000 : 300;
	script_append(play->log, &play->model, script_any_frame(play->log, &play->dice, size_max));
}

/* A frame that does not follow is refused, and changes nothing. */
static void append_wrong(struct play *play)
{
	struct log_tail tail, wrong, after;
	log_tail(play->log, &tail);
	wrong = tail;
	switch (dice_below(&play->dice, 4)) {
	case 0:
		wrong.entry++;
		break;
	case 1:
		wrong.next_offset++;
		break;
	case 2:
		wrong.chain++;
		break;
	default:
		wrong.entry += 2;
		wrong.term++;
	}
	struct log_frame *frame;
	assert_int_equal(log_frame_create(&frame), 0);
	log_frame_close(frame, &wrong, &(struct log_header){.term = wrong.term, .type = LOG_BARRIER});
	assert_int_equal(log_append(play->log, frame, NULL), -EINVAL);
	log_frame_unref(frame);
	log_tail(play->log, &after);
	script_expect_tail(&tail, &after);
}

static void begin_job(struct play *play)
{
	if (dice_once_in(&play->dice, 2)) {
		struct log_job *job;
		assert_int_equal(log_write_begin(play->log, dice_once_in(&play->dice, 3), &job), 0);
		assert_true(play->write == NULL || job == NULL);
		if (job != NULL) {
			play->write = job;
			play->write_ran = false;
		}
	} else {
		struct log_job *job;
		assert_int_equal(log_chore_begin(play->log, &job), 0);
		assert_true(play->chore == NULL || job == NULL);
		if (job != NULL) {
			play->chore = job;
			play->chore_ran = false;
		}
	}
}

static void go_on(struct play *play, struct log_job **job, bool *ran)
{
	struct clog_error err = {0};
	if (*job == NULL)
		return;
	if (!*ran) {
		log_job_run(*job);
		*ran = true;
		return;
	}
	check(log_job_end(play->log, *job, &err), &err);
	*job = NULL;
}

static void end_jobs(struct play *play)
{
	while (play->write != NULL)
		go_on(play, &play->write, &play->write_ran);
	while (play->chore != NULL)
		go_on(play, &play->chore, &play->chore_ran);
}

static void ask(struct play *play, struct log_read *read)
{
	uint64_t durable = log_durable(play->log);
	uint64_t offsets = model_next_offset(&play->model, durable), bytes = model_stream_size(&play->model, durable);
	read->kind = (enum log_read_kind)dice_below(&play->dice, 3);
	read->offset = dice_below(&play->dice, offsets + 2);
	read->position = dice_below(&play->dice, bytes + 2);
	read->size = 1 + (uint32_t)dice_below(&play->dice, dice_once_in(&play->dice, 10) ? LOG_READ_SIZE_MAX : 3000);
	if (dice_once_in(&play->dice, 3) && offsets > 10)
		read->offset = offsets - 1 - dice_below(&play->dice, 10);
}

/* Begins a read and leaves it, so that appends, seals and other reads happen before it runs. */
static void begin_read(struct play *play)
{
	unsigned i = (unsigned)dice_below(&play->dice, READS_MAX);
	struct log_read *read = &play->reads[i];
	uint64_t durable = log_durable(play->log);
	if (play->reading[i])
		return;
	ask(play, read);
	bool there = read->kind == LOG_READ_STREAM ? read->position < model_stream_size(&play->model, durable)
	                                           : read->offset < model_next_offset(&play->model, durable);
	assert_int_equal(log_read_begin(play->log, read), there ? 0 : -ENOENT);
	play->reading[i] = there;
}

static void compare(const struct play *play, const struct log_read *read)
{
	if (read->kind == LOG_READ_STREAM) {
		assert_true(read->data_size > 0 && read->data_size <= read->size);
		assert_true(read->position + read->data_size <= play->model.stream_size);
		assert_memory_equal(read->data, play->model.stream + read->position, read->data_size);
		return;
	}
	const struct model_record *record = &play->model.records[read->offset];
	assert_int_equal(read->record.offset, read->offset);
	assert_int_equal(read->record.entry, record->entry);
	assert_int_equal(read->record.size, record->size);
	if (read->kind == LOG_READ_STAT)
		return;
	assert_int_equal(read->data_size, record->size);
	if (record->size > 0)
		assert_memory_equal(read->data, play->model.stream + record->position, record->size);
}

static void end_read(struct play *play, unsigned i)
{
	struct log_read *read = &play->reads[i];
	if (!play->reading[i])
		return;
	bool cold = dice_once_in(&play->dice, 4);
	if (cold)
		memory_disk_set_resident(play->disk, (size_t)dice_below(&play->dice, 2000), 1);
	log_read_run(read, false);
	memory_disk_set_resident(play->disk, SIZE_MAX, UINT32_MAX);
	assert_true(read->status == 0 || read->status == -EAGAIN);
	if (read->status == -EAGAIN)
		log_read_run(read, true);
	assert_int_equal(log_read_end(play->log, read), 0);
	play->reading[i] = false;
	compare(play, read);
}

static void read_frame(struct play *play)
{
	struct clog_error err = {0};
	struct log_tail tail;
	struct log_frame *frame;
	log_tail(play->log, &tail);
	uint64_t entry = dice_below(&play->dice, tail.entry + 2);
	if (entry == 0 || entry > tail.entry)
		assert_int_equal(log_read_frame(play->log, entry, &frame, &err), -ENOENT);
	else
		check(model_check_frame(&play->model, play->log, entry, &err), &err);
}

static void finish_all(struct play *play)
{
	for (unsigned i = 0; i < READS_MAX; i++)
		end_read(play, i);
	end_jobs(play);
}

static void take_snapshot(struct memory_disk *disk, enum memory_call call, const char *path, void *arg)
{
	struct play *play = arg;
	if (play->snapshot == NULL && play->snapshot_in-- == 0)
		play->snapshot = memory_disk_clone(disk);
}

static void crash_disk(struct play *play)
{
	size_t sectors = memory_disk_sectors(play->disk), changes = memory_disk_changes(play->disk);
	unsigned char *fates = calloc(sectors + 1, 1);
	bool *kept = calloc(changes + 1, sizeof *kept);
	assert_non_null(fates);
	assert_non_null(kept);
	for (size_t i = 0; i < sectors; i++)
		fates[i] = (unsigned char)dice_below(&play->dice, MEMORY_ZEROED + 1);
	for (size_t i = 0; i < changes; i++)
		kept[i] = dice_once_in(&play->dice, 2);
	memory_disk_crash(play->disk, fates, kept);
	free(fates);
	free(kept);
}

static void opened(struct play *play, uint64_t durable)
{
	struct log_tail tail;
	open_it(play);
	log_tail(play->log, &tail);
	assert_true(tail.entry >= durable && tail.entry <= play->model.frame_count);
	assert_int_equal(log_durable(play->log), tail.entry);
	model_cut(&play->model, tail.entry);
	struct clog_error err = {0};
	check(model_check_queries(&play->model, play->log, &err), &err);
}

static void reopen(struct play *play)
{
	finish_all(play);
	script_sync(play->log);
	log_close(play->log);
	assert_int_equal(memory_disk_handles(play->disk), 0);
	opened(play, play->model.frame_count);
}

/* The disk goes on from a moment in the midst of the jobs that are under way, with what a crash leaves of it. */
static void crash(struct play *play)
{
	uint64_t durable = log_durable(play->log);
	play->snapshot_in = (unsigned)dice_below(&play->dice, 6);
	memory_disk_watch(play->disk, take_snapshot, play);
	finish_all(play);
	script_sync(play->log);
	if (play->snapshot == NULL)
		play->snapshot = memory_disk_clone(play->disk);
	log_close(play->log);
	memory_disk_destroy(play->disk);
	play->disk = play->snapshot;
	play->snapshot = NULL;
	crash_disk(play);
	opened(play, durable);
}

static void ask_questions(struct play *play)
{
	struct log_tail tail, after;
	log_tail(play->log, &tail);
	assert_int_equal(tail.entry, play->model.frame_count);
	assert_int_equal(tail.next_offset, play->model.record_count);
	assert_int_equal(tail.stream_size, play->model.stream_size);
	uint64_t durable = log_durable(play->log), entry = dice_below(&play->dice, tail.entry + 2);
	int rc = log_after(play->log, entry, &after);
	assert_int_equal(rc, entry >= durable && entry <= tail.entry ? 0 : -ENOENT);
	if (rc == 0) {
		assert_int_equal(after.entry, entry);
		assert_int_equal(after.next_offset, model_next_offset(&play->model, entry));
		assert_int_equal(after.stream_size, model_stream_size(&play->model, entry));
		assert_int_equal(after.term, entry == 0 ? 0 : play->model.frames[entry - 1].header.term);
	}
}

static void step(struct play *play)
{
	unsigned choice = (unsigned)dice_below(&play->dice, 1000);
	if (choice < 260)
		append(play);
	else if (choice < 270)
		append_wrong(play);
	else if (choice < 400)
		begin_job(play);
	else if (choice < 530)
		go_on(play, &play->write, &play->write_ran);
	else if (choice < 600)
		go_on(play, &play->chore, &play->chore_ran);
	else if (choice < 720)
		begin_read(play);
	else if (choice < 840)
		end_read(play, (unsigned)dice_below(&play->dice, READS_MAX));
	else if (choice < 900)
		read_frame(play);
	else if (choice < 980)
		ask_questions(play);
	else if (choice < 990 && play->write == NULL)
		script_sync(play->log);
	else if (choice < 994)
		reopen(play);
	else
		crash(play);
}

static void random_operations_agree_with_arrays(void **state)
{
	uint64_t seed = dice_seed("random");
	unsigned rounds = 3, steps = dice_soak() ? 100000 : 15000;
	for (unsigned round = 0; round < rounds; round++) {
		struct play play = {.disk = memory_disk_create()};
		dice_init(&play.dice, seed + round);
		play.segment_size = LOG_SEGMENT_SIZE_MIN << dice_below(&play.dice, 4);
		open_it(&play);
		for (unsigned i = 0; i < steps; i++)
			step(&play);
		finish_all(&play);
		script_sync(play.log);
		script_expect(&play.model, play.log);
		reopen(&play);
		script_expect(&play.model, play.log);
		struct log_stat stat;
		log_stat(play.log, &stat);
		printf("random: seed %lu: %u steps, %zu entries, %zu records, %u segments\n",
		       (unsigned long)(seed + round), steps, play.model.frame_count, play.model.record_count,
		       stat.segments);
		log_close(play.log);
		for (unsigned i = 0; i < READS_MAX; i++)
			log_read_finish(&play.reads[i]);
		memory_disk_destroy(play.disk);
		model_finish(&play.model);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_operations_agree_with_arrays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
