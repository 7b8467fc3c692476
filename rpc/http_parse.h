/* http_parse: the bytes of HTTP/1.1, taken apart (RFC 9112). What two readers might take for different things is refused: a
 * request that hides in another's body, or a body in a request's place. */
#ifndef CLOG_RPC_HTTP_PARSE_H
#define CLOG_RPC_HTTP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct clog_error;

#define HTTP_HEADER_SIZE_MAX (8u << 10) /* bytes of a request's line and headers */
#define HTTP_HEADERS_MAX 64u            /* that a request has */

/* A name and a value, each with a NUL behind it. */
struct http_header {
	const char *name;
	const char *value; /* without the spaces around it */
};

/* A request's line and headers. Texts point into what was parsed. */
struct http_lines {
	const char *method;
	char *path;  /* as it was sent, up to the question mark */
	char *query; /* what is behind that; NULL: there is none */
	bool old;    /* HTTP/1.0 */
	struct http_header headers[HTTP_HEADERS_MAX];
	size_t header_count;
};

/* Bytes up to the end of the line and headers that begin in data, the empty line included; 0 while that is not there; -EINVAL
 * for what does not begin like a request, -EMSGSIZE when it is too large. */
ssize_t http_parse_end(const char *data, size_t size, struct clog_error *err);
/* Takes them apart, in place: text is as http_parse_end has measured. Lines end with CR and LF, and none is continued. -EINVAL,
 * -EMSGSIZE for too many headers. */
int http_parse_lines(struct http_lines *lines, char *text, size_t size, struct clog_error *err);
/* Gives a header by its name, in small letters. -ENOENT when it is not there, -EINVAL when it is there more than once. */
int http_parse_header(const struct http_lines *lines, const char *name, const char **value);
/* Whether a list, such as "keep-alive, Upgrade", in any header of the name has the word. */
bool http_parse_lists(const struct http_lines *lines, const char *name, const char *word);
/* Puts the bytes that stand for %41 and the like in their places. -EINVAL for what stands for none, or for a NUL. */
int http_parse_decode(char *text);

/* ---- A body in chunks ---- */

/* All zero at first. */
struct http_chunks {
	enum {
		HTTP_CHUNK_SIZE,
		HTTP_CHUNK_SIZE_LF,
		HTTP_CHUNK_DATA,
		HTTP_CHUNK_CR,
		HTTP_CHUNK_LF,
		HTTP_CHUNK_LAST_CR,
		HTTP_CHUNK_LAST_LF,
		HTTP_CHUNKS_DONE
	} state;
	unsigned digits;
	uint32_t left; /* bytes of the chunk */
};

/* Takes bytes of it, and gives how many; up to size, or to the end of the body (HTTP_CHUNKS_DONE), or of a piece of it that is
 * among them: where it is, and how long. -EINVAL with a sentence, for what is no chunk, and for extensions and trailers, which
 * nobody needs here. */
ssize_t http_chunks_take(struct http_chunks *chunks, const char *data, size_t size, const char **piece,
                         size_t *piece_size, struct clog_error *err);

#endif
