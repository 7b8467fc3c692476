/* consume: Consume and ConsumeStream. Records are read one after the other, as fast as the client takes them. */
#include "rpc/private.h"

#include "proto/log.pb-c.h"

#include <errno.h>
#include <stdlib.h>

struct consume {
	struct service_read read;
	struct service_command command;
	struct service_watch watch;
	uint64_t offset; /* of the next record */
	bool streams;
	bool asked;    /* for an offset */
	bool waits;    /* for an answer of the service */
	bool watching; /* for more records */
	bool awaited;  /* of Consume: the log's end is past the offset, by the leader's word; it will be here soon */
};

static void serve(struct call *call);

static void on_more(void *arg)
{
	serve(arg);
}

/* Returns true when it has only begun to watch: there may be more already. */
static bool await_more(struct call *call)
{
	struct consume *consume = call->state;
	if (consume->watching)
		return false;
	consume->watching = true;
	service_watch(call->rpc->service, &consume->watch, on_more, call);
	return true;
}

static void stop(struct call *call)
{
	struct consume *consume = call->state;
	if (consume != NULL && consume->watching)
		service_unwatch(call->rpc->service, &consume->watch);
	if (consume != NULL)
		consume->watching = false;
}

/* ---- The end of the log, as the leader knows it ---- */

static void on_end(struct service_command *command, void *arg)
{
	struct call *call = arg;
	struct consume *consume = call->state;
	consume->waits = false;
	if (!call->done && command->status != 0) {
		call_fail(call, command->status);
	} else if (!call->done && command->value <= consume->offset) {
		call_fail(call, -ENOENT);
	} else if (!call->done) {
		consume->awaited = true;
		await_more(call);
		serve(call);
	}
	call_release(call);
}

static void ask_end(struct call *call)
{
	struct consume *consume = call->state;
	consume->command = (struct service_command){.kind = SERVICE_END};
	int rc = service_command(call->rpc->service, &consume->command, on_end, call);
	if (rc < 0) {
		call_fail(call, rc);
		return;
	}
	consume->waits = true;
	call_keep(call);
}

/* ---- Records ---- */

static void give(struct call *call)
{
	struct consume *consume = call->state;
	const struct service_record *found = &consume->read.record;
	Log__V1__Record record = LOG__V1__RECORD__INIT;
	Log__V1__ConsumeResponse response = LOG__V1__CONSUME_RESPONSE__INIT;
	response.record = &record;
	record.value.data = (uint8_t *)consume->read.data;
	record.value.len = consume->read.data_size;
	record.offset = consume->offset;
	record.term = found->term;
	record.time_ns = found->time_ns;
	record.crc32c = found->crc32c;
	call_reply(call, &response.base);
	consume->offset++;
	if (!consume->streams)
		call_finish(call, STATUS_OK, NULL);
}

/* A read is answered. Returns whether the next one may be asked for. */
static bool take(struct call *call, int status)
{
	const struct consume *consume = call->state;
	if (call->done)
		return false;
	if (status == 0 && !call_room(call))
		return false; /* it is read again, when there is */
	if (status == 0)
		give(call);
	else if (status != -ENOENT)
		call_fail(call, status);
	else if (consume->streams || consume->awaited)
		return await_more(call);
	else
		ask_end(call);
	return status == 0 && !call->done;
}

static void on_read(struct service_read *read, void *arg)
{
	struct call *call = arg;
	struct consume *consume = call->state;
	consume->waits = false;
	bool more = take(call, read->status);
	service_read_end(call->rpc->service, read);
	if (more)
		serve(call);
	call_release(call);
}

static void serve(struct call *call)
{
	struct consume *consume = call->state;
	bool more = true;
	while (more && !call->done && !consume->waits && call_room(call)) {
		consume->read = (struct service_read){.kind = SERVICE_RECORD, .offset = consume->offset};
		int rc = service_read(call->rpc->service, &consume->read, on_read, call);
		if (rc == SERVICE_PENDING) {
			consume->waits = true;
			call_keep(call);
			return;
		}
		more = take(call, rc < 0 ? rc : consume->read.status);
		if (rc == SERVICE_DONE)
			service_read_end(call->rpc->service, &consume->read);
	}
}

/* ---- The methods ---- */

static int begin(struct call *call)
{
	struct consume *consume = calloc(1, sizeof *consume);
	if (consume == NULL)
		return -ENOMEM;
	consume->streams = call->method == &consume_stream;
	call->state = consume;
	return 0;
}

static bool message(struct call *call, const void *data, size_t size)
{
	struct consume *consume = call->state;
	const Log__V1__ConsumeRequest *request = arena_unpack(&call->rpc->arena, &log__v1__consume_request__descriptor,
	                                                      data, size);
	if (request == NULL) {
		call_refuse(call, -EINVAL, "this is no ConsumeRequest");
		return true;
	}
	consume->offset = request->offset;
	consume->asked = true;
	serve(call);
	return true;
}

static void more(struct call *call)
{
	const struct consume *consume = call->state;
	if (consume->asked)
		serve(call);
}

/* One that reads has its answer soon. */
static void drain(struct call *call)
{
	const struct consume *consume = call->state;
	if (consume->streams || consume->watching)
		call_fail(call, -ESHUTDOWN);
}

static void finish(struct call *call)
{
	free(call->state);
}

/* What both have alike. */
#define CONSUME                                                                                                        \
	.action = AUTH_CONSUME, .begin = begin, .message = message, .more = more, .drain = drain, .stop = stop,        \
	.finish = finish

const struct method consume_one = {.path = "/log.v1.Log/Consume", .timeout_ms = RPC_ANSWER_MS, CONSUME};
const struct method consume_stream = {.path = "/log.v1.Log/ConsumeStream", .lasts = true, CONSUME};
