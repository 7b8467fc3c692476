/* produce: Produce and ProduceStream. The records that have come are appended as one batch; while it is on its way to disk
 * the next ones gather. They are acknowledged in their order. */
#include "rpc/private.h"

#include "rpc/batch.h"

#include <errno.h>
#include <stdlib.h>

/* Records on their way through the service. */
struct sent {
	struct service_append append;
	struct call *call;
	struct sent *next;
	uint32_t count;
	size_t size;
	bool answered_once, under_session;
	bool answered;
};

struct produce {
	struct batch batch; /* what gathers */
	/* What is under way, in order. */
	struct sent *first, **last;
	uint32_t under_way, sessions_under_way;
	size_t under_way_size;
	int failure;          /* with which the call ends once what was sent before is answered */
	const char *sentence; /* that says more of it; NULL: none */
	bool all;             /* the client sends no more */
	uint64_t blocked_ms;  /* since when there is no room in the service's queue; 0: there is */
};

/* What the client is told of a record that is not acknowledged. */
static void fail(struct call *call, int error, const char *sentence)
{
	call->outcome = error == -ETIMEDOUT || error == -ECONNABORTED ? "unknown" : "refused";
	call_refuse(call, error, sentence != NULL ? sentence : status_sentence(error));
}

/* Ends the call where nothing is under way any more that comes before its end. */
static void settle(struct call *call)
{
	const struct produce *produce = call->state;
	if (call->done || produce->first != NULL)
		return;
	if (produce->failure != 0)
		fail(call, produce->failure, produce->sentence);
	else if (produce->all && produce->batch.count == 0)
		call_finish(call, STATUS_OK, NULL);
}

/* Whether no more records are taken in for now. */
static bool is_full(struct call *call)
{
	const struct produce *produce = call->state;
	return produce->failure != 0 || produce->under_way >= RPC_PIPELINE_COUNT ||
	       produce->under_way_size >= RPC_PIPELINE_SIZE || produce->sessions_under_way >= SERVICE_SESSION_BATCHES ||
	       produce->blocked_ms != 0 || !call_room(call);
}

/* ---- Answers ---- */

static void acknowledge(struct call *call, const struct sent *sent)
{
	Log__V1__ProduceResponse response = LOG__V1__PRODUCE_RESPONSE__INIT;
	const uint32_t count = sent->answered_once ? 1 : sent->count;
	for (uint32_t i = 0; i < count; i++) {
		response.offset = sent->append.first_offset + i;
		call_reply(call, &response.base);
	}
}

/* The first that is under way is answered. */
static void take_answer(struct call *call, const struct sent *sent)
{
	const int status = sent->append.status;
	if (status == 0)
		acknowledge(call, sent);
	else
		fail(call, status,
		     status == -EINVAL ? "the session has another key, or other records have some of these numbers"
		                       : NULL);
}

static void on_appended(struct service_append *append, void *arg)
{
	struct sent *sent = arg;
	struct call *call = sent->call;
	struct produce *produce = call->state;
	sent->answered = true;
	call_keep(call);
	while ((sent = produce->first) != NULL && sent->answered) {
		produce->first = sent->next;
		if (produce->first == NULL)
			produce->last = &produce->first;
		produce->under_way -= sent->count;
		produce->under_way_size -= sent->size;
		produce->sessions_under_way -= sent->under_session;
		if (!call->done)
			take_answer(call, sent);
		free(sent);
		call_release(call);
	}
	settle(call);
	if (!call->done && call->paused && !is_full(call))
		call_resume(call);
	call_release(call);
}

/* ---- Appending ---- */

static struct sent *make_sent(struct call *call)
{
	const struct produce *produce = call->state;
	struct sent *sent = calloc(1, sizeof *sent);
	if (sent == NULL)
		return NULL;
	sent->call = call;
	sent->count = produce->batch.count;
	sent->size = produce->batch.size;
	sent->answered_once = produce->batch.answered_once;
	sent->under_session = produce->batch.session.id != 0;
	return sent;
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
	if (produce->batch.count == 0 || produce->failure != 0)
		return;
	struct sent *sent = make_sent(call);
	int rc = sent == NULL ? -ENOMEM
	                      : batch_append(&produce->batch, call->rpc->service, &sent->append, on_appended, sent);
	if (rc == -EAGAIN) {
		free(sent);
		block(call);
		return;
	}
	produce->blocked_ms = 0;
	/* It is in the service's hands, or there is no hope for it. */
	batch_clear(&produce->batch);
	if (rc < 0) {
		free(sent);
		produce->failure = rc;
		settle(call);
		return;
	}
	call_keep(call);
	*produce->last = sent;
	produce->last = &sent->next;
	produce->under_way += sent->count;
	produce->under_way_size += sent->size;
	produce->sessions_under_way += sent->under_session;
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
		batch_clear(&produce->batch);
		produce->failure = -EAGAIN;
		settle(call);
	}
}

/* ---- The methods ---- */

static bool message(struct call *call, const void *data, size_t size)
{
	struct produce *produce = call->state;
	const Log__V1__ProduceRequest *request = arena_unpack(&call->rpc->arena, &log__v1__produce_request__descriptor,
	                                                      data, size);
	const char *wrong = request == NULL ? status_sentence(-EINVAL) : batch_check(request);
	if (wrong != NULL) {
		append(call);
		produce->failure = -EINVAL;
		produce->sentence = wrong;
		call_pause(call);
		settle(call);
		return false;
	}
	if (produce->batch.count > 0 && !batch_fits(&produce->batch, request))
		append(call);
	if (!call->done && is_full(call))
		call_pause(call);
	if (call->done || call->paused)
		return false;
	int rc = batch_add(&produce->batch, request);
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
	if (produce->failure == 0)
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
	batch_clear(&produce->batch);
	produce->last = &produce->first;
	call->state = produce;
	return 0;
}

static void finish(struct call *call)
{
	struct produce *produce = call->state;
	if (produce == NULL)
		return;
	batch_finish(&produce->batch);
	free(produce);
}

/* What both have alike. */
#define PRODUCE                                                                                                        \
	.action = AUTH_PRODUCE, .begin = begin, .message = message, .gap = gap, .ended = ended, .more = more,          \
	.drain = drain, .stop = stop, .finish = finish

const struct method produce_one = {.path = "/log.v1.Log/Produce", PRODUCE};
const struct method produce_stream = {
	.path = "/log.v1.Log/ProduceStream", .client_streams = true, .lasts = true, PRODUCE};
