/* A leader and the members: configurations, the barrier at an election, leadership handed over, and followers that get
 * a base because what they lack is trimmed. */
#include "tests/cluster/core_host.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The member 1 of those of the word, elected; its barrier is the entry 3 and committed. */
static void open_leader(struct core_host *host, const char *word)
{
	static const uint64_t terms[] = {1, 2, 0};
	uint64_t count = strlen(word);
	core_host_open(host, 1, word, 2, terms);
	core_host_lead(host, count);
	for (uint64_t id = 2; id <= count; id++) {
		const struct message answer = core_append_result(id, core_term(host->core), 0, 3);
		assert_int_equal(core_host_receive(host, &answer, NULL, 0), 0);
	}
	assert_int_equal(core_commit(host->core), 3);
	core_host_forget(host);
}

/* The member has all up to the entry. */
static void acknowledge(struct core_host *host, uint64_t id, uint64_t entry)
{
	const struct message answer = core_append_result(id, core_term(host->core), 0, entry);
	assert_int_equal(core_host_receive(host, &answer, NULL, 0), 0);
}

/* ---- Barriers ---- */

static void a_new_leader_begins_with_a_barrier(void **state)
{
	static const uint64_t terms[] = {1, 2, 0};
	struct core_host host;
	core_host_open(&host, 1, "vvv", 2, terms);
	core_host_lead(&host, 3);
	assert_int_equal(core_term(host.core), 3);
	assert_int_equal(host.barriers, 1);
	assert_int_equal(host.barrier, 3);
	assert_int_equal(host.accepts, 0);
	assert_int_equal(log_frame_header(host.log[3])->term, 3);
	for (uint64_t id = 2; id <= 3; id++) {
		const struct message *append = core_host_sent(&host, id, MESSAGE_APPEND);
		assert_int_equal(append->append.entry, 2);
		assert_int_equal(append->append.entry_term, 2);
		assert_int_equal(append->append.count, 1);
	}
	core_host_finish(&host);
}

static void an_entry_of_an_older_term_is_not_committed_by_counting(void **state)
{
	static const uint64_t terms[] = {1, 2, 0};
	struct core_host host;
	core_host_open(&host, 1, "vvvvv", 2, terms);
	core_host_lead(&host, 5);
	for (uint64_t id = 2; id <= 5; id++)
		acknowledge(&host, id, 2);
	assert_int_equal(core_commit(host.core), 1);
	acknowledge(&host, 2, 3);
	assert_int_equal(core_commit(host.core), 1);
	acknowledge(&host, 3, 3);
	assert_int_equal(core_commit(host.core), 3);
	core_host_finish(&host);
}

/* A leader counts itself only once it has written. */
static void a_barrier_that_is_not_durable_here_is_no_copy(void **state)
{
	static const uint64_t terms[] = {1, 2, 0};
	struct core_host host;
	const struct message granted[] = {core_vote_result(2, 3, true, true), core_vote_result(2, 3, false, true)};
	core_host_open(&host, 1, "vvv", 2, terms);
	core_host_wait(&host);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(core_host_receive(&host, &granted[i], NULL, 0), 0);
	assert_int_equal(host.barrier, 3);
	acknowledge(&host, 2, 3);
	assert_int_equal(core_commit(host.core), 1);
	core_host_persist(&host);
	assert_int_equal(core_commit(host.core), 3);
	core_host_finish(&host);
}

static void what_barrier_answers_is_what_the_vote_returns(void **state)
{
	static const uint64_t terms[] = {1, 2, 0};
	struct core_host host;
	const struct message granted[] = {core_vote_result(2, 3, true, true), core_vote_result(2, 3, false, true)};
	core_host_open(&host, 1, "vvv", 2, terms);
	host.barrier_rc = -EIO;
	core_host_wait(&host);
	assert_int_equal(core_host_receive(&host, &granted[0], NULL, 0), 0);
	core_host_forget(&host);
	assert_int_equal(core_host_receive(&host, &granted[1], NULL, 0), -EIO);
	assert_string_equal(host.order, "b");
	core_host_finish(&host);
}

/* ---- Configurations ---- */

static void one_configuration_is_under_way_at_a_time(void **state)
{
	struct core_host host;
	open_leader(&host, "vvv");
	assert_true(core_settled(host.core));
	assert_int_equal(core_host_submit(&host, LOG_CONFIGURATION, "vvvb"), 0);
	assert_false(core_settled(host.core));
	assert_int_equal(core_host_submit(&host, LOG_CONFIGURATION, "vvvv"), -EBUSY);
	/* Records go on. */
	assert_int_equal(core_host_submit(&host, LOG_RECORDS, NULL), 0);
	assert_int_equal(host.last_entry, 5);
	core_host_persist(&host);
	acknowledge(&host, 2, 3);
	assert_int_equal(core_host_submit(&host, LOG_CONFIGURATION, "vvvv"), -EBUSY);
	assert_int_equal(host.last_entry, 5);
	acknowledge(&host, 2, 4);
	assert_int_equal(core_commit(host.core), 4);
	assert_true(core_settled(host.core));
	assert_int_equal(core_host_submit(&host, LOG_CONFIGURATION, "vvvv"), 0);
	assert_int_equal(host.last_entry, 6);
	core_host_finish(&host);
}

static void a_new_member_is_sent_to_by_its_role_at_once(void **state)
{
	static const struct {
		const char *word;
		bool sent;
	} cases[] = {{"vvvv", true}, {"vvvb", true}, {"vvvs", false}};
	for (unsigned i = 0; i < 3; i++) {
		struct core_host host;
		open_leader(&host, "vvv");
		assert_int_equal(core_host_submit(&host, LOG_CONFIGURATION, cases[i].word), 0);
		assert_int_equal(core_host_sent(&host, 4, MESSAGE_APPEND) != NULL, cases[i].sent);
		assert_int_equal(core_match(host.core, 4), 0);
		if (cases[i].sent) {
			acknowledge(&host, 4, 2);
			assert_int_equal(core_match(host.core, 4), 2);
		}
		assert_int_equal(core_match(host.core, 5), 0);
		core_host_finish(&host);
	}
}

static void a_new_voter_is_needed_at_once(void **state)
{
	struct core_host host;
	static const uint64_t terms[] = {1, 2, 0};
	core_host_open(&host, 1, "vb", 2, terms);
	assert_int_equal(core_role(host.core), CORE_LEADER);
	assert_int_equal(core_host_submit(&host, LOG_CONFIGURATION, "vv"), 0);
	core_host_persist(&host);
	assert_int_equal(core_commit(host.core), 2);
	assert_false(core_settled(host.core));
	acknowledge(&host, 2, 3);
	assert_int_equal(core_commit(host.core), 3);
	assert_true(core_settled(host.core));
	core_host_finish(&host);
}

/* Elected with a configuration of the last leader, it confirms it with its barrier. */
static void a_configuration_of_the_last_leader_is_confirmed_by_the_next(void **state)
{
	static const uint64_t terms[] = {1, 0};
	struct core_host host;
	struct log_frame *frame = core_frame(2, 2, LOG_CONFIGURATION, "vvvv");
	const struct message append = core_append(2, 2, 1, 1, 1, 1);
	core_host_open(&host, 1, "vvv", 1, terms);
	assert_int_equal(core_host_receive(&host, &append, &frame, 1), 0);
	log_frame_unref(frame);
	core_host_persist(&host);
	core_host_lead(&host, 4);
	assert_int_equal(host.barrier, 3);
	assert_false(core_settled(host.core));
	assert_int_equal(core_host_submit(&host, LOG_CONFIGURATION, "vvvvb"), -EBUSY);
	acknowledge(&host, 2, 3);
	/* Two of four are no majority. */
	assert_int_equal(core_commit(host.core), 1);
	acknowledge(&host, 4, 3);
	assert_int_equal(core_commit(host.core), 3);
	assert_true(core_settled(host.core));
	assert_int_equal(core_host_submit(&host, LOG_CONFIGURATION, "vvvvb"), 0);
	core_host_finish(&host);
}

/* Whether it is removed or loses its vote: it leads until the others have committed that, and counts itself no more. */
static void a_leader_that_leaves_steps_down_when_it_is_committed(void **state)
{
	static const char *const words[] = {"-vv", "bvv", "svv"};
	for (unsigned i = 0; i < 3; i++) {
		struct core_host host;
		open_leader(&host, "vvv");
		assert_int_equal(core_host_submit(&host, LOG_CONFIGURATION, words[i]), 0);
		core_host_persist(&host);
		acknowledge(&host, 2, 4);
		assert_int_equal(core_commit(host.core), 3);
		assert_int_equal(core_role(host.core), CORE_LEADER);
		acknowledge(&host, 3, 4);
		assert_int_equal(core_commit(host.core), 4);
		assert_int_equal(host.committed, 4);
		assert_true(core_settled(host.core));
		assert_int_equal(core_role(host.core), CORE_FOLLOWER);
		assert_int_equal(core_leader(host.core), 0);
		assert_int_equal(core_host_submit(&host, LOG_RECORDS, NULL), -EHOSTUNREACH);
		core_host_forget(&host);
		for (unsigned j = 0; j < 5; j++)
			core_host_wait(&host);
		assert_int_equal(core_role(host.core), CORE_FOLLOWER);
		assert_int_equal(host.sends, 0);
		core_host_finish(&host);
	}
}

static void the_last_voter_leads_alone_when_the_other_is_removed(void **state)
{
	struct core_host host;
	open_leader(&host, "vv");
	assert_int_equal(core_host_submit(&host, LOG_CONFIGURATION, "v"), 0);
	core_host_persist(&host);
	assert_int_equal(core_commit(host.core), 4);
	assert_true(core_settled(host.core));
	assert_int_equal(core_host_submit(&host, LOG_RECORDS, NULL), 0);
	core_host_persist(&host);
	assert_int_equal(core_commit(host.core), 5);
	assert_int_equal(core_role(host.core), CORE_LEADER);
	core_host_finish(&host);
}

/* ---- Leadership ---- */

static void leadership_goes_to_a_voter_alone(void **state)
{
	struct core_host host;
	open_leader(&host, "vvb");
	assert_int_equal(core_transfer(host.core, host.now_ms, 1), -ENOENT);
	assert_int_equal(core_transfer(host.core, host.now_ms, 3), -ENOENT);
	assert_int_equal(core_transfer(host.core, host.now_ms, 4), -ENOENT);
	assert_int_equal(host.sends, 0);
	assert_int_equal(core_transfer(host.core, host.now_ms, 0), 0);
	const struct message *timeout_now = core_host_sent(&host, 2, MESSAGE_TIMEOUT_NOW);
	assert_non_null(timeout_now);
	assert_int_equal(timeout_now->term, 3);
	assert_int_equal(timeout_now->timeout_now.last_entry, 3);
	assert_int_equal(timeout_now->timeout_now.last_term, 3);
	core_host_finish(&host);
	static const uint64_t terms[] = {1, 0};
	core_host_open(&host, 1, "v", 1, terms);
	assert_int_equal(core_transfer(host.core, host.now_ms, 0), -ENOENT);
	core_host_finish(&host);
}

static void who_does_not_lead_hands_nothing_over(void **state)
{
	static const uint64_t terms[] = {1, 0};
	struct core_host host;
	core_host_open(&host, 1, "vvv", 1, terms);
	assert_int_equal(core_transfer(host.core, host.now_ms, 2), -EHOSTUNREACH);
	core_host_finish(&host);
}

static void no_entry_is_taken_while_leadership_is_handed_over(void **state)
{
	struct core_host host;
	open_leader(&host, "vvv");
	assert_int_equal(core_host_submit(&host, LOG_RECORDS, NULL), 0);
	core_host_persist(&host);
	/* The member 2 must have it first. */
	assert_int_equal(core_transfer(host.core, host.now_ms, 2), 0);
	assert_null(core_host_sent(&host, 2, MESSAGE_TIMEOUT_NOW));
	assert_int_equal(core_host_submit(&host, LOG_RECORDS, NULL), -EHOSTUNREACH);
	assert_int_equal(core_host_submit(&host, LOG_CONFIGURATION, "vv"), -EHOSTUNREACH);
	assert_int_equal(core_transfer(host.core, host.now_ms, 3), -EBUSY);
	acknowledge(&host, 2, 4);
	assert_non_null(core_host_sent(&host, 2, MESSAGE_TIMEOUT_NOW));
	assert_int_equal(core_host_submit(&host, LOG_RECORDS, NULL), -EHOSTUNREACH);
	/* Nothing comes of it: the leader goes on. */
	for (unsigned i = 0; i < 20; i++) {
		core_host_wait(&host);
		acknowledge(&host, 3, 4);
	}
	assert_int_equal(core_role(host.core), CORE_LEADER);
	assert_int_equal(core_host_submit(&host, LOG_RECORDS, NULL), 0);
	assert_int_equal(core_transfer(host.core, host.now_ms, 3), 0);
	core_host_finish(&host);
}

static void who_is_handed_leadership_stands_at_once(void **state)
{
	static const uint64_t terms[] = {1, 2, 3, 0};
	struct core_host host;
	const struct message heartbeat = core_append(2, 3, 3, 3, 3, 0);
	const struct message timeout_now = {
		.type = MESSAGE_TIMEOUT_NOW, .from = 2, .term = 3, .timeout_now = {.last_entry = 3, .last_term = 3}};
	core_host_open(&host, 1, "vvv", 3, terms);
	/* Of its leader alone. */
	assert_int_equal(core_host_receive(&host, &timeout_now, NULL, 0), 0);
	assert_int_equal(core_role(host.core), CORE_FOLLOWER);
	assert_int_equal(core_host_receive(&host, &heartbeat, NULL, 0), 0);
	core_host_forget(&host);
	assert_int_equal(core_host_receive(&host, &timeout_now, NULL, 0), 0);
	assert_int_equal(core_role(host.core), CORE_CANDIDATE);
	assert_string_equal(host.order, "vss");
	assert_int_equal(core_term(host.core), 4);
	assert_true(host.sent[0].message.vote.disrupt);
	assert_false(host.sent[0].message.vote.pre);
	/* The others have a leader, and vote all the same. */
	struct core_host other;
	struct message ask = *core_host_sent(&host, 3, MESSAGE_VOTE);
	core_host_open(&other, 3, "vvv", 3, terms);
	assert_int_equal(core_host_receive(&other, &heartbeat, NULL, 0), 0);
	core_host_bring(&other, &host, &ask);
	const struct message vote = *core_host_sent(&other, 1, MESSAGE_VOTE_RESULT);
	assert_true(vote.vote_result.granted);
	core_host_bring(&host, &other, &vote);
	assert_int_equal(core_role(host.core), CORE_LEADER);
	core_host_finish(&other);
	core_host_finish(&host);
}

/* ---- Trimming ---- */

static void a_trimmed_log_begins_after_its_base(void **state)
{
	struct core_host host;
	const struct machine_members members = core_members(1, "vvv");
	open_leader(&host, "vvv");
	assert_int_equal(core_base(host.core), 0);
	assert_int_equal(core_trimmed(host.core, host.now_ms, 2, 2, &members), 0);
	assert_int_equal(core_base(host.core), 2);
	assert_string_equal(host.order, "");
	/* What is no news changes nothing. */
	assert_int_equal(core_trimmed(host.core, host.now_ms, 2, 2, &members), 0);
	assert_int_equal(core_trimmed(host.core, host.now_ms, 1, 1, &members), 0);
	assert_int_equal(core_base(host.core), 2);
	assert_int_equal(core_trimmed(host.core, host.now_ms, 3, 3, &members), 0);
	assert_int_equal(core_base(host.core), 3);
	assert_int_equal(core_host_submit(&host, LOG_RECORDS, NULL), 0);
	assert_int_equal(host.accepted, 4);
	core_host_persist(&host);
	acknowledge(&host, 2, 4);
	assert_int_equal(core_commit(host.core), 4);
	core_host_finish(&host);
}

/* The configuration at the base may be an older one than that which is in force. */
static void a_base_may_come_before_the_last_configuration(void **state)
{
	struct core_host host;
	const struct machine_members members = core_members(1, "vvv");
	open_leader(&host, "vvv");
	assert_int_equal(core_host_submit(&host, LOG_CONFIGURATION, "vvvb"), 0);
	core_host_persist(&host);
	acknowledge(&host, 2, 4);
	assert_true(core_settled(host.core));
	assert_int_equal(core_trimmed(host.core, host.now_ms, 3, 3, &members), 0);
	assert_int_equal(core_match(host.core, 4), 0);
	acknowledge(&host, 4, 4);
	assert_int_equal(core_match(host.core, 4), 4);
	core_host_finish(&host);
}

/* Brings all that one has sent to the other. */
static void bring_all(struct core_host *to, struct core_host *from)
{
	struct core_sent sent[CORE_SENT_MAX];
	unsigned count = from->sends;
	memcpy(sent, from->sent, sizeof sent);
	core_host_forget(from);
	for (unsigned i = 0; i < count; i++)
		if (sent[i].member == to->id)
			core_host_bring(to, from, &sent[i].message);
}

static void a_follower_below_the_base_gets_the_base(void **state)
{
	static const uint64_t terms[] = {1, 0};
	struct core_host leader, follower;
	open_leader(&leader, "vv");
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(core_host_submit(&leader, LOG_RECORDS, NULL), 0);
	core_host_persist(&leader);
	acknowledge(&leader, 2, 8);
	assert_int_equal(core_host_submit(&leader, LOG_CONFIGURATION, "vvb"), 0);
	core_host_persist(&leader);
	acknowledge(&leader, 2, 9);
	assert_int_equal(core_commit(leader.core), 9);
	leader.base = core_members(1, "vv");
	leader.base_entry = 7;
	assert_int_equal(core_trimmed(leader.core, leader.now_ms, 7, 3, &leader.base), 0);
	core_host_forget(&leader);
	core_host_open(&follower, 3, "vv", 1, terms);
	for (unsigned i = 0; i < 20 && !core_installing(follower.core); i++) {
		follower.now_ms = leader.now_ms;
		core_host_wait(&leader);
		acknowledge(&leader, 2, 9);
		bring_all(&follower, &leader);
		bring_all(&leader, &follower);
	}
	assert_true(core_installing(follower.core));
	assert_int_equal(core_base(follower.core), 7);
	assert_int_equal(core_host_installed(&follower, 7), 0);
	for (unsigned i = 0; i < 20 && follower.last_entry < 9; i++) {
		bring_all(&leader, &follower);
		bring_all(&follower, &leader);
		core_host_persist(&follower);
		core_host_wait(&leader);
		acknowledge(&leader, 2, 9);
	}
	assert_int_equal(follower.last_entry, 9);
	assert_ptr_equal(follower.log[9], leader.log[9]);
	bring_all(&leader, &follower);
	assert_int_equal(core_match(leader.core, 3), 9);
	core_host_finish(&leader);
	core_host_finish(&follower);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_leader_begins_with_a_barrier),
		cmocka_unit_test(an_entry_of_an_older_term_is_not_committed_by_counting),
		cmocka_unit_test(a_barrier_that_is_not_durable_here_is_no_copy),
		cmocka_unit_test(what_barrier_answers_is_what_the_vote_returns),
		cmocka_unit_test(one_configuration_is_under_way_at_a_time),
		cmocka_unit_test(a_new_member_is_sent_to_by_its_role_at_once),
		cmocka_unit_test(a_new_voter_is_needed_at_once),
		cmocka_unit_test(a_configuration_of_the_last_leader_is_confirmed_by_the_next),
		cmocka_unit_test(a_leader_that_leaves_steps_down_when_it_is_committed),
		cmocka_unit_test(the_last_voter_leads_alone_when_the_other_is_removed),
		cmocka_unit_test(leadership_goes_to_a_voter_alone),
		cmocka_unit_test(who_does_not_lead_hands_nothing_over),
		cmocka_unit_test(no_entry_is_taken_while_leadership_is_handed_over),
		cmocka_unit_test(who_is_handed_leadership_stands_at_once),
		cmocka_unit_test(a_trimmed_log_begins_after_its_base),
		cmocka_unit_test(a_base_may_come_before_the_last_configuration),
		cmocka_unit_test(a_follower_below_the_base_gets_the_base),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
