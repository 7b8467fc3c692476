#include "rpc/private.h"

#include "error/error.h"
#include "observe/observe.h"
#include "tls/tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LISTEN_BACKLOG 128

uint64_t rpc_now(const struct rpc *rpc)
{
	return uv_now(rpc->loop);
}

bool rpc_stopping(const struct rpc *rpc)
{
	return rpc->done != NULL;
}

const char *rpc_address(const struct rpc *rpc)
{
	return rpc->address;
}

/* ---- Its end ---- */

static void free_all(struct rpc *rpc)
{
	http2_finish(rpc);
	arena_finish(&rpc->arena);
	tls_context_unref(rpc->tls);
	free(rpc);
}

static void handle_gone(struct rpc *rpc)
{
	void (*done)(void *arg) = rpc->done;
	void *arg = rpc->done_arg;
	if (--rpc->open_handles > 0)
		return;
	free_all(rpc);
	if (done != NULL)
		done(arg);
}

static void on_closed(uv_handle_t *handle)
{
	handle_gone(handle->data);
}

static void on_channels_closed(void *arg)
{
	handle_gone(arg);
}

static void close_handles(struct rpc *rpc)
{
	rpc->closed = true;
	uv_close((uv_handle_t *)&rpc->timer, on_closed);
	if (!uv_is_closing((uv_handle_t *)&rpc->listener))
		uv_close((uv_handle_t *)&rpc->listener, on_closed);
	channels_destroy(rpc->channels, on_channels_closed, rpc);
}

void rpc_end(struct rpc *rpc)
{
	if (rpc_stopping(rpc) && !rpc->closed && rpc->connections == NULL && rpc->call_count == 0 && !rpc->awaits_room)
		close_handles(rpc);
}

void rpc_stop(struct rpc *rpc, void (*done)(void *arg), void *arg)
{
	rpc->done = done;
	rpc->done_arg = arg;
	rpc->stop_ms = rpc_now(rpc);
	uv_close((uv_handle_t *)&rpc->listener, on_closed);
	for (struct connection *connection = rpc->connections; connection != NULL; connection = connection->next)
		connection_drain(connection);
	rpc_end(rpc);
}

/* ---- Listening ---- */

static void on_connection(uv_stream_t *listener, int status)
{
	struct rpc *rpc = listener->data;
	if (status == 0)
		connection_accept(rpc, listener);
}

/* What was done too often to tell of each time. */
static void tell_counts(struct rpc *rpc)
{
	if (rpc->refusals > 0)
		observe_event(OBSERVE_WARNING, "rpc_crowded", OBSERVE_NUMBER("refused", rpc->refusals),
		              OBSERVE_NUMBER("connections", rpc->connection_count));
	rpc->refusals = 0;
	rpc->tellings = 0;
}

static void on_tick(uv_timer_t *timer)
{
	struct rpc *rpc = timer->data;
	const uint64_t now_ms = rpc_now(rpc);
	if (rpc->accept_again && !rpc_stopping(rpc))
		connection_accept(rpc, (uv_stream_t *)&rpc->listener);
	calls_tick(rpc, now_ms);
	produce_tick(rpc, now_ms);
	health_tick(rpc);
	watch_tick(rpc);
	connections_tick(rpc, now_ms);
	if (now_ms >= rpc->tell_ms) {
		rpc->tell_ms = now_ms + RPC_TELL_MS;
		tell_counts(rpc);
	}
	rpc_end(rpc);
}

static int listen_at(struct rpc *rpc, const struct rpc_options *options, struct clog_error *err)
{
	struct sockaddr_storage address;
	int size = sizeof address;
	int rc = channel_look_up(options->listen, &address, err);
	if (rc != 0)
		return rc;
	if (rpc->tls == NULL && !channel_is_loopback((struct sockaddr *)&address))
		return clog_error_set(err, -EACCES,
		                      "%s can be reached from other machines: without certificates (--tls DIR) gRPC is "
		                      "served on 127.0.0.1 or [::1] only",
		                      options->listen);
	rc = uv_tcp_bind(&rpc->listener, (struct sockaddr *)&address, 0);
	if (rc == 0)
		rc = uv_listen((uv_stream_t *)&rpc->listener, LISTEN_BACKLOG, on_connection);
	if (rc == 0)
		rc = uv_tcp_getsockname(&rpc->listener, (struct sockaddr *)&address, &size);
	if (rc != 0)
		return clog_error_set(err, rc, "%s: it is not possible to listen there: %s", options->listen,
		                      uv_strerror(rc));
	char text[CHANNEL_ADDRESS_SIZE];
	channel_address_text((struct sockaddr *)&address, text);
	snprintf(rpc->address, sizeof rpc->address, "%s", options->address != NULL ? options->address : text);
	return 0;
}

int rpc_start(struct rpc **made, uv_loop_t *loop, const struct rpc_options *options, struct clog_error *err)
{
	struct rpc *rpc = calloc(1, sizeof *rpc);
	if (rpc == NULL)
		return clog_error_set(err, -ENOMEM, "no memory");
	rpc->loop = loop;
	rpc->service = options->service;
	rpc->auth = options->auth;
	if (options->tls != NULL) {
		rpc->tls = tls_context_ref(options->tls);
		rpc->tls_now = options->tls_now;
		rpc->tls_arg = options->tls_arg;
		rpc->side = options->tls_1_2 ? TLS_ACCEPT_ANYBODY_1_2 : TLS_ACCEPT_ANYBODY;
		snprintf(rpc->cluster, sizeof rpc->cluster, "%s", tls_context_identity(options->tls)->cluster);
	}
	if (http2_init(rpc) != 0 || arena_init(&rpc->arena) != 0 ||
	    channels_create(&rpc->channels, loop, RPC_SILENCE_MS, NULL) != 0) {
		free_all(rpc);
		return clog_error_set(err, -ENOMEM, "no memory");
	}
	uv_tcp_init(loop, &rpc->listener);
	uv_timer_init(loop, &rpc->timer);
	rpc->listener.data = rpc->timer.data = rpc;
	rpc->open_handles = 3;
	int rc = listen_at(rpc, options, err);
	if (rc != 0) {
		close_handles(rpc);
		return rc;
	}
	uv_timer_start(&rpc->timer, on_tick, RPC_TICK_MS, RPC_TICK_MS);
	*made = rpc;
	return 0;
}
