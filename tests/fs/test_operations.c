#include "tests/fs/mounted.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static void a_log_forbids_to_make_remove_and_rename_and_again(void **state)
{
	struct mounted *m = *state;
	static const char *const folders[] = {"", "log", "log/records", "cluster", "cluster/one", "status"};
	char name[64];
	/* Twice: an answer that the kernel takes as "not implemented" would be another one the second time. */
	for (int again = 0; again < 2; again++)
		for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
			snprintf(name, sizeof name, "%s/77", folders[i]);
			const char *path = at(m, name);
			assert_int_equal(ERRNO(open(path, O_WRONLY | O_CREAT, 0644)), EPERM);
			if (strcmp(folders[i], "log/records") != 0)
				assert_int_equal(ERRNO(open(path, O_WRONLY | O_CREAT | O_EXCL, 0644)), EPERM);
			assert_int_equal(ERRNO(mkdir(path, 0755)), EPERM);
			assert_int_equal(ERRNO(mkfifo(path, 0644)), EPERM);
			assert_int_equal(ERRNO(mknod(path, S_IFREG | 0644, 0)), EPERM);
			assert_int_equal(ERRNO(symlink("x", path)), EPERM);
			assert_int_equal(ERRNO(link(at(m, "log/append"), path)), EPERM);
			assert_int_equal(ERRNO(rename(at(m, "log/append"), path)), EPERM);
		}
	for (int again = 0; again < 2; again++) {
		assert_int_equal(ERRNO(unlink(at(m, "log/append"))), EPERM);
		assert_int_equal(ERRNO(unlink(at(m, "append"))), EPERM);
		assert_int_equal(ERRNO(rmdir(at(m, "cluster"))), EPERM);
		assert_int_equal(ERRNO(rmdir(at(m, "log/records"))), EPERM);
		assert_int_equal(ERRNO(rename(at(m, "log"), at(m, "status/log"))), EPERM);
		assert_int_equal(
			ERRNO(renameat2(AT_FDCWD, at(m, "log/append"), AT_FDCWD, at(m, "log/lines"), RENAME_EXCHANGE)),
			EPERM);
	}
}

static void a_log_forbids_to_change_attributes(void **state)
{
	struct mounted *m = *state;
	static const char *const names[] = {"",         "log",         "log/records",  "log/stream",
	                                    "log/next", "cluster/one", "status/health"};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		assert_int_equal(ERRNO(chmod(at(m, names[i]), 0777)), EPERM);
		assert_int_equal(ERRNO(chown(at(m, names[i]), 1, 1)), EPERM);
		assert_int_equal(ERRNO(utimensat(AT_FDCWD, at(m, names[i]), NULL, 0)), EPERM);
	}
	int fd = open_at(m, "log/stream", O_RDONLY);
	assert_int_equal(ERRNO(fchmod(fd, 0777)), EPERM);
	close(fd);
}

static void there_are_no_extended_attributes(void **state)
{
	struct mounted *m = *state;
	static const char *const names[] = {"", "log/append", "log/stream", "log/records", "status/health"};
	char value[64];
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		assert_int_equal(ERRNO(getxattr(at(m, names[i]), "user.clog.offset", value, sizeof value)), ENODATA);
		assert_int_equal(listxattr(at(m, names[i]), value, sizeof value), 0);
		assert_int_equal(listxattr(at(m, names[i]), NULL, 0), 0);
		assert_int_equal(ERRNO(setxattr(at(m, names[i]), "user.x", "y", 1, 0)), EOPNOTSUPP);
		assert_int_equal(ERRNO(removexattr(at(m, names[i]), "user.x")), ENODATA);
	}
}

static void there_are_no_ioctls(void **state)
{
	struct mounted *m = *state;
	int flags, fd = open_at(m, "log/append", O_WRONLY);
	assert_int_equal(ERRNO(ioctl(fd, FS_IOC_GETFLAGS, &flags)), ENOTTY);
	assert_int_equal(ERRNO(ioctl(fd, _IOR('c', 1, int), &flags)), ENOTTY);
	close(fd);
}

static void a_record_is_not_copied_to_append_in_pieces(void **state)
{
	struct mounted *m = *state;
	static char data[300000];
	memset(data, 'd', sizeof data);
	fake_add(m->fake, data, sizeof data);
	int from = open_at(m, "log/records/0", O_RDONLY), to = open_at(m, "log/append", O_WRONLY);
	assert_int_equal(ERRNO(copy_file_range(from, NULL, to, NULL, sizeof data, 0)), EINVAL);
	close(from);
	close(to);
	char command[512];
	snprintf(command, sizeof command, "cp '%s' '%s'", at(m, "log/records/0"), at(m, "append"));
	assert_int_equal(system(command), 0);
	assert_int_equal(m->fake->count, 2);
	assert_true(fake_has(m->fake, 1, data, sizeof data));
}

static void folders_can_be_synced_and_files_locked(void **state)
{
	struct mounted *m = *state;
	int folder = open_at(m, "log", O_RDONLY | O_DIRECTORY);
	assert_int_equal(fsync(folder), 0);
	close(folder);
	int one = open_at(m, "log/next", O_RDONLY), two = open_at(m, "log/next", O_RDONLY);
	assert_int_equal(flock(one, LOCK_EX), 0);
	assert_int_equal(ERRNO(flock(two, LOCK_EX | LOCK_NB)), EWOULDBLOCK);
	assert_int_equal(fsync(one), 0);
	close(one);
	close(two);
}

static void a_record_can_be_mapped(void **state)
{
	struct mounted *m = *state;
	fake_add(m->fake, "mapped", 6);
	int fd = open_at(m, "log/records/0", O_RDONLY);
	char *data = mmap(NULL, 6, PROT_READ, MAP_SHARED, fd, 0);
	assert_true(data != MAP_FAILED);
	assert_memory_equal(data, "mapped", 6);
	munmap(data, 6);
	close(fd);
}

static void there_are_no_holes_to_find(void **state)
{
	struct mounted *m = *state;
	fake_add(m->fake, "123456", 6);
	int fd = open_at(m, "log/records/0", O_RDONLY);
	assert_int_equal(lseek(fd, 0, SEEK_DATA), 0);
	assert_int_equal(lseek(fd, 0, SEEK_HOLE), 6);
	close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, mounted_setup, mounted_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_log_forbids_to_make_remove_and_rename_and_again),
		TEST(a_log_forbids_to_change_attributes),
		TEST(there_are_no_extended_attributes),
		TEST(there_are_no_ioctls),
		TEST(a_record_is_not_copied_to_append_in_pieces),
		TEST(folders_can_be_synced_and_files_locked),
		TEST(a_record_can_be_mapped),
		TEST(there_are_no_holes_to_find),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
