/* Trimming the head: what is below an offset is hidden at once; whole segments go by chores, the lowest first.
 *
 * The file LOG_BASE is durable before a store is deleted: it tells a start where the log begins. Of the last segment
 * that went the index stays: its footer has the state of the log's user where the log begins. */
#include "log/bytes.h"
#include "log/job.h"
#include "log/tail.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where a record begins in the joined stream. */
static int stream_of_offset(struct log *log, uint64_t offset, uint64_t *stream)
{
	if (offset == log->durable.next_offset) {
		*stream = log->durable.stream_size;
		return 0;
	}
	size_t i = log->segment_count;
	while (log->segments[i - 1]->base.next_offset > offset)
		i--;
	struct log_segment *segment = log->segments[i - 1];
	segment->pins++;
	int rc = log_load_index(log, segment);
	if (rc == 0)
		*stream = segment->base.stream_size +
		          segment->index->records[offset - segment->base.next_offset].stream;
	segment->pins--;
	return rc;
}

int log_trim(struct log *log, uint64_t offset, struct clog_error *err)
{
	struct log_stat stat;
	log_stat(log, &stat);
	if (log->read_only)
		return clog_error_set(err, -EROFS, "%s: opened read-only", log->path);
	if (offset > log->durable.next_offset)
		return clog_error_set(err, -EINVAL, "%s: cannot be trimmed to %llu: the next offset is %llu", log->path,
		                      (unsigned long long)offset, (unsigned long long)log->durable.next_offset);
	if (offset <= stat.first_offset)
		return 0;
	uint64_t stream;
	int rc = stream_of_offset(log, offset, &stream);
	if (rc != 0)
		return clog_error_set(err, rc, "%s: cannot be trimmed to %llu: %s", log->path,
		                      (unsigned long long)offset, strerror(-rc));
	log->first_offset = offset;
	log->first_stream = stream;
	log->chore_failed = false;
	return 0;
}

/* Whether everything in a segment is below the lowest offset that is shown. One without records is, only when it is
 * strictly below: what was not asked to go stays. */
static bool is_trimmed(const struct log *log, const struct log_segment *segment)
{
	return segment->base.next_offset < log->first_offset && segment->end.next_offset <= log->first_offset;
}

int job_plan_trim(struct log *log, struct log_job **job)
{
	struct log_segment *first = log->segment_count > 1 ? log->segments[0] : NULL;
	/* The state at its end is what the log then begins with. */
	bool known = first != NULL && (first->has_state || log->state_cb == NULL);
	bool goes = known && first->sealed && is_trimmed(log, first);
	if (!goes && log->first_offset == log->kept_first_offset)
		return 0;
	struct log_job *made = job_create(log, JOB_TRIM);
	if (made == NULL)
		return -ENOMEM;
	made->cell = log->base;
	made->base = goes ? log->segments[1]->base : log->segments[0]->base;
	made->first_offset = log->first_offset;
	made->first_stream = log->first_stream;
	if (goes) {
		bool taken = log->write != NULL && log->write->takes_prepared;
		made->segment = first;
		made->recycle = !log->prepared && !taken && first->pins == 0;
		made->stale_index = log->stale_index;
		first->pins++;
		memmove(log->segments, log->segments + 1, --log->segment_count * sizeof *log->segments);
	}
	*job = made;
	return 0;
}

/* Deletes the store, or makes it the prepared file: what is in it has no meaning for the next segment. */
static int remove_store(struct log_job *job)
{
	char path[PATH_MAX], prepared[PATH_MAX];
	segment_path(path, job->folder, job->segment->base.entry + 1, LOG_SUFFIX_STORE);
	log_file_path(prepared, job->folder, LOG_PREPARED);
	int rc = job->recycle ? job->disk->rename(job->disk, path, prepared) : job->disk->remove(job->disk, path);
	/* Of a store that is gone already nothing is made. */
	if (rc != 0)
		job->recycle = false;
	return rc == 0 || rc == -ENOENT ? 0 : job_fail(job, path, "deleting", rc);
}

static int remove_stale_index(struct log_job *job)
{
	char path[PATH_MAX];
	if (job->stale_index == 0)
		return 0;
	segment_path(path, job->folder, job->stale_index, LOG_SUFFIX_INDEX);
	int rc = job->disk->remove(job->disk, path);
	return rc == 0 || rc == -ENOENT ? 0 : job_fail(job, path, "deleting", rc);
}

int job_run_trim(struct log_job *job)
{
	unsigned char value[LOG_BASE_SIZE];
	char path[PATH_MAX];
	log_file_path(path, job->folder, LOG_BASE);
	tail_encode(value, &job->base);
	put_u64(value + TAIL_SIZE, job->first_offset);
	put_u64(value + TAIL_SIZE + 8, job->first_stream);
	int rc = log_cell_save(job->disk, job->folder, path, &job->cell, value, sizeof value, &job->error);
	if (rc != 0 || job->segment == NULL)
		return rc;
	if (remove_store(job) != 0 || remove_stale_index(job) != 0)
		return job->error.code;
	rc = job->disk->sync_folder(job->disk, job->folder);
	return rc == 0 ? 0 : job_fail(job, job->folder, "fsync of the folder", rc);
}

/* Damage in a segment that is gone is of no matter. */
static void forget_damage(struct log *log, const struct log_segment *segment)
{
	size_t kept = 0;
	for (size_t i = 0; i < log->damage_count; i++)
		if (log->damage[i].segment != segment->base.entry + 1)
			log->damage[kept++] = log->damage[i];
	log->damage_count = kept;
}

void job_end_trim(struct log *log, struct log_job *job)
{
	log->base = job->cell;
	struct log_segment *segment = job->segment;
	if (segment != NULL) {
		log->stale_index = segment->base.entry + 1;
		segment->pins--;
		forget_damage(log, segment);
		log_drop_segment(log, segment);
		/* Entries of terms and configurations below the base are not asked for any more; they are few and
		 * stay. */
	}
	if (job->error.code != 0) {
		/* Whether the base is on the disk is not known: nothing more can be trimmed by this process. */
		log->failure = job->error;
		return;
	}
	log->kept_first_offset = job->first_offset;
	log->no_space = false;
	log->prepared = log->prepared || job->recycle;
}
