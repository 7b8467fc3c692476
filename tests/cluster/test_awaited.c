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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_member_that_is_asked_to_remove_itself_answers, set_up, tear_down),
	};
	member_hush();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
