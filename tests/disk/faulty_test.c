#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/disk/faulty.h"
#include "tests/disk/memory.h"

struct bench {
	struct memory_disk *memory;
	struct faulty_disk *faulty;
	struct log_disk *disk;
};

static int set_up(void **state)
{
	static struct bench bench;

	bench.memory = memory_disk_create();
	bench.faulty = faulty_disk_create(memory_disk_door(bench.memory));
	bench.disk = faulty_disk_door(bench.faulty);
	*state = &bench;
	return 0;
}

static int tear_down(void **state)
{
	struct bench *bench = *state;

	faulty_disk_destroy(bench->faulty);
	memory_disk_destroy(bench->memory);
	return 0;
}

static int count_name(const char *name, void *arg)
{
	++*(unsigned *)arg;
	return 0;
}

/* Makes every call once; returns the first error. */
static int call_all(struct log_disk *disk)
{
	unsigned names = 0;
	uint64_t size;
	char byte;
	int handle = -1, rc;

	rc = disk->make_folder(disk, "d");
	if (rc == 0)
		rc = handle = disk->open(disk, "d/f", O_RDWR | O_CREAT);
	if (rc >= 0)
		rc = disk->lock(disk, handle);
	if (rc == 0)
		rc = disk->write(disk, handle, "x", 1, 0);
	if (rc == 0)
		rc = disk->sync(disk, handle);
	if (rc == 0)
		rc = disk->size(disk, handle, &size);
	if (rc == 0)
		rc = (int)disk->read(disk, handle, &byte, 1, 0, true) - 1;
	if (rc == 0)
		rc = disk->rename(disk, "d/f", "d/g");
	if (rc == 0)
		rc = disk->list(disk, "d", count_name, &names);
	if (rc == 0)
		rc = disk->sync_folder(disk, "d");
	if (rc == 0)
		rc = disk->remove(disk, "d/g");
	if (handle >= 0)
		disk->close(disk, handle);
	return rc;
}

static void every_kind_of_call_can_fail(void **state)
{
	struct bench *bench = *state;
	unsigned nth, kinds = 0;

	for (nth = 1;; nth++) {
		faulty_disk_fail(bench->faulty, FAULTY_ANY, nth, -EIO, FAULTY_ONCE);
		int rc = call_all(bench->disk);
		if (!faulty_disk_fired(bench->faulty)) {
			assert_int_equal(rc, 0);
			break;
		}
		assert_true(rc < 0);
		kinds |= faulty_disk_failed_call(bench->faulty);
	}
	assert_int_equal(nth, 12);
	assert_int_equal(kinds, FAULTY_ANY);
	assert_int_equal(memory_disk_handles(bench->memory), 0);
}

static void only_the_chosen_kinds_count(void **state)
{
	struct bench *bench = *state;

	faulty_disk_fail(bench->faulty, FAULTY_SYNC, 2, -EIO, FAULTY_ONCE);
	assert_int_equal(call_all(bench->disk), 0);
	assert_int_equal(faulty_disk_count(bench->faulty), 1);
	assert_int_equal(call_all(bench->disk), -EIO);
	assert_int_equal(faulty_disk_failed_call(bench->faulty), FAULTY_SYNC);
	assert_int_equal(call_all(bench->disk), 0);
}

static void a_write_may_fail_half_way(void **state)
{
	struct bench *bench = *state;
	int handle = bench->disk->open(bench->disk, "f", O_RDWR | O_CREAT);
	size_t size;

	faulty_disk_fail(bench->faulty, FAULTY_WRITE, 1, -ENOSPC, FAULTY_PARTLY);
	assert_int_equal(bench->disk->write(bench->disk, handle, "abcdef", 6, 0), -ENOSPC);
	assert_memory_equal(memory_disk_bytes(bench->memory, "f", &size), "abc", 3);
	assert_int_equal(size, 3);
}

static void a_list_may_fail_half_way(void **state)
{
	struct bench *bench = *state;
	unsigned names = 0;

	bench->disk->close(bench->disk, bench->disk->open(bench->disk, "f", O_RDWR | O_CREAT));
	bench->disk->close(bench->disk, bench->disk->open(bench->disk, "g", O_RDWR | O_CREAT));
	faulty_disk_fail(bench->faulty, FAULTY_LIST, 1, -EIO, FAULTY_PARTLY);
	assert_int_equal(bench->disk->list(bench->disk, ".", count_name, &names), -EIO);
	assert_int_equal(names, 1);
}

static void a_disk_may_fail_for_good(void **state)
{
	struct bench *bench = *state;

	faulty_disk_fail(bench->faulty, FAULTY_CHANGE, 1, -EIO, FAULTY_ONWARD);
	assert_int_equal(call_all(bench->disk), -EIO);
	assert_int_equal(call_all(bench->disk), -EIO);
	assert_int_equal(faulty_disk_failed_call(bench->faulty), FAULTY_MAKE_FOLDER);
}

static void a_read_that_may_not_wait_may_be_short(void **state)
{
	struct bench *bench = *state;
	int handle = bench->disk->open(bench->disk, "f", O_RDWR | O_CREAT);
	char bytes[6];

	assert_int_equal(bench->disk->write(bench->disk, handle, "abcdef", 6, 0), 0);
	faulty_disk_fail(bench->faulty, FAULTY_READ, 1, -EIO, FAULTY_SHORTLY);
	assert_int_equal(bench->disk->read(bench->disk, handle, bytes, 6, 0, false), 3);
	assert_int_equal(bench->disk->read(bench->disk, handle, bytes, 6, 0, false), 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_kind_of_call_can_fail, set_up, tear_down),
		cmocka_unit_test_setup_teardown(only_the_chosen_kinds_count, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_write_may_fail_half_way, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_list_may_fail_half_way, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_disk_may_fail_for_good, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_read_that_may_not_wait_may_be_short, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
