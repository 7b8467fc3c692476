/* http_about: what the member tells about itself: /v1/members, /v1/status, /metrics, /livez, /readyz. */
#include "rpc/http.h"

#include "observe/observe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

/* Answers with an object, which is freed; NULL: there was no memory for it. */
static void tell(struct http_request *request, json_t *json)
{
	char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	if (text == NULL)
		http_answer_error(request, -ENOMEM, NULL);
	else
		http_answer(request, 200, "application/json", NULL, text, strlen(text));
}

static const struct service_member *find(const struct service_member *members, size_t count, uint64_t id)
{
	for (size_t i = 0; i < count; i++)
		if (members[i].id == id)
			return &members[i];
	return NULL;
}

static size_t list(struct http_request *request, struct service_member members[SERVICE_MEMBERS_MAX])
{
	const size_t count = service_members(request->http->service, members, SERVICE_MEMBERS_MAX);
	return count < SERVICE_MEMBERS_MAX ? count : SERVICE_MEMBERS_MAX;
}

static const char *name_of(const struct service_member *member)
{
	return member != NULL ? member->name : NULL;
}

static void tell_members(struct http_request *request)
{
	struct service_member members[SERVICE_MEMBERS_MAX];
	struct service_state state;
	const size_t count = list(request, members);
	json_t *all = json_array();
	service_state(request->http->service, &state);
	for (size_t i = 0; i < count; i++)
		json_array_append_new(all, json_pack("{s:I, s:s, s:s, s:s, s:b, s:s, s:I, s:I}", "id",
		                                     (json_int_t)members[i].id, "name", members[i].name, "address",
		                                     members[i].address, "role", service_role_name(members[i].role),
		                                     "pinned", members[i].pinned, "state",
		                                     service_member_state_name(members[i].state), "match",
		                                     (json_int_t)members[i].match, "lag", (json_int_t)members[i].lag));
	const char *leader = name_of(find(members, count, state.leader));
	const char *self = name_of(find(members, count, state.self));
	tell(request, json_pack("{s:o, s:s?, s:s?}", "members", all, "leader", leader, "self", self));
}

static const char *health_of(const struct service_state *state)
{
	return state->failure != 0 ? "failed" : state->leader == 0 ? "no_leader" : "ok";
}

static void tell_status(struct http_request *request)
{
	struct service_member members[SERVICE_MEMBERS_MAX];
	struct service_state state;
	char started[HTTP_TIME_SIZE];
	const size_t count = list(request, members);
	service_state(request->http->service, &state);
	const struct service_member *self = find(members, count, state.self);
	http_json_time(state.start_ns, started);
	tell(request, json_pack("{s:s, s:s, s:s?, s:I, s:s?, s:s?, s:s?, s:I, s:I, s:I, s:I, s:I, s:s}", "version",
	                        CLOG_VERSION, "health", health_of(&state), "name", name_of(self), "id",
	                        (json_int_t)state.self, "role", self != NULL ? service_role_name(self->role) : NULL,
	                        "state", self != NULL ? service_member_state_name(self->state) : NULL, "leader",
	                        name_of(find(members, count, state.leader)), "term", (json_int_t)state.term, "commit",
	                        (json_int_t)state.commit, "first_offset", (json_int_t)state.first_offset, "next_offset",
	                        (json_int_t)state.next_offset, "bytes",
	                        (json_int_t)(state.stream_end - state.stream_begin), "started", started));
}

static void tell_metrics(struct http_request *request)
{
	struct service_figure figures[SERVICE_FIGURES_MAX];
	struct observe_gauge gauges[SERVICE_FIGURES_MAX];
	const size_t count = service_figures(request->http->service, figures);
	char *text;
	size_t size;
	for (size_t i = 0; i < count; i++)
		gauges[i] = (struct observe_gauge){figures[i].name, figures[i].help, figures[i].value};
	if (observe_render(gauges, count, &text, &size) != 0)
		http_answer_error(request, -ENOMEM, NULL);
	else
		http_answer(request, 200, "text/plain; version=0.0.4; charset=utf-8", NULL, text, size);
}

static void tell_ready(struct http_request *request)
{
	struct service_state state;
	service_state(request->http->service, &state);
	if (request->http->stopping)
		http_answer_text(request, 503, "text/plain", "stopping\n");
	else if (state.failure != 0)
		http_answer_text(request, 503, "text/plain", "failed: appends are refused here\n");
	else if (state.leader == 0)
		http_answer_text(request, 503, "text/plain", "there is no leader\n");
	else
		http_answer_text(request, 200, "text/plain", "ready\n");
}

void http_about_run(struct http_request *request)
{
	switch (request->target.route) {
	case HTTP_MEMBERS:
		tell_members(request);
		break;
	case HTTP_STATUS:
		tell_status(request);
		break;
	case HTTP_METRICS:
		tell_metrics(request);
		break;
	case HTTP_READYZ:
		tell_ready(request);
		break;
	default:
		http_answer_text(request, 200, "text/plain", "alive\n");
	}
}
