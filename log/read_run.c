/* The part of a read that may block: files only, on any thread. */
#include "log/join.h"
#include "log/read.h"

#include <errno.h>
#include <stdlib.h>

#define READ_PIECE (1u << 20) /* bytes read from the disk at a time, at most, but for a frame that is larger */
#define NEAR 4096u            /* a record this near to its frame's header is read together with it */

/* Whether what is asked is in the index: a truncation may have been faster. */
static bool is_there(const struct log_read *read)
{
	const struct log_tail *base = &read->segment->base;
	if (read->kind == LOG_READ_FRAMES)
		return read->entry - base->entry <= read->index->frame_count;
	if (read->kind == LOG_READ_STREAM)
		return read->position - base->stream_size < read->index->stream_size;
	return read->offset - base->next_offset < read->index->record_count;
}

/* Finds the place when begin could not, for want of the index. */
static int find_place(struct log_read *read, bool wait)
{
	if (read->frame_position != 0)
		return 0;
	if (!wait)
		return -EAGAIN;
	int rc = read_load_index(read);
	if (rc == 0 && !is_there(read))
		rc = -ENOENT;
	if (rc == 0)
		read_place(read, read->index);
	return rc;
}

/* A record that is lost has the place of its frame. */
static bool is_lost(const struct log_read *read)
{
	return read->kind != LOG_READ_FRAMES && read->record_position - read->frame_position < FRAME_HEADER_SIZE;
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

/* Checks that a record's item has the size that the index says. An empty one is checked as a whole: zeros look like one. */
static int check_size(const struct log_read *read, const unsigned char *bytes)
{
	uint32_t size = take_u32(bytes);
	if (size != read->record.size)
		return -EBADMSG;
	return size > 0 ? 0 : frame_check_item(bytes, ITEM_HEADER_SIZE, read->record.offset, &size);
}

static int run_record(struct log_read *read, bool wait)
{
	struct window window;
	struct frame_header header;
	open_window(read, &window, 0, wait);
	uint64_t before = read->record_position - read->frame_position;
	size_t size = ITEM_HEADER_SIZE + (read->kind == LOG_READ_STAT ? 0 : read->record.size);
	bool near = before <= NEAR;
	int rc = 0;
	if (!read->header_known)
		rc = read_header(read, &window, near ? (size_t)before + size : FRAME_HEADER_SIZE, &header);
	const unsigned char *bytes;
	uint32_t item_size;
	if (rc == 0)
		rc = window_at(&window, read->record_position, size, &bytes);
	if (rc == 0 && read->kind == LOG_READ_STAT)
		return check_size(read, bytes);
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

/* Checks the next item, whose bytes are borrowed until the next call. */
static int next_item(struct stream *stream, const unsigned char **bytes, uint32_t *size)
{
	uint64_t end = stream->frame_position + stream->header.shown.size;
	int rc = window_at(&stream->window, stream->position, ITEM_HEADER_SIZE, bytes);
	if (rc != 0)
		return rc;
	*size = take_u32(*bytes);
	if (*size > LOG_RECORD_SIZE_MAX || *size + ITEM_HEADER_SIZE > end - stream->position)
		return -EBADMSG;
	rc = window_at(&stream->window, stream->position, *size + ITEM_HEADER_SIZE, bytes);
	if (rc == 0)
		rc = frame_check_item(*bytes, *size + ITEM_HEADER_SIZE, stream->offset, size);
	return rc;
}

static void pass_item(struct stream *stream, uint32_t size)
{
	stream->position += ITEM_HEADER_SIZE + size;
	stream->offset++;
	stream->left--;
}

static int reserve_out(struct log_read *read, size_t size)
{
	if (read->out_size >= size)
		return 0;
	unsigned char *out = realloc(read->out, size);
	if (out == NULL)
		return -ENOMEM;
	read->out = out;
	read->out_size = size;
	return 0;
}

/* Copies of an item what was asked of the joined stream. */
static void take_bytes(struct log_read *read, struct stream *stream, const unsigned char *bytes, uint32_t size)
{
	uint32_t skip = read->skip < size ? (uint32_t)read->skip : size, wanted = read->size - read->data_size;
	uint32_t count = size - skip < wanted ? size - skip : wanted;
	memcpy(read->out + read->data_size, bytes + ITEM_HEADER_SIZE + skip, count);
	read->data_size += count;
	read->skip = 0;
	pass_item(stream, size);
}

/* Copies items to their last byte, as far as they are in the window, and wanted. One that is not so plain, or is damaged, is
 * left to take_item. Returns whether there was any. */
static bool take_items(struct log_read *read, struct stream *stream)
{
	struct join join = {.offset = stream->offset,
	                    .left = stream->left,
	                    .to = read->out + read->data_size,
	                    .room = read->size - read->data_size};
	uint64_t left = stream->frame_position + stream->header.shown.size - stream->position;
	size_t size = window_available(&stream->window, stream->position, &join.bytes);
	join.size = size < left ? size : (size_t)left;
	stream->position += join.size;
	uint32_t count = join_items(&join);
	stream->position -= join.size;
	stream->offset = join.offset;
	stream->left = join.left;
	read->data_size = read->size - (uint32_t)join.room;
	return count > 0;
}

/* What a record takes in the answer of a range: its attributes and its bytes, aligned. */
static size_t range_size(uint32_t size)
{
	return sizeof(struct log_record) + (((size_t)size + 7) & ~(size_t)7);
}

/* Copies an item with its attributes. -ENODATA when the answer is full. */
static int take_record(struct log_read *read, struct stream *stream, const unsigned char *bytes, uint32_t size)
{
	if (read->data_size > 0 && read->data_size + range_size(size) > read->size)
		return -ENODATA;
	int rc = reserve_out(read, read->data_size + range_size(size));
	if (rc != 0)
		return rc;
	struct log_record record = {.offset = stream->offset,
	                            .entry = stream->header.shown.entry,
	                            .term = stream->header.shown.term,
	                            .time_ns = stream->header.shown.time_ns,
	                            .size = size,
	                            .crc32c = frame_item_crc(bytes, stream->offset)};
	memcpy(read->out + read->data_size, &record, sizeof record);
	memcpy(read->out + read->data_size + sizeof record, bytes + ITEM_HEADER_SIZE, size);
	read->data_size += (uint32_t)range_size(size);
	pass_item(stream, size);
	return 0;
}

bool log_read_next(const struct log_read *read, uint32_t *position, struct log_record *record, const void **data)
{
	if (*position >= read->data_size)
		return false;
	const unsigned char *at = (const unsigned char *)read->data + *position;
	memcpy(record, at, sizeof *record);
	*data = at + sizeof *record;
	*position += (uint32_t)range_size(record->size);
	return true;
}

/* How much to read for what is still wanted, and little more: as its frame is, so will the next ones be. */
static uint32_t piece_for(const struct log_read *read, const struct frame_header *header)
{
	uint64_t answer = header->data_size;
	if (read->kind == LOG_READ_RANGE)
		answer += header->shown.count * sizeof(struct log_record);
	uint64_t wanted = read->size - read->data_size;
	uint64_t size = NEAR + wanted * header->shown.size / (answer > 0 ? answer : 1);
	return size < READ_PIECE ? (uint32_t)size : READ_PIECE;
}

/* Goes to the item at record_position. A header that is far from it is read alone. */
static int begin_items(struct log_read *read, struct stream *stream, bool wait)
{
	bool near = read->record_position - read->frame_position <= NEAR;
	uint32_t piece = read->size < READ_PIECE - NEAR ? read->size + NEAR : READ_PIECE;
	open_window(read, &stream->window, near ? piece : 0, wait);
	int rc = read_header(read, &stream->window, FRAME_HEADER_SIZE, &stream->header);
	if (rc != 0)
		return rc;
	stream->frame_position = read->frame_position;
	stream->position = read->record_position;
	stream->offset = read->record.offset;
	stream->left = (uint32_t)(stream->header.shown.first_offset + stream->header.shown.count - stream->offset);
	stream->window.piece = piece_for(read, &stream->header);
	const unsigned char *bytes;
	rc = window_at(&stream->window, stream->position, ITEM_HEADER_SIZE, &bytes);
	/* Zeros look like an empty record at offset 0; the index knows better. */
	return rc == 0 && take_u32(bytes) != read->record.size ? -EBADMSG : rc;
}

static int take_item(struct log_read *read, struct stream *stream)
{
	const unsigned char *bytes;
	uint32_t size;
	int rc = next_item(stream, &bytes, &size);
	if (rc != 0)
		return rc;
	if (read->kind == LOG_READ_RANGE)
		return take_record(read, stream, bytes, size);
	take_bytes(read, stream, bytes, size);
	return 0;
}

/* Streams and ranges: items one after the other, from record_position on. */
static int run_items(struct log_read *read, bool wait)
{
	struct stream stream;
	uint64_t skip = read->skip;
	int rc = reserve_out(read, read->size);
	if (rc == 0)
		rc = begin_items(read, &stream, wait);
	while (rc == 0 && read->data_size < read->size) {
		stream.window.piece = piece_for(read, &stream.header);
		if (stream.left == 0)
			rc = next_frame(read, &stream);
		else if (read->kind == LOG_READ_RANGE || read->skip > 0 || !take_items(read, &stream))
			rc = take_item(read, &stream);
	}
	/* What was gathered is good, whatever stopped it; the error meets the reader at its own place. */
	read->data = read->out;
	if (read->data_size > 0)
		return 0;
	read->skip = skip;
	return rc;
}

/* Whole frames as they are in the store, from frame_position on. */
static int run_frames(struct log_read *read, bool wait)
{
	struct window window;
	uint64_t position = read->frame_position, entry = read->entry;
	int rc = 0;
	open_window(read, &window, read->size < READ_PIECE ? read->size : READ_PIECE, wait);
	while (rc == 0 && position < read->limit) {
		const unsigned char *bytes;
		struct frame_header header;
		rc = window_at(&window, position, FRAME_HEADER_SIZE, &bytes);
		if (rc == 0)
			rc = check_header(read, bytes, entry, position, &header);
		if (rc == 0 && read->data_size > 0 && read->data_size + header.shown.size > read->size)
			break;
		if (rc == 0)
			rc = window_at(&window, position, header.shown.size, &bytes);
		if (rc == 0)
			rc = frame_check_body(bytes, &header);
		if (rc == 0)
			rc = reserve_out(read, read->data_size + header.shown.size);
		if (rc != 0)
			break;
		memcpy(read->out + read->data_size, bytes, header.shown.size);
		read->data_size += header.shown.size;
		position += header.shown.size;
		entry++;
	}
	read->data = read->out;
	return read->data_size > 0 ? 0 : rc;
}

void log_read_run(struct log_read *read, bool wait)
{
	read->data_size = 0;
	int rc = read_open_store(read, wait);
	if (rc == 0)
		rc = find_place(read, wait);
	if (rc == 0 && is_lost(read))
		rc = -EBADMSG;
	if (rc == 0 && read->kind == LOG_READ_FRAMES)
		rc = run_frames(read, wait);
	else if (rc == 0 && (read->kind == LOG_READ_STREAM || read->kind == LOG_READ_RANGE))
		rc = run_items(read, wait);
	else if (rc == 0)
		rc = run_record(read, wait);
	/* A store that ends before what is durable in it is as damaged as one whose bytes changed. */
	read->status = rc == -ENODATA ? -EBADMSG : rc;
	if (rc != 0) {
		read->data = NULL;
		read->data_size = 0;
	}
}
