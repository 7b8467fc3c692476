/* The bytes of a frame (docs/format.md): a header of FRAME_HEADER_SIZE, session rows, the items, each with its size and
 * checksum before it, and zeros up to a multiple of FRAME_ALIGN. */
#ifndef CLOG_LOG_FRAME_H
#define CLOG_LOG_FRAME_H

#include "log/log.h"

#define FRAME_HEADER_SIZE 88u
#define FRAME_ALIGN 8u
#define FRAME_VERSION 1u
#define SESSION_ROW_SIZE 24u
#define ITEM_HEADER_SIZE 8u

/* A header as decoded: what the door shows, and what only the room needs. */
struct frame_header {
	struct log_header shown;
	uint32_t data_size; /* bytes of the items alone */
	uint32_t sessions;  /* rows */
	uint32_t sessions_checksum;
	uint32_t previous; /* checksum of the previous frame's header */
};

/* Encodes FRAME_HEADER_SIZE bytes; sets shown.chain. */
void frame_encode_header(unsigned char *bytes, struct frame_header *header);
/* Decodes FRAME_HEADER_SIZE bytes. -EBADMSG when they are not a header (or its sizes cannot be true), -EPROTONOSUPPORT
 * for a newer version whose checksum holds. A header that passes has a size that bounds everything in the frame. */
int frame_decode_header(const unsigned char *bytes, struct frame_header *header);

/* Where the items begin, counted from the frame. */
static inline uint32_t frame_items(const struct frame_header *header)
{
	return FRAME_HEADER_SIZE + header->sessions * SESSION_ROW_SIZE;
}

/* Decodes and checks the item whose header is at bytes, of which available can be looked at; offset is its record's (of
 * an item that is no record, the frame's first_offset). Gives its size. -EBADMSG when the checksum fails or it is
 * cut. */
int frame_check_item(const unsigned char *bytes, size_t available, uint64_t offset, uint32_t *size);

/* The offset that the checksum of item i is bound to. */
static inline uint64_t frame_item_offset(const struct frame_header *header, uint32_t i)
{
	return header->shown.type == LOG_RECORDS ? header->shown.first_offset + i : header->shown.first_offset;
}

/* The CRC32C of an item's plain bytes, from its checked header. */
uint32_t frame_item_crc(const unsigned char *bytes, uint64_t offset);

/* Items are added before their offsets are known: binds their checksums to these. bytes is the whole frame. */
void frame_bind_items(unsigned char *items, const struct frame_header *header);

/* One row of sessions, SESSION_ROW_SIZE bytes. */
void frame_encode_session(unsigned char *bytes, const struct log_session *row);
void frame_decode_session(const unsigned char *bytes, struct log_session *row);

/* Checks everything after the header of a whole frame: sessions, items, padding. -EBADMSG. */
int frame_check_body(const unsigned char *bytes, const struct frame_header *header);

/* True when the header is that of the entry right after tail. */
bool frame_follows(const struct frame_header *header, const struct log_tail *tail);

/* Moves tail over the frame. */
void frame_advance(const struct frame_header *header, struct log_tail *tail);

/* Makes a closed frame of a copy of checked bytes. */
int frame_copy(struct log_frame **frame, const unsigned char *bytes, const struct frame_header *header);

/* The frame's bytes and its decoded header; closed frames only. */
const unsigned char *frame_bytes(const struct log_frame *frame);
const struct frame_header *frame_header(const struct log_frame *frame);

#endif
