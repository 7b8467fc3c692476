/* batches: appends. While batches are under way, appends gather in the next one; there is no timer in it. A batch is laid
 * out as the message that it is sent as; the numbers that it is sent under, which may change, are at its end.
 *
 * Batches are sent in their order, each once the one before is on its way, so that what is appended one after the other is
 * so in the log, unless servers fail. */
#include "client/private.h"

#include "proto/log.pb-c.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One deadline is enough for appends that come within so long of each other. */
#define JOINED_MS 500u
/* What an append counts for in the queue besides its bytes: its records' headers. */
#define RECORD_OVERHEAD 8u
/* Bytes before a value at most: its field's tag and its size. */
#define VALUE_HEAD_SIZE 7u
/* Bytes of the session, its key, the sequence and the expected offset, with their tags. */
#define NUMBERS_SIZE (2u * (2u + 8u) + 2u * (2u + 10u))

struct batch {
	struct task task;   /* first */
	struct batch *next; /* in waiting, or under way */
	unsigned char *body;
	size_t size, capacity; /* of the head and the values; the numbers come behind */
	size_t counted;
	uint32_t count; /* records */
	uint64_t expected;
	uint64_t session, session_key, sequence, ordinal; /* 0: it was never sent */
	struct service_append *first, **last;
};

/* ---- The message ---- */

static unsigned char *put_varint(unsigned char *at, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*at++ = (unsigned char)(value | 0x80);
	*at++ = (unsigned char)value;
	return at;
}

static unsigned char *put_fixed(unsigned char *at, uint64_t value)
{
	for (unsigned i = 0; i < 8; i++)
		*at++ = (unsigned char)(value >> (8 * i));
	return at;
}

/* The tags of ProduceRequest's fields (proto/log.proto): varints are of wire type 0, fixed64 of 1, bytes of 2. */
enum {
	TAG_EXPECTED = 16 << 3 | 0,
	TAG_SESSION = 17 << 3 | 1,
	TAG_SESSION_KEY = 18 << 3 | 1,
	TAG_SEQUENCE = 19 << 3 | 0,
	TAG_VALUES = 20 << 3 | 2,
};

/* Writes the numbers and the head. */
static void prepare(struct task *task)
{
	struct batch *batch = (struct batch *)task;
	unsigned char *at = batch->body + batch->size;
	at = put_fixed(put_varint(at, TAG_SESSION), batch->session);
	at = put_fixed(put_varint(at, TAG_SESSION_KEY), batch->session_key);
	at = put_varint(put_varint(at, TAG_SEQUENCE), batch->sequence);
	if (batch->expected != SERVICE_ANYWHERE)
		at = put_varint(put_varint(at, TAG_EXPECTED), batch->expected);
	task->body = batch->body;
	task->body_size = (size_t)(at - batch->body);
	exchange_head(batch->body, task->body_size - CLIENT_HEAD_SIZE);
}

static int reserve(struct batch *batch, size_t size)
{
	const size_t needed = batch->size + size + NUMBERS_SIZE;
	if (needed <= batch->capacity)
		return 0;
	const size_t capacity = needed + batch->size;
	unsigned char *grown = realloc(batch->body, capacity);
	if (grown == NULL)
		return -ENOMEM;
	batch->body = grown;
	batch->capacity = capacity;
	return 0;
}

static void add_values(struct batch *batch, const unsigned char *data, const uint32_t *sizes, uint32_t count)
{
	unsigned char *at = batch->body + batch->size;
	for (uint32_t i = 0; i < count; i++) {
		at = put_varint(put_varint(at, TAG_VALUES), sizes[i]);
		if (sizes[i] > 0)
			memcpy(at, data, sizes[i]);
		at += sizes[i];
		data += sizes[i];
	}
	batch->size = (size_t)(at - batch->body);
	batch->count += count;
}

/* ---- Lists ---- */

static void push(struct batch ***last, struct batch *batch)
{
	batch->next = NULL;
	**last = batch;
	*last = &batch->next;
}

static struct batch *take(struct batch **first, struct batch ***last)
{
	struct batch *batch = *first;
	*first = batch->next;
	if (*first == NULL)
		*last = first;
	return batch;
}

static void leave_under_way(struct batches *batches, struct batch *batch)
{
	struct batch **place = &batches->under_way;
	while (*place != batch)
		place = &(*place)->next;
	*place = batch->next;
	if (batch->next == NULL)
		batches->under_way_last = place;
	batches->under_way_count--;
}

void batches_init(struct client *client)
{
	struct batches *batches = &client->batches;
	batches->waiting_last = &batches->waiting;
	batches->under_way_last = &batches->under_way;
}

static struct batch *create(struct client *client, uint64_t expected)
{
	struct batch *batch = calloc(1, sizeof *batch);
	if (batch == NULL)
		return NULL;
	batch->size = CLIENT_HEAD_SIZE;
	batch->expected = expected;
	batch->last = &batch->first;
	batch->task.deadline_ms = client_now(client) + client->deadline_ms;
	return batch;
}

/* Answers what is in it, and frees it. It is in no list. */
static void answer(struct client *client, struct batch *batch, int status, uint64_t first_offset)
{
	struct batches *batches = &client->batches;
	for (struct service_append *append = batch->first, *next; append != NULL; append = next) {
		next = append->next;
		append->status = status;
		append->first_offset = first_offset + append->place;
		batches->queue_count--;
		append->cb(append, append->arg);
	}
	batches->queue_size -= batch->counted;
	exchange_finish(&batch->task.exchange);
	free(batch->body);
	free(batch);
	client_soon(client);
}

/* ---- Gathering ---- */

/* The batch that is open, unless it has enough or cannot take that much more; else NULL. */
static struct batch *find_open(struct client *client, uint64_t expected, size_t size, uint32_t count)
{
	struct batches *batches = &client->batches;
	if (batches->waiting == NULL)
		return NULL;
	struct batch *batch = batches->waiting;
	while (batch->next != NULL)
		batch = batch->next;
	if (expected != SERVICE_ANYWHERE || batch->expected != SERVICE_ANYWHERE || batch->session != 0)
		return NULL;
	if (batch->count + count > CLIENT_BATCH_COUNT)
		return NULL;
	if (batch->size >= CLIENT_BATCH_SIZE || batch->size + size + NUMBERS_SIZE > CLIENT_MESSAGE_SIZE_MAX)
		return NULL;
	if (client_now(client) + client->deadline_ms > batch->task.deadline_ms + JOINED_MS)
		return NULL;
	return batch;
}

static size_t varint_size(uint64_t value)
{
	size_t size = 1;
	for (; value >= 0x80; value >>= 7)
		size++;
	return size;
}

int batches_append(struct service *service, struct service_append *append, const void *data, const uint32_t *sizes,
                   uint32_t count)
{
	struct client *client = client_of(service);
	struct batches *batches = &client->batches;
	size_t size = 0, message_size = 0;
	if (client->closing)
		return -ESHUTDOWN;
	if (append->session != 0)
		return -EINVAL;
	for (uint32_t i = 0; i < count; i++) {
		size += sizes[i];
		message_size += 2 + varint_size(sizes[i]) + sizes[i];
	}
	if (count > CLIENT_BATCH_COUNT || message_size + NUMBERS_SIZE > CLIENT_MESSAGE_SIZE_MAX)
		return -EMSGSIZE;
	const size_t counted = size + (size_t)count * RECORD_OVERHEAD;
	if (batches->queue_count >= CLIENT_QUEUE_COUNT_MAX || batches->queue_size + counted > CLIENT_QUEUE_SIZE_MAX)
		return -EAGAIN;
	struct batch *batch = find_open(client, append->expected, message_size, count);
	const bool made = batch == NULL;
	if (made)
		batch = create(client, append->expected);
	if (batch == NULL)
		return -ENOMEM;
	if (reserve(batch, message_size) != 0) {
		if (made)
			free(batch);
		return -ENOMEM;
	}
	append->place = batch->count;
	append->count = count;
	append->next = NULL;
	add_values(batch, data, sizes, count);
	*batch->last = append;
	batch->last = &append->next;
	batch->counted += counted;
	batches->queue_count++;
	batches->queue_size += counted;
	if (made)
		push(&batches->waiting_last, batch);
	client_soon(client);
	return SERVICE_PENDING;
}

/* ---- Sending ---- */

static void done(struct task *task, int status);

static const struct task_kind kind = {
	.exchange = {.path = "/log.v1.Log/Produce", .answer_size_max = 1024, .ended = task_ended},
	.leader = true,
	.ordered = true,
	.prepare = prepare,
	.done = done};

/* Gives it numbers under the session that there is. */
static void number(struct client *client, struct batch *batch)
{
	struct numbers *numbers = &client->numbers;
	batch->session = numbers->session;
	batch->session_key = numbers->key;
	batch->sequence = numbers->next_sequence;
	batch->ordinal = numbers->next_ordinal++;
	numbers->next_sequence += batch->count;
}

/* The session keeps so many results: what is unanswered must not reach further back. */
static bool has_room(const struct client *client)
{
	const struct numbers *numbers = &client->numbers;
	for (const struct batch *batch = client->batches.under_way; batch != NULL; batch = batch->next)
		if (batch->session == numbers->session)
			return numbers->next_ordinal - batch->ordinal < SERVICE_SESSION_BATCHES;
	return true;
}

void batches_turn(struct client *client)
{
	struct batches *batches = &client->batches;
	while (batches->waiting != NULL && batches->under_way_count < CLIENT_BATCHES_MAX) {
		if (client->numbers.session == 0) {
			numbers_open(client);
			return;
		}
		if (!has_room(client))
			return;
		struct batch *batch = take(&batches->waiting, &batches->waiting_last);
		number(client, batch);
		push(&batches->under_way_last, batch);
		batches->under_way_count++;
		task_begin(&batch->task, client, &kind);
	}
}

static int read_offset(const struct task *task, uint64_t *offset)
{
	const unsigned char *data;
	size_t size;
	int rc = exchange_answer(&task->exchange, &data, &size);
	if (rc != 0)
		return rc;
	Log__V1__ProduceResponse *response = log__v1__produce_response__unpack(NULL, size, data);
	/* They are appended, and nobody knows where. */
	if (response == NULL)
		return -ETIMEDOUT;
	*offset = response->offset;
	log__v1__produce_response__free_unpacked(response, NULL);
	return 0;
}

/* It was sent once, and is in no log: it waits for a new session, before those that were never sent. */
static void put_back(struct client *client, struct batch *batch)
{
	struct batches *batches = &client->batches;
	struct batch **place = &batches->waiting;
	while (*place != NULL && (*place)->session != 0 && (*place)->ordinal < batch->ordinal)
		place = &(*place)->next;
	batch->next = *place;
	*place = batch;
	if (batch->next == NULL)
		batches->waiting_last = &batch->next;
	client_soon(client);
}

static void done(struct task *task, int status)
{
	struct batch *batch = (struct batch *)task;
	struct client *client = task->exchange.client;
	uint64_t first_offset = 0;
	if (status == 0)
		status = read_offset(task, &first_offset);
	if (status == -EKEYEXPIRED && client->numbers.session == batch->session)
		client->numbers.session = 0;
	leave_under_way(&client->batches, batch);
	if (status == -EKEYEXPIRED && !client->closing) {
		put_back(client, batch);
		return;
	}
	if (status == 0)
		view_appended(client, first_offset, batch->count,
		              batch->counted - (size_t)batch->count * RECORD_OVERHEAD);
	answer(client, batch, status, first_offset);
}

void batches_tick(struct client *client, uint64_t now_ms)
{
	struct batches *batches = &client->batches;
	/* The ones that were appended first are the first whose time is over. */
	while (batches->waiting != NULL && now_ms >= batches->waiting->task.deadline_ms)
		answer(client, take(&batches->waiting, &batches->waiting_last), -EHOSTUNREACH, 0);
}

void batches_refuse(struct client *client, int status)
{
	struct batches *batches = &client->batches;
	struct batch *batch = batches->waiting;
	/* Those that are appended by who is told are not meant. */
	batches->waiting = NULL;
	batches->waiting_last = &batches->waiting;
	for (struct batch *next; batch != NULL; batch = next) {
		next = batch->next;
		answer(client, batch, status, 0);
	}
}
