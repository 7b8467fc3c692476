/* watch: Watch of clog.v1.Clog: the state of the log and of the cluster. That there are more records is told at once, all else
 * with the door's tick; and nothing before the client has taken what it was told last. */
#include "rpc/private.h"

#include "proto/clog.pb-c.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct watch {
	struct service_watch watch;
	bool watching;
	struct service_state told;
	uint64_t members; /* the version that was told; 0: nothing was told yet */
};

/* ---- What has changed ---- */

static bool same_state(const struct service_state *a, const struct service_state *b)
{
	return a->first_offset == b->first_offset && a->next_offset == b->next_offset &&
	       a->stream_begin == b->stream_begin && a->stream_end == b->stream_end && a->time_ns == b->time_ns &&
	       a->term == b->term && a->commit == b->commit && a->leader == b->leader &&
	       a->retain_bytes == b->retain_bytes && a->retain_ns == b->retain_ns && a->removed == b->removed &&
	       a->settings_entry == b->settings_entry && a->failure == b->failure;
}

static bool same_member(const struct service_member *a, const struct service_member *b)
{
	return a->id == b->id && strcmp(a->name, b->name) == 0 && strcmp(a->address, b->address) == 0 &&
	       a->role == b->role && a->pinned == b->pinned && a->state == b->state && a->match == b->match &&
	       a->lag == b->lag;
}

/* Looks whether the members have changed. */
static void look(struct rpc *rpc)
{
	struct service_member all[SERVICE_MEMBERS_MAX];
	struct watch_members *known = &rpc->members;
	struct service_state state;
	service_state(rpc->service, &state);
	size_t count = service_members(rpc->service, all, SERVICE_MEMBERS_MAX);
	count = count < SERVICE_MEMBERS_MAX ? count : SERVICE_MEMBERS_MAX;
	bool same = known->version != 0 && known->count == count;
	for (size_t i = 0; i < count; i++) {
		const char *address = all[i].id == state.self ? rpc->address
		                                              : service_rpc_address(rpc->service, all[i].id);
		same = same && same_member(&known->all[i], &all[i]) && strcmp(known->rpc_addresses[i], address) == 0;
		known->all[i] = all[i];
		snprintf(known->rpc_addresses[i], sizeof known->rpc_addresses[i], "%s", address);
	}
	known->count = count;
	known->version += same ? 0 : 1;
}

/* ---- Telling ---- */

/* Who may not observe the cluster is told no more of its members than GetServers tells. */
static void put_members(struct call *call, Clog__V1__State *told, Clog__V1__Member *members, Clog__V1__Member **places)
{
	struct watch_members *known = &call->rpc->members;
	const bool observes = allow_silently(call, AUTH_OBSERVE);
	for (size_t i = 0; i < known->count; i++) {
		struct service_member *from = &known->all[i];
		clog__v1__member__init(&members[i]);
		members[i].id = from->id;
		members[i].name = from->name;
		members[i].rpc_address = known->rpc_addresses[i];
		members[i].state = observes || from->state == SERVICE_LEADER ? from->state : SERVICE_FOLLOWER;
		if (observes) {
			members[i].address = from->address;
			members[i].role = from->role;
			members[i].pinned = from->pinned;
			members[i].match = from->match;
			members[i].lag = from->lag;
		}
		places[i] = &members[i];
	}
	told->members = places;
	told->n_members = known->count;
}

static void put_state(const struct service_state *state, Clog__V1__State *told)
{
	told->first_offset = state->first_offset;
	told->next_offset = state->next_offset;
	told->stream_begin = state->stream_begin;
	told->stream_end = state->stream_end;
	told->time_ns = state->time_ns;
	told->start_ns = state->start_ns;
	told->term = state->term;
	told->commit = state->commit;
	told->self = state->self;
	told->leader = state->leader;
	told->retain_bytes = state->retain_bytes;
	told->retain_ns = state->retain_ns;
	told->removed = state->removed;
	told->failure = state->failure;
	told->settings_entry = state->settings_entry;
}

/* Tells what has changed, if the client has taken what it was told before. */
static void tell(struct call *call)
{
	struct watch *watch = call->state;
	Clog__V1__State told = CLOG__V1__STATE__INIT;
	Clog__V1__Member members[SERVICE_MEMBERS_MAX], *places[SERVICE_MEMBERS_MAX];
	struct service_state state;
	service_state(call->rpc->service, &state);
	const bool new_members = watch->members != call->rpc->members.version;
	if (!new_members && same_state(&watch->told, &state))
		return;
	if (call->output_begin < call->output_end || !call_room(call)) {
		call->wants_room = true;
		return;
	}
	put_state(&state, &told);
	if (new_members)
		put_members(call, &told, members, places);
	watch->told = state;
	watch->members = call->rpc->members.version;
	call_reply(call, &told.base);
}

static void on_more(void *arg)
{
	tell(arg);
}

void watch_tick(struct rpc *rpc)
{
	if (rpc->followed != NULL)
		look(rpc);
	for (struct call *call = rpc->followed, *next; call != NULL; call = next) {
		next = call->waiting_next;
		tell(call);
	}
}

/* ---- The method ---- */

static int begin(struct call *call)
{
	call->state = calloc(1, sizeof(struct watch));
	return call->state == NULL ? -ENOMEM : 0;
}

static bool message(struct call *call, const void *data, size_t size)
{
	struct watch *watch = call->state;
	if (arena_unpack(&call->rpc->arena, &clog__v1__watch_request__descriptor, data, size) == NULL) {
		call_refuse(call, -EINVAL, "this is no WatchRequest");
		return true;
	}
	watch->watching = true;
	service_watch(call->rpc->service, &watch->watch, on_more, call);
	call_wait(call, &call->rpc->followed);
	look(call->rpc);
	tell(call);
	return true;
}

static void more(struct call *call)
{
	const struct watch *watch = call->state;
	if (watch->watching)
		tell(call);
}

static void drain(struct call *call)
{
	call_fail(call, -ESHUTDOWN);
}

static void stop(struct call *call)
{
	struct watch *watch = call->state;
	if (watch != NULL && watch->watching)
		service_unwatch(call->rpc->service, &watch->watch);
	if (watch != NULL)
		watch->watching = false;
}

static void finish(struct call *call)
{
	free(call->state);
}

const struct method watch_state = {.path = "/clog.v1.Clog/Watch",
                                   .leave = METHOD_ANY,
                                   .lasts = true,
                                   .begin = begin,
                                   .message = message,
                                   .more = more,
                                   .drain = drain,
                                   .stop = stop,
                                   .finish = finish};
