/* produce: Produce and ProduceStream. The records that have come are appended as one batch; while it is on its way to disk
 * the next ones gather. They are acknowledged in their order. */
#include "rpc/private.h"

#include "proto/log.pb-c.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Records on their way through the service. */
struct batch {
	struct service_append append;
	struct call *call;
	struct batch *next;
	uint32_t count;
	size_t size;
	bool answered;
};

struct produce {
	/* What gathers. */
	unsigned char *data;
	size_t size, capacity;
	uint32_t *sizes;
	uint32_t count, sizes_capacity;
	uint64_t expected; /* SERVICE_ANYWHERE: any offset */
	/* What is under way, in order. */
	struct batch *first, **last;
	uint32_t under_way;
	size_t under_way_size;
	int failure;         /* with which the call ends once what was sent before is answered */
	bool all;            /* the client sends no more */
	uint64_t blocked_ms; /* since when there is no room in the service's queue; 0: there is */
};

/* What the client is told of a record that is not acknowledged. */
static void fail(struct call *call, int error)
{
	call->outcome = error == -ETIMEDOUT || error == -ECONNABORTED ? "unknown" : "refused";
	call_fail(call, error);
}

/* Ends the call where nothing is under way any more that comes before its end. */
static void settle(struct call *call)
{
	const struct produce *produce = call->state;
	if (call->done || produce->first != NULL)
		return;
	if (produce->failure != 0)
		fail(call, produce->failure);
	else if (produce->all && produce->count == 0)
		call_finish(call, STATUS_OK, NULL);
}

/* Whether no more records are taken in for now. */
static bool is_full(struct call *call)
{
	const struct produce *produce = call->state;
	return produce->failure != 0 || produce->under_way >= RPC_PIPELINE_COUNT ||
	       produce->under_way_size >= RPC_PIPELINE_SIZE || produce->blocked_ms != 0 || !call_room(call);
}

/* ---- Answers ---- */

static void acknowledge(struct call *call, const struct batch *batch)
{
	Log__V1__ProduceResponse response = LOG__V1__PRODUCE_RESPONSE__INIT;
	for (uint32_t i = 0; i < batch->count; i++) {
		response.offset = batch->append.first_offset + i;
		call_reply(call, &response.base);
	}
}

static void on_appended(struct service_append *append, void *arg)
{
	struct batch *batch = arg;
	struct call *call = batch->call;
	struct produce *produce = call->state;
	batch->answered = true;
	call_keep(call);
	while ((batch = produce->first) != NULL && batch->answered) {
		produce->first = batch->next;
		if (produce->first == NULL)
			produce->last = &produce->first;
		produce->under_way -= batch->count;
		produce->under_way_size -= batch->size;
		if (!call->done && batch->append.status == 0)
			acknowledge(call, batch);
		else if (!call->done)
			fail(call, batch->append.status);
		free(batch);
		call_release(call);
	}
	settle(call);
	if (!call->done && call->paused && !is_full(call))
		call_resume(call);
	call_release(call);
}

/* ---- Appending ---- */

static struct batch *make_batch(struct call *call)
{
	struct produce *produce = call->state;
	struct batch *batch = calloc(1, sizeof *batch);
	if (batch == NULL)
		return NULL;
	batch->call = call;
	batch->count = produce->count;
	batch->size = produce->size;
	return batch;
}

/* What is gathered is in the service's hands, or there is no hope for it. */
static void clear(struct produce *produce)
{
	produce->count = 0;
	produce->size = 0;
	produce->expected = SERVICE_ANYWHERE;
}

static void on_room(void *arg);

static void block(struct call *call)
{
	struct produce *produce = call->state;
	struct rpc *rpc = call->rpc;
	if (produce->blocked_ms == 0)
		produce->blocked_ms = rpc_now(rpc) + 1;
	call_wait(call, &rpc->blocked);
	call_pause(call);
	if (rpc->awaits_room)
		return;
	rpc->awaits_room = true;
	service_ready(rpc->service, on_room, rpc);
}

/* Appends what is gathered. Where there is no room it stays. */
static void append(struct call *call)
{
	struct produce *produce = call->state;
	if (produce->count == 0 || produce->failure != 0)
		return;
	struct batch *batch = make_batch(call);
	int rc = batch == NULL ? -ENOMEM
	                       : service_append_at(call->rpc->service, &batch->append, produce->expected, produce->data,
	                                           produce->sizes, produce->count, on_appended, batch);
	if (rc == -EAGAIN) {
		free(batch);
		block(call);
		return;
	}
	produce->blocked_ms = 0;
	if (rc < 0) {
		free(batch);
		clear(produce);
		produce->failure = rc;
		settle(call);
		return;
	}
	call_keep(call);
	*produce->last = batch;
	produce->last = &batch->next;
	produce->under_way += batch->count;
	produce->under_way_size += batch->size;
	clear(produce);
}

static void try_again(struct call *call)
{
	const struct produce *produce = call->state;
	call_keep(call);
	call_leave(call);
	append(call);
	if (!call->done && produce->blocked_ms == 0 && !is_full(call))
		call_resume(call);
	call_release(call);
}

static void on_room(void *arg)
{
	struct rpc *rpc = arg;
	struct call *round = rpc->blocked;
	rpc->awaits_room = false;
	/* Those that are blocked anew are in the next round. */
	rpc->blocked = NULL;
	if (round != NULL)
		round->waiting_place = &round;
	while (round != NULL)
		try_again(round);
	rpc_end(rpc);
}

void produce_tick(struct rpc *rpc, uint64_t now_ms)
{
	for (struct call *call = rpc->blocked, *next; call != NULL; call = next) {
		struct produce *produce = call->state;
		next = call->waiting_next;
		if (now_ms < produce->blocked_ms + RPC_ROOM_MS)
			continue;
		call_leave(call);
		clear(produce);
		produce->failure = -EAGAIN;
		settle(call);
	}
}

/* ---- The methods ---- */

/* Adds a record to what is gathered. -ENOMEM. */
static int gather(struct produce *produce, const ProtobufCBinaryData *value)
{
	if (produce->count == produce->sizes_capacity) {
		const uint32_t capacity = produce->sizes_capacity == 0 ? 1 : 4 * produce->sizes_capacity;
		uint32_t *sizes = realloc(produce->sizes, capacity * sizeof *sizes);
		if (sizes == NULL)
			return -ENOMEM;
		produce->sizes = sizes;
		produce->sizes_capacity = capacity;
	}
	if (produce->size + value->len > produce->capacity) {
		const size_t capacity = produce->size + value->len + produce->size;
		unsigned char *data = realloc(produce->data, capacity);
		if (data == NULL)
			return -ENOMEM;
		produce->data = data;
		produce->capacity = capacity;
	}
	if (value->len > 0)
		memcpy(produce->data + produce->size, value->data, value->len);
	produce->size += value->len;
	produce->sizes[produce->count++] = (uint32_t)value->len;
	return 0;
}

static bool message(struct call *call, const void *data, size_t size)
{
	struct produce *produce = call->state;
	const Log__V1__ProduceRequest *request = arena_unpack(&call->rpc->arena, &log__v1__produce_request__descriptor,
	                                                      data, size);
	if (request == NULL || request->record == NULL) {
		append(call);
		produce->failure = -EINVAL;
		call_pause(call);
		settle(call);
		return false;
	}
	const bool conditional = request->condition_case == LOG__V1__PRODUCE_REQUEST__CONDITION_EXPECTED_OFFSET;
	const bool fits = produce->count < RPC_BATCH_COUNT &&
	                  produce->size + request->record->value.len <= RPC_BATCH_SIZE && !conditional;
	if (produce->count > 0 && (!fits || produce->expected != SERVICE_ANYWHERE))
		append(call);
	if (!call->done && is_full(call))
		call_pause(call);
	if (call->done || call->paused)
		return false;
	if (conditional)
		produce->expected = request->expected_offset;
	int rc = gather(produce, &request->record->value);
	if (rc != 0) {
		produce->failure = rc;
		settle(call);
	}
	return true;
}

static void gap(struct call *call)
{
	append(call);
}

static void ended(struct call *call)
{
	struct produce *produce = call->state;
	produce->all = true;
	settle(call);
}

static void more(struct call *call)
{
	if (call->paused && !is_full(call))
		call_resume(call);
}

/* What has been taken in is answered first. */
static void drain(struct call *call)
{
	struct produce *produce = call->state;
	if (!call->method->client_streams)
		return;
	produce->failure = -ESHUTDOWN;
	call_pause(call);
	settle(call);
}

/* Of a record that is under way nobody knows what becomes of it. */
static void stop(struct call *call)
{
	const struct produce *produce = call->state;
	if (call->status != STATUS_OK && call->outcome == NULL)
		call->outcome = produce != NULL && produce->first != NULL ? "unknown" : "refused";
}

static int begin(struct call *call)
{
	struct produce *produce = calloc(1, sizeof *produce);
	if (produce == NULL)
		return -ENOMEM;
	clear(produce);
	produce->last = &produce->first;
	call->state = produce;
	return 0;
}

static void finish(struct call *call)
{
	struct produce *produce = call->state;
	if (produce == NULL)
		return;
	free(produce->data);
	free(produce->sizes);
	free(produce);
}

const struct method produce_one = {.path = "/log.v1.Log/Produce",
                                   .action = AUTH_PRODUCE,
                                   .begin = begin,
                                   .message = message,
                                   .gap = gap,
                                   .ended = ended,
                                   .more = more,
                                   .drain = drain,
                                   .stop = stop,
                                   .finish = finish};
const struct method produce_stream = {.path = "/log.v1.Log/ProduceStream",
                                      .action = AUTH_PRODUCE,
                                      .client_streams = true,
                                      .begin = begin,
                                      .message = message,
                                      .gap = gap,
                                      .ended = ended,
                                      .more = more,
                                      .drain = drain,
                                      .stop = stop,
                                      .finish = finish};
