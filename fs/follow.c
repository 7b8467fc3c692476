/* follow: a file that blocks for what is appended from its opening on.
 *
 * A handle serves one read at a time, in the order of arrival, and its position moves only when the kernel has taken
 * the bytes: so of several who read by one handle each byte goes to one, and none is lost with a read that a signal
 * ended. */
#include "fs/private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>

struct follow_handle {
	struct handle handle;
	struct fs *fs;
	uint64_t position;                   /* in the joined stream: of the next byte to give */
	struct follow_read *reads;           /* that wait, the first one first */
	struct follow_read *asked;           /* the one that the service is reading for; NULL for none */
	struct fuse_pollhandle *poll;        /* of who waits by poll; NULL for nobody */
	struct follow_handle *next, **place; /* in fs->follows */
};

struct follow_read {
	struct service_read read;
	struct pending pending;
	struct follow_handle *handle;
	struct follow_read *next;
	uint32_t size;
};

static bool has_more(const struct follow_handle *handle)
{
	struct service_state state;
	service_state(handle->fs->service, &state);
	return handle->position < state.stream_end;
}

static void finish(struct handle *any)
{
	struct follow_handle *handle = (struct follow_handle *)any;
	if (handle->poll != NULL)
		fuse_pollhandle_destroy(handle->poll);
	*handle->place = handle->next;
	if (handle->next != NULL)
		handle->next->place = handle->place;
}

void follow_open(struct fs *fs, fuse_req_t req, struct fuse_file_info *file)
{
	struct service_state state;
	struct follow_handle *handle = handle_create(fs, sizeof *handle, access_caller(req), finish);
	if (handle == NULL) {
		reply_error(req, -ENOMEM);
		return;
	}
	service_state(fs->service, &state);
	handle->fs = fs;
	handle->position = state.stream_end;
	handle->next = fs->follows;
	handle->place = &fs->follows;
	if (handle->next != NULL)
		handle->next->place = &handle->next;
	fs->follows = handle;
	file->direct_io = 1;
	file->nonseekable = 1;
	file->noflush = 1;
	handle_open(req, file, &handle->handle);
}

/* Takes a read off the handle's list, and frees it; its request is answered. */
static void end(struct follow_read *read)
{
	struct follow_handle *handle = read->handle;
	struct follow_read **at = &handle->reads;
	while (*at != read)
		at = &(*at)->next;
	*at = read->next;
	free(read);
	handle_destroy(&handle->handle);
}

/* A signal has ended the wait. One that the service is reading for goes when that has answered. */
static void gave_up(struct pending *pending)
{
	struct follow_read *read = (struct follow_read *)((char *)pending - offsetof(struct follow_read, pending));
	if (read->handle->asked != read)
		end(read);
}

/* Answers with what the service has given. */
static void answer(struct follow_read *read, int status)
{
	struct follow_handle *handle = read->handle;
	struct service_state state;
	fuse_req_t req = pending_end(&read->pending);
	if (req == NULL)
		return;
	if (status == 0) {
		if (reply_data(req, read->read.data, read->read.data_size))
			handle->position += read->read.data_size;
		return;
	}
	reply_error(req, status);
	service_state(handle->fs->service, &state);
	/* What was trimmed is told once; then it goes on with what is kept. */
	if (status == -ESTALE && handle->position < state.stream_begin)
		handle->position = state.stream_begin;
}

static void taken(struct follow_read *read, int status, bool held)
{
	struct follow_handle *handle = read->handle;
	struct fs *fs = handle->fs;
	answer(read, status);
	if (held)
		service_read_end(fs->service, &read->read);
	handle->asked = NULL;
	end(read);
	session_answered(fs);
}

static void serve(struct follow_handle *handle);

static void read_answered(struct service_read *service_read, void *arg)
{
	struct follow_read *read = arg;
	struct follow_handle *handle = read->handle;
	handle_keep(&handle->handle);
	taken(read, service_read->status, true);
	serve(handle);
	handle_destroy(&handle->handle);
}

/* Reads for those who wait, as far as there is more. The caller keeps the handle. */
static void serve(struct follow_handle *handle)
{
	struct fs *fs = handle->fs;
	while (handle->asked == NULL && handle->reads != NULL && !fs->draining && has_more(handle)) {
		struct follow_read *read = handle->reads;
		handle->asked = read;
		read->read = (struct service_read){
			.kind = SERVICE_STREAM, .position = handle->position, .size = read->size};
		session_wait(fs);
		/* It may have waited for long: whether it may still read is asked now. */
		int rc = access_ask(fs, handle->handle.opener, NODE_FOLLOW, false);
		if (rc == 0)
			rc = service_read(fs->service, &read->read, read_answered, read);
		if (rc != SERVICE_PENDING)
			taken(read, rc < 0 ? rc : read->read.status, rc == SERVICE_DONE);
	}
}

void follow_read(struct fs *fs, fuse_req_t req, size_t size, const struct fuse_file_info *file)
{
	struct follow_handle *handle = handle_of(file);
	bool at_once = handle->reads == NULL && has_more(handle);
	if (fs->draining || size == 0 || (!at_once && (file->flags & O_NONBLOCK))) {
		reply_error(req, fs->draining ? -ESHUTDOWN : size == 0 ? 0 : -EAGAIN);
		return;
	}
	struct follow_read *read = calloc(1, sizeof *read);
	if (read == NULL) {
		reply_error(req, -ENOMEM);
		return;
	}
	struct follow_read **last = &handle->reads;
	while (*last != NULL)
		last = &(*last)->next;
	*last = read;
	read->handle = handle;
	read->size = size < SERVICE_READ_SIZE_MAX ? (uint32_t)size : SERVICE_READ_SIZE_MAX;
	read->pending.any_signal = true;
	read->pending.gave_up = gave_up;
	handle_keep(&handle->handle); /* the read's own */
	handle_keep(&handle->handle);
	pending_start(&read->pending, fs, req);
	serve(handle);
	handle_destroy(&handle->handle);
}

void follow_poll(fuse_req_t req, const struct fuse_file_info *file, struct fuse_pollhandle *poll)
{
	struct follow_handle *handle = handle_of(file);
	if (poll != NULL && handle->poll != NULL)
		fuse_pollhandle_destroy(handle->poll);
	if (poll != NULL)
		handle->poll = poll; /* the handle's from here on */
	reply_poll(req, has_more(handle) || handle->fs->draining ? POLLIN | POLLRDNORM : 0);
}

static void wake(struct follow_handle *handle)
{
	if (handle->poll == NULL)
		return;
	fuse_lowlevel_notify_poll(handle->poll);
	fuse_pollhandle_destroy(handle->poll);
	handle->poll = NULL;
}

void follow_more(void *arg)
{
	struct fs *fs = arg;
	for (struct follow_handle *handle = fs->follows, *next; handle != NULL; handle = next) {
		handle_keep(&handle->handle);
		serve(handle);
		wake(handle);
		next = handle->next;
		handle_destroy(&handle->handle);
	}
}

void follow_drain(struct fs *fs)
{
	for (struct follow_handle *handle = fs->follows, *next; handle != NULL; handle = next) {
		handle_keep(&handle->handle);
		for (struct follow_read *read = handle->reads, *after; read != NULL; read = after) {
			after = read->next;
			if (read == handle->asked)
				continue;
			reply_error(pending_end(&read->pending), -ESHUTDOWN);
			end(read);
		}
		wake(handle);
		next = handle->next;
		handle_destroy(&handle->handle);
	}
}
