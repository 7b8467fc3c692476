/* Calls of gRPC: unary ones, each begun anew when it is answered, and the log's two streams. */
#include "bench/rpc.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_SIZE 5u                      /* before each message: a flag, and the size */
#define BODY_SIZE (RECORD_SIZE_MAX + 64u) /* of a request */
#define GATHER_SIZE (16u << 10)           /* bytes that are written at once: a record of TLS */
#define WINDOW_SIZE (1 << 20)             /* of a stream; */
#define CONNECTION_WINDOW_SIZE (4 << 20)  /* and of all */
#define READ_OFFSETS 1000u                /* the records that are read one by one */

struct slot;

struct call_kind {
	const char *path;
	/* Makes the body of the request with that number. */
	void (*make)(struct slot *slot, uint64_t number);
	bool sends, gives; /* streams of messages, from here and from the server */
};

/* A call, and when that is over the next one in its place. */
struct slot {
	struct link *link;
	uint64_t begin_ns;
	unsigned char body[BODY_SIZE];
	size_t size, sent;
	char status[4], message[128];
};

struct calls {
	nghttp2_session *session;
	uint64_t number; /* of the next request */
	/* Of a stream of messages: those that were sent and not answered, and when. */
	uint64_t sent, answered;
	uint64_t *sent_ns; /* link->outstanding of them, in turns */
	bool deferred;
	int32_t stream;
	/* Where in the messages that come it is. */
	unsigned char head[HEAD_SIZE];
	size_t head_size, skip;
	struct slot slots[]; /* link->outstanding of them, or one */
};

/* ---- Messages ---- */

static unsigned char *put_number(unsigned char *at, uint64_t number)
{
	for (; number >= 0x80; number >>= 7)
		*at++ = (unsigned char)(number | 0x80);
	*at++ = (unsigned char)number;
	return at;
}

/* Puts the head of a field of bytes. */
static unsigned char *put_field(unsigned char *at, unsigned field, size_t size)
{
	*at++ = (unsigned char)(field << 3 | 2);
	return put_number(at, size);
}

/* Ends the body, and writes its head. */
static void end_body(struct slot *slot, const unsigned char *end)
{
	const size_t size = (size_t)(end - slot->body) - HEAD_SIZE;
	const unsigned char head[HEAD_SIZE] = {0, (unsigned char)(size >> 24), (unsigned char)(size >> 16),
	                                       (unsigned char)(size >> 8), (unsigned char)size};
	memcpy(slot->body, head, sizeof head);
	slot->size = size + HEAD_SIZE;
}

/* A ProduceRequest, of a Record with a value. */
static void make_produce(struct slot *slot, uint64_t number)
{
	unsigned char length[10];
	const size_t size = slot->link->run->record_size;
	if (slot->size > 0)
		return; /* they are all alike */
	const size_t record = 1 + (size_t)(put_number(length, size) - length) + size;
	unsigned char *at = put_field(slot->body + HEAD_SIZE, 1, record);
	at = put_field(at, 1, size);
	memset(at, 'x', size);
	end_body(slot, at + size);
}

/* A ConsumeRequest of an offset. */
static void make_consume(struct slot *slot, uint64_t number)
{
	unsigned char *at = slot->body + HEAD_SIZE;
	*at++ = 1 << 3;
	end_body(slot, put_number(at, slot->link->run->protocol->call->gives ? 0 : number % READ_OFFSETS));
}

/* A PutRequest of etcd's, with a key of its own. */
static void make_put(struct slot *slot, uint64_t number)
{
	const size_t size = slot->link->run->record_size;
	char key[32];
	const int key_size = snprintf(key, sizeof key, "%p.%016lx", (void *)slot->link, number);
	unsigned char *at = put_field(slot->body + HEAD_SIZE, 1, (size_t)key_size);
	memcpy(at, key, (size_t)key_size);
	at = put_field(at + key_size, 2, size);
	memset(at, 'x', size);
	end_body(slot, at + size);
}

/* Counts the messages that end in the bytes. */
static uint64_t count_messages(struct calls *calls, const unsigned char *data, size_t size)
{
	uint64_t count = 0;
	while (size > 0) {
		if (calls->head_size < HEAD_SIZE) {
			calls->head[calls->head_size++] = *data++;
			size--;
			const unsigned char *head = calls->head;
			calls->skip = (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
		} else {
			const size_t part = size < calls->skip ? size : calls->skip;
			data += part;
			size -= part;
			calls->skip -= part;
		}
		if (calls->head_size == HEAD_SIZE && calls->skip == 0) {
			calls->head_size = 0;
			count++;
		}
	}
	return count;
}

/* ---- What nghttp2 asks for and tells ---- */

static ssize_t give_body(nghttp2_session *session, int32_t stream, uint8_t *data, size_t capacity, uint32_t *flags,
                         nghttp2_data_source *source, void *arg)
{
	struct slot *slot = source->ptr;
	const size_t rest = slot->size - slot->sent, size = rest < capacity ? rest : capacity;
	memcpy(data, slot->body + slot->sent, size);
	slot->sent += size;
	if (slot->sent == slot->size)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)size;
}

/* As many whole messages as there is room for and may be sent. */
static ssize_t give_messages(nghttp2_session *session, int32_t stream, uint8_t *data, size_t capacity, uint32_t *flags,
                             nghttp2_data_source *source, void *arg)
{
	const struct slot *slot = source->ptr;
	const struct link *link = slot->link;
	struct calls *calls = link->state;
	const uint64_t now_ns = times_now_ns();
	size_t size = 0;
	for (; size + slot->size <= capacity && calls->sent < calls->answered + link->outstanding; size += slot->size) {
		memcpy(data + size, slot->body, slot->size);
		calls->sent_ns[calls->sent++ % link->outstanding] = now_ns;
	}
	calls->deferred = size == 0;
	return size == 0 ? NGHTTP2_ERR_DEFERRED : (ssize_t)size;
}

static void begin_call(struct slot *slot)
{
	struct calls *calls = slot->link->state;
	const struct run *run = slot->link->run;
	const struct call_kind *kind = run->protocol->call;
#define FIELD(text_name, text_value)                                                                                   \
	{                                                                                                              \
		.name = (uint8_t *)(text_name), .value = (uint8_t *)(text_value), .namelen = strlen(text_name),        \
		.valuelen = strlen(text_value), .flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE  \
	}
	const nghttp2_nv fields[] = {FIELD(":method", "POST"),   FIELD(":scheme", run->tls != NULL ? "https" : "http"),
	                             FIELD(":path", kind->path), FIELD(":authority", run->address_text),
	                             FIELD("te", "trailers"),    FIELD("content-type", "application/grpc")};
	const nghttp2_data_provider provider = {.source.ptr = slot,
	                                        .read_callback = kind->sends ? give_messages : give_body};
	slot->sent = 0;
	slot->status[0] = slot->message[0] = '\0';
	slot->begin_ns = times_now_ns();
	kind->make(slot, calls->number++);
	calls->stream = nghttp2_submit_request(calls->session, NULL, fields, sizeof fields / sizeof fields[0],
	                                       &provider, slot);
	if (calls->stream < 0)
		run_fail("%s", nghttp2_strerror(calls->stream));
}

static void take_text(char *text, size_t capacity, const uint8_t *value, size_t size)
{
	size = size < capacity ? size : capacity - 1;
	memcpy(text, value, size);
	text[size] = '\0';
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_size,
                     const uint8_t *value, size_t value_size, uint8_t flags, void *arg)
{
	struct slot *slot = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	if (name_size == 11 && memcmp(name, "grpc-status", 11) == 0)
		take_text(slot->status, sizeof slot->status, value, value_size);
	else if (name_size == 12 && memcmp(name, "grpc-message", 12) == 0)
		take_text(slot->message, sizeof slot->message, value, value_size);
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t size, void *arg)
{
	struct link *link = arg;
	struct calls *calls = link->state;
	const struct call_kind *kind = link->run->protocol->call;
	if (!kind->gives)
		return 0;
	const uint64_t count = count_messages(calls, data, size), now_ns = times_now_ns();
	if (!kind->sends) {
		run_count(link->run, count, 0, now_ns);
		return 0;
	}
	for (uint64_t i = 0; i < count; i++)
		run_count(link->run, 1, calls->sent_ns[calls->answered++ % link->outstanding], now_ns);
	if (calls->deferred && count > 0)
		nghttp2_session_resume_data(session, stream);
	return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	/* The server has the settings, and we have its own. */
	if (frame->hd.type == NGHTTP2_SETTINGS && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0)
		run_ready(arg);
	return 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t error, void *arg)
{
	struct slot *slot = nghttp2_session_get_stream_user_data(session, stream);
	if (slot->link->run->protocol->call->gives || strcmp(slot->status, "0") != 0)
		run_fail("a call ended: HTTP/2 error %u, status %s, %s", error, slot->status, slot->message);
	run_count(slot->link->run, 1, slot->begin_ns, times_now_ns());
	begin_call(slot);
	return 0;
}

/* ---- The connection ---- */

static void make_session(struct link *link, nghttp2_session **session)
{
	static nghttp2_session_callbacks *callbacks;
	if (callbacks == NULL && nghttp2_session_callbacks_new(&callbacks) == 0) {
		nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
		nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
		nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
		nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_close);
	}
	if (callbacks == NULL || nghttp2_session_client_new(session, callbacks, link) != 0)
		run_fail("no memory");
}

static void open_calls(struct link *link)
{
	const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_SIZE},
	                                           {NGHTTP2_SETTINGS_ENABLE_PUSH, 0}};
	const struct call_kind *kind = link->run->protocol->call;
	const unsigned count = kind->sends ? 1 : link->outstanding;
	struct calls *calls = calloc(1, sizeof *calls + count * sizeof calls->slots[0]);
	if (calls == NULL || (calls->sent_ns = calloc(link->outstanding, sizeof *calls->sent_ns)) == NULL)
		run_fail("no memory");
	for (unsigned i = 0; i < count; i++)
		calls->slots[i].link = link;
	link->state = calls;
	make_session(link, &calls->session);
	nghttp2_submit_settings(calls->session, NGHTTP2_FLAG_NONE, settings, sizeof settings / sizeof settings[0]);
	nghttp2_session_set_local_window_size(calls->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW_SIZE);
	channel_soon(link->channel);
}

static void start_calls(struct link *link)
{
	struct calls *calls = link->state;
	const unsigned count = link->run->protocol->call->sends ? 1 : link->outstanding;
	for (unsigned i = 0; i < count; i++)
		begin_call(&calls->slots[i]);
	channel_soon(link->channel);
}

static void bytes_calls(struct link *link, const unsigned char *data, size_t size)
{
	struct calls *calls = link->state;
	const ssize_t taken = nghttp2_session_mem_recv(calls->session, data, size);
	if (taken < 0)
		run_fail("%s", nghttp2_strerror((int)taken));
	channel_soon(link->channel);
}

static void soon_calls(struct link *link)
{
	struct calls *calls = link->state;
	unsigned char gathered[GATHER_SIZE];
	size_t count = 0;
	const uint8_t *data;
	ssize_t size = 0;
	while (!channel_busy(link->channel) && (size = nghttp2_session_mem_send(calls->session, &data)) > 0) {
		if (count + (size_t)size > sizeof gathered) {
			channel_write(link->channel, gathered, count);
			count = 0;
		}
		if ((size_t)size > sizeof gathered) {
			channel_write(link->channel, data, (size_t)size);
			continue;
		}
		memcpy(gathered + count, data, (size_t)size);
		count += (size_t)size;
	}
	if (size < 0)
		run_fail("%s", nghttp2_strerror((int)size));
	channel_write(link->channel, gathered, count);
}

static enum after closed_calls(struct link *link)
{
	return AFTER_FAIL;
}

#define PROTOCOL(kind, ends_by_count)                                                                                  \
	{                                                                                                              \
		.counts = (ends_by_count), .call = &(kind), .open = open_calls, .start = start_calls,                  \
		.bytes = bytes_calls, .soon = soon_calls, .closed = closed_calls                                       \
	}

static const struct call_kind produce_kind = {.path = "/log.v1.Log/Produce", .make = make_produce};
static const struct call_kind read_kind = {.path = "/log.v1.Log/Consume", .make = make_consume};
static const struct call_kind etcd_kind = {.path = "/etcdserverpb.KV/Put", .make = make_put};
static const struct call_kind stream_kind = {
	.path = "/log.v1.Log/ProduceStream", .make = make_produce, .sends = true, .gives = true};
static const struct call_kind consume_kind = {.path = "/log.v1.Log/ConsumeStream", .make = make_consume, .gives = true};

const struct protocol calls_produce = PROTOCOL(produce_kind, false);
const struct protocol calls_read = PROTOCOL(read_kind, false);
const struct protocol calls_etcd = PROTOCOL(etcd_kind, false);
const struct protocol calls_stream = PROTOCOL(stream_kind, false);
const struct protocol calls_consume = PROTOCOL(consume_kind, true);
