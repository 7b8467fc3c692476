/* Verifying: a segment is read from its beginning, as if its index had to be made anew. */
#include "log/job.h"
#include "log/recover.h"
#include "log/tail.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>

int log_verify_begin(struct log *log, uint64_t entry, struct log_job **job, uint64_t *next)
{
	*job = NULL;
	*next = 0;
	if (log->verify != NULL || log->segment_count == 0)
		return 0;
	size_t i = log->segment_count;
	while (i > 1 && log->segments[i - 1]->base.entry >= entry)
		i--;
	struct log_segment *segment = log->segments[i - 1];
	if (!segment->created)
		return 0;
	struct log_job *made = job_create(log, JOB_VERIFY);
	if (made == NULL)
		return -ENOMEM;
	bool whole = segment->end.entry <= log->durable.entry;
	made->goal = whole ? segment->end : log->durable;
	made->goal_position = i < log->segment_count ? 0 : log_durable_position(log, segment);
	made->sealed = segment->sealed;
	made->segment = segment;
	made->mends = segment->mends;
	segment->pins++;
	*next = i < log->segment_count ? log->segments[i]->base.entry + 1 : 0;
	*job = log->verify = made;
	return 0;
}

static int note(const struct log_damage *damage, void *arg)
{
	struct log_job *job = arg;
	int rc = log_reserve((void **)&job->damage, &job->damage_capacity, job->damage_count, sizeof *job->damage);
	if (rc == 0)
		job->damage[job->damage_count++] = *damage;
	return rc;
}

/* A store whose damage cannot be told apart is damaged as a whole. */
static int note_whole(struct log_job *job)
{
	const struct log_tail *base = &job->segment->base;
	return note(&(struct log_damage){.segment = base->entry + 1,
	                                 .position = STORE_FRAMES,
	                                 .first_entry = base->entry + 1,
	                                 .last_entry = job->goal.entry,
	                                 .first_offset = base->next_offset,
	                                 .next_offset = job->goal.next_offset},
	            job);
}

/* Checks the index on the disk, whose state outlives the rest of it. -EBADMSG when it has to be made anew; what only
 * keeps it from being read is another error: the state in it must not be lost for that. */
static int check_index(struct log_job *job)
{
	char path[PATH_MAX];
	struct index_footer footer = {0};
	struct log_index *index;
	segment_path(path, job->folder, job->segment->base.entry + 1, LOG_SUFFIX_INDEX);
	int rc = index_load_footer(&footer, job->disk, path);
	bool fits = rc == 0 && tail_same(&footer.base, &job->segment->base) && tail_same(&footer.end, &job->goal);
	if (rc == 0)
		rc = fits ? index_load(&index, job->disk, path) : -EBADMSG;
	if (rc == 0)
		index_destroy(index);
	if (fits && rc == -EBADMSG && footer.state_size > 0)
		job->footer = footer;
	else
		index_footer_finish(&footer);
	return rc == -ENOENT ? -EBADMSG : rc;
}

int job_run_verify(struct log_job *job)
{
	char path[PATH_MAX];
	struct log_tail head;
	const struct log_segment *segment = job->segment;
	segment_path(path, job->folder, segment->base.entry + 1, LOG_SUFFIX_STORE);
	int handle = job->disk->open(job->disk, path, O_RDONLY);
	if (handle < 0)
		return job_fail(job, path, "open", handle);
	struct recovery recovery = {.disk = job->disk,
	                            .handle = handle,
	                            .base = segment->base,
	                            .goal = job->goal,
	                            .goal_position = job->goal_position,
	                            .damage_cb = note,
	                            .arg = job};
	int rc = store_read_head(job->disk, handle, &head);
	if (rc == 0 && !tail_same(&head, &segment->base))
		rc = -EBADMSG;
	if (rc == 0)
		rc = recover(&recovery);
	job->disk->close(job->disk, handle);
	if (rc == -EBADMSG) {
		rc = note_whole(job);
	} else if (rc == 0 && job->sealed) {
		rc = check_index(job);
		if (rc == -EBADMSG) {
			job->index = recovery.index;
			recovery.index = NULL;
			rc = 0;
		}
	}
	index_destroy(recovery.index);
	return rc == 0 ? 0 : job_fail(job, path, "verifying", rc);
}

void job_end_verify(struct log *log, struct log_job *job)
{
	log->verify = NULL;
	struct log_segment *segment = job->segment;
	segment->pins--;
	if (segment->gone) {
		/* It was trimmed meanwhile: what is wrong with it is of no matter. */
		job->error.code = 0;
		log_drop_segment(log, segment);
		return;
	}
	/* What was mended meanwhile may have been read before. */
	if (segment->mends != job->mends)
		return;
	/* An index that is damaged is no loss: the one that was just made is sealed in its place. */
	if (job->index != NULL && segment->sealed && segment != log_last_segment(log)) {
		index_destroy(segment->index);
		segment->index = job->index;
		free(segment->state);
		segment->state = job->footer.state;
		segment->state_size = job->footer.state_size;
		segment->has_state = segment->state_size > 0;
		job->footer.state = NULL;
		segment->position = job->index->end;
		segment->sealed = false;
		log->unsealed_count++;
		job->index = NULL;
	}
	for (size_t i = 0; i < job->damage_count && job->error.code == 0; i++)
		if (log_note_damage(log, &job->damage[i]) != 0)
			clog_error_set(&job->error, -ENOMEM, "no memory to note damage");
}
