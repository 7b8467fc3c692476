/* A client that shows no certificate, or speaks TLS 1.2: let in where that is asked for, and nowhere else. The client is
 * OpenSSL's alone. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/err.h>

#include "tests/log/folder.h"
#include "tests/tls/certificates.h"
#include "tests/tls/pair.h"
#include "tls/private.h"

static char folder[FOLDER_PATH_SIZE];
static struct tls_context *member;

static int begin(void **state)
{
	folder_enter(folder);
	certificates_authority("ca", "prod");
	certificates_authority("other", "prod");
	certificates_issue("ca", TLS_MEMBER, "n1", "n1");
	certificates_issue("ca", TLS_CLIENT, "ann", "ann");
	certificates_issue("other", TLS_CLIENT, "eve", "eve");
	member = certificates_load("n1");
	return 0;
}

static int end(void **state)
{
	tls_context_unref(member);
	folder_leave(folder);
	return 0;
}

/* A client of OpenSSL's, and the stream that it talks to. */
struct visit {
	SSL_CTX *context;
	SSL *ssl;
	BIO *to, *from;
	struct tls_stream *stream;
	int rc;
	struct clog_error err;
};

/* folder: of its certificate, NULL: it has none. ciphers: of TLS 1.2 and older, NULL: any. */
static void visit_begin(struct visit *visit, enum tls_side side, int version, const char *of, const char *ciphers)
{
	*visit = (struct visit){.context = SSL_CTX_new(TLS_client_method())};
	SSL_CTX_set_security_level(visit->context, 0);
	assert_true(SSL_CTX_set_min_proto_version(visit->context, TLS1_VERSION));
	assert_true(SSL_CTX_set_max_proto_version(visit->context, version));
	assert_true(SSL_CTX_set_cipher_list(visit->context, ciphers != NULL ? ciphers : "ALL"));
	if (of != NULL) {
		char path[64];
		snprintf(path, sizeof path, "%s/cert.pem", of);
		assert_true(SSL_CTX_use_certificate_file(visit->context, path, SSL_FILETYPE_PEM));
		snprintf(path, sizeof path, "%s/key.pem", of);
		assert_true(SSL_CTX_use_PrivateKey_file(visit->context, path, SSL_FILETYPE_PEM));
	}
	visit->ssl = SSL_new(visit->context);
	visit->to = BIO_new(BIO_s_mem());
	visit->from = BIO_new(BIO_s_mem());
	BIO_set_mem_eof_return(visit->to, -1);
	SSL_set_bio(visit->ssl, visit->to, visit->from);
	SSL_set_connect_state(visit->ssl);
	assert_int_equal(tls_stream_create(&visit->stream, member, side), 0);
}

/* Lets both talk until they have nothing more to say; gives what the client reads meanwhile. */
static void visit_run(struct visit *visit)
{
	static unsigned char bytes[65536];
	for (int round = 0; round < 8; round++) {
		const void *data;
		(void)SSL_read(visit->ssl, bytes, sizeof bytes);
		const int count = BIO_read(visit->from, bytes, sizeof bytes);
		if (count > 0 && visit->rc == 0)
			visit->rc = tls_stream_receive(visit->stream, bytes, (size_t)count, &visit->err);
		const size_t size = tls_stream_pending(visit->stream, &data);
		if (size > 0)
			assert_int_equal(BIO_write(visit->to, data, (int)size), (int)size);
		tls_stream_sent(visit->stream, size);
	}
	ERR_clear_error();
}

static void visit_end(struct visit *visit)
{
	SSL_free(visit->ssl);
	SSL_CTX_free(visit->context);
	tls_stream_destroy(visit->stream);
}

/* name: whom the stream takes the client for; NULL: nobody. */
static void let_in(enum tls_side side, int version, const char *of, const char *name)
{
	struct visit visit;
	visit_begin(&visit, side, version, of, NULL);
	visit_run(&visit);
	assert_string_equal(visit.err.text, "");
	assert_true(tls_stream_ready(visit.stream));
	assert_int_equal(SSL_version(visit.ssl), version);
	const struct tls_identity *peer = tls_stream_peer(visit.stream);
	if (name == NULL)
		assert_null(peer);
	else
		assert_string_equal(peer->name, name);
	assert_int_equal(tls_stream_write(visit.stream, "abc", 3, NULL), 0);
	const void *data;
	char got[4] = "";
	const size_t size = tls_stream_pending(visit.stream, &data);
	BIO_write(visit.to, data, (int)size);
	assert_int_equal(SSL_read(visit.ssl, got, 3), 3);
	assert_string_equal(got, "abc");
	assert_int_equal(SSL_write(visit.ssl, "xyz", 3), 3);
	visit_run(&visit);
	assert_int_equal(tls_stream_read(visit.stream, got, 3, NULL), 3);
	assert_string_equal(got, "xyz");
	visit_end(&visit);
}

static void keep_out(enum tls_side side, int version, const char *of, const char *ciphers, int rc, const char *sentence)
{
	struct visit visit;
	visit_begin(&visit, side, version, of, ciphers);
	visit_run(&visit);
	if (visit.rc != rc || strstr(visit.err.text, sentence) == NULL)
		fail_msg("side %d, version %x: %d: %s", (int)side, version, visit.rc, visit.err.text);
	assert_false(tls_stream_ready(visit.stream));
	visit_end(&visit);
}

static void a_client_without_a_certificate_is_let_in_where_anybody_is(void **state)
{
	let_in(TLS_ACCEPT_ANYBODY, TLS1_3_VERSION, NULL, NULL);
	let_in(TLS_ACCEPT_ANYBODY, TLS1_3_VERSION, "ann", "ann");
	let_in(TLS_ACCEPT_ANYBODY_1_2, TLS1_3_VERSION, NULL, NULL);
	let_in(TLS_ACCEPT, TLS1_3_VERSION, "ann", "ann");
	keep_out(TLS_ACCEPT, TLS1_3_VERSION, NULL, NULL, -EACCES, "it has no certificate");
}

static void a_certificate_that_is_shown_has_to_be_good(void **state)
{
	for (enum tls_side side = TLS_ACCEPT; side <= TLS_ACCEPT_ANYBODY_1_2; side++)
		keep_out(side, TLS1_3_VERSION, "eve", NULL, -EACCES, "is not trusted");
	keep_out(TLS_ACCEPT_ANYBODY_1_2, TLS1_2_VERSION, "eve", NULL, -EACCES, "is not trusted");
	certificates_odd(&(struct odd){.uris = {"https://n2"}, .purposes = "clientAuth", .authority = "ca"}, "odd");
	keep_out(TLS_ACCEPT_ANYBODY, TLS1_3_VERSION, "odd", NULL, -EACCES, "does not say who it is");
	keep_out(TLS_ACCEPT_ANYBODY_1_2, TLS1_2_VERSION, "odd", NULL, -EACCES, "does not say who it is");
}

static void an_older_tls_is_spoken_where_it_is_asked_for(void **state)
{
	let_in(TLS_ACCEPT_ANYBODY_1_2, TLS1_2_VERSION, NULL, NULL);
	let_in(TLS_ACCEPT_ANYBODY_1_2, TLS1_2_VERSION, "ann", "ann");
	for (enum tls_side side = TLS_ACCEPT; side <= TLS_ACCEPT_ANYBODY; side++)
		keep_out(side, TLS1_2_VERSION, "ann", NULL, -EPROTO, "it does not speak TLS 1.3");
	for (int version = TLS1_VERSION; version < TLS1_2_VERSION; version++)
		keep_out(TLS_ACCEPT_ANYBODY_1_2, version, "ann", NULL, -EPROTO, "it does not speak TLS 1.3 or 1.2");
}

static void the_older_one_has_ephemeral_keys_and_authenticated_ciphers_only(void **state)
{
	static const char *const weak[] = {"AES128-GCM-SHA256",
	                                   "ECDHE-ECDSA-AES128-SHA",
	                                   "ECDHE-ECDSA-AES256-SHA384",
	                                   "ECDHE-ECDSA-AES128-CCM8",
	                                   "DHE-RSA-AES128-GCM-SHA256",
	                                   "aNULL",
	                                   "AES128-SHA"};
	for (size_t i = 0; i < sizeof weak / sizeof weak[0]; i++)
		keep_out(TLS_ACCEPT_ANYBODY_1_2, TLS1_2_VERSION, NULL, weak[i], -EPROTO, "no shared cipher");
}

static void nothing_of_the_older_one_is_resumed_or_renegotiated(void **state)
{
	struct visit visit;
	visit_begin(&visit, TLS_ACCEPT_ANYBODY_1_2, TLS1_2_VERSION, NULL, NULL);
	visit_run(&visit);
	assert_true(tls_stream_ready(visit.stream));
	const SSL_SESSION *session = SSL_get0_session(visit.ssl);
	unsigned int size;
	assert_false(SSL_SESSION_has_ticket(session));
	SSL_SESSION_get_id(session, &size);
	assert_int_equal(size, 0);
	assert_null(SSL_get_current_compression(visit.ssl));
	/* The other side says no, and OpenSSL's client takes that for the end. */
	assert_int_equal(SSL_renegotiate(visit.ssl), 1);
	SSL_do_handshake(visit.ssl);
	visit_run(&visit);
	char byte;
	for (int round = 0; round < 4; round++) {
		assert_true(tls_stream_read(visit.stream, &byte, 1, &visit.err) <= 0);
		visit_run(&visit);
	}
	assert_false(SSL_is_init_finished(visit.ssl));
	visit_end(&visit);
}

/* ---- Who connects and has no certificate ---- */

static void meet(struct pair *pair, struct tls_context *connecting, struct tls_context *accepting, enum tls_side side)
{
	pair_begin_as(pair, connecting, accepting, side);
	pair_run(pair, SIZE_MAX);
}

static void who_has_an_authority_alone_trusts_its_members(void **state)
{
	struct tls_context *bare;
	struct clog_error err = {0};
	struct pair pair;
	assert_int_equal(tls_context_load_authority(&bare, "ca", &err), 0);
	assert_null(tls_context_identity(bare));
	meet(&pair, bare, member, TLS_ACCEPT_ANYBODY);
	assert_int_equal(pair.ends[TLS_CONNECT].rc, 0);
	assert_true(tls_stream_ready(pair.ends[TLS_ACCEPT].stream));
	assert_null(tls_stream_peer(pair.ends[TLS_ACCEPT].stream));
	assert_string_equal(tls_stream_peer(pair.ends[TLS_CONNECT].stream)->name, "n1");
	pair_end(&pair);
	meet(&pair, bare, member, TLS_ACCEPT);
	assert_int_equal(pair.ends[TLS_ACCEPT].rc, -EACCES);
	assert_string_equal(pair.ends[TLS_ACCEPT].err.text, "it has no certificate");
	pair_end(&pair);
	tls_context_unref(bare);
}

static void it_trusts_nobody_else(void **state)
{
	struct tls_context *bare;
	struct pair pair;
	assert_int_equal(tls_context_load_authority(&bare, "other", NULL), 0);
	meet(&pair, bare, member, TLS_ACCEPT_ANYBODY);
	assert_int_equal(pair.ends[TLS_CONNECT].rc, -EACCES);
	assert_non_null(strstr(pair.ends[TLS_CONNECT].err.text, "is not trusted"));
	pair_end(&pair);
	tls_context_unref(bare);
	/* A client's certificate that may be shown by who accepts, as far as its purposes say. */
	certificates_odd(&(struct odd){.uris = {"clog://prod/client/n1"}, .authority = "ca"}, "odd");
	struct tls_context *client = certificates_unchecked("odd", TLS1_3_VERSION, false);
	assert_int_equal(tls_context_load_authority(&bare, "ca", NULL), 0);
	meet(&pair, bare, client, TLS_ACCEPT_ANYBODY);
	assert_int_equal(pair.ends[TLS_CONNECT].rc, -EACCES);
	assert_string_equal(pair.ends[TLS_CONNECT].err.text, "its certificate is a client's, and not a member's");
	pair_end(&pair);
	tls_context_unref(client);
	tls_context_unref(bare);
}

static void an_authority_that_cannot_be_loaded_is_named(void **state)
{
	struct tls_context *bare;
	struct clog_error err = {0};
	assert_int_equal(tls_context_load_authority(&bare, "nowhere", &err), -ENOENT);
	assert_non_null(strstr(err.text, "nowhere/ca.pem"));
	certificates_odd(&(struct odd){.authority = "ca"}, "broken");
	certificates_put("broken/ca.pem", "what?", 5);
	assert_int_equal(tls_context_load_authority(&bare, "broken", &err), -EBADMSG);
	assert_non_null(strstr(err.text, "broken/ca.pem"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_client_without_a_certificate_is_let_in_where_anybody_is),
		cmocka_unit_test(a_certificate_that_is_shown_has_to_be_good),
		cmocka_unit_test(an_older_tls_is_spoken_where_it_is_asked_for),
		cmocka_unit_test(the_older_one_has_ephemeral_keys_and_authenticated_ciphers_only),
		cmocka_unit_test(nothing_of_the_older_one_is_resumed_or_renegotiated),
		cmocka_unit_test(who_has_an_authority_alone_trusts_its_members),
		cmocka_unit_test(it_trusts_nobody_else),
		cmocka_unit_test(an_authority_that_cannot_be_loaded_is_named),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
