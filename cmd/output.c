#include "cmd/output.h"

#include "cmd/clog.h"
#include "error/error.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <uv.h>

#define BUFFER_SIZE (64u << 10)

static char buffer[BUFFER_SIZE];
static size_t buffered;
static uv_poll_t watch;
static bool ignored_before = true; /* SIGPIPE was, when the process began; or nobody has asked to ignore it */
static int watched = -1;           /* an epoll that has stdout; -1: none */

/* What a program that knows nothing of SIGPIPE does. Where it was ignored from the start the error is told. */
static void end_as_by_sigpipe(void)
{
	if (ignored_before)
		return;
	signal(SIGPIPE, SIG_DFL);
	raise(SIGPIPE);
}

void output_ignore_sigpipe(void)
{
	ignored_before = signal(SIGPIPE, SIG_IGN) == SIG_IGN;
}

static int write_all(const char *data, size_t size, struct clog_error *err)
{
	while (size > 0) {
		const ssize_t written = write(STDOUT_FILENO, data, size);
		if (written >= 0) {
			data += written;
			size -= (size_t)written;
		} else if (errno == EAGAIN) {
			struct pollfd room = {.fd = STDOUT_FILENO, .events = POLLOUT};
			poll(&room, 1, -1);
		} else if (errno != EINTR) {
			if (errno == EPIPE)
				end_as_by_sigpipe();
			clog_error_set(err, -errno, "stdout cannot be written to: %s", strerror(errno));
			return CLOG_FAILED;
		}
	}
	return CLOG_OK;
}

int output_flush(struct clog_error *err)
{
	const size_t size = buffered;
	buffered = 0;
	return write_all(buffer, size, err);
}

int output_write(const void *data, size_t size, struct clog_error *err)
{
	if (size > BUFFER_SIZE - buffered) {
		const int status = output_flush(err);
		if (status != CLOG_OK)
			return status;
	}
	if (size > BUFFER_SIZE)
		return write_all(data, size, err);
	if (size > 0)
		memcpy(buffer + buffered, data, size);
	buffered += size;
	return CLOG_OK;
}

int output_print(struct clog_error *err, const char *format, ...)
{
	char *text;
	va_list arguments;
	va_start(arguments, format);
	const int size = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (size < 0) {
		clog_error_set(err, -ENOMEM, "out of memory");
		return CLOG_FAILED;
	}
	const int status = output_write(text, (size_t)size, err);
	free(text);
	return status;
}

/* An epoll in between, since libuv makes what it polls non-blocking, and stdout is not ours alone. */
static void take_end(uv_poll_t *handle, int status, int events)
{
	(void)status;
	(void)events;
	uv_poll_stop(handle);
	end_as_by_sigpipe();
}

void output_watch(struct uv_loop_s *loop)
{
	struct epoll_event none = {.events = 0}; /* EPOLLERR is always told */
	watched = epoll_create1(EPOLL_CLOEXEC);
	if (watched < 0)
		return;
	if (epoll_ctl(watched, EPOLL_CTL_ADD, STDOUT_FILENO, &none) == 0 && uv_poll_init(loop, &watch, watched) == 0) {
		uv_poll_start(&watch, UV_READABLE, take_end);
		uv_unref((uv_handle_t *)&watch);
		return;
	}
	close(watched);
	watched = -1;
}

static void close_watched(uv_handle_t *handle)
{
	(void)handle;
	close(watched);
	watched = -1;
}

void output_unwatch(void)
{
	if (watched >= 0)
		uv_close((uv_handle_t *)&watch, close_watched);
}
