/* Commands: trim, retention, and what becomes of commands whose answers are lost or late. */
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

/* So many members, the first one leading, with a record of each. */
static void found(size_t count)
{
	several_found(&several, count);
	several_elect(&several, 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(several_append(&several, i, "warm"), i);
	several_agree(&several);
}

static int lost_type;
static size_t lost_from;

static bool lose(struct several *all, size_t from, size_t to, struct message *message)
{
	return (int)message->type == lost_type && from == lost_from;
}

static void lose_all(size_t from, int type)
{
	several.filter = lose;
	lost_from = from;
	lost_type = type;
}

static void fill(unsigned count)
{
	static unsigned char data[3000];
	while (count-- > 0) {
		struct sent sent = {0};
		member_send_one(several_member(&several, 0), &sent, data, sizeof data);
		assert_int_equal(several_answer(&several, &sent), 0);
	}
}

static int trim(size_t i, uint64_t offset)
{
	struct told told = {.command = {.kind = SERVICE_TRIM, .offset = offset}};
	return several_command(&several, i, &told);
}

static uint64_t first_offset(size_t i)
{
	struct service_state state;
	service_state(several_member(&several, i)->service, &state);
	return state.first_offset;
}

static void a_trim_hides_records_on_all_members(void **state)
{
	struct asked asked;
	found(3);
	fill(20);
	assert_int_equal(trim(1, 10), 0);
	/* The one that was asked has done it. */
	assert_int_equal(first_offset(1), 10);
	several_agree(&several);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(first_offset(i), 10);
		assert_int_equal(member_ask(several_member(&several, i), &asked, SERVICE_RECORD, 9, 0), -ESTALE);
		assert_int_equal(member_read(several_member(&several, i), &asked, SERVICE_RECORD, 10, 0), 0);
		member_end(several_member(&several, i), &asked);
	}
	/* And so it stays. */
	assert_int_equal(trim(0, 5), 0);
	several_kill(&several, 2);
	several_open(&several, 2);
	several_agree(&several);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(first_offset(i), 10);
	several_expect_equal(&several);
}

static void a_trim_past_the_end_is_refused(void **state)
{
	found(3);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(trim(i, 4), -EINVAL);
		assert_int_equal(trim(i, UINT64_MAX), -EINVAL);
		assert_int_equal(first_offset(i), 0);
	}
	assert_int_equal(trim(1, 3), 0);
	several_agree(&several);
	assert_int_equal(first_offset(0), 3);
	assert_int_equal(first_offset(2), 3);
	assert_int_equal(several_append(&several, 2, "after"), 3);
}

static void retention_is_the_same_on_all_members(void **state)
{
	struct told told = {
		.command = {.kind = SERVICE_RETAIN, .bytes = UINT64_C(1) << 40, .time_ns = UINT64_C(1) << 60}};
	found(3);
	assert_int_equal(several_command(&several, 1, &told), 0);
	several_agree(&several);
	for (size_t i = 0; i < 3; i++) {
		const struct machine *machine = &several_cluster(&several, i)->machine;
		assert_int_equal(machine->retain_bytes, UINT64_C(1) << 40);
		assert_int_equal(machine->retain_ns, UINT64_C(1) << 60);
	}
	several_expect_equal(&several);
}

static void a_command_whose_message_or_answer_is_lost_is_given_again(void **state)
{
	found(3);
	for (unsigned i = 0; i < 2; i++) {
		struct told told = {.command = {.kind = SERVICE_TRIM, .offset = 1 + i}};
		lose_all(i == 0 ? 1 : 0, i == 0 ? MESSAGE_CONTROL : MESSAGE_RESULT);
		several_tell(&several, 1, &told);
		several_pass(&several, 1200);
		assert_int_equal(told.answers, 0);
		lose_all(0, 0);
		several_pass(&several, 1200);
		assert_int_equal(told.answers, 1);
		assert_int_equal(told.command.status, 0);
		assert_int_equal(first_offset(1), 1 + i);
	}
}

static void a_command_is_answered_once_the_member_has_done_it(void **state)
{
	struct told told = {.command = {.kind = SERVICE_TRIM, .offset = 2}};
	found(3);
	lose_all(0, MESSAGE_APPEND);
	several_tell(&several, 1, &told);
	/* The others' word is enough for the leader to say yes. */
	lost_type = 0;
	several.stalled[1] = true;
	several_pass(&several, 400);
	assert_int_equal(several_cluster(&several, 0)->machine.first_offset, 2);
	assert_int_equal(first_offset(0), 2);
	assert_int_equal(told.answers, 0);
	several.stalled[1] = false;
	several_pass(&several, 200);
	assert_int_equal(told.answers, 1);
	assert_int_equal(first_offset(1), 2);
}

static void a_command_without_a_leader_is_refused_at_its_deadline(void **state)
{
	struct told told = {.command = {.kind = SERVICE_TRIM, .offset = 2}};
	found(3);
	several_isolate(&several, 1, true);
	several_pass(&several, 3000);
	several_tell(&several, 1, &told);
	several_pass(&several, CLUSTER_DEADLINE_MS - 2 * CHECK_MS);
	assert_int_equal(told.answers, 0);
	several_pass(&several, 4 * CHECK_MS);
	assert_int_equal(told.answers, 1);
	assert_int_equal(told.command.status, -EHOSTUNREACH);
}

static void a_command_that_was_sent_is_unknown_at_its_deadline_and_the_end_is_refused(void **state)
{
	struct told trimmed = {.command = {.kind = SERVICE_TRIM, .offset = 2}},
		    end = {.command = {.kind = SERVICE_END}};
	found(3);
	several_isolate(&several, 0, true);
	several_tell(&several, 0, &trimmed);
	several_tell(&several, 0, &end);
	several_pass(&several, CLUSTER_DEADLINE_MS + 2 * CHECK_MS);
	assert_int_equal(trimmed.answers, 1);
	assert_int_equal(end.answers, 1);
	assert_int_equal(end.command.status, -EHOSTUNREACH);
}

static void a_transfer_that_was_sent_is_not_given_again(void **state)
{
	struct told told = {.command = {.kind = SERVICE_TRANSFER}};
	found(3);
	told.command.member = several.nodes[2].id;
	lose_all(1, MESSAGE_CHANGE);
	several_tell(&several, 1, &told);
	several_settle(&several);
	lose_all(0, 0);
	several_pass(&several, CLUSTER_DEADLINE_MS + 2 * CHECK_MS);
	assert_int_equal(several_lead(&several), 0);
	assert_int_equal(told.answers, 1);
	assert_int_equal(told.command.status, -ETIMEDOUT);
}

static void a_transfer_to_one_that_is_gone_is_unknown_and_the_leader_leads_on(void **state)
{
	struct told told = {.command = {.kind = SERVICE_TRANSFER}};
	found(3);
	told.command.member = several.nodes[2].id;
	several_kill(&several, 2);
	several_tell(&several, 0, &told);
	several_pass(&several, CLUSTER_DEADLINE_MS + 2 * CHECK_MS);
	assert_int_equal(told.answers, 1);
	assert_int_equal(told.command.status, -ETIMEDOUT);
	several_append(&several, 1, "goes on");
}

static void commands_that_meet_a_change_of_leader_are_done(void **state)
{
	struct told told[6];
	found(3);
	several_isolate(&several, 0, true);
	for (unsigned i = 0; i < 6; i++) {
		told[i] = (struct told){.command = {.kind = SERVICE_RETAIN, .bytes = (UINT64_C(1) << 40) + i}};
		several_tell(&several, i % 3, &told[i]);
	}
	several_pass(&several, 3000);
	several_isolate(&several, 0, false);
	several_pass(&several, 3000);
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(told[i].answers, 1);
		assert_int_equal(told[i].command.status, 0);
	}
	several_expect_equal(&several);
}

static struct told again;

static void tell_again(struct service_command *command, void *arg)
{
	struct several_node *node = arg;
	if (again.answers++ == 0)
		assert_int_equal(service_command(node->member.service, command, tell_again, arg), 0);
}

static void a_callback_may_give_the_next_command(void **state)
{
	found(2);
	for (size_t i = 0; i < 2; i++) {
		again = (struct told){.command = {.kind = SERVICE_TRIM, .offset = 1}};
		assert_int_equal(service_command(several_member(&several, i)->service, &again.command, tell_again,
		                                 &several.nodes[i]),
		                 0);
		several_pass(&several, 1000);
		assert_int_equal(again.answers, 2);
		assert_int_equal(again.command.status, 0);
	}
}

static void count_stop(void *arg)
{
	(*(unsigned *)arg)++;
}

static bool lose_echoes(struct several *all, size_t from, size_t to, struct message *message)
{
	return message->type == MESSAGE_ECHO;
}

static void a_leader_that_stops_takes_nothing_more_and_the_next_one_does(void **state)
{
	struct told own = {.command = {.kind = SERVICE_END}}, late = own, other = own;
	struct sent sent = {0};
	unsigned stops = 0;
	found(3);
	/* What it has been asked it answers before it stops. */
	several.filter = lose_echoes;
	several_tell(&several, 0, &own);
	several_settle(&several);
	cluster_stop(several_cluster(&several, 0), count_stop, &stops);
	several_tell(&several, 0, &late);
	assert_int_equal(late.refused, -ESHUTDOWN);
	several_tell(&several, 1, &other);
	member_send_text(several_member(&several, 2), &sent, "x");
	several_pass(&several, 1500);
	assert_int_equal(stops, 0);
	assert_int_equal(other.answers, 0);
	member_expect_pending(&sent);
	several.filter = NULL;
	several_pass(&several, 5000);
	assert_int_equal(own.answers, 1);
	assert_int_equal(own.command.status, 0);
	assert_int_equal(stops, 1);
	assert_int_equal(other.answers, 1);
	assert_int_equal(other.command.status, 0);
	member_expect_done(&sent, 3);
}

static void trims_free_segments_on_all_members(void **state)
{
	found(3);
	fill(60);
	several_agree(&several);
	assert_int_equal(trim(0, 55), 0);
	several_pass(&several, 1000);
	for (size_t i = 0; i < 3; i++) {
		struct log_tail base;
		log_base(several_cluster(&several, i)->log, &base);
		assert_true(base.entry > 30);
		assert_int_equal(core_base(several_cluster(&several, i)->core), base.entry);
	}
	for (size_t i = 0; i < 3; i++) {
		several_kill(&several, i);
		several_open(&several, i);
		several_lead(&several);
	}
	several_expect_equal(&several);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_trim_hides_records_on_all_members, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_trim_past_the_end_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(retention_is_the_same_on_all_members, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_command_whose_message_or_answer_is_lost_is_given_again, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_command_is_answered_once_the_member_has_done_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_command_without_a_leader_is_refused_at_its_deadline, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(
			a_command_that_was_sent_is_unknown_at_its_deadline_and_the_end_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_transfer_that_was_sent_is_not_given_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_transfer_to_one_that_is_gone_is_unknown_and_the_leader_leads_on,
	                                        set_up, tear_down),
		cmocka_unit_test_setup_teardown(commands_that_meet_a_change_of_leader_are_done, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_callback_may_give_the_next_command, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_leader_that_stops_takes_nothing_more_and_the_next_one_does, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(trims_free_segments_on_all_members, set_up, tear_down),
	};
	member_hush();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
