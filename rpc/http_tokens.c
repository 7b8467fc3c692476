/* http_tokens: what tokens there are; making one, whose text is told once; taking one away. */
#include "rpc/http.h"

#include "error/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>
#include <openssl/crypto.h>

#define LIFE_S_MAX (100u * 365u * 86400u)

static json_t *grants_of(const struct auth_token *token)
{
	json_t *grants = json_array();
	for (unsigned action = 0; action < AUTH_ACTION_COUNT; action++)
		if (token->granted[action])
			json_array_append_new(grants, json_string(auth_action_name((enum auth_action)action)));
	return grants;
}

/* Its time, in seconds since 1970; one without an end has none. */
static json_t *token_of(const struct auth_token *token)
{
	json_t *json = json_pack("{s:s, s:o, s:I}", "name", token->name, "grants", grants_of(token), "created",
	                         (json_int_t)token->created_s);
	if (token->until_s != 0)
		json_object_set_new(json, "until", json_integer((json_int_t)token->until_s));
	return json;
}

static void tell_tokens(struct http_request *request)
{
	static struct service_setting settings[SERVICE_SETTINGS_MAX]; /* the loop's thread has it */
	json_t *tokens = json_array();
	const ssize_t count = http_admin_settings(request, AUTH_TOKEN_KEY, settings, SERVICE_SETTINGS_MAX);
	for (ssize_t i = 0; i < count; i++) {
		struct auth_token token;
		const char *name = settings[i].key + strlen(AUTH_TOKEN_KEY);
		if (auth_token_read(&token, name, settings[i].value, settings[i].size) == 0)
			json_array_append_new(tokens, token_of(&token));
		else /* it lets nobody in, and can be taken away */
			json_array_append_new(tokens, json_pack("{s:s, s:[]}", "name", name, "grants"));
	}
	json_t *json = json_pack("{s:o}", "tokens", tokens);
	char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	if (count < 0)
		free(text); /* it is answered */
	else if (text == NULL)
		http_answer_error(request, -ENOMEM, NULL);
	else
		http_answer(request, 200, "application/json", NULL, text, strlen(text));
}

/* Finds the token of a name: 1, 0; or it is answered. */
static ssize_t find(struct http_request *request, const char *name, char key[SERVICE_KEY_SIZE])
{
	struct service_setting settings[SERVICE_SETTINGS_MAX];
	snprintf(key, SERVICE_KEY_SIZE, AUTH_TOKEN_KEY "%s", name);
	const ssize_t count = http_admin_settings(request, key, settings, SERVICE_SETTINGS_MAX);
	for (ssize_t i = 0; i < count; i++)
		if (strcmp(settings[i].key, key) == 0)
			return 1;
	return count < 0 ? count : 0;
}

static int read_grants(const json_t *list, struct auth_token *token, struct clog_error *err)
{
	char words[128] = "";
	size_t size = 0;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const char *word = json_string_value(json_array_get(list, i));
		size += (size_t)snprintf(words + size, sizeof words - size, "%s%s", i > 0 ? "," : "",
		                         word != NULL ? word : "?");
		if (size >= sizeof words)
			break;
	}
	return auth_grants_read(words, token->granted, err);
}

/* name, grants and, where it ends, seconds. The name is the JSON's. */
static int read_token(const json_t *json, struct auth_token *token, struct clog_error *err)
{
	json_t *grants = NULL;
	json_int_t seconds = 0;
	const char *name = NULL;
	if (json_unpack((json_t *)json, "{s:s, s:o, s?I !}", "name", &name, "grants", &grants, "seconds", &seconds) !=
	            0 ||
	    !json_is_array(grants) || seconds < 0 || seconds > LIFE_S_MAX ||
	    (json_object_get(json, "seconds") != NULL && seconds == 0))
		return clog_error_set(
			err, -EINVAL,
			"wanted is {\"name\":\"NAME\",\"grants\":[\"produce\",...],\"seconds\":N}; without "
			"seconds it does not end");
	token->name = name;
	token->created_s = (uint64_t)time(NULL);
	token->until_s = seconds != 0 ? token->created_s + (uint64_t)seconds : 0;
	return read_grants(grants, token, err);
}

static void make(struct http_request *request, const struct auth_token *token)
{
	char text[AUTH_TOKEN_SIZE];
	struct clog_error err = {0};
	struct http_admin *admin = http_admin_create(request, SERVICE_SET);
	if (admin == NULL)
		return;
	const int rc = auth_token_create(token, text, admin->value, &err);
	if (rc != 0) {
		http_answer_error(request, rc, err.text);
		return;
	}
	const ssize_t found = find(request, token->name, admin->key);
	if (found < 0)
		return;
	if (found > 0) {
		http_answer_refusal(request, 409, NULL, -EEXIST,
		                    "there is a token of that name: it has to be deleted first");
		return;
	}
	admin->command.key = admin->key;
	admin->command.setting = admin->value;
	admin->command.setting_size = strlen(admin->value);
	json_t *json = token_of(token);
	json_object_set_new(json, "token", json_string(text));
	char *answer = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
	json_decref(json);
	OPENSSL_cleanse(text, sizeof text);
	http_admin_start(request, answer);
}

static void make_token(struct http_request *request)
{
	struct clog_error err = {0};
	struct auth_token token = {0};
	json_t *json = NULL;
	int rc = http_json_parse(request->body, request->body_size, &json, &err);
	if (rc == 0)
		rc = read_token(json, &token, &err);
	if (rc == 0)
		make(request, &token);
	else
		http_answer_error(request, rc, err.text);
	json_decref(json);
}

static void delete_token(struct http_request *request)
{
	struct http_admin *admin = http_admin_create(request, SERVICE_SET);
	if (admin == NULL)
		return;
	const ssize_t found = find(request, request->target.name, admin->key);
	if (found < 0)
		return;
	if (found == 0) {
		http_answer_error(request, -ENOENT, "there is no token of that name");
		return;
	}
	admin->command.key = admin->key;
	http_admin_start(request, strdup("{}"));
}

void http_tokens_run(struct http_request *request)
{
	if (request->target.route == HTTP_TOKEN)
		delete_token(request);
	else if (request->method == HTTP_POST)
		make_token(request);
	else
		tell_tokens(request);
}
