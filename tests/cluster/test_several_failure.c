/* Disks that fail under one of several members: it stops and says why, and the others go on. */
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

/* So many members, the first one leading, with a record of each. */
static void found(size_t count)
{
	several_found(&several, count);
	several_elect(&several, 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(several_append(&several, i, "warm"), i);
	several_agree(&several);
}

static void fail_disk(size_t i, unsigned calls, unsigned nth, enum faulty_way way)
{
	faulty_disk_fail(several_member(&several, i)->faulty, calls, nth, -EIO, way);
}

static void mend_disk(size_t i)
{
	fail_disk(i, FAULTY_ANY, 0, FAULTY_ONCE);
}

/* Starts it again, if it has failed or could not be opened. */
static void revive(size_t i, size_t seed)
{
	const struct cluster *cluster = several_cluster(&several, i);
	if (cluster != NULL && cluster->failure == 0)
		return;
	several_kill(&several, i);
	several_open_at(&several, i, seed);
}

static void a_vote_that_cannot_be_saved_fails_its_member_and_the_others_go_on(void **state)
{
	found(3);
	/* The next leader will be one of these, and this one has to note its term. */
	fail_disk(1, FAULTY_CHANGE, 1, FAULTY_ONWARD);
	several_kill(&several, 0);
	for (unsigned i = 0; i < 100 && several_cluster(&several, 1)->failure == 0; i++)
		several_pass(&several, 100);
	struct host *host = &several_member(&several, 1)->host;
	assert_int_equal(several_cluster(&several, 1)->failure, -EIO);
	assert_int_equal(host->failures, 1);
	assert_true(host->failure.text[0] != '\0');
	several_open(&several, 0);
	several_append(&several, 2, "goes on");
	/* It takes no more messages, and has nothing to wake for. */
	uint64_t hash = several_hash(&several, 1);
	several_pass(&several, 2000);
	assert_int_equal(several_hash(&several, 1), hash);
	assert_int_equal(host->failures, 1);
	revive(1, SEVERAL_NONE);
	several_expect_equal(&several);
}

static void a_follower_whose_log_fails_keeps_nobody_from_appending(void **state)
{
	found(3);
	fail_disk(2, FAULTY_WRITE | FAULTY_SYNC, 1, FAULTY_ONWARD);
	several_append(&several, 0, "one");
	several_append(&several, 1, "two");
	several_pass(&several, 200);
	assert_int_equal(several_cluster(&several, 2)->failure, -EIO);
	assert_non_null(strstr(several_member(&several, 2)->host.failure.text, ".store"));
	revive(2, SEVERAL_NONE);
	several_expect_equal(&several);
}

static void appends_at_a_leader_whose_log_fails_are_unknown_and_another_one_leads(void **state)
{
	struct sent sent = {0}, waiting = {0}, of_another = {0};
	struct told told = {.command = {.kind = SERVICE_TRIM, .offset = 1}};
	found(3);
	several.stalled[0] = true;
	member_send_text(several_member(&several, 0), &sent, "proposed");
	several_settle(&several);
	member_send_text(several_member(&several, 0), &waiting, "waiting");
	member_send_text(several_member(&several, 1), &of_another, "forwarded");
	several_tell(&several, 0, &told);
	several_settle(&several);
	fail_disk(0, FAULTY_WRITE | FAULTY_SYNC, 1, FAULTY_ONWARD);
	several.stalled[0] = false;
	several_settle(&several);
	assert_int_equal(several_cluster(&several, 0)->failure, -EIO);
	member_expect_status(&sent, -ECONNABORTED);
	member_expect_status(&waiting, -ESHUTDOWN);
	assert_int_equal(told.command.status, -ECONNABORTED);
	/* The other member's finds the next leader. */
	assert_int_equal(several_answer(&several, &of_another), 0);
	uint64_t next = several_end(&several, 1);
	assert_true(next == 4 || next == 5);
	revive(0, SEVERAL_NONE);
	several_expect_equal(&several);
	assert_int_equal(several_end(&several, 0), next);
}

static void echoes_that_a_failing_leader_waits_for_are_forgotten(void **state)
{
	struct sent ahead;
	struct told told = {.command = {.kind = SERVICE_END}}, other = told;
	found(3);
	several_isolate(&several, 0, true);
	several_tell(&several, 0, &told);
	several_send_at(&several, 0, &ahead, 100, "ahead");
	several_settle(&several);
	several_tell(&several, 0, &other);
	several_settle(&several);
	fail_disk(0, FAULTY_WRITE | FAULTY_SYNC, 1, FAULTY_ONWARD);
	struct sent sent = {0};
	member_send_text(several_member(&several, 0), &sent, "x");
	several_settle(&several);
	assert_int_equal(several_cluster(&several, 0)->failure, -EIO);
	assert_int_equal(told.answers + other.answers, 2);
	member_expect_status(&ahead, -ESHUTDOWN);
	member_expect_status(&sent, -ECONNABORTED);
}

/* ---- The Nth call fails ---- */

typedef void (*scene_cb)(void);

static void nothing(void)
{
}

/* Runs the scene, at whose beginning the nth call of node 2's disk fails; then it is started again, if it failed, and
 * the cluster gets there. Returns whether there was such a call. */
static bool try_nth(scene_cb prepare, scene_cb scene, scene_cb after, unsigned nth, enum faulty_way way)
{
	several_init(&several);
	prepare();
	fail_disk(2, FAULTY_ANY, nth, way);
	scene();
	several_pass(&several, 3000);
	bool fired = faulty_disk_fired(several_member(&several, 2)->faulty);
	mend_disk(2);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(several_cluster(&several, i)->failure, 0);
	revive(2, 0);
	several_await_role(&several, 0, 2, SERVICE_VOTER);
	several_append(&several, 2, "in the end");
	after();
	several_pass(&several, 3000);
	const struct log_damage *damage;
	if (several_cluster(&several, 2)->failure == 0)
		assert_int_equal(log_damage(several_cluster(&several, 2)->log, &damage), 0);
	several_expect_equal(&several);
	several_finish(&several);
	return fired;
}

static void try_all(scene_cb prepare, scene_cb scene, scene_cb after, unsigned least)
{
	static const enum faulty_way ways[] = {FAULTY_ONCE, FAULTY_ONWARD};
	for (unsigned way = 0; way < 2; way++) {
		unsigned nth = 1;
		while (try_nth(prepare, scene, after, nth, ways[way]))
			nth += 1 + nth / 40;
		assert_true(nth > least);
	}
	several_init(&several);
}

/* Two members, and a third one's empty disk. */
static void prepare_join(void)
{
	found(2);
	several_append(&several, 0, "something to get");
	several_add(&several);
}

static void join(void)
{
	struct clog_error err = {0};
	if (several_try_open(&several, 2, 0, &err) != 0)
		assert_true(err.text[0] != '\0');
}

static void a_member_joins_whatever_call_of_its_disk_fails(void **state)
{
	try_all(prepare_join, join, nothing, 30);
}

static void prepare_install(void)
{
	static const unsigned char data[3000];
	found(3);
	several_isolate(&several, 2, true);
	for (unsigned i = 0; i < 12; i++) {
		struct sent sent = {0};
		member_send_one(several_member(&several, 0), &sent, data, sizeof data);
		assert_int_equal(several_answer(&several, &sent), 0);
	}
	struct told told = {.command = {.kind = SERVICE_TRIM, .offset = 12}};
	assert_int_equal(several_command(&several, 0, &told), 0);
	several_pass(&several, 500);
}

static void install(void)
{
	several_isolate(&several, 2, false);
}

static void a_base_is_taken_whatever_call_of_the_disk_fails(void **state)
{
	try_all(prepare_install, install, nothing, 10);
}

static void prepare_mend(void)
{
	found(3);
	several_append(&several, 0, "what will rot");
	several_append(&several, 0, "and more");
	several_pass(&several, 1000);
	size_t size;
	const char *path = MEMBER_DATA "/log/00000000000000000001.store";
	const unsigned char *bytes = memory_disk_bytes(several_member(&several, 2)->memory, path, &size);
	assert_non_null(bytes);
	const unsigned char *at = memmem(bytes, size, "what will rot", 13);
	assert_non_null(at);
	memory_disk_poke(several_member(&several, 2)->memory, path, (size_t)(at - bytes), "W", 1);
}

static void mend(void)
{
	struct asked asked;
	for (unsigned i = 0; i < 3; i++) {
		int rc = member_read(several_member(&several, 2), &asked, SERVICE_RECORD, 3, 0);
		member_end(several_member(&several, 2), &asked);
		if (rc == -EIO)
			several_settle(&several);
	}
}

static void damage_is_mended_whatever_call_of_the_disk_fails(void **state)
{
	try_all(prepare_mend, mend, mend, 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_vote_that_cannot_be_saved_fails_its_member_and_the_others_go_on,
	                                        set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_follower_whose_log_fails_keeps_nobody_from_appending, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(appends_at_a_leader_whose_log_fails_are_unknown_and_another_one_leads,
	                                        set_up, tear_down),
		cmocka_unit_test_setup_teardown(echoes_that_a_failing_leader_waits_for_are_forgotten, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_member_joins_whatever_call_of_its_disk_fails, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_base_is_taken_whatever_call_of_the_disk_fails, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damage_is_mended_whatever_call_of_the_disk_fails, set_up, tear_down),
	};
	member_hush();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
