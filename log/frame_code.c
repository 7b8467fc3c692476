/* Frames as bytes: encoding, decoding and checking them. */
#include "log/frame.h"

#include "log/bytes.h"
#include "log/crc.h"

#include <errno.h>

#define FRAME_MAGIC 0x46474c43u /* "CLGF" */
#define HEADER_CHECKSUM 84u     /* its place; the four bytes before it are zeros */

/* Binds an item's checksum to its offset, so that a record in another's place fails. */
static uint32_t mask_of(uint64_t offset)
{
	return (uint32_t)((offset * 0x9e3779b97f4a7c15u) >> 32);
}

void frame_encode_header(unsigned char *bytes, struct frame_header *header)
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
	header->shown.chain = crc32c(bytes, HEADER_CHECKSUM);
	put_u32(bytes + HEADER_CHECKSUM, header->shown.chain);
}

void frame_bind_items(unsigned char *items, const struct frame_header *header)
{
	unsigned char *at = items;
	for (uint32_t i = 0; i < header->shown.count; i++) {
		put_u32(at + 4, take_u32(at + 4) ^ mask_of(frame_item_offset(header, i)));
		at += ITEM_HEADER_SIZE + take_u32(at);
	}
}

void frame_encode_session(unsigned char *bytes, const struct log_session *row)
{
	put_u64(bytes, row->session);
	put_u64(bytes + 8, row->sequence);
	put_u32(bytes + 16, row->count);
	put_u32(bytes + 20, 0);
}

void frame_decode_session(const unsigned char *bytes, struct log_session *row)
{
	*row = (struct log_session){
		.session = take_u64(bytes), .sequence = take_u64(bytes + 8), .count = take_u32(bytes + 16)};
}

/* The sizes in a header bound each other, so that nothing in it leads outside of the frame. */
static bool sizes_agree(const struct frame_header *header)
{
	const struct log_header *shown = &header->shown;
	if (shown->size < FRAME_HEADER_SIZE || shown->size > LOG_FRAME_SIZE_MAX || shown->size % FRAME_ALIGN != 0)
		return false;
	if ((shown->count == 0 && header->data_size > 0) || header->sessions > LOG_SESSIONS_MAX)
		return false;
	uint64_t body = (uint64_t)header->sessions * SESSION_ROW_SIZE + (uint64_t)shown->count * ITEM_HEADER_SIZE +
	                header->data_size;
	return FRAME_HEADER_SIZE + body <= shown->size && shown->size - FRAME_HEADER_SIZE - body < FRAME_ALIGN;
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

/* Rows stand for records that are there, of a frame that has records. */
static int check_sessions(const unsigned char *rows, const struct frame_header *header)
{
	uint64_t records = 0;
	if (crc32c(rows, (size_t)header->sessions * SESSION_ROW_SIZE) != header->sessions_checksum)
		return -EBADMSG;
	if (header->sessions > 0 && header->shown.type != LOG_RECORDS)
		return -EBADMSG;
	for (uint32_t i = 0; i < header->sessions; i++, rows += SESSION_ROW_SIZE) {
		struct log_session row;
		frame_decode_session(rows, &row);
		records += row.count;
		if (take_u32(rows + 20) != 0 || records > header->shown.count)
			return -EBADMSG;
	}
	return 0;
}

int frame_check_body(const unsigned char *bytes, const struct frame_header *header)
{
	size_t position = frame_items(header), size = header->shown.size;
	if (check_sessions(bytes + FRAME_HEADER_SIZE, header) != 0)
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
