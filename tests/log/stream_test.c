/* The joined stream where many records come at once: at the borders of what is read from the disk at a time, and around
 * damage. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/disk/memory.h"
#include "tests/log/checksum.h"
#include "tests/log/damage.h"
#include "tests/log/script.h"

#define FIRST_STORE "log/00000000000000000001.store"
#define BUFFER_MAX ((1u << 20) + 4096u) /* bytes that a stream keeps of the disk's, besides the answer */

static struct memory_disk *disk;
static struct log *log_under_test;
static struct model model;
static struct dice dice;
static struct log_read reading;

static int set_up(void **state)
{
	disk = memory_disk_create();
	dice_init(&dice, 22);
	reading = (struct log_read){.kind = LOG_READ_STREAM};
	log_under_test = script_open_sized(memory_disk_door(disk), 8u << 20);
	return 0;
}

static int tear_down(void **state)
{
	log_read_finish(&reading);
	log_close(log_under_test);
	assert_int_equal(memory_disk_handles(disk), 0);
	memory_disk_destroy(disk);
	model_finish(&model);
	return 0;
}

static void append_sizes(const uint32_t *sizes, uint32_t count)
{
	script_append(log_under_test, &model, script_frame(log_under_test, &dice, 1, sizes, count));
	script_sync(log_under_test);
}

/* Frames of records of up to so many bytes, until the stream has as many as that. */
static void fill(uint64_t stream_size, uint32_t count_max, uint32_t size_max)
{
	static uint32_t sizes[4000];
	while (model.stream_size < stream_size) {
		uint32_t count = 1 + (uint32_t)dice_below(&dice, count_max);
		for (uint32_t i = 0; i < count; i++)
			sizes[i] = (uint32_t)dice_below(&dice, size_max + 1);
		append_sizes(sizes, count);
	}
}

static int read_stream(uint64_t position, uint32_t size)
{
	reading.position = position;
	reading.size = size;
	int rc = log_read_begin(log_under_test, &reading);
	if (rc != 0)
		return rc;
	log_read_run(&reading, true);
	return log_read_end(log_under_test, &reading);
}

/* All there is from the position on, as much as was asked. */
static void expect_stream(uint64_t position, uint32_t size)
{
	uint64_t there = model.stream_size - position;
	assert_int_equal(read_stream(position, size), 0);
	assert_int_equal(reading.data_size, there < size ? there : size);
	assert_memory_equal(reading.data, model.stream + position, reading.data_size);
}

/* Sizes of records and answers such that records and frames are cut by every border. */
static void an_answer_is_whole_wherever_it_begins_and_ends(void **state)
{
	const uint32_t sizes[] = {0, 30, 300, 3000, 120000, LOG_RECORD_SIZE_MAX};
	for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
		fill(model.stream_size + (i > 0 ? 800000 : 1), sizes[i] > 3000 ? 3 : 3000, sizes[i] > 0 ? sizes[i] : 1);
	assert_true(model.stream_size > 4u << 20);
	for (uint64_t position = 0; position < model.stream_size; position += reading.data_size)
		expect_stream(position, LOG_READ_SIZE_MAX);
	for (unsigned i = 0; i < 400; i++) {
		uint32_t size = 1 + (uint32_t)dice_below(&dice, 1u << (1 + dice_below(&dice, 20)));
		expect_stream(dice_below(&dice, model.stream_size), size);
		assert_true(reading.buffer_size <= BUFFER_MAX);
	}
}

static void a_short_answer_takes_a_short_buffer(void **state)
{
	fill(3u << 20, 4000, 200);
	for (unsigned i = 0; i < 200; i++)
		expect_stream(dice_below(&dice, model.stream_size), 1 + (uint32_t)dice_below(&dice, 1000));
	assert_true(reading.buffer_size <= 64u << 10);
}

/* Flips a byte of the record and reads over it: what is before it is given, nothing else; then it is an error at its own
 * place, and what follows is given again. byte counts from the record's first, and down from there in its header. */
static void expect_damage(uint64_t offset, int byte)
{
	const struct model_record *record = &model.records[offset];
	uint64_t end = record->position + record->size;
	size_t first = damage_find(disk, FIRST_STORE, model.stream, model.records[0].size, 0);
	size_t place = first + (size_t)record->position + (size_t)offset * 8 + (size_t)byte;
	damage_flip(disk, FIRST_STORE, place);
	assert_int_equal(read_stream(0, 100000), record->position > 0 ? 0 : -EBADMSG);
	assert_int_equal(reading.data_size, record->position);
	assert_memory_equal(record->position > 0 ? reading.data : model.stream, model.stream, record->position);
	if (record->size > 0) {
		assert_int_equal(read_stream(record->position, 100000), -EBADMSG);
		assert_null(reading.data);
		assert_int_equal(read_stream(end - 1, 1), -EBADMSG);
	}
	if (end < model.stream_size)
		expect_stream(end, 100000);
	damage_flip(disk, FIRST_STORE, place);
}

static void a_damaged_record_among_many_ends_the_answer_before_it(void **state)
{
	const uint32_t sizes[] = {40, 100, 100, 0,  100, 7,  255, 256, 1,  64, 63, 65, 0, 0,   128, 4,
	                          3,  2,   1,   90, 91,  92, 300, 5,   60, 61, 62, 66, 8, 100, 100, 100};
	const uint32_t count = sizeof sizes / sizeof sizes[0];
	append_sizes(sizes, count);
	for (uint64_t offset = 0; offset < count; offset++) {
		expect_damage(offset, -8);
		expect_damage(offset, -4);
		expect_damage(offset, -1);
		if (sizes[offset] > 0) {
			expect_damage(offset, 0);
			expect_damage(offset, (int)sizes[offset] / 2);
			expect_damage(offset, (int)sizes[offset] - 1);
		}
	}
	expect_stream(0, 100000);
}

/* The same where the damage is far behind, past the first piece that is read. */
static void damage_past_a_megabyte_is_found_at_its_place(void **state)
{
	fill(3u << 20, 4000, 200);
	uint64_t offset = model.record_count * 2 / 3;
	while (model.records[offset].size < 50)
		offset++;
	const struct model_record *record = &model.records[offset];
	size_t place = damage_find(disk, FIRST_STORE, model.stream + record->position, record->size, 0);
	damage_flip(disk, FIRST_STORE, place + 20);
	uint64_t position = 0;
	while (read_stream(position, LOG_READ_SIZE_MAX) == 0) {
		assert_memory_equal(reading.data, model.stream + position, reading.data_size);
		position += reading.data_size;
	}
	assert_int_equal(reading.status, -EBADMSG);
	assert_int_equal(position, record->position);
	expect_stream(record->position + record->size, LOG_READ_SIZE_MAX);
}

/* An item whose size leads into the next frame, its checksum that of the bytes there. The checksum of the first record of
 * all is bound to offset 0, which changes nothing. */
static void a_record_that_leads_out_of_its_frame_is_damaged(void **state)
{
	const uint32_t size = 30, forged = 60;
	size_t store_size;
	append_sizes(&size, 1);
	append_sizes(&size, 1);
	size_t place = damage_find(disk, FIRST_STORE, model.stream, size, 0);
	uint32_t crc = checksum_crc32c(memory_disk_bytes(disk, FIRST_STORE, &store_size) + place, forged);
	memory_disk_poke(disk, FIRST_STORE, place - 8, &forged, sizeof forged);
	memory_disk_poke(disk, FIRST_STORE, place - 4, &crc, sizeof crc);
	assert_int_equal(read_stream(0, 1000), -EBADMSG);
	assert_int_equal(read_stream(5, 1000), -EBADMSG);
	expect_stream(size, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_answer_is_whole_wherever_it_begins_and_ends, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_short_answer_takes_a_short_buffer, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_damaged_record_among_many_ends_the_answer_before_it, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_record_that_leads_out_of_its_frame_is_damaged, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damage_past_a_megabyte_is_found_at_its_place, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
