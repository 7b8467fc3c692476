/* Reads of what is damaged, or cannot be read. */
#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/disk/faulty.h"
#include "tests/disk/memory.h"
#include "tests/log/checksum.h"
#include "tests/log/damage.h"
#include "tests/log/script.h"

#define FIRST_STORE "log/00000000000000000001.store"
#define FIRST_INDEX "log/00000000000000000001.index"

static struct memory_disk *disk;
static struct log *log_under_test;
static struct model model;
static struct dice dice;
static struct log_read reading; /* the one read that most tests need */

static void open_log(void)
{
	log_under_test = script_open(memory_disk_door(disk));
}

static void reopen(void)
{
	log_close(log_under_test);
	assert_int_equal(memory_disk_handles(disk), 0);
	open_log();
}

static int set_up(void **state)
{
	disk = memory_disk_create();
	dice_init(&dice, 21);
	reading = (struct log_read){0};
	open_log();
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

static void fill(uint32_t segments)
{
	script_fill(log_under_test, &model, &dice, segments, 2000);
	script_chores(log_under_test);
	script_append_one(log_under_test, &model, &dice, 100);
}

/* Reads from begin to end, and returns the read's status. */
static int read_at(enum log_read_kind kind, uint64_t offset)
{
	reading.kind = kind;
	reading.offset = offset;
	int rc = log_read_begin(log_under_test, &reading);
	if (rc != 0)
		return rc;
	log_read_run(&reading, true);
	return log_read_end(log_under_test, &reading);
}

static int read_record(uint64_t offset)
{
	return read_at(LOG_READ_RECORD, offset);
}

static int read_stream(uint64_t position, uint32_t size)
{
	reading.kind = LOG_READ_STREAM;
	reading.position = position;
	reading.size = size;
	int rc = log_read_begin(log_under_test, &reading);
	if (rc != 0)
		return rc;
	log_read_run(&reading, true);
	return log_read_end(log_under_test, &reading);
}

static void expect_stream(uint64_t position, uint32_t size, uint32_t expected)
{
	assert_int_equal(read_stream(position, size), 0);
	assert_int_equal(reading.data_size, expected);
	assert_memory_equal(reading.data, model.stream + position, expected);
}

/* ---- Damage and failures ------------------------------------------------------------------------------------- */

static void a_damaged_record_gives_no_byte_and_the_others_are_read(void **state)
{
	const uint32_t sizes[] = {30, 40, 50};
	append_sizes(sizes, 3);
	append_sizes(sizes, 3);
	size_t place = damage_find(disk, FIRST_STORE, model.stream + model.records[1].position, 40, 0);
	damage_flip(disk, FIRST_STORE, place + 20);
	assert_int_equal(read_record(1), -EBADMSG);
	assert_int_equal(reading.data_size, 0);
	assert_null(reading.data);
	for (uint64_t offset = 0; offset < 6; offset++)
		assert_int_equal(read_record(offset), offset == 1 ? -EBADMSG : 0);
	/* A stream gives what is good before it, and then the error at its place. */
	expect_stream(10, 1000, 20);
	assert_int_equal(read_stream(30, 1000), -EBADMSG);
	assert_int_equal(reading.data_size, 0);
	assert_int_equal(read_stream(69, 1), -EBADMSG);
	expect_stream(70, 1000, 170);
	struct clog_error err = {0};
	struct log_frame *frame;
	assert_int_equal(log_read_frame(log_under_test, 1, &frame, &err), -EBADMSG);
	assert_non_null(strstr(err.text, "log"));
	assert_int_equal(model_check_frame(&model, log_under_test, 2, &err), 0);
}

/* A frame has the same bytes on every member: also those that mean nothing. */
static void a_frame_whose_padding_is_not_zero_is_damaged(void **state)
{
	const uint32_t size = 30; /* 88 + 8 + 30 bytes, and 2 to a multiple of 8 */
	append_sizes(&size, 1);
	append_sizes(&size, 1);
	size_t place = damage_find(disk, FIRST_STORE, model.stream, 30, 0);
	damage_flip(disk, FIRST_STORE, place + 31);
	struct clog_error err = {0};
	assert_int_equal(model_check_frame(&model, log_under_test, 1, &err), -EBADMSG);
	assert_int_equal(model_check_frame(&model, log_under_test, 2, &err), 0);
	assert_int_equal(read_record(0), 0);
}

/* Two records change places: each has a right checksum, but not there. */
static void a_record_in_anothers_place_is_not_taken_for_it(void **state)
{
	const uint32_t sizes[] = {64, 64};
	unsigned char items[2][72];
	append_sizes(sizes, 2);
	size_t size, places[2];
	for (unsigned i = 0; i < 2; i++) {
		places[i] = damage_find(disk, FIRST_STORE, model.stream + model.records[i].position, 64, 0) - 8;
		memcpy(items[i], memory_disk_bytes(disk, FIRST_STORE, &size) + places[i], 72);
	}
	for (unsigned i = 0; i < 2; i++)
		memory_disk_poke(disk, FIRST_STORE, places[i], items[1 - i], 72);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(read_record(i), -EBADMSG);
	assert_int_equal(read_stream(0, 128), -EBADMSG);
}

/* Two records are damaged, one of them in its size, which is now just what nothing else is left for. */
static void a_damaged_size_that_could_be_right_is_not_told(void **state)
{
	const uint32_t sizes[] = {5, 1, 16}, wrong = 17;
	append_sizes(sizes, 3);
	append_sizes(sizes, 3);
	script_mark(log_under_test);
	size_t next = damage_find(disk, FIRST_STORE, model.stream + 6, 16, 0), size = next - 8 - 1 - 8;
	memory_disk_poke(disk, FIRST_STORE, size, &wrong, sizeof wrong);
	damage_flip(disk, FIRST_STORE, next + 3);
	reopen();
	for (uint64_t offset = 0; offset < 6; offset++) {
		bool damaged = offset == 1 || offset == 2;
		assert_int_equal(read_record(offset), damaged ? -EBADMSG : 0);
		assert_int_equal(read_at(LOG_READ_STAT, offset), damaged ? -EBADMSG : 0);
	}
	expect_stream(0, 1000, 5);
	expect_stream(22, 1000, 22);
}

/* One byte of a header of 88 changed, its checksum made right again: what is served must be right all the same. Term,
 * stream size, commit, time and chain are not compared: nothing in a store tells that they are wrong. */
static void lie(size_t frame, size_t byte, unsigned char value)
{
	struct clog_error err = {0};
	damage_reseal(disk, FIRST_STORE, frame, 88, frame + byte, value);
	for (uint64_t offset = 0; offset < 8; offset++) {
		int rc = model_check_record(&model, log_under_test, &reading, offset, true, &err);
		assert_true(rc == 0 || (offset < 4 && (rc == -EBADMSG || rc == -EPROTONOSUPPORT)));
	}
	int rc = read_stream(0, 1000);
	assert_true(rc == 0 || rc == -EBADMSG || rc == -EPROTONOSUPPORT);
	if (rc == 0)
		assert_memory_equal(reading.data, model.stream, reading.data_size);
	rc = model_check_frame(&model, log_under_test, 1, &err);
	assert_true(rc == -EBADMSG || rc == -EPROTONOSUPPORT || (rc == -EILSEQ && byte >= 24 && byte < 32));
	assert_int_equal(model_check_frame(&model, log_under_test, 2, &err), 0);
}

static void a_header_that_lies_is_found_out(void **state)
{
	const uint32_t sizes[] = {30, 40, 50, 60};
	append_sizes(sizes, 4);
	append_sizes(sizes, 4);
	size_t size;
	const unsigned char *store = memory_disk_bytes(disk, FIRST_STORE, &size);
	size_t frame = damage_find(disk, FIRST_STORE, "CLGF", 4, 0);
	for (size_t byte = 0; byte < 84; byte++) {
		const unsigned char right = store[frame + byte];
		const unsigned char values[] = {right + 1, right - 1, right + 8, right - 8, right ^ 0x80, 0, 1, 2, 255};
		if ((byte >= 16 && byte < 24) || (byte >= 32 && byte < 56) || (byte >= 76 && byte < 80))
			continue;
		for (unsigned v = 0; v < sizeof values; v++)
			if (values[v] != right)
				lie(frame, byte, values[v]);
		damage_reseal(disk, FIRST_STORE, frame, 88, frame + byte, right);
	}
	script_expect(&model, log_under_test);
}

static void a_damaged_index_is_made_again_from_the_store(void **state)
{
	size_t size;
	fill(3);
	assert_non_null(memory_disk_bytes(disk, FIRST_INDEX, &size));
	reopen();
	damage_flip(disk, FIRST_INDEX, 10);
	script_expect(&model, log_under_test);
	reopen();
	damage_flip(disk, FIRST_INDEX, size - 1);
	script_expect(&model, log_under_test);
	reopen();
	struct log_disk *door = memory_disk_door(disk);
	assert_int_equal(door->remove(door, FIRST_INDEX), 0);
	script_expect(&model, log_under_test);
}

static uint32_t number_at(const unsigned char *bytes)
{
	uint32_t number;
	memcpy(&number, bytes, sizeof number);
	return number;
}

/* An index whose checksums are right and whose numbers are not: four bytes of its body changed. */
static void forge_index(size_t size, size_t position, uint32_t value)
{
	unsigned char sum[4];
	size_t file_size;
	memory_disk_poke(disk, FIRST_INDEX, position, &value, sizeof value);
	const unsigned char *file = memory_disk_bytes(disk, FIRST_INDEX, &file_size);
	size_t body = (size_t)number_at(file + size - 160 + 12) * 8 + (size_t)number_at(file + size - 160 + 16) * 4;
	uint32_t crc = checksum_crc32c(file, body);
	memcpy(sum, &crc, sizeof sum);
	memory_disk_poke(disk, FIRST_INDEX, size - 160 + 36, sum, sizeof sum);
	damage_reseal(disk, FIRST_INDEX, size - 160, 160, size - 160 + 36, sum[0]);
}

/* Whatever a forged index says, no wrong byte is served: most often it is made again from the store. */
static void an_index_that_lies_is_found_out(void **state)
{
	const uint32_t values[] = {0, 1, 4095, 4096, 0x7fffffff, 0xffffffff};
	size_t size;
	fill(3);
	unsigned char *right = damage_copy(disk, FIRST_INDEX, &size);
	uint64_t end = model_next_offset(&model, 3);
	for (size_t position = 0; position + 160 < size; position += size / 40 / 4 * 4 + 4) {
		for (unsigned v = 0; v < sizeof values / sizeof values[0]; v++) {
			reopen();
			forge_index(size, position, values[v]);
			for (uint64_t offset = 0; offset < end; offset += 2) {
				struct clog_error err = {0};
				int rc = model_check_record(&model, log_under_test, &reading, offset, true, &err);
				assert_true(rc == 0 || rc == -EBADMSG);
				rc = model_check_frame(&model, log_under_test, 1 + offset % 3, &err);
				assert_true(rc == 0 || rc == -EBADMSG);
			}
			memory_disk_put(disk, FIRST_INDEX, right, size);
		}
	}
	free(right);
	reopen();
	script_expect(&model, log_under_test);
}

static void a_store_that_vanished_is_an_error(void **state)
{
	struct log_disk *door = memory_disk_door(disk);
	struct clog_error err = {0};
	struct log_frame *frame;
	fill(3);
	reopen();
	assert_int_equal(door->rename(door, FIRST_STORE, "log/elsewhere"), 0);
	assert_true(read_record(0) < 0);
	assert_true(read_stream(0, 10) < 0);
	assert_true(log_read_frame(log_under_test, 1, &frame, &err) < 0);
	assert_true(err.text[0] != '\0');
	assert_int_equal(read_record(model.record_count - 1), 0);
	assert_int_equal(door->rename(door, "log/elsewhere", FIRST_STORE), 0);
	script_expect(&model, log_under_test);
}

static void every_failing_call_of_a_read_is_its_status(void **state)
{
	struct faulty_disk *faulty = faulty_disk_create(memory_disk_door(disk));
	fill(3);
	log_close(log_under_test);
	for (unsigned kind = LOG_READ_STAT; kind <= LOG_READ_STREAM; kind++) {
		for (unsigned nth = 1;; nth++) {
			log_under_test = script_open(faulty_disk_door(faulty));
			reading.kind = (enum log_read_kind)kind;
			reading.offset = 1;
			reading.position = 1;
			reading.size = 1000;
			assert_int_equal(log_read_begin(log_under_test, &reading), 0);
			faulty_disk_fail(faulty, FAULTY_ANY, nth, -EIO, FAULTY_ONCE);
			log_read_run(&reading, true);
			bool fired = faulty_disk_fired(faulty);
			faulty_disk_fail(faulty, FAULTY_ANY, 0, 0, FAULTY_ONCE);
			int rc = log_read_end(log_under_test, &reading);
			assert_int_equal(reading.status, rc);
			assert_true(rc == 0 || (fired && rc == -EIO));
			script_expect(&model, log_under_test);
			log_close(log_under_test);
			if (!fired)
				break;
		}
	}
	faulty_disk_destroy(faulty);
	open_log();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_damaged_record_gives_no_byte_and_the_others_are_read, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_frame_whose_padding_is_not_zero_is_damaged, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_record_in_anothers_place_is_not_taken_for_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_damaged_size_that_could_be_right_is_not_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_header_that_lies_is_found_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_damaged_index_is_made_again_from_the_store, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_index_that_lies_is_found_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_store_that_vanished_is_an_error, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_failing_call_of_a_read_is_its_status, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
