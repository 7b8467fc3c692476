#include "cmd/clog.h"
#include "cmd/output.h"
#include "cmd/reader.h"
#include "cmd/record_text.h"
#include "cmd/remote.h"
#include "cmd/target.h"
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

static void put_numbers(unsigned count)
{
	char text[16];
	for (unsigned i = 0; i < count; i++) {
		snprintf(text, sizeof text, "%u\n", i);
		fake_append(text);
	}
}

static void records_are_printed_as_they_are(void **state)
{
	(void)state;
	fake_append("one");
	fake_append("two\n");
	fake_append("");
	assert_string_equal(RUN(clog_read, "", "0").out, "one");
	assert_string_equal(RUN(clog_read, "", "0..1").out, "onetwo\n");
	assert_string_equal(RUN(clog_read, "", "1..").out, "two\n");
	assert_string_equal(RUN(clog_read, "", "0..", "--offsets").out, "0\tone\n1\ttwo\n2\t\n");
	assert_string_equal(RUN(clog_read, "", "3..").out, "");
}

static void records_are_printed_as_json(void **state)
{
	(void)state;
	static const char *const values[] = {"", "f", "fo", "foo", "foob"};
	static const char *const encoded[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="};
	char expected[512] = "";
	for (size_t i = 0; i < 5; i++) {
		fake_append(values[i]);
		snprintf(expected + strlen(expected), sizeof expected - strlen(expected),
		         "{\"offset\":%zu,\"value\":\"%s\",\"time\":\"2023-11-14T22:13:20.000000042Z\"}\n", i,
		         encoded[i]);
	}
	assert_string_equal(RUN(clog_read, "", "--json", "0..4").out, expected);
}

static void a_large_record_is_whole_in_json(void **state)
{
	(void)state;
	char *const text = malloc(100001);
	memset(text, 'a', 100000); /* "aaa" is "YWFh" */
	text[100000] = '\0';
	fake_append(text);
	const struct outcome outcome = RUN(clog_read, "", "--json", "0");
	const char *const value = strstr(outcome.out, "YWFh");
	assert_non_null(value);
	for (size_t i = 0; i < 33333; i++)
		assert_memory_equal(value + 4 * i, "YWFh", 4);
	assert_memory_equal(value + 133332, "YQ==\"", 5);
	free(text);
}

static void a_long_range_is_in_order(void **state)
{
	(void)state;
	put_numbers(5000);
	const struct outcome outcome = RUN(clog_read, "", "0..4999");
	assert_int_equal(outcome.status, CLOG_OK);
	const char *at = outcome.out;
	for (unsigned i = 0; i < 5000; i++, at = strchr(at, '\n') + 1)
		assert_int_equal(strtoul(at, NULL, 10), i);
	assert_int_equal(*at, '\0');
}

static void a_record_that_is_not_there_is_told_of_after_those_that_are(void **state)
{
	(void)state;
	put_numbers(3);
	struct outcome outcome = RUN(clog_read, "", "1..5");
	assert_failed(&outcome, CLOG_FAILED, "there is no record 3 yet: the next one will be 3");
	assert_string_equal(outcome.out, "1\n2\n");
	fake.first = 2;
	outcome = RUN(clog_read, "", "1..2");
	assert_failed(&outcome, CLOG_FAILED, "record 1 was trimmed: the first that is kept is 2");
	fake.reads = 0;
	fake.read_fails_at = 1;
	fake.read_failure = -EIO;
	outcome = RUN(clog_read, "", "2");
	assert_failed(&outcome, CLOG_FAILED,
	              "record 2 cannot be read: its bytes fail their checksum there: it says so");
}

static void the_tail_is_ten_records_or_what_is_asked_for(void **state)
{
	(void)state;
	put_numbers(15);
	assert_string_equal(RUN(clog_tail, "").out, "5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n");
	assert_string_equal(RUN(clog_tail, "", "-n", "2").out, "13\n14\n");
	assert_string_equal(RUN(clog_tail, "", "-n0").out, "");
	assert_string_equal(RUN(clog_tail, "", "--from", "13", "--offsets").out, "13\t13\n14\t14\n");
	assert_string_equal(RUN(clog_tail, "", "--from=99").out, "");
	fake.first = 14;
	assert_string_equal(RUN(clog_tail, "").out, "14\n");
	assert_string_equal(RUN(clog_tail, "", "--from", "0").out, "14\n");
	fake.command_failure = -EHOSTUNREACH; /* where there is no leader, what is known has to do */
	assert_string_equal(RUN(clog_tail, "").out, "14\n");
}

/* Follows until a record says so, and has something happen each time that it waits. */
static unsigned given;
static void (*happens)(unsigned pause);
static unsigned pauses;

static int give(struct reader *reader, const struct service_read *read)
{
	given++;
	if (read->data_size == 3 && memcmp(read->data, "end", 3) == 0)
		return CLOG_USAGE; /* any but CLOG_OK */
	return record_text_write(RECORD_TEXT_BYTES, read, reader->err);
}

static int pause_(struct reader *reader)
{
	(void)reader;
	happens(pauses++);
	fake_tell();
	return CLOG_OK;
}

static int follow(const struct target *target, int argc, char *argv[], struct clog_error *err)
{
	static struct reader reader;
	struct remote remote;
	(void)argc;
	(void)argv;
	assert_int_equal(remote_open(&remote, target, 1, err), CLOG_OK);
	reader = (struct reader){.end = READER_END, .give = give, .pause = pause_, .err = err};
	const int status = reader_run(&reader, &remote);
	output_flush(err);
	remote_close(&remote);
	return status;
}

static void append_one_more(unsigned pause)
{
	char text[16];
	snprintf(text, sizeof text, "more %u\n", pause);
	fake_append(pause < 3 ? text : "end");
}

static int set_up_following(void **state)
{
	fake_reset();
	given = pauses = 0;
	happens = append_one_more;
	return set_up(state);
}

static void who_follows_gets_what_comes(void **state)
{
	(void)state;
	put_numbers(100);
	const struct outcome outcome = RUN(follow, "");
	assert_int_equal(outcome.status, CLOG_USAGE);
	assert_int_equal(given, 104);
	assert_string_equal(strstr(outcome.out, "99\n"), "99\nmore 0\nmore 1\nmore 2\n");
	assert_string_equal(outcome.said, "");
}

static void who_follows_goes_on_after_servers_could_not_be_reached(void **state)
{
	(void)state;
	put_numbers(100);
	fake.read_fails_at = 50;
	fake.read_failure = -EHOSTUNREACH;
	const struct outcome outcome = RUN(follow, "");
	assert_int_equal(outcome.status, CLOG_USAGE);
	assert_int_equal(given, 104);
	assert_string_equal(strstr(outcome.out, "48\n"), strstr(strstr(outcome.out, "48\n"), "48\n49\n50\n"));
	assert_non_null(strstr(outcome.said, "record 49 cannot be read: no server, or no leader"));
	assert_non_null(strstr(outcome.said, "trying again\n"));
}

static void who_follows_is_told_of_what_was_trimmed(void **state)
{
	(void)state;
	put_numbers(100);
	fake.read_fails_at = 50;
	fake.read_failure = -ESTALE;
	fake.trim_to = 90;
	const struct outcome outcome = RUN(follow, "");
	assert_int_equal(outcome.status, CLOG_USAGE);
	assert_int_equal(given, 49 + 10 + 4);
	assert_string_equal(outcome.said, "clog: records 49 to 89 were trimmed before they were read\n");
}

static void who_follows_stops_when_it_is_not_permitted(void **state)
{
	(void)state;
	put_numbers(100);
	fake.read_fails_at = 50;
	fake.read_failure = -EACCES;
	const struct outcome outcome = RUN(follow, "");
	assert_failed(&outcome, CLOG_FAILED, "record 49 cannot be read: it is not permitted");
	assert_int_equal(given, 49);
}

static void wrong_words_are_named(void **state)
{
	(void)state;
	static const char *const ranges[] = {"", "x", "-1", "5..3", "..5", "1...2", "1..x", "18446744073709551614"};
	for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
		const struct outcome outcome = RUN(clog_read, "", "--", ranges[i]);
		assert_failed(&outcome, CLOG_USAGE, "is no offset, and no range");
	}
	struct outcome outcome = RUN(clog_read, "");
	assert_failed(&outcome, CLOG_USAGE, "takes an offset");
	outcome = RUN(clog_read, "", "1", "2");
	assert_failed(&outcome, CLOG_USAGE, "'2' is one word too many");
	outcome = RUN(clog_read, "", "--from", "1");
	assert_failed(&outcome, CLOG_USAGE, "'--from' is not an option here");
	outcome = RUN(clog_tail, "", "-n", "x");
	assert_failed(&outcome, CLOG_USAGE, "-n: 'x' is no number");
	outcome = RUN(clog_tail, "", "-n", "1", "--from", "2");
	assert_failed(&outcome, CLOG_USAGE, "both where to begin");
	outcome = RUN(clog_tail, "", "log");
	assert_failed(&outcome, CLOG_USAGE, "'log' is one word too many");
}

static void the_status_names_the_leader_and_the_members(void **state)
{
	(void)state;
	put_numbers(3);
	fake.first = 1;
	const struct outcome outcome = RUN(clog_status, "");
	assert_int_equal(outcome.status, CLOG_OK);
	assert_non_null(strstr(outcome.out, "server   one\nleader   two\nfirst    1\nnext     3\n"));
	assert_non_null(strstr(outcome.out, "\nNAME "));
	assert_non_null(strstr(outcome.out, "\none              one:1 "));
	assert_non_null(strstr(outcome.out, "\ntwo              -   "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(records_are_printed_as_they_are, set_up),
		cmocka_unit_test_setup(records_are_printed_as_json, set_up),
		cmocka_unit_test_setup(a_large_record_is_whole_in_json, set_up),
		cmocka_unit_test_setup(a_long_range_is_in_order, set_up),
		cmocka_unit_test_setup(a_record_that_is_not_there_is_told_of_after_those_that_are, set_up),
		cmocka_unit_test_setup(the_tail_is_ten_records_or_what_is_asked_for, set_up),
		cmocka_unit_test_setup(who_follows_gets_what_comes, set_up_following),
		cmocka_unit_test_setup(who_follows_goes_on_after_servers_could_not_be_reached, set_up_following),
		cmocka_unit_test_setup(who_follows_is_told_of_what_was_trimmed, set_up_following),
		cmocka_unit_test_setup(who_follows_stops_when_it_is_not_permitted, set_up_following),
		cmocka_unit_test_setup(wrong_words_are_named, set_up),
		cmocka_unit_test_setup(the_status_names_the_leader_and_the_members, set_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
