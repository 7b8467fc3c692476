/* What becomes of appends when their time is up, or their member stops. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/cluster/several.h"

#define LATE_MS (CLUSTER_DEADLINE_MS + 2 * CHECK_MS)

static struct several several;
/* So many messages of a type are lost, of those that a node sends. */
static int lost_type;
static size_t lost_from;
static unsigned lost_count;

static bool lose(struct several *all, size_t from, size_t to, struct message *message)
{
	if (lost_count == 0 || (int)message->type != lost_type || from != lost_from)
		return false;
	lost_count--;
	return true;
}

static void lose_next(size_t from, enum message_type type, unsigned count)
{
	several.filter = lose;
	lost_from = from;
	lost_type = type;
	lost_count = count;
}

static int set_up(void **state)
{
	several_init(&several);
	lost_count = 0;
	return 0;
}

static int tear_down(void **state)
{
	several_finish(&several);
	return 0;
}

/* So many members, the first one leading, and sessions open at all of them. */
static void found(size_t count)
{
	several_found(&several, count);
	several_elect(&several, 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(several_append(&several, i, "warm"), i);
	several_agree(&several);
}

static void send(size_t i, struct sent *sent, const char *text)
{
	member_send_text(several_member(&several, i), sent, text);
	assert_int_equal(sent->refused, 0);
}

static void an_append_that_was_never_sent_is_refused_at_its_deadline(void **state)
{
	struct sent sent = {0};
	found(3);
	several_isolate(&several, 1, true);
	several_pass(&several, 3000);
	assert_int_equal(several_cluster(&several, 1)->leader, 0);
	send(1, &sent, "x");
	several_pass(&several, CLUSTER_DEADLINE_MS - 2 * CHECK_MS);
	member_expect_pending(&sent);
	several_pass(&several, 4 * CHECK_MS);
	member_expect_status(&sent, -EHOSTUNREACH);
	several_isolate(&several, 1, false);
	several_lead(&several);
	assert_int_equal(several_end(&several, 1), 3);
}

static void an_append_that_got_no_session_is_refused_at_its_deadline(void **state)
{
	struct sent sent = {0};
	several_found(&several, 3);
	several_elect(&several, 0);
	lose_next(1, MESSAGE_CONTROL, 1000);
	send(1, &sent, "x");
	several_pass(&several, LATE_MS);
	member_expect_status(&sent, -EHOSTUNREACH);
}

static void an_append_that_was_sent_is_unknown_at_its_deadline(void **state)
{
	struct sent sent[2] = {0};
	found(3);
	lose_next(1, MESSAGE_FORWARD, 1000);
	send(1, &sent[0], "x");
	several_pass(&several, LATE_MS);
	member_expect_status(&sent[0], -ETIMEDOUT);
	assert_int_equal(several_cluster(&several, 1)->queue_count, 0);
	/* Its numbers are not used again, and it is not sent again. */
	lost_count = 0;
	assert_int_equal(several_append(&several, 1, "y"), 3);
	several_pass(&several, 3000);
	assert_int_equal(several_end(&several, 1), 4);
}

static void an_append_that_was_proposed_is_unknown_at_its_deadline(void **state)
{
	struct sent sent = {0};
	found(3);
	several_isolate(&several, 0, true);
	send(0, &sent, "x");
	several_pass(&several, LATE_MS);
	member_expect_status(&sent, -ETIMEDOUT);
	several_isolate(&several, 0, false);
	several_lead(&several);
	several_expect_equal(&several);
}

static void a_late_answer_to_an_append_past_its_deadline_is_nothing(void **state)
{
	struct sent sent = {0};
	found(3);
	lose_next(0, MESSAGE_RESULT, 1000);
	send(1, &sent, "x");
	several_pass(&several, LATE_MS);
	member_expect_status(&sent, -ETIMEDOUT);
	lost_count = 0;
	const struct message message = {.type = MESSAGE_RESULT,
	                                .result = {.number = several_cluster(&several, 1)->number, .value = 3}};
	several_forge(&several, 0, 1, &message);
	several_settle(&several);
	assert_int_equal(sent.answers, 1);
	assert_int_equal(several_append(&several, 1, "y"), 4);
}

static void count_stop(void *arg)
{
	(*(unsigned *)arg)++;
}

static void a_member_that_stops_answers_what_it_has_first(void **state)
{
	struct sent sent = {0}, late = {0};
	unsigned stops = 0;
	found(3);
	struct member *member = several_member(&several, 1);
	send(1, &sent, "x");
	cluster_stop(member->cluster, count_stop, &stops);
	host_settle(&member->host);
	assert_int_equal(stops, 0);
	member_send_text(member, &late, "y");
	assert_int_equal(late.refused, -ESHUTDOWN);
	several_pass(&several, 200);
	member_expect_done(&sent, 3);
	assert_int_equal(stops, 1);
	/* It hears no more. */
	uint64_t hash = several_hash(&several, 1);
	several_append(&several, 0, "z");
	assert_int_equal(several_hash(&several, 1), hash);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_append_that_was_never_sent_is_refused_at_its_deadline, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(an_append_that_got_no_session_is_refused_at_its_deadline, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(an_append_that_was_sent_is_unknown_at_its_deadline, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_append_that_was_proposed_is_unknown_at_its_deadline, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_late_answer_to_an_append_past_its_deadline_is_nothing, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_member_that_stops_answers_what_it_has_first, set_up, tear_down),
	};
	member_hush();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
