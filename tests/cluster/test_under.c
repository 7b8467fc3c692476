/* Appends under callers' sessions: a batch that is given again is appended once, whichever member it is given to. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/cluster/several.h"

#define KEY 0x1234567890abcdefu

static struct several several;
static struct service_session session;
/* So many messages of a type are lost, of those that a node sends. */
static int lost_type;
static size_t lost_from;
static unsigned lost_count;

static bool lose(struct several *all, size_t from, size_t to, struct message *message)
{
	if (lost_count == 0 || (int)message->type != lost_type || from != lost_from)
		return false;
	lost_count--;
	return true;
}

static void lose_next(size_t from, enum message_type type, unsigned count)
{
	several.filter = lose;
	lost_from = from;
	lost_type = type;
	lost_count = count;
}

static int set_up(void **state)
{
	several_init(&several);
	lost_count = 0;
	return 0;
}

static int tear_down(void **state)
{
	several_finish(&several);
	return 0;
}

static struct service_session open_session(size_t i, uint64_t key)
{
	struct told told = {.command = {.kind = SERVICE_OPEN_SESSION, .session_key = key}};
	assert_int_equal(several_command(&several, i, &told), 0);
	assert_true(told.command.value > 0);
	return (struct service_session){.id = told.command.value, .key = key};
}

/* So many members, the first one leading, and a session. */
static void found(size_t count)
{
	several_found(&several, count);
	several_elect(&several, 0);
	session = open_session(count - 1, KEY);
	several_agree(&several);
}

static void send(size_t i, struct sent *sent, uint64_t sequence, const char *text)
{
	*sent = (struct sent){0};
	member_send_under(several_member(&several, i), sent, &session, sequence, SERVICE_ANYWHERE, text);
	assert_int_equal(sent->refused, 0);
}

static int append(size_t i, uint64_t sequence, const char *text)
{
	struct sent sent;
	send(i, &sent, sequence, text);
	int status = several_answer(&several, &sent);
	return status == 0 ? (int)sent.append.first_offset : status;
}

/* So many other sessions are opened that the first one ends. */
static void end_session(size_t i)
{
	for (unsigned k = 0; k < MACHINE_SESSIONS_MAX; k++)
		open_session(i, 1);
}

static void a_batch_given_again_is_appended_once_whichever_member_it_is_given_to(void **state)
{
	found(3);
	assert_int_equal(append(1, 1, "one"), 0);
	assert_int_equal(append(0, 2, "two"), 1);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(append(i, 1, "one"), 0);
		assert_int_equal(append(i, 2, "two"), 1);
	}
	several_kill(&several, 0);
	size_t leader = several_lead(&several);
	assert_int_equal(append(leader, 1, "one"), 0);
	assert_int_equal(append(3 - leader, 2, "two"), 1);
	several_open(&several, 0);
	assert_int_equal(append(0, 3, "three"), 2);
	assert_int_equal(several_end(&several, leader), 3);
	several_expect_equal(&several);
}

static void twins_at_the_same_time_are_appended_once_and_all_answered(void **state)
{
	struct sent sent[8];
	found(3);
	for (size_t i = 0; i < 8; i++)
		send(i % 3, &sent[i], 1, "one");
	several_pass(&several, 2000);
	for (size_t i = 0; i < 8; i++)
		member_expect_done(&sent[i], 0);
	assert_int_equal(several_end(&several, 0), 1);
	several_expect_equal(&several);
}

static void a_twin_of_one_that_waits_for_the_disk_is_answered_with_it(void **state)
{
	struct sent first, second, third;
	found(3);
	several.stalled[1] = several.stalled[2] = true;
	send(0, &first, 1, "one");
	several_pass(&several, 100);
	send(1, &second, 1, "one");
	send(0, &third, 1, "one");
	several_pass(&several, 300);
	member_expect_pending(&first);
	member_expect_pending(&second);
	several.stalled[1] = several.stalled[2] = false;
	several_pass(&several, 1000);
	member_expect_done(&first, 0);
	member_expect_done(&second, 0);
	member_expect_done(&third, 0);
	assert_int_equal(several_end(&several, 0), 1);
}

static void another_key_is_refused_and_disturbs_nobody(void **state)
{
	struct sent right, wrong;
	found(3);
	struct service_session guess = {.id = session.id, .key = KEY + 1};
	for (size_t i = 0; i < 3; i++) {
		wrong = (struct sent){0};
		send(1, &right, 1 + i, "right");
		member_send_under(several_member(&several, i), &wrong, &guess, 1 + i, SERVICE_ANYWHERE, "wrong");
		several_pass(&several, 300);
		member_expect_done(&right, i);
		member_expect_status(&wrong, -EINVAL);
	}
	/* A member's own session has none that would fit. */
	assert_int_equal(several_append(&several, 1, "own"), 3);
	guess.id = several_cluster(&several, 1)->session.id;
	wrong = (struct sent){0};
	member_send_under(several_member(&several, 1), &wrong, &guess, 1, SERVICE_ANYWHERE, "wrong");
	assert_int_equal(several_answer(&several, &wrong), -EINVAL);
	guess.key = 0;
	member_send_under(several_member(&several, 1), &wrong, &guess, 1, SERVICE_ANYWHERE, "wrong");
	assert_int_equal(wrong.refused, -EINVAL);
	assert_int_equal(several_end(&several, 0), 4);
}

static void other_records_of_the_same_numbers_are_refused(void **state)
{
	static const uint32_t sizes[] = {1, 1};
	struct sent sent = {0};
	found(3);
	assert_int_equal(append(1, 5, "a"), 0);
	member_send_under_many(several_member(&several, 2), &sent, &session, 4, "xy", sizes, 2);
	assert_int_equal(several_answer(&several, &sent), -EINVAL);
	assert_int_equal(append(2, 4, "b"), 1);
}

static void a_batch_stays_by_itself(void **state)
{
	struct sent under, plain[3] = {0};
	found(3);
	member_send_text(several_member(&several, 0), &plain[0], "p");
	send(0, &under, 1, "u");
	member_send_text(several_member(&several, 0), &plain[1], "p");
	member_send_text(several_member(&several, 0), &plain[2], "p");
	several_pass(&several, 1000);
	assert_int_equal(append(2, 1, "u"), under.append.first_offset);
	assert_int_equal(several_end(&several, 0), 4);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(plain[i].append.status, 0);
}

static void a_condition_is_that_of_the_first_time(void **state)
{
	struct sent sent = {0};
	found(3);
	member_send_under(several_member(&several, 1), &sent, &session, 1, 0, "one");
	assert_int_equal(several_answer(&several, &sent), 0);
	sent = (struct sent){0};
	member_send_under(several_member(&several, 2), &sent, &session, 1, 0, "one");
	assert_int_equal(several_answer(&several, &sent), 0);
	assert_int_equal(sent.append.first_offset, 0);
	member_send_under(several_member(&several, 2), &sent, &session, 2, 0, "two");
	assert_int_equal(several_answer(&several, &sent), -EEXIST);
	member_send_under(several_member(&several, 2), &sent, &session, 2, 7, "two");
	assert_int_equal(several_answer(&several, &sent), -ENXIO);
}

static void a_session_that_has_ended_refuses_what_was_never_sent(void **state)
{
	found(3);
	assert_int_equal(append(1, 1, "one"), 0);
	end_session(0);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(append(i, 2, "two"), -EKEYEXPIRED);
	session.id += 1000000;
	assert_int_equal(append(1, 2, "two"), -EKEYEXPIRED);
	assert_int_equal(several_end(&several, 0), 1);
}

/* The second member is told to stand for election, and the first one, which led, hears nothing of that. */
static void replace_unheard(void)
{
	struct cluster *old = several_cluster(&several, 0);
	struct log_tail tail;
	log_tail(old->log, &tail);
	const struct message message = {.type = MESSAGE_TIMEOUT_NOW,
	                                .term = core_term(old->core),
	                                .timeout_now = {.last_entry = tail.entry, .last_term = tail.term}};
	several_isolate(&several, 0, true);
	several.cut[0][1] = false;
	several_forge(&several, 0, 1, &message);
	several.cut[0][1] = true;
	several_settle(&several);
}

static void who_leads_no_more_does_not_say_that_a_newer_session_has_ended(void **state)
{
	struct sent sent;
	found(3);
	replace_unheard();
	session = open_session(1, KEY + 1);
	assert_true(cluster_leads(several_cluster(&several, 0)));
	assert_true(session.id > several_cluster(&several, 0)->machine.entry);
	send(0, &sent, 1, "one");
	several_settle(&several);
	member_expect_pending(&sent);
	several_isolate(&several, 0, false);
	assert_int_equal(several_answer(&several, &sent), 0);
	assert_int_equal(several_end(&several, 1), 1);
	several_expect_equal(&several);
}

static void of_what_was_sent_before_the_session_ended_nothing_is_known(void **state)
{
	struct sent sent;
	several.options.deadline_ms = 60000;
	found(3);
	lose_next(1, MESSAGE_FORWARD, 1);
	send(1, &sent, 1, "one");
	several_settle(&several);
	assert_int_equal(lost_count, 0);
	end_session(0);
	member_expect_pending(&sent);
	assert_int_equal(several_answer(&several, &sent), -ETIMEDOUT);
	assert_int_equal(several_end(&several, 0), 0);
	/* The member that sends it for the first time knows that it has not. */
	assert_int_equal(append(2, 1, "one"), -EKEYEXPIRED);
}

static void a_leader_that_proposed_it_knows_nothing_of_it_either(void **state)
{
	struct sent sent;
	several.options.deadline_ms = 60000;
	found(3);
	several_isolate(&several, 0, true);
	send(0, &sent, 1, "one");
	several_pass(&several, 3000);
	size_t leader = several_lead(&several);
	assert_int_not_equal(leader, 0);
	end_session(leader);
	several_isolate(&several, 0, false);
	several_pass(&several, 3000);
	member_expect_status(&sent, -ETIMEDOUT);
	several_expect_equal(&several);
}

static void what_an_old_leader_proposed_is_appended_once_under_the_next(void **state)
{
	struct sent sent, again;
	several.options.deadline_ms = 60000;
	found(3);
	several_isolate(&several, 0, true);
	send(0, &sent, 1, "one");
	several_pass(&several, 3000);
	send(1, &again, 1, "one");
	assert_int_equal(several_answer(&several, &again), 0);
	several_isolate(&several, 0, false);
	several_pass(&several, 3000);
	member_expect_done(&sent, 0);
	assert_int_equal(several_end(&several, 1), 1);
	several_expect_equal(&several);
}

static void of_what_is_too_long_ago_nothing_is_known(void **state)
{
	found(3);
	for (uint64_t i = 0; i <= MACHINE_RESULTS_MAX; i++)
		assert_int_equal(append(i % 3, 1 + i, "x"), i);
	assert_int_equal(append(1, 1, "x"), -ETIMEDOUT);
	assert_int_equal(append(1, 2, "x"), 1);
}

#define MANY 600u

static void many_batches_at_once_go_into_few_entries(void **state)
{
	static struct service_session sessions[MANY / 60];
	static struct sent sent[MANY];
	found(1);
	for (size_t i = 0; i < MANY / 60; i++)
		sessions[i] = open_session(0, 9 + i);
	uint64_t entry = several_cluster(&several, 0)->machine.entry;
	for (size_t i = 0; i < MANY; i++) {
		session = sessions[i / 60];
		send(0, &sent[i], 1 + i % 60, "x");
	}
	several_pass(&several, 1000);
	for (size_t i = 0; i < MANY; i++)
		member_expect_done(&sent[i], i);
	assert_int_equal(several_cluster(&several, 0)->machine.entry, entry + 2);
}

static void a_follower_sends_so_many_of_them_at_once(void **state)
{
	static struct sent sent[MANY], plain;
	found(3);
	several_append(&several, 1, "plain");
	struct service_session one = session;
	uint64_t before = several.nodes[0].received[MESSAGE_FORWARD];
	lose_next(0, MESSAGE_RESULT, UINT32_MAX);
	for (size_t i = 0; i < 63; i++)
		send(1, &sent[i], 1 + i, "x");
	session = open_session(0, 1);
	for (size_t i = 63; i < 126; i++)
		send(1, &sent[i], 1 + i, "x");
	session = open_session(0, 2);
	for (size_t i = 126; i < 180; i++)
		send(1, &sent[i], 1 + i, "x");
	member_send_text(several_member(&several, 1), &plain, "plain");
	several_settle(&several);
	assert_int_equal(several.nodes[0].received[MESSAGE_FORWARD], before + 128);
	lost_count = 0;
	several_pass(&several, 5000);
	for (size_t i = 0; i < 180; i++)
		assert_int_equal(sent[i].append.status, 0);
	assert_int_equal(plain.append.status, 0);
	assert_int_equal(several_end(&several, 0), 182);
	session = one;
	assert_int_equal(append(2, 1, "x"), sent[0].append.first_offset);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_batch_given_again_is_appended_once_whichever_member_it_is_given_to,
	                                        set_up, tear_down),
		cmocka_unit_test_setup_teardown(twins_at_the_same_time_are_appended_once_and_all_answered, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_twin_of_one_that_waits_for_the_disk_is_answered_with_it, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(another_key_is_refused_and_disturbs_nobody, set_up, tear_down),
		cmocka_unit_test_setup_teardown(other_records_of_the_same_numbers_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_batch_stays_by_itself, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_condition_is_that_of_the_first_time, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_session_that_has_ended_refuses_what_was_never_sent, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(who_leads_no_more_does_not_say_that_a_newer_session_has_ended, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(of_what_was_sent_before_the_session_ended_nothing_is_known, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_leader_that_proposed_it_knows_nothing_of_it_either, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(what_an_old_leader_proposed_is_appended_once_under_the_next, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(of_what_is_too_long_ago_nothing_is_known, set_up, tear_down),
		cmocka_unit_test_setup_teardown(many_batches_at_once_go_into_few_entries, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_follower_sends_so_many_of_them_at_once, set_up, tear_down),
	};
	member_hush();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
