/* http_pieces: records one after the other, as an answer in pieces: a range, or a tail. */
#include "rpc/http.h"

#include <assert.h>

static bool take(struct http_request *request)
{
	const struct service_read *read = &request->read;
	const bool taken = read->status == 0 && request->put(request, &read->record, read->data) == 0;
	const int status = read->status;
	if (taken)
		request->next++;
	service_read_end(request->http->service, &request->read);
	if (!taken)
		request->failed(request, status);
	return taken;
}

static void read_done(struct service_read *read, void *arg)
{
	struct http_request *request = arg;
	if (request->connection == NULL)
		service_read_end(request->http->service, read);
	if (!http_request_answered(request))
		return;
	if (take(request))
		http_pieces_fill(request);
	http_wire_wake(request->connection);
}

bool http_pieces_fill(struct http_request *request)
{
	/* A message of a WebSocket is one piece. */
	const size_t enough = request->websocket ? 1 : HTTP_FILL_SIZE;
	assert(!request->pending);
	while (request->out_size < enough && request->next < request->end) {
		request->read = (struct service_read){.kind = SERVICE_RECORD, .offset = request->next};
		request->pending = true;
		const int rc = service_read(request->http->service, &request->read, read_done, request);
		if (rc == SERVICE_PENDING)
			return false;
		request->pending = false;
		if (rc < 0) {
			request->failed(request, rc);
			return false;
		}
		if (!take(request))
			return false;
	}
	return request->out_size == 0;
}
