/* pending: requests that wait, and the signals that their callers get meanwhile.
 *
 * The kernel tells of the first signal alone, and then lets its caller do nothing but wait for the answer: not even
 * SIGKILL ends it. So who is to die is answered at once, and who has had another signal is looked at again and again. */
#include "fs/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* In the kernel a signal that ends a process is SIGKILL, which waits for each of its threads. */
#define DEADLY (UINT64_C(1) << 8)

static bool is_dying(pid_t pid)
{
	char path[32], text[4096];
	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false; /* of another namespace, or hidden: what cannot be known */
	ssize_t size = read(fd, text, sizeof text - 1);
	close(fd);
	text[size > 0 ? size : 0] = '\0';
	const char *line = strstr(text, "\nSigPnd:\t");
	return line != NULL && (strtoull(line + 9, NULL, 16) & DEADLY) != 0;
}

static void leave_list(struct pending *pending)
{
	if (pending->place == NULL)
		return;
	*pending->place = pending->next;
	if (pending->next != NULL)
		pending->next->place = pending->place;
	pending->place = NULL;
}

static void give_up(struct pending *pending)
{
	fuse_req_t req = pending->req;
	pending->req = NULL;
	leave_list(pending);
	reply_error(req, -EINTR);
	if (pending->gave_up != NULL)
		pending->gave_up(pending);
}

void pending_look(struct fs *fs)
{
	for (struct pending *pending = fs->signalled, *next; pending != NULL; pending = next) {
		next = pending->next;
		if (is_dying(pending->pid))
			give_up(pending);
	}
}

static void take_signal(struct pending *pending)
{
	struct fs *fs = pending->fs;
	if (pending->any_signal || is_dying(pending->pid)) {
		give_up(pending);
		return;
	}
	pending->next = fs->signalled;
	pending->place = &fs->signalled;
	if (pending->next != NULL)
		pending->next->place = &pending->next;
	fs->signalled = pending;
	session_look(fs);
}

static void interrupted(fuse_req_t req, void *arg)
{
	(void)req;
	take_signal(arg);
}

void pending_start(struct pending *pending, struct fs *fs, fuse_req_t req)
{
	pending->fs = fs;
	pending->req = req;
	pending->pid = fuse_req_ctx(req)->pid;
	pending->place = NULL;
	/* From within fuse_req_interrupt_func, which uses it afterwards, the request could not be answered. */
	if (fuse_req_interrupted(req))
		take_signal(pending);
	else
		fuse_req_interrupt_func(req, interrupted, pending);
}

fuse_req_t pending_end(struct pending *pending)
{
	fuse_req_t req = pending->req;
	pending->req = NULL;
	leave_list(pending);
	return req;
}
