/* output: what a command writes to stdout, which somebody may stop to read. */
#ifndef CLOG_CMD_OUTPUT_H
#define CLOG_CMD_OUTPUT_H

#include <stddef.h>

struct clog_error;
struct uv_loop_s;

/* SIGPIPE is ignored from here on: sockets give it too, and what it means for stdout is done as below. */
void output_ignore_sigpipe(void);

/* Writes bytes; they may wait until output_flush. Blocks while nobody reads. Return CLOG_OK, or CLOG_FAILED with a sentence.
 * When the reader of a pipe is gone the process ends as by SIGPIPE, unless it was started with that ignored. */
int output_write(const void *data, size_t size, struct clog_error *err);
int output_flush(struct clog_error *err);
int output_print(struct clog_error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Ends the process as by SIGPIPE, from the loop, as soon as the reader of a pipe is gone, without waiting for something to
 * write. Does nothing where stdout is no pipe or socket. Until output_unwatch, which is before the loop is closed. */
void output_watch(struct uv_loop_s *loop);
void output_unwatch(void);

#endif
