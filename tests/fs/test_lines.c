#include "tests/fs/mounted.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LINE_MAX_SIZE SERVICE_RECORD_SIZE_MAX
#define FIRST_SIZE 500000u

static void put(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void assert_record(struct mounted *m, uint64_t offset, const char *text)
{
	assert_true(fake_has(m->fake, offset, text, strlen(text)));
}

/* A line of so many bytes, its newline counted. */
static char *long_line(size_t size)
{
	char *line = malloc(size);
	assert_non_null(line);
	memset(line, 'x', size);
	line[size - 1] = '\n';
	return line;
}

static void every_line_is_a_record_with_its_newline(void **state)
{
	struct mounted *m = *state;
	int fd = open_at(m, "log/lines", O_WRONLY | O_APPEND);
	put(fd, "one\ntwo\n\nthree\n");
	assert_int_equal(close(fd), 0);
	assert_int_equal(m->fake->count, 4);
	assert_record(m, 0, "one\n");
	assert_record(m, 1, "two\n");
	assert_record(m, 2, "\n");
	assert_record(m, 3, "three\n");
}

static void the_lines_of_a_write_are_one_batch(void **state)
{
	struct mounted *m = *state;
	int fd = open_at(m, "log/lines", O_WRONLY);
	put(fd, "a\nb\nc\n");
	assert_int_equal(m->fake->batches, 1);
	assert_int_equal(m->fake->last_count, 3);
	close(fd);
	assert_int_equal(m->fake->batches, 1);
}

static void carriage_returns_and_nul_are_bytes_like_others(void **state)
{
	struct mounted *m = *state;
	int fd = open_at(m, "log/lines", O_WRONLY);
	assert_int_equal(write(fd, "a\r\nb\0c\n", 7), 7);
	close(fd);
	assert_int_equal(m->fake->count, 2);
	assert_true(fake_has(m->fake, 0, "a\r\n", 3));
	assert_true(fake_has(m->fake, 1, "b\0c\n", 4));
}

static void an_unfinished_line_waits_for_its_end(void **state)
{
	struct mounted *m = *state;
	int fd = open_at(m, "log/lines", O_WRONLY);
	put(fd, "on");
	put(fd, "e");
	assert_int_equal(m->fake->batches, 0);
	put(fd, "\ntwo\nth");
	assert_int_equal(m->fake->count, 2);
	assert_record(m, 0, "one\n");
	assert_record(m, 1, "two\n");
	put(fd, "ree\n");
	assert_record(m, 2, "three\n");
	close(fd);
	assert_int_equal(m->fake->count, 3);
}

static void a_close_appends_an_unfinished_line(void **state)
{
	struct mounted *m = *state;
	int fd = open_at(m, "log/lines", O_WRONLY);
	put(fd, "one\ntw");
	assert_int_equal(m->fake->count, 1);
	assert_int_equal(close(fd), 0);
	assert_int_equal(m->fake->count, 2);
	assert_record(m, 1, "tw");
}

static void an_fsync_appends_an_unfinished_line(void **state)
{
	struct mounted *m = *state;
	int fd = open_at(m, "log/lines", O_WRONLY);
	put(fd, "tw");
	assert_int_equal(fsync(fd), 0);
	assert_record(m, 0, "tw");
	assert_int_equal(fdatasync(fd), 0);
	put(fd, "o\n");
	close(fd);
	assert_int_equal(m->fake->count, 2);
	assert_record(m, 1, "o\n");
}

static void each_close_of_a_shared_handle_ends_a_line(void **state)
{
	struct mounted *m = *state;
	int fd = open_at(m, "log/lines", O_WRONLY);
	int again = dup(fd);
	put(fd, "a");
	assert_int_equal(close(again), 0);
	assert_record(m, 0, "a");
	put(fd, "b");
	assert_int_equal(close(fd), 0);
	assert_int_equal(m->fake->count, 2);
	assert_record(m, 1, "b");
}

static bool one_held(const struct fake *fake)
{
	return fake->held_count == 1;
}

static void a_close_returns_after_the_answer_of_the_service(void **state)
{
	struct mounted *m = *state;
	struct writer writer;
	m->fake->answers = FAKE_HELD;
	writer_start(&writer, m, "log/lines", O_WRONLY, "no end");
	assert_true(fake_await(m->fake, one_held));
	assert_int_equal(waitpid(writer.pid, NULL, WNOHANG), 0);
	mounted_command(m, 'r');
	assert_int_equal(writer_join(&writer), 0);
	assert_record(m, 0, "no end");
}

static void a_failure_is_the_answer_of_the_close(void **state)
{
	struct mounted *m = *state;
	int fd = open_at(m, "log/lines", O_WRONLY);
	put(fd, "a");
	m->fake->append_failure = -EIO;
	assert_int_equal(ERRNO(close(fd)), EIO);
	m->fake->append_failure = 0;

	fd = open_at(m, "log/lines", O_WRONLY);
	put(fd, "b");
	m->fake->append_refusal = -ESHUTDOWN;
	assert_int_equal(ERRNO(fsync(fd)), EHOSTUNREACH);
	/* Refused: it is still there for the next attempt. */
	m->fake->append_refusal = 0;
	assert_int_equal(fsync(fd), 0);
	assert_record(m, 0, "b");
	close(fd);
	assert_int_equal(m->fake->count, 1);
}

static void a_read_gives_the_first_offset_and_the_count_of_the_last_batch(void **state)
{
	struct mounted *m = *state;
	char text[32];
	fake_add(m->fake, "x", 1);
	int fd = open_at(m, "log/lines", O_RDWR);
	assert_int_equal(read(fd, text, sizeof text), 0);
	put(fd, "a\nb\nc");
	assert_int_equal(read(fd, text, 2), 2);
	assert_int_equal(read(fd, text + 2, sizeof text - 2), 2);
	assert_memory_equal(text, "1 2\n", 4);
	put(fd, "still c");
	assert_int_equal(read(fd, text, sizeof text), 0);
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(read(fd, text, sizeof text), 4);
	assert_memory_equal(text, "3 1\n", 4);
	close(fd);
}

static void the_longest_line_is_a_record(void **state)
{
	struct mounted *m = *state;
	char *line = long_line(LINE_MAX_SIZE);
	int fd = open_at(m, "log/lines", O_WRONLY);
	assert_int_equal(write(fd, line, LINE_MAX_SIZE), LINE_MAX_SIZE);
	/* In two pieces, and without its newline. */
	assert_int_equal(write(fd, line, 700000), 700000);
	assert_int_equal(write(fd, line + 700000, LINE_MAX_SIZE - 700000), LINE_MAX_SIZE - 700000);
	line[LINE_MAX_SIZE - 1] = 'y';
	assert_int_equal(write(fd, line, LINE_MAX_SIZE), LINE_MAX_SIZE);
	assert_int_equal(close(fd), 0);
	assert_int_equal(m->fake->count, 3);
	assert_true(fake_has(m->fake, 2, line, LINE_MAX_SIZE));
	line[LINE_MAX_SIZE - 1] = '\n';
	assert_true(fake_has(m->fake, 0, line, LINE_MAX_SIZE));
	assert_true(fake_has(m->fake, 1, line, LINE_MAX_SIZE));
	free(line);
}

static void a_line_that_is_too_long_is_refused_with_its_write(void **state)
{
	struct mounted *m = *state;
	char *line = long_line(LINE_MAX_SIZE + 1);
	int fd = open_at(m, "log/lines", O_WRONLY);
	assert_int_equal(ERRNO(write(fd, line, LINE_MAX_SIZE + 1)), EMSGSIZE);
	put(fd, "good\n");
	/* A carried beginning counts, and goes too; so do whole lines in the same write. */
	put(fd, "carried");
	assert_int_equal(ERRNO(write(fd, line + 1, LINE_MAX_SIZE)), EMSGSIZE);
	char *all = realloc(line, 6 + LINE_MAX_SIZE + 1);
	assert_non_null(all);
	memset(all, 'x', 6 + LINE_MAX_SIZE);
	memcpy(all, "whole\n", 6);
	all[6 + LINE_MAX_SIZE] = '\n';
	assert_int_equal(ERRNO(write(fd, all, 6 + LINE_MAX_SIZE + 1)), EMSGSIZE);
	assert_int_equal(m->fake->count, 1);
	assert_int_equal(close(fd), 0);
	assert_int_equal(m->fake->count, 1);
	assert_record(m, 0, "good\n");
	free(all);
}

static void a_line_that_is_too_long_is_dropped_through_its_newline(void **state)
{
	struct mounted *m = *state;
	size_t half = LINE_MAX_SIZE / 2 + 10;
	char *line = long_line(half);
	line[half - 1] = 'x';
	int fd = open_at(m, "log/lines", O_WRONLY);
	assert_int_equal(write(fd, line, half), half);
	assert_int_equal(ERRNO(write(fd, line, half)), EMSGSIZE);
	assert_int_equal(ERRNO(write(fd, "more of it", 10)), EMSGSIZE);
	put(fd, "its end\ngood\nbetter");
	assert_int_equal(m->fake->count, 1);
	assert_record(m, 0, "good\n");
	put(fd, " still\n");
	assert_record(m, 1, "better still\n");
	/* An end in a write of its own: nothing in it was accepted. */
	assert_int_equal(write(fd, line, half), half);
	assert_int_equal(ERRNO(write(fd, line, half)), EMSGSIZE);
	assert_int_equal(ERRNO(write(fd, "its end\n", 8)), EMSGSIZE);
	put(fd, "fine\n");
	assert_int_equal(close(fd), 0);
	assert_int_equal(m->fake->count, 3);
	assert_record(m, 2, "fine\n");
	free(line);
}

static void a_close_ends_a_line_that_is_too_long(void **state)
{
	struct mounted *m = *state;
	char *line = long_line(LINE_MAX_SIZE + 1);
	line[LINE_MAX_SIZE] = 'x';
	int fd = open_at(m, "log/lines", O_WRONLY), again = dup(fd);
	assert_int_equal(ERRNO(write(fd, line, LINE_MAX_SIZE + 1)), EMSGSIZE);
	assert_int_equal(close(again), 0);
	put(fd, "good\n");
	assert_int_equal(close(fd), 0);
	assert_int_equal(m->fake->count, 1);
	assert_record(m, 0, "good\n");
	free(line);
}

static void many_empty_lines_after_a_long_beginning_are_one_batch(void **state)
{
	struct mounted *m = *state;
	size_t size = 200000;
	char *data = malloc(size);
	memset(data, '\n', size);
	char *line = long_line(LINE_MAX_SIZE);
	int fd = open_at(m, "log/lines", O_WRONLY);
	assert_int_equal(write(fd, line, LINE_MAX_SIZE - 1), LINE_MAX_SIZE - 1);
	assert_int_equal(write(fd, data, size), size);
	close(fd);
	assert_int_equal(m->fake->batches, 1);
	assert_int_equal(m->fake->count, size);
	assert_true(fake_has(m->fake, 0, line, LINE_MAX_SIZE));
	assert_true(fake_has(m->fake, size - 1, "\n", 1));
	free(data);
	free(line);
}

static void a_refused_write_leaves_the_carried_line_for_the_next_attempt(void **state)
{
	struct mounted *m = *state;
	int fd = open_at(m, "log/lines", O_WRONLY | O_NONBLOCK);
	put(fd, "be");
	m->fake->full = 1;
	assert_int_equal(ERRNO(write(fd, "gin\nen", 6)), EAGAIN);
	assert_int_equal(m->fake->count, 0);
	put(fd, "gin\nen");
	assert_int_equal(close(fd), 0);
	assert_int_equal(m->fake->count, 2);
	assert_record(m, 0, "begin\n");
	assert_record(m, 1, "en");
}

static void a_write_that_is_refused_late_leaves_the_carried_line_too(void **state)
{
	struct mounted *m = *state;
	int fd = open_at(m, "log/lines", O_WRONLY);
	put(fd, "be");
	m->fake->append_failure = -EHOSTUNREACH;
	assert_int_equal(ERRNO(write(fd, "gin\nen", 6)), EHOSTUNREACH);
	assert_int_equal(ERRNO(fsync(fd)), EHOSTUNREACH);
	m->fake->append_failure = 0;
	put(fd, "gin\nen");
	m->fake->append_failure = -ENOSPC;
	assert_int_equal(ERRNO(fsync(fd)), ENOSPC);
	m->fake->append_failure = 0;
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(m->fake->count, 2);
	assert_record(m, 0, "begin\n");
	assert_record(m, 1, "en");
}

static void a_late_refusal_leaves_a_line_that_is_too_long_where_it_was(void **state)
{
	struct mounted *m = *state;
	char *data = calloc(1, LINE_MAX_SIZE + 1);
	int fd = open_at(m, "log/lines", O_WRONLY);
	assert_int_equal(ERRNO(write(fd, data, LINE_MAX_SIZE + 1)), EMSGSIZE);
	free(data);
	m->fake->append_failure = -EHOSTUNREACH;
	assert_int_equal(ERRNO(write(fd, "its end\nnext\n", 13)), EHOSTUNREACH);
	m->fake->append_failure = 0;
	put(fd, "its end\nnext\n");
	assert_int_equal(close(fd), 0);
	assert_int_equal(m->fake->count, 1);
	assert_record(m, 0, "next\n");
}

/* A short line and a long one, in one write, which the kernel cuts within the second. Gives what it took. */
static size_t put_two(int fd, const char *data, size_t size)
{
	ssize_t first = write(fd, data, size);
	assert_in_range(first, FIRST_SIZE, size - 1);
	return (size_t)first;
}

static void a_line_too_long_in_the_rest_of_a_large_write_is_told_and_no_part_of_it_appended(void **state)
{
	struct mounted *m = *state;
	size_t size = FIRST_SIZE + LINE_MAX_SIZE + 100000;
	char *data = long_line(size);
	data[FIRST_SIZE - 1] = '\n';
	int fd = open_at(m, "log/lines", O_WRONLY);
	size_t first = put_two(fd, data, size);
	assert_int_equal(ERRNO(write(fd, data + first, size - first)), EMSGSIZE);
	put(fd, "next\n");
	assert_int_equal(close(fd), 0);
	assert_int_equal(m->fake->count, 2);
	assert_true(fake_has(m->fake, 0, data, FIRST_SIZE));
	assert_record(m, 1, "next\n");
	free(data);
}

static void what_is_unknown_of_the_rest_of_a_large_write_is_told(void **state)
{
	struct mounted *m = *state;
	size_t size = FIRST_SIZE + LINE_MAX_SIZE;
	char *data = long_line(size);
	data[FIRST_SIZE - 1] = '\n';
	int fd = open_at(m, "log/lines", O_WRONLY);
	m->fake->fail_from = 1;
	m->fake->append_failure = -ETIMEDOUT;
	size_t first = put_two(fd, data, size);
	m->fake->append_failure = 0;
	assert_int_equal(ERRNO(write(fd, data + first, size - first)), ETIMEDOUT);
	put(fd, "next\n");
	assert_int_equal(close(fd), 0);
	assert_int_equal(m->fake->count, 2);
	assert_record(m, 1, "next\n");
	free(data);
}

static void nothing_of_a_failed_write_is_appended_by_the_close(void **state)
{
	struct mounted *m = *state;
	int fd = open_at(m, "log/lines", O_WRONLY);
	m->fake->append_failure = -ETIMEDOUT;
	assert_int_equal(ERRNO(write(fd, "one\ntw", 6)), ETIMEDOUT);
	m->fake->append_failure = 0;
	assert_int_equal(close(fd), 0);
	assert_int_equal(m->fake->count, 0);
}

struct thread {
	int fd;
	char name;
	int rc;
};

static void *write_lines(void *arg)
{
	struct thread *thread = arg;
	char text[16];
	for (int i = 0; i < 200 && thread->rc == 0; i++) {
		/* Each write is a line's end and another's beginning. */
		int size = snprintf(text, sizeof text, "%c%03d\n%c", thread->name, i, thread->name);
		if (write(thread->fd, text, (size_t)size) != size)
			thread->rc = errno;
	}
	return NULL;
}

static void threads_that_share_a_handle_lose_no_byte(void **state)
{
	struct mounted *m = *state;
	struct thread threads[4];
	pthread_t ids[4];
	int fd = open_at(m, "log/lines", O_WRONLY);
	for (int i = 0; i < 4; i++) {
		threads[i] = (struct thread){.fd = fd, .name = (char)('a' + i)};
		assert_int_equal(pthread_create(&ids[i], NULL, write_lines, &threads[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(ids[i], NULL);
		assert_int_equal(threads[i].rc, 0);
	}
	assert_int_equal(close(fd), 0);
	assert_int_equal(m->fake->count, 801);
	assert_int_equal(m->fake->bytes_size, 800 * 6);
	int seen[4] = {0};
	for (int i = 0; i < 800; i++) {
		/* After the carried beginning of another: x, name, three digits, newline. */
		const struct fake_record *record = &m->fake->records[i];
		const char *line = m->fake->bytes + record->position + (record->size - 5);
		assert_int_equal(line[4], '\n');
		int thread = line[0] - 'a';
		assert_in_range(thread, 0, 3);
		int number = (line[1] - '0') * 100 + (line[2] - '0') * 10 + (line[3] - '0');
		assert_int_equal(number, seen[thread]++);
	}
}

static void an_open_without_a_write_appends_nothing(void **state)
{
	struct mounted *m = *state;
	int fd = open_at(m, "log/lines", O_WRONLY | O_TRUNC | O_CREAT | O_APPEND);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(fsync(fd), 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(m->fake->batches, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, mounted_setup, mounted_teardown)
	const struct CMUnitTest tests[] = {
		TEST(every_line_is_a_record_with_its_newline),
		TEST(the_lines_of_a_write_are_one_batch),
		TEST(carriage_returns_and_nul_are_bytes_like_others),
		TEST(an_unfinished_line_waits_for_its_end),
		TEST(a_close_appends_an_unfinished_line),
		TEST(an_fsync_appends_an_unfinished_line),
		TEST(each_close_of_a_shared_handle_ends_a_line),
		TEST(a_close_returns_after_the_answer_of_the_service),
		TEST(a_failure_is_the_answer_of_the_close),
		TEST(a_read_gives_the_first_offset_and_the_count_of_the_last_batch),
		TEST(the_longest_line_is_a_record),
		TEST(a_line_that_is_too_long_is_refused_with_its_write),
		TEST(a_line_that_is_too_long_is_dropped_through_its_newline),
		TEST(a_close_ends_a_line_that_is_too_long),
		TEST(many_empty_lines_after_a_long_beginning_are_one_batch),
		TEST(a_refused_write_leaves_the_carried_line_for_the_next_attempt),
		TEST(a_write_that_is_refused_late_leaves_the_carried_line_too),
		TEST(a_late_refusal_leaves_a_line_that_is_too_long_where_it_was),
		TEST(a_line_too_long_in_the_rest_of_a_large_write_is_told_and_no_part_of_it_appended),
		TEST(what_is_unknown_of_the_rest_of_a_large_write_is_told),
		TEST(nothing_of_a_failed_write_is_appended_by_the_close),
		TEST(threads_that_share_a_handle_lose_no_byte),
		TEST(an_open_without_a_write_appends_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
