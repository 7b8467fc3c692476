/* The bounds of what a member takes and keeps. */
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

static struct peer *peer_of(size_t i, size_t other)
{
	return peer_find(several_cluster(&several, i), several.nodes[other].id, false);
}

static bool lose_echoes(struct several *all, size_t from, size_t to, struct message *message)
{
	return message->type == MESSAGE_ECHO;
}

/* ---- Commands and requests ---- */

static void commands_past_their_bound_are_refused(void **state)
{
	static struct told told[COMMANDS_MAX + 1];
	found(2);
	several.filter = lose_echoes;
	for (unsigned i = 0; i <= COMMANDS_MAX; i++) {
		told[i] = (struct told){.command = {.kind = SERVICE_END}};
		several_tell(&several, 0, &told[i]);
		assert_int_equal(told[i].refused, i < COMMANDS_MAX ? 0 : -EAGAIN);
	}
	several_settle(&several);
	several.filter = NULL;
	several_pass(&several, 2000);
	for (unsigned i = 0; i < COMMANDS_MAX; i++) {
		assert_int_equal(told[i].answers, 1);
		assert_int_equal(told[i].command.status, 0);
	}
	assert_int_equal(several_cluster(&several, 0)->request_count, 0);
	assert_int_equal(several_end(&several, 0), 2);
}

static void requests_past_their_bound_are_dropped_and_asked_again(void **state)
{
	struct told told = {.command = {.kind = SERVICE_END}},
		    retain = {.command = {.kind = SERVICE_RETAIN, .bytes = 9}};
	struct message message = {.type = MESSAGE_END};
	found(3);
	struct cluster *leader = several_cluster(&several, 0);
	several.filter = lose_echoes;
	for (unsigned i = 0; i < REQUESTS_MAX + 10; i++) {
		message.request.number = (uint64_t)1 << 32 | i;
		several_forge(&several, 1, 0, &message);
	}
	assert_int_equal(leader->request_count, REQUESTS_MAX);
	several_tell(&several, 0, &told);
	several_tell(&several, 0, &retain);
	several_settle(&several);
	assert_int_equal(leader->request_count, REQUESTS_MAX);
	assert_int_equal(told.answers, 0);
	several.filter = NULL;
	several_pass(&several, 3000);
	assert_int_equal(told.answers, 1);
	assert_int_equal(retain.answers, 1);
	assert_int_equal(leader->request_count, 0);
}

/* ---- Peers ---- */

/* A message of a member that nobody knows. */
static void say_as_stranger(uint64_t id)
{
	struct cluster *cluster = several_cluster(&several, 0);
	const struct message message = {.type = MESSAGE_ECHO_RESULT, .from = id, .start = 1, .number = 1};
	cluster_receive(cluster, &message);
}

static void a_stranger_past_the_bound_makes_the_longest_silent_one_go(void **state)
{
	found(3);
	struct cluster *cluster = several_cluster(&several, 0);
	for (uint64_t id = 1; id <= 2 * PEERS_MAX; id++) {
		several_pass(&several, 1);
		say_as_stranger(id);
		assert_true(cluster->peer_count <= PEERS_MAX);
		assert_non_null(peer_find(cluster, id, false));
	}
	assert_int_equal(cluster->peer_count, PEERS_MAX);
	assert_null(peer_find(cluster, 1, false));
	/* Members stay, and are talked to as before. */
	assert_non_null(peer_of(0, 1));
	assert_non_null(peer_of(0, 2));
	several_append(&several, 1, "x");
	several_expect_equal(&several);
}

static void what_waits_for_a_stranger_goes_with_it(void **state)
{
	static const unsigned char text[20000]; /* large: it waits until the way is free */
	const struct message message = {.type = MESSAGE_LEADER, .data = text, .size = sizeof text};
	found(2);
	struct cluster *cluster = several_cluster(&several, 0);
	/* Its own host says that nobody can be written to. */
	several.blocked[0][1] = true;
	uint64_t known = several.nodes[1].id;
	for (uint64_t id = 1; id <= 2 * PEERS_MAX; id++)
		peer_send(cluster, id, &message);
	peer_send(cluster, known, &message);
	peer_send(cluster, known, &message);
	assert_int_equal(peer_of(0, 1)->outgoing_count, 2);
	/* Moved by another one that goes, it still has its messages, and takes more. */
	several_cluster(&several, 0)->machine.members.count = 1;
	size_t at = (size_t)(peer_of(0, 1) - cluster->peers);
	cluster->peers[at].heard_ms = 5;
	for (uint64_t id = 1000; id < 1000 + PEERS_MAX; id++)
		peer_find(cluster, id, true);
	several_cluster(&several, 0)->machine.members.count = 2;
	assert_true(cluster->peer_count <= PEERS_MAX);
}

static void messages_for_a_peer_are_bounded_in_number(void **state)
{
	found(3);
	several.blocked[0][2] = true;
	several_append(&several, 0, "x");
	several_pass(&several, (OUTGOING_MAX + 50) * CLUSTER_HEARTBEAT_MS);
	assert_int_equal(peer_of(0, 2)->outgoing_count, OUTGOING_MAX);
	several.blocked[0][2] = false;
	cluster_writable(several_cluster(&several, 0), several.nodes[2].id);
	several_append(&several, 0, "y");
	several_expect_equal(&several);
	assert_int_equal(peer_of(0, 2)->outgoing_count, 0);
}

static void messages_for_a_peer_are_bounded_in_size(void **state)
{
	static struct sent sent[20];
	found(3);
	several.blocked[1][0] = true;
	for (unsigned i = 0; i < 8; i++) {
		sent[i] = (struct sent){0};
		member_send_one(several_member(&several, 1), &sent[i], data, sizeof data);
		several_settle(&several);
	}
	/* They are sent again and again. */
	several_pass(&several, 8000);
	struct peer *peer = peer_of(1, 0);
	assert_true(peer->outgoing_size <= OUTGOING_SIZE_MAX);
	assert_true(peer->outgoing_size > OUTGOING_SIZE_MAX - 2 * sizeof data);
	several.blocked[1][0] = false;
	cluster_writable(several_cluster(&several, 1), several.nodes[0].id);
	several_settle(&several);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(several_answer(&several, &sent[i]), 0);
	assert_int_equal(several_end(&several, 0), 3 + 8);
	assert_int_equal(peer->outgoing_size, 0);
}

/* ---- Queues ---- */

static void forwarded_batches_count_in_the_leaders_queue(void **state)
{
	static struct sent sent[3][80];
	found(3);
	struct cluster *leader = several_cluster(&several, 0);
	several.stalled[0] = true;
	unsigned refused = 0;
	for (size_t i = 0; i < 3; i++) {
		for (unsigned k = 0; k < 25; k++) {
			sent[i][k] = (struct sent){0};
			member_send_one(several_member(&several, i), &sent[i][k], data, sizeof data);
			refused += sent[i][k].refused == -EAGAIN;
			several_settle(&several);
			assert_true(leader->queue_size <= CLUSTER_QUEUE_SIZE_MAX);
		}
	}
	several_pass(&several, 2000);
	assert_true(leader->queue_size > 40u << 20);
	several.stalled[0] = false;
	for (size_t i = 0; i < 3; i++)
		for (unsigned k = 0; k < 25; k++)
			if (sent[i][k].refused == 0)
				assert_int_equal(several_answer(&several, &sent[i][k]), 0);
	assert_int_equal(leader->queue_size, 0);
	assert_int_equal(several_end(&several, 0), 3 + 75 - refused);
	several_expect_equal(&several);
}

static void a_batch_for_which_the_leaders_queue_has_no_room_comes_again(void **state)
{
	struct sent sent = {0};
	found(3);
	struct cluster *leader = several_cluster(&several, 0);
	leader->queue_size += CLUSTER_QUEUE_SIZE_MAX;
	member_send_text(several_member(&several, 1), &sent, "x");
	several_pass(&several, 1000);
	member_expect_pending(&sent);
	leader->queue_size -= CLUSTER_QUEUE_SIZE_MAX;
	assert_int_equal(several_answer(&several, &sent), 0);
}

static unsigned ready_calls;

static void on_ready(void *arg)
{
	ready_calls++;
}

static void who_waits_for_room_at_a_follower_is_told(void **state)
{
	static struct sent sent[80];
	found(3);
	several.stalled[0] = true;
	unsigned count = 0;
	do {
		sent[count] = (struct sent){0};
		member_send_one(several_member(&several, 1), &sent[count], data, sizeof data);
	} while (sent[count++].refused == 0 && count < 80);
	assert_int_equal(sent[count - 1].refused, -EAGAIN);
	ready_calls = 0;
	service_ready(several_member(&several, 1)->service, on_ready, NULL);
	several_pass(&several, 500);
	assert_int_equal(ready_calls, 0);
	several.stalled[0] = false;
	several_pass(&several, 3000);
	assert_int_equal(ready_calls, 1);
	for (unsigned i = 0; i + 1 < count; i++)
		assert_int_equal(several_answer(&several, &sent[i]), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(commands_past_their_bound_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(requests_past_their_bound_are_dropped_and_asked_again, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_stranger_past_the_bound_makes_the_longest_silent_one_go, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(what_waits_for_a_stranger_goes_with_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(messages_for_a_peer_are_bounded_in_number, set_up, tear_down),
		cmocka_unit_test_setup_teardown(messages_for_a_peer_are_bounded_in_size, set_up, tear_down),
		cmocka_unit_test_setup_teardown(forwarded_batches_count_in_the_leaders_queue, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_batch_for_which_the_leaders_queue_has_no_room_comes_again, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(who_waits_for_room_at_a_follower_is_told, set_up, tear_down),
	};
	member_hush();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
