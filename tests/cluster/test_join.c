/* Members that join a cluster. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/configuration.h"
#include "observe/observe.h"
#include "tests/cluster/several.h"

static struct several several;

static int tear_down(void **state)
{
	several_finish(&several);
	return 0;
}

/* Of one that was never opened. */
static void name_node(size_t i, const char *name)
{
	snprintf(several.nodes[i].name, sizeof several.nodes[i].name, "%s", name);
}

static size_t member_count(size_t seen_by)
{
	return several_cluster(&several, seen_by)->machine.members.count;
}

/* What was seen on the links. */
static bool answered;
static int32_t answer_status;
static uint64_t leader_told;

static int set_up(void **state)
{
	several_init(&several);
	answered = false;
	answer_status = 0;
	leader_told = 0;
	return 0;
}

static bool note_answer(struct several *all, size_t from, size_t to, struct message *message)
{
	struct service_member leader[SERVICE_MEMBERS_MAX];
	size_t count;
	if (message->type == MESSAGE_RESULT) {
		answered = true;
		answer_status = message->result.status;
	}
	if (message->type == MESSAGE_LEADER && message->configuration == 0 &&
	    configuration_decode(message->data, message->size, leader, &count) == 0)
		leader_told = leader[0].id;
	return false;
}

/* Sends a JOIN as a member-to-be would. Returns the status of the answer, 1 when there is none. */
static int ask_to_join(size_t from, size_t to, const char *name, uint64_t id, const char *address)
{
	unsigned char data[CONFIGURATION_SIZE_MAX];
	struct service_member fresh = {.id = id, .role = SERVICE_STANDBY};
	snprintf(fresh.name, sizeof fresh.name, "%s", name);
	snprintf(fresh.address, sizeof fresh.address, "%s", address);
	const struct message message = {.type = MESSAGE_JOIN,
	                                .request = {.number = 77},
	                                .data = data,
	                                .size = configuration_encode(&fresh, 1, data)};
	several.filter = note_answer;
	answered = false;
	leader_told = 0;
	several_forge(&several, from, to, &message);
	for (unsigned i = 0; i < 20 && !answered; i++)
		several_pass(&several, 50);
	return answered ? answer_status : 1;
}

static void a_new_member_becomes_a_standby_and_then_a_voter(void **state)
{
	several_found(&several, 1);
	several_append(&several, 0, "before");
	several_open_at(&several, 1, 0);
	several_await_role(&several, 0, 1, SERVICE_STANDBY);
	assert_int_equal(several_role(&several, 0, 0), SERVICE_VOTER);
	several_await_role(&several, 0, 1, SERVICE_VOTER);
	several_await_role(&several, 1, 1, SERVICE_VOTER);
	several_expect_equal(&several);
	member_expect_text(several_member(&several, 1), 0, "before");
}

static void standbys_are_promoted_up_to_the_wanted_number_of_voters(void **state)
{
	several.options.voters = 2;
	several_found(&several, 3);
	several_pass(&several, 5000);
	assert_int_equal(several_role(&several, 0, 1), SERVICE_VOTER);
	assert_int_equal(several_role(&several, 0, 2), SERVICE_STANDBY);
	several_append(&several, 0, "x");
	several_expect_equal(&several);
}

static void a_standby_that_lags_is_not_promoted(void **state)
{
	several_found(&several, 1);
	several_open_at(&several, 1, 0);
	several.stalled[1] = true;
	several_await_role(&several, 0, 1, SERVICE_STANDBY);
	several_pass(&several, 3000);
	assert_int_equal(several_role(&several, 0, 1), SERVICE_STANDBY);
	several.stalled[1] = false;
	several_await_role(&several, 0, 1, SERVICE_VOTER);
}

static void who_asks_a_follower_is_pointed_to_the_leader(void **state)
{
	several_found(&several, 2);
	several_elect(&several, 0);
	several.filter = note_answer;
	several_open_at(&several, 2, 1);
	several_await_role(&several, 2, 2, SERVICE_VOTER);
	assert_int_equal(leader_told, several.nodes[0].id);
}

static void who_knows_no_leader_points_nowhere(void **state)
{
	several_found(&several, 2);
	several_elect(&several, 0);
	several_kill(&several, 0);
	several_pass(&several, 3000);
	assert_int_equal(several_cluster(&several, 1)->leader, 0);
	several_open_at(&several, 2, 1);
	several.filter = note_answer;
	several_pass(&several, 3000);
	assert_int_equal(leader_told, 0);
	assert_true(several.nodes[1].received[MESSAGE_JOIN] > 3);
	assert_int_equal(member_count(2), 0);
}

static void joining_twice_is_harmless(void **state)
{
	several_found(&several, 2);
	several_elect(&several, 0);
	uint64_t entry = several_cluster(&several, 0)->machine.members.entry;
	assert_int_equal(ask_to_join(1, 0, "m1", several.nodes[1].id, several.nodes[1].address), 0);
	assert_int_equal(several_cluster(&several, 0)->machine.members.entry, entry);
	assert_int_equal(several_role(&several, 0, 1), SERVICE_VOTER);
}

static void a_member_that_asks_from_another_address_gets_that_address(void **state)
{
	several_found(&several, 2);
	several_elect(&several, 0);
	assert_int_equal(ask_to_join(1, 0, "m1", several.nodes[1].id, "elsewhere:2"), 0);
	const struct cluster *cluster = several_cluster(&several, 0);
	size_t i = member_index(cluster, several.nodes[1].id);
	assert_string_equal(cluster->machine.members.members[i].address, "elsewhere:2");
	assert_int_equal(several_role(&several, 0, 1), SERVICE_VOTER);
	assert_int_equal(member_count(0), 2);
}

static void a_name_that_a_reachable_member_has_is_refused(void **state)
{
	several_found(&several, 2);
	several_elect(&several, 0);
	several.filter = note_answer;
	name_node(2, "m1");
	several_open_at(&several, 2, 0);
	several_pass(&several, 3000);
	assert_true(answered);
	assert_int_equal(answer_status, -EEXIST);
	assert_int_equal(member_count(0), 2);
	assert_int_equal(member_count(2), 0);
}

static void the_leaders_own_name_is_refused(void **state)
{
	several_found(&several, 1);
	several.filter = note_answer;
	name_node(1, "m0");
	several_open_at(&several, 1, 0);
	several_pass(&several, 3000);
	assert_int_equal(answer_status, -EEXIST);
	assert_int_equal(member_count(0), 1);
}

static void a_name_that_an_unreachable_member_has_is_taken_over(void **state)
{
	several_found(&several, 3);
	several_elect(&several, 0);
	several_append(&several, 0, "before");
	several_kill(&several, 2);
	several_pass(&several, 3000);
	name_node(3, "m2");
	several_open_at(&several, 3, 0);
	several_await_role(&several, 0, 3, SERVICE_VOTER);
	assert_int_equal(several_role(&several, 0, 2), -1);
	assert_int_equal(member_count(0), 3);
	several_expect_equal(&several);
}

static void a_member_with_a_wiped_disk_comes_back_as_another_one(void **state)
{
	several_found(&several, 3);
	several_elect(&several, 0);
	several_append(&several, 0, "before");
	uint64_t id = several.nodes[1].id;
	several_wipe(&several, 1);
	several_pass(&several, 3000);
	several_open_at(&several, 1, 0);
	assert_int_not_equal(several.nodes[1].id, id);
	several_await_role(&several, 0, 1, SERVICE_VOTER);
	assert_int_equal(member_count(0), 3);
	several_expect_equal(&several);
}

static void a_seventeenth_member_is_refused(void **state)
{
	several.options.voters = 1;
	several_found(&several, SERVICE_MEMBERS_MAX);
	several.filter = note_answer;
	char *events = NULL;
	size_t size = 0;
	FILE *stream = open_memstream(&events, &size);
	assert_non_null(stream);
	observe_output(stream, OBSERVE_ERROR);
	several_open_at(&several, SERVICE_MEMBERS_MAX, 0);
	several_pass(&several, 3000);
	/* It asks on and on, and says once why it is not let in. */
	member_hush();
	fclose(stream);
	const char *told = strstr(events, "event=join_refused");
	assert_non_null(told);
	assert_non_null(strstr(told, "the cluster has as many members as it can have"));
	assert_null(strstr(told + 1, "event=join_refused"));
	free(events);
	assert_int_equal(answer_status, -ENOSPC);
	assert_int_equal(member_count(0), SERVICE_MEMBERS_MAX);
	assert_int_equal(member_count(SERVICE_MEMBERS_MAX), 0);
	/* One that leaves makes room. */
	assert_int_equal(several_remove(&several, 0, 3), 0);
	several_await_role(&several, SERVICE_MEMBERS_MAX, SERVICE_MEMBERS_MAX, SERVICE_STANDBY);
}

static void a_join_that_is_malformed_is_refused(void **state)
{
	unsigned char data[2 * CONFIGURATION_SIZE_MAX] = {0};
	struct service_member two[2] = {{.id = 5, .name = "a"}, {.id = 6, .name = "b"}};
	several_found(&several, 2);
	several_elect(&several, 0);
	uint64_t hash = several_hash(&several, 0);
	/* Somebody else's id. */
	assert_int_equal(ask_to_join(1, 0, "m9", several.nodes[1].id ^ 1, "x:1"), -EINVAL);
	const size_t sizes[] = {0, 7, configuration_encode(two, 2, data)};
	for (size_t i = 0; i < 3; i++) {
		const struct message message = {
			.type = MESSAGE_JOIN, .request = {.number = 9}, .data = data, .size = sizes[i]};
		answered = false;
		several_forge(&several, 1, 0, &message);
		several_settle(&several);
		assert_true(answered);
		assert_int_equal(answer_status, -EINVAL);
	}
	assert_int_equal(several_hash(&several, 0), hash);
}

static void who_joins_while_another_change_is_under_way_is_told_to_wait(void **state)
{
	several_found(&several, 3);
	several_elect(&several, 0);
	several.filter = note_answer;
	/* The change is not committed: the others do not hear of it. */
	several_isolate(&several, 1, true);
	several_isolate(&several, 2, true);
	struct told told = {
		.command = {.kind = SERVICE_SET_ROLE, .member = several.nodes[2].id, .role = SERVICE_STANDBY}};
	several_tell(&several, 0, &told);
	several_settle(&several);
	answered = false;
	several_open_at(&several, 3, 0);
	several_pass(&several, 150);
	assert_true(answered);
	assert_int_equal(answer_status, -EBUSY);
	several_isolate(&several, 1, false);
	several_isolate(&several, 2, false);
	several_await_role(&several, 3, 3, SERVICE_VOTER);
	several_expect_equal(&several);
}

static void a_member_that_was_removed_joins_again_with_its_log(void **state)
{
	several_found(&several, 3);
	several_elect(&several, 0);
	several_append(&several, 0, "one");
	assert_int_equal(several_remove(&several, 0, 2), 0);
	several_append(&several, 0, "two");
	several_kill(&several, 2);
	several_open_at(&several, 2, 0);
	/* Its log has entries, so it has no need of joining as far as it knows. */
	several_pass(&several, 3000);
	assert_int_equal(several_role(&several, 0, 2), -1);
	several_wipe(&several, 2);
	several_join(&several, 2);
	several_expect_equal(&several);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_new_member_becomes_a_standby_and_then_a_voter, set_up, tear_down),
		cmocka_unit_test_setup_teardown(standbys_are_promoted_up_to_the_wanted_number_of_voters, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_standby_that_lags_is_not_promoted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_asks_a_follower_is_pointed_to_the_leader, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_knows_no_leader_points_nowhere, set_up, tear_down),
		cmocka_unit_test_setup_teardown(joining_twice_is_harmless, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_member_that_asks_from_another_address_gets_that_address, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_name_that_a_reachable_member_has_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_leaders_own_name_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_name_that_an_unreachable_member_has_is_taken_over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_member_with_a_wiped_disk_comes_back_as_another_one, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_seventeenth_member_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_join_that_is_malformed_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_joins_while_another_change_is_under_way_is_told_to_wait, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_member_that_was_removed_joins_again_with_its_log, set_up, tear_down),
	};
	member_hush();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
