/* The file of an index: the records, the frames, the footer (runs of terms, configurations, the state of the log's
 * user), and a trailer of fixed size that tells how many of each there are. */
#include "log/index.h"

#include "log/bytes.h"
#include "log/crc.h"
#include "log/tail.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define INDEX_MAGIC 0x58444e49474f4c43u /* "CLOGINDX" */
#define INDEX_VERSION 1u
#define TRAILER_SIZE 160u
#define TRAILER_CHECKSUM (TRAILER_SIZE - 4)
#define RECORD_SIZE 8u
#define FRAME_SIZE 4u
#define TERM_SIZE 16u
#define CONFIGURATION_SIZE 8u
/* What a store of the greatest size and its last frame could need, and room for footers. */
#define FILE_SIZE_MAX (2 * ((uint64_t)LOG_SEGMENT_SIZE_MAX + LOG_FRAME_SIZE_MAX))

/* A trailer as decoded. */
struct trailer {
	struct log_tail base, end;
	uint32_t position, stream_size;
	uint32_t records, frames, terms, configurations, state_size;
	uint32_t body_checksum, footer_checksum;
};

static size_t body_size(const struct trailer *trailer)
{
	return (size_t)trailer->records * RECORD_SIZE + (size_t)trailer->frames * FRAME_SIZE;
}

static size_t footer_size(const struct trailer *trailer)
{
	return (size_t)trailer->terms * TERM_SIZE + (size_t)trailer->configurations * CONFIGURATION_SIZE +
	       trailer->state_size;
}

static void encode_trailer(unsigned char *to, const struct trailer *trailer)
{
	memset(to, 0, TRAILER_SIZE);
	put_u64(to, INDEX_MAGIC);
	put_u32(to + 8, INDEX_VERSION);
	put_u32(to + 12, trailer->records);
	put_u32(to + 16, trailer->frames);
	put_u32(to + 20, trailer->terms);
	put_u32(to + 24, trailer->configurations);
	put_u32(to + 28, trailer->position);
	put_u32(to + 32, trailer->stream_size);
	put_u32(to + 36, trailer->body_checksum);
	put_u32(to + 40, trailer->footer_checksum);
	put_u32(to + 44, trailer->state_size);
	tail_encode(to + 48, &trailer->base);
	tail_encode(to + 48 + TAIL_SIZE, &trailer->end);
	put_u32(to + TRAILER_CHECKSUM, crc32c(to, TRAILER_CHECKSUM));
}

static int decode_trailer(const unsigned char *from, uint64_t file_size, struct trailer *trailer)
{
	if (take_u64(from) != INDEX_MAGIC || take_u32(from + TRAILER_CHECKSUM) != crc32c(from, TRAILER_CHECKSUM))
		return -EBADMSG;
	if (take_u32(from + 8) != INDEX_VERSION)
		return -EPROTONOSUPPORT;
	*trailer = (struct trailer){.records = take_u32(from + 12),
	                            .frames = take_u32(from + 16),
	                            .terms = take_u32(from + 20),
	                            .configurations = take_u32(from + 24),
	                            .position = take_u32(from + 28),
	                            .stream_size = take_u32(from + 32),
	                            .body_checksum = take_u32(from + 36),
	                            .footer_checksum = take_u32(from + 40),
	                            .state_size = take_u32(from + 44)};
	tail_decode(from + 48, &trailer->base);
	tail_decode(from + 48 + TAIL_SIZE, &trailer->end);
	return body_size(trailer) + footer_size(trailer) + TRAILER_SIZE == file_size ? 0 : -EBADMSG;
}

static void encode_body(unsigned char *to, const struct log_index *index)
{
	for (uint32_t i = 0; i < index->record_count; i++, to += RECORD_SIZE) {
		put_u32(to, index->records[i].position);
		put_u32(to + 4, index->records[i].stream);
	}
	for (uint32_t i = 0; i < index->frame_count; i++, to += FRAME_SIZE)
		put_u32(to, index->frames[i]);
}

static void encode_footer(unsigned char *to, const struct index_footer *footer)
{
	for (uint32_t i = 0; i < footer->term_count; i++, to += TERM_SIZE) {
		put_u64(to, footer->terms[i].last_entry);
		put_u64(to + 8, footer->terms[i].term);
	}
	for (uint32_t i = 0; i < footer->configuration_count; i++, to += CONFIGURATION_SIZE)
		put_u64(to, footer->configurations[i]);
	if (footer->state_size > 0)
		memcpy(to, footer->state, footer->state_size);
}

static int write_file(struct log_disk *disk, const char *folder, const char *path, const unsigned char *bytes,
                      size_t size)
{
	char fresh[PATH_MAX];
	int length = snprintf(fresh, sizeof fresh, "%s.new", path);
	assert(length > 0 && length < PATH_MAX);
	int rc = disk->remove(disk, fresh);
	if (rc != 0 && rc != -ENOENT)
		return rc;
	int handle = disk->open(disk, fresh, O_RDWR | O_CREAT | O_EXCL);
	if (handle < 0)
		return handle;
	rc = disk->write(disk, handle, bytes, size, 0);
	if (rc == 0)
		rc = disk->sync(disk, handle);
	disk->close(disk, handle);
	if (rc == 0)
		rc = disk->rename(disk, fresh, path);
	if (rc == 0)
		rc = disk->sync_folder(disk, folder);
	return rc;
}

int index_save(const struct log_index *index, const struct index_footer *footer, struct log_disk *disk,
               const char *folder, const char *path)
{
	struct trailer trailer = {.base = footer->base,
	                          .end = footer->end,
	                          .position = footer->position,
	                          .stream_size = index->stream_size,
	                          .records = index->record_count,
	                          .frames = index->frame_count,
	                          .terms = footer->term_count,
	                          .configurations = footer->configuration_count,
	                          .state_size = footer->state_size};
	size_t body = body_size(&trailer), tail = footer_size(&trailer), size = body + tail + TRAILER_SIZE;
	unsigned char *bytes = malloc(size);
	if (bytes == NULL)
		return -ENOMEM;
	encode_body(bytes, index);
	encode_footer(bytes + body, footer);
	trailer.body_checksum = crc32c(bytes, body);
	trailer.footer_checksum = crc32c(bytes + body, tail);
	encode_trailer(bytes + body + tail, &trailer);
	int rc = write_file(disk, folder, path, bytes, size);
	free(bytes);
	return rc;
}

/* Reads exactly size bytes. */
static int read_all(struct log_disk *disk, int handle, void *to, size_t size, uint64_t position)
{
	ssize_t count = disk->read(disk, handle, to, size, position, true);
	if (count < 0)
		return (int)count;
	return (size_t)count == size ? 0 : -EBADMSG;
}

static int open_file(struct log_disk *disk, const char *path, struct trailer *trailer)
{
	int handle = disk->open(disk, path, O_RDONLY);
	if (handle < 0)
		return handle;
	unsigned char bytes[TRAILER_SIZE];
	uint64_t size;
	int rc = disk->size(disk, handle, &size);
	if (rc == 0)
		rc = size < TRAILER_SIZE || size > FILE_SIZE_MAX ? -EBADMSG : 0;
	if (rc == 0)
		rc = read_all(disk, handle, bytes, sizeof bytes, size - TRAILER_SIZE);
	if (rc == 0)
		rc = decode_trailer(bytes, size, trailer);
	if (rc != 0) {
		disk->close(disk, handle);
		return rc;
	}
	return handle;
}

static int decode_footer(const unsigned char *from, const struct trailer *trailer, struct index_footer *footer)
{
	footer->terms = calloc(trailer->terms + 1, sizeof *footer->terms);
	footer->configurations = calloc(trailer->configurations + 1, sizeof *footer->configurations);
	footer->state = malloc(trailer->state_size + 1);
	if (footer->terms == NULL || footer->configurations == NULL || footer->state == NULL) {
		index_footer_finish(footer);
		return -ENOMEM;
	}
	for (; footer->term_count < trailer->terms; from += TERM_SIZE)
		footer->terms[footer->term_count++] = (struct log_term){.last_entry = take_u64(from),
		                                                        .term = take_u64(from + 8)};
	for (; footer->configuration_count < trailer->configurations; from += CONFIGURATION_SIZE)
		footer->configurations[footer->configuration_count++] = take_u64(from);
	memcpy(footer->state, from, trailer->state_size);
	footer->state_size = trailer->state_size;
	return 0;
}

int index_load_footer(struct index_footer *footer, struct log_disk *disk, const char *path)
{
	struct trailer trailer;
	int handle = open_file(disk, path, &trailer);
	if (handle < 0)
		return handle;
	*footer = (struct index_footer){.base = trailer.base, .end = trailer.end, .position = trailer.position};
	size_t size = footer_size(&trailer);
	unsigned char *bytes = malloc(size + 1);
	int rc = bytes == NULL ? -ENOMEM : read_all(disk, handle, bytes, size, body_size(&trailer));
	if (rc == 0 && crc32c(bytes, size) != trailer.footer_checksum)
		rc = -EBADMSG;
	if (rc == 0)
		rc = decode_footer(bytes, &trailer, footer);
	free(bytes);
	disk->close(disk, handle);
	return rc;
}

void index_footer_finish(struct index_footer *footer)
{
	free(footer->terms);
	free(footer->configurations);
	free(footer->state);
	footer->terms = NULL;
	footer->configurations = NULL;
	footer->state = NULL;
}

/* What the searches rely on: places of frames, and of records in the stream, go upward, and no record is before the
 * first frame. */
static bool in_order(const struct log_index *index)
{
	for (uint32_t i = 1; i < index->frame_count; i++)
		if (index->frames[i] <= index->frames[i - 1])
			return false;
	for (uint32_t i = 0; i < index->record_count; i++) {
		const struct index_record *record = &index->records[i];
		uint32_t stream_end = i + 1 < index->record_count ? record[1].stream : index->stream_size;
		if (record->stream > stream_end || index->frame_count == 0 || record->position < index->frames[0])
			return false;
	}
	return true;
}

static int decode_body(const unsigned char *from, const struct trailer *trailer, struct log_index *index)
{
	index->records = malloc(((size_t)trailer->records + 1) * sizeof *index->records);
	index->frames = malloc(((size_t)trailer->frames + 1) * sizeof *index->frames);
	if (index->records == NULL || index->frames == NULL)
		return -ENOMEM;
	index->record_capacity = trailer->records + 1;
	index->frame_capacity = trailer->frames + 1;
	for (; index->record_count < trailer->records; from += RECORD_SIZE)
		index->records[index->record_count++] = (struct index_record){.position = take_u32(from),
		                                                              .stream = take_u32(from + 4)};
	for (; index->frame_count < trailer->frames; from += FRAME_SIZE)
		index->frames[index->frame_count++] = take_u32(from);
	index->stream_size = trailer->stream_size;
	index->end = trailer->position;
	return in_order(index) ? 0 : -EBADMSG;
}

int index_load(struct log_index **index, struct log_disk *disk, const char *path)
{
	struct trailer trailer;
	int handle = open_file(disk, path, &trailer);
	if (handle < 0)
		return handle;
	size_t size = body_size(&trailer);
	unsigned char *bytes = malloc(size + 1);
	struct log_index *loaded = index_create(0);
	int rc = bytes == NULL || loaded == NULL ? -ENOMEM : read_all(disk, handle, bytes, size, 0);
	if (rc == 0 && crc32c(bytes, size) != trailer.body_checksum)
		rc = -EBADMSG;
	if (rc == 0)
		rc = decode_body(bytes, &trailer, loaded);
	free(bytes);
	disk->close(disk, handle);
	if (rc != 0) {
		index_destroy(loaded);
		return rc;
	}
	*index = loaded;
	return 0;
}
