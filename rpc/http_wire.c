/* http_wire: libwebsockets, which has the bytes of HTTP/1.1, WebSocket and TLS, on the daemon's loop.
 *
 * Rx flow control is not used: what it keeps back, libwebsockets 4.1 takes for a body, without an end. */
#include "rpc/http.h"

#include "error/error.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <libwebsockets.h>

static void forget(struct http_connection *connection)
{
	if (connection->request != NULL)
		http_request_end(connection->request);
}

static void destroy(struct http_connection *connection)
{
	struct rpc_http *http = connection->http;
	forget(connection);
	*connection->place = connection->next;
	if (connection->next != NULL)
		connection->next->place = connection->place;
	http->connection_count--;
	free(connection);
	http_listen_turn(http);
}

void http_wire_wake(struct http_connection *connection)
{
	lws_callback_on_writable(connection->wsi);
}

void http_wire_end(struct http_connection *connection)
{
	if (connection->ending || connection->wsi == NULL)
		return;
	connection->ending = true;
	lws_set_timeout(connection->wsi, PENDING_TIMEOUT_USER_OK, LWS_TO_KILL_ASYNC);
	lws_cancel_service(connection->http->context); /* it looks at its timeouts only when something happens */
}

/* ---- Requests ---- */

static int complete(struct http_connection *connection)
{
	struct http_request *request = connection->request;
	/* Said again of what has come already, it stands for bytes that were sent too early, and might be said for ever. */
	if (request == NULL || request->told)
		return ++connection->early_count > HTTP_EARLY_MAX ? -1 : 0;
	request->told = true;
	if (request->whole)
		return 0; /* it had no bytes */
	if (request->answered) {
		/* What was refused has come to its end, and so does the connection. */
		request->whole = true;
		http_wire_wake(connection);
		return 0;
	}
	if (request->body_size != request->announced)
		return -1;
	http_request_run(request);
	return 0;
}

static int begin(struct http_connection *connection, const char *path)
{
	struct http_request *request = http_request_create(connection);
	if (request == NULL)
		return -1;
	connection->early_count = 0;
	http_head_take(request, path);
	if (request->whole)
		lws_set_timeout(connection->wsi, NO_PENDING_TIMEOUT, 0); /* it awaits a body */
	if (!request->answered && request->whole) {
		http_request_run(request);
	} else if (!request->answered && lws_hdr_total_length(connection->wsi, WSI_TOKEN_HTTP_EXPECT) > 0) {
		static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
		unsigned char bytes[LWS_PRE + sizeof go_on];
		memcpy(bytes + LWS_PRE, go_on, sizeof go_on);
		if (lws_write(connection->wsi, bytes + LWS_PRE, sizeof go_on - 1, LWS_WRITE_HTTP_HEADERS) < 0)
			return -1;
	}
	return 0;
}

/* A WebSocket begins as a request. What is refused is answered at once, and the connection ends. */
static int upgrade(struct http_connection *connection, const char *protocol)
{
	char path[HTTP_WORD_SIZE];
	struct http_request *request = http_request_create(connection);
	if (request == NULL || lws_hdr_copy(connection->wsi, path, sizeof path, WSI_TOKEN_GET_URI) <= 0)
		return -1;
	request->close = true;
	http_head_take(request, path);
	if (!request->answered && (strcasecmp(protocol, "websocket") != 0 || request->target.route != HTTP_TAIL))
		http_answer_error(request, -EINVAL, "the only upgrade is that of /v1/tail to a WebSocket");
	if (request->answered) {
		(void)lws_write(connection->wsi, request->out + LWS_PRE, request->out_size, LWS_WRITE_HTTP);
		return -1;
	}
	request->websocket = true;
	request->close = false;
	return 0;
}

/* ---- Writing ---- */

static int write_piece(struct http_connection *connection, struct http_request *request)
{
	const size_t left = request->out_size - request->out_sent;
	/* A message of a WebSocket is one piece. */
	const size_t size = left < HTTP_PIECE_SIZE || request->websocket ? left : HTTP_PIECE_SIZE;
	if (lws_write(connection->wsi, request->out + LWS_PRE + request->out_sent, size,
	              request->websocket ? LWS_WRITE_TEXT : LWS_WRITE_HTTP) < (int)size)
		return -1;
	request->out_sent += size;
	request->deadline_ms = uv_now(connection->http->loop) + HTTP_STALL_MS;
	lws_callback_on_writable(connection->wsi);
	return 0;
}

static int done(struct http_connection *connection, struct http_request *request)
{
	const bool close = request->close;
	if (!request->whole) {
		/* Who is still sending is heard out for a moment, or the answer might be lost with the connection. */
		request->deadline_ms = uv_now(connection->http->loop) + HTTP_LINGER_MS;
		return 0;
	}
	http_request_end(request);
	if (close)
		return -1;
	return lws_http_transaction_completed(connection->wsi) != 0 ? -1 : 0;
}

static int ping(struct http_connection *connection, struct http_request *request)
{
	unsigned char bytes[LWS_PRE + 1];
	request->ping = false;
	return lws_write(connection->wsi, bytes + LWS_PRE, 0, LWS_WRITE_PING) < 0 ? -1 : 0;
}

/* The frame that ends it is sent where a timer's callback fails, and not where the one that writes does. */
static int close_websocket(struct http_connection *connection)
{
	lws_close_reason(connection->wsi, LWS_CLOSE_STATUS_GOINGAWAY, NULL, 0);
	lws_set_timer_usecs(connection->wsi, 1);
	return 0;
}

static int writable(struct http_connection *connection)
{
	struct http_request *request = connection->request;
	if (request == NULL || !request->answered || request->pending)
		return 0;
	if (request->out_sent == request->out_size && request->more != NULL) {
		request->out_sent = request->out_size = 0;
		request->deadline_ms = 0;
		request->more(request);
	}
	if (request->out_sent < request->out_size)
		return write_piece(connection, request);
	if (request->more != NULL || request->pending) {
		return request->ping ? ping(connection, request) : 0;
	}
	return request->websocket ? close_websocket(connection) : done(connection, request);
}

/* ---- What libwebsockets says ---- */

static int established(struct http_connection *connection)
{
	if (connection->request == NULL)
		return -1;
	http_tail_upgraded(connection->request);
	return 0;
}

static int take_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in, size_t size)
{
	struct http_connection *connection;
	switch (reason) {
	case LWS_CALLBACK_OPENSSL_LOAD_EXTRA_SERVER_VERIFY_CERTS:
		((struct rpc_http *)lws_vhost_user(in))->ssl = user;
		return 0;
	case LWS_CALLBACK_WSI_DESTROY:
	case LWS_CALLBACK_CLOSED_HTTP:
	case LWS_CALLBACK_CLOSED:
	case LWS_CALLBACK_HTTP:
	case LWS_CALLBACK_HTTP_BODY:
	case LWS_CALLBACK_HTTP_BODY_COMPLETION:
	case LWS_CALLBACK_HTTP_WRITEABLE:
	case LWS_CALLBACK_SERVER_WRITEABLE:
	case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
	case LWS_CALLBACK_ESTABLISHED:
	case LWS_CALLBACK_RECEIVE:
	case LWS_CALLBACK_TIMER:
		break;
	default:
		return 0; /* of no connection, perhaps */
	}
	connection = lws_get_opaque_user_data(wsi);
	if (connection == NULL)
		return 0;
	connection->wsi = wsi;
	switch (reason) {
	case LWS_CALLBACK_WSI_DESTROY:
		destroy(connection);
		return 0;
	case LWS_CALLBACK_CLOSED_HTTP:
	case LWS_CALLBACK_CLOSED:
		connection->ending = true;
		forget(connection);
		return 0;
	case LWS_CALLBACK_HTTP:
		return begin(connection, in);
	case LWS_CALLBACK_HTTP_BODY:
		return connection->request == NULL || http_request_take(connection->request, in, size) ? 0 : -1;
	case LWS_CALLBACK_HTTP_BODY_COMPLETION:
		return complete(connection);
	case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
		return upgrade(connection, in);
	case LWS_CALLBACK_ESTABLISHED:
		return established(connection);
	case LWS_CALLBACK_RECEIVE: /* a tail is only read */
	case LWS_CALLBACK_TIMER:   /* it is over */
		return -1;
	default:
		return writable(connection);
	}
}

static const struct lws_protocols protocols[] = {
	{.name = "clog", .callback = take_event, .rx_buffer_size = 4096, .tx_packet_size = HTTP_PIECE_SIZE},
	{0},
};

void http_wire_adopt(struct rpc_http *http, int socket)
{
	struct http_connection *connection = calloc(1, sizeof *connection);
	if (connection == NULL) {
		close(socket);
		return;
	}
	connection->http = http;
	connection->next = http->connections;
	connection->place = &http->connections;
	if (connection->next != NULL)
		connection->next->place = &connection->next;
	http->connections = connection;
	http->connection_count++;
	const lws_adopt_desc_t adoption = {
		.vh = http->vhost,
		.type = LWS_ADOPT_SOCKET | LWS_ADOPT_HTTP | LWS_ADOPT_ALLOW_SSL,
		.fd.sockfd = socket,
		.opaque = connection, /* the wire's, until WSI_DESTROY */
	};
	struct lws *wsi = lws_adopt_descriptor_vhost_via_info(&adoption);
	if (wsi != NULL)
		connection->wsi = wsi; /* else it is being destroyed, or has been */
}

int http_wire_open(struct rpc_http *http, struct clog_error *err)
{
	void *loops[] = {http->loop};
	const bool tls = http->tls_folder != NULL;
	const struct lws_context_creation_info context = {
		.port = CONTEXT_PORT_NO_LISTEN,
		.options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
	                   (tls ? LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT : 0),
		.foreign_loops = loops,
		.fd_limit_per_thread = HTTP_CONNECTIONS_MAX + 16,
		.max_http_header_data = HTTP_HEADER_SIZE_MAX,
		.max_http_header_pool = HTTP_CONNECTIONS_MAX + 16,
		.pt_serv_buf_size = HTTP_PIECE_SIZE,
		.timeout_secs = HTTP_HEADER_MS / 1000,
		.pcontext = &http->context,
	};
	const struct lws_context_creation_info vhost = {
		.port = CONTEXT_PORT_NO_LISTEN_SERVER,
		.protocols = protocols,
		.vhost_name = "clog",
		.alpn = "http/1.1",
		.keepalive_timeout = HTTP_IDLE_MS / 1000,
		.timeout_secs_ah_idle = HTTP_HEADER_MS / 1000,
		.options = tls ? LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT | LWS_SERVER_OPTION_CREATE_VHOST_SSL_CTX : 0,
		.user = http,
	};
	lws_set_log_level(0, NULL);
	http->context = lws_create_context(&context);
	if (http->context == NULL)
		return clog_error_set(err, -ENOMEM,
		                      "HTTP: libwebsockets cannot be set up; is libwebsockets-evlib-uv "
		                      "installed?");
	http->vhost = lws_create_vhost(http->context, &vhost);
	return http->vhost != NULL ? 0 : clog_error_set(err, -ENOMEM, "HTTP: libwebsockets cannot be set up");
}
