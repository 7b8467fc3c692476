/* Mending, on the owner's thread: what comes is checked as far as memory tells; what it changes is taken in. mend_run.c
 * does the rest. */
#include "log/job.h"
#include "log/tail.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool same_damage(const struct log_damage *a, const struct log_damage *b)
{
	return a->segment == b->segment && a->position == b->position && a->size == b->size &&
	       a->first_entry == b->first_entry && a->last_entry == b->last_entry &&
	       a->first_offset == b->first_offset && a->next_offset == b->next_offset;
}

/* The segment of a damage that the log knows; NULL when it does not. */
static struct log_segment *find_damaged(const struct log *log, const struct log_damage *damage)
{
	struct log_segment *segment = log_segment_of(log, damage->first_entry);
	for (size_t i = 0; i < log->damage_count; i++)
		if (same_damage(&log->damage[i], damage))
			return segment != NULL && segment->base.entry + 1 == damage->segment ? segment : NULL;
	return NULL;
}

/* ---- What comes --------------------------------------------------------------------------------------------------- */

/* Notes what the log must know of an entry besides its frame. */
static int note_entry(struct log_job *job, const struct log_header *header)
{
	int rc = log_reserve((void **)&job->terms, &job->term_capacity, job->term_count, sizeof *job->terms);
	if (rc == 0)
		rc = log_reserve((void **)&job->configurations, &job->configuration_capacity, job->configuration_count,
		                 sizeof *job->configurations);
	if (rc != 0)
		return rc;
	if (job->term_count == 0 || job->terms[job->term_count - 1].term != header->term)
		job->terms[job->term_count++].term = header->term;
	job->terms[job->term_count - 1].last_entry = header->entry;
	if (header->type == LOG_CONFIGURATION)
		job->configurations[job->configuration_count++] = header->entry;
	return 0;
}

/* Goes through the frames: every byte of each, and that each follows the one before. Of what is before the first, its
 * own header tells; whether that is so is seen when the store is read. */
static int check_frames(struct log_job *job)
{
	const struct log_tail *base = &job->segment->base;
	struct log_tail tail = {0};
	for (size_t position = 0; position < job->data_size;) {
		const unsigned char *bytes = job->data + position;
		size_t left = job->data_size - position;
		struct frame_header header;
		if (left < FRAME_HEADER_SIZE || frame_decode_header(bytes, &header) != 0 || header.shown.size > left)
			return -EBADMSG;
		if (position == 0)
			tail = (struct log_tail){.entry = job->mended.first_entry - 1,
			                         .term = job->mended.first_entry == base->entry + 1 ? base->term : 0,
			                         .next_offset = job->mended.first_offset,
			                         .stream_size = header.shown.stream_size,
			                         .chain = header.previous};
		if (position == 0 && job->mended.first_entry == base->entry + 1)
			tail = *base;
		if (!frame_follows(&header, &tail) || frame_check_body(bytes, &header) != 0)
			return -EBADMSG;
		frame_advance(&header, &tail);
		position += header.shown.size;
		int rc = note_entry(job, &header.shown);
		if (rc != 0)
			return rc;
	}
	job->after = tail;
	if (tail.entry != job->mended.last_entry || tail.next_offset != job->mended.next_offset)
		return -EBADMSG;
	return tail.entry < job->goal.entry || tail_same(&tail, &job->goal) ? 0 : -EBADMSG;
}

/* Whether the frames have the size of the place. Where the last frame of a full store is damaged, its end is not known
 * but by them. */
static bool fills_place(const struct log_job *job, bool is_last)
{
	const struct log_damage *mended = &job->mended;
	const struct log_index *index = job->segment->index;
	uint64_t end = mended->position + job->data_size, after = mended->last_entry - job->segment->base.entry;
	if (is_last)
		return end == (after < index->frame_count ? index->frames[after] : index->end);
	if (mended->last_entry == job->goal.entry)
		return end <= LOG_SEGMENT_SIZE_MAX + LOG_FRAME_SIZE_MAX;
	return end == mended->position + mended->size;
}

/* ---- Terms and configurations ------------------------------------------------------------------------------------- */

static void notes_finish(struct job_notes *notes)
{
	free(notes->terms);
	free(notes->configurations);
}

static void add_run(struct job_notes *notes, uint64_t last_entry, uint64_t term)
{
	if (notes->term_count == 0 || notes->terms[notes->term_count - 1].term != term)
		notes->terms[notes->term_count++].term = term;
	notes->terms[notes->term_count - 1].last_entry = last_entry;
}

/* What the log knows of its entries, and of the mended ones what their frames say: what was noted of them is a guess. */
static int join_notes(const struct log *log, const struct log_job *job, struct job_notes *notes)
{
	uint64_t first = job->mended.first_entry, last = job->mended.last_entry;
	struct log_tail base;
	log_base(log, &base);
	*notes = (struct job_notes){.terms = calloc(log->term_count + job->term_count + 2, sizeof *notes->terms),
	                            .configurations = calloc(log->configuration_count + job->configuration_count + 1,
	                                                     sizeof *notes->configurations)};
	if (notes->terms == NULL || notes->configurations == NULL) {
		notes_finish(notes);
		return -ENOMEM;
	}
	size_t i = 0;
	uint64_t run_first = base.entry + 1;
	for (; i < log->term_count && run_first < first; i++) {
		const struct log_term *run = &log->terms[i];
		add_run(notes, run->last_entry < first ? run->last_entry : first - 1, run->term);
		run_first = run->last_entry + 1;
	}
	for (size_t k = 0; k < job->term_count; k++)
		add_run(notes, job->terms[k].last_entry, job->terms[k].term);
	for (i = 0; i < log->term_count; i++)
		if (log->terms[i].last_entry > last)
			add_run(notes, log->terms[i].last_entry, log->terms[i].term);
	for (i = 0; i < log->configuration_count && log->configurations[i] < first; i++)
		notes->configurations[notes->configuration_count++] = log->configurations[i];
	for (size_t k = 0; k < job->configuration_count; k++)
		notes->configurations[notes->configuration_count++] = job->configurations[k];
	for (; i < log->configuration_count; i++)
		if (log->configurations[i] > last)
			notes->configurations[notes->configuration_count++] = log->configurations[i];
	return 0;
}

/* ---- Begin and end ------------------------------------------------------------------------------------------------ */

static int plan_mend(struct log *log, struct log_segment *segment, const struct log_damage *damage, const void *data,
                     size_t size, struct log_job *job)
{
	bool is_last = segment == log_last_segment(log);
	job->segment = segment;
	job->mended = *damage;
	job->goal = segment->end.entry <= log->durable.entry ? segment->end : log->durable;
	job->goal_position = is_last ? log_durable_position(log, segment) : 0;
	job->sealed = segment->sealed;
	job->data = malloc(size + 1);
	if (job->data == NULL)
		return -ENOMEM;
	memcpy(job->data, data, size);
	job->data_size = size;
	if (size == 0 || !fills_place(job, is_last))
		return -EBADMSG;
	struct job_notes notes;
	int rc = check_frames(job);
	if (rc == 0)
		rc = join_notes(log, job, &notes);
	if (rc != 0)
		return rc;
	rc = job_plan_footer(&notes, segment, &job->footer);
	notes_finish(&notes);
	/* It is the segment's; a sealed one has it in its footer. */
	job->footer.state = NULL;
	job->footer.state_size = 0;
	return rc;
}

static bool is_being_sealed(const struct log *log, const struct log_segment *segment)
{
	return log->chore != NULL && log->chore->kind == JOB_SEAL && log->chore->segment == segment;
}

int log_mend_begin(struct log *log, const struct log_damage *damage, const void *data, size_t size,
                   struct log_job **job, struct clog_error *err)
{
	*job = NULL;
	int rc = log_failure(log, err);
	if (rc != 0)
		return rc;
	if (log->read_only)
		return clog_error_set(err, -EROFS, "%s: opened read-only", log->path);
	struct log_segment *segment = find_damaged(log, damage);
	if (segment == NULL)
		return clog_error_set(err, -EINVAL, "%s: entries %llu to %llu are not known to be damaged", log->path,
		                      (unsigned long long)damage->first_entry, (unsigned long long)damage->last_entry);
	if (log->mend != NULL || is_being_sealed(log, segment))
		return clog_error_set(err, -EBUSY, "%s: a job is out", log->path);
	struct log_job *made = job_create(log, JOB_MEND);
	rc = made == NULL ? -ENOMEM : plan_mend(log, segment, damage, data, size, made);
	if (rc != 0) {
		if (made != NULL)
			job_destroy(made);
		return clog_error_set(err, rc, "%s: entries %llu to %llu cannot be mended: %s", log->path,
		                      (unsigned long long)damage->first_entry, (unsigned long long)damage->last_entry,
		                      rc == -EBADMSG ? "these are not their frames" : strerror(-rc));
	}
	segment->pins++;
	*job = log->mend = made;
	return 0;
}

/* Adds to the index that was made of the store what has been appended since. */
static int add_appended(struct log_index *index, const struct log_index *from)
{
	if (from == NULL || from->frame_count <= index->frame_count)
		return 0;
	int rc = index_reserve(index, from->frame_count - index->frame_count, from->record_count - index->record_count);
	if (rc != 0)
		return rc;
	while (index->frame_count < from->frame_count) {
		index->frames[index->frame_count] = from->frames[index->frame_count];
		index->frame_count++;
	}
	while (index->record_count < from->record_count) {
		index->records[index->record_count] = from->records[index->record_count];
		index->record_count++;
	}
	index->stream_size = from->stream_size;
	index->end = from->end;
	return 0;
}

static void take_notes(struct log *log, struct job_notes *notes)
{
	free(log->terms);
	free(log->configurations);
	log->terms = notes->terms;
	log->configurations = notes->configurations;
	log->term_count = log->term_capacity = notes->term_count;
	log->configuration_count = log->configuration_capacity = notes->configuration_count;
}

/* What is damaged in the segment is what reading it all has just told. */
static void take_damage(struct log *log, const struct log_job *job)
{
	size_t kept = 0;
	for (size_t i = 0; i < log->damage_count; i++)
		if (log->damage[i].segment != job->mended.segment)
			log->damage[kept++] = log->damage[i];
	for (size_t i = 0; i < job->damage_count; i++)
		log->damage[kept++] = job->damage[i];
	log->damage_count = kept;
}

static int take_mended(struct log *log, struct log_job *job)
{
	struct log_segment *segment = job->segment;
	struct job_notes notes;
	for (size_t i = 0; i < job->damage_count; i++) {
		int rc = log_reserve((void **)&log->damage, &log->damage_capacity, log->damage_count + i,
		                     sizeof *log->damage);
		if (rc != 0)
			return rc;
	}
	int rc = add_appended(job->index, segment->index);
	if (rc == 0)
		rc = join_notes(log, job, &notes);
	if (rc != 0)
		return rc;
	take_notes(log, &notes);
	take_damage(log, job);
	index_destroy(segment->index);
	segment->index = job->index;
	job->index = NULL;
	segment->position = segment->index->end;
	if (job->sealed && segment->sealed)
		segment->has_state = job->footer.state_size > 0;
	segment->mends++;
	log_let_go(log);
	return 0;
}

void job_end_mend(struct log *log, struct log_job *job)
{
	struct log_segment *segment = job->segment;
	log->mend = NULL;
	segment->pins--;
	if (segment->gone) {
		/* It was trimmed meanwhile: nothing is left to be mended. */
		job->error.code = 0;
		log_drop_segment(log, segment);
		return;
	}
	if (job->error.code == 0 && take_mended(log, job) != 0)
		clog_error_set(&job->error, -ENOMEM, "no memory for what was mended");
}
