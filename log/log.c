#include "log/state.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void log_file_path(char path[PATH_MAX], const char *folder, const char *name)
{
	int length = snprintf(path, PATH_MAX, "%s/%s", folder, name);
	assert(length > 0 && length < PATH_MAX);
}

struct log_segment *log_last_segment(const struct log *log)
{
	return log->segment_count > 0 ? log->segments[log->segment_count - 1] : NULL;
}

int log_reserve(void **array, size_t *capacity, size_t count, size_t element)
{
	if (count < *capacity)
		return 0;
	size_t wanted = *capacity == 0 ? 16 : *capacity * 2;
	void *grown = realloc(*array, wanted * element);
	if (grown == NULL)
		return -ENOMEM;
	*array = grown;
	*capacity = wanted;
	return 0;
}

int log_add_segment(struct log *log, struct log_segment *segment)
{
	int rc = log_reserve((void **)&log->segments, &log->segment_capacity, log->segment_count,
	                     sizeof *log->segments);
	if (rc == 0)
		log->segments[log->segment_count++] = segment;
	return rc;
}

int log_note_reserve(struct log *log)
{
	int rc = log_reserve((void **)&log->terms, &log->term_capacity, log->term_count, sizeof *log->terms);
	if (rc == 0)
		rc = log_reserve((void **)&log->configurations, &log->configuration_capacity, log->configuration_count,
		                 sizeof *log->configurations);
	return rc;
}

void log_note_entry(struct log *log, uint64_t entry, uint64_t term, enum log_type type)
{
	if (log->term_count == 0 || log->terms[log->term_count - 1].term != term)
		log->terms[log->term_count++].term = term;
	log->terms[log->term_count - 1].last_entry = entry;
	if (type == LOG_CONFIGURATION)
		log->configurations[log->configuration_count++] = entry;
}

void log_forget_entries(struct log *log, uint64_t last)
{
	struct log_tail base;
	log_base(log, &base);
	while (log->term_count > 0) {
		uint64_t before = log->term_count > 1 ? log->terms[log->term_count - 2].last_entry : base.entry;
		if (before < last) {
			struct log_term *run = &log->terms[log->term_count - 1];
			run->last_entry = run->last_entry < last ? run->last_entry : last;
			break;
		}
		log->term_count--;
	}
	while (log->configuration_count > 0 && log->configurations[log->configuration_count - 1] > last)
		log->configuration_count--;
	size_t kept = 0;
	for (size_t i = 0; i < log->damage_count; i++)
		if (log->damage[i].last_entry <= last)
			log->damage[kept++] = log->damage[i];
	log->damage_count = kept;
}

int log_note_damage(struct log *log, const struct log_damage *damage)
{
	for (size_t i = 0; i < log->damage_count; i++)
		if (log->damage[i].segment == damage->segment && log->damage[i].position == damage->position) {
			/* It may have grown. */
			if (log->damage[i].last_entry < damage->last_entry)
				log->damage[i] = *damage;
			return 0;
		}
	int rc = log_reserve((void **)&log->damage, &log->damage_capacity, log->damage_count, sizeof *log->damage);
	if (rc == 0)
		log->damage[log->damage_count++] = *damage;
	return rc;
}

void log_drop_segment(struct log *log, struct log_segment *segment)
{
	segment->gone = true;
	if (segment->pins == 0)
		segment_destroy(segment, log->disk);
}

struct log_segment *log_segment_of(const struct log *log, uint64_t entry)
{
	size_t low = 0, high = log->segment_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (log->segments[middle]->end.entry < entry)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == log->segment_count || log->segments[low]->base.entry >= entry)
		return NULL;
	return log->segments[low];
}

void log_tail(const struct log *log, struct log_tail *tail)
{
	*tail = log->tail;
}

/* Whether a frame goes into the last segment. One that is empty takes any. */
static bool fits_last(const struct log *log, uint32_t size)
{
	const struct log_segment *last = log_last_segment(log);
	return last != NULL && (last->position == STORE_FRAMES || (uint64_t)last->position + size <= log->segment_size);
}

int log_room(const struct log *log, uint32_t frame_size)
{
	if (log->failure.code != 0)
		return log->failure.code;
	if (log->read_only)
		return -EROFS;
	return fits_last(log, frame_size) || log->prepared || !log->no_space ? 0 : -ENOSPC;
}

/* Asks the log's user for its state, for the footer of a segment that is full now. */
static int take_state(struct log *log, struct log_segment *segment)
{
	const void *data = NULL;
	size_t size = 0;
	if (log->state_cb == NULL)
		return 0;
	log->state_cb(log->arg, &data, &size);
	assert(size <= LOG_STATE_SIZE_MAX);
	void *copy = malloc(size + 1);
	if (copy == NULL)
		return -ENOMEM;
	if (size > 0)
		memcpy(copy, data, size);
	free(segment->state);
	segment->state = copy;
	segment->state_size = (uint32_t)size;
	segment->has_state = size > 0;
	return 0;
}

uint64_t log_stateless(const struct log *log)
{
	for (size_t i = 0; i + 1 < log->segment_count; i++)
		if (!log->segments[i]->has_state)
			return log->segments[i]->end.entry;
	return 0;
}

int log_set_state(struct log *log, uint64_t entry, const void *data, size_t size)
{
	size_t i = 0;
	while (i + 1 < log->segment_count && log->segments[i]->end.entry != entry)
		i++;
	struct log_segment *segment = i + 1 < log->segment_count ? log->segments[i] : NULL;
	if (segment == NULL || segment->has_state || size == 0 || size > LOG_STATE_SIZE_MAX)
		return -EINVAL;
	segment->pins++;
	int rc = segment->sealed ? log_load_index(log, segment) : 0;
	segment->pins--;
	void *copy = rc == 0 ? malloc(size) : NULL;
	if (copy == NULL)
		return rc == 0 ? -ENOMEM : rc;
	memcpy(copy, data, size);
	free(segment->state);
	segment->state = copy;
	segment->state_size = (uint32_t)size;
	segment->has_state = true;
	/* Its index is written again, with the state. */
	if (segment->sealed && !log->read_only) {
		segment->sealed = false;
		log->unsealed_count++;
		log->chore_failed = false;
	}
	return 0;
}

/* The segment that takes a frame of that size: the last one, or a new one after it. */
static int segment_for(struct log *log, uint32_t size, struct log_segment **segment)
{
	struct log_segment *last = log_last_segment(log);
	*segment = last;
	if (fits_last(log, size))
		return 0;
	int rc = last == NULL ? 0 : take_state(log, last);
	struct log_segment *fresh = rc == 0 ? segment_create(&log->tail) : NULL;
	if (fresh == NULL)
		return -ENOMEM;
	rc = log_add_segment(log, fresh);
	if (rc != 0) {
		segment_destroy(fresh, log->disk);
		return rc;
	}
	if (last != NULL)
		log->unsealed_count++;
	log->chore_failed = false;
	*segment = fresh;
	return 0;
}

/* Frames are queued as they come and leave from the front; when the end of the array is reached, what is left moves to
 * its start, or the array grows. */
static int pending_reserve(struct log *log)
{
	if (log->pending_end < log->pending_capacity)
		return 0;
	size_t count = log->pending_end - log->pending_first;
	if (log->pending_first > count) {
		memmove(log->pending, log->pending + log->pending_first, count * sizeof *log->pending);
		log->pending_first = 0;
		log->pending_end = count;
		return 0;
	}
	return log_reserve((void **)&log->pending, &log->pending_capacity, log->pending_end, sizeof *log->pending);
}

int log_append(struct log *log, struct log_frame *frame, struct clog_error *err)
{
	const struct frame_header *header = frame_header(frame);
	if (log->failure.code != 0)
		return log_failure(log, err);
	int rc = log_room(log, header->shown.size);
	if (rc != 0)
		return clog_error_set(err, rc, "%s: %s", log->path, strerror(-rc));
	if (!frame_follows(header, &log->tail))
		return clog_error_set(err, -EINVAL, "a frame does not follow the log's last entry, %llu",
		                      (unsigned long long)log->tail.entry);
	struct log_segment *segment;
	rc = pending_reserve(log);
	if (rc == 0)
		rc = segment_for(log, header->shown.size, &segment);
	if (rc == 0)
		rc = log_note_reserve(log);
	if (rc == 0)
		rc = index_add(segment->index, header, frame_bytes(frame));
	if (rc != 0)
		return clog_error_set(err, rc, "no memory for an entry of the log");
	log_note_entry(log, header->shown.entry, header->shown.term, header->shown.type);
	frame_advance(header, &log->tail);
	log->pending[log->pending_end++] = (struct pending){
		.frame = log_frame_ref(frame), .segment = segment, .position = segment->position, .after = log->tail};
	segment->position += header->shown.size;
	segment->end = log->tail;
	return 0;
}

struct log_frame *log_pending_frame(const struct log *log, uint64_t entry)
{
	if (entry <= log->durable.entry || entry > log->tail.entry)
		return NULL;
	/* Entries in the queue follow each other, from the first one that is not durable. */
	return log->pending[log->pending_first + (entry - log->durable.entry - 1)].frame;
}

uint64_t log_durable(const struct log *log)
{
	return log->durable.entry;
}

int log_failure(const struct log *log, struct clog_error *err)
{
	if (log->failure.code != 0)
		clog_error_set(err, log->failure.code, "%s", log->failure.text);
	return log->failure.code;
}

void log_begin(const struct log *log, uint64_t *first_offset, uint64_t *stream_begin)
{
	const struct log_tail *tail = &log->tail;
	struct log_tail base;
	log_base(log, &base);
	*first_offset = base.next_offset;
	*stream_begin = base.stream_size;
	if (log->first_offset > base.next_offset) {
		/* After log_install_begin it may be past the end: records come, and are hidden. */
		bool within = log->first_offset <= tail->next_offset;
		*first_offset = within ? log->first_offset : tail->next_offset;
		*stream_begin = within ? log->first_stream : tail->stream_size;
	}
}

void log_stat(const struct log *log, struct log_stat *stat)
{
	struct log_tail base;
	log_base(log, &base);
	*stat = (struct log_stat){.first_entry = base.entry + 1, .segments = (uint32_t)log->segment_count};
	log_begin(log, &stat->first_offset, &stat->stream_begin);
	for (size_t i = 0; i < log->segment_count; i++)
		stat->bytes += log->segments[i]->position;
}

bool log_oldest(const struct log *log, struct log_oldest *oldest)
{
	if (log->segment_count < 2)
		return false;
	const struct log_segment *segment = log->segments[0];
	*oldest = (struct log_oldest){
		.next_offset = segment->end.next_offset, .bytes = segment->position, .time_ns = segment->end.time_ns};
	return true;
}

void log_base(const struct log *log, struct log_tail *base)
{
	*base = log->segment_count > 0 ? log->segments[0]->base : log->tail;
}

int log_after(const struct log *log, uint64_t entry, struct log_tail *tail)
{
	if (entry == log->durable.entry) {
		*tail = log->durable;
		return 0;
	}
	if (entry < log->durable.entry || entry > log->tail.entry)
		return -ENOENT;
	const struct pending *first = &log->pending[log->pending_first];
	assert(log_frame_header(first->frame)->entry == log->durable.entry + 1);
	*tail = first[entry - log->durable.entry - 1].after;
	return 0;
}

uint64_t log_configuration(const struct log *log, uint64_t entry)
{
	for (size_t i = log->configuration_count; i > 0; i--)
		if (log->configurations[i - 1] <= entry)
			return log->configurations[i - 1];
	return 0;
}

uint64_t log_term(const struct log *log, uint64_t entry)
{
	size_t low = 0, high = log->term_count;
	struct log_tail base;
	log_base(log, &base);
	/* Runs have no beginning: the first one would go for all that is below. */
	if (entry <= base.entry)
		return entry == base.entry ? base.term : 0;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (log->terms[middle].last_entry < entry)
			low = middle + 1;
		else
			high = middle;
	}
	return low < log->term_count ? log->terms[low].term : 0;
}

size_t log_terms(const struct log *log, const struct log_term **terms)
{
	*terms = log->terms;
	return log->term_count;
}

size_t log_damage(const struct log *log, const struct log_damage **damage)
{
	*damage = log->damage;
	return log->damage_count;
}
