/* Items joined, by each of the ways that there are to do it. */
#include "log/join.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "log/frame.h"
#include "log/log.h"

#define FIRST_OFFSET 7u
static const uint32_t sizes[] = {0, 1, 7, 8, 63, 64, 65, 100, 127, 128, 129, 1000, 4096, 70001, 3};
#define COUNT (sizeof sizes / sizeof sizes[0])

typedef uint32_t (*join_cb)(struct join *join);
static const join_cb ways[] = {join_items, join_items_plain};
#define WAYS (sizeof ways / sizeof ways[0])

/* The items of a frame, in memory of their own, and what they are joined. */
static struct {
	unsigned char *items, *joined, *room;
	size_t size, joined_size;
	size_t begin[COUNT + 1]; /* of each item */
} all;

static int set_up(void **state)
{
	struct log_frame *frame;
	const struct log_tail tail = {.next_offset = FIRST_OFFSET};
	const struct log_header header = {.term = 1, .type = LOG_RECORDS};
	for (size_t i = 0; i < COUNT; i++) {
		all.begin[i] = all.size;
		all.size += ITEM_HEADER_SIZE + sizes[i];
		all.joined_size += sizes[i];
	}
	all.begin[COUNT] = all.size;
	all.items = malloc(all.size);
	all.joined = malloc(all.joined_size);
	all.room = malloc(all.joined_size);
	assert_true(all.items != NULL && all.joined != NULL && all.room != NULL);
	for (size_t i = 0; i < all.joined_size; i++)
		all.joined[i] = (unsigned char)(i * 167 >> 4);
	assert_int_equal(log_frame_create(&frame), 0);
	assert_int_equal(log_frame_add_many(frame, all.joined, sizes, COUNT), 0);
	log_frame_close(frame, &tail, &header);
	const void *first;
	uint32_t size;
	log_frame_item(frame, 0, &first, &size);
	memcpy(all.items, (const unsigned char *)first - ITEM_HEADER_SIZE, all.size);
	log_frame_unref(frame);
	return 0;
}

static int tear_down(void **state)
{
	free(all.items);
	free(all.joined);
	free(all.room);
	memset(&all, 0, sizeof all);
	return 0;
}

static struct join whole(void)
{
	memset(all.room, 0xee, all.joined_size);
	return (struct join){.bytes = all.items,
	                     .size = all.size,
	                     .offset = FIRST_OFFSET,
	                     .left = COUNT,
	                     .to = all.room,
	                     .room = all.joined_size};
}

static size_t joined_before(size_t item)
{
	return all.begin[item] - item * ITEM_HEADER_SIZE;
}

/* Joins what is asked for, and expects so many items, rightly. */
static void expect(join_cb way, struct join join, size_t count)
{
	assert_int_equal(way(&join), count);
	assert_int_equal(join.left, COUNT - count);
	assert_int_equal(join.offset, FIRST_OFFSET + count);
	assert_ptr_equal(join.bytes, all.items + all.begin[count]);
	assert_ptr_equal(join.to, all.room + joined_before(count));
	assert_memory_equal(all.room, all.joined, joined_before(count));
}

static void all_that_is_right_is_joined(void **state)
{
	for (size_t way = 0; way < WAYS; way++)
		expect(ways[way], whole(), COUNT);
}

static void fewer_are_joined_where_fewer_are_asked_for(void **state)
{
	for (size_t way = 0; way < WAYS; way++) {
		struct join join = whole();
		join.left = 3;
		assert_int_equal(ways[way](&join), 3);
		assert_int_equal(join.left, 0);
	}
}

static void it_ends_before_an_item_that_is_not_whole(void **state)
{
	for (size_t way = 0; way < WAYS; way++)
		for (size_t i = 0; i < COUNT; i++)
			for (size_t size = all.begin[i]; size < all.begin[i + 1];
			     size += 1 + (all.begin[i + 1] - size) / 3) {
				struct join join = whole();
				join.size = size;
				expect(ways[way], join, i);
			}
}

static void it_ends_before_an_item_for_which_there_is_no_room(void **state)
{
	for (size_t way = 0; way < WAYS; way++)
		for (size_t i = 1; i < COUNT; i++) {
			struct join join = whole();
			join.room = joined_before(i + 1) - 1;
			expect(ways[way], join, i);
		}
}

static void it_ends_before_an_item_with_a_bit_that_is_wrong(void **state)
{
	for (size_t way = 0; way < WAYS; way++)
		for (size_t i = 0; i < COUNT; i++) {
			size_t bits = 8 * (all.begin[i + 1] - all.begin[i]);
			for (size_t bit = 0; bit < bits; bit += 1 + bits / 200) {
				unsigned char *byte = all.items + all.begin[i] + bit / 8;
				*byte ^= (unsigned char)(1u << bit % 8);
				expect(ways[way], whole(), i);
				*byte ^= (unsigned char)(1u << bit % 8);
			}
		}
}

static void it_ends_before_an_item_that_says_more_than_a_record_has(void **state)
{
	for (size_t way = 0; way < WAYS; way++) {
		unsigned char was[4];
		memcpy(was, all.items + all.begin[2], sizeof was);
		memcpy(all.items + all.begin[2], "\x01\xf0\x0f\x00", sizeof was); /* one more */
		struct join join = whole();
		join.size = SIZE_MAX / 2; /* not looked at, for it is refused before */
		join.room = SIZE_MAX / 2;
		assert_int_equal(ways[way](&join), 2);
		memcpy(all.items + all.begin[2], was, sizeof was);
	}
}

static void an_item_of_another_offset_is_none(void **state)
{
	for (size_t way = 0; way < WAYS; way++) {
		struct join join = whole();
		join.offset++;
		assert_int_equal(ways[way](&join), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_that_is_right_is_joined, set_up, tear_down),
		cmocka_unit_test_setup_teardown(fewer_are_joined_where_fewer_are_asked_for, set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_ends_before_an_item_that_is_not_whole, set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_ends_before_an_item_for_which_there_is_no_room, set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_ends_before_an_item_with_a_bit_that_is_wrong, set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_ends_before_an_item_that_says_more_than_a_record_has, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(an_item_of_another_offset_is_none, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
