/* Bytes that go both ways at once: in pieces, much of them, ended by one side, and changed on the way of either. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/log/folder.h"
#include "tests/tls/certificates.h"
#include "tests/tls/pair.h"
#include "tls/private.h"

#define BIG_SIZE (8u << 20)
#define WHOLE SIZE_MAX /* a piece of the wire: all that is pending */

static char folder[FOLDER_PATH_SIZE];
static struct tls_context *one, *two;

static int begin(void **state)
{
	folder_enter(folder);
	certificates_authority("ca", "prod");
	certificates_issue("ca", TLS_MEMBER, "n1", "n1");
	certificates_issue("ca", TLS_MEMBER, "n2", "n2");
	one = certificates_load("n1");
	two = certificates_load("n2");
	return 0;
}

static int end(void **state)
{
	tls_context_unref(one);
	tls_context_unref(two);
	folder_leave(folder);
	return 0;
}

static void write_text(struct end *end, const char *text)
{
	if (tls_stream_write(end->stream, text, strlen(text), &end->err) != 0)
		fail_msg("%s", end->err.text);
}

static void expect_text(const struct end *end, const char *text)
{
	assert_int_equal(end->read_size, strlen(text));
	assert_memory_equal(end->read, text, strlen(text));
}

static void texts_go_both_ways_in_pieces_of_any_size(void **state)
{
	for (size_t piece = 1; piece < 2000; piece = piece * 3 + 1) {
		struct pair pair;
		pair_begin(&pair, one, two);
		assert_false(tls_stream_ready(pair.ends[0].stream));
		pair_run(&pair, piece);
		assert_true(tls_stream_ready(pair.ends[0].stream) && tls_stream_ready(pair.ends[1].stream));
		write_text(&pair.ends[TLS_CONNECT], "from who connects");
		write_text(&pair.ends[TLS_ACCEPT], "from who accepts");
		pair_run(&pair, piece);
		assert_int_equal(pair.ends[0].rc, 0);
		assert_int_equal(pair.ends[1].rc, 0);
		expect_text(&pair.ends[TLS_ACCEPT], "from who connects");
		expect_text(&pair.ends[TLS_CONNECT], "from who accepts");
		pair_end(&pair);
	}
}

static void much_goes_both_ways(void **state)
{
	struct pair pair;
	unsigned char *data = malloc(BIG_SIZE);
	uint32_t number = 1;
	assert_non_null(data);
	for (size_t i = 0; i < BIG_SIZE; i++) {
		number = number * 1664525u + 1013904223u;
		data[i] = (unsigned char)(number >> 24);
	}
	pair_shaken(&pair, one, two);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(tls_stream_write(pair.ends[i].stream, data, BIG_SIZE - i, NULL), 0);
	pair_run(&pair, 99991);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(pair.ends[i].rc, 0);
		assert_int_equal(pair.ends[i].read_size, BIG_SIZE - !i);
		assert_memory_equal(pair.ends[i].read, data, BIG_SIZE - !i);
	}
	pair_end(&pair);
	free(data);
}

static void nothing_written_is_nothing_pending(void **state)
{
	struct pair pair;
	const void *data;
	pair_shaken(&pair, one, two);
	assert_int_equal(tls_stream_write(pair.ends[0].stream, "", 0, NULL), 0);
	assert_int_equal(tls_stream_pending(pair.ends[0].stream, &data), 0);
	tls_stream_sent(pair.ends[0].stream, 0);
	assert_int_equal(tls_stream_receive(pair.ends[0].stream, NULL, 0, NULL), 0);
	pair_end(&pair);
}

static void what_is_pending_is_taken_from_the_front(void **state)
{
	struct pair pair;
	const void *before, *after;
	pair_shaken(&pair, one, two);
	write_text(&pair.ends[0], "a text");
	size_t size = tls_stream_pending(pair.ends[0].stream, &before);
	unsigned char *copy = malloc(size);
	assert_non_null(copy);
	memcpy(copy, before, size);
	tls_stream_sent(pair.ends[0].stream, 5);
	assert_int_equal(tls_stream_pending(pair.ends[0].stream, &after), size - 5);
	assert_memory_equal(after, copy + 5, size - 5);
	tls_stream_sent(pair.ends[0].stream, size - 5);
	assert_int_equal(tls_stream_pending(pair.ends[0].stream, &after), 0);
	assert_int_equal(tls_stream_receive(pair.ends[1].stream, copy, size, NULL), 0);
	free(copy);
	pair_end(&pair);
}

static void an_end_in_order_is_told_from_a_wire_that_only_ends(void **state)
{
	struct pair pair;
	char byte;
	pair_shaken(&pair, one, two);
	write_text(&pair.ends[0], "the last");
	pair_run(&pair, WHOLE);
	/* The wire may be gone here: nothing says that this was all. */
	assert_int_equal(tls_stream_read(pair.ends[1].stream, &byte, 1, NULL), 0);
	assert_false(tls_stream_closed(pair.ends[1].stream));
	tls_stream_close(pair.ends[0].stream);
	pair_run(&pair, 1);
	assert_int_equal(pair.ends[1].rc, -ENODATA);
	assert_true(tls_stream_closed(pair.ends[1].stream));
	assert_false(tls_stream_closed(pair.ends[0].stream));
	expect_text(&pair.ends[1], "the last");
	assert_int_equal(tls_stream_read(pair.ends[1].stream, &byte, 1, NULL), -ENODATA);
	/* The other half is still open. */
	write_text(&pair.ends[1], "an answer");
	pair_run(&pair, WHOLE);
	expect_text(&pair.ends[0], "an answer");
	assert_true(tls_stream_write(pair.ends[0].stream, "x", 1, NULL) < 0);
	pair_end(&pair);
}

/* A handshake and a text each way, with a byte changed: how far each side came must be true. Gives whether a side has
 * failed. */
static bool flip(enum tls_side side, size_t at, unsigned char mask)
{
	struct pair pair;
	static const char text[] = "a text that must not come as another";
	pair_begin(&pair, one, two);
	pair.flipped_side = side;
	pair.flipped_at = at;
	pair.flip = mask;
	pair_run(&pair, WHOLE);
	for (size_t i = 0; i < 2; i++)
		if (pair.ends[i].rc == 0 && tls_stream_ready(pair.ends[i].stream))
			write_text(&pair.ends[i], text);
	pair_run(&pair, WHOLE);
	for (size_t i = 0; i < 2; i++) {
		const struct end *end = &pair.ends[i];
		char byte;
		if (end->read_size > 0)
			expect_text(end, text);
		if (tls_stream_ready(end->stream))
			assert_string_equal(tls_stream_peer(end->stream)->name, i == 0 ? "n2" : "n1");
		if (end->rc == 0)
			continue;
		assert_true(end->rc == -EPROTO || end->rc == -EACCES);
		assert_true(strlen(end->err.text) > 0);
		assert_int_equal(tls_stream_read(end->stream, &byte, 1, NULL), end->rc);
		assert_int_equal(tls_stream_receive(end->stream, text, sizeof text, NULL), end->rc);
	}
	const bool failed = pair.ends[0].rc != 0 || pair.ends[1].rc != 0;
	pair_end(&pair);
	return failed;
}

static void a_byte_changed_on_the_way_gives_no_wrong_text(void **state)
{
	struct pair pair;
	size_t sizes[2];
	pair_shaken(&pair, one, two);
	for (size_t i = 0; i < 2; i++)
		write_text(&pair.ends[i], "a text that must not come as another");
	pair_run(&pair, WHOLE);
	for (size_t i = 0; i < 2; i++)
		sizes[i] = pair.ends[i].sent;
	pair_end(&pair);
	/* Signatures differ in size from one handshake to the next. */
	const size_t step = getenv("CLOG_SOAK") != NULL ? 1 : 5;
	unsigned failures = 0, harmless = 0;
	for (size_t i = 0; i < 2; i++)
		for (size_t at = 0; at < sizes[i] + 4; at += at < 16 || at + 80 > sizes[i] ? 1 : step)
			flip((enum tls_side)i, at, (unsigned char)(1u << at % 8)) ? failures++ : harmless++;
	/* The old version in a record's header and what is past the end mean nothing. */
	assert_true(failures > 400 * (step == 1 ? 4 : 1) && harmless < 60);
}

static void plain_text_is_no_tls(void **state)
{
	static const char texts[][32] = {"GET / HTTP/1.1\r\nHost: n1\r\n\r\n", "clog\1\0\0\0hello", "SSH-2.0-x\r\n"};
	for (size_t side = 0; side < 2; side++)
		for (size_t i = 0; i < 3; i++) {
			struct tls_stream *stream;
			struct clog_error err = {0};
			assert_int_equal(tls_stream_create(&stream, one, (enum tls_side)side), 0);
			assert_int_equal(tls_stream_receive(stream, texts[i], 20, &err), -EPROTO);
			assert_string_equal(err.text, "it does not speak TLS");
			tls_stream_destroy(stream);
		}
}

static void a_stream_keeps_its_context(void **state)
{
	struct pair pair;
	struct tls_context *context = certificates_load("n1");
	pair_begin(&pair, context, two);
	tls_context_unref(context);
	pair_run(&pair, WHOLE);
	assert_true(tls_stream_ready(pair.ends[1].stream));
	pair_end(&pair);
	tls_stream_destroy(NULL);
	tls_context_unref(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_go_both_ways_in_pieces_of_any_size),
		cmocka_unit_test(much_goes_both_ways),
		cmocka_unit_test(nothing_written_is_nothing_pending),
		cmocka_unit_test(what_is_pending_is_taken_from_the_front),
		cmocka_unit_test(an_end_in_order_is_told_from_a_wire_that_only_ends),
		cmocka_unit_test(a_byte_changed_on_the_way_gives_no_wrong_text),
		cmocka_unit_test(plain_text_is_no_tls),
		cmocka_unit_test(a_stream_keeps_its_context),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
