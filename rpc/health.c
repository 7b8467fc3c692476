/* health: grpc.health.v1. The member serves while it knows of a leader and its log has not failed. */
#include "rpc/private.h"

#include "proto/health.pb-c.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

static Grpc__Health__V1__HealthCheckResponse__ServingStatus look(struct call *call)
{
	struct service_state state;
	service_state(call->rpc->service, &state);
	return state.leader != 0 && state.failure == 0 && !rpc_stopping(call->rpc)
	               ? GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
	               : GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING;
}

static void reply(struct call *call, Grpc__Health__V1__HealthCheckResponse__ServingStatus status)
{
	Grpc__Health__V1__HealthCheckResponse response = GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__INIT;
	response.status = status;
	call_reply(call, &response.base);
}

static int begin(struct call *call)
{
	return 0;
}

static void finish(struct call *call)
{
}

/* Whether the service that is asked for is one of those here; sends an answer where it is none. */
static bool is_known(struct call *call, const void *data, size_t size)
{
	const Grpc__Health__V1__HealthCheckRequest *request = arena_unpack(
		&call->rpc->arena, &grpc__health__v1__health_check_request__descriptor, data, size);
	if (request == NULL) {
		call_refuse(call, -EINVAL, "this is no HealthCheckRequest");
		return false;
	}
	if (request->service[0] == '\0' || strcmp(request->service, "log.v1.Log") == 0)
		return true;
	/* As the health protocol has it: one that watches may wait for the service to appear. */
	if (call->method == &health_watch)
		reply(call, GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVICE_UNKNOWN);
	else
		call_finish(call, STATUS_NOT_FOUND, "there is no such service here");
	return false;
}

static bool check(struct call *call, const void *data, size_t size)
{
	if (!is_known(call, data, size))
		return true;
	reply(call, look(call));
	call_finish(call, STATUS_OK, NULL);
	return true;
}

/* What a watcher was told last is all its state. */
static bool watch(struct call *call, const void *data, size_t size)
{
	if (!is_known(call, data, size))
		return true;
	call->state = (void *)(uintptr_t)look(call);
	call_wait(call, &call->rpc->watched);
	reply(call, look(call));
	return true;
}

static void drain(struct call *call)
{
	if (call->waiting_place != NULL)
		reply(call, look(call));
	call_finish(call, STATUS_UNAVAILABLE, "the member is stopping");
}

void health_tick(struct rpc *rpc)
{
	for (struct call *call = rpc->watched, *next; call != NULL; call = next) {
		next = call->waiting_next;
		const uintptr_t now = look(call);
		if (now == (uintptr_t)call->state || !call_room(call))
			continue;
		call->state = (void *)now;
		reply(call, (Grpc__Health__V1__HealthCheckResponse__ServingStatus)now);
	}
}

const struct method health_check = {.path = "/grpc.health.v1.Health/Check",
                                    .leave = METHOD_EVERYBODY,
                                    .begin = begin,
                                    .message = check,
                                    .finish = finish};
const struct method health_watch = {.path = "/grpc.health.v1.Health/Watch",
                                    .leave = METHOD_ANY,
                                    .lasts = true,
                                    .begin = begin,
                                    .message = watch,
                                    .drain = drain,
                                    .finish = finish};
