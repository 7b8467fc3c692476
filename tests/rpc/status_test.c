/* Codes, and messages as headers have them. */
#include "rpc/status.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void only_two_codes_stand_for_what_may_yet_be_found(void **state)
{
	static const int refused[] = {-EMSGSIZE, -EINVAL, -EACCES, -EEXIST,       -ENXIO,    -ENOSPC,
	                              -EAGAIN,   -ENOMEM, -EPERM,  -EHOSTUNREACH, -ESHUTDOWN};
	assert_int_equal(status_of(-ETIMEDOUT), STATUS_DEADLINE_EXCEEDED);
	assert_int_equal(status_of(-ECONNABORTED), STATUS_UNKNOWN);
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
		assert_int_not_equal(status_of(refused[i]), STATUS_OK);
		assert_int_not_equal(status_of(refused[i]), STATUS_DEADLINE_EXCEEDED);
		assert_int_not_equal(status_of(refused[i]), STATUS_UNKNOWN);
	}
}

/* Clients try again by themselves where they find UNAVAILABLE. */
static void unavailable_stands_for_what_was_never_proposed(void **state)
{
	for (int error = 1; error < 4096; error++)
		assert_int_equal(status_of(-error) == STATUS_UNAVAILABLE, error == EHOSTUNREACH || error == ESHUTDOWN);
}

static void every_error_has_a_code_and_a_sentence(void **state)
{
	assert_int_equal(status_of(0), STATUS_OK);
	for (int error = 1; error < 4096; error++) {
		assert_int_not_equal(status_of(-error), STATUS_OK);
		assert_true(strlen(status_sentence(-error)) > 0);
	}
	assert_int_equal(status_of(-EDOM), STATUS_INTERNAL);
	assert_int_equal(status_of(-ENOENT), STATUS_OUT_OF_RANGE);
	assert_int_equal(status_of(-ESTALE), STATUS_NOT_FOUND);
	assert_int_equal(status_of(-EIO), STATUS_DATA_LOSS);
}

static void assert_encoded(const char *message, const char *expected)
{
	char text[64];
	assert_int_equal(status_encode(message, text, sizeof text), strlen(expected));
	assert_string_equal(text, expected);
}

static void what_a_header_may_not_have_is_encoded(void **state)
{
	assert_encoded("", "");
	assert_encoded("plain: ~!", "plain: ~!");
	assert_encoded("100%", "100%25");
	assert_encoded("a\r\nb\t\x01\x7f", "a%0D%0Ab%09%01%7F");
	assert_encoded("gr\xc3\xbc\xc3\x9f", "gr%C3%BC%C3%9F");
}

static void too_long_a_message_is_cut_between_characters(void **state)
{
	static const char message[] = "ab\xf0\x9f\x90\xb8 \xe2\x82\xac%x";
	static const char whole[] = "ab%F0%9F%90%B8 %E2%82%AC%25x";
	for (size_t capacity = 1; capacity <= sizeof whole; capacity++) {
		char text[64];
		memset(text, '#', sizeof text);
		size_t size = status_encode(message, text, capacity);
		assert_true(size < capacity);
		assert_int_equal(text[size], '\0');
		assert_int_equal(text[capacity], '#');
		assert_memory_equal(text, whole, size);
		/* Not within a character. */
		assert_true(size <= 2 || (size >= 14 && size <= 15) || size >= 24);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_two_codes_stand_for_what_may_yet_be_found),
		cmocka_unit_test(unavailable_stands_for_what_was_never_proposed),
		cmocka_unit_test(every_error_has_a_code_and_a_sentence),
		cmocka_unit_test(what_a_header_may_not_have_is_encoded),
		cmocka_unit_test(too_long_a_message_is_cut_between_characters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
