/* Any bytes as a connection's of HTTP: the headers of a request, and its body in chunks. What is taken is within its bounds, and
 * the body is the same however its bytes come. The first byte tells in how large pieces. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "error/error.h"
#include "rpc/http_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse(const char *data, size_t size)
{
	struct http_lines lines;
	struct clog_error err = {0};
	const ssize_t end = http_parse_end(data, size, &err);
	assert(end <= (ssize_t)size && (end >= 0 || err.code == end));
	if (end <= 0)
		return;
	assert(end <= (ssize_t)HTTP_HEADER_SIZE_MAX);
	char *text = malloc((size_t)end);
	assert(text != NULL);
	memcpy(text, data, (size_t)end);
	const int rc = http_parse_lines(&lines, text, (size_t)end, &err);
	assert(rc == 0 || ((rc == -EINVAL || rc == -EMSGSIZE) && err.code == rc));
	for (size_t i = 0; rc == 0 && i < lines.header_count; i++) {
		const char *value = NULL;
		assert(lines.headers[i].value >= text && lines.headers[i].value < text + end);
		assert(strpbrk(lines.headers[i].value, "\r\n") == NULL && lines.headers[i].name[0] != '\0');
		assert(http_parse_header(&lines, lines.headers[i].name, &value) != -ENOENT);
		(void)http_parse_lists(&lines, lines.headers[i].name, "close");
	}
	if (rc == 0)
		(void)http_parse_decode(lines.path);
	if (rc == 0 && lines.query != NULL)
		(void)http_parse_decode(lines.query);
	free(text);
}

/* Puts the body together; its size, and the error or the bytes that were taken. */
static size_t read_chunks(const char *data, size_t size, size_t step, char *body, ssize_t *result)
{
	struct http_chunks chunks = {0};
	size_t at = 0, body_size = 0;
	*result = 0;
	while (at < size && *result == 0 && chunks.state != HTTP_CHUNKS_DONE) {
		const char *piece;
		size_t piece_size;
		const size_t given = size - at < step ? size - at : step;
		const ssize_t taken = http_chunks_take(&chunks, data + at, given, &piece, &piece_size, NULL);
		if (taken < 0) {
			*result = taken;
			break;
		}
		assert(taken > 0 && (size_t)taken <= given);
		if (piece_size > 0) {
			assert(piece >= data + at && piece + piece_size <= data + at + taken);
			memcpy(body + body_size, piece, piece_size);
			body_size += piece_size;
		}
		at += (size_t)taken;
	}
	if (chunks.state == HTTP_CHUNKS_DONE)
		*result = (ssize_t)at;
	return body_size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	/* Copies without a byte behind them, so that a read past the end is seen. */
	const size_t step = 1 + data[0] % 16;
	char *text = malloc(size), *one = malloc(size), *other = malloc(size);
	assert(text != NULL && one != NULL && other != NULL);
	char *at = text + 1; /* so that it ends where the block does */
	memcpy(at, data + 1, size - 1);
	parse(at, size - 1);
	ssize_t whole, pieces;
	const size_t whole_size = read_chunks(at, size - 1, size, one, &whole);
	const size_t pieces_size = read_chunks(at, size - 1, step, other, &pieces);
	assert(whole == pieces && whole_size == pieces_size && memcmp(one, other, whole_size) == 0);
	free(text);
	free(one);
	free(other);
	return 0;
}
