#include "cmd/owner.h"
#include "error/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define UNKNOWN "4100000001" /* a number that no user has */

static void accept(const char *text, uid_t user, gid_t group)
{
	struct clog_error err = {0};
	uid_t found_user = 12345;
	gid_t found_group = 12345;
	if (owner_parse(text, "--owner", &found_user, &found_group, &err) != 0)
		fail_msg("%s", err.text);
	assert_int_equal(found_user, user);
	assert_int_equal(found_group, group);
}

static void refuse(const char *text, const char *sentence)
{
	struct clog_error err = {0};
	uid_t user;
	gid_t group;
	assert_int_equal(owner_parse(text, "--owner", &user, &group, &err), -EINVAL);
	assert_string_equal(err.text, sentence);
	assert_int_equal(owner_parse(text, "--owner", &user, &group, NULL), -EINVAL);
}

static void names_and_numbers_are_taken(void **state)
{
	(void)state;
	accept("root", 0, 0);
	accept("nobody", 65534, 65534);
	accept("0", 0, 0);
	accept("65534", 65534, 65534);
	accept("nobody:root", 65534, 0);
	accept("root:65534", 0, 65534);
	accept(UNKNOWN ":7", 4100000001u, 7);
	accept("4294967294:4294967294", 4294967294u, 4294967294u);
}

static void who_is_not_here_is_named(void **state)
{
	(void)state;
	refuse("no-such-user", "--owner: there is no user 'no-such-user' here");
	refuse("no-such-user:root", "--owner: there is no user 'no-such-user' here");
	refuse("root:no-such-group", "--owner: there is no group 'no-such-group' here");
	refuse(UNKNOWN, "--owner: no user here has the number " UNKNOWN ": say the group too, " UNKNOWN ":GROUP");
	refuse("-1:0", "--owner: there is no user '-1' here");
	refuse("+1:0", "--owner: there is no user '+1' here");
	refuse("12x:0", "--owner: there is no user '12x' here");
	refuse("4294967295:0", "--owner: there is no user '4294967295' here"); /* which would mean none */
	refuse("0:18446744073709551616", "--owner: there is no group '18446744073709551616' here");
	refuse("root:a:b", "--owner: there is no group 'a:b' here");
}

static void another_form_is_refused(void **state)
{
	(void)state;
	char text[400], sentence[480];
	refuse(":", "--owner: ':' is no USER and no USER:GROUP");
	refuse(":root", "--owner: ':root' is no USER and no USER:GROUP");
	refuse("root:", "--owner: 'root:' is no USER and no USER:GROUP");
	memset(text, 'x', sizeof text);
	text[sizeof text - 1] = '\0';
	snprintf(sentence, sizeof sentence, "--owner: '%s' is no USER and no USER:GROUP", text);
	refuse(text, sentence);
}

static void modes_are_octal(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		mode_t mode;
	} right[] = {{"0", 0}, {"640", 0640}, {"0644", 0644}, {"666", 0666}, {"20", 020}, {"000", 0}};
	static const char *const wrong[] = {"",     "8",    "648",   "0x1ff",     "-640",
	                                    "+640", " 640", "640 ",  "rw-r-----", "777",
	                                    "1644", "667",  "00640", "u=rw",      "07777777777777777777777777"};
	mode_t mode;
	for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
		assert_int_equal(owner_parse_mode(right[i].text, "--mode", &mode, NULL), 0);
		assert_int_equal(mode, right[i].mode);
	}
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct clog_error err = {0};
		char sentence[128];
		assert_int_equal(owner_parse_mode(wrong[i], "CLOG_MODE", &mode, &err), -EINVAL);
		snprintf(sentence, sizeof sentence, "CLOG_MODE: '%s' is no mode in octal of at most 666, such as 640",
		         wrong[i]);
		assert_string_equal(err.text, sentence);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_numbers_are_taken),
		cmocka_unit_test(who_is_not_here_is_named),
		cmocka_unit_test(another_form_is_refused),
		cmocka_unit_test(modes_are_octal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
