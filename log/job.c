/* Jobs on the owner's thread: taking them out of the log and their results in. */
#include "log/job.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct log_job *job_create(struct log *log, enum job_kind kind)
{
	struct log_job *job = calloc(1, sizeof *job);
	if (job == NULL)
		return NULL;
	job->kind = kind;
	job->disk = log->disk;
	job->folder = log->path;
	job->segment_size = log->segment_size;
	job->reserve_size = log->reserve_size;
	job->handle = -1;
	return job;
}

void job_destroy(struct log_job *job)
{
	index_footer_finish(&job->footer);
	free(job->steps);
	free(job->pieces);
	free(job->cut);
	free(job->old);
	index_destroy(job->index);
	free(job->damage);
	free(job->data);
	free(job->terms);
	free(job->configurations);
	free(job);
}

/* The durable mark names what was durable before this job: it is written under the sync that the new frames need
 * anyway. */
static void plan_mark(const struct log *log, struct job_step *step, uint32_t position)
{
	const struct log_segment *segment = step->segment;
	if (log->durable.entry <= segment->marked)
		return;
	step->marks = true;
	step->mark = (struct store_mark){.tail = log->durable, .position = position};
}

static int plan_step(struct log *log, struct log_job *job, struct log_segment *segment, uint32_t position)
{
	int rc = log_reserve((void **)&job->steps, &job->step_capacity, job->step_count, sizeof *job->steps);
	if (rc != 0)
		return rc;
	struct job_step *step = &job->steps[job->step_count++];
	*step = (struct job_step){.segment = segment,
	                          .base = segment->base,
	                          .handle = segment->handle,
	                          .create = !segment->created,
	                          .cell = segment->mark};
	if (step->create) {
		step->prepared = log->prepared;
		job->takes_prepared = job->takes_prepared || log->prepared;
		log->prepared = false;
	} else {
		plan_mark(log, step, position);
	}
	return 0;
}

static int plan_write(struct log *log, struct log_job *job)
{
	uint64_t size = 0;
	for (size_t i = log->pending_first; i < log->pending_end; i++) {
		const struct pending *pending = &log->pending[i];
		uint32_t frame_size = log_frame_header(pending->frame)->size;
		if (size > 0 && size + frame_size > LOG_ROUND_SIZE_MAX)
			break;
		size += frame_size;
		int rc = log_reserve((void **)&job->pieces, &job->piece_capacity, job->piece_count,
		                     sizeof *job->pieces);
		if (rc == 0 && (job->step_count == 0 || job->steps[job->step_count - 1].segment != pending->segment))
			rc = plan_step(log, job, pending->segment, pending->position);
		if (rc != 0)
			return rc;
		job->pieces[job->piece_count++] = (struct job_piece){
			.bytes = frame_bytes(pending->frame), .size = frame_size, .position = pending->position};
		job->steps[job->step_count - 1].piece_count++;
	}
	return 0;
}

int log_write_begin(struct log *log, bool idle, struct log_job **job)
{
	*job = NULL;
	if (log->failure.code != 0)
		return log->failure.code;
	struct log_segment *last = log_last_segment(log);
	bool frames = log->pending_first < log->pending_end;
	bool behind = last != NULL && last->created && log->durable.entry > last->marked;
	if (log->write != NULL || (!frames && !(idle && behind)))
		return 0;
	struct log_job *made = job_create(log, JOB_WRITE);
	if (made == NULL)
		return -ENOMEM;
	bool prepared = log->prepared;
	int rc = frames ? plan_write(log, made) : plan_step(log, made, last, last->position);
	if (rc != 0) {
		log->prepared = prepared;
		job_destroy(made);
		return rc;
	}
	*job = log->write = made;
	return 0;
}

int job_plan_footer(const struct job_notes *notes, const struct log_segment *segment, struct index_footer *footer)
{
	*footer = (struct index_footer){.base = segment->base, .end = segment->end, .position = segment->position};
	footer->terms = calloc(notes->term_count + 1, sizeof *footer->terms);
	footer->configurations = calloc(notes->configuration_count + 1, sizeof *footer->configurations);
	if (footer->terms == NULL || footer->configurations == NULL)
		return -ENOMEM;
	uint64_t first = segment->base.entry + 1, last = segment->end.entry;
	for (size_t i = 0; i < notes->term_count; i++) {
		struct log_term run = notes->terms[i];
		uint64_t run_first = i == 0 ? 1 : notes->terms[i - 1].last_entry + 1;
		if (run.last_entry < first || run_first > last)
			continue;
		run.last_entry = run.last_entry < last ? run.last_entry : last;
		footer->terms[footer->term_count++] = run;
	}
	for (size_t i = 0; i < notes->configuration_count; i++)
		if (notes->configurations[i] >= first && notes->configurations[i] <= last)
			footer->configurations[footer->configuration_count++] = notes->configurations[i];
	return 0;
}

/* The last segment that is full and durable, but not sealed. */
static struct log_segment *unsealed(const struct log *log)
{
	if (log->unsealed_count == 0)
		return NULL;
	for (size_t i = log->segment_count - 1; i > 0; i--) {
		struct log_segment *segment = log->segments[i - 1];
		/* The index of one that is being mended is about to change. */
		bool mending = log->mend != NULL && log->mend->segment == segment;
		if (!segment->sealed && !mending && segment->end.entry <= log->durable.entry)
			return segment;
	}
	return NULL;
}

static int plan_seal(struct log *log, struct log_segment *segment, struct log_job **job)
{
	struct log_job *made = job_create(log, JOB_SEAL);
	const struct job_notes notes = {log->terms, log->term_count, log->configurations, log->configuration_count};
	int rc = made == NULL ? -ENOMEM : job_plan_footer(&notes, segment, &made->footer);
	if (rc != 0) {
		if (made != NULL)
			job_destroy(made);
		return rc;
	}
	/* Borrowed while the job is out. */
	made->footer.state = segment->state;
	made->footer.state_size = segment->state_size;
	segment->pins++;
	made->segment = segment;
	*job = made;
	return 0;
}

static int plan_prepare(struct log *log, struct log_job **job)
{
	/* While a write job makes a store of the prepared file, another must not take that name. */
	bool taken = log->write != NULL && log->write->takes_prepared;
	if (log->prepared || taken)
		return 0;
	*job = job_create(log, JOB_PREPARE);
	return *job == NULL ? -ENOMEM : 0;
}

int log_chore_begin(struct log *log, struct log_job **job)
{
	*job = NULL;
	if (log->chore != NULL || log->chore_failed || log->failure.code != 0 || log->read_only)
		return 0;
	/* Files of what is cut or thrown away are still to be deleted, by names that a chore might write anew. */
	if (log->write != NULL && log->write->kind != JOB_WRITE)
		return 0;
	struct log_segment *segment = unsealed(log);
	int rc = segment != NULL ? plan_seal(log, segment, job) : job_plan_trim(log, job);
	if (rc == 0 && *job == NULL)
		rc = plan_prepare(log, job);
	if (rc == 0)
		log->chore = *job;
	return rc;
}

void log_chore_retry(struct log *log)
{
	/* A write that failed for another reason is not tried again. */
	if (log->no_space)
		log->chore_failed = false;
}

bool log_job_writes(const struct log_job *job)
{
	return job->kind == JOB_WRITE || job->kind == JOB_TRUNCATE || job->kind == JOB_INSTALL;
}

void log_job_run(struct log_job *job)
{
	static int (*const run[])(struct log_job * job) = {
		[JOB_WRITE] = job_run_write,     [JOB_TRUNCATE] = job_run_truncate, [JOB_PREPARE] = job_run_prepare,
		[JOB_SEAL] = job_run_seal,       [JOB_TRIM] = job_run_trim,         [JOB_VERIFY] = job_run_verify,
		[JOB_INSTALL] = job_run_install, [JOB_MEND] = job_run_mend};
	run[job->kind](job);
}

static void end_write(struct log *log, struct log_job *job)
{
	log->write = NULL;
	bool failed = job->error.code != 0;
	for (size_t i = 0; i < job->step_count; i++) {
		struct job_step *step = &job->steps[i];
		/* Also after a failure: the handle is closed with the segment. */
		step->segment->handle = step->handle;
		if (failed)
			continue;
		step->segment->created = true;
		step->segment->mark = step->cell;
		if (step->marks)
			step->segment->marked = step->mark.tail.entry;
	}
	if (failed) {
		log->failure = job->error;
		return;
	}
	for (size_t i = 0; i < job->piece_count; i++) {
		struct pending *pending = &log->pending[log->pending_first++];
		log->durable = pending->after;
		log_frame_unref(pending->frame);
	}
}

static void end_seal(struct log *log, struct log_job *job)
{
	struct log_segment *segment = job->segment;
	segment->pins--;
	job->footer.state = NULL;
	/* With a state that was given meanwhile it is sealed once more. */
	if (job->error.code != 0 || segment->state_size != job->footer.state_size)
		return;
	free(segment->state);
	segment->state = NULL;
	segment->sealed = true;
	log->unsealed_count--;
	log_let_go(log);
}

static void end_chore(struct log *log, struct log_job *job)
{
	log->chore = NULL;
	log->chore_failed = job->error.code != 0;
	if (job->kind == JOB_SEAL) {
		end_seal(log, job);
	} else if (job->kind == JOB_TRIM) {
		job_end_trim(log, job);
	} else {
		log->prepared = job->error.code == 0;
		log->no_space = job->error.code == -ENOSPC;
	}
}

int log_job_end(struct log *log, struct log_job *job, struct clog_error *err)
{
	assert(job == log->write || job == log->chore || job == log->verify || job == log->mend);
	if (job->kind == JOB_WRITE)
		end_write(log, job);
	else if (job->kind == JOB_TRUNCATE)
		job_end_truncate(log, job);
	else if (job->kind == JOB_INSTALL)
		job_end_install(log, job);
	else if (job->kind == JOB_MEND)
		job_end_mend(log, job);
	else if (job->kind == JOB_VERIFY)
		job_end_verify(log, job);
	else
		end_chore(log, job);
	int code = job->error.code;
	if (code != 0)
		clog_error_set(err, code, "%s", job->error.text);
	job_destroy(job);
	return code;
}

int log_sync(struct log *log, struct clog_error *err)
{
	if (log->failure.code != 0)
		return log_failure(log, err);
	if (log->write != NULL)
		return clog_error_set(err, -EBUSY, "%s: a job is writing", log->path);
	for (;;) {
		struct log_job *job;
		int rc = log_write_begin(log, false, &job);
		if (rc != 0)
			return clog_error_set(err, rc, "%s: cannot be written: %s", log->path, strerror(-rc));
		if (job == NULL)
			return 0;
		log_job_run(job);
		rc = log_job_end(log, job, err);
		if (rc != 0)
			return rc;
	}
}
