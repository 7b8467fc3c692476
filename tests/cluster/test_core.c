/* The core of one member: as the only voter, and among others that say nothing. */
#include "tests/cluster/core_host.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/disk/allocation.h"

/* A long log of three terms. */
static const struct log_term runs[] = {
	{.last_entry = 1000, .term = 1}, {.last_entry = 5000, .term = 3}, {.last_entry = 1000000, .term = 7}};

static struct core_state state_of(const struct machine_members *members, size_t run_count)
{
	return (struct core_state){.term = run_count == 0 ? 0 : runs[run_count - 1].term,
	                           .terms = runs,
	                           .term_count = run_count,
	                           .last = run_count == 0 ? NULL : members};
}

/* Starts the core of the member 1 of those of the word, with runs of the long log. */
static void start(struct core_host *host, const char *word, size_t run_count)
{
	const struct machine_members members = core_members(1, word);
	const struct core_state state = state_of(&members, run_count);
	assert_int_equal(core_host_init(host, 1, 1), 0);
	assert_int_equal(core_host_start(host, &state), 0);
}

/* ---- One voter ---- */

static void the_only_voter_leads_once_it_has_started(void **state)
{
	for (size_t run_count = 1; run_count <= 3; run_count++) {
		struct core_host host;
		start(&host, "v", run_count);
		assert_int_equal(core_role(host.core), CORE_LEADER);
		assert_int_equal(core_leader(host.core), 1);
		/* All that it has is committed, and its term one of its own, told to the disk before. */
		assert_string_equal(host.order, "vcc");
		assert_int_equal(core_term(host.core), runs[run_count - 1].term + 1);
		assert_int_equal(host.term, runs[run_count - 1].term + 1);
		assert_int_equal(host.vote, 1);
		assert_int_equal(core_commit(host.core), runs[run_count - 1].last_entry);
		assert_int_equal(host.committed, runs[run_count - 1].last_entry);
		core_host_finish(&host);
	}
}

static void entries_are_accepted_after_the_last_and_committed_once_durable(void **state)
{
	struct core_host host;
	start(&host, "v", 3);
	core_host_forget(&host);
	for (unsigned i = 1; i <= 10; i++) {
		assert_int_equal(core_host_submit(&host, LOG_RECORDS, NULL), 0);
		assert_int_equal(host.accepts, i);
		assert_int_equal(host.accepted, 1000000 + i);
		assert_int_equal(host.accepted_count, 1);
	}
	assert_int_equal(host.commits, 0);
	assert_int_equal(core_commit(host.core), 1000000);
	assert_int_equal(core_persisted(host.core, host.now_ms, 1000004), 0);
	assert_int_equal(core_commit(host.core), 1000004);
	assert_int_equal(host.committed, 1000004);
	assert_int_equal(host.commits, 1);
	/* What is not news is no event. */
	assert_int_equal(core_persisted(host.core, host.now_ms, 1000004), 0);
	assert_int_equal(core_persisted(host.core, host.now_ms, 7), 0);
	assert_int_equal(host.commits, 1);
	assert_int_equal(core_persisted(host.core, host.now_ms, 1000010), 0);
	assert_int_equal(host.committed, 1000010);
	core_host_finish(&host);
}

static void many_entries_can_be_under_way(void **state)
{
	struct core_host host;
	start(&host, "v", 1);
	for (unsigned i = 1; i <= 100000; i++)
		assert_int_equal(core_host_submit(&host, LOG_RECORDS, NULL), 0);
	assert_int_equal(core_persisted(host.core, host.now_ms, 101000), 0);
	assert_int_equal(core_commit(host.core), 101000);
	core_host_finish(&host);
}

static void what_accept_answers_is_what_submit_returns(void **state)
{
	struct core_host host;
	start(&host, "v", 1);
	host.accept_rc = -EIO;
	assert_int_equal(core_host_submit(&host, LOG_RECORDS, NULL), -EIO);
	assert_int_equal(host.accepts, 1);
	core_host_finish(&host);
}

/* A host that sleeps until core_timeout_at, and calls core_timeout then. */
static void expect_no_spin(struct core_host *host, uint64_t least_ms)
{
	for (unsigned i = 0; i < 1000; i++) {
		assert_true(core_timeout_at(host->core) >= host->now_ms);
		core_host_wait(host);
		assert_true(core_timeout_at(host->core) >= host->now_ms + least_ms);
	}
}

static void a_leader_is_never_to_be_woken_in_the_past(void **state)
{
	struct core_host host;
	start(&host, "v", 1);
	expect_no_spin(&host, CORE_HEARTBEAT_MS);
	assert_int_equal(core_role(host.core), CORE_LEADER);
	core_host_wait(&host);
	/* Nor when it has much to do between two timeouts. */
	for (unsigned i = 1; i <= 1000; i++) {
		assert_int_equal(core_host_submit(&host, LOG_RECORDS, NULL), 0);
		core_host_persist(&host);
		host.now_ms += 7;
		if (core_timeout_at(host.core) <= host.now_ms) {
			assert_int_equal(core_timeout(host.core, host.now_ms), 0);
			assert_true(core_timeout_at(host.core) > host.now_ms);
		}
	}
	core_host_finish(&host);
}

/* Nobody answers, and a spare is sent nothing at all: what was sent to it last is for ever in the past. */
static void a_leader_of_others_is_never_to_be_woken_in_the_past(void **state)
{
	static const char *const words[] = {"vb", "vbs"};
	for (unsigned i = 0; i < 2; i++) {
		struct core_host host;
		start(&host, words[i], 3);
		expect_no_spin(&host, CORE_HEARTBEAT_MS);
		assert_int_equal(core_role(host.core), CORE_LEADER);
		core_host_finish(&host);
	}
}

static void a_leader_that_was_not_woken_for_long_goes_on(void **state)
{
	struct core_host host;
	start(&host, "v", 1);
	host.now_ms += 3600000;
	assert_int_equal(core_timeout(host.core, host.now_ms), 0);
	assert_int_equal(core_role(host.core), CORE_LEADER);
	assert_true(core_timeout_at(host.core) >= host.now_ms + CORE_HEARTBEAT_MS);
	core_host_finish(&host);
}

/* ---- The runs of terms ---- */

static void a_standby_is_told_of_the_last_entry_and_its_term(void **state)
{
	for (size_t run_count = 1; run_count <= 3; run_count++) {
		struct core_host host;
		start(&host, "vbs", run_count);
		assert_int_equal(core_role(host.core), CORE_LEADER);
		core_host_forget(&host);
		host.now_ms = core_timeout_at(host.core) + CORE_ELECTION_MS;
		assert_int_equal(core_timeout(host.core, host.now_ms), 0);
		/* The spare replicates nothing. */
		assert_int_equal(host.sends, 1);
		const struct message *append = core_host_sent(&host, 2, MESSAGE_APPEND);
		assert_non_null(append);
		assert_int_equal(append->term, runs[run_count - 1].term + 1);
		assert_int_equal(append->append.entry, runs[run_count - 1].last_entry);
		assert_int_equal(append->append.entry_term, runs[run_count - 1].term);
		assert_int_equal(append->append.commit, runs[run_count - 1].last_entry);
		assert_int_equal(append->append.count, 0);
		core_host_finish(&host);
	}
}

static void a_candidate_tells_of_its_last_entry_and_its_term(void **state)
{
	for (size_t run_count = 1; run_count <= 3; run_count++) {
		struct core_host host;
		start(&host, "vvv", run_count);
		core_host_wait(&host);
		assert_int_equal(host.sends, 2);
		for (unsigned i = 0; i < 2; i++) {
			const struct message *message = &host.sent[i].message;
			assert_int_equal(host.sent[i].member, 2 + i);
			assert_int_equal(message->type, MESSAGE_VOTE);
			assert_int_equal(message->vote.last_entry, runs[run_count - 1].last_entry);
			assert_int_equal(message->vote.last_term, runs[run_count - 1].term);
			/* It asks first whether it would be elected, in the term after its own. */
			assert_true(message->vote.pre);
			assert_false(message->vote.disrupt);
			assert_int_equal(message->term, runs[run_count - 1].term + 1);
		}
		core_host_finish(&host);
	}
}

/* ---- Several voters ---- */

static void one_of_three_voters_waits_for_the_election_timeout(void **state)
{
	const struct machine_members members = core_members(1, "vvv");
	const struct core_state core_state = state_of(&members, 3);
	uint64_t drawn_before = 0;
	bool differ = false;
	for (unsigned seed = 1; seed <= 20; seed++) {
		struct core_host host;
		assert_int_equal(core_host_init(&host, 1, seed), 0);
		assert_int_equal(core_host_start(&host, &core_state), 0);
		assert_int_equal(core_role(host.core), CORE_FOLLOWER);
		assert_int_equal(core_leader(host.core), 0);
		/* Only what a configuration proves is known to be committed. */
		assert_int_equal(core_commit(host.core), 1);
		assert_int_equal(host.committed, 1);
		uint64_t at_ms = core_timeout_at(host.core);
		assert_in_range(at_ms, CORE_START_MS + CORE_ELECTION_MS, CORE_START_MS + 2 * CORE_ELECTION_MS);
		differ = differ || (seed > 1 && at_ms != drawn_before);
		drawn_before = at_ms;
		assert_int_equal(core_timeout(host.core, at_ms - 1), 0);
		assert_int_equal(core_role(host.core), CORE_FOLLOWER);
		assert_int_equal(host.sends, 0);
		assert_int_equal(core_timeout(host.core, at_ms), 0);
		assert_int_equal(core_role(host.core), CORE_CANDIDATE);
		assert_int_equal(core_leader(host.core), 0);
		assert_int_equal(host.sends, 2);
		/* It has not voted, and is in its old term, until a majority would elect it. */
		assert_int_equal(host.votes, 0);
		assert_int_equal(core_term(host.core), 7);
		core_host_finish(&host);
	}
	assert_true(differ);
}

static void a_candidate_asks_again_and_does_not_spin(void **state)
{
	struct core_host host;
	start(&host, "vvv", 1);
	expect_no_spin(&host, CORE_ELECTION_MS);
	assert_int_equal(core_role(host.core), CORE_CANDIDATE);
	assert_int_equal(host.sends, 2000);
	core_host_finish(&host);
}

static void an_election_that_is_put_off_waits_anew(void **state)
{
	struct core_host host;
	start(&host, "vvv", 1);
	for (unsigned i = 0; i < 10; i++) {
		host.now_ms = core_timeout_at(host.core);
		core_defer(host.core, host.now_ms);
		assert_true(core_timeout_at(host.core) >= host.now_ms + CORE_ELECTION_MS);
		assert_int_equal(core_timeout(host.core, host.now_ms + CORE_ELECTION_MS - 1), 0);
		assert_int_equal(core_role(host.core), CORE_FOLLOWER);
	}
	assert_int_equal(host.sends, 0);
	core_host_finish(&host);
}

static void who_does_not_lead_takes_no_entry(void **state)
{
	struct core_host host;
	start(&host, "vvv", 2);
	assert_int_equal(core_host_submit(&host, LOG_RECORDS, NULL), -EHOSTUNREACH);
	core_host_wait(&host);
	assert_int_equal(core_role(host.core), CORE_CANDIDATE);
	assert_int_equal(core_host_submit(&host, LOG_RECORDS, NULL), -EHOSTUNREACH);
	assert_int_equal(host.accepts, 0);
	core_host_finish(&host);
}

static void who_is_no_voter_stays_follower(void **state)
{
	static const char *const words[] = {"bv", "sv"};
	for (unsigned i = 0; i < 2; i++) {
		struct core_host host;
		start(&host, words[i], 3);
		expect_no_spin(&host, 1);
		assert_int_equal(core_role(host.core), CORE_FOLLOWER);
		assert_int_equal(host.sends, 0);
		core_host_finish(&host);
	}
}

static void who_is_in_no_configuration_stays_follower(void **state)
{
	struct core_host host;
	start(&host, "v", 0);
	expect_no_spin(&host, 1);
	assert_int_equal(core_role(host.core), CORE_FOLLOWER);
	assert_int_equal(core_term(host.core), 0);
	assert_int_equal(core_commit(host.core), 0);
	assert_int_equal(core_submit(host.core, host.now_ms, NULL), -EHOSTUNREACH);
	assert_int_equal(host.sends + host.votes + host.accepts, 0);
	core_host_finish(&host);
}

/* ---- Memory ---- */

static void destroying_nothing_is_allowed(void **state)
{
	core_destroy(NULL);
}

/* Does all that a single voter does, with frames that are there; returns the first error. */
static int live(struct core_host *host, struct log_frame **frames)
{
	const struct machine_members members = core_members(1, "v");
	const struct core_state core_state = state_of(&members, 3);
	int rc = core_host_start(host, &core_state);
	for (unsigned i = 0; rc == 0 && i < 5; i++)
		rc = core_submit(host->core, host->now_ms, frames[i]);
	if (rc == 0)
		rc = core_persisted(host->core, host->now_ms, 1000005);
	if (rc == 0)
		rc = core_timeout(host->core, core_timeout_at(host->core));
	return rc;
}

static void every_failed_allocation_is_an_error_and_no_leak(void **state)
{
	struct log_frame *frames[5];
	unsigned nth = 1;
	for (unsigned i = 0; i < 5; i++)
		frames[i] = core_frame(1000001 + i, 8, LOG_RECORDS, NULL);
	for (bool fired = true; fired; nth++) {
		struct core_host host;
		allocation_fail(nth);
		int rc = core_host_init(&host, 1, 1);
		if (rc == 0)
			rc = live(&host, frames);
		fired = allocation_fired();
		allocation_fail(0);
		assert_int_equal(rc, fired ? -ENOMEM : 0);
		core_host_finish(&host);
	}
	for (unsigned i = 0; i < 5; i++)
		log_frame_unref(frames[i]);
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
		cmocka_unit_test(an_election_that_is_put_off_waits_anew),
		cmocka_unit_test(who_does_not_lead_takes_no_entry),
		cmocka_unit_test(who_is_no_voter_stays_follower),
		cmocka_unit_test(who_is_in_no_configuration_stays_follower),
		cmocka_unit_test(destroying_nothing_is_allowed),
		cmocka_unit_test(every_failed_allocation_is_an_error_and_no_leak),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
