#include "log/frame.h"

#include "log/bytes.h"
#include "log/crc.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define FRAME_MAGIC 0x46474c43u /* "CLGF" */
#define HEADER_CHECKSUM 84u     /* its place; the four bytes before it are zeros */
#define FIRST_CAPACITY 4096u

struct log_frame {
	unsigned references;
	bool closed;
	uint32_t count;     /* items */
	uint32_t data_size; /* bytes of them alone */
	size_t size;        /* bytes used; the header's room is counted */
	size_t capacity;
	unsigned char *bytes;
	struct frame_header header; /* once closed */
};

/* Binds an item's checksum to its offset, so that a record in another's place fails. */
static uint32_t mask_of(uint64_t offset)
{
	return (uint32_t)((offset * 0x9e3779b97f4a7c15u) >> 32);
}

static size_t padded(size_t size)
{
	return (size + FRAME_ALIGN - 1) & ~(size_t)(FRAME_ALIGN - 1);
}

int log_frame_create(struct log_frame **frame)
{
	struct log_frame *made = calloc(1, sizeof *made);
	if (made == NULL)
		return -ENOMEM;
	made->bytes = malloc(FIRST_CAPACITY);
	if (made->bytes == NULL) {
		free(made);
		return -ENOMEM;
	}
	made->references = 1;
	made->size = FRAME_HEADER_SIZE;
	made->capacity = FIRST_CAPACITY;
	*frame = made;
	return 0;
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
	free(frame->bytes);
	free(frame);
}

bool log_frame_fits(const struct log_frame *frame, size_t size, size_t count)
{
	if (size > LOG_FRAME_SIZE_MAX || count > LOG_FRAME_SIZE_MAX / ITEM_HEADER_SIZE)
		return false;
	return padded(frame->size + size + count * ITEM_HEADER_SIZE) <= LOG_FRAME_SIZE_MAX;
}

static int reserve(struct log_frame *frame, size_t more)
{
	size_t need = padded(frame->size + more);
	if (need <= frame->capacity)
		return 0;
	size_t capacity = frame->capacity;
	while (capacity < need)
		capacity *= 2;
	unsigned char *bytes = realloc(frame->bytes, capacity);
	if (bytes == NULL)
		return -ENOMEM;
	frame->bytes = bytes;
	frame->capacity = capacity;
	return 0;
}

static void put_item(struct log_frame *frame, const void *data, uint32_t size)
{
	unsigned char *at = frame->bytes + frame->size;
	put_u32(at, size);
	put_u32(at + 4, crc32c(data, size));
	if (size > 0)
		memcpy(at + ITEM_HEADER_SIZE, data, size);
	frame->size += ITEM_HEADER_SIZE + size;
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

static void encode_header(unsigned char *bytes, const struct frame_header *header)
{
	memset(bytes, 0, FRAME_HEADER_SIZE);
	put_u32(bytes, FRAME_MAGIC);
	bytes[4] = FRAME_VERSION;
	bytes[5] = (unsigned char)header->shown.type;
	put_u64(bytes + 8, header->shown.entry);
	put_u64(bytes + 16, header->shown.term);
	put_u64(bytes + 24, header->shown.first_offset);
	put_u64(bytes + 32, header->shown.stream_size);
	put_u64(bytes + 40, header->shown.commit);
	put_u64(bytes + 48, header->shown.time_ns);
	put_u32(bytes + 56, header->shown.size);
	put_u32(bytes + 60, header->shown.count);
	put_u32(bytes + 64, header->data_size);
	put_u32(bytes + 68, header->sessions);
	put_u32(bytes + 72, header->sessions_checksum);
	put_u32(bytes + 76, header->previous);
	put_u32(bytes + HEADER_CHECKSUM, crc32c(bytes, HEADER_CHECKSUM));
}

/* Items are added before their offsets are known; now their checksums are bound to them. */
static void bind_items(unsigned char *bytes, const struct frame_header *header)
{
	unsigned char *at = bytes + frame_items(header);
	for (uint32_t i = 0; i < header->shown.count; i++) {
		put_u32(at + 4, take_u32(at + 4) ^ mask_of(frame_item_offset(header, i)));
		at += ITEM_HEADER_SIZE + take_u32(at);
	}
}

void log_frame_close(struct log_frame *frame, const struct log_tail *tail, const struct log_header *header)
{
	assert(!frame->closed);
	assert(header->type == LOG_RECORDS || frame->count <= 1);
	size_t size = padded(frame->size);
	memset(frame->bytes + frame->size, 0, size - frame->size);
	frame->size = size;
	frame->header = (struct frame_header){.shown = *header, .data_size = frame->data_size, .previous = tail->chain};
	struct log_header *shown = &frame->header.shown;
	shown->entry = tail->entry + 1;
	shown->first_offset = tail->next_offset;
	shown->stream_size = tail->stream_size;
	shown->size = (uint32_t)size;
	shown->count = frame->count;
	bind_items(frame->bytes, &frame->header);
	encode_header(frame->bytes, &frame->header);
	shown->chain = take_u32(frame->bytes + HEADER_CHECKSUM);
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
	return (uint32_t)padded(frame->size);
}

void log_frame_item(const struct log_frame *frame, uint32_t i, const void **data, uint32_t *size)
{
	assert(frame->closed && i < frame->count);
	const unsigned char *at = frame->bytes + frame_items(&frame->header);
	for (; i > 0; i--)
		at += ITEM_HEADER_SIZE + take_u32(at);
	*data = at + ITEM_HEADER_SIZE;
	*size = take_u32(at);
}

const unsigned char *frame_bytes(const struct log_frame *frame)
{
	assert(frame->closed);
	return frame->bytes;
}

const struct frame_header *frame_header(const struct log_frame *frame)
{
	assert(frame->closed);
	return &frame->header;
}

/* The sizes in a header bound each other, so that nothing in it leads outside of the frame. */
static bool sizes_agree(const struct frame_header *header)
{
	const struct log_header *shown = &header->shown;
	if (shown->size < FRAME_HEADER_SIZE || shown->size > LOG_FRAME_SIZE_MAX || shown->size % FRAME_ALIGN != 0)
		return false;
	if (shown->count == 0 && header->data_size > 0)
		return false;
	uint64_t body = (uint64_t)header->sessions * SESSION_ROW_SIZE + (uint64_t)shown->count * ITEM_HEADER_SIZE +
	                header->data_size;
	return body <= shown->size && padded(FRAME_HEADER_SIZE + body) == shown->size;
}

static bool type_is_known(const struct log_header *shown)
{
	if (shown->type == LOG_RECORDS)
		return true;
	return shown->type >= LOG_CONTROL && shown->type <= LOG_CONFIGURATION && shown->count <= 1;
}

int frame_decode_header(const unsigned char *bytes, struct frame_header *header)
{
	if (take_u32(bytes) != FRAME_MAGIC || take_u32(bytes + HEADER_CHECKSUM) != crc32c(bytes, HEADER_CHECKSUM))
		return -EBADMSG;
	if (bytes[4] > FRAME_VERSION)
		return -EPROTONOSUPPORT;
	*header = (struct frame_header){
		.shown = {.entry = take_u64(bytes + 8),
	                  .term = take_u64(bytes + 16),
	                  .first_offset = take_u64(bytes + 24),
	                  .stream_size = take_u64(bytes + 32),
	                  .commit = take_u64(bytes + 40),
	                  .time_ns = take_u64(bytes + 48),
	                  .size = take_u32(bytes + 56),
	                  .count = take_u32(bytes + 60),
	                  .chain = take_u32(bytes + HEADER_CHECKSUM),
	                  .type = (enum log_type)bytes[5]},
		.data_size = take_u32(bytes + 64),
		.sessions = take_u32(bytes + 68),
		.sessions_checksum = take_u32(bytes + 72),
		.previous = take_u32(bytes + 76),
	};
	bool reserved = bytes[6] != 0 || bytes[7] != 0 || take_u32(bytes + 80) != 0;
	if (bytes[4] == 0 || reserved || !type_is_known(&header->shown) || !sizes_agree(header))
		return -EBADMSG;
	return 0;
}

int frame_check_item(const unsigned char *bytes, size_t available, uint64_t offset, uint32_t *size)
{
	if (available < ITEM_HEADER_SIZE)
		return -EBADMSG;
	*size = take_u32(bytes);
	if (*size > LOG_RECORD_SIZE_MAX || *size > available - ITEM_HEADER_SIZE)
		return -EBADMSG;
	uint32_t crc = crc32c(bytes + ITEM_HEADER_SIZE, *size);
	return take_u32(bytes + 4) == (crc ^ mask_of(offset)) ? 0 : -EBADMSG;
}

uint32_t frame_item_crc(const unsigned char *bytes, uint64_t offset)
{
	return take_u32(bytes + 4) ^ mask_of(offset);
}

int frame_check_body(const unsigned char *bytes, const struct frame_header *header)
{
	size_t position = frame_items(header), size = header->shown.size;
	if (crc32c(bytes + FRAME_HEADER_SIZE, position - FRAME_HEADER_SIZE) != header->sessions_checksum)
		return -EBADMSG;
	uint64_t data_size = 0;
	for (uint32_t i = 0; i < header->shown.count; i++) {
		uint32_t item_size;
		int rc = frame_check_item(bytes + position, size - position, frame_item_offset(header, i), &item_size);
		if (rc != 0)
			return rc;
		position += ITEM_HEADER_SIZE + item_size;
		data_size += item_size;
	}
	if (data_size != header->data_size)
		return -EBADMSG;
	for (; position < size; position++)
		if (bytes[position] != 0)
			return -EBADMSG;
	return 0;
}

bool frame_follows(const struct frame_header *header, const struct log_tail *tail)
{
	return header->shown.entry == tail->entry + 1 && header->shown.first_offset == tail->next_offset &&
	       header->shown.stream_size == tail->stream_size && header->shown.term >= tail->term &&
	       header->previous == tail->chain;
}

void frame_advance(const struct frame_header *header, struct log_tail *tail)
{
	tail->entry = header->shown.entry;
	tail->term = header->shown.term;
	tail->time_ns = header->shown.time_ns;
	tail->chain = header->shown.chain;
	if (header->shown.type == LOG_RECORDS) {
		tail->next_offset += header->shown.count;
		tail->stream_size += header->data_size;
	}
}

int frame_copy(struct log_frame **frame, const unsigned char *bytes, const struct frame_header *header)
{
	struct log_frame *made;
	int rc = log_frame_create(&made);
	if (rc != 0)
		return rc;
	rc = reserve(made, header->shown.size - FRAME_HEADER_SIZE);
	if (rc != 0) {
		log_frame_unref(made);
		return rc;
	}
	memcpy(made->bytes, bytes, header->shown.size);
	made->size = header->shown.size;
	made->count = header->shown.count;
	made->data_size = header->data_size;
	made->header = *header;
	made->closed = true;
	*frame = made;
	return 0;
}

int log_frame_parse(struct log_frame **frame, const void *data, size_t size, size_t *used)
{
	struct frame_header header;
	if (size < FRAME_HEADER_SIZE)
		return -EBADMSG;
	int rc = frame_decode_header(data, &header);
	if (rc == 0)
		rc = header.shown.size <= size ? frame_check_body(data, &header) : -EBADMSG;
	if (rc == 0)
		rc = frame_copy(frame, data, &header);
	*used = rc == 0 ? header.shown.size : 0;
	return rc;
}
