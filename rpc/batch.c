#include "rpc/batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *batch_check(const Log__V1__ProduceRequest *request)
{
	if (request->record == NULL && request->n_values == 0)
		return "the request is malformed: it has no record";
	if (request->record != NULL && request->n_values > 0)
		return "the request is malformed: it has a record, and values besides";
	if (request->n_values > BATCH_VALUES_MAX)
		return "a request has at most 65536 values";
	if (request->session == 0 && (request->session_key != 0 || request->sequence != 0))
		return "the request is malformed: it has a key or a sequence, and no session";
	if (request->session != 0 && (request->session_key == 0 || request->sequence == 0))
		return "the request is malformed: a session needs its key, and a sequence from 1";
	return NULL;
}

static bool is_conditional(const Log__V1__ProduceRequest *request)
{
	return request->condition_case == LOG__V1__PRODUCE_REQUEST__CONDITION_EXPECTED_OFFSET;
}

static bool is_alone(const Log__V1__ProduceRequest *request)
{
	return is_conditional(request) || request->session != 0 || request->n_values > 0;
}

bool batch_fits(const struct batch *batch, const Log__V1__ProduceRequest *request)
{
	return !batch->alone && !is_alone(request) && batch->count < BATCH_COUNT &&
	       batch->size + request->record->value.len <= BATCH_SIZE;
}

static int make_room(struct batch *batch, size_t size)
{
	if (batch->count == batch->sizes_capacity) {
		const uint32_t capacity = batch->sizes_capacity == 0 ? 1 : 4 * batch->sizes_capacity;
		uint32_t *sizes = realloc(batch->sizes, capacity * sizeof *sizes);
		if (sizes == NULL)
			return -ENOMEM;
		batch->sizes = sizes;
		batch->sizes_capacity = capacity;
	}
	if (batch->size + size > batch->capacity) {
		const size_t capacity = batch->size + size + batch->size;
		unsigned char *data = realloc(batch->data, capacity);
		if (data == NULL)
			return -ENOMEM;
		batch->data = data;
		batch->capacity = capacity;
	}
	return 0;
}

static int add(struct batch *batch, const ProtobufCBinaryData *value)
{
	int rc = make_room(batch, value->len);
	if (rc != 0)
		return rc;
	if (value->len > 0)
		memcpy(batch->data + batch->size, value->data, value->len);
	batch->size += value->len;
	batch->sizes[batch->count++] = (uint32_t)value->len;
	return 0;
}

int batch_add(struct batch *batch, const Log__V1__ProduceRequest *request)
{
	int rc = request->record != NULL ? add(batch, &request->record->value) : 0;
	for (size_t i = 0; i < request->n_values && rc == 0; i++)
		rc = add(batch, &request->values[i]);
	batch->alone = is_alone(request);
	batch->answered_once = request->n_values > 0;
	if (is_conditional(request))
		batch->expected = request->expected_offset;
	batch->session = (struct service_session){.id = request->session, .key = request->session_key};
	batch->sequence = request->sequence;
	return rc;
}

int batch_append(const struct batch *batch, struct service *service, struct service_append *append,
                 service_append_cb cb, void *arg)
{
	/* Of empty records alone there are no bytes. */
	const void *data = batch->data != NULL ? (const void *)batch->data : "";
	if (batch->session.id != 0)
		return service_append_under(service, append, &batch->session, batch->sequence, batch->expected, data,
		                            batch->sizes, batch->count, cb, arg);
	return service_append_at(service, append, batch->expected, data, batch->sizes, batch->count, cb, arg);
}

void batch_clear(struct batch *batch)
{
	batch->size = 0;
	batch->count = 0;
	batch->alone = batch->answered_once = false;
	batch->expected = SERVICE_ANYWHERE;
	batch->session = (struct service_session){0};
}

void batch_finish(struct batch *batch)
{
	free(batch->data);
	free(batch->sizes);
}
