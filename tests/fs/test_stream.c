#include "tests/fs/mounted.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void it_is_all_records_joined(void **state)
{
	struct mounted *m = *state;
	fake_add(m->fake, "one\n", 4);
	fake_add(m->fake, "two", 3);
	fake_add(m->fake, "", 0);
	fake_add(m->fake, "three\n", 6);
	assert_text(m, "log/stream", "one\ntwothree\n");
}

static void it_is_empty_at_first(void **state)
{
	struct mounted *m = *state;
	assert_text(m, "log/stream", "");
}

static void its_size_is_true_and_grows_and_its_time_is_the_last_record_s(void **state)
{
	struct mounted *m = *state;
	struct stat attr;
	int fd = open_at(m, "log/stream", O_RDONLY);
	assert_int_equal(fstat(fd, &attr), 0);
	assert_int_equal(attr.st_size, 0);
	assert_true(attr.st_mtim.tv_sec == FAKE_START_NS / 1000000000);
	fake_add(m->fake, "four", 4);
	fake_add(m->fake, "five5", 5);
	assert_int_equal(fstat(fd, &attr), 0);
	assert_int_equal(attr.st_size, 9);
	assert_int_equal(attr.st_mode, S_IFREG | 0444);
	assert_true(attr.st_mtim.tv_sec == FAKE_TIME_NS / 1000000000 + 1);
	assert_int_equal(lseek(fd, 0, SEEK_END), 9);
	close(fd);
}

static void a_reader_at_the_end_gets_what_comes_later(void **state)
{
	struct mounted *m = *state;
	char text[16];
	fake_add(m->fake, "a", 1);
	int fd = open_at(m, "log/stream", O_RDONLY);
	assert_int_equal(read(fd, text, sizeof text), 1);
	assert_int_equal(read(fd, text, sizeof text), 0);
	fake_add(m->fake, "bc", 2);
	assert_int_equal(read(fd, text, sizeof text), 2);
	assert_memory_equal(text, "bc", 2);
	close(fd);
}

static void any_place_can_be_read(void **state)
{
	struct mounted *m = *state;
	char text[16];
	fake_add(m->fake, "0123456789", 10);
	int fd = open_at(m, "log/stream", O_RDONLY);
	assert_int_equal(pread(fd, text, 3, 4), 3);
	assert_memory_equal(text, "456", 3);
	assert_int_equal(pread(fd, text, 16, 8), 2);
	assert_int_equal(pread(fd, text, 16, 10), 0);
	assert_int_equal(pread(fd, text, 16, 1000), 0);
	assert_int_equal(pread(fd, text, 16, INT64_MAX - 100), 0);
	close(fd);
}

static void read_all_of(struct mounted *m, const char *data, size_t size)
{
	char *read_back = malloc(size + (1u << 20));
	assert_non_null(read_back);
	size_t have = 0;
	int fd = open_at(m, "log/stream", O_RDONLY);
	for (ssize_t got; (got = read(fd, read_back + have, 1u << 20)) > 0; have += (size_t)got)
		assert_true(got == 1 << 20 || have + (size_t)got == size); /* short only at the end */
	close(fd);
	assert_int_equal(have, size);
	assert_memory_equal(data, read_back, size);
	free(read_back);
}

static void a_read_is_filled_from_as_many_pieces_as_it_takes(void **state)
{
	struct mounted *m = *state;
	size_t size = (5u << 20) + 12345;
	char *data = malloc(size);
	assert_non_null(data);
	for (size_t i = 0; i < size; i++)
		data[i] = (char)(i * 2654435761u >> 9);
	for (size_t i = 0; i < size; i += 54321)
		fake_add(m->fake, data + i, (uint32_t)(size - i < 54321 ? size - i : 54321));
	read_all_of(m, data, size);
	m->fake->stream_step = 300007;
	read_all_of(m, data, size);
	m->fake->answers = FAKE_LATER;
	read_all_of(m, data, size);
	free(data);
}

static void a_trim_is_seen_by_who_opens_it_later_and_fails_who_reads_below_it(void **state)
{
	struct mounted *m = *state;
	struct stat before, after;
	char text[16];
	fake_add(m->fake, "aaa", 3);
	fake_add(m->fake, "bb", 2);
	int old = open_at(m, "log/stream", O_RDONLY);
	assert_int_equal(fstat(old, &before), 0);
	m->fake->first = 1;
	int new = open_at(m, "log/stream", O_RDONLY);
	assert_int_equal(fstat(new, &after), 0);
	assert_true(before.st_ino == after.st_ino);
	assert_int_equal(after.st_size, 2);
	assert_int_equal(read(new, text, sizeof text), 2);
	assert_memory_equal(text, "bb", 2);
	/* The old one does not shrink. */
	assert_int_equal(fstat(old, &after), 0);
	assert_int_equal(after.st_size, 5);
	assert_int_equal(ERRNO(read(old, text, sizeof text)), ESTALE);
	assert_int_equal(pread(old, text, sizeof text, 3), 2);
	assert_memory_equal(text, "bb", 2);
	close(old);
	close(new);
}

static void bytes_that_fail_their_checksum_are_an_io_error(void **state)
{
	struct mounted *m = *state;
	char text[16];
	fake_add(m->fake, "aaa", 3);
	int fd = open_at(m, "log/stream", O_RDONLY);
	m->fake->read_failure = -EIO;
	assert_int_equal(ERRNO(read(fd, text, sizeof text)), EIO);
	m->fake->read_failure = 0;
	m->fake->read_refusal = -EBADMSG;
	assert_int_equal(ERRNO(read(fd, text, sizeof text)), EIO);
	m->fake->read_refusal = 0;
	assert_int_equal(read(fd, text, sizeof text), 3);
	close(fd);
}

static void what_stands_before_an_error_is_given_first(void **state)
{
	struct mounted *m = *state;
	char text[16];
	fake_add(m->fake, "good", 4);
	fake_add(m->fake, "bad", 3);
	m->fake->stream_step = 4;
	m->fake->stream_bad = 4;
	int fd = open_at(m, "log/stream", O_RDONLY);
	assert_int_equal(read(fd, text, sizeof text), 4);
	assert_memory_equal(text, "good", 4);
	assert_int_equal(ERRNO(read(fd, text, sizeof text)), EIO);
	close(fd);
}

static void it_cannot_be_written(void **state)
{
	struct mounted *m = *state;
	assert_int_equal(ERRNO(open(at(m, "log/stream"), O_WRONLY | O_APPEND)), EPERM);
	assert_int_equal(ERRNO(truncate(at(m, "log/stream"), 0)), EPERM);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, mounted_setup, mounted_teardown)
	const struct CMUnitTest tests[] = {
		TEST(it_is_all_records_joined),
		TEST(it_is_empty_at_first),
		TEST(its_size_is_true_and_grows_and_its_time_is_the_last_record_s),
		TEST(a_reader_at_the_end_gets_what_comes_later),
		TEST(any_place_can_be_read),
		TEST(a_read_is_filled_from_as_many_pieces_as_it_takes),
		TEST(a_trim_is_seen_by_who_opens_it_later_and_fails_who_reads_below_it),
		TEST(bytes_that_fail_their_checksum_are_an_io_error),
		TEST(what_stands_before_an_error_is_given_first),
		TEST(it_cannot_be_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
