/* What a client may ask for, and what waits for it, has bounds. The client is nghttp2's own, or frames by hand. */
#include "tests/rpc/door.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CALLS_MAX 16384

/* What became of a call, by its stream's number. */
struct ended {
	bool closed;
	char status[4], outcome[8];
	size_t size; /* bytes of its data */
};

struct client {
	struct door door;
	nghttp2_session *session;
	struct ended calls[CALLS_MAX];
};

/* The body of a request. */
struct body {
	const unsigned char *data;
	size_t size;
	bool open; /* it goes on later */
};

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_size,
                     const uint8_t *value, size_t value_size, uint8_t flags, void *arg)
{
	struct client *client = arg;
	struct ended *call = &client->calls[frame->hd.stream_id];
	if (name_size == 11 && memcmp(name, "grpc-status", 11) == 0)
		memcpy(call->status, value, value_size < sizeof call->status ? value_size : 0);
	if (name_size == 12 && memcmp(name, "clog-outcome", 12) == 0)
		memcpy(call->outcome, value, value_size < sizeof call->outcome ? value_size : 0);
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t size, void *arg)
{
	struct client *client = arg;
	client->calls[stream].size += size;
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

static int set_up(void **state)
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

static int tear_down(void **state)
{
	struct client *client = *state;
	nghttp2_session_del(client->session);
	door_close(&client->door);
	free(client);
	return 0;
}

/* Gives each side what the other has to say, until neither has. */
static void exchange(struct client *client)
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

static int32_t call(struct client *client, const char *path, struct body *body, const char *name, const char *value)
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

/* A framed request that appends a record of so many bytes, or, with size 0, asks for the first one. */
static struct body message(unsigned char *bytes, uint32_t size)
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

static void an_append_is_answered_when_it_is_done(void **state)
{
	struct client *client = *state;
	unsigned char bytes[128];
	struct body body = message(bytes, 10);
	int32_t stream = call(client, "/log.v1.Log/Produce", &body, NULL, NULL);
	exchange(client);
	assert_int_equal(client->door.count, 1);
	assert_false(client->calls[stream].closed);
	door_answer(&client->door);
	exchange(client);
	assert_true(client->calls[stream].closed);
	assert_string_equal(client->calls[stream].status, "0");
}

static void what_is_under_way_at_its_deadline_is_unknown(void **state)
{
	struct client *client = *state;
	unsigned char bytes[128];
	struct body body = message(bytes, 10);
	int32_t stream = call(client, "/log.v1.Log/Produce", &body, "grpc-timeout", "1S");
	exchange(client);
	calls_tick(&client->door.rpc, rpc_now(&client->door.rpc) + 999);
	exchange(client);
	assert_false(client->calls[stream].closed);
	calls_tick(&client->door.rpc, rpc_now(&client->door.rpc) + 1000);
	exchange(client);
	assert_string_equal(client->calls[stream].status, "4");
	assert_string_equal(client->calls[stream].outcome, "unknown");
	/* The answer comes to nobody. */
	door_answer(&client->door);
}

static void refused_and_unknown_are_kept_apart(void **state)
{
	static const struct {
		int failure;
		const char *status, *outcome;
	} all[] = {{-EEXIST, "6", "refused"},
	           {-EHOSTUNREACH, "14", "refused"},
	           {-ENOSPC, "8", "refused"},
	           {-ETIMEDOUT, "4", "unknown"},
	           {-ECONNABORTED, "2", "unknown"}};
	struct client *client = *state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		unsigned char bytes[128];
		struct body body = message(bytes, 10);
		client->door.failure = all[i].failure;
		int32_t stream = call(client, "/log.v1.Log/Produce", &body, NULL, NULL);
		exchange(client);
		door_answer(&client->door);
		exchange(client);
		assert_string_equal(client->calls[stream].status, all[i].status);
		assert_string_equal(client->calls[stream].outcome, all[i].outcome);
	}
}

static void who_finds_the_queue_full_waits_for_room(void **state)
{
	struct client *client = *state;
	unsigned char bytes[128];
	struct body body = message(bytes, 10);
	client->door.full = 2;
	int32_t stream = call(client, "/log.v1.Log/Produce", &body, NULL, NULL);
	exchange(client);
	door_make_room(&client->door); /* and it is full again */
	exchange(client);
	assert_int_equal(client->door.count, 0);
	assert_false(client->calls[stream].closed);
	door_make_room(&client->door);
	assert_int_equal(client->door.count, 1);
	door_answer(&client->door);
	exchange(client);
	assert_string_equal(client->calls[stream].status, "0");
}

static void who_waits_too_long_for_room_is_refused(void **state)
{
	struct client *client = *state;
	unsigned char bytes[128];
	struct body body = message(bytes, 10);
	client->door.full = 1;
	int32_t stream = call(client, "/log.v1.Log/Produce", &body, NULL, NULL);
	exchange(client);
	produce_tick(&client->door.rpc, rpc_now(&client->door.rpc) + RPC_ROOM_MS);
	exchange(client);
	assert_false(client->calls[stream].closed);
	produce_tick(&client->door.rpc, rpc_now(&client->door.rpc) + RPC_ROOM_MS + 1);
	exchange(client);
	assert_string_equal(client->calls[stream].status, "8");
	assert_string_equal(client->calls[stream].outcome, "refused");
	assert_int_equal(client->door.count, 0);
}

static void no_more_is_taken_from_a_stream_than_may_be_under_way(void **state)
{
	struct client *client = *state;
	const size_t count = DOOR_RECORDS_MAX, one = 9 + 90;
	unsigned char *all = malloc(count * one);
	for (size_t i = 0; i < count; i++)
		message(all + i * one, 90);
	struct body body = {.data = all, .size = count * one};
	int32_t stream = call(client, "/log.v1.Log/ProduceStream", &body, NULL, NULL);
	client->door.full = UINT32_MAX;
	exchange(client);
	/* What the window lets through, and nothing else: it is not given back. */
	assert_true(client->door.rpc.input_size <= 4 * RPC_WINDOW_SIZE);
	assert_int_equal(client->door.count, 0);
	client->door.full = 0;
	door_make_room(&client->door);
	for (int i = 0; i < 100 && !client->calls[stream].closed; i++) {
		exchange(client);
		door_answer(&client->door);
	}
	exchange(client);
	assert_string_equal(client->calls[stream].status, "0");
	assert_int_equal(client->door.count, count);
	free(all);
}

static void no_more_is_read_than_the_client_takes(void **state)
{
	struct client *client = *state;
	struct door *door = &client->door;
	unsigned char bytes[FRAMING_HEAD_SIZE];
	exchange(client);
	for (size_t i = 0; i < 100; i++) {
		door->records[door->count].data = calloc(1, 1 << 16);
		door->records[door->count++].size = 1 << 16;
	}
	/* Its window is closed after 64 KiB. */
	nghttp2_session_set_local_window_size(client->session, NGHTTP2_FLAG_NONE, 0, 65535);
	struct body body = message(bytes, 0);
	int32_t stream = call(client, "/log.v1.Log/ConsumeStream", &body, NULL, NULL);
	const uint8_t *data;
	ssize_t size;
	while ((size = nghttp2_session_mem_send(client->session, &data)) > 0)
		door_feed(door, data, (size_t)size);
	const struct connection *connection = door->rpc.connections;
	assert_in_range(connection->output_size, 1, RPC_OUTPUT_SIZE + (1 << 16) + 64);
	exchange(client);
	/* Who takes it gets it all. */
	assert_true(client->calls[stream].size > 100u << 16);
	assert_int_equal(connection->output_size, 0);
}

static void who_watches_is_told_when_there_is_room(void **state)
{
	struct client *client = *state;
	struct door *door = &client->door;
	unsigned char bytes[2][FRAMING_HEAD_SIZE];
	struct body watch = message(bytes[0], 0), follow = message(bytes[1], 0);
	int32_t watched = call(client, "/grpc.health.v1.Health/Watch", &watch, NULL, NULL);
	exchange(client);
	const size_t told = client->calls[watched].size;
	assert_int_equal(told, FRAMING_HEAD_SIZE + 2);
	for (size_t i = 0; i < 20; i++) {
		door->records[door->count].data = calloc(1, 1 << 19);
		door->records[door->count++].size = 1 << 19;
	}
	call(client, "/log.v1.Log/ConsumeStream", &follow, NULL, NULL);
	const uint8_t *data;
	ssize_t size;
	while ((size = nghttp2_session_mem_send(client->session, &data)) > 0)
		door_feed(door, data, (size_t)size);
	door->leader = 0;
	health_tick(&door->rpc);
	exchange(client);
	assert_int_equal(client->calls[watched].size, told);
	health_tick(&door->rpc);
	exchange(client);
	assert_int_equal(client->calls[watched].size, 2 * told);
}

static void too_large_headers_are_refused(void **state)
{
	struct client *client = *state;
	static char value[REQUEST_HEADERS_SIZE_MAX];
	unsigned char bytes[FRAMING_HEAD_SIZE];
	memset(value, 'v', sizeof value - 1);
	struct body body = message(bytes, 0);
	int32_t stream = call(client, "/log.v1.Log/Consume", &body, "large", value);
	exchange(client);
	assert_string_equal(client->calls[stream].status, "8");
}

static void no_more_calls_are_under_way_than_may_be(void **state)
{
	struct client *client = *state;
	unsigned char bytes[FRAMING_HEAD_SIZE];
	for (size_t i = 0; i < RPC_STREAMS_MAX + 50; i++) {
		struct body body = message(bytes, 0);
		call(client, "/log.v1.Log/ConsumeStream", &body, NULL, NULL);
		exchange(client);
	}
	assert_int_equal(client->door.rpc.connections->call_count, RPC_STREAMS_MAX);
}

static void who_resets_too_many_calls_is_told_to_be_calm(void **state)
{
	struct client *client = *state;
	exchange(client);
	for (size_t i = 0; i < RPC_RESETS_MAX; i++) {
		struct body body = {.open = true};
		int32_t stream = call(client, "/log.v1.Log/Produce", &body, NULL, NULL);
		exchange(client);
		nghttp2_submit_rst_stream(client->session, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
		exchange(client);
		assert_false(client->door.rpc.connections->leaving);
	}
	struct body body = {.open = true};
	int32_t stream = call(client, "/log.v1.Log/Produce", &body, NULL, NULL);
	exchange(client);
	nghttp2_submit_rst_stream(client->session, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
	exchange(client);
	assert_true(client->door.destroyed);
}

static void who_only_chatters_is_told_to_be_calm(void **state)
{
	struct client *client = *state;
	exchange(client);
	size_t count = 0;
	for (; !client->door.destroyed && count < 2 * RPC_CHATTER_MAX; count++) {
		nghttp2_submit_ping(client->session, NGHTTP2_FLAG_NONE, NULL);
		exchange(client);
	}
	/* The settings of the greeting are one, too. */
	assert_int_equal(count, RPC_CHATTER_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_append_is_answered_when_it_is_done, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_under_way_at_its_deadline_is_unknown, set_up, tear_down),
		cmocka_unit_test_setup_teardown(refused_and_unknown_are_kept_apart, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_finds_the_queue_full_waits_for_room, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_waits_too_long_for_room_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_more_is_taken_from_a_stream_than_may_be_under_way, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(no_more_is_read_than_the_client_takes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_watches_is_told_when_there_is_room, set_up, tear_down),
		cmocka_unit_test_setup_teardown(too_large_headers_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_more_calls_are_under_way_than_may_be, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_resets_too_many_calls_is_told_to_be_calm, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_only_chatters_is_told_to_be_calm, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
