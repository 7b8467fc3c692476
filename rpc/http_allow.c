/* http_allow: who asks, and what they may. A request is its token's, where it has one, whoever its connection is by a
 * certificate or as a user. */
#include "rpc/http.h"

#include "error/error.h"
#include "observe/observe.h"
#include "rpc/peer_uid.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define CHALLENGE "WWW-Authenticate: Bearer realm=\"clog\""

/* ---- Who asks ---- */

/* Who a connection is: by its certificate; without TLS by the user of the process on this machine. */
static void know_connection(struct http_connection *connection)
{
	const struct tls_identity *identity = channel_identity(connection->channel);
	struct auth_principal *principal = &connection->principal;
	uid_t uid;
	if (principal->kind != AUTH_NOBODY)
		return;
	if (identity != NULL && strcmp(identity->cluster, connection->http->cluster) == 0)
		*principal = (struct auth_principal){.kind = AUTH_CERTIFICATE, .name = identity->name};
	else if (connection->http->tls == NULL && peer_uid(channel_socket(connection->channel), &uid) == 0)
		/* The user's groups are not told. */
		*principal = (struct auth_principal){.kind = AUTH_USER, .uid = uid, .gid = (gid_t)-1};
}

static void refuse_token(struct http_request *request, const char *error, const char *sentence)
{
	char headers[128];
	snprintf(headers, sizeof headers, CHALLENGE "%s%s%s\r\n", error != NULL ? ", error=\"" : "",
	         error != NULL ? error : "", error != NULL ? "\"" : "");
	observe_denied("http", "nobody", auth_action_name(http_request_action(request)), RPC_LOG, NULL);
	http_answer_refusal(request, 401, headers, -EKEYREJECTED, sentence);
}

static bool know_token(struct http_request *request, const char *text)
{
	static const char scheme[] = "bearer ";
	const struct auth_access *access = request->http->auth->access;
	struct clog_error err = {0};
	if (strncasecmp(text, scheme, sizeof scheme - 1) != 0) {
		refuse_token(request, NULL, "the header Authorization has no bearer token: no other scheme is known");
		return false;
	}
	text += sizeof scheme - 1;
	text += strspn(text, " ");
	const size_t size = strlen(text);
	int rc = access == NULL ? clog_error_set(&err, -EACCES, "this member knows of no tokens")
	         : size > AUTH_BEARER_SIZE_MAX
	                 ? clog_error_set(&err, -EACCES, "the token is larger than any may be")
	                 : auth_access_bearer(access, text, size, request->principal_name, &request->principal, &err);
	if (rc == -EAGAIN)
		http_answer_error(request, -EAGAIN, "this member does not know the tokens yet");
	else if (rc != 0)
		refuse_token(request, "invalid_token", err.text);
	return rc == 0;
}

bool http_allow_know(struct http_request *request, const struct http_lines *lines)
{
	const char *text;
	const int rc = http_parse_header(lines, "authorization", &text);
	request->principal = (struct auth_principal){.kind = AUTH_NOBODY};
	if (rc == 0)
		return know_token(request, text);
	if (rc == -EINVAL) {
		refuse_token(request, "invalid_request", "the header Authorization is there more than once");
		return false;
	}
	know_connection(request->connection);
	request->principal = request->connection->principal;
	/* The request may outlive its connection. */
	if (request->principal.name != NULL) {
		snprintf(request->principal_name, sizeof request->principal_name, "%s", request->principal.name);
		request->principal.name = request->principal_name;
	}
	return true;
}

/* ---- What they may ---- */

static void refuse(struct http_request *request, int rc, enum auth_action action)
{
	const struct auth_principal *asks = &request->principal;
	char principal[AUTH_TEXT_SIZE], sentence[AUTH_TEXT_SIZE + 32];
	if (rc == -EAGAIN) {
		http_answer_error(request, rc, "this member does not know yet who may do what");
	} else if (asks->kind == AUTH_NOBODY) {
		http_answer_error(request, -EKEYREJECTED, "a certificate or a token is needed");
	} else if (asks->until_s != 0 && asks->until_s <= (uint64_t)time(NULL)) {
		http_answer_refusal(request, 401, CHALLENGE ", error=\"invalid_token\"\r\n", -EKEYREJECTED,
		                    "the token's time is over");
	} else {
		snprintf(sentence, sizeof sentence, "%s may not %s", auth_text(asks, principal),
		         auth_action_name(action));
		http_answer_error(request, -EACCES, sentence);
	}
}

bool http_allow(struct http_request *request, enum auth_action action)
{
	char principal[AUTH_TEXT_SIZE];
	const int rc = auth_authorize(request->http->auth, &request->principal, action, RPC_LOG);
	request->again_ms = uv_now(request->http->loop);
	if (rc == 0)
		return true;
	if (rc != -EAGAIN && request->principal.kind != AUTH_NOBODY)
		observe_denied("http", auth_text(&request->principal, principal), auth_action_name(action), RPC_LOG,
		               NULL);
	if (!request->answered)
		refuse(request, rc, action);
	return false;
}

void http_allow_again(struct http_request *request, uint64_t now_ms)
{
	if (now_ms - request->again_ms < HTTP_AGAIN_MS || http_allow(request, http_request_action(request)))
		return;
	if (request->watching)
		http_tail_stop(request);
	else
		http_answer_break(request);
}
