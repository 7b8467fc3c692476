/* Messages that no right member sends: they are dropped, and nothing changes. */
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

static unsigned results;
static int32_t result_status;

static bool note_results(struct several *all, size_t from, size_t to, struct message *message)
{
	if (message->type == MESSAGE_RESULT) {
		results++;
		result_status = message->result.status;
	}
	return false;
}

/* The message, as of node `from`, changes nothing at node `to`. */
static void expect_dropped(size_t from, size_t to, const struct message *message)
{
	several_settle(&several);
	uint64_t before = several_hash(&several, to);
	several_forge(&several, from, to, message);
	several_settle(&several);
	assert_int_equal(several_cluster(&several, to)->failure, 0);
	if (several_hash(&several, to) != before)
		fail_msg("a message of type %d of m%zu has changed m%zu", (int)message->type, from, to);
}

/* An APPEND with one right frame after the end of node i's log, closed in that term. */
static void make_append(size_t i, struct message *message, struct log_frame **frame, uint64_t term, enum log_type type)
{
	const struct cluster *cluster = several_cluster(&several, i);
	struct log_tail tail;
	log_tail(cluster->log, &tail);
	const struct log_header header = {.term = term, .type = type, .time_ns = tail.time_ns};
	assert_int_equal(log_frame_create(frame), 0);
	if (type == LOG_RECORDS)
		assert_int_equal(log_frame_add(*frame, "forged", 6), 0);
	log_frame_close(*frame, &tail, &header);
	*message = (struct message){
		.type = MESSAGE_APPEND,
		.term = core_term(cluster->core),
		.append = {.entry = tail.entry, .entry_term = tail.term, .commit = tail.entry, .count = 1}};
	message->data = log_frame_bytes(*frame, &message->size);
}

static void frames_that_are_cut_or_changed_are_dropped(void **state)
{
	struct message message;
	struct log_frame *frame;
	unsigned char copy[1024];
	found(3);
	make_append(1, &message, &frame, core_term(several_cluster(&several, 1)->core), LOG_RECORDS);
	assert_true(message.size + 8 <= sizeof copy);
	const void *whole = message.data;
	size_t size = message.size;
	for (message.size = 0; message.size < size; message.size++)
		expect_dropped(0, 1, &message);
	/* Something behind it. */
	memset(copy, 0, sizeof copy);
	memcpy(copy, whole, size);
	message.data = copy;
	message.size = size + 8;
	expect_dropped(0, 1, &message);
	message.size = size;
	for (size_t i = 0; i < size; i++) {
		copy[i] ^= 0x10;
		expect_dropped(0, 1, &message);
		copy[i] ^= 0x10;
	}
	/* As it is, it is taken: so the others were dropped for what is wrong with them. */
	uint64_t before = several_hash(&several, 1);
	several_forge(&several, 0, 1, &message);
	several_settle(&several);
	assert_int_not_equal(several_hash(&several, 1), before);
	log_frame_unref(frame);
}

static void counts_and_places_that_do_not_fit_are_dropped(void **state)
{
	struct message message;
	struct log_frame *frame;
	found(3);
	uint64_t term = core_term(several_cluster(&several, 1)->core);
	make_append(1, &message, &frame, term, LOG_RECORDS);
	static const uint32_t counts[] = {2, 3, 4096, 4097, 1u << 30, UINT32_MAX};
	for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
		message.append.count = counts[i];
		expect_dropped(0, 1, &message);
	}
	/* No count, and yet data. */
	message.append.count = 0;
	expect_dropped(0, 1, &message);
	message.append.count = 1;
	const uint64_t entry = message.append.entry;
	const uint64_t entries[] = {0, 1, entry - 1, entry + 1, entry + 1000, UINT64_MAX, UINT64_MAX - 1};
	for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
		message.append.entry = entries[i];
		expect_dropped(0, 1, &message);
	}
	log_frame_unref(frame);
	/* Of a term that its sender has not come to, or of none. */
	make_append(1, &message, &frame, term + 1, LOG_RECORDS);
	expect_dropped(0, 1, &message);
	log_frame_unref(frame);
}

static void an_append_of_an_older_term_changes_nothing(void **state)
{
	struct message message;
	struct log_frame *frame;
	found(3);
	several_elect(&several, 1);
	several_elect(&several, 0);
	uint64_t term = core_term(several_cluster(&several, 2)->core);
	make_append(2, &message, &frame, term - 1, LOG_RECORDS);
	message.term = term - 1;
	expect_dropped(1, 2, &message);
	log_frame_unref(frame);
}

static void bases_that_are_none_are_dropped(void **state)
{
	static unsigned char code[MACHINE_SIZE_MAX];
	found(3);
	struct cluster *leader = several_cluster(&several, 0);
	size_t size = machine_encode(&leader->machine, code);
	struct log_tail tail;
	log_tail(leader->log, &tail);
	struct message message = {.type = MESSAGE_INSTALL,
	                          .term = core_term(leader->core),
	                          .install = {.base = tail, .first_offset = tail.next_offset},
	                          .data = code,
	                          .size = size - 1};
	for (size_t i = 0; i < 3; i++) {
		expect_dropped(0, 1, &message);
		message.size = i == 0 ? size + 1 : 0;
	}
	message.size = size;
	/* The machine is of another entry. */
	message.install.base.entry++;
	expect_dropped(0, 1, &message);
	message.install.base.entry = 0;
	expect_dropped(0, 1, &message);
	/* What it has already. */
	message.install.base.entry = tail.entry;
	expect_dropped(0, 1, &message);
}

static void other_clusters_are_not_listened_to(void **state)
{
	struct message message;
	struct log_frame *frame;
	found(3);
	make_append(1, &message, &frame, core_term(several_cluster(&several, 1)->core), LOG_RECORDS);
	message.cluster = 12345;
	expect_dropped(0, 1, &message);
	message = (struct message){
		.type = MESSAGE_JOIN, .cluster = 12345, .data = "x", .size = 1, .request = {.number = 5}};
	several.filter = note_results;
	results = 0;
	expect_dropped(1, 0, &message);
	assert_int_equal(results, 0);
	log_frame_unref(frame);
}

static void what_seems_to_come_from_oneself_is_dropped(void **state)
{
	found(3);
	struct cluster *cluster = several_cluster(&several, 1);
	const struct message message = {.type = MESSAGE_VOTE,
	                                .from = several.nodes[1].id,
	                                .term = core_term(cluster->core) + 5,
	                                .cluster = cluster->machine.cluster,
	                                .start = 1000,
	                                .number = 1};
	uint64_t before = several_hash(&several, 1);
	cluster_receive(cluster, &message);
	struct message nobody = message;
	nobody.from = 0;
	cluster_receive(cluster, &nobody);
	several_settle(&several);
	assert_int_equal(several_hash(&several, 1), before);
}

static void what_is_out_of_order_is_dropped(void **state)
{
	struct message message;
	struct log_frame *frame;
	found(3);
	struct cluster *cluster = several_cluster(&several, 1);
	make_append(1, &message, &frame, core_term(cluster->core), LOG_RECORDS);
	const struct shim_order *order = &peer_find(cluster, several.nodes[0].id, false)->order;
	message.from = several.nodes[0].id;
	message.cluster = cluster->machine.cluster;
	message.start = order->start;
	message.number = order->number;
	uint64_t before = several_hash(&several, 1);
	cluster_receive(cluster, &message);
	message.start--;
	message.number = order->number + 100;
	cluster_receive(cluster, &message);
	several_settle(&several);
	assert_int_equal(several_hash(&several, 1), before);
	log_frame_unref(frame);
}

static void types_that_there_are_not_are_dropped(void **state)
{
	static const int types[] = {0, MESSAGE_REMOVED + 1, 1000, -1};
	found(3);
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		const struct message message = {.type = (enum message_type)types[i], .data = "x", .size = 1};
		expect_dropped(1, 0, &message);
		expect_dropped(0, 1, &message);
	}
}

static void votes_of_a_stranger_are_told_that_it_is_none(void **state)
{
	found(4);
	assert_int_equal(several_remove(&several, 0, 3), 0);
	several_pass(&several, 500);
	uint64_t before = several.nodes[3].received[MESSAGE_REMOVED];
	const struct message message = {.type = MESSAGE_VOTE,
	                                .term = core_term(several_cluster(&several, 0)->core) + 10,
	                                .vote = {.last_entry = 1000, .last_term = 1000, .disrupt = true}};
	expect_dropped(3, 0, &message);
	assert_int_equal(several.nodes[3].received[MESSAGE_REMOVED], before + 1);
	static const enum message_type types[] = {MESSAGE_VOTE_RESULT, MESSAGE_APPEND_RESULT, MESSAGE_TIMEOUT_NOW};
	for (size_t i = 0; i < 3; i++) {
		const struct message other = {.type = types[i], .term = message.term};
		expect_dropped(3, 0, &other);
	}
}

/* ---- Requests ---- */

static void batches_that_are_none_are_dropped(void **state)
{
	struct message append;
	struct log_frame *frame;
	found(3);
	make_append(0, &append, &frame, core_term(several_cluster(&several, 0)->core), LOG_RECORDS);
	struct message message = {.type = MESSAGE_FORWARD,
	                          .term = core_term(several_cluster(&several, 0)->core),
	                          .data = append.data,
	                          .size = append.size};
	const struct message_request right = {.number = 1 << 20,
	                                      .session = several_cluster(&several, 1)->session.id,
	                                      .sequence = 1000,
	                                      .expected = MESSAGE_ANYWHERE};
	message.request = right;
	message.request.session = 0;
	expect_dropped(1, 0, &message);
	message.request = right;
	message.request.sequence = 0;
	expect_dropped(1, 0, &message);
	message.request = right;
	/* A follower takes none. */
	expect_dropped(2, 1, &message);
	for (message.size = 0; message.size < append.size; message.size += 7)
		expect_dropped(1, 0, &message);
	unsigned char longer[1024] = {0};
	memcpy(longer, append.data, append.size);
	message.data = longer;
	message.size = append.size + 8;
	expect_dropped(1, 0, &message);
	log_frame_unref(frame);
	/* Another type of frame, and one without records. */
	make_append(0, &append, &frame, 1, LOG_BARRIER);
	message.data = append.data;
	message.size = append.size;
	expect_dropped(1, 0, &message);
	log_frame_unref(frame);
}

static void a_batch_whose_numbers_run_over_is_refused(void **state)
{
	struct message append;
	struct log_frame *frame;
	found(3);
	several.filter = note_results;
	make_append(0, &append, &frame, core_term(several_cluster(&several, 0)->core), LOG_RECORDS);
	const struct message message = {.type = MESSAGE_FORWARD,
	                                .term = core_term(several_cluster(&several, 0)->core),
	                                .data = append.data,
	                                .size = append.size,
	                                .request = {.number = 1 << 20,
	                                            .session = several_cluster(&several, 1)->session.id,
	                                            .sequence = UINT64_MAX,
	                                            .expected = MESSAGE_ANYWHERE}};
	results = 0;
	expect_dropped(1, 0, &message);
	assert_int_equal(results, 1);
	assert_int_equal(result_status, -EINVAL);
	log_frame_unref(frame);
}

static void commands_that_are_none_are_refused(void **state)
{
	unsigned char code[CONTROL_SIZE + 1] = {0};
	const struct control trim = {.type = CONTROL_TRIM, .offset = 1000};
	found(3);
	several.filter = note_results;
	struct message message = {.type = MESSAGE_CONTROL, .request = {.number = 1 << 20}, .data = code};
	static const size_t sizes[] = {0, 1, CONTROL_SIZE, CONTROL_SIZE + 1};
	for (size_t i = 0; i < 4; i++) {
		message.size = sizes[i];
		results = 0;
		expect_dropped(1, 0, &message);
		assert_int_equal(results, 1);
		assert_int_equal(result_status, -EINVAL);
	}
	/* A trim past the end. */
	control_encode(&trim, code);
	message.size = CONTROL_SIZE;
	result_status = 0;
	expect_dropped(1, 0, &message);
	assert_int_equal(result_status, -EINVAL);
	/* A change that there is not. */
	message = (struct message){.type = MESSAGE_CHANGE,
	                           .request = {.number = 1 << 20,
	                                       .member = several.nodes[1].id,
	                                       .change = (enum message_change)(CHANGE_TRANSFER + 1)}};
	result_status = 0;
	expect_dropped(1, 0, &message);
	assert_int_equal(result_status, -EINVAL);
	/* A follower does nothing of it. */
	results = 0;
	expect_dropped(0, 1, &message);
	assert_int_equal(results, 0);
}

static void answers_to_nothing_are_dropped(void **state)
{
	found(3);
	struct message message = {.type = MESSAGE_RESULT, .result = {.number = 0}};
	expect_dropped(0, 1, &message);
	message.result = (struct message_result){.number = UINT64_MAX, .status = -EIO, .entry = UINT64_MAX};
	expect_dropped(0, 1, &message);
	message = (struct message){.type = MESSAGE_ECHO_RESULT, .round = 5};
	expect_dropped(1, 0, &message);
	expect_dropped(0, 1, &message);
	message = (struct message){.type = MESSAGE_ECHO, .term = 1000, .round = 5};
	expect_dropped(0, 1, &message);
}

static void news_of_members_that_are_none_are_dropped(void **state)
{
	found(3);
	/* As if to one that joins, and as if to a spare. */
	struct message message = {.type = MESSAGE_LEADER, .data = "garbage", .size = 7};
	expect_dropped(0, 1, &message);
	message.configuration = UINT64_MAX;
	expect_dropped(0, 1, &message);
	message.configuration = 1;
	expect_dropped(0, 1, &message);
	/* A removal that is older than what it knows. */
	message = (struct message){.type = MESSAGE_REMOVED,
	                           .configuration = several_cluster(&several, 1)->machine.members.entry};
	expect_dropped(0, 1, &message);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(frames_that_are_cut_or_changed_are_dropped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(counts_and_places_that_do_not_fit_are_dropped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_append_of_an_older_term_changes_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(bases_that_are_none_are_dropped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(other_clusters_are_not_listened_to, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_seems_to_come_from_oneself_is_dropped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_out_of_order_is_dropped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(types_that_there_are_not_are_dropped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(votes_of_a_stranger_are_told_that_it_is_none, set_up, tear_down),
		cmocka_unit_test_setup_teardown(batches_that_are_none_are_dropped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_batch_whose_numbers_run_over_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(commands_that_are_none_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(answers_to_nothing_are_dropped, set_up, tear_down),
		cmocka_unit_test_setup_teardown(news_of_members_that_are_none_are_dropped, set_up, tear_down),
	};
	member_hush();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
