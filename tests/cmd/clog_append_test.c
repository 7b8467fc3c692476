#include "cmd/append_lines.h"
#include "cmd/clog.h"
#include "service/service.h"
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
	running_by_pieces(0);
	return 0;
}

static void assert_record(uint64_t offset, const char *text)
{
	assert_true(offset < fake.next);
	assert_int_equal(fake.records[offset].size, strlen(text));
	assert_memory_equal(fake.records[offset].data, text, strlen(text));
}

static void assert_failed(const struct outcome *outcome, int status, const char *part)
{
	assert_int_equal(outcome->status, status);
	if (strstr(outcome->err.text, part) == NULL)
		fail_msg("'%s' has no '%s'", outcome->err.text, part);
}

/* So many lines of 7 bytes, in memory that the caller frees. */
static char *many_lines(unsigned count)
{
	char *const text = malloc(7 * (size_t)count + 1);
	for (unsigned i = 0; i < count; i++)
		snprintf(text + 7 * (size_t)i, 8, "%06u\n", i % 1000000);
	return text;
}

static void stdin_is_one_record_as_it_is(void **state)
{
	(void)state;
	struct outcome outcome = RUN(clog_append, "one\ntwo");
	assert_int_equal(outcome.status, CLOG_OK);
	assert_string_equal(outcome.out, "0\n");
	assert_record(0, "one\ntwo");
	outcome = RUN(clog_append, "x", "-");
	assert_string_equal(outcome.out, "1\n");
}

static void nothing_is_no_record(void **state)
{
	(void)state;
	const struct outcome empty = RUN(clog_append, "");
	assert_failed(&empty, CLOG_FAILED, "nothing was appended");
	assert_int_equal(fake.next, 0);
	const struct outcome lines = RUN(clog_append, "", "--lines");
	assert_int_equal(lines.status, CLOG_OK);
	assert_string_equal(lines.out, "");
}

static void a_record_of_the_largest_size_is_appended_and_a_larger_one_is_refused(void **state)
{
	(void)state;
	char *const data = calloc(1, SERVICE_RECORD_SIZE_MAX + 1);
	const char *const words[] = {"append", NULL};
	struct outcome outcome = running_run(clog_append, words, data, SERVICE_RECORD_SIZE_MAX);
	assert_int_equal(outcome.status, CLOG_OK);
	assert_int_equal(fake.records[0].size, SERVICE_RECORD_SIZE_MAX);
	outcome = running_run(clog_append, words, data, SERVICE_RECORD_SIZE_MAX + 1);
	assert_failed(&outcome, CLOG_FAILED, "more than the 1044480 bytes");
	assert_int_equal(fake.next, 1);
	free(data);
}

static void a_conditional_append_says_why_it_lost(void **state)
{
	(void)state;
	fake_append("there");
	struct outcome outcome = RUN(clog_append, "x", "--at", "0");
	assert_failed(&outcome, CLOG_FAILED, "refused, and not appended: there is a record already at offset 0");
	outcome = RUN(clog_append, "x", "--at=2");
	assert_failed(&outcome, CLOG_FAILED, "refused, and not appended: the log does not reach yet to offset 2");
	outcome = RUN(clog_append, "x", "--at", "1");
	assert_string_equal(outcome.out, "1\n");
}

static void refused_and_unknown_are_told_apart(void **state)
{
	(void)state;
	static const struct {
		int failure;
		const char *part;
	} all[] = {{-EHOSTUNREACH, "refused, and not appended: no server, or no leader"},
	           {-ENOSPC, "refused, and not appended: No space left"},
	           {-EACCES, "refused, and not appended: it is not permitted: it says so"},
	           {-ETIMEDOUT, "unknown, and perhaps yet to be found in the log: there was no answer"},
	           {-ECONNABORTED, "unknown, and perhaps yet to be found in the log: the connection ended"}};
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		fake_reset();
		fake.append_fails_at = 1;
		fake.append_failure = all[i].failure;
		const struct outcome outcome = RUN(clog_append, "x");
		assert_failed(&outcome, CLOG_FAILED, all[i].part);
		assert_string_equal(outcome.out, "");
	}
}

static void every_line_is_a_record_with_its_newline(void **state)
{
	(void)state;
	const struct outcome outcome = RUN(clog_append, "one\n\ntwo\r\nlast", "--lines");
	assert_int_equal(outcome.status, CLOG_OK);
	assert_string_equal(outcome.out, "0 4\n");
	assert_record(0, "one\n");
	assert_record(1, "\n");
	assert_record(2, "two\r\n");
	assert_record(3, "last");
	assert_true(fake.appends <= 2);
}

static void lines_that_come_byte_by_byte_are_whole(void **state)
{
	(void)state;
	running_by_pieces(1);
	const struct outcome outcome = RUN(clog_append, "one\n\ntwo\nlast", "--lines");
	assert_int_equal(outcome.status, CLOG_OK);
	assert_string_equal(outcome.out, "0 4\n");
	assert_record(0, "one\n");
	assert_record(1, "\n");
	assert_record(2, "two\n");
	assert_record(3, "last");
}

static void many_lines_go_in_batches_of_which_one_is_under_way(void **state)
{
	(void)state;
	const unsigned count = 200000;
	char *const text = many_lines(count), expected[32];
	fake.full_from = 2;
	fake.full_calls = 3;
	const struct outcome outcome = RUN(clog_append, text, "--lines");
	assert_int_equal(outcome.status, CLOG_OK);
	snprintf(expected, sizeof expected, "0 %u\n", count);
	assert_string_equal(outcome.out, expected);
	assert_int_equal(fake.next, count);
	for (unsigned i = 0; i < count; i++)
		assert_memory_equal(fake.records[i].data, text + 7 * (size_t)i, 7);
	assert_true(fake.appends >= count / APPEND_LINES_COUNT_MAX);
	assert_int_equal(fake.outstanding_most, 1);
	free(text);
}

static void lines_among_those_of_others_are_told_run_by_run(void **state)
{
	(void)state;
	char *const text = many_lines(150000);
	fake.foreign = true;
	const struct outcome outcome = RUN(clog_append, text, "--lines");
	assert_int_equal(outcome.status, CLOG_OK);
	uint64_t total = 0;
	unsigned runs = 0;
	for (char *at = outcome.out; *at != '\0'; at = strchr(at, '\n') + 1, runs++) {
		unsigned long first, count;
		assert_int_equal(sscanf(at, "%lu %lu", &first, &count), 2);
		assert_memory_equal(fake.records[first].data, text + 7 * total, 7);
		total += count;
	}
	assert_int_equal(total, 150000);
	assert_int_equal(runs, fake.appends);
	free(text);
}

static void a_failure_says_how_many_lines_were_appended_before(void **state)
{
	(void)state;
	char *const text = many_lines(200000);
	for (int at_once = 0; at_once < 2; at_once++) {
		fake_reset();
		fake.append_fails_at = 2;
		fake.append_failure = at_once ? -ESHUTDOWN : -ETIMEDOUT;
		fake.append_refused = at_once;
		const struct outcome outcome = RUN(clog_append, text, "--lines");
		const unsigned before = APPEND_LINES_COUNT_MAX;
		char part[128];
		snprintf(part, sizeof part,
		         at_once ? "stdin: %u lines were appended; the next and what comes after it: refused"
		                 : "stdin: %u lines were appended, and none behind line %u; between: unknown",
		         before, 2 * before);
		assert_failed(&outcome, CLOG_FAILED, part);
		snprintf(part, sizeof part, "0 %u\n", before);
		assert_string_equal(outcome.out, part);
		assert_int_equal(fake.next, before);
	}
	free(text);
}

static void a_line_that_is_too_long_ends_it_and_those_before_are_appended(void **state)
{
	(void)state;
	char *const text = malloc(SERVICE_RECORD_SIZE_MAX + 16);
	const char *const words[] = {"append", "--lines", NULL};
	memset(text, 'y', SERVICE_RECORD_SIZE_MAX + 16);
	memcpy(text, "a\nb\n", 4);
	text[4 + SERVICE_RECORD_SIZE_MAX - 1] = '\n';
	struct outcome outcome = running_run(clog_append, words, text, SERVICE_RECORD_SIZE_MAX + 8);
	assert_int_equal(outcome.status, CLOG_OK);
	assert_string_equal(outcome.out, "0 4\n");
	assert_int_equal(fake.records[2].size, SERVICE_RECORD_SIZE_MAX);
	fake_reset();
	text[4 + SERVICE_RECORD_SIZE_MAX - 1] = 'y';
	text[4 + SERVICE_RECORD_SIZE_MAX] = '\n';
	outcome = running_run(clog_append, words, text, SERVICE_RECORD_SIZE_MAX + 8);
	assert_failed(&outcome, CLOG_FAILED, "2 lines were appended; the next has more than the 1044480 bytes");
	assert_string_equal(outcome.out, "0 2\n");
	free(text);
}

static void conditional_lines_stop_where_another_comes_between(void **state)
{
	(void)state;
	char *const text = many_lines(200000);
	struct outcome outcome = RUN(clog_append, text, "--lines", "--at", "0");
	assert_int_equal(outcome.status, CLOG_OK);
	assert_string_equal(outcome.out, "0 200000\n");
	assert_int_equal(fake.outstanding_most, 1);
	fake_reset();
	fake.foreign = true;
	outcome = RUN(clog_append, text, "--lines", "--at", "0");
	assert_failed(&outcome, CLOG_FAILED, "there is a record already at offset 16384");
	assert_int_equal(fake.next, APPEND_LINES_COUNT_MAX + 2);
	free(text);
}

static void wrong_words_touch_nothing(void **state)
{
	(void)state;
	struct outcome outcome = RUN(clog_append, "x", "--at", "-1");
	assert_failed(&outcome, CLOG_USAGE, "--at: '-1' is no offset");
	outcome = RUN(clog_append, "x", "--at", "18446744073709551615");
	assert_failed(&outcome, CLOG_USAGE, "is no offset");
	outcome = RUN(clog_append, "x", "a", "b");
	assert_failed(&outcome, CLOG_USAGE, "'b' is one word too many");
	outcome = RUN(clog_append, "x", "/nowhere/at/all");
	assert_failed(&outcome, CLOG_FAILED, "/nowhere/at/all: No such file");
	outcome = RUN(clog_append, "x", "--lines", "/");
	assert_failed(&outcome, CLOG_FAILED, "/: Is a directory");
	fake.ready_status = -EHOSTUNREACH;
	outcome = RUN(clog_append, "x");
	assert_failed(&outcome, CLOG_FAILED, "nobody is there");
	assert_int_equal(fake.next, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(stdin_is_one_record_as_it_is, set_up),
		cmocka_unit_test_setup(nothing_is_no_record, set_up),
		cmocka_unit_test_setup(a_record_of_the_largest_size_is_appended_and_a_larger_one_is_refused, set_up),
		cmocka_unit_test_setup(a_conditional_append_says_why_it_lost, set_up),
		cmocka_unit_test_setup(refused_and_unknown_are_told_apart, set_up),
		cmocka_unit_test_setup(every_line_is_a_record_with_its_newline, set_up),
		cmocka_unit_test_setup(lines_that_come_byte_by_byte_are_whole, set_up),
		cmocka_unit_test_setup(many_lines_go_in_batches_of_which_one_is_under_way, set_up),
		cmocka_unit_test_setup(lines_among_those_of_others_are_told_run_by_run, set_up),
		cmocka_unit_test_setup(a_failure_says_how_many_lines_were_appended_before, set_up),
		cmocka_unit_test_setup(a_line_that_is_too_long_ends_it_and_those_before_are_appended, set_up),
		cmocka_unit_test_setup(conditional_lines_stop_where_another_comes_between, set_up),
		cmocka_unit_test_setup(wrong_words_touch_nothing, set_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
