/* The operating system's files as a disk, when its calls are interrupted, do less than asked, or fail. The calls are
 * the linker's to wrap (meson.build). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "log/log.h"
#include "tests/log/folder.h"

/* What the next calls do: so many fail with an error, or (error 0) do no more than count bytes. */
static struct {
	int times, error;
	size_t count;
	unsigned calls;
} plan;
static bool halved; /* reads give four bytes, and then would block */

ssize_t __real_preadv64v2(int fd, const struct iovec *pieces, int count, off_t position, int flags);
ssize_t __real_pread64(int fd, void *data, size_t size, off_t position);
ssize_t __real_pwrite64(int fd, const void *data, size_t size, off_t position);
int __real_fdatasync(int fd);
int __real_fsync(int fd);
int __real_fstat64(int fd, struct stat *stat);
struct dirent *__real_readdir64(DIR *folder);
int __real_flock(int fd, int operation);
ssize_t __wrap_preadv64v2(int fd, const struct iovec *pieces, int count, off_t position, int flags);
ssize_t __wrap_pread64(int fd, void *data, size_t size, off_t position);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t size, off_t position);
int __wrap_fdatasync(int fd);
int __wrap_fsync(int fd);
int __wrap_fstat64(int fd, struct stat *stat);
struct dirent *__wrap_readdir64(DIR *folder);
int __wrap_flock(int fd, int operation);

/* Whether the plan has something for this call. */
static bool strikes(void)
{
	plan.calls++;
	if (plan.times == 0)
		return false;
	plan.times--;
	errno = plan.error;
	return true;
}

ssize_t __wrap_preadv64v2(int fd, const struct iovec *pieces, int count, off_t position, int flags)
{
	struct iovec piece = pieces[0];
	assert_int_equal(count, 1);
	if (halved && position > 0) {
		errno = EAGAIN;
		return -1;
	}
	if (halved) {
		piece.iov_len = 4;
		return __real_preadv64v2(fd, &piece, 1, position, flags);
	}
	if (!strikes())
		return __real_preadv64v2(fd, pieces, count, position, flags);
	if (plan.error != 0)
		return -1;
	piece.iov_len = plan.count;
	return __real_preadv64v2(fd, &piece, 1, position, flags);
}

ssize_t __wrap_pread64(int fd, void *data, size_t size, off_t position)
{
	if (!strikes())
		return __real_pread64(fd, data, size, position);
	return plan.error != 0 ? -1 : __real_pread64(fd, data, plan.count, position);
}

ssize_t __wrap_pwrite64(int fd, const void *data, size_t size, off_t position)
{
	if (!strikes())
		return __real_pwrite64(fd, data, size, position);
	return plan.error != 0 ? -1 : __real_pwrite64(fd, data, plan.count, position);
}

int __wrap_fdatasync(int fd)
{
	return strikes() ? -1 : __real_fdatasync(fd);
}

int __wrap_fsync(int fd)
{
	return strikes() ? -1 : __real_fsync(fd);
}

int __wrap_fstat64(int fd, struct stat *stat)
{
	return strikes() ? -1 : __real_fstat64(fd, stat);
}

struct dirent *__wrap_readdir64(DIR *folder)
{
	return strikes() ? NULL : __real_readdir64(folder);
}

int __wrap_flock(int fd, int operation)
{
	return strikes() ? -1 : __real_flock(fd, operation);
}

static char folder[FOLDER_PATH_SIZE];
static struct log_disk *disk;
static int file;

static int set_up(void **state)
{
	plan.times = 0;
	disk = log_disk_posix();
	folder_enter(folder);
	file = disk->open(disk, "f", O_RDWR | O_CREAT);
	assert_true(file >= 0);
	assert_int_equal(disk->write(disk, file, "0123456789", 10, 0), 0);
	return 0;
}

static int tear_down(void **state)
{
	plan.times = 0;
	disk->close(disk, file);
	folder_leave(folder);
	return 0;
}

static void will(int times, int error, size_t count)
{
	plan.times = times;
	plan.error = error;
	plan.count = count;
	plan.calls = 0;
}

static void an_interrupted_call_is_made_again(void **state)
{
	char bytes[10];
	will(2, EINTR, 0);
	assert_int_equal(disk->read(disk, file, bytes, 10, 0, true), 10);
	assert_int_equal(plan.calls, 3);
	will(2, EINTR, 0);
	assert_int_equal(disk->write(disk, file, "abc", 3, 0), 0);
	assert_int_equal(plan.calls, 3);
	will(2, EINTR, 0);
	assert_int_equal(disk->sync(disk, file), 0);
	assert_int_equal(plan.calls, 3);
	will(2, EINTR, 0);
	assert_int_equal(disk->sync_folder(disk, "."), 0);
	assert_int_equal(plan.calls, 3);
}

static void a_call_that_does_less_is_gone_on_with(void **state)
{
	char bytes[11] = "";
	will(3, 0, 2);
	assert_int_equal(disk->read(disk, file, bytes, 10, 0, true), 10);
	assert_string_equal(bytes, "0123456789");
	will(3, 0, 2);
	assert_int_equal(disk->write(disk, file, "abcdefghij", 10, 0), 0);
	assert_int_equal(disk->read(disk, file, bytes, 10, 0, true), 10);
	assert_string_equal(bytes, "abcdefghij");
}

/* A write that does nothing, again and again, must not go round for ever. */
static void a_write_that_does_nothing_is_enospc(void **state)
{
	will(1, 0, 0);
	assert_int_equal(disk->write(disk, file, "abc", 3, 0), -ENOSPC);
}

static void a_read_that_may_not_wait_gives_what_it_got(void **state)
{
	char bytes[10];
	const int errors[] = {EAGAIN, EOPNOTSUPP};
	for (unsigned i = 0; i < 2; i++) {
		will(1, errors[i], 0);
		assert_int_equal(disk->read(disk, file, bytes, 10, 0, false), -EAGAIN);
		will(1, errors[i], 0);
		assert_int_equal(disk->read(disk, file, bytes, 10, 0, true), -errors[i]);
	}
	will(1, EIO, 0);
	assert_int_equal(disk->read(disk, file, bytes, 10, 0, false), -EIO);
}

/* One call gives four bytes, the next would block. */
static void the_first_half_is_given_when_the_second_would_block(void **state)
{
	char bytes[10] = "";
	struct iovec piece = {.iov_base = bytes, .iov_len = 4};
	if (__real_preadv64v2(file, &piece, 1, 0, RWF_NOWAIT) != 4)
		skip(); /* a filesystem that cannot promise not to block: there is no first half */
	halved = true;
	assert_int_equal(disk->read(disk, file, bytes, 10, 0, false), 4);
	halved = false;
	assert_memory_equal(bytes, "0123", 4);
}

static void a_failing_call_is_its_error(void **state)
{
	uint64_t size;
	will(1, EIO, 0);
	assert_int_equal(disk->write(disk, file, "abc", 3, 0), -EIO);
	will(1, EIO, 0);
	assert_int_equal(disk->sync(disk, file), -EIO);
	will(1, EIO, 0);
	assert_int_equal(disk->sync_folder(disk, "."), -EIO);
	will(1, EIO, 0);
	assert_int_equal(disk->size(disk, file, &size), -EIO);
	will(1, ENOLCK, 0);
	assert_int_equal(disk->lock(disk, file), -ENOLCK);
}

static int count_name(const char *name, void *arg)
{
	++*(unsigned *)arg;
	return 0;
}

static void a_list_that_fails_is_an_error_and_no_end(void **state)
{
	unsigned names = 0;
	will(1, EIO, 0);
	assert_int_equal(disk->list(disk, ".", count_name, &names), -EIO);
	assert_int_equal(names, 0);
	assert_int_equal(disk->list(disk, ".", count_name, &names), 0);
	assert_int_equal(names, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_interrupted_call_is_made_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_call_that_does_less_is_gone_on_with, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_write_that_does_nothing_is_enospc, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_read_that_may_not_wait_gives_what_it_got, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_first_half_is_given_when_the_second_would_block, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_failing_call_is_its_error, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_list_that_fails_is_an_error_and_no_end, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
