/* running: commands of clog within a test, with what they are given and what they print. */
#ifndef CLOG_TESTS_CMD_RUNNING_H
#define CLOG_TESTS_CMD_RUNNING_H

#include "error/error.h"

#include <stddef.h>

struct target;

#define RUNNING_WORDS_MAX 16

/* What came of a command. */
struct outcome {
	int status;
	char *out; /* what it printed, with a NUL; valid until the next one */
	size_t out_size;
	char *said; /* on stderr; likewise */
	struct clog_error err;
};

/* Runs a command with these words, the last of which is NULL, and input as stdin (NULL: it is empty). */
struct outcome running_run(int (*command)(const struct target *target, int argc, char *argv[], struct clog_error *err),
                           const char *const *words, const void *input, size_t input_size);
/* The same: the first of the words is the input, as text. */
struct outcome running_words(int (*command)(const struct target *target, int argc, char *argv[],
                                            struct clog_error *err),
                             const char *const *words);
#define RUN(command, ...) running_words((command), (const char *const[]){__VA_ARGS__, NULL})
/* The same with a pipe as stdin that gives the input in pieces of a byte. */
void running_by_pieces(int yes);

#endif
