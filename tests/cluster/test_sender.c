/* Who is heard on what: a member, who leads, or one that is in no configuration. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/configuration.h"
#include "tests/cluster/several.h"

#define STRANGER 3u /* a node that was removed, and has a log and the cluster's id */

static struct several several;

static int set_up(void **state)
{
	several_init(&several);
	return 0;
}

static int tear_down(void **state)
{
	several_finish(&several);
	return 0;
}

/* Three members, the first one leading, and one that was removed and has not heard of it. */
static void found(void)
{
	several_found(&several, 4);
	several_elect(&several, 0);
	for (size_t i = 0; i < 4; i++)
		several_append(&several, i, "warm");
	several_agree(&several);
	several_isolate(&several, STRANGER, true);
	assert_int_equal(several_remove(&several, 0, STRANGER), 0);
	several_await_role(&several, 1, STRANGER, -1);
	several_await_role(&several, 2, STRANGER, -1);
	several_isolate(&several, STRANGER, false);
}

/* ---- The table ---- */

static bool is_allowed(size_t to, uint64_t from, enum message_type type)
{
	const struct message message = {.type = type, .from = from};
	return sender_allowed(several_cluster(&several, to), &message);
}

static void each_is_heard_on_what_it_may_say(void **state)
{
	/* By whom: m a member, l also a leader that no configuration has, s also a stranger. */
	static const char heard[] = {
		[MESSAGE_VOTE] = 's',          [MESSAGE_VOTE_RESULT] = 'm',  [MESSAGE_APPEND] = 's',
		[MESSAGE_APPEND_RESULT] = 'm', [MESSAGE_INSTALL] = 's',      [MESSAGE_TIMEOUT_NOW] = 'm',
		[MESSAGE_ECHO] = 'l',          [MESSAGE_ECHO_RESULT] = 'm',  [MESSAGE_FORWARD] = 'm',
		[MESSAGE_CONTROL] = 'm',       [MESSAGE_END] = 'm',          [MESSAGE_JOIN] = 's',
		[MESSAGE_CHANGE] = 'm',        [MESSAGE_RESULT] = 'l',       [MESSAGE_LEADER] = 's',
		[MESSAGE_FETCH] = 'm',         [MESSAGE_FETCH_RESULT] = 'm', [MESSAGE_REMOVED] = 'l',
		[MESSAGE_ALIVE] = 'm'};
	found();
	struct cluster *cluster = several_cluster(&several, 1);
	uint64_t member = several.nodes[2].id, stranger = several.nodes[STRANGER].id, leader = cluster->leader;
	for (unsigned type = MESSAGE_VOTE; type < sizeof heard; type++) {
		assert_true(is_allowed(1, member, (enum message_type)type));
		assert_int_equal(is_allowed(1, stranger, (enum message_type)type), heard[type] == 's');
		cluster->leader = stranger;
		assert_int_equal(is_allowed(1, stranger, (enum message_type)type), heard[type] != 'm');
		cluster->leader = leader;
	}
	assert_false(is_allowed(1, member, (enum message_type)0));
	assert_false(is_allowed(1, member, (enum message_type)sizeof heard));
}

static void a_leader_hears_of_elections_from_members_alone(void **state)
{
	found();
	assert_true(is_allowed(0, several.nodes[1].id, MESSAGE_VOTE));
	assert_false(is_allowed(0, several.nodes[STRANGER].id, MESSAGE_VOTE));
}

static void a_new_member_hears_what_brings_it_in(void **state)
{
	static const enum message_type heard[] = {MESSAGE_APPEND, MESSAGE_INSTALL, MESSAGE_LEADER, MESSAGE_RESULT},
				       unheard[] = {MESSAGE_FORWARD,     MESSAGE_CONTROL,      MESSAGE_CHANGE,
	                                            MESSAGE_TIMEOUT_NOW, MESSAGE_FETCH_RESULT, MESSAGE_ALIVE};
	several_found(&several, 1);
	several_isolate(&several, 1, true);
	several_open_at(&several, 1, 0);
	for (size_t i = 0; i < sizeof heard / sizeof heard[0]; i++)
		assert_true(is_allowed(1, several.nodes[0].id, heard[i]));
	for (size_t i = 0; i < sizeof unheard / sizeof unheard[0]; i++)
		assert_false(is_allowed(1, several.nodes[0].id, unheard[i]));
}

/* ---- What it is good for ---- */

static bool lose_results(struct several *all, size_t from, size_t to, struct message *message)
{
	return message->type == MESSAGE_RESULT;
}

static void a_stranger_does_not_answer_for_the_leader(void **state)
{
	struct sent sent = {0};
	found();
	several.filter = lose_results;
	struct cluster *cluster = several_cluster(&several, 1);
	several_send_at(&several, 1, &sent, MESSAGE_ANYWHERE, "mine");
	several_settle(&several);
	assert_non_null(cluster->sent.first);
	const struct message answer = {.type = MESSAGE_RESULT,
	                               .term = core_term(cluster->core),
	                               .result = {.number = cluster->sent.first->number, .entry = 1, .entry_term = 1}};
	several.filter = NULL;
	several_forge(&several, STRANGER, 1, &answer);
	several_settle(&several);
	member_expect_pending(&sent);
	/* The leader's does. */
	assert_int_equal(several_answer(&several, &sent), 0);
	assert_int_equal(sent.append.first_offset, 4);
}

static void a_stranger_removes_nobody(void **state)
{
	const struct message message = {.type = MESSAGE_REMOVED, .configuration = UINT64_MAX};
	found();
	several_forge(&several, STRANGER, 1, &message);
	assert_false(several_cluster(&several, 1)->removed);
	several_forge(&several, 0, 1, &message);
	assert_true(several_cluster(&several, 1)->removed);
}

static void a_stranger_makes_nobody_a_spare(void **state)
{
	unsigned char data[CONFIGURATION_SIZE_MAX];
	struct service_member members[2] = {{.role = SERVICE_VOTER, .name = "m0"},
	                                    {.role = SERVICE_SPARE, .name = "m1"}};
	found();
	members[0].id = several.nodes[0].id;
	members[1].id = several.nodes[1].id;
	const struct message message = {.type = MESSAGE_LEADER,
	                                .configuration = UINT64_MAX,
	                                .data = data,
	                                .size = configuration_encode(members, 2, data)};
	several_forge(&several, STRANGER, 1, &message);
	assert_false(several_cluster(&several, 1)->spare);
	several_forge(&several, 0, 1, &message);
	assert_true(several_cluster(&several, 1)->spare);
}

static void a_stranger_that_asks_is_told_that_it_is_out(void **state)
{
	const struct message message = {.type = MESSAGE_END, .request = {.number = 1}};
	found();
	assert_false(several_cluster(&several, STRANGER)->removed);
	several_forge(&several, STRANGER, 0, &message);
	several_settle(&several);
	assert_true(several_cluster(&several, STRANGER)->removed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_is_heard_on_what_it_may_say, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_leader_hears_of_elections_from_members_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_new_member_hears_what_brings_it_in, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_stranger_does_not_answer_for_the_leader, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_stranger_removes_nobody, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_stranger_makes_nobody_a_spare, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_stranger_that_asks_is_told_that_it_is_out, set_up, tear_down),
	};
	member_hush();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
