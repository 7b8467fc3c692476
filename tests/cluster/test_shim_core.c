/* What libraft gets wrong where a shim is switched off, and that it is right where the shim is on. Each scene is played
 * twice. S8 is not the core's: it keeps messages from it (cluster/receive.c). */
#include "cluster/raft_core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/cluster/core_host.h"

static int shims_on(void **state)
{
	shims_off = 0;
	return 0;
}

/* Brings all that one has sent to the other. */
static void bring_all(struct core_host *to, struct core_host *from)
{
	struct core_sent sent[CORE_SENT_MAX];
	unsigned count = from->sends;
	assert_in_range(count, 0, CORE_SENT_MAX);
	for (unsigned i = 0; i < count; i++)
		sent[i] = from->sent[i];
	core_host_forget(from);
	for (unsigned i = 0; i < count; i++)
		if (sent[i].member == to->id)
			core_host_bring(to, from, &sent[i].message);
}

/* ---- S1 ---- */

/* The member 1 led in term 3, and leads again in term 5. What it sent then comes to the member 2 only now; and what that
 * one answers comes to the leader, who alone has the entry 3. Returns what the leader takes for committed. */
static uint64_t commit_by_answer_to(const struct message *late)
{
	static const uint64_t terms[] = {1, 2, 0};
	struct core_host leader, follower;
	core_host_open(&leader, 1, "vvv", 4, terms);
	core_host_open(&follower, 2, "vvv", 5, terms);
	core_host_lead(&leader, 3);
	assert_int_equal(leader.last_entry, 3);
	assert_int_equal(core_host_receive(&follower, late, NULL, 0), 0);
	const struct message *sent = core_host_sent(&follower, 1, MESSAGE_APPEND_RESULT);
	assert_non_null(sent);
	struct message answer = *sent;
	assert_int_equal(answer.term, core_term(leader.core));
	assert_int_equal(answer.append_result.rejected, 0);
	/* libraft leaves to chance what it says here. */
	if (!answer.append_result.stale)
		answer.append_result.last_entry = 1000;
	core_host_bring(&leader, &follower, &answer);
	uint64_t commit = core_commit(leader.core);
	core_host_finish(&leader);
	core_host_finish(&follower);
	return commit;
}

static void s1_an_answer_to_an_older_term_is_no_copy_of_the_log(void **state)
{
	const struct message late[] = {core_append(1, 3, 0, 0, 1, 0), core_install(1, 3, 50, 2)};
	for (unsigned i = 0; i < 2; i++) {
		shims_off = SHIM_1;
		assert_int_equal(commit_by_answer_to(&late[i]), 3);
		shims_off = 0;
		assert_int_equal(commit_by_answer_to(&late[i]), 1);
	}
}

/* ---- S2 ---- */

static void give(struct core_host *host, const struct message *append, struct log_frame **frames, size_t count)
{
	assert_int_equal(core_host_receive(host, append, frames, count), 0);
	core_host_persist(host);
	for (size_t i = 0; i < count; i++)
		log_frame_unref(frames[i]);
}

/* How many others it would ask for their votes. */
static unsigned others_asked(struct core_host *host)
{
	core_host_forget(host);
	while (core_role(host->core) == CORE_FOLLOWER)
		core_host_wait(host);
	return host->sends;
}

/* A configuration of four comes as the last of three entries, is not committed, and is overwritten. */
static unsigned others_after_a_configuration_amid_entries(bool *settled_early)
{
	static const uint64_t terms[] = {1, 0};
	struct core_host host;
	struct log_frame *frames[] = {core_frame(2, 2, LOG_RECORDS, NULL), core_frame(3, 2, LOG_RECORDS, NULL),
	                              core_frame(4, 2, LOG_CONFIGURATION, "vvvv")};
	struct log_frame *other = core_frame(4, 5, LOG_RECORDS, NULL);
	const struct message append = core_append(2, 2, 1, 1, 2, 3), overwrite = core_append(3, 5, 3, 2, 2, 1);
	core_host_open(&host, 1, "vvv", 1, terms);
	give(&host, &append, frames, 3);
	assert_int_equal(core_commit(host.core), 2);
	*settled_early = core_settled(host.core);
	give(&host, &overwrite, &other, 1);
	unsigned others = others_asked(&host);
	core_host_finish(&host);
	return others;
}

static void s2_a_configuration_amid_entries_is_committed_and_undone_with_its_own(void **state)
{
	bool settled_early;
	shims_off = SHIM_2;
	assert_int_equal(others_after_a_configuration_amid_entries(&settled_early), 3);
	assert_true(settled_early);
	shims_off = 0;
	assert_int_equal(others_after_a_configuration_amid_entries(&settled_early), 2);
	assert_false(settled_early);
}

/* A configuration of four and then one of five come before it is heard that the first is committed; the second is
 * overwritten. */
static unsigned others_after_two_configurations(void)
{
	static const uint64_t terms[] = {1, 0};
	struct core_host host;
	struct log_frame *first = core_frame(2, 2, LOG_CONFIGURATION, "vvvv");
	struct log_frame *second = core_frame(3, 2, LOG_CONFIGURATION, "vvvvv");
	struct log_frame *other = core_frame(3, 5, LOG_RECORDS, NULL);
	const struct message appends[] = {core_append(2, 2, 1, 1, 1, 1), core_append(2, 2, 2, 2, 1, 1),
	                                  core_append(3, 5, 2, 2, 1, 1)};
	core_host_open(&host, 1, "vvv", 1, terms);
	give(&host, &appends[0], &first, 1);
	give(&host, &appends[1], &second, 1);
	assert_false(core_settled(host.core));
	give(&host, &appends[2], &other, 1);
	unsigned others = others_asked(&host);
	core_host_finish(&host);
	return others;
}

static void s2_a_second_configuration_is_undone_to_the_first(void **state)
{
	shims_off = SHIM_2;
	assert_int_equal(others_after_two_configurations(), 2);
	shims_off = 0;
	assert_int_equal(others_after_two_configurations(), 3);
}

/* ---- S3 ---- */

/* A heartbeat of the leader's, all that is said to the follower and back, and the third member's answer. */
static void beat(struct core_host *leader, struct core_host *follower)
{
	core_host_wait(leader);
	bring_all(follower, leader);
	core_host_persist(follower);
	bring_all(leader, follower);
	const struct message third = core_append_result(3, core_term(leader->core), 0, leader->last_entry);
	assert_int_equal(core_host_receive(leader, &third, NULL, 0), 0);
}

/* The member 2 has all, is not heard of for a while, and then a rejection comes that it sent when it had nothing yet. A
 * new entry is to reach it. Returns its last. */
static uint64_t last_after_a_late_rejection(void)
{
	static const uint64_t terms[] = {1, 2, 0};
	struct core_host leader, follower;
	core_host_open(&leader, 1, "vvv", 3, terms);
	core_host_open(&follower, 2, "vvv", 3, terms);
	core_host_lead(&leader, 3);
	for (unsigned i = 0; i < 3; i++)
		beat(&leader, &follower);
	assert_int_equal(core_match(leader.core, 2), 3);
	for (unsigned i = 0; i < 20; i++) {
		const struct message third = core_append_result(3, core_term(leader.core), 0, 3);
		core_host_wait(&leader);
		assert_int_equal(core_host_receive(&leader, &third, NULL, 0), 0);
	}
	core_host_forget(&leader);
	const struct message late = core_append_result(2, core_term(leader.core), 3, 0);
	assert_int_equal(core_host_receive(&leader, &late, NULL, 0), 0);
	assert_int_equal(core_host_submit(&leader, LOG_RECORDS, NULL), 0);
	core_host_persist(&leader);
	for (unsigned i = 0; i < 20; i++)
		beat(&leader, &follower);
	uint64_t last = follower.last_entry;
	core_host_finish(&leader);
	core_host_finish(&follower);
	return last;
}

static void s3_a_late_rejection_does_not_cut_a_follower_off(void **state)
{
	shims_off = SHIM_3;
	assert_int_equal(last_after_a_late_rejection(), 3);
	shims_off = 0;
	assert_int_equal(last_after_a_late_rejection(), 4);
}

/* ---- S4 ---- */

/* The member 3 becomes a spare, to which nothing is sent any more. Returns how often the leader wants to be woken again
 * at once. */
static unsigned spins(void)
{
	static const uint64_t terms[] = {1, 2, 0};
	struct core_host host;
	unsigned count = 0;
	core_host_open(&host, 1, "vvv", 3, terms);
	core_host_lead(&host, 3);
	const struct message barrier = core_append_result(2, core_term(host.core), 0, 3);
	const struct message all = core_append_result(2, core_term(host.core), 0, 4);
	assert_int_equal(core_host_receive(&host, &barrier, NULL, 0), 0);
	assert_int_equal(core_host_submit(&host, LOG_CONFIGURATION, "vvs"), 0);
	core_host_persist(&host);
	assert_int_equal(core_host_receive(&host, &all, NULL, 0), 0);
	assert_true(core_settled(host.core));
	for (unsigned i = 0; i < 100; i++) {
		core_host_wait(&host);
		assert_int_equal(core_host_receive(&host, &all, NULL, 0), 0);
		assert_int_equal(core_role(host.core), CORE_LEADER);
		count += core_timeout_at(host.core) <= host.now_ms;
	}
	core_host_finish(&host);
	return count;
}

static void s4_a_leader_with_a_spare_does_not_spin(void **state)
{
	shims_off = SHIM_4;
	assert_in_range(spins(), 50, 100);
	shims_off = 0;
	assert_int_equal(spins(), 0);
}

/* ---- S5 ---- */

/* A follower with four entries, of which the first three are trimmed. */
static void open_trimmed(struct core_host *host)
{
	static const uint64_t terms[] = {1, 2, 2, 2, 0};
	const struct machine_members members = core_members(1, "vvv");
	const struct message heartbeat = core_append(2, 2, 4, 2, 4, 0);
	core_host_open(host, 1, "vvv", 2, terms);
	assert_int_equal(core_host_receive(host, &heartbeat, NULL, 0), 0);
	assert_int_equal(core_commit(host->core), 4);
	host->base_entry = 3;
	assert_int_equal(core_trimmed(host->core, host->now_ms, 3, 2, &members), 0);
	assert_int_equal(core_base(host->core), 3);
	core_host_forget(host);
}

/* Entries that were received long ago come again, in a message that begins below the base. */
static struct message answer_to_entries_below_the_base(void)
{
	struct core_host host;
	struct log_frame *frames[] = {core_frame(3, 2, LOG_RECORDS, NULL), core_frame(4, 2, LOG_RECORDS, NULL)};
	const struct message append = core_append(2, 2, 2, 2, 4, 2);
	open_trimmed(&host);
	give(&host, &append, frames, 2);
	assert_int_equal(host.accepts, 0);
	assert_int_equal(host.sends, 1);
	struct message answer = *core_host_sent(&host, 2, MESSAGE_APPEND_RESULT);
	core_host_finish(&host);
	return answer;
}

static void s5_what_is_committed_and_trimmed_is_not_rejected(void **state)
{
	shims_off = SHIM_5;
	assert_int_equal(answer_to_entries_below_the_base().append_result.rejected, 2);
	shims_off = 0;
	struct message answer = answer_to_entries_below_the_base();
	assert_int_equal(answer.append_result.rejected, 0);
	assert_int_equal(answer.append_result.last_entry, 4);
}

/* The same from the very first entry on. libraft would read past the entries that it is given: here are more. */
static void s5_a_log_is_not_begun_again_below_its_base(void **state)
{
	struct core_host host;
	struct raft_entry entries[16] = {{0}};
	void *batch;
	struct raft_message message = {.type = RAFT_APPEND_ENTRIES, .server_id = 2, .server_address = "-"};
	struct raft_event event = {.type = RAFT_RECEIVE, .receive.message = &message};
	struct raft_update update;
	open_trimmed(&host);
	batch = raft_malloc(1);
	for (unsigned i = 0; i < 2; i++)
		entries[i] = (struct raft_entry){
			.term = 1 + i, .type = RAFT_COMMAND, .buf = {.base = batch, .len = 1}, .batch = batch};
	message.append_entries = (struct raft_append_entries){.term = 2, .entries = entries, .n_entries = 2};
	event.time = host.now_ms;
	assert_int_equal(raft_step(&host.core->raft, &event, &update), 0);
	assert_true(update.flags & (RAFT_UPDATE_ENTRIES));
	assert_int_equal(update.entries.index, 1);
	assert_int_equal(update.entries.n, 6);
	raft_free(batch);
	core_host_finish(&host);

	struct log_frame *frames[] = {core_frame(1, 1, LOG_CONFIGURATION, "vvv"), core_frame(2, 2, LOG_RECORDS, NULL)};
	const struct message append = core_append(2, 2, 0, 0, 4, 2);
	open_trimmed(&host);
	give(&host, &append, frames, 2);
	assert_int_equal(host.accepts, 0);
	assert_int_equal(core_host_sent(&host, 2, MESSAGE_APPEND_RESULT)->append_result.rejected, 0);
	assert_int_equal(core_host_sent(&host, 2, MESSAGE_APPEND_RESULT)->append_result.last_entry, 3);
	core_host_finish(&host);
}

/* ---- S6 ---- */

/* Two of three live: one has the newer term, the other one the longer log, and only that one can be elected. Returns
 * whether it is. */
static bool elects(void)
{
	static const uint64_t shorter[] = {1, 1, 0}, longer[] = {1, 1, 7, 0};
	struct core_host newer, richer;
	core_host_open(&newer, 1, "vvv", 9, shorter);
	core_host_open(&richer, 2, "vvv", 7, longer);
	for (unsigned i = 0; i < 40 && core_role(richer.core) != CORE_LEADER; i++) {
		bool first = core_timeout_at(newer.core) < core_timeout_at(richer.core);
		core_host_wait(first ? &newer : &richer);
		newer.now_ms = richer.now_ms = first ? newer.now_ms : richer.now_ms;
		while (newer.sends + richer.sends > 0) {
			bring_all(&richer, &newer);
			bring_all(&newer, &richer);
		}
	}
	bool elected = core_role(richer.core) == CORE_LEADER;
	assert_int_not_equal(core_role(newer.core), CORE_LEADER);
	core_host_finish(&newer);
	core_host_finish(&richer);
	return elected;
}

static void s6_who_has_the_longer_log_learns_of_the_newer_term(void **state)
{
	shims_off = SHIM_6;
	assert_false(elects());
	shims_off = 0;
	assert_true(elects());
}

/* ---- S7 ---- */

/* An answer to what it asked before it was restarted comes to a follower. Returns the term in which it answers its
 * leader then, whose term is 7. */
static uint64_t term_after_a_late_vote(void)
{
	static const uint64_t terms[] = {1, 7, 0};
	struct core_host host;
	const struct message vote = core_vote_result(2, 8, true, true), heartbeat = core_append(3, 7, 2, 7, 1, 0);
	core_host_open(&host, 1, "vvv", 7, terms);
	assert_int_equal(core_host_receive(&host, &vote, NULL, 0), 0);
	assert_int_equal(core_host_receive(&host, &heartbeat, NULL, 0), 0);
	uint64_t term = core_host_sent(&host, 3, MESSAGE_APPEND_RESULT)->term;
	core_host_finish(&host);
	return term;
}

static void s7_a_late_vote_does_not_unseat_a_leader(void **state)
{
	shims_off = SHIM_7;
	assert_int_equal(term_after_a_late_vote(), 8);
	shims_off = 0;
	assert_int_equal(term_after_a_late_vote(), 7);
}

/* ---- S9, S10, S11 ---- */

static void s9_an_only_voter_begins_a_term(void **state)
{
	static const uint64_t terms[] = {1, 7, 0};
	for (unsigned i = 0; i < 2; i++) {
		struct core_host host;
		shims_off = i == 0 ? SHIM_9 : 0;
		core_host_open(&host, 1, "v", 7, terms);
		assert_int_equal(core_role(host.core), CORE_LEADER);
		assert_int_equal(core_term(host.core), i == 0 ? 7 : 8);
		core_host_finish(&host);
	}
}

/* Whether the member 3 gets the vote of a member whose leader has died while an entry of it was being written. */
static bool votes_after_its_leader_died(void)
{
	static const uint64_t terms[] = {1, 7, 0};
	struct core_host host;
	struct log_frame *frame = core_frame(3, 7, LOG_RECORDS, NULL);
	const struct message append = core_append(2, 7, 2, 7, 1, 1), ask = core_vote(3, 8, 3, 7, false);
	core_host_open(&host, 1, "vvv", 7, terms);
	assert_int_equal(core_host_receive(&host, &append, &frame, 1), 0);
	for (unsigned i = 0; i < 5; i++)
		core_host_wait(&host);
	assert_int_equal(core_role(host.core), CORE_FOLLOWER);
	assert_int_equal(core_host_receive(&host, &ask, NULL, 0), 0);
	bool granted = core_host_sent(&host, 3, MESSAGE_VOTE_RESULT)->vote_result.granted;
	log_frame_unref(frame);
	core_host_finish(&host);
	return granted;
}

static void s10_a_follower_that_cannot_stand_votes_for_who_can(void **state)
{
	shims_off = SHIM_10;
	assert_false(votes_after_its_leader_died());
	shims_off = 0;
	assert_true(votes_after_its_leader_died());
}

static bool standby_votes(void)
{
	static const uint64_t terms[] = {1, 7, 0};
	struct core_host host;
	const struct message ask = core_vote(2, 8, 3, 7, false);
	core_host_open(&host, 1, "bvv", 7, terms);
	assert_int_equal(core_host_receive(&host, &ask, NULL, 0), 0);
	bool granted = core_host_sent(&host, 2, MESSAGE_VOTE_RESULT)->vote_result.granted;
	/* Lent for the vote: it is no voter, and does not stand. */
	for (unsigned i = 0; i < 5; i++)
		core_host_wait(&host);
	assert_int_equal(core_role(host.core), CORE_FOLLOWER);
	core_host_finish(&host);
	return granted;
}

static void s11_a_standby_votes_as_it_may_be_a_voter_by_now(void **state)
{
	shims_off = SHIM_11;
	assert_false(standby_votes());
	shims_off = 0;
	assert_true(standby_votes());
}

#define SHIM_TEST(name) cmocka_unit_test_setup_teardown(name, shims_on, shims_on)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SHIM_TEST(s1_an_answer_to_an_older_term_is_no_copy_of_the_log),
		SHIM_TEST(s2_a_configuration_amid_entries_is_committed_and_undone_with_its_own),
		SHIM_TEST(s2_a_second_configuration_is_undone_to_the_first),
		SHIM_TEST(s3_a_late_rejection_does_not_cut_a_follower_off),
		SHIM_TEST(s4_a_leader_with_a_spare_does_not_spin),
		SHIM_TEST(s5_what_is_committed_and_trimmed_is_not_rejected),
		SHIM_TEST(s5_a_log_is_not_begun_again_below_its_base),
		SHIM_TEST(s6_who_has_the_longer_log_learns_of_the_newer_term),
		SHIM_TEST(s7_a_late_vote_does_not_unseat_a_leader),
		SHIM_TEST(s9_an_only_voter_begins_a_term),
		SHIM_TEST(s10_a_follower_that_cannot_stand_votes_for_who_can),
		SHIM_TEST(s11_a_standby_votes_as_it_may_be_a_voter_by_now),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
