#include "tests/fuzz/seal.h"

#include <endian.h>
#include <string.h>

#include "tests/log/checksum.h"

#define SLOT_SIZE 512u
#define PAGE_SIZE_OF_STORE 4096u
#define FRAME_HEADER 88u
#define FRAME_CHECKSUM 84u
#define ITEM_HEADER 8u
#define SESSION_ROW 24u
#define TRAILER 160u

static uint32_t take_u32(const unsigned char *from)
{
	uint32_t value;
	memcpy(&value, from, sizeof value);
	return le32toh(value);
}

static uint64_t take_u64(const unsigned char *from)
{
	uint64_t value;
	memcpy(&value, from, sizeof value);
	return le64toh(value);
}

static void put_u32(unsigned char *to, uint32_t value)
{
	value = htole32(value);
	memcpy(to, &value, sizeof value);
}

static void put_u64(unsigned char *to, uint64_t value)
{
	value = htole64(value);
	memcpy(to, &value, sizeof value);
}

void seal_cell(unsigned char *bytes, size_t size)
{
	for (size_t slot = 0; slot < 2 * SLOT_SIZE && slot + SLOT_SIZE <= size; slot += SLOT_SIZE)
		put_u32(bytes + slot + 508, checksum_crc32c(bytes + slot, 508));
}

/* The items of a frame, whose size is within bounds: each checksum, bound to its offset. */
static void seal_items(unsigned char *frame, size_t size)
{
	uint64_t offset = take_u64(frame + 24), at = FRAME_HEADER + (uint64_t)take_u32(frame + 68) * SESSION_ROW;
	bool records = frame[5] == 1;
	if (at <= size)
		put_u32(frame + 72, checksum_crc32c(frame + FRAME_HEADER, at - FRAME_HEADER));
	for (uint32_t left = take_u32(frame + 60); left > 0 && at + ITEM_HEADER <= size; left--) {
		uint32_t item = take_u32(frame + at);
		if (item > size - at - ITEM_HEADER)
			return;
		uint32_t mask = (uint32_t)((offset * 0x9e3779b97f4a7c15u) >> 32);
		put_u32(frame + at + 4, checksum_crc32c(frame + at + ITEM_HEADER, item) ^ mask);
		offset += records;
		at += ITEM_HEADER + item;
	}
}

void seal_frame(unsigned char *bytes, size_t size)
{
	if (size < FRAME_HEADER)
		return;
	uint32_t frame_size = take_u32(bytes + 56);
	seal_items(bytes, frame_size < FRAME_HEADER || frame_size > size ? size : frame_size);
	put_u32(bytes + FRAME_CHECKSUM, checksum_crc32c(bytes, FRAME_CHECKSUM));
}

void seal_store(unsigned char *bytes, size_t size, bool follow)
{
	if (size < PAGE_SIZE_OF_STORE)
		return;
	uint64_t entry = take_u64(bytes + 16), next_offset = take_u64(bytes + 32), stream_size = take_u64(bytes + 40);
	uint32_t chain = take_u32(bytes + 56);
	put_u32(bytes + 508, checksum_crc32c(bytes, 508));
	seal_cell(bytes + SLOT_SIZE, 2 * SLOT_SIZE);
	for (size_t at = PAGE_SIZE_OF_STORE; at + FRAME_HEADER <= size;) {
		unsigned char *frame = bytes + at;
		uint32_t frame_size = take_u32(frame + 56);
		if (follow) {
			put_u64(frame + 8, ++entry);
			put_u64(frame + 24, next_offset);
			put_u64(frame + 32, stream_size);
			put_u32(frame + 76, chain);
		}
		if (frame_size < FRAME_HEADER || frame_size > size - at)
			frame_size = (uint32_t)(size - at);
		seal_items(frame, frame_size);
		chain = checksum_crc32c(frame, FRAME_CHECKSUM);
		put_u32(frame + FRAME_CHECKSUM, chain);
		next_offset += frame[5] == 1 ? take_u32(frame + 60) : 0;
		stream_size += frame[5] == 1 ? take_u32(frame + 64) : 0;
		at += frame_size;
	}
}

void seal_index(unsigned char *bytes, size_t size)
{
	if (size < TRAILER)
		return;
	unsigned char *trailer = bytes + size - TRAILER;
	uint64_t body = (uint64_t)take_u32(trailer + 12) * 8 + (uint64_t)take_u32(trailer + 16) * 4;
	if (body <= size - TRAILER) {
		put_u32(trailer + 36, checksum_crc32c(bytes, body));
		put_u32(trailer + 40, checksum_crc32c(bytes + body, size - TRAILER - body));
	}
	put_u32(trailer + 156, checksum_crc32c(trailer, 156));
}
