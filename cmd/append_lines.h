/* append_lines: every line of an input as a record. */
#ifndef CLOG_CMD_APPEND_LINES_H
#define CLOG_CMD_APPEND_LINES_H

#include <stdint.h>

struct clog_error;
struct input;
struct remote;

#define APPEND_LINES_COUNT_MAX (16u << 10) /* lines in one batch */

/* Appends each line, its newline included, and the end of the input as it is, in their order. What there is is sent at once,
 * without waiting for more, and what comes meanwhile is the next batch: only one is under way, since several could change their
 * places when a leader dies. Prints "FIRST COUNT" for each row of offsets that the lines got; there is one where nobody else
 * appends meanwhile. With `at`, unless that is SERVICE_ANYWHERE, the first line gets that offset and the others those behind
 * it, or the rest is not appended. Returns CLOG_OK, or CLOG_FAILED with a sentence that says up to which line they were
 * appended, and what became of the rest. */
int append_lines(struct remote *remote, struct input *input, uint64_t at, struct clog_error *err);

/* Sets the sentence for an append that failed; expected is the offset that it was to get, or SERVICE_ANYWHERE, and before
 * comes first. Returns CLOG_FAILED. */
int append_lines_fail(const struct remote *remote, int status, uint64_t expected, const char *before,
                      struct clog_error *err);

#endif
