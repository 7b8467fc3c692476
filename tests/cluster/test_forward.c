/* Appends of members that do not lead, and their sessions. */
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

/* So many members, the first one leading, and sessions open at all of them. */
static void found(size_t count)
{
	several_found(&several, count);
	several_elect(&several, 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(several_append(&several, i, "warm"), i);
	several_agree(&several);
}

static void send(size_t i, struct sent *sent, const char *text)
{
	member_send_text(several_member(&several, i), sent, text);
	assert_int_equal(sent->refused, 0);
}

/* ---- Forwarding ---- */

static void read_back(struct sent *sent)
{
	struct asked asked;
	assert_true(member_ask(sent->member, &asked, SERVICE_RECORD, sent->append.first_offset, 0) >= 0);
	assert_int_equal(asked.rc, SERVICE_DONE);
	assert_int_equal(asked.read.status, 0);
	assert_memory_equal(asked.read.data, "mine", 4);
	member_end(sent->member, &asked);
}

static void an_append_of_a_follower_can_be_read_there_when_it_is_answered(void **state)
{
	struct sent sent[10] = {0};
	found(3);
	for (size_t i = 0; i < 10; i++) {
		sent[i].then = read_back;
		send(1 + i % 2, &sent[i], "mine");
		assert_int_equal(several_answer(&several, &sent[i]), 0);
	}
	for (size_t i = 0; i < 10; i++)
		member_expect_done(&sent[i], 3 + i);
	assert_true(several.nodes[0].received[MESSAGE_FORWARD] >= 10);
}

static void appends_of_a_follower_gather_in_batches(void **state)
{
	struct sent sent[100] = {0};
	found(3);
	uint64_t before = several.nodes[0].received[MESSAGE_FORWARD];
	for (size_t i = 0; i < 100; i++)
		send(1, &sent[i], "x");
	several_pass(&several, 200);
	for (size_t i = 0; i < 100; i++)
		member_expect_done(&sent[i], 3 + i);
	assert_int_equal(several.nodes[0].received[MESSAGE_FORWARD], before + 1);
}

static void a_batch_that_was_lost_is_sent_again(void **state)
{
	struct sent sent = {0};
	found(3);
	lose_next(1, MESSAGE_FORWARD, 2);
	send(1, &sent, "x");
	several_settle(&several);
	member_expect_pending(&sent);
	assert_int_equal(several_answer(&several, &sent), 0);
	assert_int_equal(lost_count, 0);
	assert_int_equal(several_end(&several, 1), 4);
}

static void a_batch_whose_answer_was_lost_is_appended_once(void **state)
{
	struct sent sent = {0};
	found(3);
	lose_next(0, MESSAGE_RESULT, 2);
	send(1, &sent, "x");
	several_settle(&several);
	member_expect_pending(&sent);
	assert_int_equal(member_next(several_member(&several, 0)), 4);
	assert_int_equal(several_answer(&several, &sent), 0);
	assert_int_equal(sent.append.first_offset, 3);
	assert_int_equal(lost_count, 0);
	assert_int_equal(several_end(&several, 1), 4);
	several_expect_equal(&several);
}

static void a_batch_that_comes_again_while_it_is_pending_is_appended_once(void **state)
{
	struct sent sent[2] = {0};
	found(3);
	several.stalled[0] = true;
	send(1, &sent[0], "proposed");
	several_settle(&several);
	send(1, &sent[1], "waiting");
	uint64_t before = several.nodes[0].received[MESSAGE_FORWARD];
	several_pass(&several, 2000);
	assert_true(several.nodes[0].received[MESSAGE_FORWARD] > before + 2);
	several.stalled[0] = false;
	assert_int_equal(several_answer(&several, &sent[0]), 0);
	assert_int_equal(several_answer(&several, &sent[1]), 0);
	assert_int_equal(several_end(&several, 1), 5);
}

static void a_batch_is_appended_once_though_the_leader_died_after_it_replicated(void **state)
{
	struct sent sent = {0};
	found(3);
	lose_next(0, MESSAGE_RESULT, 1000);
	send(1, &sent, "x");
	several_settle(&several);
	several_kill(&several, 0);
	several_settle(&several);
	member_expect_pending(&sent);
	assert_int_equal(several_answer(&several, &sent), 0);
	assert_int_equal(sent.append.first_offset, 3);
	several_lead(&several);
	assert_int_equal(several_end(&several, 1), 4);
	several_open(&several, 0);
	several_expect_equal(&several);
}

static void a_batch_is_appended_once_though_the_leader_died_before_it_came(void **state)
{
	struct sent sent = {0};
	found(3);
	several_kill(&several, 0);
	send(1, &sent, "x");
	several_settle(&several);
	assert_int_equal(several_answer(&several, &sent), 0);
	assert_int_equal(sent.append.first_offset, 3);
	assert_int_equal(several_end(&several, 1), 4);
}

static void a_batch_that_only_the_dead_leader_had_is_appended_once(void **state)
{
	struct sent sent = {0};
	found(3);
	lose_next(0, MESSAGE_APPEND, 1000);
	send(1, &sent, "x");
	several_settle(&several);
	struct log_tail tail;
	log_tail(several_cluster(&several, 0)->log, &tail);
	assert_int_equal(tail.next_offset, 4);
	several_kill(&several, 0);
	assert_int_equal(several_answer(&several, &sent), 0);
	assert_int_equal(sent.append.first_offset, 3);
	lost_count = 0;
	several_open(&several, 0);
	several_expect_equal(&several);
	assert_int_equal(several_end(&several, 0), 4);
}

static void a_leaders_own_batch_is_sent_to_the_next_leader(void **state)
{
	struct sent sent[3] = {0};
	found(3);
	several_isolate(&several, 0, true);
	send(0, &sent[0], "proposed in vain");
	several_settle(&several);
	several_append(&several, 1, "of the new leader");
	several_isolate(&several, 0, false);
	assert_int_equal(several_answer(&several, &sent[0]), 0);
	assert_int_equal(sent[0].append.first_offset, 4);
	assert_int_equal(several_end(&several, 0), 5);
	several_expect_equal(&several);
}

static void a_leaders_own_batch_that_the_next_leader_has_is_appended_once(void **state)
{
	struct sent sent = {0};
	found(3);
	/* It reaches the others, and it never learns that it did. */
	several.cut[1][0] = several.cut[2][0] = true;
	send(0, &sent, "x");
	several_settle(&several);
	several.cut[0][1] = several.cut[0][2] = true;
	several_pass(&several, 4000);
	member_expect_pending(&sent);
	several_isolate(&several, 0, false);
	assert_int_equal(several_answer(&several, &sent), 0);
	assert_int_equal(sent.append.first_offset, 3);
	assert_int_equal(several_end(&several, 0), 4);
	several_expect_equal(&several);
}

static void forwarded_batches_of_a_deposed_leader_find_the_next_one(void **state)
{
	struct sent sent[2] = {0};
	found(3);
	several.stalled[0] = true;
	send(1, &sent[0], "proposed");
	several_settle(&several);
	send(1, &sent[1], "waiting");
	several_settle(&several);
	several_isolate(&several, 0, true);
	several.stalled[0] = false;
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(several_answer(&several, &sent[i]), 0);
	several_isolate(&several, 0, false);
	several_expect_equal(&several);
	assert_int_equal(several_cluster(&several, 0)->queue_size, 0);
	assert_int_equal(several_end(&several, 0), 5);
}

/* ---- Sessions ---- */

static bool lose_beyond(struct several *all, size_t from, size_t to, struct message *message)
{
	return message->type == MESSAGE_RESULT && message->result.status == -ENXIO;
}

static void a_session_spans_no_more_batches_than_the_machine_knows_results_of(void **state)
{
	struct sent first, sent[2 * MACHINE_RESULTS_MAX] = {0};
	found(3);
	/* Its first batch stays unanswered while others go on. */
	several.filter = lose_beyond;
	several_send_at(&several, 1, &first, 1000, "far ahead");
	several_settle(&several);
	for (size_t i = 0; i < 2 * MACHINE_RESULTS_MAX; i++) {
		send(1, &sent[i], "x");
		several_pass(&several, CLUSTER_HEARTBEAT_MS / 2);
	}
	size_t answered = 0;
	for (size_t i = 0; i < 2 * MACHINE_RESULTS_MAX; i++)
		answered += sent[i].answers;
	assert_int_equal(answered, MACHINE_RESULTS_MAX - 2);
	several.filter = NULL;
	assert_int_equal(several_answer(&several, &first), -ENXIO);
	for (size_t i = 0; i < 2 * MACHINE_RESULTS_MAX; i++)
		assert_int_equal(several_answer(&several, &sent[i]), 0);
	/* What waited meanwhile went as one. */
	assert_int_equal(several_end(&several, 1), 3 + 2 * MACHINE_RESULTS_MAX);
}

/* Opens so many sessions that all others end. */
static void end_sessions(void)
{
	const struct control control = {.type = CONTROL_SESSION};
	unsigned char code[CONTROL_SIZE];
	control_encode(&control, code);
	struct message message = {
		.type = MESSAGE_CONTROL, .request = {.number = 1 << 20}, .data = code, .size = sizeof code};
	for (unsigned i = 0; i < MACHINE_SESSIONS_MAX; i++) {
		message.request.number++;
		several_forge(&several, 2, 0, &message);
		if (i % 16 == 15)
			several_settle(&several);
	}
	several_agree(&several);
	assert_int_equal(several_cluster(&several, 0)->machine.session_count, MACHINE_SESSIONS_MAX);
}

static void a_batch_of_an_expired_session_is_unknown_and_the_next_gets_a_new_one(void **state)
{
	found(3);
	end_sessions();
	for (size_t i = 0; i < 2; i++) {
		struct sent sent = {0};
		uint64_t session = several_cluster(&several, i)->session.id;
		send(i, &sent, "x");
		assert_int_equal(several_answer(&several, &sent), -ETIMEDOUT);
		assert_int_equal(several_append(&several, i, "y"), 3 + i);
		assert_int_not_equal(several_cluster(&several, i)->session.id, session);
	}
}

static void the_answer_to_a_wish_for_a_session_may_be_lost(void **state)
{
	several_found(&several, 3);
	several_elect(&several, 0);
	lose_next(0, MESSAGE_RESULT, 1);
	assert_int_equal(several_append(&several, 1, "x"), 0);
	assert_int_equal(lost_count, 0);
	/* The first one was opened too, and is never used. */
	assert_int_equal(several_cluster(&several, 0)->machine.session_count, 2);
}

static void a_member_alone_needs_no_session(void **state)
{
	several_found(&several, 1);
	several_append(&several, 0, "x");
	assert_int_equal(several_cluster(&several, 0)->machine.session_count, 0);
}

static void a_batch_without_a_session_is_unknown_when_its_leader_is_deposed(void **state)
{
	struct sent sent = {0};
	several_found(&several, 1);
	/* Proposed while it was alone; then it is not any more. */
	several.stalled[0] = true;
	send(0, &sent, "x");
	several_settle(&several);
	struct cluster *cluster = several_cluster(&several, 0);
	assert_non_null(cluster->proposed.first);
	assert_int_equal(cluster->proposed.first->session, 0);
	several.stalled[0] = false;
	append_leader_changed(cluster);
	several_settle(&several);
	assert_int_equal(several_answer(&several, &sent), -ETIMEDOUT);
}

/* ---- Forged batches ---- */

static int32_t result_status;
static unsigned results;

static bool note_result(struct several *all, size_t from, size_t to, struct message *message)
{
	if (message->type == MESSAGE_RESULT) {
		results++;
		result_status = message->result.status;
	}
	return false;
}

static void forge_batch(uint64_t session, uint64_t sequence, uint32_t count, uint64_t number)
{
	const struct log_tail nothing = {0};
	const struct log_header header = {.term = 1, .type = LOG_RECORDS};
	struct message message = {.type = MESSAGE_FORWARD, .term = core_term(several_cluster(&several, 0)->core)};
	struct log_frame *frame;
	assert_int_equal(log_frame_create(&frame), 0);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(log_frame_add(frame, "f", 1), 0);
	log_frame_close(frame, &nothing, &header);
	message.data = log_frame_bytes(frame, &message.size);
	message.request = (struct message_request){
		.number = number, .session = session, .sequence = sequence, .expected = MESSAGE_ANYWHERE};
	several_forge(&several, 1, 0, &message);
	log_frame_unref(frame);
}

static void numbers_of_a_session_that_overlap_are_refused(void **state)
{
	found(3);
	uint64_t session = several_cluster(&several, 1)->session.id;
	several.filter = note_result;
	results = 0;
	/* With one that is in the log. */
	forge_batch(session, 1, 2, 5000);
	several_settle(&several);
	assert_int_equal(results, 1);
	assert_int_equal(result_status, -EINVAL);
	/* With one that is being gathered. */
	struct host *host = &several_member(&several, 0)->host;
	several.stalled[0] = true;
	forge_batch(session, 100, 1, 5001);
	host_turn(host);
	forge_batch(session, 200, 5, 5002);
	forge_batch(session, 203, 5, 5003);
	several.stalled[0] = false;
	several_settle(&several);
	assert_int_equal(results, 4);
	assert_int_equal(result_status, 0);
	assert_int_equal(several_end(&several, 0), 3 + 1 + 5);
}

static void batches_of_several_sessions_go_into_one_entry(void **state)
{
	struct sent sent[3] = {0};
	found(3);
	several.stalled[0] = true;
	send(0, &sent[0], "a");
	several_settle(&several);
	uint64_t entry = several_cluster(&several, 0)->proposed.first->entry;
	send(1, &sent[1], "b");
	send(2, &sent[2], "c");
	several_settle(&several);
	several.stalled[0] = false;
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(several_answer(&several, &sent[i]), 0);
	assert_int_equal(member_entry(several_member(&several, 2), 4), entry + 1);
	assert_int_equal(member_entry(several_member(&several, 2), 5), entry + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_append_of_a_follower_can_be_read_there_when_it_is_answered, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(appends_of_a_follower_gather_in_batches, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_batch_that_was_lost_is_sent_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_batch_whose_answer_was_lost_is_appended_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_batch_that_comes_again_while_it_is_pending_is_appended_once, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_batch_is_appended_once_though_the_leader_died_after_it_replicated,
	                                        set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_batch_is_appended_once_though_the_leader_died_before_it_came, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_batch_that_only_the_dead_leader_had_is_appended_once, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_leaders_own_batch_is_sent_to_the_next_leader, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_leaders_own_batch_that_the_next_leader_has_is_appended_once, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(forwarded_batches_of_a_deposed_leader_find_the_next_one, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_session_spans_no_more_batches_than_the_machine_knows_results_of,
	                                        set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_batch_of_an_expired_session_is_unknown_and_the_next_gets_a_new_one,
	                                        set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_answer_to_a_wish_for_a_session_may_be_lost, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_member_alone_needs_no_session, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_batch_without_a_session_is_unknown_when_its_leader_is_deposed, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(numbers_of_a_session_that_overlap_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(batches_of_several_sessions_go_into_one_entry, set_up, tear_down),
	};
	member_hush();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
