/* http_wire: the connections: their bytes, from a channel to requests, and of answers back. A connection is destroyed by the
 * callbacks of its channel and by the timer, never in the midst of a request. */
#include "rpc/http.h"

#include "error/error.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- Their ends ---- */

static void destroy(struct http_connection *connection)
{
	struct rpc_http *http = connection->http;
	if (connection->request != NULL)
		http_request_end(connection->request);
	*connection->place = connection->next;
	if (connection->next != NULL)
		connection->next->place = connection->place;
	channel_destroy(connection->channel);
	http->connection_count--;
	free(connection->kept);
	free(connection);
	http_listen_turn(http);
}

/* Destroys one that is to end. */
static void settle(struct http_connection *connection)
{
	if (connection->ending || (connection->leaving && channel_backlog(connection->channel) == 0))
		destroy(connection);
	else if (connection->leaving)
		channel_tell_drained(connection->channel);
}

void http_wire_wake(struct http_connection *connection)
{
	channel_soon(connection->channel);
}

void http_wire_leave(struct http_connection *connection)
{
	connection->leaving = true;
	channel_soon(connection->channel);
}

void http_wire_end(struct http_connection *connection)
{
	connection->ending = true;
	channel_soon(connection->channel);
}

/* ---- Reading ---- */

/* Where a request ends is not known: what follows is passed over until it is answered. */
static void lose(struct http_request *request, int status, int code, const char *sentence)
{
	request->lost = true;
	request->deadline_ms = 0;
	if (!request->answered)
		http_answer_refusal(request, status, NULL, code, sentence);
}

static void begin(struct http_request *request, struct http_lines *lines)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	http_head_take(request, lines);
	if (request->answered)
		return;
	if (request->websocket)
		http_websocket_open(request);
	else if (request->whole)
		http_request_run(request);
	else if (!request->old && http_parse_lists(lines, "expect", "100-continue"))
		http_wire_write(request->connection, go_on, sizeof go_on - 1);
}

static ssize_t take_head(struct http_connection *connection, const char *data, size_t size)
{
	char text[HTTP_HEADER_SIZE_MAX];
	struct http_lines lines;
	struct clog_error err = {0};
	ssize_t taken = http_parse_end(data, size, &err);
	if (taken == 0)
		return 0;
	struct http_request *request = http_request_create(connection);
	if (request == NULL)
		return -ENOMEM;
	if (taken > 0) {
		memcpy(text, data, (size_t)taken);
		const int rc = http_parse_lines(&lines, text, (size_t)taken, &err);
		taken = rc == 0 ? taken : rc;
	}
	if (taken > 0)
		begin(request, &lines);
	else
		lose(request, taken == -EMSGSIZE ? 431 : 400, (int)taken, err.text);
	return taken > 0 ? taken : (ssize_t)size;
}

/* All of a request's body has come. */
static void complete(struct http_request *request)
{
	if (!request->answered) {
		http_request_run(request);
		return;
	}
	request->whole = true;
	http_wire_wake(request->connection);
}

static ssize_t take_chunks(struct http_request *request, const char *data, size_t size)
{
	struct clog_error err = {0};
	const char *piece;
	size_t piece_size;
	const ssize_t taken = http_chunks_take(&request->chunks, data, size, &piece, &piece_size, &err);
	if (taken < 0) {
		lose(request, 400, -EINVAL, err.text);
		return (ssize_t)size;
	}
	if (piece_size > 0 && !http_request_take(request, piece, piece_size))
		return -EMSGSIZE;
	if (request->chunks.state == HTTP_CHUNKS_DONE)
		complete(request);
	return taken;
}

static ssize_t take_body(struct http_request *request, const char *data, size_t size)
{
	if (request->in_chunks && !request->lost)
		return take_chunks(request, data, size);
	if (!request->lost && request->announced < size)
		size = request->announced;
	if (!http_request_take(request, data, size))
		return -EMSGSIZE;
	request->announced -= request->lost ? 0 : size;
	if (!request->lost && request->announced == 0)
		complete(request);
	return (ssize_t)size;
}

/* Takes what can be taken of bytes now, and gives how many. */
static size_t take(struct http_connection *connection, const char *data, size_t size)
{
	ssize_t taken = 1;
	size_t at = 0;
	while (at < size && taken > 0 && !connection->leaving && !connection->ending) {
		struct http_request *request = connection->request;
		taken = request == NULL      ? take_head(connection, data + at, size - at)
		        : request->websocket ? http_websocket_take(connection, data + at, size - at)
		        : !request->whole    ? take_body(request, data + at, size - at)
		                             : 0;
		at += taken > 0 ? (size_t)taken : 0;
	}
	connection->ending |= taken < 0;
	return at;
}

static int keep(struct http_connection *connection, const char *data, size_t size)
{
	if (size > connection->kept_capacity - connection->kept_size) {
		const size_t capacity = connection->kept_size + size;
		char *kept = realloc(connection->kept, capacity);
		if (kept == NULL)
			return -ENOMEM;
		connection->kept = kept;
		connection->kept_capacity = capacity;
	}
	memcpy(connection->kept + connection->kept_size, data, size);
	connection->kept_size += size;
	return 0;
}

static void take_kept(struct http_connection *connection)
{
	const size_t taken = take(connection, connection->kept, connection->kept_size);
	connection->kept_size -= taken;
	memmove(connection->kept, connection->kept + taken, connection->kept_size);
	if (connection->kept_size > HTTP_EARLY_SIZE_MAX)
		connection->ending = true;
	if (connection->kept_size > 0)
		return;
	free(connection->kept);
	connection->kept = NULL;
	connection->kept_capacity = 0;
}

static void on_bytes(void *arg, const void *data, size_t size)
{
	struct http_connection *connection = arg;
	const size_t taken = connection->kept_size == 0 ? take(connection, data, size) : 0;
	const bool waited = connection->kept_size > 0;
	if (connection->leaving || connection->ending) {
		settle(connection);
		return;
	}
	/* A request's headers have begun to come. */
	if (taken < size && !waited && connection->request == NULL)
		connection->deadline_ms = uv_now(connection->http->loop) + HTTP_HEADER_MS;
	if (taken < size && keep(connection, (const char *)data + taken, size - taken) != 0)
		connection->ending = true;
	else if (connection->kept_size > 0 && (waited || connection->kept_size > HTTP_EARLY_SIZE_MAX))
		take_kept(connection);
	settle(connection);
}

/* ---- Writing ---- */

void http_wire_write(struct http_connection *connection, const void *data, size_t size)
{
	connection->written += size;
	channel_write(connection->channel, data, size);
}

static void write_piece(struct http_connection *connection, struct http_request *request)
{
	const unsigned char *piece = request->out + request->out_sent;
	const size_t left = request->out_size - request->out_sent;
	const size_t size = left < HTTP_PIECE_SIZE || request->websocket ? left : HTTP_PIECE_SIZE;
	if (request->websocket)
		http_websocket_text(connection, piece, size);
	else
		http_wire_write(connection, piece, size);
	request->out_sent += size;
}

static void done(struct http_connection *connection, struct http_request *request)
{
	const uint64_t now_ms = uv_now(connection->http->loop);
	const bool close = request->close || (connection->ended && connection->kept_size == 0);
	if (!request->whole) {
		/* Who is still sending is heard out for a moment, or the answer might be lost with the connection. */
		if (request->deadline_ms == 0 || request->deadline_ms > now_ms + HTTP_LINGER_MS)
			request->deadline_ms = now_ms + HTTP_LINGER_MS;
		channel_shut(connection->channel);
		return;
	}
	if (request->websocket)
		http_websocket_close(connection);
	http_request_end(request);
	connection->deadline_ms = now_ms + (connection->kept_size > 0 ? HTTP_HEADER_MS : HTTP_IDLE_MS);
	if (close)
		http_wire_leave(connection);
}

/* Writes of the answer what there is and what the channel takes. True: it is done, and the next request has its turn. */
static bool write_some(struct http_connection *connection)
{
	struct http_request *request = connection->request;
	while (request != NULL && request->answered && !request->pending && !connection->ending &&
	       !channel_busy(connection->channel)) {
		if (request->out_sent == request->out_size && request->more != NULL) {
			request->out_sent = request->out_size = 0;
			request->more(request);
		}
		if (request->out_sent < request->out_size && !request->pending) {
			write_piece(connection, request);
		} else if (request->more != NULL || request->pending) {
			if (request->ping)
				http_websocket_ping(connection);
			request->ping = false;
			return false;
		} else if (!connection->ending) {
			done(connection, request);
			return connection->request == NULL;
		}
	}
	return false;
}

/* The channel takes more. */
static void on_turn(void *arg)
{
	struct http_connection *connection = arg;
	while (!connection->leaving && write_some(connection) && connection->kept_size > 0)
		take_kept(connection);
	connection->ending |= connection->ended && connection->request == NULL && !connection->leaving;
	settle(connection);
}

/* ---- Their lives ---- */

static void on_opened(void *arg)
{
}

/* The client sends no more: what it has asked for whole is answered. */
static void on_ended(void *arg)
{
	struct http_connection *connection = arg;
	const struct http_request *request = connection->request;
	connection->ended = true;
	if (request == NULL || !request->whole || request->websocket || request->watching)
		connection->ending = true;
	settle(connection);
}

static void on_closed(void *arg, int status, const char *sentence)
{
	destroy(arg);
}

static const struct channel_ops channel_ops = {.opened = on_opened,
                                               .bytes = on_bytes,
                                               .soon = on_turn,
                                               .drained = on_turn,
                                               .ended = on_ended,
                                               .closed = on_closed};

void http_wire_accept(struct rpc_http *http)
{
	struct http_connection *connection = calloc(1, sizeof *connection);
	int rc = connection == NULL
	                 ? -ENOMEM
	                 : channel_accept(&connection->channel, http->channels, (uv_stream_t *)&http->listener,
	                                  http->tls, http->side, &channel_ops, connection);
	/* One that is not taken must be, or the loop listens no more. */
	http->waiting = rc == -ENOMEM;
	if (rc != 0) {
		free(connection);
		return;
	}
	connection->http = http;
	connection->moved_ms = uv_now(http->loop);
	connection->deadline_ms = connection->moved_ms + HTTP_HEADER_MS;
	connection->next = http->connections;
	connection->place = &http->connections;
	if (connection->next != NULL)
		connection->next->place = &connection->next;
	http->connections = connection;
	http->connection_count++;
}

/* Whether the client takes nothing of what waits for it. */
static bool is_stalled(struct http_connection *connection, uint64_t now_ms)
{
	const size_t backlog = channel_backlog(connection->channel);
	const uint64_t moved = connection->written - backlog;
	if (backlog == 0 || moved != connection->moved)
		connection->moved_ms = now_ms;
	connection->moved = moved;
	return now_ms - connection->moved_ms >= HTTP_STALL_MS;
}

static bool is_late(const struct http_connection *connection, uint64_t now_ms)
{
	const struct rpc_http *http = connection->http;
	const uint64_t deadline_ms = connection->request != NULL ? connection->request->deadline_ms
	                                                         : connection->deadline_ms;
	return (deadline_ms != 0 && now_ms >= deadline_ms) || (http->stopping && now_ms >= http->stop_at_ms);
}

void http_wire_look(struct http_connection *connection, uint64_t now_ms)
{
	struct http_request *request = connection->request;
	connection->leaving |= connection->http->stopping && request == NULL;
	if (request != NULL && !request->answered && !request->whole && is_late(connection, now_ms))
		lose(request, 408, -ETIME, "the body did not come in time");
	else if (is_late(connection, now_ms) || is_stalled(connection, now_ms))
		connection->ending = true;
	else if (request != NULL && request->answered && request->more != NULL)
		http_allow_again(request, now_ms);
	request = connection->request;
	if (request != NULL && request->watching && now_ms - request->beat_ms >= HTTP_BEAT_MS)
		http_tail_beat(request);
	settle(connection);
}
