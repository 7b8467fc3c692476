#include "tests/cmd/fake_client.h"

#include "client/client.h"
#include "error/error.h"
#include "service/service.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct fake fake;

enum { QUEUE_MAX = 8192 };

/* Answers are given from the loop, in the order of the questions. */
struct answer {
	void (*give)(struct client *client, void *asked);
	void *asked;
};

struct client {
	struct service service;
	uv_idle_t idle;
	uv_async_t alive; /* keeps the loop going, as connections do */
	struct answer queue[QUEUE_MAX];
	size_t begin, end;
	client_settings_cb settings_cb;
	void *settings_arg;
	void (*ready_cb)(void *arg, int status, const char *sentence);
	void *ready_arg;
	void (*done)(void *arg);
	void *done_arg;
	unsigned open;
	bool closing;
};
static struct client *clients[64];

void fake_reset(void)
{
	for (uint64_t i = 0; i < fake.next; i++)
		free(fake.records[i].data);
	for (uint32_t i = 0; i < fake.setting_count; i++)
		free(fake.settings[i].value);
	memset(&fake, 0, sizeof fake);
}

static void put(const void *data, uint32_t size)
{
	struct fake_record *const record = &fake.records[fake.next++];
	if (fake.next > FAKE_RECORDS_MAX)
		abort();
	record->data = malloc(size + 1);
	memcpy(record->data, data, size);
	record->size = size;
}

void fake_append(const char *text)
{
	put(text, (uint32_t)strlen(text));
}

void fake_tell(void)
{
	for (size_t i = 0; i < sizeof clients / sizeof clients[0]; i++)
		if (clients[i] != NULL)
			service_tell_more(&clients[i]->service);
}

static struct client *client_of(struct service *service)
{
	return (struct client *)((char *)service - offsetof(struct client, service));
}

static void take_idle(uv_idle_t *idle)
{
	struct client *const client = idle->data;
	while (client->begin < client->end) {
		const struct answer answer = client->queue[client->begin++ % QUEUE_MAX];
		answer.give(client, answer.asked);
	}
	if (client->begin == client->end)
		uv_idle_stop(idle);
	if (service_awaits_room(&client->service))
		service_tell_ready(&client->service);
}

static void answer_later(struct client *client, void (*give)(struct client *client, void *asked), void *asked)
{
	if (client->end - client->begin == QUEUE_MAX)
		abort();
	client->queue[client->end++ % QUEUE_MAX] = (struct answer){give, asked};
	uv_idle_start(&client->idle, take_idle);
}

static void give_append(struct client *client, void *asked)
{
	struct service_append *const append = asked;
	(void)client;
	fake.outstanding--;
	if (fake.on_answer != NULL)
		fake.on_answer();
	append->cb(append, append->arg);
}

static int take_append(struct service *service, struct service_append *append, const void *data, const uint32_t *sizes,
                       uint32_t count)
{
	const char *at = data;
	if (fake.full_calls > 0 && fake.appends + 1 >= fake.full_from) {
		fake.full_calls--;
		return -EAGAIN;
	}
	const bool fails = ++fake.appends == fake.append_fails_at;
	if (fails && fake.append_refused)
		return fake.append_failure;
	append->count = count;
	append->first_offset = fake.next;
	append->status = fails ? fake.append_failure : 0;
	if (append->status == 0 && append->expected != SERVICE_ANYWHERE && append->expected != fake.next)
		append->status = append->expected < fake.next ? -EEXIST : -ENXIO;
	for (uint32_t i = 0; i < count && append->status == 0; at += sizes[i++])
		put(at, sizes[i]);
	if (fake.foreign)
		fake_append("another's\n");
	if (++fake.outstanding > fake.outstanding_most)
		fake.outstanding_most = fake.outstanding;
	answer_later(client_of(service), give_append, append);
	return SERVICE_PENDING;
}

static void take_ready(struct service *service)
{
	uv_idle_start(&client_of(service)->idle, take_idle);
}

static void give_read(struct client *client, void *asked)
{
	struct service_read *const read = asked;
	(void)client;
	read->cb(read, read->arg);
}

static int take_read(struct service *service, struct service_read *read)
{
	read->status = 0;
	if (++fake.reads == fake.read_fails_at)
		read->status = fake.read_failure;
	if (fake.reads == fake.read_fails_at && fake.trim_to != 0)
		fake.first = fake.trim_to;
	if (read->status == 0)
		read->status = read->offset >= fake.next ? -ENOENT : read->offset < fake.first ? -ESTALE : 0;
	if (read->status == 0) {
		const struct fake_record *const record = &fake.records[read->offset];
		read->record = (struct service_record){
			.offset = read->offset, .size = record->size, .time_ns = 1700000000000000042u};
		read->data = record->data;
		read->data_size = record->size;
	}
	answer_later(client_of(service), give_read, read);
	return SERVICE_PENDING;
}

static void end_read(struct service *service, struct service_read *read)
{
	(void)service;
	read->data = NULL;
}

static void tell_state(struct service *service, struct service_state *state)
{
	(void)service;
	*state = (struct service_state){
		.first_offset = fake.first, .next_offset = fake.next, .self = 7, .leader = 8, .term = 3, .commit = 12};
}

static size_t tell_members(struct service *service, struct service_member *members, size_t capacity)
{
	(void)service;
	const struct service_member all[] = {
		{.id = 7, .name = "one", .address = "one:1", .state = SERVICE_FOLLOWER, .match = 11, .lag = 1},
		{.id = 8, .name = "two", .state = SERVICE_LEADER, .match = 12}};
	for (size_t i = 0; i < 2 && i < capacity; i++)
		members[i] = all[i];
	return 2;
}

static void give_command(struct client *client, void *asked)
{
	struct service_command *const command = asked;
	(void)client;
	command->cb(command, command->arg);
}

static void set(const struct service_command *command)
{
	uint32_t at = 0;
	while (at < fake.setting_count && strcmp(fake.settings[at].key, command->key) != 0)
		at++;
	if (at == fake.setting_count && command->setting_size == 0)
		return;
	if (at == fake.setting_count)
		snprintf(fake.settings[fake.setting_count++].key, sizeof fake.settings[0].key, "%s", command->key);
	free(fake.settings[at].value);
	fake.settings[at].value = NULL;
	if (command->setting_size == 0) {
		fake.settings[at] = fake.settings[--fake.setting_count];
		fake.settings[fake.setting_count].value = NULL;
		return;
	}
	fake.settings[at].value = malloc(command->setting_size);
	memcpy(fake.settings[at].value, command->setting, command->setting_size);
	fake.settings[at].size = (uint32_t)command->setting_size;
}

static int take_command(struct service *service, struct service_command *command)
{
	command->status = fake.command_failure;
	command->value = fake.next;
	if (command->kind == SERVICE_SET && command->status == 0)
		set(command);
	answer_later(client_of(service), give_command, command);
	return SERVICE_PENDING;
}

static void take_nothing(uv_async_t *async)
{
	(void)async;
}

int client_open(struct client **client, struct uv_loop_s *loop, const struct client_options *options,
                struct clog_error *err)
{
	static const struct service_ops ops = {.append = take_append,
	                                       .ready = take_ready,
	                                       .read = take_read,
	                                       .read_end = end_read,
	                                       .state = tell_state,
	                                       .members = tell_members,
	                                       .command = take_command};
	if (strcmp(options->servers, "nonsense") == 0)
		return clog_error_set(err, -EINVAL, "'nonsense' is no HOST:PORT");
	*client = calloc(1, sizeof **client);
	(*client)->service.ops = &ops;
	uv_idle_init(loop, &(*client)->idle);
	uv_async_init(loop, &(*client)->alive, take_nothing);
	(*client)->idle.data = (*client)->alive.data = *client;
	(*client)->open = 2;
	clients[fake.clients++] = *client;
	return 0;
}

static void give_ready(struct client *client, void *asked)
{
	(void)asked;
	client->ready_cb(client->ready_arg, fake.ready_status, fake.ready_status != 0 ? "nobody is there" : NULL);
}

void client_ready(struct client *client, void (*cb)(void *arg, int status, const char *sentence), void *arg)
{
	client->ready_cb = cb;
	client->ready_arg = arg;
	answer_later(client, give_ready, NULL);
}

struct service *client_service(struct client *client)
{
	return &client->service;
}

static void give_settings(struct client *client, void *asked)
{
	(void)asked;
	struct service_setting settings[FAKE_SETTINGS_MAX];
	for (uint32_t i = 0; i < fake.setting_count; i++)
		settings[i] = (struct service_setting){
			.key = fake.settings[i].key, .value = fake.settings[i].value, .size = fake.settings[i].size};
	client->settings_cb(client->settings_arg, fake.settings_failure, settings,
	                    fake.settings_failure == 0 ? fake.setting_count : 0);
}

int client_settings(struct client *client, client_settings_cb cb, void *arg)
{
	client->settings_cb = cb;
	client->settings_arg = arg;
	answer_later(client, give_settings, NULL);
	return 0;
}

const char *client_sentence(const struct client *client)
{
	(void)client;
	return "it says so";
}

static void take_closed(uv_handle_t *handle)
{
	struct client *const client = handle->data;
	if (--client->open > 0)
		return;
	for (size_t i = 0; i < sizeof clients / sizeof clients[0]; i++)
		if (clients[i] == client)
			clients[i] = NULL;
	client->done(client->done_arg);
	free(client);
}

void client_close(struct client *client, void (*done)(void *arg), void *arg)
{
	client->done = done;
	client->done_arg = arg;
	uv_close((uv_handle_t *)&client->idle, take_closed);
	uv_close((uv_handle_t *)&client->alive, take_closed);
}
