#include "auth/auth.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define OWNER 100
#define GROUP 200
#define STRANGER 300

static const struct auth_principal root = {.kind = AUTH_USER, .uid = 0, .gid = STRANGER};
static const struct auth_principal owner = {.kind = AUTH_USER, .uid = OWNER, .gid = STRANGER};
static const struct auth_principal owner_in_group = {.kind = AUTH_USER, .uid = OWNER, .gid = GROUP};
static const struct auth_principal in_group = {.kind = AUTH_USER, .uid = STRANGER, .gid = GROUP};
static const struct auth_principal other = {.kind = AUTH_USER, .uid = STRANGER, .gid = STRANGER};

static bool may(mode_t mode, const struct auth_principal *principal, enum auth_action action)
{
	const struct auth_policy policy = {.owner = OWNER, .group = GROUP, .mode = mode};
	const int rc = auth_authorize(&policy, principal, action, "log");
	assert_true(rc == 0 || rc == -EACCES);
	return rc == 0;
}

static void root_may_everything_whatever_the_mode(void **state)
{
	(void)state;
	for (enum auth_action action = AUTH_PRODUCE; action <= AUTH_ADMIN; action++)
		assert_true(may(0, &root, action));
}

static void each_class_is_judged_by_its_own_bits(void **state)
{
	(void)state;
	static const struct {
		const struct auth_principal *principal;
		unsigned shift;
	} users[] = {{&owner, 6}, {&owner_in_group, 6}, {&in_group, 3}, {&other, 0}};
	for (size_t i = 0; i < sizeof users / sizeof users[0]; i++)
		for (mode_t mode = 0; mode <= 0666; mode++) {
			const mode_t bits = mode >> users[i].shift;
			assert_int_equal(may(mode, users[i].principal, AUTH_PRODUCE), (bits & 2) != 0);
			assert_int_equal(may(mode, users[i].principal, AUTH_CONSUME), (bits & 4) != 0);
			assert_int_equal(may(mode, users[i].principal, AUTH_OBSERVE), (bits & 4) != 0);
		}
}

static void who_is_no_user_may_everything(void **state)
{
	(void)state;
	static const struct auth_principal n1 = {.kind = AUTH_CERTIFICATE, .uid = STRANGER, .name = "n1"};
	for (enum auth_action action = AUTH_PRODUCE; action <= AUTH_ADMIN; action++)
		assert_true(may(0, &n1, action));
}

static void to_admin_is_for_the_owner_alone(void **state)
{
	(void)state;
	assert_true(may(0, &owner, AUTH_ADMIN));
	assert_false(may(0666, &in_group, AUTH_ADMIN));
	assert_false(may(0666, &other, AUTH_ADMIN));
}

static void classes_are_those_that_are_let(void **state)
{
	(void)state;
	for (mode_t mode = 0; mode <= 0666; mode++) {
		const struct auth_policy policy = {.owner = OWNER, .group = GROUP, .mode = mode};
		for (enum auth_action action = AUTH_PRODUCE; action <= AUTH_ADMIN; action++) {
			const mode_t expected = (mode_t)((may(mode, &owner, action) ? 0100 : 0) |
			                                 (may(mode, &in_group, action) ? 0010 : 0) |
			                                 (may(mode, &other, action) ? 0001 : 0));
			assert_int_equal(auth_classes(&policy, action), expected);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_may_everything_whatever_the_mode),
		cmocka_unit_test(each_class_is_judged_by_its_own_bits),
		cmocka_unit_test(who_is_no_user_may_everything),
		cmocka_unit_test(to_admin_is_for_the_owner_alone),
		cmocka_unit_test(classes_are_those_that_are_let),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
