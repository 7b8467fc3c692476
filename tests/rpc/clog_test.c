/* clog.v1.Clog: reads that wait for what the leader has, the state as it changes, commands and settings; and what is wrong. */
#include "tests/rpc/client.h"

#include "proto/clog.pb-c.h"
#include "proto/log.pb-c.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define READ "/clog.v1.Clog/Read"
#define WATCH "/clog.v1.Clog/Watch"
#define COMMAND "/clog.v1.Clog/Command"
#define SESSION "/clog.v1.Clog/OpenSession"
#define SETTINGS "/clog.v1.Clog/GetSettings"

static void add_record(struct door *door, size_t size)
{
	door->records[door->count].data = calloc(1, size + 1);
	door->records[door->count++].size = (uint32_t)size;
}

static void assert_ended(const struct client *client, int32_t stream, const char *status, const char *error,
                         const char *outcome)
{
	const struct ended *call = &client->calls[stream];
	assert_true(call->closed);
	assert_string_equal(call->status, status);
	assert_string_equal(call->error, error);
	assert_string_equal(call->outcome, outcome);
}

/* ---- Read ---- */

static void what_is_here_is_read(void **state)
{
	struct client *client = *state;
	add_record(&client->door, 9);
	Clog__V1__ReadRequest request = CLOG__V1__READ_REQUEST__INIT;
	for (request.kind = SERVICE_STAT; request.kind <= SERVICE_STREAM; request.kind++) {
		int32_t stream = client_ask(client, READ, &request.base);
		assert_ended(client, stream, "0", "", "");
		Clog__V1__ReadResponse *response = client_answer(client, stream, &clog__v1__read_response__descriptor);
		assert_int_equal(response->size, request.kind == SERVICE_STREAM ? 0 : 9);
		assert_int_equal(response->data.len, request.kind == SERVICE_RECORD ? 9 : 0);
		clog__v1__read_response__free_unpacked(response, NULL);
	}
	request.kind = SERVICE_RECORD;
	request.offset = 1;
	assert_ended(client, client_ask(client, READ, &request.base), "11", "ENOENT", "");
	assert_int_equal(client->door.command_count, 0);
}

static void a_read_waits_until_the_log_is_here_as_far_as_the_leader_has_it(void **state)
{
	struct client *client = *state;
	struct door *door = &client->door;
	Clog__V1__ReadRequest request = CLOG__V1__READ_REQUEST__INIT;
	request.kind = SERVICE_RECORD;
	request.offset = 1;
	request.least_offset = 2;
	add_record(door, 1);
	add_record(door, 2);
	door->behind = 1;
	int32_t stream = client_ask(client, READ, &request.base);
	assert_int_equal(door->command_count, 1);
	assert_int_equal(door->commands[0]->kind, SERVICE_END);
	door_answer(door);
	client_exchange(client);
	assert_false(client->calls[stream].closed);
	assert_int_equal(door->served, 0);
	door->behind = 0;
	service_tell_more(&door->service);
	client_exchange(client);
	assert_ended(client, stream, "0", "", "");
	/* A log that ends before is not waited for. */
	request.offset = 7;
	request.least_offset = UINT64_MAX;
	stream = client_ask(client, READ, &request.base);
	door_answer(door);
	client_exchange(client);
	assert_ended(client, stream, "11", "ENOENT", "");
}

static void a_read_that_waits_ends_with_its_time(void **state)
{
	struct client *client = *state;
	struct door *door = &client->door;
	Clog__V1__ReadRequest request = CLOG__V1__READ_REQUEST__INIT;
	request.least_offset = 1;
	add_record(door, 1);
	door->behind = 1;
	/* It waits for the leader, for the record, and for nothing any more. */
	int32_t asks = client_ask(client, READ, &request.base);
	calls_tick(&door->rpc, rpc_now(&door->rpc) + RPC_ANSWER_MS);
	client_exchange(client);
	assert_ended(client, asks, "4", "ETIMEDOUT", "");
	door_answer(door);
	int32_t waits = client_ask(client, READ, &request.base);
	door_answer(door);
	client_exchange(client);
	assert_false(client->calls[waits].closed);
	assert_non_null(door->service.watches);
	calls_tick(&door->rpc, rpc_now(&door->rpc) + RPC_ANSWER_MS);
	client_exchange(client);
	assert_ended(client, waits, "4", "ETIMEDOUT", "");
	assert_null(door->service.watches);
	/* And without a leader it fails. */
	door->command_failure = -EHOSTUNREACH;
	int32_t fails = client_ask(client, READ, &request.base);
	door_answer(door);
	client_exchange(client);
	assert_ended(client, fails, "14", "EHOSTUNREACH", "");
}

static void a_read_that_waits_ends_when_the_member_stops(void **state)
{
	struct client *client = *state;
	struct door *door = &client->door;
	Clog__V1__ReadRequest request = CLOG__V1__READ_REQUEST__INIT;
	Log__V1__ConsumeRequest consume = LOG__V1__CONSUME_REQUEST__INIT;
	request.least_offset = 1;
	add_record(door, 1);
	door->behind = 1;
	int32_t read = client_ask(client, READ, &request.base);
	int32_t consumed = client_ask(client, "/log.v1.Log/Consume", &consume.base);
	door_answer(door);
	client_exchange(client);
	assert_false(client->calls[read].closed);
	assert_false(client->calls[consumed].closed);
	connection_drain(door->rpc.connections);
	client_exchange(client);
	assert_ended(client, read, "14", "ESHUTDOWN", "");
	assert_ended(client, consumed, "14", "ESHUTDOWN", "");
}

static void reads_that_are_none_are_refused(void **state)
{
	struct client *client = *state;
	Clog__V1__ReadRequest request = CLOG__V1__READ_REQUEST__INIT;
	request.kind = SERVICE_STREAM + 1;
	assert_ended(client, client_ask(client, READ, &request.base), "3", "EINVAL", "");
	request.kind = UINT32_MAX;
	assert_ended(client, client_ask(client, READ, &request.base), "3", "EINVAL", "");
	request.kind = SERVICE_STREAM;
	request.size = SERVICE_READ_SIZE_MAX + 1;
	assert_ended(client, client_ask(client, READ, &request.base), "3", "EINVAL", "");
	request.size = SERVICE_READ_SIZE_MAX;
	assert_ended(client, client_ask(client, READ, &request.base), "0", "", "");
}

/* ---- Watch ---- */

/* How many states have come, and the last one's numbers. */
static size_t states(const struct client *client, int32_t stream, uint64_t *next_offset, size_t *member_count)
{
	const struct ended *call = &client->calls[stream];
	size_t count = 0;
	assert_true(call->size <= sizeof call->data);
	for (size_t at = 0; at < call->size; count++) {
		const size_t size = (size_t)call->data[at + 3] << 8 | call->data[at + 4];
		Clog__V1__State *told = clog__v1__state__unpack(NULL, size, call->data + at + FRAMING_HEAD_SIZE);
		*next_offset = told->next_offset;
		*member_count = told->n_members;
		clog__v1__state__free_unpacked(told, NULL);
		at += FRAMING_HEAD_SIZE + size;
	}
	return count;
}

static void who_watches_is_told_at_once_and_of_each_change(void **state)
{
	struct client *client = *state;
	struct door *door = &client->door;
	Clog__V1__WatchRequest request = CLOG__V1__WATCH_REQUEST__INIT;
	uint64_t next_offset;
	size_t member_count;
	int32_t stream = client_ask(client, WATCH, &request.base);
	assert_int_equal(states(client, stream, &next_offset, &member_count), 1);
	assert_int_equal(next_offset, 0);
	assert_int_equal(member_count, 1);
	watch_tick(&door->rpc);
	client_exchange(client);
	assert_int_equal(states(client, stream, &next_offset, &member_count), 1);
	add_record(door, 1);
	service_tell_more(&door->service);
	client_exchange(client);
	assert_int_equal(states(client, stream, &next_offset, &member_count), 2);
	assert_int_equal(next_offset, 1);
	assert_int_equal(member_count, 0);
	/* That another leads is told with the tick. */
	door->leader = 2;
	watch_tick(&door->rpc);
	client_exchange(client);
	assert_int_equal(states(client, stream, &next_offset, &member_count), 3);
	assert_false(client->calls[stream].closed);
}

static void no_more_than_one_state_waits_for_its_client(void **state)
{
	struct client *client = *state;
	struct door *door = &client->door;
	Clog__V1__WatchRequest request = CLOG__V1__WATCH_REQUEST__INIT;
	uint64_t next_offset;
	size_t member_count;
	int32_t stream = client_ask(client, WATCH, &request.base);
	const size_t told = states(client, stream, &next_offset, &member_count);
	for (size_t i = 0; i < 100; i++) {
		add_record(door, 1);
		service_tell_more(&door->service);
		watch_tick(&door->rpc);
		assert_in_range(door->rpc.connections->output_size, 1, 64);
	}
	client_exchange(client);
	assert_int_equal(states(client, stream, &next_offset, &member_count), told + 2);
	assert_int_equal(next_offset, 100);
}

/* ---- Command ---- */

static void a_command_is_answered_when_it_is_done(void **state)
{
	struct client *client = *state;
	struct door *door = &client->door;
	Clog__V1__CommandRequest request = CLOG__V1__COMMAND_REQUEST__INIT;
	uint8_t value[] = "value";
	request.kind = SERVICE_SET;
	request.key = (char *)"first/ci";
	request.setting.data = value;
	request.setting.len = sizeof value;
	int32_t stream = client_ask(client, COMMAND, &request.base);
	assert_int_equal(door->command_count, 1);
	/* Another one takes the place in which the message was. */
	request.key = (char *)"other/xx";
	request.setting.len = 0;
	int32_t other = client_ask(client, COMMAND, &request.base);
	assert_string_equal(door->commands[0]->key, "first/ci");
	assert_memory_equal(door->commands[0]->setting, value, sizeof value);
	assert_int_equal(door->commands[1]->setting_size, 0);
	add_record(door, 1);
	door_answer(door);
	client_exchange(client);
	assert_ended(client, stream, "0", "", "");
	assert_ended(client, other, "0", "", "");
	Clog__V1__CommandResponse *response = client_answer(client, stream, &clog__v1__command_response__descriptor);
	assert_int_equal(response->value, 1);
	clog__v1__command_response__free_unpacked(response, NULL);
}

static void each_failure_of_a_command_is_told(void **state)
{
	static const struct {
		int failure;
		const char *status, *error, *outcome;
	} all[] = {{-EINVAL, "3", "EINVAL", "refused"},
	           {-ENOENT, "5", "ENOENT", "refused"},
	           {-EBUSY, "9", "EBUSY", "refused"},
	           {-ENOSPC, "8", "ENOSPC", "refused"},
	           {-EHOSTUNREACH, "14", "EHOSTUNREACH", "refused"},
	           {-ETIMEDOUT, "4", "ETIMEDOUT", "unknown"},
	           {-ECONNABORTED, "2", "ECONNABORTED", "unknown"}};
	struct client *client = *state;
	Clog__V1__CommandRequest request = CLOG__V1__COMMAND_REQUEST__INIT;
	request.kind = SERVICE_TRIM;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		client->door.command_failure = all[i].failure;
		int32_t stream = client_ask(client, COMMAND, &request.base);
		door_answer(&client->door);
		client_exchange(client);
		assert_ended(client, stream, all[i].status, all[i].error, all[i].outcome);
	}
	/* To ask for the end changes nothing. */
	request.kind = SERVICE_END;
	int32_t stream = client_ask(client, COMMAND, &request.base);
	door_answer(&client->door);
	client_exchange(client);
	assert_ended(client, stream, "2", "ECONNABORTED", "");
}

static void a_command_under_way_at_its_deadline_is_unknown(void **state)
{
	struct client *client = *state;
	struct door *door = &client->door;
	Clog__V1__CommandRequest request = CLOG__V1__COMMAND_REQUEST__INIT;
	request.kind = SERVICE_REMOVE;
	int32_t stream = client_ask_as(client, COMMAND, &request.base, "grpc-timeout", "1S", NULL);
	calls_tick(&door->rpc, rpc_now(&door->rpc) + 1000);
	client_exchange(client);
	assert_ended(client, stream, "4", "ETIMEDOUT", "unknown");
	door_answer(door);
}

static void commands_that_are_none_are_refused(void **state)
{
	struct client *client = *state;
	char key[SERVICE_KEY_SIZE + 1];
	Clog__V1__CommandRequest request = CLOG__V1__COMMAND_REQUEST__INIT;
	static const uint32_t kinds[] = {SERVICE_OPEN_SESSION, SERVICE_OPEN_SESSION + 1, UINT32_MAX};
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		request.kind = kinds[i];
		assert_ended(client, client_ask(client, COMMAND, &request.base), "3", "EINVAL", "refused");
	}
	request.kind = SERVICE_SET_ROLE;
	request.role = SERVICE_SPARE + 1;
	assert_ended(client, client_ask(client, COMMAND, &request.base), "3", "EINVAL", "refused");
	request.role = 0;
	request.kind = SERVICE_SET;
	memset(key, 'k', sizeof key - 1);
	key[SERVICE_KEY_SIZE] = '\0';
	request.key = key;
	assert_ended(client, client_ask(client, COMMAND, &request.base), "3", "EINVAL", "refused");
	key[0] = '\0';
	assert_ended(client, client_ask(client, COMMAND, &request.base), "3", "EINVAL", "refused");
	request.key = (char *)"key";
	request.setting.len = SERVICE_VALUE_SIZE_MAX + 1;
	request.setting.data = calloc(1, request.setting.len);
	assert_ended(client, client_ask(client, COMMAND, &request.base), "3", "EMSGSIZE", "refused");
	assert_int_equal(client->door.command_count, 0);
	request.setting.len--;
	client_ask(client, COMMAND, &request.base);
	assert_int_equal(client->door.command_count, 1);
	free(request.setting.data);
	/* What nobody could read of who may do what is not taken. */
	request.setting = (ProtobufCBinaryData){.data = (uint8_t *)"p, alice", .len = 8};
	request.key = (char *)"acl";
	assert_ended(client, client_ask(client, COMMAND, &request.base), "3", "EINVAL", "refused");
	request.key = (char *)"token/ci";
	assert_ended(client, client_ask(client, COMMAND, &request.base), "3", "EINVAL", "refused");
	assert_int_equal(client->door.command_count, 1);
	/* A key that has a NUL in it is not taken for what stands before. */
	unsigned char bytes[] = {0, 0, 0, 0, 7, 8, SERVICE_SET, 0x3a, 3, 'a', 0, 'b'};
	struct body body = {.data = bytes, .size = sizeof bytes};
	int32_t stream = client_call(client, COMMAND, &body, NULL, NULL);
	client_exchange(client);
	assert_ended(client, stream, "3", "EINVAL", "refused");
}

static void a_session_is_opened_with_a_key(void **state)
{
	struct client *client = *state;
	Clog__V1__OpenSessionRequest request = CLOG__V1__OPEN_SESSION_REQUEST__INIT;
	assert_ended(client, client_ask(client, SESSION, &request.base), "3", "EINVAL", "refused");
	request.key = UINT64_MAX;
	add_record(&client->door, 1);
	int32_t stream = client_ask(client, SESSION, &request.base);
	assert_int_equal(client->door.commands[0]->kind, SERVICE_OPEN_SESSION);
	assert_int_equal(client->door.commands[0]->session_key, UINT64_MAX);
	door_answer(&client->door);
	client_exchange(client);
	assert_ended(client, stream, "0", "", "");
	Clog__V1__OpenSessionResponse *response = client_answer(client, stream,
	                                                        &clog__v1__open_session_response__descriptor);
	assert_int_equal(response->session, 1);
	clog__v1__open_session_response__free_unpacked(response, NULL);
}

static void settings_are_given_by_who_knows_them(void **state)
{
	struct client *client = *state;
	struct door *door = &client->door;
	Clog__V1__GetSettingsRequest request = CLOG__V1__GET_SETTINGS_REQUEST__INIT;
	door->settings[0] = (struct service_setting){.key = "acl", .value = "x", .size = 1};
	door->settings[1] = (struct service_setting){.key = "token/ci", .value = "a\0b", .size = 3};
	door->setting_count = 2;
	int32_t stream = client_ask(client, SETTINGS, &request.base);
	assert_ended(client, stream, "0", "", "");
	Clog__V1__GetSettingsResponse *response = client_answer(client, stream,
	                                                        &clog__v1__get_settings_response__descriptor);
	assert_int_equal(response->n_settings, 2);
	assert_int_equal(response->settings_entry, 2);
	assert_string_equal(response->settings[1]->key, "token/ci");
	assert_memory_equal(response->settings[1]->value.data, "a\0b", 3);
	clog__v1__get_settings_response__free_unpacked(response, NULL);
	door->settings_unknown = true;
	assert_ended(client, client_ask(client, SETTINGS, &request.base), "14", "EAGAIN", "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, client_set_up, client_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_here_is_read),
		TEST(a_read_waits_until_the_log_is_here_as_far_as_the_leader_has_it),
		TEST(a_read_that_waits_ends_with_its_time),
		TEST(a_read_that_waits_ends_when_the_member_stops),
		TEST(reads_that_are_none_are_refused),
		TEST(who_watches_is_told_at_once_and_of_each_change),
		TEST(no_more_than_one_state_waits_for_its_client),
		TEST(a_command_is_answered_when_it_is_done),
		TEST(each_failure_of_a_command_is_told),
		TEST(a_command_under_way_at_its_deadline_is_unknown),
		TEST(commands_that_are_none_are_refused),
		TEST(a_session_is_opened_with_a_key),
		TEST(settings_are_given_by_who_knows_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
