#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "log/log.h"

static unsigned char *bytes; /* LOG_FRAME_SIZE_MAX of them */

static int set_up(void **state)
{
	bytes = malloc(LOG_FRAME_SIZE_MAX);
	assert_non_null(bytes);
	for (size_t i = 0; i < LOG_FRAME_SIZE_MAX; i++)
		bytes[i] = (unsigned char)(i * 7);
	return 0;
}

static int tear_down(void **state)
{
	free(bytes);
	return 0;
}

static struct log_frame *create(void)
{
	struct log_frame *frame;
	assert_int_equal(log_frame_create(&frame), 0);
	assert_int_equal(log_frame_count(frame), 0);
	assert_int_equal(log_frame_data_size(frame), 0);
	return frame;
}

static void expect_item(const struct log_frame *frame, uint32_t i, const void *data, size_t size)
{
	const void *item;
	uint32_t item_size;
	log_frame_item(frame, i, &item, &item_size);
	assert_int_equal(item_size, size);
	if (size > 0)
		assert_memory_equal(item, data, size);
}

static void close_records(struct log_frame *frame)
{
	const struct log_tail tail = {0};
	log_frame_close(frame, &tail, &(struct log_header){.term = 1, .type = LOG_RECORDS});
}

static void items_come_back_in_their_order(void **state)
{
	struct log_frame *frame = create();
	const uint32_t sizes[] = {5, 0, 1, 1000};
	assert_int_equal(log_frame_add(frame, "first", 5), 0);
	assert_int_equal(log_frame_add_many(frame, bytes, sizes, 4), 0);
	assert_int_equal(log_frame_add(frame, NULL, 0), 0);
	assert_int_equal(log_frame_count(frame), 6);
	assert_int_equal(log_frame_data_size(frame), 5 + 1006);
	close_records(frame);
	expect_item(frame, 0, "first", 5);
	expect_item(frame, 1, bytes, 5);
	expect_item(frame, 2, NULL, 0);
	expect_item(frame, 3, bytes + 5, 1);
	expect_item(frame, 4, bytes + 6, 1000);
	expect_item(frame, 5, NULL, 0);
	assert_int_equal(log_frame_count(frame), 6);
	log_frame_unref(frame);
}

static void a_closed_frame_is_the_entry_after_the_tail(void **state)
{
	struct log_frame *frame = create();
	const struct log_tail tail = {.entry = 41, .term = 3, .next_offset = 1000, .stream_size = 9, .chain = 77};
	const struct log_header wanted = {.term = 4, .type = LOG_RECORDS, .commit = 40, .time_ns = 123456789};
	assert_int_equal(log_frame_add(frame, "x", 1), 0);
	assert_int_equal(log_frame_add(frame, "yz", 2), 0);
	log_frame_close(frame, &tail, &wanted);
	const struct log_header *header = log_frame_header(frame);
	assert_int_equal(header->entry, 42);
	assert_int_equal(header->term, 4);
	assert_int_equal(header->first_offset, 1000);
	assert_int_equal(header->commit, 40);
	assert_int_equal(header->time_ns, 123456789);
	assert_int_equal(header->count, 2);
	assert_int_equal(header->type, LOG_RECORDS);
	assert_int_equal(header->size % 8, 0);
	assert_true(header->size > 3);
	log_frame_unref(frame);
}

/* The chain is what a frame's header is known by: any difference in it is a difference in the chain. */
static void the_chain_tells_headers_apart(void **state)
{
	const struct log_tail tails[] = {
		{.entry = 1}, {.entry = 2}, {.entry = 1, .next_offset = 1}, {.entry = 1, .chain = 1}};
	const struct log_header headers[] = {{.term = 1, .type = LOG_BARRIER},
	                                     {.term = 2, .type = LOG_BARRIER},
	                                     {.term = 1, .type = LOG_CONTROL},
	                                     {.term = 1, .type = LOG_BARRIER, .commit = 1},
	                                     {.term = 1, .type = LOG_BARRIER, .time_ns = 1}};
	uint32_t chains[20];
	unsigned count = 0;
	for (unsigned t = 0; t < 4; t++) {
		for (unsigned h = 0; h < 5; h++) {
			struct log_frame *frame = create();
			log_frame_close(frame, &tails[t], &headers[h]);
			chains[count] = log_frame_header(frame)->chain;
			for (unsigned other = 0; other < count; other++)
				assert_int_not_equal(chains[other], chains[count]);
			count++;
			log_frame_unref(frame);
		}
	}
}

static void a_frame_without_items_is_a_frame(void **state)
{
	const struct log_tail tail = {0};
	const enum log_type types[] = {LOG_RECORDS, LOG_CONTROL, LOG_BARRIER, LOG_CONFIGURATION};
	for (unsigned i = 0; i < 4; i++) {
		struct log_frame *frame = create();
		log_frame_close(frame, &tail, &(struct log_header){.term = 1, .type = types[i]});
		assert_int_equal(log_frame_header(frame)->count, 0);
		assert_int_equal(log_frame_header(frame)->entry, 1);
		assert_int_equal(log_frame_header(frame)->type, types[i]);
		log_frame_unref(frame);
	}
}

static void a_record_of_the_maximum_fits_and_a_byte_more_does_not(void **state)
{
	struct log_frame *frame = create();
	const uint32_t sizes[] = {1, LOG_RECORD_SIZE_MAX + 1};
	assert_int_equal(log_frame_add(frame, bytes, LOG_RECORD_SIZE_MAX), 0);
	assert_int_equal(log_frame_add(frame, bytes, LOG_RECORD_SIZE_MAX + 1), -EMSGSIZE);
	assert_int_equal(log_frame_add(frame, bytes, SIZE_MAX), -EMSGSIZE);
	assert_int_equal(log_frame_add_many(frame, bytes, sizes, 2), -EMSGSIZE);
	assert_int_equal(log_frame_count(frame), 1);
	close_records(frame);
	expect_item(frame, 0, bytes, LOG_RECORD_SIZE_MAX);
	log_frame_unref(frame);
}

/* Bytes that may still be added, as one item. */
static size_t room(const struct log_frame *frame)
{
	size_t low = 0, high = LOG_FRAME_SIZE_MAX;
	if (!log_frame_fits(frame, 0, 1))
		return 0;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (log_frame_fits(frame, middle, 1))
			low = middle;
		else
			high = middle;
	}
	return low;
}

static void a_frame_fills_to_its_very_maximum(void **state)
{
	struct log_frame *frame = create();
	while (log_frame_fits(frame, LOG_RECORD_SIZE_MAX, 1))
		assert_int_equal(log_frame_add(frame, bytes, LOG_RECORD_SIZE_MAX), 0);
	assert_int_equal(log_frame_add(frame, bytes, LOG_RECORD_SIZE_MAX), -ENOBUFS);
	uint32_t count = log_frame_count(frame);
	size_t data_size = log_frame_data_size(frame), left = room(frame);
	assert_true(left > 0 && left < LOG_RECORD_SIZE_MAX);
	const uint32_t sizes[] = {(uint32_t)left, 0};
	assert_int_equal(log_frame_add(frame, bytes, left + 1), -ENOBUFS);
	assert_int_equal(log_frame_add_many(frame, bytes, sizes, 2), -ENOBUFS);
	assert_int_equal(log_frame_count(frame), count);
	assert_int_equal(log_frame_data_size(frame), data_size);
	assert_int_equal(log_frame_add(frame, bytes, left), 0);
	assert_false(log_frame_fits(frame, 0, 1));
	assert_true(log_frame_fits(frame, 0, 0));
	assert_int_equal(log_frame_add(frame, bytes, 0), -ENOBUFS);
	close_records(frame);
	assert_int_equal(log_frame_header(frame)->size, LOG_FRAME_SIZE_MAX);
	expect_item(frame, count, bytes, left);
	log_frame_unref(frame);
}

static void a_million_records_of_one_byte_fit_after_a_long_line(void **state)
{
	struct log_frame *frame = create();
	uint32_t *sizes = malloc((1u << 20) * sizeof *sizes);
	assert_non_null(sizes);
	for (uint32_t i = 0; i < 1u << 20; i++)
		sizes[i] = 1;
	assert_int_equal(log_frame_add(frame, bytes, LOG_RECORD_SIZE_MAX), 0);
	assert_true(log_frame_fits(frame, 1u << 20, 1u << 20));
	assert_int_equal(log_frame_add_many(frame, bytes, sizes, 1u << 20), 0);
	close_records(frame);
	assert_int_equal(log_frame_header(frame)->count, (1u << 20) + 1);
	expect_item(frame, 1000, bytes + 999, 1);
	log_frame_unref(frame);
	free(sizes);
}

static void what_could_overflow_does_not_fit(void **state)
{
	struct log_frame *frame = create();
	assert_false(log_frame_fits(frame, SIZE_MAX, 1));
	assert_false(log_frame_fits(frame, 1, SIZE_MAX));
	assert_false(log_frame_fits(frame, SIZE_MAX, SIZE_MAX));
	assert_false(log_frame_fits(frame, 0, SIZE_MAX / 8 + 1));
	assert_false(log_frame_fits(frame, LOG_FRAME_SIZE_MAX, 0));
	assert_true(log_frame_fits(frame, 0, 0));
	log_frame_unref(frame);
}

static void the_last_reference_frees(void **state)
{
	struct log_frame *frame = create();
	assert_int_equal(log_frame_add(frame, "abc", 3), 0);
	assert_ptr_equal(log_frame_ref(frame), frame);
	log_frame_unref(frame);
	assert_int_equal(log_frame_count(frame), 1);
	log_frame_unref(frame);
	log_frame_unref(NULL);
}

/* Of a frame that is closed the items' checksums are bound to their offsets, and are bound to others here. */
static void items_of_other_frames_are_added(void **state)
{
	struct log_frame *open = create(), *closed = create(), *empty = create(), *frame = create(), *parsed;
	const uint32_t sizes[] = {3000, 0, 2000};
	const struct log_tail before = {.next_offset = 77}, tail = {.entry = 6, .term = 1, .next_offset = 500};
	const struct log_header header = {.term = 1, .type = LOG_RECORDS};
	size_t size, used;
	assert_int_equal(log_frame_add(open, "open", 4), 0);
	assert_int_equal(log_frame_add_many(closed, bytes, sizes, 3), 0);
	log_frame_close(closed, &before, &header);
	assert_int_equal(log_frame_add(frame, "first", 5), 0);
	assert_int_equal(log_frame_add_frame(frame, open), 0);
	assert_int_equal(log_frame_add_frame(frame, empty), 0);
	assert_int_equal(log_frame_add_frame(frame, closed), 0);
	log_frame_unref(open);
	log_frame_unref(closed);
	log_frame_unref(empty);
	assert_int_equal(log_frame_add(frame, "last", 4), 0);
	assert_int_equal(log_frame_count(frame), 6);
	assert_int_equal(log_frame_data_size(frame), 5 + 4 + 5000 + 4);
	log_frame_close(frame, &tail, &header);
	const void *all = log_frame_bytes(frame, &size);
	assert_int_equal(log_frame_parse(&parsed, all, size, &used), 0);
	expect_item(parsed, 0, "first", 5);
	expect_item(parsed, 1, "open", 4);
	expect_item(parsed, 2, bytes, 3000);
	expect_item(parsed, 3, NULL, 0);
	expect_item(parsed, 4, bytes + 3000, 2000);
	expect_item(parsed, 5, "last", 4);
	log_frame_unref(parsed);
	log_frame_unref(frame);
}

static void items_of_another_frame_that_do_not_fit_are_not_added(void **state)
{
	struct log_frame *frame = create(), *other = create();
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(log_frame_add(i % 2 ? frame : other, bytes, LOG_RECORD_SIZE_MAX), 0);
	assert_int_equal(log_frame_add(other, bytes, LOG_RECORD_SIZE_MAX), 0);
	assert_int_equal(log_frame_add_frame(frame, other), -ENOBUFS);
	assert_int_equal(log_frame_count(frame), 8);
	assert_int_equal(log_frame_data_size(frame), 8 * (size_t)LOG_RECORD_SIZE_MAX);
	log_frame_unref(frame);
	log_frame_unref(other);
}

static void a_header_can_be_looked_at_alone(void **state)
{
	struct log_frame *frame = create();
	struct log_header header;
	size_t size;
	assert_int_equal(log_frame_add(frame, bytes, 100), 0);
	close_records(frame);
	unsigned char *copy = malloc(200);
	assert_non_null(copy);
	const void *all = log_frame_bytes(frame, &size);
	assert_true(size <= 200);
	memcpy(copy, all, size);
	/* What follows it is not looked at, but must be there. */
	copy[size - 1] ^= 1;
	assert_int_equal(log_frame_peek(copy, size, &header), 0);
	assert_int_equal(header.entry, 1);
	assert_int_equal(header.size, size);
	assert_int_equal(header.chain, log_frame_header(frame)->chain);
	assert_int_equal(log_frame_peek(copy, size - 1, &header), -EBADMSG);
	assert_int_equal(log_frame_peek(copy, 87, &header), -EBADMSG);
	copy[10] ^= 1;
	assert_int_equal(log_frame_peek(copy, size, &header), -EBADMSG);
	free(copy);
	log_frame_unref(frame);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_come_back_in_their_order),
		cmocka_unit_test(a_closed_frame_is_the_entry_after_the_tail),
		cmocka_unit_test(the_chain_tells_headers_apart),
		cmocka_unit_test(a_frame_without_items_is_a_frame),
		cmocka_unit_test(a_record_of_the_maximum_fits_and_a_byte_more_does_not),
		cmocka_unit_test(a_frame_fills_to_its_very_maximum),
		cmocka_unit_test(a_million_records_of_one_byte_fit_after_a_long_line),
		cmocka_unit_test(what_could_overflow_does_not_fit),
		cmocka_unit_test(the_last_reference_frees),
		cmocka_unit_test(items_of_other_frames_are_added),
		cmocka_unit_test(items_of_another_frame_that_do_not_fit_are_not_added),
		cmocka_unit_test(a_header_can_be_looked_at_alone),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
