/* JSON Web Tokens: the good ones, and each way in which one is bad. The time of day is the test's. */
#include "auth/web_token.h"

#include "auth/keys.h"
#include "error/error.h"
#include "tests/auth/clock.h"
#include "tests/auth/issuer.h"
#include "tests/log/folder.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CLAIMS "{\"sub\":\"bob\",\"exp\":1700003600}"

static char folder[FOLDER_PATH_SIZE];
static EVP_PKEY *rsa, *ec, *other_ec, *large_ec;
static struct keys *keys;
static char token[ISSUER_TOKEN_SIZE], name[AUTH_NAME_SIZE];
static uint64_t until_s;
static struct clog_error err;

static int begin(void **state)
{
	(void)state;
	folder_enter(folder);
	rsa = issuer_key("RSA", 2048);
	ec = issuer_key("P-256", 0);
	other_ec = issuer_key("P-256", 0);
	large_ec = issuer_key("P-384", 0);
	issuer_publish(rsa, ".", "r.pem");
	issuer_publish(ec, ".", "e.pem");
	return keys_create(&keys, ".", "clog", NULL);
}

static int end(void **state)
{
	(void)state;
	keys_destroy(keys);
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(other_ec);
	EVP_PKEY_free(large_ec);
	folder_leave(folder);
	return 0;
}

static int check(const char *text)
{
	err = (struct clog_error){0};
	return web_token_check(keys, text, strlen(text), CLOCK_START, name, &until_s, &err);
}

static int with_claims(const char *claims)
{
	return check(issuer_token(ec, "{\"alg\":\"ES256\",\"kid\":\"e\"}", claims, token));
}

static int with_header(const char *header)
{
	return check(issuer_token(ec, header, CLAIMS, token));
}

/* Refused with that sentence, in which there is nothing of the token. */
static void assert_refused(int status, const char *sentence)
{
	assert_int_equal(status, -EACCES);
	assert_int_equal(err.code, -EACCES);
	assert_string_equal(err.text, sentence);
}

static void a_token_by_either_kind_of_key_is_taken(void **state)
{
	(void)state;
	assert_int_equal(check(issuer_token(rsa, "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"r\"}", CLAIMS, token)),
	                 0);
	assert_string_equal(name, "bob");
	assert_int_equal(until_s, 1700003600 + WEB_TOKEN_LEEWAY_S);
	name[0] = '\0';
	assert_int_equal(with_claims(CLAIMS), 0);
	assert_string_equal(name, "bob");
}

static void who_does_not_sign_is_refused(void **state)
{
	(void)state;
	static const char *const headers[] = {"{\"alg\":\"none\",\"kid\":\"e\"}",
	                                      "{\"alg\":\"None\",\"kid\":\"e\"}",
	                                      "{\"kid\":\"e\"}",
	                                      "{\"alg\":\"\",\"kid\":\"e\"}",
	                                      "{\"alg\":null,\"kid\":\"e\"}",
	                                      "{\"alg\":1}",
	                                      "{}"};
	for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
		assert_refused(check(issuer_unsigned(headers[i], CLAIMS, token)),
		               "the token is signed neither by RS256 nor by ES256");
		assert_refused(with_header(headers[i]), "the token is signed neither by RS256 nor by ES256");
	}
	assert_refused(check(issuer_unsigned("{\"alg\":\"ES256\",\"kid\":\"e\"}", CLAIMS, token)),
	               "the token has a wrong signature");
}

static void the_public_key_is_no_secret_to_sign_with(void **state)
{
	(void)state;
	const char *const ids[] = {"r", "e"};
	for (size_t i = 0; i < 2; i++) {
		char header[64];
		const char *const pem = keys_find(keys, ids[i])->pem;
		snprintf(header, sizeof header, "{\"alg\":\"HS256\",\"kid\":\"%s\"}", ids[i]);
		assert_refused(check(issuer_hmac(pem, header, CLAIMS, token)),
		               "the token is signed neither by RS256 nor by ES256");
		snprintf(header, sizeof header, "{\"alg\":\"RS256\",\"kid\":\"%s\"}", ids[i]);
		assert_int_equal(check(issuer_hmac(pem, header, CLAIMS, token)), -EACCES);
	}
}

static void the_algorithm_is_that_of_the_key(void **state)
{
	(void)state;
	static const char sentence[] = "the token is not signed by the algorithm of its key";
	assert_refused(check(issuer_token(rsa, "{\"alg\":\"ES256\",\"kid\":\"r\"}", CLAIMS, token)), sentence);
	assert_refused(check(issuer_token(rsa, "{\"alg\":\"RS256\",\"kid\":\"e\"}", CLAIMS, token)), sentence);
	assert_refused(with_header("{\"alg\":\"RS256\",\"kid\":\"e\"}"), sentence);
	static const char *const others[] = {"RS384", "RS512", "PS256", "ES384", "ES512", "HS512", "EdDSA", "rs256"};
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		char header[64];
		snprintf(header, sizeof header, "{\"alg\":\"%s\",\"kid\":\"r\"}", others[i]);
		assert_refused(check(issuer_token(rsa, header, CLAIMS, token)),
		               "the token is signed neither by RS256 nor by ES256");
	}
}

static void the_key_is_one_that_is_known(void **state)
{
	(void)state;
	assert_refused(with_header("{\"alg\":\"ES256\",\"kid\":\"x\"}"),
	               "the token is signed by a key that is not known here (kid)");
	assert_refused(with_header("{\"alg\":\"ES256\",\"kid\":\"../e\"}"),
	               "the token is signed by a key that is not known here (kid)");
	assert_refused(with_header("{\"alg\":\"ES256\"}"), "the token does not say which key it is signed by (kid)");
	assert_refused(with_header("{\"alg\":\"ES256\",\"kid\":1}"),
	               "the token is malformed: its key's id (kid) is no text");
	/* A key that the token brings along is none. */
	assert_refused(check(issuer_token(other_ec, "{\"alg\":\"ES256\",\"kid\":\"e\",\"jwk\":{\"kty\":\"EC\"}}",
	                                  CLAIMS, token)),
	               "the token has a wrong signature");
}

static void another_key_s_signature_is_wrong(void **state)
{
	(void)state;
	static const char header[] = "{\"alg\":\"ES256\",\"kid\":\"e\"}";
	assert_refused(check(issuer_token(other_ec, header, CLAIMS, token)), "the token has a wrong signature");
	assert_refused(check(issuer_token(large_ec, header, CLAIMS, token)), "the token has a wrong signature");
	assert_refused(check(issuer_token(rsa, header, CLAIMS, token)), "the token has a wrong signature");
}

static void a_byte_that_is_changed_is_seen(void **state)
{
	(void)state;
	assert_int_equal(with_claims(CLAIMS), 0);
	char changed[ISSUER_TOKEN_SIZE];
	for (size_t i = 0; token[i] != '\0'; i++) {
		memcpy(changed, token, sizeof changed);
		changed[i] = changed[i] == 'A' ? 'B' : 'A';
		assert_int_equal(check(changed), -EACCES);
	}
	for (size_t size = 0; size < strlen(token); size++)
		assert_int_equal(web_token_check(keys, token, size, CLOCK_START, name, &until_s, &err), -EACCES);
}

static void a_zero_signature_is_wrong(void **state)
{
	(void)state;
	assert_int_equal(with_claims(CLAIMS), 0);
	char *const signature = strrchr(token, '.') + 1;
	memset(signature, 'A', strlen(signature));
	assert_refused(check(token), "the token has a wrong signature");
}

static void what_is_demanded_and_not_known_is_refused(void **state)
{
	(void)state;
	assert_refused(with_header("{\"alg\":\"ES256\",\"kid\":\"e\",\"crit\":[\"exp\"]}"),
	               "the token demands what is not known here (crit)");
	assert_refused(with_header("{\"alg\":\"ES256\",\"kid\":\"e\",\"typ\":\"at+jwt\"}"),
	               "the token is of another type than JWT (typ)");
	assert_refused(with_header("{\"alg\":\"ES256\",\"kid\":\"e\",\"typ\":null}"),
	               "the token is of another type than JWT (typ)");
}

static void the_end_is_demanded_and_kept_to(void **state)
{
	(void)state;
	assert_refused(with_claims("{\"sub\":\"bob\"}"), "the token does not say when it ends (exp)");
	static const char *const wrong[] = {"\"1700003600\"", "null", "true", "-1", "1e300", "[1700003600]", "9e15"};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		char claims[128];
		snprintf(claims, sizeof claims, "{\"sub\":\"bob\",\"exp\":%s}", wrong[i]);
		assert_refused(with_claims(claims), "the token is malformed: exp is no time");
	}
	assert_int_equal(with_claims("{\"sub\":\"bob\",\"exp\":1699999971}"), 0);
	assert_int_equal(with_claims("{\"sub\":\"bob\",\"exp\":1699999971.5}"), 0);
	assert_int_equal(until_s, CLOCK_START + 1);
	assert_refused(with_claims("{\"sub\":\"bob\",\"exp\":1699999970}"), "the token has expired");
	assert_refused(with_claims("{\"sub\":\"bob\",\"exp\":0}"), "the token has expired");
}

static void the_beginning_is_kept_to(void **state)
{
	(void)state;
	static const char *const names[] = {"nbf", "iat"};
	for (size_t i = 0; i < 2; i++) {
		char claims[128];
		snprintf(claims, sizeof claims, "{\"sub\":\"bob\",\"exp\":1700003600,\"%s\":1700000030}", names[i]);
		assert_int_equal(with_claims(claims), 0);
		snprintf(claims, sizeof claims, "{\"sub\":\"bob\",\"exp\":1700003600,\"%s\":1700000031}", names[i]);
		assert_refused(with_claims(claims), "the token is not valid yet");
		snprintf(claims, sizeof claims, "{\"sub\":\"bob\",\"exp\":1700003600,\"%s\":\"0\"}", names[i]);
		assert_refused(with_claims(claims), "the token is malformed: nbf or iat is no time");
	}
}

static void an_audience_that_is_named_is_this_one(void **state)
{
	(void)state;
	static const struct {
		const char *audience;
		bool taken;
	} audiences[] = {{"\"clog\"", true},      {"[\"other\",\"clog\"]", true},
	                 {"\"other\"", false},    {"[\"other\"]", false},
	                 {"[]", false},           {"\"\"", false},
	                 {"null", false},         {"{\"clog\":1}", false},
	                 {"[[\"clog\"]]", false}, {"\"clogs\"", false}};
	for (size_t i = 0; i < sizeof audiences / sizeof audiences[0]; i++) {
		char claims[128];
		snprintf(claims, sizeof claims, "{\"sub\":\"bob\",\"exp\":1700003600,\"aud\":%s}",
		         audiences[i].audience);
		if (audiences[i].taken)
			assert_int_equal(with_claims(claims), 0);
		else
			assert_refused(with_claims(claims), "the token is for another audience (aud)");
	}
}

static void the_subject_is_one_that_a_list_can_name(void **state)
{
	(void)state;
	static const char *const wrong[] = {"",
	                                    ",\"sub\":\"\"",
	                                    ",\"sub\":1",
	                                    ",\"sub\":null",
	                                    ",\"sub\":\"a b\"",
	                                    ",\"sub\":\"*\"",
	                                    ",\"sub\":\"a,b\"",
	                                    ",\"sub\":\"a\\nb\"",
	                                    ",\"sub\":\"\xc3\xa4\""};
	char claims[256], subject[AUTH_NAME_SIZE + 1];
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		snprintf(claims, sizeof claims, "{\"exp\":1700003600%s}", wrong[i]);
		assert_refused(with_claims(claims), "the token has no subject (sub) that an access list can name");
	}
	memset(subject, 's', sizeof subject);
	snprintf(claims, sizeof claims, "{\"exp\":1700003600,\"sub\":\"%.*s\"}", (int)AUTH_NAME_SIZE - 1, subject);
	assert_int_equal(with_claims(claims), 0);
	assert_int_equal(strlen(name), AUTH_NAME_SIZE - 1);
	snprintf(claims, sizeof claims, "{\"exp\":1700003600,\"sub\":\"%.*s\"}", (int)AUTH_NAME_SIZE, subject);
	assert_refused(with_claims(claims), "the token has no subject (sub) that an access list can name");
}

static void what_is_said_twice_or_in_no_json_is_malformed(void **state)
{
	(void)state;
	static const char *const claims[] = {"",
	                                     "[]",
	                                     "\"bob\"",
	                                     "{\"sub\":\"bob\",\"sub\":\"eve\",\"exp\":1700003600}",
	                                     CLAIMS "x",
	                                     "{\"sub\":\"b\\u0000\",\"exp\":1700003600}",
	                                     "{\"sub\":\"\xff\"}",
	                                     "{"};
	for (size_t i = 0; i < sizeof claims / sizeof claims[0]; i++)
		assert_refused(with_claims(claims[i]), "the token is malformed");
	assert_refused(with_header("{\"alg\":\"none\",\"alg\":\"ES256\",\"kid\":\"e\"}"), "the token is malformed");
	assert_refused(with_header("[]"), "the token is malformed");
	static const char *const texts[] = {"",     "..",      "a.b.c",           "a.b",
	                                    "....", "e30.e30", "e30.e30.e30.e30", "e30=.e30.e30"};
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		assert_int_equal(check(texts[i]), -EACCES);
}

static void a_token_has_a_bound(void **state)
{
	(void)state;
	char claims[4096] = "{\"sub\":\"bob\",\"exp\":1700003600,\"x\":\"";
	const size_t head = strlen(claims);
	for (size_t filling = 2850; filling < 3000; filling++) {
		memset(claims + head, 'x', filling);
		snprintf(claims + head + filling, 3, "\"}");
		const int status = with_claims(claims);
		if (strlen(token) <= AUTH_BEARER_SIZE_MAX)
			assert_int_equal(status, 0);
		else
			assert_refused(status, "the token is malformed");
	}
}

static void one_key_is_enough_without_its_id(void **state)
{
	(void)state;
	struct keys alone = {.keys = {*keys_find(keys, "e")}, .count = 1, .audience = keys->audience};
	issuer_token(ec, "{\"alg\":\"ES256\"}", CLAIMS, token);
	assert_int_equal(web_token_check(&alone, token, strlen(token), CLOCK_START, name, &until_s, &err), 0);
	issuer_token(rsa, "{\"alg\":\"RS256\"}", CLAIMS, token);
	assert_int_equal(web_token_check(&alone, token, strlen(token), CLOCK_START, name, &until_s, &err), -EACCES);
	assert_string_equal(err.text, "the token is not signed by the algorithm of its key");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_by_either_kind_of_key_is_taken),
		cmocka_unit_test(who_does_not_sign_is_refused),
		cmocka_unit_test(the_public_key_is_no_secret_to_sign_with),
		cmocka_unit_test(the_algorithm_is_that_of_the_key),
		cmocka_unit_test(the_key_is_one_that_is_known),
		cmocka_unit_test(another_key_s_signature_is_wrong),
		cmocka_unit_test(a_byte_that_is_changed_is_seen),
		cmocka_unit_test(a_zero_signature_is_wrong),
		cmocka_unit_test(what_is_demanded_and_not_known_is_refused),
		cmocka_unit_test(the_end_is_demanded_and_kept_to),
		cmocka_unit_test(the_beginning_is_kept_to),
		cmocka_unit_test(an_audience_that_is_named_is_this_one),
		cmocka_unit_test(the_subject_is_one_that_a_list_can_name),
		cmocka_unit_test(what_is_said_twice_or_in_no_json_is_malformed),
		cmocka_unit_test(a_token_has_a_bound),
		cmocka_unit_test(one_key_is_enough_without_its_id),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
