/* Jobs on whatever thread runs them: files only. */
#include "log/job.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define PREPARE_PIECE (1u << 20)

int job_fail(struct log_job *job, const char *path, const char *what, int rc)
{
	return clog_error_set(&job->error, rc, "%s: %s failed: %s", path, what, strerror(-rc));
}

/* Opens the file that a new store is made from: the prepared one, or an empty one, under a name that is not yet the
 * store's. */
static int open_source(struct log_job *job, struct job_step *step, char source[PATH_MAX])
{
	if (step->prepared)
		log_file_path(source, job->folder, LOG_PREPARED);
	else
		segment_path(source, job->folder, step->base.entry + 1, LOG_SUFFIX_STORE LOG_SUFFIX_NEW);
	step->handle = job->disk->open(job->disk, source, step->prepared ? O_RDWR : O_RDWR | O_CREAT);
	if (step->handle < 0)
		return job_fail(job, source, "open", step->handle);
	unsigned char page[STORE_FRAMES];
	store_encode_page(page, &step->base, &step->cell);
	int rc = job->disk->write(job->disk, step->handle, page, sizeof page, 0);
	return rc == 0 ? 0 : job_fail(job, source, "write", rc);
}

static int write_step(struct log_job *job, struct job_step *step, const struct job_piece *pieces)
{
	struct log_disk *disk = job->disk;
	char path[PATH_MAX], source[PATH_MAX];
	int rc = step->create ? open_source(job, step, source) : 0;
	if (rc != 0)
		return rc;
	segment_path(path, job->folder, step->base.entry + 1, LOG_SUFFIX_STORE);
	for (size_t i = 0; i < step->piece_count; i++) {
		rc = disk->write(disk, step->handle, pieces[i].bytes, pieces[i].size, pieces[i].position);
		if (rc != 0)
			return job_fail(job, path, "write", rc);
	}
	if (step->marks) {
		rc = store_write_mark(disk, step->handle, &step->cell, &step->mark);
		if (rc != 0)
			return job_fail(job, path, "write", rc);
	}
	rc = disk->sync(disk, step->handle);
	if (rc != 0)
		return job_fail(job, path, "fdatasync", rc);
	if (!step->create)
		return 0;
	/* Only now, when it holds what it must, does the store get its name. */
	rc = disk->rename(disk, source, path);
	if (rc != 0)
		return job_fail(job, path, "rename", rc);
	rc = disk->sync_folder(disk, job->folder);
	return rc == 0 ? 0 : job_fail(job, job->folder, "fsync of the folder", rc);
}

/* The steps go in order, each synced before the next: a store is complete on disk before the one after it appears. */
int job_run_write(struct log_job *job)
{
	size_t piece = 0;
	for (size_t i = 0; i < job->step_count; i++) {
		struct job_step *step = &job->steps[i];
		int rc = write_step(job, step, step->piece_count > 0 ? &job->pieces[piece] : NULL);
		if (rc != 0)
			return rc;
		piece += step->piece_count;
	}
	return 0;
}

static int fill(struct log_job *job, int handle, const char *path)
{
	static unsigned char zeros[PREPARE_PIECE]; /* never written: no memory is taken for it */
	int rc = 0;
	for (uint64_t position = 0; rc == 0 && position < job->segment_size; position += PREPARE_PIECE) {
		uint64_t left = job->segment_size - position;
		rc = job->disk->write(job->disk, handle, zeros, left < PREPARE_PIECE ? left : PREPARE_PIECE, position);
	}
	if (rc != 0)
		return job_fail(job, path, "write", rc);
	rc = job->disk->sync(job->disk, handle);
	return rc == 0 ? 0 : job_fail(job, path, "fdatasync", rc);
}

int job_run_prepare(struct log_job *job)
{
	struct log_disk *disk = job->disk;
	char path[PATH_MAX], fresh[PATH_MAX];
	uint64_t space;
	log_file_path(path, job->folder, LOG_PREPARED);
	log_file_path(fresh, job->folder, LOG_PREPARED LOG_SUFFIX_NEW);
	int rc = disk->space == NULL ? 0 : disk->space(disk, job->folder, &space);
	if (rc == 0 && disk->space != NULL &&
	    (space < job->segment_size || space - job->segment_size < job->reserve_size))
		rc = -ENOSPC;
	if (rc != 0)
		return job_fail(job, path, "preparing", rc);
	int handle = disk->open(disk, fresh, O_RDWR | O_CREAT);
	if (handle < 0)
		return job_fail(job, fresh, "open", handle);
	rc = fill(job, handle, fresh);
	disk->close(disk, handle);
	if (rc != 0) {
		/* A half filled disk must not stay full of zeros that nobody wanted. */
		disk->remove(disk, fresh);
		return rc;
	}
	rc = disk->rename(disk, fresh, path);
	if (rc != 0)
		return job_fail(job, path, "rename", rc);
	rc = disk->sync_folder(disk, job->folder);
	return rc == 0 ? 0 : job_fail(job, job->folder, "fsync of the folder", rc);
}

int job_run_seal(struct log_job *job)
{
	char path[PATH_MAX];
	segment_path(path, job->folder, job->segment->base.entry + 1, LOG_SUFFIX_INDEX);
	int rc = index_save(job->segment->index, &job->footer, job->disk, job->folder, path);
	return rc == 0 ? 0 : job_fail(job, path, "writing the index", rc);
}
