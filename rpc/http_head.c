/* http_head: what the line and the headers of a request ask for. */
#include "rpc/http.h"

#include "error/error.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

/* Copies a header that may be there once. -ENOENT when it is not there, -EINVAL when it is there twice or too long. */
static int copy(const struct http_lines *lines, const char *name, char text[HTTP_WORD_SIZE])
{
	const char *value;
	text[0] = '\0';
	const int rc = http_parse_header(lines, name, &value);
	if (rc == 0 && strlen(value) >= HTTP_WORD_SIZE)
		return -EINVAL;
	if (rc == 0)
		memcpy(text, value, strlen(value) + 1);
	return rc;
}

/* ---- What is asked ---- */

static int take_query(struct http_request *request, char *query, struct clog_error *err)
{
	for (char *parameter; (parameter = strsep(&query, "&")) != NULL;) {
		if (http_parse_decode(parameter) != 0)
			return clog_error_set(err, -EINVAL, "the query is malformed");
		const int rc = http_target_parameter(&request->target, request->method, parameter, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* A body comes in chunks or has a length, told once, in digits, and never both, since then others might find its end
 * elsewhere. Answers and gives false where not. */
static bool take_length(struct http_request *request, const struct http_lines *lines)
{
	const char *length, *encoding;
	uint64_t size = 0;
	const int rc = http_parse_header(lines, "content-length", &length);
	const int encoding_rc = http_parse_header(lines, "transfer-encoding", &encoding);
	const bool sends = request->method == HTTP_POST || request->method == HTTP_PUT;
	request->lost = true;
	if (encoding_rc != -ENOENT && (rc != -ENOENT || request->old))
		http_answer_error(request, -EINVAL, "Transfer-Encoding goes with HTTP/1.1, and without Content-Length");
	else if (encoding_rc == -EINVAL || (encoding_rc == 0 && strcasecmp(encoding, "chunked") != 0))
		http_answer_refusal(request, 501, NULL, -EINVAL,
		                    "no other Transfer-Encoding than chunked is known here");
	else if (rc == -EINVAL || (rc == 0 && http_number(length, &size) != 0))
		http_answer_error(request, -EINVAL, "the header Content-Length is not one number");
	else if (sends && rc == -ENOENT && encoding_rc == -ENOENT)
		http_answer_refusal(request, 411, NULL, -EINVAL,
		                    "the header Content-Length is missing, and the body is not in chunks");
	else
		request->lost = false;
	request->in_chunks = encoding_rc == 0;
	request->announced = size;
	request->whole = !request->lost && !request->in_chunks && size == 0;
	return !request->lost;
}

static int take_words(struct http_request *request, const struct http_lines *lines, struct clog_error *err)
{
	char text[HTTP_WORD_SIZE];
	int rc = copy(lines, "content-type", request->content_type);
	if (rc == -EINVAL)
		return clog_error_set(err, rc, "the header Content-Type is there twice, or too long");
	/* A long list of what is accepted ends with what is accepted least. */
	(void)copy(lines, "accept", request->accept);
	(void)copy(lines, "if-none-match", request->if_none_match);
	rc = copy(lines, "clog-expected-offset", text);
	if (rc == -EINVAL || (rc == 0 && http_number(text, &request->expected) != 0))
		return clog_error_set(err, -EINVAL, "the header Clog-Expected-Offset is a number from 0 to 2^63 - 1");
	rc = copy(lines, "last-event-id", text);
	/* An EventSource that comes back asks for the same URL: what it has had counts for more than where it began. */
	if (rc != -ENOENT && text[0] != '\0' && request->target.route == HTTP_TAIL) {
		if (rc != 0 || http_number(text, &request->target.from) != 0 || request->target.from == INT64_MAX)
			return clog_error_set(err, -EINVAL, "the header Last-Event-ID is not an offset");
		request->target.from++;
		request->target.has_from = true;
	}
	return 0;
}

static int check_origin(struct http_request *request, const struct http_lines *lines, struct clog_error *err)
{
	char host[HTTP_WORD_SIZE], origin[HTTP_WORD_SIZE], site[HTTP_WORD_SIZE];
	const int host_rc = copy(lines, "host", host), origin_rc = copy(lines, "origin", origin);
	const int site_rc = copy(lines, "sec-fetch-site", site);
	if (host_rc == -EINVAL || origin_rc == -EINVAL)
		return clog_error_set(err, -EACCES, "the header Host or Origin is there twice, or too long");
	/* A page may link here: what is only read by a navigation, no page of another site gets to see. */
	const bool judged = site_rc != -ENOENT && request->method != HTTP_GET && request->method != HTTP_HEAD;
	return http_origin_check(host_rc == 0 ? host : NULL, origin_rc == 0 ? origin : NULL, judged ? site : NULL,
	                         request->http->listen, request->http->tls_folder != NULL, err);
}

/* A WebSocket begins as a request. Another upgrade that a client would like, such as curl's to HTTP/2, it goes without. */
static int take_upgrade(struct http_request *request, const struct http_lines *lines, struct clog_error *err)
{
	const char *key, *version;
	if (request->old || !http_parse_lists(lines, "connection", "upgrade") ||
	    !http_parse_lists(lines, "upgrade", "websocket"))
		return 0;
	request->close = true; /* if it is refused */
	if (request->target.route != HTTP_TAIL || request->method != HTTP_GET || !request->whole)
		return clog_error_set(err, -EINVAL, "the only upgrade is that of GET /v1/tail to a WebSocket");
	if (http_parse_header(lines, "sec-websocket-version", &version) != 0 || strcmp(version, "13") != 0 ||
	    http_parse_header(lines, "sec-websocket-key", &key) != 0 ||
	    http_websocket_key(key, request->accept_key) != 0)
		return clog_error_set(err, -EINVAL, "the WebSocket is not of version 13, or its key is malformed");
	request->websocket = true;
	return 0;
}

static int take_lines(struct http_request *request, struct http_lines *lines, struct clog_error *err)
{
	int rc = check_origin(request, lines, err);
	if (rc == 0 && http_parse_decode(lines->path) != 0)
		rc = clog_error_set(err, -EINVAL, "the path is malformed");
	if (rc == 0)
		rc = http_target_path(&request->target, lines->path, err);
	if (rc == 0)
		rc = take_query(request, lines->query, err);
	if (rc == 0)
		rc = take_words(request, lines, err);
	return rc == 0 ? take_upgrade(request, lines, err) : rc;
}

void http_head_take(struct http_request *request, struct http_lines *lines)
{
	struct clog_error err = {0};
	request->method = http_method_of(lines->method);
	request->old = lines->old;
	request->close = lines->old || http_parse_lists(lines, "connection", "close");
	if (!take_length(request, lines))
		return;
	const int rc = take_lines(request, lines, &err);
	if (rc != 0) {
		http_answer_error(request, rc, err.text);
		return;
	}
	/* The book's clients say in the body what they want, and browsers have none. */
	if (request->target.route == HTTP_BOOK && request->method != HTTP_POST && request->whole &&
	    http_answer_wanted(request, "text/html"))
		request->target.route = HTTP_PAGE;
	if (http_allow_know(request, lines))
		http_request_begin(request);
}
