#include "client/outcome.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void put(struct outcome *outcome, const char *name, const char *value)
{
	outcome_header(outcome, name, strlen(name), value, strlen(value));
}

static int error_of(const char *status, const char *name)
{
	struct outcome outcome;
	outcome_init(&outcome);
	put(&outcome, ":status", "200");
	if (status != NULL)
		put(&outcome, "grpc-status", status);
	if (name != NULL)
		put(&outcome, "clog-errno", name);
	return outcome_error(&outcome);
}

static void a_status_is_an_errno(void **state)
{
	assert_int_equal(error_of("0", NULL), 0);
	assert_int_equal(error_of("7", NULL), -EACCES);
	assert_int_equal(error_of("16", NULL), -EACCES);
	assert_int_equal(error_of("14", NULL), -EHOSTUNREACH);
	assert_int_equal(error_of("4", NULL), -ETIMEDOUT);
	assert_int_equal(error_of("12", NULL), -EPROTO);
}

static void an_errno_that_is_told_comes_before(void **state)
{
	assert_int_equal(error_of("8", "ENOSPC"), -ENOSPC);
	assert_int_equal(error_of("11", "ENOENT"), -ENOENT);
	assert_int_equal(error_of("10", "EKEYEXPIRED"), -EKEYEXPIRED);
	assert_int_equal(error_of("8", "EUNHEARDOF"), -EAGAIN);
	/* What has gone well has no errno. */
	assert_int_equal(error_of("0", "ENOSPC"), 0);
}

static void what_is_no_status_is_no_success(void **state)
{
	static const char *const wrong[] = {"", "00000", "x", "-1", "17", "9999", " 0", "0x0", NULL};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_int_equal(error_of(wrong[i], NULL), -EPROTO);
}

static void a_message_is_decoded_and_cut_and_has_no_control_bytes(void **state)
{
	struct outcome outcome;
	char text[2000];
	outcome_init(&outcome);
	put(&outcome, "grpc-message", "50%25 of %C3%A9%0a%2");
	assert_string_equal(outcome.message, "50% of \xc3\xa9?%2");
	memset(text, 'a', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	put(&outcome, "grpc-message", text);
	assert_int_equal(strlen(outcome.message), OUTCOME_MESSAGE_SIZE - 1);
	put(&outcome, "grpc-message", "%");
	assert_string_equal(outcome.message, "%");
}

static void whether_it_was_appended_is_told(void **state)
{
	struct outcome outcome;
	outcome_init(&outcome);
	assert_int_equal(outcome.appended, OUTCOME_UNSAID);
	put(&outcome, "clog-outcome", "refused");
	assert_int_equal(outcome.appended, OUTCOME_REFUSED);
	put(&outcome, "clog-outcome", "unknown");
	assert_int_equal(outcome.appended, OUTCOME_UNKNOWN);
	put(&outcome, "clog-outcome", "refusedly");
	assert_int_equal(outcome.appended, OUTCOME_UNSAID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_status_is_an_errno),
		cmocka_unit_test(an_errno_that_is_told_comes_before),
		cmocka_unit_test(what_is_no_status_is_no_success),
		cmocka_unit_test(a_message_is_decoded_and_cut_and_has_no_control_bytes),
		cmocka_unit_test(whether_it_was_appended_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
