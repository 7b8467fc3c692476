/* read: Read of clog.v1.Clog, which is service_read. */
#include "rpc/private.h"

#include "proto/clog.pb-c.h"

#include <errno.h>
#include <stdlib.h>

struct read {
	struct service_read read;
	struct service_command command;
	struct service_watch watch;
	uint64_t least_offset; /* up to where the log has to be here */
	bool asked;            /* for something */
	bool waits;            /* for an answer of the service */
	bool watching;         /* for more records */
	bool told_end;         /* least_offset is not past the log's end, by the leader's word */
};

static void serve(struct call *call);

static void leave(struct call *call)
{
	struct read *read = call->state;
	if (read != NULL && read->watching)
		service_unwatch(call->rpc->service, &read->watch);
	if (read != NULL)
		read->watching = false;
}

/* ---- Waiting for what the leader has ---- */

static void on_more(void *arg)
{
	serve(arg);
}

static void on_end(struct service_command *command, void *arg)
{
	struct call *call = arg;
	struct read *read = call->state;
	read->waits = false;
	read->told_end = true;
	/* A log that ends before has no more to wait for. */
	if (read->least_offset > command->value)
		read->least_offset = command->value;
	if (!call->done && command->status != 0)
		call_fail(call, command->status);
	else if (!call->done)
		serve(call);
	call_release(call);
}

/* Whether the log is here as far as is asked. If not, it is asked for or waited for. */
static bool is_here(struct call *call)
{
	struct read *read = call->state;
	struct service_state state;
	service_state(call->rpc->service, &state);
	if (state.next_offset >= read->least_offset)
		return true;
	if (!read->told_end) {
		read->command = (struct service_command){.kind = SERVICE_END};
		int rc = service_command(call->rpc->service, &read->command, on_end, call);
		read->waits = rc == SERVICE_PENDING;
		if (rc < 0)
			call_fail(call, rc);
		else
			call_keep(call);
	} else if (!read->watching) {
		read->watching = true;
		service_watch(call->rpc->service, &read->watch, on_more, call);
	}
	return false;
}

/* ---- Reading ---- */

static void give(struct call *call)
{
	const struct service_read *read = &((const struct read *)call->state)->read;
	Clog__V1__ReadResponse response = CLOG__V1__READ_RESPONSE__INIT;
	if (read->kind != SERVICE_STREAM) {
		response.offset = read->record.offset;
		response.entry = read->record.entry;
		response.term = read->record.term;
		response.time_ns = read->record.time_ns;
		response.size = read->record.size;
		response.crc32c = read->record.crc32c;
	}
	if (read->kind != SERVICE_STAT) {
		response.data.data = (uint8_t *)read->data;
		response.data.len = read->data_size;
	}
	call_reply(call, &response.base);
	call_finish(call, STATUS_OK, NULL);
}

/* A read is answered. Where there is no room for it any more, it is made again later. */
static void take(struct call *call, int status)
{
	if (call->done)
		return;
	if (status != 0)
		call_fail(call, status);
	else if (call_room(call))
		give(call);
}

static void on_read(struct service_read *asked, void *arg)
{
	struct call *call = arg;
	struct read *read = call->state;
	read->waits = false;
	take(call, asked->status);
	service_read_end(call->rpc->service, asked);
	call_release(call);
}

static void serve(struct call *call)
{
	struct read *read = call->state;
	if (call->done || read->waits || !is_here(call) || !call_room(call))
		return;
	leave(call);
	int rc = service_read(call->rpc->service, &read->read, on_read, call);
	if (rc == SERVICE_PENDING) {
		read->waits = true;
		call_keep(call);
		return;
	}
	take(call, rc < 0 ? rc : read->read.status);
	if (rc == SERVICE_DONE)
		service_read_end(call->rpc->service, &read->read);
}

/* ---- The method ---- */

static int begin(struct call *call)
{
	call->state = calloc(1, sizeof(struct read));
	return call->state == NULL ? -ENOMEM : 0;
}

static bool message(struct call *call, const void *data, size_t size)
{
	struct read *read = call->state;
	const Clog__V1__ReadRequest *request = arena_unpack(&call->rpc->arena, &clog__v1__read_request__descriptor,
	                                                    data, size);
	if (request == NULL) {
		call_refuse(call, -EINVAL, "this is no ReadRequest");
	} else if (request->kind > SERVICE_STREAM) {
		call_refuse(call, -EINVAL, "there is no such kind of read");
	} else if (request->kind == SERVICE_STREAM && request->size > SERVICE_READ_SIZE_MAX) {
		call_refuse(call, -EINVAL, "more is asked for than a read gives: 1048576 bytes");
	} else {
		read->read.kind = (enum service_read_kind)request->kind;
		read->read.offset = request->offset;
		read->read.position = request->position;
		read->read.size = request->size;
		read->least_offset = request->least_offset;
		read->asked = true;
		serve(call);
	}
	return true;
}

static void more(struct call *call)
{
	const struct read *read = call->state;
	if (read->asked)
		serve(call);
}

/* One that does not wait for more records has its answer soon. */
static void drain(struct call *call)
{
	const struct read *read = call->state;
	if (read->watching)
		call_fail(call, -ESHUTDOWN);
}

static void finish(struct call *call)
{
	free(call->state);
}

const struct method read_one = {.path = "/clog.v1.Clog/Read",
                                .action = AUTH_CONSUME,
                                .timeout_ms = RPC_ANSWER_MS,
                                .begin = begin,
                                .message = message,
                                .more = more,
                                .drain = drain,
                                .stop = leave,
                                .finish = finish};
