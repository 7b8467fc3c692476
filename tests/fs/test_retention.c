#include "fs/retention.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define DAY_NS UINT64_C(86400000000000)

static void limits_are_read_with_their_units(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		uint64_t bytes, time_ns;
	} cases[] = {
		{"bytes=10GiB age=7d", UINT64_C(10) << 30, 7 * DAY_NS},
		{"age=7d bytes=10GiB", UINT64_C(10) << 30, 7 * DAY_NS},
		{"bytes=1", 1, 0},
		{"bytes=007KiB", 7 << 10, 0},
		{"bytes=3MiB", 3 << 20, 0},
		{"bytes=4TiB", UINT64_C(4) << 40, 0},
		{"bytes=16383PiB", UINT64_C(16383) << 50, 0},
		{"bytes=18446744073709551615", UINT64_MAX, 0},
		{"age=90m", 0, UINT64_C(5400000000000)},
		{"age=36h", 0, DAY_NS * 3 / 2},
		{"age=10s", 0, UINT64_C(10000000000)},
		{"age=5ms", 0, 5000000},
		{"age=5us", 0, 5000},
		{"age=18446744073709551615ns", 0, UINT64_MAX},
		{"all", 0, 0},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct retention found;
		if (retention_parse(&found, cases[i].text) != 0)
			fail_msg("'%s' is refused", cases[i].text);
		assert_true(found.bytes == cases[i].bytes && found.time_ns == cases[i].time_ns);
	}
}

static void what_is_not_meant_is_refused(void **state)
{
	(void)state;
	static const char *const texts[] = {"",
	                                    " ",
	                                    "bytes",
	                                    "bytes=",
	                                    "bytes=GiB",
	                                    "bytes=0",
	                                    "bytes=0KiB",
	                                    "age=0d",
	                                    "bytes=10Gb",
	                                    "bytes=10GB",
	                                    "bytes=10gib",
	                                    "bytes=10 GiB",
	                                    "bytes=-1",
	                                    "bytes=+1",
	                                    "bytes=1.5GiB",
	                                    "bytes=1e9",
	                                    "bytes=0x10",
	                                    "age=7",
	                                    "age=7days",
	                                    "age=7D",
	                                    "age=1w",
	                                    "Bytes=1",
	                                    "bytes =1",
	                                    " bytes=1",
	                                    "bytes=1 ",
	                                    "bytes=1  age=1d",
	                                    "bytes=1,age=1d",
	                                    "bytes=1\tage=1d",
	                                    "bytes=1\nage=1d",
	                                    "bytes=1 bytes=2",
	                                    "age=1d age=1d",
	                                    "bytes=1 age",
	                                    "bytes=1 all",
	                                    "all ",
	                                    "All",
	                                    "none",
	                                    "bytes=18446744073709551616",
	                                    "bytes=16384PiB",
	                                    "age=213504d",
	                                    "bytes=99999999999999999999999999",
	                                    "size=1"};
	struct retention found;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		if (retention_parse(&found, texts[i]) != -EINVAL)
			fail_msg("'%s' is taken", texts[i]);
}

static void what_is_printed_reads_as_the_same(void **state)
{
	(void)state;
	static const uint64_t limits[] = {0,      1,          1023,   1024,        1025,       UINT64_C(10) << 30,
	                                  DAY_NS, 7 * DAY_NS, 999999, DAY_NS / 24, UINT64_MAX, UINT64_C(5) << 50};
	const size_t count = sizeof limits / sizeof limits[0];
	for (size_t i = 0; i < count * count; i++) {
		const struct retention retention = {.bytes = limits[i / count], .time_ns = limits[i % count]};
		struct retention found;
		char text[RETENTION_TEXT_SIZE];
		size_t size = retention_print(&retention, text);
		assert_int_equal(size, strlen(text));
		assert_int_equal(retention_parse(&found, text), 0);
		assert_true(found.bytes == retention.bytes && found.time_ns == retention.time_ns);
	}
	char text[RETENTION_TEXT_SIZE];
	retention_print(&(struct retention){.bytes = UINT64_C(10) << 30, .time_ns = 7 * DAY_NS}, text);
	assert_string_equal(text, "bytes=10GiB age=7d");
	retention_print(&(struct retention){.time_ns = DAY_NS / 2}, text);
	assert_string_equal(text, "age=12h");
	retention_print(&(struct retention){0}, text);
	assert_string_equal(text, "all");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_are_read_with_their_units),
		cmocka_unit_test(what_is_not_meant_is_refused),
		cmocka_unit_test(what_is_printed_reads_as_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
