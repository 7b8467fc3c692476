/* What the files of the tls room share. */
#ifndef CLOG_TLS_PRIVATE_H
#define CLOG_TLS_PRIVATE_H

#include "tls/tls.h"

#include "error/error.h"

#include <openssl/ssl.h>

struct tls_context {
	unsigned references; /* atomic */
	SSL_CTX *ssl;
	bool anonymous;       /* it has no certificate, and no identity */
	const char *protocol; /* ALPN's */
	struct tls_identity identity;
};

/* Called for each certificate of the other side's, up from the authority's, with what OpenSSL finds of it. */
int tls_judge(int right, X509_STORE_CTX *check);
/* Makes a context as strict as all of clog's are. -ENOMEM. */
int tls_set_up(SSL_CTX *ssl);

/* Finds the one clog identity in a certificate. -ENOENT when there is none or more than one. */
int tls_identity_of(const X509 *certificate, struct tls_identity *identity);
/* What OpenSSL is told of a certificate without one, and tells the other side by an alert: bad certificate. */
#define TLS_NO_IDENTITY X509_V_ERR_CERT_REJECTED
/* Takes a URI apart. -EINVAL. */
int tls_identity_parse(const char *uri, size_t size, struct tls_identity *identity);

/* ---- pem.c: files of an authority and of those that it vouches for ---- */

/* Makes a folder for its owner alone, unless it is there, and locks it until the descriptor that it gives is closed.
 * -EBUSY when another has it locked. */
int tls_folder_make(const char *folder, struct clog_error *err);
/* Writes a certificate, or a key, in PEM to a file in a folder, at once: under another name first, then renamed and made
 * durable. The other of the two is NULL. A key is its owner's alone. */
int tls_pem_write(const char *folder, const char *name, X509 *certificate, EVP_PKEY *key, struct clog_error *err);
/* Reads all certificates of a file, at least one; the caller frees them. A file is refused as tls_context_load says. */
int tls_pem_read_certificates(const char *folder, const char *name, STACK_OF(X509) * *certificates,
                              struct clog_error *err);
/* Reads a key, which the caller frees; a file that others can read is refused. */
int tls_pem_read_key(const char *folder, const char *name, EVP_PKEY **key, struct clog_error *err);

/* What OpenSSL's error queue says first, without its codes; the queue is empty then. */
const char *tls_reason(void);

#endif
