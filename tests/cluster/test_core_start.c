/* Starting a core from what the disk holds: bases, runs of terms, configurations; and a member that has nothing yet. */
#include "tests/cluster/core_host.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Expects what it would say of its log, and how many others it would ask for a vote, when it stands for election. */
static void expect_candidate(struct core_host *host, unsigned others, uint64_t last_entry, uint64_t last_term)
{
	core_host_forget(host);
	core_host_wait(host);
	assert_int_equal(core_role(host->core), CORE_CANDIDATE);
	assert_int_equal(host->sends, others);
	assert_int_equal(host->sent[0].message.type, MESSAGE_VOTE);
	assert_int_equal(host->sent[0].message.vote.last_entry, last_entry);
	assert_int_equal(host->sent[0].message.vote.last_term, last_term);
}

/* Expects whether a heartbeat of the member 2 after this entry is found to match. */
static void expect_match(struct core_host *host, uint64_t entry, uint64_t term, bool matches)
{
	const struct message heartbeat = core_append(2, 9, entry, term, 0, 0);
	core_host_forget(host);
	assert_int_equal(core_host_receive(host, &heartbeat, NULL, 0), 0);
	const struct message *answer = core_host_sent(host, 2, MESSAGE_APPEND_RESULT);
	assert_non_null(answer);
	assert_int_equal(answer->append_result.rejected, matches ? 0 : entry);
	if (matches)
		assert_int_equal(answer->append_result.last_entry, entry);
}

static void give(struct core_host *host, const struct message *append, enum log_type type, const char *word)
{
	struct log_frame *frame = core_frame(append->append.entry + 1, append->term, type, word);
	assert_int_equal(core_host_receive(host, append, &frame, 1), 0);
	log_frame_unref(frame);
	core_host_persist(host);
}

/* ---- Bases ---- */

static void a_base_alone_is_a_log(void **state)
{
	struct core_host host;
	const struct machine_members base = core_members(90, "vvv");
	const struct core_state core_state = {.term = 6, .base_entry = 100, .base_term = 5, .base = &base};
	assert_int_equal(core_host_init(&host, 1, 1), 0);
	assert_int_equal(core_host_start(&host, &core_state), 0);
	assert_int_equal(core_term(host.core), 6);
	assert_int_equal(core_base(host.core), 100);
	assert_int_equal(core_commit(host.core), 100);
	assert_int_equal(host.committed, 100);
	assert_true(core_settled(host.core));
	assert_false(core_installing(host.core));
	expect_candidate(&host, 2, 100, 5);
	expect_match(&host, 100, 5, true);
	expect_match(&host, 101, 5, false);
	give(&host, &(struct message){.type = MESSAGE_APPEND, .from = 2, .term = 9, .append = {100, 5, 0, 1}},
	     LOG_RECORDS, NULL);
	assert_int_equal(host.accepted, 101);
	core_host_finish(&host);
}

/* The run before the base may still be told of. */
static void the_terms_past_a_base_are_known(void **state)
{
	static const struct log_term terms[] = {{90, 4}, {100, 5}, {120, 5}, {150, 7}, {151, 8}};
	const struct machine_members base = core_members(90, "vvv");
	for (unsigned first = 0; first < 3; first++) {
		struct core_host host;
		const struct core_state core_state = {.term = 8,
		                                      .base_entry = 100,
		                                      .base_term = 5,
		                                      .base = &base,
		                                      .terms = terms + first,
		                                      .term_count = 5 - first};
		assert_int_equal(core_host_init(&host, 1, 1), 0);
		assert_int_equal(core_host_start(&host, &core_state), 0);
		assert_int_equal(core_commit(host.core), 100);
		expect_candidate(&host, 2, 151, 8);
		expect_match(&host, 100, 5, true);
		expect_match(&host, 101, 5, true);
		expect_match(&host, 120, 5, true);
		expect_match(&host, 120, 6, false);
		expect_match(&host, 121, 5, false);
		expect_match(&host, 121, 7, true);
		expect_match(&host, 151, 8, true);
		expect_match(&host, 152, 8, false);
		/* It is durable as it stands: the next one follows. */
		give(&host, &(struct message){.type = MESSAGE_APPEND, .from = 2, .term = 9, .append = {151, 8, 0, 1}},
		     LOG_RECORDS, NULL);
		assert_int_equal(host.accepted, 152);
		expect_match(&host, 152, 9, true);
		core_host_finish(&host);
	}
}

static void a_log_may_be_cut_down_to_its_base(void **state)
{
	static const struct log_term terms[] = {{90, 4}, {100, 5}, {150, 7}};
	struct core_host host;
	const struct machine_members base = core_members(90, "vvv");
	const struct core_state core_state = {
		.term = 8, .base_entry = 100, .base_term = 5, .base = &base, .terms = terms, .term_count = 3};
	assert_int_equal(core_host_init(&host, 1, 1), 0);
	assert_int_equal(core_host_start(&host, &core_state), 0);
	give(&host, &(struct message){.type = MESSAGE_APPEND, .from = 2, .term = 9, .append = {100, 5, 0, 1}},
	     LOG_RECORDS, NULL);
	assert_int_equal(host.accepted, 101);
	expect_match(&host, 101, 9, true);
	expect_match(&host, 102, 7, false);
	expect_candidate(&host, 2, 101, 9);
	core_host_finish(&host);
}

static void an_only_voter_leads_from_its_base(void **state)
{
	static const struct log_term terms[] = {{150, 7}};
	struct core_host host;
	const struct machine_members base = core_members(90, "vs");
	const struct core_state core_state = {
		.term = 7, .base_entry = 100, .base_term = 5, .base = &base, .terms = terms, .term_count = 1};
	assert_int_equal(core_host_init(&host, 1, 1), 0);
	assert_int_equal(core_host_start(&host, &core_state), 0);
	assert_int_equal(core_role(host.core), CORE_LEADER);
	assert_int_equal(core_term(host.core), 8);
	assert_int_equal(core_commit(host.core), 150);
	assert_int_equal(host.committed, 150);
	assert_int_equal(host.barriers, 0);
	assert_int_equal(core_host_submit(&host, LOG_RECORDS, NULL), 0);
	assert_int_equal(host.accepted, 151);
	core_host_persist(&host);
	assert_int_equal(core_commit(host.core), 151);
	core_host_finish(&host);
}

static void a_vote_is_remembered(void **state)
{
	static const struct log_term terms[] = {{10, 7}};
	const struct machine_members members = core_members(1, "vvv");
	const struct core_state core_state = {.term = 7, .vote = 2, .terms = terms, .term_count = 1, .last = &members};
	struct core_host host;
	assert_int_equal(core_host_init(&host, 1, 1), 0);
	assert_int_equal(core_host_start(&host, &core_state), 0);
	for (uint64_t id = 3; id >= 2; id--) {
		const struct message ask = core_vote(id, 7, 10, 7, false);
		assert_int_equal(core_host_receive(&host, &ask, NULL, 0), 0);
		assert_int_equal(core_host_sent(&host, id, MESSAGE_VOTE_RESULT)->vote_result.granted, id == 2);
	}
	core_host_finish(&host);
}

/* ---- Configurations ---- */

/* What is started with: entries 31 to 50 after a base, or 1 to 50; the entry of the last configuration, of four, and of
 * the one before it, of three, 0: none. That of the base, of two, is of the entry 25. */
struct configured {
	uint64_t base, last, before;
	uint64_t commit;         /* what is known to be committed then */
	unsigned others;         /* that are asked by the last configuration */
	unsigned others_cut_off; /* by that which is in force once the last is overwritten */
};

static void start_configured(struct core_host *host, const struct configured *configured)
{
	static const struct log_term terms[] = {{50, 5}};
	const struct machine_members base = core_members(25, "vv");
	const struct machine_members last = core_members(configured->last, "vvvv");
	const struct machine_members before = core_members(configured->before, "vvv");
	const struct core_state core_state = {.term = 5,
	                                      .base_entry = configured->base,
	                                      .base_term = configured->base > 0 ? 4 : 0,
	                                      .base = configured->base > 0 ? &base : NULL,
	                                      .terms = terms,
	                                      .term_count = 1,
	                                      .last = &last,
	                                      .before = configured->before > 0 ? &before : NULL};
	assert_int_equal(core_host_init(host, 1, 1), 0);
	assert_int_equal(core_host_start(host, &core_state), 0);
	assert_int_equal(core_commit(host->core), configured->commit);
	assert_int_equal(host->committed, configured->commit);
}

static const struct configured configureds[] = {
	{.last = 40, .before = 20, .commit = 20, .others = 3, .others_cut_off = 2},
	{.last = 40, .before = 1, .commit = 1, .others = 3, .others_cut_off = 2},
	{.base = 30, .last = 40, .commit = 30, .others = 3, .others_cut_off = 1},
	/* The one before it is the base's. */
	{.base = 30, .last = 40, .before = 25, .commit = 30, .others = 3, .others_cut_off = 1},
	{.base = 30, .last = 40, .before = 35, .commit = 35, .others = 3, .others_cut_off = 2},
};

static void the_last_configuration_is_in_force_and_not_settled(void **state)
{
	for (unsigned i = 0; i < sizeof configureds / sizeof *configureds; i++) {
		struct core_host host;
		start_configured(&host, &configureds[i]);
		assert_false(core_settled(host.core));
		expect_candidate(&host, configureds[i].others, 50, 5);
		core_host_finish(&host);
	}
}

static void it_is_settled_once_it_is_committed(void **state)
{
	for (unsigned i = 0; i < sizeof configureds / sizeof *configureds; i++) {
		struct core_host host;
		const struct message heartbeats[] = {core_append(2, 5, 50, 5, 39, 0), core_append(2, 5, 50, 5, 40, 0)};
		start_configured(&host, &configureds[i]);
		assert_int_equal(core_host_receive(&host, &heartbeats[0], NULL, 0), 0);
		assert_false(core_settled(host.core));
		assert_int_equal(core_host_receive(&host, &heartbeats[1], NULL, 0), 0);
		assert_true(core_settled(host.core));
		core_host_finish(&host);
	}
}

static void the_one_before_is_in_force_again_when_it_is_overwritten(void **state)
{
	for (unsigned i = 0; i < sizeof configureds / sizeof *configureds; i++) {
		struct core_host host;
		const struct message overwrite = core_append(2, 6, 39, 5, 0, 1);
		start_configured(&host, &configureds[i]);
		give(&host, &overwrite, LOG_RECORDS, NULL);
		assert_int_equal(host.accepted, 40);
		assert_true(core_settled(host.core));
		expect_candidate(&host, configureds[i].others_cut_off, 40, 6);
		core_host_finish(&host);
	}
}

static void a_last_configuration_below_the_base_is_the_bases(void **state)
{
	const struct configured configured = {.base = 30, .last = 25, .commit = 30};
	struct core_host host;
	start_configured(&host, &configured);
	assert_true(core_settled(host.core));
	expect_candidate(&host, 1, 50, 5);
	core_host_finish(&host);
}

static void the_first_configuration_is_committed_from_the_start(void **state)
{
	static const uint64_t terms[] = {1, 1, 0};
	struct core_host host;
	core_host_open(&host, 1, "vvv", 1, terms);
	assert_true(core_settled(host.core));
	assert_int_equal(core_commit(host.core), 1);
	core_host_finish(&host);
}

/* ---- Joining ---- */

static void open_joiner(struct core_host *host, uint64_t id)
{
	assert_int_equal(core_host_init(host, id, 1), 0);
	assert_int_equal(core_host_start(host, &(struct core_state){0}), 0);
	assert_int_equal(core_commit(host->core), 0);
	core_host_forget(host);
}

static void who_has_nothing_yet_gets_the_first_entries(void **state)
{
	struct core_host host;
	struct log_frame *frames[] = {core_frame(1, 1, LOG_CONFIGURATION, "v"), core_frame(2, 1, LOG_RECORDS, NULL),
	                              core_frame(3, 2, LOG_CONFIGURATION, "v-v"), core_frame(4, 2, LOG_RECORDS, NULL)};
	const struct message append = core_append(1, 2, 0, 0, 2, 4), heartbeat = core_append(1, 2, 4, 2, 3, 0);
	open_joiner(&host, 3);
	assert_int_equal(core_host_receive(&host, &append, frames, 4), 0);
	assert_int_equal(host.last_entry, 4);
	assert_ptr_equal(host.log[3], frames[2]);
	assert_int_equal(core_commit(host.core), 2);
	assert_int_equal(core_term(host.core), 2);
	assert_int_equal(core_leader(host.core), 1);
	assert_false(core_settled(host.core));
	/* Nothing is said of them before they are durable, and then all is. */
	assert_null(core_host_sent(&host, 1, MESSAGE_APPEND_RESULT));
	core_host_persist(&host);
	assert_int_equal(core_host_sent(&host, 1, MESSAGE_APPEND_RESULT)->append_result.last_entry, 4);
	assert_int_equal(core_host_receive(&host, &heartbeat, NULL, 0), 0);
	assert_true(core_settled(host.core));
	expect_candidate(&host, 1, 4, 2);
	for (unsigned i = 0; i < 4; i++)
		log_frame_unref(frames[i]);
	core_host_finish(&host);
}

static void who_has_nothing_yet_asks_for_the_first_entry(void **state)
{
	struct core_host host;
	const struct message heartbeat = core_append(1, 2, 40, 2, 39, 0);
	open_joiner(&host, 3);
	assert_int_equal(core_host_receive(&host, &heartbeat, NULL, 0), 0);
	const struct message *answer = core_host_sent(&host, 1, MESSAGE_APPEND_RESULT);
	assert_int_equal(answer->append_result.rejected, 40);
	assert_int_equal(answer->append_result.last_entry, 0);
	assert_int_equal(core_commit(host.core), 0);
	core_host_finish(&host);
}

static void who_has_nothing_yet_votes_for_nobody(void **state)
{
	struct core_host host;
	const struct message ask = core_vote(1, 2, 40, 2, false);
	open_joiner(&host, 3);
	assert_int_equal(core_host_receive(&host, &ask, NULL, 0), 0);
	assert_false(core_host_sent(&host, 1, MESSAGE_VOTE_RESULT)->vote_result.granted);
	core_host_finish(&host);
}

static void who_has_nothing_yet_gets_a_base(void **state)
{
	struct core_host host;
	const struct message install = core_install(1, 2, 100, 2);
	open_joiner(&host, 3);
	host.base = core_members(90, "v-v");
	assert_int_equal(core_host_receive(&host, &install, NULL, 0), 0);
	assert_string_equal(host.order, "vi");
	assert_int_equal(host.term, 2);
	assert_true(core_installing(host.core));
	assert_int_equal(core_leader(host.core), 1);
	/* It stands for nothing while it is written. */
	for (unsigned i = 0; i < 5; i++)
		core_host_wait(&host);
	assert_int_equal(core_role(host.core), CORE_FOLLOWER);
	assert_int_equal(host.sends, 0);
	/* Its leader has gone on, for it took longer than an election: it comes back. */
	const struct message heartbeat = core_append(1, 2, 100, 2, 100, 0);
	assert_int_equal(core_host_receive(&host, &heartbeat, NULL, 0), 0);
	core_host_forget(&host);
	assert_int_equal(core_host_installed(&host, 100), 0);
	assert_false(core_installing(host.core));
	assert_int_equal(core_base(host.core), 100);
	assert_int_equal(core_commit(host.core), 100);
	assert_int_equal(host.committed, 100);
	assert_true(core_settled(host.core));
	const struct message *answer = core_host_sent(&host, 1, MESSAGE_APPEND_RESULT);
	assert_int_equal(answer->append_result.rejected, 0);
	assert_int_equal(answer->append_result.last_entry, 100);
	give(&host, &(struct message){.type = MESSAGE_APPEND, .from = 1, .term = 2, .append = {100, 2, 100, 1}},
	     LOG_RECORDS, NULL);
	assert_int_equal(host.accepted, 101);
	expect_candidate(&host, 1, 101, 2);
	core_host_finish(&host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_base_alone_is_a_log),
		cmocka_unit_test(the_terms_past_a_base_are_known),
		cmocka_unit_test(a_log_may_be_cut_down_to_its_base),
		cmocka_unit_test(an_only_voter_leads_from_its_base),
		cmocka_unit_test(a_vote_is_remembered),
		cmocka_unit_test(the_last_configuration_is_in_force_and_not_settled),
		cmocka_unit_test(it_is_settled_once_it_is_committed),
		cmocka_unit_test(the_one_before_is_in_force_again_when_it_is_overwritten),
		cmocka_unit_test(a_last_configuration_below_the_base_is_the_bases),
		cmocka_unit_test(the_first_configuration_is_committed_from_the_start),
		cmocka_unit_test(who_has_nothing_yet_gets_the_first_entries),
		cmocka_unit_test(who_has_nothing_yet_asks_for_the_first_entry),
		cmocka_unit_test(who_has_nothing_yet_votes_for_nobody),
		cmocka_unit_test(who_has_nothing_yet_gets_a_base),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
