/* A frame whose header is right and whose body is damaged: what is whole of it is served, and never what only looks so. */
#include <endian.h>
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
#include "tests/log/checksum.h"
#include "tests/log/damage.h"
#include "tests/log/parts.h"
#include "tests/log/script.h"

#define STORE "log/00000000000000000001.store"
#define FIRST_ITEM (4096u + 88)
#define ITEM_SIZE 8u
#define RECORDS_MAX 1000u

/* A log of one damaged frame, and one after it that is whole. */
static struct memory_disk *disk;
static struct model model;
static struct dice dice;
static unsigned char bytes[2 << 20]; /* of the frame's records */
static uint32_t sizes[RECORDS_MAX], count;

/* Decides the sizes of the records, and fills them with random bytes. */
static void begin(const uint32_t *of, uint32_t records)
{
	size_t size = 0;
	disk = memory_disk_create();
	dice_init(&dice, 77);
	count = records;
	for (uint32_t i = 0; i < count; i++)
		size += sizes[i] = of[i];
	assert_true(size <= sizeof bytes);
	dice_fill(&dice, bytes, size);
}

/* Where a record's bytes are in those of all. */
static unsigned char *record(uint32_t i)
{
	size_t at = 0;
	while (i-- > 0)
		at += sizes[i];
	return bytes + at;
}

/* Where its item stands in the store. */
static size_t place(uint32_t i)
{
	return FIRST_ITEM + (size_t)i * ITEM_SIZE + (size_t)(record(i) - bytes);
}

/* Makes an item of the bytes that follow at + 8, as it would stand in a frame. */
static void forge(unsigned char *at, uint64_t offset, uint32_t size)
{
	uint32_t mask = (uint32_t)((offset * 0x9e3779b97f4a7c15u) >> 32);
	uint32_t numbers[2] = {htole32(size), htole32(checksum_crc32c(at + ITEM_SIZE, size) ^ mask)};
	memcpy(at, numbers, sizeof numbers);
}

static void append(void)
{
	const uint32_t others[] = {20, 0, 30};
	struct log *log = script_open(memory_disk_door(disk));
	struct log_frame *frame;
	struct log_tail tail;
	log_tail(log, &tail);
	assert_int_equal(log_frame_create(&frame), 0);
	assert_int_equal(log_frame_add_many(frame, bytes, sizes, count), 0);
	log_frame_close(frame, &tail, &(struct log_header){.term = 1, .type = LOG_RECORDS, .time_ns = 5});
	script_append(log, &model, frame);
	script_append(log, &model, script_frame(log, &dice, 1, others, 3));
	script_sync(log);
	script_mark(log);
	log_close(log);
}

static void set_size(uint32_t i, uint32_t size)
{
	size = htole32(size);
	memory_disk_poke(disk, STORE, place(i), &size, sizeof size);
}

/* Compares a log: w is served, d is not, e may be or not; nothing is wrong. */
static void expect_of(struct log *log, const char *records)
{
	unsigned char frames[2] = {PART_DAMAGED, PART_WHOLE}, of[RECORDS_MAX + 3] = {0};
	const struct parts parts = {.model = &model, .frames = frames, .records = of};
	struct clog_error err = {0};
	for (uint32_t i = 0; i < count; i++)
		of[i] = records[i] == 'd' ? PART_DAMAGED : records[i] == 'e' ? PART_EITHER : PART_WHOLE;
	if (parts_check(&parts, log, 1, &err) != 0)
		fail_msg("%s: %s", records, err.text);
}

static void expect(const char *records)
{
	struct log *log = script_open(memory_disk_door(disk));
	expect_of(log, records);
	log_close(log);
}

static void end(void)
{
	assert_int_equal(memory_disk_handles(disk), 0);
	memory_disk_destroy(disk);
	model_finish(&model);
	model = (struct model){0};
}

/* A record with a copy of what an item after it could be. Its size is damaged, in one way to just that place. */
static void items_within_a_record_are_not_taken_for_the_frames_own(void **state)
{
	const uint32_t of[] = {300, 50, 60}, wrong[] = {100, 0, 92, 301, 428, 0x7fffffff, 0xffffffff};
	for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		begin(of, 3);
		forge(record(0) + 100, 1, 40);
		append();
		set_size(0, wrong[i]);
		expect("dww");
		end();
	}
}

/* The whole rest of the frame, as it could be, is in a record, and more of it before the frame's end. */
static void items_within_a_record_that_lead_to_another_place_are_not_taken(void **state)
{
	const uint32_t of[] = {900, 0, 0, 60}, wrong[] = {100, 148, 196, 0};
	for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		begin(of, 4);
		for (uint32_t k = 0; k < 3; k++)
			forge(record(0) + 100 + k * 48, 1 + k, 40);
		append();
		set_size(0, wrong[i]);
		expect("dwww");
		end();
	}
}

/* What looks like the second item takes in the second one, and ends where that does: who wrote the frame made it so. Which
 * of them it is cannot be told. */
static void where_two_ways_lead_to_the_end_neither_is_taken(void **state)
{
	const uint32_t of[] = {300, 50, 60}, wrong[] = {100, 0, 301, 0x7fffffff};
	for (unsigned i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		unsigned char image[300 + ITEM_SIZE + 50];
		begin(of, 3);
		memcpy(image, record(0), 300);
		memcpy(image + 300 + ITEM_SIZE, record(1), 50);
		forge(image + 300, 1, 50);
		forge(image + 100, 1, 192 + ITEM_SIZE + 50);
		memcpy(record(0), image, 300);
		append();
		set_size(0, wrong[i]);
		expect("ddw");
		end();
	}
}

/* What looks like the third item begins so near to the damaged one that there is no room for the second. */
static void an_item_that_leaves_no_room_for_those_before_it_is_none(void **state)
{
	const uint32_t of[] = {100, 20, 30, 40};
	unsigned char image[100 + ITEM_SIZE + 20 + ITEM_SIZE + 30];
	begin(of, 4);
	memcpy(image, record(0), 100);
	memcpy(image + 100 + ITEM_SIZE, record(1), 20);
	forge(image + 100, 1, 20);
	memcpy(image + 128 + ITEM_SIZE, record(2), 30);
	forge(image + 128, 2, 30);
	forge(image, 2, sizeof image - ITEM_SIZE);
	memcpy(record(0), image, 100);
	append();
	set_size(0, 5);
	expect("dwww");
	end();
}

/* The last record ends with what looks like it. */
static void an_end_that_looks_like_the_last_item_is_not_taken_for_it(void **state)
{
	const uint32_t of[] = {50, 60, 300};
	for (uint32_t damaged = 0; damaged < 3; damaged++) {
		begin(of, 3);
		forge(record(2) + 200, 2, 92);
		/* Of the one before it there seem to be three, one in the other. */
		forge(record(2) + 150, 1, 42);
		forge(record(2) + 100, 1, 92);
		forge(record(2) + 50, 1, 142);
		append();
		set_size(damaged, damaged == 2 ? 92 : 77);
		/* Before it all is known from the front. */
		expect(damaged == 0 ? "dee" : damaged == 1 ? "wde" : "wwd");
		end();
	}
}

/* A sector of zeros in a frame of many records: those that it touches are lost, and no others. */
static void a_lost_sector_costs_the_records_in_it(void **state)
{
	static const unsigned char zeros[512];
	for (size_t from = FIRST_ITEM; from + 512 < FIRST_ITEM + 100 * 38; from += 101) {
		uint32_t of[100];
		char records[101] = {0};
		for (uint32_t i = 0; i < 100; i++)
			of[i] = 30;
		begin(of, 100);
		append();
		memory_disk_poke(disk, STORE, from, zeros, sizeof zeros);
		for (uint32_t i = 0; i < 100; i++)
			records[i] = place(i) + 38 <= from || place(i) >= from + 512 ? 'w' : 'd';
		expect(records);
		end();
	}
}

/* Zeros are what an empty record at offset 0 looks like: they are not taken for it, nor is it for damage. */
static void zeros_are_not_taken_for_an_empty_record(void **state)
{
	static const unsigned char zeros[512];
	const uint32_t of[] = {30, 20, 40};
	for (size_t size = 8; size < 90; size += 3) {
		begin(of, 3);
		append();
		struct log *log = script_open(memory_disk_door(disk));
		memory_disk_poke(disk, STORE, FIRST_ITEM, zeros, size);
		expect_of(log, size <= 38 ? "dww" : size <= 66 ? "ddw" : "ddd");
		log_close(log);
		expect(size <= 38 ? "dww" : size <= 66 ? "ddw" : "ddd");
		end();
	}
	for (uint32_t damaged = 1; damaged < 3; damaged++) {
		const uint32_t empty[] = {0, 20, 40};
		begin(empty, 3);
		append();
		damage_flip(disk, STORE, place(damaged) + ITEM_SIZE);
		expect(damaged == 1 ? "wdw" : "wwd");
		end();
	}
}

/* Several records are damaged in their bytes, and what is between them is whole. */
static void damaged_bytes_in_many_places_cost_their_records(void **state)
{
	const uint32_t of[] = {40, 50, 0, 60, 70, 80, 0, 90};
	for (unsigned damaged = 1; damaged < 256; damaged++) {
		char records[9] = {0};
		bool any = false;
		begin(of, 8);
		append();
		for (uint32_t i = 0; i < 8; i++) {
			bool is = (damaged & (1u << i)) && of[i] > 0;
			records[i] = is ? 'd' : 'w';
			any = any || is;
			if (is)
				damage_flip(disk, STORE, place(i) + ITEM_SIZE + of[i] / 2);
		}
		if (any)
			expect(records);
		end();
	}
}

/* Two sizes are damaged, or one and some bytes: what is before the first and after the last is served. */
static void what_is_around_several_damages_is_served(void **state)
{
	const uint32_t of[] = {40, 50, 60, 70, 80, 90}, wrong[] = {0, 1, 42, 58, 100, 0x7fffffff};
	for (unsigned i = 0; i < 36; i++) {
		begin(of, 6);
		append();
		set_size(1, wrong[i % 6]);
		if (i < 18)
			set_size(4, wrong[i / 6]);
		else
			damage_flip(disk, STORE, place(4) + ITEM_SIZE + i);
		expect("wdeedw");
		end();
	}
}

/* A size leads to where there is no room for an item any more. */
static void sizes_that_leave_no_room_for_the_next_are_not_taken(void **state)
{
	const uint32_t of[] = {10, 20, 30};
	for (uint32_t wrong = 30; wrong < 40; wrong++) {
		begin(of, 3);
		append();
		set_size(0, wrong);
		damage_flip(disk, STORE, place(1) + ITEM_SIZE);
		expect("ddw");
		end();
	}
}

/* The last record's bytes, read as sizes, all lead to its end: so many checksums are not made. */
static void a_frame_made_to_take_long_is_given_up(void **state)
{
	const uint32_t of[] = {10, 10, LOG_RECORD_SIZE_MAX};
	begin(of, 3);
	for (uint32_t at = 0; at + 12 <= LOG_RECORD_SIZE_MAX; at += 4) {
		uint32_t size = htole32(LOG_RECORD_SIZE_MAX - at - ITEM_SIZE);
		memcpy(record(2) + at, &size, sizeof size);
	}
	append();
	set_size(0, 100);
	expect("ddd");
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_within_a_record_are_not_taken_for_the_frames_own),
		cmocka_unit_test(items_within_a_record_that_lead_to_another_place_are_not_taken),
		cmocka_unit_test(where_two_ways_lead_to_the_end_neither_is_taken),
		cmocka_unit_test(an_item_that_leaves_no_room_for_those_before_it_is_none),
		cmocka_unit_test(sizes_that_leave_no_room_for_the_next_are_not_taken),
		cmocka_unit_test(an_end_that_looks_like_the_last_item_is_not_taken_for_it),
		cmocka_unit_test(a_lost_sector_costs_the_records_in_it),
		cmocka_unit_test(zeros_are_not_taken_for_an_empty_record),
		cmocka_unit_test(damaged_bytes_in_many_places_cost_their_records),
		cmocka_unit_test(what_is_around_several_damages_is_served),
		cmocka_unit_test(a_frame_made_to_take_long_is_given_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
