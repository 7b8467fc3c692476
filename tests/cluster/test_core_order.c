/* The order in which the core's decisions are carried out is libraft's demand, and votes are lost where it is not kept.
 * No call of the room brings messages in yet: the file under test is included, and its step() fed with them. */
#include "cluster/raft.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SELF 11u
#define OTHER 12u

/* The decisions, a letter each, in their order; and what was decided last. */
struct decided {
	char order[16];
	uint64_t term, vote;
	int vote_rc; /* what the vote answers */
	struct raft_message sent;
};

static void note(struct decided *decided, char letter)
{
	size_t length = strlen(decided->order);
	assert_true(length + 1 < sizeof decided->order);
	decided->order[length] = letter;
}

static int on_vote(void *arg, uint64_t term, uint64_t vote)
{
	struct decided *decided = arg;
	note(decided, 'v');
	decided->term = term;
	decided->vote = vote;
	return decided->vote_rc;
}

static int on_accept(void *arg, uint64_t entry)
{
	note(arg, 'a');
	return 0;
}

static void on_send(void *arg, uint64_t member, const struct raft_message *message)
{
	struct decided *decided = arg;
	note(decided, 's');
	decided->sent = *message;
}

static void on_commit(void *arg, uint64_t entry)
{
	note(arg, 'c');
}

/* One of three voters, in term 7, with 1,000 entries of that term. */
static struct core *start(struct decided *decided)
{
	static const struct core_ops ops = {.vote = on_vote, .accept = on_accept, .send = on_send, .commit = on_commit};
	const struct core_options options = {
		.id = SELF, .address = "self", .election_ms = 500, .heartbeat_ms = 75, .ops = &ops, .arg = decided};
	const struct log_term run = {.last_entry = 1000, .term = 7};
	struct service_member members[3] = {{.id = SELF}, {.id = OTHER}, {.id = OTHER + 1}};
	for (unsigned i = 0; i < 3; i++)
		snprintf(members[i].name, sizeof members[i].name, "m%u", i);
	const struct core_state state = {
		.term = 7, .terms = &run, .term_count = 1, .members = members, .member_count = 3, .configuration = 1};
	struct core *core;
	assert_int_equal(core_create(&core, &options), 0);
	assert_int_equal(core_start(core, 1000, &state), 0);
	*decided = (struct decided){0};
	return core;
}

static int receive(struct core *core, uint64_t now_ms, struct raft_message *message)
{
	struct raft_event event = {.type = RAFT_RECEIVE};
	event.receive.message = message;
	return step(core, now_ms, &event);
}

static struct raft_message request_of(uint64_t term)
{
	struct raft_message message = {.type = RAFT_REQUEST_VOTE, .server_id = OTHER, .server_address = "m1"};
	message.request_vote.version = 2;
	message.request_vote.term = term;
	message.request_vote.candidate_id = OTHER;
	message.request_vote.last_log_index = 1000;
	message.request_vote.last_log_term = 7;
	return message;
}

static void a_vote_is_durable_before_the_candidate_hears_of_it(void **state)
{
	struct decided decided;
	struct core *core = start(&decided);
	struct raft_message request = request_of(9);
	assert_int_equal(receive(core, 2000, &request), 0);
	assert_string_equal(decided.order, "vs");
	assert_int_equal(decided.term, 9);
	assert_int_equal(decided.vote, OTHER);
	assert_int_equal(decided.sent.type, RAFT_REQUEST_VOTE_RESULT);
	assert_true(decided.sent.request_vote_result.vote_granted);
	core_destroy(core);
}

static void a_vote_that_is_not_durable_is_told_to_nobody(void **state)
{
	struct decided decided;
	struct core *core = start(&decided);
	struct raft_message request = request_of(9);
	decided.vote_rc = -EIO;
	assert_int_equal(receive(core, 2000, &request), -EIO);
	assert_string_equal(decided.order, "v");
	core_destroy(core);
}

static void answer_vote(struct core *core, uint64_t now_ms, uint64_t term, bool pre_vote)
{
	struct raft_message message = {.type = RAFT_REQUEST_VOTE_RESULT, .server_id = OTHER, .server_address = "m1"};
	message.request_vote_result.version = 3;
	message.request_vote_result.term = term;
	message.request_vote_result.vote_granted = true;
	message.request_vote_result.pre_vote = pre_vote;
	assert_int_equal(receive(core, now_ms, &message), 0);
}

static void a_candidate_votes_for_itself_before_it_asks_the_others(void **state)
{
	struct decided decided;
	struct core *core = start(&decided);
	uint64_t now_ms = core_timeout_at(core);
	assert_int_equal(core_timeout(core, now_ms), 0);
	/* Whether it would be elected it asks of both others, without a vote. */
	assert_string_equal(decided.order, "ss");
	decided = (struct decided){0};
	answer_vote(core, now_ms + 10, 7, true);
	assert_string_equal(decided.order, "vss");
	assert_int_equal(decided.term, 8);
	assert_int_equal(decided.vote, SELF);
	assert_int_equal(core_term(core), 8);
	assert_int_equal(core_role(core), CORE_CANDIDATE);
	core_destroy(core);
}

static void a_follower_knows_its_leader(void **state)
{
	struct decided decided;
	struct core *core = start(&decided);
	struct raft_message message = {.type = RAFT_APPEND_ENTRIES, .server_id = OTHER, .server_address = "m1"};
	message.append_entries.version = 0;
	message.append_entries.term = 8;
	message.append_entries.prev_log_index = 1000;
	message.append_entries.prev_log_term = 7;
	message.append_entries.leader_commit = 900;
	assert_int_equal(receive(core, 1100, &message), 0);
	assert_int_equal(core_leader(core), OTHER);
	assert_int_equal(core_role(core), CORE_FOLLOWER);
	assert_int_equal(core_term(core), 8);
	assert_int_equal(core_commit(core), 900);
	/* The new term, then the answer, then what is committed. */
	assert_string_equal(decided.order, "vsc");
	core_destroy(core);
}

/* libraft's own answer lies in the past while it installs a snapshot on somebody, or waits for a quorum. */
static void a_leader_waits_a_heartbeat_whatever_libraft_says(void **state)
{
	static const struct core_ops ops = {.vote = on_vote, .accept = on_accept, .send = on_send, .commit = on_commit};
	struct decided decided = {0};
	const struct core_options options = {
		.id = SELF, .address = "self", .election_ms = 500, .heartbeat_ms = 75, .ops = &ops, .arg = &decided};
	const struct log_term run = {.last_entry = 1000, .term = 7};
	const struct service_member member = {.id = SELF, .name = "m0"};
	const struct core_state core_state = {
		.term = 7, .terms = &run, .term_count = 1, .members = &member, .member_count = 1, .configuration = 1};
	struct core *core;
	assert_int_equal(core_create(&core, &options), 0);
	assert_int_equal(core_start(core, 100000, &core_state), 0);
	assert_int_equal(core_role(core), CORE_LEADER);
	core->raft.election_timer_start = 0;
	assert_true(raft_timeout(&core->raft) < 100000);
	assert_int_equal(core_timeout_at(core), 100075);
	core_destroy(core);
}

static void what_is_durable_never_shrinks(void **state)
{
	struct decided decided;
	struct core *core = start(&decided);
	assert_int_equal(core_persisted(core, 1100, 1000), 0);
	assert_int_equal(core_persisted(core, 1100, 7), 0);
	assert_int_equal(core->raft.last_stored, 1000);
	assert_string_equal(decided.order, "");
	core_destroy(core);
}

static void what_libraft_cannot_take_has_a_code(void **state)
{
	assert_int_equal(translate(0), 0);
	assert_int_equal(translate(RAFT_NOMEM), -ENOMEM);
	assert_int_equal(translate(RAFT_NOTLEADER), -EHOSTUNREACH);
	assert_int_equal(translate(RAFT_NOSPACE), -ENOSPC);
	assert_int_equal(translate(RAFT_MALFORMED), -EBADMSG);
	assert_int_equal(translate(RAFT_SHUTDOWN), -ENOTRECOVERABLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vote_is_durable_before_the_candidate_hears_of_it),
		cmocka_unit_test(a_vote_that_is_not_durable_is_told_to_nobody),
		cmocka_unit_test(a_candidate_votes_for_itself_before_it_asks_the_others),
		cmocka_unit_test(a_follower_knows_its_leader),
		cmocka_unit_test(a_leader_waits_a_heartbeat_whatever_libraft_says),
		cmocka_unit_test(what_is_durable_never_shrinks),
		cmocka_unit_test(what_libraft_cannot_take_has_a_code),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
