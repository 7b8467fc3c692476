/* http_answer: answers, made ready for the wire. */
#include "rpc/http.h"

#include "rpc/http_status.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

static const char *reason_of(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{200, "OK"},
		{201, "Created"},
		{304, "Not Modified"},
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{408, "Request Timeout"},
		{409, "Conflict"},
		{410, "Gone"},
		{411, "Length Required"},
		{412, "Precondition Failed"},
		{413, "Content Too Large"},
		{415, "Unsupported Media Type"},
		{431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"},
		{501, "Not Implemented"},
		{503, "Service Unavailable"},
		{504, "Gateway Timeout"},
		{507, "Insufficient Storage"},
	};
	for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

static int put_raw(struct http_request *request, const void *data, size_t size)
{
	if (size > request->out_capacity - request->out_size) {
		const size_t wanted = request->out_size + size;
		const size_t capacity = wanted < 2 * request->out_capacity ? 2 * request->out_capacity : wanted;
		unsigned char *out = realloc(request->out, capacity);
		if (out == NULL)
			return -ENOMEM;
		request->out = out;
		request->out_capacity = capacity;
	}
	memcpy(request->out + request->out_size, data, size);
	request->out_size += size;
	return 0;
}

__attribute__((format(printf, 2, 3))) static int put_line(struct http_request *request, const char *format, ...)
{
	char line[1024];
	va_list args;
	va_start(args, format);
	const int size = vsnprintf(line, sizeof line, format, args);
	va_end(args);
	assert(size >= 0 && (size_t)size < sizeof line);
	return put_raw(request, line, (size_t)size);
}

/* What is in every answer: a browser shall neither guess what a record is, nor run it, nor show it elsewhere. */
static int put_head(struct http_request *request, int status, const char *type, const char *headers)
{
	assert(!request->answered);
	request->answered = true;
	request->close |= request->old || !request->whole || request->http->stopping;
	int rc = put_line(request,
	                  "HTTP/1.1 %d %s\r\nServer: clog/%s\r\nX-Content-Type-Options: nosniff\r\n"
	                  "Cross-Origin-Resource-Policy: same-origin\r\n",
	                  status, reason_of(status), CLOG_VERSION);
	if (rc == 0 && type != NULL)
		rc = put_line(request, "Content-Type: %s\r\n", type);
	if (rc == 0 && headers != NULL)
		rc = put_raw(request, headers, strlen(headers));
	if (rc == 0 && (headers == NULL || strstr(headers, "Content-Security-Policy:") == NULL))
		rc = put_line(request, "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n");
	if (rc == 0 && (headers == NULL || strstr(headers, "Cache-Control:") == NULL))
		rc = put_line(request, "Cache-Control: no-store\r\n");
	if (rc == 0 && request->close)
		rc = put_line(request, "Connection: close\r\n");
	return rc;
}

static void settle(struct http_request *request, int rc)
{
	if (rc != 0)
		http_answer_break(request);
	else if (request->connection != NULL)
		http_wire_wake(request->connection);
}

void http_answer(struct http_request *request, int status, const char *type, const char *headers, char *body,
                 size_t size)
{
	int rc = put_head(request, status, type, headers);
	if (rc == 0 && status != 304)
		rc = put_line(request, "Content-Length: %zu\r\n", size);
	if (rc == 0)
		rc = put_raw(request, "\r\n", 2);
	if (rc == 0 && body != NULL && request->method != HTTP_HEAD)
		rc = put_raw(request, body, size);
	free(body);
	settle(request, rc);
}

void http_answer_text(struct http_request *request, int status, const char *type, const char *text)
{
	char *body = strdup(text);
	if (body == NULL)
		http_answer_break(request);
	else
		http_answer(request, status, type, NULL, body, strlen(body));
}

void http_answer_refusal(struct http_request *request, int status, const char *headers, int code, const char *sentence)
{
	const struct http_meaning *known = http_status_of(code);
	char *body = NULL;
	/* The sentence may have bytes of the request in it: what is not UTF-8 is left out. */
	json_t *error = json_pack("{s:{s:s, s:s, s:s, s:b}}", "error", "code", known->name, "message",
	                          sentence != NULL ? sentence : known->message, "advice", known->advice, "unknown",
	                          known->unknown);
	if (error == NULL)
		error = json_pack("{s:{s:s, s:s, s:s, s:b}}", "error", "code", known->name, "message", known->message,
		                  "advice", known->advice, "unknown", known->unknown);
	if (error != NULL)
		body = json_dumps(error, JSON_COMPACT);
	json_decref(error);
	if (body == NULL)
		http_answer_break(request);
	else
		http_answer(request, status, "application/json", headers, body, strlen(body));
}

void http_answer_error(struct http_request *request, int code, const char *sentence)
{
	const struct http_meaning *known = http_status_of(code);
	const char *headers = known->status == 503 && !known->unknown ? "Retry-After: 1\r\n"
	                      : known->status == 401                  ? "WWW-Authenticate: Bearer realm=\"clog\"\r\n"
	                                                              : NULL;
	http_answer_refusal(request, known->status, headers, code, sentence);
}

void http_answer_begin(struct http_request *request, int status, const char *type, const char *headers,
                       void (*more)(struct http_request *request))
{
	request->chunked = !request->old;
	int rc = put_head(request, status, type, headers);
	if (rc == 0)
		rc = request->chunked ? put_line(request, "Transfer-Encoding: chunked\r\n\r\n")
		                      : put_raw(request, "\r\n", 2);
	if (request->method != HTTP_HEAD)
		request->more = more;
	settle(request, rc);
}

int http_answer_put(struct http_request *request, const void *data, size_t size)
{
	int rc = 0;
	assert(request->answered);
	if (size == 0)
		return 0; /* an empty chunk would be the last */
	if (request->chunked)
		rc = put_line(request, "%zx\r\n", size);
	if (rc == 0)
		rc = put_raw(request, data, size);
	return rc == 0 && request->chunked ? put_raw(request, "\r\n", 2) : rc;
}

void http_answer_finish(struct http_request *request)
{
	request->more = NULL;
	settle(request, request->chunked ? put_raw(request, "0\r\n\r\n", 5) : 0);
}

void http_answer_break(struct http_request *request)
{
	request->answered = true;
	request->more = NULL;
	if (request->connection != NULL)
		http_wire_end(request->connection);
}

bool http_answer_wanted(const struct http_request *request, const char *type)
{
	const size_t size = strlen(type);
	for (const char *at = request->accept; *at != '\0'; at += strcspn(at, ","), at += *at == ',') {
		at += strspn(at, " \t");
		if (strncasecmp(at, type, size) == 0 && memchr("\0 \t,;", at[size], 5) != NULL)
			return true;
	}
	return false;
}
