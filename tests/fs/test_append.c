#include "tests/fs/mounted.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define RECORD_MAX SERVICE_RECORD_SIZE_MAX

static char *bytes(size_t size)
{
	char *data = malloc(size);
	assert_non_null(data);
	for (size_t i = 0; i < size; i++)
		data[i] = (char)(i * 2654435761u >> 13);
	return data;
}

static void one_write_is_one_record_with_its_bytes_untouched(void **state)
{
	struct mounted *m = *state;
	int fd = open_at(m, "log/append", O_WRONLY);
	assert_int_equal(write(fd, "a\0b\r\n", 5), 5);
	assert_int_equal(write(fd, "\n", 1), 1);
	assert_int_equal(close(fd), 0);
	assert_true(fake_has(m->fake, 0, "a\0b\r\n", 5));
	assert_true(fake_has(m->fake, 1, "\n", 1));
	assert_int_equal(m->fake->count, 2);
}

static void the_link_in_the_root_leads_to_it(void **state)
{
	struct mounted *m = *state;
	int fd = open_at(m, "append", O_WRONLY | O_CREAT | O_APPEND);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	assert_true(fake_has(m->fake, 0, "x", 1));
}

static void the_largest_record_arrives_whole(void **state)
{
	struct mounted *m = *state;
	char *data = bytes(RECORD_MAX);
	int fd = open_at(m, "log/append", O_WRONLY);
	assert_int_equal(write(fd, data, RECORD_MAX), RECORD_MAX);
	close(fd);
	assert_int_equal(m->fake->count, 1);
	assert_true(fake_has(m->fake, 0, data, RECORD_MAX));
	free(data);
}

static void larger_writes_are_refused_and_append_nothing(void **state)
{
	struct mounted *m = *state;
	static const size_t sizes[] = {RECORD_MAX + 1, 1u << 20, (1u << 20) + 1, 3u << 20};
	char *data = bytes(3u << 20);
	int fd = open_at(m, "log/append", O_WRONLY);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
		assert_int_equal(ERRNO(write(fd, data, sizes[i])), EMSGSIZE);
	assert_int_equal(m->fake->batches, 0);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	assert_int_equal(m->fake->count, 1);
	free(data);
}

static void a_large_asynchronous_write_leaves_no_tail(void **state)
{
	struct mounted *m = *state;
	size_t size = (1u << 20) + 4096; /* the tail alone would be a record */
	char *data = aligned_alloc(4096, size);
	assert_non_null(data);
	memset(data, 'x', size);
	int fd = open_at(m, "log/append", O_WRONLY | O_DIRECT);
	aio_context_t context = 0;
	assert_int_equal(syscall(SYS_io_setup, 1, &context), 0);
	struct iocb request = {.aio_fildes = (uint32_t)fd,
	                       .aio_lio_opcode = IOCB_CMD_PWRITE,
	                       .aio_buf = (uintptr_t)data,
	                       .aio_nbytes = size};
	struct iocb *requests = &request;
	struct io_event event;
	struct timespec deadline = {.tv_sec = 20};
	assert_int_equal(syscall(SYS_io_submit, context, 1, &requests), 1);
	assert_int_equal(syscall(SYS_io_getevents, context, 1, 1, &event, &deadline), 1);
	assert_int_equal(event.res, -EMSGSIZE);
	syscall(SYS_io_destroy, context);
	close(fd);
	assert_int_equal(m->fake->batches, 0);
	free(data);
}

static void a_gathered_write_is_one_record(void **state)
{
	struct mounted *m = *state;
	char one[] = "one ", two[] = "two ", three[] = "three";
	struct iovec pieces[3] = {{one, 4}, {two, 4}, {three, 5}};
	int fd = open_at(m, "log/append", O_WRONLY);
	assert_int_equal(writev(fd, pieces, 3), 13);
	close(fd);
	assert_true(fake_has(m->fake, 0, "one two three", 13));
}

static void the_place_of_a_write_is_not_looked_at(void **state)
{
	struct mounted *m = *state;
	int fd = open_at(m, "log/append", O_WRONLY | O_TRUNC);
	assert_int_equal(pwrite(fd, "first", 5, 4096), 5);
	assert_true(lseek(fd, 0, SEEK_END) >= 0);
	assert_int_equal(write(fd, "second", 6), 6);
	assert_int_equal(pwrite(fd, "third", 5, 0), 5);
	close(fd);
	assert_true(fake_has(m->fake, 0, "first", 5));
	assert_true(fake_has(m->fake, 1, "second", 6));
	assert_true(fake_has(m->fake, 2, "third", 5));
}

static void a_read_gives_the_offset_of_the_last_write(void **state)
{
	struct mounted *m = *state;
	char text[16];
	for (int i = 0; i < 9; i++)
		fake_add(m->fake, "x", 1);
	int fd = open_at(m, "log/append", O_RDWR);
	assert_int_equal(read(fd, text, sizeof text), 0);
	assert_int_equal(write(fd, "a", 1), 1);
	assert_int_equal(read(fd, text, sizeof text), 2);
	assert_memory_equal(text, "9\n", 2);
	assert_int_equal(read(fd, text, sizeof text), 0);
	assert_int_equal(write(fd, "b", 1), 1);
	assert_int_equal(write(fd, "c", 1), 1);
	/* Byte by byte, as dash reads. */
	for (int i = 0; i < 3; i++)
		assert_int_equal(read(fd, text + i, 1), 1);
	assert_memory_equal(text, "11\n", 3);
	assert_int_equal(read(fd, text, 1), 0);
	/* What was not read of one is gone with the next. */
	assert_int_equal(write(fd, "d", 1), 1);
	assert_int_equal(read(fd, text, 1), 1);
	assert_int_equal(write(fd, "e", 1), 1);
	assert_int_equal(read(fd, text, sizeof text), 3);
	assert_memory_equal(text, "13\n", 3);
	close(fd);
}

static void each_handle_reads_the_offset_of_its_own_write(void **state)
{
	struct mounted *m = *state;
	char text[16];
	int one = open_at(m, "log/append", O_RDWR), two = open_at(m, "log/append", O_RDWR);
	assert_int_equal(write(one, "a", 1), 1);
	assert_int_equal(write(two, "b", 1), 1);
	assert_int_equal(read(one, text, sizeof text), 2);
	assert_memory_equal(text, "0\n", 2);
	assert_int_equal(read(two, text, sizeof text), 2);
	assert_memory_equal(text, "1\n", 2);
	close(one);
	close(two);
}

static bool two_held(const struct fake *fake)
{
	return fake->held_count == 2;
}

static void writers_that_opened_it_each_do_not_wait_for_each_other(void **state)
{
	struct mounted *m = *state;
	struct writer one, two;
	m->fake->answers = FAKE_HELD;
	writer_start(&one, m, "log/append", O_WRONLY | O_APPEND, "one");
	writer_start(&two, m, "log/append", O_WRONLY | O_APPEND, "two");
	assert_true(fake_await(m->fake, two_held));
	mounted_command(m, 'r');
	assert_int_equal(writer_join(&one), 0);
	assert_int_equal(writer_join(&two), 0);
}

static void all_its_nodes_show_one_inode_number(void **state)
{
	struct mounted *m = *state;
	struct stat one, two;
	int fd = open_at(m, "log/append", O_WRONLY);
	assert_int_equal(fstat(fd, &one), 0);
	assert_int_equal(stat(at(m, "log/append"), &two), 0);
	assert_true(one.st_ino == two.st_ino);
	assert_int_equal(one.st_mode, S_IFREG | 0644);
	assert_int_equal(one.st_blksize, 512 << 10);
	assert_int_equal(one.st_size, 0);
	close(fd);
}

static bool one_held(const struct fake *fake)
{
	return fake->held_count == 1;
}

static void a_write_returns_after_the_answer_of_the_service(void **state)
{
	struct mounted *m = *state;
	struct writer writer;
	m->fake->answers = FAKE_HELD;
	writer_start(&writer, m, "log/append", O_WRONLY, "x");
	assert_true(fake_await(m->fake, one_held));
	assert_int_equal(waitpid(writer.pid, NULL, WNOHANG), 0);
	mounted_command(m, 'r');
	assert_int_equal(writer_join(&writer), 0);
}

static void a_failure_is_the_answer_of_the_write(void **state)
{
	struct mounted *m = *state;
	static const struct {
		int status, seen;
	} cases[] = {{-EIO, EIO}, {-ESHUTDOWN, EHOSTUNREACH}, {-ETIMEDOUT, ETIMEDOUT}, {-ENOSPC, ENOSPC}};
	char text[8];
	int fd = open_at(m, "log/append", O_RDWR);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		m->fake->append_failure = cases[i].status;
		assert_int_equal(ERRNO(write(fd, "x", 1)), cases[i].seen);
		m->fake->append_failure = 0;
		m->fake->append_refusal = cases[i].status;
		assert_int_equal(ERRNO(write(fd, "x", 1)), cases[i].seen);
		m->fake->append_refusal = 0;
	}
	assert_int_equal(read(fd, text, sizeof text), 0);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	assert_int_equal(m->fake->count, 1);
}

static void truncating_and_touching_change_nothing(void **state)
{
	struct mounted *m = *state;
	int fd = open_at(m, "log/append", O_WRONLY | O_TRUNC);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(ftruncate(fd, 100), 0);
	assert_int_equal(futimens(fd, NULL), 0);
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(fdatasync(fd), 0);
	close(fd);
	assert_int_equal(truncate(at(m, "append"), 0), 0);
	assert_int_equal(utimensat(AT_FDCWD, at(m, "log/append"), NULL, 0), 0);
	assert_int_equal(m->fake->batches, 0);
}

static void its_mode_and_owner_stay(void **state)
{
	struct mounted *m = *state;
	assert_int_equal(ERRNO(chmod(at(m, "log/append"), 0600)), EPERM);
	assert_int_equal(ERRNO(chown(at(m, "log/append"), 1, -1)), EPERM);
	assert_int_equal(ERRNO(chown(at(m, "log/append"), -1, 1)), EPERM);
	/* Programs that copy attributes are not disturbed when there is nothing to change. */
	assert_int_equal(chmod(at(m, "log/append"), 0644), 0);
	assert_int_equal(chown(at(m, "log/append"), geteuid(), getegid()), 0);
}

static void preallocating_is_forbidden_and_the_c_library_does_not_write_zeros_instead(void **state)
{
	struct mounted *m = *state;
	int fd = open_at(m, "log/append", O_WRONLY);
	assert_int_equal(ERRNO(fallocate(fd, 0, 0, 100)), EPERM);
	assert_int_equal(ERRNO(fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 100)), EPERM);
	assert_int_equal(posix_fallocate(fd, 0, 8192), EPERM);
	assert_int_equal(m->fake->count, 0);
	close(fd);
}

static void it_is_always_ready_to_be_written(void **state)
{
	struct mounted *m = *state;
	struct pollfd fd = {.fd = open_at(m, "log/append", O_WRONLY), .events = POLLOUT};
	assert_int_equal(poll(&fd, 1, 0), 1);
	assert_int_equal(fd.revents, POLLOUT);
	close(fd.fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, mounted_setup, mounted_teardown)
	const struct CMUnitTest tests[] = {
		TEST(one_write_is_one_record_with_its_bytes_untouched),
		TEST(the_link_in_the_root_leads_to_it),
		TEST(the_largest_record_arrives_whole),
		TEST(larger_writes_are_refused_and_append_nothing),
		TEST(a_large_asynchronous_write_leaves_no_tail),
		TEST(a_gathered_write_is_one_record),
		TEST(the_place_of_a_write_is_not_looked_at),
		TEST(a_read_gives_the_offset_of_the_last_write),
		TEST(each_handle_reads_the_offset_of_its_own_write),
		TEST(writers_that_opened_it_each_do_not_wait_for_each_other),
		TEST(all_its_nodes_show_one_inode_number),
		TEST(a_write_returns_after_the_answer_of_the_service),
		TEST(a_failure_is_the_answer_of_the_write),
		TEST(truncating_and_touching_change_nothing),
		TEST(its_mode_and_owner_stay),
		TEST(preallocating_is_forbidden_and_the_c_library_does_not_write_zeros_instead),
		TEST(it_is_always_ready_to_be_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
