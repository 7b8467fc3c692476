#include "cmd/digest.h"

#include "cluster/cluster.h"
#include "error/error.h"
#include "log/log.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <isa-l/crc.h>

#define MAGIC "clog digest 2\n"
#define NUMBER_FORMAT "%s %" PRIu64 "\n"
#define RANGE_FORMAT "%" PRIu64 " %" PRIu64 " %08" PRIx32 " %" PRIu32 "\n"
#define LINE_SIZE 80 /* bytes of a line at most, its NUL included */

/* ---- Sums ---- */

static uint32_t add_number(uint32_t checksum, uint64_t number)
{
	unsigned char bytes[8];
	for (int i = 0; i < 8; i++)
		bytes[i] = (unsigned char)(number >> (8 * i));
	return ~crc32_iscsi(bytes, sizeof bytes, ~checksum);
}

static uint32_t add_record(uint32_t checksum, const struct log_record *record)
{
	checksum = add_number(checksum, record->offset);
	checksum = add_number(checksum, record->entry);
	checksum = add_number(checksum, record->term);
	return add_number(checksum, (uint64_t)record->size << 32 | record->crc32c);
}

/* Reads once; what it gives is valid until the next time. */
static int fetch(struct log *log, struct log_read *read)
{
	const int status = log_read_begin(log, read);
	if (status < 0)
		return status;
	log_read_run(read, true);
	return log_read_end(log, read);
}

int digest_record(const struct digest *digest, uint64_t offset, uint32_t *checksum)
{
	struct log_read read = {.kind = LOG_READ_RECORD, .offset = offset};
	const int status = fetch(digest->log, &read);
	if (status == 0)
		*checksum = add_record(0, &read.record);
	log_read_finish(&read);
	return status;
}

/* ---- Of a log ---- */

/* Checks every byte of every segment. */
static int scrub(struct digest *digest, uint64_t first_entry)
{
	for (uint64_t entry = first_entry; entry != 0;) {
		struct log_job *job = NULL;
		uint64_t next = 0;
		int status = log_verify_begin(digest->log, entry, &job, &next);
		if (status == 0 && job != NULL) {
			log_job_run(job);
			status = log_job_end(digest->log, job, NULL);
		}
		if (status < 0)
			return status;
		entry = next;
	}
	const struct log_damage *damage;
	digest->damage = log_damage(digest->log, &damage);
	return 0;
}

/* Finds the last entry that a frame says was committed, and the offset after its records. Frames that cannot be read are
 * passed over one by one. */
static int find_commit(struct digest *digest, uint64_t first_entry)
{
	struct log_tail tail;
	log_tail(digest->log, &tail);
	struct log_read read = {.kind = LOG_READ_FRAMES, .size = LOG_READ_SIZE_MAX};
	int status = 0;
	for (read.entry = first_entry; read.entry <= tail.entry && (status == 0 || status == -EBADMSG);) {
		status = fetch(digest->log, &read);
		if (status < 0)
			read.entry++;
		struct log_header header;
		for (uint32_t position = 0; status == 0 && position < read.data_size; position += header.size) {
			const char *const frame = (const char *)read.data + position;
			status = log_frame_peek(frame, read.data_size - position, &header);
			if (status < 0)
				break;
			digest->entry = header.commit > digest->entry ? header.commit : digest->entry;
			read.entry = header.entry + 1;
		}
	}
	log_read_finish(&read);
	return status == -EBADMSG ? 0 : status;
}

static struct digest_range *range_of(struct digest *digest, uint64_t offset)
{
	if (digest->count > 0 && offset / DIGEST_RANGE == digest->ranges[digest->count - 1].first / DIGEST_RANGE)
		return &digest->ranges[digest->count - 1];
	if ((digest->count & (digest->count - 1)) == 0) {
		const size_t capacity = digest->count == 0 ? 1 : digest->count * 2;
		struct digest_range *const ranges = realloc(digest->ranges, capacity * sizeof *ranges);
		if (ranges == NULL)
			return NULL;
		digest->ranges = ranges;
	}
	digest->ranges[digest->count] = (struct digest_range){.first = offset, .next = offset};
	return &digest->ranges[digest->count++];
}

/* Takes in a record, or one that cannot be read (NULL). */
static int take(struct digest *digest, uint64_t offset, const struct log_record *record)
{
	struct digest_range *const range = range_of(digest, offset);
	if (range == NULL)
		return -ENOMEM;
	range->next = offset + 1;
	if (record != NULL)
		range->checksum = add_record(range->checksum, record);
	else
		range->damaged++;
	digest->next = offset + 1;
	return 0;
}

/* Records from an offset on, as many as come at once. *more is false at the first that is not known to be committed. */
static int read_some(struct digest *digest, struct log_read *read, bool *more)
{
	int status = fetch(digest->log, read);
	if (status == -EBADMSG) { /* one of them is damaged: the first is taken alone */
		struct log_read one = {.kind = LOG_READ_RECORD, .offset = read->offset};
		status = fetch(digest->log, &one);
		*more = status != 0 || one.record.entry <= digest->entry;
		if (*more && (status == 0 || status == -EBADMSG))
			status = take(digest, read->offset, status == 0 ? &one.record : NULL);
		log_read_finish(&one);
		read->offset++;
		return status;
	}
	struct log_record record;
	const void *data;
	for (uint32_t position = 0; status == 0 && *more && log_read_next(read, &position, &record, &data);) {
		*more = record.entry <= digest->entry;
		if (*more)
			status = take(digest, record.offset, &record);
		read->offset = record.offset + 1;
	}
	return status;
}

static int read_log(struct digest *digest)
{
	struct log_stat stat;
	struct log_tail tail;
	log_stat(digest->log, &stat);
	log_tail(digest->log, &tail);
	digest->first = digest->next = stat.first_offset;
	int status = scrub(digest, stat.first_entry);
	if (status == 0)
		status = find_commit(digest, stat.first_entry);
	struct log_read read = {.kind = LOG_READ_RANGE, .offset = stat.first_offset, .size = LOG_READ_SIZE_MAX};
	for (bool more = true; status == 0 && more && read.offset < tail.next_offset;)
		status = read_some(digest, &read, &more);
	log_read_finish(&read);
	return status;
}

/* ---- As text ---- */

/* A line is what digest_print would have written, or it is none. */
static bool read_line(FILE *file, char line[LINE_SIZE])
{
	if (fgets(line, LINE_SIZE, file) == NULL)
		return false;
	const char *const end = strchr(line, '\n');
	return end != NULL && end[1] == '\0';
}

static bool read_number(FILE *file, const char *name, uint64_t *number)
{
	char line[LINE_SIZE], again[LINE_SIZE];
	if (!read_line(file, line) || sscanf(line, "%*s %" SCNu64, number) != 1)
		return false;
	snprintf(again, sizeof again, NUMBER_FORMAT, name, *number);
	return strcmp(line, again) == 0;
}

static bool read_head(FILE *file, struct digest *digest)
{
	char line[LINE_SIZE];
	return read_line(file, line) && strcmp(line, MAGIC) == 0 && read_number(file, "cluster", &digest->cluster) &&
	       read_number(file, "first", &digest->first) && read_number(file, "next", &digest->next) &&
	       read_number(file, "entry", &digest->entry) && read_number(file, "damage", &digest->damage);
}

static bool read_range(const char *line, struct digest_range *range)
{
	char again[LINE_SIZE];
	if (sscanf(line, "%" SCNu64 " %" SCNu64 " %" SCNx32 " %" SCNu32, &range->first, &range->next, &range->checksum,
	           &range->damaged) != 4)
		return false;
	snprintf(again, sizeof again, RANGE_FORMAT, range->first, range->next, range->checksum, range->damaged);
	return strcmp(line, again) == 0;
}

/* Whether the range can come next: offsets have no gaps, and each stretch of DIGEST_RANGE has one. */
static bool follows(const struct digest *digest, const struct digest_range *range)
{
	const uint64_t first = digest->count > 0 ? digest->ranges[digest->count - 1].next : digest->first;
	return range->first == first && range->next > first && range->next <= digest->next &&
	       (range->next - 1) / DIGEST_RANGE == first / DIGEST_RANGE &&
	       (digest->count == 0 || first % DIGEST_RANGE == 0) && range->damaged <= range->next - first;
}

static int read_text(struct digest *digest, FILE *file, const char *source, struct clog_error *err)
{
	char line[LINE_SIZE];
	struct digest_range read;
	if (!read_head(file, digest))
		return ferror(file) ? clog_error_set(err, -errno, "%s: %s", source, strerror(errno))
		                    : clog_error_set(err, -EBADMSG, "%s is neither a data folder nor a digest", source);
	while (read_line(file, line)) {
		if (!read_range(line, &read) || !follows(digest, &read))
			return clog_error_set(err, -EBADMSG, "%s: range %zu is none that can be", source,
			                      digest->count + 1);
		struct digest_range *const range = digest->count < DIGEST_RANGES_MAX ? range_of(digest, read.first)
		                                                                     : NULL;
		if (range == NULL)
			return clog_error_set(err, -ENOMEM, "%s: it has more ranges than there is room for", source);
		*range = read;
	}
	if (ferror(file))
		return clog_error_set(err, -errno, "%s: %s", source, strerror(errno));
	const uint64_t end = digest->count > 0 ? digest->ranges[digest->count - 1].next : digest->first;
	if (!feof(file) || end != digest->next)
		return clog_error_set(err, -EBADMSG, "%s: the digest is cut, or no digest", source);
	return 0;
}

static int open_text(struct digest *digest, const char *source, struct clog_error *err)
{
	FILE *const file = fopen(source, "re");
	if (file == NULL)
		return clog_error_set(err, -errno, "%s: %s", source, strerror(errno));
	const int status = read_text(digest, file, source, err);
	fclose(file);
	return status;
}

/* ---- Of a folder ---- */

static int open_folder(struct digest *digest, const char *source, struct clog_error *err)
{
	char path[PATH_MAX];
	struct stat log_;
	if (snprintf(path, sizeof path, "%s/log", source) >= (int)sizeof path)
		return clog_error_set(err, -ENAMETOOLONG, "%s: the path is too long", source);
	if (stat(path, &log_) < 0)
		return clog_error_set(err, -errno, "%s is no member's data folder: %s", source, strerror(errno));
	const struct log_options options = {.disk = log_disk_posix(), .path = path, .read_only = true};
	int status = log_open(&digest->log, &options, err);
	if (status < 0)
		return status;
	status = cluster_of_log(digest->log, &digest->cluster, NULL);
	if (status == 0 || status == -EBADMSG) /* damage is found and told of below */
		status = read_log(digest);
	return status == 0 ? 0 : clog_error_set(err, status, "%s cannot be read: %s", source, strerror(-status));
}

int digest_open(struct digest *digest, const char *source, struct clog_error *err)
{
	struct stat stat_;
	*digest = (struct digest){0};
	if (stat(source, &stat_) < 0)
		return clog_error_set(err, -errno, "%s: %s", source, strerror(errno));
	return S_ISDIR(stat_.st_mode) ? open_folder(digest, source, err) : open_text(digest, source, err);
}

void digest_close(struct digest *digest)
{
	log_close(digest->log);
	free(digest->ranges);
	*digest = (struct digest){0};
}

void digest_print(const struct digest *digest, FILE *file)
{
	fputs(MAGIC, file);
	fprintf(file, NUMBER_FORMAT, "cluster", digest->cluster);
	fprintf(file, NUMBER_FORMAT, "first", digest->first);
	fprintf(file, NUMBER_FORMAT, "next", digest->next);
	fprintf(file, NUMBER_FORMAT, "entry", digest->entry);
	fprintf(file, NUMBER_FORMAT, "damage", digest->damage);
	for (size_t i = 0; i < digest->count; i++) {
		const struct digest_range *const range = &digest->ranges[i];
		fprintf(file, RANGE_FORMAT, range->first, range->next, range->checksum, range->damaged);
	}
}
