#include "tls/private.h"

#include "error/error.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

static const char *const file_names[] = {"ca.pem", "cert.pem", "key.pem"};
enum file { CA, CERTIFICATE, KEY, FILE_COUNT };

static int take_authorities(SSL_CTX *ssl, const char *folder, struct clog_error *err)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ssl);
	STACK_OF(X509) * certificates;
	int rc = tls_pem_read_certificates(folder, file_names[CA], &certificates, err);
	if (rc != 0)
		return rc;
	for (int i = 0; rc == 0 && i < sk_X509_num(certificates); i++) {
		X509 *certificate = sk_X509_value(certificates, i);
		if (!X509_STORE_add_cert(store, certificate) || !SSL_CTX_add_client_CA(ssl, certificate))
			rc = clog_error_set(err, -EBADMSG, "%s/ca.pem: %s", folder, tls_reason());
	}
	sk_X509_pop_free(certificates, X509_free);
	return rc;
}

static int take_certificate(SSL_CTX *ssl, const char *folder, struct clog_error *err)
{
	STACK_OF(X509) * certificates;
	int rc = tls_pem_read_certificates(folder, file_names[CERTIFICATE], &certificates, err);
	if (rc != 0)
		return rc;
	int taken = SSL_CTX_use_certificate(ssl, sk_X509_value(certificates, 0));
	/* What lies between it and the authority. */
	for (int i = 1; taken && i < sk_X509_num(certificates); i++)
		taken = SSL_CTX_add1_chain_cert(ssl, sk_X509_value(certificates, i)) != 0;
	sk_X509_pop_free(certificates, X509_free);
	return taken ? 0 : clog_error_set(err, -EBADMSG, "%s/cert.pem: %s", folder, tls_reason());
}

static int take_key(SSL_CTX *ssl, const char *folder, struct clog_error *err)
{
	EVP_PKEY *key;
	int rc = tls_pem_read_key(folder, file_names[KEY], &key, err);
	if (rc != 0)
		return rc;
	int taken = SSL_CTX_use_PrivateKey(ssl, key) && SSL_CTX_check_private_key(ssl);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return taken ? 0
	             : clog_error_set(err, -EACCES, "%s/key.pem is not the key of the certificate in cert.pem", folder);
}

/* Whether a certificate may be used on the sides that its kind is seen on: others refuse it else. */
static bool has_purpose(X509 *certificate, enum tls_kind kind)
{
	return X509_check_purpose(certificate, X509_PURPOSE_SSL_CLIENT, 0) == 1 &&
	       (kind == TLS_CLIENT || X509_check_purpose(certificate, X509_PURPOSE_SSL_SERVER, 0) == 1);
}

/* Of one's own certificate what the other side will look at, so that it is said here and not there. */
static int check_own(struct tls_context *context, const char *folder, struct clog_error *err)
{
	X509 *certificate = SSL_CTX_get0_certificate(context->ssl);
	STACK_OF(X509) *chain = NULL;
	SSL_CTX_get0_chain_certs(context->ssl, &chain);
	X509_STORE_CTX *check = X509_STORE_CTX_new();
	if (check == NULL || !X509_STORE_CTX_init(check, SSL_CTX_get_cert_store(context->ssl), certificate, chain)) {
		X509_STORE_CTX_free(check);
		ERR_clear_error();
		return clog_error_set(err, -ENOMEM, "no memory");
	}
	int right = X509_verify_cert(check);
	int reason = X509_STORE_CTX_get_error(check);
	X509_STORE_CTX_free(check);
	ERR_clear_error();
	if (right != 1)
		return clog_error_set(err, -EACCES, "%s/cert.pem: %s, by the authority in ca.pem", folder,
		                      X509_verify_cert_error_string(reason));
	if (tls_identity_of(certificate, &context->identity) != 0)
		return clog_error_set(err, -EACCES,
		                      "%s/cert.pem does not say who it is for: it has no name "
		                      "URI:clog://CLUSTER/member/NAME, or more than one",
		                      folder);
	if (!has_purpose(certificate, context->identity.kind))
		return clog_error_set(
			err, -EACCES, "%s/cert.pem is not for this use: its extended key usage must have %s", folder,
			context->identity.kind == TLS_MEMBER ? "serverAuth and clientAuth" : "clientAuth");
	return 0;
}

int tls_judge(int right, X509_STORE_CTX *check)
{
	struct tls_identity identity;
	if (!right || X509_STORE_CTX_get_error_depth(check) > 0)
		return right;
	if (tls_identity_of(X509_STORE_CTX_get_current_cert(check), &identity) == 0)
		return 1;
	X509_STORE_CTX_set_error(check, TLS_NO_IDENTITY);
	return 0;
}

/* Of the protocols that the other side offers, where it offers any, one is spoken here. */
static int choose_protocol(SSL *ssl, const unsigned char **chosen, unsigned char *chosen_size,
                           const unsigned char *offered, unsigned offered_size, void *arg)
{
	const struct tls_context *context = arg;
	unsigned char known[16];
	const size_t size = strlen(context->protocol);
	known[0] = (unsigned char)size;
	memcpy(known + 1, context->protocol, size);
	return SSL_select_next_proto((unsigned char **)chosen, chosen_size, offered, offered_size, known,
	                             (unsigned)size + 1) == OPENSSL_NPN_NEGOTIATED
	               ? SSL_TLSEXT_ERR_OK
	               : SSL_TLSEXT_ERR_ALERT_FATAL;
}

void tls_context_speaks(struct tls_context *context, const char *protocol)
{
	assert(strlen(protocol) < 15);
	context->protocol = protocol;
}

int tls_set_up(SSL_CTX *ssl)
{
	SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ssl, 0);
	SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
	                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_max_early_data(ssl, 0);
	SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
	                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, tls_judge);
	/* The fast one first; and those of TLS 1.2, where a side is given leave to speak it. */
	return SSL_CTX_set_ciphersuites(ssl, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
	                                     "TLS_CHACHA20_POLY1305_SHA256") &&
	                       SSL_CTX_set_cipher_list(ssl, "ECDHE+AESGCM:ECDHE+CHACHA20")
	               ? 0
	               : -ENOMEM;
}

static int load_all(struct tls_context *context, const char *folder, struct clog_error *err)
{
	ERR_clear_error();
	int rc = take_authorities(context->ssl, folder, err);
	if (rc != 0 || context->anonymous)
		return rc;
	rc = take_certificate(context->ssl, folder, err);
	if (rc == 0)
		rc = take_key(context->ssl, folder, err);
	return rc == 0 ? check_own(context, folder, err) : rc;
}

static int load(struct tls_context **context, const char *folder, bool anonymous, struct clog_error *err)
{
	struct tls_context *made = calloc(1, sizeof *made);
	if (made != NULL)
		made->ssl = SSL_CTX_new(TLS_method());
	if (made == NULL || made->ssl == NULL || tls_set_up(made->ssl) != 0) {
		if (made != NULL)
			SSL_CTX_free(made->ssl);
		free(made);
		ERR_clear_error();
		return clog_error_set(err, -ENOMEM, "no memory");
	}
	made->references = 1;
	made->anonymous = anonymous;
	made->protocol = "h2";
	SSL_CTX_set_alpn_select_cb(made->ssl, choose_protocol, made);
	int rc = load_all(made, folder, err);
	if (rc != 0) {
		tls_context_unref(made);
		return rc;
	}
	*context = made;
	return 0;
}

int tls_context_load(struct tls_context **context, const char *folder, struct clog_error *err)
{
	return load(context, folder, false, err);
}

int tls_context_load_authority(struct tls_context **context, const char *folder, struct clog_error *err)
{
	return load(context, folder, true, err);
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
	__atomic_add_fetch(&context->references, 1, __ATOMIC_RELAXED);
	return context;
}

void tls_context_unref(struct tls_context *context)
{
	if (context == NULL || __atomic_sub_fetch(&context->references, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	SSL_CTX_free(context->ssl);
	free(context);
}

const struct tls_identity *tls_context_identity(const struct tls_context *context)
{
	return context->anonymous ? NULL : &context->identity;
}

uint64_t tls_folder_stamp(const char *folder)
{
	uint64_t stamp = 0;
	for (int file = CA; file < FILE_COUNT; file++) {
		char path[PATH_MAX];
		struct stat stat_of = {0};
		if (snprintf(path, sizeof path, "%s/%s", folder, file_names[file]) < (int)sizeof path)
			(void)!stat(path, &stat_of);
		const uint64_t parts[] = {(uint64_t)stat_of.st_ino,         (uint64_t)stat_of.st_size,
		                          (uint64_t)stat_of.st_mtim.tv_sec, (uint64_t)stat_of.st_mtim.tv_nsec,
		                          (uint64_t)stat_of.st_ctim.tv_sec, (uint64_t)stat_of.st_ctim.tv_nsec};
		for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
			stamp = (stamp ^ parts[i]) * 1099511628211u + 14695981039346656037u;
	}
	return stamp;
}
