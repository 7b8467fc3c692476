/* model: what a log must hold, in plain arrays.
 *
 * Every frame that a test appends is noted here too; whatever the log then says is compared with it. */
#ifndef CLOG_TESTS_LOG_MODEL_H
#define CLOG_TESTS_LOG_MODEL_H

#include "error/error.h"
#include "log/log.h"

struct model_frame {
	struct log_header header;
	uint64_t first_record; /* its records, in records */
	size_t other;          /* the bytes of its one item, in others, when it is not of type LOG_RECORDS */
	uint32_t other_size;
};

struct model_record {
	uint64_t entry;
	uint64_t position; /* in the stream */
	uint32_t size;
};

struct model {
	struct model_frame *frames; /* entry e is frames[e - 1] */
	size_t frame_count, frame_capacity;
	struct model_record *records; /* by offset */
	size_t record_count, record_capacity;
	unsigned char *stream;
	size_t stream_size, stream_capacity;
	unsigned char *others;
	size_t other_size, other_capacity;
};

void model_finish(struct model *model);
/* Notes a closed frame, the one after the last. */
void model_note(struct model *model, const struct log_frame *frame);
/* Forgets what is after an entry. */
void model_cut(struct model *model, uint64_t last_entry);
/* Offsets and bytes of the stream that the entries up to this one have. */
uint64_t model_next_offset(const struct model *model, uint64_t entry);
uint64_t model_stream_size(const struct model *model, uint64_t entry);

/* ---- model_check.c: comparing. Each returns 0, or an error with the difference in err. -------------------------- */

/* What a read answers. -EILSEQ: a wrong answer; else the error of the log. wait false tries without waiting first. */
int model_check_record(const struct model *model, struct log *log, struct log_read *read, uint64_t offset, bool wait,
                       struct clog_error *err);
int model_check_stat(const struct model *model, struct log *log, struct log_read *read, uint64_t offset, bool wait,
                     struct clog_error *err);
/* Gives in *size how many bytes were served and right. */
int model_check_stream(const struct model *model, struct log *log, struct log_read *read, uint64_t position, bool wait,
                       uint32_t *size, struct clog_error *err);
int model_check_frame(const struct model *model, struct log *log, uint64_t entry, struct clog_error *err);
/* The log's tail, stat, runs of terms and configurations, against the model up to the log's tail. */
int model_check_queries(const struct model *model, struct log *log, struct clog_error *err);
/* All of the above: every frame up to the last durable one, every record, the whole stream. A step over 1 takes only
 * each so-manieth record. */
int model_check_all(const struct model *model, struct log *log, unsigned step, struct clog_error *err);

#endif
