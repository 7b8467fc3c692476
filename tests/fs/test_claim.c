#include "tests/fs/mounted.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CLAIM (O_CREAT | O_EXCL | O_WRONLY)

static void a_name_that_is_next_becomes_a_record(void **state)
{
	struct mounted *m = *state;
	fake_add(m->fake, "old", 3);
	int fd = open_at(m, "log/records/1", CLAIM);
	assert_int_equal(write(fd, "mine", 4), 4);
	assert_int_equal(ERRNO(write(fd, "more", 4)), EPERM);
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(m->fake->count, 2);
	assert_text(m, "records/1", "mine");
	struct stat attr;
	assert_int_equal(stat(at(m, "records/1"), &attr), 0);
	assert_int_equal(attr.st_mode, S_IFREG | 0444);
	assert_int_equal(attr.st_size, 4);
}

static void who_loses_is_told_and_appends_nothing(void **state)
{
	struct mounted *m = *state;
	int first = open_at(m, "log/records/0", CLAIM), second = open_at(m, "log/records/0", CLAIM);
	assert_int_equal(write(first, "first", 5), 5);
	assert_int_equal(ERRNO(write(second, "second", 6)), EEXIST);
	assert_int_equal(ERRNO(write(second, "second", 6)), EEXIST);
	assert_int_equal(close(second), 0);
	assert_int_equal(close(first), 0);
	assert_int_equal(ERRNO(open(at(m, "log/records/0"), CLAIM, 0644)), EEXIST);
	assert_text(m, "records/0", "first");
	assert_int_equal(m->fake->count, 1);
}

static void who_is_ahead_is_told(void **state)
{
	struct mounted *m = *state;
	int fd = open_at(m, "records/1", CLAIM);
	assert_int_equal(ERRNO(write(fd, "x", 1)), ENXIO);
	fake_add(m->fake, "old", 3);
	assert_int_equal(write(fd, "x", 1), 1); /* refused is not written */
	close(fd);
	assert_int_equal(m->fake->count, 2);
}

static void what_may_have_been_appended_is_not_tried_again(void **state)
{
	struct mounted *m = *state;
	int fd = open_at(m, "records/0", CLAIM);
	m->fake->append_failure = -ETIMEDOUT;
	assert_int_equal(ERRNO(write(fd, "x", 1)), ETIMEDOUT);
	m->fake->append_failure = 0;
	assert_int_equal(ERRNO(write(fd, "x", 1)), EPERM);
	close(fd);
}

static void a_close_without_a_write_leaves_nothing(void **state)
{
	struct mounted *m = *state;
	struct stat attr;
	for (int again = 0; again < 2; again++) {
		int fd = open_at(m, "records/0", CLAIM);
		assert_int_equal(fstat(fd, &attr), 0);
		assert_int_equal(attr.st_size, 0);
		assert_int_equal(ERRNO(access(at(m, "records/0"), F_OK)), ENOENT);
		assert_int_equal(close(fd), 0);
		assert_int_equal(ERRNO(access(at(m, "records/0"), F_OK)), ENOENT);
	}
	fake_add(m->fake, "another's", 9);
	assert_text(m, "records/0", "another's");
	assert_int_equal(m->fake->batches, 0);
}

static void only_exclusive_creation_of_an_offset_is_allowed(void **state)
{
	struct mounted *m = *state;
	static const char *const names[] = {"x", "00", "01", "-1", "0x1", "1.", ".1", "18446744073709551616"};
	char path[64];
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		snprintf(path, sizeof path, "log/records/%s", names[i]);
		assert_int_equal(ERRNO(open(at(m, path), CLAIM, 0644)), EPERM);
	}
	assert_int_equal(ERRNO(open(at(m, "records/0"), O_CREAT | O_WRONLY, 0644)), EPERM);
	assert_int_equal(ERRNO(open(at(m, "records/0"), O_CREAT | O_TRUNC | O_RDWR, 0644)), EPERM);
	assert_int_equal(ERRNO(mknod(at(m, "records/0"), S_IFREG | 0644, 0)), EPERM);
}

static void a_record_that_is_too_large_is_refused_whole(void **state)
{
	struct mounted *m = *state;
	char *data = calloc(1, SERVICE_RECORD_SIZE_MAX + 1);
	assert_non_null(data);
	int fd = open_at(m, "records/0", CLAIM);
	assert_int_equal(ERRNO(write(fd, data, SERVICE_RECORD_SIZE_MAX + 1)), EMSGSIZE);
	assert_int_equal(write(fd, data, SERVICE_RECORD_SIZE_MAX), SERVICE_RECORD_SIZE_MAX);
	close(fd);
	assert_int_equal(m->fake->count, 1);
	free(data);
}

static void it_is_nobody_s_to_open_again_or_to_read(void **state)
{
	struct mounted *m = *state;
	char path[64], byte;
	int fd = open_at(m, "records/0", O_CREAT | O_EXCL | O_RDWR);
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	assert_int_equal(ERRNO(open(path, O_RDONLY)), ESTALE);
	assert_int_equal(ERRNO(open(path, O_WRONLY)), EPERM);
	assert_int_equal(read(fd, &byte, 1), 0);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
}

static void copies_and_shells_make_records(void **state)
{
	struct mounted *m = *state;
	char command[512];
	snprintf(command, sizeof command,
	         "cd %s && head -c 900000 /dev/urandom >../file && cp ../file records/0 && cmp ../file records/0 && "
	         "bash -c 'set -C; echo one > records/1' && dash -c 'set -C; echo two > records/2' && "
	         "! bash -c 'set -C; echo no > records/9' 2>../said && grep -q 'No such device' ../said && "
	         "head -c 1200000 /dev/zero >../file && ! cp ../file records/3 2>../said && grep -q 'too long' ../said",
	         m->folder);
	assert_int_equal(system(command), 0);
	assert_int_equal(m->fake->count, 3);
	assert_text(m, "records/1", "one\n");
	assert_text(m, "records/2", "two\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, mounted_setup, mounted_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_name_that_is_next_becomes_a_record),
		TEST(who_loses_is_told_and_appends_nothing),
		TEST(who_is_ahead_is_told),
		TEST(what_may_have_been_appended_is_not_tried_again),
		TEST(a_close_without_a_write_leaves_nothing),
		TEST(only_exclusive_creation_of_an_offset_is_allowed),
		TEST(a_record_that_is_too_large_is_refused_whole),
		TEST(it_is_nobody_s_to_open_again_or_to_read),
		TEST(copies_and_shells_make_records),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
