#include "log/crc.h"

#include "log/crc_wide.h"

#include <isa-l/crc.h>
#include <string.h>

/* Below this many bytes the processor's own instruction beats the library's folding. */
#define SHORT_SIZE 256u

#if defined(__x86_64__)
static int has_instruction(void)
{
	return __builtin_cpu_supports("sse4.2");
}
#else
static uint32_t crc_short(uint32_t crc, const unsigned char *at, size_t size)
{
	return crc32_iscsi((unsigned char *)(uintptr_t)at, (int)size, crc);
}

static int has_instruction(void)
{
	return 0;
}
#endif

uint32_t crc32c(const void *data, size_t size)
{
	return crc32c_more(0, data, size);
}

/* The library takes an int for the size and a pointer that is not const, and changes nothing. */
uint32_t crc32c_more(uint32_t crc, const void *data, size_t size)
{
	const unsigned char *at = data;
	const size_t piece_max = 1u << 30;
	if (size < SHORT_SIZE && has_instruction())
		return ~crc_short(~crc, at, size);
	for (; size > piece_max; at += piece_max, size -= piece_max)
		crc = ~crc32_iscsi((unsigned char *)(uintptr_t)at, (int)piece_max, ~crc);
	return ~crc32_iscsi((unsigned char *)(uintptr_t)at, (int)size, ~crc);
}
