/* http_range: GET /v1/records: records one after the other, each a line of JSON, or their bytes joined. */
#include "rpc/http.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static int put_line(struct http_request *request, const struct service_record *record, const void *data)
{
	size_t size;
	char *line = http_json_record(record, data, "", "\n", &size);
	const int rc = line != NULL ? http_answer_put(request, line, size) : -ENOMEM;
	free(line);
	return rc;
}

static int put_bytes(struct http_request *request, const struct service_record *record, const void *data)
{
	return http_answer_put(request, data, record->size);
}

/* The answer has begun, as one that is whole: that it is not is shown by its missing end. */
static void failed(struct http_request *request, int status)
{
	(void)status;
	http_answer_break(request);
}

static void more(struct http_request *request)
{
	/* Records without bytes leave nothing to write. */
	while (request->next < request->end && http_pieces_fill(request) && request->more != NULL)
		;
	if (!request->pending && request->more != NULL && request->next == request->end)
		http_answer_finish(request);
}

void http_range_run(struct http_request *request)
{
	struct service_state state;
	char headers[160];
	const bool joined = http_answer_wanted(request, "application/octet-stream");
	service_state(request->http->service, &state);
	request->next = request->target.has_from ? request->target.from : state.first_offset;
	request->end = state.next_offset;
	if (request->next < state.first_offset || request->next > state.next_offset) {
		http_answer_error(request, request->next < state.first_offset ? -ESTALE : -ENOENT, NULL);
		return;
	}
	if (request->target.has_limit && request->target.limit < request->end - request->next)
		request->end = request->next + request->target.limit;
	snprintf(headers, sizeof headers,
	         "Vary: Accept, Authorization\r\nClog-First-Offset: %" PRIu64 "\r\nClog-Next-Offset: %" PRIu64 "\r\n",
	         request->next, request->end);
	request->put = joined ? put_bytes : put_line;
	request->failed = failed;
	http_answer_begin(request, 200, joined ? "application/octet-stream" : "application/x-ndjson", headers, more);
}
