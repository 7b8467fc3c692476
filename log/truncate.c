/* Cutting the tail.
 *
 * On the disk, in an order in which every step leaves a log that opens: the segments after the one that is cut are
 * deleted, the last one first; then the durable mark is lowered, and synced; only then is the first frame that is gone
 * overwritten, so that no start finds it again. */
#include "log/job.h"
#include "log/tail.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* The log's end just after an entry of a segment, which is pinned and whose index is in memory. */
static int tail_after(const struct log *log, const struct log_segment *segment, uint64_t entry, struct log_tail *tail)
{
	if (log_after(log, entry, tail) == 0 && entry > log->durable.entry)
		return 0;
	if (entry == segment->base.entry || entry == segment->end.entry) {
		*tail = entry == segment->base.entry ? segment->base : segment->end;
		return 0;
	}
	unsigned char bytes[FRAME_HEADER_SIZE];
	struct frame_header header;
	uint32_t position = segment->index->frames[entry - segment->base.entry - 1];
	ssize_t count = log->disk->read(log->disk, segment->handle, bytes, sizeof bytes, position, true);
	if (count < 0)
		return (int)count;
	if (count != sizeof bytes || frame_decode_header(bytes, &header) != 0 || header.shown.entry != entry)
		return -EBADMSG;
	*tail = (struct log_tail){.next_offset = header.shown.first_offset, .stream_size = header.shown.stream_size};
	frame_advance(&header, tail);
	return 0;
}

/* Takes the frames from an entry on out of the queue. */
static void drop_pending(struct log *log, uint64_t entry)
{
	while (log->pending_end > log->pending_first) {
		struct pending *last = &log->pending[log->pending_end - 1];
		if (last->after.entry < entry)
			return;
		log_frame_unref(last->frame);
		log->pending_end--;
	}
}

/* Moves the segments that are wholly cut from the log to the job, highest first. The first segment stays, if empty.
 * Tells whether one of them is on the disk. */
static int take_segments(struct log *log, struct log_job *job, uint64_t entry, bool *written)
{
	job->cut = calloc(log->segment_count, sizeof *job->cut);
	if (job->cut == NULL)
		return -ENOMEM;
	while (log->segment_count > 1 && log_last_segment(log)->base.entry + 1 >= entry) {
		job->cut[job->cut_count++] = log->segments[--log->segment_count];
		*written = *written || job->cut[job->cut_count - 1]->created;
		/* The one before it is the last one now, and not counted among the full. */
		if (!log_last_segment(log)->sealed)
			log->unsealed_count--;
	}
	return 0;
}

static void cut_segment(struct log *log, struct log_segment *segment, const struct log_tail *tail)
{
	struct log_index *index = segment->index;
	uint32_t frames = (uint32_t)(tail->entry - segment->base.entry);
	if (frames < index->frame_count)
		index->end = index->frames[frames];
	index->frame_count = frames;
	index->record_count = (uint32_t)(tail->next_offset - segment->base.next_offset);
	index->stream_size = (uint32_t)(tail->stream_size - segment->base.stream_size);
	segment->position = index->end;
	segment->end = *tail;
	segment->sealed = false;
	free(segment->state);
	segment->state = NULL;
	segment->has_state = false;
	log_forget_entries(log, tail->entry);
	memset(log->headers, 0, sizeof log->headers);
	log->cuts++;
	log->tail = *tail;
	if (log->durable.entry > tail->entry)
		log->durable = *tail;
}

/* A segment that was full when the log was opened becomes the one that is written: its mark was not needed so far. When
 * both slots are damaged, the new mark is the first. */
static int load_mark(const struct log *log, struct log_segment *segment)
{
	struct store_mark mark;
	if (!segment->created || segment->mark.generation > 0)
		return 0;
	int rc = store_read_mark(log->disk, segment->handle, &segment->mark, &mark);
	if (rc == 0)
		segment->marked = mark.tail.entry;
	return rc == -EBADMSG ? 0 : rc;
}

static struct log_segment *segment_to_cut(const struct log *log, uint64_t entry)
{
	size_t i = log->segment_count;
	while (i > 1 && log->segments[i - 1]->base.entry + 1 >= entry)
		i--;
	return log->segments[i - 1];
}

static int truncate_log(struct log *log, uint64_t entry, struct log_job *job)
{
	struct log_segment *segment = segment_to_cut(log, entry);
	struct log_tail tail;
	bool written = segment->created && log->durable.entry >= entry;
	job->segment = segment;
	segment->pins++;
	int rc = log_load_index(log, segment);
	if (rc == 0)
		rc = load_mark(log, segment);
	if (rc == 0)
		rc = tail_after(log, segment, entry - 1, &tail);
	/* Offsets that a trim has hidden must not be given again. */
	if (rc == 0 && tail.next_offset < log->first_offset)
		rc = -EINVAL;
	if (rc == 0)
		rc = take_segments(log, job, entry, &written);
	if (rc != 0) {
		segment->pins--;
		job->segment = NULL;
		return rc;
	}
	drop_pending(log, entry);
	cut_segment(log, segment, &tail);
	job->cell = segment->mark;
	job->mark = (struct store_mark){.tail = tail, .position = segment->position};
	/* What is only in memory needs nothing of the disk. */
	if (!written) {
		segment->pins--;
		job->segment = NULL;
	}
	return 0;
}

int log_truncate_begin(struct log *log, uint64_t entry, struct log_job **job, struct clog_error *err)
{
	*job = NULL;
	int rc = log_failure(log, err);
	if (rc != 0 || entry > log->tail.entry)
		return rc;
	if (log->write != NULL || log->chore != NULL || log->verify != NULL || log->mend != NULL)
		return clog_error_set(err, -EBUSY, "%s: a job is out", log->path);
	if (log->read_only)
		return clog_error_set(err, -EROFS, "%s: opened read-only", log->path);
	if (entry == 0 || entry <= log->segments[0]->base.entry)
		return clog_error_set(err, -EINVAL, "%s: entry %llu was trimmed", log->path, (unsigned long long)entry);
	struct log_job *made = job_create(log, JOB_TRUNCATE);
	rc = made == NULL ? -ENOMEM : truncate_log(log, entry, made);
	if (rc != 0) {
		if (made != NULL)
			job_destroy(made);
		return clog_error_set(err, rc, "%s: cannot be truncated at entry %llu: %s", log->path,
		                      (unsigned long long)entry, strerror(-rc));
	}
	log->chore_failed = false;
	log->write = made;
	if (made->segment == NULL)
		return log_job_end(log, made, err);
	*job = made;
	return 0;
}

/* ---- The run ---- */

static int delete_file(struct log_job *job, uint64_t first_entry, const char *suffix)
{
	char path[PATH_MAX];
	segment_path(path, job->folder, first_entry, suffix);
	int rc = job->disk->remove(job->disk, path);
	return rc == 0 || rc == -ENOENT ? 0 : job_fail(job, path, "deleting", rc);
}

static int delete_segments(struct log_job *job)
{
	for (size_t i = 0; i < job->cut_count; i++) {
		if (!job->cut[i]->created)
			continue;
		uint64_t first_entry = job->cut[i]->base.entry + 1;
		if (delete_file(job, first_entry, LOG_SUFFIX_STORE) != 0 ||
		    delete_file(job, first_entry, LOG_SUFFIX_INDEX) != 0)
			return job->error.code;
		int rc = job->disk->sync_folder(job->disk, job->folder);
		if (rc != 0)
			return job_fail(job, job->folder, "fsync of the folder", rc);
	}
	return 0;
}

static int lower_mark(struct log_job *job, const char *path)
{
	static const unsigned char zeros[FRAME_HEADER_SIZE];
	struct log_disk *disk = job->disk;
	int rc = 0;
	/* Twice: neither slot may name what is gone, or the other's rot would call for it. */
	for (int i = 0; rc == 0 && i < 2; i++) {
		rc = store_write_mark(disk, job->handle, &job->cell, &job->mark);
		if (rc == 0)
			rc = disk->sync(disk, job->handle);
	}
	if (rc == 0)
		rc = disk->write(disk, job->handle, zeros, sizeof zeros, job->mark.position);
	if (rc == 0)
		rc = disk->sync(disk, job->handle);
	return rc == 0 ? 0 : job_fail(job, path, "lowering the durable mark", rc);
}

int job_run_truncate(struct log_job *job)
{
	char path[PATH_MAX];
	uint64_t first_entry = job->segment->base.entry + 1;
	/* Its index goes before it can be wrong. */
	if (delete_segments(job) != 0 || delete_file(job, first_entry, LOG_SUFFIX_INDEX) != 0)
		return job->error.code;
	int rc = job->disk->sync_folder(job->disk, job->folder);
	if (rc != 0)
		return job_fail(job, job->folder, "fsync of the folder", rc);
	segment_path(path, job->folder, first_entry, LOG_SUFFIX_STORE);
	job->handle = job->disk->open(job->disk, path, O_RDWR);
	if (job->handle < 0)
		return job_fail(job, path, "open", job->handle);
	return lower_mark(job, path);
}

void job_end_truncate(struct log *log, struct log_job *job)
{
	log->write = NULL;
	for (size_t i = 0; i < job->cut_count; i++)
		log_drop_segment(log, job->cut[i]);
	struct log_segment *segment = job->segment;
	if (segment != NULL) {
		segment->pins--;
		segment->mark = job->cell;
		segment->marked = job->mark.tail.entry;
	}
	if (job->handle >= 0)
		log->disk->close(log->disk, job->handle);
	if (job->error.code != 0)
		log->failure = job->error;
}
