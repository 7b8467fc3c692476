#include "tests/cmd/running.h"

#include "cmd/target.h"

#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char *out, *said;
static int by_pieces;

void running_by_pieces(int yes)
{
	by_pieces = yes;
}

static int file_with(const void *data, size_t size)
{
	FILE *const file = tmpfile();
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, size, file), size);
	assert_int_equal(fflush(file), 0);
	const int fd = dup(fileno(file));
	fclose(file);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static int pipe_with(const char *data, size_t size, pid_t *writer)
{
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	*writer = fork();
	if (*writer == 0) {
		close(ends[0]);
		for (size_t i = 0; i < size; i++)
			if (write(ends[1], data + i, 1) != 1)
				break;
		_exit(0);
	}
	close(ends[1]);
	return ends[0];
}

static char *read_back(int fd, size_t *size)
{
	const off_t end = lseek(fd, 0, SEEK_END);
	char *const text = malloc((size_t)end + 1);
	assert_non_null(text);
	assert_int_equal(pread(fd, text, (size_t)end, 0), end);
	text[end] = '\0';
	*size = (size_t)end;
	return text;
}

/* Puts a descriptor in the place of another. Gives a copy of what was there. */
static int replace(int fd, int place)
{
	const int kept = dup(place);
	assert_int_equal(dup2(fd, place), place);
	return kept;
}

static void put_back(int kept, int place)
{
	assert_int_equal(dup2(kept, place), place);
	close(kept);
}

struct outcome running_run(int (*command)(const struct target *target, int argc, char *argv[], struct clog_error *err),
                           const char *const *words, const void *input, size_t input_size)
{
	const struct target target = {.servers = TARGET_SERVERS};
	struct outcome outcome = {0};
	char *argv[RUNNING_WORDS_MAX + 1] = {NULL};
	int argc = 0;
	pid_t writer = 0;
	for (; words[argc] != NULL && argc < RUNNING_WORDS_MAX; argc++)
		argv[argc] = (char *)(uintptr_t)words[argc];
	const int in = by_pieces ? pipe_with(input, input_size, &writer)
	                         : file_with(input != NULL ? input : "", input_size);
	const int to = file_with("", 0), complaints = file_with("", 0);
	opterr = 0;
	fflush(NULL);
	const int kept[] = {replace(in, 0), replace(to, 1), replace(complaints, 2)};
	outcome.status = command(&target, argc, argv, &outcome.err);
	fflush(NULL);
	for (int place = 0; place < 3; place++)
		put_back(kept[place], place);
	size_t said_size;
	free(out);
	free(said);
	outcome.out = out = read_back(to, &outcome.out_size);
	outcome.said = said = read_back(complaints, &said_size);
	close(in);
	close(to);
	close(complaints);
	if (writer > 0)
		waitpid(writer, NULL, 0);
	return outcome;
}

struct outcome running_words(int (*command)(const struct target *target, int argc, char *argv[],
                                            struct clog_error *err),
                             const char *const *words)
{
	return running_run(command, words, words[0], strlen(words[0]));
}
