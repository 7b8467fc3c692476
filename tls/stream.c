#include "tls/private.h"

#include "error/error.h"
#include "tls/wire.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include <openssl/err.h>

struct tls_stream {
	struct tls_context *context;
	enum tls_side side;
	SSL *ssl;
	struct wire wire;
	bool ready, closed, known;
	int failed;               /* the error after which there is nothing more; 0: none */
	struct tls_identity peer; /* when known */
};

static void set_side(SSL *ssl, enum tls_side side)
{
	if (side == TLS_CONNECT) {
		SSL_set_connect_state(ssl);
		return;
	}
	SSL_set_accept_state(ssl);
	if (side != TLS_ACCEPT)
		SSL_set_verify(ssl, SSL_VERIFY_PEER, tls_judge);
	if (side == TLS_ACCEPT_ANYBODY_1_2)
		SSL_set_min_proto_version(ssl, TLS1_2_VERSION);
}

int tls_stream_create(struct tls_stream **stream, struct tls_context *context, enum tls_side side)
{
	assert(side == TLS_CONNECT || !context->anonymous);
	struct tls_stream *made = calloc(1, sizeof *made);
	if (made == NULL)
		return -ENOMEM;
	ERR_clear_error();
	made->ssl = SSL_new(context->ssl);
	BIO *bio = wire_bio(&made->wire);
	if (made->ssl == NULL || bio == NULL) {
		BIO_free(bio);
		SSL_free(made->ssl);
		free(made);
		ERR_clear_error();
		return -ENOMEM;
	}
	made->context = tls_context_ref(context);
	made->side = side;
	SSL_set_bio(made->ssl, bio, bio); /* it is the SSL's from here on */
	set_side(made->ssl, side);
	/* The side that begins has something to say, and then waits; where it does not, it had no memory to say it. */
	bool said = side != TLS_CONNECT || SSL_get_error(made->ssl, SSL_do_handshake(made->ssl)) == SSL_ERROR_WANT_READ;
	ERR_clear_error();
	if (!said) {
		tls_stream_destroy(made);
		return -ENOMEM;
	}
	*stream = made;
	return 0;
}

void tls_stream_destroy(struct tls_stream *stream)
{
	if (stream == NULL)
		return;
	SSL_free(stream->ssl);
	wire_finish(&stream->wire);
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

static const char no_name[] =
	"its certificate does not say who it is: it has no name URI:clog://CLUSTER/member/NAME, or more than one";

/* What an error that is none of waiting means. */
static int explain_failure(struct tls_stream *stream, struct clog_error *err)
{
	unsigned long code = ERR_peek_error();
	long trust = SSL_get_verify_result(stream->ssl);
	if (stream->wire.no_memory || ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE)
		return clog_error_set(err, -ENOMEM, "no memory");
	if (trust == TLS_NO_IDENTITY)
		return clog_error_set(err, -EACCES, "%s", no_name);
	if (trust != X509_V_OK)
		return clog_error_set(err, -EACCES, "its certificate is not trusted: %s",
		                      X509_verify_cert_error_string(trust));
	if (!SSL_is_init_finished(stream->ssl) && is_first_record_plain(code))
		return clog_error_set(err, -EPROTO, "it does not speak TLS");
	if (ERR_GET_REASON(code) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
		return clog_error_set(err, -EACCES, "it has no certificate");
	if (ERR_GET_REASON(code) == SSL_R_UNSUPPORTED_PROTOCOL ||
	    ERR_GET_REASON(code) == SSL_R_TLSV1_ALERT_PROTOCOL_VERSION)
		return clog_error_set(err, -EPROTO, "it does not speak TLS 1.3%s",
		                      stream->side == TLS_ACCEPT_ANYBODY_1_2 ? " or 1.2" : "");
	/* Reasons of 1000 and up are alerts: what the other side has to say. */
	const char *who = ERR_GET_REASON(code) > 1000 ? "TLS, from the other side" : "TLS";
	return clog_error_set(err, -EPROTO, "%s: %s", who, tls_reason());
}

/* What a call that gave result means: -EAGAIN for one that waits for bytes. */
static int explain(struct tls_stream *stream, int result, struct clog_error *err)
{
	int rc, kind = SSL_get_error(stream->ssl, result);
	if (kind == SSL_ERROR_WANT_READ || kind == SSL_ERROR_WANT_WRITE) {
		rc = -EAGAIN;
	} else if (kind == SSL_ERROR_ZERO_RETURN) {
		stream->closed = true;
		rc = clog_error_set(err, -ENODATA, "the other side has ended it");
	} else {
		rc = stream->failed = explain_failure(stream, err);
	}
	ERR_clear_error();
	return rc;
}

static int failed_before(const struct tls_stream *stream, struct clog_error *err)
{
	return clog_error_set(err, stream->failed, "the stream has failed before");
}

/* ---- Receiving ---- */

/* Finds out who is there, once the handshake is done. */
static int recognise(struct tls_stream *stream, struct clog_error *err)
{
	X509 *certificate = SSL_get0_peer_certificate(stream->ssl);
	if (certificate == NULL && (stream->side == TLS_ACCEPT_ANYBODY || stream->side == TLS_ACCEPT_ANYBODY_1_2))
		return 0;
	if (certificate == NULL || tls_identity_of(certificate, &stream->peer) != 0)
		return clog_error_set(err, -EACCES, "%s", no_name);
	if (stream->side == TLS_CONNECT && stream->peer.kind != TLS_MEMBER)
		return clog_error_set(err, -EACCES, "its certificate is a client's, and not a member's");
	stream->known = true;
	return 0;
}

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
	const int rc = recognise(stream, err);
	stream->failed = rc;
	stream->ready = rc == 0;
	return rc;
}

int tls_stream_receive(struct tls_stream *stream, const void *data, size_t size, struct clog_error *err)
{
	if (stream->failed != 0)
		return failed_before(stream, err);
	if (size > 0 && wire_add(&stream->wire.in, data, size) != 0) {
		stream->failed = -ENOMEM;
		return clog_error_set(err, -ENOMEM, "no memory");
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
	return stream->known ? &stream->peer : NULL;
}

ssize_t tls_stream_read(struct tls_stream *stream, void *data, size_t capacity, struct clog_error *err)
{
	size_t size = 0;
	if (stream->failed != 0)
		return failed_before(stream, err);
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
	if (stream->failed != 0)
		return failed_before(stream, err);
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
	const struct wire_bytes *out = &stream->wire.out;
	*data = out->data != NULL ? out->data + out->begin : NULL;
	return out->end - out->begin;
}

void tls_stream_sent(struct tls_stream *stream, size_t size)
{
	assert(size <= stream->wire.out.end - stream->wire.out.begin);
	wire_take(&stream->wire.out, size);
}
