/* What records under sessions do to the machine, and what it knows of them. */
#include "cluster/machine.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/cluster/history.h"

static struct history history;

static int set_up(void **state)
{
	history_init(&history);
	return 0;
}

static int tear_down(void **state)
{
	history_finish(&history);
	return 0;
}

static const struct machine_session *session_at(size_t i)
{
	assert_true(i < history.machine.session_count);
	return history.machine.sessions[i];
}

static void a_session_is_named_by_its_entry(void **state)
{
	assert_int_equal(history_barrier(&history), 0);
	assert_int_equal(history_session(&history), 2);
	assert_int_equal(history_session(&history), 3);
	assert_int_equal(history.machine.session_count, 2);
	assert_int_equal(session_at(0)->id, 2);
	assert_int_equal(session_at(1)->id, 3);
	assert_int_equal(session_at(1)->used, 3);
	assert_int_equal(history_find(&history, 3, 1, 1), MACHINE_NEW);
}

static void a_batch_is_found_again_with_its_entry_and_offset(void **state)
{
	uint64_t session = history_session(&history);
	assert_int_equal(history_records(&history, 7, NULL, 0), 0);
	assert_int_equal(history_row(&history, session, 1, 5), 0);
	assert_int_equal(history_row(&history, session, 6, 1), 0);
	struct machine_result result = history_known(&history, session, 1, 5);
	assert_int_equal(result.entry, 3);
	assert_int_equal(result.offset, 7);
	result = history_known(&history, session, 6, 1);
	assert_int_equal(result.entry, 4);
	assert_int_equal(result.offset, 12);
	assert_int_equal(session_at(0)->used, 4);
	assert_int_equal(history_find(&history, session, 7, 1), MACHINE_NEW);
}

static void rows_stand_for_the_records_in_their_order(void **state)
{
	uint64_t a = history_session(&history), b = history_session(&history);
	const struct log_session rows[] = {{.session = a, .sequence = 10, .count = 2},
	                                   {.session = 0, .sequence = 0, .count = 3},
	                                   {.session = 9999, .sequence = 1, .count = 1},
	                                   {.session = b, .sequence = 1, .count = 1},
	                                   {.session = a, .sequence = 4, .count = 6}};
	assert_int_equal(history_records(&history, 100, NULL, 0), 0);
	assert_int_equal(history_records(&history, 20, rows, 5), 0);
	assert_int_equal(history_known(&history, a, 10, 2).offset, 100);
	assert_int_equal(history_known(&history, b, 1, 1).offset, 106);
	assert_int_equal(history_known(&history, a, 4, 6).offset, 107);
	assert_int_equal(history.machine.session_count, 2);
	assert_int_equal(session_at(0)->results[0].sequence, 4);
	assert_int_equal(session_at(0)->results[1].sequence, 10);
}

static void rows_of_a_session_that_is_not_there_are_passed_over(void **state)
{
	assert_int_equal(history_row(&history, 5, 1, 1), 0);
	assert_int_equal(history_barrier(&history), 0);
	/* Not even by the entry that has its number. */
	assert_int_equal(history_row(&history, 3, 1, 1), 0);
	assert_int_equal(history_session(&history), 4);
	assert_int_equal(history_session(&history), 5);
	assert_int_equal(history_find(&history, 5, 1, 1), MACHINE_NEW);
	assert_int_equal(history_find(&history, 3, 1, 1), MACHINE_ENDED);
	assert_int_equal(history_find(&history, 6, 1, 1), MACHINE_ENDED);
	assert_int_equal(history_find(&history, 0, 1, 1), MACHINE_ENDED);
}

static void what_overlaps_a_result_is_invalid(void **state)
{
	/* Results are 10 to 14 and 15 to 16. */
	static const struct {
		uint64_t sequence;
		uint32_t count;
		enum machine_answer answer;
	} asked[] = {
		{10, 5, MACHINE_KNOWN},    {15, 2, MACHINE_KNOWN},        {10, 4, MACHINE_INVALID},
		{10, 6, MACHINE_INVALID},  {11, 4, MACHINE_INVALID},      {14, 1, MACHINE_INVALID},
		{10, 7, MACHINE_INVALID},  {15, 1, MACHINE_INVALID},      {16, 1, MACHINE_INVALID},
		{16, 2, MACHINE_INVALID},  {1, 10, MACHINE_INVALID},      {9, 2, MACHINE_INVALID},
		{1, 100, MACHINE_INVALID}, {1, 9, MACHINE_NEW},           {9, 1, MACHINE_NEW},
		{17, 1, MACHINE_NEW},      {17, UINT32_MAX, MACHINE_NEW},
	};
	uint64_t session = history_session(&history);
	assert_int_equal(history_row(&history, session, 10, 5), 0);
	assert_int_equal(history_row(&history, session, 15, 2), 0);
	for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++)
		assert_int_equal(history_find(&history, session, asked[i].sequence, asked[i].count), asked[i].answer);
}

static void a_frame_that_overlaps_a_result_is_refused_whole(void **state)
{
	uint64_t a = history_session(&history), b = history_session(&history);
	assert_int_equal(history_row(&history, a, 10, 5), 0);
	assert_int_equal(history_row(&history, b, 1, 1), 0);
	const struct log_session bad[] = {{.session = a, .sequence = 10, .count = 5},
	                                  {.session = a, .sequence = 14, .count = 1},
	                                  {.session = a, .sequence = 9, .count = 2},
	                                  {.session = b, .sequence = 2, .count = 3},
	                                  {.session = a, .sequence = 24, .count = 9}};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		/* What comes before it in the frame is right, and gone with it. */
		const struct log_session rows[] = {{.session = a, .sequence = 20, .count = 5},
		                                   {.session = b, .sequence = 4, .count = 2},
		                                   {.session = a, .sequence = 1, .count = 2},
		                                   bad[i]};
		assert_int_equal(history_records(&history, 30, rows, 4), -EBADMSG);
		assert_int_equal(history_find(&history, a, 20, 5), MACHINE_NEW);
	}
	assert_int_equal(session_at(0)->used, 3);
	assert_int_equal(session_at(1)->used, 4);
}

static void a_refused_frame_leaves_a_full_session_as_it_was(void **state)
{
	uint64_t session = history_session(&history);
	for (uint64_t i = 1; i <= MACHINE_RESULTS_MAX; i++)
		assert_int_equal(history_row(&history, session, i, 1), 0);
	const struct log_session rows[] = {{.session = session, .sequence = 100, .count = 1},
	                                   {.session = session, .sequence = 101, .count = 1},
	                                   {.session = session, .sequence = 101, .count = 1}};
	assert_int_equal(history_records(&history, 3, rows, 3), -EBADMSG);
	assert_int_equal(history_known(&history, session, 1, 1).entry, 2);
	assert_int_equal(history_records(&history, 3, rows, 2), 0);
	assert_int_equal(history_find(&history, session, 2, 1), MACHINE_UNKNOWN);
	assert_int_equal(history_known(&history, session, 3, 1).entry, 4);
}

static void sequences_that_cannot_be_are_refused(void **state)
{
	static const struct {
		uint64_t sequence;
		uint32_t count;
		bool right;
	} all[] = {
		{0, 1, false},
		{0, 0, false},
		{1, 0, false},
		{UINT64_MAX, 1, false},
		{UINT64_MAX - 1, 2, false},
		{UINT64_MAX - 2, 2, true},
		{1, 1, true},
	};
	uint64_t session = history_session(&history);
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		assert_int_equal(history_find(&history, session, all[i].sequence, all[i].count),
		                 all[i].right ? MACHINE_NEW : MACHINE_INVALID);
		assert_int_equal(history_row(&history, session, all[i].sequence, all[i].count),
		                 all[i].right ? 0 : -EBADMSG);
		/* Of a session that is not there, too. */
		assert_int_equal(history_row(&history, 9999, all[i].sequence, all[i].count),
		                 all[i].right ? 0 : -EBADMSG);
	}
	assert_int_equal(session_at(0)->count, 2);
}

static void offsets_that_cannot_be_are_refused(void **state)
{
	uint64_t session = history_session(&history);
	history.tail.next_offset = UINT64_MAX - 1;
	assert_int_equal(history_row(&history, session, 1, 2), -EBADMSG);
	assert_int_equal(history_records(&history, 2, NULL, 0), -EBADMSG);
	assert_int_equal(history_row(&history, session, 1, 1), 0);
	assert_int_equal(history_row(&history, session, 2, 1), -EBADMSG);
}

static void the_lowest_results_go_and_what_they_were_is_unknown(void **state)
{
	enum { MORE = 5, STEP = 10 };
	uint64_t session = history_session(&history);
	for (uint64_t i = 1; i <= MACHINE_RESULTS_MAX; i++) {
		assert_int_equal(history_find(&history, session, 1, 1), MACHINE_NEW);
		assert_int_equal(history_row(&history, session, STEP * i, 2), 0);
	}
	assert_int_equal(history_find(&history, session, 1, 1), MACHINE_UNKNOWN);
	for (uint64_t i = 1; i <= MORE; i++) {
		assert_int_equal(history_known(&history, session, STEP * i, 2).entry, 1 + i);
		assert_int_equal(history_row(&history, session, STEP * (MACHINE_RESULTS_MAX + i), 2), 0);
		assert_int_equal(history_find(&history, session, STEP * i, 2), MACHINE_UNKNOWN);
	}
	assert_int_equal(session_at(0)->count, MACHINE_RESULTS_MAX);
	/* What no result has, above the lowest of them, was never appended. */
	assert_int_equal(history_find(&history, session, STEP * (MORE + 1) + 2, STEP - 2), MACHINE_NEW);
	assert_int_equal(history_find(&history, session, STEP * (MORE + 1) - 1, 1), MACHINE_UNKNOWN);
	assert_int_equal(history_find(&history, session, STEP * (MORE + 1) - 1, 2), MACHINE_INVALID);
}

static void a_result_below_all_of_a_full_session_goes_at_once(void **state)
{
	uint64_t session = history_session(&history);
	for (uint64_t i = 1; i <= MACHINE_RESULTS_MAX; i++)
		assert_int_equal(history_row(&history, session, 100 + 10 * i, 2), 0);
	assert_int_equal(history_row(&history, session, 5, 1), 0);
	assert_int_equal(history_find(&history, session, 5, 1), MACHINE_UNKNOWN);
	assert_int_equal(history_known(&history, session, 110, 2).entry, 2);
	assert_int_equal(session_at(0)->used, history.machine.entry);
	/* Above the lowest, that one goes for it; in the midst, too. */
	assert_int_equal(history_row(&history, session, 113, 3), 0);
	assert_int_equal(history_find(&history, session, 110, 2), MACHINE_UNKNOWN);
	assert_int_equal(session_at(0)->results[0].sequence, 113);
	assert_int_equal(session_at(0)->results[1].sequence, 120);
	assert_int_equal(history_row(&history, session, 125, 3), 0);
	assert_int_equal(session_at(0)->results[0].sequence, 120);
	assert_int_equal(session_at(0)->results[1].sequence, 125);
	assert_int_equal(session_at(0)->results[2].sequence, 130);
	assert_int_equal(session_at(0)->count, MACHINE_RESULTS_MAX);
}

static void the_session_least_recently_used_ends_when_there_are_too_many(void **state)
{
	for (uint64_t id = 1; id <= MACHINE_SESSIONS_MAX; id++)
		assert_int_equal(history_session(&history), id);
	/* The first was used since, and the second and third by one entry: of them the older one goes. */
	const struct log_session rows[] = {{.session = 3, .sequence = 1, .count = 1},
	                                   {.session = 2, .sequence = 1, .count = 1}};
	for (uint64_t id = 4; id <= MACHINE_SESSIONS_MAX; id++)
		if (id != 300)
			assert_int_equal(history_row(&history, id, 1, 1), 0);
	assert_int_equal(history_records(&history, 2, rows, 2), 0);
	assert_int_equal(history_row(&history, 1, 1, 1), 0);
	const uint64_t ends[] = {300, 4, 5};
	for (size_t i = 0; i < 3; i++) {
		assert_int_not_equal(history_find(&history, ends[i], 2, 1), MACHINE_ENDED);
		uint64_t id = history_session(&history);
		assert_int_equal(history_find(&history, ends[i], 2, 1), MACHINE_ENDED);
		assert_int_equal(history_find(&history, id, 1, 1), MACHINE_NEW);
		assert_int_equal(history.machine.session_count, MACHINE_SESSIONS_MAX);
	}
	for (uint64_t id = 6; id <= MACHINE_SESSIONS_MAX; id++)
		if (id != 300)
			history_session(&history);
	/* All from 4 on are gone, and 2 is next. */
	history_known(&history, 2, 1, 1);
	history_session(&history);
	assert_int_equal(history_find(&history, 2, 1, 1), MACHINE_ENDED);
	history_known(&history, 3, 1, 1);
	history_session(&history);
	assert_int_equal(history_find(&history, 3, 1, 1), MACHINE_ENDED);
	history_known(&history, 1, 1, 1);
}

static void a_session_with_a_key_answers_to_that_alone(void **state)
{
	struct machine_result result;
	uint64_t own = history_session(&history), id = history_client(&history, 77);
	assert_int_equal(history_row(&history, id, 1, 2), 0);
	assert_int_equal(session_at(1)->key, 77);
	assert_int_equal(machine_find(&history.machine, id, 77, 1, 2, &result), MACHINE_KNOWN);
	assert_int_equal(machine_find(&history.machine, id, 77, 3, 1, &result), MACHINE_NEW);
	const uint64_t wrong[] = {0, 76, UINT64_MAX};
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(machine_find(&history.machine, id, wrong[i], 1, 2, &result), MACHINE_INVALID);
		assert_int_equal(machine_find(&history.machine, id, wrong[i], 3, 1, &result), MACHINE_INVALID);
	}
	assert_int_equal(machine_find(&history.machine, own, 77, 1, 1, &result), MACHINE_INVALID);
	assert_int_equal(machine_find(&history.machine, 99, 77, 1, 1, &result), MACHINE_ENDED);
}

static size_t own_sessions(void)
{
	size_t own = 0;
	for (size_t i = 0; i < history.machine.session_count; i++)
		own += history.machine.sessions[i]->key == 0;
	return own;
}

static void clients_that_come_and_go_do_not_end_members_sessions(void **state)
{
	for (unsigned i = 0; i < MACHINE_OWN_SESSIONS_MAX; i++)
		history_session(&history);
	for (unsigned i = 0; i < 2 * MACHINE_SESSIONS_MAX; i++)
		history_client(&history, 5);
	assert_int_equal(history.machine.session_count, MACHINE_SESSIONS_MAX);
	assert_int_equal(own_sessions(), MACHINE_OWN_SESSIONS_MAX);
	assert_int_equal(session_at(0)->id, 1);
	/* A member's ends a client's, too: of those the one that was used least recently. */
	uint64_t second = session_at(MACHINE_OWN_SESSIONS_MAX + 1)->id;
	assert_int_equal(history_row(&history, session_at(MACHINE_OWN_SESSIONS_MAX)->id, 1, 1), 0);
	history_session(&history);
	assert_int_equal(history_find(&history, second, 1, 1), MACHINE_ENDED);
	/* Of members' own that are more than members can have, one ends. */
	history_client(&history, 5);
	assert_int_equal(own_sessions(), MACHINE_OWN_SESSIONS_MAX);
	assert_int_equal(session_at(0)->id, 2);
	/* And where there are many of them, clients' stay. */
	machine_finish(&history.machine);
	history_init(&history);
	for (unsigned i = 0; i < MACHINE_SESSIONS_MAX; i++)
		history_session(&history);
	uint64_t id = history_client(&history, 5);
	for (unsigned i = 0; i < 100; i++)
		history_client(&history, 5);
	assert_int_equal(machine_find(&history.machine, id, 5, 1, 1, &(struct machine_result){0}), MACHINE_NEW);
	assert_int_equal(own_sessions(), MACHINE_SESSIONS_MAX - 101);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_session_is_named_by_its_entry, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_batch_is_found_again_with_its_entry_and_offset, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rows_stand_for_the_records_in_their_order, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rows_of_a_session_that_is_not_there_are_passed_over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_overlaps_a_result_is_invalid, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_frame_that_overlaps_a_result_is_refused_whole, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_refused_frame_leaves_a_full_session_as_it_was, set_up, tear_down),
		cmocka_unit_test_setup_teardown(sequences_that_cannot_be_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(offsets_that_cannot_be_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_lowest_results_go_and_what_they_were_is_unknown, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_result_below_all_of_a_full_session_goes_at_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_session_least_recently_used_ends_when_there_are_too_many, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_session_with_a_key_answers_to_that_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(clients_that_come_and_go_do_not_end_members_sessions, set_up,
	                                        tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
