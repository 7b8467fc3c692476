/* What the files of the channel room share. */
#ifndef CLOG_CHANNEL_PRIVATE_H
#define CLOG_CHANNEL_PRIVATE_H

#include "channel/channel.h"
#include "error/error.h"

#include <uv.h>

#define PLAIN_SIZE (64u << 10) /* bytes that are decrypted at once */

enum state {
	STATE_CONNECTING,
	STATE_SHAKING, /* TLS's handshake; a plain one that was accepted waits here to be told so */
	STATE_OPEN,
	STATE_FAILED, /* closed is to be called */
	STATE_OVER,   /* and was */
	STATE_DESTROYED,
};

/* All that is touched is flushed before the loop waits. What is touched while that is done, is in the next round, for
 * which the loop does not wait. */
struct channels {
	uv_loop_t *loop;
	uv_prepare_t prepare;
	uv_idle_t idle;
	unsigned open_handles, open_channels;
	struct channel *touched;
	unsigned silence_ms;
	unsigned char *input;
	void (*closed)(void *arg); /* not NULL: destroyed */
	void *arg;
};

struct channel {
	struct channels *channels;
	struct channel *next, **place; /* in channels->touched; place NULL: it is not */
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
	bool soon;
	bool shut; /* nothing more is written; */
	bool told; /* and the other side knows */
};

/* The channel has something to be flushed; and has no more. */
void channel_touch(struct channel *channel);
void channel_untouch(struct channel *channel);
/* Gives the kernel what waits, and tells the owner what has come of it. */
void channel_flush(struct channel *channel);
/* Frees what channels share, if it is destroyed and nothing is left. */
void channels_end(struct channels *channels);

#endif
