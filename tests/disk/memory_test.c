#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/disk/memory.h"

/* A disk in memory and its calls. */
struct bench {
	struct memory_disk *memory;
	struct log_disk *disk;
};

static struct bench bench_make(void)
{
	struct memory_disk *memory = memory_disk_create();

	return (struct bench){.memory = memory, .disk = memory_disk_door(memory)};
}

static int make_file(struct bench *bench, const char *path)
{
	int handle = bench->disk->open(bench->disk, path, O_RDWR | O_CREAT | O_EXCL);

	assert_true(handle >= 0);
	return handle;
}

static void write_all(struct bench *bench, int handle, char fill, size_t size, uint64_t position)
{
	char bytes[4096];

	assert_true(size <= sizeof bytes);
	memset(bytes, fill, size);
	assert_int_equal(bench->disk->write(bench->disk, handle, bytes, size, position), 0);
}

static void sync_all(struct bench *bench, int handle, const char *folder)
{
	assert_int_equal(bench->disk->sync(bench->disk, handle), 0);
	assert_int_equal(bench->disk->sync_folder(bench->disk, folder), 0);
}

/* Checks that the file has size bytes and the given one at the position. */
static void expect_byte(struct bench *bench, const char *path, size_t size, size_t position, char byte)
{
	size_t found;
	const unsigned char *bytes = memory_disk_bytes(bench->memory, path, &found);

	assert_non_null(bytes);
	assert_int_equal(found, size);
	assert_int_equal(bytes[position], byte);
}

static bool has(struct bench *bench, const char *path)
{
	size_t size;

	return memory_disk_bytes(bench->memory, path, &size) != NULL;
}

static void a_file_reads_as_it_was_written(void **state)
{
	struct bench bench = bench_make();
	char bytes[10] = "";
	uint64_t size;
	int handle = make_file(&bench, "f");

	write_all(&bench, handle, 'a', 5, 3);
	assert_int_equal(bench.disk->size(bench.disk, handle, &size), 0);
	assert_int_equal(size, 8);
	assert_int_equal(bench.disk->read(bench.disk, handle, bytes, sizeof bytes, 0, true), 8);
	assert_memory_equal(bytes, "\0\0\0aaaaa", 8);
	assert_int_equal(bench.disk->read(bench.disk, handle, bytes, sizeof bytes, 8, true), 0);
	assert_int_equal(memory_disk_handles(bench.memory), 1);
	bench.disk->close(bench.disk, handle);
	assert_int_equal(memory_disk_handles(bench.memory), 0);
	assert_int_equal(bench.disk->size(bench.disk, handle, &size), -EBADF);
	memory_disk_destroy(bench.memory);
}

static void open_refuses_what_open_2_refuses(void **state)
{
	struct bench bench = bench_make();
	int handle = make_file(&bench, "f"), readable;

	assert_int_equal(bench.disk->open(bench.disk, "f", O_RDWR | O_CREAT | O_EXCL), -EEXIST);
	assert_int_equal(bench.disk->open(bench.disk, "g", O_RDWR), -ENOENT);
	assert_int_equal(bench.disk->open(bench.disk, "d/g", O_RDWR | O_CREAT), -ENOENT);
	assert_int_equal(bench.disk->make_folder(bench.disk, "d"), 0);
	assert_int_equal(bench.disk->make_folder(bench.disk, "d"), 0);
	assert_int_equal(bench.disk->make_folder(bench.disk, "f"), -EEXIST);
	assert_int_equal(bench.disk->open(bench.disk, "d", O_RDONLY), -EISDIR);
	readable = bench.disk->open(bench.disk, "f", O_RDONLY);
	assert_int_equal(bench.disk->write(bench.disk, readable, "x", 1, 0), -EBADF);
	assert_int_equal(bench.disk->lock(bench.disk, handle), 0);
	assert_int_equal(bench.disk->lock(bench.disk, readable), -EBUSY);
	bench.disk->close(bench.disk, handle);
	assert_int_equal(bench.disk->lock(bench.disk, readable), 0);
	memory_disk_destroy(bench.memory);
}

static void a_crash_loses_what_was_not_synced(void **state)
{
	struct bench bench = bench_make();
	int handle = make_file(&bench, "f");

	write_all(&bench, handle, 'a', 1000, 0);
	sync_all(&bench, handle, ".");
	assert_int_equal(memory_disk_sectors(bench.memory), 0);
	write_all(&bench, handle, 'b', 600, 700);
	assert_int_equal(memory_disk_sectors(bench.memory), 2);
	expect_byte(&bench, "f", 1300, 700, 'b');
	memory_disk_crash(bench.memory, NULL, NULL);
	expect_byte(&bench, "f", 1000, 700, 'a');
	assert_int_equal(memory_disk_handles(bench.memory), 0);
	memory_disk_destroy(bench.memory);
}

static void a_crash_gives_each_sector_its_fate(void **state)
{
	struct bench bench = bench_make();
	int handle = make_file(&bench, "f");
	const unsigned char fates[] = {MEMORY_KEPT, MEMORY_LOST, MEMORY_TORN_HEAD, MEMORY_TORN_TAIL, MEMORY_ZEROED};

	write_all(&bench, handle, 'a', 2048, 0);
	sync_all(&bench, handle, ".");
	write_all(&bench, handle, 'b', 2500, 0);
	assert_int_equal(memory_disk_sectors(bench.memory), 5);
	memory_disk_crash(bench.memory, fates, NULL);
	expect_byte(&bench, "f", 2500, 511, 'b');
	expect_byte(&bench, "f", 2500, 512, 'a');
	expect_byte(&bench, "f", 2500, 1024, 'b');
	expect_byte(&bench, "f", 2500, 1535, 'a');
	expect_byte(&bench, "f", 2500, 1536, 'a');
	expect_byte(&bench, "f", 2500, 2047, 'b');
	expect_byte(&bench, "f", 2500, 2048, 0);
	memory_disk_destroy(bench.memory);
}

static void a_lost_sector_before_a_kept_one_past_the_end_reads_as_zeros(void **state)
{
	struct bench bench = bench_make();
	int handle = make_file(&bench, "f");
	const unsigned char fates[] = {MEMORY_LOST, MEMORY_KEPT, MEMORY_LOST};

	sync_all(&bench, handle, ".");
	write_all(&bench, handle, 'b', 1500, 0);
	memory_disk_crash(bench.memory, fates, NULL);
	expect_byte(&bench, "f", 1024, 0, 0);
	expect_byte(&bench, "f", 1024, 1023, 'b');
	memory_disk_destroy(bench.memory);
}

static void a_name_is_durable_only_with_its_folder(void **state)
{
	struct bench bench = bench_make();
	int handle;

	assert_int_equal(bench.disk->make_folder(bench.disk, "d"), 0);
	assert_int_equal(bench.disk->sync_folder(bench.disk, "."), 0);
	handle = make_file(&bench, "d/f");
	write_all(&bench, handle, 'a', 10, 0);
	assert_int_equal(bench.disk->sync(bench.disk, handle), 0);
	assert_int_equal(bench.disk->sync_folder(bench.disk, "."), 0);
	assert_int_equal(memory_disk_changes(bench.memory), 1);
	memory_disk_crash(bench.memory, NULL, NULL);
	assert_false(has(&bench, "d/f"));
	handle = make_file(&bench, "d/f");
	sync_all(&bench, handle, "d");
	memory_disk_crash(bench.memory, NULL, NULL);
	assert_true(has(&bench, "d/f"));
	memory_disk_destroy(bench.memory);
}

static void each_change_of_names_can_be_lost_alone(void **state)
{
	struct bench bench = bench_make();
	const bool kept[] = {true, false, true};

	bench.disk->close(bench.disk, make_file(&bench, "a"));
	bench.disk->close(bench.disk, make_file(&bench, "b"));
	assert_int_equal(bench.disk->sync_folder(bench.disk, "."), 0);
	assert_int_equal(bench.disk->rename(bench.disk, "a", "c"), 0);
	assert_int_equal(bench.disk->remove(bench.disk, "b"), 0);
	bench.disk->close(bench.disk, make_file(&bench, "e"));
	assert_int_equal(memory_disk_changes(bench.memory), 3);
	memory_disk_crash(bench.memory, NULL, kept);
	assert_false(has(&bench, "a"));
	assert_true(has(&bench, "b"));
	assert_true(has(&bench, "c"));
	assert_true(has(&bench, "e"));
	memory_disk_destroy(bench.memory);
}

static void a_rename_takes_the_place_of_what_was_there(void **state)
{
	struct bench bench = bench_make();
	int handle = make_file(&bench, "new");

	write_all(&bench, handle, 'n', 10, 0);
	sync_all(&bench, handle, ".");
	handle = make_file(&bench, "old");
	write_all(&bench, handle, 'o', 20, 0);
	sync_all(&bench, handle, ".");
	assert_int_equal(bench.disk->rename(bench.disk, "new", "old"), 0);
	expect_byte(&bench, "old", 10, 0, 'n');
	assert_int_equal(bench.disk->rename(bench.disk, "new", "old"), -ENOENT);
	memory_disk_crash(bench.memory, NULL, NULL);
	expect_byte(&bench, "old", 20, 0, 'o');
	expect_byte(&bench, "new", 10, 0, 'n');
	memory_disk_destroy(bench.memory);
}

static void a_lost_folder_takes_its_files_along(void **state)
{
	struct bench bench = bench_make();

	assert_int_equal(bench.disk->make_folder(bench.disk, "d"), 0);
	bench.disk->close(bench.disk, make_file(&bench, "d/f"));
	assert_int_equal(bench.disk->sync_folder(bench.disk, "d"), 0);
	memory_disk_crash(bench.memory, NULL, NULL);
	assert_false(has(&bench, "d/f"));
	assert_int_equal(bench.disk->sync_folder(bench.disk, "d"), -ENOENT);
	memory_disk_destroy(bench.memory);
}

static void a_removed_file_lives_until_its_last_handle_is_closed(void **state)
{
	struct bench bench = bench_make();
	int handle = make_file(&bench, "f");
	char byte;

	write_all(&bench, handle, 'a', 10, 0);
	assert_int_equal(bench.disk->remove(bench.disk, "f"), 0);
	assert_int_equal(bench.disk->remove(bench.disk, "f"), -ENOENT);
	assert_int_equal(bench.disk->sync_folder(bench.disk, "."), 0);
	assert_int_equal(bench.disk->read(bench.disk, handle, &byte, 1, 9, true), 1);
	assert_int_equal(byte, 'a');
	memory_disk_destroy(bench.memory);
}

static int count_name(const char *name, void *arg)
{
	unsigned *count = arg;

	++*count;
	return strcmp(name, "stop") == 0 ? 7 : 0;
}

static void list_gives_the_names_of_one_folder_until_told_to_stop(void **state)
{
	struct bench bench = bench_make();
	unsigned count = 0;

	assert_int_equal(bench.disk->make_folder(bench.disk, "d"), 0);
	bench.disk->close(bench.disk, make_file(&bench, "d/a"));
	bench.disk->close(bench.disk, make_file(&bench, "d/b"));
	bench.disk->close(bench.disk, make_file(&bench, "other"));
	assert_int_equal(bench.disk->list(bench.disk, "d", count_name, &count), 0);
	assert_int_equal(count, 2);
	bench.disk->close(bench.disk, make_file(&bench, "d/stop"));
	assert_int_equal(bench.disk->list(bench.disk, "d", count_name, &count), 7);
	assert_int_equal(bench.disk->list(bench.disk, "none", count_name, &count), -ENOENT);
	memory_disk_destroy(bench.memory);
}

static void a_kill_leaves_all_at_stake(void **state)
{
	struct bench bench = bench_make();
	int handle = make_file(&bench, "f");

	assert_int_equal(bench.disk->lock(bench.disk, handle), 0);
	write_all(&bench, handle, 'a', 10, 0);
	memory_disk_kill(bench.memory);
	assert_int_equal(memory_disk_handles(bench.memory), 0);
	expect_byte(&bench, "f", 10, 9, 'a');
	assert_int_equal(memory_disk_sectors(bench.memory), 1);
	handle = bench.disk->open(bench.disk, "f", O_RDWR);
	assert_int_equal(bench.disk->lock(bench.disk, handle), 0);
	memory_disk_crash(bench.memory, NULL, NULL);
	assert_false(has(&bench, "f"));
	memory_disk_destroy(bench.memory);
}

static void a_clone_crashes_alone(void **state)
{
	struct bench bench = bench_make(), other;
	int handle = make_file(&bench, "f");

	sync_all(&bench, handle, ".");
	write_all(&bench, handle, 'a', 10, 0);
	other.memory = memory_disk_clone(bench.memory);
	other.disk = memory_disk_door(other.memory);
	assert_int_equal(memory_disk_hash(other.memory), memory_disk_hash(bench.memory));
	memory_disk_crash(other.memory, NULL, NULL);
	assert_int_not_equal(memory_disk_hash(other.memory), memory_disk_hash(bench.memory));
	expect_byte(&bench, "f", 10, 9, 'a');
	assert_int_equal(bench.disk->sync(bench.disk, handle), 0);
	memory_disk_destroy(other.memory);
	memory_disk_destroy(bench.memory);
}

static void an_ignored_sync_leaves_all_at_stake(void **state)
{
	struct bench bench = bench_make();
	int handle = make_file(&bench, "x.store");

	memory_disk_ignore_sync(bench.memory, ".store");
	write_all(&bench, handle, 'a', 10, 0);
	sync_all(&bench, handle, ".");
	assert_int_equal(memory_disk_sectors(bench.memory), 1);
	assert_int_equal(memory_disk_changes(bench.memory), 0);
	memory_disk_ignore_sync(bench.memory, NULL);
	sync_all(&bench, handle, ".");
	assert_int_equal(memory_disk_sectors(bench.memory), 0);
	memory_disk_destroy(bench.memory);
}

static void reads_that_may_not_wait_find_only_what_is_resident(void **state)
{
	struct bench bench = bench_make();
	int handle = make_file(&bench, "f");
	char bytes[10];

	write_all(&bench, handle, 'a', 10, 0);
	memory_disk_set_resident(bench.memory, 4, 2);
	assert_int_equal(bench.disk->read(bench.disk, handle, bytes, 10, 0, false), 4);
	assert_int_equal(bench.disk->read(bench.disk, handle, bytes, 10, 4, false), 4);
	assert_int_equal(bench.disk->read(bench.disk, handle, bytes, 10, 4, false), -EAGAIN);
	assert_int_equal(bench.disk->read(bench.disk, handle, bytes, 10, 0, true), 10);
	memory_disk_destroy(bench.memory);
}

static void a_full_disk_answers_enospc_and_still_takes_what_is_there(void **state)
{
	struct bench bench = bench_make();
	int handle = make_file(&bench, "f");

	write_all(&bench, handle, 'a', 10, 0);
	memory_disk_set_room(bench.memory, 10);
	assert_int_equal(bench.disk->write(bench.disk, handle, "b", 1, 10), -ENOSPC);
	assert_int_equal(bench.disk->write(bench.disk, handle, "b", 1, 9), 0);
	memory_disk_destroy(bench.memory);
}

static void bytes_put_and_poked_are_durable(void **state)
{
	struct bench bench = bench_make();

	memory_disk_put(bench.memory, "f", "abcdef", 6);
	memory_disk_poke(bench.memory, "f", 1, "X", 1);
	memory_disk_crash(bench.memory, NULL, NULL);
	expect_byte(&bench, "f", 6, 1, 'X');
	memory_disk_put(bench.memory, "f", "ab", 2);
	memory_disk_crash(bench.memory, NULL, NULL);
	expect_byte(&bench, "f", 2, 1, 'b');
	memory_disk_destroy(bench.memory);
}

static void count_call(struct memory_disk *disk, enum memory_call call, const char *path, void *arg)
{
	unsigned *counts = arg;

	assert_non_null(path);
	counts[call]++;
}

static void the_watcher_sees_every_change_before_it_is_done(void **state)
{
	struct bench bench = bench_make();
	unsigned counts[MEMORY_SYNC_FOLDER + 1] = {0}, i;
	int handle;

	memory_disk_watch(bench.memory, count_call, counts);
	assert_int_equal(bench.disk->make_folder(bench.disk, "d"), 0);
	handle = make_file(&bench, "d/f");
	write_all(&bench, handle, 'a', 10, 0);
	sync_all(&bench, handle, "d");
	assert_int_equal(bench.disk->rename(bench.disk, "d/f", "d/g"), 0);
	assert_int_equal(bench.disk->remove(bench.disk, "d/g"), 0);
	for (i = 0; i <= MEMORY_SYNC_FOLDER; i++) {
		assert_int_equal(counts[i], 1);
		assert_string_not_equal(memory_call_name((enum memory_call)i), "?");
	}
	memory_disk_destroy(bench.memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_file_reads_as_it_was_written),
		cmocka_unit_test(open_refuses_what_open_2_refuses),
		cmocka_unit_test(a_crash_loses_what_was_not_synced),
		cmocka_unit_test(a_crash_gives_each_sector_its_fate),
		cmocka_unit_test(a_lost_sector_before_a_kept_one_past_the_end_reads_as_zeros),
		cmocka_unit_test(a_name_is_durable_only_with_its_folder),
		cmocka_unit_test(each_change_of_names_can_be_lost_alone),
		cmocka_unit_test(a_rename_takes_the_place_of_what_was_there),
		cmocka_unit_test(a_lost_folder_takes_its_files_along),
		cmocka_unit_test(a_removed_file_lives_until_its_last_handle_is_closed),
		cmocka_unit_test(list_gives_the_names_of_one_folder_until_told_to_stop),
		cmocka_unit_test(a_kill_leaves_all_at_stake),
		cmocka_unit_test(a_clone_crashes_alone),
		cmocka_unit_test(an_ignored_sync_leaves_all_at_stake),
		cmocka_unit_test(reads_that_may_not_wait_find_only_what_is_resident),
		cmocka_unit_test(a_full_disk_answers_enospc_and_still_takes_what_is_there),
		cmocka_unit_test(bytes_put_and_poked_are_durable),
		cmocka_unit_test(the_watcher_sees_every_change_before_it_is_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
