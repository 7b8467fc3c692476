/* settings: GetSettings of clog.v1.Clog. */
#include "rpc/private.h"

#include "proto/clog.pb-c.h"

#include <errno.h>

static int begin(struct call *call)
{
	return 0;
}

static void give(struct call *call, uint64_t entry)
{
	struct service_setting settings[SERVICE_SETTINGS_MAX];
	Clog__V1__Setting told[SERVICE_SETTINGS_MAX], *places[SERVICE_SETTINGS_MAX];
	Clog__V1__GetSettingsResponse response = CLOG__V1__GET_SETTINGS_RESPONSE__INIT;
	const size_t count = service_settings(call->rpc->service, settings, SERVICE_SETTINGS_MAX);
	for (size_t i = 0; i < count && i < SERVICE_SETTINGS_MAX; i++) {
		clog__v1__setting__init(&told[i]);
		told[i].key = (char *)settings[i].key;
		told[i].value.data = (uint8_t *)settings[i].value;
		told[i].value.len = settings[i].size;
		places[i] = &told[i];
	}
	response.settings = places;
	response.n_settings = count < SERVICE_SETTINGS_MAX ? count : SERVICE_SETTINGS_MAX;
	response.settings_entry = entry;
	call_reply(call, &response.base);
	call_finish(call, STATUS_OK, NULL);
}

static bool message(struct call *call, const void *data, size_t size)
{
	struct service_state state;
	service_state(call->rpc->service, &state);
	if (arena_unpack(&call->rpc->arena, &clog__v1__get_settings_request__descriptor, data, size) == NULL) {
		call_refuse(call, -EINVAL, "this is no GetSettingsRequest");
	} else if (!state.settings_known) {
		call->error = -EAGAIN;
		call_finish(call, STATUS_UNAVAILABLE, "this member does not know the settings");
	} else {
		give(call, state.settings_entry);
	}
	return true;
}

static void finish(struct call *call)
{
}

const struct method settings_list = {.path = "/clog.v1.Clog/GetSettings",
                                     .action = AUTH_ADMIN,
                                     .begin = begin,
                                     .message = message,
                                     .finish = finish};
