#include "channel/private.h"

#include "error/error.h"
#include "tls/tls.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define KEEPALIVE_S 15u /* of silence, after which the other side is asked for */

void channel_address(const struct channel *channel, char text[CHANNEL_ADDRESS_SIZE])
{
	struct sockaddr_storage address = {0};
	int size = sizeof address;
	if (uv_tcp_getpeername(&channel->tcp, (struct sockaddr *)&address, &size) != 0)
		address.ss_family = AF_UNSPEC;
	channel_address_text((struct sockaddr *)&address, text);
}

int channel_socket(const struct channel *channel)
{
	uv_os_fd_t fd;
	return uv_fileno((const uv_handle_t *)&channel->tcp, &fd) == 0 ? fd : -1;
}

/* ---- Ending ---- */

/* Notes that it is over; the owner is told by the loop. */
static void fail(struct channel *channel, int status, const char *sentence)
{
	if (channel->state >= STATE_FAILED)
		return;
	channel->state = STATE_FAILED;
	channel->status = status;
	snprintf(channel->sentence, sizeof channel->sentence, "%s", sentence);
	uv_read_stop((uv_stream_t *)&channel->tcp);
	channel_touch(channel);
}

static void tell_failure(struct channel *channel)
{
	if (channel->state != STATE_FAILED)
		return;
	channel->state = STATE_OVER;
	channel->ops->closed(channel->arg, channel->status, channel->sentence);
}

static void on_closed(uv_handle_t *handle)
{
	struct channel *channel = handle->data;
	struct channels *channels = channel->channels;
	free(channel->waiting);
	free(channel->chunk);
	free(channel);
	channels->open_channels--;
	channels_end(channels);
}

/* ---- Writing ---- */

static size_t pending(const struct channel *channel, const void **data)
{
	if (channel->stream != NULL)
		return tls_stream_pending(channel->stream, data);
	*data = channel->waiting == NULL ? NULL : channel->waiting + channel->begin;
	return channel->end - channel->begin;
}

static void sent(struct channel *channel, size_t size)
{
	if (channel->stream != NULL) {
		tls_stream_sent(channel->stream, size);
		return;
	}
	channel->begin += size;
	if (channel->begin < channel->end)
		return;
	free(channel->waiting);
	channel->waiting = NULL;
	channel->begin = channel->end = channel->capacity = 0;
}

static void on_written(uv_write_t *write, int status)
{
	struct channel *channel = write->data;
	channel->writing = false;
	free(channel->chunk);
	channel->chunk = NULL;
	channel->chunk_size = 0;
	if (channel->state == STATE_DESTROYED)
		return;
	if (status < 0)
		fail(channel, status, uv_strerror(status));
	channel_flush(channel);
}

/* Gives the kernel a piece that it takes when it can. */
static int write_chunk(struct channel *channel)
{
	const void *data;
	size_t size = pending(channel, &data);
	size = size < CHANNEL_CHUNK_SIZE ? size : CHANNEL_CHUNK_SIZE;
	channel->chunk = malloc(size);
	if (channel->chunk == NULL)
		return -ENOMEM;
	channel->chunk_size = size;
	memcpy(channel->chunk, data, channel->chunk_size);
	sent(channel, channel->chunk_size);
	uv_buf_t buffer = uv_buf_init((char *)channel->chunk, (unsigned)channel->chunk_size);
	channel->write.data = channel;
	int rc = uv_write(&channel->write, (uv_stream_t *)&channel->tcp, &buffer, 1, on_written);
	channel->writing = rc == 0;
	return rc;
}

static void tell_shut(struct channel *channel)
{
	if (!channel->shut || channel->told)
		return;
	channel->told = true;
	(void)shutdown(channel_socket(channel), SHUT_WR); /* it may have gone */
}

static int give(struct channel *channel)
{
	while (!channel->writing) {
		const void *data;
		size_t size = pending(channel, &data);
		if (size == 0) {
			tell_shut(channel);
			return 0;
		}
		uv_buf_t buffer = uv_buf_init((char *)data, size > INT32_MAX ? INT32_MAX : (unsigned)size);
		int rc = uv_try_write((uv_stream_t *)&channel->tcp, &buffer, 1);
		if (rc == UV_EAGAIN || (rc >= 0 && (size_t)rc < size)) {
			sent(channel, rc > 0 ? (size_t)rc : 0);
			rc = write_chunk(channel);
		} else if (rc > 0) {
			sent(channel, (size_t)rc);
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* A plain one that was accepted is open at once. */
static void tell_open(struct channel *channel)
{
	if (channel->state != STATE_SHAKING || (channel->stream != NULL && !tls_stream_ready(channel->stream)))
		return;
	channel->state = STATE_OPEN;
	channel->ops->opened(channel->arg);
}

void channel_flush(struct channel *channel)
{
	if (channel->state == STATE_CONNECTING || channel->state >= STATE_OVER)
		return;
	/* Also of one that has failed: TLS says why. */
	int rc = give(channel);
	if (rc < 0)
		fail(channel, rc, uv_strerror(rc));
	if (channel->state == STATE_FAILED) {
		tell_failure(channel);
		return;
	}
	if (channel->stream == NULL)
		tell_open(channel);
	if (channel->state == STATE_OPEN && channel->busy && channel_backlog(channel) < CHANNEL_BUSY_SIZE / 2) {
		channel->busy = false;
		channel->ops->drained(channel->arg);
	}
}

static int keep(struct channel *channel, const void *data, size_t size)
{
	if (channel->begin > 0 && channel->end + size > channel->capacity) {
		memmove(channel->waiting, channel->waiting + channel->begin, channel->end - channel->begin);
		channel->end -= channel->begin;
		channel->begin = 0;
	}
	if (channel->end + size > channel->capacity) {
		size_t capacity = 2 * (channel->end + size);
		unsigned char *waiting = realloc(channel->waiting, capacity);
		if (waiting == NULL)
			return -ENOMEM;
		channel->waiting = waiting;
		channel->capacity = capacity;
	}
	memcpy(channel->waiting + channel->end, data, size);
	channel->end += size;
	return 0;
}

void channel_write(struct channel *channel, const void *data, size_t size)
{
	struct clog_error err = {0};
	if (channel->state != STATE_OPEN || channel->shut || size == 0)
		return;
	int rc = channel->stream != NULL ? tls_stream_write(channel->stream, data, size, &err)
	                                 : keep(channel, data, size);
	if (rc < 0)
		fail(channel, rc, rc == -ENOMEM ? "no memory" : err.text);
	channel_touch(channel);
}

void channel_shut(struct channel *channel)
{
	if (channel->state != STATE_OPEN || channel->shut)
		return;
	channel->shut = true;
	if (channel->stream != NULL)
		tls_stream_close(channel->stream);
	channel_touch(channel);
}

void channel_soon(struct channel *channel)
{
	channel->soon = true;
	channel_touch(channel);
}

size_t channel_backlog(const struct channel *channel)
{
	const void *data;
	return pending(channel, &data) + channel->chunk_size;
}

bool channel_busy(struct channel *channel)
{
	if (!channel->busy)
		channel->busy = channel_backlog(channel) >= CHANNEL_BUSY_SIZE;
	return channel->busy;
}

void channel_tell_drained(struct channel *channel)
{
	channel->busy = true;
	/* What the kernel had no room for is told of when it has. */
	if (!channel->writing)
		channel_touch(channel);
}

const struct tls_identity *channel_identity(const struct channel *channel)
{
	return channel->stream == NULL ? NULL : tls_stream_peer(channel->stream);
}

/* ---- Reading ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct channel *channel = handle->data;
	*buffer = uv_buf_init((char *)channel->channels->input, CHANNEL_INPUT_SIZE);
}

static void take_plain(struct channel *channel)
{
	unsigned char *plain = channel->channels->input + CHANNEL_INPUT_SIZE;
	struct clog_error err = {0};
	while (channel->state == STATE_OPEN) {
		ssize_t size = tls_stream_read(channel->stream, plain, PLAIN_SIZE, &err);
		if (size == 0)
			return;
		if (size < 0)
			fail(channel, (int)size,
			     tls_stream_closed(channel->stream) ? "the other side closed it" : err.text);
		else
			channel->ops->bytes(channel->arg, plain, (size_t)size);
	}
}

static void take_bytes(struct channel *channel, const void *data, size_t size)
{
	struct clog_error err = {0};
	if (channel->stream == NULL) {
		tell_open(channel);
		if (channel->state == STATE_OPEN)
			channel->ops->bytes(channel->arg, data, size);
		return;
	}
	int rc = tls_stream_receive(channel->stream, data, size, &err);
	if (rc < 0) {
		fail(channel, rc, err.text);
		return;
	}
	tell_open(channel);
	take_plain(channel);
}

static void end(struct channel *channel)
{
	uv_read_stop((uv_stream_t *)&channel->tcp);
	channel->ops->ended(channel->arg);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
	struct channel *channel = stream->data;
	if (channel->state >= STATE_FAILED)
		return;
	if (size > 0)
		take_bytes(channel, buffer->base, (size_t)size);
	else if (size == UV_EOF && channel->state == STATE_OPEN && channel->stream == NULL &&
	         channel->ops->ended != NULL)
		end(channel);
	else if (size == UV_EOF)
		fail(channel, -ECONNRESET, "the other side closed it");
	else if (size < 0)
		fail(channel, (int)size, uv_strerror((int)size));
	channel_flush(channel);
}

/* ---- Beginning ---- */

static void set_options(struct channel *channel)
{
	int fd, silence_ms = (int)channel->channels->silence_ms, unsent = CHANNEL_UNSENT_SIZE;
	if (uv_fileno((uv_handle_t *)&channel->tcp, &fd) != 0)
		return;
	/* Without these it only is slower to find out. */
	uv_tcp_nodelay(&channel->tcp, 1);
	uv_tcp_keepalive(&channel->tcp, 1, KEEPALIVE_S);
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silence_ms, sizeof silence_ms);
	setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent, sizeof unsent);
}

static int begin(struct channel *channel)
{
	set_options(channel);
	channel->state = STATE_SHAKING;
	channel_touch(channel);
	return uv_read_start((uv_stream_t *)&channel->tcp, on_alloc, on_read);
}

static void on_connected(uv_connect_t *connect, int status)
{
	struct channel *channel = connect->data;
	if (channel->state != STATE_CONNECTING)
		return;
	if (status == 0)
		status = begin(channel);
	if (status < 0) {
		fail(channel, status, uv_strerror(status));
		tell_failure(channel);
		return;
	}
	channel_flush(channel);
}

static int create(struct channel **made, struct channels *channels, int family, struct tls_context *tls,
                  enum tls_side side, const struct channel_ops *ops, void *arg)
{
	struct channel *channel = calloc(1, sizeof *channel);
	if (channel == NULL)
		return -ENOMEM;
	int rc = tls == NULL ? 0 : tls_stream_create(&channel->stream, tls, side);
	if (rc == 0)
		rc = uv_tcp_init_ex(channels->loop, &channel->tcp, (unsigned)family);
	if (rc != 0) {
		tls_stream_destroy(channel->stream);
		free(channel);
		return rc;
	}
	if (tls != NULL)
		channel->tls = tls_context_ref(tls);
	channel->channels = channels;
	channel->tcp.data = channel;
	channel->ops = ops;
	channel->arg = arg;
	channels->open_channels++;
	*made = channel;
	return 0;
}

int channel_connect(struct channel **channel, struct channels *channels, const struct sockaddr *address,
                    struct tls_context *tls, const struct channel_ops *ops, void *arg)
{
	int rc = create(channel, channels, address->sa_family, tls, TLS_CONNECT, ops, arg);
	if (rc != 0)
		return rc;
	(*channel)->connect.data = *channel;
	rc = uv_tcp_connect(&(*channel)->connect, &(*channel)->tcp, address, on_connected);
	if (rc != 0)
		channel_destroy(*channel);
	return rc;
}

int channel_accept(struct channel **channel, struct channels *channels, uv_stream_t *listener, struct tls_context *tls,
                   enum tls_side side, const struct channel_ops *ops, void *arg)
{
	int rc = create(channel, channels, AF_UNSPEC, tls, side, ops, arg);
	if (rc != 0)
		return rc;
	rc = uv_accept(listener, (uv_stream_t *)&(*channel)->tcp);
	if (rc == 0)
		rc = begin(*channel);
	if (rc != 0)
		channel_destroy(*channel);
	return rc;
}

void channel_destroy(struct channel *channel)
{
	if (channel == NULL || channel->state == STATE_DESTROYED)
		return;
	if (channel->state == STATE_OPEN && channel->stream != NULL)
		tls_stream_close(channel->stream);
	if (channel->state == STATE_OPEN && !channel->writing)
		give(channel);
	channel->state = STATE_DESTROYED;
	channel_untouch(channel);
	tls_stream_destroy(channel->stream);
	tls_context_unref(channel->tls);
	channel->stream = NULL;
	uv_close((uv_handle_t *)&channel->tcp, on_closed);
}
