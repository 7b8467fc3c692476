/* Each shim as the pure function that it is; and that each can be switched off, as test_shim_core.c does to show what
 * libraft makes of it. */
#include "cluster/shim.h"

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

static void an_answer_to_an_older_term_is_marked_stale(void **state)
{
	struct message answer = core_append_result(1, 5, 0, 94139314);
	shim_mark_stale(&answer, 3, 5);
	assert_true(answer.append_result.stale);
	assert_int_equal(answer.append_result.last_entry, 0);
	assert_int_equal(answer.term, 5);
	/* One to the same term, or a newer one, is what it says. */
	for (uint64_t asked = 5; asked <= 6; asked++) {
		answer = core_append_result(1, 6, 0, 7);
		shim_mark_stale(&answer, asked, 5);
		assert_false(answer.append_result.stale);
		assert_int_equal(answer.append_result.last_entry, 7);
	}
	/* And no other message is an answer of that kind. */
	answer = core_append(1, 5, 9, 4, 0, 0);
	const struct message before = answer;
	shim_mark_stale(&answer, 3, 5);
	assert_memory_equal(&answer, &before, sizeof answer);
}

static void a_stale_answer_is_good_for_its_term_alone(void **state)
{
	struct message answer = core_append_result(1, 5, 0, 0);
	answer.append_result.stale = true;
	assert_false(shim_drop_stale(&answer, 4));
	assert_true(shim_drop_stale(&answer, 5));
	assert_true(shim_drop_stale(&answer, 6));
	answer.append_result.stale = false;
	assert_false(shim_drop_stale(&answer, 5));
	const struct message vote = core_vote_result(1, 5, false, true);
	assert_false(shim_drop_stale(&vote, 5));
}

/* The word has a c for a configuration, and an r for records. */
static size_t split(const char *word)
{
	struct log_frame *frames[8] = {0};
	size_t count = 0;
	for (; word[count] != '\0'; count++)
		frames[count] = core_frame(count + 1, 1, word[count] == 'c' ? LOG_CONFIGURATION : LOG_RECORDS, "v");
	size_t n = shim_split(frames, count);
	for (size_t i = 0; i < count; i++)
		log_frame_unref(frames[i]);
	return n;
}

static void a_configuration_is_given_alone(void **state)
{
	assert_int_equal(split(""), 0);
	assert_int_equal(split("r"), 1);
	assert_int_equal(split("c"), 1);
	assert_int_equal(split("rrr"), 3);
	assert_int_equal(split("crr"), 1);
	assert_int_equal(split("rrcr"), 2);
	assert_int_equal(split("rrc"), 2);
	assert_int_equal(split("cc"), 1);
}

static void a_rejection_below_what_matches_is_dropped(void **state)
{
	const struct message below = core_append_result(2, 4, 5, 2), at = core_append_result(2, 4, 5, 3);
	const struct message success = core_append_result(2, 4, 0, 2), append = core_append(2, 4, 5, 2, 0, 0);
	assert_true(shim_drop_rejection(&below, 3));
	assert_false(shim_drop_rejection(&at, 3));
	assert_false(shim_drop_rejection(&below, 0));
	assert_false(shim_drop_rejection(&success, 3));
	assert_false(shim_drop_rejection(&append, 9));
}

static void a_leader_is_woken_a_heartbeat_after_the_last_time_at_the_soonest(void **state)
{
	assert_int_equal(shim_timeout(100, true, 1000, 75), 1075);
	assert_int_equal(shim_timeout(1074, true, 1000, 75), 1075);
	assert_int_equal(shim_timeout(1076, true, 1000, 75), 1076);
	assert_int_equal(shim_timeout(100, false, 1000, 75), 100);
}

/* Clips an APPEND of so many entries after this one at the base 10 of term 4, and expects what is left of it. */
static void clip(uint64_t entry, uint32_t count, uint32_t clipped, uint64_t left_entry, uint64_t left_term)
{
	struct message append = core_append(2, 5, entry, 3, 40, count);
	assert_int_equal(shim_clip(&append, 10, 4), clipped);
	assert_int_equal(append.append.entry, left_entry);
	assert_int_equal(append.append.entry_term, left_term);
	assert_int_equal(append.append.count, count - clipped);
	assert_int_equal(append.append.commit, 40);
	assert_int_equal(append.term, 5);
}

static void entries_up_to_the_base_are_left_out(void **state)
{
	clip(0, 0, 0, 10, 4);
	clip(0, 3, 3, 10, 4);
	clip(0, 10, 10, 10, 4);
	clip(0, 12, 10, 10, 4);
	clip(9, 2, 1, 10, 4);
	clip(10, 2, 0, 10, 3);
	clip(11, 2, 0, 11, 3);
}

static void a_denied_pre_vote_tells_of_the_newer_term(void **state)
{
	struct message denial = core_vote_result(1, 8, true, false);
	shim_raise_denial(&denial, 9);
	assert_int_equal(denial.term, 9);
	shim_raise_denial(&denial, 7);
	assert_int_equal(denial.term, 9);
	struct message others[] = {core_vote_result(1, 8, true, true), core_vote_result(1, 8, false, false),
	                           core_append_result(1, 8, 0, 0)};
	for (unsigned i = 0; i < 3; i++) {
		shim_raise_denial(&others[i], 9);
		assert_int_equal(others[i].term, 8);
	}
}

static void only_a_candidate_counts_votes(void **state)
{
	const struct message vote = core_vote_result(1, 8, true, true), other = core_append_result(1, 8, 0, 0);
	assert_true(shim_drop_vote(&vote, false));
	assert_false(shim_drop_vote(&vote, true));
	assert_false(shim_drop_vote(&other, false));
}

static bool drop(struct shim_order *order, uint64_t start, uint64_t number)
{
	const struct message message = {.type = MESSAGE_APPEND, .start = start, .number = number};
	return shim_drop_disorder(order, &message);
}

static void a_peer_is_heard_in_order_once_and_in_its_last_life_alone(void **state)
{
	struct shim_order order = {0};
	assert_false(drop(&order, 100, 1));
	assert_false(drop(&order, 100, 2));
	assert_true(drop(&order, 100, 2));
	/* What is lost is lost: a later one is taken, and what it overtook is not. */
	assert_false(drop(&order, 100, 5));
	assert_true(drop(&order, 100, 4));
	assert_false(drop(&order, 200, 1));
	assert_true(drop(&order, 100, 6));
	assert_true(drop(&order, 200, 1));
	assert_false(drop(&order, 200, 2));
	assert_int_equal(order.start, 200);
	assert_int_equal(order.number, 2);
}

static void an_only_voter_begins_a_term_when_it_is_made_leader(void **state)
{
	assert_true(shim_begins_term(true, true, 500, 500));
	assert_false(shim_begins_term(true, true, 499, 500));
	assert_false(shim_begins_term(false, true, 500, 500));
	assert_false(shim_begins_term(true, false, 500, 500));
}

static void a_follower_forgets_its_leader_when_it_would_stand(void **state)
{
	assert_true(shim_forgets_leader(true, 500, 500));
	assert_false(shim_forgets_leader(true, 499, 500));
	assert_false(shim_forgets_leader(false, 500, 500));
}

static void who_is_no_voter_is_let_vote(void **state)
{
	assert_true(shim_lets_vote(false));
	assert_false(shim_lets_vote(true));
}

static void shims_that_are_switched_off_do_nothing(void **state)
{
	struct message answer = core_append_result(1, 5, 5, 2), append = core_append(2, 5, 0, 0, 0, 3);
	struct message denial = core_vote_result(1, 8, true, false);
	struct shim_order order = {.start = 100, .number = 9};
	shims_off = SHIM_1 | SHIM_2 | SHIM_3 | SHIM_4 | SHIM_5 | SHIM_6 | SHIM_7 | SHIM_8 | SHIM_9 | SHIM_10 | SHIM_11;
	shim_mark_stale(&answer, 3, 5);
	assert_false(answer.append_result.stale);
	assert_int_equal(split("rcr"), 3);
	assert_false(shim_drop_rejection(&answer, 3));
	assert_int_equal(shim_timeout(100, true, 1000, 75), 100);
	assert_int_equal(shim_clip(&append, 10, 4), 0);
	assert_int_equal(append.append.entry, 0);
	shim_raise_denial(&denial, 9);
	assert_int_equal(denial.term, 8);
	assert_false(shim_drop_vote(&denial, false));
	assert_false(drop(&order, 100, 1));
	assert_false(shim_begins_term(true, true, 500, 500));
	assert_false(shim_forgets_leader(true, 500, 500));
	assert_false(shim_lets_vote(false));
}

#define SHIM_TEST(name) cmocka_unit_test_setup_teardown(name, shims_on, shims_on)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SHIM_TEST(an_answer_to_an_older_term_is_marked_stale),
		SHIM_TEST(a_stale_answer_is_good_for_its_term_alone),
		SHIM_TEST(a_configuration_is_given_alone),
		SHIM_TEST(a_rejection_below_what_matches_is_dropped),
		SHIM_TEST(a_leader_is_woken_a_heartbeat_after_the_last_time_at_the_soonest),
		SHIM_TEST(entries_up_to_the_base_are_left_out),
		SHIM_TEST(a_denied_pre_vote_tells_of_the_newer_term),
		SHIM_TEST(only_a_candidate_counts_votes),
		SHIM_TEST(a_peer_is_heard_in_order_once_and_in_its_last_life_alone),
		SHIM_TEST(an_only_voter_begins_a_term_when_it_is_made_leader),
		SHIM_TEST(a_follower_forgets_its_leader_when_it_would_stand),
		SHIM_TEST(who_is_no_voter_is_let_vote),
		SHIM_TEST(shims_that_are_switched_off_do_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
