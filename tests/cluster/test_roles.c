/* Roles of members, their removal, and leadership. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/cluster/several.h"

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

/* So many members, the first one leading. */
static void found(size_t count)
{
	several_found(&several, count);
	several_elect(&several, 0);
}

/* ---- Roles ---- */

static void a_voter_becomes_a_standby_by_command_and_is_not_promoted_again(void **state)
{
	found(3);
	assert_int_equal(several_set_role(&several, 0, 2, SERVICE_STANDBY), 0);
	assert_int_equal(several_role(&several, 0, 2), SERVICE_STANDBY);
	several_pass(&several, 5000);
	assert_int_equal(several_role(&several, 0, 2), SERVICE_STANDBY);
	several_append(&several, 2, "of a standby");
	several_expect_equal(&several);
	/* By command it may vote again. */
	assert_int_equal(several_set_role(&several, 0, 2, SERVICE_VOTER), 0);
	assert_int_equal(several_role(&several, 0, 2), SERVICE_VOTER);
}

static void a_follower_can_be_asked_to_change_a_role(void **state)
{
	found(3);
	assert_int_equal(several_set_role(&several, 1, 2, SERVICE_STANDBY), 0);
	/* The one that was asked has it when it answers. */
	assert_int_equal(several_role(&several, 1, 2), SERVICE_STANDBY);
	assert_int_equal(several_set_role(&several, 2, 2, SERVICE_VOTER), 0);
	assert_int_equal(several_role(&several, 2, 2), SERVICE_VOTER);
}

static void a_role_that_a_member_has_already_changes_nothing(void **state)
{
	found(2);
	uint64_t entry = several_cluster(&several, 0)->machine.members.entry;
	assert_int_equal(several_set_role(&several, 0, 1, SERVICE_VOTER), 0);
	assert_int_equal(several_cluster(&several, 0)->machine.members.entry, entry);
}

static void a_leader_that_is_to_vote_no_more_hands_over_first(void **state)
{
	found(3);
	assert_int_equal(several_set_role(&several, 0, 0, SERVICE_STANDBY), 0);
	size_t leader = several_lead(&several);
	assert_int_not_equal(leader, 0);
	several_await_role(&several, leader, 0, SERVICE_STANDBY);
	several_append(&several, 0, "of the old leader");
	several_expect_equal(&several);
}

static void the_only_voter_keeps_its_vote(void **state)
{
	several.options.voters = 1;
	found(2);
	assert_int_equal(several_set_role(&several, 0, 0, SERVICE_STANDBY), -EBUSY);
	assert_int_equal(several_set_role(&several, 0, 0, SERVICE_SPARE), -EBUSY);
	assert_int_equal(several_remove(&several, 0, 0), -EBUSY);
	assert_int_equal(several_remove(&several, 1, 0), -EBUSY);
	several_append(&several, 1, "x");
}

static void an_eighth_voter_is_refused(void **state)
{
	several.options.voters = CLUSTER_VOTERS_MAX;
	found(CLUSTER_VOTERS_MAX + 1);
	size_t last = CLUSTER_VOTERS_MAX;
	assert_int_equal(several_role(&several, 0, last), SERVICE_STANDBY);
	assert_int_equal(several_set_role(&several, 0, last, SERVICE_VOTER), -ENOSPC);
	assert_int_equal(several_role(&several, 0, last), SERVICE_STANDBY);
	assert_int_equal(several_set_role(&several, 0, 1, SERVICE_STANDBY), 0);
	assert_int_equal(several_set_role(&several, 0, last, SERVICE_VOTER), 0);
}

static void a_member_that_is_not_there_has_no_role(void **state)
{
	found(2);
	struct told told = {.command = {.kind = SERVICE_SET_ROLE, .member = 12345, .role = SERVICE_STANDBY}};
	assert_int_equal(several_command(&several, 0, &told), -ENOENT);
	assert_int_equal(several_command(&several, 1, &told), -ENOENT);
	told.command.kind = SERVICE_TRANSFER;
	assert_int_equal(several_command(&several, 0, &told), -ENOENT);
	/* Who is gone is removed. */
	told.command.kind = SERVICE_REMOVE;
	assert_int_equal(several_command(&several, 0, &told), 0);
}

static void a_standby_that_has_not_caught_up_votes_only_when_it_has(void **state)
{
	struct told told = {.command = {.kind = SERVICE_SET_ROLE, .role = SERVICE_VOTER}};
	found(3);
	assert_int_equal(several_set_role(&several, 0, 2, SERVICE_STANDBY), 0);
	several_isolate(&several, 2, true);
	several_append(&several, 0, "missed");
	told.command.member = several.nodes[2].id;
	several_tell(&several, 0, &told);
	several_pass(&several, 3000);
	assert_int_equal(told.answers, 0);
	assert_int_equal(several_role(&several, 0, 2), SERVICE_STANDBY);
	several_isolate(&several, 2, false);
	several_pass(&several, 3000);
	assert_int_equal(told.answers, 1);
	assert_int_equal(told.command.status, 0);
	assert_int_equal(several_role(&several, 0, 2), SERVICE_VOTER);
}

/* ---- Spares ---- */

static void a_spare_answers_no_reads_and_its_appends_go_to_the_leader(void **state)
{
	struct asked asked;
	found(3);
	several_append(&several, 0, "zero");
	assert_int_equal(several_set_role(&several, 0, 2, SERVICE_SPARE), 0);
	several_pass(&several, 2000);
	struct member *spare = several_member(&several, 2);
	assert_true(spare->cluster->spare);
	assert_int_equal(member_ask(spare, &asked, SERVICE_RECORD, 0, 0), -EHOSTUNREACH);
	assert_int_equal(member_ask(spare, &asked, SERVICE_STREAM, 0, 100), -EHOSTUNREACH);
	assert_int_equal(several_append(&several, 2, "one"), 1);
	member_expect_text(several_member(&several, 0), 1, "one");
	assert_int_equal(several_end(&several, 2), 2);
	/* It does not get the log. */
	struct log_tail tail, leaders;
	log_tail(spare->cluster->log, &tail);
	log_tail(several_cluster(&several, 0)->log, &leaders);
	assert_true(tail.entry < leaders.entry);
}

static void a_spare_tells_that_it_is_one(void **state)
{
	struct service_member members[SERVICE_MEMBERS_MAX];
	found(3);
	assert_int_equal(several_set_role(&several, 0, 2, SERVICE_SPARE), 0);
	several_pass(&several, 2000);
	size_t count = service_members(several_member(&several, 2)->service, members, SERVICE_MEMBERS_MAX);
	for (size_t i = 0; i < count; i++)
		if (members[i].id == several.nodes[2].id)
			assert_int_equal(members[i].role, SERVICE_SPARE);
}

static void a_spare_does_not_stand_for_election(void **state)
{
	found(3);
	assert_int_equal(several_set_role(&several, 0, 2, SERVICE_SPARE), 0);
	several_pass(&several, 2000);
	uint64_t term = core_term(several_cluster(&several, 0)->core);
	several_isolate(&several, 2, true);
	several_pass(&several, 5000);
	assert_int_equal(core_role(several_cluster(&several, 2)->core), CORE_FOLLOWER);
	several_isolate(&several, 2, false);
	several_pass(&several, 3000);
	assert_int_equal(core_term(several_cluster(&several, 0)->core), term);
	assert_int_equal(core_term(several_cluster(&several, 2)->core), term);
}

static void a_spare_that_is_to_vote_becomes_a_standby_first(void **state)
{
	found(3);
	assert_int_equal(several_set_role(&several, 0, 2, SERVICE_SPARE), 0);
	several_pass(&several, 2000);
	several_append(&several, 0, "missed");
	several.stalled[2] = true;
	assert_int_equal(several_set_role(&several, 0, 2, SERVICE_VOTER), 0);
	assert_int_equal(several_role(&several, 0, 2), SERVICE_STANDBY);
	several.stalled[2] = false;
	several_await_role(&several, 2, 2, SERVICE_VOTER);
	assert_false(several_cluster(&several, 2)->spare);
	several_expect_equal(&several);
}

static void a_spare_learns_of_the_next_leader(void **state)
{
	found(4);
	assert_int_equal(several_set_role(&several, 0, 3, SERVICE_SPARE), 0);
	several_pass(&several, 2000);
	several_kill(&several, 0);
	several_pass(&several, 5000);
	assert_true(several_cluster(&several, 3)->spare);
	several_append(&several, 3, "by way of the new one");
	several_open(&several, 0);
	several_expect_equal(&several);
}

static void a_spare_that_starts_again_is_told_again(void **state)
{
	found(3);
	assert_int_equal(several_set_role(&several, 0, 2, SERVICE_SPARE), 0);
	several_pass(&several, 1000);
	several_kill(&several, 2);
	several_open(&several, 2);
	several_pass(&several, 2000);
	assert_true(several_cluster(&several, 2)->spare);
	several_append(&several, 2, "x");
}

/* ---- Removal ---- */

static uint64_t last_entry(size_t i)
{
	struct log_tail tail;
	log_tail(several_cluster(&several, i)->log, &tail);
	return tail.entry;
}

/* With it in its log, and its leader gone, it could neither be elected nor elect another one. */
static void a_voter_gets_the_entry_that_ends_its_vote_once_that_is_committed(void **state)
{
	found(3);
	several_elect(&several, 0);
	several_agree(&several);
	const uint64_t before = last_entry(2);
	/* Nothing is committed without the other voter's disk. */
	several.stalled[1] = true;
	struct told told = {
		.command = {.kind = SERVICE_SET_ROLE, .member = several.nodes[2].id, .role = SERVICE_STANDBY}};
	several_tell(&several, 0, &told);
	several_pass(&several, 4 * CLUSTER_HEARTBEAT_MS);
	assert_int_equal(told.answers, 0);
	assert_int_equal(last_entry(0), before + 1);
	assert_int_equal(last_entry(1), before + 1);
	assert_int_equal(last_entry(2), before);
	several.stalled[1] = false;
	several_await_role(&several, 2, 2, SERVICE_STANDBY);
	assert_int_equal(told.command.status, 0);
	several_expect_equal(&several);
}

static void a_follower_is_removed_and_learns_of_it(void **state)
{
	found(3);
	assert_int_equal(several_remove(&several, 0, 2), 0);
	assert_int_equal(several_role(&several, 0, 2), -1);
	several_pass(&several, 1000);
	assert_true(several_cluster(&several, 2)->removed);
	several_append(&several, 0, "without it");
	assert_int_equal(member_next(several_member(&several, 2)), 0);
}

static void a_removed_member_does_not_stand_for_election(void **state)
{
	found(3);
	assert_int_equal(several_remove(&several, 0, 2), 0);
	several_pass(&several, 1000);
	uint64_t term = core_term(several_cluster(&several, 2)->core);
	several_pass(&several, 5000);
	assert_int_equal(core_term(several_cluster(&several, 2)->core), term);
	assert_int_equal(core_role(several_cluster(&several, 2)->core), CORE_FOLLOWER);
	assert_int_equal(core_term(several_cluster(&several, 0)->core), term);
}

static void a_member_that_missed_its_removal_is_told_when_it_asks_for_votes(void **state)
{
	found(3);
	several_isolate(&several, 2, true);
	assert_int_equal(several_remove(&several, 0, 2), 0);
	several_pass(&several, 3000);
	assert_false(several_cluster(&several, 2)->removed);
	several_isolate(&several, 2, false);
	several_pass(&several, 5000);
	assert_true(several_cluster(&several, 2)->removed);
}

static void a_leader_that_is_removed_hands_over_first(void **state)
{
	found(3);
	several_append(&several, 0, "before");
	assert_int_equal(several_remove(&several, 1, 0), 0);
	several_pass(&several, 1000);
	assert_true(several_cluster(&several, 0)->removed);
	several_isolate(&several, 0, true);
	size_t leader = several_lead(&several);
	assert_int_not_equal(leader, 0);
	assert_int_equal(several_role(&several, leader, 0), -1);
	assert_int_equal(several_append(&several, leader, "after"), 1);
}

/* A member that joins and dies before its log has the entry that takes it in. */
static void a_member_whose_log_does_not_have_it_starts_and_waits(void **state)
{
	struct clog_error err = {0};
	struct identity identity;
	found(3);
	size_t leader = several_lead(&several);
	size_t i = leader == 2 ? 1 : 2;
	several_kill(&several, i);
	struct log_disk *disk = several_member(&several, i)->host.door.disk;
	assert_int_equal(identity_load(&identity, disk, MEMBER_DATA, &err), 0);
	identity.id ^= 1;
	assert_int_equal(disk->remove(disk, MEMBER_DATA "/identity"), 0);
	assert_int_equal(identity_save(&identity, disk, MEMBER_DATA, &err), 0);
	assert_int_equal(several_try_open(&several, i, SEVERAL_NONE, &err), 0);
	uint64_t term = core_term(several_cluster(&several, leader)->core);
	several_pass(&several, 8 * CLUSTER_ELECTION_MS);
	assert_false(cluster_leads(several_cluster(&several, i)));
	assert_int_equal(core_term(several_cluster(&several, leader)->core), term);
	several_append(&several, leader, "x");
}

static void a_member_that_missed_its_removal_is_told_when_it_says_that_it_is_there(void **state)
{
	found(3);
	several_elect(&several, 0);
	several_agree(&several);
	several_kill(&several, 2);
	assert_int_equal(several_remove(&several, 0, 2), 0);
	several_append(&several, 0, "x");
	several_open_at(&several, 2, 0);
	several_pass(&several, CLUSTER_ELECTION_MS + 4 * CHECK_MS);
	assert_true(several_cluster(&several, 2)->removed);
}

static void half_of_two_is_removed_and_one_goes_on_alone(void **state)
{
	found(2);
	several_append(&several, 1, "before");
	assert_int_equal(several_remove(&several, 0, 1), 0);
	several_pass(&several, 1000);
	assert_true(cluster_alone(several_cluster(&several, 0)));
	assert_int_equal(several_append(&several, 0, "alone"), 1);
	assert_true(several_cluster(&several, 1)->removed);
}

/* ---- Leadership ---- */

static void leadership_goes_to_the_member_that_is_named(void **state)
{
	found(3);
	assert_int_equal(several_transfer(&several, 0, 2), 0);
	assert_int_equal(several_lead(&several), 2);
	/* Asked of a follower. */
	assert_int_equal(several_transfer(&several, 1, 0), 0);
	assert_int_equal(several_lead(&several), 0);
	several_append(&several, 2, "x");
	several_expect_equal(&several);
}

static void leadership_for_the_leader_is_there_already(void **state)
{
	found(2);
	uint64_t term = core_term(several_cluster(&several, 0)->core);
	assert_int_equal(several_transfer(&several, 0, 0), 0);
	assert_int_equal(core_term(several_cluster(&several, 0)->core), term);
}

static void leadership_for_a_standby_is_refused(void **state)
{
	several.options.voters = 2;
	found(3);
	int status = several_transfer(&several, 0, 2);
	assert_int_equal(status, -ENOENT);
	assert_int_equal(several_lead(&several), 0);
}

static void appends_that_wait_while_leadership_moves_are_appended_once(void **state)
{
	struct sent sent[3][4] = {0};
	struct told told = {.command = {.kind = SERVICE_TRANSFER}};
	found(3);
	told.command.member = several.nodes[1].id;
	several_tell(&several, 0, &told);
	for (size_t i = 0; i < 3; i++)
		for (size_t k = 0; k < 4; k++)
			member_send_text(several_member(&several, i), &sent[i][k], "x");
	for (size_t i = 0; i < 3; i++)
		for (size_t k = 0; k < 4; k++)
			assert_int_equal(several_answer(&several, &sent[i][k]), 0);
	assert_int_equal(told.answers, 1);
	assert_int_equal(several_end(&several, 0), 12);
	several_expect_equal(&several);
}

static void members_are_told_with_their_state_and_lag(void **state)
{
	struct service_member members[SERVICE_MEMBERS_MAX];
	found(3);
	several_append(&several, 0, "x");
	several_agree(&several);
	several_pass(&several, 300);
	for (size_t i = 0; i < 3; i++) {
		size_t count = service_members(several_member(&several, i)->service, members, SERVICE_MEMBERS_MAX);
		assert_int_equal(count, 3);
		for (size_t k = 0; k < 3; k++) {
			/* A follower hears of its leader alone. */
			if (i == 0 || members[k].id == several.nodes[0].id)
				assert_int_equal(members[k].state, members[k].id == several.nodes[0].id
				                                           ? SERVICE_LEADER
				                                           : SERVICE_FOLLOWER);
			if (i == 0 || members[k].id == several.nodes[i].id)
				assert_int_equal(members[k].lag, 0);
		}
	}
	several_isolate(&several, 2, true);
	several_append(&several, 0, "y");
	several_pass(&several, 3000);
	service_members(several_member(&several, 0)->service, members, SERVICE_MEMBERS_MAX);
	for (size_t k = 0; k < 3; k++)
		if (members[k].id == several.nodes[2].id)
			assert_int_equal(members[k].state, SERVICE_UNREACHABLE);
	service_members(several_member(&several, 2)->service, members, SERVICE_MEMBERS_MAX);
	for (size_t k = 0; k < 3; k++)
		assert_int_equal(members[k].state,
		                 members[k].id == several.nodes[2].id ? SERVICE_CANDIDATE : SERVICE_UNREACHABLE);
	/* No more are told of than there is room for. */
	members[1].id = 0;
	assert_int_equal(service_members(several_member(&several, 0)->service, members, 1), 3);
	assert_int_equal(members[1].id, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_voter_becomes_a_standby_by_command_and_is_not_promoted_again, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_follower_can_be_asked_to_change_a_role, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_role_that_a_member_has_already_changes_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_leader_that_is_to_vote_no_more_hands_over_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_only_voter_keeps_its_vote, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_eighth_voter_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_member_that_is_not_there_has_no_role, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_standby_that_has_not_caught_up_votes_only_when_it_has, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_spare_answers_no_reads_and_its_appends_go_to_the_leader, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_spare_tells_that_it_is_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_spare_does_not_stand_for_election, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_spare_that_is_to_vote_becomes_a_standby_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_spare_learns_of_the_next_leader, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_spare_that_starts_again_is_told_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_voter_gets_the_entry_that_ends_its_vote_once_that_is_committed,
	                                        set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_follower_is_removed_and_learns_of_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_removed_member_does_not_stand_for_election, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_member_that_missed_its_removal_is_told_when_it_asks_for_votes, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_leader_that_is_removed_hands_over_first, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_member_whose_log_does_not_have_it_starts_and_waits, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_member_that_missed_its_removal_is_told_when_it_says_that_it_is_there,
	                                        set_up, tear_down),
		cmocka_unit_test_setup_teardown(half_of_two_is_removed_and_one_goes_on_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(leadership_goes_to_the_member_that_is_named, set_up, tear_down),
		cmocka_unit_test_setup_teardown(leadership_for_the_leader_is_there_already, set_up, tear_down),
		cmocka_unit_test_setup_teardown(leadership_for_a_standby_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(appends_that_wait_while_leadership_moves_are_appended_once, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(members_are_told_with_their_state_and_lag, set_up, tear_down),
	};
	member_hush();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
