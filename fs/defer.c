/* defer: writes that found the service's queue full, in the order of their arrival. They are tried again when there is
 * room, and refused when there is none in time. What they bring is copied, so that others are served meanwhile; past a
 * bound it stays where it is, and nothing is taken from the kernel until there is room. */
#include "fs/private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_MAX_DEFERRED (32u << 20)  /* bytes of what is copied */
#define COUNT_MAX_DEFERRED (16u << 10) /* writes */

struct deferred {
	struct pending pending;
	struct deferred *next, **place; /* in fs->deferred */
	struct write write;
	uint64_t deadline_ms; /* of the loop's clock */
	bool borrowed;        /* it was not copied: the mount is stalled for it */
	char data[];
};

static void leave_list(struct fs *fs, struct deferred *deferred)
{
	*deferred->place = deferred->next;
	if (deferred->next != NULL)
		deferred->next->place = deferred->place;
	else
		fs->deferred_last = deferred->place;
	fs->deferred_count--;
	fs->deferred_size -= deferred->borrowed ? 0 : deferred->write.size;
	if (deferred->borrowed)
		session_resume(fs);
}

/* Frees it, once its request is answered or on its way. */
static void end(struct fs *fs, struct deferred *deferred)
{
	struct handle *handle = handle_of(&deferred->write.file);
	leave_list(fs, deferred);
	free(deferred);
	handle_destroy(handle);
	session_answered(fs);
}

static void gave_up(struct pending *pending)
{
	end(pending->fs, (struct deferred *)pending);
}

static void ready(void *arg)
{
	struct fs *fs = arg;
	fs->awaits_room = false;
	defer_retry(fs);
}

static void await_room(struct fs *fs)
{
	if (fs->awaits_room)
		return;
	fs->awaits_room = true;
	service_ready(fs->service, ready, fs);
}

void defer_finish(struct fs *fs)
{
	service_unready(fs->service, ready, fs);
}

void defer_retry(struct fs *fs)
{
	while (fs->deferred != NULL) {
		struct deferred *deferred = fs->deferred;
		fuse_req_t req = pending_end(&deferred->pending);
		int rc = write_try(fs, &deferred->write);
		if (rc == -EAGAIN) {
			await_room(fs);
			pending_start(&deferred->pending, fs, req);
			return;
		}
		if (rc != 0)
			reply_error(req, rc);
		end(fs, deferred);
	}
}

void defer_start(struct fs *fs, const struct write *write)
{
	bool borrowed = fs->deferred_count >= COUNT_MAX_DEFERRED || fs->deferred_size + write->size > SIZE_MAX_DEFERRED;
	struct deferred *deferred = malloc(sizeof *deferred + (borrowed ? 0 : write->size));
	if (deferred == NULL) {
		reply_error(write->req, -ENOMEM);
		return;
	}
	*deferred = (struct deferred){.write = *write,
	                              .place = fs->deferred_last,
	                              .deadline_ms = uv_now(fs->poll.loop) + FS_DEADLINE_MS,
	                              .borrowed = borrowed,
	                              .pending.gave_up = gave_up};
	if (!borrowed && write->size > 0) {
		memcpy(deferred->data, write->data, write->size);
		deferred->write.data = deferred->data;
	}
	*fs->deferred_last = deferred;
	fs->deferred_last = &deferred->next;
	fs->deferred_count++;
	fs->deferred_size += borrowed ? 0 : write->size;
	if (borrowed)
		session_stall(fs);
	handle_keep(handle_of(&write->file));
	session_wait(fs);
	await_room(fs);
	session_look(fs);
	pending_start(&deferred->pending, fs, write->req);
}

void defer_expire(struct fs *fs, uint64_t now_ms)
{
	while (fs->deferred != NULL && (fs->deferred->deadline_ms <= now_ms)) {
		struct deferred *deferred = fs->deferred;
		reply_error(pending_end(&deferred->pending), -EHOSTUNREACH);
		end(fs, deferred);
	}
}
