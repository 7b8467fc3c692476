/* http_append: POST / and POST /v1/records. */
#include "rpc/http.h"

#include "error/error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static void tell(struct http_request *request, const struct service_append *append)
{
	char headers[128], text[96];
	if (request->target.route == HTTP_BOOK) {
		snprintf(text, sizeof text, "{\"offset\":%" PRIu64 "}\n", append->first_offset);
		http_answer_text(request, 200, "application/json", text);
		return;
	}
	snprintf(headers, sizeof headers, "Location: /v1/records/%" PRIu64 "\r\nClog-Offset: %" PRIu64 "\r\n",
	         append->first_offset, append->first_offset);
	snprintf(text, sizeof text, "{\"offset\":%" PRIu64 ",\"count\":%" PRIu32 "}\n", append->first_offset,
	         append->count);
	char *body = strdup(text);
	if (body == NULL)
		http_answer_break(request);
	else
		http_answer(request, 201, "application/json", headers, body, strlen(body));
}

static void appended(struct service_append *append, void *arg)
{
	struct http_request *request = arg;
	if (!http_request_answered(request))
		return;
	if (append->status == 0)
		tell(request, append);
	else
		http_answer_error(request, append->status, NULL);
}

static void start(struct http_request *request, const void *data, const uint32_t *sizes, uint32_t count)
{
	request->pending = true;
	const int rc = service_append_at(request->http->service, &request->append, request->expected, data, sizes,
	                                 count, appended, request);
	if (rc == 0)
		return;
	request->pending = false;
	http_answer_error(request, rc, NULL);
}

static void start_batch(struct http_request *request, int rc, const struct clog_error *err)
{
	if (rc == 0 && request->batch.count == 0)
		http_answer_error(request, -EINVAL, "there is no record in it");
	else if (rc == 0)
		start(request, request->batch.data, request->batch.sizes, request->batch.count);
	else
		http_answer_error(request, rc, err->text);
}

void http_append_run(struct http_request *request)
{
	struct clog_error err = {0};
	const char *const body = request->body;
	const size_t size = request->body_size;
	int rc;
	if (request->target.route == HTTP_BOOK)
		rc = http_json_produce(body, size, &request->batch, &err);
	else if (strncasecmp(request->content_type, "application/json", strlen("application/json")) == 0)
		rc = http_json_list(body, size, &request->batch, &err);
	else if (strncasecmp(request->content_type, "application/x-ndjson", strlen("application/x-ndjson")) == 0)
		rc = http_json_lines(body, size, &request->batch, &err);
	else {
		const uint32_t one = (uint32_t)size;
		start(request, body, &one, 1);
		return;
	}
	start_batch(request, rc, &err);
}
