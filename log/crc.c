#include "log/crc.h"

#include <isa-l/crc.h>
#include <string.h>

/* Below this many bytes the processor's own instruction beats the library's folding. */
#define SHORT_SIZE 256u

#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("sse4.2"))) static uint32_t update_short(uint32_t crc, const unsigned char *at, size_t size)
{
	uint64_t wide = crc;
	for (; size >= 8; at += 8, size -= 8) {
		uint64_t word;
		memcpy(&word, at, sizeof word);
		wide = _mm_crc32_u64(wide, word);
	}
	crc = (uint32_t)wide;
	for (; size > 0; at++, size--)
		crc = _mm_crc32_u8(crc, *at);
	return crc;
}

static int has_instruction(void)
{
	return __builtin_cpu_supports("sse4.2");
}

#define WIDE __attribute__((target("sse4.2,avx512f,avx512bw,avx512vl,vpclmulqdq")))
#define BLOCK 64u
#define WIDE_MIN 4u /* bytes that the first value of a checksum covers */

/* What multiplies the halves of each 16 bytes to move them 64 bytes on, and the four 16 bytes of a block to move them onto
 * the last: x^(8n+63) and x^(8n-1) modulo the polynomial, bits reversed, for n bytes. From Intel's "Fast CRC Computation
 * for Generic Polynomials Using PCLMULQDQ Instruction". */
static const uint64_t move_block[2] = {0x1c19243b00000000, 0x75bba45b00000000};
static const uint64_t move_lanes[8] = {0xa46ef4aa00000000,
                                       0x6051243f00000000,
                                       0x33ccbbbc00000000,
                                       0xa2158b3400000000,
                                       0x3743f7bd00000000,
                                       0x3171d43000000000,
                                       0,
                                       0};

/* The first value, 32 ones, is added to the first four bytes, wherever they are in the first two blocks. */
static const unsigned char ones[3 * BLOCK] = {[BLOCK] = 0xff, 0xff, 0xff, 0xff};

WIDE static inline __m512i multiply(__m512i value, __m512i by)
{
	return _mm512_xor_si512(_mm512_clmulepi64_epi128(value, by, 0x00), _mm512_clmulepi64_epi128(value, by, 0x11));
}

/* The checksum of a block that stands for all bytes before its end. */
WIDE static inline uint32_t reduce(__m512i sum)
{
	__m512i moved = multiply(sum, _mm512_loadu_si512(move_lanes));
	__m256i half = _mm256_xor_si256(_mm512_castsi512_si256(moved), _mm512_extracti64x4_epi64(moved, 1));
	__m128i last = _mm_xor_si128(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
	last = _mm_xor_si128(last, _mm512_extracti32x4_epi32(sum, 3));
	uint64_t crc = _mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(last));
	return (uint32_t)_mm_crc32_u64(crc, (uint64_t)_mm_extract_epi64(last, 1));
}

/* The first block is the odd one: what is not a multiple of a block stands at its end, after zeros, which change
 * nothing. */
WIDE static uint32_t copy_wide(unsigned char *to, const unsigned char *from, size_t size)
{
	size_t at = (size - 1) % BLOCK + 1, empty = BLOCK - at;
	const __m512i move = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)move_block));
	__mmask64 mask = UINT64_MAX << empty;
	__m512i block = _mm512_maskz_loadu_epi8(mask, from - empty);
	_mm512_mask_storeu_epi8(to - empty, mask, block);
	__m512i sum = _mm512_xor_si512(block, _mm512_loadu_si512(ones + at));
	__m512i add = _mm512_loadu_si512(ones + BLOCK + at);
	for (; at < size; at += BLOCK) {
		block = _mm512_loadu_si512(from + at);
		_mm512_storeu_si512(to + at, block);
		sum = _mm512_ternarylogic_epi64(multiply(sum, move), block, add, 0x96);
		add = _mm512_setzero_si512();
	}
	return ~reduce(sum);
}

static int has_wide(void)
{
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
	       __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("vpclmulqdq");
}
#else
static uint32_t update_short(uint32_t crc, const unsigned char *at, size_t size)
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
		return ~update_short(~crc, at, size);
	for (; size > piece_max; at += piece_max, size -= piece_max)
		crc = ~crc32_iscsi((unsigned char *)(uintptr_t)at, (int)piece_max, ~crc);
	return ~crc32_iscsi((unsigned char *)(uintptr_t)at, (int)size, ~crc);
}

uint32_t crc32c_copy(void *to, const void *from, size_t size)
{
#if defined(__x86_64__)
	if (size >= WIDE_MIN && has_wide())
		return copy_wide(to, from, size);
#endif
	if (size > 0)
		memcpy(to, from, size);
	return crc32c(from, size);
}
