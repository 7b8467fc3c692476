#include "auth/token.h"

#include "auth/base64url.h"
#include "error/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct auth_token ci = {.name = "ci",
                                     .granted = {[AUTH_PRODUCE] = true, [AUTH_OBSERVE] = true},
                                     .created_s = 1700000000,
                                     .until_s = 1700003600};

static void what_is_made_is_read_again(void **state)
{
	(void)state;
	char text[AUTH_TOKEN_SIZE], value[AUTH_TOKEN_VALUE_SIZE];
	struct auth_token read;
	assert_int_equal(auth_token_create(&ci, text, value, NULL), 0);
	assert_int_equal(strlen(text), AUTH_TOKEN_SIZE - 1);
	assert_int_equal(strncmp(text, "clog_", 5), 0);
	assert_int_equal(auth_token_read(&read, "ci", value, strlen(value)), 0);
	assert_string_equal(read.name, "ci");
	assert_memory_equal(read.granted, ci.granted, sizeof ci.granted);
	assert_int_equal(read.created_s, ci.created_s);
	assert_int_equal(read.until_s, ci.until_s);
}

static void what_is_kept_has_nothing_of_the_token_but_its_hash(void **state)
{
	(void)state;
	char text[AUTH_TOKEN_SIZE], value[AUTH_TOKEN_VALUE_SIZE];
	unsigned char hash[TOKEN_HASH_SIZE];
	struct token kept;
	assert_int_equal(auth_token_create(&ci, text, value, NULL), 0);
	for (size_t at = 5; at + 8 < AUTH_TOKEN_SIZE; at++) {
		char piece[9] = "";
		memcpy(piece, text + at, 8);
		assert_null(strstr(value, piece));
	}
	assert_int_equal(token_decode(&kept, "ci", value, strlen(value)), 0);
	assert_int_equal(token_hash(text, strlen(text), hash), 0);
	assert_memory_equal(kept.hash, hash, sizeof hash);
}

static void no_two_are_the_same(void **state)
{
	(void)state;
	char one[AUTH_TOKEN_SIZE], other[AUTH_TOKEN_SIZE], value[AUTH_TOKEN_VALUE_SIZE];
	struct token a, b;
	assert_int_equal(auth_token_create(&ci, one, value, NULL), 0);
	assert_int_equal(token_decode(&a, "ci", value, strlen(value)), 0);
	assert_int_equal(auth_token_create(&ci, other, value, NULL), 0);
	assert_int_equal(token_decode(&b, "ci", value, strlen(value)), 0);
	assert_string_not_equal(one, other);
	assert_int_not_equal(token_serial(&a), token_serial(&b));
	assert_int_not_equal(token_serial(&a), 0);
}

static void the_largest_fits(void **state)
{
	(void)state;
	char name[TOKEN_NAME_SIZE], text[AUTH_TOKEN_SIZE], value[AUTH_TOKEN_VALUE_SIZE];
	memset(name, 'n', sizeof name);
	name[sizeof name - 1] = '\0';
	const struct auth_token largest = {
		.name = name, .granted = {true, true, true, true}, .created_s = UINT64_MAX - 1, .until_s = UINT64_MAX};
	struct auth_token read;
	assert_int_equal(auth_token_create(&largest, text, value, NULL), 0);
	assert_int_equal(auth_token_read(&read, name, value, strlen(value)), 0);
	assert_true(read.until_s == UINT64_MAX && read.granted[AUTH_ADMIN]);
}

static void what_cannot_be_a_token_is_refused(void **state)
{
	(void)state;
	static const char *const names[] = {"",
	                                    ".ci",
	                                    "a/b",
	                                    "a b",
	                                    "a,b",
	                                    "\xc3\xa4",
	                                    "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"};
	char text[AUTH_TOKEN_SIZE], value[AUTH_TOKEN_VALUE_SIZE];
	struct clog_error err = {0};
	struct auth_token wrong = ci;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		wrong.name = names[i];
		assert_int_equal(auth_token_create(&wrong, text, value, &err), -EINVAL);
		assert_non_null(strstr(err.text, "name"));
	}
	wrong = (struct auth_token){.name = "ci", .created_s = 5};
	assert_int_equal(auth_token_create(&wrong, text, value, &err), -EINVAL);
	assert_non_null(strstr(err.text, "granted nothing"));
	wrong = ci;
	wrong.until_s = wrong.created_s;
	assert_int_equal(auth_token_create(&wrong, text, value, &err), -EINVAL);
	assert_non_null(strstr(err.text, "end before it begins"));
}

#define HASH "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void a_value_has_one_form(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"",
		"clog-token/1",
		"clog-token/2 grants=produce created=1 until=0 sha256=" HASH,
		"clog-token/1 grants=produce created=1 until=0 sha256=" HASH "0",
		"clog-token/1 grants=produce created=1 until=0 sha256=" HASH "\n",
		"clog-token/1 grants=produce created=1 until=0 sha256=0" HASH,
		"clog-token/1 grants=produce created=1 until=0 sha256=00112233",
		"clog-token/1 grants=produce  created=1 until=0 sha256=" HASH,
		"clog-token/1 grants=produce created=01 until=0 sha256=" HASH,
		"clog-token/1 grants=produce created=-1 until=0 sha256=" HASH,
		"clog-token/1 grants=produce created=1 until=99999999999999999999 sha256=" HASH,
		"clog-token/1 grants= created=1 until=0 sha256=" HASH,
		"clog-token/1 grants=produce, created=1 until=0 sha256=" HASH,
		"clog-token/1 grants=consume,produce created=1 until=0 sha256=" HASH,
		"clog-token/1 grants=produce,produce created=1 until=0 sha256=" HASH,
		"clog-token/1 grants=all created=1 until=0 sha256=" HASH,
	};
	static const char good[] = "clog-token/1 grants=produce,consume created=1 until=0 sha256=" HASH;
	struct auth_token read;
	assert_int_equal(auth_token_read(&read, "ci", good, strlen(good)), 0);
	assert_int_equal(auth_token_read(&read, "ci", good, sizeof good), -EBADMSG); /* a NUL */
	assert_int_equal(auth_token_read(&read, "c/i", good, strlen(good)), -EBADMSG);
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		if (auth_token_read(&read, "ci", wrong[i], strlen(wrong[i])) != -EBADMSG)
			fail_msg("%s", wrong[i]);
}

static void grants_are_words_with_commas(void **state)
{
	(void)state;
	static const char *const wrong[] = {"",        ",", "produce,",      ",produce", "produce consume",
	                                    "Produce", "*", "produce,,admin"};
	bool granted[AUTH_ACTION_COUNT];
	struct clog_error err = {0};
	assert_int_equal(auth_grants_read("admin,produce", granted, &err), 0);
	assert_true(granted[AUTH_PRODUCE] && granted[AUTH_ADMIN]);
	assert_false(granted[AUTH_CONSUME] || granted[AUTH_OBSERVE]);
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_int_equal(auth_grants_read(wrong[i], granted, &err), -EINVAL);
	assert_non_null(strstr(err.text, "produce, consume, observe and admin"));
}

static void base64url_is_read_in_one_way_only(void **state)
{
	(void)state;
	static const struct {
		const char *bytes, *text;
	} pairs[] = {{"", ""},        {"f", "Zg"},        {"fo", "Zm8"},
	             {"foo", "Zm9v"}, {"foob", "Zm9vYg"}, {"\xff\xfe\xfb", "__77"}};
	static const char *const wrong[] = {"Z", "Zh", "Zm9=", "Zg==", "Zm9v Zg", "Zm/v", "Zm+v", "Zm9vY", "Zm9\n"};
	unsigned char bytes[16];
	char text[16];
	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		const size_t size = strlen(pairs[i].bytes);
		base64url_encode((const unsigned char *)pairs[i].bytes, size, text);
		assert_int_equal(BASE64URL_SIZE(size), strlen(pairs[i].text));
		assert_memory_equal(text, pairs[i].text, strlen(pairs[i].text));
		assert_int_equal(base64url_decode(pairs[i].text, strlen(pairs[i].text), bytes), size);
		assert_memory_equal(bytes, pairs[i].bytes, size);
	}
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_int_equal(base64url_decode(wrong[i], strlen(wrong[i]), bytes), -EINVAL);
	assert_int_equal(base64url_decode("Zm\0v", 4, bytes), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_made_is_read_again),
		cmocka_unit_test(what_is_kept_has_nothing_of_the_token_but_its_hash),
		cmocka_unit_test(no_two_are_the_same),
		cmocka_unit_test(the_largest_fits),
		cmocka_unit_test(what_cannot_be_a_token_is_refused),
		cmocka_unit_test(a_value_has_one_form),
		cmocka_unit_test(grants_are_words_with_commas),
		cmocka_unit_test(base64url_is_read_in_one_way_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
