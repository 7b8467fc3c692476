/* The order in which the core's decisions are carried out is libraft's demand, and votes are lost where it is not kept. */
#include "cluster/raft_core.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/cluster/core_host.h"

/* One of three voters, in term 7, with three entries of that term but the first. */
static void open_follower(struct core_host *host)
{
	static const uint64_t terms[] = {1, 7, 7, 7, 0};
	core_host_open(host, 1, "vvv", 7, terms);
}

static void a_vote_is_durable_before_the_candidate_hears_of_it(void **state)
{
	struct core_host host;
	const struct message ask = core_vote(2, 9, 4, 7, false);
	open_follower(&host);
	assert_int_equal(core_host_receive(&host, &ask, NULL, 0), 0);
	assert_string_equal(host.order, "vs");
	assert_int_equal(host.term, 9);
	assert_int_equal(host.vote, 2);
	const struct message *answer = core_host_sent(&host, 2, MESSAGE_VOTE_RESULT);
	assert_non_null(answer);
	assert_true(answer->vote_result.granted);
	core_host_finish(&host);
}

static void a_vote_that_is_not_durable_is_told_to_nobody(void **state)
{
	struct core_host host;
	const struct message ask = core_vote(2, 9, 4, 7, false);
	open_follower(&host);
	host.vote_rc = -EIO;
	assert_int_equal(core_host_receive(&host, &ask, NULL, 0), -EIO);
	assert_string_equal(host.order, "v");
	core_host_finish(&host);
}

static void a_candidate_votes_for_itself_before_it_asks_the_others(void **state)
{
	struct core_host host;
	const struct message granted = core_vote_result(2, 8, true, true);
	open_follower(&host);
	core_host_wait(&host);
	/* Whether it would be elected it asks of both others, without a vote. */
	assert_string_equal(host.order, "ss");
	core_host_forget(&host);
	assert_int_equal(core_host_receive(&host, &granted, NULL, 0), 0);
	assert_string_equal(host.order, "vss");
	assert_int_equal(host.term, 8);
	assert_int_equal(host.vote, 1);
	assert_int_equal(core_term(host.core), 8);
	assert_int_equal(core_role(host.core), CORE_CANDIDATE);
	core_host_finish(&host);
}

static void an_only_voter_does_not_lead_in_a_term_that_is_not_durable(void **state)
{
	static const struct log_term run = {.last_entry = 4, .term = 7};
	struct core_host host;
	const struct machine_members members = core_members(1, "v");
	const struct core_state core_state = {.term = 7, .terms = &run, .term_count = 1, .last = &members};
	assert_int_equal(core_host_init(&host, 1, 1), 0);
	host.vote_rc = -EIO;
	assert_int_equal(core_host_start(&host, &core_state), -EIO);
	assert_string_equal(host.order, "v");
	assert_int_equal(core_role(host.core), CORE_FOLLOWER);
	core_host_finish(&host);
}

static void a_follower_knows_its_leader(void **state)
{
	struct core_host host;
	const struct message heartbeat = core_append(2, 8, 4, 7, 3, 0);
	open_follower(&host);
	assert_int_equal(core_host_receive(&host, &heartbeat, NULL, 0), 0);
	assert_int_equal(core_leader(host.core), 2);
	assert_int_equal(core_role(host.core), CORE_FOLLOWER);
	assert_int_equal(core_term(host.core), 8);
	assert_int_equal(core_commit(host.core), 3);
	/* The new term, then the answer, then what is committed. */
	assert_string_equal(host.order, "vsc");
	core_host_finish(&host);
}

/* The term must be durable before the entries are, and both are told of before what is committed by the same message. */
static void entries_come_after_the_term_and_before_what_is_committed(void **state)
{
	struct core_host host;
	struct log_frame *frame = core_frame(5, 8, LOG_RECORDS, NULL);
	const struct message append = core_append(2, 8, 4, 7, 5, 1);
	open_follower(&host);
	assert_int_equal(core_host_receive(&host, &append, &frame, 1), 0);
	assert_string_equal(host.order, "vac");
	core_host_forget(&host);
	/* An answer only once they are durable. */
	core_host_persist(&host);
	assert_string_equal(host.order, "s");
	assert_int_equal(core_host_sent(&host, 2, MESSAGE_APPEND_RESULT)->append_result.last_entry, 5);
	log_frame_unref(frame);
	core_host_finish(&host);
}

static void entries_are_not_taken_where_the_term_is_not_durable(void **state)
{
	struct core_host host;
	struct log_frame *frame = core_frame(5, 8, LOG_RECORDS, NULL);
	const struct message append = core_append(2, 8, 4, 7, 5, 1);
	open_follower(&host);
	host.vote_rc = -EIO;
	assert_int_equal(core_host_receive(&host, &append, &frame, 1), -EIO);
	assert_string_equal(host.order, "v");
	log_frame_unref(frame);
	core_host_finish(&host);
}

static void a_base_is_not_taken_where_the_term_is_not_durable(void **state)
{
	struct core_host host;
	const struct message install = core_install(2, 8, 10, 7);
	open_follower(&host);
	host.base = core_members(9, "vvv");
	host.vote_rc = -EIO;
	assert_int_equal(core_host_receive(&host, &install, NULL, 0), -EIO);
	assert_string_equal(host.order, "v");
	core_host_finish(&host);
}

/* libraft's own answer lies in the past while it installs a snapshot on somebody, or waits for a quorum. */
static void a_leader_waits_a_heartbeat_whatever_libraft_says(void **state)
{
	static const uint64_t terms[] = {1, 0};
	struct core_host host;
	core_host_open(&host, 1, "v", 7, terms);
	assert_int_equal(core_role(host.core), CORE_LEADER);
	host.core->raft.election_timer_start = 0;
	assert_true(raft_timeout(&host.core->raft) < CORE_START_MS);
	assert_int_equal(core_timeout_at(host.core), CORE_START_MS + CORE_HEARTBEAT_MS);
	core_host_finish(&host);
}

static void what_is_durable_never_shrinks(void **state)
{
	struct core_host host;
	open_follower(&host);
	assert_int_equal(core_persisted(host.core, host.now_ms, 4), 0);
	assert_int_equal(core_persisted(host.core, host.now_ms, 2), 0);
	assert_int_equal(host.core->raft.last_stored, 4);
	assert_string_equal(host.order, "");
	core_host_finish(&host);
}

static void what_libraft_cannot_take_has_a_code(void **state)
{
	assert_int_equal(core_translate(0), 0);
	assert_int_equal(core_translate(RAFT_NOMEM), -ENOMEM);
	assert_int_equal(core_translate(RAFT_NOTLEADER), -EHOSTUNREACH);
	assert_int_equal(core_translate(RAFT_NOSPACE), -ENOSPC);
	assert_int_equal(core_translate(RAFT_MALFORMED), -EBADMSG);
	assert_int_equal(core_translate(RAFT_CANTCHANGE), -EBUSY);
	assert_int_equal(core_translate(RAFT_BADID), -ENOENT);
	assert_int_equal(core_translate(RAFT_NOTFOUND), -ENOENT);
	assert_int_equal(core_translate(RAFT_SHUTDOWN), -ENOTRECOVERABLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vote_is_durable_before_the_candidate_hears_of_it),
		cmocka_unit_test(a_vote_that_is_not_durable_is_told_to_nobody),
		cmocka_unit_test(a_candidate_votes_for_itself_before_it_asks_the_others),
		cmocka_unit_test(an_only_voter_does_not_lead_in_a_term_that_is_not_durable),
		cmocka_unit_test(a_follower_knows_its_leader),
		cmocka_unit_test(entries_come_after_the_term_and_before_what_is_committed),
		cmocka_unit_test(entries_are_not_taken_where_the_term_is_not_durable),
		cmocka_unit_test(a_base_is_not_taken_where_the_term_is_not_durable),
		cmocka_unit_test(a_leader_waits_a_heartbeat_whatever_libraft_says),
		cmocka_unit_test(what_is_durable_never_shrinks),
		cmocka_unit_test(what_libraft_cannot_take_has_a_code),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
