/* Damage: what has rotted on one member is got from the others. */
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

/* Changes a byte of the record with this text, in whichever store holds it. */
static void rot(size_t i, const char *text)
{
	struct memory_disk *memory = several_member(&several, i)->memory;
	for (unsigned entry = 0; entry < 1000; entry++) {
		char path[64];
		size_t size;
		snprintf(path, sizeof path, MEMBER_DATA "/log/%020u.store", entry);
		const unsigned char *bytes = memory_disk_bytes(memory, path, &size);
		const unsigned char *at = bytes == NULL ? NULL : memmem(bytes, size, text, strlen(text));
		if (at == NULL)
			continue;
		unsigned char byte = *at ^ 1;
		memory_disk_poke(memory, path, (size_t)(at - bytes), &byte, 1);
		return;
	}
	fail_msg("no store has %s", text);
}

static size_t damages(size_t i)
{
	const struct log_damage *damage;
	return log_damage(several_cluster(&several, i)->log, &damage);
}

static bool is_mended(struct several *all, void *arg)
{
	size_t i = *(size_t *)arg;
	return damages(i) == 0 && !several_cluster(all, i)->machine_broken &&
	       several_cluster(all, i)->mend.suspect == 0;
}

static void await_mended(size_t i)
{
	several_await(&several, is_mended, &i, "a log without damage");
}

/* Records that can be told apart, and the durable mark behind them. */
static void fill(void)
{
	char text[32];
	found(3);
	for (unsigned i = 3; i < 20; i++) {
		snprintf(text, sizeof text, "record %u of them", i);
		assert_int_equal(several_append(&several, 0, text), i);
	}
	several_agree(&several);
	several_pass(&several, 1000);
}

static int read_status(size_t i, uint64_t offset)
{
	struct asked asked;
	int rc = member_read(several_member(&several, i), &asked, SERVICE_RECORD, offset, 0);
	member_end(several_member(&several, i), &asked);
	return rc;
}

static void a_rotten_record_that_is_read_is_got_from_another_member(void **state)
{
	fill();
	for (size_t i = 0; i < 3; i++) {
		rot(i, "record 7 of them");
		assert_int_equal(read_status(i, 7), -EIO);
		/* It is told of again and again, and mended once. */
		assert_int_equal(read_status(i, 7), -EIO);
		several_settle(&several);
		if (i == 2)
			assert_int_equal(damages(i), 1);
		await_mended(i);
		member_expect_text(several_member(&several, i), 7, "record 7 of them");
	}
	several_expect_equal(&several);
}

static void damage_that_is_met_in_opening_is_mended(void **state)
{
	fill();
	several_kill(&several, 2);
	memory_disk_settle(several_member(&several, 2)->memory);
	rot(2, "record 5 of them");
	several_open(&several, 2);
	assert_int_equal(damages(2), 1);
	await_mended(2);
	several_expect_equal(&several);
	several_kill(&several, 2);
	several_open(&several, 2);
	assert_int_equal(damages(2), 0);
	several_expect_equal(&several);
}

static void a_member_with_damage_does_not_stand_for_election(void **state)
{
	fill();
	several_kill(&several, 2);
	memory_disk_settle(several_member(&several, 2)->memory);
	rot(2, "record 5 of them");
	several_isolate(&several, 2, true);
	several_open(&several, 2);
	uint64_t term = core_term(several_cluster(&several, 2)->core);
	several_pass(&several, 10000);
	assert_int_equal(core_role(several_cluster(&several, 2)->core), CORE_FOLLOWER);
	assert_int_equal(core_term(several_cluster(&several, 2)->core), term);
	several_isolate(&several, 2, false);
	await_mended(2);
	several_kill(&several, 0);
	several_kill(&several, 1);
	several_pass(&several, 3000);
	assert_int_equal(core_role(several_cluster(&several, 2)->core), CORE_CANDIDATE);
}

static void a_leader_finds_what_it_cannot_send_and_has_it_mended(void **state)
{
	found(3);
	several_isolate(&several, 2, true);
	assert_int_equal(several_append(&several, 0, "what the third one misses"), 3);
	several_append(&several, 0, "and more");
	several_pass(&several, 1000);
	rot(0, "what the third one misses");
	several_isolate(&several, 2, false);
	several_expect_equal(&several);
	size_t leader = 0;
	await_mended(leader);
	member_expect_text(several_member(&several, 2), 3, "what the third one misses");
	member_expect_text(several_member(&several, 0), 3, "what the third one misses");
}

static void damage_of_a_member_alone_is_told_and_stays(void **state)
{
	several_found(&several, 1);
	several_append(&several, 0, "only here");
	several_append(&several, 0, "and more");
	several_pass(&several, 1000);
	rot(0, "only here");
	assert_int_equal(read_status(0, 0), -EIO);
	several_pass(&several, 3000);
	assert_int_equal(read_status(0, 0), -EIO);
	assert_true(damages(0) > 0);
	assert_int_equal(several_append(&several, 0, "goes on"), 2);
}

/* ---- On the way ---- */

static unsigned lost;

static bool lose_frames(struct several *all, size_t from, size_t to, struct message *message)
{
	if (message->type != MESSAGE_FETCH_RESULT || lost == 0)
		return false;
	lost--;
	return true;
}

static void frames_that_were_lost_are_asked_for_again_elsewhere(void **state)
{
	fill();
	several.filter = lose_frames;
	lost = 3;
	rot(2, "record 7 of them");
	assert_int_equal(read_status(2, 7), -EIO);
	await_mended(2);
	assert_int_equal(lost, 0);
	several_expect_equal(&several);
}

static bool spoil_frames(struct several *all, size_t from, size_t to, struct message *message)
{
	static unsigned char copy[1 << 16];
	if (message->type != MESSAGE_FETCH_RESULT || lost == 0)
		return false;
	lost--;
	assert_true(message->size <= sizeof copy);
	memcpy(copy, message->data, message->size);
	copy[message->size / 2] ^= 1;
	message->data = copy;
	return false;
}

static void frames_that_are_not_the_ones_are_not_written(void **state)
{
	fill();
	several.filter = spoil_frames;
	lost = 2;
	rot(2, "record 7 of them");
	assert_int_equal(read_status(2, 7), -EIO);
	several_settle(&several);
	several_pass(&several, 200);
	assert_int_equal(damages(2), 1);
	await_mended(2);
	assert_int_equal(lost, 0);
	several_expect_equal(&several);
}

static void a_mend_whose_write_fails_is_tried_again(void **state)
{
	fill();
	struct member *member = several_member(&several, 2);
	rot(2, "record 7 of them");
	assert_int_equal(read_status(2, 7), -EIO);
	several_settle(&several);
	several.stalled[2] = true;
	for (unsigned i = 0; i < 300 && !member->cluster->mend.out; i++)
		several_pass(&several, 10);
	assert_true(member->cluster->mend.out);
	faulty_disk_fail(member->faulty, FAULTY_WRITE, 1, -EIO, FAULTY_ONCE);
	assert_true(host_run_chore(&member->host));
	assert_true(faulty_disk_fired(member->faulty));
	faulty_disk_fail(member->faulty, FAULTY_ANY, 0, 0, FAULTY_ONCE);
	host_end_chore(&member->host);
	assert_int_equal(member->cluster->failure, 0);
	assert_int_equal(damages(2), 1);
	several.stalled[2] = false;
	await_mended(2);
	several_expect_equal(&several);
}

static void too_much_damage_at_once_is_given_up(void **state)
{
	fill();
	several.filter = lose_frames;
	lost = 1000;
	rot(2, "record 7 of them");
	assert_int_equal(read_status(2, 7), -EIO);
	several_pass(&several, 500);
	struct mend *mend = &several_cluster(&several, 2)->mend;
	assert_int_not_equal(mend->next_entry, 0);
	static const unsigned char data[1000];
	/* More is to come. */
	mend->last_entry += 5;
	mend->size = MEND_SIZE_MAX - 999;
	const struct message message = {.type = MESSAGE_FETCH_RESULT,
	                                .fetch = {.first_entry = mend->next_entry, .count = 1},
	                                .data = data,
	                                .size = sizeof data};
	several_forge(&several, 0, 2, &message);
	assert_int_equal(mend->size, 0);
	assert_int_equal(mend->next_entry, 0);
	lost = 0;
	await_mended(2);
}

static void frames_that_nobody_asked_for_are_dropped(void **state)
{
	static const unsigned char data[100];
	fill();
	struct message message = {.type = MESSAGE_FETCH_RESULT,
	                          .fetch = {.first_entry = 5, .count = 1},
	                          .data = data,
	                          .size = sizeof data};
	uint64_t hash = several_hash(&several, 2);
	several_forge(&several, 0, 2, &message);
	assert_int_equal(several_hash(&several, 2), hash);
	several.filter = lose_frames;
	lost = 1000;
	rot(2, "record 7 of them");
	assert_int_equal(read_status(2, 7), -EIO);
	several_pass(&several, 500);
	const struct mend *mend = &several_cluster(&several, 2)->mend;
	assert_int_not_equal(mend->next_entry, 0);
	hash = several_hash(&several, 2);
	message.fetch = (struct message_fetch){.first_entry = mend->next_entry, .count = 0};
	several_forge(&several, 0, 2, &message);
	message.fetch.count = 1000;
	several_forge(&several, 0, 2, &message);
	message.fetch = (struct message_fetch){.first_entry = mend->next_entry + 1, .count = 1};
	several_forge(&several, 0, 2, &message);
	assert_int_equal(several_hash(&several, 2), hash);
	lost = 0;
	await_mended(2);
}

static void what_is_not_there_is_not_given(void **state)
{
	fill();
	uint64_t commit = several_cluster(&several, 0)->commit;
	const struct message_fetch fetches[] = {{0, 5, 0}, {6, 5, 0}, {1, commit + 1, 0}, {1, UINT64_MAX, 0}};
	uint64_t before = several.nodes[2].received[MESSAGE_FETCH_RESULT];
	for (size_t i = 0; i < sizeof fetches / sizeof fetches[0]; i++) {
		const struct message message = {.type = MESSAGE_FETCH, .fetch = fetches[i]};
		several_forge(&several, 2, 0, &message);
		several_settle(&several);
	}
	assert_int_equal(several.nodes[2].received[MESSAGE_FETCH_RESULT], before);
	const struct message message = {.type = MESSAGE_FETCH, .fetch = {1, commit, 0}};
	several_forge(&several, 2, 0, &message);
	several_settle(&several);
	assert_true(several.nodes[2].received[MESSAGE_FETCH_RESULT] > before);
}

static void damage_in_many_places_is_mended_place_by_place(void **state)
{
	char text[32];
	fill();
	several_kill(&several, 1);
	memory_disk_settle(several_member(&several, 1)->memory);
	for (unsigned i = 4; i < 18; i += 3) {
		snprintf(text, sizeof text, "record %u of them", i);
		rot(1, text);
	}
	several_open(&several, 1);
	assert_true(damages(1) > 0);
	await_mended(1);
	several_expect_equal(&several);
}

static void damage_on_two_members_is_mended_from_each_other(void **state)
{
	fill();
	for (size_t i = 1; i < 3; i++) {
		several_kill(&several, i);
		memory_disk_settle(several_member(&several, i)->memory);
		rot(i, i == 1 ? "record 4 of them" : "record 9 of them");
		several_open(&several, i);
	}
	await_mended(1);
	await_mended(2);
	several_expect_equal(&several);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_rotten_record_that_is_read_is_got_from_another_member, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(damage_that_is_met_in_opening_is_mended, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_member_with_damage_does_not_stand_for_election, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_leader_finds_what_it_cannot_send_and_has_it_mended, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(damage_of_a_member_alone_is_told_and_stays, set_up, tear_down),
		cmocka_unit_test_setup_teardown(frames_that_were_lost_are_asked_for_again_elsewhere, set_up, tear_down),
		cmocka_unit_test_setup_teardown(frames_that_are_not_the_ones_are_not_written, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_mend_whose_write_fails_is_tried_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(too_much_damage_at_once_is_given_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(frames_that_nobody_asked_for_are_dropped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_not_there_is_not_given, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damage_in_many_places_is_mended_place_by_place, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damage_on_two_members_is_mended_from_each_other, set_up, tear_down),
	};
	member_hush();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
