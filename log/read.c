#include "log/state.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define READ_PIECE (256u << 10) /* bytes read from the disk at a time, by a stream */
#define NEAR 4096u              /* a record this near to its frame's header is read together with it */

/* The last segment that begins at or below what is asked, by the number that `of` takes from a segment's base. */
static struct log_segment *find_segment(const struct log *log, uint64_t asked, uint64_t (*of)(const struct log_tail *base))
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

/* Finds the place in the store, by the index. */
static void place(struct log_read *read, const struct log_index *index)
{
	const struct log_tail *base = &read->segment->base;
	uint32_t record;
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
	struct log_stat stat;
	log_stat(log, &stat);
	if (read->kind == LOG_READ_STREAM)
		return read->position < stat.stream_begin ? -ESTALE : read->position >= log->durable.stream_size ? -ENOENT : 0;
	return read->offset < stat.first_offset ? -ESTALE : read->offset >= log->durable.next_offset ? -ENOENT : 0;
}

/* The end of what is durable of a segment, in its store. */
static uint64_t durable_position(const struct log *log, const struct log_segment *segment)
{
	if (segment->end.entry <= log->durable.entry)
		return segment->position;
	for (size_t i = log->pending_first; i < log->pending_end; i++)
		if (log->pending[i].segment == segment)
			return log->pending[i].position;
	return segment->position;
}

int log_read_begin(struct log *log, struct log_read *read)
{
	int rc = check_range(log, read);
	if (rc != 0)
		return rc;
	struct log_segment *segment = read->kind == LOG_READ_STREAM ? find_segment(log, read->position, stream_of) :
	                                                               find_segment(log, read->offset, offset_of);
	segment->pins++;
	segment->used = ++log->reads;
	read->segment = segment;
	read->disk = log->disk;
	read->folder = log->path;
	read->limit = durable_position(log, segment);
	read->handle = segment->handle;
	read->index = NULL;
	read->status = 0;
	read->data = NULL;
	read->data_size = 0;
	read->frame_position = 0;
	if (segment->index != NULL)
		place(read, segment->index);
	return 0;
}

/* ---- The run: files only ---- */

static int open_store(struct log_read *read, bool wait)
{
	if (read->handle >= 0)
		return 0;
	if (!wait)
		return -EAGAIN;
	char path[PATH_MAX];
	int rc = segment_path(path, sizeof path, read->folder, read->segment->base.entry + 1, LOG_SUFFIX_STORE);
	if (rc != 0)
		return rc;
	read->handle = read->disk->open(read->disk, path, O_RDONLY);
	return read->handle < 0 ? read->handle : 0;
}

/* Brings the index of a sealed segment into memory, from its file, or, when that is damaged, from the store. */
static int load_index(struct log_read *read)
{
	char path[PATH_MAX];
	const struct log_segment *segment = read->segment;
	int rc = segment_path(path, sizeof path, read->folder, segment->base.entry + 1, LOG_SUFFIX_INDEX);
	if (rc != 0)
		return rc;
	rc = index_load(&read->index, read->disk, path);
	uint64_t records = segment->end.next_offset - segment->base.next_offset;
	uint64_t stream = segment->end.stream_size - segment->base.stream_size;
	if (rc == 0 && (read->index->record_count != records || read->index->stream_size != stream)) {
		index_destroy(read->index);
		read->index = NULL;
		rc = -EBADMSG;
	}
	uint64_t position;
	if (rc == -EBADMSG || rc == -ENOENT)
		rc = segment_rebuild(&read->index, read->disk, read->handle, &segment->base, &segment->end, NULL, NULL,
		                     &position);
	return rc;
}

/* Finds the place when begin could not, for want of the index. */
static int find_place(struct log_read *read, bool wait)
{
	if (read->frame_position != 0)
		return 0;
	if (!wait)
		return -EAGAIN;
	int rc = load_index(read);
	if (rc == 0)
		place(read, read->index);
	return rc;
}

static void open_window(struct log_read *read, struct window *window, uint32_t piece, bool wait)
{
	*window = (struct window){.disk = read->disk,
	                          .handle = read->handle,
	                          .wait = wait,
	                          .piece = piece,
	                          .limit = read->limit,
	                          .buffer = &read->buffer,
	                          .buffer_size = &read->buffer_size};
}

/* Decodes a frame's header and checks that it is the entry's that ought to stand there, and fits. */
static int check_header(const struct log_read *read, const unsigned char *bytes, uint64_t entry, uint64_t position,
                        struct frame_header *header)
{
	int rc = frame_decode_header(bytes, header);
	if (rc != 0)
		return rc;
	return header->shown.entry == entry && header->shown.size <= read->limit - position ? 0 : -EBADMSG;
}

static int read_header(struct log_read *read, struct window *window, size_t need, struct frame_header *header)
{
	const unsigned char *bytes;
	int rc = window_at(window, read->frame_position, need, &bytes);
	if (rc == 0)
		rc = check_header(read, bytes, read->record.entry, read->frame_position, header);
	if (rc == 0 && (header->shown.type != LOG_RECORDS || read->record.offset < header->shown.first_offset ||
	                read->record.offset - header->shown.first_offset >= header->shown.count))
		rc = -EBADMSG;
	if (rc != 0)
		return rc;
	read->record.term = header->shown.term;
	read->record.time_ns = header->shown.time_ns;
	return 0;
}

static int run_record(struct log_read *read, bool wait)
{
	struct window window;
	struct frame_header header;
	open_window(read, &window, 0, wait);
	uint64_t before = read->record_position - read->frame_position;
	size_t size = ITEM_HEADER_SIZE + read->record.size;
	bool near = read->kind == LOG_READ_RECORD && before <= NEAR;
	int rc = read_header(read, &window, near ? (size_t)before + size : FRAME_HEADER_SIZE, &header);
	if (rc != 0 || read->kind == LOG_READ_STAT)
		return rc;
	const unsigned char *bytes;
	uint32_t item_size;
	rc = window_at(&window, read->record_position, size, &bytes);
	if (rc == 0)
		rc = frame_check_item(bytes, size, read->record.offset, &item_size);
	if (rc == 0 && item_size != read->record.size)
		rc = -EBADMSG;
	if (rc != 0)
		return rc;
	read->record.crc32c = frame_item_crc(bytes, read->record.offset);
	read->data = bytes + ITEM_HEADER_SIZE;
	read->data_size = item_size;
	return 0;
}

/* Where a stream is on its way through the frames of a segment. */
struct stream {
	struct window window;
	struct frame_header header; /* of the frame that it is in */
	uint64_t frame_position;
	uint64_t position; /* of the next item */
	uint64_t offset;   /* of it */
	uint32_t left;     /* items in the frame from it on */
};

/* Goes to the next frame that has records. -ENODATA at the end. */
static int next_frame(struct log_read *read, struct stream *stream)
{
	do {
		const unsigned char *bytes;
		uint64_t entry = stream->header.shown.entry + 1;
		stream->frame_position += stream->header.shown.size;
		int rc = window_at(&stream->window, stream->frame_position, FRAME_HEADER_SIZE, &bytes);
		if (rc == 0)
			rc = check_header(read, bytes, entry, stream->frame_position, &stream->header);
		if (rc != 0)
			return rc;
	} while (stream->header.shown.type != LOG_RECORDS || stream->header.shown.count == 0);
	stream->position = stream->frame_position + frame_items(&stream->header);
	stream->offset = stream->header.shown.first_offset;
	stream->left = stream->header.shown.count;
	return 0;
}

/* Checks the next item and copies of it what was asked. */
static int take_item(struct log_read *read, struct stream *stream)
{
	const unsigned char *bytes;
	uint64_t end = stream->frame_position + stream->header.shown.size;
	int rc = window_at(&stream->window, stream->position, ITEM_HEADER_SIZE, &bytes);
	if (rc != 0)
		return rc;
	uint32_t size;
	size_t available = window_available(&stream->window, stream->position);
	memcpy(&size, bytes, sizeof size);
	size = le32toh(size);
	if (size > LOG_RECORD_SIZE_MAX || size + ITEM_HEADER_SIZE > end - stream->position)
		return -EBADMSG;
	if (available < size + ITEM_HEADER_SIZE) {
		rc = window_at(&stream->window, stream->position, size + ITEM_HEADER_SIZE, &bytes);
		if (rc != 0)
			return rc;
	}
	rc = frame_check_item(bytes, size + ITEM_HEADER_SIZE, stream->offset, &size);
	if (rc != 0)
		return rc;
	uint32_t skip = read->skip < size ? (uint32_t)read->skip : size, wanted = read->size - read->data_size;
	uint32_t count = size - skip < wanted ? size - skip : wanted;
	memcpy(read->out + read->data_size, bytes + ITEM_HEADER_SIZE + skip, count);
	read->data_size += count;
	read->skip = 0;
	stream->position += ITEM_HEADER_SIZE + size;
	stream->offset++;
	stream->left--;
	return 0;
}

static int reserve_out(struct log_read *read)
{
	if (read->out_size >= read->size)
		return 0;
	free(read->out);
	read->out = malloc(read->size);
	read->out_size = read->out == NULL ? 0 : read->size;
	return read->out == NULL ? -ENOMEM : 0;
}

static int run_stream(struct log_read *read, bool wait)
{
	struct stream stream = {.frame_position = read->frame_position, .position = read->record_position};
	uint64_t skip = read->skip;
	open_window(read, &stream.window, READ_PIECE, wait);
	int rc = reserve_out(read);
	if (rc == 0)
		rc = read_header(read, &stream.window, FRAME_HEADER_SIZE, &stream.header);
	if (rc == 0) {
		stream.offset = read->record.offset;
		stream.left = (uint32_t)(stream.header.shown.first_offset + stream.header.shown.count - stream.offset);
	}
	while (rc == 0 && read->data_size < read->size) {
		if (stream.left == 0)
			rc = next_frame(read, &stream);
		if (rc == 0)
			rc = take_item(read, &stream);
	}
	/* What was gathered is good, whatever stopped it; the error meets the reader at its own place. */
	read->data = read->out;
	if (read->data_size > 0)
		return 0;
	read->skip = skip;
	return rc;
}

void log_read_run(struct log_read *read, bool wait)
{
	read->data_size = 0;
	int rc = open_store(read, wait);
	if (rc == 0)
		rc = find_place(read, wait);
	if (rc == 0)
		rc = read->kind == LOG_READ_STREAM ? run_stream(read, wait) : run_record(read, wait);
	/* A store that ends before what is durable in it is as damaged as one whose bytes changed. */
	read->status = rc == -ENODATA ? -EBADMSG : rc;
	if (rc != 0) {
		read->data = NULL;
		read->data_size = 0;
	}
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
	keep(log, read);
	read->segment->pins--;
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
	                        .limit = durable_position(log, segment),
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

int log_read_frame(struct log *log, uint64_t entry, struct log_frame **frame, struct clog_error *err)
{
	if (entry > log->durable.entry && entry <= log->tail.entry) {
		*frame = log_frame_ref(log->pending[log->pending_first + (entry - log->durable.entry - 1)].frame);
		return 0;
	}
	struct log_segment *segment = log_segment_of(log, entry);
	if (segment == NULL)
		return clog_error_set(err, -ENOENT, "%s: there is no entry %llu", log->path, (unsigned long long)entry);
	struct log_read read = {.handle = segment->handle, .disk = log->disk, .folder = log->path, .segment = segment};
	segment->pins++;
	segment->used = ++log->reads;
	int rc = open_store(&read, true);
	if (rc == 0 && segment->index == NULL)
		rc = load_index(&read);
	keep(log, &read);
	if (rc == 0)
		rc = read_stored(log, segment, entry, frame);
	segment->pins--;
	if (rc != 0)
		return clog_error_set(err, rc, "%s: entry %llu: %s", log->path, (unsigned long long)entry,
		                      rc == -EBADMSG ? "corrupt" : strerror(-rc));
	return 0;
}
