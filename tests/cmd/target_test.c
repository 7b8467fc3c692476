#include "cmd/target.h"

#include "error/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#define WORDS_MAX 12

static struct target target;
static struct clog_error err;
static char *argv[WORDS_MAX + 1];
static int argc;
static const char *environment[3]; /* of CLOG_SERVER, CLOG_TLS, CLOG_TOKEN_FILE */

static const char *look_up(const char *variable, void *arg)
{
	(void)arg;
	return strcmp(variable, "CLOG_SERVER") == 0 ? environment[0]
	       : strcmp(variable, "CLOG_TLS") == 0  ? environment[1]
	                                            : environment[2];
}

static int take(const char *const *words)
{
	for (argc = 0; words[argc] != NULL; argc++)
		argv[argc] = (char *)(uintptr_t)words[argc];
	argv[argc] = NULL;
	return target_take(&target, &argc, argv, look_up, NULL, &err);
}
#define TAKE(...) take((const char *const[]){"clog", __VA_ARGS__, NULL})

static void assert_left(const char *expected)
{
	char text[256] = "";
	for (int i = 0; i < argc; i++) {
		strncat(text, argv[i], sizeof text - strlen(text) - 2);
		strncat(text, i + 1 < argc ? " " : "", 2);
	}
	assert_string_equal(text, expected);
	assert_null(argv[argc]);
}

static int set_up(void **state)
{
	(void)state;
	memset(environment, 0, sizeof environment);
	return 0;
}

static void nothing_said_is_the_server_on_this_machine(void **state)
{
	(void)state;
	assert_int_equal(TAKE("read", "5"), 0);
	assert_string_equal(target.servers, TARGET_SERVERS);
	assert_null(target.tls_folder);
	assert_null(target.token_file);
	assert_false(target.told);
	assert_false(target.servers_told);
	assert_left("clog read 5");
}

static void options_are_taken_wherever_they_are(void **state)
{
	(void)state;
	assert_int_equal(TAKE("--server", "a:1,b:2", "read", "--json", "--tls=t", "5", "--token-file", "f"), 0);
	assert_string_equal(target.servers, "a:1,b:2");
	assert_string_equal(target.tls_folder, "t");
	assert_string_equal(target.token_file, "f");
	assert_true(target.told && target.servers_told);
	assert_left("clog read --json 5");
}

static void what_is_behind_two_dashes_is_left(void **state)
{
	(void)state;
	assert_int_equal(TAKE("append", "--server", "a:1", "--", "--server", "--tls"), 0);
	assert_string_equal(target.servers, "a:1");
	assert_left("clog append -- --server --tls");
}

static void the_environment_gives_what_is_not_said(void **state)
{
	(void)state;
	environment[0] = "e:1";
	environment[1] = "tls";
	environment[2] = "";
	assert_int_equal(TAKE("status", "--tls", "other"), 0);
	assert_string_equal(target.servers, "e:1");
	assert_string_equal(target.tls_folder, "other");
	assert_null(target.token_file);
	assert_true(target.servers_told);
	environment[1] = NULL;
	assert_int_equal(TAKE("status"), 0);
	assert_false(target.told);
	assert_true(target.servers_told);
}

static void a_value_that_is_missing_or_empty_is_named(void **state)
{
	(void)state;
	assert_int_equal(TAKE("status", "--server"), -EINVAL);
	assert_string_equal(err.text, "--server needs a value");
	assert_int_equal(TAKE("--tls=", "status"), -EINVAL);
	assert_string_equal(err.text, "--tls is empty");
}

static void a_word_that_only_begins_like_one_is_left(void **state)
{
	(void)state;
	assert_int_equal(TAKE("--servers", "--tlsx", "--token-filex=1"), 0);
	assert_left("clog --servers --tlsx --token-filex=1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(nothing_said_is_the_server_on_this_machine, set_up),
		cmocka_unit_test_setup(options_are_taken_wherever_they_are, set_up),
		cmocka_unit_test_setup(what_is_behind_two_dashes_is_left, set_up),
		cmocka_unit_test_setup(the_environment_gives_what_is_not_said, set_up),
		cmocka_unit_test_setup(a_value_that_is_missing_or_empty_is_named, set_up),
		cmocka_unit_test_setup(a_word_that_only_begins_like_one_is_left, set_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
