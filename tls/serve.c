#include "tls/private.h"

#include <errno.h>

#include <openssl/err.h>

static int copy_chain(const struct tls_context *context, SSL_CTX *ssl)
{
	STACK_OF(X509) *chain = NULL;
	SSL_CTX_get0_chain_certs(context->ssl, &chain);
	return SSL_CTX_set1_chain(ssl, chain);
}

int tls_serve(struct tls_context *context, struct ssl_ctx_st *ssl, enum tls_side side)
{
	STACK_OF(X509_NAME) *names = SSL_dup_CA_list(SSL_CTX_get_client_CA_list(context->ssl));
	X509_STORE *store = SSL_CTX_get_cert_store(context->ssl);
	const int set_up = tls_set_up(ssl);
	if (side == TLS_ACCEPT_ANYBODY_1_2)
		SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION);
	SSL_CTX_set_verify(ssl, SSL_VERIFY_PEER, tls_judge);
	SSL_CTX_set_client_CA_list(ssl, names); /* the context's from here on */
	const int served = set_up == 0 && names != NULL && X509_STORE_up_ref(store);
	if (served)
		SSL_CTX_set_cert_store(ssl, store); /* its reference, too */
	const int taken = served && SSL_CTX_use_certificate(ssl, SSL_CTX_get0_certificate(context->ssl)) &&
	                  SSL_CTX_use_PrivateKey(ssl, SSL_CTX_get0_privatekey(context->ssl)) &&
	                  copy_chain(context, ssl);
	ERR_clear_error();
	return taken ? 0 : -ENOMEM;
}

int tls_served_identity(const struct ssl_st *ssl, struct tls_identity *identity)
{
	X509 *certificate = SSL_get0_peer_certificate(ssl);
	return certificate == NULL ? -ENOENT : tls_identity_of(certificate, identity);
}
