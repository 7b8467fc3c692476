#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "error/error.h"
#include "log/log.h"
#include "tests/disk/faulty.h"
#include "tests/disk/memory.h"

#define PATH "d/vote"

static struct memory_disk *memory;
static struct log_disk *disk;

static int set_up(void **state)
{
	memory = memory_disk_create();
	disk = memory_disk_door(memory);
	assert_int_equal(disk->make_folder(disk, "d"), 0);
	assert_int_equal(disk->sync_folder(disk, "."), 0);
	return 0;
}

static int tear_down(void **state)
{
	assert_int_equal(memory_disk_handles(memory), 0);
	memory_disk_destroy(memory);
	return 0;
}

/* Saves a number in the cell file. */
static int save(struct log_cell *cell, uint64_t value, struct clog_error *err)
{
	return log_cell_save(disk, "d", PATH, cell, &value, sizeof value, err);
}

static void expect_on(struct log_disk *on, uint64_t must)
{
	struct log_cell cell = {0};
	struct clog_error err = {0};
	uint64_t value = 0;
	if (log_cell_load(on, PATH, &cell, &value, sizeof value, &err) != 0)
		fail_msg("%s", err.text);
	assert_int_equal(value, must);
	assert_true(cell.generation > 0);
}

static void a_cell_gives_back_the_last_value_saved(void **state)
{
	struct log_cell cell = {0};
	for (uint64_t value = 1; value < 10; value++) {
		assert_int_equal(save(&cell, value, NULL), 0);
		expect_on(disk, value);
		memory_disk_crash(memory, NULL, NULL);
		expect_on(disk, value);
	}
}

static void a_cell_that_was_loaded_is_saved_over(void **state)
{
	for (uint64_t value = 1; value < 6; value++) {
		struct log_cell cell = {0};
		uint64_t before;
		int rc = log_cell_load(disk, PATH, &cell, &before, sizeof before, NULL);
		assert_int_equal(rc, value == 1 ? -ENOENT : 0);
		assert_int_equal(save(&cell, value, NULL), 0);
		expect_on(disk, value);
	}
}

static void a_missing_cell_is_enoent(void **state)
{
	struct log_cell cell = {0};
	struct clog_error err = {0};
	uint64_t value = 7;
	assert_int_equal(log_cell_load(disk, PATH, &cell, &value, sizeof value, &err), -ENOENT);
	assert_non_null(strstr(err.text, PATH));
	assert_int_equal(value, 7);
	assert_int_equal(cell.generation, 0);
}

static void the_largest_value_fits(void **state)
{
	unsigned char value[LOG_CELL_VALUE_SIZE_MAX], read[LOG_CELL_VALUE_SIZE_MAX];
	struct log_cell cell = {0}, again = {0};
	for (size_t i = 0; i < sizeof value; i++)
		value[i] = (unsigned char)(255 - i);
	assert_int_equal(log_cell_save(disk, "d", PATH, &cell, value, sizeof value, NULL), 0);
	assert_int_equal(log_cell_load(disk, PATH, &again, read, sizeof read, NULL), 0);
	assert_memory_equal(value, read, sizeof value);
	assert_int_equal(log_cell_load(disk, PATH, &again, read, sizeof read - 1, NULL), -EBADMSG);
}

/* The file has the size of a cell, and values of another size are no values. */
static void a_value_of_another_size_is_corrupt(void **state)
{
	struct log_cell cell = {0};
	struct clog_error err = {0};
	uint32_t value;
	size_t size;
	assert_int_equal(save(&cell, 1, NULL), 0);
	assert_non_null(memory_disk_bytes(memory, PATH, &size));
	assert_int_equal(size, LOG_CELL_SIZE);
	assert_int_equal(log_cell_load(disk, PATH, &cell, &value, sizeof value, &err), -EBADMSG);
	assert_non_null(strstr(err.text, PATH));
}

static void damage_slot(unsigned slot)
{
	size_t size;
	const unsigned char *bytes = memory_disk_bytes(memory, PATH, &size);
	unsigned char wrong = bytes[slot * LOG_CELL_SLOT_SIZE + 20] ^ 1;
	memory_disk_poke(memory, PATH, slot * LOG_CELL_SLOT_SIZE + 20, &wrong, 1);
}

/* Whichever slot rots: a saved value has a twin. */
static void one_rotten_slot_does_no_harm(void **state)
{
	for (unsigned slot = 0; slot < 2; slot++) {
		struct log_cell cell = {0};
		assert_int_equal(save(&cell, 5 + slot, NULL), 0);
		assert_int_equal(save(&cell, 15 + slot, NULL), 0);
		damage_slot(slot);
		expect_on(disk, 15 + slot);
		assert_int_equal(disk->remove(disk, PATH), 0);
	}
}

static void two_rotten_slots_are_corrupt(void **state)
{
	struct log_cell cell = {0}, loaded = {0};
	struct clog_error err = {0};
	uint64_t value = 3;
	assert_int_equal(save(&cell, 1, NULL), 0);
	damage_slot(0);
	damage_slot(1);
	assert_int_equal(log_cell_load(disk, PATH, &loaded, &value, sizeof value, &err), -EBADMSG);
	assert_int_equal(err.code, -EBADMSG);
	assert_non_null(strstr(err.text, PATH));
	assert_int_equal(value, 3);
}

static void every_flipped_bit_leaves_the_value_or_is_corrupt(void **state)
{
	struct log_cell cell = {0};
	size_t size;
	assert_int_equal(save(&cell, 1, NULL), 0);
	assert_int_equal(save(&cell, 2, NULL), 0);
	for (size_t bit = 0; bit < LOG_CELL_SIZE * 8; bit++) {
		unsigned char right = memory_disk_bytes(memory, PATH, &size)[bit / 8];
		unsigned char wrong = (unsigned char)(right ^ (1u << bit % 8));
		memory_disk_poke(memory, PATH, bit / 8, &wrong, 1);
		expect_on(disk, 2);
		memory_disk_poke(memory, PATH, bit / 8, &right, 1);
	}
}

static void a_cut_or_zeroed_file_is_corrupt(void **state)
{
	const unsigned char zeros[LOG_CELL_SIZE] = {0};
	struct log_cell cell = {0};
	uint64_t value;
	for (size_t size = 0; size <= sizeof zeros; size += 256) {
		memory_disk_put(memory, PATH, zeros, size);
		assert_int_equal(log_cell_load(disk, PATH, &cell, &value, sizeof value, NULL), -EBADMSG);
	}
}

/* In a file that is more than a cell: zeros are a cell that was never written. */
static void zeros_are_no_data_and_rubbish_is_corrupt(void **state)
{
	struct log_cell cell = {0};
	unsigned char page[4096] = {0};
	uint64_t value = 9, read = 0;
	memory_disk_put(memory, "d/store", page, sizeof page);
	int handle = disk->open(disk, "d/store", O_RDWR);
	assert_int_equal(log_cell_read(&cell, disk, handle, 512, &read, sizeof read), -ENODATA);
	assert_int_equal(log_cell_write(&cell, disk, handle, 512, &value, sizeof value), 0);
	assert_int_equal(log_cell_read(&cell, disk, handle, 512, &read, sizeof read), 0);
	assert_int_equal(read, 9);
	assert_int_equal(cell.generation, 1);
	page[512 + 700] = 1;
	memory_disk_put(memory, "d/store", page, sizeof page);
	assert_int_equal(log_cell_read(&cell, disk, handle, 512, &read, sizeof read), -EBADMSG);
	memory_disk_put(memory, "d/store", page, 1000);
	assert_int_equal(log_cell_read(&cell, disk, handle, 512, &read, sizeof read), -EBADMSG);
	disk->close(disk, handle);
}

static void writes_take_the_slots_in_turn_at_any_generation(void **state)
{
	const uint64_t starts[] = {0, 1, UINT32_MAX - 2, (uint64_t)UINT32_MAX + 7, UINT64_MAX / 2};
	for (unsigned i = 0; i < sizeof starts / sizeof starts[0]; i++) {
		unsigned char page[LOG_CELL_SIZE] = {0};
		struct log_cell cell = {.generation = starts[i]}, read_cell = {0};
		memory_disk_put(memory, "d/store", page, sizeof page);
		int handle = disk->open(disk, "d/store", O_RDWR);
		for (uint64_t value = 1; value < 9; value++) {
			uint64_t read;
			assert_int_equal(log_cell_write(&cell, disk, handle, 0, &value, sizeof value), 0);
			assert_int_equal(cell.generation, starts[i] + value);
			assert_int_equal(log_cell_read(&read_cell, disk, handle, 0, &read, sizeof read), 0);
			assert_int_equal(read, value);
			assert_int_equal(read_cell.generation, cell.generation);
		}
		disk->close(disk, handle);
	}
}

/* What a crash at each change of the disk may leave: the value before, or the one being saved. */
struct watch {
	uint64_t before, after; /* before 0: the file is not there */
	unsigned steps;
};

static void expect_either(const struct memory_disk *from, const unsigned char *fates, const bool *kept,
                          const struct watch *watch)
{
	struct memory_disk *copy = memory_disk_clone(from);
	struct log_cell cell = {0};
	uint64_t value = 0;
	memory_disk_crash(copy, fates, kept);
	int rc = log_cell_load(memory_disk_door(copy), PATH, &cell, &value, sizeof value, NULL);
	if (rc == -ENOENT)
		assert_int_equal(watch->before, 0);
	else
		assert_int_equal(rc, 0);
	assert_true(value == watch->before || value == watch->after);
	memory_disk_destroy(copy);
}

static void crash_here(struct memory_disk *at, enum memory_call call, const char *path, void *arg)
{
	struct watch *watch = arg;
	unsigned char fates[16];
	bool kept[16];
	size_t sectors = memory_disk_sectors(at), changes = memory_disk_changes(at);
	assert_true(sectors < 16 && changes < 16);
	watch->steps++;
	for (unsigned names = 0; names < 1u << changes; names++) {
		for (size_t i = 0; i < changes; i++)
			kept[i] = names & (1u << i);
		for (unsigned bytes = 0; bytes < 1u << (2 * sectors); bytes++) {
			for (size_t i = 0; i < sectors; i++)
				fates[i] = (unsigned char)(bytes >> (2 * i) & 3);
			expect_either(at, fates, kept, watch);
		}
	}
}

static void a_crash_while_saving_leaves_one_value_or_the_other(void **state)
{
	struct log_cell cell = {0};
	struct watch watch = {0};
	memory_disk_watch(memory, crash_here, &watch);
	for (uint64_t value = 1; value < 4; value++) {
		watch.after = value;
		assert_int_equal(save(&cell, value, NULL), 0);
		watch.before = value;
		crash_here(memory, MEMORY_SYNC, PATH, &watch);
	}
	assert_true(watch.steps > 10);
}

static void every_failure_of_the_disk_is_told_and_leaves_a_value(void **state)
{
	for (unsigned loaded = 0; loaded < 2; loaded++) {
		for (unsigned nth = 1;; nth++) {
			struct faulty_disk *faulty = faulty_disk_create(disk);
			struct log_disk *on = faulty_disk_door(faulty);
			struct log_cell cell = {0};
			struct clog_error err = {0};
			uint64_t value = 1;
			if (loaded)
				assert_int_equal(log_cell_save(on, "d", PATH, &cell, &value, sizeof value, NULL), 0);
			faulty_disk_fail(faulty, FAULTY_ANY, nth, -EIO, FAULTY_PARTLY);
			value = 2;
			int rc = log_cell_save(on, "d", PATH, &cell, &value, sizeof value, &err);
			if (rc == 0)
				rc = log_cell_load(on, PATH, &cell, &value, sizeof value, &err);
			bool fired = faulty_disk_fired(faulty);
			faulty_disk_destroy(faulty);
			assert_int_equal(rc, fired ? -EIO : 0);
			assert_true(!fired || strstr(err.text, PATH) != NULL);
			rc = log_cell_load(disk, PATH, &cell, &value, sizeof value, NULL);
			assert_true(rc == 0 || (rc == -ENOENT && !loaded));
			assert_true(rc != 0 || value == 1 || value == 2);
			disk->remove(disk, PATH);
			if (!fired)
				break;
		}
	}
}

static void a_path_that_is_too_long_is_refused(void **state)
{
	struct log_cell cell = {0};
	struct clog_error err = {0};
	uint64_t value = 1;
	char *path = malloc(PATH_MAX + 10);
	assert_non_null(path);
	memset(path, 'x', PATH_MAX + 9);
	path[PATH_MAX + 9] = '\0';
	assert_int_equal(log_cell_save(disk, "d", path, &cell, &value, sizeof value, &err), -ENAMETOOLONG);
	assert_int_equal(err.code, -ENAMETOOLONG);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_cell_gives_back_the_last_value_saved, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_cell_that_was_loaded_is_saved_over, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_missing_cell_is_enoent, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_largest_value_fits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_value_of_another_size_is_corrupt, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_rotten_slot_does_no_harm, set_up, tear_down),
		cmocka_unit_test_setup_teardown(two_rotten_slots_are_corrupt, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_flipped_bit_leaves_the_value_or_is_corrupt, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_cut_or_zeroed_file_is_corrupt, set_up, tear_down),
		cmocka_unit_test_setup_teardown(zeros_are_no_data_and_rubbish_is_corrupt, set_up, tear_down),
		cmocka_unit_test_setup_teardown(writes_take_the_slots_in_turn_at_any_generation, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_crash_while_saving_leaves_one_value_or_the_other, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_failure_of_the_disk_is_told_and_leaves_a_value, set_up,
	                                        tear_down),
		cmocka_unit_test_setup_teardown(a_path_that_is_too_long_is_refused, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
