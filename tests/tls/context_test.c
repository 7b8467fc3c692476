/* What is loaded from a folder, and what is refused there, with its sentence. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "tests/log/folder.h"
#include "tests/tls/certificates.h"
#include "tls/private.h"

static char folder[FOLDER_PATH_SIZE];

static int begin(void **state)
{
	folder_enter(folder);
	certificates_authority("ca", "prod");
	certificates_authority("other", "prod");
	certificates_issue("ca", TLS_MEMBER, "n1", "n1");
	certificates_issue("ca", TLS_MEMBER, "n2", "n2");
	certificates_issue("ca", TLS_CLIENT, "c1", "c1");
	certificates_issue("other", TLS_MEMBER, "n1", "stranger");
	return 0;
}

static int end(void **state)
{
	folder_leave(folder);
	return 0;
}

static void expect(const char *from, int code, const char *sentence)
{
	struct tls_context *context = NULL;
	struct clog_error err = {0};
	int rc = tls_context_load(&context, from, &err);
	if (rc != code || (sentence != NULL && strstr(err.text, sentence) == NULL))
		fail_msg("%s: %d: %s", from, rc, err.text);
	assert_null(context);
	assert_int_equal(ERR_peek_error(), 0);
}

/* A folder "t" that has n1's files, fresh. */
static void fresh(void)
{
	certificates_issue("ca", TLS_MEMBER, "n1", "t");
	chmod("t/key.pem", 0600);
}

static void who_one_is_is_in_the_certificate(void **state)
{
	struct tls_context *member = certificates_load("n1"), *client = certificates_load("c1");
	assert_int_equal(tls_context_identity(member)->kind, TLS_MEMBER);
	assert_string_equal(tls_context_identity(member)->cluster, "prod");
	assert_string_equal(tls_context_identity(member)->name, "n1");
	assert_int_equal(tls_context_identity(client)->kind, TLS_CLIENT);
	assert_string_equal(tls_context_identity(client)->name, "c1");
	tls_context_unref(member);
	tls_context_unref(client);
}

static void a_missing_file_is_named(void **state)
{
	static const char *const names[] = {"t/ca.pem", "t/cert.pem", "t/key.pem"};
	expect("nowhere", -ENOENT, "nowhere/ca.pem: No such file");
	for (size_t i = 0; i < 3; i++) {
		char sentence[64];
		fresh();
		assert_int_equal(unlink(names[i]), 0);
		snprintf(sentence, sizeof sentence, "%s: No such file", names[i]);
		expect("t", -ENOENT, sentence);
	}
	char path[5000];
	memset(path, 'x', sizeof path);
	path[sizeof path - 1] = '\0';
	expect(path, -ENAMETOOLONG, NULL);
}

static void what_is_no_file_or_too_big_or_without_end_is_refused(void **state)
{
	static char big[TLS_FILE_SIZE_MAX + 1];
	static const char *const names[] = {"t/ca.pem", "t/cert.pem", "t/key.pem"};
	for (size_t i = 0; i < 3; i++) {
		fresh();
		certificates_put(names[i], big, sizeof big);
		expect("t", -EFBIG, names[i]);
		assert_int_equal(unlink(names[i]), 0);
		assert_int_equal(mkfifo(names[i], 0600), 0);
		expect("t", -EBADMSG, "is no file");
		assert_int_equal(unlink(names[i]), 0);
		assert_int_equal(symlink("/dev/zero", names[i]), 0);
		expect("t", -EBADMSG, "is no file");
		assert_int_equal(unlink(names[i]), 0);
		assert_int_equal(mkdir(names[i], 0700), 0);
		expect("t", -EBADMSG, "is no file");
		assert_int_equal(rmdir(names[i]), 0);
	}
}

static void what_is_no_pem_is_refused(void **state)
{
	fresh();
	certificates_put("t/ca.pem", "", 0);
	expect("t", -EBADMSG, "t/ca.pem has no certificate in PEM");
	fresh();
	certificates_put("t/cert.pem", "a text\n", 7);
	expect("t", -EBADMSG, "t/cert.pem has no certificate in PEM");
	fresh();
	certificates_put("t/key.pem", "a text\n", 7);
	expect("t", -EBADMSG, "t/key.pem has no key in PEM");
	/* A key is no certificate, and not kept beside one, where others may read it. */
	fresh();
	certificates_append("t/cert.pem", "t/key.pem");
	expect("t", -EBADMSG, "t/cert.pem: what follows certificate 1");
}

static void a_damaged_certificate_after_a_sound_one_is_an_error(void **state)
{
	static const char *const names[] = {"ca.pem", "cert.pem"};
	for (size_t i = 0; i < 2; i++) {
		char path[32];
		size_t first, size;
		fresh();
		snprintf(path, sizeof path, "t/%s", names[i]);
		free(certificates_read(path, &first));
		certificates_append(path, "ca/ca.pem");
		tls_context_unref(certificates_load("t"));
		char *text = certificates_read(path, &size);
		/* Each line of the second is damaged, and it is cut anywhere. */
		for (size_t at = first; at < size; at += 13) {
			char was = text[at];
			text[at] = '!';
			certificates_put(path, text, size);
			if (was != '\n')
				expect("t", -EBADMSG, path);
			text[at] = was;
			certificates_put(path, text, at);
			if (at >= first + 5)
				expect("t", -EBADMSG, path);
		}
		free(text);
	}
}

static void a_key_that_others_can_read_is_refused(void **state)
{
	fresh();
	for (mode_t mode = 0001; mode < 0100; mode <<= 1) {
		chmod("t/key.pem", 0600 | mode);
		expect("t", -EACCES, "t/key.pem can be read or written by others: chmod 600");
	}
}

static void a_key_with_a_password_is_refused_and_nobody_is_asked(void **state)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	fresh();
	FILE *file = fopen("t/key.pem", "w");
	assert_non_null(file);
	assert_int_equal(PEM_write_PKCS8PrivateKey(file, key, EVP_aes_128_cbc(), "pass", 4, NULL, NULL), 1);
	fclose(file);
	EVP_PKEY_free(key);
	expect("t", -EBADMSG, "t/key.pem has no key in PEM that can be read without a password");
}

static void the_key_of_another_is_refused(void **state)
{
	size_t size;
	fresh();
	char *text = certificates_read("n2/key.pem", &size);
	certificates_put("t/key.pem", text, size);
	free(text);
	expect("t", -EACCES, "t/key.pem is not the key of the certificate in cert.pem");
}

static void a_certificate_by_another_authority_is_refused(void **state)
{
	size_t size;
	fresh();
	char *text = certificates_read("other/ca.pem", &size);
	certificates_put("t/ca.pem", text, size);
	free(text);
	expect("t", -EACCES, "t/cert.pem: ");
	/* While an authority is replaced, both are trusted. */
	certificates_append("t/ca.pem", "ca/ca.pem");
	tls_context_unref(certificates_load("t"));
}

static void odd_certificates_are_refused(void **state)
{
#define BOTH "serverAuth,clientAuth"
	static const struct {
		struct odd odd;
		const char *sentence; /* NULL: none is refused */
	} cases[] = {
		{{.uris = {"clog://prod/member/n1"}, .purposes = BOTH}, NULL},
		{{.uris = {"clog://prod/member/n1"}}, NULL},
		{{.uris = {"clog://prod/member/n1", "https://n1"}, .purposes = BOTH}, NULL},
		{{.uris = {"clog://prod/client/c1"}, .purposes = "clientAuth"}, NULL},
		{{.uris = {"clog://prod/member/n1"}, .purposes = BOTH, .from_s = -7200, .to_s = -3600}, "has expired"},
		{{.uris = {"clog://prod/member/n1"}, .purposes = BOTH, .from_s = 3600, .to_s = 7200}, "not yet valid"},
		{{.purposes = BOTH}, "has no name URI:clog://CLUSTER/member/NAME"},
		{{.uris = {"https://n1"}, .purposes = BOTH}, "does not say who it is for"},
		{{.uris = {"clog://prod/member/n1", "clog://prod/member/n2"}, .purposes = BOTH}, "or more than one"},
		{{.uris = {"clog://prod/member/n1", "clog://prod"}, .purposes = BOTH}, "or more than one"},
		{{.uris = {"clog://prod/member/n1"}, .purposes = "clientAuth"}, "serverAuth and clientAuth"},
		{{.uris = {"clog://prod/member/n1"}, .purposes = "serverAuth"}, "serverAuth and clientAuth"},
		{{.uris = {"clog://prod/client/c1"}, .purposes = "serverAuth"}, "clientAuth"},
		{{.uris = {"clog://prod/member/n1"}, .purposes = "emailProtection"}, "extended key usage"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct odd odd = cases[i].odd;
		odd.authority = "ca";
		certificates_odd(&odd, "odd");
		if (cases[i].sentence == NULL)
			tls_context_unref(certificates_load("odd"));
		else
			expect("odd", -EACCES, cases[i].sentence);
	}
}

static void the_stamp_changes_with_each_file(void **state)
{
	static const char *const names[] = {"t/ca.pem", "t/cert.pem", "t/key.pem"};
	fresh();
	uint64_t before = tls_folder_stamp("t");
	assert_int_equal(tls_folder_stamp("t"), before);
	for (size_t i = 0; i < 3; i++) {
		size_t size;
		char *text = certificates_read(names[i], &size);
		certificates_put("fresh", text, size);
		free(text);
		assert_int_equal(rename("fresh", names[i]), 0);
		uint64_t after = tls_folder_stamp("t");
		assert_true(after != before);
		before = after;
		assert_int_equal(unlink(names[i]), 0);
		after = tls_folder_stamp("t");
		assert_true(after != before);
		before = after;
	}
	assert_int_equal(tls_folder_stamp("nowhere"), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_one_is_is_in_the_certificate),
		cmocka_unit_test(a_missing_file_is_named),
		cmocka_unit_test(what_is_no_file_or_too_big_or_without_end_is_refused),
		cmocka_unit_test(what_is_no_pem_is_refused),
		cmocka_unit_test(a_damaged_certificate_after_a_sound_one_is_an_error),
		cmocka_unit_test(a_key_that_others_can_read_is_refused),
		cmocka_unit_test(a_key_with_a_password_is_refused_and_nobody_is_asked),
		cmocka_unit_test(the_key_of_another_is_refused),
		cmocka_unit_test(a_certificate_by_another_authority_is_refused),
		cmocka_unit_test(odd_certificates_are_refused),
		cmocka_unit_test(the_stamp_changes_with_each_file),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
