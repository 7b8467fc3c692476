#include "log/install.h"

#include "log/bytes.h"
#include "log/job.h"
#include "log/tail.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Files: what a job does, and a start that goes on with it ---------------------------------------------------- */

/* The folder and where the log in it begins, with the first failure. */
struct place {
	struct log_disk *disk;
	const char *folder;
	uint64_t base; /* entry */
	struct clog_error *err;
};

static int place_fail(const struct place *place, const char *what, int rc)
{
	return clog_error_set(place->err, rc, "%s: %s failed: %s", place->folder, what, strerror(-rc));
}

static int sync_names(const struct place *place)
{
	int rc = place->disk->sync_folder(place->disk, place->folder);
	return rc == 0 ? 0 : place_fail(place, "fsync of the folder", rc);
}

static int delete_file(const struct place *place, uint64_t first_entry, const char *suffix)
{
	char path[PATH_MAX];
	segment_path(path, place->folder, first_entry, suffix);
	int rc = place->disk->remove(place->disk, path);
	return rc == 0 || rc == -ENOENT ? 0 : place_fail(place, "deleting the old log", rc);
}

/* Gives one of the new log's files its own name, for good. */
static int give_name(const struct place *place, const char *name, uint64_t first_entry, const char *suffix)
{
	char from[PATH_MAX], to[PATH_MAX];
	log_file_path(from, place->folder, name);
	segment_path(to, place->folder, first_entry, suffix);
	int rc = place->disk->rename(place->disk, from, to);
	return rc == 0 ? sync_names(place) : place_fail(place, "naming a file of the new log", rc);
}

static int delete_files(const struct place *place, const uint64_t *first_entries, size_t count, const char *suffix)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = delete_file(place, first_entries[i], suffix);
	return rc;
}

/* The index keeps the state of the user at the base as if the segment before the first one, which a trim has deleted,
 * had held one entry: the base's. */
static int name_index(const struct place *place)
{
	/* Nothing of the old log is left that its name could belong to. */
	int rc = sync_names(place);
	return rc == 0 ? give_name(place, LOG_INSTALL_INDEX, place->base, LOG_SUFFIX_INDEX) : rc;
}

static int name_store(const struct place *place)
{
	return give_name(place, LOG_INSTALL_STORE, place->base + 1, LOG_SUFFIX_STORE);
}

/* ---- While a log is opened ---------------------------------------------------------------------------------------- */

/* Whether the store that waits for its name is that of the log that the base says. */
static int is_installed(const struct place *place, const struct log_tail *base, bool *installed)
{
	char path[PATH_MAX];
	struct log_tail head;
	*installed = false;
	log_file_path(path, place->folder, LOG_INSTALL_STORE);
	int handle = place->disk->open(place->disk, path, O_RDONLY);
	if (handle < 0)
		return place_fail(place, "opening " LOG_INSTALL_STORE, handle);
	int rc = store_read_head(place->disk, handle, &head);
	place->disk->close(place->disk, handle);
	if (rc == 0)
		*installed = base->entry > 0 && tail_same(&head, base);
	/* One that was torn while it was made is not valid. */
	return rc == 0 || rc == -EBADMSG ? 0 : place_fail(place, "reading " LOG_INSTALL_STORE, rc);
}

/* The base is in one slot of its cell at least: now it is in both. */
static int settle_base(struct log *log, const struct place *place, const struct log_tail *base)
{
	unsigned char value[LOG_BASE_SIZE];
	char path[PATH_MAX];
	log_file_path(path, place->folder, LOG_BASE);
	tail_encode(value, base);
	put_u64(value + TAIL_SIZE, log->first_offset);
	put_u64(value + TAIL_SIZE + 8, log->first_stream);
	return log_cell_save(log->disk, log->path, path, &log->base, value, sizeof value, place->err);
}

int install_resume(struct log *log, struct listing *listing, const struct log_tail *base, bool *installing,
                   struct clog_error *err)
{
	struct clog_error failure = {0};
	const struct place place = {.disk = log->disk, .folder = log->path, .base = base->entry, .err = &failure};
	*installing = false;
	int rc = listing->install_store ? is_installed(&place, base, installing) : 0;
	if (rc == 0 && *installing && log->read_only) {
		listing->count = listing->index_count = 0;
	} else if (rc == 0 && *installing) {
		rc = settle_base(log, &place, base);
		/* The index has its name already: then all that was old had gone before. */
		if (rc == 0 && listing->install_index) {
			rc = delete_files(&place, listing->first_entries, listing->count, LOG_SUFFIX_STORE);
			if (rc == 0)
				rc = delete_files(&place, listing->indexes, listing->index_count, LOG_SUFFIX_INDEX);
			if (rc == 0)
				rc = name_index(&place);
		}
		if (rc == 0)
			rc = name_store(&place);
		if (rc == 0)
			rc = listing_set(listing, base->entry + 1, base->entry);
		*installing = false;
	}
	return rc == 0 ? 0 : clog_error_set(err, rc, "%s", failure.text);
}

int install_drop(struct log *log, const struct listing *listing, struct clog_error *err)
{
	static const char *const names[] = {LOG_INSTALL_STORE, LOG_INSTALL_INDEX};
	const bool there[] = {listing->install_store, listing->install_index};
	int rc = 0;
	for (int i = 0; rc == 0 && i < 2; i++) {
		char path[PATH_MAX];
		log_file_path(path, log->path, names[i]);
		if (there[i])
			rc = log->disk->remove(log->disk, path);
	}
	if (rc == 0 && (there[0] || there[1]))
		rc = log->disk->sync_folder(log->disk, log->path);
	return rc == 0 ? 0
	               : clog_error_set(err, rc, "%s: deleting " LOG_INSTALL " failed: %s", log->path, strerror(-rc));
}

/* ---- The job ------------------------------------------------------------------------------------------------------ */

static int check_install(const struct log *log, const struct log_install *install, struct clog_error *err)
{
	const struct log_tail *base = &install->base;
	struct log_tail before;
	struct log_stat stat;
	log_base(log, &before);
	log_stat(log, &stat);
	if (install->state_size > LOG_STATE_SIZE_MAX)
		return clog_error_set(err, -EINVAL, "a state of %zu bytes: it may have %u", install->state_size,
		                      LOG_STATE_SIZE_MAX);
	if (base->entry <= before.entry || base->next_offset < stat.first_offset)
		return clog_error_set(
			err, -EINVAL,
			"%s: cannot begin after entry %llu: what it has begins after entry %llu, offset %llu",
			log->path, (unsigned long long)base->entry, (unsigned long long)before.entry,
			(unsigned long long)stat.first_offset);
	if (base->entry <= log->tail.entry && log_term(log, base->entry) == base->term)
		return clog_error_set(err, -EINVAL, "%s: cannot begin after entry %llu: it has that entry", log->path,
		                      (unsigned long long)base->entry);
	return 0;
}

/* What the job has to do, copied from the log as it still is. */
static int plan_install(struct log *log, const struct log_install *install, struct log_job *job)
{
	job->old = calloc(log->segment_count + 1, sizeof *job->old);
	job->footer.state = malloc(install->state_size + 1);
	if (job->old == NULL || job->footer.state == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < log->segment_count; i++)
		if (log->segments[i]->created)
			job->old[job->old_count++] = log->segments[i]->base.entry + 1;
	job->footer.base = job->footer.end = job->base = install->base;
	job->footer.position = STORE_FRAMES;
	job->footer.state_size = (uint32_t)install->state_size;
	if (install->state_size > 0)
		memcpy(job->footer.state, install->state, install->state_size);
	/* What was hidden stays hidden, if the one who gives the base has not got so far. */
	bool further = log->first_offset > install->first_offset;
	job->first_offset = further ? log->first_offset : install->first_offset;
	job->first_stream = further ? log->first_stream : install->first_stream;
	job->stale_index = log->stale_index;
	job->takes_prepared = log->prepared;
	job->cell = log->base;
	return 0;
}

/* Throws away what the log has in memory. */
static void forget_all(struct log *log)
{
	for (; log->pending_first < log->pending_end; log->pending_first++)
		log_frame_unref(log->pending[log->pending_first].frame);
	while (log->segment_count > 0)
		log_drop_segment(log, log->segments[--log->segment_count]);
	log->unsealed_count = 0;
	log->term_count = log->configuration_count = log->damage_count = 0;
	memset(log->headers, 0, sizeof log->headers);
	log->stale_index = 0;
	log->cuts++;
}

static void begin_anew(struct log *log, const struct log_install *install, struct log_segment *segment)
{
	forget_all(log);
	/* There is room: where one was dropped, or made just now. */
	log->segments[log->segment_count++] = segment;
	log->tail = log->durable = install->base;
	if (install->first_offset >= log->first_offset) {
		log->first_offset = install->first_offset;
		log->first_stream = install->first_stream;
	}
	log->kept_first_offset = log->first_offset;
	log->prepared = false;
	log->chore_failed = false;
}

int log_install_begin(struct log *log, const struct log_install *install, struct log_job **job, struct clog_error *err)
{
	*job = NULL;
	int rc = log_failure(log, err);
	if (rc != 0)
		return rc;
	if (log->write != NULL || log->chore != NULL || log->verify != NULL || log->mend != NULL)
		return clog_error_set(err, -EBUSY, "%s: a job is out", log->path);
	if (log->read_only)
		return clog_error_set(err, -EROFS, "%s: opened read-only", log->path);
	rc = check_install(log, install, err);
	if (rc != 0)
		return rc;
	struct log_job *made = job_create(log, JOB_INSTALL);
	struct log_segment *segment = segment_create(&install->base);
	rc = made == NULL || segment == NULL ? -ENOMEM : plan_install(log, install, made);
	if (rc == 0)
		rc = log_reserve((void **)&log->segments, &log->segment_capacity, log->segment_count,
		                 sizeof *log->segments);
	if (rc != 0) {
		segment_destroy(segment, log->disk);
		if (made != NULL)
			job_destroy(made);
		return clog_error_set(err, rc, "%s: no memory to begin anew", log->path);
	}
	begin_anew(log, install, segment);
	segment->pins++;
	made->segment = segment;
	*job = log->write = made;
	return 0;
}

static int make_store(struct log_job *job)
{
	struct log_disk *disk = job->disk;
	char path[PATH_MAX], prepared[PATH_MAX];
	unsigned char page[STORE_FRAMES];
	log_file_path(path, job->folder, LOG_INSTALL_STORE);
	log_file_path(prepared, job->folder, LOG_PREPARED);
	const char *source = job->takes_prepared ? prepared : path;
	store_encode_page(page, &job->base, &job->mark_cell);
	int rc = job->handle = disk->open(disk, source, job->takes_prepared ? O_RDWR : O_RDWR | O_CREAT);
	if (rc >= 0)
		rc = disk->write(disk, job->handle, page, sizeof page, 0);
	if (rc == 0)
		rc = disk->sync(disk, job->handle);
	if (rc == 0 && job->takes_prepared)
		rc = disk->rename(disk, prepared, path);
	return rc == 0 ? 0 : job_fail(job, path, "making the new log's first store", rc);
}

/* Makes its name and the store's durable. */
static int make_index(struct log_job *job)
{
	const struct log_index none = {.end = STORE_FRAMES};
	char path[PATH_MAX];
	log_file_path(path, job->folder, LOG_INSTALL_INDEX);
	int rc = index_save(&none, &job->footer, job->disk, job->folder, path);
	return rc == 0 ? 0 : job_fail(job, path, "writing the state", rc);
}

static int write_base(struct log_job *job)
{
	unsigned char value[LOG_BASE_SIZE];
	char path[PATH_MAX];
	log_file_path(path, job->folder, LOG_BASE);
	tail_encode(value, &job->base);
	put_u64(value + TAIL_SIZE, job->first_offset);
	put_u64(value + TAIL_SIZE + 8, job->first_stream);
	return log_cell_save(job->disk, job->folder, path, &job->cell, value, sizeof value, &job->error);
}

int job_run_install(struct log_job *job)
{
	const struct place place = {
		.disk = job->disk, .folder = job->folder, .base = job->base.entry, .err = &job->error};
	int rc = make_store(job);
	if (rc == 0)
		rc = make_index(job);
	if (rc == 0)
		rc = write_base(job);
	if (rc == 0)
		rc = delete_files(&place, job->old, job->old_count, LOG_SUFFIX_STORE);
	if (rc == 0)
		rc = delete_files(&place, job->old, job->old_count, LOG_SUFFIX_INDEX);
	if (rc == 0 && job->stale_index > 0)
		rc = delete_file(&place, job->stale_index, LOG_SUFFIX_INDEX);
	if (rc == 0)
		rc = name_index(&place);
	if (rc == 0)
		rc = name_store(&place);
	return rc;
}

void job_end_install(struct log *log, struct log_job *job)
{
	struct log_segment *segment = job->segment;
	log->write = NULL;
	log->base = job->cell;
	segment->pins--;
	/* Also after a failure: the handle is closed with the segment. */
	segment->handle = job->handle;
	job->handle = -1;
	if (job->error.code != 0) {
		log->failure = job->error;
		return;
	}
	segment->created = true;
	segment->mark = job->mark_cell;
	log->stale_index = job->base.entry;
	log->no_space = false;
}

int install_state(const struct log *log, uint64_t entry, uint64_t *state_entry, void **data, size_t *size)
{
	const struct log_job *job = log->write;
	if (job == NULL || job->kind != JOB_INSTALL || entry < job->base.entry || job->footer.state_size == 0)
		return -ENOENT;
	*data = malloc(job->footer.state_size);
	if (*data == NULL)
		return -ENOMEM;
	memcpy(*data, job->footer.state, job->footer.state_size);
	*state_entry = job->base.entry;
	*size = job->footer.state_size;
	return 0;
}
