#include "cluster/raft.h"

#include <errno.h>
#include <raft.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "log/log.h"
#include "service/service.h"
#include "tests/disk/allocation.h"

#define SELF 11u
#define ELECTION_MS 500u
#define HEARTBEAT_MS 75u
#define START_MS 5000u
#define SENT_MAX 64

/* What the core decided. */
struct decided {
	unsigned votes, accepts, commits, sends;
	uint64_t term, vote, accepted, committed;
	struct raft_message sent[SENT_MAX]; /* without entries */
	int accept_rc;                      /* what accept answers */
};

static int on_vote(void *arg, uint64_t term, uint64_t vote)
{
	struct decided *decided = arg;
	decided->votes++;
	decided->term = term;
	decided->vote = vote;
	return 0;
}

static int on_accept(void *arg, uint64_t entry)
{
	struct decided *decided = arg;
	decided->accepts++;
	decided->accepted = entry;
	return decided->accept_rc;
}

static void on_send(void *arg, uint64_t member, const struct raft_message *message)
{
	struct decided *decided = arg;
	assert_int_equal(member, message->server_id);
	if (decided->sends < SENT_MAX)
		decided->sent[decided->sends] = *message;
	decided->sends++;
}

static void on_commit(void *arg, uint64_t entry)
{
	struct decided *decided = arg;
	decided->commits++;
	decided->committed = entry;
}

static struct core *create(struct decided *decided, unsigned random)
{
	static const struct core_ops ops = {.vote = on_vote, .accept = on_accept, .send = on_send, .commit = on_commit};
	const struct core_options options = {.id = SELF,
	                                     .address = "self",
	                                     .random = random,
	                                     .election_ms = ELECTION_MS,
	                                     .heartbeat_ms = HEARTBEAT_MS,
	                                     .ops = &ops,
	                                     .arg = decided};
	struct core *core = NULL;
	return core_create(&core, &options) == 0 ? core : NULL;
}

/* Member i of a configuration: the first one is this. */
static struct service_member member_of(unsigned i, enum service_role role)
{
	struct service_member member = {.id = SELF + i, .role = role};
	snprintf(member.name, sizeof member.name, "member%u", i);
	return member;
}

/* A long log of three terms. */
static const struct log_term runs[] = {
	{.last_entry = 1000, .term = 1}, {.last_entry = 5000, .term = 3}, {.last_entry = 1000000, .term = 7}};

static struct core_state state_of(const struct service_member *members, size_t count, size_t run_count)
{
	return (struct core_state){.term = run_count == 0 ? 0 : runs[run_count - 1].term,
	                           .terms = runs,
	                           .term_count = run_count,
	                           .members = members,
	                           .member_count = count,
	                           .configuration = run_count == 0 ? 0 : 1};
}

/* A core that has started with these members' roles, and runs of the long log. */
static struct core *start(struct decided *decided, const enum service_role *roles, size_t count, size_t run_count)
{
	struct service_member members[SERVICE_MEMBERS_MAX];
	for (unsigned i = 0; i < count; i++)
		members[i] = member_of(i, roles[i]);
	struct core_state state = state_of(members, count, run_count);
	struct core *core = create(decided, 1);
	assert_non_null(core);
	assert_int_equal(core_start(core, START_MS, &state), 0);
	return core;
}

static const enum service_role voters[] = {SERVICE_VOTER, SERVICE_VOTER, SERVICE_VOTER};

/* ---- One voter ---- */

static void the_only_voter_leads_once_it_has_started(void **state)
{
	for (size_t run_count = 1; run_count <= 3; run_count++) {
		struct decided decided = {0};
		struct core *core = start(&decided, voters, 1, run_count);
		assert_int_equal(core_role(core), CORE_LEADER);
		assert_int_equal(core_leader(core), SELF);
		assert_true(core_term(core) >= runs[run_count - 1].term);
		/* All that it has is committed. */
		assert_int_equal(core_commit(core), runs[run_count - 1].last_entry);
		assert_int_equal(decided.committed, runs[run_count - 1].last_entry);
		assert_int_equal(decided.accepts, 0);
		assert_int_equal(decided.sends, 0);
		core_destroy(core);
	}
}

static void entries_are_accepted_after_the_last_and_committed_once_durable(void **state)
{
	struct decided decided = {0};
	struct core *core = start(&decided, voters, 1, 3);
	unsigned commits = decided.commits;
	for (unsigned i = 1; i <= 10; i++) {
		assert_int_equal(core_submit(core, START_MS + i), 0);
		assert_int_equal(decided.accepts, i);
		assert_int_equal(decided.accepted, 1000000 + i);
	}
	assert_int_equal(decided.commits, commits);
	assert_int_equal(core_commit(core), 1000000);
	assert_int_equal(core_persisted(core, START_MS + 20, 1000004), 0);
	assert_int_equal(core_commit(core), 1000004);
	assert_int_equal(decided.committed, 1000004);
	assert_int_equal(decided.commits, commits + 1);
	/* What is not news is no event. */
	assert_int_equal(core_persisted(core, START_MS + 21, 1000004), 0);
	assert_int_equal(core_persisted(core, START_MS + 21, 7), 0);
	assert_int_equal(decided.commits, commits + 1);
	assert_int_equal(core_persisted(core, START_MS + 22, 1000010), 0);
	assert_int_equal(decided.committed, 1000010);
	core_destroy(core);
}

static void many_entries_can_be_under_way(void **state)
{
	struct decided decided = {0};
	struct core *core = start(&decided, voters, 1, 1);
	for (unsigned i = 1; i <= 100000; i++)
		assert_int_equal(core_submit(core, START_MS), 0);
	assert_int_equal(core_persisted(core, START_MS, 101000), 0);
	assert_int_equal(core_commit(core), 101000);
	core_destroy(core);
}

static void what_accept_answers_is_what_submit_returns(void **state)
{
	struct decided decided = {.accept_rc = -EIO};
	struct core *core = start(&decided, voters, 1, 1);
	assert_int_equal(core_submit(core, START_MS), -EIO);
	assert_int_equal(decided.accepts, 1);
	core_destroy(core);
}

/* A host that sleeps until core_timeout_at, and calls core_timeout then. */
static void expect_no_spin(struct core *core, uint64_t least_ms)
{
	uint64_t now_ms = START_MS;
	for (unsigned i = 0; i < 1000; i++) {
		uint64_t at_ms = core_timeout_at(core);
		assert_true(at_ms >= now_ms);
		now_ms = at_ms;
		assert_int_equal(core_timeout(core, now_ms), 0);
		assert_true(core_timeout_at(core) >= now_ms + least_ms);
	}
}

static void a_leader_is_never_to_be_woken_in_the_past(void **state)
{
	struct decided decided = {0};
	struct core *core = start(&decided, voters, 1, 1);
	expect_no_spin(core, HEARTBEAT_MS);
	assert_int_equal(core_role(core), CORE_LEADER);
	uint64_t now_ms = core_timeout_at(core);
	assert_int_equal(core_timeout(core, now_ms), 0);
	/* Nor when it has much to do between two timeouts. */
	for (unsigned i = 1; i <= 1000; i++) {
		assert_int_equal(core_submit(core, now_ms), 0);
		assert_int_equal(core_persisted(core, now_ms, 1000 + i), 0);
		now_ms += 7;
		if (core_timeout_at(core) <= now_ms) {
			assert_int_equal(core_timeout(core, now_ms), 0);
			assert_true(core_timeout_at(core) > now_ms);
		}
	}
	core_destroy(core);
}

/* Nobody answers, and a spare is sent nothing at all: what was sent to it last is for ever in the past. */
static void a_leader_of_others_is_never_to_be_woken_in_the_past(void **state)
{
	static const enum service_role roles[] = {SERVICE_VOTER, SERVICE_STANDBY, SERVICE_SPARE};
	for (unsigned count = 2; count <= 3; count++) {
		struct decided decided = {0};
		struct core *core = start(&decided, roles, count, 3);
		expect_no_spin(core, HEARTBEAT_MS);
		assert_int_equal(core_role(core), CORE_LEADER);
		core_destroy(core);
	}
}

static void a_leader_that_was_not_woken_for_long_goes_on(void **state)
{
	struct decided decided = {0};
	struct core *core = start(&decided, voters, 1, 1);
	uint64_t now_ms = START_MS + 3600000;
	assert_int_equal(core_timeout(core, now_ms), 0);
	assert_int_equal(core_role(core), CORE_LEADER);
	assert_true(core_timeout_at(core) >= now_ms + HEARTBEAT_MS);
	core_destroy(core);
}

/* ---- The runs of terms ---- */

static void a_standby_is_told_of_the_last_entry_and_its_term(void **state)
{
	static const enum service_role roles[] = {SERVICE_VOTER, SERVICE_STANDBY, SERVICE_SPARE};
	for (size_t run_count = 1; run_count <= 3; run_count++) {
		struct decided decided = {0};
		struct core *core = start(&decided, roles, 3, run_count);
		assert_int_equal(core_role(core), CORE_LEADER);
		decided.sends = 0;
		uint64_t now_ms = core_timeout_at(core) + ELECTION_MS;
		assert_int_equal(core_timeout(core, now_ms), 0);
		/* The spare replicates nothing. */
		assert_int_equal(decided.sends, 1);
		assert_int_equal(decided.sent[0].type, RAFT_APPEND_ENTRIES);
		assert_int_equal(decided.sent[0].server_id, SELF + 1);
		assert_int_equal(decided.sent[0].append_entries.prev_log_index, runs[run_count - 1].last_entry);
		assert_int_equal(decided.sent[0].append_entries.prev_log_term, runs[run_count - 1].term);
		core_destroy(core);
	}
}

static void a_candidate_tells_of_its_last_entry_and_its_term(void **state)
{
	for (size_t run_count = 1; run_count <= 3; run_count++) {
		struct decided decided = {0};
		struct core *core = start(&decided, voters, 3, run_count);
		assert_int_equal(core_timeout(core, core_timeout_at(core)), 0);
		assert_int_equal(decided.sends, 2);
		for (unsigned i = 0; i < 2; i++) {
			const struct raft_request_vote *request = &decided.sent[i].request_vote;
			assert_int_equal(decided.sent[i].type, RAFT_REQUEST_VOTE);
			assert_int_equal(decided.sent[i].server_id, SELF + 1 + i);
			assert_int_equal(request->candidate_id, SELF);
			assert_int_equal(request->last_log_index, runs[run_count - 1].last_entry);
			assert_int_equal(request->last_log_term, runs[run_count - 1].term);
			/* It asks first whether it would be elected, in the term after its own. */
			assert_true(request->pre_vote);
			assert_int_equal(request->term, runs[run_count - 1].term + 1);
		}
		core_destroy(core);
	}
}

/* ---- Several voters ---- */

static void one_of_three_voters_waits_for_the_election_timeout(void **state)
{
	uint64_t drawn_before = 0;
	bool differ = false;
	for (unsigned seed = 1; seed <= 20; seed++) {
		struct decided decided = {0};
		struct service_member members[3];
		for (unsigned i = 0; i < 3; i++)
			members[i] = member_of(i, SERVICE_VOTER);
		struct core_state core_state = state_of(members, 3, 3);
		struct core *core = create(&decided, seed);
		assert_int_equal(core_start(core, START_MS, &core_state), 0);
		assert_int_equal(core_role(core), CORE_FOLLOWER);
		assert_int_equal(core_leader(core), 0);
		/* Only what a configuration proves is known to be committed. */
		assert_int_equal(core_commit(core), 1);
		assert_int_equal(decided.committed, 1);
		uint64_t at_ms = core_timeout_at(core);
		assert_in_range(at_ms, START_MS + ELECTION_MS, START_MS + 2 * ELECTION_MS);
		differ = differ || (seed > 1 && at_ms != drawn_before);
		drawn_before = at_ms;
		assert_int_equal(core_timeout(core, at_ms - 1), 0);
		assert_int_equal(core_role(core), CORE_FOLLOWER);
		assert_int_equal(decided.sends, 0);
		assert_int_equal(core_timeout(core, at_ms), 0);
		assert_int_equal(core_role(core), CORE_CANDIDATE);
		assert_int_equal(decided.sends, 2);
		/* It has not voted, and is in its old term, until a majority would elect it. */
		assert_int_equal(decided.votes, 0);
		assert_int_equal(core_term(core), 7);
		core_destroy(core);
	}
	assert_true(differ);
}

static void a_candidate_asks_again_and_does_not_spin(void **state)
{
	struct decided decided = {0};
	struct core *core = start(&decided, voters, 3, 1);
	expect_no_spin(core, ELECTION_MS);
	assert_int_equal(core_role(core), CORE_CANDIDATE);
	assert_int_equal(decided.sends, 2000);
	core_destroy(core);
}

static void who_does_not_lead_takes_no_entry(void **state)
{
	struct decided decided = {0};
	struct core *core = start(&decided, voters, 3, 2);
	assert_int_equal(core_submit(core, START_MS), -EHOSTUNREACH);
	assert_int_equal(core_timeout(core, core_timeout_at(core)), 0);
	assert_int_equal(core_submit(core, START_MS + 2 * ELECTION_MS), -EHOSTUNREACH);
	assert_int_equal(decided.accepts, 0);
	core_destroy(core);
}

static void who_is_no_voter_stays_follower(void **state)
{
	static const enum service_role roles[][2] = {{SERVICE_STANDBY, SERVICE_VOTER}, {SERVICE_SPARE, SERVICE_VOTER}};
	for (unsigned i = 0; i < 2; i++) {
		struct decided decided = {0};
		struct core *core = start(&decided, roles[i], 2, 3);
		expect_no_spin(core, 1);
		assert_int_equal(core_role(core), CORE_FOLLOWER);
		assert_int_equal(decided.sends, 0);
		core_destroy(core);
	}
}

static void who_is_in_no_configuration_stays_follower(void **state)
{
	struct decided decided = {0};
	struct core *core = start(&decided, NULL, 0, 0);
	expect_no_spin(core, 1);
	assert_int_equal(core_role(core), CORE_FOLLOWER);
	assert_int_equal(core_term(core), 0);
	assert_int_equal(core_commit(core), 0);
	assert_int_equal(core_submit(core, START_MS), -EHOSTUNREACH);
	assert_int_equal(decided.sends + decided.votes + decided.accepts, 0);
	core_destroy(core);
}

/* ---- Memory ---- */

static void destroying_nothing_is_allowed(void **state)
{
	core_destroy(NULL);
}

/* Does all that a single voter does; returns the first error. */
static int live(struct core *core)
{
	struct service_member member = member_of(0, SERVICE_VOTER);
	struct core_state state = state_of(&member, 1, 3);
	int rc = core_start(core, START_MS, &state);
	for (unsigned i = 1; rc == 0 && i <= 5; i++)
		rc = core_submit(core, START_MS);
	if (rc == 0)
		rc = core_persisted(core, START_MS, 1000005);
	if (rc == 0)
		rc = core_timeout(core, core_timeout_at(core));
	return rc;
}

static void every_failed_allocation_is_an_error_and_no_leak(void **state)
{
	unsigned nth = 1;
	for (bool fired = true; fired; nth++) {
		struct decided decided = {0};
		allocation_fail(nth);
		struct core *core = create(&decided, 1);
		int rc = core == NULL ? -ENOMEM : live(core);
		fired = allocation_fired();
		allocation_fail(0);
		assert_int_equal(rc, fired ? -ENOMEM : 0);
		core_destroy(core);
	}
	printf("core: %u allocations\n", nth - 2);
	assert_true(nth > 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_only_voter_leads_once_it_has_started),
		cmocka_unit_test(entries_are_accepted_after_the_last_and_committed_once_durable),
		cmocka_unit_test(many_entries_can_be_under_way),
		cmocka_unit_test(what_accept_answers_is_what_submit_returns),
		cmocka_unit_test(a_leader_is_never_to_be_woken_in_the_past),
		cmocka_unit_test(a_leader_of_others_is_never_to_be_woken_in_the_past),
		cmocka_unit_test(a_leader_that_was_not_woken_for_long_goes_on),
		cmocka_unit_test(a_standby_is_told_of_the_last_entry_and_its_term),
		cmocka_unit_test(a_candidate_tells_of_its_last_entry_and_its_term),
		cmocka_unit_test(one_of_three_voters_waits_for_the_election_timeout),
		cmocka_unit_test(a_candidate_asks_again_and_does_not_spin),
		cmocka_unit_test(who_does_not_lead_takes_no_entry),
		cmocka_unit_test(who_is_no_voter_stays_follower),
		cmocka_unit_test(who_is_in_no_configuration_stays_follower),
		cmocka_unit_test(destroying_nothing_is_allowed),
		cmocka_unit_test(every_failed_allocation_is_an_error_and_no_leak),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
