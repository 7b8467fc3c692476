#include "tests/fs/mounted.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void first_and_next_are_the_log_s(void **state)
{
	struct mounted *m = *state;
	assert_text(m, "log/first", "0\n");
	assert_text(m, "log/next", "0\n");
	for (int i = 0; i < 12; i++)
		fake_add(m->fake, "x", 1);
	m->fake->first = 3;
	assert_text(m, "log/first", "3\n");
	assert_text(m, "log/next", "12\n");
}

static void a_size_is_true_whenever_it_is_asked(void **state)
{
	struct mounted *m = *state;
	static const char *const names[] = {"log/first",        "log/next",        "cluster/one/id",
	                                    "cluster/one/role", "status/health",   "status/version",
	                                    "status/config",    "status/metrics",  "status/term",
	                                    "status/commit",    "cluster/one/lag", "cluster/one/address"};
	struct stat attr;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		char text[16384];
		int fd = open_at(m, names[i], O_RDONLY);
		ssize_t size = read(fd, text, sizeof text);
		close(fd);
		assert_int_equal(stat(at(m, names[i]), &attr), 0);
		assert_int_equal(attr.st_mode & ~0200u, S_IFREG | 0444);
		if (strcmp(names[i], "status/metrics") != 0) /* which counts these requests, too */
			assert_int_equal(attr.st_size, size);
		assert_true(attr.st_size > 0);
	}
	assert_int_equal(stat(at(m, "log/next"), &attr), 0);
	assert_int_equal(attr.st_size, 2);
	for (int i = 0; i < 10; i++)
		fake_add(m->fake, "x", 1);
	assert_int_equal(stat(at(m, "log/next"), &attr), 0);
	assert_int_equal(attr.st_size, 3);
}

static void a_reader_sees_one_value_however_it_reads(void **state)
{
	struct mounted *m = *state;
	char text[8];
	for (int i = 0; i < 99; i++)
		fake_add(m->fake, "x", 1);
	int fd = open_at(m, "log/next", O_RDONLY);
	assert_int_equal(read(fd, text, 1), 1);
	fake_add(m->fake, "x", 1);
	assert_int_equal(read(fd, text + 1, 7), 2);
	assert_memory_equal(text, "99\n", 3);
	assert_int_equal(pread(fd, text, 8, 1), 2);
	assert_int_equal(pread(fd, text, 8, 3), 0);
	assert_int_equal(pread(fd, text, 8, 4000), 0);
	close(fd);
	assert_text(m, "log/next", "100\n");
}

static void a_member_tells_what_it_is(void **state)
{
	struct mounted *m = *state;
	m->fake->members[1] = (struct service_member){.id = (UINT64_C(1) << 48) - 1,
	                                              .role = SERVICE_SPARE,
	                                              .state = SERVICE_UNREACHABLE,
	                                              .match = 30,
	                                              .lag = 11};
	snprintf(m->fake->members[1].name, SERVICE_NAME_SIZE, "two.b_c-d");
	snprintf(m->fake->members[1].address, SERVICE_ADDRESS_SIZE, "host.example:7000");
	m->fake->member_count = 2;
	assert_text(m, "cluster/one/id", "7\n");
	assert_text(m, "cluster/one/address", "\n");
	assert_text(m, "cluster/one/role", "voter\n");
	assert_text(m, "cluster/one/state", "leader\n");
	assert_text(m, "cluster/one/match", "41\n");
	assert_text(m, "cluster/one/lag", "0\n");
	assert_text(m, "cluster/two.b_c-d/id", "281474976710655\n");
	assert_text(m, "cluster/two.b_c-d/address", "host.example:7000\n");
	assert_text(m, "cluster/two.b_c-d/role", "spare\n");
	assert_text(m, "cluster/two.b_c-d/state", "unreachable\n");
	assert_text(m, "cluster/two.b_c-d/match", "30\n");
	assert_text(m, "cluster/two.b_c-d/lag", "11\n");
}

static void health_is_ok_or_a_sentence(void **state)
{
	struct mounted *m = *state;
	assert_text(m, "status/health", "ok\n");
	m->fake->leader = 0;
	assert_text(m, "status/health", "there is no leader: appends wait for one\n");
	m->fake->removed = true;
	assert_text(m, "status/health", "this member was removed from the cluster: nothing can be appended here\n");
	m->fake->failure = -EIO;
	assert_text(m, "status/health", "appends are refused here since a failure: Input/output error\n");
}

static void status_tells_version_config_term_and_commit(void **state)
{
	struct mounted *m = *state;
	assert_text(m, "status/version", CLOG_VERSION "\n");
	assert_text(m, "status/config", CONFIG_TEXT);
	assert_text(m, "status/term", "3\n");
	assert_text(m, "status/commit", "41\n");
	m->fake->commit = UINT64_MAX;
	assert_text(m, "status/commit", "18446744073709551615\n");
}

static void metrics_have_the_counters_and_the_log_s_gauges(void **state)
{
	struct mounted *m = *state;
	static char text[65536];
	for (int i = 0; i < 12; i++)
		fake_add(m->fake, "xyz", 3);
	m->fake->first = 2;
	int fd = open_at(m, "status/metrics", O_RDONLY);
	ssize_t size = read(fd, text, sizeof text - 1);
	assert_true(size > 0);
	text[size] = '\0';
	close(fd);
	static const char *const lines[] = {
		"\nclog_first_offset 2\n", "\nclog_next_offset 12\n",  "\nclog_stream_bytes 30\n",
		"\nclog_term 3\n",         "\nclog_commit_entry 41\n", "\nclog_is_leader 1\n",
		"\nclog_members 1\n",      "\nclog_failed 0\n",        "\nclog_fuse_requests_total "};
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
		if (strstr(text, lines[i]) == NULL)
			fail_msg("%s is not in the metrics:\n%s", lines[i], text);
	assert_null(strstr(text, "clog_fuse_requests_total 0\n"));
}

static void those_that_tell_cannot_be_written(void **state)
{
	struct mounted *m = *state;
	static const char *const names[] = {"log/next", "cluster/one/id", "status/health", "status/config"};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		assert_int_equal(ERRNO(open(at(m, names[i]), O_WRONLY)), EPERM);
		assert_int_equal(ERRNO(open(at(m, names[i]), O_RDWR | O_TRUNC)), EPERM);
		assert_int_equal(ERRNO(truncate(at(m, names[i]), 0)), EPERM);
	}
}

static void a_member_that_is_gone_is_not_there(void **state)
{
	struct mounted *m = *state;
	struct stat attr;
	int folder = open_at(m, "cluster/one", O_RDONLY | O_DIRECTORY);
	assert_int_equal(fstat(folder, &attr), 0);
	m->fake->member_count = 0;
	assert_int_equal(ERRNO(fstat(folder, &attr)), ENOENT);
	assert_int_equal(ERRNO(openat(folder, "role", O_RDONLY)), ENOENT);
	assert_int_equal(ERRNO(access(at(m, "cluster/one"), F_OK)), ENOENT);
	close(folder);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, mounted_setup, mounted_teardown)
	const struct CMUnitTest tests[] = {
		TEST(first_and_next_are_the_log_s),
		TEST(a_size_is_true_whenever_it_is_asked),
		TEST(a_reader_sees_one_value_however_it_reads),
		TEST(a_member_tells_what_it_is),
		TEST(health_is_ok_or_a_sentence),
		TEST(status_tells_version_config_term_and_commit),
		TEST(metrics_have_the_counters_and_the_log_s_gauges),
		TEST(those_that_tell_cannot_be_written),
		TEST(a_member_that_is_gone_is_not_there),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
