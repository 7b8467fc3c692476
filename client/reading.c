/* reading: reads, from all servers in turn. */
#include "client/private.h"

#include "proto/clog.pb-c.h"

#include <errno.h>
#include <stdlib.h>

struct reading {
	struct task task; /* first */
	struct service_read *read;
	Clog__V1__ReadResponse *response; /* has the data */
	unsigned char body[CLIENT_HEAD_SIZE + 64];
};

static void done(struct task *task, int status);

static const struct task_kind kind = {
	.exchange = {.path = "/clog.v1.Clog/Read", .answer_size_max = CLIENT_ANSWER_SIZE_MAX, .ended = task_ended},
	.reads = true,
	.done = done};

static void lay_out(struct reading *reading, const struct service_read *read, uint64_t least_offset)
{
	Clog__V1__ReadRequest request = CLOG__V1__READ_REQUEST__INIT;
	request.kind = (uint32_t)read->kind;
	request.offset = read->kind == SERVICE_STREAM ? 0 : read->offset;
	request.position = read->kind == SERVICE_STREAM ? read->position : 0;
	request.size = read->kind == SERVICE_STREAM ? read->size : 0;
	request.least_offset = least_offset;
	const size_t size = clog__v1__read_request__pack(&request, reading->body + CLIENT_HEAD_SIZE);
	exchange_head(reading->body, size);
	reading->task.body = reading->body;
	reading->task.body_size = CLIENT_HEAD_SIZE + size;
}

/* Takes the answer in. What is not as it was asked for is none. */
static int take(struct reading *reading)
{
	struct service_read *read = reading->read;
	const unsigned char *data;
	size_t size;
	int rc = exchange_answer(&reading->task.exchange, &data, &size);
	if (rc != 0)
		return rc;
	const Clog__V1__ReadResponse *response = reading->response = clog__v1__read_response__unpack(NULL, size, data);
	if (response == NULL)
		return -EPROTO;
	if (read->kind == SERVICE_STREAM ? response->data.len > read->size
	                                 : response->offset != read->offset || (read->kind == SERVICE_RECORD &&
	                                                                        response->data.len != response->size))
		return -EPROTO;
	read->record = (struct service_record){.offset = response->offset,
	                                       .entry = response->entry,
	                                       .term = response->term,
	                                       .time_ns = response->time_ns,
	                                       .size = response->size,
	                                       .crc32c = response->crc32c};
	read->data = response->data.data;
	read->data_size = (uint32_t)response->data.len;
	return 0;
}

static void done(struct task *task, int status)
{
	struct reading *reading = (struct reading *)task;
	struct service_read *read = reading->read;
	struct client *client = task->exchange.client;
	if (status == 0)
		status = take(reading);
	exchange_finish(&task->exchange);
	read->status = status;
	if (status == 0 && read->kind != SERVICE_STREAM)
		view_learn(client, read->offset);
	read->cb(read, read->arg);
}

int reading_read(struct service *service, struct service_read *read)
{
	struct client *client = client_of(service);
	if (client->closing)
		return -ESHUTDOWN;
	if (client->task_count >= CLIENT_TASKS_MAX)
		return -EAGAIN;
	struct reading *reading = calloc(1, sizeof *reading);
	if (reading == NULL)
		return -ENOMEM;
	reading->read = read;
	read->state = reading;
	lay_out(reading, read, client->view.least_offset);
	task_begin(&reading->task, client, &kind);
	return SERVICE_PENDING;
}

void reading_end(struct service *service, struct service_read *read)
{
	struct reading *reading = read->state;
	clog__v1__read_response__free_unpacked(reading->response, NULL);
	free(reading);
}
