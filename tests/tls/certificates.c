#include "tests/tls/certificates.h"

#include "error/error.h"
#include "tls/private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

static void must(bool done, const char *what)
{
	if (done)
		return;
	fprintf(stderr, "%s\n", what);
	ERR_print_errors_fp(stderr);
	abort();
}

void certificates_authority(const char *folder, const char *cluster)
{
	struct clog_error err = {0};
	must(tls_authority_create(folder, cluster, 10, &err) == 0, err.text);
}

void certificates_issue(const char *authority, enum tls_kind kind, const char *name, const char *folder)
{
	const char *const hosts[] = {"n1.example", "127.0.0.1", "::1"};
	struct tls_issue issue = {.kind = kind, .name = name, .days = 5};
	struct clog_error err = {0};
	if (kind == TLS_MEMBER) {
		issue.hosts = hosts;
		issue.host_count = 3;
	}
	must(tls_issue(authority, &issue, folder, &err) == 0, err.text);
}

static FILE *opened(const char *folder, const char *name, const char *mode)
{
	char path[256];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *file = fopen(path, mode);
	must(file != NULL, path);
	return file;
}

static void add(X509 *certificate, int kind, const char *value)
{
	X509V3_CTX context;
	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
	must(extension != NULL && X509_add_ext(certificate, extension, -1) == 1, value);
	X509_EXTENSION_free(extension);
}

static X509 *made(const struct odd *odd, const X509 *by, EVP_PKEY *by_key, EVP_PKEY *key)
{
	char names[1024] = "";
	size_t size = 0;
	X509 *certificate = X509_new();
	must(certificate != NULL && X509_set_version(certificate, X509_VERSION_3), "a certificate");
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 7);
	X509_gmtime_adj(X509_getm_notBefore(certificate), odd->from_s);
	X509_gmtime_adj(X509_getm_notAfter(certificate), odd->from_s == 0 && odd->to_s == 0 ? 3600 : odd->to_s);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC, (const unsigned char *)"odd",
	                           -1, -1, 0);
	X509_set_issuer_name(certificate, X509_get_subject_name(by));
	X509_set_pubkey(certificate, key);
	add(certificate, NID_basic_constraints, "critical,CA:FALSE");
	if (odd->purposes != NULL)
		add(certificate, NID_ext_key_usage, odd->purposes);
	for (size_t i = 0; i < 3 && odd->uris[i] != NULL; i++)
		size += (size_t)snprintf(names + size, sizeof names - size, "%sURI:%s", i > 0 ? "," : "", odd->uris[i]);
	if (size > 0)
		add(certificate, NID_subject_alt_name, names);
	must(X509_sign(certificate, by_key, EVP_sha256()) > 0, "a signature");
	return certificate;
}

void certificates_odd(const struct odd *odd, const char *folder)
{
	FILE *file = opened(odd->authority, "ca.pem", "r");
	X509 *by = PEM_read_X509(file, NULL, NULL, NULL);
	fclose(file);
	file = opened(odd->authority, "ca-key.pem", "r");
	EVP_PKEY *by_key = PEM_read_PrivateKey(file, NULL, NULL, NULL), *key = EVP_EC_gen("P-256");
	fclose(file);
	must(by != NULL && by_key != NULL && key != NULL, odd->authority);
	X509 *certificate = made(odd, by, by_key, key);
	mkdir(folder, 0700);
	file = opened(folder, "ca.pem", "w");
	must(PEM_write_X509(file, by) == 1 && fclose(file) == 0, folder);
	file = opened(folder, "cert.pem", "w");
	must(PEM_write_X509(file, certificate) == 1 && fclose(file) == 0, folder);
	file = opened(folder, "key.pem", "w");
	must(fchmod(fileno(file), 0600) == 0, folder);
	must(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1 && fclose(file) == 0, folder);
	X509_free(certificate);
	X509_free(by);
	EVP_PKEY_free(by_key);
	EVP_PKEY_free(key);
}

struct tls_context *certificates_load(const char *folder)
{
	struct tls_context *context = NULL;
	struct clog_error err = {0};
	must(tls_context_load(&context, folder, &err) == 0, err.text);
	return context;
}

/* It wants the other side's certificate, and takes any. */
static int take_any(int right, X509_STORE_CTX *check)
{
	X509_STORE_CTX_set_error(check, X509_V_OK);
	return 1;
}

struct tls_context *certificates_unchecked(const char *folder, int version, bool bare)
{
	char path[256];
	struct tls_context *context = calloc(1, sizeof *context);
	must(context != NULL, "memory");
	context->references = 1;
	context->ssl = SSL_CTX_new(TLS_method());
	must(context->ssl != NULL && SSL_CTX_set_max_proto_version(context->ssl, version) == 1, "a context");
	if (!bare) {
		snprintf(path, sizeof path, "%s/cert.pem", folder);
		must(SSL_CTX_use_certificate_file(context->ssl, path, SSL_FILETYPE_PEM) == 1, path);
		snprintf(path, sizeof path, "%s/key.pem", folder);
		must(SSL_CTX_use_PrivateKey_file(context->ssl, path, SSL_FILETYPE_PEM) == 1, path);
	}
	SSL_CTX_set_verify(context->ssl, SSL_VERIFY_PEER, take_any);
	return context;
}

void certificates_put(const char *path, const void *text, size_t size)
{
	FILE *file = fopen(path, "w");
	must(file != NULL && fwrite(text, 1, size, file) == size && fclose(file) == 0, path);
}

char *certificates_read(const char *path, size_t *size)
{
	FILE *file = fopen(path, "r");
	char *text = calloc(1, TLS_FILE_SIZE_MAX + 1);
	must(file != NULL && text != NULL, path);
	*size = fread(text, 1, TLS_FILE_SIZE_MAX, file);
	fclose(file);
	return text;
}

void certificates_append(const char *path, const char *from)
{
	size_t size;
	char *text = certificates_read(from, &size);
	FILE *file = fopen(path, "a");
	must(file != NULL && fwrite(text, 1, size, file) == size && fclose(file) == 0, path);
	free(text);
}
