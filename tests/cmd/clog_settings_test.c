#include "cmd/clog.h"
#include "tests/cmd/fake_client.h"
#include "tests/cmd/running.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/clog-settings-test.XXXXXX";
static char path[64];

static int make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof path, "%s/token", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder);
}

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

static void a_token_is_printed_once_and_the_cluster_has_not_got_it(void **state)
{
	(void)state;
	const struct outcome outcome = RUN(clog_token, "", "create", "ci", "--grant", "produce,consume", "--ttl",
	                                   "30d");
	assert_int_equal(outcome.status, CLOG_OK);
	assert_memory_equal(outcome.out, "clog_", 5);
	assert_int_equal(outcome.out_size, 49);
	assert_int_equal(fake.setting_count, 1);
	assert_string_equal(fake.settings[0].key, "token/ci");
	char secret[64];
	snprintf(secret, sizeof secret, "%.20s", outcome.out + 10);
	assert_null(memmem(fake.settings[0].value, fake.settings[0].size, secret, strlen(secret)));
	const struct outcome list = RUN(clog_token, "", "list");
	assert_int_equal(list.status, CLOG_OK);
	assert_non_null(strstr(list.out, "\nci "));
	assert_non_null(strstr(list.out, " produce,consume "));
	assert_null(strstr(list.out, "clog_"));
}

static void a_token_is_written_to_a_file_that_is_its_owners_alone(void **state)
{
	(void)state;
	struct outcome outcome = RUN(clog_token, "", "create", "ci", "--grant", "admin", "--out", path);
	assert_int_equal(outcome.status, CLOG_OK);
	assert_string_equal(outcome.out, "");
	struct stat found;
	assert_int_equal(stat(path, &found), 0);
	assert_int_equal(found.st_mode & 07777, 0600);
	assert_int_equal(found.st_size, 49);
	outcome = RUN(clog_token, "", "create", "other", "--grant", "admin", "--out", path);
	assert_failed(&outcome, CLOG_FAILED, "/token: it is there, and is not replaced");
	assert_int_equal(fake.setting_count, 1);
	assert_int_equal(unlink(path), 0);
}

static void a_file_for_a_token_that_was_not_made_is_removed(void **state)
{
	(void)state;
	fake.command_failure = -ENOSPC;
	struct outcome outcome = RUN(clog_token, "", "create", "ci", "--grant", "admin", "--out", path);
	assert_failed(&outcome, CLOG_FAILED, "nothing was changed: there is no room");
	assert_int_equal(access(path, F_OK), -1);
	fake.command_failure = -ETIMEDOUT;
	outcome = RUN(clog_token, "", "create", "ci", "--grant", "admin", "--out", path);
	assert_failed(&outcome, CLOG_FAILED, "it may yet come about: there was no answer in time: it says so");
	assert_int_equal(unlink(path), 0);
	outcome = RUN(clog_token, "", "create", "ci", "--grant", "admin");
	assert_failed(&outcome, CLOG_FAILED, "it may yet come about");
	assert_string_equal(outcome.out, "");
}

static void a_name_has_one_token_at_a_time(void **state)
{
	(void)state;
	assert_int_equal(RUN(clog_token, "", "create", "ci", "--grant", "consume").status, CLOG_OK);
	struct outcome outcome = RUN(clog_token, "", "create", "ci", "--grant", "admin");
	assert_failed(&outcome, CLOG_FAILED, "there is a token ci already");
	assert_int_equal(RUN(clog_token, "", "revoke", "ci").status, CLOG_OK);
	assert_int_equal(fake.setting_count, 0);
	outcome = RUN(clog_token, "", "revoke", "ci");
	assert_failed(&outcome, CLOG_FAILED, "there is no token ci");
	assert_int_equal(RUN(clog_token, "", "create", "ci", "--grant", "admin").status, CLOG_OK);
}

static void who_may_not_admin_is_told(void **state)
{
	(void)state;
	fake.settings_failure = -EACCES;
	struct outcome outcome = RUN(clog_token, "", "list");
	assert_failed(&outcome, CLOG_FAILED, "the cluster's settings cannot be read: it is not permitted: it says so");
	outcome = RUN(clog_token, "", "create", "ci", "--grant", "admin");
	assert_failed(&outcome, CLOG_FAILED, "it is not permitted");
	assert_string_equal(outcome.out, "");
	outcome = RUN(clog_acl, "", "show");
	assert_failed(&outcome, CLOG_FAILED, "it is not permitted");
}

static void a_damaged_token_is_listed_as_such(void **state)
{
	(void)state;
	snprintf(fake.settings[0].key, sizeof fake.settings[0].key, "token/bad");
	fake.settings[0].value = strdup("nonsense");
	fake.settings[0].size = 8;
	fake.setting_count = 1;
	const struct outcome outcome = RUN(clog_token, "", "list");
	assert_int_equal(outcome.status, CLOG_OK);
	assert_non_null(strstr(outcome.out, "bad                      (damaged: it permits nothing)"));
}

static void the_access_list_is_set_shown_and_taken_away(void **state)
{
	(void)state;
	static const char list[] = "# who may\np, cert:alice, log, produce\n";
	assert_int_equal(RUN(clog_acl, list, "set", "-").status, CLOG_OK);
	assert_string_equal(RUN(clog_acl, "", "show").out, list);
	assert_int_equal(RUN(clog_acl, "", "unset").status, CLOG_OK);
	const struct outcome outcome = RUN(clog_acl, "", "show");
	assert_int_equal(outcome.status, CLOG_OK);
	assert_string_equal(outcome.out, "");
	assert_non_null(strstr(outcome.err.text, "there is no access list"));
}

static void a_wrong_access_list_is_not_sent(void **state)
{
	(void)state;
	struct outcome outcome = RUN(clog_acl, "allow everybody everything\n", "set", "-");
	assert_failed(&outcome, CLOG_FAILED, "stdin: ");
	outcome = RUN(clog_acl, "", "set", "-");
	assert_failed(&outcome, CLOG_FAILED, "stdin is empty");
	char *const large = malloc((32u << 10) + 2);
	memset(large, '#', (32u << 10) + 1);
	large[(32u << 10) + 1] = '\0';
	outcome = RUN(clog_acl, large, "set", "-");
	assert_failed(&outcome, CLOG_FAILED, "more than the 32768 bytes");
	outcome = RUN(clog_acl, "", "set", "/nowhere/at/all");
	assert_failed(&outcome, CLOG_FAILED, "No such file");
	assert_int_equal(fake.setting_count, 0);
	free(large);
}

static void wrong_words_are_named(void **state)
{
	(void)state;
	static const struct {
		const char *words[5];
		const char *part;
	} all[] = {
		{{NULL}, "clog token takes create NAME, list, or revoke NAME"},
		{{"create"}, "clog token takes"},
		{{"list", "x"}, "clog token takes"},
		{{"sing", "x"}, "clog token takes"},
		{{"create", "x"}, "--grant is missing"},
		{{"create", "x", "--grant", "everything"}, "what is granted is one or more of"},
		{{"create", "x", "--grant=admin", "--ttl", "soon"}, "--ttl: 'soon' is no span of time"},
		{{"create", "a/b", "--grant", "admin"}, "'a/b' is no name for a token"},
		{{"create", ".a", "--grant", "admin"}, "'.a' is no name for a token"},
		{{"revoke", ""}, "'' is no name for a token"},
		{{"revoke", "x", "--out", "f"}, "are for clog token create"},
	};
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		const struct outcome outcome = RUN(clog_token, "", all[i].words[0], all[i].words[1], all[i].words[2],
		                                   all[i].words[3], all[i].words[4]);
		assert_failed(&outcome, CLOG_USAGE, all[i].part);
	}
	const struct outcome outcome = RUN(clog_acl, "", "set");
	assert_failed(&outcome, CLOG_USAGE, "clog acl takes show, set FILE, or unset");
	assert_int_equal(fake.setting_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_token_is_printed_once_and_the_cluster_has_not_got_it, set_up),
		cmocka_unit_test_setup(a_token_is_written_to_a_file_that_is_its_owners_alone, set_up),
		cmocka_unit_test_setup(a_file_for_a_token_that_was_not_made_is_removed, set_up),
		cmocka_unit_test_setup(a_name_has_one_token_at_a_time, set_up),
		cmocka_unit_test_setup(who_may_not_admin_is_told, set_up),
		cmocka_unit_test_setup(a_damaged_token_is_listed_as_such, set_up),
		cmocka_unit_test_setup(the_access_list_is_set_shown_and_taken_away, set_up),
		cmocka_unit_test_setup(a_wrong_access_list_is_not_sent, set_up),
		cmocka_unit_test_setup(wrong_words_are_named, set_up),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
