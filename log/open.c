#include "log/state.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_DIGITS 20u

/* What the folder holds. */
struct listing {
	uint64_t *first_entries; /* of the stores */
	size_t count, capacity;
	char **leftovers; /* files that were being made when the log's owner died */
	size_t leftover_count, leftover_capacity;
	bool prepared;
	struct clog_error *err;
	const char *path;
};

static int corrupt(struct clog_error *err, const char *path, const char *what)
{
	return clog_error_set(err, -EBADMSG, "%s: corrupt: %s", path, what);
}

static int failed(struct clog_error *err, const char *path, int rc)
{
	if (rc == -EPROTONOSUPPORT)
		return clog_error_set(err, rc, "%s: written in a newer format than this version knows", path);
	return clog_error_set(err, rc, "%s: %s", path, strerror(-rc));
}

static bool ends_with(const char *name, const char *suffix)
{
	size_t length = strlen(name), size = strlen(suffix);
	return length >= size && strcmp(name + length - size, suffix) == 0;
}

/* Reads the number of a name "<20 digits><suffix>". */
static bool parse_name(const char *name, const char *suffix, uint64_t *first_entry)
{
	if (strlen(name) != NAME_DIGITS + strlen(suffix) || !ends_with(name, suffix) ||
	    strspn(name, "0123456789") != NAME_DIGITS)
		return false;
	errno = 0;
	*first_entry = strtoull(name, NULL, 10);
	return errno == 0 && *first_entry > 0;
}

/* Whether the name is one that the log gives a file while it makes it. */
static bool is_leftover(const char *name)
{
	uint64_t first_entry;
	return strcmp(name, LOG_PREPARED LOG_SUFFIX_NEW) == 0 ||
	       parse_name(name, LOG_SUFFIX_STORE LOG_SUFFIX_NEW, &first_entry) ||
	       parse_name(name, LOG_SUFFIX_INDEX LOG_SUFFIX_NEW, &first_entry);
}

/* Names that are not the log's are left alone. */
static int list_name(const char *name, void *arg)
{
	struct listing *listing = arg;
	uint64_t first_entry;
	if (is_leftover(name)) {
		if (log_reserve((void **)&listing->leftovers, &listing->leftover_capacity, listing->leftover_count,
		                sizeof *listing->leftovers) != 0)
			return -ENOMEM;
		char *copy = strdup(name);
		if (copy == NULL)
			return -ENOMEM;
		listing->leftovers[listing->leftover_count++] = copy;
	} else if (strcmp(name, LOG_PREPARED) == 0) {
		listing->prepared = true;
	} else if (parse_name(name, LOG_SUFFIX_STORE, &first_entry)) {
		if (log_reserve((void **)&listing->first_entries, &listing->capacity, listing->count,
		                sizeof *listing->first_entries) != 0)
			return -ENOMEM;
		listing->first_entries[listing->count++] = first_entry;
	} else if ((ends_with(name, LOG_SUFFIX_STORE) || ends_with(name, LOG_SUFFIX_INDEX)) &&
	           !parse_name(name, LOG_SUFFIX_INDEX, &first_entry)) {
		return clog_error_set(listing->err, -EINVAL, "%s/%s: not the name of a segment's file", listing->path, name);
	}
	return 0;
}

static void listing_finish(struct listing *listing)
{
	for (size_t i = 0; i < listing->leftover_count; i++)
		free(listing->leftovers[i]);
	free(listing->leftovers);
	free(listing->first_entries);
}

static int remove_leftovers(struct log *log, const struct listing *listing, struct clog_error *err)
{
	char path[PATH_MAX];
	for (size_t i = 0; i < listing->leftover_count; i++) {
		if (snprintf(path, sizeof path, "%s/%s", log->path, listing->leftovers[i]) >= (int)sizeof path)
			return failed(err, log->path, -ENAMETOOLONG);
		int rc = log->disk->remove(log->disk, path);
		if (rc != 0)
			return failed(err, path, rc);
	}
	return 0;
}

static int compare_entries(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
	return left < right ? -1 : left > right;
}

/* Adds the segment whose store has that name. Only the last one's handle stays open. */
static int add_store(struct log *log, uint64_t first_entry, bool last, struct clog_error *err)
{
	char path[PATH_MAX];
	int rc = segment_path(path, sizeof path, log->path, first_entry, LOG_SUFFIX_STORE);
	if (rc != 0)
		return failed(err, log->path, rc);
	int handle = log->disk->open(log->disk, path, O_RDWR);
	if (handle < 0)
		return failed(err, path, handle);
	struct log_tail base;
	rc = store_read_head(log->disk, handle, &base);
	if (rc == -EBADMSG)
		corrupt(err, path, "its head is not valid");
	else if (rc != 0)
		failed(err, path, rc);
	else if (base.entry + 1 != first_entry)
		rc = corrupt(err, path, "its head names another first entry than its name");
	struct log_segment *segment = rc == 0 ? segment_create(&base) : NULL;
	if (rc == 0)
		rc = segment == NULL ? -ENOMEM : log_add_segment(log, segment);
	if (rc == -ENOMEM)
		failed(err, path, rc);
	if (rc != 0 || !last)
		log->disk->close(log->disk, handle);
	if (rc != 0) {
		segment_destroy(segment, log->disk);
		return rc;
	}
	segment->handle = last ? handle : -1;
	segment->created = true;
	return 0;
}

static int note_header(const struct frame_header *header, void *arg)
{
	struct log *log = arg;
	int rc = log_note_reserve(log);
	if (rc == 0)
		log_note_entry(log, header->shown.entry, header->shown.term, header->shown.type);
	return rc;
}

/* Takes what a valid footer tells. Its terms and configurations are the log's own words, checked by its checksum. */
static int take_footer(struct log *log, struct log_segment *segment, const struct index_footer *footer)
{
	for (uint32_t i = 0; i < footer->term_count; i++) {
		int rc = log_note_reserve(log);
		if (rc != 0)
			return rc;
		log_note_entry(log, footer->terms[i].last_entry, footer->terms[i].term, LOG_RECORDS);
	}
	for (uint32_t i = 0; i < footer->configuration_count; i++) {
		int rc = log_note_reserve(log);
		if (rc != 0)
			return rc;
		log->configurations[log->configuration_count++] = footer->configurations[i];
	}
	segment->position = footer->position;
	segment->sealed = true;
	index_destroy(segment->index);
	segment->index = NULL;
	return 0;
}

/* Makes the index of a full segment from its store. */
static int rebuild_full(struct log *log, struct log_segment *segment, struct clog_error *err)
{
	char path[PATH_MAX];
	segment_path(path, sizeof path, log->path, segment->base.entry + 1, LOG_SUFFIX_STORE);
	int handle = log->disk->open(log->disk, path, O_RDWR);
	if (handle < 0)
		return failed(err, path, handle);
	struct log_index *index;
	uint64_t position;
	int rc = segment_rebuild(&index, log->disk, handle, &segment->base, &segment->end, note_header, log, &position);
	log->disk->close(log->disk, handle);
	if (rc == -EBADMSG)
		return clog_error_set(err, rc, "%s: corrupt at byte %llu: the log goes on after entry %llu", path,
		                      (unsigned long long)position, (unsigned long long)segment->end.entry);
	if (rc != 0)
		return failed(err, path, rc);
	index_destroy(segment->index);
	segment->index = index;
	segment->position = index->end;
	log->unsealed_count++;
	return 0;
}

/* Opens a segment that another one follows: by its footer, or, when that is missing or does not fit, by its store. */
static int open_full(struct log *log, struct log_segment *segment, const struct log_tail *end, struct clog_error *err)
{
	char path[PATH_MAX];
	struct index_footer footer = {0};
	segment_path(path, sizeof path, log->path, segment->base.entry + 1, LOG_SUFFIX_INDEX);
	segment->end = *end;
	int rc = index_load_footer(&footer, log->disk, path);
	bool fits = rc == 0 && segment_same_tail(&footer.base, &segment->base) && segment_same_tail(&footer.end, end);
	if (fits)
		rc = take_footer(log, segment, &footer);
	index_footer_finish(&footer);
	if (rc == -EPROTONOSUPPORT || rc == -ENOMEM)
		return failed(err, path, rc);
	return fits ? 0 : rebuild_full(log, segment, err);
}

/* Scans the last store to its end: the first place where no valid frame stands. Below the mark that is corruption, past
 * it a torn tail, which the next frames overwrite. */
static int scan_last(struct log *log, struct log_segment *segment, struct store_scan *scan, const struct store_mark *mark,
                     const char *path, struct clog_error *err)
{
	for (;;) {
		struct frame_header header;
		const unsigned char *bytes;
		int rc = store_scan_next(scan, &header, &bytes);
		if (rc == -ENODATA || rc == -EBADMSG)
			break;
		if (rc == 0)
			rc = note_header(&header, log);
		if (rc == 0)
			rc = index_add(segment->index, &header, bytes);
		if (rc != 0)
			return failed(err, path, rc);
		store_scan_step(scan, &header);
	}
	if (scan->tail.entry < mark->entry)
		return clog_error_set(err, -EBADMSG, "%s: corrupt at byte %llu: entry %llu is damaged, and %llu was on disk", path,
		                      (unsigned long long)scan->position, (unsigned long long)scan->tail.entry + 1,
		                      (unsigned long long)mark->entry);
	return 0;
}

static int open_last(struct log *log, struct log_segment *segment, struct clog_error *err)
{
	char path[PATH_MAX];
	struct store_mark mark;
	struct store_scan scan;
	unsigned char *buffer = NULL;
	size_t buffer_size = 0;
	segment_path(path, sizeof path, log->path, segment->base.entry + 1, LOG_SUFFIX_STORE);
	int rc = store_read_mark(log->disk, segment->handle, &segment->mark, &mark);
	if (rc == -EBADMSG)
		return corrupt(err, path, "neither slot of its durable mark is valid");
	if (rc == 0)
		rc = store_scan_begin(&scan, log->disk, segment->handle, &segment->base, &buffer, &buffer_size);
	if (rc != 0)
		return failed(err, path, rc);
	rc = scan_last(log, segment, &scan, &mark, path, err);
	free(buffer);
	if (rc != 0)
		return rc;
	/* What a process wrote and did not live to sync is read back all the same: it must not be called durable before it
	 * is. */
	rc = store_wipe(log->disk, segment->handle, scan.position);
	if (rc == 0)
		rc = log->disk->sync(log->disk, segment->handle);
	if (rc != 0)
		return failed(err, path, rc);
	segment->marked = mark.entry;
	segment->position = segment->index->end;
	segment->end = scan.tail;
	log->tail = log->durable = scan.tail;
	return 0;
}

static int open_segments(struct log *log, struct clog_error *err)
{
	for (size_t i = 0; i < log->segment_count; i++) {
		struct log_segment *segment = log->segments[i];
		bool last = i + 1 == log->segment_count;
		if (!last && log->segments[i + 1]->base.entry < segment->base.entry)
			return corrupt(err, log->path, "two segments overlap");
		int rc = last ? open_last(log, segment, err) : open_full(log, segment, &log->segments[i + 1]->base, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* Makes the folder's own name durable. */
static int sync_parent(struct log *log, struct clog_error *err)
{
	char parent[PATH_MAX];
	if (snprintf(parent, sizeof parent, "%s", log->path) >= (int)sizeof parent)
		return failed(err, log->path, -ENAMETOOLONG);
	char *slash = strrchr(parent, '/');
	if (slash == parent)
		slash++;
	if (slash != NULL)
		*slash = '\0';
	int rc = log->disk->sync_folder(log->disk, slash == NULL ? "." : parent);
	return rc == 0 ? 0 : failed(err, parent, rc);
}

static int open_folder(struct log *log, struct clog_error *err)
{
	struct listing listing = {.err = err, .path = log->path};
	int rc = log->disk->make_folder(log->disk, log->path);
	if (rc != 0)
		return failed(err, log->path, rc);
	rc = log->disk->list(log->disk, log->path, list_name, &listing);
	if (rc != 0 && rc != -EINVAL)
		failed(err, log->path, rc);
	if (rc == 0)
		rc = remove_leftovers(log, &listing, err);
	if (rc == 0 && listing.count == 0)
		rc = sync_parent(log, err);
	/* Names that a process gave and did not live to sync are listed all the same. */
	if (rc == 0) {
		rc = log->disk->sync_folder(log->disk, log->path);
		if (rc != 0)
			failed(err, log->path, rc);
	}
	log->prepared = listing.prepared;
	if (listing.count > 0)
		qsort(listing.first_entries, listing.count, sizeof *listing.first_entries, compare_entries);
	for (size_t i = 0; rc == 0 && i < listing.count; i++)
		rc = add_store(log, listing.first_entries[i], i + 1 == listing.count, err);
	listing_finish(&listing);
	return rc == 0 ? open_segments(log, err) : rc;
}

int log_open(struct log **log, const struct log_options *options, struct clog_error *err)
{
	uint32_t segment_size = options->segment_size == 0 ? LOG_SEGMENT_SIZE_DEFAULT : options->segment_size;
	if (segment_size < LOG_SEGMENT_SIZE_MIN || segment_size > LOG_SEGMENT_SIZE_MAX)
		return clog_error_set(err, -EINVAL, "segment size %u: it must be from %u to %u bytes", segment_size,
		                      LOG_SEGMENT_SIZE_MIN, LOG_SEGMENT_SIZE_MAX);
	struct log *made = calloc(1, sizeof *made);
	if (made != NULL)
		made->path = strdup(options->path);
	if (made == NULL || made->path == NULL) {
		free(made);
		return failed(err, options->path, -ENOMEM);
	}
	made->disk = options->disk;
	made->segment_size = segment_size;
	int rc = open_folder(made, err);
	if (rc != 0) {
		log_close(made);
		return rc;
	}
	*log = made;
	return 0;
}

void log_close(struct log *log)
{
	if (log == NULL)
		return;
	for (; log->pending_first < log->pending_end; log->pending_first++)
		log_frame_unref(log->pending[log->pending_first].frame);
	for (size_t i = 0; i < log->segment_count; i++)
		segment_destroy(log->segments[i], log->disk);
	free(log->segments);
	free(log->pending);
	free(log->terms);
	free(log->configurations);
	free(log->path);
	free(log);
}
