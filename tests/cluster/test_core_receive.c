/* What a follower makes of entries and bases that come: which of them are new, which are refused, and whose the memory is
 * each time (core_host counts libraft's blocks). */
#include "tests/cluster/core_host.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define FRAMES_MAX 8

struct frames {
	struct log_frame *frames[FRAMES_MAX];
	size_t count;
};

/* Entries from this one on, of these terms, which end with 0. Where the word has a letter they are records, and with 'c'
 * a configuration of four. */
static struct frames make(uint64_t entry, const uint64_t *terms, const char *word)
{
	struct frames frames = {0};
	for (; terms[frames.count] != 0; frames.count++)
		frames.frames[frames.count] = core_frame(entry + frames.count, terms[frames.count],
		                                         word[frames.count] == 'c' ? LOG_CONFIGURATION : LOG_RECORDS,
		                                         "vvvv");
	return frames;
}

static int give(struct core_host *host, const struct message *append, struct frames frames)
{
	int rc = core_host_receive(host, append, frames.frames, frames.count);
	for (size_t i = 0; i < frames.count; i++)
		log_frame_unref(frames.frames[i]);
	return rc;
}

/* The one answer that was sent to the member. */
static struct message answer_to(const struct core_host *host, uint64_t member)
{
	const struct message *answer = core_host_sent(host, member, MESSAGE_APPEND_RESULT);
	assert_int_equal(host->sends, 1);
	assert_non_null(answer);
	return *answer;
}

static void expect_success(const struct core_host *host, uint64_t member, uint64_t last_entry)
{
	struct message answer = answer_to(host, member);
	assert_int_equal(answer.append_result.rejected, 0);
	assert_int_equal(answer.append_result.last_entry, last_entry);
	assert_false(answer.append_result.stale);
}

static void expect_rejection(const struct core_host *host, uint64_t member, uint64_t rejected, uint64_t last_entry)
{
	struct message answer = answer_to(host, member);
	assert_int_equal(answer.append_result.rejected, rejected);
	assert_int_equal(answer.append_result.last_entry, last_entry);
}

/* The member 1 of three, in term 2, with three entries: 1^1, 2^2, 3^2. */
static void open_follower(struct core_host *host)
{
	static const uint64_t terms[] = {1, 2, 2, 0};
	core_host_open(host, 1, "vvv", 2, terms);
}

static const uint64_t twos[] = {2, 2, 2, 2, 0};

/* ---- New and known entries ---- */

static void entries_that_are_there_are_left_out_of_what_is_accepted(void **state)
{
	struct core_host host;
	struct frames frames = make(2, twos, "rrrr");
	const struct message append = core_append(2, 2, 1, 1, 1, 4);
	open_follower(&host);
	struct log_frame *kept = host.log[3];
	assert_int_equal(core_host_receive(&host, &append, frames.frames, 4), 0);
	assert_int_equal(host.accepts, 1);
	assert_int_equal(host.accepted, 4);
	assert_int_equal(host.accepted_count, 2);
	assert_ptr_equal(host.log[3], kept);
	assert_ptr_equal(host.log[4], frames.frames[2]);
	assert_ptr_equal(host.log[5], frames.frames[3]);
	for (unsigned i = 0; i < 4; i++)
		log_frame_unref(frames.frames[i]);
	core_host_finish(&host);
}

static void a_configuration_in_the_middle_splits_what_is_accepted(void **state)
{
	struct core_host host;
	const struct message append = core_append(2, 2, 1, 1, 5, 4);
	open_follower(&host);
	assert_int_equal(give(&host, &append, make(2, twos, "rrcr")), 0);
	/* The first piece has nothing new, and is answered. */
	assert_string_equal(host.order, "scacac");
	assert_int_equal(host.last_entry, 5);
	assert_int_equal(host.accepted, 5);
	assert_int_equal(host.accepted_count, 1);
	assert_int_equal(core_commit(host.core), 5);
	assert_true(core_settled(host.core));
	core_host_finish(&host);
}

static void what_is_all_there_is_answered_at_once(void **state)
{
	static const uint64_t terms[] = {2, 2, 0};
	struct core_host host;
	const struct message append = core_append(2, 2, 1, 1, 1, 2);
	open_follower(&host);
	assert_int_equal(give(&host, &append, make(2, terms, "rr")), 0);
	assert_int_equal(host.accepts, 0);
	expect_success(&host, 2, 3);
	core_host_finish(&host);
}

static void only_what_is_durable_is_answered_for(void **state)
{
	static const uint64_t term[] = {2, 0};
	struct core_host host;
	const struct message append = core_append(2, 2, 3, 2, 1, 1);
	open_follower(&host);
	assert_int_equal(give(&host, &append, make(4, term, "r")), 0);
	assert_int_equal(host.sends, 0);
	/* It comes again before it is durable. */
	assert_int_equal(give(&host, &append, make(4, term, "r")), 0);
	expect_success(&host, 2, 3);
	core_host_forget(&host);
	core_host_persist(&host);
	expect_success(&host, 2, 4);
	core_host_finish(&host);
}

/* ---- Truncation ---- */

static void an_entry_of_another_term_cuts_the_log(void **state)
{
	static const uint64_t terms[] = {2, 3, 3, 0};
	struct core_host host;
	const struct message append = core_append(3, 3, 1, 1, 1, 3);
	open_follower(&host);
	assert_int_equal(give(&host, &append, make(2, terms, "rrr")), 0);
	assert_int_equal(host.accepts, 1);
	assert_int_equal(host.accepted, 3);
	assert_int_equal(host.accepted_count, 2);
	assert_int_equal(host.last_entry, 4);
	/* The entry 3 that was durable is not this one. */
	core_host_forget(&host);
	assert_int_equal(core_persisted(host.core, host.now_ms, 3), 0);
	expect_success(&host, 3, 3);
	core_host_forget(&host);
	core_host_persist(&host);
	expect_success(&host, 3, 4);
	core_host_finish(&host);
}

static void what_was_being_written_when_the_log_was_cut_is_not_durable(void **state)
{
	static const uint64_t old[] = {2, 2, 0}, new[] = {3, 3, 0};
	struct core_host host;
	const struct message append = core_append(2, 2, 3, 2, 1, 2), overwrite = core_append(3, 3, 3, 2, 1, 2);
	open_follower(&host);
	assert_int_equal(give(&host, &append, make(4, old, "rr")), 0);
	assert_int_equal(give(&host, &overwrite, make(4, new, "rr")), 0);
	assert_int_equal(host.sends, 0);
	/* The write of the old ones ends: what stands before the cut is all that it may speak for. */
	assert_int_equal(core_persisted(host.core, host.now_ms, 3), 0);
	assert_int_equal(host.sends, 0);
	core_host_persist(&host);
	expect_success(&host, 3, 5);
	core_host_finish(&host);
}

static void a_committed_entry_is_never_cut(void **state)
{
	static const uint64_t term[] = {3, 0};
	struct core_host host;
	const struct message heartbeat = core_append(2, 2, 3, 2, 3, 0), overwrite = core_append(3, 3, 2, 2, 3, 1);
	const struct message other = core_append(3, 3, 3, 3, 3, 0);
	open_follower(&host);
	assert_int_equal(core_host_receive(&host, &heartbeat, NULL, 0), 0);
	assert_int_equal(core_commit(host.core), 3);
	assert_int_equal(give(&host, &overwrite, make(3, term, "r")), -ENOTRECOVERABLE);
	assert_int_equal(core_host_receive(&host, &other, NULL, 0), -ENOTRECOVERABLE);
	assert_int_equal(host.accepts, 0);
	core_host_finish(&host);
}

/* ---- Refused entries ---- */

static void what_leaves_a_gap_is_refused(void **state)
{
	struct core_host host;
	const struct message append = core_append(2, 2, 9, 2, 1, 4);
	open_follower(&host);
	assert_int_equal(give(&host, &append, make(10, twos, "rrrr")), 0);
	assert_int_equal(host.accepts, 0);
	expect_rejection(&host, 2, 9, 3);
	core_host_finish(&host);
}

static void what_follows_another_entry_is_refused(void **state)
{
	static const uint64_t terms[] = {3, 3, 0};
	struct core_host host;
	const struct message append = core_append(3, 3, 3, 3, 1, 2);
	open_follower(&host);
	assert_int_equal(give(&host, &append, make(4, terms, "rr")), 0);
	assert_int_equal(host.accepts, 0);
	expect_rejection(&host, 3, 3, 2);
	core_host_finish(&host);
}

static void what_an_old_leader_sends_is_refused(void **state)
{
	static const uint64_t term[] = {1, 0};
	struct core_host host;
	const struct message append = core_append(2, 1, 1, 1, 1, 1), configuration = core_append(2, 1, 1, 1, 1, 1);
	open_follower(&host);
	assert_int_equal(give(&host, &append, make(2, term, "r")), 0);
	assert_int_equal(host.accepts, 0);
	assert_int_equal(answer_to(&host, 2).term, 2);
	assert_true(answer_to(&host, 2).append_result.stale);
	assert_int_equal(give(&host, &configuration, make(2, term, "c")), 0);
	assert_int_equal(host.accepts, 0);
	assert_int_equal(core_leader(host.core), 0);
	core_host_finish(&host);
}

static void a_configuration_that_is_none_is_refused(void **state)
{
	struct core_host host;
	struct log_frame *frame;
	const struct log_tail tail = {.entry = 3};
	const struct log_header header = {.term = 2, .type = LOG_CONFIGURATION};
	const struct message append = core_append(2, 2, 3, 2, 1, 1);
	open_follower(&host);
	assert_int_equal(log_frame_create(&frame), 0);
	assert_int_equal(log_frame_add(frame, "?", 1), 0);
	log_frame_close(frame, &tail, &header);
	assert_int_equal(core_host_receive(&host, &append, &frame, 1), -EBADMSG);
	assert_int_equal(host.accepts, 0);
	log_frame_unref(frame);
	core_host_finish(&host);
}

static void what_accept_answers_is_what_receive_returns(void **state)
{
	struct core_host host;
	const struct message append = core_append(2, 2, 3, 2, 4, 4);
	open_follower(&host);
	host.accept_rc = -EIO;
	assert_int_equal(give(&host, &append, make(4, twos, "rcrr")), -EIO);
	/* Nothing of it is told, and no later piece is tried. */
	assert_string_equal(host.order, "a");
	core_host_finish(&host);
}

/* ---- Answers that must not be given ---- */

static void what_the_last_leader_sent_is_not_answered_for_to_the_next(void **state)
{
	static const uint64_t term[] = {2, 0};
	struct core_host host;
	const struct message append = core_append(2, 2, 3, 2, 1, 1), heartbeat = core_append(3, 5, 2, 2, 1, 0);
	open_follower(&host);
	assert_int_equal(give(&host, &append, make(4, term, "r")), 0);
	assert_int_equal(core_host_receive(&host, &heartbeat, NULL, 0), 0);
	expect_success(&host, 3, 2);
	core_host_forget(&host);
	core_host_persist(&host);
	expect_success(&host, 3, 2);
	core_host_finish(&host);
}

static void a_forgotten_leader_is_not_answered(void **state)
{
	static const uint64_t term[] = {2, 0};
	struct core_host host;
	const struct message append = core_append(2, 2, 3, 2, 1, 1);
	open_follower(&host);
	assert_int_equal(give(&host, &append, make(4, term, "r")), 0);
	for (unsigned i = 0; i < 3; i++)
		core_host_wait(&host);
	assert_int_equal(core_role(host.core), CORE_FOLLOWER);
	assert_int_equal(core_leader(host.core), 0);
	core_host_persist(&host);
	assert_int_equal(host.sends, 0);
	/* When it is heard of again, it is. */
	const struct message heartbeat = core_append(2, 2, 4, 2, 4, 0);
	assert_int_equal(core_host_receive(&host, &heartbeat, NULL, 0), 0);
	expect_success(&host, 2, 4);
	core_host_finish(&host);
}

static void a_candidate_follows_who_leads_its_term(void **state)
{
	static const uint64_t term[] = {3, 0};
	struct core_host host;
	const struct message granted = core_vote_result(2, 3, true, true), append = core_append(3, 3, 3, 2, 1, 1);
	open_follower(&host);
	core_host_wait(&host);
	assert_int_equal(core_host_receive(&host, &granted, NULL, 0), 0);
	assert_int_equal(core_role(host.core), CORE_CANDIDATE);
	assert_int_equal(core_term(host.core), 3);
	assert_int_equal(give(&host, &append, make(4, term, "r")), 0);
	assert_int_equal(core_role(host.core), CORE_FOLLOWER);
	assert_int_equal(core_leader(host.core), 3);
	assert_int_equal(host.accepted, 4);
	core_host_finish(&host);
}

/* ---- Bases ---- */

static void a_base_replaces_a_log_that_does_not_reach_to_it(void **state)
{
	struct core_host host;
	const struct message install = core_install(2, 4, 100, 3), ask = core_vote(3, 5, 99, 4, false);
	open_follower(&host);
	host.base = core_members(90, "vvvvv");
	assert_int_equal(core_host_receive(&host, &install, NULL, 0), 0);
	assert_string_equal(host.order, "vi");
	core_host_forget(&host);
	assert_int_equal(core_host_installed(&host, 100), 0);
	expect_success(&host, 2, 100);
	assert_int_equal(core_commit(host.core), 100);
	assert_int_equal(core_base(host.core), 100);
	/* Its members are in force: it asks four others. */
	core_host_forget(&host);
	core_host_wait(&host);
	assert_int_equal(host.sends, 4);
	assert_int_equal(host.sent[0].message.vote.last_entry, 100);
	assert_int_equal(host.sent[0].message.vote.last_term, 3);
	assert_int_equal(core_host_receive(&host, &ask, NULL, 0), 0);
	assert_true(core_host_sent(&host, 3, MESSAGE_VOTE_RESULT)->vote_result.granted);
	core_host_finish(&host);
}

static void a_base_that_the_log_reaches_to_is_passed_over(void **state)
{
	struct core_host host;
	const struct message install = core_install(2, 2, 3, 2);
	open_follower(&host);
	host.base = core_members(1, "vvv");
	assert_int_equal(core_host_receive(&host, &install, NULL, 0), 0);
	assert_int_equal(host.installs, 0);
	assert_false(core_installing(host.core));
	expect_success(&host, 2, 3);
	core_host_finish(&host);
}

static void a_base_below_ours_is_passed_over(void **state)
{
	struct core_host host;
	const struct machine_members members = core_members(1, "vvv");
	const struct message heartbeat = core_append(2, 2, 3, 2, 3, 0), install = core_install(2, 2, 2, 2);
	open_follower(&host);
	host.base = members;
	assert_int_equal(core_host_receive(&host, &heartbeat, NULL, 0), 0);
	assert_int_equal(core_trimmed(host.core, host.now_ms, 3, 2, &members), 0);
	core_host_forget(&host);
	assert_int_equal(core_host_receive(&host, &install, NULL, 0), 0);
	assert_int_equal(host.installs, 0);
	expect_success(&host, 2, 2);
	core_host_finish(&host);
}

static void a_base_of_an_old_leader_is_refused(void **state)
{
	struct core_host host;
	const struct message install = core_install(2, 1, 100, 1);
	open_follower(&host);
	host.base = core_members(90, "vvv");
	assert_int_equal(core_host_receive(&host, &install, NULL, 0), 0);
	assert_int_equal(host.installs, 0);
	assert_int_equal(answer_to(&host, 2).term, 2);
	assert_true(answer_to(&host, 2).append_result.stale);
	core_host_finish(&host);
}

/* Opens one that installs the base 100. */
static void open_installing(struct core_host *host)
{
	const struct message install = core_install(2, 2, 100, 2);
	open_follower(host);
	host->base = core_members(90, "vvv");
	assert_int_equal(core_host_receive(host, &install, NULL, 0), 0);
	assert_int_equal(host->installs, 1);
	assert_true(core_installing(host->core));
	core_host_forget(host);
}

static void nothing_else_is_taken_while_a_base_is_installed(void **state)
{
	struct core_host host;
	const struct message again = core_install(2, 2, 100, 2), newer = core_install(2, 2, 200, 2);
	const struct message append = core_append(2, 2, 100, 2, 100, 4);
	const struct message timeout_now = {
		.type = MESSAGE_TIMEOUT_NOW, .from = 2, .term = 2, .timeout_now = {.last_entry = 100, .last_term = 2}};
	open_installing(&host);
	assert_int_equal(core_host_receive(&host, &again, NULL, 0), 0);
	assert_int_equal(core_host_receive(&host, &newer, NULL, 0), 0);
	assert_int_equal(give(&host, &append, make(101, twos, "rcrr")), 0);
	assert_int_equal(core_host_receive(&host, &timeout_now, NULL, 0), 0);
	assert_int_equal(core_persisted(host.core, host.now_ms, 104), 0);
	assert_string_equal(host.order, "");
	assert_int_equal(core_role(host.core), CORE_FOLLOWER);
	assert_int_equal(core_host_installed(&host, 100), 0);
	expect_success(&host, 2, 100);
	assert_int_equal(give(&host, &append, make(101, twos, "rcrr")), 0);
	assert_int_equal(host.last_entry, 104);
	core_host_finish(&host);
}

static void a_member_may_end_while_it_installs(void **state)
{
	struct core_host host;
	open_installing(&host);
	core_host_finish(&host);
}

static void what_install_answers_is_what_receive_returns(void **state)
{
	struct core_host host;
	const struct message install = core_install(2, 3, 100, 2);
	open_follower(&host);
	host.base = core_members(90, "vvv");
	host.install_rc = -EIO;
	assert_int_equal(core_host_receive(&host, &install, NULL, 0), -EIO);
	assert_string_equal(host.order, "vi");
	core_host_finish(&host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_that_are_there_are_left_out_of_what_is_accepted),
		cmocka_unit_test(a_configuration_in_the_middle_splits_what_is_accepted),
		cmocka_unit_test(what_is_all_there_is_answered_at_once),
		cmocka_unit_test(only_what_is_durable_is_answered_for),
		cmocka_unit_test(an_entry_of_another_term_cuts_the_log),
		cmocka_unit_test(what_was_being_written_when_the_log_was_cut_is_not_durable),
		cmocka_unit_test(a_committed_entry_is_never_cut),
		cmocka_unit_test(what_leaves_a_gap_is_refused),
		cmocka_unit_test(what_follows_another_entry_is_refused),
		cmocka_unit_test(what_an_old_leader_sends_is_refused),
		cmocka_unit_test(a_configuration_that_is_none_is_refused),
		cmocka_unit_test(what_accept_answers_is_what_receive_returns),
		cmocka_unit_test(what_the_last_leader_sent_is_not_answered_for_to_the_next),
		cmocka_unit_test(a_forgotten_leader_is_not_answered),
		cmocka_unit_test(a_candidate_follows_who_leads_its_term),
		cmocka_unit_test(a_base_replaces_a_log_that_does_not_reach_to_it),
		cmocka_unit_test(a_base_that_the_log_reaches_to_is_passed_over),
		cmocka_unit_test(a_base_below_ours_is_passed_over),
		cmocka_unit_test(a_base_of_an_old_leader_is_refused),
		cmocka_unit_test(nothing_else_is_taken_while_a_base_is_installed),
		cmocka_unit_test(a_member_may_end_while_it_installs),
		cmocka_unit_test(what_install_answers_is_what_receive_returns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
