/* Messages are unpacked into so much memory, and no more. */
#include "rpc/arena.h"

#include "proto/clog.pb-c.h"
#include "proto/log.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RECORD_SIZE 1044480u

static int set_up(void **state)
{
	struct arena *arena = malloc(sizeof *arena);
	*state = arena;
	return arena_init(arena);
}

static int tear_down(void **state)
{
	arena_finish(*state);
	free(*state);
	return 0;
}

static void the_largest_record_fits_time_and_again(void **state)
{
	Log__V1__Record record = LOG__V1__RECORD__INIT;
	Log__V1__ProduceRequest request = LOG__V1__PRODUCE_REQUEST__INIT;
	uint8_t *packed = malloc(RECORD_SIZE + 1000);
	request.record = &record;
	record.value.data = calloc(1, RECORD_SIZE);
	record.value.len = RECORD_SIZE;
	record.offset = record.term = record.time_ns = UINT64_MAX;
	request.condition_case = LOG__V1__PRODUCE_REQUEST__CONDITION_EXPECTED_OFFSET;
	request.expected_offset = UINT64_MAX;
	size_t size = log__v1__produce_request__pack(&request, packed);
	for (int i = 0; i < 3; i++) {
		Log__V1__ProduceRequest *found = arena_unpack(*state, &log__v1__produce_request__descriptor, packed,
		                                              size);
		assert_non_null(found);
		assert_int_equal(found->record->value.len, RECORD_SIZE);
		assert_memory_equal(found->record->value.data, record.value.data, RECORD_SIZE);
	}
	free(record.value.data);
	free(packed);
}

/* Each costs two bytes on the wire and many in memory. */
static void a_message_of_unknown_fields_is_refused(void **state)
{
	const size_t size = 1u << 20;
	uint8_t *bytes = malloc(size);
	for (size_t i = 0; i < size; i += 2) {
		bytes[i] = 15 << 3;
		bytes[i + 1] = 0;
	}
	assert_null(arena_unpack(*state, &log__v1__produce_request__descriptor, bytes, size));
	assert_non_null(arena_unpack(*state, &log__v1__produce_request__descriptor, bytes, 100));
	free(bytes);
}

static void what_is_no_message_is_refused(void **state)
{
	static const uint8_t wrong[][4] = {
		{0x0a, 0xff, 0xff, 0x7f}, {0x0a, 5, 1, 1}, {0xff, 0xff, 0xff, 0xff}, {8, 0x80, 0x80, 0x80}};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_null(arena_unpack(*state, &log__v1__produce_request__descriptor, wrong[i], sizeof wrong[i]));
	assert_non_null(arena_unpack(*state, &log__v1__produce_request__descriptor, NULL, 0));
}

/* protobuf-c would give what stands before it. */
static void a_string_with_a_nul_is_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
		bool good;
	} all[] = {
		{"\x3a\3abc", 5, true},
		{"\x3a\3a\0c", 5, false},
		{"\x3a\1\0", 3, false},
		{"\x3a\0", 2, true},
		{"\x08\6\x3a\2a\0", 6, false},
		{"\xfd\1"
	         "abcd\x3a\1\0",
	         9, false},
		{"\x42\1\0", 3, true},
		{"\xfa\1\1\0", 4, true},
		{"\xf9\1"
	         "12345678\x3a\1\0",
	         13, false},
		{"\x3a\1\0\x3a\1a", 6, false},
	};
	const ProtobufCMessageDescriptor *type = &clog__v1__command_request__descriptor;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		const void *found = arena_unpack(*state, type, (const uint8_t *)all[i].bytes, all[i].size);
		if ((found != NULL) != all[i].good)
			fail_msg("%zu", i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_largest_record_fits_time_and_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_message_of_unknown_fields_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_no_message_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_string_with_a_nul_is_refused, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
