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
	unsigned char data[CONTROL_SIZE_MAX];
	struct control decoded;
	size_t size = control_encode(given, data);
	memset(&decoded, 0xff, sizeof decoded);
	assert_int_equal(decode(data, size, &decoded), 0);
	assert_int_equal(decoded.type, wanted->type);
	assert_int_equal(decoded.offset, wanted->offset);
	assert_int_equal(decoded.retain_bytes, wanted->retain_bytes);
	assert_int_equal(decoded.retain_ns, wanted->retain_ns);
	assert_int_equal(decoded.session_key, wanted->session_key);
	assert_int_equal(decoded.key_size, wanted->key_size);
	assert_int_equal(decoded.value_size, wanted->value_size);
	if (given->type == CONTROL_SETTING) {
		assert_int_equal(size, CONTROL_SIZE + wanted->key_size + wanted->value_size);
		assert_memory_equal(data + CONTROL_SIZE, wanted->key, wanted->key_size);
		assert_memory_equal(data + CONTROL_SIZE + wanted->key_size, wanted->value, wanted->value_size);
	}
}

static void what_is_encoded_is_decoded(void **state)
{
	const uint64_t numbers[] = {0, 1, 0x0102030405060708, UINT64_MAX};
	for (size_t i = 0; i < 4; i++) {
		const struct control session = {.type = CONTROL_SESSION, .session_key = numbers[i]};
		expect(&session, &session);
		const struct control trim = {.type = CONTROL_TRIM, .offset = numbers[i]};
		const struct control retain = {
			.type = CONTROL_RETAIN, .retain_bytes = numbers[i], .retain_ns = numbers[3 - i]};
		expect(&trim, &trim);
		expect(&retain, &retain);
	}
}

static const unsigned char value[SERVICE_VALUE_SIZE_MAX + 1];

static void settings_of_all_sizes_are_decoded(void **state)
{
	static const size_t sizes[] = {0, 1, 100, SERVICE_VALUE_SIZE_MAX};
	char key[SERVICE_KEY_SIZE];
	memset(key, 'k', sizeof key);
	for (size_t i = 0; i < 4; i++)
		for (size_t key_size = 1; key_size < SERVICE_KEY_SIZE; key_size++) {
			const struct control setting = {.type = CONTROL_SETTING,
			                                .key = key,
			                                .key_size = key_size,
			                                .value = value,
			                                .value_size = sizes[i]};
			expect(&setting, &setting);
		}
}

static void settings_that_cannot_be_are_refused(void **state)
{
	static unsigned char data[CONTROL_SIZE_MAX + 2];
	static const struct {
		const char *key;
		size_t key_size, size;
		bool right;
	} all[] = {
		{"a", 1, 1, true},
		{"azAZ09._/-", 10, 1, true},
		{"", 0, 1, false},
		{"a b", 3, 1, false},
		{"a\0b", 3, 1, false},
		{"\xc3\xa4", 2, 1, false},
		{"a", 1, SERVICE_VALUE_SIZE_MAX + 1, false},
	};
	struct control control;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		control = (struct control){.type = CONTROL_SETTING,
		                           .key = all[i].key,
		                           .key_size = all[i].key_size,
		                           .value = value,
		                           .value_size = all[i].size};
		size_t size = control_encode(&control, data);
		assert_int_equal(decode(data, size, &control), all[i].right ? 0 : -EBADMSG);
		/* All that is there, and no more. */
		assert_int_equal(decode(data, size + 1, &control), -EBADMSG);
		assert_int_equal(decode(data, size - 1, &control), -EBADMSG);
	}
	char key[SERVICE_KEY_SIZE];
	memset(key, 'k', sizeof key);
	control = (struct control){.type = CONTROL_SETTING, .key = key, .key_size = sizeof key, .value = value};
	assert_int_equal(decode(data, control_encode(&control, data), &control), -EBADMSG);
	/* Sizes whose sum wraps round to what is there. */
	control = (struct control){.type = CONTROL_SETTING, .key = "a", .key_size = 1, .value = value, .value_size = 1};
	size_t size = control_encode(&control, data);
	memset(data + 16, 0xff, 8);
	data[8] = 3;
	assert_int_equal(decode(data, size, &control), -EBADMSG);
}

static void what_is_not_of_the_type_is_not_encoded(void **state)
{
	struct control control = {
		.offset = 5, .retain_bytes = 6, .retain_ns = 7, .session_key = 8, .key_size = 9, .value_size = 10};
	control.type = CONTROL_SESSION;
	expect(&control, &(struct control){.type = CONTROL_SESSION, .session_key = 8});
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
	unsigned char again[2 * CONTROL_SIZE];
	struct control control;
	int rc = decode(data, size, &control);
	if (rc != 0) {
		assert_int_equal(rc, -EBADMSG);
		return false;
	}
	/* What is borrowed lies in the copy, which is gone. */
	control.key = (const char *)data + CONTROL_SIZE;
	control.value = data + CONTROL_SIZE + control.key_size;
	assert_int_equal(control_encode(&control, again), size);
	assert_memory_equal(again, data, size);
	return true;
}

static void every_bit_flipped_is_refused_or_another_number(void **state)
{
	/* Where each type's numbers are. */
	static const struct {
		struct control control;
		size_t begin, end; /* bits */
	} all[] = {
		{{.type = CONTROL_SESSION, .session_key = 3}, 64, 128},
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
	const uint32_t bad[] = {0, CONTROL_SETTING + 1, 0x100 + CONTROL_SESSION, UINT32_MAX};
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
		struct control control = {.type = (enum control_type)(1 + dice_below(&dice, 4)),
		                          .offset = dice_next(&dice),
		                          .retain_bytes = dice_next(&dice),
		                          .session_key = dice_next(&dice),
		                          .key = "key",
		                          .key_size = 3,
		                          .value = "value",
		                          .value_size = dice_below(&dice, 5)};
		dice_fill(&dice, data, sizeof data);
		/* A right beginning leads deeper. */
		unsigned char right[2 * CONTROL_SIZE];
		size_t whole = control_encode(&control, right);
		memcpy(data, right, (size_t)dice_below(&dice, whole + 1));
		taken += check_bytes(data, dice_once_in(&dice, 2) ? whole : (size_t)dice_below(&dice, sizeof data));
	}
	assert_true(taken > 0 && taken < 50000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_encoded_is_decoded),
		cmocka_unit_test(settings_of_all_sizes_are_decoded),
		cmocka_unit_test(settings_that_cannot_be_are_refused),
		cmocka_unit_test(what_is_not_of_the_type_is_not_encoded),
		cmocka_unit_test(the_bytes_are_those_that_are_written_down),
		cmocka_unit_test(another_size_is_refused),
		cmocka_unit_test(every_bit_flipped_is_refused_or_another_number),
		cmocka_unit_test(types_that_are_none_are_refused),
		cmocka_unit_test(bytes_at_random_decode_only_to_what_they_are),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
