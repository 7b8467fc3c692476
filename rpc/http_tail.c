/* http_tail: GET /v1/tail: what is appended, as it comes, by server-sent events or a WebSocket.
 *
 * It goes at its client's pace: a record is read when the ones before it have been given to the wire. */
#include "rpc/http.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int put_record(struct http_request *request, const struct service_record *record, const void *data)
{
	char before[64];
	size_t size;
	snprintf(before, sizeof before, "id: %" PRIu64 "\ndata: ", record->offset);
	char *text = http_json_record(record, data, request->websocket ? "" : before, request->websocket ? "" : "\n\n",
	                              &size);
	const int rc = text != NULL ? http_answer_put(request, text, size) : -ENOMEM;
	free(text);
	return rc;
}

static void put_event(struct http_request *request, const char *event, const char *json)
{
	char text[256];
	const int size = request->websocket ? snprintf(text, sizeof text, "{\"event\":\"%s\",\"data\":%s}", event, json)
	                                    : snprintf(text, sizeof text, "event: %s\ndata: %s\n\n", event, json);
	if (http_answer_put(request, text, (size_t)size) != 0)
		http_answer_break(request);
}

static void failed(struct http_request *request, int status)
{
	struct service_state state;
	char json[64];
	service_state(request->http->service, &state);
	if (status == -ESTALE && request->next < state.first_offset) {
		/* What was trimmed is told; then it goes on with what is kept. */
		request->next = state.first_offset;
		snprintf(json, sizeof json, "{\"first_offset\":%" PRIu64 "}", state.first_offset);
		put_event(request, "trimmed", json);
	} else if (status == -EIO) {
		snprintf(json, sizeof json, "{\"code\":\"EIO\",\"offset\":%" PRIu64 "}", request->next);
		put_event(request, "error", json);
		http_answer_finish(request);
	} else {
		http_answer_break(request);
	}
}

static void more(struct http_request *request)
{
	struct service_state state;
	/* A right that was taken away ends what it allowed. */
	if (!http_allow(request, AUTH_CONSUME)) {
		http_answer_finish(request);
		return;
	}
	service_state(request->http->service, &state);
	request->end = state.next_offset;
	request->beat_ms = uv_now(request->http->loop);
	http_pieces_fill(request);
}

static void appended(void *arg)
{
	struct http_request *request = arg;
	http_wire_wake(request->connection);
}

static void follow(struct http_request *request)
{
	struct service_state state;
	service_state(request->http->service, &state);
	request->next = request->target.has_from ? request->target.from : state.next_offset;
	request->put = put_record;
	request->failed = failed;
	request->beat_ms = uv_now(request->http->loop);
	request->watching = true;
	service_watch(request->http->service, &request->watch, appended, request);
}

void http_tail_run(struct http_request *request)
{
	/* EventSource is told how soon to come back. */
	static const char hello[] = "retry: 1000\n\n";
	if (request->method != HTTP_HEAD)
		follow(request);
	http_answer_begin(request, 200, "text/event-stream", "Cache-Control: no-store\r\nX-Accel-Buffering: no\r\n",
	                  more);
	if (request->method != HTTP_HEAD && http_answer_put(request, hello, sizeof hello - 1) != 0)
		http_answer_break(request);
}

void http_tail_upgraded(struct http_request *request)
{
	request->answered = true;
	request->deadline_ms = 0;
	request->whole = true;
	request->more = more;
	follow(request);
	http_wire_wake(request->connection);
}

void http_tail_beat(struct http_request *request)
{
	if (request->pending || request->out_sent < request->out_size || request->more == NULL)
		return;
	request->beat_ms = uv_now(request->http->loop);
	if (request->websocket)
		request->ping = true;
	else if (http_answer_put(request, ":\n\n", 3) != 0)
		http_answer_break(request);
	http_wire_wake(request->connection);
}

void http_tail_stop(struct http_request *request)
{
	request->close = !request->websocket;
	if (request->more != NULL && !request->pending)
		http_answer_finish(request);
	else
		http_wire_end(request->connection);
}
