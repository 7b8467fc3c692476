/* What the files of the tls room share. */
#ifndef CLOG_TLS_PRIVATE_H
#define CLOG_TLS_PRIVATE_H

#include "tls/tls.h"

#include <openssl/ssl.h>

struct tls_context {
	unsigned references; /* atomic */
	SSL_CTX *ssl;
	struct tls_identity identity;
};

/* Finds the one clog identity in a certificate. -ENOENT when there is none or more than one. */
int tls_identity_of(const X509 *certificate, struct tls_identity *identity);
/* Takes a URI apart. -EINVAL. */
int tls_identity_parse(const char *uri, size_t size, struct tls_identity *identity);

/* What OpenSSL's error queue says first, without its codes; the queue is empty then. */
const char *tls_reason(void);

#endif
