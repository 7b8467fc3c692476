#include "tests/fuzz/two_segments.h"

#include <assert.h>
#include <stdlib.h>

#include "tests/disk/dice.h"

static void append(struct log *log, struct model *model, struct dice *dice, enum log_type type, unsigned count)
{
	unsigned char bytes[1200];
	struct log_frame *frame;
	struct log_tail tail;
	log_tail(log, &tail);
	int rc = log_frame_create(&frame);
	for (unsigned i = 0; rc == 0 && i < count; i++) {
		dice_fill(dice, bytes, sizeof bytes);
		rc = log_frame_add(frame, bytes, dice_below(dice, i == 0 ? sizeof bytes : 100));
	}
	assert(rc == 0);
	const struct log_header header = {
		.term = 1 + tail.entry / 5, .type = type, .commit = tail.entry / 2, .time_ns = 1000 + tail.entry};
	log_frame_close(frame, &tail, &header);
	rc = log_append(log, frame, NULL);
	assert(rc == 0);
	model_note(model, frame);
	log_frame_unref(frame);
}

struct memory_disk *two_segments_create(struct model *model)
{
	struct memory_disk *disk = memory_disk_create();
	const struct log_options options = {
		.disk = memory_disk_door(disk), .path = "log", .segment_size = LOG_SEGMENT_SIZE_MIN};
	struct dice dice;
	struct log_stat stat;
	struct log_job *job;
	struct log *log;
	dice_init(&dice, 1);
	int rc = log_open(&log, &options, NULL);
	assert(rc == 0);
	for (log_stat(log, &stat); stat.segments < 2; log_stat(log, &stat)) {
		append(log, model, &dice, LOG_RECORDS, 5);
		append(log, model, &dice, LOG_CONFIGURATION, 1);
		append(log, model, &dice, LOG_RECORDS, 1);
		append(log, model, &dice, LOG_BARRIER, 0);
	}
	rc = log_sync(log, NULL);
	assert(rc == 0);
	for (rc = log_chore_begin(log, &job); rc == 0 && job != NULL; rc = log_chore_begin(log, &job)) {
		log_job_run(job);
		rc = log_job_end(log, job, NULL);
		assert(rc == 0);
	}
	log_close(log);
	return disk;
}
