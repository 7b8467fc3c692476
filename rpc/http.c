/* http: the door's life. */
#include "rpc/http.h"

#include "error/error.h"
#include "observe/observe.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	tls_context_speaks(tls, "http/1.1");
	tls_context_unref(http->tls);
	http->tls = tls; /* its reference, too */
	return 0;
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

static void look(uv_timer_t *timer)
{
	struct rpc_http *http = timer->data;
	const uint64_t now_ms = uv_now(http->loop);
	for (struct http_connection *connection = http->connections, *next; connection != NULL; connection = next) {
		next = connection->next;
		http_wire_look(connection, now_ms);
	}
	http_listen_turn(http);
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
	int rc = take_certificates(http, err);
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
	snprintf(http->listen, sizeof http->listen, "%s", options->listen);
	if (channels_create(&http->channels, loop, HTTP_STALL_MS, err) != 0) {
		free(http->tls_folder);
		free(http);
		return -ENOMEM;
	}
	uv_timer_init(loop, &http->sweep);
	uv_tcp_init(loop, &http->listener);
	http->sweep.data = http->listener.data = http;
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
		if (connection->request != NULL && connection->request->watching)
			http_tail_stop(connection->request);
	uv_timer_start(&http->sweep, look, 0, HTTP_SWEEP_MS / 10);
}

static void on_channels_closed(void *arg)
{
}

void rpc_http_close(struct rpc_http *http)
{
	if (http == NULL)
		return;
	assert(http->connection_count == 0 && http->request_count == 0);
	http_listen_close(http);
	uv_close((uv_handle_t *)&http->sweep, NULL);
	channels_destroy(http->channels, on_channels_closed, NULL);
}

void rpc_http_free(struct rpc_http *http)
{
	if (http == NULL)
		return;
	tls_context_unref(http->tls);
	free(http->tls_folder);
	free(http);
}
