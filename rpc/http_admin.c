/* http_admin: what changes the log for all: trimming, what is retained, the access list. */
#include "rpc/http.h"

#include "error/error.h"
#include "observe/observe.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <openssl/crypto.h>

#define SECOND_NS 1000000000u

struct http_admin *http_admin_create(struct http_request *request, enum service_command_kind kind)
{
	request->admin = calloc(1, sizeof *request->admin);
	if (request->admin == NULL)
		http_answer_error(request, -ENOMEM, NULL);
	else
		request->admin->command.kind = kind;
	return request->admin;
}

void http_admin_destroy(struct http_admin *admin)
{
	if (admin != NULL && admin->answer != NULL)
		OPENSSL_cleanse(admin->answer, strlen(admin->answer)); /* it may have a token in it */
	if (admin != NULL)
		free(admin->answer);
	free(admin);
}

/* ---- Commands ---- */

/* Who has changed what; of a token there is the name. */
static void tell(const struct http_request *request, int status)
{
	static const char *const names[] = {
		[SERVICE_TRIM] = "trim", [SERVICE_RETAIN] = "retain", [SERVICE_SET] = "set"};
	const struct service_command *command = &request->admin->command;
	char principal[AUTH_TEXT_SIZE];
	auth_text(&request->principal, principal);
	if (status == 0)
		observe_event(OBSERVE_INFO, "admin_done", OBSERVE_TEXT("door", "http"),
		              OBSERVE_TEXT("principal", principal), OBSERVE_TEXT("command", names[command->kind]),
		              OBSERVE_TEXT("key", request->admin->key));
	else
		observe_event(OBSERVE_WARNING, "admin_failed", OBSERVE_TEXT("door", "http"),
		              OBSERVE_TEXT("principal", principal), OBSERVE_TEXT("command", names[command->kind]),
		              OBSERVE_TEXT("key", request->admin->key), OBSERVE_TEXT("error", strerror(-status)));
}

static void answer(struct http_request *request, int status)
{
	char *text = request->admin->answer;
	if (status != 0) {
		http_answer_error(request, status,
		                  status == -EINVAL && request->admin->command.kind == SERVICE_TRIM
		                          ? "the log does not reach to that offset"
		                          : NULL);
		return;
	}
	if (text == NULL) {
		http_answer_break(request);
		return;
	}
	http_answer_text(request, request->method == HTTP_POST ? 201 : 200, "application/json", text);
}

static void done(struct service_command *command, void *arg)
{
	struct http_request *request = arg;
	tell(request, command->status);
	if (http_request_answered(request))
		answer(request, command->status);
}

void http_admin_start(struct http_request *request, char *text)
{
	request->admin->answer = text;
	request->pending = true;
	const int rc = service_command(request->http->service, &request->admin->command, done, request);
	if (rc == 0)
		return;
	request->pending = false;
	http_answer_error(request, rc, NULL);
}

static void start(struct http_request *request, json_t *json)
{
	char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	http_admin_start(request, text);
}

/* ---- Settings ---- */

ssize_t http_admin_settings(struct http_request *request, const char *key, struct service_setting *settings,
                            size_t capacity)
{
	static struct service_setting all[SERVICE_SETTINGS_MAX]; /* the loop's thread has it */
	struct service_state state;
	size_t found = 0;
	service_state(request->http->service, &state);
	if (!state.settings_known) {
		http_answer_error(request, -EAGAIN, "this member does not know the settings yet");
		return -EAGAIN;
	}
	const size_t count = service_settings(request->http->service, all, SERVICE_SETTINGS_MAX);
	for (size_t i = 0; i < count && i < SERVICE_SETTINGS_MAX && found < capacity; i++)
		if (strncmp(all[i].key, key, strlen(key)) == 0)
			settings[found++] = all[i];
	return (ssize_t)found;
}

static void tell_acl(struct http_request *request)
{
	struct service_setting setting;
	const ssize_t count = http_admin_settings(request, AUTH_ACL_KEY, &setting, 1);
	if (count < 0)
		return;
	if (count == 0 || strcmp(setting.key, AUTH_ACL_KEY) != 0) {
		http_answer_error(request, -ENOENT, "there is no access list");
		return;
	}
	char *text = malloc(setting.size);
	if (text == NULL) {
		http_answer_error(request, -ENOMEM, NULL);
		return;
	}
	memcpy(text, setting.value, setting.size);
	http_answer(request, 200, "text/plain; charset=utf-8", NULL, text, setting.size);
}

static void run_acl(struct http_request *request)
{
	struct clog_error err = {0};
	if (request->method != HTTP_PUT && request->method != HTTP_DELETE) {
		tell_acl(request);
		return;
	}
	const bool put = request->method == HTTP_PUT;
	int rc = put ? auth_acl_check(request->body, request->body_size, &err) : 0;
	if (rc == 0 && put && request->body_size == 0)
		rc = clog_error_set(&err, -EINVAL, "the list is empty: DELETE takes it away");
	if (rc != 0) {
		http_answer_error(request, rc, err.text);
		return;
	}
	struct http_admin *admin = http_admin_create(request, SERVICE_SET);
	if (admin == NULL)
		return;
	snprintf(admin->key, sizeof admin->key, "%s", AUTH_ACL_KEY);
	admin->command.key = admin->key;
	admin->command.setting = put ? request->body : NULL;
	admin->command.setting_size = put ? request->body_size : 0;
	start(request, json_object());
}

/* ---- The log's bounds ---- */

static void run_trim(struct http_request *request)
{
	if (!request->target.has_from) {
		http_answer_error(request, -EINVAL, "?below=N says below which offset the records go");
		return;
	}
	struct http_admin *admin = http_admin_create(request, SERVICE_TRIM);
	if (admin == NULL)
		return;
	admin->command.offset = request->target.from;
	start(request, json_pack("{s:I}", "first_offset", (json_int_t)request->target.from));
}

static json_t *retention(uint64_t bytes, uint64_t time_ns)
{
	return json_pack("{s:I, s:I}", "bytes", (json_int_t)bytes, "seconds", (json_int_t)(time_ns / SECOND_NS));
}

static void run_retention(struct http_request *request)
{
	struct service_state state;
	struct clog_error err = {0};
	json_t *asked = NULL;
	json_int_t bytes = 0, seconds = 0;
	service_state(request->http->service, &state);
	if (request->method != HTTP_PUT) {
		json_t *json = retention(state.retain_bytes, state.retain_ns);
		char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
		json_decref(json);
		if (text != NULL)
			http_answer(request, 200, "application/json", NULL, text, strlen(text));
		else
			http_answer_error(request, -ENOMEM, NULL);
		return;
	}
	int rc = http_json_parse(request->body, request->body_size, &asked, &err);
	/* What is not said is not bounded, and so that nobody sets one and forgets the other, both are said. */
	if (rc == 0 && (json_unpack(asked, "{s:I, s:I !}", "bytes", &bytes, "seconds", &seconds) != 0 || bytes < 0 ||
	                seconds < 0 || seconds > INT64_MAX / SECOND_NS))
		rc = clog_error_set(&err, -EINVAL, "wanted is {\"bytes\":N,\"seconds\":N}, 0 for no bound");
	json_decref(asked);
	if (rc != 0) {
		http_answer_error(request, rc, err.text);
		return;
	}
	struct http_admin *admin = http_admin_create(request, SERVICE_RETAIN);
	if (admin == NULL)
		return;
	admin->command.bytes = (uint64_t)bytes;
	admin->command.time_ns = (uint64_t)seconds * SECOND_NS;
	start(request, retention((uint64_t)bytes, admin->command.time_ns));
}

void http_admin_run(struct http_request *request)
{
	if (request->target.route == HTTP_ACL)
		run_acl(request);
	else if (request->target.route == HTTP_RETENTION)
		run_retention(request);
	else
		run_trim(request);
}
