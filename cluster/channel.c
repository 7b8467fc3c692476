#include "cluster/channel.h"

#include "error/error.h"
#include "tls/tls.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLAIN_SIZE (64u << 10) /* bytes that are decrypted at once */
#define KEEPALIVE_S 15u        /* of silence, after which the other side is asked for */

enum state {
	STATE_CONNECTING,
	STATE_SHAKING, /* TLS's handshake; a plain one that was accepted waits here to be told so */
	STATE_OPEN,
	STATE_FAILED, /* closed is to be called */
	STATE_OVER,   /* and was */
	STATE_DESTROYED,
};

struct channel {
	struct channels *channels;
	struct channel *next, *previous;
	uv_tcp_t tcp;
	uv_connect_t connect;
	uv_write_t write;
	struct tls_context *tls;
	struct tls_stream *stream; /* NULL: plain */
	const struct channel_ops *ops;
	void *arg;
	enum state state;
	int status; /* of FAILED */
	char sentence[CLOG_ERROR_TEXT_SIZE];
	/* Plain bytes that wait: those from begin to end. Under TLS they wait in the stream. */
	unsigned char *waiting;
	size_t begin, end, capacity;
	/* What the kernel had no room for, at uv_write. */
	unsigned char *chunk;
	size_t chunk_size;
	bool writing;
	bool busy; /* and the owner was told */
};

static void flush(struct channel *channel);

/* ---- What channels share ---- */

static void on_prepare(uv_prepare_t *prepare)
{
	struct channels *channels = prepare->data;
	/* A channel that is destroyed meanwhile stays in the list until the loop closes it. */
	for (struct channel *channel = channels->first; channel != NULL; channel = channel->next)
		flush(channel);
}

int channels_init(struct channels *channels, uv_loop_t *loop, struct clog_error *err)
{
	*channels = (struct channels){.loop = loop};
	channels->input = malloc(CHANNEL_INPUT_SIZE + PLAIN_SIZE);
	if (channels->input == NULL)
		return clog_error_set(err, -ENOMEM, "no memory");
	uv_prepare_init(loop, &channels->prepare);
	channels->prepare.data = channels;
	uv_prepare_start(&channels->prepare, on_prepare);
	uv_unref((uv_handle_t *)&channels->prepare);
	return 0;
}

static void end(struct channels *channels)
{
	if (!channels->finished || !channels->prepare_closed || channels->first != NULL)
		return;
	free(channels->input);
	channels->input = NULL;
	channels->closed(channels->arg);
}

static void on_prepare_closed(uv_handle_t *handle)
{
	struct channels *channels = handle->data;
	channels->prepare_closed = true;
	end(channels);
}

void channels_finish(struct channels *channels, void (*closed)(void *arg), void *arg)
{
	channels->finished = true;
	channels->closed = closed;
	channels->arg = arg;
	uv_close((uv_handle_t *)&channels->prepare, on_prepare_closed);
}

/* ---- Addresses ---- */

void channel_address_text(const struct sockaddr *address, char text[CHANNEL_ADDRESS_SIZE])
{
	char host[INET6_ADDRSTRLEN] = "?";
	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)address;
		inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
		snprintf(text, CHANNEL_ADDRESS_SIZE, "%s:%u", host, ntohs(in->sin_port));
	} else if (address->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)address;
		inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof host);
		snprintf(text, CHANNEL_ADDRESS_SIZE, "[%s]:%u", host, ntohs(in->sin6_port));
	} else {
		snprintf(text, CHANNEL_ADDRESS_SIZE, "?");
	}
}

bool channel_is_loopback(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	if (address->sa_family != AF_INET6)
		return false;
	const struct in6_addr *in = &((const struct sockaddr_in6 *)address)->sin6_addr;
	return IN6_IS_ADDR_LOOPBACK(in) || (IN6_IS_ADDR_V4MAPPED(in) && in->s6_addr[12] == IN_LOOPBACKNET);
}

void channel_address(const struct channel *channel, char text[CHANNEL_ADDRESS_SIZE])
{
	struct sockaddr_storage address = {0};
	int size = sizeof address;
	if (uv_tcp_getpeername(&channel->tcp, (struct sockaddr *)&address, &size) != 0)
		address.ss_family = AF_UNSPEC;
	channel_address_text((struct sockaddr *)&address, text);
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
	if (channel->previous != NULL)
		channel->previous->next = channel->next;
	else
		channel->channels->first = channel->next;
	if (channel->next != NULL)
		channel->next->previous = channel->previous;
	struct channels *channels = channel->channels;
	free(channel->waiting);
	free(channel->chunk);
	free(channel);
	end(channels);
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
	if (channel->begin == channel->end)
		channel->begin = channel->end = 0;
}

static void on_written(uv_write_t *write, int status)
{
	struct channel *channel = write->data;
	channel->writing = false;
	channel->chunk_size = 0;
	if (channel->state == STATE_DESTROYED)
		return;
	if (status < 0)
		fail(channel, status, uv_strerror(status));
	flush(channel);
}

/* Gives the kernel a piece that it takes when it can. */
static int write_chunk(struct channel *channel)
{
	const void *data;
	size_t size = pending(channel, &data);
	if (channel->chunk == NULL)
		channel->chunk = malloc(CHANNEL_CHUNK_SIZE);
	if (channel->chunk == NULL)
		return -ENOMEM;
	channel->chunk_size = size < CHANNEL_CHUNK_SIZE ? size : CHANNEL_CHUNK_SIZE;
	memcpy(channel->chunk, data, channel->chunk_size);
	sent(channel, channel->chunk_size);
	uv_buf_t buffer = uv_buf_init((char *)channel->chunk, (unsigned)channel->chunk_size);
	channel->write.data = channel;
	int rc = uv_write(&channel->write, (uv_stream_t *)&channel->tcp, &buffer, 1, on_written);
	channel->writing = rc == 0;
	return rc;
}

static int give(struct channel *channel)
{
	while (!channel->writing) {
		const void *data;
		size_t size = pending(channel, &data);
		if (size == 0)
			return 0;
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

static void flush(struct channel *channel)
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
	if (channel->state != STATE_OPEN || size == 0)
		return;
	int rc = channel->stream != NULL ? tls_stream_write(channel->stream, data, size, &err)
	                                 : keep(channel, data, size);
	if (rc < 0)
		fail(channel, rc, rc == -ENOMEM ? "no memory" : err.text);
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

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
	struct channel *channel = stream->data;
	if (channel->state >= STATE_FAILED)
		return;
	if (size > 0)
		take_bytes(channel, buffer->base, (size_t)size);
	else if (size == UV_EOF)
		fail(channel, -ECONNRESET, "the other side closed it");
	else if (size < 0)
		fail(channel, (int)size, uv_strerror((int)size));
	flush(channel);
}

/* ---- Beginning ---- */

static void set_options(struct channel *channel)
{
	int fd, silence_ms = CHANNEL_SILENCE_MS, unsent = CHANNEL_UNSENT_SIZE;
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
	flush(channel);
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
	channel->next = channels->first;
	if (channel->next != NULL)
		channel->next->previous = channel;
	channels->first = channel;
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
                   const struct channel_ops *ops, void *arg)
{
	int rc = create(channel, channels, AF_UNSPEC, tls, TLS_ACCEPT, ops, arg);
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
	tls_stream_destroy(channel->stream);
	tls_context_unref(channel->tls);
	channel->stream = NULL;
	uv_close((uv_handle_t *)&channel->tcp, on_closed);
}
