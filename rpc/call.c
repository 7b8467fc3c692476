#include "rpc/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Its life ---- */

int call_create(struct connection *connection, int32_t stream)
{
	struct call *call = calloc(1, sizeof *call);
	if (call == NULL)
		return -ENOMEM;
	call->rpc = connection->rpc;
	call->connection = connection;
	call->stream = stream;
	call->uses = 1;
	call->next = connection->calls;
	if (call->next != NULL)
		call->next->place = &call->next;
	call->place = &connection->calls;
	connection->calls = call;
	connection->call_count++;
	call->rpc->call_count++;
	nghttp2_session_set_stream_user_data(connection->session, stream, call);
	return 0;
}

void call_keep(struct call *call)
{
	call->uses++;
}

void call_release(struct call *call)
{
	struct rpc *rpc = call->rpc;
	if (--call->uses > 0)
		return;
	if (call->method != NULL)
		call->method->finish(call);
	free(call->output);
	free(call);
	rpc->call_count--;
	rpc_end(rpc);
}

void call_wait(struct call *call, struct call **list)
{
	call_leave(call);
	call->waiting_next = *list;
	if (call->waiting_next != NULL)
		call->waiting_next->waiting_place = &call->waiting_next;
	call->waiting_place = list;
	*list = call;
}

void call_leave(struct call *call)
{
	if (call->waiting_place == NULL)
		return;
	*call->waiting_place = call->waiting_next;
	if (call->waiting_next != NULL)
		call->waiting_next->waiting_place = call->waiting_place;
	call->waiting_place = NULL;
}

static void set_deadline(struct call *call)
{
	struct rpc *rpc = call->rpc;
	call->deadline_ms = rpc_now(rpc) + (call->request.timed ? call->request.timeout_ms : call->method->timeout_ms);
	call->timed_next = rpc->timed;
	if (call->timed_next != NULL)
		call->timed_next->timed_place = &call->timed_next;
	call->timed_place = &rpc->timed;
	rpc->timed = call;
}

static void clear_deadline(struct call *call)
{
	if (call->timed_place == NULL)
		return;
	*call->timed_place = call->timed_next;
	if (call->timed_next != NULL)
		call->timed_next->timed_place = call->timed_place;
	call->timed_place = NULL;
}

/* Counts what its input holds, in the connection and in all. */
static void count_input(struct call *call)
{
	call->connection->input_size += call->input.capacity - call->input_size;
	call->rpc->input_size += call->input.capacity - call->input_size;
	call->input_size = call->input.capacity;
}

/* Nothing is taken in and waited for any more. */
static void stop(struct call *call)
{
	call->done = true;
	clear_deadline(call);
	if (call->method != NULL && call->method->stop != NULL)
		call->method->stop(call);
	call_leave(call);
	framing_finish(&call->input);
	count_input(call);
}

void call_closed(struct call *call)
{
	struct connection *connection = call->connection;
	if (!call->done)
		stop(call);
	*call->place = call->next;
	if (call->next != NULL)
		call->next->place = call->place;
	connection->output_size -= call->output_end - call->output_begin;
	connection->call_count--;
	call->connection = NULL;
	call_release(call);
}

/* ---- Answering ---- */

#define NV(text_name, text_value)                                                                                      \
	{                                                                                                              \
		.name = (uint8_t *)(text_name), .value = (uint8_t *)(text_value), .namelen = strlen(text_name),        \
		.valuelen = strlen(text_value)                                                                         \
	}
#define FIELDS_MAX 7

/* Submits the status, as trailers or, when there was nothing before it, as all there is. */
static void submit_status(struct call *call)
{
	char code[12], message[3 * RPC_MESSAGE_SIZE];
	nghttp2_nv fields[FIELDS_MAX];
	size_t count = 0;
	snprintf(code, sizeof code, "%d", (int)call->status);
	status_encode(call->message, message, sizeof message);
	if (!call->answered) {
		fields[count++] = (nghttp2_nv)NV(":status", "200");
		fields[count++] = (nghttp2_nv)NV("content-type", "application/grpc");
	}
	fields[count++] = (nghttp2_nv)NV("grpc-status", code);
	if (message[0] != '\0')
		fields[count++] = (nghttp2_nv)NV("grpc-message", message);
	if (call->outcome != NULL)
		fields[count++] = (nghttp2_nv)NV("clog-outcome", call->outcome);
	if (call->error != 0)
		fields[count++] = (nghttp2_nv)NV("clog-errno", strerrorname_np(-call->error));
	if (call->accept_encoding != NULL && !call->answered)
		fields[count++] = (nghttp2_nv)NV("grpc-accept-encoding", call->accept_encoding);
	nghttp2_session *session = call->connection->session;
	if (call->answered)
		nghttp2_submit_trailer(session, call->stream, fields, count);
	else
		nghttp2_submit_response(session, call->stream, fields, count, NULL);
	call->answered = true;
}

ssize_t call_send(nghttp2_session *session, int32_t stream, uint8_t *data, size_t capacity, uint32_t *flags,
                  nghttp2_data_source *source, void *arg)
{
	struct call *call = source->ptr;
	size_t size = call->output_end - call->output_begin;
	if (size == 0 && !call->done) {
		call->deferred = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	size = size < capacity ? size : capacity;
	if (size > 0)
		memcpy(data, call->output + call->output_begin, size);
	call->output_begin += size;
	call->connection->output_size -= size;
	if (call->output_begin < call->output_end)
		return (ssize_t)size;
	call->output_begin = call->output_end = 0;
	if (call->output_capacity > FRAMING_IDLE_SIZE) {
		free(call->output);
		call->output = NULL;
		call->output_capacity = 0;
	}
	if (call->done) {
		*flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
		submit_status(call);
	}
	return (ssize_t)size;
}

/* Something has been added to what is to be sent: data, or the status. */
static void push(struct call *call)
{
	const nghttp2_nv fields[] = {NV(":status", "200"), NV("content-type", "application/grpc")};
	const nghttp2_data_provider provider = {.source.ptr = call, .read_callback = call_send};
	nghttp2_session *session = call->connection->session;
	if (!call->answered && call->done && call->output_end == call->output_begin) {
		submit_status(call);
	} else if (!call->answered) {
		call->answered = true;
		nghttp2_submit_response(session, call->stream, fields, sizeof fields / sizeof fields[0], &provider);
	} else if (call->deferred) {
		call->deferred = false;
		nghttp2_session_resume_data(session, call->stream);
	}
	connection_soon(call->connection);
}

/* Gives room for size bytes behind what waits; NULL without memory. */
static unsigned char *extend(struct call *call, size_t size)
{
	if (call->output_end + size > call->output_capacity && call->output_begin > 0) {
		memmove(call->output, call->output + call->output_begin, call->output_end - call->output_begin);
		call->output_end -= call->output_begin;
		call->output_begin = 0;
	}
	if (call->output_end + size > call->output_capacity) {
		size_t capacity = call->output_end + size + (call->output_end + size) / 2;
		unsigned char *grown = realloc(call->output, capacity);
		if (grown == NULL)
			return NULL;
		call->output = grown;
		call->output_capacity = capacity;
	}
	return call->output + call->output_end;
}

void call_reply(struct call *call, const ProtobufCMessage *message)
{
	if (call->done)
		return;
	const size_t size = protobuf_c_message_get_packed_size(message);
	unsigned char *head = extend(call, FRAMING_HEAD_SIZE + size);
	if (head == NULL) {
		call_fail(call, -ENOMEM);
		return;
	}
	framing_head((uint32_t)size, head);
	protobuf_c_message_pack(message, head + FRAMING_HEAD_SIZE);
	call->output_end += FRAMING_HEAD_SIZE + size;
	call->connection->output_size += FRAMING_HEAD_SIZE + size;
	push(call);
}

bool call_room(struct call *call)
{
	call->wants_room = call->connection->output_size >= RPC_OUTPUT_SIZE;
	return !call->wants_room;
}

void calls_more(struct connection *connection)
{
	if (connection->output_size >= RPC_OUTPUT_SIZE / 2)
		return;
	for (struct call *call = connection->calls; call != NULL; call = call->next) {
		if (!call->wants_room || call->done || call->method->more == NULL)
			continue;
		call->wants_room = false;
		call->method->more(call);
	}
}

void call_finish(struct call *call, enum status status, const char *message)
{
	if (call->done)
		return;
	call->status = status;
	snprintf(call->message, sizeof call->message, "%s", message != NULL ? message : "");
	stop(call);
	push(call);
}

void call_refuse(struct call *call, int error, const char *message)
{
	if (call->done)
		return;
	call->error = error;
	call_finish(call, status_of(error), message);
}

void call_fail(struct call *call, int error)
{
	call_refuse(call, error, status_sentence(error));
}

/* ---- Beginning ---- */

/* Answers what is no call of gRPC at all, as HTTP does. */
static void refuse_http(struct call *call, const char *status)
{
	const nghttp2_nv fields[] = {NV(":status", status)};
	stop(call);
	call->answered = true;
	nghttp2_submit_response(call->connection->session, call->stream, fields, 1, NULL);
	connection_soon(call->connection);
}

void call_begin(struct call *call)
{
	const struct request *request = &call->request;
	const struct method *method = method_find(request->path);
	char message[RPC_MESSAGE_SIZE];
	if (request->size > REQUEST_HEADERS_SIZE_MAX) {
		call_finish(call, STATUS_RESOURCE_EXHAUSTED, "the headers are larger than 16384 bytes");
	} else if (!request->post) {
		refuse_http(call, "405");
	} else if (!request->grpc) {
		refuse_http(call, "415");
	} else if (method == NULL) {
		snprintf(message, sizeof message, "there is no method %.100s", request->path);
		call_finish(call, STATUS_UNIMPLEMENTED, message);
	} else if (request->mistimed) {
		call_refuse(call, -EINVAL, "the grpc-timeout is malformed");
	} else if (rpc_stopping(call->rpc)) {
		call_fail(call, -ESHUTDOWN);
	} else {
		call->method = method;
		if (!allow_call(call))
			return;
		if (request->timed || method->timeout_ms != 0)
			set_deadline(call);
		if (method->begin(call) != 0)
			call_fail(call, -ENOMEM);
	}
}

/* ---- Taking messages in ---- */

static void refuse_framing(struct call *call, int error, size_t size)
{
	char message[RPC_MESSAGE_SIZE];
	snprintf(message, sizeof message, "a message has %zu bytes; %u are the most", size, FRAMING_SIZE_MAX);
	if (error == -EMSGSIZE)
		call_finish(call, STATUS_RESOURCE_EXHAUSTED, message);
	else
		call_finish(call, STATUS_INTERNAL, "a message's first byte is neither 0 nor 1");
}

static void refuse_compression(struct call *call)
{
	call->accept_encoding = "identity";
	if (call->request.encoded)
		call_finish(call, STATUS_UNIMPLEMENTED, "compressed messages are not understood here");
	else
		call_finish(call, STATUS_INTERNAL, "a message is compressed, and grpc-encoding does not say how");
}

/* The first message, when it is there and may be taken: 1. */
static int next(struct call *call, struct framing_message *message)
{
	int rc = framing_next(&call->input, message);
	if (rc < 0)
		refuse_framing(call, rc, message->size);
	else if (rc == 1 && message->compressed)
		refuse_compression(call);
	return call->done ? 0 : rc;
}

/* Gives the method the messages that are there. Of a client that sends one it is given when there is no more. */
static void take_messages(struct call *call)
{
	struct framing_message message;
	const struct method *method = call->method;
	if (!method->client_streams && !call->taken) {
		if (next(call, &message) == 1 && framing_exceeds(&call->input))
			call_finish(call, STATUS_INTERNAL, "the client sent more than one message");
		if (call->done || !call->ended)
			return;
		if (next(call, &message) != 1) {
			if (!call->done)
				call_finish(call, STATUS_INTERNAL, "the client sent no whole message");
			return;
		}
	}
	call_keep(call);
	while (!call->done && !call->paused && next(call, &message) == 1)
		if (method->message(call, message.data, message.size) && !call->done) {
			framing_take(&call->input);
			call->taken = true;
		}
	if (!call->done && method->gap != NULL)
		method->gap(call);
	if (!call->done)
		count_input(call);
	if (!call->done && call->ended && !call->paused && !call->told_ended) {
		call->told_ended = true;
		if (!framing_empty(&call->input))
			call_finish(call, STATUS_INTERNAL, "the client's last message is cut off");
		else if (method->ended != NULL)
			method->ended(call);
	}
	call_release(call);
}

/* Gives the client its window back. */
static void consume(struct call *call)
{
	if (call->connection == NULL)
		return;
	nghttp2_session_consume_stream(call->connection->session, call->stream, call->unconsumed);
	call->unconsumed = 0;
	connection_soon(call->connection);
}

void call_data(struct call *call, const void *data, size_t size)
{
	struct rpc *rpc = call->rpc;
	call->unconsumed += size;
	if (!call->done && framing_add(&call->input, data, size) != 0)
		call_fail(call, -ENOMEM);
	if (!call->done)
		count_input(call);
	if (rpc->input_size > RPC_INPUT_SIZE_MAX || call->connection->input_size > RPC_CONNECTION_INPUT_SIZE_MAX)
		call_finish(call, STATUS_RESOURCE_EXHAUSTED, "too many bytes of messages wait here");
	if (!call->done && !call->paused)
		take_messages(call);
	if (call->done || !call->paused)
		consume(call);
}

void call_end(struct call *call)
{
	call->ended = true;
	if (!call->done && !call->paused)
		take_messages(call);
}

void call_pause(struct call *call)
{
	call->paused = true;
}

void call_resume(struct call *call)
{
	if (!call->paused || call->done)
		return;
	call->paused = false;
	take_messages(call);
	if (!call->done && !call->paused)
		consume(call);
}

void calls_tick(struct rpc *rpc, uint64_t now_ms)
{
	for (struct call *call = rpc->timed, *after; call != NULL; call = after) {
		after = call->timed_next;
		if (now_ms >= call->deadline_ms)
			call_refuse(call, -ETIMEDOUT, "the time that the client gave is over");
	}
}
