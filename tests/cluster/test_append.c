#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/state.h"
#include "tests/cluster/member.h"

/* A round: what waits is proposed, written, synced, and brought back. */
static void begin_round(struct member *member)
{
	host_turn(&member->host);
	assert_true(host_run_write(&member->host));
}

static void end_round(struct member *member)
{
	assert_true(host_end_write(&member->host));
}

static void open_member(struct member *member)
{
	member_init(member, 1);
	member_open(member);
	host_settle(&member->host);
}

/* ---- Group commit ---- */

static void appends_that_come_during_a_round_share_the_next_entry(void **state)
{
	struct member member;
	struct sent first = {0}, during[3] = {0}, late = {0};
	open_member(&member);
	member_send_text(&member, &first, "first");
	begin_round(&member);
	member_send_text(&member, &during[0], "a");
	member_send_text(&member, &during[1], "b");
	member_send_text(&member, &during[2], "c");
	/* A turn in the midst of a round proposes nothing. */
	host_turn(&member.host);
	member_expect_pending(&first);
	end_round(&member);
	member_expect_done(&first, 0);
	/* The next round is under way already. */
	assert_non_null(member.host.write.job);
	member_send_text(&member, &late, "late");
	assert_true(host_run_write(&member.host));
	for (unsigned i = 0; i < 3; i++)
		member_expect_pending(&during[i]);
	end_round(&member);
	for (unsigned i = 0; i < 3; i++)
		member_expect_done(&during[i], 1 + i);
	member_expect_pending(&late);
	host_settle(&member.host);
	member_expect_done(&late, 4);
	uint64_t entry = member_entry(&member, 0);
	assert_int_equal(member_entry(&member, 1), entry + 1);
	assert_int_equal(member_entry(&member, 2), entry + 1);
	assert_int_equal(member_entry(&member, 3), entry + 1);
	assert_int_equal(member_entry(&member, 4), entry + 2);
	member_finish(&member);
}

static void appends_before_a_turn_share_an_entry_and_need_no_timer(void **state)
{
	struct member member;
	struct sent sent[5] = {0};
	open_member(&member);
	for (unsigned i = 0; i < 5; i++)
		member_send_text(&member, &sent[i], "x");
	assert_null(member.host.write.job);
	begin_round(&member);
	end_round(&member);
	for (unsigned i = 0; i < 5; i++) {
		member_expect_done(&sent[i], i);
		assert_int_equal(member_entry(&member, i), member_entry(&member, 0));
	}
	/* Time stood still. */
	assert_int_equal(member.host.now_ms, HOST_START_MS);
	member_finish(&member);
}

static void offsets_are_consecutive_and_in_the_order_of_arrival(void **state)
{
	enum { COUNT = 400 };
	static struct sent sent[COUNT];
	struct member member;
	struct dice dice;
	unsigned char data[64];
	uint64_t offset = 0;
	dice_init(&dice, dice_seed("append"));
	memset(sent, 0, sizeof sent);
	open_member(&member);
	for (unsigned i = 0; i < COUNT; i++) {
		uint32_t sizes[5], count = 1 + (uint32_t)dice_below(&dice, 5);
		for (uint32_t record = 0; record < count; record++)
			sizes[record] = (uint32_t)dice_below(&dice, sizeof data / 5);
		dice_fill(&dice, data, sizeof data);
		member_send(&member, &sent[i], data, sizes, count);
		for (uint64_t steps = dice_below(&dice, 3); steps > 0; steps--)
			host_step(&member.host);
	}
	host_settle(&member.host);
	for (unsigned i = 0; i < COUNT; i++) {
		member_expect_done(&sent[i], offset);
		assert_true(i == 0 || sent[i].place > sent[i - 1].place);
		offset += sent[i].append.count;
	}
	assert_int_equal(member_next(&member), offset);
	assert_int_equal(member.answers, COUNT);
	member_finish(&member);
}

static void a_batch_of_records_is_all_there_in_its_order(void **state)
{
	struct member member;
	struct sent sent = {0};
	const uint32_t sizes[] = {3, 0, 5, 1};
	open_member(&member);
	member_append_text(&member, "before");
	member_send(&member, &sent, "oneTHREE4", sizes, 4);
	host_settle(&member.host);
	member_expect_done(&sent, 1);
	assert_int_equal(sent.append.count, 4);
	member_expect_text(&member, 1, "one");
	member_expect_text(&member, 2, "");
	member_expect_text(&member, 3, "THREE");
	member_expect_text(&member, 4, "4");
	assert_int_equal(member_next(&member), 5);
	member_finish(&member);
}

static void the_callers_bytes_are_its_own_again_when_the_call_returns(void **state)
{
	struct member member;
	struct sent sent = {0};
	char text[] = "as it was";
	uint32_t size = 9;
	open_member(&member);
	member_send(&member, &sent, text, &size, 1);
	memset(text, 'X', sizeof text - 1);
	size = 1;
	host_settle(&member.host);
	member_expect_text(&member, 0, "as it was");
	member_finish(&member);
}

static void a_batch_is_closed_once_it_is_large_enough(void **state)
{
	enum { SIZE = CLUSTER_BATCH_SIZE * 2 / 5, COUNT = 7 };
	struct member member;
	struct sent first = {0}, sent[COUNT] = {0};
	unsigned char *data = calloc(1, SIZE);
	assert_non_null(data);
	member_init(&member, 1);
	member.segment_size = 8u << 20;
	member_open(&member);
	member_send_text(&member, &first, "first");
	begin_round(&member);
	for (unsigned i = 0; i < COUNT; i++)
		member_send_one(&member, &sent[i], data, SIZE);
	host_settle(&member.host);
	uint64_t entry = member_entry(&member, 1);
	/* The third one takes a batch past its size. */
	for (unsigned i = 0; i < COUNT; i++) {
		member_expect_done(&sent[i], 1 + i);
		assert_int_equal(member_entry(&member, 1 + i), entry + i / 3);
	}
	free(data);
	member_finish(&member);
}

/* ---- What is acknowledged stays ---- */

/* Whether a crash at this moment, which loses everything that was not synced, keeps the record. */
static bool survives(struct member *member, const struct sent *sent, const void *data, size_t size)
{
	struct member other;
	struct asked asked;
	struct memory_disk *copy = memory_disk_clone(member->memory);
	uint64_t offset = sent->append.first_offset;
	memory_disk_crash(copy, NULL, NULL);
	member_init_on(&other, copy, 1);
	bool kept = member_try_open(&other, NULL) == 0 && offset < member_next(&other);
	if (kept) {
		kept = member_read(&other, &asked, SERVICE_RECORD, offset, 0) == 0 && asked.read.data_size == size &&
		       memcmp(asked.read.data, data, size) == 0;
		member_end(&other, &asked);
	}
	member_finish(&other);
	return kept;
}

/* An append whose callback looks at what a crash would leave. */
struct watched {
	struct sent sent; /* first */
	unsigned *lost;
	uint32_t size;
	unsigned char data[3000];
};

static void crash_now(struct sent *sent)
{
	struct watched *watched = (struct watched *)sent;
	assert_int_equal(sent->append.status, 0);
	*watched->lost += !survives(sent->member, sent, watched->data, watched->size);
}

/* Appends on a disk that forgets the syncs of what ends so (NULL: none); returns how many answers were untrue. */
static unsigned count_lost(uint64_t seed, const char *forgotten, unsigned count)
{
	struct member member;
	struct dice dice;
	unsigned lost = 0;
	struct watched *watched = calloc(count, sizeof *watched);
	assert_non_null(watched);
	dice_init(&dice, seed);
	member_init(&member, seed);
	member_open(&member);
	memory_disk_ignore_sync(member.memory, forgotten);
	for (unsigned i = 0; i < count; i++) {
		watched[i].size = (uint32_t)dice_below(&dice, sizeof watched[i].data);
		watched[i].lost = &lost;
		watched[i].sent.then = crash_now;
		dice_fill(&dice, watched[i].data, watched[i].size);
		member_send_one(&member, &watched[i].sent, watched[i].data, watched[i].size);
		for (uint64_t steps = dice_below(&dice, 6); steps > 0; steps--)
			host_step(&member.host);
	}
	host_settle(&member.host);
	for (unsigned i = 0; i < count; i++)
		member_expect_done(&watched[i].sent, i);
	member_finish(&member);
	free(watched);
	return lost;
}

static void what_is_answered_survives_the_loss_of_all_that_was_not_synced(void **state)
{
	uint64_t seed = dice_seed("append");
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(count_lost(seed + i, NULL, 60), 0);
}

static void a_disk_that_forgets_syncs_is_found_out(void **state)
{
	assert_true(count_lost(1, ".store", 60) > 0);
	assert_true(count_lost(2, "data/log", 60) > 0);
}

static void the_time_of_a_record_never_goes_back(void **state)
{
	struct member member;
	uint64_t before = 0;
	open_member(&member);
	for (unsigned i = 0; i < 10; i++) {
		struct asked asked;
		member_append_text(&member, "x");
		assert_int_equal(member_read(&member, &asked, SERVICE_STAT, i, 0), 0);
		assert_true(asked.read.record.time_ns >= before);
		assert_true(asked.read.record.time_ns >= member.host.time_ns);
		before = asked.read.record.time_ns;
		member_end(&member, &asked);
		/* Someone sets the clock. */
		if (i == 3 || i == 6)
			member.host.time_ns -= 3600000000000u;
		if (i == 5)
			member.host.time_ns += 2 * 3600000000000u;
		if (i == 7)
			member_reopen(&member);
	}
	member_finish(&member);
}

/* ---- Callbacks ---- */

static void append_again(struct sent *sent)
{
	struct sent *next = sent + 1;
	assert_int_equal(sent->append.status, 0);
	if (next->then != NULL)
		member_send_text(sent->member, next, "again");
}

static void a_callback_may_append(void **state)
{
	enum { COUNT = 50 };
	struct member member;
	struct sent sent[COUNT + 1] = {0};
	open_member(&member);
	for (unsigned i = 0; i < COUNT; i++)
		sent[i].then = append_again;
	member_send_text(&member, &sent[0], "again");
	host_settle(&member.host);
	for (unsigned i = 0; i < COUNT; i++)
		member_expect_done(&sent[i], i);
	assert_int_equal(member.answers, COUNT);
	member_finish(&member);
}

static void free_it(struct sent *sent)
{
	memset(sent, 0xff, sizeof *sent);
	free(sent);
}

static void a_callback_may_free_its_request(void **state)
{
	struct member member;
	open_member(&member);
	for (unsigned i = 0; i < 20; i++) {
		struct sent *sent = calloc(1, sizeof *sent);
		assert_non_null(sent);
		sent->then = free_it;
		member_send_text(&member, sent, "x");
	}
	host_settle(&member.host);
	assert_int_equal(member.answers, 20);
	member_finish(&member);
}

/* ---- Rest ---- */

static void an_idle_member_makes_its_mark_current_once_and_rests(void **state)
{
	struct member member;
	open_member(&member);
	member_append_text(&member, "x");
	host_settle(&member.host);
	uint64_t before_ms = member.host.now_ms;
	unsigned writes = 0, wakes = 0;
	for (; member.host.now_ms < before_ms + 60000; wakes++) {
		assert_true(host_wake(&member.host));
		writes += member.host.write.job != NULL;
		if (writes == 0)
			assert_true(member.host.now_ms < before_ms + CLUSTER_IDLE_MS + CLUSTER_HEARTBEAT_MS);
		host_settle(&member.host);
	}
	assert_int_equal(writes, 1);
	/* Each wake but that one is a heartbeat. */
	assert_true(wakes <= 60000 / CLUSTER_HEARTBEAT_MS + 2);
	struct log_job *job;
	assert_int_equal(log_write_begin(member.cluster->log, true, &job), 0);
	assert_null(job);
	/* There is nobody to talk to. */
	assert_int_equal(member.host.message_count, 0);
	member_finish(&member);
}

static void a_wake_that_comes_early_is_asked_for_again(void **state)
{
	struct member member;
	open_member(&member);
	uint64_t at_ms = member.host.wake_at_ms;
	assert_true(at_ms != HOST_NEVER && at_ms > member.host.now_ms);
	for (unsigned i = 0; i < 3; i++) {
		member.host.wake_at_ms = HOST_NEVER;
		cluster_timeout(member.cluster);
		assert_int_equal(member.host.wake_at_ms, at_ms);
	}
	member_finish(&member);
}

static void a_busy_member_does_not_write_the_mark_alone(void **state)
{
	struct member member;
	open_member(&member);
	for (unsigned i = 0; i < 50; i++) {
		member_append_text(&member, "x");
		host_settle(&member.host);
		host_pass(&member.host, CLUSTER_IDLE_MS - 1);
		assert_null(member.host.write.job);
	}
	member_finish(&member);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appends_that_come_during_a_round_share_the_next_entry),
		cmocka_unit_test(appends_before_a_turn_share_an_entry_and_need_no_timer),
		cmocka_unit_test(offsets_are_consecutive_and_in_the_order_of_arrival),
		cmocka_unit_test(a_batch_of_records_is_all_there_in_its_order),
		cmocka_unit_test(the_callers_bytes_are_its_own_again_when_the_call_returns),
		cmocka_unit_test(a_batch_is_closed_once_it_is_large_enough),
		cmocka_unit_test(what_is_answered_survives_the_loss_of_all_that_was_not_synced),
		cmocka_unit_test(a_disk_that_forgets_syncs_is_found_out),
		cmocka_unit_test(the_time_of_a_record_never_goes_back),
		cmocka_unit_test(a_callback_may_append),
		cmocka_unit_test(a_callback_may_free_its_request),
		cmocka_unit_test(an_idle_member_makes_its_mark_current_once_and_rests),
		cmocka_unit_test(a_wake_that_comes_early_is_asked_for_again),
		cmocka_unit_test(a_busy_member_does_not_write_the_mark_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
