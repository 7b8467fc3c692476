/* What a user waits for: answers that must not take longer than they need to. */
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

/* The answer names the entry of the removal, which the removed member never gets: it waits until the deadline. */
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

static int say_no_space(struct log_disk *disk, const char *path, uint64_t *size)
{
	*size = 0;
	return 0;
}

/* A follower says that it is full when not even an entry of no bytes has room. Its last segment has room for small
 * ones, nearly always; so the leader goes on to take what the followers cannot, and it all ends in -ETIMEDOUT. */
static void a_majority_without_room_for_an_entry_refuses_appends(void **state)
{
	static const unsigned char data[3000];
	static struct sent sent[20];
	several_found(&several, 3);
	several_elect(&several, 0);
	several_append(&several, 0, "x");
	for (size_t i = 1; i < 3; i++)
		several_member(&several, i)->host.door.disk->space = say_no_space;
	int status = 0;
	for (unsigned i = 0; i < 20 && status == 0; i++) {
		member_send_one(several_member(&several, 0), &sent[i], data, sizeof data);
		several_pass(&several, 1000);
		status = sent[i].answers > 0 ? sent[i].append.status : 0;
	}
	assert_int_equal(status, -ENOSPC);
}

/* A follower looks whether there is room again when it is given an entry that it has no room for. When all that there
 * is has reached it, and a majority was full, the leader proposes nothing that could be given to it: for ever. */
static void a_majority_that_has_room_again_is_appended_to(void **state)
{
	static const unsigned char data[20000];
	static struct sent sent[20];
	several_found(&several, 3);
	several_elect(&several, 0);
	several_append(&several, 0, "x");
	for (size_t i = 1; i < 3; i++)
		several_member(&several, i)->host.door.disk->space = say_no_space;
	int status = 0;
	for (unsigned i = 0; i < 20 && status == 0; i++) {
		/* After each one the followers have time to say how they are. */
		member_send_one(several_member(&several, 0), &sent[i], data, sizeof data);
		several_pass(&several, 300);
		status = sent[i].answers > 0 ? sent[i].append.status : 0;
	}
	assert_int_equal(status, -ENOSPC);
	for (size_t i = 1; i < 3; i++)
		several_member(&several, i)->host.door.disk->space = NULL;
	several_pass(&several, 30000);
	several_append(&several, 0, "there is room");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_member_that_is_asked_to_remove_itself_answers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_append_of_a_follower_is_answered_without_waiting_for_a_heartbeat,
	                                        set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_majority_without_room_for_an_entry_refuses_appends, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_majority_that_has_room_again_is_appended_to, set_up, tear_down),
	};
	member_hush();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
