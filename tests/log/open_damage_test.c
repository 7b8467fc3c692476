/* Opening what is damaged, torn or newer. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/disk/memory.h"
#include "tests/log/damage.h"
#include "tests/log/script.h"

#define FIRST_STORE "log/00000000000000000001.store"
#define FIRST_INDEX "log/00000000000000000001.index"

static struct memory_disk *disk;
static struct model model;
static struct dice dice;

static int set_up(void **state)
{
	disk = memory_disk_create();
	dice_init(&dice, 3);
	return 0;
}

static int tear_down(void **state)
{
	assert_int_equal(memory_disk_handles(disk), 0);
	memory_disk_destroy(disk);
	model_finish(&model);
	return 0;
}

static struct log *open_log(void)
{
	return script_open(memory_disk_door(disk));
}

/* Checks that opening is refused, with the error and a sentence that names the file, and changes nothing. */
static void expect_refused(int error, const char *name)
{
	const struct log_options options = {
		.disk = memory_disk_door(disk), .path = "log", .segment_size = LOG_SEGMENT_SIZE_MIN};
	struct clog_error err = {0};
	struct log *log = NULL;
	uint64_t hash = memory_disk_hash(disk);
	assert_int_equal(log_open(&log, &options, &err), error);
	assert_null(log);
	assert_int_equal(err.code, error);
	if (strstr(err.text, name) == NULL)
		fail_msg("\"%s\" does not name %s", err.text, name);
	assert_true(memory_disk_hash(disk) == hash);
	assert_int_equal(memory_disk_handles(disk), 0);
	assert_int_equal(log_open(&log, &options, NULL), error);
}

/* Opens, compares with the model, appends, and closes. */
static void expect_whole(void)
{
	struct log *log = open_log();
	struct log_tail tail;
	log_tail(log, &tail);
	assert_int_equal(tail.entry, model.frame_count);
	script_expect(&model, log);
	script_append_one(log, &model, &dice, 100);
	script_expect(&model, log);
	log_close(log);
}

/* Opens: the damage is told of by these entries, they are damaged, and all others are whole. */
static void expect_damaged(uint64_t first_entry, uint64_t last_entry)
{
	struct log *log = open_log();
	const struct log_damage *damage;
	struct log_tail tail;
	struct clog_error err;
	log_tail(log, &tail);
	assert_int_equal(tail.entry, model.frame_count);
	assert_int_equal(log_damage(log, &damage), 1);
	assert_int_equal(damage[0].first_entry, first_entry);
	assert_int_equal(damage[0].last_entry, last_entry);
	assert_int_equal(damage[0].first_offset, model_next_offset(&model, first_entry - 1));
	assert_int_equal(damage[0].next_offset, model_next_offset(&model, last_entry));
	for (uint64_t entry = 1; entry <= model.frame_count; entry++) {
		bool damaged = entry >= first_entry && entry <= last_entry;
		assert_int_equal(model_check_frame(&model, log, entry, &err), damaged ? -EBADMSG : 0);
	}
	log_close(log);
}

/* A log of so many segments, sealed but for the last. */
static void make_log(uint32_t segments)
{
	struct log *log = open_log();
	script_fill(log, &model, &dice, segments, 1500);
	script_chores(log);
	script_append_one(log, &model, &dice, 300);
	script_append_one(log, &model, &dice, 300);
	log_close(log);
}

/* The store that begins with an entry of the model at or after this one. */
static void store_of(char path[64], uint64_t entry)
{
	size_t size;
	do
		snprintf(path, 64, "log/%020llu.store", (unsigned long long)entry++);
	while (memory_disk_bytes(disk, path, &size) == NULL && entry < model.frame_count + 2);
	assert_non_null(memory_disk_bytes(disk, path, &size));
}

static void a_newer_format_is_refused(void **state)
{
	char last[64];
	size_t size, frame;
	make_log(3);
	store_of(last, model.frame_count - 2);
	/* The version of the store, in its head: the page's first 512 bytes. */
	damage_reseal(disk, FIRST_STORE, 0, 512, 8, 2);
	expect_refused(-EPROTONOSUPPORT, FIRST_STORE);
	damage_reseal(disk, FIRST_STORE, 0, 512, 8, 1);
	/* Of the index, in the 160 bytes at its end. */
	assert_non_null(memory_disk_bytes(disk, FIRST_INDEX, &size));
	damage_reseal(disk, FIRST_INDEX, size - 160, 160, size - 160 + 8, 2);
	expect_refused(-EPROTONOSUPPORT, FIRST_INDEX);
	damage_reseal(disk, FIRST_INDEX, size - 160, 160, size - 160 + 8, 1);
	/* Of a frame, in its header of 88 bytes. */
	frame = damage_find(disk, last, "CLGF", 4, 0);
	damage_reseal(disk, last, frame, 88, frame + 4, 2);
	expect_refused(-EPROTONOSUPPORT, last);
	damage_reseal(disk, last, frame, 88, frame + 4, 1);
	expect_whole();
}

static void a_broken_head_is_reported(void **state)
{
	make_log(3);
	damage_flip(disk, FIRST_STORE, 100);
	expect_refused(-EBADMSG, FIRST_STORE);
	damage_flip(disk, FIRST_STORE, 100);
	expect_whole();
}

static void a_store_under_anothers_name_is_reported(void **state)
{
	struct log_disk *door = memory_disk_door(disk);
	make_log(1);
	assert_int_equal(door->rename(door, FIRST_STORE, "log/00000000000000000077.store"), 0);
	expect_refused(-EBADMSG, "00000000000000000077.store");
}

static void a_gap_between_segments_is_reported(void **state)
{
	struct log_disk *door = memory_disk_door(disk);
	char second[64];
	make_log(4);
	store_of(second, 2);
	assert_int_equal(door->remove(door, second), 0);
	expect_refused(-EBADMSG, FIRST_INDEX);
}

static void a_mark_without_a_valid_slot_is_reported(void **state)
{
	char last[64];
	make_log(2);
	store_of(last, 2);
	damage_flip(disk, last, damage_find(disk, last, "CELL", 4, 0) + 30);
	expect_whole();
	damage_flip(disk, last, damage_find(disk, last, "CELL", 4, 0) + 31);
	damage_flip(disk, last, damage_find(disk, last, "CELL", 4, 1) + 31);
	expect_refused(-EBADMSG, last);
}

/* A cut deletes a store and its index, and a power cut may undo the one and not the other: the log must never take that
 * index for the state that it begins with. */
static void an_index_without_its_store_is_deleted(void **state)
{
	size_t size;
	make_log(2);
	const unsigned char *index = memory_disk_bytes(disk, FIRST_INDEX, &size);
	unsigned char *copy = malloc(size);
	assert_non_null(copy);
	memcpy(copy, index, size);
	memory_disk_put(disk, "log/00000000000000009999.index", copy, size);
	free(copy);
	expect_whole();
	assert_null(memory_disk_bytes(disk, "log/00000000000000009999.index", &size));
	assert_non_null(memory_disk_bytes(disk, FIRST_INDEX, &size));
}

/* Three frames; the mark names what was durable before the last one was written: two. */
static void a_torn_tail_is_cut_only_past_the_mark(void **state)
{
	const char *texts[] = {"the first record", "the second record", "the third record"};
	struct log *log = open_log();
	for (unsigned i = 0; i < 3; i++) {
		struct log_tail tail;
		struct log_frame *frame;
		log_tail(log, &tail);
		assert_int_equal(log_frame_create(&frame), 0);
		assert_int_equal(log_frame_add(frame, texts[i], strlen(texts[i])), 0);
		log_frame_close(frame, &tail, &(struct log_header){.term = 1, .type = LOG_RECORDS, .time_ns = i + 1});
		script_append(log, &model, frame);
		script_sync(log);
	}
	log_close(log);
	size_t places[3];
	for (unsigned i = 0; i < 3; i++)
		places[i] = damage_find(disk, FIRST_STORE, texts[i], strlen(texts[i]), 0);
	for (unsigned i = 0; i < 2; i++) {
		damage_flip(disk, FIRST_STORE, places[i]);
		expect_damaged(i + 1, i + 1);
		damage_flip(disk, FIRST_STORE, places[i]);
	}
	damage_flip(disk, FIRST_STORE, places[2]);
	model_cut(&model, 2);
	expect_whole();
	expect_whole();
}

static void an_idle_log_is_marked_to_its_end(void **state)
{
	struct log *log = open_log();
	script_append_one(log, &model, &dice, 500);
	script_mark(log);
	log_close(log);
	damage_flip(disk, FIRST_STORE, 4096 + 100);
	expect_damaged(1, 1);
}

static void an_index_that_is_missing_or_anothers_is_made_again(void **state)
{
	struct log_disk *door = memory_disk_door(disk);
	size_t size, first_size;
	make_log(4);
	unsigned char *first = damage_copy(disk, FIRST_INDEX, &first_size);
	char second[64];
	store_of(second, 2);
	memcpy(strrchr(second, '.'), ".index", 7);
	assert_non_null(memory_disk_bytes(disk, second, &size));
	memory_disk_put(disk, second, first, first_size);
	expect_whole();
	assert_int_equal(door->remove(door, FIRST_INDEX), 0);
	expect_whole();
	struct log *log = open_log();
	assert_true(script_chores(log) > 0);
	script_expect(&model, log);
	log_close(log);
	const unsigned char *made = memory_disk_bytes(disk, FIRST_INDEX, &size);
	assert_non_null(made);
	assert_int_equal(size, first_size);
	assert_memory_equal(made, first, size);
	free(first);
	expect_whole();
}

static void a_damaged_store_without_its_index_is_reported(void **state)
{
	struct log_disk *door = memory_disk_door(disk);
	make_log(3);
	damage_flip(disk, FIRST_STORE, 4096 + 40);
	assert_int_equal(door->remove(door, FIRST_INDEX), 0);
	expect_damaged(1, 1);
}

/* The store after a sealed one tells what the log was before it, as the sealed one's index does: entry, term, offset,
 * stream, time and chain must agree. */
static void a_head_that_does_not_fit_the_segment_before_is_reported(void **state)
{
	const size_t fields[] = {24, 32, 40, 48, 56};
	char second[64];
	size_t size;
	make_log(3);
	store_of(second, 2);
	for (unsigned i = 0; i < sizeof fields / sizeof fields[0]; i++) {
		unsigned char right = memory_disk_bytes(disk, second, &size)[fields[i]];
		damage_reseal(disk, second, 0, 512, fields[i], right ^ 0x40);
		expect_refused(-EBADMSG, FIRST_STORE);
		damage_reseal(disk, second, 0, 512, fields[i], right);
	}
	expect_whole();
}

/* The store that ends too early has no frame where the next segment says that one was. */
static void a_segment_that_lost_its_end_is_reported(void **state)
{
	struct log_disk *door = memory_disk_door(disk);
	char second[64];
	size_t size;
	make_log(3);
	store_of(second, 2);
	uint64_t last_entry = strtoull(second + strlen("log/"), NULL, 10) - 1;
	size_t frame = damage_find(disk, FIRST_STORE, "CLGF", 4, 2);
	unsigned char *copy = damage_copy(disk, FIRST_STORE, &size);
	assert_int_equal(door->remove(door, FIRST_INDEX), 0);
	memory_disk_put(disk, FIRST_STORE, copy, frame + 50);
	expect_damaged(3, last_entry);
	memory_disk_put(disk, FIRST_STORE, copy, size);
	free(copy);
	expect_whole();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_newer_format_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_broken_head_is_reported, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_store_under_anothers_name_is_reported, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_gap_between_segments_is_reported, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_mark_without_a_valid_slot_is_reported, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_index_without_its_store_is_deleted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_torn_tail_is_cut_only_past_the_mark, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_idle_log_is_marked_to_its_end, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_index_that_is_missing_or_anothers_is_made_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_damaged_store_without_its_index_is_reported, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_head_that_does_not_fit_the_segment_before_is_reported, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_segment_that_lost_its_end_is_reported, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
