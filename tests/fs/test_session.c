
#include "tests/fs/mounted.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

static void unmounting_leaves_the_empty_folder(void **state)
{
	struct mounted *m = *state;
	assert_true(mounted_is(m));
	mounted_command(m, 'u');
	mounted_expect(m, 'd');
	mounted_join(m);
	assert_false(mounted_is(m));
	assert_int_equal(rmdir(m->folder), 0);
	assert_true(mounted_told(m, "event=mounted"));
	assert_true(mounted_told(m, "event=unmounted"));
}

static bool one_held(const struct fake *fake)
{
	return fake->held_count == 1;
}

static void an_append_under_way_is_answered_before_the_mount_goes(void **state)
{
	struct mounted *m = *state;
	struct writer writer;
	m->fake->answers = FAKE_HELD;
	writer_start(&writer, m, "log/append", O_WRONLY, "late");
	assert_true(fake_await(m->fake, one_held));
	mounted_command(m, 'u');
	mounted_command(m, 'g'); /* after which the server has seen both */
	mounted_expect(m, 'g');
	assert_true(mounted_is(m));
	assert_int_equal(waitpid(writer.pid, NULL, WNOHANG), 0);
	mounted_command(m, 'r');
	assert_int_equal(writer_join(&writer), 0);
	mounted_expect(m, 'd');
	mounted_join(m);
	assert_false(mounted_is(m));
	assert_true(fake_has(m->fake, 0, "late", 4));
}

static void what_comes_while_it_waits_is_refused_and_what_needs_no_service_is_served(void **state)
{
	struct mounted *m = *state;
	struct writer writer;
	char byte;
	fake_add(m->fake, "old", 3);
	int append = open_at(m, "log/append", O_WRONLY), lines = open_at(m, "log/lines", O_WRONLY);
	int record = open_at(m, "log/records/0", O_RDONLY), stream = open_at(m, "log/stream", O_RDONLY);
	assert_int_equal(write(lines, "unfinished", 10), 10);
	m->fake->answers = FAKE_HELD;
	writer_start(&writer, m, "log/append", O_WRONLY, "late");
	assert_true(fake_await(m->fake, one_held));
	mounted_command(m, 'u');
	mounted_command(m, 'g');
	mounted_expect(m, 'g');
	assert_int_equal(ERRNO(write(append, "x", 1)), EHOSTUNREACH);
	assert_int_equal(ERRNO(write(lines, "x\n", 2)), EHOSTUNREACH);
	assert_int_equal(ERRNO(read(record, &byte, 1)), EHOSTUNREACH);
	assert_int_equal(ERRNO(read(stream, &byte, 1)), EHOSTUNREACH);
	assert_int_equal(ERRNO(close(lines)), EHOSTUNREACH);
	assert_text(m, "status/health", "ok\n");
	assert_text(m, "log/first", "0\n");
	mounted_command(m, 'r');
	assert_int_equal(writer_join(&writer), 0);
	mounted_expect(m, 'd');
	mounted_join(m);
	assert_int_equal(m->fake->count, 2);
	/* A file that stays open does not keep the mount, and gives errors. */
	assert_false(mounted_is(m));
	assert_true(ERRNO(write(append, "x", 1)) != 0);
	close(append);
	close(record);
	close(stream);
}

static bool room_is_awaited(const struct fake *fake)
{
	return fake->ready_asked;
}

static void an_append_that_waits_for_room_is_refused(void **state)
{
	struct mounted *m = *state;
	struct writer writer;
	m->fake->full = 1;
	writer_start(&writer, m, "log/append", O_WRONLY, "x");
	assert_true(fake_await(m->fake, room_is_awaited));
	mounted_command(m, 'u');
	assert_int_equal(writer_join(&writer), EHOSTUNREACH);
	mounted_expect(m, 'd');
	mounted_join(m);
	assert_int_equal(m->fake->count, 0);
}

static void a_mount_that_goes_is_not_told_of_room(void **state)
{
	struct mounted *m = *state;
	struct writer writer;
	m->fake->full = 1;
	writer_start(&writer, m, "log/append", O_WRONLY, "x");
	assert_true(fake_await(m->fake, room_is_awaited));
	assert_int_equal(kill(writer.pid, SIGKILL), 0);
	assert_int_equal(waitpid(writer.pid, NULL, 0), writer.pid);
	mounted_command(m, 'u');
	mounted_expect(m, 'd');
	mounted_join(m); /* it looks for who is still to be told */
}

static void a_read_under_way_is_answered_before_the_mount_goes(void **state)
{
	struct mounted *m = *state;
	char byte;
	fake_add(m->fake, "a", 1);
	int fd = open_at(m, "log/stream", O_RDONLY);
	m->fake->answers = FAKE_HELD;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(m->commands);
		_exit(read(fd, &byte, 1) == 1 ? 0 : 1);
	}
	assert_true(fake_await(m->fake, one_held));
	mounted_command(m, 'u');
	mounted_command(m, 'r');
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	mounted_expect(m, 'd');
	mounted_join(m);
	close(fd);
}

static void an_unmount_from_outside_is_told_once(void **state)
{
	struct mounted *m = *state;
	assert_text(m, "log/next", "0\n");
	assert_int_equal(umount2(m->folder, 0), 0);
	mounted_expect(m, 'e');
	mounted_command(m, 'g');
	mounted_expect(m, 'g');
	mounted_command(m, 'u');
	mounted_expect(m, 'd');
	mounted_join(m);
	assert_int_equal(rmdir(m->folder), 0);
}

static void an_unmount_from_outside_leaves_open_files_working(void **state)
{
	struct mounted *m = *state;
	int fd = open_at(m, "log/append", O_WRONLY);
	assert_int_equal(ERRNO(umount2(m->folder, 0)), EBUSY);
	assert_int_equal(umount2(m->folder, MNT_DETACH), 0);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	mounted_expect(m, 'e');
	assert_int_equal(m->fake->count, 1);
}

/* Cuts the connection as an administrator does. */
static void cut(struct mounted *m)
{
	char control[128], path[256];
	struct stat attr;
	assert_int_equal(stat(m->folder, &attr), 0);
	snprintf(control, sizeof control, "%s/control", m->base);
	assert_int_equal(mkdir(control, 0755), 0);
	assert_int_equal(mount("fusectl", control, "fusectl", 0, ""), 0);
	snprintf(path, sizeof path, "%s/%u/abort", control, minor(attr.st_dev));
	int fd = open(path, O_WRONLY);
	ssize_t written = fd < 0 ? -1 : write(fd, "1", 1);
	if (fd >= 0)
		close(fd);
	umount2(control, MNT_DETACH);
	assert_int_equal(written, 1);
}

static void a_connection_that_is_cut_is_told_and_leaves_no_dead_mount(void **state)
{
	struct mounted *m = *state;
	struct writer writer;
	m->fake->answers = FAKE_HELD;
	writer_start(&writer, m, "log/append", O_WRONLY, "x");
	assert_true(fake_await(m->fake, one_held));
	cut(m);
	assert_int_equal(writer_join(&writer), ECONNABORTED);
	mounted_expect(m, 'e');
	assert_true(mounted_is(m));
	mounted_command(m, 'u');
	mounted_command(m, 'r');
	mounted_expect(m, 'd');
	mounted_join(m);
	assert_false(mounted_is(m));
}

static void writers_of_a_killed_server_learn_of_it(void **state)
{
	struct mounted *m = *state;
	struct writer writer;
	m->fake->answers = FAKE_HELD;
	writer_start(&writer, m, "log/append", O_WRONLY, "x");
	assert_true(fake_await(m->fake, one_held));
	mounted_kill(m);
	assert_int_equal(writer_join(&writer), ECONNABORTED);
	assert_int_equal(ERRNO(open(at(m, "log/append"), O_WRONLY)), ENOTCONN);
}

static void a_killed_writer_leaves_at_once(void **state)
{
	struct mounted *m = *state;
	struct writer writer;
	int status;
	m->fake->answers = FAKE_HELD;
	writer_start(&writer, m, "log/append", O_WRONLY, "x");
	assert_true(fake_await(m->fake, one_held));
	assert_int_equal(kill(writer.pid, SIGKILL), 0);
	assert_int_equal(waitpid(writer.pid, &status, 0), writer.pid); /* nothing has been answered */
	assert_true(WIFSIGNALED(status));
	mounted_command(m, 'r');
	assert_int_equal(m->fake->count, 1);
	assert_text(m, "status/health", "ok\n");
}

static void ignore(int number)
{
	(void)number;
}

static void a_signal_that_is_handled_does_not_cut_a_write_off(void **state)
{
	struct mounted *m = *state;
	struct sigaction action = {.sa_handler = ignore}, before; /* without SA_RESTART */
	struct writer writer;
	m->fake->answers = FAKE_HELD;
	assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
	writer_start(&writer, m, "log/append", O_WRONLY, "x"); /* which inherits that */
	assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
	assert_true(fake_await(m->fake, one_held));
	assert_int_equal(kill(writer.pid, SIGUSR1), 0);
	assert_text(m, "log/next", "1\n");
	mounted_command(m, 'r');
	assert_int_equal(writer_join(&writer), 0);
	assert_int_equal(m->fake->count, 1);
}

static void what_is_open_at_the_end_is_freed(void **state)
{
	struct mounted *m = *state;
	int fds[] = {open_at(m, "log/append", O_RDWR), open_at(m, "log/lines", O_RDWR),
	             open_at(m, "status/metrics", O_RDONLY), open_at(m, "log", O_RDONLY | O_DIRECTORY)};
	assert_int_equal(write(fds[1], "unfinished", 10), 10);
	mounted_command(m, 'u');
	mounted_expect(m, 'd');
	mounted_join(m); /* under a sanitizer, a leak fails this */
	for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
		close(fds[i]);
	assert_int_equal(m->fake->count, 0);
}

static void a_thousand_writes_are_each_answered_with_their_offset(void **state)
{
	struct mounted *m = *state;
	char text[8], answer[8];
	int fd = open_at(m, "log/append", O_RDWR);
	for (int i = 0; i < 1000; i++) {
		int size = snprintf(text, sizeof text, "%d\n", i);
		assert_int_equal(write(fd, text, (size_t)size), size);
		assert_int_equal(read(fd, answer, sizeof answer), size);
		assert_memory_equal(text, answer, (size_t)size);
	}
	close(fd);
}

static void a_second_mount_at_the_same_folder_is_refused(void **state)
{
	struct mounted *m = *state, second = *m;
	second.fake = fake_create();
	assert_non_null(second.fake);
	int rc = mounted_start(&second, NULL);
	fake_destroy(second.fake);
	assert_int_equal(rc, -EBUSY);
	assert_non_null(strstr(second.err->text, "is mounted there"));
	assert_non_null(strstr(second.err->text, m->folder));
	assert_text(m, "status/health", "ok\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, mounted_setup, mounted_teardown)
	const struct CMUnitTest tests[] = {
		TEST(unmounting_leaves_the_empty_folder),
		TEST(an_append_under_way_is_answered_before_the_mount_goes),
		TEST(what_comes_while_it_waits_is_refused_and_what_needs_no_service_is_served),
		TEST(an_append_that_waits_for_room_is_refused),
		TEST(a_mount_that_goes_is_not_told_of_room),
		TEST(a_read_under_way_is_answered_before_the_mount_goes),
		TEST(an_unmount_from_outside_is_told_once),
		TEST(an_unmount_from_outside_leaves_open_files_working),
		TEST(a_connection_that_is_cut_is_told_and_leaves_no_dead_mount),
		TEST(writers_of_a_killed_server_learn_of_it),
		TEST(a_killed_writer_leaves_at_once),
		TEST(a_signal_that_is_handled_does_not_cut_a_write_off),
		TEST(what_is_open_at_the_end_is_freed),
		TEST(a_thousand_writes_are_each_answered_with_their_offset),
		TEST(a_second_mount_at_the_same_folder_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
