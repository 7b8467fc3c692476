/* servers: GetServers. */
#include "rpc/private.h"

#include "proto/log.pb-c.h"

#include <errno.h>

static int begin(struct call *call)
{
	return 0;
}

static bool message(struct call *call, const void *data, size_t size)
{
	struct service_member members[SERVICE_MEMBERS_MAX];
	Log__V1__Server servers[SERVICE_MEMBERS_MAX], *places[SERVICE_MEMBERS_MAX];
	Log__V1__GetServersResponse response = LOG__V1__GET_SERVERS_RESPONSE__INIT;
	struct service_state state;
	if (arena_unpack(&call->rpc->arena, &log__v1__get_servers_request__descriptor, data, size) == NULL) {
		call_refuse(call, -EINVAL, "this is no GetServersRequest");
		return true;
	}
	service_state(call->rpc->service, &state);
	size_t count = service_members(call->rpc->service, members, SERVICE_MEMBERS_MAX);
	for (size_t i = 0; i < count && i < SERVICE_MEMBERS_MAX; i++) {
		log__v1__server__init(&servers[i]);
		servers[i].id = members[i].name;
		servers[i].rpc_addr = members[i].id == state.self
		                              ? call->rpc->address
		                              : (char *)service_rpc_address(call->rpc->service, members[i].id);
		servers[i].is_leader = members[i].id == state.leader;
		places[i] = &servers[i];
	}
	response.servers = places;
	response.n_servers = count < SERVICE_MEMBERS_MAX ? count : SERVICE_MEMBERS_MAX;
	call_reply(call, &response.base);
	call_finish(call, STATUS_OK, NULL);
	return true;
}

static void finish(struct call *call)
{
}

const struct method servers_list = {
	.path = "/log.v1.Log/GetServers", .leave = METHOD_ANY, .begin = begin, .message = message, .finish = finish};
