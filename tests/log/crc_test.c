/* The checksum, against one that goes bit by bit; and the copy that makes it on the way, where the processor can. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "log/crc.h"
#include "log/crc_wide.h"
#include "log/log.h"
#include "tests/disk/dice.h"
#include "tests/log/checksum.h"

#define AROUND 64u /* bytes before and after a copy that must stay */

static struct dice dice;

static unsigned char *make_bytes(size_t size)
{
	unsigned char *bytes = malloc(size);
	assert_non_null(bytes);
	for (size_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)dice_below(&dice, 256);
	return bytes;
}

static void expect_copy(const unsigned char *from, size_t size, unsigned shift)
{
	unsigned char *to = malloc(size + shift + 2 * AROUND);
	assert_non_null(to);
	memset(to, 0x5a, size + shift + 2 * AROUND);
	assert_int_equal(crc_wide_copy(to + AROUND + shift, from, size), checksum_crc32c(from, size));
	assert_memory_equal(to + AROUND + shift, from, size);
	for (unsigned i = 0; i < AROUND; i++) {
		assert_int_equal(to[shift + i], 0x5a);
		assert_int_equal(to[AROUND + shift + size + i], 0x5a);
	}
	free(to);
}

static void the_checksums_of_the_standard_are_ours(void **state)
{
	unsigned char bytes[32];
	const uint32_t expected[] = {0x8a9136aa, 0x62a8ab43, 0x46dd794e, 0x113fdb5c};
	for (unsigned i = 0; i < 4; i++) {
		for (unsigned byte = 0; byte < 32; byte++)
			bytes[byte] = (unsigned char)(i == 0 ? 0 : i == 1 ? 0xff : i == 2 ? byte : 31 - byte);
		assert_int_equal(crc32c(bytes, 32), expected[i]);
	}
	assert_int_equal(crc32c("123456789", 9), 0xe3069283);
	assert_int_equal(crc32c(NULL, 0), 0);
}

static void the_checksum_of_every_size_is_that_of_its_bits(void **state)
{
	unsigned char *bytes = make_bytes(70000);
	for (size_t size = 0; size < 600; size++) {
		size_t cut = (size_t)dice_below(&dice, size + 1);
		uint32_t crc = checksum_crc32c(bytes + size % 9, size);
		assert_int_equal(crc32c(bytes + size % 9, size), crc);
		uint32_t begun = crc32c(bytes + size % 9, cut);
		assert_int_equal(crc32c_more(begun, bytes + size % 9 + cut, size - cut), crc);
	}
	assert_int_equal(crc32c(bytes, 70000), checksum_crc32c(bytes, 70000));
	free(bytes);
}

static void a_copy_of_every_size_has_its_checksum_and_touches_nothing_else(void **state)
{
	if (!crc_wide_usable())
		skip();
	const size_t large[] = {1023, 1024, 1025, 4095, 65537, LOG_RECORD_SIZE_MAX};
	unsigned char *bytes = make_bytes(LOG_RECORD_SIZE_MAX + 64);
	for (size_t size = 0; size < 400; size++)
		for (unsigned shift = 0; shift < 9; shift++)
			expect_copy(bytes + (size * 7 + shift) % 64, size, shift);
	for (unsigned i = 0; i < sizeof large / sizeof large[0]; i++)
		expect_copy(bytes + i, large[i], 3);
	free(bytes);
}

/* One page between two that may not be touched: bytes that begin or end with it are read and written alone. */
static unsigned char *make_page(size_t page)
{
	unsigned char *pages = mmap(NULL, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(pages != MAP_FAILED);
	assert_int_equal(mprotect(pages + page, page, PROT_READ | PROT_WRITE), 0);
	return pages + page;
}

static void a_copy_at_the_edge_of_memory_stays_inside(void **state)
{
	if (!crc_wide_usable())
		skip();
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char *from = make_page(page), *to = make_page(page), *bytes = make_bytes(page);
	memcpy(from, bytes, page);
	for (size_t size = 0; size < 300; size++) {
		assert_int_equal(crc_wide_copy(to, from, size), checksum_crc32c(from, size));
		assert_memory_equal(to, from, size);
		size_t end = page - size;
		assert_int_equal(crc_wide_copy(to + end, from + end, size), checksum_crc32c(from + end, size));
		assert_memory_equal(to + end, from + end, size);
	}
	free(bytes);
	munmap(from - page, 3 * page);
	munmap(to - page, 3 * page);
}

static void a_bit_that_changed_changes_the_checksum(void **state)
{
	if (!crc_wide_usable())
		skip();
	unsigned char *bytes = make_bytes(200), copy[200];
	for (size_t size = 0; size <= 200; size += 13) {
		uint32_t crc = crc_wide_copy(copy, bytes, size);
		for (size_t bit = 0; bit < size * 8; bit++) {
			bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
			assert_int_not_equal(crc_wide_copy(copy, bytes, size), crc);
			bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
		}
	}
	free(bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_checksums_of_the_standard_are_ours),
		cmocka_unit_test(the_checksum_of_every_size_is_that_of_its_bits),
		cmocka_unit_test(a_copy_of_every_size_has_its_checksum_and_touches_nothing_else),
		cmocka_unit_test(a_copy_at_the_edge_of_memory_stays_inside),
		cmocka_unit_test(a_bit_that_changed_changes_the_checksum),
	};
	dice_init(&dice, 31);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
