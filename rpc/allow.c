/* allow: who asks, and what they may. A call is its token's, where its headers have one, whoever its connection is by a
 * certificate or as a user. */
#include "rpc/private.h"

#include "error/error.h"
#include "observe/observe.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

/* ---- Tokens ---- */

/* The header is not good. Of what is in it nothing is told. */
static void reject(struct call *call, int error, const char *message)
{
	call->bearer_error = error;
	snprintf(call->message, sizeof call->message, "%.*s", RPC_MESSAGE_SIZE - 1, message);
}

void allow_header(struct call *call, const void *value, size_t size)
{
	static const char scheme[] = "bearer ";
	const struct auth_access *access = call->rpc->auth->access;
	const char *text = value;
	struct clog_error err = {0};
	if (call->has_bearer) {
		reject(call, -EACCES, "there is more than one authorization header");
		return;
	}
	call->has_bearer = true;
	if (size < sizeof scheme || strncasecmp(text, scheme, sizeof scheme - 1) != 0) {
		reject(call, -EACCES, "the authorization header has no bearer token");
		return;
	}
	text += sizeof scheme - 1;
	size -= sizeof scheme - 1;
	if (access == NULL) {
		reject(call, -EACCES, "this member knows of no tokens");
		return;
	}
	if (size > AUTH_BEARER_SIZE_MAX) {
		reject(call, -EACCES, "the token is larger than any may be");
		return;
	}
	int rc = auth_access_bearer(access, text, size, call->bearer_name, &call->bearer, &err);
	if (rc == -EAGAIN)
		reject(call, rc, "this member does not know the tokens yet");
	else if (rc != 0)
		reject(call, -EACCES, err.text);
}

/* ---- Asking ---- */

static const struct auth_principal *who(const struct call *call)
{
	return call->has_bearer ? &call->bearer : &call->connection->principal;
}

static int ask(const struct call *call)
{
	const struct auth_policy *policy = call->rpc->auth;
	switch (call->method->leave) {
	case METHOD_EVERYBODY:
		return 0;
	case METHOD_ANY:
		return auth_authorize_any(policy, who(call), RPC_LOG);
	default:
		return auth_authorize(policy, who(call), call->method->action, RPC_LOG);
	}
}

static void tell(const struct call *call, const char *action)
{
	char principal[AUTH_TEXT_SIZE];
	observe_denied("grpc", call->bearer_error != 0 ? "nobody" : auth_text(who(call), principal),
	               action != NULL ? action : "any", RPC_LOG, call->connection->from);
}

/* action NULL: any. */
static void refuse(struct call *call, int error, const char *action)
{
	char message[RPC_MESSAGE_SIZE], principal[AUTH_TEXT_SIZE];
	const struct auth_principal *asks = who(call);
	enum status status = STATUS_UNAUTHENTICATED;
	if (error == -EAGAIN) {
		status = STATUS_UNAVAILABLE;
		snprintf(message, sizeof message, "this member does not know yet who may do what");
	} else if (asks->kind == AUTH_NOBODY) {
		snprintf(message, sizeof message, "a certificate or a token is needed");
	} else if (asks->until_s != 0 && asks->until_s <= (uint64_t)time(NULL)) {
		snprintf(message, sizeof message, "the token's time is over");
	} else {
		status = STATUS_PERMISSION_DENIED;
		snprintf(message, sizeof message, "%s may %s%s", auth_text(asks, principal),
		         action == NULL ? "do nothing here" : "not ", action == NULL ? "" : action);
	}
	if (error != -EAGAIN)
		tell(call, action);
	call->error = error;
	call_finish(call, status, message);
}

bool allow_call(struct call *call)
{
	const char *action = call->method->leave == METHOD_ACTION ? auth_action_name(call->method->action) : NULL;
	if (call->bearer_error != 0) {
		char message[RPC_MESSAGE_SIZE];
		snprintf(message, sizeof message, "%s", call->message);
		if (call->bearer_error != -EAGAIN)
			tell(call, action);
		call->error = call->bearer_error;
		call_finish(call, call->error == -EAGAIN ? STATUS_UNAVAILABLE : STATUS_UNAUTHENTICATED, message);
		return false;
	}
	int rc = ask(call);
	if (rc != 0)
		refuse(call, rc, action);
	return rc == 0;
}

bool allow_silently(const struct call *call, enum auth_action action)
{
	return auth_authorize(call->rpc->auth, who(call), action, RPC_LOG) == 0;
}

bool allow_action(struct call *call, enum auth_action action)
{
	int rc = auth_authorize(call->rpc->auth, who(call), action, RPC_LOG);
	if (rc != 0)
		refuse(call, rc, auth_action_name(action));
	return rc == 0;
}

void allow_again(struct connection *connection, uint64_t now_ms)
{
	if (now_ms < connection->allowed_ms + RPC_ALLOW_MS)
		return;
	connection->allowed_ms = now_ms;
	for (struct call *call = connection->calls, *next; call != NULL; call = next) {
		next = call->next;
		if (!call->done && call->method != NULL && call->method->lasts)
			allow_call(call);
	}
}
