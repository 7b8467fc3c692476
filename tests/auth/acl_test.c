#include "auth/acl.h"

#include "error/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct acl *list_of(const char *text)
{
	struct acl *acl = NULL;
	struct clog_error err = {0};
	const int status = acl_create(&acl, text, strlen(text), &err);
	if (status < 0)
		fail_msg("%s", err.text);
	return acl;
}

static void a_rule_lets_its_subject_do_its_action_on_its_object_and_no_more(void **state)
{
	(void)state;
	struct acl *const acl = list_of("p, cert:alice, log, produce\n");
	assert_true(acl_permits(acl, AUTH_CERTIFICATE, "alice", AUTH_PRODUCE, "log"));
	assert_false(acl_permits(acl, AUTH_CERTIFICATE, "alice", AUTH_CONSUME, "log"));
	assert_false(acl_permits(acl, AUTH_CERTIFICATE, "alice", AUTH_PRODUCE, "logs"));
	assert_false(acl_permits(acl, AUTH_CERTIFICATE, "alic", AUTH_PRODUCE, "log"));
	assert_false(acl_permits(acl, AUTH_CERTIFICATE, "alicia", AUTH_PRODUCE, "log"));
	assert_false(acl_permits(acl, AUTH_JWT, "alice", AUTH_PRODUCE, "log"));
	assert_false(acl_permits(acl, AUTH_USER, "alice", AUTH_PRODUCE, "log"));
	acl_destroy(acl);
}

static void a_bare_subject_is_a_certificate(void **state)
{
	(void)state;
	struct acl *const acl = list_of("p, root, *, produce\np, root, *, consume\np, nobody, *, consume");
	assert_true(acl_permits(acl, AUTH_CERTIFICATE, "root", AUTH_PRODUCE, "log"));
	assert_true(acl_permits(acl, AUTH_CERTIFICATE, "root", AUTH_CONSUME, "log"));
	assert_true(acl_permits(acl, AUTH_CERTIFICATE, "nobody", AUTH_CONSUME, "log"));
	assert_false(acl_permits(acl, AUTH_CERTIFICATE, "root", AUTH_ADMIN, "log"));
	assert_false(acl_permits(acl, AUTH_USER, "root", AUTH_PRODUCE, "log"));
	assert_false(acl_names_users(acl));
	acl_destroy(acl);
}

static void a_star_is_any(void **state)
{
	(void)state;
	struct acl *const acl = list_of("p,*,*,observe\np,jwt:*,log,consume\np,user:1000,log,*");
	assert_true(acl_permits(acl, AUTH_USER, "7", AUTH_OBSERVE, "log"));
	assert_true(acl_permits(acl, AUTH_CERTIFICATE, "x", AUTH_OBSERVE, "other"));
	assert_true(acl_permits(acl, AUTH_JWT, "x", AUTH_CONSUME, "log"));
	assert_false(acl_permits(acl, AUTH_CERTIFICATE, "x", AUTH_CONSUME, "log"));
	for (unsigned action = 0; action < AUTH_ACTION_COUNT; action++)
		assert_true(acl_permits(acl, AUTH_USER, "1000", (enum auth_action)action, "log"));
	assert_false(acl_permits(acl, AUTH_USER, "1000", AUTH_ADMIN, "other"));
	acl_destroy(acl);
}

static void who_is_called_star_gets_nothing_by_it(void **state)
{
	(void)state;
	struct acl *const acl = list_of("p, cert:alice, log, produce\n");
	assert_false(acl_permits(acl, AUTH_CERTIFICATE, "*", AUTH_PRODUCE, "log"));
	assert_false(acl_permits(acl, AUTH_CERTIFICATE, "", AUTH_PRODUCE, "log"));
	acl_destroy(acl);
}

static void blanks_comments_and_ends_of_lines_of_any_kind_are_taken(void **state)
{
	(void)state;
	struct acl *const acl = list_of(
		"# who may\r\n\r\n  \t\n\tp ,\talice , log\t,  consume \r\n#p, bob, *, *\np,a,b,*");
	assert_true(acl_permits(acl, AUTH_CERTIFICATE, "alice", AUTH_CONSUME, "log"));
	assert_true(acl_permits(acl, AUTH_CERTIFICATE, "a", AUTH_ADMIN, "b"));
	assert_false(acl_permits(acl, AUTH_CERTIFICATE, "bob", AUTH_CONSUME, "log"));
	acl_destroy(acl);
}

static void a_list_without_a_rule_permits_nothing(void **state)
{
	(void)state;
	static const char *const texts[] = {"", "\n", "# nothing", "\n\n\n"};
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct acl *const acl = list_of(texts[i]);
		assert_false(acl_permits(acl, AUTH_CERTIFICATE, "alice", AUTH_OBSERVE, "log"));
		acl_destroy(acl);
	}
}

static void rules_for_the_same_add_up(void **state)
{
	(void)state;
	struct acl *const acl = list_of(
		"p, b, log, consume\np, a, log, produce\np, cert:b, log, produce\np, b, log, consume");
	assert_true(acl_permits(acl, AUTH_CERTIFICATE, "b", AUTH_PRODUCE, "log"));
	assert_true(acl_permits(acl, AUTH_CERTIFICATE, "b", AUTH_CONSUME, "log"));
	assert_false(acl_permits(acl, AUTH_CERTIFICATE, "b", AUTH_ADMIN, "log"));
	assert_false(acl_permits(acl, AUTH_CERTIFICATE, "a", AUTH_CONSUME, "log"));
	acl_destroy(acl);
}

static void what_is_wrong_is_told_with_its_line(void **state)
{
	(void)state;
	static const struct {
		const char *text, *sentence;
	} wrong[] = {
		{"p, alice, log, produce\nx, bob, log, produce", "line 2: a rule begins with p"},
		{"g, alice, admins", "line 1: a rule begins with p"},
		{"p", "line 1: a rule is p, SUBJECT, OBJECT, ACTION"},
		{"p, alice, log", "line 1: a rule is p, SUBJECT, OBJECT, ACTION"},
		{"p, alice, log, produce, allow", "line 1: a rule is p, SUBJECT, OBJECT, ACTION"},
		{"\n\np, alice, log, write", "line 3: the action is none of"},
		{"p, alice, log, produce # to", "line 1: the action is none of"},
		{"p, alice, log, ", "line 1: the action is none of"},
		{"p, alice, log, Produce", "line 1: the action is none of"},
		{"p, , log, produce", "line 1: the subject is none"},
		{"p, cert:, log, produce", "line 1: the subject is none"},
		{"p, user:, log, produce", "line 1: the subject is none"},
		{"p, a b, log, produce", "line 1: the subject is none"},
		{"p, al*, log, produce", "line 1: the subject is none"},
		{"p, \"alice\", log, produce", "line 1: the subject is none"},
		{"p, al\x01"
	         "ice, log, produce",
	         "line 1: the subject is none"},
		{"p, al\xc3\xa4, log, produce", "line 1: the subject is none"},
		{"p, group:staff, log, produce", "line 1: the subject's kind is not known"},
		{"p, token:ci, log, produce", "line 1: a token is no subject here"},
		{"p, user:01, log, produce", "line 1: the user's number is none"},
		{"p, user:4294967295, log, produce", "line 1: the user's number is none"},
		{"p, user:99999999999, log, produce", "line 1: the user's number is none"},
		{"p, alice, , produce", "line 1: the object is none"},
		{"p, alice, l*g, produce", "line 1: the object is none"},
	};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct clog_error err = {0};
		assert_int_equal(auth_acl_check(wrong[i].text, strlen(wrong[i].text), &err), -EINVAL);
		assert_int_equal(err.code, -EINVAL);
		if (strncmp(err.text, wrong[i].sentence, strlen(wrong[i].sentence)) != 0)
			fail_msg("%s: %s", wrong[i].text, err.text);
	}
}

static void a_nul_byte_is_told(void **state)
{
	(void)state;
	struct clog_error err = {0};
	static const char inside[] = "p, a, log, *\np, a\0b, log, *\n", after[] = "p, a, log, *\0";
	assert_int_equal(auth_acl_check(inside, sizeof inside - 1, &err), -EINVAL);
	assert_string_equal(err.text, "line 2: it has a NUL byte");
	assert_int_equal(auth_acl_check(after, sizeof after - 1, &err), -EINVAL);
	assert_string_equal(err.text, "line 1: it has a NUL byte");
}

static void names_have_a_bound(void **state)
{
	(void)state;
	char text[256], name[AUTH_NAME_SIZE + 1];
	memset(name, 'n', sizeof name);
	for (unsigned size = AUTH_NAME_SIZE - 1; size <= AUTH_NAME_SIZE; size++) {
		const int expected = size < AUTH_NAME_SIZE ? 0 : -EINVAL;
		int count = snprintf(text, sizeof text, "p, jwt:%.*s, log, *", (int)size, name);
		assert_int_equal(auth_acl_check(text, (size_t)count, NULL), expected);
		count = snprintf(text, sizeof text, "p, a, %.*s, *", (int)size, name);
		assert_int_equal(auth_acl_check(text, (size_t)count, NULL), expected);
	}
}

static void a_list_of_the_largest_size_is_taken_and_not_a_byte_more(void **state)
{
	(void)state;
	char *const text = malloc(AUTH_ACL_SIZE_MAX + 1);
	struct clog_error err = {0};
	for (size_t at = 0; at < AUTH_ACL_SIZE_MAX; at += 8)
		snprintf(text + at, 9, "p,%c,%c,*\n", (char)('a' + at / 8 % 26), (char)('a' + at / 8 / 26 % 26));
	text[AUTH_ACL_SIZE_MAX] = '#';
	struct acl *acl;
	assert_int_equal(acl_create(&acl, text, AUTH_ACL_SIZE_MAX, &err), 0);
	assert_true(acl_permits(acl, AUTH_CERTIFICATE, "z", AUTH_ADMIN, "z"));
	acl_destroy(acl);
	assert_int_equal(auth_acl_check(text, AUTH_ACL_SIZE_MAX + 1, &err), -EMSGSIZE);
	assert_string_equal(err.text, "the access list is larger than 32768 bytes");
	memset(text, '\n', AUTH_ACL_SIZE_MAX);
	assert_int_equal(auth_acl_check(text, AUTH_ACL_SIZE_MAX, &err), 0);
	free(text);
}

static void it_is_told_whether_users_are_named(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool names;
	} lists[] = {{"p, user:1000, log, *", false},
	             {"p, user:*, log, *", false},
	             {"p, user:0, log, *", false},
	             {"p, user:alice, log, *", true},
	             {"p, user:4294967294, log, *", false}};
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
		struct acl *const acl = list_of(lists[i].text);
		assert_int_equal(acl_names_users(acl), lists[i].names);
		acl_destroy(acl);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rule_lets_its_subject_do_its_action_on_its_object_and_no_more),
		cmocka_unit_test(a_bare_subject_is_a_certificate),
		cmocka_unit_test(a_star_is_any),
		cmocka_unit_test(who_is_called_star_gets_nothing_by_it),
		cmocka_unit_test(blanks_comments_and_ends_of_lines_of_any_kind_are_taken),
		cmocka_unit_test(a_list_without_a_rule_permits_nothing),
		cmocka_unit_test(rules_for_the_same_add_up),
		cmocka_unit_test(what_is_wrong_is_told_with_its_line),
		cmocka_unit_test(a_nul_byte_is_told),
		cmocka_unit_test(names_have_a_bound),
		cmocka_unit_test(a_list_of_the_largest_size_is_taken_and_not_a_byte_more),
		cmocka_unit_test(it_is_told_whether_users_are_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
