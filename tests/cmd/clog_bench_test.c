#include "cmd/clog.h"
#include "tests/cmd/fake_client.h"
#include "tests/cmd/running.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int set_up(void **state)
{
	(void)state;
	fake_reset();
	return 0;
}

static void assert_failed(const struct outcome *outcome, int status, const char *part)
{
	assert_int_equal(outcome->status, status);
	if (strstr(outcome->err.text, part) == NULL)
		fail_msg("'%s' has no '%s'", outcome->err.text, part);
}

/* The number behind a word. */
static double number_after(const char *text, const char *word)
{
	const char *const at = strstr(text, word);
	if (at == NULL)
		fail_msg("'%s' has no '%s'", text, word);
	return strtod(at + strlen(word), NULL);
}

static void so_many_records_are_appended_by_all_connections(void **state)
{
	(void)state;
	const struct outcome outcome = RUN(clog_bench, "", "--records", "1000", "--size", "50", "--connections", "3",
	                                   "--outstanding", "10", "--json");
	assert_int_equal(outcome.status, CLOG_OK);
	assert_int_equal(fake.next, 1000);
	assert_int_equal(fake.clients, 3);
	assert_true(fake.outstanding_most <= 10);
	assert_int_equal(fake.records[999].size, 50);
	assert_int_equal(fake.records[999].data[49], '\n');
	assert_true(number_after(outcome.out, "\"requests\":") == 1000);
	assert_true(number_after(outcome.out, "\"bytes\":") == 50000);
	const double p50 = number_after(outcome.out, "\"p50\":"), p99 = number_after(outcome.out, "\"p99\":");
	assert_true(p50 <= p99 && p99 <= number_after(outcome.out, "\"p99.9\":"));
	assert_true(number_after(outcome.out, "\"p99.9\":") <= number_after(outcome.out, "\"max\":"));
}

static void a_rate_makes_as_many_as_are_due(void **state)
{
	(void)state;
	const struct outcome outcome = RUN(clog_bench, "", "--rate", "2000", "--seconds", "1", "--outstanding", "1");
	assert_int_equal(outcome.status, CLOG_OK);
	assert_int_equal(fake.next, 2000);
	assert_true(number_after(outcome.out, "seconds  ") > 0.9); /* the last is due then */
}

static void records_are_read_over_and_over(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		fake_append("12345");
	fake.first = 2;
	const struct outcome outcome = RUN(clog_bench, "", "--read", "--records", "100");
	assert_int_equal(outcome.status, CLOG_OK);
	assert_int_equal(fake.reads, 100);
	assert_true(number_after(outcome.out, "bytes    ") == 500);
	fake_reset();
	const struct outcome empty = RUN(clog_bench, "", "--read");
	assert_failed(&empty, CLOG_FAILED, "the log is empty");
}

static void a_full_queue_is_waited_for_and_a_failure_ends_it(void **state)
{
	(void)state;
	fake.full_from = 20;
	fake.full_calls = 3;
	assert_int_equal(RUN(clog_bench, "", "--records", "100").status, CLOG_OK);
	assert_int_equal(fake.next, 100);
	for (int at_once = 0; at_once < 2; at_once++) {
		fake_reset();
		fake.append_fails_at = 50;
		fake.append_failure = -ENOSPC;
		fake.append_refused = at_once;
		const struct outcome outcome = RUN(clog_bench, "", "--records", "100", "--outstanding", "1");
		assert_failed(&outcome, CLOG_FAILED, "it ended after 49 requests, as one failed: No space left");
		assert_true(number_after(outcome.out, "requests ") == 49);
	}
}

static void wrong_words_are_named(void **state)
{
	(void)state;
	struct outcome outcome = RUN(clog_bench, "", "--records", "0");
	assert_failed(&outcome, CLOG_USAGE, "--records: '0' is not 1 to");
	outcome = RUN(clog_bench, "", "--size", "1044481");
	assert_failed(&outcome, CLOG_USAGE, "--size: '1044481' is not 1 to 1044480");
	outcome = RUN(clog_bench, "", "--connections", "65");
	assert_failed(&outcome, CLOG_USAGE, "--connections: '65' is not 1 to 64");
	outcome = RUN(clog_bench, "", "--read", "--size", "5");
	assert_failed(&outcome, CLOG_USAGE, "--read appends none");
	outcome = RUN(clog_bench, "", "fast");
	assert_failed(&outcome, CLOG_USAGE, "'fast' is one word too many");
	outcome = RUN(clog_bench, "", "--fast");
	assert_failed(&outcome, CLOG_USAGE, "'--fast' is not an option here");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(so_many_records_are_appended_by_all_connections, set_up),
		cmocka_unit_test_setup(a_rate_makes_as_many_as_are_due, set_up),
		cmocka_unit_test_setup(records_are_read_over_and_over, set_up),
		cmocka_unit_test_setup(a_full_queue_is_waited_for_and_a_failure_ends_it, set_up),
		cmocka_unit_test_setup(wrong_words_are_named, set_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
