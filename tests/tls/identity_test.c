#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tls/private.h"

#define LONGEST "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-" /* 63 bytes */

static int parse(const char *uri, struct tls_identity *identity)
{
	return tls_identity_parse(uri, strlen(uri), identity);
}

static void names_of_members_and_clients_are_taken_apart(void **state)
{
	struct tls_identity identity;
	assert_int_equal(parse("clog://prod/member/n1", &identity), 0);
	assert_int_equal(identity.kind, TLS_MEMBER);
	assert_string_equal(identity.cluster, "prod");
	assert_string_equal(identity.name, "n1");
	assert_int_equal(parse("clog://a_b.c-d/client/-x", &identity), 0);
	assert_int_equal(identity.kind, TLS_CLIENT);
	assert_string_equal(identity.cluster, "a_b.c-d");
	assert_string_equal(identity.name, "-x");
	assert_int_equal(parse("clog://" LONGEST "/member/" LONGEST, &identity), 0);
	assert_string_equal(identity.cluster, LONGEST);
	assert_string_equal(identity.name, LONGEST);
}

static void other_names_are_refused(void **state)
{
	static const char *const wrong[] = {
		"",
		"clog:",
		"clog://",
		"clog:///member/n1",
		"clog://prod",
		"clog://prod/",
		"clog://prod/member",
		"clog://prod/member/",
		"clog://prod/member/n1/",
		"clog://prod/member/n1/x",
		"clog://prod/member//n1",
		"clog://prod/Member/n1",
		"clog://prod/members/n1",
		"clog://prod/other/n1",
		"clog://prod/member/n1?x",
		"clog://prod/member/n 1",
		"clog://prod/member/.n1",
		"clog://.prod/member/n1",
		"clog://prod:7/member/n1",
		"clog://me@prod/member/n1",
		"clog://pr%6fd/member/n1",
		"CLOG://prod/member/n1",
		"https://prod/member/n1",
		" clog://prod/member/n1",
		"clog://" LONGEST "x/member/n1",
		"clog://prod/member/" LONGEST "x",
	};
	struct tls_identity identity;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		if (parse(wrong[i], &identity) != -EINVAL)
			fail_msg("'%s' was taken", wrong[i]);
}

static void a_nul_byte_ends_no_name(void **state)
{
	struct tls_identity identity;
	static const char in_name[] = "clog://prod/member/n1\0x", in_cluster[] = "clog://pr\0d/member/n1";
	assert_int_equal(tls_identity_parse(in_name, sizeof in_name - 1, &identity), -EINVAL);
	assert_int_equal(tls_identity_parse(in_name, sizeof in_name - 2, &identity), -EINVAL);
	assert_int_equal(tls_identity_parse(in_cluster, sizeof in_cluster - 1, &identity), -EINVAL);
}

static void a_name_has_63_bytes_at_most_and_no_dot_first(void **state)
{
	assert_true(tls_name_ok("a"));
	assert_true(tls_name_ok(LONGEST));
	assert_true(tls_name_ok("a.b"));
	assert_false(tls_name_ok(""));
	assert_false(tls_name_ok(LONGEST "x"));
	assert_false(tls_name_ok(".a"));
	assert_false(tls_name_ok("a/b"));
	assert_false(tls_name_ok("\303\244"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_of_members_and_clients_are_taken_apart),
		cmocka_unit_test(other_names_are_refused),
		cmocka_unit_test(a_nul_byte_ends_no_name),
		cmocka_unit_test(a_name_has_63_bytes_at_most_and_no_dot_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
