#include "cluster/control.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/disk/dice.h"

/* Decodes a copy that ends where it says, so that one byte read past it is found. */
static int decode(const unsigned char *data, size_t size, struct control *control)
{
	unsigned char *copy = malloc(size == 0 ? 1 : size);
	assert_non_null(copy);
	if (size > 0)
		memcpy(copy, data, size);
	int rc = control_decode(copy, size, control);
	free(copy);
	return rc;
}

static void expect(const struct control *given, const struct control *wanted)
{
	unsigned char data[CONTROL_SIZE];
	struct control decoded;
	control_encode(given, data);
	memset(&decoded, 0xff, sizeof decoded);
	assert_int_equal(decode(data, sizeof data, &decoded), 0);
	assert_int_equal(decoded.type, wanted->type);
	assert_int_equal(decoded.offset, wanted->offset);
	assert_int_equal(decoded.retain_bytes, wanted->retain_bytes);
	assert_int_equal(decoded.retain_ns, wanted->retain_ns);
}

static void what_is_encoded_is_decoded(void **state)
{
	const uint64_t numbers[] = {0, 1, 0x0102030405060708, UINT64_MAX};
	expect(&(struct control){.type = CONTROL_SESSION}, &(struct control){.type = CONTROL_SESSION});
	for (size_t i = 0; i < 4; i++) {
		const struct control trim = {.type = CONTROL_TRIM, .offset = numbers[i]};
		const struct control retain = {
			.type = CONTROL_RETAIN, .retain_bytes = numbers[i], .retain_ns = numbers[3 - i]};
		expect(&trim, &trim);
		expect(&retain, &retain);
	}
}

static void what_is_not_of_the_type_is_not_encoded(void **state)
{
	struct control control = {.offset = 5, .retain_bytes = 6, .retain_ns = 7};
	control.type = CONTROL_SESSION;
	expect(&control, &(struct control){.type = CONTROL_SESSION});
	control.type = CONTROL_TRIM;
	expect(&control, &(struct control){.type = CONTROL_TRIM, .offset = 5});
	control.type = CONTROL_RETAIN;
	expect(&control, &(struct control){.type = CONTROL_RETAIN, .retain_bytes = 6, .retain_ns = 7});
}

static void the_bytes_are_those_that_are_written_down(void **state)
{
	const unsigned char wanted[CONTROL_SIZE] = {1,    0,    0,    0,    2,    0,    0,    0,
	                                            0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01};
	unsigned char data[CONTROL_SIZE];
	control_encode(&(struct control){.type = CONTROL_TRIM, .offset = 0x0102030405060708}, data);
	assert_memory_equal(data, wanted, sizeof wanted);
}

static void another_size_is_refused(void **state)
{
	unsigned char data[CONTROL_SIZE + 8] = {0};
	struct control control;
	control_encode(&(struct control){.type = CONTROL_SESSION}, data);
	for (size_t size = 0; size <= sizeof data; size++)
		assert_int_equal(decode(data, size, &control), size == CONTROL_SIZE ? 0 : -EBADMSG);
}

/* Bytes that decode at all encode to the very same bytes. */
static bool check_bytes(const unsigned char *data, size_t size)
{
	unsigned char again[CONTROL_SIZE];
	struct control control;
	int rc = decode(data, size, &control);
	if (rc != 0) {
		assert_int_equal(rc, -EBADMSG);
		return false;
	}
	assert_int_equal(size, CONTROL_SIZE);
	control_encode(&control, again);
	assert_memory_equal(again, data, size);
	return true;
}

static void every_bit_flipped_is_refused_or_another_number(void **state)
{
	/* Where each type's numbers are; and of a session, which has none, the bit that makes it a retention of all. */
	static const struct {
		struct control control;
		size_t begin, end; /* bits */
	} all[] = {
		{{.type = CONTROL_SESSION}, 33, 34},
		{{.type = CONTROL_TRIM, .offset = 77}, 64, 128},
		{{.type = CONTROL_RETAIN, .retain_bytes = 5, .retain_ns = 9}, 128, 256},
	};
	unsigned char data[CONTROL_SIZE];
	for (size_t i = 0; i < 3; i++) {
		control_encode(&all[i].control, data);
		for (size_t bit = 0; bit < 8 * sizeof data; bit++) {
			data[bit / 8] ^= (unsigned char)(1u << bit % 8);
			assert_int_equal(check_bytes(data, sizeof data), bit >= all[i].begin && bit < all[i].end);
			data[bit / 8] ^= (unsigned char)(1u << bit % 8);
		}
	}
}

static void types_that_are_none_are_refused(void **state)
{
	const uint32_t bad[] = {0, CONTROL_RETAIN + 1, 0x100 + CONTROL_SESSION, UINT32_MAX};
	unsigned char data[CONTROL_SIZE];
	control_encode(&(struct control){.type = CONTROL_SESSION}, data);
	for (size_t i = 0; i < 4; i++) {
		for (unsigned byte = 0; byte < 4; byte++)
			data[4 + byte] = (unsigned char)(bad[i] >> (8 * byte));
		assert_false(check_bytes(data, sizeof data));
	}
}

static void bytes_at_random_decode_only_to_what_they_are(void **state)
{
	struct dice dice;
	unsigned char data[2 * CONTROL_SIZE];
	unsigned taken = 0;
	dice_init(&dice, dice_seed("control"));
	for (unsigned round = 0; round < 50000; round++) {
		struct control control = {.type = (enum control_type)(1 + dice_below(&dice, 3)),
		                          .offset = dice_next(&dice),
		                          .retain_bytes = dice_next(&dice)};
		dice_fill(&dice, data, sizeof data);
		/* A right beginning leads deeper. */
		unsigned char right[CONTROL_SIZE];
		control_encode(&control, right);
		memcpy(data, right, (size_t)dice_below(&dice, sizeof right + 1));
		taken += check_bytes(data,
		                     dice_once_in(&dice, 2) ? CONTROL_SIZE : (size_t)dice_below(&dice, sizeof data));
	}
	assert_true(taken > 0 && taken < 50000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_encoded_is_decoded),
		cmocka_unit_test(what_is_not_of_the_type_is_not_encoded),
		cmocka_unit_test(the_bytes_are_those_that_are_written_down),
		cmocka_unit_test(another_size_is_refused),
		cmocka_unit_test(every_bit_flipped_is_refused_or_another_number),
		cmocka_unit_test(types_that_are_none_are_refused),
		cmocka_unit_test(bytes_at_random_decode_only_to_what_they_are),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
