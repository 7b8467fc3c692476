/* input: what a command is given by a file or by stdin, without waiting for it inside of a read. */
#ifndef CLOG_CMD_INPUT_H
#define CLOG_CMD_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <uv.h>

struct clog_error;

/* In the caller's memory. */
struct input {
	const char *name; /* for sentences */
	/* Private. */
	int file;
	int epoll; /* -1: a file that never makes one wait */
	uv_poll_t poll;
	bool polled; /* the handle is there, and is to be closed */
	void (*cb)(void *arg);
	void *arg;
};

/* Opens a file; NULL and "-" are stdin. Returns CLOG_OK, or CLOG_FAILED with a sentence. */
int input_open(struct input *input, const char *path, struct clog_error *err);
/* Reads some bytes, 0 at the end. Blocks where there are none; a signal does not end it. -1 with a sentence. */
ssize_t input_read(struct input *input, void *data, size_t size, struct clog_error *err);
/* Reads all of it. Gives how many bytes; where there are more than size, size + 1. */
ssize_t input_read_all(struct input *input, void *data, size_t size, struct clog_error *err);
/* Calls cb(arg), once, from the loop, when there is something to read, or the end. False: there is already, and cb is not
 * called. */
bool input_await(struct input *input, uv_loop_t *loop, void (*cb)(void *arg), void *arg);
/* Closes it; the loop must still run. */
void input_close(struct input *input);

#endif
