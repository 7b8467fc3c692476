#include "tests/fs/mounted.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static void a_record_has_its_exact_bytes_size_and_time(void **state)
{
	struct mounted *m = *state;
	struct stat attr;
	char text[16];
	fake_add(m->fake, "zero", 4);
	fake_add(m->fake, "o\0ne\n", 5);
	assert_int_equal(stat(at(m, "log/records/1"), &attr), 0);
	assert_int_equal(attr.st_mode, S_IFREG | 0444);
	assert_int_equal(attr.st_size, 5);
	assert_int_equal(attr.st_nlink, 1);
	assert_int_equal(attr.st_uid, geteuid());
	assert_true(attr.st_mtim.tv_sec == FAKE_TIME_NS / 1000000000 + 1);
	assert_true(attr.st_mtim.tv_nsec == FAKE_TIME_NS % 1000000000);
	assert_memory_equal(&attr.st_ctim, &attr.st_mtim, sizeof attr.st_mtim);
	assert_memory_equal(&attr.st_atim, &attr.st_mtim, sizeof attr.st_mtim);
	int fd = open_at(m, "log/records/1", O_RDONLY);
	assert_int_equal(read(fd, text, sizeof text), 5);
	assert_memory_equal(text, "o\0ne\n", 5);
	assert_int_equal(read(fd, text, sizeof text), 0);
	close(fd);
	assert_text(m, "records/0", "zero");
}

static void an_empty_record_is_an_empty_file(void **state)
{
	struct mounted *m = *state;
	fake_add(m->fake, "", 0);
	assert_text(m, "log/records/0", "");
}

static void a_large_record_is_read_in_any_pieces(void **state)
{
	struct mounted *m = *state;
	static char data[SERVICE_RECORD_SIZE_MAX], read_back[sizeof data + 77777];
	for (size_t i = 0; i < sizeof data; i++)
		data[i] = (char)(i * 2654435761u >> 11);
	fake_add(m->fake, data, sizeof data);
	int fd = open_at(m, "log/records/0", O_RDONLY);
	size_t have = 0;
	for (ssize_t got; (got = read(fd, read_back + have, 77777)) > 0; have += (size_t)got)
		;
	assert_int_equal(have, sizeof data);
	assert_memory_equal(data, read_back, sizeof data);
	assert_int_equal(pread(fd, read_back, 10, 1000001), 10);
	assert_memory_equal(data + 1000001, read_back, 10);
	close(fd);
	fd = open_at(m, "log/records/0", O_RDONLY | O_DIRECT);
	char *aligned = aligned_alloc(4096, 1u << 20);
	assert_int_equal(read(fd, aligned, 1u << 20), sizeof data);
	assert_memory_equal(data, aligned, sizeof data);
	close(fd);
	free(aligned);
}

static void what_the_service_answers_later_is_the_same(void **state)
{
	struct mounted *m = *state;
	m->fake->answers = FAKE_LATER;
	fake_add(m->fake, "zero", 4);
	assert_text(m, "log/records/0", "zero");
	assert_int_equal(ERRNO(access(at(m, "log/records/1"), F_OK)), ENOENT);
}

static void an_offset_to_come_is_not_there_and_then_is(void **state)
{
	struct mounted *m = *state;
	assert_int_equal(ERRNO(open(at(m, "log/records/0"), O_RDONLY)), ENOENT);
	assert_int_equal(ERRNO(open(at(m, "log/records/0"), O_RDONLY)), ENOENT);
	fake_add(m->fake, "came", 4);
	assert_text(m, "log/records/0", "came");
	assert_int_equal(ERRNO(open(at(m, "log/records/1"), O_RDONLY)), ENOENT);
}

static void only_canonical_decimals_are_names(void **state)
{
	struct mounted *m = *state;
	static const char *const names[] = {"00",
	                                    "01",
	                                    "+1",
	                                    "-1",
	                                    "-0",
	                                    " 1",
	                                    "1 ",
	                                    "1.",
	                                    "0x1",
	                                    "a",
	                                    "1e0",
	                                    "\n1",
	                                    "٠",
	                                    "..1",
	                                    "18446744073709551617",
	                                    "18446744073709551616",
	                                    "288230376151711744",
	                                    "99999999999999999999999999"};
	char path[64];
	fake_add(m->fake, "a", 1);
	fake_add(m->fake, "b", 1);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		snprintf(path, sizeof path, "log/records/%s", names[i]);
		if (ERRNO(access(at(m, path), F_OK)) != ENOENT)
			fail_msg("%s is there", path);
	}
	assert_int_equal(access(at(m, "log/records/1"), F_OK), 0);
}

static void trimmed_records_are_gone(void **state)
{
	struct mounted *m = *state;
	fake_add(m->fake, "a", 1);
	fake_add(m->fake, "b", 1);
	int fd = open_at(m, "log/records/0", O_RDONLY);
	m->fake->first = 1;
	char byte;
	assert_int_equal(ERRNO(read(fd, &byte, 1)), ESTALE);
	close(fd);
	assert_text(m, "log/records/1", "b");
	m->fake->first = 2;
	/* Its name is known for a second; at ESTALE the kernel looks it up again. */
	assert_int_equal(ERRNO(open(at(m, "log/records/0"), O_RDONLY)), ENOENT);
}

static void a_trim_between_the_question_and_the_answer_is_not_there(void **state)
{
	struct mounted *m = *state;
	fake_add(m->fake, "a", 1);
	m->fake->read_failure = -ESTALE;
	assert_int_equal(ERRNO(access(at(m, "log/records/0"), F_OK)), ENOENT);
}

static void a_record_that_fails_its_checksum_is_an_io_error(void **state)
{
	struct mounted *m = *state;
	static const int errors[] = {-EBADMSG, -EIO};
	char byte;
	fake_add(m->fake, "a", 1);
	int fd = open_at(m, "log/records/0", O_RDONLY);
	for (int i = 0; i < 2; i++) {
		m->fake->read_failure = errors[i];
		assert_int_equal(ERRNO(read(fd, &byte, 1)), EIO);
		m->fake->read_failure = 0;
		m->fake->read_refusal = errors[i];
		assert_int_equal(ERRNO(read(fd, &byte, 1)), EIO);
		m->fake->read_refusal = 0;
	}
	assert_int_equal(read(fd, &byte, 1), 1);
	close(fd);
}

static void a_log_forbids_to_change_a_record(void **state)
{
	struct mounted *m = *state;
	fake_add(m->fake, "a", 1);
	fake_add(m->fake, "b", 1);
	const char *path = at(m, "log/records/0");
	assert_int_equal(ERRNO(open(path, O_WRONLY)), EPERM);
	assert_int_equal(ERRNO(open(path, O_RDWR)), EPERM);
	assert_int_equal(ERRNO(open(path, O_WRONLY | O_APPEND | O_CREAT, 0644)), EPERM);
	assert_int_equal(ERRNO(open(path, O_RDONLY | O_TRUNC)), EPERM);
	assert_int_equal(ERRNO(truncate(path, 0)), EPERM);
	assert_int_equal(ERRNO(unlink(path)), EPERM);
	assert_int_equal(ERRNO(rename(path, at(m, "log/records/1"))), EPERM);
	assert_int_equal(ERRNO(rename(path, at(m, "log/records/9"))), EPERM);
	assert_int_equal(ERRNO(link(path, at(m, "log/records/9"))), EPERM);
	assert_int_equal(ERRNO(chmod(path, 0666)), EPERM);
	assert_int_equal(ERRNO(chown(path, 1, 1)), EPERM);
	assert_int_equal(ERRNO(utimensat(AT_FDCWD, path, NULL, 0)), EPERM);
	assert_int_equal(ERRNO(open(at(m, "log/records/2"), O_WRONLY | O_CREAT, 0644)), EPERM);
	assert_text(m, "log/records/0", "a");
	assert_int_equal(m->fake->batches, 0);
}

static void what_was_read_is_kept_by_the_kernel(void **state)
{
	struct mounted *m = *state;
	fake_add(m->fake, "a", 1);
	assert_text(m, "log/records/0", "a");
	uint32_t reads = m->fake->reads;
	for (int i = 0; i < 5; i++) {
		char byte;
		int fd = open_at(m, "log/records/0", O_RDONLY);
		assert_int_equal(read(fd, &byte, 1), 1);
		close(fd);
	}
	/* A name may be asked for again, its bytes may not. */
	assert_in_range(m->fake->reads, reads, reads + 1);
}

static bool one_held(const struct fake *fake)
{
	return fake->held_count == 1;
}

static void a_read_that_waits_does_not_stop_others(void **state)
{
	struct mounted *m = *state;
	fake_add(m->fake, "a", 1);
	m->fake->answers = FAKE_HELD;
	pid_t reader = fork();
	assert_true(reader >= 0);
	if (reader == 0) {
		close(m->commands);
		_exit(access(at(m, "log/records/0"), F_OK) == 0 ? 0 : 1);
	}
	assert_true(fake_await(m->fake, one_held));
	assert_text(m, "log/next", "1\n");
	mounted_command(m, 'r');
	int status;
	assert_int_equal(waitpid(reader, &status, 0), reader);
	assert_int_equal(status, 0);
}

static void its_attributes_tell_where_it_is(void **state)
{
	struct mounted *m = *state;
	static const char *const names[] = {"user.clog.offset", "user.clog.term", "user.clog.index",
	                                    "user.clog.crc32c"};
	static const char *const values[] = {"10", "0", "0", "00000000"};
	static const char list[] = "user.clog.offset\0user.clog.term\0user.clog.index\0user.clog.crc32c";
	char value[128];
	for (int i = 0; i < 11; i++)
		fake_add(m->fake, "x", 1);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		ssize_t size = getxattr(at(m, "records/10"), names[i], value, sizeof value);
		assert_int_equal(size, strlen(values[i]));
		assert_memory_equal(value, values[i], (size_t)size);
		assert_int_equal(getxattr(at(m, "records/10"), names[i], NULL, 0), size);
	}
	assert_int_equal(ERRNO(getxattr(at(m, "records/10"), names[0], value, 1)), ERANGE);
	assert_int_equal(ERRNO(getxattr(at(m, "records/10"), "user.clog.other", value, sizeof value)), ENODATA);
	assert_int_equal(ERRNO(getxattr(at(m, "records/10"), "security.capability", value, sizeof value)), ENODATA);
	assert_int_equal(listxattr(at(m, "records/10"), value, sizeof value), sizeof list);
	assert_memory_equal(value, list, sizeof list);
	assert_int_equal(ERRNO(listxattr(at(m, "records/10"), value, 5)), ERANGE);
	m->fake->read_failure = -EIO;
	assert_int_equal(ERRNO(getxattr(at(m, "records/10"), names[0], value, sizeof value)), EIO);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, mounted_setup, mounted_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_record_has_its_exact_bytes_size_and_time),
		TEST(an_empty_record_is_an_empty_file),
		TEST(a_large_record_is_read_in_any_pieces),
		TEST(what_the_service_answers_later_is_the_same),
		TEST(an_offset_to_come_is_not_there_and_then_is),
		TEST(only_canonical_decimals_are_names),
		TEST(trimmed_records_are_gone),
		TEST(a_trim_between_the_question_and_the_answer_is_not_there),
		TEST(a_record_that_fails_its_checksum_is_an_io_error),
		TEST(a_log_forbids_to_change_a_record),
		TEST(what_was_read_is_kept_by_the_kernel),
		TEST(a_read_that_waits_does_not_stop_others),
		TEST(its_attributes_tell_where_it_is),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
