/* The work of a log that blocks. A job holds all that it needs: while it runs it looks at nothing of the log's but
 * what cannot change. */
#ifndef CLOG_LOG_JOB_H
#define CLOG_LOG_JOB_H

#include "log/state.h"

enum job_kind { JOB_WRITE, JOB_TRUNCATE, JOB_PREPARE, JOB_SEAL, JOB_TRIM, JOB_VERIFY, JOB_INSTALL, JOB_MEND };

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
	int handle; /* -1: the store has to be made */
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
	uint64_t reserve_size;
	struct clog_error error; /* the result; code 0 is success */

	/* JOB_WRITE */
	struct job_step *steps;
	size_t step_count, step_capacity;
	bool takes_prepared; /* one of the steps does; JOB_INSTALL: its store is made from the prepared file */
	struct job_piece *pieces;
	size_t piece_count, piece_capacity;

	/* JOB_SEAL: a complete segment, whose index does not change. JOB_TRUNCATE: the one that is cut. JOB_TRIM: the
	 * one that goes, or NULL. JOB_VERIFY: the one that is read. Pinned. */
	struct log_segment *segment;
	struct index_footer footer; /* JOB_SEAL; JOB_VERIFY: its state, when the index is made anew */

	/* JOB_TRUNCATE */
	struct log_segment **cut; /* wholly cut, highest first; not in the log any more */
	size_t cut_count;
	struct log_cell cell;
	struct store_mark mark; /* the new end */
	int handle;             /* of the store that is cut, opened by the job */

	/* JOB_INSTALL; of the fields above: segment, the new one; footer, the state; handle, of the new store; cell, of
	 * the base; of those below: base, first_offset, first_stream, stale_index. */
	uint64_t *old; /* first entries of the segments on the disk that go */
	size_t old_count;
	struct log_cell mark_cell; /* of the new store */

	/* JOB_TRIM */
	struct log_tail base;
	uint64_t first_offset, first_stream;
	uint64_t
		stale_index; /* first entry of the segment before the one that goes, whose index goes now; 0 for none */
	bool recycle;        /* the store becomes the prepared file */

	/* JOB_VERIFY, JOB_MEND */
	struct log_tail goal;
	uint64_t goal_position;
	bool sealed;             /* when it began: the index on the disk is checked too */
	struct log_index *index; /* made anew, when the one on the disk is damaged */
	struct log_damage *damage;
	size_t damage_count, damage_capacity;
	uint64_t mends; /* of the segment, when it began */

	/* JOB_MEND; of the fields above also: segment, footer, handle. damage is what is left in the segment. */
	struct log_damage mended;
	struct log_tail after; /* the log's end after the frames */
	unsigned char *data;   /* the frames */
	size_t data_size;
	struct log_term *terms; /* of the frames: their runs, and which of them are configurations */
	size_t term_count, term_capacity;
	uint64_t *configurations;
	size_t configuration_count, configuration_capacity;
};

/* What a log knows of its entries besides their frames. */
struct job_notes {
	struct log_term *terms;
	size_t term_count;
	uint64_t *configurations;
	size_t configuration_count;
};

/* Creates a job with what all kinds need. NULL without memory. */
struct log_job *job_create(struct log *log, enum job_kind kind);
void job_destroy(struct log_job *job);

/* What each kind does, in the thread that runs it. Each returns job->error.code. */
int job_run_write(struct log_job *job);
int job_run_prepare(struct log_job *job);
int job_run_seal(struct log_job *job);
int job_run_truncate(struct log_job *job);
int job_run_trim(struct log_job *job);
int job_run_verify(struct log_job *job);
int job_run_install(struct log_job *job);
int job_run_mend(struct log_job *job);

/* The ends of those that are not in job.c. */
void job_end_truncate(struct log *log, struct log_job *job);
void job_end_trim(struct log *log, struct log_job *job);
void job_end_verify(struct log *log, struct log_job *job);
void job_end_install(struct log *log, struct log_job *job);
void job_end_mend(struct log *log, struct log_job *job);

/* The footer of a segment that is complete, without the state: its part of the runs of terms and of the
 * configurations. -ENOMEM. */
int job_plan_footer(const struct job_notes *notes, const struct log_segment *segment, struct index_footer *footer);
/* A chore that deletes what was trimmed, or NULL in *job. -ENOMEM. */
int job_plan_trim(struct log *log, struct log_job **job);

/* Sets job->error: the file, what failed with it, and why. Returns the error. */
int job_fail(struct log_job *job, const char *path, const char *what, int rc);

#endif
