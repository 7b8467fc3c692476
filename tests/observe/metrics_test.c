#include "observe/observe.h"
#include "tests/disk/allocation.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *render(const struct observe_gauge *gauges, size_t count)
{
	char *text = NULL;
	size_t size = 0;
	assert_int_equal(observe_render(gauges, count, &text, &size), 0);
	assert_int_equal(strlen(text), size);
	return text;
}

/* The value of the sample that the text has a line for. */
static double sample(const char *text, const char *name)
{
	char line[128];
	snprintf(line, sizeof line, "\n%s ", name);
	const char *const found = strstr(text, line);
	assert_non_null(found);
	assert_null(strstr(found + 1, line));
	char *end;
	const double value = strtod(found + strlen(line), &end);
	assert_int_equal(*end, '\n');
	return value;
}

static double sample_now(const char *name)
{
	char *const text = render(NULL, 0);
	const double value = sample(text, name);
	free(text);
	return value;
}

static void counters_begin_at_zero_and_add_up(void **state)
{
	(void)state;
	static const char *const names[OBSERVE_METRIC_COUNT] = {
		[OBSERVE_APPENDED_RECORDS] = "clog_appended_records_total",
		[OBSERVE_APPENDED_BYTES] = "clog_appended_bytes_total",
		[OBSERVE_REFUSED_APPENDS] = "clog_refused_appends_total",
		[OBSERVE_READ_RECORDS] = "clog_read_records_total",
		[OBSERVE_READ_BYTES] = "clog_read_bytes_total",
		[OBSERVE_CORRUPT_READS] = "clog_corrupt_reads_total",
		[OBSERVE_ROUNDS] = "clog_rounds_total",
		[OBSERVE_FUSE_REQUESTS] = "clog_fuse_requests_total",
	};
	for (int i = 0; i < OBSERVE_METRIC_COUNT; i++)
		assert_true(sample_now(names[i]) == 0);
	for (int i = 0; i < OBSERVE_METRIC_COUNT; i++) {
		observe_add((enum observe_metric)i, (uint64_t)i + 1);
		observe_add((enum observe_metric)i, 100);
	}
	for (int i = 0; i < OBSERVE_METRIC_COUNT; i++)
		assert_true(sample_now(names[i]) == i + 101);
}

static void a_counter_keeps_all_its_digits(void **state)
{
	(void)state;
	observe_add(OBSERVE_APPENDED_BYTES, 1234567890123456789u);
	char *const text = render(NULL, 0);
	assert_non_null(strstr(text, "\nclog_appended_bytes_total 1234567890123456891\n"));
	free(text);
}

static void durations_fall_into_their_buckets(void **state)
{
	(void)state;
	char *text = render(NULL, 0);
	assert_true(sample(text, "clog_append_seconds_count") == 0);
	free(text);
	observe_append_time(0);
	observe_append_time(50000); /* the bound itself belongs to its bucket */
	observe_append_time(50001);
	observe_append_time(999999);
	observe_append_time(10000000000u);
	observe_append_time(10000000001u);
	text = render(NULL, 0);
	assert_true(sample(text, "clog_append_seconds_bucket{le=\"5e-05\"}") == 2);
	assert_true(sample(text, "clog_append_seconds_bucket{le=\"0.0001\"}") == 3);
	assert_true(sample(text, "clog_append_seconds_bucket{le=\"0.0005\"}") == 3);
	assert_true(sample(text, "clog_append_seconds_bucket{le=\"0.001\"}") == 4);
	assert_true(sample(text, "clog_append_seconds_bucket{le=\"5\"}") == 4);
	assert_true(sample(text, "clog_append_seconds_bucket{le=\"10\"}") == 5);
	assert_true(sample(text, "clog_append_seconds_bucket{le=\"+Inf\"}") == 6);
	assert_true(sample(text, "clog_append_seconds_count") == 6);
	assert_non_null(strstr(text, "\nclog_append_seconds_sum 20.001100001\n"));
	free(text);
}

static void the_words_of_the_buckets_are_their_bounds(void **state)
{
	(void)state;
	char *const text = render(NULL, 0);
	double last = 0;
	size_t count = 0;
	for (const char *line = text; (line = strstr(line, "_bucket{le=\"")) != NULL;) {
		line += strlen("_bucket{le=\"");
		if (*line == '+')
			continue;
		const double bound = strtod(line, NULL);
		assert_true(bound > last);
		last = bound;
		count++;
		char name[64];
		snprintf(name, sizeof name, "clog_append_seconds_bucket{le=\"%.*s\"}", (int)strcspn(line, "\""), line);
		/* What lasts exactly that long is counted there, and what lasts a nanosecond longer is not. */
		const uint64_t bound_ns = (uint64_t)(bound * 1e9 + 0.5);
		const double before = sample_now(name);
		observe_append_time(bound_ns);
		assert_true(sample_now(name) == before + 1);
		observe_append_time(bound_ns + 1);
		assert_true(sample_now(name) == before + 1);
	}
	assert_int_equal(count, 17);
	free(text);
}

static void gauges_are_shown_as_their_caller_gives_them(void **state)
{
	(void)state;
	const struct observe_gauge gauges[] = {
		{"next_offset", "Offset of the record to come.", 9007199254740992.0},
		{"odd", "Line\nbreak and back\\slash", -0.5},
		{"not_a_number", "None.", NAN},
		{"high", "Much.", INFINITY},
		{"low", "Little.", -INFINITY},
	};
	char *const text = render(gauges, sizeof gauges / sizeof gauges[0]);
	assert_non_null(strstr(text, "\n# HELP clog_next_offset Offset of the record to come.\n"
	                             "# TYPE clog_next_offset gauge\nclog_next_offset 9007199254740992\n"));
	assert_non_null(strstr(text, "\n# HELP clog_odd Line\\nbreak and back\\\\slash\n# TYPE clog_odd gauge\n"
	                             "clog_odd -0.5\n"));
	assert_non_null(strstr(text, "\nclog_not_a_number NaN\n"));
	assert_non_null(strstr(text, "\nclog_high +Inf\n"));
	assert_non_null(strstr(text, "\nclog_low -Inf\n"));
	free(text);
}

/* Whether a sample's name is the metric's, or with _bucket, _sum or _count one of a histogram's. */
static bool belongs(const char *sample_name, const char *metric, const char *type)
{
	const size_t size = strlen(metric);
	if (strncmp(sample_name, metric, size) != 0)
		return false;
	const char *const rest = sample_name + size;
	if (strcmp(type, "histogram") != 0)
		return *rest == '\0';
	return strcmp(rest, "_bucket") == 0 || strcmp(rest, "_sum") == 0 || strcmp(rest, "_count") == 0;
}

static void every_sample_follows_its_help_and_type(void **state)
{
	(void)state;
	const struct observe_gauge gauge = {"term", "Of Raft.", 3};
	char *const text = render(&gauge, 1);
	char help[64] = "", metric[64] = "", type[16] = "";
	size_t metrics = 0;
	assert_int_equal(text[strlen(text) - 1], '\n');
	char *rest = text;
	for (char *line; (line = strsep(&rest, "\n")) != NULL && rest != NULL;) {
		char name[64], value[32], junk;
		if (sscanf(line, "# HELP %63[a-z_] %c", help, &junk) == 2)
			continue;
		if (sscanf(line, "# TYPE %63[a-z_] %15s%c", metric, type, &junk) == 2) {
			assert_string_equal(metric, help);
			assert_true(strcmp(type, "counter") == 0 || strcmp(type, "gauge") == 0 ||
			            strcmp(type, "histogram") == 0);
			metrics++;
			continue;
		}
		const bool bucket = sscanf(line, "%63[a-z_]{le=\"%*[0-9e.+Inf-]\"} %31[0-9]%c", name, value, &junk) ==
		                    2;
		assert_true(bucket || sscanf(line, "%63[a-z_] %31[0-9.]%c", name, value, &junk) == 2);
		assert_true(belongs(name, metric, type));
	}
	assert_int_equal(metrics, OBSERVE_METRIC_COUNT + 2);
	free(text);
}

static void a_failed_allocation_is_enomem(void **state)
{
	(void)state;
	char *text = NULL;
	size_t size = 0;
	allocation_fail(1);
	assert_int_equal(observe_render(NULL, 0, &text, &size), -ENOMEM);
	assert_true(allocation_fired());
	assert_null(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counters_begin_at_zero_and_add_up),
		cmocka_unit_test(a_counter_keeps_all_its_digits),
		cmocka_unit_test(durations_fall_into_their_buckets),
		cmocka_unit_test(the_words_of_the_buckets_are_their_bounds),
		cmocka_unit_test(gauges_are_shown_as_their_caller_gives_them),
		cmocka_unit_test(every_sample_follows_its_help_and_type),
		cmocka_unit_test(a_failed_allocation_is_enomem),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
