/* server: one server, and the connection to it. The connection ends by callbacks of its channel and by the timer, never
 * while nghttp2 is at work on it. */
#include "client/private.h"

#include "tls/tls.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GATHER_SIZE (16u << 10) /* bytes that are written at once: a record of TLS */

static const struct channel_ops channel_ops;

/* ---- Ending ---- */

static void drop(struct server *server, int status, const char *sentence)
{
	while (server->exchanges != NULL)
		exchange_broken(server->exchanges, status, sentence);
	nghttp2_session_del(server->session);
	channel_destroy(server->channel);
	server->session = NULL;
	server->channel = NULL;
	server->state = SERVER_IDLE;
	server->going = server->pinged = false;
}

/* The connection is over, or there was none: later there may be one. */
static void fail(struct server *server, int status, const char *sentence)
{
	struct client *client = server->client;
	client_say(client, server, sentence);
	server->error = status;
	client->ready_error = status;
	drop(server, status, sentence);
	server->again_ms = client_now(client) +
	                   client_wait(client, &server->wait_ms, CLIENT_BACKOFF_MIN_MS, CLIENT_BACKOFF_MAX_MS);
	client_soon(client);
}

void server_destroy(struct server *server)
{
	if (server == NULL)
		return;
	resolve_cancel(server->client->resolver, server);
	drop(server, -ECONNRESET, "the server is in the cluster no more");
	free(server);
}

/* ---- Connecting ---- */

/* Tries the next address. */
static void dial(struct server *server)
{
	struct client *client = server->client;
	const struct sockaddr *address = (const struct sockaddr *)&server->resolved.addresses[server->turn++];
	struct tls_context *tls = client->credentials.tls;
	if (tls == NULL && client->credentials.token[0] != '\0' && !channel_is_loopback(address)) {
		fail(server, -EACCES, "a token is sent to this machine alone, unless there is TLS");
		return;
	}
	server->state = SERVER_CONNECTING;
	server->since_ms = client_now(client);
	int rc = channel_connect(&server->channel, client->channels, address, tls, &channel_ops, server);
	if (rc != 0) {
		server->channel = NULL;
		fail(server, rc, strerror(-rc));
	}
}

static void on_resolved(void *arg, int status, const struct resolved *resolved, const char *sentence)
{
	struct server *server = arg;
	if (status != 0) {
		fail(server, -EHOSTUNREACH, sentence);
		return;
	}
	server->resolved = *resolved;
	server->turn = 0;
	dial(server);
}

void server_connect(struct server *server)
{
	struct client *client = server->client;
	if (server->state != SERVER_IDLE || client_now(client) < server->again_ms)
		return;
	int rc = resolve_address(client->resolver, server->address, on_resolved, server);
	if (rc != 0)
		fail(server, rc, strerror(-rc));
	else
		server->state = SERVER_RESOLVING;
}

/* One address does not answer: there may be others. */
static void fail_address(struct server *server, int status, const char *sentence)
{
	if (server->state == SERVER_CONNECTING && server->turn < server->resolved.count) {
		channel_destroy(server->channel);
		server->channel = NULL;
		dial(server);
		return;
	}
	fail(server, status, sentence);
}

/* Who is there must be a member, of the one cluster that we talk to. NULL: it is. */
static const char *check_identity(struct server *server)
{
	struct roster *roster = &server->client->roster;
	const struct tls_identity *identity = channel_identity(server->channel);
	if (identity == NULL)
		return NULL;
	if (identity->kind != TLS_MEMBER)
		return "its certificate is not a member's";
	if (roster->cluster[0] == '\0')
		snprintf(roster->cluster, sizeof roster->cluster, "%s", identity->cluster);
	return strcmp(roster->cluster, identity->cluster) == 0 ? NULL : "its certificate is for another cluster";
}

static void on_opened(void *arg)
{
	struct server *server = arg;
	const char *reason = check_identity(server);
	if (reason != NULL) {
		fail(server, -EACCES, reason);
		return;
	}
	if (frames_start(server) != 0) {
		fail(server, -ENOMEM, "no memory");
		return;
	}
	server->state = SERVER_OPEN;
	server->heard_ms = client_now(server->client);
	server_soon(server);
	client_soon(server->client);
}

/* ---- Bytes ---- */

/* Gives the channel what is to be sent, as long as that takes it. Returns an error of nghttp2's. */
static int give(struct server *server)
{
	unsigned char gathered[GATHER_SIZE];
	size_t count = 0;
	while (!channel_busy(server->channel)) {
		const uint8_t *data;
		ssize_t size = nghttp2_session_mem_send(server->session, &data);
		if (size < 0)
			return (int)size;
		if (size == 0 || count + (size_t)size > sizeof gathered) {
			channel_write(server->channel, gathered, count);
			count = 0;
		}
		if (size == 0)
			return 0;
		if ((size_t)size > sizeof gathered) {
			channel_write(server->channel, data, (size_t)size);
			continue;
		}
		memcpy(gathered + count, data, (size_t)size);
		count += (size_t)size;
	}
	channel_write(server->channel, gathered, count);
	return 0;
}

static void on_soon(void *arg)
{
	struct server *server = arg;
	if (server->session == NULL)
		return;
	int rc = give(server);
	if (rc != 0)
		fail(server, -EPROTO, nghttp2_strerror(rc));
	else if (!nghttp2_session_want_read(server->session) && !nghttp2_session_want_write(server->session))
		fail(server, -ECONNRESET, "the server has ended the connection");
}

static void on_bytes(void *arg, const void *data, size_t size)
{
	struct server *server = arg;
	struct client *client = server->client;
	server->heard_ms = client_now(client);
	server->pinged = false;
	/* It talks to us, so that its TLS has let us in. */
	server->wait_ms = 0;
	server->error = 0;
	const ssize_t taken = nghttp2_session_mem_recv(server->session, data, size);
	if (taken < 0)
		fail(server, -EPROTO, nghttp2_strerror((int)taken));
	else
		server_soon(server);
	exchanges_settle(client);
}

static void on_over(void *arg, int status, const char *sentence)
{
	struct server *server = arg;
	const bool tls = status == -EACCES || status == -EPROTO;
	fail_address(server, tls ? status : -EHOSTUNREACH, sentence);
}

static const struct channel_ops channel_ops = {
	.opened = on_opened, .bytes = on_bytes, .soon = on_soon, .drained = on_soon, .closed = on_over};

/* ---- The rest ---- */

int server_create(struct server **made, struct client *client, const char *address)
{
	struct server *server = calloc(1, sizeof *server);
	if (server == NULL)
		return -ENOMEM;
	server->client = client;
	server->serial = ++client->roster.serial;
	snprintf(server->address, sizeof server->address, "%s", address);
	*made = server;
	return 0;
}

bool server_open(const struct server *server)
{
	return server->state == SERVER_OPEN && !server->going;
}

void server_soon(struct server *server)
{
	channel_soon(server->channel);
}

/* Whether it owes something sooner or later, and not just when there is news. */
static bool owes(const struct server *server)
{
	for (const struct exchange *exchange = server->exchanges; exchange != NULL; exchange = exchange->next)
		if (exchange->kind->message == NULL)
			return true;
	return false;
}

static void look(struct server *server, uint64_t now_ms)
{
	if (server->going && server->exchanges == NULL) {
		fail(server, -ECONNRESET, "the server has ended the connection");
	} else if (server->pinged && now_ms >= server->pinged_ms + CLIENT_PONG_MS) {
		fail(server, -EHOSTUNREACH, "the server says nothing");
	} else if (!server->pinged &&
	           now_ms >= server->heard_ms + (owes(server) ? CLIENT_PING_MS : CLIENT_IDLE_PING_MS)) {
		server->pinged = nghttp2_submit_ping(server->session, NGHTTP2_FLAG_NONE, NULL) == 0;
		server->pinged_ms = now_ms;
		server_soon(server);
	}
}

void server_tick(struct server *server, uint64_t now_ms)
{
	if (server->state == SERVER_CONNECTING && now_ms > server->since_ms + CLIENT_CONNECT_MS)
		fail_address(server, -EHOSTUNREACH, "the server does not answer");
	else if (server->state == SERVER_OPEN)
		look(server, now_ms);
}
