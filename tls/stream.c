#include "tls/private.h"

#include "error/error.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include <openssl/bio.h>
#include <openssl/err.h>

struct tls_stream {
	struct tls_context *context;
	SSL *ssl;
	BIO *in, *out; /* the SSL's */
	bool ready, closed;
	struct tls_identity peer;
};

int tls_stream_create(struct tls_stream **stream, struct tls_context *context, enum tls_side side)
{
	struct tls_stream *made = calloc(1, sizeof *made);
	if (made == NULL)
		return -ENOMEM;
	ERR_clear_error();
	made->ssl = SSL_new(context->ssl);
	made->in = BIO_new(BIO_s_mem());
	made->out = BIO_new(BIO_s_mem());
	if (made->ssl == NULL || made->in == NULL || made->out == NULL) {
		BIO_free(made->in);
		BIO_free(made->out);
		SSL_free(made->ssl);
		free(made);
		ERR_clear_error();
		return -ENOMEM;
	}
	made->context = tls_context_ref(context);
	BIO_set_mem_eof_return(made->in, -1);
	SSL_set_bio(made->ssl, made->in, made->out); /* they are the SSL's from here on */
	if (side == TLS_ACCEPT)
		SSL_set_accept_state(made->ssl);
	else
		SSL_set_connect_state(made->ssl);
	/* The side that begins has something to say. */
	if (side == TLS_CONNECT)
		SSL_do_handshake(made->ssl);
	ERR_clear_error();
	*stream = made;
	return 0;
}

void tls_stream_destroy(struct tls_stream *stream)
{
	if (stream == NULL)
		return;
	SSL_free(stream->ssl);
	tls_context_unref(stream->context);
	free(stream);
}

/* ---- Errors ---- */

static bool is_first_record_plain(unsigned long code)
{
	int reason = ERR_GET_REASON(code);
	return reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST ||
	       reason == SSL_R_BAD_RECORD_TYPE || reason == SSL_R_PACKET_LENGTH_TOO_LONG;
}

/* What a call that failed means. */
static int explain(struct tls_stream *stream, int result, struct clog_error *err)
{
	int kind = SSL_get_error(stream->ssl, result);
	unsigned long code = ERR_peek_error();
	long trust = SSL_get_verify_result(stream->ssl);
	if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) {
		ERR_clear_error();
		return -EAGAIN;
	}
	if (kind == SSL_ERROR_ZERO_RETURN) {
		stream->closed = true;
		ERR_clear_error();
		return clog_error_set(err, -ENODATA, "the other side has ended it");
	}
	if (ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE) {
		ERR_clear_error();
		return clog_error_set(err, -ENOMEM, "no memory");
	}
	if (trust != X509_V_OK) {
		ERR_clear_error();
		return clog_error_set(err, -EACCES, "its certificate is not trusted: %s",
		                      X509_verify_cert_error_string(trust));
	}
	if (!SSL_is_init_finished(stream->ssl) && is_first_record_plain(code)) {
		ERR_clear_error();
		return clog_error_set(err, -EPROTO, "it does not speak TLS");
	}
	if (ERR_GET_REASON(code) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
		ERR_clear_error();
		return clog_error_set(err, -EACCES, "it has no certificate");
	}
	if (ERR_GET_REASON(code) == SSL_R_UNSUPPORTED_PROTOCOL) {
		ERR_clear_error();
		return clog_error_set(err, -EPROTO, "it does not speak TLS 1.3");
	}
	/* Reasons of 1000 and up are alerts: what the other side has to say. */
	const char *who = ERR_GET_REASON(code) > 1000 ? "TLS, from the other side" : "TLS";
	return clog_error_set(err, -EPROTO, "%s: %s", who, tls_reason());
}

/* ---- Receiving ---- */

static int shake(struct tls_stream *stream, struct clog_error *err)
{
	if (stream->ready)
		return 0;
	ERR_clear_error();
	int result = SSL_do_handshake(stream->ssl);
	if (result != 1) {
		int rc = explain(stream, result, err);
		return rc == -EAGAIN ? 0 : rc;
	}
	X509 *certificate = SSL_get0_peer_certificate(stream->ssl);
	if (certificate == NULL || tls_identity_of(certificate, &stream->peer) != 0)
		return clog_error_set(
			err, -EACCES,
			"its certificate does not say who it is: it has no name URI:clog://CLUSTER/member/NAME");
	stream->ready = true;
	return 0;
}

int tls_stream_receive(struct tls_stream *stream, const void *data, size_t size, struct clog_error *err)
{
	const char *at = data;
	while (size > 0) {
		int piece = size > INT_MAX ? INT_MAX : (int)size;
		ERR_clear_error();
		if (BIO_write(stream->in, at, piece) != piece) {
			ERR_clear_error();
			return clog_error_set(err, -ENOMEM, "no memory");
		}
		at += piece;
		size -= (size_t)piece;
	}
	return shake(stream, err);
}

bool tls_stream_ready(const struct tls_stream *stream)
{
	return stream->ready;
}

const struct tls_identity *tls_stream_peer(const struct tls_stream *stream)
{
	assert(stream->ready);
	return &stream->peer;
}

ssize_t tls_stream_read(struct tls_stream *stream, void *data, size_t capacity, struct clog_error *err)
{
	size_t size = 0;
	if (!stream->ready)
		return 0;
	ERR_clear_error();
	int result = SSL_read_ex(stream->ssl, data, capacity, &size);
	if (result == 1)
		return (ssize_t)size;
	int rc = explain(stream, result, err);
	return rc == -EAGAIN ? 0 : rc;
}

bool tls_stream_closed(const struct tls_stream *stream)
{
	return stream->closed;
}

/* ---- Sending ---- */

int tls_stream_write(struct tls_stream *stream, const void *data, size_t size, struct clog_error *err)
{
	const char *at = data;
	assert(stream->ready);
	while (size > 0) {
		size_t written = 0;
		ERR_clear_error();
		int result = SSL_write_ex(stream->ssl, at, size, &written);
		if (result != 1) {
			int rc = explain(stream, result, err);
			/* Memory is never full, so there is nothing to wait for. */
			return rc == -EAGAIN ? clog_error_set(err, -EPROTO, "TLS: nothing can be written now") : rc;
		}
		at += written;
		size -= written;
	}
	return 0;
}

void tls_stream_close(struct tls_stream *stream)
{
	ERR_clear_error();
	SSL_shutdown(stream->ssl);
	ERR_clear_error();
}

size_t tls_stream_pending(const struct tls_stream *stream, const void **data)
{
	char *bytes = NULL;
	long size = BIO_get_mem_data(stream->out, &bytes);
	*data = bytes;
	return size > 0 ? (size_t)size : 0;
}

void tls_stream_sent(struct tls_stream *stream, size_t size)
{
	/* The one way to take bytes off a BIO is to read them. */
	unsigned char bytes[16384];
	while (size > 0) {
		int count = BIO_read(stream->out, bytes, size < sizeof bytes ? (int)size : (int)sizeof bytes);
		assert(count > 0);
		size -= (size_t)count;
	}
}
