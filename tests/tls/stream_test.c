#include "error/error.h"
#include "tls/tls.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/ssl.h>

/* Of the cluster "c": members a and b, and a client; and "x", a member by the authority of another one. */
static char folder[64];
static struct tls_context *a, *b, *client, *stranger;

static const char *in(const char *name)
{
	static char paths[4][128];
	static unsigned next;
	char *path = paths[next++ % 4];
	snprintf(path, sizeof paths[0], "%s/%s", folder, name);
	return path;
}

static struct tls_context *issued(const char *authority, const char *name, enum tls_kind kind)
{
	struct clog_error err = {0};
	struct tls_context *context = NULL;
	struct tls_issue issue = {.kind = kind, .name = name, .days = 2};
	if (tls_issue(in(authority), &issue, in(name), &err) != 0 || tls_context_load(&context, in(name), &err) != 0)
		fail_msg("%s", err.text);
	return context;
}

static int make(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/clog-tls.XXXXXX");
	assert_non_null(mkdtemp(folder));
	assert_int_equal(tls_authority_create(in("ca"), "c", 2, NULL), 0);
	assert_int_equal(tls_authority_create(in("other"), "c", 2, NULL), 0);
	a = issued("ca", "a", TLS_MEMBER);
	b = issued("ca", "b", TLS_MEMBER);
	client = issued("ca", "k", TLS_CLIENT);
	stranger = issued("other", "x", TLS_MEMBER);
	return 0;
}

static int drop(const char *path, const struct stat *stat, int flag, struct FTW *at)
{
	(void)stat, (void)flag, (void)at;
	return remove(path);
}

static int clean(void **state)
{
	(void)state;
	tls_context_unref(a);
	tls_context_unref(b);
	tls_context_unref(client);
	tls_context_unref(stranger);
	return nftw(folder, drop, 8, FTW_DEPTH | FTW_PHYS);
}

/* A wire between two sides. It carries at most `piece` bytes at once, and changes the byte number `flip` of those that go
 * from left to right. */
struct wire {
	struct tls_stream *left, *right;
	size_t piece, flip, gone;
	struct clog_error err;
};

static void open_wire(struct wire *wire, struct tls_context *left, struct tls_context *right)
{
	*wire = (struct wire){.piece = SIZE_MAX, .flip = SIZE_MAX};
	assert_int_equal(tls_stream_create(&wire->left, left, TLS_CONNECT), 0);
	assert_int_equal(tls_stream_create(&wire->right, right, TLS_ACCEPT), 0);
}

static void close_wire(struct wire *wire)
{
	tls_stream_destroy(wire->left);
	tls_stream_destroy(wire->right);
}

/* Carries a piece; how many bytes it had, or the error of who received it. */
static ssize_t carry(struct wire *wire, struct tls_stream *from, struct tls_stream *to)
{
	const void *data;
	size_t size = tls_stream_pending(from, &data);
	if (size > wire->piece)
		size = wire->piece;
	if (size == 0)
		return 0;
	unsigned char *bytes = malloc(size);
	assert_non_null(bytes);
	memcpy(bytes, data, size);
	if (from == wire->left && wire->flip >= wire->gone && wire->flip - wire->gone < size)
		bytes[wire->flip - wire->gone] ^= 0x41;
	if (from == wire->left)
		wire->gone += size;
	tls_stream_sent(from, size);
	int rc = tls_stream_receive(to, bytes, size, &wire->err);
	free(bytes);
	return rc < 0 ? rc : (ssize_t)size;
}

/* Until nothing is pending, or somebody has an error. */
static int settle(struct wire *wire)
{
	for (;;) {
		ssize_t there = carry(wire, wire->left, wire->right);
		ssize_t back = there < 0 ? 0 : carry(wire, wire->right, wire->left);
		if (there < 0 || back < 0)
			return (int)(there < 0 ? there : back);
		if (there == 0 && back == 0)
			return 0;
	}
}

static void expect_peers(const struct wire *wire, const char *left, const char *right)
{
	assert_true(tls_stream_ready(wire->left) && tls_stream_ready(wire->right));
	assert_string_equal(tls_stream_peer(wire->left)->name, right);
	assert_string_equal(tls_stream_peer(wire->right)->name, left);
	assert_string_equal(tls_stream_peer(wire->right)->cluster, "c");
}

static void both_know_each_other_when_bytes_come_one_at_a_time(void **state)
{
	(void)state;
	for (int whole = 0; whole < 2; whole++) {
		struct wire wire;
		open_wire(&wire, a, b);
		wire.piece = whole ? SIZE_MAX : 1;
		assert_int_equal(settle(&wire), 0);
		expect_peers(&wire, "a", "b");
		assert_int_equal(tls_stream_peer(wire.right)->kind, TLS_MEMBER);
		close_wire(&wire);
	}
}

static void a_client_is_told_from_a_member(void **state)
{
	(void)state;
	struct wire wire;
	open_wire(&wire, client, b);
	assert_int_equal(settle(&wire), 0);
	expect_peers(&wire, "k", "b");
	assert_int_equal(tls_stream_peer(wire.right)->kind, TLS_CLIENT);
	close_wire(&wire);
	/* Its certificate is not for those who accept. */
	open_wire(&wire, a, client);
	assert_int_equal(settle(&wire), -EACCES);
	close_wire(&wire);
}

static void another_authority_of_the_same_name_is_refused_by_both_sides(void **state)
{
	(void)state;
	struct wire wire;
	open_wire(&wire, a, stranger);
	assert_int_equal(settle(&wire), -EACCES);
	assert_false(tls_stream_ready(wire.left));
	assert_non_null(strstr(wire.err.text, "its certificate is not trusted"));
	close_wire(&wire);
	/* Who accepts is the one to refuse when the other side checks nothing that fails. */
	open_wire(&wire, stranger, b);
	assert_true(settle(&wire) < 0);
	assert_false(tls_stream_ready(wire.right));
	close_wire(&wire);
}

static void send_through(struct wire *wire, struct tls_stream *from, struct tls_stream *to, size_t size)
{
	unsigned char *sent = malloc(size), *got = malloc(size);
	size_t count = 0;
	assert_true(sent != NULL && got != NULL);
	for (size_t i = 0; i < size; i++)
		sent[i] = (unsigned char)(i * 31 + (i >> 9));
	assert_int_equal(tls_stream_write(from, sent, size, NULL), 0);
	assert_int_equal(settle(wire), 0);
	for (ssize_t n; count < size && (n = tls_stream_read(to, got + count, size - count, NULL)) > 0;)
		count += (size_t)n;
	assert_int_equal(count, size);
	assert_memory_equal(sent, got, size);
	assert_int_equal(tls_stream_read(to, got, 1, NULL), 0);
	free(sent);
	free(got);
}

static void big_data_goes_both_ways_and_an_end_in_order_is_seen(void **state)
{
	(void)state;
	struct wire wire;
	struct clog_error err = {0};
	char byte;
	open_wire(&wire, a, b);
	assert_int_equal(settle(&wire), 0);
	wire.piece = 70001;
	send_through(&wire, wire.left, wire.right, 3u << 20);
	send_through(&wire, wire.right, wire.left, 3u << 20);
	assert_false(tls_stream_closed(wire.right));
	tls_stream_close(wire.left);
	assert_int_equal(settle(&wire), 0);
	assert_int_equal(tls_stream_read(wire.right, &byte, 1, &err), -ENODATA);
	assert_true(tls_stream_closed(wire.right));
	close_wire(&wire);
}

/* The legacy version of the first record is not protected, and its second byte is to be ignored (RFC 8446, 5.1). */
#define IGNORED_BYTE 2u

static void a_byte_changed_anywhere_never_gives_other_data(void **state)
{
	(void)state;
	static const char text[] = "what was written";
	size_t flip = 0;
	/* Signatures differ in size, so that only a run itself tells whether the byte was one of its own. */
	for (bool reached = true; reached; flip++) {
		struct wire wire;
		char got[64];
		ssize_t count = 0;
		open_wire(&wire, a, b);
		wire.flip = flip;
		int rc = settle(&wire);
		if (rc == 0 && tls_stream_ready(wire.left) &&
		    tls_stream_write(wire.left, text, sizeof text, NULL) == 0 && settle(&wire) == 0)
			count = tls_stream_read(wire.right, got, sizeof got, &wire.err);
		reached = rc != 0 || wire.gone > flip || !tls_stream_ready(wire.left);
		if (reached && flip != IGNORED_BYTE) {
			assert_true(count <= 0);
		} else {
			assert_int_equal(count, sizeof text);
			assert_memory_equal(got, text, sizeof text);
		}
		assert_false(tls_stream_closed(wire.right));
		close_wire(&wire);
	}
	/* Certificates of both were on the wire. */
	assert_true(flip > 500);
}

static void nothing_follows_a_handshake_that_could_resume_it(void **state)
{
	(void)state;
	struct wire wire;
	const void *data;
	open_wire(&wire, a, b);
	while (!tls_stream_ready(wire.right)) {
		assert_true(carry(&wire, wire.left, wire.right) >= 0);
		if (!tls_stream_ready(wire.right))
			assert_true(carry(&wire, wire.right, wire.left) >= 0);
	}
	assert_int_equal(tls_stream_pending(wire.right, &data), 0);
	close_wire(&wire);
}

static void plain_text_is_no_tls(void **state)
{
	(void)state;
	static const char text[] = "GET / HTTP/1.1\r\n\r\n";
	struct tls_stream *stream;
	struct clog_error err = {0};
	assert_int_equal(tls_stream_create(&stream, b, TLS_ACCEPT), 0);
	assert_int_equal(tls_stream_receive(stream, text, sizeof text - 1, &err), -EPROTO);
	assert_string_equal(err.text, "it does not speak TLS");
	tls_stream_destroy(stream);
}

/* What b says to somebody of OpenSSL alone, of at most that version, without a certificate. */
static int greet(int version, struct clog_error *err)
{
	SSL_CTX *context = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_max_proto_version(context, version);
	SSL *ssl = SSL_new(context);
	BIO *to_ssl = BIO_new(BIO_s_mem()), *from_ssl = BIO_new(BIO_s_mem());
	struct tls_stream *stream;
	unsigned char bytes[16384];
	int rc = 0;
	BIO_set_mem_eof_return(to_ssl, -1);
	SSL_set_bio(ssl, to_ssl, from_ssl);
	assert_int_equal(tls_stream_create(&stream, b, TLS_ACCEPT), 0);
	for (int round = 0; round < 4 && rc == 0; round++) {
		const void *data;
		SSL_connect(ssl);
		int count = BIO_read(from_ssl, bytes, sizeof bytes);
		if (count > 0)
			rc = tls_stream_receive(stream, bytes, (size_t)count, err);
		size_t size = tls_stream_pending(stream, &data);
		BIO_write(to_ssl, data, (int)size);
		tls_stream_sent(stream, size);
	}
	assert_false(tls_stream_ready(stream));
	tls_stream_destroy(stream);
	SSL_free(ssl);
	SSL_CTX_free(context);
	return rc;
}

static void older_versions_and_nobody_are_refused(void **state)
{
	(void)state;
	struct clog_error err = {0};
	assert_int_equal(greet(TLS1_2_VERSION, &err), -EPROTO);
	assert_string_equal(err.text, "it does not speak TLS 1.3");
	assert_int_equal(greet(TLS1_3_VERSION, &err), -EACCES);
	assert_string_equal(err.text, "it has no certificate");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_know_each_other_when_bytes_come_one_at_a_time),
		cmocka_unit_test(a_client_is_told_from_a_member),
		cmocka_unit_test(another_authority_of_the_same_name_is_refused_by_both_sides),
		cmocka_unit_test(big_data_goes_both_ways_and_an_end_in_order_is_seen),
		cmocka_unit_test(a_byte_changed_anywhere_never_gives_other_data),
		cmocka_unit_test(nothing_follows_a_handshake_that_could_resume_it),
		cmocka_unit_test(plain_text_is_no_tls),
		cmocka_unit_test(older_versions_and_nobody_are_refused),
	};
	return cmocka_run_group_tests(tests, make, clean);
}
