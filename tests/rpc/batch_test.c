/* Produce with many values in a request, and under a session. */
#include "tests/rpc/client.h"

#include "proto/log.pb-c.h"
#include "rpc/batch.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PRODUCE "/log.v1.Log/Produce"
#define STREAM "/log.v1.Log/ProduceStream"

static Log__V1__ProduceRequest *request_of(size_t count, size_t size)
{
	static Log__V1__ProduceRequest request;
	static ProtobufCBinaryData values[BATCH_VALUES_MAX + 1];
	static uint8_t bytes[SERVICE_RECORD_SIZE_MAX + 1];
	log__v1__produce_request__init(&request);
	for (size_t i = 0; i < count; i++)
		values[i] = (ProtobufCBinaryData){.data = bytes, .len = size};
	request.values = values;
	request.n_values = count;
	return &request;
}

static Log__V1__ProduceRequest *under_session(uint64_t session, uint64_t key, uint64_t sequence)
{
	Log__V1__ProduceRequest *request = request_of(1, 1);
	request->session = session;
	request->session_key = key;
	request->sequence = sequence;
	return request;
}

static void assert_ended(const struct client *client, int32_t stream, const char *status, const char *words)
{
	const struct ended *call = &client->calls[stream];
	assert_true(call->closed);
	assert_string_equal(call->status, status);
	assert_string_equal(call->outcome, status[0] == '0' ? "" : "refused");
	if (strstr(call->message, words) == NULL)
		fail_msg("%s is not in %s", words, call->message);
}

static void a_batch_is_appended_at_once_and_answered_once(void **state)
{
	struct client *client = *state;
	struct door *door = &client->door;
	int32_t first = client_ask(client, PRODUCE, &request_of(1000, 7)->base);
	int32_t second = client_ask(client, PRODUCE, &request_of(3, 0)->base);
	assert_int_equal(door->append_count, 2);
	assert_int_equal(door->count, 1003);
	assert_int_equal(door->records[999].size, 7);
	assert_int_equal(door->records[1002].size, 0);
	door_answer(door);
	client_exchange(client);
	assert_ended(client, first, "0", "");
	assert_ended(client, second, "0", "");
	Log__V1__ProduceResponse *response = client_answer(client, second, &log__v1__produce_response__descriptor);
	assert_int_equal(response->offset, 1000);
	log__v1__produce_response__free_unpacked(response, NULL);
	assert_int_equal(client->calls[second].size, FRAMING_HEAD_SIZE + 3);
}

static void the_largest_batch_is_taken_and_no_larger_one(void **state)
{
	struct client *client = *state;
	struct arena *arena = &client->door.rpc.arena;
	static uint8_t packed[3 << 20];
	/* As many values as may be, which fill a message. */
	const size_t each = (FRAMING_SIZE_MAX - BATCH_VALUES_MAX * 3) / BATCH_VALUES_MAX;
	size_t size = protobuf_c_message_pack(&request_of(BATCH_VALUES_MAX, each)->base, packed);
	assert_in_range(size, FRAMING_SIZE_MAX - 2 * BATCH_VALUES_MAX, FRAMING_SIZE_MAX);
	const Log__V1__ProduceRequest *found = arena_unpack(arena, &log__v1__produce_request__descriptor, packed, size);
	assert_non_null(found);
	assert_null(batch_check(found));
	int32_t stream = client_ask(client, PRODUCE, &request_of(BATCH_VALUES_MAX + 1, 1)->base);
	assert_ended(client, stream, "3", "at most 65536 values");
	stream = client_ask(client, PRODUCE, &request_of(1, SERVICE_RECORD_SIZE_MAX + 1)->base);
	assert_ended(client, stream, "3", "1044480");
	/* More than there is memory for. */
	for (size = 0; size < FRAMING_SIZE_MAX; size += 3)
		memcpy(packed + size, "\xa2\x01", 3);
	assert_null(arena_unpack(arena, &log__v1__produce_request__descriptor, packed, size - 3));
	assert_int_equal(client->door.count, 0);
}

static void requests_that_say_two_things_are_refused(void **state)
{
	struct client *client = *state;
	Log__V1__Record record = LOG__V1__RECORD__INIT;
	Log__V1__ProduceRequest *request = request_of(0, 0);
	assert_ended(client, client_ask(client, PRODUCE, &request->base), "3", "no record");
	request = request_of(1, 1);
	request->record = &record;
	assert_ended(client, client_ask(client, PRODUCE, &request->base), "3", "values besides");
	assert_ended(client, client_ask(client, PRODUCE, &under_session(0, 1, 0)->base), "3", "no session");
	assert_ended(client, client_ask(client, PRODUCE, &under_session(0, 0, 1)->base), "3", "no session");
	assert_ended(client, client_ask(client, PRODUCE, &under_session(1, 0, 1)->base), "3", "needs its key");
	assert_ended(client, client_ask(client, PRODUCE, &under_session(1, 1, 0)->base), "3", "needs its key");
	assert_ended(client, client_ask(client, PRODUCE, &under_session(1, 1, UINT64_MAX)->base), "3", "malformed");
	assert_int_equal(client->door.append_count, 0);
}

static void a_session_goes_along(void **state)
{
	struct client *client = *state;
	struct door *door = &client->door;
	Log__V1__ProduceRequest *request = under_session(UINT64_MAX, 5, 9);
	request->condition_case = LOG__V1__PRODUCE_REQUEST__CONDITION_EXPECTED_OFFSET;
	request->expected_offset = 3;
	client_ask(client, PRODUCE, &request->base);
	assert_int_equal(door->append_count, 1);
	assert_int_equal(door->appends[0]->session, UINT64_MAX);
	assert_int_equal(door->appends[0]->session_key, 5);
	assert_int_equal(door->appends[0]->sequence, 9);
	assert_int_equal(door->appends[0]->expected, 3);
	door_answer(door);
	client_ask(client, PRODUCE, &under_session(1, 2, 3)->base);
	assert_int_equal(door->appends[0]->expected, SERVICE_ANYWHERE);
}

static void what_a_session_refuses_is_told(void **state)
{
	static const struct {
		int failure;
		const char *status, *error, *words;
	} all[] = {{-EKEYEXPIRED, "10", "EKEYEXPIRED", "session has ended"}, {-EINVAL, "3", "EINVAL", "another key"}};
	struct client *client = *state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		client->door.failure = all[i].failure;
		int32_t stream = client_ask(client, PRODUCE, &under_session(1, 1, 1)->base);
		door_answer(&client->door);
		client_exchange(client);
		assert_ended(client, stream, all[i].status, all[i].words);
		assert_string_equal(client->calls[stream].error, all[i].error);
	}
}

/* Puts a request into a body, with its head. */
static void put(struct body *body, unsigned char *bytes, const Log__V1__ProduceRequest *request)
{
	const size_t size = protobuf_c_message_pack(&request->base, bytes + body->size + FRAMING_HEAD_SIZE);
	framing_head((uint32_t)size, bytes + body->size);
	body->size += FRAMING_HEAD_SIZE + size;
}

static void requests_of_a_stream_stay_apart_where_they_must(void **state)
{
	struct client *client = *state;
	struct door *door = &client->door;
	static unsigned char bytes[4096];
	struct body body = {.data = bytes};
	Log__V1__Record record = LOG__V1__RECORD__INIT;
	Log__V1__ProduceRequest plain = LOG__V1__PRODUCE_REQUEST__INIT;
	plain.record = &record;
	put(&body, bytes, &plain);
	put(&body, bytes, &plain);
	put(&body, bytes, under_session(1, 2, 1));
	put(&body, bytes, under_session(1, 2, 2));
	put(&body, bytes, request_of(3, 1));
	put(&body, bytes, &plain);
	put(&body, bytes, &plain);
	int32_t stream = client_call(client, STREAM, &body, NULL, NULL);
	client_exchange(client);
	static const uint32_t counts[] = {2, 1, 1, 3, 2};
	assert_int_equal(door->append_count, 5);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(door->appends[i]->count, counts[i]);
		assert_int_equal(door->appends[i]->session, i == 1 || i == 2 ? 1 : 0);
	}
	door_answer(door);
	client_exchange(client);
	assert_ended(client, stream, "0", "");
	/* Seven requests, seven answers; that of offset 0 is empty. */
	static const unsigned char offsets[] = {0, 1, 2, 3, 4, 7, 8};
	size_t at = 0;
	for (size_t i = 0; i < sizeof offsets; i++) {
		const unsigned char *data = client->calls[stream].data + at;
		assert_int_equal(data[4] == 0 ? 0 : data[6], offsets[i]);
		at += FRAMING_HEAD_SIZE + data[4];
	}
	assert_int_equal(client->calls[stream].size, at);
}

static void no_more_of_a_session_is_under_way_than_it_knows(void **state)
{
	struct client *client = *state;
	struct door *door = &client->door;
	static unsigned char bytes[8192];
	struct body body = {.data = bytes};
	for (uint64_t i = 1; i <= 2 * SERVICE_SESSION_BATCHES; i++)
		put(&body, bytes, under_session(1, 2, i));
	int32_t stream = client_call(client, STREAM, &body, NULL, NULL);
	client_exchange(client);
	assert_int_equal(door->append_count, SERVICE_SESSION_BATCHES);
	door_answer(door);
	client_exchange(client);
	door_answer(door);
	client_exchange(client);
	assert_ended(client, stream, "0", "");
	assert_int_equal(door->count, 2 * SERVICE_SESSION_BATCHES);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, client_set_up, client_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_batch_is_appended_at_once_and_answered_once),
		TEST(the_largest_batch_is_taken_and_no_larger_one),
		TEST(requests_that_say_two_things_are_refused),
		TEST(a_session_goes_along),
		TEST(what_a_session_refuses_is_told),
		TEST(requests_of_a_stream_stay_apart_where_they_must),
		TEST(no_more_of_a_session_is_under_way_than_it_knows),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
