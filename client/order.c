/* order: commands, and what is asked of the settings. */
#include "client/private.h"

#include "proto/clog.pb-c.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct order {
	struct task task; /* first */
	struct service_command *command;
	client_settings_cb cb; /* of one that asks for the settings */
	void *arg;
	unsigned char body[];
};

/* Bytes of a request without the value that is set. */
#define REQUEST_SIZE (128u + SERVICE_KEY_SIZE)
/* Bytes of all settings, as they are told. */
#define SETTINGS_ANSWER_SIZE_MAX (SERVICE_SETTINGS_SIZE_MAX + SERVICE_SETTINGS_MAX * 16u + 64u)

static struct order *create(size_t size)
{
	struct order *order = calloc(1, sizeof *order + size);
	if (order != NULL)
		order->task.body = order->body;
	return order;
}

static void destroy(struct order *order)
{
	exchange_finish(&order->task.exchange);
	free(order);
}

static void begin(struct order *order, struct client *client, size_t size, const struct task_kind *kind)
{
	exchange_head(order->body, size);
	order->task.body_size = CLIENT_HEAD_SIZE + size;
	task_begin(&order->task, client, kind);
}

/* ---- Commands ---- */

static int take_value(const struct order *order, uint64_t *value)
{
	const unsigned char *data;
	size_t size;
	int rc = exchange_answer(&order->task.exchange, &data, &size);
	if (rc != 0)
		return rc;
	if (order->command->kind == SERVICE_OPEN_SESSION) {
		Clog__V1__OpenSessionResponse *response = clog__v1__open_session_response__unpack(NULL, size, data);
		*value = response != NULL ? response->session : 0;
		clog__v1__open_session_response__free_unpacked(response, NULL);
		return *value != 0 ? 0 : -EPROTO;
	}
	Clog__V1__CommandResponse *response = clog__v1__command_response__unpack(NULL, size, data);
	if (response == NULL)
		return -EPROTO;
	*value = response->value;
	clog__v1__command_response__free_unpacked(response, NULL);
	return 0;
}

static void on_command(struct task *task, int status)
{
	struct order *order = (struct order *)task;
	struct service_command *command = order->command;
	if (status == 0)
		status = take_value(order, &command->value);
	if (status == 0 && command->kind == SERVICE_END && command->value > 0)
		view_learn(task->exchange.client, command->value - 1);
	command->status = status;
	destroy(order);
	command->cb(command, command->arg);
}

#define COMMAND_KIND(name, command_path, ...)                                                                          \
	static const struct task_kind name = {                                                                         \
		.exchange = {.path = (command_path), .answer_size_max = 1024, .ended = task_ended},                    \
		.leader = true,                                                                                        \
		.done = on_command,                                                                                    \
		__VA_ARGS__}
COMMAND_KIND(session_kind, "/clog.v1.Clog/OpenSession", );
COMMAND_KIND(command_kind, "/clog.v1.Clog/Command", );
COMMAND_KIND(once_kind, "/clog.v1.Clog/Command", .once = true);
COMMAND_KIND(end_kind, "/clog.v1.Clog/Command", .reads = true);

static size_t lay_out(struct order *order, const struct service_command *command)
{
	if (command->kind == SERVICE_OPEN_SESSION) {
		Clog__V1__OpenSessionRequest request = CLOG__V1__OPEN_SESSION_REQUEST__INIT;
		request.key = command->session_key;
		return clog__v1__open_session_request__pack(&request, order->body + CLIENT_HEAD_SIZE);
	}
	Clog__V1__CommandRequest request = CLOG__V1__COMMAND_REQUEST__INIT;
	request.kind = (uint32_t)command->kind;
	request.offset = command->offset;
	request.bytes = command->bytes;
	request.time_ns = command->time_ns;
	request.member = command->member;
	request.role = (uint32_t)command->role;
	if (command->kind == SERVICE_SET) {
		request.key = (char *)command->key;
		request.setting.data = (uint8_t *)command->setting;
		request.setting.len = command->setting_size;
	}
	return clog__v1__command_request__pack(&request, order->body + CLIENT_HEAD_SIZE);
}

int order_command(struct service *service, struct service_command *command)
{
	struct client *client = client_of(service);
	if (client->closing)
		return -ESHUTDOWN;
	if (client->task_count >= CLIENT_TASKS_MAX)
		return -EAGAIN;
	struct order *order = create(CLIENT_HEAD_SIZE + REQUEST_SIZE +
	                             (command->kind == SERVICE_SET ? command->setting_size : 0));
	if (order == NULL)
		return -ENOMEM;
	order->command = command;
	begin(order, client, lay_out(order, command),
	      command->kind == SERVICE_OPEN_SESSION ? &session_kind
	      : command->kind == SERVICE_TRANSFER   ? &once_kind
	      : command->kind == SERVICE_END        ? &end_kind
	                                            : &command_kind);
	return SERVICE_PENDING;
}

/* ---- Settings ---- */

static int tell_settings(const struct order *order)
{
	struct service_setting settings[SERVICE_SETTINGS_MAX];
	const unsigned char *data;
	size_t size;
	int rc = exchange_answer(&order->task.exchange, &data, &size);
	if (rc != 0)
		return rc;
	Clog__V1__GetSettingsResponse *response = clog__v1__get_settings_response__unpack(NULL, size, data);
	if (response == NULL || response->n_settings > SERVICE_SETTINGS_MAX) {
		clog__v1__get_settings_response__free_unpacked(response, NULL);
		return -EPROTO;
	}
	for (size_t i = 0; i < response->n_settings; i++)
		settings[i] = (struct service_setting){.key = response->settings[i]->key,
		                                       .value = response->settings[i]->value.data,
		                                       .size = response->settings[i]->value.len};
	order->cb(order->arg, 0, settings, response->n_settings);
	clog__v1__get_settings_response__free_unpacked(response, NULL);
	return 0;
}

static void on_settings(struct task *task, int status)
{
	struct order *order = (struct order *)task;
	if (status == 0)
		status = tell_settings(order);
	if (status != 0)
		order->cb(order->arg, status, NULL, 0);
	destroy(order);
}

int client_settings(struct client *client, client_settings_cb cb, void *arg)
{
	static const struct task_kind kind = {.exchange = {.path = "/clog.v1.Clog/GetSettings",
	                                                   .answer_size_max = SETTINGS_ANSWER_SIZE_MAX,
	                                                   .ended = task_ended},
	                                      .leader = true,
	                                      .reads = true,
	                                      .done = on_settings};
	if (client->closing)
		return -ESHUTDOWN;
	if (client->task_count >= CLIENT_TASKS_MAX)
		return -EAGAIN;
	struct order *order = create(CLIENT_HEAD_SIZE);
	if (order == NULL)
		return -ENOMEM;
	order->cb = cb;
	order->arg = arg;
	begin(order, client, 0, &kind);
	return 0;
}
