#include "client/private.h"

#include "tls/tls.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

struct client *client_of(struct service *service)
{
	return (struct client *)service;
}

uint64_t client_now(const struct client *client)
{
	return uv_now(client->loop);
}

void client_say(struct client *client, const struct server *server, const char *sentence)
{
	if (server != NULL)
		snprintf(client->sentence, sizeof client->sentence, "%s: %s", server->address, sentence);
	else
		snprintf(client->sentence, sizeof client->sentence, "%s", sentence);
}

uint64_t client_wait(struct client *client, uint64_t *wait_ms, uint64_t least_ms, uint64_t most_ms)
{
	*wait_ms = *wait_ms == 0 ? least_ms : 2 * *wait_ms;
	*wait_ms = *wait_ms < most_ms ? *wait_ms : most_ms;
	client->dice ^= client->dice << 13;
	client->dice ^= client->dice >> 7;
	client->dice ^= client->dice << 17;
	return *wait_ms / 2 + client->dice % (*wait_ms + 1);
}

/* ---- Turns ---- */

static void tell_ready(struct client *client, int status)
{
	void (*ready)(void *arg, int status, const char *sentence) = client->ready;
	client->ready = NULL;
	if (ready != NULL)
		ready(client->ready_arg, status, status == 0 ? NULL : client_sentence(client));
}

static void look_ready(struct client *client)
{
	if (client->ready == NULL)
		return;
	if (client->view.known)
		tell_ready(client, 0);
	else if (client_now(client) >= client->ready_ms)
		tell_ready(client, client->ready_error != 0 ? client->ready_error : -EHOSTUNREACH);
	else if (roster_refuses(client))
		tell_ready(client, -EACCES);
}

static void turn(struct client *client)
{
	exchanges_settle(client);
	view_turn(client);
	batches_turn(client);
	tasks_turn(client);
	look_ready(client);
	view_tell(client);
	const struct batches *batches = &client->batches;
	if (service_awaits_room(&client->service) && batches->queue_count < CLIENT_QUEUE_COUNT_MAX / 2 &&
	    batches->queue_size < CLIENT_QUEUE_SIZE_MAX / 2)
		service_tell_ready(&client->service);
}

static void end(struct client *client);

static void on_soon(uv_timer_t *timer)
{
	struct client *client = timer->data;
	if (client->closing)
		end(client);
	else
		turn(client);
}

static void on_tick(uv_timer_t *timer)
{
	struct client *client = timer->data;
	const uint64_t now_ms = client_now(client);
	if (client->closing)
		return;
	credentials_look(&client->credentials, now_ms);
	roster_tick(client, now_ms);
	tasks_tick(client, now_ms);
	batches_tick(client, now_ms);
	if (!client->closing)
		turn(client);
}

void client_soon(struct client *client)
{
	if (!uv_is_active((uv_handle_t *)&client->soon) && !uv_is_closing((uv_handle_t *)&client->soon))
		uv_timer_start(&client->soon, on_soon, 0, 0);
}

/* ---- The service ---- */

static void ready_op(struct service *service)
{
	client_soon(client_of(service));
}

static void state_op(struct service *service, struct service_state *state)
{
	const struct view *view = &client_of(service)->view;
	*state = view->state;
	if (view->least_offset > state->next_offset)
		state->next_offset = view->least_offset;
	if (view->stream_end > state->stream_end)
		state->stream_end = view->stream_end;
}

static size_t members_op(struct service *service, struct service_member *members, size_t capacity)
{
	const struct view *view = &client_of(service)->view;
	const size_t count = view->member_count < capacity ? view->member_count : capacity;
	memcpy(members, view->members, count * sizeof *members);
	return view->member_count;
}

static const char *rpc_address_op(struct service *service, uint64_t member)
{
	const struct view *view = &client_of(service)->view;
	for (size_t i = 0; i < view->member_count; i++)
		if (view->members[i].id == member)
			return view->rpc_addresses[i];
	return "";
}

static const struct service_ops service_ops = {.append = batches_append,
                                               .ready = ready_op,
                                               .read = reading_read,
                                               .read_end = reading_end,
                                               .state = state_op,
                                               .members = members_op,
                                               .rpc_address = rpc_address_op,
                                               .command = order_command};

/* ---- Its life ---- */

static void nothing(void *arg)
{
}

int client_open(struct client **made, struct uv_loop_s *loop, const struct client_options *options,
                struct clog_error *err)
{
	struct client *client = calloc(1, sizeof *client);
	if (client == NULL)
		return clog_error_set(err, -ENOMEM, "no memory");
	client->service.ops = &service_ops;
	client->loop = loop;
	client->deadline_ms = options->deadline_ms != 0 ? options->deadline_ms : CLIENT_DEADLINE_MS;
	client->ripe_last = &client->ripe;
	client->tasks_last = &client->tasks;
	client_say(client, NULL, "no server has answered yet");
	batches_init(client);
	if (getrandom(&client->dice, sizeof client->dice, 0) != sizeof client->dice || client->dice == 0)
		client->dice = uv_hrtime() | 1;
	int rc = credentials_load(&client->credentials, options->tls_folder, options->token_file, err);
	if (rc != 0)
		goto fail_credentials;
	if (client->credentials.certified)
		snprintf(client->roster.cluster, sizeof client->roster.cluster, "%s",
		         tls_context_identity(client->credentials.tls)->cluster);
	if (frames_init(client) != 0) {
		rc = clog_error_set(err, -ENOMEM, "no memory");
		goto fail_frames;
	}
	rc = resolver_create(&client->resolver, loop, NULL, err);
	if (rc != 0)
		goto fail_frames;
	rc = roster_init(client, options->servers, err);
	if (rc != 0)
		goto fail_roster;
	rc = channels_create(&client->channels, loop, CLIENT_SILENCE_MS, err);
	if (rc != 0)
		goto fail_channels;
	uv_timer_init(loop, &client->soon);
	uv_timer_init(loop, &client->timer);
	client->soon.data = client->timer.data = client;
	client->open_handles = 3; /* with the channels */
	uv_update_time(loop);
	uv_timer_start(&client->timer, on_tick, 0, CLIENT_TICK_MS);
	*made = client;
	return 0;

fail_channels:
	roster_finish(client);
fail_roster:
	resolver_destroy(client->resolver);
fail_frames:
	frames_finish(client);
fail_credentials:
	credentials_finish(&client->credentials);
	free(client);
	return rc;
}

void client_ready(struct client *client, void (*cb)(void *arg, int status, const char *sentence), void *arg)
{
	assert(client->ready == NULL);
	client->ready = cb;
	client->ready_arg = arg;
	client->ready_ms = client_now(client) + client->deadline_ms;
	client_soon(client);
}

struct service *client_service(struct client *client)
{
	return &client->service;
}

const char *client_sentence(const struct client *client)
{
	return client->sentence;
}

static void finish_one(struct client *client)
{
	if (--client->open_handles > 0)
		return;
	void (*closed)(void *arg) = client->closed;
	void *arg = client->closed_arg;
	free(client);
	closed(arg);
}

static void on_channels_closed(void *arg)
{
	finish_one(arg);
}

static void on_timer_closed(uv_handle_t *handle)
{
	finish_one(handle->data);
}

/* Answers all that is under way, and frees what there is. */
static void end(struct client *client)
{
	if (uv_is_closing((uv_handle_t *)&client->soon))
		return;
	view_end(client);
	tasks_end(client);
	batches_refuse(client, -ESHUTDOWN);
	tell_ready(client, -ESHUTDOWN);
	exchange_finish(&client->numbers.task.exchange);
	roster_finish(client);
	resolver_destroy(client->resolver);
	frames_finish(client);
	credentials_finish(&client->credentials);
	uv_close((uv_handle_t *)&client->soon, on_timer_closed);
	uv_close((uv_handle_t *)&client->timer, on_timer_closed);
	channels_destroy(client->channels, on_channels_closed, client);
}

void client_close(struct client *client, void (*done)(void *arg), void *arg)
{
	if (client == NULL)
		return;
	assert(!client->closing);
	client->closing = true;
	client->closed = done != NULL ? done : nothing;
	client->closed_arg = arg;
	client_soon(client);
}
