/* The folder of keys: what is taken, what is refused, and that a refusal changes nothing. */
#include "auth/keys.h"

#include "auth/auth.h"
#include "error/error.h"
#include "tests/auth/issuer.h"
#include "tests/log/folder.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[FOLDER_PATH_SIZE];
static struct clog_error err;
static struct keys *keys;

static int enter(void **state)
{
	(void)state;
	folder_enter(folder);
	keys = NULL;
	err = (struct clog_error){0};
	return 0;
}

static int leave(void **state)
{
	(void)state;
	keys_destroy(keys);
	folder_leave(folder);
	return 0;
}

/* Makes a key, publishes it under the name and forgets it. */
static void publish(const char *kind, unsigned bits, const char *name)
{
	EVP_PKEY *const key = issuer_key(kind, bits);
	issuer_publish(key, ".", name);
	EVP_PKEY_free(key);
}

static void assert_refused(int status, const char *name, const char *reason)
{
	assert_int_equal(keys_create(&keys, ".", "clog", &err), status);
	assert_int_equal(err.code, status);
	assert_non_null(strstr(err.text, name));
	assert_non_null(strstr(err.text, reason));
	assert_null(keys);
}

static void keys_are_found_by_their_files_names(void **state)
{
	(void)state;
	publish("RSA", 2048, "first.pem");
	publish("P-256", 0, "second.pem");
	issuer_write(".", "README", "no key", 6);
	issuer_write(".", ".hidden.pem", "no key", 6);
	assert_int_equal(keys_create(&keys, ".", "clog", &err), 0);
	assert_int_equal(keys->count, 2);
	assert_string_equal(keys->audience, "clog");
	assert_string_equal(keys_find(keys, "first")->algorithm, "RS256");
	assert_int_equal(keys_find(keys, "first")->signature_size, 256);
	assert_string_equal(keys_find(keys, "second")->algorithm, "ES256");
	assert_null(keys_find(keys, "third"));
	assert_null(keys_find(keys, ""));
	assert_null(keys_find(keys, NULL)); /* which of the two? */
}

static void one_key_needs_no_id(void **state)
{
	(void)state;
	publish("P-256", 0, "only.pem");
	assert_int_equal(keys_create(&keys, ".", "clog", &err), 0);
	assert_ptr_equal(keys_find(keys, NULL), keys_find(keys, "only"));
}

static void an_empty_folder_has_no_keys(void **state)
{
	(void)state;
	assert_int_equal(keys_create(&keys, ".", "clog", &err), 0);
	assert_int_equal(keys->count, 0);
	assert_null(keys_find(keys, NULL));
}

static void a_short_rsa_key_is_refused(void **state)
{
	(void)state;
	publish("RSA", 1024, "short.pem");
	assert_refused(-EINVAL, "./short.pem", "an RSA key of 1024 bits");
}

static void another_curve_is_refused(void **state)
{
	(void)state;
	publish("P-384", 0, "curve.pem");
	assert_refused(-EINVAL, "./curve.pem", "another curve than P-256");
}

static void a_key_of_the_same_size_on_another_curve_is_refused(void **state)
{
	(void)state;
	publish("secp256k1", 0, "curve.pem");
	assert_refused(-EINVAL, "./curve.pem", "another curve than P-256");
}

static void a_key_of_another_kind_is_refused(void **state)
{
	(void)state;
	EVP_PKEY *const key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	issuer_publish(key, ".", "edwards.pem");
	EVP_PKEY_free(key);
	assert_refused(-EINVAL, "./edwards.pem", "neither an RSA key nor one on the curve P-256");
}

static void a_private_key_is_refused(void **state)
{
	(void)state;
	EVP_PKEY *const key = issuer_key("P-256", 0);
	issuer_betray(key, ".", "private.pem");
	EVP_PKEY_free(key);
	assert_refused(-EINVAL, "./private.pem", "a private key");
}

static void what_is_no_key_is_refused(void **state)
{
	(void)state;
	issuer_write(".", "text.pem", "hello", 5);
	assert_refused(-EBADMSG, "./text.pem", "no public key in PEM");
	issuer_write(".", "text.pem", "", 0);
	assert_refused(-EBADMSG, "./text.pem", "no public key in PEM");
}

static void a_file_has_a_bound(void **state)
{
	(void)state;
	static const char zeros[KEYS_FILE_SIZE_MAX + 1];
	issuer_write(".", "large.pem", zeros, sizeof zeros);
	assert_refused(-EBADMSG, "./large.pem", "larger than a key's file may be, 16384 bytes");
	issuer_write(".", "large.pem", zeros, sizeof zeros - 1);
	assert_refused(-EBADMSG, "./large.pem", "no public key in PEM");
}

static void what_is_no_file_is_refused_and_not_waited_for(void **state)
{
	(void)state;
	assert_int_equal(mkfifo("pipe.pem", 0600), 0);
	assert_refused(-EINVAL, "./pipe.pem", "it is no file");
	assert_int_equal(unlink("pipe.pem"), 0);
	assert_int_equal(mkdir("folder.pem", 0700), 0);
	assert_refused(-EINVAL, "./folder.pem", "it is no file");
	assert_int_equal(rmdir("folder.pem"), 0);
	assert_int_equal(symlink("nowhere", "dead.pem"), 0);
	assert_refused(-ENOENT, "./dead.pem", "No such file");
	assert_int_equal(unlink("dead.pem"), 0);
}

static void an_id_has_a_bound(void **state)
{
	(void)state;
	char name[KEYS_KID_SIZE + 8];
	memset(name, 'k', sizeof name);
	snprintf(name + KEYS_KID_SIZE - 1, 8, ".pem");
	publish("P-256", 0, name);
	assert_int_equal(keys_create(&keys, ".", "clog", &err), 0);
	keys_destroy(keys);
	keys = NULL;
	snprintf(name + KEYS_KID_SIZE - 1, 8, "k.pem");
	publish("P-256", 0, name);
	assert_refused(-EINVAL, name, "longer than 63 bytes");
}

static void there_are_so_many_keys_and_no_more(void **state)
{
	(void)state;
	char name[32];
	for (unsigned i = 0; i < KEYS_MAX; i++) {
		snprintf(name, sizeof name, "%u.pem", i);
		publish("P-256", 0, name);
	}
	assert_int_equal(keys_create(&keys, ".", "clog", &err), 0);
	keys_destroy(keys);
	keys = NULL;
	publish("P-256", 0, "more.pem");
	assert_refused(-EINVAL, ".", "more than 16 keys");
}

static void a_folder_that_is_not_there_is_told(void **state)
{
	(void)state;
	assert_int_equal(keys_create(&keys, "./nowhere", "clog", &err), -ENOENT);
	assert_string_equal(err.text, "./nowhere: No such file or directory");
}

static void a_refusal_leaves_the_keys_that_were_there(void **state)
{
	(void)state;
	struct auth_access *access;
	struct auth_principal principal;
	char name[AUTH_NAME_SIZE], token[ISSUER_TOKEN_SIZE];
	EVP_PKEY *const key = issuer_key("P-256", 0);
	issuer_publish(key, ".", "only.pem");
	issuer_token(key, "{\"alg\":\"ES256\"}", "{\"sub\":\"bob\",\"exp\":9000000000}", token);
	EVP_PKEY_free(key);
	assert_int_equal(auth_access_create(&access), 0);
	assert_int_equal(auth_access_bearer(access, token, strlen(token), name, &principal, &err), -EACCES);
	assert_string_equal(err.text, "JSON Web Tokens are not taken here: there are no keys for them");
	assert_int_equal(auth_access_keys(access, ".", "clog", &err), 0);
	assert_int_equal(auth_access_bearer(access, token, strlen(token), name, &principal, &err), 0);
	issuer_write(".", "wrong.pem", "hello", 5);
	assert_int_equal(auth_access_keys(access, ".", "clog", &err), -EBADMSG);
	assert_int_equal(auth_access_bearer(access, token, strlen(token), name, &principal, &err), 0);
	assert_int_equal(unlink("wrong.pem") | unlink("only.pem"), 0);
	assert_int_equal(auth_access_keys(access, ".", "clog", &err), 0);
	assert_int_equal(auth_access_bearer(access, token, strlen(token), name, &principal, &err), -EACCES);
	auth_access_destroy(access);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, enter, leave)
	const struct CMUnitTest tests[] = {
		TEST(keys_are_found_by_their_files_names),
		TEST(one_key_needs_no_id),
		TEST(an_empty_folder_has_no_keys),
		TEST(a_short_rsa_key_is_refused),
		TEST(another_curve_is_refused),
		TEST(a_key_of_the_same_size_on_another_curve_is_refused),
		TEST(a_key_of_another_kind_is_refused),
		TEST(a_private_key_is_refused),
		TEST(what_is_no_key_is_refused),
		TEST(a_file_has_a_bound),
		TEST(what_is_no_file_is_refused_and_not_waited_for),
		TEST(an_id_has_a_bound),
		TEST(there_are_so_many_keys_and_no_more),
		TEST(a_folder_that_is_not_there_is_told),
		TEST(a_refusal_leaves_the_keys_that_were_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
