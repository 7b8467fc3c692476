/* What a client may ask for, and what waits for it, has bounds. The client is nghttp2's own, or frames by hand. */
#include "tests/rpc/client.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void an_append_is_answered_when_it_is_done(void **state)
{
	struct client *client = *state;
	unsigned char bytes[128];
	struct body body = client_message(bytes, 10);
	int32_t stream = client_call(client, "/log.v1.Log/Produce", &body, NULL, NULL);
	client_exchange(client);
	assert_int_equal(client->door.count, 1);
	assert_false(client->calls[stream].closed);
	door_answer(&client->door);
	client_exchange(client);
	assert_true(client->calls[stream].closed);
	assert_string_equal(client->calls[stream].status, "0");
}

static void what_is_under_way_at_its_deadline_is_unknown(void **state)
{
	struct client *client = *state;
	unsigned char bytes[128];
	struct body body = client_message(bytes, 10);
	int32_t stream = client_call(client, "/log.v1.Log/Produce", &body, "grpc-timeout", "1S");
	client_exchange(client);
	calls_tick(&client->door.rpc, rpc_now(&client->door.rpc) + 999);
	client_exchange(client);
	assert_false(client->calls[stream].closed);
	calls_tick(&client->door.rpc, rpc_now(&client->door.rpc) + 1000);
	client_exchange(client);
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
		struct body body = client_message(bytes, 10);
		client->door.failure = all[i].failure;
		int32_t stream = client_call(client, "/log.v1.Log/Produce", &body, NULL, NULL);
		client_exchange(client);
		door_answer(&client->door);
		client_exchange(client);
		assert_string_equal(client->calls[stream].status, all[i].status);
		assert_string_equal(client->calls[stream].outcome, all[i].outcome);
	}
}

static void who_finds_the_queue_full_waits_for_room(void **state)
{
	struct client *client = *state;
	unsigned char bytes[128];
	struct body body = client_message(bytes, 10);
	client->door.full = 2;
	int32_t stream = client_call(client, "/log.v1.Log/Produce", &body, NULL, NULL);
	client_exchange(client);
	door_make_room(&client->door); /* and it is full again */
	client_exchange(client);
	assert_int_equal(client->door.count, 0);
	assert_false(client->calls[stream].closed);
	door_make_room(&client->door);
	assert_int_equal(client->door.count, 1);
	door_answer(&client->door);
	client_exchange(client);
	assert_string_equal(client->calls[stream].status, "0");
}

static void who_waits_too_long_for_room_is_refused(void **state)
{
	struct client *client = *state;
	unsigned char bytes[128];
	struct body body = client_message(bytes, 10);
	client->door.full = 1;
	int32_t stream = client_call(client, "/log.v1.Log/Produce", &body, NULL, NULL);
	client_exchange(client);
	produce_tick(&client->door.rpc, rpc_now(&client->door.rpc) + RPC_ROOM_MS);
	client_exchange(client);
	assert_false(client->calls[stream].closed);
	produce_tick(&client->door.rpc, rpc_now(&client->door.rpc) + RPC_ROOM_MS + 1);
	client_exchange(client);
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
		client_message(all + i * one, 90);
	struct body body = {.data = all, .size = count * one};
	int32_t stream = client_call(client, "/log.v1.Log/ProduceStream", &body, NULL, NULL);
	client->door.full = UINT32_MAX;
	client_exchange(client);
	/* What the window lets through, and nothing else: it is not given back. */
	assert_true(client->door.rpc.input_size <= 4 * RPC_WINDOW_SIZE);
	assert_int_equal(client->door.count, 0);
	client->door.full = 0;
	door_make_room(&client->door);
	for (int i = 0; i < 100 && !client->calls[stream].closed; i++) {
		client_exchange(client);
		door_answer(&client->door);
	}
	client_exchange(client);
	assert_string_equal(client->calls[stream].status, "0");
	assert_int_equal(client->door.count, count);
	free(all);
}

static void no_more_is_read_than_the_client_takes(void **state)
{
	struct client *client = *state;
	struct door *door = &client->door;
	unsigned char bytes[FRAMING_HEAD_SIZE];
	client_exchange(client);
	for (size_t i = 0; i < 100; i++) {
		door->records[door->count].data = calloc(1, 1 << 16);
		door->records[door->count++].size = 1 << 16;
	}
	/* Its window is closed after 64 KiB. */
	nghttp2_session_set_local_window_size(client->session, NGHTTP2_FLAG_NONE, 0, 65535);
	struct body body = client_message(bytes, 0);
	int32_t stream = client_call(client, "/log.v1.Log/ConsumeStream", &body, NULL, NULL);
	const uint8_t *data;
	ssize_t size;
	while ((size = nghttp2_session_mem_send(client->session, &data)) > 0)
		door_feed(door, data, (size_t)size);
	const struct connection *connection = door->rpc.connections;
	assert_in_range(connection->output_size, 1, RPC_OUTPUT_SIZE + (1 << 16) + 64);
	client_exchange(client);
	/* Who takes it gets it all. */
	assert_true(client->calls[stream].size > 100u << 16);
	assert_int_equal(connection->output_size, 0);
}

static void who_watches_is_told_when_there_is_room(void **state)
{
	struct client *client = *state;
	struct door *door = &client->door;
	unsigned char bytes[2][FRAMING_HEAD_SIZE];
	struct body watch = client_message(bytes[0], 0), follow = client_message(bytes[1], 0);
	int32_t watched = client_call(client, "/grpc.health.v1.Health/Watch", &watch, NULL, NULL);
	client_exchange(client);
	const size_t told = client->calls[watched].size;
	assert_int_equal(told, FRAMING_HEAD_SIZE + 2);
	for (size_t i = 0; i < 20; i++) {
		door->records[door->count].data = calloc(1, 1 << 19);
		door->records[door->count++].size = 1 << 19;
	}
	client_call(client, "/log.v1.Log/ConsumeStream", &follow, NULL, NULL);
	const uint8_t *data;
	ssize_t size;
	while ((size = nghttp2_session_mem_send(client->session, &data)) > 0)
		door_feed(door, data, (size_t)size);
	door->leader = 0;
	health_tick(&door->rpc);
	client_exchange(client);
	assert_int_equal(client->calls[watched].size, told);
	health_tick(&door->rpc);
	client_exchange(client);
	assert_int_equal(client->calls[watched].size, 2 * told);
}

static void too_large_headers_are_refused(void **state)
{
	struct client *client = *state;
	static char value[REQUEST_HEADERS_SIZE_MAX];
	unsigned char bytes[FRAMING_HEAD_SIZE];
	memset(value, 'v', sizeof value - 1);
	struct body body = client_message(bytes, 0);
	int32_t stream = client_call(client, "/log.v1.Log/Consume", &body, "large", value);
	client_exchange(client);
	assert_string_equal(client->calls[stream].status, "8");
}

static void no_more_calls_are_under_way_than_may_be(void **state)
{
	struct client *client = *state;
	unsigned char bytes[FRAMING_HEAD_SIZE];
	for (size_t i = 0; i < RPC_STREAMS_MAX + 50; i++) {
		struct body body = client_message(bytes, 0);
		client_call(client, "/log.v1.Log/ConsumeStream", &body, NULL, NULL);
		client_exchange(client);
	}
	assert_int_equal(client->door.rpc.connections->call_count, RPC_STREAMS_MAX);
}

static void who_resets_too_many_calls_is_told_to_be_calm(void **state)
{
	struct client *client = *state;
	client_exchange(client);
	for (size_t i = 0; i < RPC_RESETS_MAX; i++) {
		struct body body = {.open = true};
		int32_t stream = client_call(client, "/log.v1.Log/Produce", &body, NULL, NULL);
		client_exchange(client);
		nghttp2_submit_rst_stream(client->session, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
		client_exchange(client);
		assert_false(client->door.rpc.connections->leaving);
	}
	struct body body = {.open = true};
	int32_t stream = client_call(client, "/log.v1.Log/Produce", &body, NULL, NULL);
	client_exchange(client);
	nghttp2_submit_rst_stream(client->session, NGHTTP2_FLAG_NONE, stream, NGHTTP2_CANCEL);
	client_exchange(client);
	assert_true(client->door.destroyed);
}

static void who_only_chatters_is_told_to_be_calm(void **state)
{
	struct client *client = *state;
	client_exchange(client);
	size_t count = 0;
	for (; !client->door.destroyed && count < 2 * RPC_CHATTER_MAX; count++) {
		nghttp2_submit_ping(client->session, NGHTTP2_FLAG_NONE, NULL);
		client_exchange(client);
	}
	/* The settings of the greeting are one, too. */
	assert_int_equal(count, RPC_CHATTER_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_append_is_answered_when_it_is_done, client_set_up, client_tear_down),
		cmocka_unit_test_setup_teardown(what_is_under_way_at_its_deadline_is_unknown, client_set_up,
	                                        client_tear_down),
		cmocka_unit_test_setup_teardown(refused_and_unknown_are_kept_apart, client_set_up, client_tear_down),
		cmocka_unit_test_setup_teardown(who_finds_the_queue_full_waits_for_room, client_set_up,
	                                        client_tear_down),
		cmocka_unit_test_setup_teardown(who_waits_too_long_for_room_is_refused, client_set_up,
	                                        client_tear_down),
		cmocka_unit_test_setup_teardown(no_more_is_taken_from_a_stream_than_may_be_under_way, client_set_up,
	                                        client_tear_down),
		cmocka_unit_test_setup_teardown(no_more_is_read_than_the_client_takes, client_set_up, client_tear_down),
		cmocka_unit_test_setup_teardown(who_watches_is_told_when_there_is_room, client_set_up,
	                                        client_tear_down),
		cmocka_unit_test_setup_teardown(too_large_headers_are_refused, client_set_up, client_tear_down),
		cmocka_unit_test_setup_teardown(no_more_calls_are_under_way_than_may_be, client_set_up,
	                                        client_tear_down),
		cmocka_unit_test_setup_teardown(who_resets_too_many_calls_is_told_to_be_calm, client_set_up,
	                                        client_tear_down),
		cmocka_unit_test_setup_teardown(who_only_chatters_is_told_to_be_calm, client_set_up, client_tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
