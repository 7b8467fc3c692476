/* view: the state of the log and of the cluster, which one server tells as it changes; where that one is gone, another. */
#include "client/private.h"

#include "proto/clog.pb-c.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define MOVE_MS 1000u              /* how often it is looked whether the leader can be asked */
#define STATE_SIZE_MAX (64u << 10) /* bytes of a message with a state and all members */

static void message(struct exchange *exchange, const void *data, size_t size);
static void ended(struct exchange *exchange);

static const struct exchange_kind kind = {
	.path = "/clog.v1.Clog/Watch", .answer_size_max = STATE_SIZE_MAX, .message = message, .ended = ended};
/* WatchRequest has nothing in it. */
static const unsigned char body[CLIENT_HEAD_SIZE];

/* ---- What is told ---- */

static void take_members(struct view *view, const Clog__V1__State *told)
{
	if (told->n_members == 0)
		return;
	view->member_count = told->n_members < SERVICE_MEMBERS_MAX ? told->n_members : SERVICE_MEMBERS_MAX;
	for (size_t i = 0; i < view->member_count; i++) {
		const Clog__V1__Member *from = told->members[i];
		struct service_member *member = &view->members[i];
		char host[CHANNEL_HOST_SIZE], port[CHANNEL_PORT_SIZE];
		*member = (struct service_member){
			.id = from->id,
			.role = from->role <= SERVICE_SPARE ? (enum service_role)from->role : SERVICE_SPARE,
			.pinned = from->pinned,
			.state = from->state <= SERVICE_UNREACHABLE ? (enum service_member_state)from->state
		                                                    : SERVICE_UNREACHABLE,
			.match = from->match,
			.lag = from->lag};
		snprintf(member->name, sizeof member->name, "%s", from->name);
		snprintf(member->address, sizeof member->address, "%s", from->address);
		const char *address = from->rpc_address;
		const bool good = strlen(address) < SERVICE_ADDRESS_SIZE &&
		                  channel_split(address, host, port, NULL) == 0;
		snprintf(view->rpc_addresses[i], SERVICE_ADDRESS_SIZE, "%s", good ? address : "");
	}
}

/* The log as it is told, if it is not older than what was told before, by another. */
static void take_log(struct view *view, const Clog__V1__State *told)
{
	struct service_state *state = &view->state;
	if (view->known && told->commit < state->commit)
		return;
	state->first_offset = told->first_offset;
	state->next_offset = told->next_offset;
	state->stream_begin = told->stream_begin;
	state->stream_end = told->stream_end;
	state->time_ns = told->time_ns;
	state->commit = told->commit;
	state->retain_bytes = told->retain_bytes;
	state->retain_ns = told->retain_ns;
	state->settings_entry = told->settings_entry;
}

static void take(struct view *view, const Clog__V1__State *told)
{
	struct service_state *state = &view->state;
	take_log(view, told);
	if (!view->known || told->term >= state->term) {
		state->term = told->term;
		state->leader = told->leader;
	}
	state->start_ns = told->start_ns;
	state->self = told->self;
	state->removed = told->removed;
	state->failure = told->failure;
	view->known = true;
	if (state->next_offset > view->least_offset)
		view->least_offset = state->next_offset;
	if (state->next_offset >= view->own_offset) {
		view->own_offset = state->next_offset;
		view->stream_end = state->stream_end;
	}
	take_members(view, told);
}

static void message(struct exchange *exchange, const void *data, size_t size)
{
	struct client *client = exchange->client;
	struct view *view = &client->view;
	Clog__V1__State *told = clog__v1__state__unpack(NULL, size, data);
	if (told == NULL) {
		/* What it says cannot be read: another may be clearer. */
		exchange_cancel(exchange);
		ended(exchange);
		return;
	}
	const bool members = told->n_members > 0;
	take(view, told);
	clog__v1__state__free_unpacked(told, NULL);
	view->wait_ms = 0;
	if (members)
		roster_members(client);
	client_soon(client);
}

void view_learn(struct client *client, uint64_t offset)
{
	struct view *view = &client->view;
	if (offset >= view->least_offset)
		view->least_offset = offset + 1;
	client_soon(client);
}

void view_appended(struct client *client, uint64_t first_offset, uint32_t count, uint64_t size)
{
	struct view *view = &client->view;
	/* They begin where what is known ends: then it is known where they end. */
	if (view->known && first_offset == view->own_offset) {
		view->own_offset += count;
		view->stream_end += size;
	}
	view_learn(client, first_offset + count - 1);
}

void view_tell(struct client *client)
{
	struct view *view = &client->view;
	if (!view->known ||
	    (view->least_offset == view->told_offset && view->state.settings_entry == view->told_settings))
		return;
	view->told_offset = view->least_offset;
	view->told_settings = view->state.settings_entry;
	service_tell_more(&client->service);
}

/* ---- Who tells it ---- */

static void ended(struct exchange *exchange)
{
	struct client *client = exchange->client;
	struct view *view = &client->view;
	const int error = outcome_error(&exchange->outcome);
	if (error == -EACCES)
		roster_refused(client, view->asked);
	if (error != 0) {
		client->ready_error = error;
		client_say(client, NULL,
		           exchange->outcome.message[0] != '\0' ? exchange->outcome.message : strerror(-error));
	}
	view->again_ms = client_now(client) +
	                 client_wait(client, &view->wait_ms, CLIENT_AGAIN_MIN_MS, CLIENT_AGAIN_MAX_MS);
	client_soon(client);
}

/* The leader is the first to know: where another tells the state, it is moved. */
static void move(struct client *client)
{
	struct view *view = &client->view;
	if (view->exchange.server == NULL || client_now(client) < view->moved_ms + MOVE_MS)
		return;
	view->moved_ms = client_now(client);
	if (view->exchange.server->member == view->state.leader || !roster_leads(client))
		return;
	exchange_cancel(&view->exchange);
	view->wait_ms = 0;
}

void view_turn(struct client *client)
{
	struct view *view = &client->view;
	move(client);
	if (client->closing || exchange_active(&view->exchange) || client_now(client) < view->again_ms)
		return;
	struct server *server = roster_pick(client, true, view->wait_ms > 0 ? view->asked : 0);
	if (server == NULL)
		return;
	view->asked = server->serial;
	if (exchange_start(&view->exchange, &kind, server, body, sizeof body, 0) != 0)
		view->again_ms = client_now(client) + CLIENT_AGAIN_MAX_MS;
}

void view_end(struct client *client)
{
	if (client->view.exchange.client != NULL)
		exchange_cancel(&client->view.exchange);
	exchange_finish(&client->view.exchange);
}
