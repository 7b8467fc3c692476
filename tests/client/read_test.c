/* Reads, commands, the state, and the client's end. */
#include "tests/client/far.h"

#include "client/client.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DEADLINE_MS 60000u
#define SHORT_MS 400u

static struct far_world *world;

static int set_up(void **state)
{
	world = far_create(3);
	for (unsigned i = 0; i < 20; i++) {
		char text[16];
		far_add(world, text, (uint32_t)snprintf(text, sizeof text, "record %u", i));
	}
	far_open_client(world, 3, DEADLINE_MS);
	far_ready(world);
	return 0;
}

static int tear_down(void **state)
{
	far_destroy(world);
	return 0;
}

static void note(struct service_read *read, void *arg)
{
	*(bool *)arg = true;
}

static bool is_set(void *arg)
{
	return *(bool *)arg;
}

/* Reads and waits; the caller ends the read. */
static int read_now(struct service_read *read)
{
	bool answered = false;
	int rc = service_read(client_service(world->client), read, note, &answered);
	if (rc == SERVICE_PENDING)
		far_until(world, is_set, &answered);
	assert_true(rc >= 0);
	return read->status;
}

static void assert_record(uint64_t offset, const char *text)
{
	struct service_read read = {.kind = SERVICE_RECORD, .offset = offset};
	assert_int_equal(read_now(&read), 0);
	assert_int_equal(read.data_size, strlen(text));
	assert_memory_equal(read.data, text, strlen(text));
	assert_int_equal(read.record.offset, offset);
	assert_int_equal(read.record.entry, offset + 7);
	assert_int_equal(read.record.size, strlen(text));
	service_read_end(client_service(world->client), &read);
}

static void assert_fails(struct service_read read, int status)
{
	assert_int_equal(read_now(&read), status);
	service_read_end(client_service(world->client), &read);
}

static void records_attributes_and_the_stream_are_read(void **state)
{
	struct service_read read = {.kind = SERVICE_STAT, .offset = 3};
	assert_record(3, "record 3");
	assert_int_equal(read_now(&read), 0);
	assert_int_equal(read.record.size, 8);
	assert_int_equal(read.data_size, 0);
	service_read_end(client_service(world->client), &read);
	read = (struct service_read){.kind = SERVICE_STREAM, .position = 4, .size = 100};
	assert_int_equal(read_now(&read), 0);
	assert_memory_equal(read.data, "rd 0", 4);
	service_read_end(client_service(world->client), &read);
	read = (struct service_read){.kind = SERVICE_STREAM, .position = 100000, .size = 100};
	assert_int_equal(read_now(&read), 0);
	assert_int_equal(read.data_size, 0);
	service_read_end(client_service(world->client), &read);
}

static void all_records_are_read_in_their_order(void **state)
{
	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < 20; i++) {
			char text[16];
			snprintf(text, sizeof text, "record %u", i);
			assert_record(i, text);
		}
}

static void what_is_not_there_is_told(void **state)
{
	world->log.first = 2;
	assert_fails((struct service_read){.kind = SERVICE_RECORD, .offset = 1}, -ESTALE);
	assert_fails((struct service_read){.kind = SERVICE_RECORD, .offset = 20}, -ENOENT);
}

static void all_servers_are_asked_in_turn(void **state)
{
	for (unsigned i = 0; i < 300; i++) {
		struct service_read read = {.kind = SERVICE_STAT, .offset = (i * 7) % 20};
		assert_int_equal(read_now(&read), 0);
		service_read_end(client_service(world->client), &read);
	}
	for (size_t i = 0; i < 3; i++)
		assert_true(world->servers[i].reads_asked > 10);
}

static void a_record_that_is_damaged_here_is_read_elsewhere(void **state)
{
	world->servers[0].read_failure = world->servers[1].read_failure = -EIO;
	for (unsigned i = 0; i < 6; i++)
		assert_record(5, "record 5");
	world->servers[2].read_failure = -EIO;
	assert_fails((struct service_read){.kind = SERVICE_RECORD, .offset = 5}, -EIO);
}

static void catch_up(uv_timer_t *timer)
{
	for (size_t i = 0; i < 3; i++)
		world->servers[i].behind = 0;
	far_tell(world);
}

static void what_was_appended_is_read_wherever_it_is_asked_for(void **state)
{
	static uv_timer_t timer; /* which the loop closes later */
	uv_timer_init(&world->loop, &timer);
	for (unsigned i = 0; i < 9; i++) {
		char text[16];
		struct service_state now;
		snprintf(text, sizeof text, "mine %u", i);
		world->servers[1].behind = world->servers[2].behind = 5;
		assert_int_equal(far_append_one(world, text), 0);
		service_state(client_service(world->client), &now);
		assert_true(now.next_offset >= 21 + i);
		uv_timer_start(&timer, catch_up, 20, 0);
		assert_record(20 + i, text);
	}
	uv_close((uv_handle_t *)&timer, NULL);
}

static void a_server_that_dies_is_not_missed(void **state)
{
	far_stop(&world->servers[0]);
	for (unsigned i = 0; i < 20; i++)
		assert_fails((struct service_read){.kind = SERVICE_STAT, .offset = i}, 0);
	far_start(&world->servers[0]);
	far_stop(&world->servers[1]);
	far_stop(&world->servers[2]);
	for (unsigned i = 0; i < 20; i++)
		assert_fails((struct service_read){.kind = SERVICE_STAT, .offset = i}, 0);
}

static void a_read_without_a_server_fails_at_its_deadline(void **state)
{
	far_close_client(world);
	far_open_client(world, 3, SHORT_MS);
	far_ready(world);
	for (size_t i = 0; i < 3; i++)
		far_stop(&world->servers[i]);
	assert_fails((struct service_read){.kind = SERVICE_RECORD, .offset = 5}, -EHOSTUNREACH);
}

/* ---- The state ---- */

static unsigned tellings;

static void on_more(void *arg)
{
	tellings++;
}

static bool is_told(void *arg)
{
	struct service_state now;
	service_state(client_service(world->client), &now);
	return now.next_offset >= *(uint64_t *)arg && tellings > 0;
}

static void who_watches_is_told_of_more(void **state)
{
	struct service_watch watch;
	struct service_state now;
	uint64_t end = 21;
	tellings = 0;
	service_watch(client_service(world->client), &watch, on_more, NULL);
	far_add(world, "more", 4);
	far_tell(world);
	far_until(world, is_told, &end);
	/* Also when those who told it are gone. */
	for (size_t i = 0; i < 2; i++) {
		tellings = 0;
		far_stop(&world->servers[i]);
		far_add(world, "more", 4);
		far_tell(world);
		end++;
		far_until(world, is_told, &end);
	}
	service_unwatch(client_service(world->client), &watch);
	service_state(client_service(world->client), &now);
	assert_int_equal(now.next_offset, 23);
	assert_int_equal(now.stream_end, 20 * 8 + 10 + 12);
}

static bool knows_members(void *arg)
{
	struct service_member members[SERVICE_MEMBERS_MAX];
	return service_members(client_service(world->client), members, SERVICE_MEMBERS_MAX) == 3;
}

static void what_the_client_appends_itself_is_more_at_once(void **state)
{
	struct service_watch watch;
	struct service_state now;
	/* No server tells of it. */
	for (size_t i = 0; i < 3; i++)
		world->servers[i].behind = 5;
	far_until(world, knows_members, NULL);
	tellings = 0;
	service_watch(client_service(world->client), &watch, on_more, NULL);
	for (size_t i = 0; i < 3; i++)
		world->servers[i].behind = 6 + (uint64_t)i;
	assert_int_equal(far_append_one(world, "four"), 0);
	assert_int_equal(far_append_one(world, "five5"), 0);
	uint64_t end = 22;
	far_until(world, is_told, &end);
	service_unwatch(client_service(world->client), &watch);
	service_state(client_service(world->client), &now);
	assert_int_equal(now.next_offset, 22);
	assert_int_equal(now.stream_end, 20 * 8 + 10 + 4 + 5);
}

static void the_members_and_where_they_are_is_known(void **state)
{
	struct service_member members[SERVICE_MEMBERS_MAX];
	struct service *service = client_service(world->client);
	far_until(world, knows_members, NULL);
	assert_int_equal(service_members(service, members, SERVICE_MEMBERS_MAX), 3);
	assert_int_equal(members[0].state, SERVICE_LEADER);
	assert_string_equal(members[1].name, "n2");
	assert_string_equal(service_rpc_address(service, 3), world->servers[2].address);
	assert_string_equal(service_rpc_address(service, 9), "");
	assert_int_equal(service_members(service, members, 1), 3);
}

/* ---- Commands ---- */

static void on_command(struct service_command *command, void *arg)
{
	*(bool *)arg = true;
}

static int command_now(struct service_command *command)
{
	bool answered = false;
	assert_int_equal(service_command(client_service(world->client), command, on_command, &answered),
	                 SERVICE_PENDING);
	far_until(world, is_set, &answered);
	return command->status;
}

static void what_is_known_never_goes_back(void **state)
{
	struct service_state before, now;
	struct service_command end = {.kind = SERVICE_END};
	service_state(client_service(world->client), &before);
	assert_int_equal(before.next_offset, 20);
	world->servers[1].behind = world->servers[2].behind = 10;
	far_stop(&world->servers[0]);
	/* One of those that are behind tells the state before it answers this. */
	assert_int_equal(command_now(&end), 0);
	service_state(client_service(world->client), &now);
	assert_int_equal(now.next_offset, 20);
	assert_int_equal(now.stream_end, before.stream_end);
}

static void commands_are_carried_out(void **state)
{
	struct service_command end = {.kind = SERVICE_END}, trim = {.kind = SERVICE_TRIM, .offset = 3};
	struct service_command session = {.kind = SERVICE_OPEN_SESSION, .session_key = 77};
	assert_int_equal(command_now(&end), 0);
	assert_int_equal(end.value, 20);
	assert_int_equal(command_now(&trim), 0);
	assert_int_equal(world->log.first, 3);
	assert_int_equal(command_now(&session), 0);
	assert_int_equal(session.value, world->log.sessions[0].id);
	assert_int_equal(world->log.sessions[0].key, 77);
}

static void a_commands_failure_is_told(void **state)
{
	static const int errors[] = {-EINVAL, -ENOENT, -EBUSY, -ENOSPC};
	for (size_t i = 0; i < 4; i++) {
		struct service_command trim = {.kind = SERVICE_TRIM, .offset = 3};
		for (size_t k = 0; k < 3; k++)
			world->servers[k].command_failure = errors[i];
		assert_int_equal(command_now(&trim), errors[i]);
	}
}

static bool all_are_mute(void *arg)
{
	return world->servers[0].commands_asked > 0;
}

static void leadership_is_not_handed_over_twice(void **state)
{
	bool answered = false;
	struct service_command transfer = {.kind = SERVICE_TRANSFER, .member = 2};
	world->servers[0].mute = true;
	assert_int_equal(service_command(client_service(world->client), &transfer, on_command, &answered),
	                 SERVICE_PENDING);
	far_until(world, all_are_mute, NULL);
	far_cut(&world->servers[0]);
	far_until(world, is_set, &answered);
	assert_int_equal(transfer.status, -ETIMEDOUT);
	assert_int_equal(world->servers[0].commands_asked + world->servers[1].commands_asked +
	                         world->servers[2].commands_asked,
	                 1);
}

struct told_settings {
	bool told;
	int status;
	size_t count;
	char key[16], value[16];
};

static void on_settings(void *arg, int status, const struct service_setting *settings, size_t count)
{
	struct told_settings *told = arg;
	told->told = true;
	told->status = status;
	told->count = count;
	if (count > 0) {
		snprintf(told->key, sizeof told->key, "%s", settings[0].key);
		snprintf(told->value, sizeof told->value, "%.*s", (int)settings[0].size,
		         (const char *)settings[0].value);
	}
}

static void a_setting_is_set_and_told(void **state)
{
	struct told_settings told = {0};
	struct service_command set = {.kind = SERVICE_SET, .key = "note", .setting = "value", .setting_size = 5};
	assert_int_equal(command_now(&set), 0);
	assert_int_equal(client_settings(world->client, on_settings, &told), 0);
	far_until(world, is_set, &told.told);
	assert_int_equal(told.status, 0);
	assert_int_equal(told.count, 1);
	assert_string_equal(told.key, "note");
	assert_string_equal(told.value, "value");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(records_attributes_and_the_stream_are_read),
		TEST(all_records_are_read_in_their_order),
		TEST(what_is_not_there_is_told),
		TEST(all_servers_are_asked_in_turn),
		TEST(a_record_that_is_damaged_here_is_read_elsewhere),
		TEST(what_was_appended_is_read_wherever_it_is_asked_for),
		TEST(a_server_that_dies_is_not_missed),
		TEST(a_read_without_a_server_fails_at_its_deadline),
		TEST(who_watches_is_told_of_more),
		TEST(what_the_client_appends_itself_is_more_at_once),
		TEST(the_members_and_where_they_are_is_known),
		TEST(what_is_known_never_goes_back),
		TEST(commands_are_carried_out),
		TEST(a_commands_failure_is_told),
		TEST(leadership_is_not_handed_over_twice),
		TEST(a_setting_is_set_and_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
