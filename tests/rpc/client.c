#include "tests/rpc/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_size,
                     const uint8_t *value, size_t value_size, uint8_t flags, void *arg)
{
	struct client *client = arg;
	struct ended *call = &client->calls[frame->hd.stream_id];
	const struct {
		const char *name;
		char *text;
		size_t size;
	} all[] = {{"grpc-status", call->status, sizeof call->status},
	           {"clog-outcome", call->outcome, sizeof call->outcome},
	           {"clog-errno", call->error, sizeof call->error},
	           {"grpc-message", call->message, sizeof call->message}};
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		if (name_size == strlen(all[i].name) && memcmp(name, all[i].name, name_size) == 0)
			memcpy(all[i].text, value, value_size < all[i].size ? value_size : 0);
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t size, void *arg)
{
	struct client *client = arg;
	struct ended *call = &client->calls[stream];
	for (size_t i = 0; i < size && call->size + i < sizeof call->data; i++)
		call->data[call->size + i] = data[i];
	call->size += size;
	return 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t error, void *arg)
{
	struct client *client = arg;
	client->calls[stream].closed = true;
	return 0;
}

static ssize_t give_body(nghttp2_session *session, int32_t stream, uint8_t *data, size_t capacity, uint32_t *flags,
                         nghttp2_data_source *source, void *arg)
{
	struct body *body = source->ptr;
	size_t size = body->size < capacity ? body->size : capacity;
	if (size == 0 && body->open)
		return NGHTTP2_ERR_DEFERRED;
	memcpy(data, body->data, size);
	body->data += size;
	body->size -= size;
	if (body->size == 0 && !body->open)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)size;
}

int client_set_up(void **state)
{
	struct client *client = calloc(1, sizeof *client);
	nghttp2_session_callbacks *callbacks;
	nghttp2_session_callbacks_new(&callbacks);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
	nghttp2_session_client_new(&client->session, callbacks, client);
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_submit_settings(client->session, NGHTTP2_FLAG_NONE, NULL, 0);
	door_open(&client->door);
	*state = client;
	return 0;
}

int client_tear_down(void **state)
{
	struct client *client = *state;
	nghttp2_session_del(client->session);
	door_close(&client->door);
	free(client);
	return 0;
}

void client_exchange(struct client *client)
{
	for (bool moved = true; moved;) {
		const uint8_t *data;
		ssize_t size;
		moved = false;
		door_feed(&client->door, "", 0);
		while ((size = nghttp2_session_mem_send(client->session, &data)) > 0) {
			door_feed(&client->door, data, (size_t)size);
			moved = true;
		}
		if (client->door.out_size > 0) {
			assert_int_equal(
				nghttp2_session_mem_recv(client->session, client->door.out, client->door.out_size),
				client->door.out_size);
			door_take(&client->door);
			moved = true;
		}
	}
}

int32_t client_call(struct client *client, const char *path, struct body *body, const char *name, const char *value)
{
	const char *fields[][2] = {{":method", "POST"},    {":scheme", "http"}, {":path", path},
	                           {":authority", "test"}, {"te", "trailers"},  {"content-type", "application/grpc"},
	                           {name, value}};
	nghttp2_nv all[7];
	for (size_t i = 0; i < 7 && fields[i][0] != NULL; i++)
		all[i] = (nghttp2_nv){.name = (uint8_t *)fields[i][0],
		                      .namelen = strlen(fields[i][0]),
		                      .value = (uint8_t *)fields[i][1],
		                      .valuelen = strlen(fields[i][1])};
	const nghttp2_data_provider provider = {.source.ptr = body, .read_callback = give_body};
	return nghttp2_submit_request(client->session, NULL, all, name == NULL ? 6 : 7, &provider, NULL);
}

int32_t client_ask_as(struct client *client, const char *path, const ProtobufCMessage *message, const char *name,
                      const char *value, const char *again)
{
	const char *fields[][2] = {{":method", "POST"},    {":scheme", "http"}, {":path", path},
	                           {":authority", "test"}, {"te", "trailers"},  {"content-type", "application/grpc"},
	                           {name, value},          {name, again}};
	nghttp2_nv all[8];
	const size_t count = value == NULL ? 6 : again == NULL ? 7 : 8;
	for (size_t i = 0; i < count; i++)
		all[i] = (nghttp2_nv){.name = (uint8_t *)fields[i][0],
		                      .namelen = strlen(fields[i][0]),
		                      .value = (uint8_t *)fields[i][1],
		                      .valuelen = strlen(fields[i][1])};
	const nghttp2_data_provider provider = {.source.ptr = &client->body, .read_callback = give_body};
	const size_t size = protobuf_c_message_pack(message, client->packed + FRAMING_HEAD_SIZE);
	framing_head((uint32_t)size, client->packed);
	client->body = (struct body){.data = client->packed, .size = FRAMING_HEAD_SIZE + size};
	int32_t stream = nghttp2_submit_request(client->session, NULL, all, count, &provider, NULL);
	client_exchange(client);
	return stream;
}

int32_t client_ask(struct client *client, const char *path, const ProtobufCMessage *message)
{
	return client_ask_as(client, path, message, NULL, NULL, NULL);
}

void *client_answer(const struct client *client, int32_t stream, const ProtobufCMessageDescriptor *type)
{
	const struct ended *call = &client->calls[stream];
	if (call->size < FRAMING_HEAD_SIZE)
		return NULL;
	const size_t size = (size_t)call->data[3] << 8 | call->data[4];
	assert_true(size <= sizeof call->data - FRAMING_HEAD_SIZE);
	return protobuf_c_message_unpack(type, NULL, size, call->data + FRAMING_HEAD_SIZE);
}

struct body client_message(unsigned char *bytes, uint32_t size)
{
	unsigned char head[] = {0, 0, 0, 0, 0, 0x0a, 0, 0x0a, 0};
	if (size == 0)
		return (struct body){.data = memset(bytes, 0, FRAMING_HEAD_SIZE), .size = FRAMING_HEAD_SIZE};
	assert_true(size < 100);
	head[4] = (unsigned char)(size + 4);
	head[6] = (unsigned char)(size + 2);
	head[8] = (unsigned char)size;
	memcpy(bytes, head, sizeof head);
	memset(bytes + sizeof head, 'r', size);
	return (struct body){.data = bytes, .size = sizeof head + size};
}
