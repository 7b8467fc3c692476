#include "log/join.h"

#include "log/bytes.h"
#include "log/crc.h"
#include "log/crc_wide.h"
#include "log/frame.h"

static uint32_t copy_plain(unsigned char *to, const unsigned char *from, size_t size)
{
	memcpy(to, from, size);
	return crc32c(from, size);
}

/* Made twice, each time with its copy in it: calls would take a tenth of the time. */
__attribute__((always_inline)) static inline uint32_t join_with(
	struct join *join, uint32_t (*copy)(unsigned char *to, const unsigned char *from, size_t size))
{
	struct join now = *join;
	while (now.left > 0 && now.size >= ITEM_HEADER_SIZE) {
		size_t size = take_u32(now.bytes);
		if (size > LOG_RECORD_SIZE_MAX || size > now.size - ITEM_HEADER_SIZE || size > now.room)
			break;
		if (copy(now.to, now.bytes + ITEM_HEADER_SIZE, size) != frame_item_crc(now.bytes, now.offset))
			break;
		now.bytes += ITEM_HEADER_SIZE + size;
		now.size -= ITEM_HEADER_SIZE + size;
		now.offset++;
		now.left--;
		now.to += size;
		now.room -= size;
	}
	uint32_t count = join->left - now.left;
	*join = now;
	return count;
}

CRC_WIDE static uint32_t join_wide(struct join *join)
{
	return join_with(join, crc_wide_copy);
}

uint32_t join_items_plain(struct join *join)
{
	return join_with(join, copy_plain);
}

uint32_t join_items(struct join *join)
{
	return crc_wide_usable() ? join_wide(join) : join_items_plain(join);
}
