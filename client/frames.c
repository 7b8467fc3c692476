/* frames: what nghttp2 makes of the bytes of a connection. It calls in the middle of its work: nothing here destroys a
 * connection, or calls anybody. */
#include "client/private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WINDOW_SIZE (1u << 20) /* bytes that a server may send of a call before they are taken in */
#define CONNECTION_WINDOW_SIZE (4u << 20)
#define SETTINGS_MAX 32u /* in a frame of settings */

static struct exchange *exchange_of(nghttp2_session *session, int32_t stream)
{
	return nghttp2_session_get_stream_user_data(session, stream);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_size,
                     const uint8_t *value, size_t value_size, uint8_t flags, void *arg)
{
	struct exchange *exchange = exchange_of(session, frame->hd.stream_id);
	if (exchange != NULL && frame->hd.type == NGHTTP2_HEADERS)
		outcome_header(&exchange->outcome, name, name_size, value, value_size);
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t size, void *arg)
{
	struct exchange *exchange = exchange_of(session, stream);
	if (exchange != NULL)
		exchange_data(exchange, data, size);
	return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct server *server = arg;
	if (frame->hd.type == NGHTTP2_GOAWAY) {
		server->going = true;
		client_soon(server->client);
	}
	return 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t error, void *arg)
{
	struct exchange *exchange = exchange_of(session, stream);
	if (exchange == NULL)
		return 0;
	nghttp2_session_set_stream_user_data(session, stream, NULL);
	exchange_closed(exchange, error);
	return 0;
}

int frames_init(struct client *client)
{
	if (nghttp2_session_callbacks_new(&client->callbacks) != 0 || nghttp2_option_new(&client->option) != 0)
		return -ENOMEM;
	nghttp2_session_callbacks_set_on_header_callback(client->callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(client->callbacks, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(client->callbacks, on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(client->callbacks, on_close);
	nghttp2_option_set_no_closed_streams(client->option, 1);
	nghttp2_option_set_max_settings(client->option, SETTINGS_MAX);
	return 0;
}

void frames_finish(struct client *client)
{
	nghttp2_session_callbacks_del(client->callbacks);
	nghttp2_option_del(client->option);
}

int frames_start(struct server *server)
{
	const nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_SIZE},
	};
	struct client *client = server->client;
	if (nghttp2_session_client_new2(&server->session, client->callbacks, server, client->option) != 0)
		return -ENOMEM;
	int rc = nghttp2_submit_settings(server->session, NGHTTP2_FLAG_NONE, settings,
	                                 sizeof settings / sizeof settings[0]);
	if (rc == 0)
		rc = nghttp2_session_set_local_window_size(server->session, NGHTTP2_FLAG_NONE, 0,
		                                           CONNECTION_WINDOW_SIZE);
	return rc == 0 ? 0 : -ENOMEM;
}

/* ---- Calls ---- */

static ssize_t give_body(nghttp2_session *session, int32_t stream, uint8_t *data, size_t capacity, uint32_t *flags,
                         nghttp2_data_source *source, void *arg)
{
	struct exchange *exchange = exchange_of(session, stream);
	if (exchange == NULL)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	size_t left = exchange->body_size - exchange->body_given, size = left < capacity ? left : capacity;
	memcpy(data, exchange->body + exchange->body_given, size);
	exchange->body_given += size;
	if (size == left) {
		*flags |= NGHTTP2_DATA_FLAG_EOF;
		/* What waits for this one to be sent can go. */
		client_soon(exchange->client);
	}
	return (ssize_t)size;
}

static nghttp2_nv field(const char *name, const char *value, uint8_t flags)
{
	return (nghttp2_nv){.name = (uint8_t *)name,
	                    .value = (uint8_t *)value,
	                    .namelen = strlen(name),
	                    .valuelen = strlen(value),
	                    .flags = flags};
}

int frames_submit(struct exchange *exchange, uint64_t timeout_ms)
{
	struct server *server = exchange->server;
	const struct credentials *credentials = &server->client->credentials;
	char timeout[24];
	nghttp2_nv fields[9];
	size_t count = 0;
	fields[count++] = field(":method", "POST", 0);
	fields[count++] = field(":scheme", credentials->tls != NULL ? "https" : "http", 0);
	fields[count++] = field(":path", exchange->kind->path, 0);
	fields[count++] = field(":authority", server->address, 0);
	fields[count++] = field("te", "trailers", 0);
	fields[count++] = field("content-type", "application/grpc", 0);
	if (timeout_ms > 0) {
		snprintf(timeout, sizeof timeout, "%llum",
		         (unsigned long long)(timeout_ms < 99999999 ? timeout_ms : 99999999));
		fields[count++] = field("grpc-timeout", timeout, NGHTTP2_NV_FLAG_NO_INDEX);
	}
	if (credentials->token[0] != '\0')
		fields[count++] = field("authorization", credentials->token, NGHTTP2_NV_FLAG_NO_INDEX);
	const nghttp2_data_provider provider = {.read_callback = give_body};
	int32_t stream = nghttp2_submit_request(server->session, NULL, fields, count, &provider, exchange);
	if (stream == NGHTTP2_ERR_NOMEM)
		return -ENOMEM;
	if (stream < 0) {
		/* It has no more numbers for calls: a new connection has. */
		server->going = true;
		return -EHOSTUNREACH;
	}
	exchange->stream = stream;
	return 0;
}
