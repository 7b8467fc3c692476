/* A frame in memory: filled with items and rows of sessions, then closed.
 *
 * Items are where they will be from the start: there is room in front of them for the header and some rows. Rows are
 * gathered at the start of that room, and moved up to the items when the frame is closed; it is made larger when there
 * are many. */
#include "log/frame.h"

#include "log/bytes.h"
#include "log/crc.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define FIRST_CAPACITY 4096u
#define FIRST_ROWS 16u /* that there is room for in front of the items */

struct log_frame {
	unsigned references;
	bool closed;
	uint32_t count;     /* items */
	uint32_t data_size; /* bytes of them alone */
	uint32_t sessions;  /* rows */
	size_t items, end;  /* where the items are in the buffer, their headers included */
	size_t capacity;
	unsigned char *buffer;
	struct frame_header header; /* once closed */
};

static size_t padded(size_t size)
{
	return (size + FRAME_ALIGN - 1) & ~(size_t)(FRAME_ALIGN - 1);
}

/* Bytes of the frame but for what pads it. */
static size_t plain_size(const struct log_frame *frame)
{
	return FRAME_HEADER_SIZE + (size_t)frame->sessions * SESSION_ROW_SIZE + (frame->end - frame->items);
}

/* Where the frame begins in the buffer, once it is closed. */
static size_t begin_of(const struct log_frame *frame)
{
	return frame->items - (size_t)frame->sessions * SESSION_ROW_SIZE - FRAME_HEADER_SIZE;
}

static struct log_frame *create(size_t capacity, size_t items)
{
	struct log_frame *frame = calloc(1, sizeof *frame);
	if (frame == NULL)
		return NULL;
	frame->buffer = malloc(capacity);
	if (frame->buffer == NULL) {
		free(frame);
		return NULL;
	}
	frame->references = 1;
	frame->items = frame->end = items;
	frame->capacity = capacity;
	return frame;
}

int log_frame_create(struct log_frame **frame)
{
	*frame = create(FIRST_CAPACITY, FRAME_HEADER_SIZE + FIRST_ROWS * SESSION_ROW_SIZE);
	return *frame == NULL ? -ENOMEM : 0;
}

struct log_frame *log_frame_ref(struct log_frame *frame)
{
	frame->references++;
	return frame;
}

void log_frame_unref(struct log_frame *frame)
{
	if (frame == NULL || --frame->references > 0)
		return;
	free(frame->buffer);
	free(frame);
}

bool log_frame_fits(const struct log_frame *frame, size_t size, size_t count)
{
	if (size > LOG_FRAME_SIZE_MAX || count > LOG_FRAME_SIZE_MAX / ITEM_HEADER_SIZE)
		return false;
	return padded(plain_size(frame) + size + count * ITEM_HEADER_SIZE) <= LOG_FRAME_SIZE_MAX;
}

/* Makes room for more bytes after the items, and what pads them. */
static int reserve(struct log_frame *frame, size_t more)
{
	size_t need = frame->end + more + FRAME_ALIGN;
	if (need <= frame->capacity)
		return 0;
	size_t capacity = frame->capacity;
	while (capacity < need)
		capacity *= 2;
	unsigned char *buffer = realloc(frame->buffer, capacity);
	if (buffer == NULL)
		return -ENOMEM;
	frame->buffer = buffer;
	frame->capacity = capacity;
	return 0;
}

static void put_item(struct log_frame *frame, const void *data, uint32_t size)
{
	unsigned char *at = frame->buffer + frame->end;
	put_u32(at, size);
	put_u32(at + 4, crc32c(data, size));
	if (size > 0)
		memcpy(at + ITEM_HEADER_SIZE, data, size);
	frame->end += ITEM_HEADER_SIZE + size;
	frame->data_size += size;
	frame->count++;
}

int log_frame_add(struct log_frame *frame, const void *data, size_t size)
{
	if (size > LOG_RECORD_SIZE_MAX)
		return -EMSGSIZE;
	uint32_t item_size = (uint32_t)size;
	return log_frame_add_many(frame, data, &item_size, 1);
}

int log_frame_add_many(struct log_frame *frame, const void *data, const uint32_t *sizes, uint32_t count)
{
	assert(!frame->closed);
	size_t total = 0;
	for (uint32_t i = 0; i < count; i++) {
		if (sizes[i] > LOG_RECORD_SIZE_MAX)
			return -EMSGSIZE;
		total += sizes[i];
	}
	if (!log_frame_fits(frame, total, count))
		return -ENOBUFS;
	int rc = reserve(frame, total + (size_t)count * ITEM_HEADER_SIZE);
	if (rc != 0)
		return rc;
	const unsigned char *at = data;
	for (uint32_t i = 0; i < count; i++) {
		put_item(frame, at, sizes[i]);
		at = sizes[i] > 0 ? at + sizes[i] : at; /* at may be NULL where all are empty */
	}
	return 0;
}

int log_frame_add_frame(struct log_frame *frame, const struct log_frame *from)
{
	assert(!frame->closed);
	size_t size = from->end - from->items;
	if (!log_frame_fits(frame, from->data_size, from->count))
		return -ENOBUFS;
	int rc = reserve(frame, size);
	if (rc != 0)
		return rc;
	unsigned char *items = frame->buffer + frame->end;
	memcpy(items, from->buffer + from->items, size);
	/* Binding is its own inverse: the checksums are plain again. */
	if (from->closed)
		frame_bind_items(items, &from->header);
	frame->end += size;
	frame->data_size += from->data_size;
	frame->count += from->count;
	return 0;
}

/* Makes room for one more row in front of the items: twice what there is, so that moving them is seldom. */
static int reserve_row(struct log_frame *frame)
{
	size_t room = frame->items - FRAME_HEADER_SIZE;
	if ((frame->sessions + 1) * (size_t)SESSION_ROW_SIZE <= room)
		return 0;
	int rc = reserve(frame, room);
	if (rc != 0)
		return rc;
	memmove(frame->buffer + frame->items + room, frame->buffer + frame->items, frame->end - frame->items);
	frame->items += room;
	frame->end += room;
	return 0;
}

int log_frame_add_session(struct log_frame *frame, const struct log_session *row)
{
	assert(!frame->closed);
	if (frame->sessions == LOG_SESSIONS_MAX || !log_frame_fits(frame, SESSION_ROW_SIZE, 0))
		return -ENOBUFS;
	int rc = reserve_row(frame);
	if (rc != 0)
		return rc;
	frame_encode_session(frame->buffer + FRAME_HEADER_SIZE + (size_t)frame->sessions * SESSION_ROW_SIZE, row);
	frame->sessions++;
	return 0;
}

uint32_t log_frame_sessions(const struct log_frame *frame)
{
	return frame->sessions;
}

void log_frame_session(const struct log_frame *frame, uint32_t i, struct log_session *row)
{
	assert(i < frame->sessions);
	size_t begin = frame->closed ? begin_of(frame) : 0;
	frame_decode_session(frame->buffer + begin + FRAME_HEADER_SIZE + (size_t)i * SESSION_ROW_SIZE, row);
}

/* No row may stand for a record that is not there. */
static bool rows_fit(const struct log_frame *frame)
{
	uint64_t records = 0;
	for (uint32_t i = 0; i < frame->sessions; i++) {
		struct log_session row;
		log_frame_session(frame, i, &row);
		records += row.count;
	}
	return records <= frame->count;
}

void log_frame_close(struct log_frame *frame, const struct log_tail *tail, const struct log_header *header)
{
	assert(!frame->closed);
	assert(header->type == LOG_RECORDS || (frame->count <= 1 && frame->sessions == 0));
	assert(rows_fit(frame));
	size_t size = plain_size(frame), rows_size = (size_t)frame->sessions * SESSION_ROW_SIZE;
	memset(frame->buffer + frame->end, 0, padded(size) - size);
	unsigned char *bytes = frame->buffer + begin_of(frame), *rows = bytes + FRAME_HEADER_SIZE;
	memmove(rows, frame->buffer + FRAME_HEADER_SIZE, rows_size);
	frame->header = (struct frame_header){.shown = *header,
	                                      .data_size = frame->data_size,
	                                      .sessions = frame->sessions,
	                                      .sessions_checksum = crc32c(rows, rows_size),
	                                      .previous = tail->chain};
	struct log_header *shown = &frame->header.shown;
	shown->entry = tail->entry + 1;
	shown->first_offset = tail->next_offset;
	shown->stream_size = tail->stream_size;
	shown->size = (uint32_t)padded(size);
	shown->count = frame->count;
	frame_bind_items(frame->buffer + frame->items, &frame->header);
	frame_encode_header(bytes, &frame->header);
	frame->closed = true;
}

const struct log_header *log_frame_header(const struct log_frame *frame)
{
	assert(frame->closed);
	return &frame->header.shown;
}

uint32_t log_frame_count(const struct log_frame *frame)
{
	return frame->count;
}

size_t log_frame_data_size(const struct log_frame *frame)
{
	return frame->data_size;
}

uint32_t log_frame_size(const struct log_frame *frame)
{
	return (uint32_t)padded(plain_size(frame));
}

void log_frame_item(const struct log_frame *frame, uint32_t i, const void **data, uint32_t *size)
{
	assert(frame->closed && i < frame->count);
	const unsigned char *at = frame->buffer + frame->items;
	for (; i > 0; i--)
		at += ITEM_HEADER_SIZE + take_u32(at);
	*data = at + ITEM_HEADER_SIZE;
	*size = take_u32(at);
}

const void *log_frame_bytes(const struct log_frame *frame, size_t *size)
{
	*size = frame_header(frame)->shown.size;
	return frame_bytes(frame);
}

const unsigned char *frame_bytes(const struct log_frame *frame)
{
	assert(frame->closed);
	return frame->buffer + begin_of(frame);
}

const struct frame_header *frame_header(const struct log_frame *frame)
{
	assert(frame->closed);
	return &frame->header;
}

int frame_copy(struct log_frame **frame, const unsigned char *bytes, const struct frame_header *header)
{
	struct log_frame *made = create(header->shown.size, frame_items(header));
	if (made == NULL)
		return -ENOMEM;
	memcpy(made->buffer, bytes, header->shown.size);
	made->end = made->items + header->data_size + (size_t)header->shown.count * ITEM_HEADER_SIZE;
	made->count = header->shown.count;
	made->data_size = header->data_size;
	made->sessions = header->sessions;
	made->header = *header;
	made->closed = true;
	*frame = made;
	return 0;
}

int log_frame_parse(struct log_frame **frame, const void *data, size_t size, size_t *used)
{
	struct frame_header header;
	*used = 0;
	if (size < FRAME_HEADER_SIZE)
		return -EBADMSG;
	int rc = frame_decode_header(data, &header);
	if (rc == 0)
		rc = header.shown.size <= size ? frame_check_body(data, &header) : -EBADMSG;
	if (rc == 0)
		rc = frame_copy(frame, data, &header);
	if (rc == 0)
		*used = header.shown.size;
	return rc;
}

int log_frame_peek(const void *data, size_t size, struct log_header *shown)
{
	struct frame_header header;
	if (size < FRAME_HEADER_SIZE)
		return -EBADMSG;
	int rc = frame_decode_header(data, &header);
	if (rc != 0)
		return rc;
	*shown = header.shown;
	return shown->size <= size ? 0 : -EBADMSG;
}
