#include "log/bytes.h"
#include "log/install.h"
#include "log/listing.h"
#include "log/recover.h"
#include "log/state.h"
#include "log/tail.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static int remove_leftovers(struct log *log, const struct listing *listing, struct clog_error *err)
{
	char path[PATH_MAX];
	for (size_t i = 0; i < listing->leftover_count; i++) {
		log_file_path(path, log->path, listing->leftovers[i]);
		int rc = log->disk->remove(log->disk, path);
		if (rc != 0)
			return failed(err, path, rc);
	}
	return 0;
}

static int remove_file(struct log *log, uint64_t first_entry, const char *suffix, struct clog_error *err)
{
	char path[PATH_MAX];
	segment_path(path, log->path, first_entry, suffix);
	int rc = log->disk->remove(log->disk, path);
	return rc == 0 ? 0 : failed(err, path, rc);
}

/* Reads where the log begins. A log that was never trimmed has no such file, and begins at the beginning. */
static int load_base(struct log *log, struct log_tail *base, struct clog_error *err)
{
	char path[PATH_MAX];
	unsigned char value[LOG_BASE_SIZE];
	*base = (struct log_tail){0};
	log_file_path(path, log->path, LOG_BASE);
	struct clog_error failure;
	int rc = log_cell_load(log->disk, path, &log->base, value, sizeof value, &failure);
	if (rc == -ENOENT)
		return 0;
	if (rc != 0)
		return clog_error_set(err, rc, "%s", failure.text);
	tail_decode(value, base);
	log->first_offset = log->kept_first_offset = take_u64(value + TAIL_SIZE);
	log->first_stream = take_u64(value + TAIL_SIZE + 8);
	return 0;
}

/* Deletes what a trim has left: stores below the base, and their indexes but the last one's, whose footer is the state
 * at the base. */
static int drop_trimmed(struct log *log, struct listing *listing, const struct log_tail *base, struct clog_error *err)
{
	size_t kept = 0;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < listing->count; i++) {
		uint64_t first_entry = listing->first_entries[i];
		if (first_entry > base->entry)
			listing->first_entries[kept++] = first_entry;
		else if (!log->read_only)
			rc = remove_file(log, first_entry, LOG_SUFFIX_STORE, err);
	}
	listing->count = kept;
	for (size_t i = 0; i < listing->index_count; i++)
		if (listing->indexes[i] <= base->entry && listing->indexes[i] > log->stale_index)
			log->stale_index = listing->indexes[i];
	for (size_t i = 0; rc == 0 && i < listing->index_count; i++)
		if (listing->indexes[i] < log->stale_index && !log->read_only)
			rc = remove_file(log, listing->indexes[i], LOG_SUFFIX_INDEX, err);
	return rc;
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
	segment_path(path, log->path, first_entry, LOG_SUFFIX_STORE);
	int handle = log->disk->open(log->disk, path, log->read_only ? O_RDONLY : O_RDWR);
	if (handle < 0)
		return failed(err, path, handle);
	struct log_tail base;
	int rc = store_read_head(log->disk, handle, &base);
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

static int note_entry(uint64_t entry, uint64_t term, enum log_type type, void *arg)
{
	struct log *log = arg;
	int rc = log_note_reserve(log);
	if (rc == 0)
		log_note_entry(log, entry, term, type);
	return rc;
}

static int note_damage(const struct log_damage *damage, void *arg)
{
	return log_note_damage(arg, damage);
}

/* Reads a store from its beginning, at least to the goal, and takes the index that this makes. */
static int read_store(struct log *log, struct log_segment *segment, struct recovery *recovery, const char *path,
                      struct clog_error *err)
{
	recovery->disk = log->disk;
	recovery->base = segment->base;
	recovery->entry_cb = note_entry;
	recovery->damage_cb = note_damage;
	recovery->arg = log;
	int rc = recover(recovery);
	if (rc == -EBADMSG)
		return clog_error_set(
			err, rc, "%s: corrupt at byte %llu: entry %llu is damaged, and %llu ought to follow", path,
			(unsigned long long)recovery->position, (unsigned long long)recovery->tail.entry + 1,
			(unsigned long long)recovery->goal.entry);
	if (rc != 0)
		return failed(err, path, rc);
	index_destroy(segment->index);
	segment->index = recovery->index;
	segment->position = recovery->index->end;
	segment->end = recovery->tail;
	return 0;
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
	segment->has_state = footer->state_size > 0;
	index_destroy(segment->index);
	segment->index = NULL;
	return 0;
}

/* Makes the index of a full segment from its store. */
static int rebuild_full(struct log *log, struct log_segment *segment, struct clog_error *err)
{
	char path[PATH_MAX];
	segment_path(path, log->path, segment->base.entry + 1, LOG_SUFFIX_STORE);
	int handle = log->disk->open(log->disk, path, O_RDONLY);
	if (handle < 0)
		return failed(err, path, handle);
	struct recovery recovery = {.handle = handle, .goal = segment->end};
	int rc = read_store(log, segment, &recovery, path, err);
	log->disk->close(log->disk, handle);
	log->unsealed_count += rc == 0;
	return rc;
}

/* Opens a segment that another one follows: by its footer, or, when that is missing or does not fit, by its store. */
static int open_full(struct log *log, struct log_segment *segment, const struct log_tail *end, struct clog_error *err)
{
	char path[PATH_MAX];
	struct index_footer footer = {0};
	segment_path(path, log->path, segment->base.entry + 1, LOG_SUFFIX_INDEX);
	segment->end = *end;
	int rc = index_load_footer(&footer, log->disk, path);
	bool fits = rc == 0 && tail_same(&footer.base, &segment->base) && tail_same(&footer.end, end);
	/* An index is never older than its store: what ends before the next store begins has lost the one between. */
	bool gap = rc == 0 && tail_same(&footer.base, &segment->base) && footer.end.entry < end->entry;
	if (gap)
		rc = clog_error_set(err, -EBADMSG, "%s: corrupt: the store after entry %llu is missing", path,
		                    (unsigned long long)footer.end.entry);
	else if (fits)
		rc = take_footer(log, segment, &footer);
	index_footer_finish(&footer);
	if (gap)
		return rc;
	if (rc == -EPROTONOSUPPORT || rc == -ENOMEM)
		return failed(err, path, rc);
	return fits ? 0 : rebuild_full(log, segment, err);
}

/* A segment that was sealed and is the last one all the same, for the one after it never came to be, is written again:
 * its index must not outlive that. */
static int drop_index(struct log *log, const struct log_segment *segment, struct clog_error *err)
{
	char path[PATH_MAX];
	segment_path(path, log->path, segment->base.entry + 1, LOG_SUFFIX_INDEX);
	int rc = log->disk->remove(log->disk, path);
	if (rc == -ENOENT)
		return 0;
	if (rc == 0)
		rc = log->disk->sync_folder(log->disk, log->path);
	return rc == 0 ? 0 : failed(err, path, rc);
}

/* Opens the segment that is written: up to its mark, and on to the first place where no valid frame stands: past the
 * mark that is the end, and maybe a torn tail, which the next frames overwrite. */
static int open_last(struct log *log, struct log_segment *segment, struct clog_error *err)
{
	char path[PATH_MAX];
	struct store_mark mark;
	segment_path(path, log->path, segment->base.entry + 1, LOG_SUFFIX_STORE);
	uint64_t size;
	int rc = log->disk->size(log->disk, segment->handle, &size);
	if (rc == 0 && size < STORE_FRAMES)
		return corrupt(err, path, "shorter than its first page");
	if (rc == 0)
		rc = store_read_mark(log->disk, segment->handle, &segment->mark, &mark);
	if (rc == -EBADMSG)
		return corrupt(err, path, "its durable mark is not valid");
	if (rc != 0)
		return failed(err, path, rc);
	struct recovery recovery = {.handle = segment->handle,
	                            .goal = mark.tail,
	                            .goal_position = mark.position,
	                            .beyond = !log->read_only};
	rc = read_store(log, segment, &recovery, path, err);
	if (rc != 0)
		return rc;
	/* What a process wrote and did not live to sync is read back all the same: it must not be called durable before
	 * it is. */
	rc = log->read_only ? 0 : store_wipe(log->disk, segment->handle, segment->position);
	if (rc == 0 && !log->read_only)
		rc = log->disk->sync(log->disk, segment->handle);
	if (rc != 0)
		return failed(err, path, rc);
	segment->marked = mark.tail.entry;
	log->tail = log->durable = segment->end;
	return log->read_only ? 0 : drop_index(log, segment, err);
}

/* installing: the one case in which a log with a base may have no store. */
static int open_segments(struct log *log, const struct log_tail *base, bool installing, struct clog_error *err)
{
	if (log->segment_count > 0 && !tail_same(&log->segments[0]->base, base))
		return clog_error_set(
			err, -EBADMSG,
			"%s: corrupt: a store is missing: the first one begins at entry %llu, the log at %llu",
			log->path, (unsigned long long)log->segments[0]->base.entry + 1,
			(unsigned long long)base->entry + 1);
	if (log->segment_count == 0 && base->entry > 0 && !installing)
		return clog_error_set(err, -EBADMSG,
		                      "%s: corrupt: all stores are missing, the log begins at entry %llu", log->path,
		                      (unsigned long long)base->entry + 1);
	if (log->segment_count == 0)
		log->tail = log->durable = *base;
	for (size_t i = 0; i < log->segment_count; i++) {
		struct log_segment *segment = log->segments[i];
		bool last = i + 1 == log->segment_count;
		int rc = last ? open_last(log, segment, err)
		              : open_full(log, segment, &log->segments[i + 1]->base, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* Makes the folder's own name durable. */
static int sync_parent(struct log *log, struct clog_error *err)
{
	char parent[PATH_MAX];
	snprintf(parent, sizeof parent, "%s", log->path);
	char *slash = strrchr(parent, '/');
	if (slash == parent)
		slash++;
	if (slash != NULL)
		*slash = '\0';
	int rc = log->disk->sync_folder(log->disk, slash == NULL ? "." : parent);
	return rc == 0 ? 0 : failed(err, parent, rc);
}

static int add_stores(struct log *log, const struct listing *listing, struct clog_error *err)
{
	if (listing->count > 0)
		qsort(listing->first_entries, listing->count, sizeof *listing->first_entries, compare_entries);
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < listing->count; i++)
		rc = add_store(log, listing->first_entries[i], i + 1 == listing->count, err);
	return rc;
}

/* Makes durable what an earlier process did to the folder, and did not live to sync: its names are listed all the
 * same. */
static int settle_folder(struct log *log, const struct listing *listing, struct clog_error *err)
{
	int rc = remove_leftovers(log, listing, err);
	if (rc == 0 && listing->count == 0)
		rc = sync_parent(log, err);
	if (rc != 0)
		return rc;
	rc = log->disk->sync_folder(log->disk, log->path);
	return rc == 0 ? 0 : failed(err, log->path, rc);
}

static bool has_segment(const struct log *log, uint64_t first_entry)
{
	for (size_t i = 0; i < log->segment_count; i++)
		if (log->segments[i]->base.entry + 1 == first_entry)
			return true;
	return false;
}

/* Deletes indexes whose stores were cut away by a process that did not live to make both deletions durable: one day the
 * log would begin behind one, and its state be taken for that of the beginning. */
static int drop_strays(struct log *log, const struct listing *listing, const struct log_tail *base,
                       struct clog_error *err)
{
	int rc = 0;
	bool dropped = false;
	for (size_t i = 0; rc == 0 && i < listing->index_count; i++) {
		if (listing->indexes[i] <= base->entry || has_segment(log, listing->indexes[i]))
			continue;
		rc = remove_file(log, listing->indexes[i], LOG_SUFFIX_INDEX, err);
		dropped = true;
	}
	if (rc == 0 && dropped)
		rc = log->disk->sync_folder(log->disk, log->path);
	return rc == 0 || !dropped ? rc : failed(err, log->path, rc);
}

static int open_folder(struct log *log, struct clog_error *err)
{
	struct listing listing = {0};
	struct log_tail base = {0};
	bool installing = false;
	int rc = log->read_only ? 0 : log->disk->make_folder(log->disk, log->path);
	if (rc != 0)
		return failed(err, log->path, rc);
	rc = log_listing_read(&listing, log->disk, log->path, err);
	if (rc != 0 && rc != -EINVAL)
		failed(err, log->path, rc);
	if (rc == 0 && !log->read_only)
		rc = settle_folder(log, &listing, err);
	if (rc == 0)
		rc = load_base(log, &base, err);
	if (rc == 0)
		rc = install_resume(log, &listing, &base, &installing, err);
	if (rc == 0)
		rc = drop_trimmed(log, &listing, &base, err);
	log->prepared = listing.prepared;
	if (rc == 0)
		rc = add_stores(log, &listing, err);
	if (rc == 0)
		rc = open_segments(log, &base, installing, err);
	if (rc == 0 && !log->read_only)
		rc = drop_strays(log, &listing, &base, err);
	log_listing_finish(&listing);
	if (rc == 0 && !log->read_only)
		rc = install_drop(log, &listing, err);
	return rc;
}

int log_open(struct log **log, const struct log_options *options, struct clog_error *err)
{
	uint32_t segment_size = options->segment_size == 0 ? LOG_SEGMENT_SIZE_DEFAULT : options->segment_size;
	if (segment_size < LOG_SEGMENT_SIZE_MIN || segment_size > LOG_SEGMENT_SIZE_MAX)
		return clog_error_set(err, -EINVAL, "segment size %u: it must be from %u to %u bytes", segment_size,
		                      LOG_SEGMENT_SIZE_MIN, LOG_SEGMENT_SIZE_MAX);
	if (strlen(options->path) + LOG_NAME_MAX >= PATH_MAX)
		return failed(err, options->path, -ENAMETOOLONG);
	struct log *made = calloc(1, sizeof *made);
	if (made != NULL)
		made->path = strdup(options->path);
	if (made == NULL || made->path == NULL) {
		free(made);
		return failed(err, options->path, -ENOMEM);
	}
	made->disk = options->disk;
	made->segment_size = segment_size;
	made->reserve_size = options->reserve_size;
	made->read_only = options->read_only;
	made->state_cb = options->state_cb;
	made->arg = options->arg;
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
	free(log->damage);
	free(log->path);
	free(log);
}
