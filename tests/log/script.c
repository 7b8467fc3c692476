#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/log/script.h"

struct log *script_open(struct log_disk *disk)
{
	return script_open_sized(disk, LOG_SEGMENT_SIZE_MIN);
}

struct log *script_open_sized(struct log_disk *disk, uint32_t segment_size)
{
	const struct log_options options = {.disk = disk, .path = "log", .segment_size = segment_size};
	struct clog_error err = {0};
	struct log *log;
	if (log_open(&log, &options, &err) != 0)
		fail_msg("log_open: %s", err.text);
	return log;
}

/* No two frames have the same time, as none would in a life of its own. */
static uint64_t next_time(void)
{
	static uint64_t time_ns = 1700000000000000000u;
	return time_ns += 1001;
}

static struct log_frame *close_frame(struct log *log, struct log_frame *frame, uint64_t term, enum log_type type)
{
	struct log_tail tail;
	log_tail(log, &tail);
	const struct log_header header = {
		.term = term, .type = type, .commit = tail.entry > 3 ? tail.entry - 3 : 0, .time_ns = next_time()};
	log_frame_close(frame, &tail, &header);
	return frame;
}

struct log_frame *script_frame(struct log *log, struct dice *dice, uint64_t term, const uint32_t *sizes, uint32_t count)
{
	struct log_frame *frame;
	assert_int_equal(log_frame_create(&frame), 0);
	for (uint32_t i = 0; i < count; i++) {
		unsigned char *bytes = malloc(sizes[i] + 1);
		assert_non_null(bytes);
		dice_fill(dice, bytes, sizes[i]);
		assert_int_equal(log_frame_add(frame, bytes, sizes[i]), 0);
		free(bytes);
	}
	return close_frame(log, frame, term, LOG_RECORDS);
}

struct log_frame *script_other_frame(struct log *log, struct dice *dice, uint64_t term, enum log_type type,
                                     uint32_t size)
{
	unsigned char *bytes = malloc(size + 1);
	struct log_frame *frame;
	assert_non_null(bytes);
	assert_int_equal(log_frame_create(&frame), 0);
	dice_fill(dice, bytes, size);
	if (size > 0)
		assert_int_equal(log_frame_add(frame, bytes, size), 0);
	free(bytes);
	return close_frame(log, frame, term, type);
}

struct log_frame *script_any_frame(struct log *log, struct dice *dice, uint32_t size_max)
{
	uint32_t sizes[64], count = 1 + (uint32_t)dice_below(dice, dice_once_in(dice, 4) ? 64 : 6), left = size_max;
	struct log_tail tail;
	log_tail(log, &tail);
	uint64_t term = tail.term + (tail.term == 0 || dice_once_in(dice, 12));
	if (tail.term != term)
		return script_other_frame(log, dice, term, LOG_BARRIER, 0);
	if (dice_once_in(dice, 6)) {
		enum log_type type = (enum log_type)(LOG_CONTROL + dice_below(dice, 3));
		return script_other_frame(log, dice, term, type, (uint32_t)dice_below(dice, size_max / 2 + 1));
	}
	for (uint32_t i = 0; i < count; i++) {
		uint32_t most = dice_once_in(dice, 5) ? left : left / 16;
		sizes[i] = dice_once_in(dice, 10) ? 0 : (uint32_t)dice_below(dice, most + 1);
		left -= sizes[i];
	}
	return script_frame(log, dice, term, sizes, count);
}

void script_append(struct log *log, struct model *model, struct log_frame *frame)
{
	struct clog_error err = {0};
	if (log_append(log, frame, &err) != 0)
		fail_msg("log_append: %s", err.text);
	if (model != NULL)
		model_note(model, frame);
	log_frame_unref(frame);
}

void script_append_one(struct log *log, struct model *model, struct dice *dice, uint32_t size)
{
	struct log_tail tail;
	log_tail(log, &tail);
	script_append(log, model, script_frame(log, dice, tail.term == 0 ? 1 : tail.term, &size, 1));
	script_sync(log);
}

void script_fill(struct log *log, struct model *model, struct dice *dice, uint32_t segments, uint32_t size_max)
{
	struct log_stat stat;
	for (log_stat(log, &stat); stat.segments < segments; log_stat(log, &stat)) {
		script_append(log, model, script_any_frame(log, dice, size_max));
		script_sync(log);
	}
}

void script_sync(struct log *log)
{
	struct clog_error err = {0};
	if (log_sync(log, &err) != 0)
		fail_msg("log_sync: %s", err.text);
}

static bool run(struct log *log, struct log_job *job)
{
	struct clog_error err = {0};
	if (job == NULL)
		return false;
	log_job_run(job);
	if (log_job_end(log, job, &err) != 0)
		fail_msg("log_job_end: %s", err.text);
	return true;
}

void script_mark(struct log *log)
{
	struct log_job *job;
	do
		assert_int_equal(log_write_begin(log, true, &job), 0);
	while (run(log, job));
}

unsigned script_chores(struct log *log)
{
	struct log_job *job;
	unsigned count = 0;
	for (;; count++) {
		assert_int_equal(log_chore_begin(log, &job), 0);
		if (!run(log, job))
			return count;
	}
}

void script_expect_tail(const struct log_tail *is, const struct log_tail *must)
{
	assert_int_equal(is->entry, must->entry);
	assert_int_equal(is->term, must->term);
	assert_int_equal(is->next_offset, must->next_offset);
	assert_int_equal(is->stream_size, must->stream_size);
	assert_int_equal(is->time_ns, must->time_ns);
	assert_int_equal(is->chain, must->chain);
}

void script_expect(const struct model *model, struct log *log)
{
	struct clog_error err = {0};
	if (model_check_all(model, log, 1, &err) != 0)
		fail_msg("%s", err.text);
}
