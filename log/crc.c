#include "log/crc.h"

#include <isa-l/crc.h>

uint32_t crc32c(const void *data, size_t size)
{
	return crc32c_more(0, data, size);
}

/* The library takes an int for the size and a pointer that is not const, and changes nothing. */
uint32_t crc32c_more(uint32_t crc, const void *data, size_t size)
{
	const unsigned char *at = data;
	const size_t piece_max = 1u << 30;
	for (; size > piece_max; at += piece_max, size -= piece_max)
		crc = ~crc32_iscsi((unsigned char *)(uintptr_t)at, (int)piece_max, ~crc);
	return ~crc32_iscsi((unsigned char *)(uintptr_t)at, (int)size, ~crc);
}
