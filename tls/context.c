#include "tls/private.h"

#include "error/error.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

static const char *const file_names[] = {"ca.pem", "cert.pem", "key.pem"};
enum file { CA, CERTIFICATE, KEY, FILE_COUNT };

/* A file's bytes in memory that OpenSSL reads. */
struct loaded {
	char path[PATH_MAX];
	BIO *bio;
};

static int read_all(int fd, size_t size, struct loaded *loaded, struct clog_error *err)
{
	char bytes[4096];
	size_t left = size;
	loaded->bio = BIO_new(BIO_s_mem());
	if (loaded->bio == NULL)
		return clog_error_set(err, -ENOMEM, "no memory");
	while (left > 0) {
		ssize_t count = read(fd, bytes, left < sizeof bytes ? left : sizeof bytes);
		if (count < 0 && errno == EINTR)
			continue;
		if (count < 0)
			return clog_error_set(err, -errno, "%s: %s", loaded->path, strerror(errno));
		if (count == 0)
			break;
		if (BIO_write(loaded->bio, bytes, (int)count) != count)
			return clog_error_set(err, -ENOMEM, "no memory");
		left -= (size_t)count;
	}
	OPENSSL_cleanse(bytes, sizeof bytes);
	return 0;
}

static int load_file(const char *folder, enum file file, struct loaded *loaded, struct clog_error *err)
{
	struct stat stat;
	if (snprintf(loaded->path, sizeof loaded->path, "%s/%s", folder, file_names[file]) >= (int)sizeof loaded->path)
		return clog_error_set(err, -ENAMETOOLONG, "%s: the path is too long", folder);
	int fd = open(loaded->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return clog_error_set(err, -errno, "%s: %s", loaded->path, strerror(errno));
	int rc = 0;
	if (fstat(fd, &stat) != 0)
		rc = clog_error_set(err, -errno, "%s: %s", loaded->path, strerror(errno));
	else if (!S_ISREG(stat.st_mode))
		rc = clog_error_set(err, -EBADMSG, "%s is no file", loaded->path);
	else if (stat.st_size > TLS_FILE_SIZE_MAX)
		rc = clog_error_set(err, -EFBIG, "%s has more than %u bytes", loaded->path, TLS_FILE_SIZE_MAX);
	else if (file == KEY && (stat.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		rc = clog_error_set(err, -EACCES, "%s can be read or written by others: chmod 600", loaded->path);
	if (rc == 0)
		rc = read_all(fd, (size_t)stat.st_size, loaded, err);
	close(fd);
	return rc;
}

/* Keys are given without a password: nobody is there to be asked. */
static int no_password(char *buffer, int size, int writing, void *arg)
{
	return -1;
}

static int take_authorities(SSL_CTX *ssl, struct loaded *loaded, struct clog_error *err)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ssl);
	unsigned count = 0;
	for (X509 *certificate; (certificate = PEM_read_bio_X509(loaded->bio, NULL, no_password, NULL)) != NULL;
	     count++) {
		int added = X509_STORE_add_cert(store, certificate) && SSL_CTX_add_client_CA(ssl, certificate);
		X509_free(certificate);
		if (!added)
			return clog_error_set(err, -EBADMSG, "%s: %s", loaded->path, tls_reason());
	}
	ERR_clear_error();
	return count > 0 ? 0 : clog_error_set(err, -EBADMSG, "%s has no certificate in PEM", loaded->path);
}

static int take_certificate(SSL_CTX *ssl, struct loaded *loaded, struct clog_error *err)
{
	X509 *certificate = PEM_read_bio_X509(loaded->bio, NULL, no_password, NULL);
	if (certificate == NULL) {
		ERR_clear_error();
		return clog_error_set(err, -EBADMSG, "%s has no certificate in PEM", loaded->path);
	}
	int taken = SSL_CTX_use_certificate(ssl, certificate);
	X509_free(certificate);
	/* What lies between it and the authority. */
	for (X509 *more; taken && (more = PEM_read_bio_X509(loaded->bio, NULL, no_password, NULL)) != NULL;)
		if (!SSL_CTX_add0_chain_cert(ssl, more)) {
			X509_free(more);
			taken = 0;
		}
	if (!taken)
		return clog_error_set(err, -EBADMSG, "%s: %s", loaded->path, tls_reason());
	ERR_clear_error();
	return 0;
}

static int take_key(SSL_CTX *ssl, struct loaded *loaded, struct clog_error *err)
{
	EVP_PKEY *key = PEM_read_bio_PrivateKey(loaded->bio, NULL, no_password, NULL);
	ERR_clear_error();
	if (key == NULL)
		return clog_error_set(err, -EBADMSG, "%s has no key in PEM that can be read without a password",
		                      loaded->path);
	int taken = SSL_CTX_use_PrivateKey(ssl, key) && SSL_CTX_check_private_key(ssl);
	EVP_PKEY_free(key);
	ERR_clear_error();
	return taken ? 0
	             : clog_error_set(err, -EACCES, "%s is not the key of the certificate in cert.pem", loaded->path);
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
		return clog_error_set(
			err, -EACCES,
			"%s/cert.pem does not say who it is for: it has no name URI:clog://CLUSTER/member/NAME",
			folder);
	return 0;
}

static void set_up(SSL_CTX *ssl)
{
	SSL_CTX_set_min_proto_version(ssl, TLS1_3_VERSION);
	SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ssl, 0);
	SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_max_early_data(ssl, 0);
	SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
	                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	/* The fast one first. */
	SSL_CTX_set_ciphersuites(ssl, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256");
}

static int load_all(struct tls_context *context, const char *folder, struct clog_error *err)
{
	int (*const take[])(SSL_CTX *, struct loaded *, struct clog_error *) = {take_authorities, take_certificate,
	                                                                        take_key};
	ERR_clear_error();
	for (int file = CA; file < FILE_COUNT; file++) {
		struct loaded loaded = {0};
		int rc = load_file(folder, (enum file)file, &loaded, err);
		if (rc == 0)
			rc = take[file](context->ssl, &loaded, err);
		BIO_free(loaded.bio);
		if (rc != 0)
			return rc;
	}
	return check_own(context, folder, err);
}

int tls_context_load(struct tls_context **context, const char *folder, struct clog_error *err)
{
	struct tls_context *made = calloc(1, sizeof *made);
	if (made != NULL)
		made->ssl = SSL_CTX_new(TLS_method());
	if (made == NULL || made->ssl == NULL) {
		free(made);
		ERR_clear_error();
		return clog_error_set(err, -ENOMEM, "no memory");
	}
	made->references = 1;
	set_up(made->ssl);
	int rc = load_all(made, folder, err);
	if (rc != 0) {
		tls_context_unref(made);
		return rc;
	}
	*context = made;
	return 0;
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
	return &context->identity;
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
