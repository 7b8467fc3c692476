/* Appends whose answer is lost, late or none: appended once, and told rightly. */
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
#define SHORT_MS 400u /* for what is not answered */

static struct far_world *world;

static int set_up(void **state)
{
	world = far_create(3);
	far_open_client(world, 3, DEADLINE_MS);
	far_ready(world);
	return 0;
}

static int tear_down(void **state)
{
	far_destroy(world);
	return 0;
}

static void reopen(size_t known, uint32_t deadline_ms)
{
	far_close_client(world);
	far_open_client(world, known, deadline_ms);
	far_ready(world);
}

static bool first_was_asked(void *arg)
{
	return world->servers[0].appends_asked > *(unsigned *)arg;
}

/* Appends at a leader that does not answer. */
static void append_in_vain(struct far_append *append, const char *text)
{
	/* There is a session, and the leader is connected to. */
	assert_int_equal(far_append_one(world, "before"), 0);
	unsigned before = world->servers[0].appends_asked;
	world->servers[0].mute = true;
	assert_int_equal(far_append(world, append, SERVICE_ANYWHERE, text), SERVICE_PENDING);
	far_until(world, first_was_asked, &before);
	assert_int_equal(append->answered, 0);
}

static void what_was_appended_when_the_connection_broke_is_appended_once(void **state)
{
	struct far_append append;
	append_in_vain(&append, "mine");
	assert_int_equal(far_find(world, "mine", 4), 1);
	far_cut(&world->servers[0]);
	assert_int_equal(far_answered(world, &append), 0);
	assert_int_equal(far_find(world, "mine", 4), 1);
	assert_memory_equal(world->log.records[append.append.first_offset].data, "mine", 4);
}

static void what_was_not_appended_then_is_appended_elsewhere(void **state)
{
	struct far_append append;
	world->servers[0].forgetful = true;
	append_in_vain(&append, "before");
	far_stop(&world->servers[0]);
	assert_int_equal(far_answered(world, &append), 0);
	assert_int_equal(far_find(world, "before", 6), 1);
}

static void a_server_that_does_not_answer_is_left_for_another(void **state)
{
	struct far_append append;
	append_in_vain(&append, "mine");
	assert_int_equal(far_answered(world, &append), 0);
	assert_int_equal(far_find(world, "mine", 4), 1);
	assert_true(world->servers[1].appends_asked + world->servers[2].appends_asked > 0);
}

static void a_conditional_append_that_is_sent_twice_is_not_taken_for_anothers(void **state)
{
	struct far_append append;
	assert_int_equal(far_append_one(world, "before"), 0);
	unsigned before = world->servers[0].appends_asked;
	world->servers[0].mute = true;
	assert_int_equal(far_append(world, &append, 1, "mine"), SERVICE_PENDING);
	far_until(world, first_was_asked, &before);
	far_cut(&world->servers[0]);
	assert_int_equal(far_answered(world, &append), 0);
	assert_int_equal(append.append.first_offset, 1);
	assert_int_equal(world->log.count, 2);
}

static void what_is_refused_for_now_is_tried_again(void **state)
{
	static const int errors[] = {-EHOSTUNREACH, -ESHUTDOWN};
	for (size_t i = 0; i < 2; i++) {
		for (size_t k = 0; k < 3; k++) {
			world->servers[k].append_failure = errors[i];
			world->servers[k].failures = 2;
		}
		assert_int_equal(far_append_one(world, "mine"), 0);
	}
	assert_int_equal(world->log.count, 2);
}

static void what_is_unknown_to_a_server_is_asked_for_again(void **state)
{
	static const int errors[] = {-ETIMEDOUT, -ECONNABORTED};
	for (size_t i = 0; i < 2; i++) {
		world->servers[0].append_failure = errors[i];
		world->servers[0].failures = 3;
		assert_int_equal(far_append_one(world, "mine"), 0);
	}
	assert_int_equal(world->log.count, 2);
}

static void what_is_refused_for_good_is_told_at_once(void **state)
{
	static const int errors[] = {-ENOSPC, -EACCES};
	for (size_t i = 0; i < 2; i++) {
		const unsigned before = world->log.appends;
		for (size_t k = 0; k < 3; k++) {
			world->servers[k].append_failure = errors[i];
			world->servers[k].failures = 1;
		}
		assert_int_equal(far_append_one(world, "mine"), errors[i]);
		assert_true(strlen(client_sentence(world->client)) > 0);
		for (size_t k = 0; k < 3; k++)
			world->servers[k].failures = 0;
		assert_int_equal(world->log.appends, before + 1);
	}
	/* Numbers of what was refused are not used again. */
	assert_int_equal(far_append_one(world, "next"), 0);
	assert_int_equal(world->log.sessions[0].results[0].sequence, 3);
	assert_int_equal(world->log.count, 1);
}

static void what_was_never_sent_is_refused_at_its_deadline(void **state)
{
	struct far_append append;
	reopen(3, SHORT_MS);
	assert_int_equal(far_append_one(world, "before"), 0);
	for (size_t i = 0; i < 3; i++)
		far_stop(&world->servers[i]);
	assert_int_equal(far_append(world, &append, SERVICE_ANYWHERE, "mine"), SERVICE_PENDING);
	assert_int_equal(far_answered(world, &append), -EHOSTUNREACH);
	assert_int_equal(far_find(world, "mine", 4), 0);
}

static void what_was_sent_and_not_answered_is_unknown_at_its_deadline(void **state)
{
	struct far_append append;
	reopen(1, 2 * SHORT_MS);
	append_in_vain(&append, "mine");
	for (size_t i = 0; i < 3; i++)
		world->servers[i].mute = true;
	assert_int_equal(far_answered(world, &append), -ETIMEDOUT);
	assert_int_equal(far_find(world, "mine", 4), 1);
}

/* Doubtful, and then refused: that it was refused the second time says nothing of the first. */
static void a_refusal_of_what_was_sent_before_tells_nothing(void **state)
{
	struct far_append append;
	append_in_vain(&append, "mine");
	for (size_t i = 0; i < 3; i++) {
		world->servers[i].append_failure = -ENOSPC;
		world->servers[i].failures = 1;
	}
	far_cut(&world->servers[0]);
	assert_int_equal(far_answered(world, &append), -ETIMEDOUT);
	assert_int_equal(far_find(world, "mine", 4), 1);
}

static void what_came_when_the_session_had_ended_goes_under_a_new_one(void **state)
{
	static struct far_append appends[200];
	assert_int_equal(far_append_one(world, "before"), 0);
	far_end_sessions(world);
	for (unsigned i = 0; i < 200; i++) {
		char text[16];
		snprintf(text, sizeof text, "%u", i);
		assert_int_equal(far_append(world, &appends[i], SERVICE_ANYWHERE, text), SERVICE_PENDING);
	}
	for (unsigned i = 0; i < 200; i++) {
		assert_int_equal(far_answered(world, &appends[i]), 0);
		assert_int_equal(appends[i].append.first_offset, i + 1);
	}
	assert_int_equal(world->log.session_count, 2);
	assert_int_equal(world->log.count, 201);
	assert_true(world->log.sessions[0].key != world->log.sessions[1].key);
}

static void what_was_sent_before_its_session_ended_is_unknown(void **state)
{
	struct far_append append;
	append_in_vain(&append, "mine");
	far_end_sessions(world);
	far_cut(&world->servers[0]);
	world->servers[0].mute = false;
	assert_int_equal(far_answered(world, &append), -ETIMEDOUT);
	assert_int_equal(far_find(world, "mine", 4), 1);
	assert_int_equal(far_append_one(world, "next"), 0);
	assert_int_equal(world->log.session_count, 2);
}

static void a_new_leader_is_found_untold(void **state)
{
	reopen(1, DEADLINE_MS);
	assert_int_equal(far_append_one(world, "first"), 0);
	far_lead(world, 2);
	far_stop(&world->servers[0]);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(far_append_one(world, "r"), 0);
	assert_int_equal(world->log.count, 21);
	assert_true(world->servers[2].appends_asked > 10);
}

static void many_are_answered_once_while_connections_break(void **state)
{
	static struct far_append appends[3000];
	for (unsigned i = 0; i < 3000; i++) {
		char text[32];
		snprintf(text, sizeof text, "record %u", i);
		assert_int_equal(far_append(world, &appends[i], SERVICE_ANYWHERE, text), SERVICE_PENDING);
		if (i % 7 == 0)
			uv_run(&world->loop, UV_RUN_NOWAIT);
		if (i % 100 == 50)
			far_cut(&world->servers[i / 100 % 3]);
		if (i % 1000 == 500)
			far_lead(world, i / 1000 % 3);
	}
	for (unsigned i = 0; i < 3000; i++) {
		char text[32];
		assert_int_equal(far_answered(world, &appends[i]), 0);
		const uint32_t size = (uint32_t)snprintf(text, sizeof text, "record %u", i);
		assert_int_equal(far_find(world, text, size), 1);
		assert_memory_equal(world->log.records[appends[i].append.first_offset].data, text, size);
	}
	assert_int_equal(world->log.count, 3000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_appended_when_the_connection_broke_is_appended_once),
		TEST(what_was_not_appended_then_is_appended_elsewhere),
		TEST(a_server_that_does_not_answer_is_left_for_another),
		TEST(a_conditional_append_that_is_sent_twice_is_not_taken_for_anothers),
		TEST(what_is_refused_for_now_is_tried_again),
		TEST(what_is_unknown_to_a_server_is_asked_for_again),
		TEST(what_is_refused_for_good_is_told_at_once),
		TEST(what_was_never_sent_is_refused_at_its_deadline),
		TEST(what_was_sent_and_not_answered_is_unknown_at_its_deadline),
		TEST(a_refusal_of_what_was_sent_before_tells_nothing),
		TEST(what_came_when_the_session_had_ended_goes_under_a_new_one),
		TEST(what_was_sent_before_its_session_ended_is_unknown),
		TEST(a_new_leader_is_found_untold),
		TEST(many_are_answered_once_while_connections_break),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
