/* Who may do what: each kind of principal, with a list, without one, and while it is not known. */
#include "auth/auth.h"

#include "error/error.h"
#include "tests/auth/clock.h"

#include <errno.h>
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define OWNER 100
#define STRANGER 300
#define NAMELESS 400

/* ---- The machine's users, linked with --wrap=getpwuid_r ---- */

static unsigned lookups;
static char stranger_name[128];

int __wrap_getpwuid_r(uid_t uid, struct passwd *entry, char *texts, size_t size, struct passwd **found);

int __wrap_getpwuid_r(uid_t uid, struct passwd *entry, char *texts, size_t size, struct passwd **found)
{
	lookups++;
	*found = NULL;
	if (uid == NAMELESS)
		return 0;
	snprintf(texts, size, "%s", stranger_name);
	*entry = (struct passwd){.pw_name = texts, .pw_uid = uid};
	*found = entry;
	return 0;
}

/* ---- The rules in force ---- */

static struct auth_access *access_rules;
static struct auth_policy policy;
static char token_text[AUTH_TOKEN_SIZE], token_value[AUTH_TOKEN_VALUE_SIZE];
static struct clog_error err;

static int begin(void **state)
{
	(void)state;
	const struct auth_token ci = {.name = "ci",
	                              .granted = {[AUTH_PRODUCE] = true},
	                              .created_s = CLOCK_START,
	                              .until_s = CLOCK_START + 60};
	clock_now = CLOCK_START;
	lookups = 0;
	snprintf(stranger_name, sizeof stranger_name, "stranger");
	err = (struct clog_error){0};
	if (auth_access_create(&access_rules) < 0)
		return -1;
	policy = (struct auth_policy){.owner = OWNER, .group = OWNER, .mode = 0666, .access = access_rules};
	return auth_token_create(&ci, token_text, token_value, NULL);
}

static int end(void **state)
{
	(void)state;
	auth_access_destroy(access_rules);
	return 0;
}

/* Takes a list, NULL for none, and the token. */
static int load(const char *list)
{
	struct auth_setting settings[] = {{"token/ci", token_value, strlen(token_value)},
	                                  {"other", "what others keep", 16},
	                                  {AUTH_ACL_KEY, list, list != NULL ? strlen(list) : 0}};
	return auth_access_load(access_rules, settings, list != NULL ? 3 : 2, &err);
}

static struct auth_principal bearer(void)
{
	static char name[AUTH_NAME_SIZE];
	struct auth_principal principal;
	assert_int_equal(auth_access_bearer(access_rules, token_text, strlen(token_text), name, &principal, &err), 0);
	return principal;
}

static const struct auth_principal root = {.kind = AUTH_USER, .uid = 0};
static const struct auth_principal owner = {.kind = AUTH_USER, .uid = OWNER};
static const struct auth_principal stranger = {.kind = AUTH_USER, .uid = STRANGER, .gid = STRANGER};
static const struct auth_principal alice = {.kind = AUTH_CERTIFICATE, .name = "alice"};
static const struct auth_principal bob = {.kind = AUTH_JWT, .name = "bob", .until_s = CLOCK_START + 60};
static const struct auth_principal nobody = {.kind = AUTH_NOBODY};

static int may(const struct auth_principal *principal, enum auth_action action)
{
	return auth_authorize(&policy, principal, action, "log");
}

/* What each may of produce, consume, observe and admin. */
static void assert_may(const struct auth_principal *principal, const int expected[AUTH_ACTION_COUNT])
{
	int any = -EACCES;
	for (unsigned action = 0; action < AUTH_ACTION_COUNT; action++) {
		assert_int_equal(may(principal, (enum auth_action)action), expected[action]);
		if (any == -EACCES)
			any = expected[action];
	}
	assert_int_equal(auth_authorize_any(&policy, principal, "log"), any);
}

#define NO (-EACCES)
#define WAIT (-EAGAIN)
static const int all[] = {0, 0, 0, 0}, none[] = {NO, NO, NO, NO}, waits[] = {WAIT, WAIT, WAIT, WAIT};
static const int all_but_admin[] = {0, 0, 0, NO}, produce[] = {0, NO, NO, NO}, consume[] = {NO, 0, NO, NO};

static void without_a_list_certificates_do_all_users_by_their_mode_and_jwts_nothing(void **state)
{
	(void)state;
	assert_int_equal(load(NULL), 0);
	const struct auth_principal ci = bearer();
	assert_may(&root, all);
	assert_may(&owner, all);
	assert_may(&stranger, all_but_admin);
	assert_may(&alice, all);
	assert_may(&bob, none);
	assert_may(&ci, produce);
	assert_may(&nobody, none);
}

static void with_a_list_each_does_what_it_says_and_a_token_what_it_was_granted(void **state)
{
	(void)state;
	assert_int_equal(load("p, user:300, log, consume\np, alice, log, consume\np, jwt:bob, *, consume\n"), 0);
	const struct auth_principal ci = bearer();
	assert_may(&root, all);
	assert_may(&owner, all);
	assert_may(&stranger, consume);
	assert_may(&alice, consume);
	assert_may(&bob, consume);
	assert_may(&ci, produce);
	assert_may(&nobody, none);
	const struct auth_principal eve = {.kind = AUTH_CERTIFICATE, .name = "eve"};
	assert_may(&eve, none);
}

static void what_a_list_permits_to_all_a_token_is_not_granted_and_a_user_s_mode_keeps(void **state)
{
	(void)state;
	assert_int_equal(load("p, *, *, *"), 0);
	const struct auth_principal ci = bearer();
	assert_may(&ci, produce);
	assert_may(&nobody, none);
	assert_may(&alice, all);
	assert_may(&bob, all);
	assert_may(&stranger, all_but_admin);
	policy.mode = 0664;
	assert_may(&stranger, (const int[]){NO, 0, 0, NO});
	policy.mode = 0000;
	assert_may(&stranger, none);
	assert_may(&owner, (const int[]){NO, NO, NO, 0});
	assert_may(&root, all);
}

static void while_it_is_not_known_users_go_by_their_mode_and_all_others_wait(void **state)
{
	(void)state;
	const struct auth_principal early = {.kind = AUTH_TOKEN, .name = "ci", .serial = 1};
	char name[AUTH_NAME_SIZE];
	struct auth_principal principal;
	for (unsigned i = 0; i < 2; i++) {
		assert_may(&root, all);
		assert_may(&owner, all);
		assert_may(&stranger, all_but_admin);
		assert_may(&alice, waits);
		assert_may(&bob, waits);
		assert_may(&early, waits);
		assert_may(&nobody, none);
		assert_int_equal(
			auth_access_bearer(access_rules, token_text, strlen(token_text), name, &principal, &err), WAIT);
		assert_int_equal(principal.kind, AUTH_NOBODY);
		/* Once known and then not any more is the same. */
		assert_int_equal(load("p, *, *, *"), 0);
		auth_access_forget(access_rules);
	}
}

static void without_an_access_at_all_there_are_no_tokens(void **state)
{
	(void)state;
	char name[AUTH_NAME_SIZE];
	struct auth_principal principal;
	const struct auth_principal ci = {.kind = AUTH_TOKEN, .name = "ci", .serial = 1};
	policy.access = NULL;
	assert_may(&alice, all);
	assert_may(&bob, none);
	assert_may(&ci, none);
	assert_may(&stranger, all_but_admin);
	assert_int_equal(auth_access_bearer(NULL, token_text, strlen(token_text), name, &principal, &err), -EACCES);
}

static void a_list_that_cannot_be_read_permits_nothing_and_is_told(void **state)
{
	(void)state;
	assert_int_equal(load("p, *, *, *\np, alice, log, write"), -EBADMSG);
	assert_string_equal(err.text, "acl: line 2: the action is none of produce, consume, observe, admin and *");
	const struct auth_principal ci = bearer();
	assert_may(&root, all);
	assert_may(&owner, all);
	assert_may(&stranger, none);
	assert_may(&alice, none);
	assert_may(&bob, none);
	assert_may(&ci, produce);
}

static void a_token_that_cannot_be_read_is_none_and_is_told(void **state)
{
	(void)state;
	char name[AUTH_NAME_SIZE];
	struct auth_principal principal;
	const struct auth_setting settings[] = {{"token/ci", "?", 1}, {"token/", "?", 1}};
	assert_int_equal(auth_access_load(access_rules, settings, 2, &err), -EBADMSG);
	assert_string_equal(err.text, "token/ci: what is kept of the token cannot be read");
	assert_int_equal(auth_access_bearer(access_rules, token_text, strlen(token_text), name, &principal, &err), NO);
	assert_string_equal(err.text, "the token is not known here: it was never made, or it was revoked");
	assert_may(&alice, all);
}

static void what_could_not_be_read_can_be_refused_before(void **state)
{
	(void)state;
	const struct {
		struct auth_setting setting;
		int rc;
	} settings[] = {{{"acl", "p, *, *, *", 10}, 0},
	                {{"acl", "p, *, *", 7}, -EINVAL},
	                {{"acl", "", 0}, 0},
	                {{"token/ci", token_value, strlen(token_value)}, 0},
	                {{"token/ci", token_value, strlen(token_value) - 1}, -EINVAL},
	                {{"token/c i", token_value, strlen(token_value)}, -EINVAL},
	                {{"token/ci", NULL, 0}, 0},
	                {{"other", "x", 1}, 0}};
	for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
		assert_int_equal(auth_setting_check(&settings[i].setting, &err), settings[i].rc);
}

static void a_token_ends_when_it_expires_and_when_it_is_revoked(void **state)
{
	(void)state;
	char name[AUTH_NAME_SIZE];
	struct auth_principal principal;
	assert_int_equal(load(NULL), 0);
	const struct auth_principal ci = bearer();
	assert_string_equal(ci.name, "ci");
	clock_now = CLOCK_START + 59;
	assert_int_equal(may(&ci, AUTH_PRODUCE), 0);
	clock_now = CLOCK_START + 60;
	assert_may(&ci, none);
	assert_int_equal(auth_access_bearer(access_rules, token_text, strlen(token_text), name, &principal, &err), NO);
	assert_string_equal(err.text, "the token has expired");
	clock_now = CLOCK_START;
	assert_int_equal(may(&ci, AUTH_PRODUCE), 0);
	assert_int_equal(auth_access_load(access_rules, NULL, 0, &err), 0);
	assert_may(&ci, none);
	assert_int_equal(auth_access_bearer(access_rules, token_text, strlen(token_text), name, &principal, &err), NO);
	assert_int_equal(principal.kind, AUTH_NOBODY);
}

static void another_token_of_the_same_name_is_another_one(void **state)
{
	(void)state;
	const struct auth_token again = {.name = "ci", .granted = {true, true, true, true}, .created_s = CLOCK_START};
	assert_int_equal(load(NULL), 0);
	const struct auth_principal old = bearer();
	assert_int_equal(auth_token_create(&again, token_text, token_value, NULL), 0);
	assert_int_equal(load(NULL), 0);
	const struct auth_principal young = bearer();
	assert_may(&old, none);
	assert_may(&young, all);
	assert_int_equal(young.until_s, 0);
}

static void a_jwt_ends_at_its_time(void **state)
{
	(void)state;
	assert_int_equal(load("p, jwt:bob, log, consume"), 0);
	clock_now = CLOCK_START + 59;
	assert_may(&bob, consume);
	clock_now = CLOCK_START + 60;
	assert_may(&bob, none);
}

static void what_is_no_token_is_malformed(void **state)
{
	(void)state;
	static const char *const texts[] = {"", "x", "clog_", "clog_short", "Bearer x", "a.b"};
	static const char large[AUTH_BEARER_SIZE_MAX + 1];
	char name[AUTH_NAME_SIZE];
	struct auth_principal principal;
	assert_int_equal(load(NULL), 0);
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		assert_int_equal(auth_access_bearer(access_rules, texts[i], strlen(texts[i]), name, &principal, &err),
		                 NO);
		assert_string_equal(err.text,
		                    "the token is malformed: it is neither one of clog's nor a JSON Web Token");
	}
	assert_int_equal(auth_access_bearer(access_rules, large, sizeof large, name, &principal, &err), NO);
	assert_string_equal(err.text, "the token is malformed: it is larger than 4096 bytes");
	token_text[20] = token_text[20] == 'A' ? 'B' : 'A';
	assert_int_equal(auth_access_bearer(access_rules, token_text, strlen(token_text), name, &principal, &err), NO);
	assert_string_equal(err.text, "the token is not known here: it was never made, or it was revoked");
}

static void users_go_by_what_the_machine_calls_them_and_it_is_asked_once(void **state)
{
	(void)state;
	assert_int_equal(load("p, user:stranger, log, consume"), 0);
	for (unsigned i = 0; i < 100; i++)
		assert_may(&stranger, consume);
	assert_int_equal(lookups, 1);
	/* A name that the door gives counts for nothing: it is for people to read. */
	const struct auth_principal liar = {
		.kind = AUTH_USER, .uid = STRANGER + 1, .gid = STRANGER, .name = "stranger"};
	snprintf(stranger_name, sizeof stranger_name, "other");
	assert_may(&liar, none);
}

static void who_has_no_name_is_asked_for_now_and_then(void **state)
{
	(void)state;
	const struct auth_principal nameless = {.kind = AUTH_USER, .uid = NAMELESS, .gid = NAMELESS};
	assert_int_equal(load("p, user:stranger, log, consume"), 0);
	for (unsigned i = 0; i < 100; i++)
		assert_may(&nameless, none);
	assert_int_equal(lookups, 1);
	clock_now += 10;
	assert_may(&nameless, none);
	assert_int_equal(lookups, 2);
}

static void nobody_is_asked_for_where_the_list_has_no_names_of_users(void **state)
{
	(void)state;
	assert_int_equal(load("p, user:300, log, consume\np, user:*, log, observe"), 0);
	assert_may(&stranger, (const int[]){NO, 0, 0, NO});
	assert_int_equal(lookups, 0);
}

static void a_user_who_is_called_by_a_number_is_not_that_number_s(void **state)
{
	(void)state;
	snprintf(stranger_name, sizeof stranger_name, "1000");
	assert_int_equal(load("p, user:1000, log, *\np, user:x, log, *"), 0);
	assert_may(&stranger, none);
	memset(stranger_name, 'n', sizeof stranger_name - 1);
	assert_int_equal(load("p, user:1000, log, *\np, user:x, log, *"), 0);
	assert_may(&stranger, none);
}

static void principals_in_words(void **state)
{
	(void)state;
	char text[AUTH_TEXT_SIZE];
	const struct auth_principal named = {.kind = AUTH_USER, .uid = 1, .name = "daemon"};
	const struct auth_principal ci = {.kind = AUTH_TOKEN, .name = "ci"};
	assert_string_equal(auth_text(&stranger, text), "user:300");
	assert_string_equal(auth_text(&named, text), "user:daemon");
	assert_string_equal(auth_text(&alice, text), "cert:alice");
	assert_string_equal(auth_text(&ci, text), "token:ci");
	assert_string_equal(auth_text(&bob, text), "jwt:bob");
	assert_string_equal(auth_text(&nobody, text), "nobody");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
		TEST(without_a_list_certificates_do_all_users_by_their_mode_and_jwts_nothing),
		TEST(with_a_list_each_does_what_it_says_and_a_token_what_it_was_granted),
		TEST(what_a_list_permits_to_all_a_token_is_not_granted_and_a_user_s_mode_keeps),
		TEST(while_it_is_not_known_users_go_by_their_mode_and_all_others_wait),
		TEST(without_an_access_at_all_there_are_no_tokens),
		TEST(a_list_that_cannot_be_read_permits_nothing_and_is_told),
		TEST(a_token_that_cannot_be_read_is_none_and_is_told),
		TEST(what_could_not_be_read_can_be_refused_before),
		TEST(a_token_ends_when_it_expires_and_when_it_is_revoked),
		TEST(another_token_of_the_same_name_is_another_one),
		TEST(a_jwt_ends_at_its_time),
		TEST(what_is_no_token_is_malformed),
		TEST(users_go_by_what_the_machine_calls_them_and_it_is_asked_once),
		TEST(who_has_no_name_is_asked_for_now_and_then),
		TEST(nobody_is_asked_for_where_the_list_has_no_names_of_users),
		TEST(a_user_who_is_called_by_a_number_is_not_that_number_s),
		TEST(principals_in_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
