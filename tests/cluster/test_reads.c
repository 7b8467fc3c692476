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

#define STORE MEMBER_DATA "/log/00000000000000000001.store"

static void open_member(struct member *member)
{
	member_init(member, 1);
	member_open(member);
	host_settle(&member->host);
}

/* What the record at an offset is in these tests: i times the letter. */
static uint32_t letters(char *text, unsigned i)
{
	memset(text, 'a' + (char)(i % 26), 100);
	return 10 + i % 90;
}

static void append_letters(struct member *member, unsigned count)
{
	char text[100];
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(member_append(member, text, letters(text, i)), i);
	host_settle(&member->host);
}

static void expect_absent(struct member *member, uint64_t offset)
{
	struct asked asked;
	assert_int_equal(member_ask(member, &asked, SERVICE_RECORD, offset, 0), -ENOENT);
	assert_int_equal(member_ask(member, &asked, SERVICE_STAT, offset, 0), -ENOENT);
	assert_false(host_busy(&member->host));
}

static void expect_stream(struct member *member, uint64_t position, uint32_t size, const char *text)
{
	struct asked asked;
	assert_int_equal(member_read(member, &asked, SERVICE_STREAM, position, size), 0);
	assert_int_equal(asked.read.data_size, strlen(text));
	if (text[0] != '\0')
		assert_memory_equal(asked.read.data, text, strlen(text));
	member_end(member, &asked);
}

/* ---- What is committed, and no more ---- */

static void what_is_not_yet_there_is_not_seen(void **state)
{
	struct member member;
	open_member(&member);
	expect_absent(&member, 0);
	expect_absent(&member, UINT64_MAX);
	expect_stream(&member, 0, 100, "");
	expect_stream(&member, 1000, 100, "");
	member_append_text(&member, "x");
	host_settle(&member.host);
	expect_absent(&member, 1);
	expect_stream(&member, 1, 100, "");
	expect_stream(&member, UINT64_MAX, 100, "");
	member_finish(&member);
}

static void expect_state(struct member *member, uint64_t next_offset, uint64_t stream_end)
{
	struct service_state state;
	service_state(member->service, &state);
	assert_int_equal(state.first_offset, 0);
	assert_int_equal(state.next_offset, next_offset);
	assert_int_equal(state.stream_begin, 0);
	assert_int_equal(state.stream_end, stream_end);
}

static void a_record_is_seen_only_once_its_round_is_back(void **state)
{
	struct member member;
	struct sent sent = {0};
	open_member(&member);
	member_append_text(&member, "old");
	host_settle(&member.host);
	member_send_text(&member, &sent, "new");
	for (unsigned stage = 0; stage < 3; stage++) {
		/* It waits; it is in the log and not durable; it is durable, and that is not known yet. */
		expect_state(&member, 1, 3);
		struct asked asked;
		assert_int_equal(member_ask(&member, &asked, SERVICE_RECORD, 1, 0), -ENOENT);
		assert_int_equal(member_ask(&member, &asked, SERVICE_STAT, 1, 0), -ENOENT);
		expect_stream(&member, 3, 100, "");
		expect_stream(&member, 0, 100, "old");
		if (stage == 0)
			assert_true(host_turn(&member.host));
		if (stage == 1)
			assert_true(host_run_write(&member.host));
	}
	assert_true(host_end_write(&member.host));
	member_expect_done(&sent, 1);
	member_expect_text(&member, 1, "new");
	expect_stream(&member, 0, 100, "oldnew");
	expect_state(&member, 2, 6);
	member_finish(&member);
}

static void what_is_durable_here_and_not_committed_is_not_seen(void **state)
{
	struct member member;
	open_member(&member);
	member_append_text(&member, "old");
	host_settle(&member.host);
	/* As on a member whose leader has not told it yet. */
	struct log_tail applied = member.cluster->applied;
	member_append_text(&member, "new");
	host_settle(&member.host);
	struct log_tail later = member.cluster->applied;
	member.cluster->applied = applied;
	expect_absent(&member, 1);
	expect_stream(&member, 0, 100, "old");
	expect_stream(&member, 2, 100, "d");
	expect_stream(&member, 3, 100, "");
	expect_state(&member, 1, 3);
	member.cluster->applied = later;
	expect_stream(&member, 0, 100, "oldnew");
	member_finish(&member);
}

static void ask_back(struct sent *sent)
{
	member_expect_text(sent->member, sent->append.first_offset, "mine");
	expect_state(sent->member, 1, 4);
}

static void who_is_answered_can_read_what_it_wrote(void **state)
{
	struct member member;
	struct sent sent = {.then = ask_back};
	open_member(&member);
	member_send_text(&member, &sent, "mine");
	host_settle(&member.host);
	member_expect_done(&sent, 0);
	member_finish(&member);
}

/* ---- Records ---- */

static void a_record_has_its_bytes_and_its_attributes(void **state)
{
	struct member member;
	struct asked asked;
	open_member(&member);
	member.host.time_ns = 1800000000123456789u;
	append_letters(&member, 300);
	for (unsigned i = 0; i < 300; i++) {
		char text[100];
		uint32_t size = letters(text, i);
		member_expect(&member, i, text, size);
		assert_int_equal(member_read(&member, &asked, SERVICE_RECORD, i, 0), 0);
		struct service_record record = asked.read.record;
		assert_true(record.crc32c != 0);
		member_end(&member, &asked);
		assert_int_equal(member_read(&member, &asked, SERVICE_STAT, i, 0), 0);
		/* The same but for the checksum, and no bytes. */
		assert_int_equal(asked.read.record.offset, i);
		assert_int_equal(asked.read.record.entry, record.entry);
		assert_int_equal(asked.read.record.entry, 2 + i);
		assert_int_equal(asked.read.record.term, record.term);
		assert_int_equal(asked.read.record.time_ns, 1800000000123456789u);
		assert_int_equal(record.time_ns, 1800000000123456789u);
		assert_int_equal(asked.read.record.size, size);
		assert_int_equal(asked.read.record.crc32c, 0);
		assert_int_equal(asked.read.data_size, 0);
		member_end(&member, &asked);
	}
	member_finish(&member);
}

static void the_checksum_of_a_record_is_its_crc32c(void **state)
{
	struct member member;
	struct asked asked;
	open_member(&member);
	member_append_text(&member, "some other first");
	member_append_text(&member, "123456789");
	assert_int_equal(member_read(&member, &asked, SERVICE_RECORD, 1, 0), 0);
	/* The check value of CRC-32C in the catalogues. */
	assert_int_equal(asked.read.record.crc32c, 0xe3069283);
	member_end(&member, &asked);
	member_finish(&member);
}

static void the_state_tells_of_this_member_alone(void **state)
{
	struct member member;
	struct service_state service_state_of;
	struct service_member members[3];
	open_member(&member);
	member_append_text(&member, "x");
	host_settle(&member.host);
	service_state(member.service, &service_state_of);
	assert_true(service_state_of.self != 0 && service_state_of.self >> 48 == 0);
	assert_int_equal(service_state_of.leader, service_state_of.self);
	assert_int_equal(service_state_of.commit, 2);
	assert_int_equal(service_state_of.failure, 0);
	assert_true(service_state_of.term > 0);
	assert_int_equal(service_state_of.start_ns, member.host.time_ns);
	assert_int_equal(service_state_of.time_ns, member.host.time_ns);
	assert_int_equal(service_members(member.service, members, 3), 1);
	assert_int_equal(members[0].id, service_state_of.self);
	assert_string_equal(members[0].name, MEMBER_NAME);
	assert_string_equal(cluster_name(member.cluster), MEMBER_NAME);
	assert_int_equal(members[0].role, SERVICE_VOTER);
	assert_int_equal(members[0].state, SERVICE_LEADER);
	assert_int_equal(members[0].match, 2);
	assert_int_equal(members[0].lag, 0);
	/* Where there is no room for it, it is counted all the same. */
	assert_int_equal(service_members(member.service, NULL, 0), 1);
	/* What is on its way to disk is behind. */
	struct sent sent = {0};
	member_send_text(&member, &sent, "y");
	host_turn(&member.host);
	assert_int_equal(service_members(member.service, members, 3), 1);
	assert_int_equal(members[0].match, 2);
	assert_int_equal(members[0].lag, 1);
	member_finish(&member);
}

/* ---- The stream ---- */

/* All records joined, in plain. */
static size_t join(char *stream, unsigned count)
{
	char text[100];
	size_t size = 0;
	for (unsigned i = 0; i < count; i++) {
		uint32_t length = letters(text, i);
		memcpy(stream + size, text, length);
		size += length;
	}
	return size;
}

static void expect_whole_stream(struct member *member, const char *stream, size_t size, uint32_t piece)
{
	struct asked asked;
	size_t position = 0;
	while (position < size) {
		assert_int_equal(member_read(member, &asked, SERVICE_STREAM, position, piece), 0);
		assert_in_range(asked.read.data_size, 1, piece);
		assert_true(asked.read.data_size <= size - position);
		assert_memory_equal(asked.read.data, stream + position, asked.read.data_size);
		position += asked.read.data_size;
		member_end(member, &asked);
	}
	expect_stream(member, size, piece, "");
}

static void the_stream_is_all_records_joined_to_its_end(void **state)
{
	enum { COUNT = 1000 };
	static char stream[COUNT * 100];
	const uint32_t pieces[] = {1000, 4096, 77, SERVICE_READ_SIZE_MAX};
	struct member member;
	open_member(&member);
	append_letters(&member, COUNT);
	size_t size = join(stream, COUNT);
	/* Over several segments, in pieces of many sizes, also when nothing of it is in memory. */
	assert_true(member.cluster->log != NULL && size > 3 * LOG_SEGMENT_SIZE_MIN);
	for (unsigned i = 0; i < 4; i++)
		expect_whole_stream(&member, stream, size, pieces[i]);
	for (uint64_t position = 0; position < size; position += 997)
		expect_stream(&member, position, 1, (char[]){stream[position], '\0'});
	expect_stream(&member, 5, 0, "");
	member_reopen(&member);
	memory_disk_set_resident(member.memory, 0, 0);
	expect_whole_stream(&member, stream, size, 5000);
	member_finish(&member);
}

/* ---- Reads that must wait ---- */

static void a_read_that_would_block_goes_elsewhere_and_comes_back(void **state)
{
	struct member member;
	struct asked asked;
	open_member(&member);
	append_letters(&member, 20);
	memory_disk_set_resident(member.memory, 0, 0);
	for (unsigned kind = SERVICE_STAT; kind <= SERVICE_STREAM; kind++) {
		assert_int_equal(member_ask(&member, &asked, (enum service_read_kind)kind, 0, 10), SERVICE_PENDING);
		assert_int_equal(member.host.read_count, 1);
		assert_true(host_run_read(&member.host, 0));
		assert_int_equal(asked.answers, 0);
		assert_true(host_end_read(&member.host, 0));
		assert_int_equal(asked.answers, 1);
		assert_int_equal(asked.read.status, 0);
		if (kind != SERVICE_STAT)
			assert_memory_equal(asked.read.data, "aaaaaaaaaa", 10);
		member_end(&member, &asked);
	}
	member_finish(&member);
}

static void what_is_in_memory_is_answered_at_once(void **state)
{
	struct member member;
	struct asked asked;
	open_member(&member);
	append_letters(&member, 20);
	for (unsigned kind = SERVICE_STAT; kind <= SERVICE_STREAM; kind++) {
		assert_int_equal(member_ask(&member, &asked, (enum service_read_kind)kind, 0, 10), SERVICE_DONE);
		assert_false(host_busy(&member.host));
		member_end(&member, &asked);
	}
	member_finish(&member);
}

static void many_reads_come_back_in_any_order_each_with_its_own(void **state)
{
	enum { COUNT = 200, RECORDS = 700 };
	static char stream[RECORDS * 100];
	static struct asked asked[COUNT];
	struct member member;
	struct dice dice;
	dice_init(&dice, dice_seed("reads"));
	open_member(&member);
	append_letters(&member, RECORDS);
	size_t size = join(stream, RECORDS);
	/* Opened anew, the sealed segments' indexes and stores have to be brought in by the reads. */
	member_reopen(&member);
	memory_disk_set_resident(member.memory, 500, UINT32_MAX);
	for (unsigned i = 0; i < COUNT; i++) {
		enum service_read_kind kind = (enum service_read_kind)dice_below(&dice, 3);
		uint64_t at = dice_below(&dice, kind == SERVICE_STREAM ? size : RECORDS);
		assert_true(member_ask(&member, &asked[i], kind, at, 1 + (uint32_t)dice_below(&dice, 3000)) >= 0);
		while (dice_once_in(&dice, 2))
			host_step(&member.host);
	}
	host_settle(&member.host);
	for (unsigned i = 0; i < COUNT; i++) {
		char text[100];
		const struct service_read *read = &asked[i].read;
		assert_int_equal(read->status, 0);
		assert_int_equal(asked[i].answers, asked[i].rc == SERVICE_PENDING);
		if (read->kind == SERVICE_STREAM) {
			assert_true(read->data_size > 0);
			assert_memory_equal(read->data, stream + read->position, read->data_size);
		} else {
			assert_int_equal(read->record.offset, read->offset);
			assert_int_equal(read->record.size, letters(text, (unsigned)read->offset));
		}
		if (read->kind == SERVICE_RECORD)
			assert_memory_equal(read->data, text, read->data_size);
		member_end(&member, &asked[i]);
	}
	member_finish(&member);
}

static unsigned kept_reads(const struct member *member, size_t *memory)
{
	/* The first member of what is kept is the read of the log. */
	struct kept {
		struct log_read log;
		struct kept *next;
	};
	unsigned count = 0;
	*memory = 0;
	for (const struct kept *kept = (const void *)member->cluster->free_reads; kept != NULL; kept = kept->next) {
		count++;
		*memory += kept->log.buffer_size + kept->log.out_size;
	}
	return count;
}

static void the_memory_of_reads_is_used_again_and_large_buffers_are_let_go(void **state)
{
	struct member member;
	struct asked asked[8];
	size_t memory;
	unsigned char *data = calloc(1, SERVICE_RECORD_SIZE_MAX);
	assert_non_null(data);
	member_init(&member, 1);
	member.segment_size = 4u << 20;
	member_open(&member);
	member_append(&member, data, SERVICE_RECORD_SIZE_MAX);
	member_append_text(&member, "small");
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 8; i++)
			assert_int_equal(member_read(&member, &asked[i], SERVICE_RECORD, i % 2, 0), 0);
		for (unsigned i = 0; i < 8; i++)
			member_end(&member, &asked[i]);
	}
	assert_int_equal(kept_reads(&member, &memory), 8);
	assert_true(memory < SERVICE_RECORD_SIZE_MAX);
	free(data);
	member_finish(&member);
}

/* ---- Damage ---- */

/* Flips a byte of the last copy of some text in the first store. */
static void damage(struct member *member, const char *text)
{
	size_t size;
	const unsigned char *bytes = memory_disk_bytes(member->memory, STORE, &size);
	assert_non_null(bytes);
	for (size_t at = size - strlen(text); at > 0; at--) {
		if (memcmp(bytes + at, text, strlen(text)) != 0)
			continue;
		memory_disk_poke(member->memory, STORE, at, "~", 1);
		return;
	}
	fail_msg("there is no \"%s\" to damage", text);
}

static void a_record_that_is_damaged_is_an_error_and_the_others_are_not(void **state)
{
	struct member member;
	struct asked asked;
	open_member(&member);
	member_append_text(&member, "good one");
	member_append_text(&member, "bad one");
	member_append_text(&member, "third");
	host_settle(&member.host);
	damage(&member, "bad one");
	for (unsigned cold = 0; cold < 2; cold++) {
		if (cold == 1)
			memory_disk_set_resident(member.memory, 0, 0);
		member_expect_text(&member, 0, "good one");
		member_expect_text(&member, 2, "third");
		assert_int_equal(member_read(&member, &asked, SERVICE_RECORD, 1, 0), -EIO);
		assert_int_equal(asked.read.data_size, 0);
		member_end(&member, &asked);
		/* The stream is right up to it, and an error there. */
		expect_stream(&member, 0, 100, "good one");
		assert_int_equal(member_read(&member, &asked, SERVICE_STREAM, 8, 100), -EIO);
		assert_int_equal(asked.read.data_size, 0);
		member_end(&member, &asked);
		expect_stream(&member, 15, 100, "third");
	}
	/* Appends go on. */
	assert_int_equal(member_append_text(&member, "fourth"), 3);
	member_expect_text(&member, 3, "fourth");
	member_finish(&member);
}

static void a_disk_error_of_a_read_is_that_reads_alone(void **state)
{
	struct member member;
	struct asked asked;
	open_member(&member);
	append_letters(&member, 5);
	for (unsigned cold = 0; cold < 2; cold++) {
		if (cold == 1)
			memory_disk_set_resident(member.memory, 0, 0);
		faulty_disk_fail(member.faulty, FAULTY_READ, cold + 1, -EIO, FAULTY_ONCE);
		assert_int_equal(member_read(&member, &asked, SERVICE_RECORD, 2, 0), -EIO);
		member_end(&member, &asked);
		assert_int_equal(member_read(&member, &asked, SERVICE_RECORD, 2, 0), 0);
		member_end(&member, &asked);
	}
	assert_int_equal(member.host.failures, 0);
	assert_int_equal(member_append_text(&member, "on"), 5);
	member_finish(&member);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_yet_there_is_not_seen),
		cmocka_unit_test(a_record_is_seen_only_once_its_round_is_back),
		cmocka_unit_test(what_is_durable_here_and_not_committed_is_not_seen),
		cmocka_unit_test(who_is_answered_can_read_what_it_wrote),
		cmocka_unit_test(a_record_has_its_bytes_and_its_attributes),
		cmocka_unit_test(the_checksum_of_a_record_is_its_crc32c),
		cmocka_unit_test(the_state_tells_of_this_member_alone),
		cmocka_unit_test(the_stream_is_all_records_joined_to_its_end),
		cmocka_unit_test(a_read_that_would_block_goes_elsewhere_and_comes_back),
		cmocka_unit_test(what_is_in_memory_is_answered_at_once),
		cmocka_unit_test(many_reads_come_back_in_any_order_each_with_its_own),
		cmocka_unit_test(the_memory_of_reads_is_used_again_and_large_buffers_are_let_go),
		cmocka_unit_test(a_record_that_is_damaged_is_an_error_and_the_others_are_not),
		cmocka_unit_test(a_disk_error_of_a_read_is_that_reads_alone),
	};
	member_hush();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
