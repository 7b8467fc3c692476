/* Who has a token is who the token says; one that is no good is never passed over; and what goes on ends when it may not. */
#include "tests/rpc/client.h"

#include "proto/clog.pb-c.h"
#include "proto/health.pb-c.h"
#include "proto/log.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define PRODUCE "/log.v1.Log/Produce"
#define CONSUME "/log.v1.Log/Consume"
#define FOLLOW "/log.v1.Log/ConsumeStream"
#define SERVERS "/log.v1.Log/GetServers"
#define CHECK "/grpc.health.v1.Health/Check"
#define HEALTH "/grpc.health.v1.Health/Watch"
#define WATCH "/clog.v1.Clog/Watch"
#define COMMAND "/clog.v1.Clog/Command"

static Log__V1__ConsumeRequest consume = LOG__V1__CONSUME_REQUEST__INIT;
static Log__V1__GetServersRequest servers = LOG__V1__GET_SERVERS_REQUEST__INIT;
static Grpc__Health__V1__HealthCheckRequest health = GRPC__HEALTH__V1__HEALTH_CHECK_REQUEST__INIT;
static Clog__V1__WatchRequest watch = CLOG__V1__WATCH_REQUEST__INIT;
static Clog__V1__CommandRequest command = CLOG__V1__COMMAND_REQUEST__INIT;

/* What the header of the token is. */
static char bearer[AUTH_TOKEN_SIZE + 8], value[AUTH_TOKEN_VALUE_SIZE];

/* Lets a token be known that may do what the words say until then. */
static void grant(struct client *client, const char *words, uint64_t until_s)
{
	struct auth_token token = {.name = "ci", .created_s = (uint64_t)time(NULL), .until_s = until_s};
	char text[AUTH_TOKEN_SIZE];
	assert_int_equal(auth_grants_read(words, token.granted, NULL), 0);
	assert_int_equal(auth_token_create(&token, text, value, NULL), 0);
	snprintf(bearer, sizeof bearer, "Bearer %s", text);
	const struct auth_setting setting = {.key = AUTH_TOKEN_KEY "ci", .value = value, .size = strlen(value)};
	assert_int_equal(auth_access_load(client->door.rules.access, &setting, 1, NULL), 0);
}

static int set_up(void **state)
{
	client_set_up(state);
	struct client *client = *state;
	assert_int_equal(auth_access_create(&client->door.rules.access), 0);
	grant(client, "consume", 0);
	client->door.records[0].data = calloc(1, 1);
	client->door.records[client->door.count++].size = 1;
	/* As behind TLS without a certificate. */
	client->door.rpc.connections->principal = (struct auth_principal){.kind = AUTH_NOBODY};
	return 0;
}

static int tear_down(void **state)
{
	struct client *client = *state;
	struct auth_access *access = client->door.rules.access;
	client_tear_down(state);
	auth_access_destroy(access);
	return 0;
}

static void assert_status(const struct client *client, int32_t stream, const char *status, const char *words)
{
	const struct ended *call = &client->calls[stream];
	assert_true(call->closed);
	assert_string_equal(call->status, status);
	if (strstr(call->message, words) == NULL)
		fail_msg("%s is not in %s", words, call->message);
}

/* ---- Beginning ---- */

static void who_is_nobody_may_ask_for_the_health_alone(void **state)
{
	struct client *client = *state;
	assert_status(client, client_ask(client, CHECK, &health.base), "0", "");
	assert_status(client, client_ask(client, CONSUME, &consume.base), "16", "a certificate or a token is needed");
	assert_status(client, client_ask(client, SERVERS, &servers.base), "16", "a certificate or a token is needed");
	assert_status(client, client_ask(client, HEALTH, &health.base), "16", "a certificate or a token is needed");
	assert_status(client, client_ask(client, WATCH, &watch.base), "16", "a certificate or a token is needed");
	assert_status(client, client_ask(client, COMMAND, &command.base), "16", "a certificate or a token is needed");
	assert_int_equal(client->door.served, 0);
}

static void a_token_may_what_it_was_granted(void **state)
{
	struct client *client = *state;
	unsigned char bytes[128];
	assert_status(client, client_ask_as(client, CONSUME, &consume.base, "authorization", bearer, NULL), "0", "");
	assert_status(client, client_ask_as(client, SERVERS, &servers.base, "authorization", bearer, NULL), "0", "");
	struct body body = client_message(bytes, 10);
	int32_t stream = client_call(client, PRODUCE, &body, "authorization", bearer);
	client_exchange(client);
	assert_status(client, stream, "7", "token:ci may not produce");
	assert_string_equal(client->calls[stream].error, "EACCES");
	assert_string_equal(client->calls[stream].outcome, "refused");
	command.kind = SERVICE_TRIM;
	assert_status(client, client_ask_as(client, COMMAND, &command.base, "authorization", bearer, NULL), "7",
	              "token:ci may not admin");
	command.kind = SERVICE_END;
	client_ask_as(client, COMMAND, &command.base, "authorization", bearer, NULL);
	assert_int_equal(client->door.command_count, 1);
	/* The scheme's letters may be of either case. */
	memcpy(bearer, "bEARER", 6);
	assert_status(client, client_ask_as(client, CONSUME, &consume.base, "authorization", bearer, NULL), "0", "");
}

static void a_token_is_who_asks_whoever_the_connection_is(void **state)
{
	struct client *client = *state;
	struct auth_principal root = {.kind = AUTH_USER, .uid = 0};
	client->door.rpc.connections->principal = root;
	command.kind = SERVICE_TRIM;
	assert_status(client, client_ask_as(client, COMMAND, &command.base, "authorization", bearer, NULL), "7",
	              "token:ci may not admin");
	assert_int_equal(client->door.command_count, 0);
	client_ask(client, COMMAND, &command.base);
	assert_int_equal(client->door.command_count, 1);
}

static void a_token_that_is_no_good_is_never_passed_over(void **state)
{
	static char large[AUTH_BEARER_SIZE_MAX + 16];
	struct client *client = *state;
	struct auth_principal root = {.kind = AUTH_USER, .uid = 0};
	client->door.rpc.connections->principal = root;
	memset(large, 'x', sizeof large - 1);
	memcpy(large, "Bearer ", 7);
	const char *wrong[] = {
		"",    "Bearer",          "Bearer  x", "Basic cm9vdDo=", "Bearer clog_nothing", "Bearer a.b.c",
		large, "Bearer \x80\xff", "BearerX",   bearer + 7};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		int32_t stream = client_ask_as(client, CONSUME, &consume.base, "authorization", wrong[i], NULL);
		assert_status(client, stream, "16", "");
		assert_string_equal(client->calls[stream].error, "EACCES");
		assert_true(client->calls[stream].message[0] != '\0');
		/* Nothing of it is in what is said. */
		assert_null(strstr(client->calls[stream].message, "xxx"));
		assert_status(client, client_ask_as(client, CHECK, &health.base, "authorization", wrong[i], NULL), "16",
		              "");
	}
	assert_status(client, client_ask_as(client, CONSUME, &consume.base, "authorization", bearer, bearer), "16",
	              "more than one");
	assert_int_equal(client->door.served, 0);
	assert_status(client, client_ask(client, CONSUME, &consume.base), "0", "");
}

static void without_tokens_here_none_is_good(void **state)
{
	struct client *client = *state;
	struct auth_access *access = client->door.rules.access;
	client->door.rules.access = NULL;
	assert_status(client, client_ask_as(client, CONSUME, &consume.base, "authorization", bearer, NULL), "16",
	              "no tokens");
	client->door.rules.access = access;
	auth_access_forget(access);
	int32_t stream = client_ask_as(client, CONSUME, &consume.base, "authorization", bearer, NULL);
	assert_status(client, stream, "14", "yet");
	assert_string_equal(client->calls[stream].error, "EAGAIN");
}

/* ---- Going on ---- */

/* Begins what goes on for long. */
static void begin_all(struct client *client, int32_t streams[4])
{
	unsigned char bytes[FRAMING_HEAD_SIZE];
	streams[0] = client_ask_as(client, FOLLOW, &consume.base, "authorization", bearer, NULL);
	streams[1] = client_ask_as(client, WATCH, &watch.base, "authorization", bearer, NULL);
	streams[2] = client_ask_as(client, HEALTH, &health.base, "authorization", bearer, NULL);
	static struct body open;
	open = (struct body){.data = bytes, .open = true};
	streams[3] = client_call(client, "/log.v1.Log/ProduceStream", &open, "authorization", bearer);
	client_exchange(client);
	for (size_t i = 0; i < 4; i++)
		assert_false(client->calls[streams[i]].closed);
}

/* More than a second goes by. */
static void look_again(struct client *client)
{
	struct connection *connection = client->door.rpc.connections;
	allow_again(connection, connection->allowed_ms + RPC_ALLOW_MS - 1);
	client_exchange(client);
	allow_again(connection, connection->allowed_ms + RPC_ALLOW_MS);
	client_exchange(client);
}

static void what_goes_on_ends_when_its_token_is_revoked(void **state)
{
	struct client *client = *state;
	int32_t streams[4];
	grant(client, "consume,produce", 0);
	begin_all(client, streams);
	look_again(client);
	for (size_t i = 0; i < 4; i++)
		assert_false(client->calls[streams[i]].closed);
	assert_int_equal(auth_access_load(client->door.rules.access, NULL, 0, NULL), 0);
	look_again(client);
	for (size_t i = 0; i < 4; i++)
		assert_status(client, streams[i], "7", "token:ci may");
	assert_string_equal(client->calls[streams[3]].outcome, "refused");
	/* One of the same name is another. */
	grant(client, "consume,produce", 0);
	assert_status(client, client_ask_as(client, CONSUME, &consume.base, "authorization", bearer, NULL), "0", "");
}

static void what_goes_on_ends_with_the_time_of_its_token(void **state)
{
	struct client *client = *state;
	int32_t streams[4];
	grant(client, "consume,produce", (uint64_t)time(NULL) + 1000);
	begin_all(client, streams);
	/* As if it were over. */
	for (struct call *call = client->door.rpc.connections->calls; call != NULL; call = call->next)
		call->bearer.until_s = (uint64_t)time(NULL);
	look_again(client);
	for (size_t i = 0; i < 4; i++)
		assert_status(client, streams[i], "16", "time is over");
}

static void what_is_sent_when_leave_ends_is_unknown(void **state)
{
	struct client *client = *state;
	unsigned char bytes[128];
	grant(client, "produce", 0);
	struct body body = client_message(bytes, 10);
	body.open = true;
	int32_t stream = client_call(client, "/log.v1.Log/ProduceStream", &body, "authorization", bearer);
	client_exchange(client);
	assert_int_equal(client->door.append_count, 1);
	assert_int_equal(auth_access_load(client->door.rules.access, NULL, 0, NULL), 0);
	look_again(client);
	assert_status(client, stream, "7", "token:ci may not produce");
	assert_string_equal(client->calls[stream].outcome, "unknown");
}

static void who_may_not_observe_is_told_little_of_the_members(void **state)
{
	struct client *client = *state;
	for (int observes = 0; observes < 2; observes++) {
		grant(client, observes ? "observe" : "produce", 0);
		int32_t stream = client_ask_as(client, WATCH, &watch.base, "authorization", bearer, NULL);
		Clog__V1__State *told = client_answer(client, stream, &clog__v1__state__descriptor);
		assert_int_equal(told->n_members, 1);
		assert_string_equal(told->members[0]->name, "one");
		assert_int_equal(told->members[0]->state, SERVICE_LEADER);
		assert_string_equal(told->members[0]->address, observes ? "one:7400" : "");
		clog__v1__state__free_unpacked(told, NULL);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_is_nobody_may_ask_for_the_health_alone),
		TEST(a_token_may_what_it_was_granted),
		TEST(a_token_is_who_asks_whoever_the_connection_is),
		TEST(a_token_that_is_no_good_is_never_passed_over),
		TEST(without_tokens_here_none_is_good),
		TEST(what_goes_on_ends_when_its_token_is_revoked),
		TEST(what_goes_on_ends_with_the_time_of_its_token),
		TEST(what_is_sent_when_leave_ends_is_unknown),
		TEST(who_may_not_observe_is_told_little_of_the_members),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
