/* http: the door's life. */
#include "rpc/http.h"

#include "error/error.h"
#include "observe/observe.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libwebsockets.h>

/* ---- Certificates ---- */

static int take_certificates(struct rpc_http *http, struct clog_error *err)
{
	struct tls_context *tls;
	if (http->tls_folder == NULL)
		return 0;
	http->tls_stamp = tls_folder_stamp(http->tls_folder);
	int rc = tls_context_load(&tls, http->tls_folder, err);
	if (rc != 0)
		return rc;
	snprintf(http->cluster, sizeof http->cluster, "%s", tls_context_identity(tls)->cluster);
	rc = tls_serve(tls, http->ssl, http->side);
	tls_context_unref(tls);
	return rc == 0 ? 0 : clog_error_set(err, rc, "HTTP: no memory for the certificates");
}

void rpc_http_reload(struct rpc_http *http)
{
	struct clog_error err = {0};
	if (http->tls_folder == NULL)
		return;
	if (take_certificates(http, &err) != 0)
		observe_event(OBSERVE_ERROR, "certificates_kept", OBSERVE_TEXT("door", "http"),
		              OBSERVE_TEXT("reason", err.text));
}

/* ---- Who is late ---- */

/* Whether a client says something that nobody listens to: one that has gone from its tail, or that sends on without taking
 * its answer, for which libwebsockets would be called again and again. */
static bool is_out_of_turn(struct http_connection *connection)
{
	const struct http_request *request = connection->request;
	const bool stalled = request->answered && request->whole && request->out_sent < request->out_size;
	struct pollfd fd = {.fd = lws_get_socket_fd(connection->wsi),
	                    .events = (short)(stalled ? POLLIN | POLLRDHUP : POLLRDHUP)};
	return (stalled || request->watching) && !request->websocket && poll(&fd, 1, 0) > 0 && fd.revents != 0;
}

static void look_at(struct http_connection *connection, uint64_t now_ms)
{
	struct rpc_http *http = connection->http;
	struct http_request *request = connection->request;
	if (connection->ending)
		return;
	if (http->stopping && (now_ms >= http->stop_at_ms || request == NULL))
		http_wire_end(connection);
	else if (request == NULL)
		return;
	else if (request->deadline_ms != 0 && now_ms >= request->deadline_ms)
		http_wire_end(connection);
	else if (is_out_of_turn(connection))
		http_wire_end(connection);
	else if (request->watching && now_ms - request->beat_ms >= HTTP_BEAT_MS)
		http_tail_beat(request);
}

static void look(uv_timer_t *timer)
{
	struct rpc_http *http = timer->data;
	const uint64_t now_ms = uv_now(http->loop);
	for (struct http_connection *connection = http->connections, *next; connection != NULL; connection = next) {
		next = connection->next;
		look_at(connection, now_ms);
	}
	if (http->tls_folder != NULL && tls_folder_stamp(http->tls_folder) != http->tls_stamp)
		rpc_http_reload(http);
	if (!http->stopping || http->connection_count > 0 || http->request_count > 0)
		return;
	uv_timer_stop(&http->sweep);
	http->stopped(http->stopped_arg);
}

/* ---- Opening and closing ---- */

static int open_all(struct rpc_http *http, struct clog_error *err)
{
	int rc = http_wire_open(http, err);
	if (rc == 0)
		rc = take_certificates(http, err);
	if (rc == 0)
		rc = http_listen_open(http, err);
	if (rc != 0)
		return rc;
	uv_timer_start(&http->sweep, look, HTTP_SWEEP_MS, HTTP_SWEEP_MS);
	observe_event(OBSERVE_INFO, "http_listening", OBSERVE_TEXT("address", http->listen),
	              OBSERVE_TEXT("tls", http->tls_folder != NULL ? "yes" : "no: this machine only"));
	return 0;
}

int rpc_http_open(struct rpc_http **made, struct uv_loop_s *loop, struct service *service,
                  const struct rpc_http_options *options, struct clog_error *err)
{
	struct rpc_http *http = calloc(1, sizeof *http);
	if (http == NULL)
		return clog_error_set(err, -ENOMEM, "no memory");
	http->tls_folder = options->tls_folder != NULL ? strdup(options->tls_folder) : NULL;
	if (options->tls_folder != NULL && http->tls_folder == NULL) {
		free(http);
		return clog_error_set(err, -ENOMEM, "no memory");
	}
	http->loop = loop;
	http->service = service;
	http->auth = options->auth;
	http->side = options->tls_1_2 ? TLS_ACCEPT_ANYBODY_1_2 : TLS_ACCEPT_ANYBODY;
	http->listen_fd = -1;
	snprintf(http->listen, sizeof http->listen, "%s", options->listen);
	uv_timer_init(loop, &http->sweep);
	http->sweep.data = http;
	*made = http; /* the caller's, also when it could not be opened: it has handles on the loop */
	return open_all(http, err);
}

void rpc_http_stop(struct rpc_http *http, void (*stopped)(void *arg), void *arg)
{
	assert(!http->stopping);
	http->stopping = true;
	http->stopped = stopped;
	http->stopped_arg = arg;
	http->stop_at_ms = uv_now(http->loop) + HTTP_STOP_MS;
	http_listen_close(http);
	for (struct http_connection *connection = http->connections; connection != NULL; connection = connection->next)
		if (connection->request == NULL)
			http_wire_end(connection);
		else if (connection->request->watching)
			http_tail_stop(connection->request);
	uv_timer_start(&http->sweep, look, 0, HTTP_SWEEP_MS / 10);
}

void rpc_http_close(struct rpc_http *http)
{
	if (http == NULL)
		return;
	assert(http->connection_count == 0 && http->request_count == 0);
	http_listen_close(http);
	uv_close((uv_handle_t *)&http->sweep, NULL);
	lws_context_destroy(http->context);
}

void rpc_http_free(struct rpc_http *http)
{
	if (http == NULL)
		return;
	/* What is left of it once its handles are closed. */
	lws_context_destroy(http->context);
	free(http->tls_folder);
	free(http);
}
