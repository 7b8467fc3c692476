/* Disks that are full. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "observe/observe.h"
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

/* Each of these fills a segment to the brim, and past it: then there is no room for even the smallest entry. */
#define BRIM_SIZE 20000u

static unsigned char data[BRIM_SIZE];

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

static uint64_t left_on[SEVERAL_MAX];

static int say_space(struct log_disk *disk, const char *path, uint64_t *size)
{
	for (size_t i = 0; i < several.count; i++)
		if (several_member(&several, i)->host.door.disk == disk)
			*size = left_on[i];
	return 0;
}

/* From now on the disk says that it has so many bytes left. */
static void set_room(size_t i, uint64_t left)
{
	left_on[i] = left;
	several_member(&several, i)->host.door.disk->space = say_space;
}

/* Appends until one is not done; returns its status, 1 when it was not answered. */
static int fill_up(size_t i)
{
	for (unsigned count = 0; count < 1000; count++) {
		static struct sent sent[1000];
		sent[count] = (struct sent){0};
		member_send_one(several_member(&several, i), &sent[count], data, BRIM_SIZE);
		assert_int_equal(sent[count].refused, 0);
		several_pass(&several, 300);
		if (sent[count].answers == 0 || sent[count].append.status != 0)
			return sent[count].answers == 0 ? 1 : sent[count].append.status;
	}
	return 0;
}

static void one_full_disk_of_three_keeps_nobody_from_appending(void **state)
{
	found(3);
	set_room(2, 10 << 20);
	fill(0, 20, BRIM_SIZE);
	assert_int_equal(several_cluster(&several, 2)->failure, 0);
	assert_true(peer_find(several_cluster(&several, 0), several.nodes[2].id, false)->full);
	assert_true(several_cluster(&several, 2)->applied.entry < several_cluster(&several, 0)->applied.entry);
	set_room(2, UINT64_MAX);
	several_expect_equal(&several);
	assert_false(peer_find(several_cluster(&several, 0), several.nodes[2].id, false)->full);
}

static void a_majority_of_full_disks_refuses_appends_and_reads_go_on(void **state)
{
	struct sent sent = {0};
	found(3);
	set_room(1, 10 << 20);
	set_room(2, 10 << 20);
	assert_int_equal(fill_up(0), -ENOSPC);
	member_send_text(several_member(&several, 0), &sent, "x");
	assert_int_equal(several_answer(&several, &sent), -ENOSPC);
	/* Of a follower too; and reads go on. */
	member_send_text(several_member(&several, 1), &sent, "x");
	assert_int_equal(several_answer(&several, &sent), -ENOSPC);
	member_expect_text(several_member(&several, 1), 0, "warm");
	several_expect_equal(&several);
}

static void a_member_alone_without_room_refuses_appends_and_commands(void **state)
{
	struct told told = {.command = {.kind = SERVICE_TRIM}};
	found(1);
	set_room(0, 10 << 20);
	assert_int_equal(fill_up(0), -ENOSPC);
	assert_int_equal(several_command(&several, 0, &told), -ENOSPC);
	assert_int_equal(several_cluster(&several, 0)->failure, 0);
	member_expect_text(several_member(&several, 0), 0, "warm");
	set_room(0, UINT64_MAX);
	/* The first ones that are refused have the room looked for. */
	several_pass(&several, 1000);
	several_command(&several, 0, &told);
	several_pass(&several, 1000);
	assert_int_equal(several_command(&several, 0, &told), 0);
	several_append(&several, 0, "there is room");
}

static int set(size_t i, uint32_t size)
{
	static unsigned char value[SERVICE_VALUE_SIZE_MAX];
	struct told told = {.command = {.kind = SERVICE_SET, .key = "key", .setting = value, .setting_size = size}};
	return several_command(&several, i, &told);
}

/* With segments of this size records leave room in the last one, and do not begin at its brim. */
#define ROOMY_SIZE (256u << 10)

static void a_full_disk_takes_a_setting_of_any_size_and_then_trims(void **state)
{
	struct told told = {.command = {.kind = SERVICE_TRIM, .offset = 1}};
	several.options.segment_size = ROOMY_SIZE;
	found(1);
	set_room(0, 10 << 20);
	assert_int_equal(fill_up(0), -ENOSPC);
	assert_int_equal(set(0, SERVICE_VALUE_SIZE_MAX), 0);
	/* And no end of small ones, but for what is a trim's. */
	int status = 0;
	for (unsigned i = 0; i < 1000 && status == 0; i++)
		status = set(0, 64);
	assert_int_equal(status, -ENOSPC);
	assert_int_equal(several_command(&several, 0, &told), 0);
	assert_int_equal(several_cluster(&several, 0)->failure, 0);
	set_room(0, UINT64_MAX);
	several_pass(&several, 1000);
	set(0, 64);
	several_pass(&several, 1000);
	assert_int_equal(set(0, 64), 0);
}

static void a_majority_of_full_disks_takes_so_many_bytes_of_settings(void **state)
{
	struct told told = {.command = {.kind = SERVICE_TRIM, .offset = 1}};
	several.options.segment_size = ROOMY_SIZE;
	found(3);
	set_room(1, 10 << 20);
	set_room(2, 10 << 20);
	assert_int_equal(fill_up(0), -ENOSPC);
	assert_int_equal(set(0, SERVICE_VALUE_SIZE_MAX), 0);
	assert_int_equal(set(0, SERVICE_VALUE_SIZE_MAX), -ENOSPC);
	assert_int_equal(several_command(&several, 0, &told), 0);
	set_room(1, UINT64_MAX);
	set_room(2, UINT64_MAX);
	several_pass(&several, 1000);
	struct sent sent = {0};
	member_send_text(several_member(&several, 0), &sent, "x");
	several_answer(&several, &sent);
	several_pass(&several, 1000);
	several_append(&several, 0, "there is room");
	assert_int_equal(set(0, SERVICE_VALUE_SIZE_MAX), 0);
	several_expect_equal(&several);
}

static void a_disk_that_stays_full_is_told_of_once_in_a_while(void **state)
{
	char *said = NULL;
	size_t size, told = 0;
	found(1);
	set_room(0, 10 << 20);
	FILE *stream = open_memstream(&said, &size);
	assert_non_null(stream);
	observe_output(stream, OBSERVE_INFO);
	assert_int_equal(fill_up(0), -ENOSPC);
	for (unsigned i = 0; i < 200; i++) {
		struct sent sent = {0};
		member_send_one(several_member(&several, 0), &sent, data, BRIM_SIZE);
		assert_int_equal(several_answer(&several, &sent), -ENOSPC);
		several_pass(&several, CLUSTER_CHORE_TELL_MS / 200);
	}
	fclose(stream);
	member_hush();
	for (const char *at = said; (at = strstr(at, "event=log_chore_failed")) != NULL; at++)
		told++;
	assert_in_range(told, 1, 3);
	free(said);
}

static void a_leader_without_room_hands_over_to_one_that_has_some(void **state)
{
	found(3);
	set_room(0, 10 << 20);
	assert_int_equal(fill_up(0), -ENOSPC);
	several_pass(&several, 1000);
	size_t leader = several_lead(&several);
	assert_int_not_equal(leader, 0);
	several_append(&several, leader, "goes on");
	set_room(0, UINT64_MAX);
	several_append(&several, leader, "and on");
	several_expect_equal(&several);
}

static void a_new_leader_without_room_for_a_barrier_leads_when_there_is_some(void **state)
{
	struct told told = {.command = {.kind = SERVICE_RETAIN, .bytes = 1}};
	found(3);
	set_room(1, 10 << 20);
	fill(0, 20, BRIM_SIZE);
	/* It is behind, so it is not elected; what it has fills it to the brim. */
	assert_true(peer_find(several_cluster(&several, 0), several.nodes[1].id, false)->full);
	several_pass(&several, 1000);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(several_command(&several, 0, &told), 0);
	set_room(1, UINT64_MAX);
	several_expect_equal(&several);
	several_elect(&several, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_full_disk_of_three_keeps_nobody_from_appending, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_majority_of_full_disks_refuses_appends_and_reads_go_on, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_member_alone_without_room_refuses_appends_and_commands, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_full_disk_takes_a_setting_of_any_size_and_then_trims, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_majority_of_full_disks_takes_so_many_bytes_of_settings, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_disk_that_stays_full_is_told_of_once_in_a_while, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_leader_without_room_hands_over_to_one_that_has_some, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_new_leader_without_room_for_a_barrier_leads_when_there_is_some,
	                                        set_up, tear_down),
	};
	member_hush();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
