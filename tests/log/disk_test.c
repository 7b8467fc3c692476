/* The operating system's files as a disk. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "log/log.h"
#include "tests/log/folder.h"

static char folder[FOLDER_PATH_SIZE];
static struct log_disk *disk;

static int set_up(void **state)
{
	disk = log_disk_posix();
	folder_enter(folder);
	return 0;
}

static int tear_down(void **state)
{
	folder_leave(folder);
	return 0;
}

static int make_file(const char *path)
{
	int handle = disk->open(disk, path, O_RDWR | O_CREAT | O_EXCL);
	assert_true(handle >= 0);
	return handle;
}

static void bytes_are_read_as_they_were_written(void **state)
{
	char bytes[32] = "";
	uint64_t size;
	int handle = make_file("f");
	assert_int_equal(disk->write(disk, handle, "hello", 5, 3), 0);
	assert_int_equal(disk->write(disk, handle, "", 0, 100), 0);
	assert_int_equal(disk->size(disk, handle, &size), 0);
	assert_int_equal(size, 8);
	assert_int_equal(disk->read(disk, handle, bytes, sizeof bytes, 0, true), 8);
	assert_memory_equal(bytes, "\0\0\0hello", 8);
	assert_int_equal(disk->read(disk, handle, bytes, 2, 4, true), 2);
	assert_memory_equal(bytes, "el", 2);
	assert_int_equal(disk->read(disk, handle, bytes, sizeof bytes, 8, true), 0);
	assert_int_equal(disk->sync(disk, handle), 0);
	disk->close(disk, handle);
}

/* What was just written is in memory; a filesystem that cannot tell may say that it would have to wait. */
static void a_read_that_may_not_wait_gives_what_is_in_memory(void **state)
{
	char bytes[32] = "";
	int handle = make_file("f");
	assert_int_equal(disk->write(disk, handle, "hello", 5, 0), 0);
	ssize_t count = disk->read(disk, handle, bytes, sizeof bytes, 0, false);
	assert_true(count == 5 || count == -EAGAIN);
	if (count == 5)
		assert_memory_equal(bytes, "hello", 5);
	disk->close(disk, handle);
}

static void files_are_their_owners_alone(void **state)
{
	struct stat stat_of;
	disk->close(disk, make_file("f"));
	assert_int_equal(stat("f", &stat_of), 0);
	assert_int_equal(stat_of.st_mode & 0777, 0600);
	assert_int_equal(disk->make_folder(disk, "d"), 0);
	assert_int_equal(stat("d", &stat_of), 0);
	assert_int_equal(stat_of.st_mode & 0777, 0700);
}

static void open_tells_why_it_fails(void **state)
{
	disk->close(disk, make_file("f"));
	assert_int_equal(symlink("f", "link"), 0);
	assert_int_equal(disk->open(disk, "none", O_RDWR), -ENOENT);
	assert_int_equal(disk->open(disk, "f", O_RDWR | O_CREAT | O_EXCL), -EEXIST);
	assert_int_equal(disk->open(disk, "none/f", O_RDWR | O_CREAT), -ENOENT);
	assert_int_equal(disk->open(disk, "link", O_RDWR), -ELOOP);
	assert_int_equal(disk->open(disk, ".", O_RDWR), -EISDIR);
}

static void calls_on_files_tell_why_they_fail(void **state)
{
	char byte;
	uint64_t size;
	int handle = disk->open(disk, ".", O_RDONLY);
	assert_true(handle >= 0);
	assert_int_equal(disk->read(disk, handle, &byte, 1, 0, true), -EISDIR);
	assert_int_equal(disk->write(disk, handle, "x", 1, 0), -EBADF);
	disk->close(disk, handle);
	assert_int_equal(disk->read(disk, handle, &byte, 1, 0, true), -EBADF);
	assert_int_equal(disk->sync(disk, handle), -EBADF);
	assert_int_equal(disk->size(disk, handle, &size), -EBADF);
	assert_int_equal(disk->lock(disk, handle), -EBADF);
}

static void a_full_device_is_enospc(void **state)
{
	int handle = disk->open(disk, "/dev/full", O_RDWR);
	assert_true(handle >= 0);
	assert_int_equal(disk->write(disk, handle, "x", 1, 0), -ENOSPC);
	disk->close(disk, handle);
}

static void names_change(void **state)
{
	disk->close(disk, make_file("a"));
	assert_int_equal(disk->rename(disk, "a", "b"), 0);
	assert_int_equal(disk->rename(disk, "a", "b"), -ENOENT);
	assert_int_equal(disk->open(disk, "a", O_RDONLY), -ENOENT);
	assert_int_equal(disk->remove(disk, "b"), 0);
	assert_int_equal(disk->remove(disk, "b"), -ENOENT);
	assert_int_equal(disk->sync_folder(disk, "."), 0);
	assert_int_equal(disk->sync_folder(disk, "none"), -ENOENT);
	disk->close(disk, make_file("f"));
	assert_int_equal(disk->sync_folder(disk, "f"), -ENOTDIR);
}

static void a_folder_is_made_once(void **state)
{
	assert_int_equal(disk->make_folder(disk, "d"), 0);
	assert_int_equal(disk->make_folder(disk, "d"), 0);
	assert_int_equal(disk->make_folder(disk, "none/d"), -ENOENT);
	disk->close(disk, make_file("f"));
	assert_int_equal(disk->make_folder(disk, "f"), -ENOTDIR);
	assert_int_equal(disk->make_folder(disk, "f/d"), -ENOTDIR);
	assert_int_equal(symlink("none", "link"), 0);
	assert_int_equal(disk->make_folder(disk, "link"), -ENOENT);
}

static int note_name(const char *name, void *arg)
{
	unsigned *seen = arg;
	assert_string_not_equal(name, ".");
	assert_string_not_equal(name, "..");
	*seen += name[0] == 'a' ? 1 : name[0] == 'b' ? 10 : 100;
	return name[0] == 'z' ? -ENOMEM : 0;
}

static void list_gives_each_name_once_until_told_to_stop(void **state)
{
	unsigned seen = 0;
	assert_int_equal(disk->make_folder(disk, "d"), 0);
	assert_int_equal(disk->list(disk, "d", note_name, &seen), 0);
	assert_int_equal(seen, 0);
	disk->close(disk, make_file("d/a"));
	disk->close(disk, make_file("d/b"));
	assert_int_equal(disk->list(disk, "d", note_name, &seen), 0);
	assert_int_equal(seen, 11);
	assert_int_equal(disk->make_folder(disk, "e"), 0);
	disk->close(disk, make_file("e/z"));
	assert_int_equal(disk->list(disk, "e", note_name, &seen), -ENOMEM);
	assert_int_equal(disk->list(disk, "none", note_name, &seen), -ENOENT);
	assert_int_equal(disk->list(disk, "d/a", note_name, &seen), -ENOTDIR);
}

/* What another process gets that locks the file now. */
static int lock_elsewhere(const char *path)
{
	int status;
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		int handle = disk->open(disk, path, O_RDWR);
		_exit(handle < 0 ? 255 : -disk->lock(disk, handle));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void one_process_holds_a_lock_until_it_closes(void **state)
{
	int handle = make_file("f"), other = disk->open(disk, "f", O_RDWR);
	assert_int_equal(lock_elsewhere("f"), 0);
	assert_int_equal(disk->lock(disk, handle), 0);
	assert_int_equal(disk->lock(disk, handle), 0);
	assert_int_equal(disk->lock(disk, other), -EBUSY);
	assert_int_equal(lock_elsewhere("f"), EBUSY);
	disk->close(disk, handle);
	assert_int_equal(lock_elsewhere("f"), 0);
	assert_int_equal(disk->lock(disk, other), 0);
	disk->close(disk, other);
}

static void the_space_of_a_folder_is_told(void **state)
{
	uint64_t size = 0;
	assert_int_equal(disk->space(disk, ".", &size), 0);
	assert_true(size > 0);
	assert_int_equal(disk->space(disk, "none", &size), -ENOENT);
}

/* Who does not own a file may read it, and may not keep the kernel from noting when. */
static void a_file_of_another_owner_is_read(void **state)
{
	int status;
	if (geteuid() != 0)
		skip();
	disk->close(disk, make_file("f"));
	assert_int_equal(chmod("f", 0644), 0);
	assert_int_equal(chmod(".", 0755), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(setuid(65534) == 0 && disk->open(disk, "f", O_RDONLY) >= 0 &&
		                      disk->open(disk, "f", O_RDWR) == -EACCES
		              ? 0
		              : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(bytes_are_read_as_they_were_written, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_read_that_may_not_wait_gives_what_is_in_memory, set_up, tear_down),
		cmocka_unit_test_setup_teardown(files_are_their_owners_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(open_tells_why_it_fails, set_up, tear_down),
		cmocka_unit_test_setup_teardown(calls_on_files_tell_why_they_fail, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_full_device_is_enospc, set_up, tear_down),
		cmocka_unit_test_setup_teardown(names_change, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_folder_is_made_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(list_gives_each_name_once_until_told_to_stop, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_space_of_a_folder_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_file_of_another_owner_is_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(one_process_holds_a_lock_until_it_closes, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
