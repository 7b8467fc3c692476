#include "log/read.h"
#include "log/install.h"
#include "log/recover.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* The last segment that begins at or below what is asked, by the number that `of` takes from a segment's base. */
static struct log_segment *find_segment(const struct log *log, uint64_t asked,
                                        uint64_t (*of)(const struct log_tail *base))
{
	size_t low = 0, high = log->segment_count;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (of(&log->segments[middle]->base) <= asked)
			low = middle;
		else
			high = middle;
	}
	return log->segments[low];
}

static uint64_t offset_of(const struct log_tail *base)
{
	return base->next_offset;
}

static uint64_t stream_of(const struct log_tail *base)
{
	return base->stream_size;
}

void read_place(struct log_read *read, const struct log_index *index)
{
	const struct log_tail *base = &read->segment->base;
	uint32_t record;
	if (read->kind == LOG_READ_FRAMES) {
		read->frame_position = index->frames[read->entry - base->entry - 1];
		return;
	}
	if (read->kind == LOG_READ_STREAM) {
		uint32_t stream = (uint32_t)(read->position - base->stream_size);
		record = index_record_at(index, stream);
		read->skip = stream - index->records[record].stream;
	} else {
		record = (uint32_t)(read->offset - base->next_offset);
	}
	uint32_t frame = index_frame_at(index, index->records[record].position);
	read->record_position = index->records[record].position;
	read->frame_position = index->frames[frame];
	read->record = (struct log_record){.offset = base->next_offset + record,
	                                   .entry = base->entry + 1 + frame,
	                                   .size = index_record_size(index, record)};
}

static int check_range(const struct log *log, const struct log_read *read)
{
	struct log_tail base;
	uint64_t first_offset, stream_begin;
	log_base(log, &base);
	log_begin(log, &first_offset, &stream_begin);
	if (read->kind == LOG_READ_FRAMES)
		return read->entry <= base.entry ? -ESTALE : read->entry > log->durable.entry ? -ENOENT : 0;
	if (read->kind == LOG_READ_STREAM)
		return read->position < stream_begin                ? -ESTALE
		       : read->position >= log->durable.stream_size ? -ENOENT
		                                                    : 0;
	return read->offset < first_offset ? -ESTALE : read->offset >= log->durable.next_offset ? -ENOENT : 0;
}

uint64_t log_durable_position(const struct log *log, const struct log_segment *segment)
{
	if (segment->end.entry <= log->durable.entry)
		return segment->position;
	for (size_t i = log->pending_first; i < log->pending_end; i++)
		if (log->pending[i].segment == segment)
			return log->pending[i].position;
	return segment->position;
}

/* Takes what the frame's header tells from those that were read lately. */
static void take_header(const struct log *log, struct log_read *read)
{
	const struct kept_header *header = &log->headers[read->record.entry % LOG_HEADERS_KEPT];
	read->header_known = header->entry == read->record.entry;
	if (!read->header_known)
		return;
	read->record.term = header->term;
	read->record.time_ns = header->time_ns;
}

static void keep_header(struct log *log, const struct log_read *read)
{
	bool single = read->kind == LOG_READ_STAT || read->kind == LOG_READ_RECORD;
	if (!single || read->header_known || read->status != 0 || read->cuts != log->cuts)
		return;
	const struct log_record *record = &read->record;
	log->headers[record->entry % LOG_HEADERS_KEPT] = (struct kept_header){
		.entry = record->entry, .term = record->term, .time_ns = record->time_ns};
}

int log_read_begin(struct log *log, struct log_read *read)
{
	int rc = check_range(log, read);
	if (rc != 0)
		return rc;
	struct log_segment *segment;
	if (read->kind == LOG_READ_FRAMES)
		segment = log_segment_of(log, read->entry);
	else if (read->kind == LOG_READ_STREAM)
		segment = find_segment(log, read->position, stream_of);
	else
		segment = find_segment(log, read->offset, offset_of);
	segment->pins++;
	segment->used = ++log->reads;
	read->segment = segment;
	read->disk = log->disk;
	read->folder = log->path;
	read->read_only = log->read_only;
	read->limit = log_durable_position(log, segment);
	read->cuts = log->cuts;
	read->handle = segment->handle;
	read->index = NULL;
	read->status = 0;
	read->data = NULL;
	read->data_size = 0;
	read->frame_position = 0;
	read->header_known = false;
	if (segment->index != NULL) {
		read_place(read, segment->index);
		take_header(log, read);
	}
	return 0;
}

int read_open_store(struct log_read *read, bool wait)
{
	if (read->handle >= 0)
		return 0;
	if (!wait)
		return -EAGAIN;
	char path[PATH_MAX];
	segment_path(path, read->folder, read->segment->base.entry + 1, LOG_SUFFIX_STORE);
	read->handle = read->disk->open(read->disk, path, read->read_only ? O_RDONLY : O_RDWR);
	return read->handle < 0 ? read->handle : 0;
}

int read_load_index(struct log_read *read)
{
	char path[PATH_MAX];
	const struct log_segment *segment = read->segment;
	segment_path(path, read->folder, segment->base.entry + 1, LOG_SUFFIX_INDEX);
	int rc = index_load(&read->index, read->disk, path);
	uint64_t records = segment->end.next_offset - segment->base.next_offset;
	uint64_t stream = segment->end.stream_size - segment->base.stream_size;
	if (rc == 0 && (read->index->record_count != records || read->index->stream_size != stream)) {
		index_destroy(read->index);
		read->index = NULL;
		rc = -EBADMSG;
	}
	if (rc != -EBADMSG && rc != -ENOENT)
		return rc;
	struct recovery recovery = {
		.disk = read->disk, .handle = read->handle, .base = segment->base, .goal = segment->end};
	rc = recover(&recovery);
	read->index = recovery.index;
	return rc;
}

/* ---- The end ---- */

void log_let_go(struct log *log)
{
	for (;;) {
		size_t memory = 0;
		uint32_t open = 0;
		struct log_segment *oldest = NULL;
		for (size_t i = 0; i + 1 < log->segment_count; i++) {
			struct log_segment *segment = log->segments[i];
			if (!segment->sealed || (segment->index == NULL && segment->handle < 0))
				continue;
			memory += segment->index != NULL ? index_memory(segment->index) : 0;
			open += segment->handle >= 0;
			if (segment->pins == 0 && (oldest == NULL || segment->used < oldest->used))
				oldest = segment;
		}
		if ((memory <= LOG_INDEX_MEMORY_MAX && open <= LOG_STORES_OPEN_MAX) || oldest == NULL)
			return;
		index_destroy(oldest->index);
		oldest->index = NULL;
		if (oldest->handle >= 0)
			log->disk->close(log->disk, oldest->handle);
		oldest->handle = -1;
	}
}

/* Keeps what the run opened and loaded, unless another read was faster. */
static void keep(struct log *log, struct log_read *read)
{
	struct log_segment *segment = read->segment;
	bool opened = read->handle >= 0 && read->handle != segment->handle;
	if (opened && segment->handle >= 0)
		log->disk->close(log->disk, read->handle);
	else if (opened)
		segment->handle = read->handle;
	bool loaded = read->index != NULL;
	if (loaded && segment->index != NULL)
		index_destroy(read->index);
	else if (loaded)
		segment->index = read->index;
	read->handle = -1;
	read->index = NULL;
	if (opened || loaded)
		log_let_go(log);
}

int log_read_end(struct log *log, struct log_read *read)
{
	struct log_segment *segment = read->segment;
	keep(log, read);
	keep_header(log, read);
	/* Its files were deleted before it could open them, or others have their names now. Of a trim they are so before its
	 * job has ended. */
	bool trimmed = segment->base.entry < log->segments[0]->base.entry;
	if ((segment->gone || trimmed) && (read->status == -ENOENT || read->status == -EBADMSG))
		read->status = trimmed ? -ESTALE : -ENOENT;
	segment->pins--;
	if (segment->gone)
		log_drop_segment(log, segment);
	read->segment = NULL;
	return read->status;
}

void log_read_finish(struct log_read *read)
{
	free(read->buffer);
	free(read->out);
	read->buffer = read->out = NULL;
	read->buffer_size = read->out_size = 0;
}

/* Reads the frame of an entry that is in a store. */
static int read_stored(struct log *log, struct log_segment *segment, uint64_t entry, struct log_frame **frame)
{
	unsigned char *buffer = NULL;
	size_t buffer_size = 0;
	const unsigned char *bytes;
	struct frame_header header;
	uint32_t position = segment->index->frames[entry - segment->base.entry - 1];
	struct window window = {.disk = log->disk,
	                        .handle = segment->handle,
	                        .wait = true,
	                        .limit = log_durable_position(log, segment),
	                        .buffer = &buffer,
	                        .buffer_size = &buffer_size};
	int rc = window_at(&window, position, FRAME_HEADER_SIZE, &bytes);
	if (rc == 0)
		rc = frame_decode_header(bytes, &header);
	if (rc == 0 && header.shown.entry != entry)
		rc = -EBADMSG;
	if (rc == 0)
		rc = window_at(&window, position, header.shown.size, &bytes);
	if (rc == 0)
		rc = frame_check_body(bytes, &header);
	if (rc == 0)
		rc = frame_copy(frame, bytes, &header);
	free(buffer);
	return rc == -ENODATA ? -EBADMSG : rc;
}

int log_load_index(struct log *log, struct log_segment *segment)
{
	struct log_read read = {.handle = segment->handle,
	                        .disk = log->disk,
	                        .folder = log->path,
	                        .read_only = log->read_only,
	                        .segment = segment};
	segment->used = ++log->reads;
	int rc = segment->created ? read_open_store(&read, true) : 0;
	if (rc == 0 && segment->index == NULL)
		rc = read_load_index(&read);
	keep(log, &read);
	return rc;
}

int log_read_frame(struct log *log, uint64_t entry, struct log_frame **frame, struct clog_error *err)
{
	if (entry > log->durable.entry && entry <= log->tail.entry) {
		*frame = log_frame_ref(log->pending[log->pending_first + (entry - log->durable.entry - 1)].frame);
		return 0;
	}
	struct log_segment *segment = log_segment_of(log, entry);
	if (segment == NULL)
		return clog_error_set(err, -ENOENT, "%s: there is no entry %llu", log->path, (unsigned long long)entry);
	segment->pins++;
	int rc = log_load_index(log, segment);
	if (rc == 0)
		rc = read_stored(log, segment, entry, frame);
	segment->pins--;
	if (rc != 0)
		return clog_error_set(err, rc, "%s: entry %llu: %s", log->path, (unsigned long long)entry,
		                      rc == -EBADMSG ? "corrupt" : strerror(-rc));
	return 0;
}

int log_state(struct log *log, uint64_t entry, uint64_t *state_entry, void **data, size_t *size)
{
	char path[PATH_MAX];
	int rc = install_state(log, entry, state_entry, data, size);
	if (rc != -ENOENT)
		return rc;
	for (size_t i = log->segment_count + 1; i > 0; i--) {
		/* The last place is that of the segment before the first: its index outlives it. */
		uint64_t first_entry = i > 1 ? log->segments[i - 2]->base.entry + 1 : log->stale_index;
		struct index_footer footer = {0};
		if (first_entry == 0 ||
		    (i > 1 && (!log->segments[i - 2]->sealed || log->segments[i - 2]->end.entry > entry)))
			continue;
		segment_path(path, log->path, first_entry, LOG_SUFFIX_INDEX);
		rc = index_load_footer(&footer, log->disk, path);
		if (rc == 0 && footer.end.entry <= entry && footer.state_size > 0) {
			*state_entry = footer.end.entry;
			*data = footer.state;
			*size = footer.state_size;
			footer.state = NULL;
			index_footer_finish(&footer);
			return 0;
		}
		index_footer_finish(&footer);
		if (rc != 0 && rc != -EBADMSG && rc != -ENOENT)
			return rc;
	}
	return -ENOENT;
}
