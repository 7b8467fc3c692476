/* What is not so yet: not built, each test waits for its mend. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/cluster/several.h"

static struct several several;

static int set_up(void **state)
{
	several_init(&several);
	return 0;
}

static int tear_down(void **state)
{
	several_finish(&several);
	return 0;
}

/* The answer names the entry of the removal, which the removed member never gets: it waits for it until the deadline. */
static void a_member_that_is_asked_to_remove_itself_answers(void **state)
{
	several_found(&several, 3);
	several_elect(&several, 0);
	assert_int_equal(several_remove(&several, 2, 2), 0);
	assert_int_equal(several_remove(&several, 0, 0), 0);
}

/* It is committed, and on the follower's disk; but the follower learns so with the next heartbeat, which may be 75 ms
 * away. The leader's answer could tell it. */
static void an_append_of_a_follower_is_answered_without_waiting_for_a_heartbeat(void **state)
{
	struct sent sent = {0};
	several_found(&several, 3);
	several_elect(&several, 0);
	several_append(&several, 1, "opens the session");
	member_send_text(several_member(&several, 1), &sent, "x");
	several_settle(&several);
	member_expect_done(&sent, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_member_that_is_asked_to_remove_itself_answers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_append_of_a_follower_is_answered_without_waiting_for_a_heartbeat,
	                                        set_up, tear_down),
	};
	member_hush();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
