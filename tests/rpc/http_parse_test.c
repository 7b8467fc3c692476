/* The bytes of HTTP, taken apart, and what no two readers would take apart alike. */
#include "rpc/http_parse.h"

#include "error/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char buffer[2 * HTTP_HEADER_SIZE_MAX];
static struct http_lines lines;

/* As a connection does it. */
static int parse(const char *text, size_t text_size, struct clog_error *err)
{
	const ssize_t size = http_parse_end(text, text_size, err);
	if (size <= 0)
		return size == 0 ? -EAGAIN : (int)size;
	memcpy(buffer, text, (size_t)size);
	return http_parse_lines(&lines, buffer, (size_t)size, err);
}

static void a_request_is_its_line_and_its_headers(void **state)
{
	static const char text[] =
		"POST /v1/records?from=1&x HTTP/1.1\r\nHost:  a \t\r\nX-Empty:\r\nConnection: Keep-Alive\r\n"
		"CONNECTION: x,\tUpgrade , y\r\n\r\nbody";
	const char *value;
	(void)state;
	for (size_t size = 0; size < strlen(text) - 4; size++)
		assert_int_equal(http_parse_end(text, size, NULL), 0);
	assert_int_equal(http_parse_end(text, strlen(text), NULL), strlen(text) - 4);
	assert_int_equal(parse(text, strlen(text), NULL), 0);
	assert_string_equal(lines.method, "POST");
	assert_string_equal(lines.path, "/v1/records");
	assert_string_equal(lines.query, "from=1&x");
	assert_false(lines.old);
	assert_int_equal(lines.header_count, 4);
	assert_int_equal(http_parse_header(&lines, "host", &value), 0);
	assert_string_equal(value, "a");
	assert_int_equal(http_parse_header(&lines, "x-empty", &value), 0);
	assert_string_equal(value, "");
	assert_int_equal(http_parse_header(&lines, "x", &value), -ENOENT);
	assert_int_equal(http_parse_header(&lines, "connection", &value), -EINVAL);
	assert_true(http_parse_lists(&lines, "connection", "upgrade"));
	assert_true(http_parse_lists(&lines, "connection", "keep-alive"));
	assert_false(http_parse_lists(&lines, "connection", "close"));
	assert_false(http_parse_lists(&lines, "connection", "up"));
	assert_int_equal(parse("GET / HTTP/1.0\r\n\r\n", 18, NULL), 0);
	assert_true(lines.old && lines.query == NULL);
}

static void what_may_be_taken_for_two_things_is_refused(void **state)
{
	static const char *const bad[] = {
		"\r\nGET / HTTP/1.1\r\n\r\n",
		"get / HTTP/1.1\r\n\r\n",
		"GET  / HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1 \r\n\r\n",
		"GET /\tx HTTP/1.1\r\n\r\n",
		"GET / HTTP/2.0\r\n\r\n",
		"GET / HTTP/1.1x\r\n\r\n",
		"GET / http/1.1\r\n\r\n",
		"GET /\r\n\r\n",
		"GET\r\n\r\n",
		"G@T / HTTP/1.1\r\n\r\n",
		"GET x HTTP/1.1\r\n\r\n",
		"GET http://a/ HTTP/1.1\r\n\r\n",
		"GET /#x HTTP/1.1\r\n\r\n",
		"GET /\x80 HTTP/1.1\r\n\r\n",
		"GET / HTTP/1.1\n\n",
		"GET / HTTP/1.1\r\nA: b\n\r\n",
		"GET / HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
		"GET / HTTP/1.1\r\n A: b\r\n\r\n",
		"GET / HTTP/1.1\r\nA : b\r\n\r\n",
		"GET / HTTP/1.1\r\n: b\r\n\r\n",
		"GET / HTTP/1.1\r\nA\r\n\r\n",
		"GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n",
		"GET / HTTP/1.1\r\nA: \x01\r\n\r\n",
		"GET / HTTP/1.1\r\nA: \x7f\r\n\r\n",
		"GET / HTTP/1.1\r\nA(: b\r\n\r\n",
		"\x16\x03\x01",
	};
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct clog_error err = {0};
		if (parse(bad[i], strlen(bad[i]), &err) != -EINVAL || err.text[0] == '\0')
			fail_msg("%zu was taken: %s", i, bad[i]);
	}
	static const char zero[] = "GET / HTTP/1.1\r\nA: b\0c\r\n\r\n";
	assert_int_equal(parse(zero, sizeof zero - 1, NULL), -EINVAL);
}

static void headers_have_a_size_and_a_number(void **state)
{
	static char text[2 * HTTP_HEADER_SIZE_MAX];
	(void)state;
	size_t size = (size_t)snprintf(text, sizeof text, "GET / HTTP/1.1\r\nA: ");
	memset(text + size, 'x', sizeof text - size);
	memcpy(text + HTTP_HEADER_SIZE_MAX - 4, "\r\n\r\n", 4);
	assert_int_equal(parse(text, HTTP_HEADER_SIZE_MAX, NULL), 0);
	assert_int_equal(parse(text, sizeof text, NULL), 0);
	memcpy(text + HTTP_HEADER_SIZE_MAX - 4, "x\r\n\r\n", 5);
	assert_int_equal(parse(text, HTTP_HEADER_SIZE_MAX - 1, NULL), -EAGAIN);
	assert_int_equal(parse(text, sizeof text, NULL), -EMSGSIZE);
	for (unsigned count = HTTP_HEADERS_MAX; count <= HTTP_HEADERS_MAX + 1; count++) {
		size = (size_t)snprintf(text, sizeof text, "GET / HTTP/1.1\r\n");
		for (unsigned i = 0; i < count; i++)
			size += (size_t)snprintf(text + size, sizeof text - size, "A: b\r\n");
		size += (size_t)snprintf(text + size, sizeof text - size, "\r\n");
		assert_int_equal(parse(text, size, NULL), count == HTTP_HEADERS_MAX ? 0 : -EMSGSIZE);
	}
}

static void a_path_is_decoded_once(void **state)
{
	static const char *const bad[] = {"%", "%4", "%4x", "%00", "%x1", "a%"};
	char text[16] = "/%41%2f%252f+";
	(void)state;
	assert_int_equal(http_parse_decode(text), 0);
	assert_string_equal(text, "/A/%2f+");
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		snprintf(text, sizeof text, "%s", bad[i]);
		assert_int_equal(http_parse_decode(text), -EINVAL);
	}
}

/* Gives the chunks in pieces of a size, and puts together what they carry; the bytes that were taken, or the error. */
static ssize_t read_chunks(const char *text, size_t step, char *body, struct clog_error *err)
{
	struct http_chunks chunks = {0};
	const size_t size = strlen(text);
	size_t at = 0;
	body[0] = '\0';
	while (at < size && chunks.state != HTTP_CHUNKS_DONE) {
		const char *piece;
		size_t piece_size;
		const size_t given = size - at < step ? size - at : step;
		const ssize_t taken = http_chunks_take(&chunks, text + at, given, &piece, &piece_size, err);
		if (taken < 0)
			return taken;
		assert_true((size_t)taken <= given && (taken > 0 || chunks.state == HTTP_CHUNKS_DONE));
		if (piece_size > 0)
			strncat(body, piece, piece_size);
		at += (size_t)taken;
	}
	return chunks.state == HTTP_CHUNKS_DONE ? (ssize_t)at : -EAGAIN;
}

static void chunks_are_put_together_however_they_come(void **state)
{
	static const char text[] = "4\r\nWiki\r\n00D\r\npedia in \r\n\r\n\r\nc\r\nchunks......\r\n0\r\n\r\nGET /";
	char body[64];
	(void)state;
	for (size_t step = 1; step <= sizeof text; step++) {
		assert_int_equal(read_chunks(text, step, body, NULL), sizeof text - 1 - 5);
		assert_string_equal(body, "Wikipedia in \r\n\r\nchunks......");
	}
	assert_int_equal(read_chunks("0\r\n\r\n", 9, body, NULL), 5);
	assert_int_equal(read_chunks("4\r\nWiki\r\n", 9, body, NULL), -EAGAIN);
}

static void what_is_no_chunk_is_refused_however_it_comes(void **state)
{
	static const char *const bad[] = {
		"\r\nWiki",
		"4;x=y\r\nWiki\r\n0\r\n\r\n",
		"4 \r\nWiki\r\n0\r\n\r\n",
		" 4\r\nWiki\r\n0\r\n\r\n",
		"0x4\r\nWiki\r\n0\r\n\r\n",
		"-4\r\nWiki\r\n0\r\n\r\n",
		"+4\r\nWiki\r\n0\r\n\r\n",
		"4\nWiki\r\n0\r\n\r\n",
		"4\r\nWiki0\r\n\r\n",
		"4\r\nWikix\r\n0\r\n\r\n",
		"4\r\nWiki\n0\r\n\r\n",
		"4\r\nWiki\r\n0\r\nTrailer: x\r\n\r\n",
		"4\r\nWiki\r\n0\r\n\n",
		"00000004\r\nWiki\r\n0\r\n\r\n",
		"ffffffffffffffff1\r\n",
		"g\r\n",
		"4\rWiki",
	};
	char body[64];
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		for (size_t step = 1; step < 30; step++) {
			struct clog_error err = {0};
			if (read_chunks(bad[i], step, body, &err) != -EINVAL || err.text[0] == '\0')
				fail_msg("%zu was taken: %s", i, bad[i]);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_its_line_and_its_headers),
		cmocka_unit_test(what_may_be_taken_for_two_things_is_refused),
		cmocka_unit_test(headers_have_a_size_and_a_number),
		cmocka_unit_test(a_path_is_decoded_once),
		cmocka_unit_test(chunks_are_put_together_however_they_come),
		cmocka_unit_test(what_is_no_chunk_is_refused_however_it_comes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
