#include "tests/fs/mounted.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static bool room_is_awaited(const struct fake *fake)
{
	return fake->ready_asked;
}

/* Tells those that wait that there is room. */
static void let_on(struct mounted *m)
{
	mounted_command(m, 'g');
	mounted_expect(m, 'g');
}

static bool three_held(const struct fake *fake)
{
	return fake->held_count == 3;
}

static void a_write_waits_for_room_in_the_queue(void **state)
{
	struct mounted *m = *state;
	struct writer writer;
	m->fake->full = 1;
	writer_start(&writer, m, "log/append", O_WRONLY, "waited");
	assert_true(fake_await(m->fake, room_is_awaited));
	assert_int_equal(m->fake->count, 0);
	assert_int_equal(waitpid(writer.pid, NULL, WNOHANG), 0);
	let_on(m);
	assert_int_equal(writer_join(&writer), 0);
	assert_int_equal(m->fake->count, 1);
	assert_true(fake_has(m->fake, 0, "waited", 6));
}

static void others_that_come_meanwhile_are_appended_after_it(void **state)
{
	struct mounted *m = *state;
	struct writer first, others[2];
	m->fake->full = 1;
	writer_start(&first, m, "log/append", O_WRONLY, "first");
	assert_true(fake_await(m->fake, room_is_awaited));
	m->fake->answers = FAKE_HELD;
	for (int i = 0; i < 2; i++)
		writer_start(&others[i], m, "log/append", O_WRONLY, "other");
	let_on(m);
	assert_true(fake_await(m->fake, three_held));
	mounted_command(m, 'r');
	assert_int_equal(writer_join(&first), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(writer_join(&others[i]), 0);
	assert_int_equal(m->fake->count, 3);
	assert_true(fake_has(m->fake, 0, "first", 5));
	assert_true(fake_has(m->fake, 1, "other", 5));
	assert_true(fake_has(m->fake, 2, "other", 5));
}

static void it_waits_again_when_the_room_was_not_enough(void **state)
{
	struct mounted *m = *state;
	struct writer writer;
	m->fake->full = 4;
	writer_start(&writer, m, "log/append", O_WRONLY, "patient");
	for (int i = 0; i < 4; i++) {
		assert_true(fake_await(m->fake, room_is_awaited));
		let_on(m);
	}
	assert_int_equal(writer_join(&writer), 0);
	assert_true(fake_has(m->fake, 0, "patient", 7));
	assert_int_equal(m->fake->count, 1);
}

static void lines_and_their_carry_wait_too(void **state)
{
	struct mounted *m = *state;
	struct writer writer;
	int fd = open_at(m, "log/lines", O_WRONLY);
	assert_int_equal(write(fd, "begin", 5), 5);
	m->fake->full = 1;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(m->commands);
		_exit(write(fd, " end\nmore", 9) == 9 ? 0 : 1);
	}
	assert_true(fake_await(m->fake, room_is_awaited));
	let_on(m);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(fake_has(m->fake, 0, "begin end\n", 10));
	assert_int_equal(close(fd), 0);
	assert_true(fake_has(m->fake, 1, "more", 4));

	m->fake->full = 1;
	writer_start(&writer, m, "log/lines", O_WRONLY | O_NONBLOCK, "carried"); /* its close waits all the same */
	assert_true(fake_await(m->fake, room_is_awaited));
	let_on(m);
	assert_int_equal(writer_join(&writer), 0);
	assert_true(fake_has(m->fake, 2, "carried", 7));
}

static void who_does_not_want_to_wait_is_refused(void **state)
{
	struct mounted *m = *state;
	int fd = open_at(m, "log/append", O_WRONLY | O_NONBLOCK);
	m->fake->full = 1;
	assert_int_equal(ERRNO(write(fd, "x", 1)), EAGAIN);
	assert_false(m->fake->ready_asked);
	assert_int_equal(write(fd, "x", 1), 1);
	/* What counts is the flag at the time of the write. */
	assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
	m->fake->append_refusal = -ENOSPC;
	assert_int_equal(ERRNO(write(fd, "x", 1)), ENOSPC);
	close(fd);
	assert_int_equal(m->fake->count, 1);
}

static void who_does_not_want_to_wait_for_a_leader_is_refused(void **state)
{
	struct mounted *m = *state;
	int at_once = open_at(m, "log/append", O_WRONLY | O_NONBLOCK), patient = open_at(m, "log/append", O_WRONLY);
	int lines = open_at(m, "log/lines", O_WRONLY | O_NONBLOCK);
	uint64_t leader = m->fake->leader;
	m->fake->leader = 0;
	assert_int_equal(ERRNO(write(at_once, "x", 1)), EAGAIN);
	assert_int_equal(ERRNO(write(lines, "x\n", 2)), EAGAIN);
	assert_int_equal(write(patient, "a", 1), 1); /* the service waits for one */
	m->fake->leader = leader;
	assert_int_equal(write(at_once, "b", 1), 1);
	assert_int_equal(write(lines, "c", 1), 1);
	m->fake->leader = 0;
	assert_int_equal(close(lines), 0); /* its end waits all the same */
	close(at_once);
	close(patient);
	assert_int_equal(m->fake->count, 3);
	assert_true(fake_has(m->fake, 2, "c", 1));
}

static void what_waited_learns_of_a_failure(void **state)
{
	struct mounted *m = *state;
	struct writer writer;
	m->fake->full = 1;
	writer_start(&writer, m, "log/append", O_WRONLY, "unlucky");
	assert_true(fake_await(m->fake, room_is_awaited));
	m->fake->append_refusal = -EIO;
	let_on(m);
	assert_int_equal(writer_join(&writer), EIO);
	m->fake->append_refusal = 0;
	assert_text(m, "log/next", "0\n");
}

static void a_large_write_that_waited_keeps_its_bytes(void **state)
{
	struct mounted *m = *state;
	char *data = malloc(SERVICE_RECORD_SIZE_MAX);
	assert_non_null(data);
	memset(data, 'w', SERVICE_RECORD_SIZE_MAX);
	m->fake->full = 1;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(m->commands);
		int fd = open(at(m, "log/append"), O_WRONLY);
		_exit(write(fd, data, SERVICE_RECORD_SIZE_MAX) == SERVICE_RECORD_SIZE_MAX ? 0 : 1);
	}
	assert_true(fake_await(m->fake, room_is_awaited));
	struct writer other;
	writer_start(&other, m, "log/append", O_WRONLY, "other");
	let_on(m);
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(writer_join(&other), 0);
	assert_true(fake_has(m->fake, 0, data, SERVICE_RECORD_SIZE_MAX));
	free(data);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, mounted_setup, mounted_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_write_waits_for_room_in_the_queue),
		TEST(others_that_come_meanwhile_are_appended_after_it),
		TEST(it_waits_again_when_the_room_was_not_enough),
		TEST(lines_and_their_carry_wait_too),
		TEST(who_does_not_want_to_wait_is_refused),
		TEST(who_does_not_want_to_wait_for_a_leader_is_refused),
		TEST(what_waited_learns_of_a_failure),
		TEST(a_large_write_that_waited_keeps_its_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
