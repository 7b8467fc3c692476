#include "tests/log/checksum.h"

uint32_t checksum_crc32c(const void *data, size_t size)
{
	static uint32_t table[256];
	if (table[1] == 0) {
		for (uint32_t i = 0; i < 256; i++) {
			uint32_t crc = i;
			for (int bit = 0; bit < 8; bit++)
				crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0);
			table[i] = crc;
		}
	}
	uint32_t crc = ~0u;
	for (const unsigned char *bytes = data; size > 0; size--, bytes++)
		crc = (crc >> 8) ^ table[(crc ^ *bytes) & 0xff];
	return ~crc;
}
