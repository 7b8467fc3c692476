#include "tests/fs/mounted.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Writes a text as a shell's > does. Returns 0 or the errno of the write. */
static int put(struct mounted *m, const char *name, const char *text)
{
	int fd = open_at(m, name, O_WRONLY | O_CREAT | O_TRUNC);
	ssize_t size = write(fd, text, strlen(text));
	int error = size < 0 ? errno : 0;
	assert_true(size < 0 || size == (ssize_t)strlen(text));
	close(fd);
	return error;
}

static void an_offset_written_to_first_trims(void **state)
{
	struct mounted *m = *state;
	for (int i = 0; i < 9; i++)
		fake_add(m->fake, "x", 1);
	assert_int_equal(put(m, "log/first", "5\n"), 0);
	assert_int_equal(m->fake->last_command.kind, SERVICE_TRIM);
	assert_int_equal(m->fake->last_command.offset, 5);
	assert_text(m, "log/first", "5\n");
	assert_int_equal(ERRNO(access(at(m, "log/records/4"), F_OK)), ENOENT);
	assert_int_equal(put(m, "log/first", "7"), 0); /* a newline or none */
	assert_text(m, "log/first", "7\n");
	assert_true(mounted_told(m, "event=admin_done file=log/first text=7 uid=0"));
	m->fake->command_failure = -EINVAL;
	assert_int_equal(put(m, "log/first", "10\n"), EINVAL);
	assert_true(mounted_told(m, "event=admin_failed file=log/first text=10 uid=0 error=\"Invalid argument\""));
}

static void the_retention_is_read_and_written(void **state)
{
	struct mounted *m = *state;
	assert_text(m, "log/retention", "all\n");
	assert_int_equal(put(m, "log/retention", "bytes=10GiB age=7d\n"), 0);
	assert_int_equal(m->fake->last_command.kind, SERVICE_RETAIN);
	assert_text(m, "log/retention", "bytes=10GiB age=7d\n");
	assert_int_equal(put(m, "log/retention", "age=36h\n"), 0);
	assert_text(m, "log/retention", "age=36h\n");
	assert_int_equal(put(m, "log/retention", "all\n"), 0);
	assert_text(m, "log/retention", "all\n");
}

static void what_is_malformed_is_refused_and_told(void **state)
{
	struct mounted *m = *state;
	static const char *const wrong[][2] = {{"log/retention", "bytes=10Gb\n"},
	                                       {"log/retention", "\n"},
	                                       {"log/retention", "bytes=1\n\n"},
	                                       {"log/retention", "bytes=1\nage=1d"},
	                                       {"log/first", "-1\n"},
	                                       {"log/first", "five\n"},
	                                       {"log/first", "05\n"},
	                                       {"log/first", "1 \n"},
	                                       {"log/first", "\n"},
	                                       {"log/first", "99999999999999999999"},
	                                       {"cluster/one/role", "Leader\n"},
	                                       {"cluster/one/role", "\n"},
	                                       {"cluster/one/role", "follower\n"},
	                                       {"cluster/one/role", "voter voter"}};
	static char large[8192];
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		if (put(m, wrong[i][0], wrong[i][1]) != EINVAL)
			fail_msg("%s takes '%s'", wrong[i][0], wrong[i][1]);
	memset(large, '1', sizeof large - 1);
	assert_int_equal(put(m, "log/first", large), EINVAL);
	int fd = open_at(m, "log/first", O_WRONLY);
	assert_int_equal(ERRNO(write(fd, "1\0", 2)), EINVAL);
	close(fd);
	assert_int_equal(m->fake->commands, 0);
	assert_true(mounted_told(
		m, "event=admin_refused file=log/retention text=\"bytes=10Gb\" uid=0 allowed=\"bytes=N, "));
	assert_true(mounted_told(m, "event=admin_refused file=cluster/one/role text=Leader uid=0 allowed=\"voter, "));
}

static void a_role_is_written_and_leadership_handed_over(void **state)
{
	struct mounted *m = *state;
	static const struct {
		const char *word;
		enum service_command_kind kind;
		enum service_role role;
	} words[] = {{"voter\n", SERVICE_SET_ROLE, SERVICE_VOTER},
	             {"standby\n", SERVICE_SET_ROLE, SERVICE_STANDBY},
	             {"spare", SERVICE_SET_ROLE, SERVICE_SPARE},
	             {"leader\n", SERVICE_TRANSFER, SERVICE_VOTER}};
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		assert_int_equal(put(m, "cluster/one/role", words[i].word), 0);
		assert_int_equal(m->fake->last_command.kind, words[i].kind);
		assert_int_equal(m->fake->last_command.role, words[i].role);
		assert_int_equal(m->fake->last_command.member, 7);
	}
	m->fake->command_failure = -EBUSY;
	assert_int_equal(put(m, "leader/role", "spare\n"), EBUSY);
	m->fake->command_failure = -ETIMEDOUT;
	assert_int_equal(put(m, "self/role", "leader\n"), ETIMEDOUT);
	m->fake->command_refusal = -EAGAIN;
	assert_int_equal(put(m, "self/role", "leader\n"), EAGAIN);
}

static void a_member_s_folder_is_removed_with_the_member(void **state)
{
	struct mounted *m = *state;
	m->fake->members[1] = (struct service_member){.id = 9};
	snprintf(m->fake->members[1].name, SERVICE_NAME_SIZE, "two");
	m->fake->member_count = 2;
	assert_int_equal(rmdir(at(m, "cluster/two")), 0);
	assert_int_equal(m->fake->last_command.kind, SERVICE_REMOVE);
	assert_int_equal(m->fake->last_command.member, 9);
	m->fake->member_count = 1;
	assert_int_equal(ERRNO(access(at(m, "cluster/two"), F_OK)), ENOENT);
	m->fake->command_failure = -EBUSY;
	assert_int_equal(ERRNO(rmdir(at(m, "cluster/one"))), EBUSY);
	assert_int_equal(access(at(m, "cluster/one/id"), F_OK), 0);
	assert_int_equal(ERRNO(rmdir(at(m, "cluster/three"))), ENOENT);
	assert_int_equal(ERRNO(unlink(at(m, "cluster/one/id"))), EPERM);
}

static void members_that_come_and_go_show_at_once(void **state)
{
	struct mounted *m = *state;
	struct stat attr;
	for (int again = 0; again < 3; again++) {
		m->fake->members[1] = (struct service_member){.id = 9};
		snprintf(m->fake->members[1].name, SERVICE_NAME_SIZE, "two");
		m->fake->member_count = 2;
		assert_int_equal(stat(at(m, "cluster/two/role"), &attr), 0);
		m->fake->member_count = 1;
		assert_int_equal(ERRNO(stat(at(m, "cluster/two"), &attr)), ENOENT);
		assert_int_equal(ERRNO(stat(at(m, "cluster/two/role"), &attr)), ENOENT);
	}
}

static void an_opening_of_next_asks_the_leader(void **state)
{
	struct mounted *m = *state;
	m->fake->end = 12345;
	assert_text(m, "log/next", "12345\n");
	assert_int_equal(m->fake->last_command.kind, SERVICE_END);
	m->fake->command_failure = -EHOSTUNREACH;
	assert_int_equal(ERRNO(open(at(m, "log/next"), O_RDONLY)), EHOSTUNREACH);
	m->fake->command_refusal = -EAGAIN;
	assert_int_equal(ERRNO(open(at(m, "log/next"), O_RDONLY)), EAGAIN);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, mounted_setup, mounted_teardown)
	const struct CMUnitTest tests[] = {
		TEST(an_offset_written_to_first_trims),
		TEST(the_retention_is_read_and_written),
		TEST(what_is_malformed_is_refused_and_told),
		TEST(a_role_is_written_and_leadership_handed_over),
		TEST(a_member_s_folder_is_removed_with_the_member),
		TEST(members_that_come_and_go_show_at_once),
		TEST(an_opening_of_next_asks_the_leader),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
