/* connection: the bytes of a client, from a channel to nghttp2 and back, and how long it may stay. A connection is
 * destroyed by the callbacks of its channel and by the timer, never while nghttp2 is at work on it. */
#include "rpc/private.h"

#include "error/error.h"
#include "observe/observe.h"
#include "rpc/peer_uid.h"
#include "tls/tls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GATHER_SIZE (16u << 10) /* bytes that are written at once: a record of TLS */

/* ---- Sending ---- */

/* Gives the channel what is to be sent, as long as that takes it. Returns an error of nghttp2's. */
static int give(struct connection *connection)
{
	unsigned char gathered[GATHER_SIZE];
	size_t count = 0;
	while (!channel_busy(connection->channel)) {
		const uint8_t *data;
		ssize_t size = nghttp2_session_mem_send(connection->session, &data);
		if (size < 0)
			return (int)size;
		if (size == 0 || count + (size_t)size > sizeof gathered) {
			channel_write(connection->channel, gathered, count);
			count = 0;
		}
		if (size == 0)
			return 0;
		if ((size_t)size > sizeof gathered) {
			channel_write(connection->channel, data, (size_t)size);
			continue;
		}
		memcpy(gathered + count, data, (size_t)size);
		count += (size_t)size;
	}
	channel_write(connection->channel, gathered, count);
	return 0;
}

static void leave(struct connection *connection)
{
	if (connection->leaving)
		return;
	connection->leaving = true;
	connection->leave_ms = rpc_now(connection->rpc);
}

static void send_all(struct connection *connection)
{
	if (connection->session == NULL)
		return;
	if (give(connection) != 0)
		leave(connection);
	calls_more(connection);
	if (!nghttp2_session_want_read(connection->session) && !nghttp2_session_want_write(connection->session))
		leave(connection);
	if (connection->leaving && channel_backlog(connection->channel) == 0)
		connection_destroy(connection);
}

void connection_soon(struct connection *connection)
{
	channel_soon(connection->channel);
}

/* ---- Limits ---- */

/* Tells of one that is refused; of a crowd, not of each. */
static void tell(const struct connection *connection, const char *reason)
{
	char principal[AUTH_TEXT_SIZE];
	if (connection->rpc->tellings++ < RPC_TELLINGS_MAX)
		observe_event(OBSERVE_WARNING, "rpc_refused", OBSERVE_TEXT("address", connection->from),
		              OBSERVE_TEXT("principal", auth_text(&connection->principal, principal)),
		              OBSERVE_TEXT("reason", reason));
}

void connection_calm(struct connection *connection, const char *reason)
{
	if (connection->leaving)
		return;
	tell(connection, reason);
	nghttp2_session_terminate_session(connection->session, NGHTTP2_ENHANCE_YOUR_CALM);
	leave(connection);
	connection_soon(connection);
}

void connection_chatter(struct connection *connection)
{
	if (++connection->chatter > RPC_CHATTER_MAX)
		connection_calm(connection, "it sends frames that ask for nothing");
}

void connection_reset(struct connection *connection)
{
	const uint64_t now_ms = rpc_now(connection->rpc);
	const uint64_t forgiven = (now_ms - connection->resets_ms) * RPC_RESETS_PER_S / 1000;
	if (forgiven > 0) {
		connection->resets -= forgiven < connection->resets ? (uint32_t)forgiven : connection->resets;
		connection->resets_ms = now_ms;
	}
	if (++connection->resets > RPC_RESETS_MAX)
		connection_calm(connection, "it resets too many calls");
}

/* ---- Its channel ---- */

/* Who is there: by its certificate, nobody yet without one; without TLS by the user of the process on this machine. Returns
 * why not, or NULL. */
static const char *identify(struct connection *connection)
{
	const struct tls_identity *identity = channel_identity(connection->channel);
	uid_t uid;
	if (identity != NULL) {
		connection->principal = (struct auth_principal){.kind = AUTH_CERTIFICATE, .name = identity->name};
		return strcmp(identity->cluster, connection->rpc->cluster) == 0
		               ? NULL
		               : "its certificate is for another cluster";
	}
	if (connection->rpc->tls != NULL)
		return NULL;
	if (peer_uid(channel_socket(connection->channel), &uid) != 0)
		return "the kernel does not tell whose process it is";
	/* The user's groups are not told. */
	connection->principal = (struct auth_principal){.kind = AUTH_USER, .uid = uid, .gid = (gid_t)-1};
	return NULL;
}

static void on_opened(void *arg)
{
	struct connection *connection = arg;
	const char *reason = identify(connection);
	if (reason != NULL) {
		tell(connection, reason);
		connection_destroy(connection);
		return;
	}
	if (http2_start(connection) != 0) {
		connection_destroy(connection);
		return;
	}
	if (rpc_stopping(connection->rpc))
		connection_drain(connection);
	connection_soon(connection);
}

static void on_bytes(void *arg, const void *data, size_t size)
{
	struct connection *connection = arg;
	if (connection->leaving)
		return;
	connection->used_ms = rpc_now(connection->rpc);
	const ssize_t taken = nghttp2_session_mem_recv(connection->session, data, size);
	if (taken < 0) {
		tell(connection, nghttp2_strerror((int)taken));
		leave(connection);
	}
	connection_soon(connection);
}

static void on_soon(void *arg)
{
	send_all(arg);
}

static void on_over(void *arg, int status, const char *sentence)
{
	struct connection *connection = arg;
	if (status == -EACCES || status == -EPROTO)
		tell(connection, sentence);
	connection_destroy(connection);
}

static const struct channel_ops channel_ops = {
	.opened = on_opened, .bytes = on_bytes, .soon = on_soon, .drained = on_soon, .closed = on_over};

/* ---- Its life ---- */

static struct connection *oldest_stranger(struct rpc *rpc)
{
	struct connection *oldest = NULL;
	for (struct connection *connection = rpc->connections; connection != NULL; connection = connection->next)
		if (!connection->greeted)
			oldest = connection;
	return oldest;
}

void connection_accept(struct rpc *rpc, uv_stream_t *listener)
{
	struct tls_context *tls = rpc->tls_now != NULL ? rpc->tls_now(rpc->tls_arg) : rpc->tls;
	struct connection *connection = calloc(1, sizeof *connection);
	int rc = connection == NULL ? -ENOMEM
	                            : channel_accept(&connection->channel, rpc->channels, listener, tls, rpc->side,
	                                             &channel_ops, connection);
	/* One that is not taken must be, or the loop listens no more. */
	rpc->accept_again = rc == -ENOMEM;
	if (rc != 0) {
		free(connection);
		return;
	}
	connection->rpc = rpc;
	connection->since_ms = connection->used_ms = connection->resets_ms = connection->allowed_ms = rpc_now(rpc);
	channel_address(connection->channel, connection->from);
	connection->next = rpc->connections;
	if (connection->next != NULL)
		connection->next->place = &connection->next;
	connection->place = &rpc->connections;
	rpc->connections = connection;
	rpc->connection_count++;
	rpc->stranger_count++;
	if (rpc->connection_count > RPC_CONNECTIONS_MAX) {
		rpc->refusals++;
		connection_destroy(connection);
	} else if (rpc->stranger_count > RPC_STRANGERS_MAX) {
		rpc->refusals++;
		connection_destroy(oldest_stranger(rpc));
	}
}

void connection_destroy(struct connection *connection)
{
	struct rpc *rpc = connection->rpc;
	while (connection->calls != NULL)
		call_closed(connection->calls);
	*connection->place = connection->next;
	if (connection->next != NULL)
		connection->next->place = connection->place;
	rpc->connection_count--;
	rpc->stranger_count -= connection->greeted ? 0 : 1;
	nghttp2_session_del(connection->session);
	channel_destroy(connection->channel);
	free(connection);
}

void connection_drain(struct connection *connection)
{
	if (connection->session == NULL || connection->told)
		return;
	connection->told = true;
	nghttp2_submit_shutdown_notice(connection->session);
	for (struct call *call = connection->calls, *next; call != NULL; call = next) {
		next = call->next;
		if (!call->done && call->method != NULL && call->method->drain != NULL)
			call->method->drain(call);
	}
	connection_soon(connection);
}

/* The client has had the time to see the notice: what comes from now on is not taken. */
static void go_away(struct connection *connection)
{
	if (connection->gone)
		return;
	connection->told = connection->gone = true;
	nghttp2_submit_goaway(connection->session, NGHTTP2_FLAG_NONE,
	                      nghttp2_session_get_last_proc_stream_id(connection->session), NGHTTP2_NO_ERROR, NULL, 0);
	connection_soon(connection);
}

static void tick(struct connection *connection, uint64_t now_ms)
{
	const struct rpc *rpc = connection->rpc;
	if (connection->leaving &&
	    (channel_backlog(connection->channel) == 0 || now_ms > connection->leave_ms + 1000)) {
		connection_destroy(connection);
	} else if (!connection->greeted && now_ms > connection->since_ms + RPC_GREET_MS) {
		connection_destroy(connection);
	} else if (rpc_stopping(rpc) && now_ms > rpc->stop_ms + RPC_DRAIN_MS) {
		connection_destroy(connection);
	} else if (rpc_stopping(rpc) && connection->session == NULL) {
		connection_destroy(connection);
	} else if (rpc_stopping(rpc) && now_ms >= rpc->stop_ms + 2 * RPC_TICK_MS) {
		go_away(connection);
	} else if (connection->call_count == 0 && now_ms > connection->used_ms + RPC_IDLE_MS) {
		go_away(connection);
	}
}

void connections_tick(struct rpc *rpc, uint64_t now_ms)
{
	for (struct connection *connection = rpc->connections, *next; connection != NULL; connection = next) {
		next = connection->next;
		allow_again(connection, now_ms);
		tick(connection, now_ms);
	}
}
