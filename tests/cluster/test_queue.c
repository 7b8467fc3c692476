/* The bounds of what a member takes: sizes of records and batches, the queue, and the end of taking any. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/state.h"
#include "tests/cluster/member.h"

static unsigned char *zeros(size_t size)
{
	unsigned char *data = calloc(1, size);
	assert_non_null(data);
	return data;
}

static void open_member(struct member *member, uint32_t segment_size)
{
	member_init(member, 1);
	member->segment_size = segment_size;
	member_open(member);
	host_settle(&member->host);
}

static unsigned waiting_batches(const struct member *member)
{
	unsigned count = 0;
	for (const struct batch *batch = member->cluster->waiting.first; batch != NULL; batch = batch->next)
		count++;
	return count;
}

/* ---- Sizes ---- */

static void the_largest_record_is_taken_and_a_larger_one_refused(void **state)
{
	struct member member;
	struct sent sent = {0};
	unsigned char *data = zeros(SERVICE_RECORD_SIZE_MAX + 1);
	memset(data, 'r', SERVICE_RECORD_SIZE_MAX + 1);
	open_member(&member, 4u << 20);
	assert_int_equal(member_append(&member, data, SERVICE_RECORD_SIZE_MAX), 0);
	member_send_one(&member, &sent, data, SERVICE_RECORD_SIZE_MAX + 1);
	assert_int_equal(sent.refused, -EMSGSIZE);
	member_send_one(&member, &sent, data, UINT32_MAX);
	assert_int_equal(sent.refused, -EMSGSIZE);
	/* One too large record refuses all of its batch. */
	const uint32_t sizes[] = {1, SERVICE_RECORD_SIZE_MAX + 1};
	member_send(&member, &sent, data, sizes, 2);
	assert_int_equal(sent.refused, -EMSGSIZE);
	host_settle(&member.host);
	assert_int_equal(member.answers, 1);
	assert_int_equal(member_next(&member), 1);
	member_expect(&member, 0, data, SERVICE_RECORD_SIZE_MAX);
	assert_int_equal(member_append_text(&member, ""), 1);
	member_expect(&member, 1, "", 0);
	free(data);
	member_finish(&member);
}

static void a_batch_of_no_records_or_too_many_is_refused(void **state)
{
	struct member member;
	struct sent sent = {0};
	uint32_t *sizes = calloc((size_t)SERVICE_BATCH_COUNT_MAX + 1, sizeof *sizes);
	assert_non_null(sizes);
	open_member(&member, LOG_SEGMENT_SIZE_MIN);
	member_send(&member, &sent, "", sizes, 0);
	assert_int_equal(sent.refused, -EINVAL);
	member_send(&member, &sent, "", sizes, SERVICE_BATCH_COUNT_MAX + 1);
	assert_int_equal(sent.refused, -EINVAL);
	host_settle(&member.host);
	assert_int_equal(member_next(&member), 0);
	free(sizes);
	member_finish(&member);
}

static void a_million_records_in_one_append_are_taken(void **state)
{
	enum { COUNT = 1 << 20 };
	struct member member;
	struct sent sent = {0};
	uint32_t *sizes = calloc(COUNT, sizeof *sizes);
	unsigned char *data = zeros(COUNT);
	assert_non_null(sizes);
	for (unsigned i = 0; i < COUNT; i++)
		sizes[i] = 1;
	data[COUNT - 1] = 'z';
	open_member(&member, 16u << 20);
	member_send(&member, &sent, data, sizes, COUNT);
	host_settle(&member.host);
	member_expect_done(&sent, 0);
	assert_int_equal(sent.append.count, COUNT);
	assert_int_equal(member_next(&member), COUNT);
	member_expect_text(&member, COUNT - 1, "z");
	free(sizes);
	free(data);
	member_finish(&member);
}

/* Sends a batch that no frame can hold. */
static void send_too_much(struct member *member, struct sent *sent, const unsigned char *data)
{
	uint32_t sizes[LOG_FRAME_SIZE_MAX / SERVICE_RECORD_SIZE_MAX + 1];
	uint32_t count = sizeof sizes / sizeof sizes[0];
	for (uint32_t i = 0; i < count; i++)
		sizes[i] = SERVICE_RECORD_SIZE_MAX;
	member_send(member, sent, data, sizes, count);
}

static void batches_that_no_frame_can_hold_are_refused_and_leave_nothing(void **state)
{
	struct member member;
	struct sent sent = {0}, good = {0};
	unsigned char *data = zeros((size_t)LOG_FRAME_SIZE_MAX + SERVICE_RECORD_SIZE_MAX);
	open_member(&member, LOG_SEGMENT_SIZE_MIN);
	for (unsigned i = 0; i < 1000; i++) {
		send_too_much(&member, &sent, data);
		assert_int_equal(sent.refused, -EMSGSIZE);
	}
	assert_true(waiting_batches(&member) <= 1);
	member_send_text(&member, &good, "good");
	for (unsigned i = 0; i < 10; i++)
		send_too_much(&member, &sent, data);
	assert_true(waiting_batches(&member) <= 2);
	host_settle(&member.host);
	assert_int_equal(member.answers, 1);
	member_expect_done(&good, 0);
	assert_int_equal(member_next(&member), 1);
	/* What was refused last must not keep the member from stopping, or from resting. */
	send_too_much(&member, &sent, data);
	free(data);
	member_finish(&member);
}

static void a_refused_append_does_not_keep_a_member_from_its_rest(void **state)
{
	struct member member;
	struct sent sent = {0};
	struct log_job *job;
	unsigned char *data = zeros((size_t)LOG_FRAME_SIZE_MAX + SERVICE_RECORD_SIZE_MAX);
	open_member(&member, LOG_SEGMENT_SIZE_MIN);
	member_append_text(&member, "x");
	host_settle(&member.host);
	send_too_much(&member, &sent, data);
	host_pass(&member.host, CLUSTER_IDLE_MS);
	assert_non_null(member.host.write.job);
	host_settle(&member.host);
	assert_int_equal(log_write_begin(member.cluster->log, true, &job), 0);
	assert_null(job);
	free(data);
	member_finish(&member);
}

/* ---- The queue ---- */

struct ready {
	struct member *member;
	unsigned calls, again;
	uint32_t queue_count; /* when it was called last */
	size_t queue_size;
};

static void on_ready(void *arg)
{
	struct ready *ready = arg;
	ready->calls++;
	ready->queue_count = ready->member->cluster->queue_count;
	ready->queue_size = ready->member->cluster->queue_size;
	if (ready->again > 0) {
		ready->again--;
		service_ready(ready->member->service, on_ready, ready);
	}
}

static void a_queue_that_is_full_of_appends_refuses_until_it_has_drained(void **state)
{
	struct member member;
	struct sent refused = {0};
	struct ready ready = {.member = &member};
	struct sent *sent = calloc(CLUSTER_QUEUE_COUNT_MAX, sizeof *sent);
	assert_non_null(sent);
	open_member(&member, 4u << 20);
	for (unsigned i = 0; i < CLUSTER_QUEUE_COUNT_MAX; i++) {
		member_send_one(&member, &sent[i], "x", 1);
		assert_int_equal(sent[i].refused, 0);
		if (i == 0)
			host_turn(&member.host);
	}
	member_send_one(&member, &refused, "x", 1);
	assert_int_equal(refused.refused, -EAGAIN);
	service_ready(member.service, on_ready, &ready);
	host_turn(&member.host);
	assert_int_equal(ready.calls, 0);
	/* The round that is out brings one answer: the queue is still as good as full. */
	assert_true(host_run_write(&member.host));
	assert_true(host_end_write(&member.host));
	assert_int_equal(member.answers, 1);
	assert_int_equal(ready.calls, 0);
	member_send_one(&member, &refused, "x", 1);
	assert_int_equal(refused.refused, 0);
	host_settle(&member.host);
	assert_int_equal(ready.calls, 1);
	assert_true(ready.queue_count < CLUSTER_QUEUE_COUNT_MAX);
	for (unsigned i = 0; i < CLUSTER_QUEUE_COUNT_MAX; i++)
		member_expect_done(&sent[i], i);
	member_expect_done(&refused, CLUSTER_QUEUE_COUNT_MAX);
	assert_int_equal(member.cluster->queue_count, 0);
	assert_int_equal(member.cluster->queue_size, 0);
	free(sent);
	member_finish(&member);
}

static void a_queue_that_is_full_of_bytes_refuses_until_it_has_drained(void **state)
{
	enum { COUNT = CLUSTER_QUEUE_SIZE_MAX / SERVICE_RECORD_SIZE_MAX };
	struct member member;
	struct sent sent[COUNT] = {0}, refused = {0}, small = {0};
	struct ready ready = {.member = &member};
	unsigned char *data = zeros(SERVICE_RECORD_SIZE_MAX);
	open_member(&member, 64u << 20);
	for (unsigned i = 0; i < COUNT; i++) {
		member_send_one(&member, &sent[i], data, SERVICE_RECORD_SIZE_MAX);
		assert_int_equal(sent[i].refused, 0);
	}
	member_send_one(&member, &refused, data, SERVICE_RECORD_SIZE_MAX);
	assert_int_equal(refused.refused, -EAGAIN);
	/* What still fits is taken. */
	member_send_text(&member, &small, "small");
	assert_int_equal(small.refused, 0);
	service_ready(member.service, on_ready, &ready);
	host_turn(&member.host);
	assert_int_equal(ready.calls, 0);
	/* More than one round takes them, and each answers for itself. */
	assert_true(host_run_write(&member.host));
	assert_true(host_end_write(&member.host));
	assert_in_range(member.answers, 1, LOG_ROUND_SIZE_MAX / SERVICE_RECORD_SIZE_MAX);
	assert_int_equal(member_entry(&member, member.answers - 1), log_durable(member.cluster->log));
	assert_int_equal(member_next(&member), member.answers);
	host_settle(&member.host);
	assert_int_equal(ready.calls, 1);
	assert_true(ready.queue_size < CLUSTER_QUEUE_SIZE_MAX);
	for (unsigned i = 0; i < COUNT; i++)
		member_expect_done(&sent[i], i);
	member_expect_done(&small, COUNT);
	assert_int_equal(member.cluster->queue_size, 0);
	free(data);
	member_finish(&member);
}

static void an_empty_queue_is_ready_at_the_next_turn(void **state)
{
	struct member member;
	struct ready ready = {.member = &member};
	open_member(&member, LOG_SEGMENT_SIZE_MIN);
	service_ready(member.service, on_ready, &ready);
	/* Never in the call itself. */
	assert_int_equal(ready.calls, 0);
	host_settle(&member.host);
	assert_int_equal(ready.calls, 1);
	member_append_text(&member, "x");
	host_settle(&member.host);
	assert_int_equal(ready.calls, 1);
	/* Its callback may ask again. */
	ready = (struct ready){.member = &member, .again = 3};
	service_ready(member.service, on_ready, &ready);
	host_settle(&member.host);
	assert_int_equal(ready.calls, 4);
	member_finish(&member);
}

/* ---- The end of it ---- */

static void before_the_start_nothing_is_taken(void **state)
{
	struct member member;
	struct sent sent = {0};
	struct asked asked;
	member_init(&member, 1);
	const struct cluster_options options = {
		.data = MEMBER_DATA, .name = MEMBER_NAME, .segment_size = member.segment_size};
	assert_int_equal(cluster_open(&member.cluster, &options, &member.host.door, NULL), 0);
	member.service = cluster_service(member.cluster);
	member_send_text(&member, &sent, "x");
	assert_int_equal(sent.refused, -ESHUTDOWN);
	assert_int_equal(member_ask(&member, &asked, SERVICE_RECORD, 0, 0), -ESHUTDOWN);
	assert_int_equal(member_ask(&member, &asked, SERVICE_STREAM, 0, 10), -ESHUTDOWN);
	assert_false(host_busy(&member.host));
	/* It may be stopped, and be closed, all the same. */
	member_stop(&member);
	member_finish(&member);
}

static void after_stop_nothing_is_taken_and_all_under_way_is_answered(void **state)
{
	struct member member;
	struct sent sent[30] = {0}, late = {0};
	open_member(&member, LOG_SEGMENT_SIZE_MIN);
	for (unsigned i = 0; i < 30; i++) {
		member_send_text(&member, &sent[i], "x");
		if (i == 10)
			host_turn(&member.host);
		if (i == 20)
			host_run_write(&member.host);
	}
	cluster_stop(member.cluster, on_ready, &(struct ready){.member = &member});
	member_send_text(&member, &late, "late");
	assert_int_equal(late.refused, -ESHUTDOWN);
	host_settle(&member.host);
	for (unsigned i = 0; i < 30; i++)
		member_expect_done(&sent[i], i);
	member_send_text(&member, &late, "late");
	assert_int_equal(late.refused, -ESHUTDOWN);
	cluster_close(member.cluster);
	member.cluster = NULL;
	member_open(&member);
	assert_int_equal(member_next(&member), 30);
	member_finish(&member);
}

static void stopping_makes_the_durable_mark_current(void **state)
{
	struct member member;
	struct log_job *job;
	open_member(&member, LOG_SEGMENT_SIZE_MIN);
	for (unsigned i = 0; i < 5; i++)
		member_append_text(&member, "x");
	assert_int_equal(log_write_begin(member.cluster->log, true, &job), 0);
	assert_non_null(job);
	log_job_run(job);
	assert_int_equal(log_job_end(member.cluster->log, job, NULL), 0);
	member_append_text(&member, "y");
	member_stop(&member);
	assert_int_equal(log_write_begin(member.cluster->log, true, &job), 0);
	assert_null(job);
	member_finish(&member);
}

static void stopping_begins_no_chore(void **state)
{
	struct member member;
	unsigned char data[3000] = {0};
	open_member(&member, LOG_SEGMENT_SIZE_MIN);
	/* Segments are filled, and none is sealed yet. */
	for (unsigned i = 0; i < 30; i++) {
		struct sent sent = {0};
		member_send_one(&member, &sent, data, sizeof data);
		while (host_turn(&member.host) || host_run_write(&member.host) || host_end_write(&member.host))
			continue;
		member_expect_done(&sent, i);
	}
	assert_non_null(member.host.chore.job);
	struct ready stopped = {.member = &member};
	cluster_stop(member.cluster, on_ready, &stopped);
	assert_true(host_run_chore(&member.host));
	assert_true(host_end_chore(&member.host));
	assert_null(member.host.chore.job);
	host_settle(&member.host);
	assert_int_equal(stopped.calls, 1);
	member.stops = 1;
	member_finish(&member);
}

static void stopping_waits_for_jobs_and_reads(void **state)
{
	struct member member;
	struct asked asked;
	open_member(&member, LOG_SEGMENT_SIZE_MIN);
	member_append_text(&member, "x");
	host_settle(&member.host);
	memory_disk_set_resident(member.memory, 0, 0);
	assert_int_equal(member_ask(&member, &asked, SERVICE_RECORD, 0, 0), SERVICE_PENDING);
	struct ready stopped = {.member = &member};
	cluster_stop(member.cluster, on_ready, &stopped);
	while (host_turn(&member.host) || host_run_write(&member.host) || host_end_write(&member.host))
		continue;
	assert_int_equal(stopped.calls, 0);
	assert_true(host_run_read(&member.host, 0));
	assert_int_equal(stopped.calls, 0);
	assert_true(host_end_read(&member.host, 0));
	assert_int_equal(asked.answers, 1);
	member_end(&member, &asked);
	host_settle(&member.host);
	assert_int_equal(stopped.calls, 1);
	member.stops = 1;
	member_finish(&member);
}

static void who_waits_for_room_hears_of_the_stop(void **state)
{
	struct member member;
	struct ready ready = {.member = &member};
	open_member(&member, LOG_SEGMENT_SIZE_MIN);
	member_append_text(&member, "x");
	service_ready(member.service, on_ready, &ready);
	member_stop(&member);
	assert_int_equal(ready.calls, 1);
	member_finish(&member);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_largest_record_is_taken_and_a_larger_one_refused),
		cmocka_unit_test(a_batch_of_no_records_or_too_many_is_refused),
		cmocka_unit_test(a_million_records_in_one_append_are_taken),
		cmocka_unit_test(batches_that_no_frame_can_hold_are_refused_and_leave_nothing),
		cmocka_unit_test(a_refused_append_does_not_keep_a_member_from_its_rest),
		cmocka_unit_test(a_queue_that_is_full_of_appends_refuses_until_it_has_drained),
		cmocka_unit_test(a_queue_that_is_full_of_bytes_refuses_until_it_has_drained),
		cmocka_unit_test(an_empty_queue_is_ready_at_the_next_turn),
		cmocka_unit_test(before_the_start_nothing_is_taken),
		cmocka_unit_test(after_stop_nothing_is_taken_and_all_under_way_is_answered),
		cmocka_unit_test(stopping_makes_the_durable_mark_current),
		cmocka_unit_test(stopping_begins_no_chore),
		cmocka_unit_test(stopping_waits_for_jobs_and_reads),
		cmocka_unit_test(who_waits_for_room_hears_of_the_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
