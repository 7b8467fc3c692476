#include "cmd/numbers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void numbers_are_read_up_to_the_most_they_may_be(void **state)
{
	(void)state;
	uint64_t number;
	assert_true(numbers_read("0", 0, &number) && number == 0);
	assert_true(numbers_read("65535", 65535, &number) && number == 65535);
	assert_true(numbers_read("18446744073709551615", UINT64_MAX, &number) && number == UINT64_MAX);
	assert_false(numbers_read("65536", 65535, &number));
	assert_false(numbers_read("18446744073709551616", UINT64_MAX, &number));
	assert_false(numbers_read("99999999999999999999999", UINT64_MAX, &number));
	assert_false(numbers_read("7", 3, &number));
}

static void what_is_no_number_is_none(void **state)
{
	(void)state;
	uint64_t number;
	const char *const wrong[] = {"", " 1", "1 ", "+1", "-1", "0x1", "1.0", "1k", "one"};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_false(numbers_read(wrong[i], UINT64_MAX, &number));
}

static void spans_have_a_unit(void **state)
{
	(void)state;
	uint64_t seconds;
	assert_true(numbers_read_span("90s", &seconds) && seconds == 90);
	assert_true(numbers_read_span("2m", &seconds) && seconds == 120);
	assert_true(numbers_read_span("12h", &seconds) && seconds == 43200);
	assert_true(numbers_read_span("30d", &seconds) && seconds == 2592000);
	assert_true(numbers_read_span("36500d", &seconds));
	const char *const wrong[] = {"", "d", "30", "0d", "36501d", "30 d", "30dd", "1w", "-1d", "876001h"};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_false(numbers_read_span(wrong[i], &seconds));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_read_up_to_the_most_they_may_be),
		cmocka_unit_test(what_is_no_number_is_none),
		cmocka_unit_test(spans_have_a_unit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
