/* http_head: the line and the headers of a request, as libwebsockets has parsed them. */
#include "rpc/http.h"

#include "error/error.h"
#include "rpc/peer_uid.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <libwebsockets.h>

/* Copies a header that may be there once. -ENOENT when it is not there or empty, -EINVAL when it is there
 * twice or too long. */
static int copy(struct lws *wsi, enum lws_token_indexes token, char text[HTTP_WORD_SIZE])
{
	text[0] = '\0';
	if (lws_hdr_total_length(wsi, token) == 0)
		return -ENOENT;
	if (lws_hdr_copy_fragment(wsi, text, HTTP_WORD_SIZE, token, 0) < 0)
		return -EINVAL;
	char again[HTTP_HEADER_SIZE_MAX];
	return lws_hdr_copy_fragment(wsi, again, sizeof again, token, 1) >= 0 ? -EINVAL : 0;
}

/* The same of a header that libwebsockets has no number for; the name is in small letters, with its colon. */
static int copy_named(struct lws *wsi, const char *name, char text[HTTP_WORD_SIZE])
{
	text[0] = '\0';
	if (lws_hdr_custom_length(wsi, name, (int)strlen(name)) < 0)
		return -ENOENT;
	return lws_hdr_custom_copy(wsi, text, HTTP_WORD_SIZE, name, (int)strlen(name)) < 0 ? -EINVAL : 0;
}

static enum http_method method_of(struct lws *wsi)
{
	if (lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) > 0)
		return HTTP_GET;
	if (lws_hdr_total_length(wsi, WSI_TOKEN_HEAD_URI) > 0)
		return HTTP_HEAD;
	return lws_hdr_total_length(wsi, WSI_TOKEN_POST_URI) > 0 ? HTTP_POST : HTTP_OTHER;
}

/* ---- Who asks ---- */

static void know_by_certificate(struct http_connection *connection)
{
	struct tls_identity identity;
	connection->nobody = tls_served_identity(lws_get_ssl(connection->wsi), &identity) != 0 ||
	                     strcmp(identity.cluster, connection->http->cluster) != 0;
	if (connection->nobody)
		return;
	snprintf(connection->principal_text, sizeof connection->principal_text, "%s", identity.name);
	connection->principal = (struct auth_principal){.kind = AUTH_CERTIFICATE, .name = connection->principal_text};
}

static void know_by_socket(struct http_connection *connection)
{
	uid_t uid;
	connection->nobody = peer_uid(lws_get_socket_fd(connection->wsi), &uid) != 0;
	if (connection->nobody)
		return;
	snprintf(connection->principal_text, sizeof connection->principal_text, "uid/%u", (unsigned)uid);
	connection->principal = (struct auth_principal){
		.kind = AUTH_USER, .uid = uid, .gid = (gid_t)-1}; /* its groups are not told */
}

static void know(struct http_connection *connection)
{
	if (connection->known)
		return;
	connection->known = true;
	if (connection->http->tls_folder != NULL)
		know_by_certificate(connection);
	else
		know_by_socket(connection);
}

/* ---- What is asked ---- */

static int take_query(struct http_request *request, struct lws *wsi, struct clog_error *err)
{
	char parameter[HTTP_WORD_SIZE];
	if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_URI_ARGS) == 0)
		return 0;
	for (int i = 0;; i++) {
		const int size = lws_hdr_copy_fragment(wsi, parameter, sizeof parameter, WSI_TOKEN_HTTP_URI_ARGS, i);
		if (size < 0)
			return i == 0 ? clog_error_set(err, -EINVAL, "the query is too long") : 0;
		const int rc = http_target_parameter(&request->target, parameter, err);
		if (rc != 0)
			return rc;
	}
}

/* A body has a length, told once, in digits. Answers and gives false where not. */
static bool take_length(struct http_request *request, struct lws *wsi)
{
	char text[HTTP_WORD_SIZE], encoding[HTTP_WORD_SIZE];
	uint64_t size = 0;
	const int rc = copy(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, text);
	if (copy(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING, encoding) != -ENOENT) {
		http_answer_refusal(request, 411, NULL, -EINVAL,
		                    "a body comes whole, with its Content-Length, and not in chunks");
		return false;
	}
	if (rc == -ENOENT && request->method == HTTP_POST) {
		http_answer_refusal(request, 411, NULL, -EINVAL, "the header Content-Length is missing");
		return false;
	}
	if (rc == -EINVAL || (rc == 0 && http_number(text, &size) != 0)) {
		http_answer_error(request, -EINVAL, "the header Content-Length is not one number");
		return false;
	}
	request->announced = size;
	request->whole = size == 0;
	return true;
}

static int take_words(struct http_request *request, struct lws *wsi, struct clog_error *err)
{
	char text[HTTP_WORD_SIZE];
	int rc = copy(wsi, WSI_TOKEN_HTTP_CONTENT_TYPE, request->content_type);
	if (rc == -EINVAL)
		return clog_error_set(err, rc, "the header Content-Type is there twice, or too long");
	/* A long list of what is accepted ends with what is accepted least. */
	if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_ACCEPT) < HTTP_WORD_SIZE)
		lws_hdr_copy(wsi, request->accept, sizeof request->accept, WSI_TOKEN_HTTP_ACCEPT);
	if (lws_hdr_total_length(wsi, WSI_TOKEN_HTTP_IF_NONE_MATCH) < HTTP_WORD_SIZE)
		lws_hdr_copy(wsi, request->if_none_match, sizeof request->if_none_match, WSI_TOKEN_HTTP_IF_NONE_MATCH);
	rc = copy_named(wsi, "clog-expected-offset:", text);
	if (rc == -EINVAL || (rc == 0 && http_number(text, &request->expected) != 0))
		return clog_error_set(err, -EINVAL, "the header Clog-Expected-Offset is a number from 0 to 2^63 - 1");
	rc = copy_named(wsi, "last-event-id:", text);
	/* An EventSource that comes back asks for the same URL: what it has had counts for more than where it began. */
	if (rc == 0 && request->target.route == HTTP_TAIL) {
		if (http_number(text, &request->target.from) != 0 || request->target.from == INT64_MAX)
			return clog_error_set(err, -EINVAL, "the header Last-Event-ID is not an offset");
		request->target.from++;
		request->target.has_from = true;
	}
	return 0;
}

static int check_origin(struct http_request *request, struct lws *wsi, struct clog_error *err)
{
	char host[HTTP_WORD_SIZE], origin[HTTP_WORD_SIZE], site[HTTP_WORD_SIZE];
	const int host_rc = copy(wsi, WSI_TOKEN_HOST, host), origin_rc = copy(wsi, WSI_TOKEN_ORIGIN, origin);
	const int site_rc = copy_named(wsi, "sec-fetch-site:", site);
	if (host_rc == -EINVAL || origin_rc == -EINVAL)
		return clog_error_set(err, -EACCES, "the header Host or Origin is there twice, or too long");
	/* A page may link here: what is only read by a navigation, no page of another site gets to see. */
	const bool judged = site_rc != -ENOENT && request->method == HTTP_POST;
	return http_origin_check(host_rc == 0 ? host : NULL, origin_rc == 0 ? origin : NULL, judged ? site : NULL,
	                         request->http->listen, request->http->tls_folder != NULL, err);
}

void http_head_take(struct http_request *request, const char *path)
{
	struct lws *wsi = request->connection->wsi;
	struct clog_error err = {0};
	char text[HTTP_WORD_SIZE];
	request->method = method_of(wsi);
	request->old = copy(wsi, WSI_TOKEN_HTTP, text) != 0 || strcmp(text, "HTTP/1.1") != 0;
	if (copy(wsi, WSI_TOKEN_CONNECTION, text) != -ENOENT && strcasecmp(text, "keep-alive") != 0)
		request->close = true;
	if (!take_length(request, wsi))
		return;
	if (!request->whole)
		request->close = true; /* libwebsockets 4.1 may take the request that follows a body for more of it */
	int rc = check_origin(request, wsi, &err);
	if (rc == 0)
		rc = http_target_path(&request->target, path, &err);
	if (rc == 0)
		rc = take_query(request, wsi, &err);
	if (rc == 0)
		rc = take_words(request, wsi, &err);
	/* The book's clients say in the body what they want, and browsers have none. */
	if (rc == 0 && request->target.route == HTTP_BOOK && request->method != HTTP_POST && request->whole &&
	    http_answer_wanted(request, "text/html"))
		request->target.route = HTTP_PAGE;
	if (rc == 0 && copy(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, text) != -ENOENT)
		rc = clog_error_set(
			&err, -EKEYREJECTED,
			"tokens and passwords are not known here: who asks is told by a certificate, or on this "
			"machine by the user of the process");
	if (rc != 0) {
		http_answer_error(request, rc, err.text);
		return;
	}
	know(request->connection);
	http_request_begin(request);
}
