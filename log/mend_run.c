/* Mending, on whatever thread: the store is read as it will be, and only when that is right is it written.
 *
 * The index goes first: one that is right while the store is still damaged does no harm, and one that is wrong would
 * hide what was mended after a crash. */
#include "log/job.h"
#include "log/recover.h"
#include "log/tail.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

/* A disk on which a store is already mended. Only what reading one needs. */
struct mended_disk {
	struct log_disk disk;
	const struct log_job *job;
};

static ssize_t mended_read(struct log_disk *disk, int handle, void *data, size_t size, uint64_t position, bool wait)
{
	const struct log_job *job = ((struct mended_disk *)disk)->job;
	uint64_t begin = job->mended.position, end = begin + job->data_size;
	ssize_t count = job->disk->read(job->disk, handle, data, size, position, wait);
	if (count < 0 || position >= end || position + size <= begin)
		return count;
	uint64_t from = position > begin ? position : begin, to = position + size < end ? position + size : end;
	/* The store may have been cut short. */
	if ((uint64_t)count < from - position)
		memset((unsigned char *)data + count, 0, (size_t)(from - position) - (size_t)count);
	memcpy((unsigned char *)data + (from - position), job->data + (from - begin), (size_t)(to - from));
	return (uint64_t)count > to - position ? count : (ssize_t)(to - position);
}

static int mended_size(struct log_disk *disk, int handle, uint64_t *size)
{
	const struct log_job *job = ((struct mended_disk *)disk)->job;
	uint64_t end = job->mended.position + job->data_size;
	int rc = job->disk->size(job->disk, handle, size);
	*size = rc == 0 && *size < end ? end : *size;
	return rc;
}

/* Damage where the frames are to be is no other's: they do not belong there. */
static int note(const struct log_damage *damage, void *arg)
{
	struct log_job *job = arg;
	if (damage->first_entry <= job->mended.last_entry && damage->last_entry >= job->mended.first_entry)
		return -EBADMSG;
	int rc = log_reserve((void **)&job->damage, &job->damage_capacity, job->damage_count, sizeof *job->damage);
	if (rc == 0)
		job->damage[job->damage_count++] = *damage;
	return rc;
}

/* Reads the store as it will be, which makes its index. */
static int read_mended(struct log_job *job, const char *path)
{
	struct mended_disk mended = {.disk = {.read = mended_read, .size = mended_size}, .job = job};
	struct recovery recovery = {.disk = &mended.disk,
	                            .handle = job->handle,
	                            .base = job->segment->base,
	                            .goal = job->goal,
	                            .goal_position = job->goal_position,
	                            .damage_cb = note,
	                            .arg = job};
	int rc = recover(&recovery);
	job->index = recovery.index;
	if (rc == -EBADMSG)
		return clog_error_set(&job->error, rc, "%s: entries %llu to %llu: these are not their frames", path,
		                      (unsigned long long)job->mended.first_entry,
		                      (unsigned long long)job->mended.last_entry);
	return rc == 0 ? 0 : job_fail(job, path, "reading", rc);
}

/* Checks that the frame after the mended ones follows them: a store that is read passes over what does not. Where that
 * frame's own header is lost, the one that is mended must be the one that stands there, whose header is whole. */
static int check_link(struct log_job *job, const char *path)
{
	unsigned char bytes[FRAME_HEADER_SIZE];
	struct frame_header header;
	if (job->mended.last_entry == job->goal.entry)
		return 0;
	ssize_t count = job->disk->read(job->disk, job->handle, bytes, sizeof bytes,
	                                job->mended.position + job->data_size, true);
	if (count == sizeof bytes && frame_decode_header(bytes, &header) == 0 && frame_follows(&header, &job->after))
		return 0;
	if (count >= 0)
		count = job->disk->read(job->disk, job->handle, bytes, sizeof bytes, job->mended.position, true);
	if (count < 0)
		return job_fail(job, path, "reading", (int)count);
	bool same = count == sizeof bytes && memcmp(bytes, job->data, sizeof bytes) == 0;
	if (same && job->mended.first_entry == job->mended.last_entry)
		return 0;
	return clog_error_set(&job->error, -EBADMSG, "%s: entry %llu does not follow what is to be mended", path,
	                      (unsigned long long)job->after.entry + 1);
}

/* Writes the index of a sealed segment, with the state that the one before it had. */
static int write_index(struct log_job *job)
{
	char path[PATH_MAX];
	struct index_footer before = {0};
	segment_path(path, job->folder, job->segment->base.entry + 1, LOG_SUFFIX_INDEX);
	int rc = index_load_footer(&before, job->disk, path);
	/* One that cannot be read for another reason than damage must not lose the state that is in it. */
	if (rc != 0 && rc != -ENOENT && rc != -EBADMSG)
		return job_fail(job, path, "reading the index", rc);
	if (rc == 0 && tail_same(&before.end, &job->footer.end)) {
		job->footer.state = before.state;
		job->footer.state_size = before.state_size;
		before.state = NULL;
	}
	index_footer_finish(&before);
	job->footer.position = job->index->end;
	rc = index_save(job->index, &job->footer, job->disk, job->folder, path);
	return rc == 0 ? 0 : job_fail(job, path, "writing the index", rc);
}

static int write_frames(struct log_job *job, const char *path)
{
	struct log_disk *disk = job->disk;
	struct log_tail head;
	int rc = store_read_head(disk, job->handle, &head);
	if (rc == -EBADMSG || (rc == 0 && !tail_same(&head, &job->segment->base)))
		rc = store_write_head(disk, job->handle, &job->segment->base);
	if (rc == 0)
		rc = disk->write(disk, job->handle, job->data, job->data_size, job->mended.position);
	if (rc == 0)
		rc = disk->sync(disk, job->handle);
	return rc == 0 ? 0 : job_fail(job, path, "mending", rc);
}

int job_run_mend(struct log_job *job)
{
	char path[PATH_MAX];
	segment_path(path, job->folder, job->segment->base.entry + 1, LOG_SUFFIX_STORE);
	job->handle = job->disk->open(job->disk, path, O_RDWR);
	if (job->handle < 0)
		return job_fail(job, path, "open", job->handle);
	int rc = read_mended(job, path);
	if (rc == 0)
		rc = check_link(job, path);
	if (rc == 0 && job->sealed)
		rc = write_index(job);
	if (rc == 0)
		rc = write_frames(job, path);
	job->disk->close(job->disk, job->handle);
	job->handle = -1;
	return rc;
}
