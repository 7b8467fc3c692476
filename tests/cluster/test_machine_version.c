/* The machine as bytes of the first version, which had neither settings nor keys of sessions. */
#include "cluster/machine.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/cluster/history.h"

/* Where things stand, as docs/format.md has it. */
enum { VERSION = 8, MEMBERS_SIZE = 72, HEAD = 96, SESSION_ROW = 28, RESULT_ROW = 28 };
enum { FIRST_HEAD = 80, FIRST_SESSION_ROW = 20 };

static struct history history;
static unsigned char bytes[MACHINE_SIZE_MAX], again[MACHINE_SIZE_MAX];

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

static void the_first_version_is_a_machine_without_settings_and_keys(void **state)
{
	struct machine machine;
	struct service_member members[1];
	history_name(members, 1);
	assert_int_equal(history_members(&history, members, 1), 0);
	uint64_t a = history_session(&history), b = history_session(&history);
	assert_int_equal(history_row(&history, a, 1, 2), 0);
	size_t size = machine_encode(&history.machine, bytes);
	memcpy(again, bytes, size);
	/* As it was written then. */
	size_t at = FIRST_HEAD, from = HEAD, items = bytes[MEMBERS_SIZE];
	bytes[VERSION] = 1;
	memcpy(bytes + at, again + from, items + FIRST_SESSION_ROW);
	at += items + FIRST_SESSION_ROW;
	from += items + SESSION_ROW;
	memcpy(bytes + at, again + from, RESULT_ROW + FIRST_SESSION_ROW);
	at += RESULT_ROW + FIRST_SESSION_ROW;
	assert_int_equal(from + RESULT_ROW + SESSION_ROW, size);
	machine_init(&machine);
	assert_int_equal(history_decode(&machine, bytes, at), 0);
	assert_int_equal(machine.sessions[1]->id, b);
	assert_null(machine.settings);
	assert_int_equal(machine_encode(&machine, bytes), size);
	assert_memory_equal(bytes, again, size);
	machine_finish(&machine);
	bytes[VERSION] = 1;
	for (size_t cut = 0; cut < at; cut++) {
		machine_init(&machine);
		assert_int_equal(history_decode(&machine, bytes, cut), -EBADMSG);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_first_version_is_a_machine_without_settings_and_keys, set_up,
	                                        tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
