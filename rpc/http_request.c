/* http_request: one request, from its headers to what is asked of the service. */
#include "rpc/http.h"

#include "error/error.h"
#include "rpc/http_status.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct http_request *http_request_create(struct http_connection *connection)
{
	struct http_request *request = calloc(1, sizeof *request);
	if (request == NULL)
		return NULL;
	assert(connection->request == NULL);
	request->http = connection->http;
	request->connection = connection;
	request->expected = SERVICE_ANYWHERE;
	connection->request = request;
	connection->http->request_count++;
	return request;
}

static void release(struct http_request *request)
{
	request->http->bodies_size -= request->body_capacity;
	request->http->request_count--;
	http_batch_finish(&request->batch);
	http_admin_destroy(request->admin);
	free(request->body);
	free(request->out);
	free(request);
}

void http_request_end(struct http_request *request)
{
	if (request->watching)
		service_unwatch(request->http->service, &request->watch);
	request->watching = false;
	request->connection->request = NULL;
	request->connection = NULL;
	if (!request->pending)
		release(request);
}

bool http_request_answered(struct http_request *request)
{
	assert(request->pending);
	request->pending = false;
	if (request->connection != NULL)
		return true;
	release(request);
	return false;
}

/* ---- Judging ---- */

enum auth_action http_request_action(const struct http_request *request)
{
	switch (request->target.route) {
	case HTTP_BOOK:
	case HTTP_RECORDS:
		return request->method == HTTP_POST     ? AUTH_PRODUCE
		       : request->method == HTTP_DELETE ? AUTH_ADMIN
		                                        : AUTH_CONSUME;
	case HTTP_RETENTION:
		return request->method == HTTP_PUT ? AUTH_ADMIN : AUTH_CONSUME;
	case HTTP_ACL:
	case HTTP_TOKENS:
	case HTTP_TOKEN:
		return AUTH_ADMIN;
	case HTTP_RECORD:
	case HTTP_TAIL:
		return AUTH_CONSUME;
	default:
		return AUTH_OBSERVE;
	}
}

/* Whether the header Content-Type names a type, whatever its parameters. */
static bool is_type(const struct http_request *request, const char *type)
{
	const size_t size = strlen(type);
	return strncasecmp(request->content_type, type, size) == 0 &&
	       memchr("\0 \t;", request->content_type[size], 4) != NULL;
}

/* A form, which any web page may send, and curl says it sends unless it is told otherwise, is not among these. */
static size_t size_max(const struct http_request *request)
{
	if (request->target.route == HTTP_ACL && request->method == HTTP_PUT)
		return AUTH_ACL_SIZE_MAX;
	if (request->method != HTTP_POST && request->method != HTTP_PUT)
		return HTTP_ASK_SIZE_MAX;
	if (request->target.route == HTTP_TOKENS || request->target.route == HTTP_RETENTION)
		return is_type(request, "application/json") ? HTTP_ASK_SIZE_MAX : 0;
	if (is_type(request, "application/json"))
		return request->target.route == HTTP_BOOK ? HTTP_ONE_SIZE_MAX : HTTP_BODY_SIZE_MAX;
	if (request->target.route == HTTP_RECORDS && is_type(request, "application/octet-stream"))
		return SERVICE_RECORD_SIZE_MAX;
	if (request->target.route == HTTP_RECORDS && is_type(request, "application/x-ndjson"))
		return HTTP_BODY_SIZE_MAX;
	return 0;
}

static void refuse_type(struct http_request *request)
{
	const bool book = request->target.route != HTTP_RECORDS;
	http_answer_refusal(request, 415, NULL, -EINVAL,
	                    book ? "the header Content-Type has to be application/json"
	                         : "the header Content-Type has to be application/octet-stream for one record, "
	                           "application/x-ndjson or application/json for many");
}

/* Makes room for so many bytes of body. */
static int make_room(struct http_request *request, size_t size)
{
	struct rpc_http *http = request->http;
	if (size > request->body_max)
		return -EMSGSIZE;
	if (http->bodies_size - request->body_capacity + size > HTTP_BODIES_SIZE_MAX)
		return -EAGAIN;
	char *body = realloc(request->body, size + 1);
	if (body == NULL)
		return -EAGAIN;
	http->bodies_size += size - request->body_capacity;
	request->body = body;
	request->body[request->body_size] = '\0';
	request->body_capacity = size;
	/* It has to come at a pace. */
	request->deadline_ms = request->begun_ms + HTTP_BODY_MS + 1000 * (uint64_t)size / HTTP_BODY_RATE;
	return 0;
}

/* Makes room for the body that was announced; for one in chunks as it comes. */
static void prepare(struct http_request *request)
{
	request->body_max = size_max(request);
	request->begun_ms = uv_now(request->http->loop);
	if (request->body_max == 0) {
		refuse_type(request);
		return;
	}
	const int rc = request->announced <= request->body_max ? make_room(request, request->announced) : -EMSGSIZE;
	if (rc != 0)
		http_answer_error(request, rc, NULL);
}

static void refuse_method(struct http_request *request)
{
	char allows[HTTP_ALLOWS_SIZE], headers[HTTP_ALLOWS_SIZE + 16];
	http_target_allows(request->target.route, allows);
	snprintf(headers, sizeof headers, "Allow: %s\r\n", allows);
	http_answer_refusal(request, 405, headers, -EPERM, "this path does not know the method");
}

void http_request_begin(struct http_request *request)
{
	const enum http_route route = request->target.route;
	const bool probe = route == HTTP_LIVEZ || route == HTTP_READYZ;
	if (!http_target_takes(route, request->method))
		refuse_method(request);
	else if (request->http->stopping && !probe)
		http_answer_error(request, -ESHUTDOWN, NULL);
	else if (probe || route == HTTP_PAGE || http_allow(request, http_request_action(request)))
		prepare(request);
}

bool http_request_take(struct http_request *request, const void *data, size_t size)
{
	if (!request->answered && size > request->body_capacity - request->body_size) {
		const size_t wanted = request->body_size + size, twice = 2 * request->body_capacity;
		const size_t room = twice < request->body_max ? twice : request->body_max;
		const int rc = make_room(request, wanted > room ? wanted : room);
		if (rc != 0)
			http_answer_error(request, rc, NULL);
	}
	if (request->answered) {
		request->dropped += size;
		return request->dropped <= HTTP_DROPPED_SIZE_MAX;
	}
	memcpy(request->body + request->body_size, data, size);
	request->body_size += size;
	request->body[request->body_size] = '\0';
	return true;
}

void http_request_run(struct http_request *request)
{
	static void (*const runs[HTTP_ROUTE_COUNT])(struct http_request *) = {
		[HTTP_BOOK] = http_book_run,       [HTTP_RECORDS] = http_range_run, [HTTP_RECORD] = http_record_run,
		[HTTP_TAIL] = http_tail_run,       [HTTP_MEMBERS] = http_about_run, [HTTP_STATUS] = http_about_run,
		[HTTP_RETENTION] = http_admin_run, [HTTP_ACL] = http_admin_run,     [HTTP_TOKENS] = http_tokens_run,
		[HTTP_TOKEN] = http_tokens_run,    [HTTP_METRICS] = http_about_run, [HTTP_LIVEZ] = http_about_run,
		[HTTP_READYZ] = http_about_run,    [HTTP_PAGE] = http_page_run,
	};
	const bool records = request->target.route == HTTP_RECORDS;
	request->whole = true;
	request->deadline_ms = 0;
	if (records && request->method == HTTP_POST)
		http_append_run(request);
	else if (records && request->method == HTTP_DELETE)
		http_admin_run(request);
	else
		runs[request->target.route](request);
}
