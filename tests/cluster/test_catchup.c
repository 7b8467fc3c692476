/* Followers that are behind: from the log, in pieces, or from the base on; and disks that are full. */
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

static unsigned char data[SERVICE_RECORD_SIZE_MAX];

/* Appends so many records of that size at a node, each in an entry of its own. */
static void fill(size_t i, unsigned count, uint32_t size)
{
	while (count-- > 0) {
		struct sent sent = {0};
		memset(data, 'a' + (int)(count % 26), size);
		member_send_one(several_member(&several, i), &sent, data, size);
		assert_int_equal(several_answer(&several, &sent), 0);
	}
}

static int trim(size_t i, uint64_t offset)
{
	struct told told = {.command = {.kind = SERVICE_TRIM, .offset = offset}};
	return several_command(&several, i, &told);
}

static uint64_t base_of(size_t i)
{
	struct log_tail base;
	log_base(several_cluster(&several, i)->log, &base);
	return base.entry;
}

/* Node 2 misses so much that the others have trimmed what it wants. */
static void leave_behind(void)
{
	found(3);
	several_isolate(&several, 2, true);
	fill(0, 40, 3000);
	assert_int_equal(trim(0, 35), 0);
	several_pass(&several, 500);
	assert_true(base_of(0) > several_cluster(&several, 2)->applied.entry);
}

/* ---- The base ---- */

static void a_follower_below_the_base_gets_it(void **state)
{
	leave_behind();
	several_isolate(&several, 2, false);
	several_expect_equal(&several);
	assert_true(several.nodes[2].received[MESSAGE_INSTALL] > 0);
	assert_true(base_of(2) > 0);
	/* It is a member as before, and keeps it over a restart. */
	several_append(&several, 2, "x");
	several_kill(&several, 2);
	several_open(&several, 2);
	several_elect(&several, 2);
	several_expect_equal(&several);
}

static void a_base_that_was_lost_on_the_way_comes_again(void **state)
{
	leave_behind();
	several_isolate(&several, 2, false);
	several.cut[0][2] = true;
	several_pass(&several, 300);
	several.cut[0][2] = false;
	several_expect_equal(&several);
}

static void a_new_member_of_a_trimmed_cluster_gets_the_base(void **state)
{
	leave_behind();
	several_isolate(&several, 2, false);
	several_join(&several, 3);
	assert_true(several.nodes[3].received[MESSAGE_INSTALL] > 0);
	several_expect_equal(&several);
}

static void a_base_waits_until_the_log_is_at_rest(void **state)
{
	found(3);
	/* Its write is out, and stays so. */
	several.stalled[2] = true;
	several_append(&several, 0, "x");
	several_isolate(&several, 2, true);
	fill(0, 40, 3000);
	assert_int_equal(trim(0, 35), 0);
	several_pass(&several, 500);
	several_isolate(&several, 2, false);
	for (unsigned i = 0; i < 100 && several.nodes[2].received[MESSAGE_INSTALL] == 0; i++)
		several_pass(&several, 100);
	struct cluster *behind = several_cluster(&several, 2);
	assert_int_equal(behind->held.message.type, MESSAGE_INSTALL);
	assert_int_equal(base_of(2), 0);
	/* What comes after it meanwhile is lost, and comes again. */
	several_append(&several, 0, "y");
	several.stalled[2] = false;
	several_expect_equal(&several);
	assert_int_equal(behind->held.message.type, 0);
}

static void who_dies_while_it_gets_the_base_gets_it_again(void **state)
{
	leave_behind();
	several.stalled[2] = true;
	several_isolate(&several, 2, false);
	for (unsigned i = 0; i < 100 && several.nodes[2].received[MESSAGE_INSTALL] == 0; i++)
		several_pass(&several, 100);
	assert_true(core_installing(several_cluster(&several, 2)->core));
	several_kill(&several, 2);
	several.stalled[2] = false;
	several_open(&several, 2);
	several_expect_equal(&several);
}

static void a_leader_that_trims_while_a_base_waits_sends_the_newer_one(void **state)
{
	leave_behind();
	several.blocked[0][2] = true;
	several_isolate(&several, 2, false);
	several_pass(&several, 1000);
	fill(0, 20, 3000);
	assert_int_equal(trim(0, 55), 0);
	several_pass(&several, 300);
	several.blocked[0][2] = false;
	cluster_writable(several_cluster(&several, 0), several.nodes[2].id);
	several_pass(&several, 20000);
	several_expect_equal(&several);
	assert_true(base_of(2) > 0);
}

/* ---- Pieces ---- */

/* A restarted leader trims again by what it knows is committed, and its core does not know that before the only other
 * voter that is there has an entry of the new term: it gets the base of the log, not that of the core. */
static void a_new_leader_that_has_trimmed_gives_its_base_before_it_has_committed(void **state)
{
	for (unsigned again = 0; again < 2; again++) {
		if (again == 0)
			found(3);
		else
			leave_behind();
		several_isolate(&several, 2, true);
		struct log_stat stat;
		log_stat(several_cluster(&several, 0)->log, &stat);
		/* No chore is begun any more: the segments are still there when it is killed. */
		several_cluster(&several, 0)->chore_out = true;
		fill(0, 40, 3000);
		assert_int_equal(trim(0, stat.first_offset + 40), 0);
		fill(0, 5, 3000);
		assert_int_equal(base_of(0), stat.first_entry - 1);
		several_cluster(&several, 0)->chore_out = false;
		several_kill(&several, 0);
		several_kill(&several, 1);
		several_isolate(&several, 2, false);
		several_open(&several, 0);
		several_pass(&several, 50);
		assert_true(base_of(0) > stat.first_entry - 1);
		assert_int_equal(several_lead(&several), 0);
		several_append(&several, 2, "x");
		several_open(&several, 1);
		several_expect_equal(&several);
		assert_true(several.nodes[2].received[MESSAGE_INSTALL] > 0);
		several_finish(&several);
		several_init(&several);
	}
}

static void a_follower_far_behind_is_served_in_pieces(void **state)
{
	several.options.segment_size = 8 << 20;
	found(3);
	several_isolate(&several, 2, true);
	fill(0, 30, 100000);
	several_isolate(&several, 2, false);
	several.biggest = 0;
	several_expect_equal(&several);
	/* Several entries in one, but no more than a piece. */
	assert_true(several.biggest > 200000);
	assert_true(several.biggest <= CLUSTER_PIECE_SIZE);
}

static void an_entry_larger_than_a_piece_goes_alone(void **state)
{
	struct sent sent = {0};
	uint32_t sizes[3] = {900000, 900000, 200000};
	static unsigned char batch[2000000];
	found(3);
	several_isolate(&several, 2, true);
	member_send(several_member(&several, 0), &sent, batch, sizes, 3);
	assert_int_equal(several_answer(&several, &sent), 0);
	fill(0, 3, 1000);
	several_isolate(&several, 2, false);
	several_expect_equal(&several);
	assert_true(several.biggest > sizeof batch);
}

static void entries_that_are_being_written_go_together(void **state)
{
	struct told told[20];
	found(3);
	/* Commands are entries of their own, and wait here for the leader's disk. */
	several.stalled[0] = true;
	several.blocked[0][1] = several.blocked[0][2] = true;
	for (unsigned i = 0; i < 20; i++) {
		told[i] = (struct told){.command = {.kind = SERVICE_RETAIN, .bytes = i}};
		several_tell(&several, 0, &told[i]);
		several_settle(&several);
	}
	several.blocked[0][1] = several.blocked[0][2] = false;
	cluster_writable(several_cluster(&several, 0), several.nodes[1].id);
	cluster_writable(several_cluster(&several, 0), several.nodes[2].id);
	several_pass(&several, 200);
	struct log_tail tail, leaders;
	log_tail(several_cluster(&several, 0)->log, &leaders);
	log_tail(several_cluster(&several, 2)->log, &tail);
	assert_int_equal(tail.entry, leaders.entry);
	several.stalled[0] = false;
	several_pass(&several, 200);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(told[i].answers, 1);
	several_expect_equal(&several);
}

static void entries_in_memory_go_in_pieces_too(void **state)
{
	struct sent sent = {0};
	static struct told told[60];
	found(3);
	several_isolate(&several, 2, true);
	several_pass(&several, 2000);
	several.stalled[0] = true;
	member_send_one(several_member(&several, 0), &sent, data, sizeof data);
	several_settle(&several);
	for (unsigned i = 0; i < 60; i++) {
		told[i] = (struct told){.command = {.kind = SERVICE_TRIM}};
		several_tell(&several, 0, &told[i]);
		several_settle(&several);
	}
	several.biggest = 0;
	several_isolate(&several, 2, false);
	several_pass(&several, 1000);
	assert_true(several.biggest > sizeof data);
	assert_true(several.biggest <= CLUSTER_PIECE_SIZE);
	several.stalled[0] = false;
	assert_int_equal(several_answer(&several, &sent), 0);
	several_expect_equal(&several);
}

static void entries_that_are_not_in_memory_are_read_elsewhere(void **state)
{
	found(3);
	several_isolate(&several, 2, true);
	fill(0, 20, 50000);
	several_kill(&several, 0);
	several_open(&several, 0);
	several_isolate(&several, 2, false);
	several_cluster(&several, 1);
	memory_disk_set_resident(several_member(&several, 0)->memory, 0, 0);
	memory_disk_set_resident(several_member(&several, 1)->memory, 0, 0);
	several_lead(&several);
	several_expect_equal(&several);
}

static void a_read_for_a_follower_comes_back_when_nothing_is_left_to_send(void **state)
{
	found(3);
	several_isolate(&several, 2, true);
	fill(0, 5, 50000);
	memory_disk_set_resident(several_member(&several, 0)->memory, 0, 0);
	several.stalled[0] = true;
	several_isolate(&several, 2, false);
	struct cluster *leader = several_cluster(&several, 0);
	struct peer *peer = peer_find(leader, several.nodes[2].id, false);
	for (unsigned i = 0; i < 30 && peer->load == NULL; i++)
		several_pass(&several, 50);
	assert_non_null(peer->load);
	assert_int_equal(leader->reads_out, 1);
	/* The leader is deposed meanwhile: what waited is no leader's any more. */
	several_isolate(&several, 0, true);
	several_pass(&several, 3000);
	assert_false(cluster_leads(leader));
	several.stalled[0] = false;
	several_settle(&several);
	assert_int_equal(leader->reads_out, 0);
	several_isolate(&several, 0, false);
	several_expect_equal(&several);
}

static void what_waits_for_a_slow_follower_is_sent_when_there_is_room(void **state)
{
	found(3);
	several.blocked[0][2] = true;
	fill(0, 20, 10000);
	struct log_tail tail;
	log_tail(several_cluster(&several, 2)->log, &tail);
	assert_int_equal(tail.next_offset, 3);
	several.blocked[0][2] = false;
	cluster_writable(several_cluster(&several, 0), several.nodes[2].id);
	cluster_writable(several_cluster(&several, 0), 12345);
	several_settle(&several);
	log_tail(several_cluster(&several, 2)->log, &tail);
	assert_true(tail.next_offset > 3);
	several_expect_equal(&several);
}

/* ---- Logs that are cut ---- */

static void a_cut_waits_until_the_log_is_at_rest(void **state)
{
	struct sent sent = {0};
	found(3);
	several.stalled[0] = true;
	several_isolate(&several, 0, true);
	member_send_text(several_member(&several, 0), &sent, "in vain");
	several_settle(&several);
	several_append(&several, 1, "instead");
	several_isolate(&several, 0, false);
	several_pass(&several, 1000);
	struct cluster *old = several_cluster(&several, 0);
	assert_int_equal(old->held.message.type, MESSAGE_APPEND);
	assert_true(old->write_out);
	several_append(&several, 2, "and more");
	several.stalled[0] = false;
	assert_int_equal(several_answer(&several, &sent), 0);
	several_expect_equal(&several);
	assert_int_equal(several_end(&several, 0), 6);
}

static void a_member_with_a_cut_log_has_it_cut_after_a_restart(void **state)
{
	struct sent sent = {0};
	found(3);
	several_isolate(&several, 0, true);
	member_send_text(several_member(&several, 0), &sent, "in vain");
	several_settle(&several);
	several_kill(&several, 0);
	several_append(&several, 1, "instead");
	several_isolate(&several, 0, false);
	several_open(&several, 0);
	several_expect_equal(&several);
	member_expect_text(several_member(&several, 0), 3, "instead");
	assert_int_equal(several_end(&several, 0), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_follower_below_the_base_gets_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_base_that_was_lost_on_the_way_comes_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_new_member_of_a_trimmed_cluster_gets_the_base, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_base_waits_until_the_log_is_at_rest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_dies_while_it_gets_the_base_gets_it_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_leader_that_trims_while_a_base_waits_sends_the_newer_one, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_new_leader_that_has_trimmed_gives_its_base_before_it_has_committed,
	                                        set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_follower_far_behind_is_served_in_pieces, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_entry_larger_than_a_piece_goes_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(entries_that_are_being_written_go_together, set_up, tear_down),
		cmocka_unit_test_setup_teardown(entries_in_memory_go_in_pieces_too, set_up, tear_down),
		cmocka_unit_test_setup_teardown(entries_that_are_not_in_memory_are_read_elsewhere, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_read_for_a_follower_comes_back_when_nothing_is_left_to_send, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(what_waits_for_a_slow_follower_is_sent_when_there_is_room, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_cut_waits_until_the_log_is_at_rest, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_member_with_a_cut_log_has_it_cut_after_a_restart, set_up, tear_down),
	};
	member_hush();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
