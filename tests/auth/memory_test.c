/* Memory runs out at any moment, this room's own, jansson's or OpenSSL's: each is an error, what was in force stays, nobody is
 * let in by it, and nothing stays behind (a sanitizer looks). libjwt's own memory is its own. */
#include "auth/token.h"

#include "error/error.h"
#include "tests/auth/clock.h"
#include "tests/auth/issuer.h"
#include "tests/disk/allocation.h"
#include "tests/log/folder.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <openssl/crypto.h>

#define LIST "p, jwt:bob, log, consume\n"

static struct auth_access *access_rules;
static struct clog_error err;

/* ---- OpenSSL's and jansson's memory comes by the same calls as the room's own ---- */

static void *take(size_t size, const char *file, int line)
{
	return size > 0 ? malloc(size) : NULL;
}

static void give_back(void *block, const char *file, int line)
{
	free(block);
}

static void *retake(void *old, size_t size, const char *file, int line)
{
	if (size > 0)
		return realloc(old, size);
	free(old);
	return NULL;
}

static void *take_for_json(size_t size)
{
	return malloc(size);
}

static void give_back_json(void *block)
{
	free(block);
}

/* ---- Runs ---- */

/* Runs a step with the first allocation failing, then the second, until it gets by without a failure. */
static void with_each_failing(int (*step)(void))
{
	unsigned nth = 1;
	for (bool fired = true; fired; nth++) {
		allocation_fail(nth);
		const int status = step();
		fired = allocation_fired();
		allocation_fail(0);
		assert_true(status == 0 || fired);
		assert_true(nth < 100000);
	}
	assert_true(nth > 2);
}

static int create(void)
{
	struct auth_access *created;
	const int status = auth_access_create(&created);
	assert_true(status == 0 || status == -ENOMEM);
	if (status == 0)
		auth_access_destroy(created);
	return status;
}

static void making_it_fails_as_a_whole(void **state)
{
	(void)state;
	with_each_failing(create);
}

/* What is in force lets bob consume and nothing else, before and after. */
static void assert_in_force(void)
{
	const struct auth_principal bob = {.kind = AUTH_JWT, .name = "bob"};
	const struct auth_policy policy = {.access = access_rules};
	assert_int_equal(auth_authorize(&policy, &bob, AUTH_CONSUME, "log"), 0);
	assert_int_equal(auth_authorize(&policy, &bob, AUTH_PRODUCE, "log"), -EACCES);
}

static char token_text[AUTH_TOKEN_SIZE], value[AUTH_TOKEN_VALUE_SIZE];

static int make_token(void)
{
	const struct auth_token ci = {.name = "ci", .granted = {true}};
	const int status = auth_token_create(&ci, token_text, value, &err);
	assert_true(status == 0 || (status == -ENOMEM && err.code == -ENOMEM));
	return status;
}

static int show_token(void)
{
	char name[AUTH_NAME_SIZE];
	struct auth_principal principal;
	const int status = auth_access_bearer(access_rules, token_text, strlen(token_text), name, &principal, &err);
	assert_true(status == 0 || status == -ENOMEM);
	assert_int_equal(principal.kind, status == 0 ? AUTH_TOKEN : AUTH_NOBODY);
	return status;
}

static int load(void)
{
	const struct auth_setting settings[] = {{AUTH_ACL_KEY, LIST, strlen(LIST)}, {"token/ci", value, strlen(value)}};
	err = (struct clog_error){0};
	const int status = auth_access_load(access_rules, settings, 2, &err);
	assert_true(status == 0 || (status == -ENOMEM && err.code == -ENOMEM));
	assert_in_force();
	return status;
}

/* A list that cannot be read is one that permits nothing, and not none at all, when memory runs out besides. */
static int load_wrong(void)
{
	const struct auth_setting setting = {AUTH_ACL_KEY, "p, a", 4};
	struct auth_access *rules;
	if (auth_access_create(&rules) < 0)
		return -ENOMEM;
	const struct auth_policy policy = {.access = rules};
	const struct auth_principal alice = {.kind = AUTH_CERTIFICATE, .name = "alice"};
	const int status = auth_access_load(rules, &setting, 1, &err);
	assert_int_equal(auth_authorize(&policy, &alice, AUTH_CONSUME, "log"), status == -ENOMEM ? -EAGAIN : -EACCES);
	auth_access_destroy(rules);
	return status == -EBADMSG ? 0 : status;
}

static void what_was_in_force_stays_when_loading_fails(void **state)
{
	(void)state;
	assert_int_equal(auth_access_create(&access_rules), 0);
	const struct auth_setting setting = {AUTH_ACL_KEY, LIST, strlen(LIST)};
	assert_int_equal(auth_access_load(access_rules, &setting, 1, NULL), 0);
	with_each_failing(make_token);
	with_each_failing(load);
	with_each_failing(show_token);
	with_each_failing(load_wrong);
	auth_access_destroy(access_rules);
}

static char token[ISSUER_TOKEN_SIZE];

static int check(void)
{
	char name[AUTH_NAME_SIZE];
	struct auth_principal principal;
	const int status = auth_access_bearer(access_rules, token, strlen(token), name, &principal, &err);
	assert_true(status == 0 || status == -EACCES || status == -ENOMEM);
	assert_int_equal(principal.kind, status == 0 ? AUTH_JWT : AUTH_NOBODY);
	return status;
}

/* The key was there before. OpenSSL tells no lack of memory from a file that has no key. */
static int take_keys(void)
{
	err = (struct clog_error){0};
	const int status = auth_access_keys(access_rules, ".", "clog", &err);
	assert_true(status == 0 || (err.code == status && err.text[0] != '\0'));
	return status;
}

static void the_keys_stay_and_nobody_is_let_in(void **state)
{
	(void)state;
	char folder[FOLDER_PATH_SIZE];
	folder_enter(folder);
	/* By RS256: libjwt 1.10 keeps a few blocks where OpenSSL has no memory to encode a signature of ES256. */
	EVP_PKEY *const key = issuer_key("RSA", 2048);
	issuer_publish(key, ".", "k.pem");
	issuer_token(key, "{\"alg\":\"RS256\",\"kid\":\"k\"}", "{\"sub\":\"bob\",\"exp\":9000000000}", token);
	EVP_PKEY_free(key);
	assert_int_equal(auth_access_create(&access_rules), 0);
	assert_int_equal(take_keys(), 0);
	assert_int_equal(check(), 0);
	with_each_failing(take_keys);
	assert_int_equal(check(), 0);
	with_each_failing(check);
	auth_access_destroy(access_rules);
	folder_leave(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(making_it_fails_as_a_whole),
		cmocka_unit_test(what_was_in_force_stays_when_loading_fails),
		cmocka_unit_test(the_keys_stay_and_nobody_is_let_in),
	};
	/* OpenSSL does not survive to run out of memory when it is first used: that is before. */
	unsigned char hash[TOKEN_HASH_SIZE];
	if (CRYPTO_set_mem_functions(take, retake, give_back) != 1)
		return 1;
	if (token_hash("", 0, hash) != 0)
		return 1;
	json_set_alloc_funcs(take_for_json, give_back_json);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
