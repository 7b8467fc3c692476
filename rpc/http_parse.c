#include "rpc/http_parse.h"

#include "error/error.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define CHUNK_DIGITS_MAX 7 /* of a size: 256 MiB, which no body has */

static const char token[] = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
static const char capitals[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

ssize_t http_parse_end(const char *data, size_t size, struct clog_error *err)
{
	const size_t seen = size < HTTP_HEADER_SIZE_MAX ? size : HTTP_HEADER_SIZE_MAX;
	if (size > 0 && (data[0] < 'A' || data[0] > 'Z'))
		return clog_error_set(err, -EINVAL, "this is no request of HTTP");
	for (const char *at = data, *end = data + seen; (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++) {
		if (at == data || at[-1] != '\r')
			return clog_error_set(err, -EINVAL, "a line does not end with CR and LF");
		if (at - data >= 3 && at[-2] == '\n')
			return at + 1 - data;
	}
	return seen < HTTP_HEADER_SIZE_MAX
	               ? 0
	               : clog_error_set(err, -EMSGSIZE, "the headers have more than %u bytes", HTTP_HEADER_SIZE_MAX);
}

/* Ends the text at the next of a byte, and gives what is behind it; NULL when there is none. */
static char *cut(char *text, char at)
{
	char *found = strchr(text, at);
	if (found == NULL)
		return NULL;
	*found = '\0';
	return found + 1;
}

/* Bytes that may be seen. */
static bool is_target(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text <= ' ' || *text > '~' || *text == '#')
			return false;
	return true;
}

static int parse_request(struct http_lines *lines, char *line, struct clog_error *err)
{
	char *target = cut(line, ' '), *version = target != NULL ? cut(target, ' ') : NULL;
	lines->method = line;
	lines->path = target;
	if (version == NULL || line[0] == '\0' || strspn(line, capitals) != strlen(line))
		return clog_error_set(err, -EINVAL, "this is no request of HTTP");
	lines->old = strcmp(version, "HTTP/1.0") == 0;
	if (!lines->old && strcmp(version, "HTTP/1.1") != 0)
		return clog_error_set(err, -EINVAL, "the request is of another version of HTTP than 1.1");
	if (target[0] != '/' || !is_target(target))
		return clog_error_set(err, -EINVAL, "the request's target is no path");
	lines->query = cut(target, '?');
	return 0;
}

static bool is_value(const char *text)
{
	for (; *text != '\0'; text++)
		if (((unsigned char)*text < ' ' && *text != '\t') || *text == 0x7f)
			return false;
	return true;
}

static int parse_header(struct http_lines *lines, char *line, struct clog_error *err)
{
	char *value = cut(line, ':');
	if (line[0] == ' ' || line[0] == '\t')
		return clog_error_set(err, -EINVAL, "a header goes on in a second line");
	if (value == NULL || line[0] == '\0' || strspn(line, token) != strlen(line))
		return clog_error_set(err, -EINVAL, "a header's name is malformed");
	if (lines->header_count == HTTP_HEADERS_MAX)
		return clog_error_set(err, -EMSGSIZE, "there are more than %u headers", HTTP_HEADERS_MAX);
	value += strspn(value, " \t");
	for (size_t size = strlen(value); size > 0 && (value[size - 1] == ' ' || value[size - 1] == '\t'); size--)
		value[size - 1] = '\0';
	if (!is_value(value))
		return clog_error_set(err, -EINVAL, "a header has a byte that may not be there");
	lines->headers[lines->header_count++] = (struct http_header){line, value};
	return 0;
}

int http_parse_lines(struct http_lines *lines, char *text, size_t size, struct clog_error *err)
{
	*lines = (struct http_lines){0};
	if (memchr(text, '\0', size) != NULL)
		return clog_error_set(err, -EINVAL, "a header has a byte that may not be there");
	int rc = 0;
	for (char *line = text, *end = text + size - 2; line < end && rc == 0;) {
		char *next = (char *)memchr(line, '\n', (size_t)(end - line)) + 1;
		next[-2] = '\0';
		rc = line == text ? parse_request(lines, line, err) : parse_header(lines, line, err);
		line = next;
	}
	return rc;
}

int http_parse_header(const struct http_lines *lines, const char *name, const char **value)
{
	int rc = -ENOENT;
	for (size_t i = 0; i < lines->header_count; i++) {
		if (strcasecmp(lines->headers[i].name, name) != 0)
			continue;
		if (rc == 0)
			return -EINVAL;
		*value = lines->headers[i].value;
		rc = 0;
	}
	return rc;
}

static bool lists(const char *list, const char *word)
{
	const size_t size = strlen(word);
	for (; *list != '\0'; list += strcspn(list, ","), list += *list == ',') {
		list += strspn(list, " \t");
		if (strncasecmp(list, word, size) == 0 && strchr(" \t,", list[size]) != NULL)
			return true;
	}
	return false;
}

bool http_parse_lists(const struct http_lines *lines, const char *name, const char *word)
{
	for (size_t i = 0; i < lines->header_count; i++)
		if (strcasecmp(lines->headers[i].name, name) == 0 && lists(lines->headers[i].value, word))
			return true;
	return false;
}

static int digit_of(char byte)
{
	if (byte >= '0' && byte <= '9')
		return byte - '0';
	byte |= 0x20;
	return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

int http_parse_decode(char *text)
{
	char *to = text;
	for (; *text != '\0'; text++) {
		if (*text != '%') {
			*to++ = *text;
			continue;
		}
		const int high = digit_of(text[1]), low = high < 0 ? -1 : digit_of(text[2]);
		if (low < 0 || high + low == 0)
			return -EINVAL;
		*to++ = (char)(high << 4 | low);
		text += 2;
	}
	*to = '\0';
	return 0;
}

/* ---- Chunks ---- */

/* A byte of a chunk's size. */
static int take_size(struct http_chunks *chunks, char byte, struct clog_error *err)
{
	const int digit = digit_of(byte);
	if (digit >= 0 && chunks->digits++ < CHUNK_DIGITS_MAX)
		chunks->left = chunks->left << 4 | (uint32_t)digit;
	else if (digit < 0 && byte == '\r' && chunks->digits > 0)
		chunks->state = HTTP_CHUNK_SIZE_LF;
	else if (byte == ';' || byte == ' ' || byte == '\t')
		return clog_error_set(err, -EINVAL, "a chunk has an extension");
	else
		return clog_error_set(err, -EINVAL, "a chunk's size is malformed");
	return 0;
}

/* A byte that can be but one. */
static int take_mark(struct http_chunks *chunks, char byte, struct clog_error *err)
{
	const bool carriage = chunks->state == HTTP_CHUNK_CR || chunks->state == HTTP_CHUNK_LAST_CR;
	if (byte != (carriage ? '\r' : '\n'))
		return clog_error_set(err, -EINVAL,
		                      chunks->state == HTTP_CHUNK_LAST_CR ? "there are trailers behind the last chunk"
		                                                          : "a chunk does not end with CR and LF");
	switch (chunks->state) {
	case HTTP_CHUNK_SIZE_LF:
		chunks->state = chunks->left > 0 ? HTTP_CHUNK_DATA : HTTP_CHUNK_LAST_CR;
		chunks->digits = 0;
		break;
	case HTTP_CHUNK_LF:
		chunks->state = HTTP_CHUNK_SIZE;
		break;
	default:
		chunks->state++;
		break;
	}
	return 0;
}

ssize_t http_chunks_take(struct http_chunks *chunks, const char *data, size_t size, const char **piece,
                         size_t *piece_size, struct clog_error *err)
{
	size_t at = 0;
	*piece_size = 0;
	for (int rc = 0; at < size && chunks->state != HTTP_CHUNKS_DONE; at++) {
		if (chunks->state == HTTP_CHUNK_DATA) {
			*piece = data + at;
			*piece_size = size - at < chunks->left ? size - at : chunks->left;
			chunks->left -= (uint32_t)*piece_size;
			chunks->state = chunks->left > 0 ? HTTP_CHUNK_DATA : HTTP_CHUNK_CR;
			return (ssize_t)(at + *piece_size);
		}
		rc = chunks->state == HTTP_CHUNK_SIZE ? take_size(chunks, data[at], err)
		                                      : take_mark(chunks, data[at], err);
		if (rc != 0)
			return rc;
	}
	return (ssize_t)at;
}
