/* Appends that must get an offset, and the log's end as a majority confirms it. */
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
static int lost_type; /* messages of this type are lost; 0: none */

static bool lose(struct several *all, size_t from, size_t to, struct message *message)
{
	return (int)message->type == lost_type;
}

static void lose_all(int type)
{
	several.filter = lose;
	lost_type = type;
}

static int set_up(void **state)
{
	several_init(&several);
	lost_type = 0;
	return 0;
}

static int tear_down(void **state)
{
	several_finish(&several);
	return 0;
}

/* So many members, the first one leading, with a record of each. */
static void found(size_t count)
{
	several_found(&several, count);
	several_elect(&several, 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(several_append(&several, i, "warm"), i);
	several_agree(&several);
}

static int append_at(size_t i, uint64_t expected)
{
	struct sent sent;
	several_send_at(&several, i, &sent, expected, "at");
	int status = several_answer(&several, &sent);
	if (status == 0)
		assert_int_equal(sent.append.first_offset, expected);
	return status;
}

/* ---- Conditional appends ---- */

static void an_append_gets_the_next_offset_and_no_other(void **state)
{
	found(3);
	for (size_t i = 0; i < 3; i++) {
		uint64_t next = 3 + i;
		assert_int_equal(append_at(i, next - 1), -EEXIST);
		assert_int_equal(append_at(i, next + 1), -ENXIO);
		assert_int_equal(append_at(i, next), 0);
	}
	assert_int_equal(several_end(&several, 0), 6);
	several_expect_equal(&several);
}

static void two_for_one_offset_get_it_once(void **state)
{
	struct sent sent[2];
	found(3);
	several_send_at(&several, 0, &sent[0], 3, "first");
	several_send_at(&several, 0, &sent[1], 3, "second");
	assert_int_equal(several_answer(&several, &sent[0]), 0);
	assert_int_equal(several_answer(&several, &sent[1]), -EEXIST);
	member_expect_text(several_member(&several, 0), 3, "first");
}

static void who_comes_after_a_plain_append_in_the_same_turn_knows_of_it(void **state)
{
	struct sent plain = {0}, taken, next;
	found(3);
	member_send_text(several_member(&several, 0), &plain, "plain");
	several_send_at(&several, 0, &taken, 3, "taken");
	several_send_at(&several, 0, &next, 4, "next");
	assert_int_equal(several_answer(&several, &plain), 0);
	assert_int_equal(several_answer(&several, &taken), -EEXIST);
	assert_int_equal(several_answer(&several, &next), 0);
}

static void that_an_offset_is_taken_is_told_once_its_record_is_committed(void **state)
{
	struct sent plain = {0}, taken;
	found(3);
	lose_all(MESSAGE_APPEND_RESULT);
	member_send_text(several_member(&several, 0), &plain, "plain");
	several_send_at(&several, 0, &taken, 3, "taken");
	several_settle(&several);
	struct log_tail tail;
	log_tail(several_cluster(&several, 0)->log, &tail);
	assert_int_equal(tail.next_offset, 4);
	member_expect_pending(&taken);
	lose_all(0);
	assert_int_equal(several_answer(&several, &plain), 0);
	assert_int_equal(several_answer(&several, &taken), -EEXIST);
}

static void a_guess_that_came_of_a_record_that_was_lost_is_decided_again(void **state)
{
	struct sent plain = {0}, taken;
	found(3);
	several_isolate(&several, 0, true);
	member_send_text(several_member(&several, 0), &plain, "in vain");
	several_send_at(&several, 0, &taken, 4, "needs it");
	several_settle(&several);
	several_append(&several, 1, "the real third");
	several_isolate(&several, 0, false);
	/* In the order in which they were sent: offsets 4 and then taken. */
	assert_int_equal(several_answer(&several, &plain), 0);
	assert_int_equal(plain.append.first_offset, 4);
	assert_int_equal(several_answer(&several, &taken), -EEXIST);
	several_expect_equal(&several);
}

/* It was told to be taken by a record of its own leader that is lost, and is decided by that member when it leads again:
 * nothing of the first decision is left. */
static void a_guess_that_was_wrong_is_forgotten(void **state)
{
	struct sent lost = {0}, guess;
	found(3);
	struct cluster *cluster = several_cluster(&several, 0);
	several_isolate(&several, 0, true);
	member_send_text(several_member(&several, 0), &lost, "lost");
	several_send_at(&several, 0, &guess, 3, "guess");
	several_settle(&several);
	assert_non_null(cluster->settled.first);
	assert_int_equal(cluster->settled.first->status, -EEXIST);
	cluster->proposed.first->deadline = 0;
	assert_int_equal(several_answer(&several, &lost), -ETIMEDOUT);
	several_elect(&several, 1);
	lose_all(MESSAGE_FORWARD);
	several_isolate(&several, 0, false);
	several_agree(&several);
	several_elect(&several, 0);
	lose_all(0);
	assert_int_equal(several_answer(&several, &guess), 0);
	assert_int_equal(guess.append.first_offset, 3);
	member_expect_text(several_member(&several, 0), 3, "guess");
	several_expect_equal(&several);
}

/* The next leader's entry comes in the place of the record, and that it is committed in the same message. */
static void a_guess_is_decided_again_though_another_entry_of_its_number_is_committed_at_once(void **state)
{
	static struct sent plain, guess; /* answered when all is closed */
	struct log_frame *frame;
	struct log_tail before;
	size_t size;
	found(3);
	struct cluster *cluster = several_cluster(&several, 0);
	log_tail(cluster->log, &before);
	several_isolate(&several, 0, true);
	plain = (struct sent){0};
	member_send_text(several_member(&several, 0), &plain, "plain");
	several_send_at(&several, 0, &guess, before.next_offset, "guess");
	several_settle(&several);
	assert_non_null(cluster->settled.first);
	const struct log_header header = {.term = before.term + 1, .type = LOG_BARRIER, .time_ns = before.time_ns};
	assert_int_equal(log_frame_create(&frame), 0);
	log_frame_close(frame, &before, &header);
	struct message message = {
		.type = MESSAGE_APPEND,
		.term = header.term,
		.append = {.entry = before.entry, .entry_term = before.term, .commit = before.entry + 1, .count = 1}};
	message.data = log_frame_bytes(frame, &size);
	message.size = size;
	several.cut[1][0] = false;
	several_forge(&several, 1, 0, &message);
	several_settle(&several);
	log_frame_unref(frame);
	assert_int_equal(cluster->applied.entry, before.entry + 1);
	assert_int_equal(cluster->applied.next_offset, before.next_offset);
	member_expect_pending(&guess);
}

static void that_an_offset_is_ahead_is_told_after_an_echo_of_a_majority(void **state)
{
	struct sent ahead;
	found(3);
	lose_all(MESSAGE_ECHO);
	several_send_at(&several, 0, &ahead, 10, "ahead");
	several_pass(&several, 2000);
	member_expect_pending(&ahead);
	lose_all(0);
	assert_int_equal(several_answer(&several, &ahead), -ENXIO);
}

static void a_deposed_leader_does_not_say_that_an_offset_is_ahead(void **state)
{
	struct sent ahead;
	found(3);
	several_isolate(&several, 0, true);
	several_send_at(&several, 0, &ahead, 4, "x");
	several_settle(&several);
	several_append(&several, 1, "third");
	member_expect_pending(&ahead);
	several_isolate(&several, 0, false);
	/* By now it is not. */
	assert_int_equal(several_answer(&several, &ahead), 0);
	assert_int_equal(ahead.append.first_offset, 4);
}

static void an_append_ahead_runs_into_its_deadline_without_a_majority(void **state)
{
	struct sent ahead;
	found(3);
	several_isolate(&several, 0, true);
	several_send_at(&several, 0, &ahead, 10, "x");
	several_pass(&several, CLUSTER_DEADLINE_MS + 1000);
	member_expect_status(&ahead, -EHOSTUNREACH);
}

static void a_conditional_append_of_a_follower_whose_answer_is_lost_is_not_told_that_it_exists(void **state)
{
	struct sent sent;
	found(3);
	lose_all(MESSAGE_RESULT);
	several_send_at(&several, 1, &sent, 3, "x");
	several_pass(&several, 200);
	member_expect_pending(&sent);
	lose_all(0);
	assert_int_equal(several_answer(&several, &sent), 0);
	assert_int_equal(sent.append.first_offset, 3);
}

static void a_member_alone_is_a_majority(void **state)
{
	several_found(&several, 1);
	assert_int_equal(append_at(0, 1), -ENXIO);
	assert_int_equal(append_at(0, 0), 0);
	assert_int_equal(append_at(0, 0), -EEXIST);
	assert_int_equal(several_end(&several, 0), 1);
}

/* ---- The log's end ---- */

static void the_end_is_told_after_an_echo_of_a_majority(void **state)
{
	struct told told = {.command = {.kind = SERVICE_END}};
	found(3);
	lose_all(MESSAGE_ECHO);
	several_tell(&several, 0, &told);
	several_pass(&several, 1000);
	assert_int_equal(told.answers, 0);
	lose_all(0);
	several_pass(&several, 1000);
	assert_int_equal(told.answers, 1);
	assert_int_equal(told.command.status, 0);
	assert_int_equal(told.command.value, 3);
}

static void one_echo_of_three_is_enough(void **state)
{
	found(3);
	several_kill(&several, 2);
	assert_int_equal(several_end(&several, 0), 3);
}

static void the_end_is_told_at_a_follower_who_has_it_then(void **state)
{
	found(3);
	several_append(&several, 0, "x");
	assert_int_equal(several_end(&several, 1), 4);
	assert_int_equal(member_next(several_member(&several, 1)), 4);
}

static void a_deposed_leader_does_not_tell_the_end(void **state)
{
	struct told told = {.command = {.kind = SERVICE_END}};
	found(3);
	several_isolate(&several, 0, true);
	several_tell(&several, 0, &told);
	several_append(&several, 1, "x");
	assert_int_equal(told.answers, 0);
	several_pass(&several, CLUSTER_DEADLINE_MS + 1000);
	assert_int_equal(told.answers, 1);
	assert_int_equal(told.command.status, -EHOSTUNREACH);
}

static void a_deposed_leader_asks_the_next_one_for_the_end(void **state)
{
	struct told told = {.command = {.kind = SERVICE_END}};
	found(3);
	several_isolate(&several, 0, true);
	several_tell(&several, 0, &told);
	several_append(&several, 1, "x");
	several_isolate(&several, 0, false);
	several_pass(&several, 3000);
	assert_int_equal(told.answers, 1);
	assert_int_equal(told.command.status, 0);
	assert_int_equal(told.command.value, 4);
}

static void the_answer_to_an_older_round_does_not_count(void **state)
{
	struct told told = {.command = {.kind = SERVICE_END}};
	found(3);
	struct cluster *leader = several_cluster(&several, 0);
	lose_all(MESSAGE_ECHO);
	several_tell(&several, 0, &told);
	several_settle(&several);
	assert_true(leader->echo.out);
	struct message answer = {.type = MESSAGE_ECHO_RESULT, .term = leader->term, .round = leader->echo.round - 1};
	several_forge(&several, 1, 0, &answer);
	answer.round = leader->echo.round;
	answer.term = leader->term - 1;
	several_forge(&several, 1, 0, &answer);
	several_settle(&several);
	assert_int_equal(told.answers, 0);
	answer.term = leader->term;
	several_forge(&several, 1, 0, &answer);
	several_settle(&several);
	assert_int_equal(told.answers, 1);
}

static void one_voter_counts_once_and_a_standby_not_at_all(void **state)
{
	struct told told = {.command = {.kind = SERVICE_END}};
	several.options.voters = 5;
	found(5);
	several_kill(&several, 4);
	several.options.voters = 4;
	assert_int_equal(several_set_role(&several, 0, 3, SERVICE_STANDBY), 0);
	struct cluster *leader = several_cluster(&several, 0);
	lose_all(MESSAGE_ECHO);
	several_tell(&several, 0, &told);
	several_settle(&several);
	const struct message answer = {.type = MESSAGE_ECHO_RESULT, .term = leader->term, .round = leader->echo.round};
	/* Of four voters three are needed. */
	several_forge(&several, 1, 0, &answer);
	several_forge(&several, 1, 0, &answer);
	several_forge(&several, 3, 0, &answer);
	several_settle(&several);
	assert_int_equal(told.answers, 0);
	several_forge(&several, 2, 0, &answer);
	several_settle(&several);
	assert_int_equal(told.answers, 1);
}

static void what_is_asked_during_a_round_waits_for_the_next(void **state)
{
	struct told told[2] = {{.command = {.kind = SERVICE_END}}, {.command = {.kind = SERVICE_END}}};
	found(3);
	struct cluster *leader = several_cluster(&several, 0);
	lose_all(MESSAGE_ECHO);
	several_tell(&several, 0, &told[0]);
	several_settle(&several);
	several_tell(&several, 0, &told[1]);
	several_settle(&several);
	const struct message answer = {.type = MESSAGE_ECHO_RESULT, .term = leader->term, .round = leader->echo.round};
	several_forge(&several, 1, 0, &answer);
	several_settle(&several);
	assert_int_equal(told[0].answers, 1);
	assert_int_equal(told[1].answers, 0);
	lose_all(0);
	several_pass(&several, 1000);
	assert_int_equal(told[1].answers, 1);
}

static void a_round_is_won_when_those_who_miss_are_voters_no_more(void **state)
{
	struct told told = {.command = {.kind = SERVICE_END}};
	found(4);
	lose_all(MESSAGE_ECHO);
	several_tell(&several, 0, &told);
	several_settle(&several);
	for (size_t i = 1; i < 4; i++)
		assert_int_equal(several_set_role(&several, 0, i, SERVICE_STANDBY), 0);
	several_pass(&several, 1000);
	assert_int_equal(told.answers, 1);
}

static void what_a_leader_was_asked_is_forgotten_when_it_is_deposed(void **state)
{
	struct told told[2] = {{.command = {.kind = SERVICE_END}}, {.command = {.kind = SERVICE_END}}};
	found(3);
	lose_all(MESSAGE_ECHO);
	several_tell(&several, 1, &told[0]);
	several_settle(&several);
	several_tell(&several, 2, &told[1]);
	several_settle(&several);
	struct cluster *old = several_cluster(&several, 0);
	assert_int_equal(old->request_count, 2);
	assert_int_equal(several_transfer(&several, 0, 1), 0);
	assert_int_equal(old->request_count, 0);
	assert_false(old->echo.out);
	lose_all(0);
	several_pass(&several, 2000);
	assert_int_equal(told[0].answers, 1);
	assert_int_equal(told[1].answers, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_append_gets_the_next_offset_and_no_other, set_up, tear_down),
		cmocka_unit_test_setup_teardown(two_for_one_offset_get_it_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_comes_after_a_plain_append_in_the_same_turn_knows_of_it, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(that_an_offset_is_taken_is_told_once_its_record_is_committed, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_guess_that_came_of_a_record_that_was_lost_is_decided_again, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(that_an_offset_is_ahead_is_told_after_an_echo_of_a_majority, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_deposed_leader_does_not_say_that_an_offset_is_ahead, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(an_append_ahead_runs_into_its_deadline_without_a_majority, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(
			a_conditional_append_of_a_follower_whose_answer_is_lost_is_not_told_that_it_exists, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(a_guess_that_was_wrong_is_forgotten, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_guess_is_decided_again_though_another_entry_of_its_number_is_committed_at_once, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(a_member_alone_is_a_majority, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_end_is_told_after_an_echo_of_a_majority, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_echo_of_three_is_enough, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_end_is_told_at_a_follower_who_has_it_then, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_deposed_leader_does_not_tell_the_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_deposed_leader_asks_the_next_one_for_the_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_answer_to_an_older_round_does_not_count, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_voter_counts_once_and_a_standby_not_at_all, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_asked_during_a_round_waits_for_the_next, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_round_is_won_when_those_who_miss_are_voters_no_more, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(what_a_leader_was_asked_is_forgotten_when_it_is_deposed, set_up,
	                                        tear_down),
	};
	member_hush();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
