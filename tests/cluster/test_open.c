#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "cluster/identity.h"
#include "cluster/state.h"
#include "tests/cluster/member.h"

/* Opens with these options, which must be refused with the code and a sentence that has the words. */
static void expect_refused(struct member *member, const struct cluster_options *options, int code, const char *words)
{
	struct clog_error err = {0};
	struct cluster *cluster = NULL;
	unsigned handles = memory_disk_handles(member->memory);
	assert_int_equal(cluster_open(&cluster, options, &member->host.door, &err), code);
	assert_null(cluster);
	assert_int_equal(err.code, code);
	if (strstr(err.text, words) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", err.text, words);
	assert_int_equal(memory_disk_handles(member->memory), handles);
	assert_false(host_busy(&member->host));
}

static struct cluster_options options_of(const char *name)
{
	return (struct cluster_options){.data = MEMBER_DATA, .name = name, .segment_size = LOG_SEGMENT_SIZE_MIN};
}

static void expect_no_start(struct member *member, int code, const char *words)
{
	const struct cluster_options options = options_of(NULL);
	expect_refused(member, &options, code, words);
	/* Nor is it different the second time. */
	expect_refused(member, &options, code, words);
}

/* A member that has lived, and was closed; with some records. */
static void closed_member(struct member *member, unsigned records)
{
	member_init(member, 1);
	member_open(member);
	for (unsigned i = 0; i < records; i++)
		member_append_text(member, "record");
	member_close(member);
}

static uint64_t id_of(struct member *member)
{
	struct service_state state;
	service_state(member->service, &state);
	return state.self;
}

/* ---- Bootstrap and restart ---- */

static void an_empty_folder_becomes_a_cluster_of_one(void **state)
{
	struct member member;
	struct identity identity;
	member_init(&member, 1);
	/* Also when it is there already, and a filesystem's own folder is in it. */
	struct log_disk *door = memory_disk_door(member.memory);
	assert_int_equal(door->make_folder(door, MEMBER_DATA), 0);
	assert_int_equal(door->make_folder(door, MEMBER_DATA "/lost+found"), 0);
	member_open(&member);
	assert_int_equal(identity_load(&identity, door, MEMBER_DATA, NULL), 0);
	assert_int_equal(identity.id, id_of(&member));
	assert_string_equal(identity.name, MEMBER_NAME);
	assert_string_equal(identity.cluster, "clog");
	assert_int_equal(member_next(&member), 0);
	assert_int_equal(member_append_text(&member, "first"), 0);
	member_finish(&member);
}

static void names_and_ids_are_the_members_for_life(void **state)
{
	struct member member;
	struct clog_error err = {0};
	struct cluster_options options = options_of("node-1");
	options.cluster = "prod";
	member_init(&member, 1);
	assert_int_equal(cluster_open(&member.cluster, &options, &member.host.door, &err), 0);
	member.service = cluster_service(member.cluster);
	uint64_t id = id_of(&member);
	assert_true(id > 0 && id >> 48 == 0);
	member_close(&member);
	/* Without a name, or with its own, it is the same; another cluster's name is of new clusters alone. */
	for (unsigned i = 0; i < 2; i++) {
		struct identity identity;
		options.name = i == 0 ? NULL : "node-1";
		options.cluster = "other";
		assert_int_equal(cluster_open(&member.cluster, &options, &member.host.door, &err), 0);
		assert_string_equal(cluster_name(member.cluster), "node-1");
		assert_int_equal(identity_load(&identity, memory_disk_door(member.memory), MEMBER_DATA, NULL), 0);
		assert_string_equal(identity.cluster, "prod");
		assert_int_equal(identity.id, id);
		member_close(&member);
	}
	expect_refused(&member, &(struct cluster_options){.data = MEMBER_DATA, .name = "node-2"}, -EINVAL,
	               "\"node-1\"");
	expect_refused(&member, &(struct cluster_options){.data = MEMBER_DATA, .name = "node-2"}, -EINVAL,
	               "\"node-2\"");
	member_finish(&member);
}

static void two_members_have_different_ids(void **state)
{
	struct member one, other;
	member_init(&one, 1);
	member_init(&other, 2);
	member_open(&one);
	member_open(&other);
	assert_int_not_equal(id_of(&one), id_of(&other));
	member_finish(&one);
	member_finish(&other);
}

static void a_restart_finds_all_that_was_there(void **state)
{
	struct member member;
	struct service_state before, after;
	member_init(&member, 1);
	member_open(&member);
	for (unsigned i = 0; i < 5; i++) {
		unsigned char data[700];
		memset(data, 'a' + (int)i, sizeof data);
		for (unsigned record = 0; record < 20; record++)
			assert_int_equal(member_append(&member, data, sizeof data), i * 20 + record);
		host_settle(&member.host);
		service_state(member.service, &before);
		member.host.time_ns += 1000000000;
		member_reopen(&member);
		service_state(member.service, &after);
		assert_int_equal(after.next_offset, before.next_offset);
		assert_int_equal(after.stream_end, before.stream_end);
		assert_int_equal(after.time_ns, before.time_ns);
		assert_int_equal(after.self, before.self);
		assert_int_equal(after.commit, before.commit);
		assert_true(after.term >= before.term);
		assert_int_equal(after.start_ns, member.host.time_ns);
		for (unsigned record = 0; record <= i * 20; record += 20) {
			memset(data, 'a' + (int)(record / 20), sizeof data);
			member_expect(&member, record, data, sizeof data);
		}
	}
	member_finish(&member);
}

static void a_new_member_of_no_name_is_refused(void **state)
{
	struct member member;
	member_init(&member, 1);
	const struct cluster_options options = options_of(NULL);
	expect_refused(&member, &options, -ENODATA, MEMBER_DATA);
	/* That tried, a name makes it one. */
	member_open(&member);
	member_finish(&member);
}

static void bad_names_are_refused_with_the_name(void **state)
{
	static const char *const bad[] = {
		"", ".hidden", "a b", "a/b", "..", "0123456789012345678901234567890123456789012345678901234567890123"};
	struct member member;
	member_init(&member, 1);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct cluster_options options = options_of(bad[i]);
		expect_refused(&member, &options, -EINVAL, bad[i]);
		options.cluster = bad[i];
		options.name = "good";
		expect_refused(&member, &options, -EINVAL, bad[i]);
	}
	/* Nothing was made of them. */
	member_open(&member);
	member_finish(&member);
}

/* ---- Refused folders ---- */

static void a_folder_in_use_is_refused(void **state)
{
	struct member member;
	member_init(&member, 1);
	member_open(&member);
	struct host other;
	struct cluster *cluster = NULL;
	struct clog_error err = {0};
	const struct cluster_options options = options_of(MEMBER_NAME);
	host_init(&other, memory_disk_door(member.memory), 2);
	assert_int_equal(cluster_open(&cluster, &options, &other.door, &err), -EBUSY);
	assert_non_null(strstr(err.text, MEMBER_DATA));
	/* The one that has it goes on. */
	assert_int_equal(member_append_text(&member, "x"), 0);
	member_finish(&member);
}

static void a_folder_with_other_things_in_it_is_refused_by_their_name(void **state)
{
	struct member member;
	member_init(&member, 1);
	struct log_disk *door = memory_disk_door(member.memory);
	assert_int_equal(door->make_folder(door, MEMBER_DATA), 0);
	memory_disk_put(member.memory, MEMBER_DATA "/thesis.tex", "precious", 8);
	const struct cluster_options options = options_of(MEMBER_NAME);
	expect_refused(&member, &options, -ENOTEMPTY, "\"thesis.tex\"");
	/* A member's folder that lost its identity is no empty one. */
	assert_int_equal(door->remove(door, MEMBER_DATA "/thesis.tex"), 0);
	member_open(&member);
	member_close(&member);
	assert_int_equal(door->remove(door, MEMBER_DATA "/identity"), 0);
	expect_refused(&member, &options, -ENOTEMPTY, MEMBER_DATA);
	member_finish(&member);
}

static void a_path_that_is_a_file_is_refused(void **state)
{
	struct member member;
	member_init(&member, 1);
	memory_disk_put(member.memory, MEMBER_DATA, "x", 1);
	const struct cluster_options options = options_of(MEMBER_NAME);
	expect_refused(&member, &options, -EEXIST, MEMBER_DATA);
	member_finish(&member);
}

static void a_bad_segment_size_is_refused(void **state)
{
	struct member member;
	member_init(&member, 1);
	struct cluster_options options = options_of(MEMBER_NAME);
	options.segment_size = 5;
	expect_refused(&member, &options, -EINVAL, "segment size 5");
	member_finish(&member);
}

static void the_folder_above_need_not_be_ours_to_sync(void **state)
{
	const int errors[] = {-EACCES, -EINVAL};
	for (unsigned i = 0; i < 2; i++) {
		struct member member;
		member_init(&member, 1);
		/* The first folder that is synced is the data folder, the second one that above it. */
		faulty_disk_fail(member.faulty, FAULTY_SYNC_FOLDER, 2, errors[i], FAULTY_ONCE);
		member_open(&member);
		assert_true(faulty_disk_fired(member.faulty));
		member_finish(&member);
	}
}

/* ---- Lost and damaged files ---- */

static void remove_log(struct member *member)
{
	struct log_disk *door = memory_disk_door(member->memory);
	assert_int_equal(door->remove(door, MEMBER_DATA "/log/00000000000000000001.store"), 0);
}

static void a_lost_log_is_found_out(void **state)
{
	struct member member;
	closed_member(&member, 3);
	remove_log(&member);
	expect_no_start(&member, -EBADMSG, MEMBER_DATA "/log");
	member_finish(&member);
}

static void a_lost_vote_is_found_out(void **state)
{
	struct member member;
	closed_member(&member, 3);
	struct log_disk *door = memory_disk_door(member.memory);
	assert_int_equal(door->remove(door, MEMBER_DATA "/vote"), 0);
	expect_no_start(&member, -EBADMSG, MEMBER_DATA "/vote");
	member_finish(&member);
}

/* Damages both slots of a cell. */
static void damage_cell(struct member *member, const char *path)
{
	memory_disk_poke(member->memory, path, 100, "~", 1);
	memory_disk_poke(member->memory, path, LOG_CELL_SLOT_SIZE + 100, "~", 1);
}

static void a_corrupt_identity_is_refused_by_its_name(void **state)
{
	struct member member;
	closed_member(&member, 1);
	damage_cell(&member, MEMBER_DATA "/identity");
	expect_no_start(&member, -EBADMSG, MEMBER_DATA "/identity");
	memory_disk_put(member.memory, MEMBER_DATA "/identity", "", 0);
	expect_no_start(&member, -EBADMSG, MEMBER_DATA "/identity");
	member_finish(&member);
}

static void a_corrupt_vote_is_refused_by_its_name(void **state)
{
	struct member member;
	closed_member(&member, 1);
	damage_cell(&member, MEMBER_DATA "/vote");
	expect_no_start(&member, -EBADMSG, MEMBER_DATA "/vote");
	memory_disk_put(member.memory, MEMBER_DATA "/vote", "", 0);
	expect_no_start(&member, -EBADMSG, MEMBER_DATA "/vote");
	member_finish(&member);
}

static void one_corrupt_slot_of_each_is_made_good(void **state)
{
	struct member member;
	closed_member(&member, 1);
	for (unsigned slot = 0; slot < 2; slot++) {
		memory_disk_poke(member.memory, MEMBER_DATA "/identity", slot * LOG_CELL_SLOT_SIZE + 40, "~", 1);
		memory_disk_poke(member.memory, MEMBER_DATA "/vote", slot * LOG_CELL_SLOT_SIZE + 20, "~", 1);
		if (slot == 1)
			break;
		member_open(&member);
		assert_int_equal(member_next(&member), 1);
		member_close(&member);
	}
	expect_no_start(&member, -EBADMSG, MEMBER_DATA "/identity");
	member_finish(&member);
}

static void a_vote_older_than_the_log_is_found_out(void **state)
{
	struct member member;
	closed_member(&member, 1);
	/* As when a copy of the file is put back that was made before the log's last term. */
	struct log_cell cell = {0};
	const uint64_t value[2] = {0, 0};
	struct log_disk *door = memory_disk_door(member.memory);
	assert_int_equal(door->remove(door, MEMBER_DATA "/vote"), 0);
	assert_int_equal(log_cell_save(door, MEMBER_DATA, MEMBER_DATA "/vote", &cell, value, sizeof value, NULL), 0);
	expect_no_start(&member, -EBADMSG, MEMBER_DATA "/vote");
	member_finish(&member);
}

/* Puts a log of other entries in the place of a member's. */
static void put_entry(struct member *member, enum log_type type, const void *data, size_t size)
{
	struct log *log;
	struct log_frame *frame;
	struct log_tail tail;
	const struct log_header header = {.term = 1, .type = type};
	const struct log_options options = {.disk = memory_disk_door(member->memory),
	                                    .path = MEMBER_DATA "/log",
	                                    .segment_size = LOG_SEGMENT_SIZE_MIN};
	assert_int_equal(log_open(&log, &options, NULL), 0);
	assert_int_equal(log_frame_create(&frame), 0);
	if (data != NULL)
		assert_int_equal(log_frame_add(frame, data, size), 0);
	log_tail(log, &tail);
	log_frame_close(frame, &tail, &header);
	assert_int_equal(log_append(log, frame, NULL), 0);
	log_frame_unref(frame);
	assert_int_equal(log_sync(log, NULL), 0);
	log_close(log);
}

static void a_log_that_begins_with_no_configuration_is_refused(void **state)
{
	static const enum log_type types[] = {LOG_RECORDS, LOG_CONFIGURATION, LOG_CONFIGURATION};
	static const char *const items[] = {"a record", "no members", NULL};
	for (unsigned i = 0; i < 3; i++) {
		struct member member;
		closed_member(&member, 0);
		remove_log(&member);
		put_entry(&member, types[i], items[i], items[i] == NULL ? 0 : strlen(items[i]));
		expect_no_start(&member, -EBADMSG, MEMBER_DATA "/log");
		member_finish(&member);
	}
}

/* So does the log of one that joins look before the entry that takes it in has come. */
static void a_log_of_another_member_is_not_led(void **state)
{
	struct member one, other;
	closed_member(&one, 1);
	member_init(&other, 2);
	member_open(&other);
	member_close(&other);
	size_t size;
	static unsigned char bytes[LOG_SEGMENT_SIZE_MIN];
	const unsigned char *store = memory_disk_bytes(other.memory, MEMBER_DATA "/log/00000000000000000001.store",
	                                               &size);
	assert_true(size <= sizeof bytes);
	memcpy(bytes, store, size);
	memory_disk_put(one.memory, MEMBER_DATA "/log/00000000000000000001.store", bytes, size);
	const struct cluster_options options = options_of(NULL);
	struct clog_error err = {0};
	struct cluster *cluster;
	assert_int_equal(cluster_open(&cluster, &options, &one.host.door, &err), 0);
	assert_int_equal(cluster_start(cluster, &err), 0);
	assert_false(cluster_leads(cluster));
	assert_int_equal(core_role(cluster->core), CORE_FOLLOWER);
	cluster_close(cluster);
	member_finish(&one);
	member_finish(&other);
}

static void a_log_without_its_configuration_is_refused(void **state)
{
	struct member member;
	closed_member(&member, 3);
	/* In the first frame's header, which the durable mark covers. */
	memory_disk_poke(member.memory, MEMBER_DATA "/log/00000000000000000001.store", 4096 + 20, "~", 1);
	expect_no_start(&member, -EBADMSG, MEMBER_DATA "/log: corrupt: it has no configuration");
	member_finish(&member);
}

/* What was proposed in the term before may be on another's disk, with the number that the next proposal gets. */
static void each_start_has_a_term_of_its_own(void **state)
{
	struct member member;
	struct service_state before, after;
	closed_member(&member, 3);
	member_open(&member);
	service_state(cluster_service(member.cluster), &before);
	member_reopen(&member);
	service_state(cluster_service(member.cluster), &after);
	assert_true(after.term > before.term);
	member_finish(&member);
}

static void closing_nothing_is_allowed(void **state)
{
	cluster_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_folder_becomes_a_cluster_of_one),
		cmocka_unit_test(names_and_ids_are_the_members_for_life),
		cmocka_unit_test(two_members_have_different_ids),
		cmocka_unit_test(a_restart_finds_all_that_was_there),
		cmocka_unit_test(a_new_member_of_no_name_is_refused),
		cmocka_unit_test(bad_names_are_refused_with_the_name),
		cmocka_unit_test(a_folder_in_use_is_refused),
		cmocka_unit_test(a_folder_with_other_things_in_it_is_refused_by_their_name),
		cmocka_unit_test(a_path_that_is_a_file_is_refused),
		cmocka_unit_test(a_bad_segment_size_is_refused),
		cmocka_unit_test(the_folder_above_need_not_be_ours_to_sync),
		cmocka_unit_test(a_lost_log_is_found_out),
		cmocka_unit_test(a_lost_vote_is_found_out),
		cmocka_unit_test(a_corrupt_identity_is_refused_by_its_name),
		cmocka_unit_test(a_corrupt_vote_is_refused_by_its_name),
		cmocka_unit_test(one_corrupt_slot_of_each_is_made_good),
		cmocka_unit_test(a_vote_older_than_the_log_is_found_out),
		cmocka_unit_test(a_log_that_begins_with_no_configuration_is_refused),
		cmocka_unit_test(a_log_of_another_member_is_not_led),
		cmocka_unit_test(a_log_without_its_configuration_is_refused),
		cmocka_unit_test(each_start_has_a_term_of_its_own),
		cmocka_unit_test(closing_nothing_is_allowed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
