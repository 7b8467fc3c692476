/* http_request: one request, from its headers to what is asked of the service. */
#include "rpc/http.h"

#include "error/error.h"
#include "observe/observe.h"
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

/* ---- Who asks, and whether they may ---- */

bool http_request_may(struct http_request *request, enum auth_action action)
{
	static const char *const actions[] = {[AUTH_PRODUCE] = "produce",
	                                      [AUTH_CONSUME] = "consume",
	                                      [AUTH_OBSERVE] = "observe",
	                                      [AUTH_ADMIN] = "admin"};
	const struct http_connection *connection = request->connection;
	if (connection->nobody) {
		http_answer_error(request, -EKEYREJECTED, NULL);
		return false;
	}
	if (auth_authorize(request->http->auth, &connection->principal, action, RPC_LOG) == 0)
		return true;
	observe_event(OBSERVE_WARNING, "denied", OBSERVE_TEXT("door", "http"),
	              OBSERVE_TEXT("principal", connection->principal_text), OBSERVE_TEXT("action", actions[action]),
	              OBSERVE_TEXT("log", RPC_LOG));
	if (request->answered)
		return false;
	http_answer_error(request, -EACCES, NULL);
	return false;
}

static enum auth_action action_of(const struct http_request *request)
{
	switch (request->target.route) {
	case HTTP_BOOK:
	case HTTP_RECORDS:
		return request->method == HTTP_POST ? AUTH_PRODUCE : AUTH_CONSUME;
	case HTTP_RECORD:
	case HTTP_TAIL:
		return AUTH_CONSUME;
	default:
		return AUTH_OBSERVE;
	}
}

/* ---- Judging ---- */

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
	if (request->method != HTTP_POST)
		return HTTP_ASK_SIZE_MAX;
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
	const bool book = request->target.route == HTTP_BOOK;
	http_answer_refusal(request, 415, NULL, -EINVAL,
	                    book ? "the header Content-Type has to be application/json"
	                         : "the header Content-Type has to be application/octet-stream for one record, "
	                           "application/x-ndjson or application/json for many");
}

/* Makes room for the body that was announced. */
static void prepare(struct http_request *request)
{
	struct rpc_http *http = request->http;
	const size_t max = size_max(request), size = request->announced;
	if (max == 0) {
		refuse_type(request);
		return;
	}
	if (size <= max && http->bodies_size + size <= HTTP_BODIES_SIZE_MAX)
		request->body = malloc(size + 1);
	if (request->body == NULL) {
		http_answer_error(request, size > max ? -EMSGSIZE : -EAGAIN, NULL);
		return;
	}
	request->body[0] = '\0';
	request->body_capacity = size;
	http->bodies_size += size;
	request->deadline_ms = uv_now(http->loop) + HTTP_BODY_MS + 1000 * (uint64_t)size / HTTP_BODY_RATE;
}

static void refuse_method(struct http_request *request)
{
	char headers[64];
	snprintf(headers, sizeof headers, "Allow: %s\r\n", http_target_allows(request->target.route));
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
	else if (probe || route == HTTP_PAGE || http_request_may(request, action_of(request)))
		prepare(request);
}

bool http_request_take(struct http_request *request, const void *data, size_t size)
{
	if (request->answered) {
		request->dropped += size;
		return request->dropped <= HTTP_DROPPED_SIZE_MAX;
	}
	if (size > request->body_capacity - request->body_size)
		return false;
	if (size > 0)
		memcpy(request->body + request->body_size, data, size);
	request->body_size += size;
	request->body[request->body_size] = '\0';
	return true;
}

void http_request_run(struct http_request *request)
{
	static void (*const runs[HTTP_ROUTE_COUNT])(struct http_request *) = {
		[HTTP_BOOK] = http_book_run,     [HTTP_RECORDS] = http_range_run, [HTTP_RECORD] = http_record_run,
		[HTTP_TAIL] = http_tail_run,     [HTTP_MEMBERS] = http_about_run, [HTTP_STATUS] = http_about_run,
		[HTTP_METRICS] = http_about_run, [HTTP_LIVEZ] = http_about_run,   [HTTP_READYZ] = http_about_run,
		[HTTP_PAGE] = http_page_run,
	};
	request->whole = true;
	request->deadline_ms = 0;
	if (request->target.route == HTTP_RECORDS && request->method == HTTP_POST)
		http_append_run(request);
	else
		runs[request->target.route](request);
}
