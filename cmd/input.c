#include "cmd/input.h"

#include "cmd/clog.h"
#include "error/error.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

int input_open(struct input *input, const char *path, struct clog_error *err)
{
	const bool named = path != NULL && strcmp(path, "-") != 0;
	*input = (struct input){.name = named ? path : "stdin", .file = STDIN_FILENO, .epoll = -1};
	if (named)
		input->file = open(path, O_RDONLY | O_CLOEXEC);
	if (input->file >= 0)
		return CLOG_OK;
	clog_error_set(err, -errno, "%s: %s", path, strerror(errno));
	return CLOG_FAILED;
}

ssize_t input_read(struct input *input, void *data, size_t size, struct clog_error *err)
{
	for (;;) {
		const ssize_t got = read(input->file, data, size);
		if (got >= 0)
			return got;
		if (errno == EAGAIN) {
			struct pollfd more = {.fd = input->file, .events = POLLIN};
			poll(&more, 1, -1);
		} else if (errno != EINTR) {
			clog_error_set(err, -errno, "%s: %s", input->name, strerror(errno));
			return -1;
		}
	}
}

ssize_t input_read_all(struct input *input, void *data, size_t size, struct clog_error *err)
{
	size_t have = 0;
	while (have < size) {
		const ssize_t got = input_read(input, (char *)data + have, size - have, err);
		if (got <= 0)
			return got < 0 ? -1 : (ssize_t)have;
		have += (size_t)got;
	}
	char more;
	const ssize_t got = input_read(input, &more, 1, err);
	return got < 0 ? -1 : (ssize_t)have + got;
}

static void take_readable(uv_poll_t *poll, int status, int events)
{
	struct input *const input = poll->data;
	(void)status; /* a read tells */
	(void)events;
	uv_poll_stop(poll);
	input->cb(input->arg);
}

/* An epoll in between, since libuv makes what it polls non-blocking, and stdin is not ours alone. */
static bool begin_polling(struct input *input, uv_loop_t *loop)
{
	struct epoll_event readable = {.events = EPOLLIN};
	if (input->epoll < 0)
		input->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (input->epoll < 0 || epoll_ctl(input->epoll, EPOLL_CTL_ADD, input->file, &readable) != 0)
		return false;
	input->polled = uv_poll_init(loop, &input->poll, input->epoll) == 0;
	input->poll.data = input;
	return input->polled;
}

bool input_await(struct input *input, uv_loop_t *loop, void (*cb)(void *arg), void *arg)
{
	struct pollfd now = {.fd = input->file, .events = POLLIN};
	if (poll(&now, 1, 0) != 0)
		return false;
	if (!input->polled && !begin_polling(input, loop))
		return false;
	input->cb = cb;
	input->arg = arg;
	return uv_poll_start(&input->poll, UV_READABLE, take_readable) == 0;
}

static void close_epoll(uv_handle_t *handle)
{
	struct input *const input = handle->data;
	close(input->epoll);
}

void input_close(struct input *input)
{
	if (input->polled)
		uv_close((uv_handle_t *)&input->poll, close_epoll);
	else if (input->epoll >= 0)
		close(input->epoll);
	if (input->file > STDIN_FILENO)
		close(input->file);
}
