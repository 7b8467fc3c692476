/* What an authority makes, and what it refuses, with its sentence. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tests/log/folder.h"
#include "tests/tls/certificates.h"
#include "tls/private.h"

#define LONGEST "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-" /* 63 bytes */

static char folder[FOLDER_PATH_SIZE];

static int begin(void **state)
{
	folder_enter(folder);
	certificates_authority("ca", "prod");
	return 0;
}

static int end(void **state)
{
	folder_leave(folder);
	return 0;
}

static X509 *certificate_of(const char *path)
{
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	X509 *certificate = PEM_read_X509(file, NULL, NULL, NULL);
	fclose(file);
	assert_non_null(certificate);
	return certificate;
}

static void expect_mode(const char *path, mode_t mode)
{
	struct stat stat_of;
	assert_int_equal(stat(path, &stat_of), 0);
	assert_int_equal(stat_of.st_mode & 07777, mode);
}

static void expect_create(const char *in, const char *cluster, unsigned days, int code, const char *sentence)
{
	struct clog_error err = {0};
	int rc = tls_authority_create(in, cluster, days, &err);
	if (rc != code || strstr(err.text, sentence) == NULL)
		fail_msg("%s: %d: %s", in, rc, err.text);
	assert_int_equal(ERR_peek_error(), 0);
}

static void expect_issue(const char *authority, const char *host, int code, const char *sentence)
{
	struct clog_error err = {0};
	struct tls_issue issue = {.name = "n1", .hosts = &host, .host_count = 1, .days = 5};
	int rc = tls_issue(authority, &issue, "out", &err);
	if (rc != code || strstr(err.text, sentence) == NULL)
		fail_msg("%s, %s: %d: %s", authority, host, rc, err.text);
	assert_int_equal(ERR_peek_error(), 0);
}

static void an_authority_is_its_owners_alone_and_not_replaced(void **state)
{
	umask(022);
	expect_create("fresh", "prod", 10, 0, "");
	expect_mode("fresh", 0700);
	expect_mode("fresh/ca-key.pem", 0600);
	expect_mode("fresh/ca.pem", 0644);
	size_t size;
	char *before = certificates_read("fresh/ca-key.pem", &size);
	expect_create("fresh", "prod", 10, -EEXIST, "fresh/ca.pem is there: an authority is not replaced");
	char *after = certificates_read("fresh/ca-key.pem", &size);
	assert_string_equal(before, after);
	free(before);
	free(after);
}

static void a_key_without_a_certificate_is_what_a_crash_left(void **state)
{
	expect_create("crashed", "prod", 10, 0, "");
	assert_int_equal(unlink("crashed/ca.pem"), 0);
	certificates_put("crashed/ca-key.pem.new", "torn", 4);
	expect_create("crashed", "prod", 10, 0, "");
	certificates_issue("crashed", TLS_MEMBER, "n1", "of-crashed");
	tls_context_unref(certificates_load("of-crashed"));
}

static void who_is_at_work_in_a_folder_is_not_disturbed(void **state)
{
	assert_int_equal(mkdir("busy", 0700), 0);
	int fd = open("busy", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	expect_create("busy", "prod", 10, -EBUSY, "busy: certificates are made there at this moment");
	close(fd);
	expect_create("busy", "prod", 10, 0, "");
	assert_true(mkdir("out", 0700) == 0 || errno == EEXIST);
	fd = open("out", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	expect_issue("ca", "n1", -EBUSY, "out: certificates are made there at this moment");
	close(fd);
}

/* Many at once: one of them makes it, and its key and certificate belong together. */
static void of_many_who_begin_an_authority_one_does(void **state)
{
	enum { MANY = 8 };
	pid_t pids[MANY];
	int done = 0;
	for (int i = 0; i < MANY; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i] == 0) {
			int rc = tls_authority_create("race", "prod", 10, NULL);
			_exit(rc == 0 ? 0 : rc == -EEXIST || rc == -EBUSY ? 1 : 2);
		}
	}
	for (int i = 0; i < MANY; i++) {
		int status;
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status) && WEXITSTATUS(status) < 2);
		done += WEXITSTATUS(status) == 0;
	}
	assert_int_equal(done, 1);
	certificates_issue("race", TLS_MEMBER, "n1", "of-race");
	tls_context_unref(certificates_load("of-race"));
}

static void a_name_of_any_length_is_issued_for(void **state)
{
	char cluster[TLS_NAME_SIZE];
	for (size_t size = 56; size < TLS_NAME_SIZE; size++) {
		char in[32], out[32];
		snprintf(cluster, sizeof cluster, "%.*s", (int)size, LONGEST);
		snprintf(in, sizeof in, "ca-%zu", size);
		snprintf(out, sizeof out, "n-%zu", size);
		certificates_authority(in, cluster);
		certificates_issue(in, TLS_CLIENT, cluster, out);
		struct tls_context *context = certificates_load(out);
		assert_string_equal(tls_context_identity(context)->cluster, cluster);
		assert_string_equal(tls_context_identity(context)->name, cluster);
		tls_context_unref(context);
	}
}

static void words_that_are_wrong_touch_nothing(void **state)
{
	struct clog_error err = {0};
	expect_create("not", "", 10, -EINVAL, "'' is no name for a cluster");
	expect_create("not", ".prod", 10, -EINVAL, "'.prod' is no name for a cluster");
	expect_create("not", LONGEST "x", 10, -EINVAL, "is no name for a cluster: it takes 1 to 63 of");
	expect_create("not", "prod", 0, -EINVAL, "0 days: it is 1 to 36500");
	expect_create("not", "prod", 36501, -EINVAL, "36501 days");
	struct tls_issue issue = {.kind = TLS_MEMBER, .name = "a/b", .days = 5};
	assert_int_equal(tls_issue("ca", &issue, "not", &err), -EINVAL);
	assert_non_null(strstr(err.text, "'a/b' is no name for a member"));
	issue.kind = TLS_CLIENT;
	assert_int_equal(tls_issue("ca", &issue, "not", &err), -EINVAL);
	assert_non_null(strstr(err.text, "'a/b' is no name for a client"));
	assert_int_not_equal(access("not", F_OK), 0);
}

static void hosts_are_names_and_addresses_without_a_port(void **state)
{
	static const char *const wrong[] = {"n1:7400", "127.0.0.1:7400", "[::1]", "[::1]:7400", ":", "::1::2", "n1:"};
	static const char *const other[] = {"", "n 1", "n1\n", "fe80%1", "n1,n2"};
	static const char *const right[] = {"n1", "n1.example", "*.clog.example", "127.0.0.1", "::1", "2001:db8::7"};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		expect_issue("ca", wrong[i], -EINVAL,
		             "a host is given without a port, and an address without brackets");
	for (size_t i = 0; i < sizeof other / sizeof other[0]; i++)
		expect_issue("ca", other[i], -EINVAL, "is no host's name or address");
	for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
		expect_issue("ca", right[i], 0, "");
		X509 *certificate = certificate_of("out/cert.pem");
		assert_true(X509_check_ip_asc(certificate, right[i], 0) == 1 ||
		            X509_check_host(certificate, right[i][0] == '*' ? "n2.clog.example" : right[i], 0, 0,
		                            NULL) == 1);
		X509_free(certificate);
	}
	const char *many[TLS_HOSTS_MAX + 1];
	for (size_t i = 0; i < sizeof many / sizeof many[0]; i++)
		many[i] = "n1";
	struct clog_error err = {0};
	struct tls_issue issue = {.name = "n1", .hosts = many, .host_count = TLS_HOSTS_MAX + 1, .days = 5};
	assert_int_equal(tls_issue("ca", &issue, "out", &err), -EINVAL);
	assert_string_equal(err.text, "65 hosts are more than 64");
}

static void what_is_issued_is_replaced_at_once(void **state)
{
	expect_issue("ca", "n1", 0, "");
	uint64_t before = tls_folder_stamp("out");
	expect_issue("ca", "n1", 0, "");
	assert_true(tls_folder_stamp("out") != before);
	expect_mode("out/key.pem", 0600);
	tls_context_unref(certificates_load("out"));
	assert_int_not_equal(access("out/key.pem.new", F_OK), 0);
	assert_int_not_equal(access("out/ca-key.pem", F_OK), 0);
}

static void a_certificate_does_not_outlive_its_authority(void **state)
{
	struct tls_issue issue = {.kind = TLS_CLIENT, .name = "c1", .days = 9};
	for (unsigned days = 9; days < 12; days++) { /* the authority's are 10 */
		issue.days = days;
		assert_int_equal(tls_issue("ca", &issue, "out", NULL), 0);
		X509 *own = certificate_of("out/cert.pem"), *authority = certificate_of("ca/ca.pem");
		int order = ASN1_TIME_compare(X509_get0_notAfter(own), X509_get0_notAfter(authority));
		assert_int_equal(order, days < 10 ? -1 : 0);
		X509_free(own);
		X509_free(authority);
	}
}

/* Puts in a folder an authority that is valid from and until then, as seconds from now. */
static void put_authority(const char *in, long from_s, long to_s)
{
	char path[64];
	certificates_authority(in, "prod");
	snprintf(path, sizeof path, "%s/ca.pem", in);
	X509 *certificate = certificate_of(path);
	snprintf(path, sizeof path, "%s/ca-key.pem", in);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	EVP_PKEY *key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
	fclose(file);
	X509_gmtime_adj(X509_getm_notBefore(certificate), from_s);
	X509_gmtime_adj(X509_getm_notAfter(certificate), to_s);
	assert_true(X509_sign(certificate, key, EVP_sha256()) > 0);
	assert_int_equal(tls_pem_write(in, "ca.pem", certificate, NULL, NULL), 0);
	X509_free(certificate);
	EVP_PKEY_free(key);
}

static void an_authority_issues_only_while_it_is_valid(void **state)
{
	put_authority("old", -7200, -3600);
	put_authority("young", 3600, 7200);
	expect_issue("old", "n1", -EACCES, "old/ca.pem has expired");
	expect_issue("young", "n1", -EACCES, "young/ca.pem is not valid yet");
}

static void what_is_no_authority_is_named(void **state)
{
	size_t size;
	expect_issue("nowhere", "n1", -ENOENT, "nowhere/ca.pem: No such file");
	certificates_authority("bad", "prod");
	chmod("bad/ca-key.pem", 0640);
	expect_issue("bad", "n1", -EACCES, "bad/ca-key.pem can be read or written by others");
	chmod("bad/ca-key.pem", 0600);
	char *text = certificates_read("ca/ca-key.pem", &size);
	certificates_put("bad/ca-key.pem", text, size);
	free(text);
	expect_issue("bad", "n1", -EBADMSG, "bad/ca-key.pem is not the key of ca.pem");
	unlink("bad/ca-key.pem");
	expect_issue("bad", "n1", -ENOENT, "bad/ca-key.pem: No such file");
	assert_int_equal(mkfifo("bad/ca-key.pem", 0600), 0);
	expect_issue("bad", "n1", -EBADMSG, "bad/ca-key.pem is no file");
	certificates_append("bad/ca.pem", "ca/ca.pem");
	expect_issue("bad", "n1", -EBADMSG, "bad/ca.pem has 2 certificates");
	unlink("bad/ca.pem");
	assert_int_equal(mkfifo("bad/ca.pem", 0600), 0);
	expect_issue("bad", "n1", -EBADMSG, "bad/ca.pem is no file");
	/* Somebody's certificate is no cluster's authority. */
	certificates_issue("ca", TLS_MEMBER, "n1", "leaf");
	assert_int_equal(rename("leaf/cert.pem", "leaf/ca.pem"), 0);
	assert_int_equal(rename("leaf/key.pem", "leaf/ca-key.pem"), 0);
	expect_issue("leaf", "n1", -EBADMSG, "leaf/ca.pem is no authority of a cluster");
}

static void a_folder_that_cannot_be_made_is_named(void **state)
{
	certificates_put("file", "x", 1);
	expect_create("file", "prod", 10, -ENOTDIR, "file: ");
	expect_create("file/ca", "prod", 10, -ENOTDIR, "file/ca: the folder cannot be made");
	expect_create("a/b/c", "prod", 10, -ENOENT, "a/b/c: the folder cannot be made");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_authority_is_its_owners_alone_and_not_replaced),
		cmocka_unit_test(a_key_without_a_certificate_is_what_a_crash_left),
		cmocka_unit_test(who_is_at_work_in_a_folder_is_not_disturbed),
		cmocka_unit_test(of_many_who_begin_an_authority_one_does),
		cmocka_unit_test(a_name_of_any_length_is_issued_for),
		cmocka_unit_test(words_that_are_wrong_touch_nothing),
		cmocka_unit_test(hosts_are_names_and_addresses_without_a_port),
		cmocka_unit_test(what_is_issued_is_replaced_at_once),
		cmocka_unit_test(a_certificate_does_not_outlive_its_authority),
		cmocka_unit_test(an_authority_issues_only_while_it_is_valid),
		cmocka_unit_test(what_is_no_authority_is_named),
		cmocka_unit_test(a_folder_that_cannot_be_made_is_named),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
