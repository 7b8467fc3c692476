/* The work of a log that blocks. A job holds all that it needs: while it runs it looks at nothing of the log's but
 * what cannot change. */
#ifndef CLOG_LOG_JOB_H
#define CLOG_LOG_JOB_H

#include "log/state.h"

enum job_kind { JOB_WRITE, JOB_PREPARE, JOB_SEAL };

/* Bytes to write at a position of a store. */
struct job_piece {
	const unsigned char *bytes; /* of a frame that the queue of pending ones holds */
	uint32_t size;
	uint32_t position;
};

/* What is written to one store, followed by one sync. */
struct job_step {
	struct log_segment *segment;
	struct log_tail base;
	int handle;    /* -1: the store has to be made */
	bool create;
	bool prepared; /* made from the prepared file */
	bool marks;    /* the durable mark is written too */
	struct log_cell cell;
	struct store_mark mark;
	size_t piece_count;
};

struct log_job {
	enum job_kind kind;
	struct log_disk *disk;
	const char *folder;
	uint32_t segment_size;
	struct clog_error error; /* the result; code 0 is success */

	/* JOB_WRITE */
	struct job_step *steps;
	size_t step_count, step_capacity;
	bool takes_prepared; /* one of the steps does */
	struct job_piece *pieces;
	size_t piece_count, piece_capacity;

	/* JOB_SEAL */
	struct log_segment *segment; /* pinned; complete, so that its index does not change */
	struct index_footer footer;
};

/* What each kind does, in the thread that runs it. Each returns job->error.code. */
int job_run_write(struct log_job *job);
int job_run_prepare(struct log_job *job);
int job_run_seal(struct log_job *job);

#endif
