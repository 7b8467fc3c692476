/* http_listen: where the door takes connections. */
#include "rpc/http.h"

#include "error/error.h"

#include <errno.h>

#define BACKLOG 1024

static void on_connection(uv_stream_t *listener, int status)
{
	struct rpc_http *http = listener->data;
	http->waiting |= status == 0;
	http_listen_turn(http);
}

void http_listen_turn(struct rpc_http *http)
{
	if (http->waiting && http->connection_count < HTTP_CONNECTIONS_MAX &&
	    !uv_is_closing((uv_handle_t *)&http->listener))
		http_wire_accept(http);
}

int http_listen_open(struct rpc_http *http, struct clog_error *err)
{
	struct sockaddr_storage address;
	int rc = channel_look_up(http->listen, &address, err);
	if (rc != 0)
		return rc;
	if (http->tls == NULL && !channel_is_loopback((struct sockaddr *)&address))
		return clog_error_set(err, -EACCES,
		                      "HTTP: without --tls, %s would let in whoever reaches it: listen at 127.0.0.1 or "
		                      "[::1], or give certificates",
		                      http->listen);
	rc = uv_tcp_bind(&http->listener, (struct sockaddr *)&address, 0);
	if (rc == 0)
		rc = uv_listen((uv_stream_t *)&http->listener, BACKLOG, on_connection);
	return rc == 0 ? 0
	               : clog_error_set(err, rc, "HTTP: %s cannot be listened at: %s", http->listen, uv_strerror(rc));
}

void http_listen_close(struct rpc_http *http)
{
	if (!uv_is_closing((uv_handle_t *)&http->listener))
		uv_close((uv_handle_t *)&http->listener, NULL);
}
