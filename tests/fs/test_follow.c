#include "tests/fs/mounted.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS 20000

static void append(struct mounted *m, const char *text)
{
	int fd = open_at(m, "log/append", O_WRONLY);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* A process that reads once, from a handle that is open, and exits with the size, or with 100 and the errno. */
static pid_t reader_start(struct mounted *m, int fd)
{
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid > 0)
		return pid;
	char text[64];
	close(m->commands);
	ssize_t size = read(fd, text, sizeof text);
	_exit(size >= 0 ? (int)size : 100 + errno);
}

static int reader_join(pid_t pid)
{
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Waits until the process sleeps in the kernel, in its read. */
static void await_sleep(pid_t pid)
{
	char path[64], text[64] = "";
	snprintf(path, sizeof path, "/proc/%d/wchan", (int)pid);
	for (int i = 0; i < 1000000 && strstr(text, "request_wait") == NULL; i++) {
		FILE *file = fopen(path, "re");
		text[file == NULL ? 0 : fread(text, 1, sizeof text - 1, file)] = '\0';
		if (file != NULL)
			fclose(file);
	}
	assert_non_null(strstr(text, "request_wait"));
}

static void it_gives_what_is_appended_from_its_opening_on(void **state)
{
	struct mounted *m = *state;
	char text[64];
	append(m, "before");
	int fd = open_at(m, "log/follow", O_RDONLY), late;
	append(m, "one\n");
	append(m, "two\n");
	late = open_at(m, "log/follow", O_RDONLY | O_NONBLOCK);
	assert_int_equal(read(fd, text, 3), 3);
	assert_int_equal(read(fd, text + 3, sizeof text - 3), 5);
	assert_memory_equal(text, "one\ntwo\n", 8);
	assert_int_equal(ERRNO(read(late, text, sizeof text)), EAGAIN);
	append(m, "three\n");
	assert_int_equal(read(late, text, sizeof text), 6);
	assert_int_equal(ERRNO(lseek(late, 0, SEEK_SET)), ESPIPE);
	close(fd);
	close(late);
}

static void a_read_waits_for_more(void **state)
{
	struct mounted *m = *state;
	int fd = open_at(m, "log/follow", O_RDONLY);
	pid_t pid = reader_start(m, fd);
	await_sleep(pid);
	append(m, "woken");
	assert_int_equal(reader_join(pid), 5);
	close(fd);
}

static void poll_select_and_epoll_tell_of_more(void **state)
{
	struct mounted *m = *state;
	char text[64];
	int fd = open_at(m, "log/follow", O_RDONLY | O_NONBLOCK), set = epoll_create1(EPOLL_CLOEXEC);
	struct pollfd polled = {.fd = fd, .events = POLLIN};
	struct epoll_event event = {.events = EPOLLIN};
	struct timeval wait = {.tv_sec = WAIT_MS / 1000};
	fd_set read_set;
	assert_int_equal(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), 0);
	assert_int_equal(poll(&polled, 1, 0), 0);
	assert_int_equal(epoll_wait(set, &event, 1, 0), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(m->commands);
		_exit(poll(&polled, 1, WAIT_MS) == 1 ? 0 : 1);
	}
	append(m, "x");
	assert_int_equal(poll(&polled, 1, WAIT_MS), 1);
	assert_int_equal(epoll_wait(set, &event, 1, WAIT_MS), 1);
	FD_ZERO(&read_set);
	FD_SET(fd, &read_set);
	assert_int_equal(select(fd + 1, &read_set, NULL, NULL, &wait), 1);
	assert_int_equal(reader_join(pid), 0);
	assert_int_equal(read(fd, text, sizeof text), 1);
	assert_int_equal(poll(&polled, 1, 0), 0);
	close(set);
	close(fd);
	fd = open_at(m, "log/append", O_RDWR);
	polled = (struct pollfd){.fd = fd, .events = POLLIN | POLLOUT};
	assert_int_equal(poll(&polled, 1, 0), 1);
	close(fd);
}

static void ignore(int number)
{
	(void)number;
}

static void any_signal_ends_the_wait_and_loses_nothing(void **state)
{
	struct mounted *m = *state;
	struct sigaction action = {.sa_handler = ignore}, before;
	sigaction(SIGUSR1, &action, &before);
	int fd = open_at(m, "log/follow", O_RDONLY);
	pid_t handled = reader_start(m, fd);
	await_sleep(handled);
	kill(handled, SIGUSR1);
	assert_int_equal(reader_join(handled), 100 + EINTR);
	pid_t killed = reader_start(m, fd);
	await_sleep(killed);
	kill(killed, SIGKILL);
	assert_int_equal(reader_join(killed), -SIGKILL);
	sigaction(SIGUSR1, &before, NULL);
	append(m, "kept");
	pid_t last = reader_start(m, fd);
	assert_int_equal(reader_join(last), 4);
	close(fd);
}

static void what_was_trimmed_is_told_once(void **state)
{
	struct mounted *m = *state;
	char text[64];
	int fd = open_at(m, "log/follow", O_RDONLY);
	append(m, "gone");
	append(m, "kept");
	m->fake->first = 1;
	assert_int_equal(ERRNO(read(fd, text, sizeof text)), ESTALE);
	assert_int_equal(read(fd, text, sizeof text), 4);
	assert_memory_equal(text, "kept", 4);
	close(fd);
}

static void the_end_of_the_mount_ends_the_wait(void **state)
{
	struct mounted *m = *state;
	int fd = open_at(m, "log/follow", O_RDONLY);
	pid_t pid = reader_start(m, fd);
	await_sleep(pid);
	close(fd);
	mounted_command(m, 'u');
	assert_int_equal(reader_join(pid), 100 + EHOSTUNREACH);
	mounted_expect(m, 'd');
	mounted_join(m);
}

static void each_of_many_gets_every_byte(void **state)
{
	struct mounted *m = *state;
	enum { READERS = 100 };
	int fds[READERS];
	char text[64];
	for (int i = 0; i < READERS; i++)
		fds[i] = open_at(m, "log/follow", O_RDONLY);
	append(m, "for all");
	for (int i = 0; i < READERS; i++) {
		assert_int_equal(read(fds[i], text, sizeof text), 7);
		assert_memory_equal(text, "for all", 7);
		close(fds[i]);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, mounted_setup, mounted_teardown)
	const struct CMUnitTest tests[] = {
		TEST(it_gives_what_is_appended_from_its_opening_on),
		TEST(a_read_waits_for_more),
		TEST(poll_select_and_epoll_tell_of_more),
		TEST(any_signal_ends_the_wait_and_loses_nothing),
		TEST(what_was_trimmed_is_told_once),
		TEST(the_end_of_the_mount_ends_the_wait),
		TEST(each_of_many_gets_every_byte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
