#include "client/private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_SIZE 512u /* bytes that are kept for what comes, at first */

void exchange_head(unsigned char *head, size_t size)
{
	head[0] = 0;
	head[1] = (unsigned char)(size >> 24);
	head[2] = (unsigned char)(size >> 16);
	head[3] = (unsigned char)(size >> 8);
	head[4] = (unsigned char)size;
}

/* ---- What is to be told ---- */

static void ripen(struct exchange *exchange)
{
	struct client *client = exchange->client;
	if (exchange->ripe_place != NULL)
		return;
	exchange->ripe = NULL;
	exchange->ripe_place = client->ripe_last;
	*client->ripe_last = exchange;
	client->ripe_last = &exchange->ripe;
	client_soon(client);
}

static void unripen(struct exchange *exchange)
{
	if (exchange->ripe_place == NULL)
		return;
	*exchange->ripe_place = exchange->ripe;
	if (exchange->ripe != NULL)
		exchange->ripe->ripe_place = exchange->ripe_place;
	else
		exchange->client->ripe_last = exchange->ripe_place;
	exchange->ripe_place = NULL;
}

/* It is not the server's any more. */
static void leave(struct exchange *exchange)
{
	if (exchange->server == NULL)
		return;
	*exchange->place = exchange->next;
	if (exchange->next != NULL)
		exchange->next->place = exchange->place;
	exchange->server = NULL;
}

/* The size of the first message, when its head is there. */
static bool first_size(const struct exchange *exchange, size_t *size)
{
	if (exchange->end - exchange->begin < CLIENT_HEAD_SIZE)
		return false;
	const unsigned char *head = exchange->input + exchange->begin;
	*size = (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
	return true;
}

/* Gives the messages of a stream; the owner may end it meanwhile. */
static void tell_messages(struct exchange *exchange)
{
	size_t size;
	while (exchange_active(exchange) && first_size(exchange, &size) &&
	       exchange->end - exchange->begin - CLIENT_HEAD_SIZE >= size) {
		const unsigned char *data = exchange->input + exchange->begin + CLIENT_HEAD_SIZE;
		exchange->begin += CLIENT_HEAD_SIZE + size;
		exchange->kind->message(exchange, data, size);
	}
}

void exchanges_settle(struct client *client)
{
	while (client->ripe != NULL) {
		struct exchange *exchange = client->ripe;
		unripen(exchange);
		if (exchange->kind->message != NULL)
			tell_messages(exchange);
		if (!exchange->closed)
			continue;
		exchange->closed = false;
		exchange->kind->ended(exchange);
	}
}

/* ---- Its life ---- */

int exchange_start(struct exchange *exchange, const struct exchange_kind *kind, struct server *server,
                   const unsigned char *body, size_t body_size, uint64_t timeout_ms)
{
	assert(!exchange_active(exchange));
	exchange->kind = kind;
	exchange->client = server->client;
	exchange->body = body;
	exchange->body_size = body_size;
	exchange->body_given = 0;
	exchange->begin = exchange->end = 0;
	exchange->begun_ms = client_now(server->client);
	outcome_init(&exchange->outcome);
	exchange->server = server;
	int rc = frames_submit(exchange, timeout_ms);
	if (rc != 0) {
		exchange->server = NULL;
		return rc;
	}
	exchange->next = server->exchanges;
	if (exchange->next != NULL)
		exchange->next->place = &exchange->next;
	exchange->place = &server->exchanges;
	server->exchanges = exchange;
	server_soon(server);
	return 0;
}

bool exchange_active(const struct exchange *exchange)
{
	return exchange->server != NULL || exchange->closed;
}

bool exchange_sent(const struct exchange *exchange)
{
	return exchange->body_given == exchange->body_size && !exchange->outcome.untouched;
}

void exchange_cancel(struct exchange *exchange)
{
	struct server *server = exchange->server;
	if (server != NULL) {
		nghttp2_session_set_stream_user_data(server->session, exchange->stream, NULL);
		nghttp2_submit_rst_stream(server->session, NGHTTP2_FLAG_NONE, exchange->stream, NGHTTP2_CANCEL);
		server_soon(server);
	}
	leave(exchange);
	unripen(exchange);
	exchange->closed = false;
}

void exchange_finish(struct exchange *exchange)
{
	assert(!exchange_active(exchange));
	free(exchange->input);
	exchange->input = NULL;
	exchange->begin = exchange->end = exchange->capacity = 0;
}

int exchange_answer(const struct exchange *exchange, const unsigned char **data, size_t *size)
{
	if (!first_size(exchange, size) || exchange->end - exchange->begin - CLIENT_HEAD_SIZE != *size)
		return -EPROTO;
	*data = exchange->input + exchange->begin + CLIENT_HEAD_SIZE;
	return 0;
}

/* ---- What comes ---- */

static int keep(struct exchange *exchange, const void *data, size_t size)
{
	if (exchange->begin > 0) {
		memmove(exchange->input, exchange->input + exchange->begin, exchange->end - exchange->begin);
		exchange->end -= exchange->begin;
		exchange->begin = 0;
	}
	if (exchange->end + size > exchange->capacity) {
		size_t told, capacity = 2 * (exchange->end + size);
		/* Where the whole size is told already, that much is enough. */
		if (first_size(exchange, &told) && CLIENT_HEAD_SIZE + told > exchange->end + size)
			capacity = CLIENT_HEAD_SIZE + told;
		capacity = capacity > INPUT_SIZE ? capacity : INPUT_SIZE;
		unsigned char *grown = realloc(exchange->input, capacity);
		if (grown == NULL)
			return -ENOMEM;
		exchange->input = grown;
		exchange->capacity = capacity;
	}
	memcpy(exchange->input + exchange->end, data, size);
	exchange->end += size;
	return 0;
}

/* What has come cannot be taken: it ends, and the server need not go on. */
static void refuse(struct exchange *exchange, int error, const char *sentence)
{
	nghttp2_session *session = exchange->server->session;
	nghttp2_session_set_stream_user_data(session, exchange->stream, NULL);
	nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, exchange->stream, NGHTTP2_CANCEL);
	exchange_broken(exchange, error, sentence);
}

void exchange_data(struct exchange *exchange, const void *data, size_t size)
{
	size_t told;
	if (size == 0)
		return;
	if (keep(exchange, data, size) != 0)
		refuse(exchange, -ENOMEM, "no memory");
	else if (exchange->input[exchange->begin] != 0)
		refuse(exchange, -EPROTO, "it sends what is no message of gRPC, or a compressed one");
	else if (first_size(exchange, &told) && told > exchange->kind->answer_size_max)
		refuse(exchange, -EPROTO, "it sends a message that is larger than any may be");
	else if (exchange->end - exchange->begin >
	         2 * (CLIENT_HEAD_SIZE + exchange->kind->answer_size_max) + CHANNEL_INPUT_SIZE)
		refuse(exchange, -EPROTO, "it sends more than it was asked for");
	else if (exchange->kind->message != NULL)
		ripen(exchange);
}

void exchange_closed(struct exchange *exchange, uint32_t error)
{
	struct outcome *outcome = &exchange->outcome;
	if (error != NGHTTP2_NO_ERROR && outcome->status < 0) {
		outcome->broken = true;
		outcome->untouched = error == NGHTTP2_REFUSED_STREAM;
		outcome->error = outcome->untouched ? -EHOSTUNREACH : -ECONNRESET;
		snprintf(outcome->message, sizeof outcome->message, "it ended the call: %s",
		         nghttp2_http2_strerror(error));
	}
	leave(exchange);
	exchange->closed = true;
	ripen(exchange);
}

void exchange_broken(struct exchange *exchange, int status, const char *sentence)
{
	struct outcome *outcome = &exchange->outcome;
	outcome->broken = true;
	outcome->error = status;
	snprintf(outcome->message, sizeof outcome->message, "%s", sentence);
	leave(exchange);
	exchange->closed = true;
	ripen(exchange);
}
