#include "cmd/reader.h"

#include "cmd/clog.h"
#include "cmd/remote.h"
#include "error/error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void advance(struct reader *reader);

static struct reader_slot *slot_of(struct reader *reader, uint64_t offset)
{
	return &reader->slots[offset % READER_WINDOW];
}

static bool follows(const struct reader *reader)
{
	return reader->end == READER_END;
}

static void stop(struct reader *reader, int status)
{
	if (!reader->stopping)
		reader->status = status;
	reader->stopping = true;
}

static void take_answer(struct service_read *read, void *arg)
{
	struct reader_slot *const slot = arg;
	(void)read;
	slot->state = READER_ANSWERED;
	slot->reader->outstanding--;
	advance(slot->reader);
}

static void take_more(void *arg)
{
	advance(arg);
}

static void ask(struct reader *reader, uint64_t offset)
{
	struct reader_slot *const slot = slot_of(reader, offset);
	*slot = (struct reader_slot){.read = {.kind = SERVICE_RECORD, .offset = offset}, .reader = reader};
	uv_update_time(&reader->remote->loop);
	const int rc = service_read(reader->remote->service, &slot->read, take_answer, slot);
	if (rc == SERVICE_PENDING) {
		slot->state = READER_ASKED;
		reader->outstanding++;
	} else if (rc == SERVICE_DONE) {
		slot->state = READER_ANSWERED;
	} else {
		slot->state = READER_REFUSED;
		slot->read.status = rc;
	}
}

static void end_read(struct reader *reader, struct reader_slot *slot)
{
	if (slot->state == READER_ANSWERED)
		service_read_end(reader->remote->service, &slot->read);
	slot->state = READER_IDLE;
}

static void explain(const struct reader *reader, int status)
{
	struct service_state state;
	char what[64];
	service_state(reader->remote->service, &state);
	if (status == -ESTALE) {
		clog_error_set(reader->err, status,
		               "record %" PRIu64 " was trimmed: the first that is kept is %" PRIu64, reader->offset,
		               state.first_offset);
	} else if (status == -ENOENT) {
		clog_error_set(reader->err, status, "there is no record %" PRIu64 " yet: the next one will be %" PRIu64,
		               reader->offset, state.next_offset);
	} else {
		snprintf(what, sizeof what, "record %" PRIu64 " cannot be read", reader->offset);
		remote_fail(reader->remote, status, what, reader->err);
	}
}

/* A record cannot be had. Who follows starts over after a while. */
static void fail(struct reader *reader, int status)
{
	explain(reader, status);
	if (!follows(reader) || status == -EACCES || status == -EIO || status == -EBADMSG || status == -EPROTO) {
		stop(reader, CLOG_FAILED);
		return;
	}
	reader->failed = true;
	if (status != -ESTALE && status != -ENOENT && !reader->complained) {
		fprintf(stderr, "clog: %s; trying again\n", reader->err->text);
		reader->complained = true;
	}
	*reader->err = (struct clog_error){0};
}

/* Gives what is there, in order. */
static void give(struct reader *reader)
{
	while (!reader->stopping && !reader->failed && reader->offset < reader->asked) {
		struct reader_slot *const slot = slot_of(reader, reader->offset);
		if (slot->state == READER_ASKED)
			return;
		if (slot->read.status != 0) {
			fail(reader, slot->read.status);
			return;
		}
		const int status = reader->give(reader, &slot->read);
		end_read(reader, slot);
		reader->offset++;
		reader->given = true;
		reader->complained = false;
		if (status != CLOG_OK)
			stop(reader, status);
	}
}

/* Asks for what there is room for. False when there is nothing to ask for. */
static bool fill(struct reader *reader)
{
	struct service_state state;
	service_state(reader->remote->service, &state);
	const uint64_t end = follows(reader) ? state.next_offset : reader->end;
	const uint64_t before = reader->asked;
	while (reader->asked < end && reader->asked - reader->offset < READER_WINDOW)
		ask(reader, reader->asked++);
	return reader->asked != before;
}

static void take_time(uv_timer_t *timer)
{
	struct reader *const reader = timer->data;
	struct service_state state;
	service_state(reader->remote->service, &state);
	if (state.first_offset > reader->offset) {
		fprintf(stderr, "clog: records %" PRIu64 " to %" PRIu64 " were trimmed before they were read\n",
		        reader->offset, state.first_offset - 1);
		reader->offset = state.first_offset;
	}
	reader->asked = reader->offset;
	reader->failed = false;
	advance(reader);
}

/* Nothing is under way any more of what was asked for before a failure, or the end. */
static void settle(struct reader *reader)
{
	for (size_t i = 0; i < READER_WINDOW; i++)
		end_read(reader, &reader->slots[i]);
	if (reader->stopping)
		reader->over = true;
	else
		uv_timer_start(&reader->again, take_time, READER_AGAIN_MS, 0);
}

/* Called when something has come about: an answer, more records, or the time to try again. */
static void advance(struct reader *reader)
{
	if (reader->over)
		return;
	do
		give(reader);
	while (!reader->stopping && !reader->failed && fill(reader));
	if (reader->stopping || reader->failed) {
		if (reader->outstanding == 0 && !uv_is_active((uv_handle_t *)&reader->again))
			settle(reader);
		return;
	}
	reader->over = reader->offset == reader->end;
}

static void take_waiting(uv_prepare_t *prepare)
{
	struct reader *const reader = prepare->data;
	if (!reader->given || reader->stopping)
		return;
	reader->given = false;
	const int status = reader->pause(reader);
	if (status == CLOG_OK)
		return;
	stop(reader, status);
	advance(reader);
	uv_stop(&reader->remote->loop); /* it would wait, although this may have been the last thing to come */
}

static void take_closed(uv_handle_t *handle)
{
	*(bool *)handle->data = true;
}

static void close_handle(struct reader *reader, uv_handle_t *handle)
{
	bool closed = false;
	handle->data = &closed;
	uv_close(handle, take_closed);
	remote_wait(reader->remote, &closed);
}

int reader_run(struct reader *reader, struct remote *remote)
{
	reader->remote = remote;
	reader->asked = reader->offset;
	uv_timer_init(&remote->loop, &reader->again);
	reader->again.data = reader;
	uv_prepare_init(&remote->loop, &reader->waiting);
	reader->waiting.data = reader;
	uv_prepare_start(&reader->waiting, take_waiting);
	service_watch(remote->service, &reader->watch, take_more, reader);
	advance(reader);
	remote_wait(remote, &reader->over);
	service_unwatch(remote->service, &reader->watch);
	uv_prepare_stop(&reader->waiting);
	close_handle(reader, (uv_handle_t *)&reader->waiting);
	close_handle(reader, (uv_handle_t *)&reader->again);
	return reader->status;
}
