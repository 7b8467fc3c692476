/* Memory that runs out at any moment: the call it was for fails, or its connection ends, and nothing is left behind. */
#include "tests/disk/allocation.h"
#include "tests/rpc/client.h"

#include "proto/clog.pb-c.h"
#include "proto/health.pb-c.h"
#include "proto/log.pb-c.h"
#include "proto/reflection.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define STREAMED 20u

static Log__V1__Record record = LOG__V1__RECORD__INIT;
static Log__V1__ProduceRequest one = LOG__V1__PRODUCE_REQUEST__INIT, many = LOG__V1__PRODUCE_REQUEST__INIT;
static Log__V1__ConsumeRequest consume = LOG__V1__CONSUME_REQUEST__INIT;
static Log__V1__GetServersRequest servers = LOG__V1__GET_SERVERS_REQUEST__INIT;
static Grpc__Health__V1__HealthCheckRequest health = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
static Clog__V1__ReadRequest get = CLOG__V1__READ_REQUEST__INIT;
static Clog__V1__CommandRequest end = CLOG__V1__COMMAND_REQUEST__INIT, set = CLOG__V1__COMMAND_REQUEST__INIT;
static Clog__V1__OpenSessionRequest session = CLOG__V1__OPEN_SESSION_REQUEST__INIT;
static Clog__V1__GetSettingsRequest settings = CLOG__V1__GET_SETTINGS_REQUEST__INIT;
static Grpc__Reflection__V1__ServerReflectionRequest reflection = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__INIT;
static Clog__V1__WatchRequest watch = CLOG__V1__WATCH_REQUEST__INIT;

/* All that can be called; those that go on come last. */
static const struct {
	const char *path;
	const ProtobufCMessage *message;
	size_t times;
} calls[] = {
	{"/log.v1.Log/Produce", &one.base, 1},
	{"/log.v1.Log/ProduceStream", &one.base, STREAMED},
	{"/log.v1.Log/Produce", &many.base, 1},
	{"/log.v1.Log/Consume", &consume.base, 1},
	{"/log.v1.Log/GetServers", &servers.base, 1},
	{"/grpc.health.v1.Health/Check", &health.base, 1},
	{"/clog.v1.Clog/Read", &get.base, 1},
	{"/clog.v1.Clog/Command", &end.base, 1},
	{"/clog.v1.Clog/Command", &set.base, 1},
	{"/clog.v1.Clog/OpenSession", &session.base, 1},
	{"/clog.v1.Clog/GetSettings", &settings.base, 1},
	{"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", &reflection.base, STREAMED},
	{"/log.v1.Log/ConsumeStream", &consume.base, 1},
	{"/grpc.health.v1.Health/Watch", &health.base, 1},
	{"/clog.v1.Clog/Watch", &watch.base, 1},
};
#define CALLS (sizeof calls / sizeof calls[0])
#define ENDING (CALLS - 3)

/* Makes all of them. Returns how many ended well. */
static unsigned call_all(struct client *client)
{
	static unsigned char bytes[CALLS][4096];
	struct body bodies[CALLS];
	int32_t streams[CALLS];
	unsigned well = 0;
	for (size_t i = 0; i < CALLS; i++) {
		bodies[i] = (struct body){.data = bytes[i]};
		for (size_t k = 0; k < calls[i].times; k++) {
			unsigned char *at = bytes[i] + bodies[i].size;
			const size_t size = protobuf_c_message_pack(calls[i].message, at + FRAMING_HEAD_SIZE);
			framing_head((uint32_t)size, at);
			bodies[i].size += FRAMING_HEAD_SIZE + size;
		}
		streams[i] = client_call(client, calls[i].path, &bodies[i], "grpc-timeout", "9S");
		client_exchange(client);
		door_answer(&client->door);
		client_exchange(client);
	}
	for (size_t i = 0; i < CALLS; i++)
		well += strcmp(client->calls[streams[i]].status, "0") == 0;
	return well;
}

static int set_up(void **state)
{
	static uint8_t bytes[90];
	static ProtobufCBinaryData values[50];
	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
		values[i] = (ProtobufCBinaryData){.data = bytes, .len = i};
	record.value = (ProtobufCBinaryData){.data = bytes, .len = sizeof bytes};
	one.record = &record;
	many.values = values;
	many.n_values = sizeof values / sizeof values[0];
	many.session = many.session_key = many.sequence = 1;
	set.kind = SERVICE_SET;
	set.key = (char *)"key";
	set.setting = record.value;
	session.key = 1;
	reflection.message_request_case =
		GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES;
	reflection.list_services = (char *)"";
	return 0;
}

static void every_failed_allocation_is_survived(void **state)
{
	bool fired = true;
	for (unsigned nth = 1; fired; nth++) {
		struct client *client;
		assert_int_equal(client_set_up((void **)&client), 0);
		allocation_fail(nth);
		const unsigned well = call_all(client);
		fired = allocation_fired();
		allocation_fail(0);
		assert_in_range(well, fired && client->door.destroyed ? 0 : fired ? ENDING - 1 : ENDING, ENDING);
		if (!fired)
			assert_int_equal(client->door.count, 1 + STREAMED + many.n_values);
		client_tear_down((void **)&client);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test_setup(every_failed_allocation_is_survived, set_up)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
