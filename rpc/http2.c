/* http2: what nghttp2 makes of the bytes of a connection. It calls in the middle of its work: nothing here destroys a
 * connection. */
#include "rpc/private.h"

#include <errno.h>
#include <string.h>

static struct call *call_of(nghttp2_session *session, int32_t stream)
{
	return nghttp2_session_get_stream_user_data(session, stream);
}

static bool is_request(const nghttp2_frame *frame)
{
	return frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	if (!is_request(frame))
		return 0;
	return call_create(arg, frame->hd.stream_id) == 0 ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_size,
                     const uint8_t *value, size_t value_size, uint8_t flags, void *arg)
{
	struct call *call = call_of(session, frame->hd.stream_id);
	static const char authorization[] = "authorization";
	if (call == NULL || !is_request(frame))
		return 0;
	request_header(&call->request, name, name_size, value, value_size);
	if (name_size == sizeof authorization - 1 && memcmp(name, authorization, name_size) == 0)
		allow_header(call, value, value_size);
	return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data, size_t size, void *arg)
{
	struct call *call = call_of(session, stream);
	nghttp2_session_consume_connection(session, size);
	if (call != NULL)
		call_data(call, data, size);
	else
		nghttp2_session_consume_stream(session, stream, size);
	return 0;
}

static bool is_chatter(const nghttp2_frame *frame)
{
	switch (frame->hd.type) {
	case NGHTTP2_PING:
	case NGHTTP2_SETTINGS:
		return (frame->hd.flags & NGHTTP2_FLAG_ACK) == 0;
	case NGHTTP2_PRIORITY:
		return true;
	case NGHTTP2_DATA:
		return frame->hd.length == 0 && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0;
	default:
		return false;
	}
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct connection *connection = arg;
	/* It knows the limits. */
	if (frame->hd.type == NGHTTP2_SETTINGS && (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0 && !connection->greeted) {
		connection->greeted = true;
		connection->rpc->stranger_count--;
	}
	if (is_chatter(frame))
		connection_chatter(connection);
	if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
		return 0;
	struct call *call = call_of(session, frame->hd.stream_id);
	if (call != NULL && is_request(frame))
		call_begin(call);
	if (call != NULL && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
		call_end(call);
	return 0;
}

/* A frame that ends a call, or a call too many. */
static int on_invalid(nghttp2_session *session, const nghttp2_frame *frame, int error, void *arg)
{
	connection_reset(arg);
	return 0;
}

/* A client that has its answer need not send the rest. */
static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct call *call = call_of(session, frame->hd.stream_id);
	struct connection *connection = arg;
	if (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS)
		connection->chatter = 0;
	if (call != NULL && frame->hd.type == NGHTTP2_HEADERS && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 &&
	    !call->ended)
		nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
	return 0;
}

static int on_close(nghttp2_session *session, int32_t stream, uint32_t error, void *arg)
{
	struct call *call = call_of(session, stream);
	if (error != NGHTTP2_NO_ERROR)
		connection_reset(arg);
	if (call != NULL) {
		nghttp2_session_set_stream_user_data(session, stream, NULL);
		call_closed(call);
	}
	return 0;
}

int http2_init(struct rpc *rpc)
{
	if (nghttp2_session_callbacks_new(&rpc->callbacks) != 0 || nghttp2_option_new(&rpc->option) != 0)
		return -ENOMEM;
	nghttp2_session_callbacks_set_on_begin_headers_callback(rpc->callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(rpc->callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(rpc->callbacks, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(rpc->callbacks, on_frame);
	nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(rpc->callbacks, on_invalid);
	nghttp2_session_callbacks_set_on_frame_send_callback(rpc->callbacks, on_sent);
	nghttp2_session_callbacks_set_on_stream_close_callback(rpc->callbacks, on_close);
	nghttp2_option_set_no_auto_window_update(rpc->option, 1);
	nghttp2_option_set_no_closed_streams(rpc->option, 1);
	nghttp2_option_set_max_settings(rpc->option, RPC_SETTINGS_MAX);
	return 0;
}

void http2_finish(struct rpc *rpc)
{
	nghttp2_session_callbacks_del(rpc->callbacks);
	nghttp2_option_del(rpc->option);
}

int http2_start(struct connection *connection)
{
	const nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, RPC_STREAMS_MAX},
		{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, RPC_WINDOW_SIZE},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, REQUEST_HEADERS_SIZE_MAX},
	};
	struct rpc *rpc = connection->rpc;
	if (nghttp2_session_server_new2(&connection->session, rpc->callbacks, connection, rpc->option) != 0)
		return -ENOMEM;
	int rc = nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, settings,
	                                 sizeof settings / sizeof settings[0]);
	if (rc == 0)
		rc = nghttp2_session_set_local_window_size(connection->session, NGHTTP2_FLAG_NONE, 0,
		                                           RPC_CONNECTION_WINDOW_SIZE);
	return rc == 0 ? 0 : -ENOMEM;
}
