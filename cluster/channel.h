/* A connection between two members: TCP on a libuv loop, under TLS, or, within one machine, plain. It carries bytes; what
 * they mean is the owner's. What is written is gathered until the loop waits for input again, and goes out then. */
#ifndef CLOG_CLUSTER_CHANNEL_H
#define CLOG_CLUSTER_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

struct clog_error;
struct tls_context;
struct tls_identity;
struct channel;

#define CHANNEL_INPUT_SIZE (256u << 10)  /* bytes that are read at once */
#define CHANNEL_CHUNK_SIZE (64u << 10)   /* bytes that wait in the kernel's way at once */
#define CHANNEL_BUSY_SIZE (256u << 10)   /* with that many bytes waiting it is busy */
#define CHANNEL_UNSENT_SIZE (128u << 10) /* bytes that the kernel keeps and has not sent */
#define CHANNEL_SILENCE_MS 3000u /* without an acknowledgement of sent bytes for that long the other side is gone */

/* What channels of a loop share. In its owner's memory. */
struct channels {
	uv_loop_t *loop;
	uv_prepare_t prepare;  /* runs before the loop waits: what was written goes out */
	struct channel *first; /* all that are open */
	unsigned char *input;
	void (*closed)(void *arg); /* once it is finished */
	void *arg;
	bool finished, prepare_closed;
};

int channels_init(struct channels *channels, uv_loop_t *loop, struct clog_error *err);
/* When all channels are destroyed; closed(arg) once their memory, and this, is not used any more. */
void channels_finish(struct channels *channels, void (*closed)(void *arg), void *arg);

/* What happens to a channel. Called from the loop, never inside of a call of the channel's owner. */
struct channel_ops {
	/* It carries bytes: it is connected and, under TLS, the other side's certificate is accepted. */
	void (*opened)(void *arg);
	/* Bytes have come, borrowed for the call. */
	void (*bytes)(void *arg, const void *data, size_t size);
	/* It was busy and is no more. */
	void (*drained)(void *arg);
	/* It is over, and carries nothing any more; it is still to be destroyed. The sentence says why, and is borrowed; status
	 * is -ECONNRESET or the like where the other side or the way ended it, -EPROTO or -EACCES where its TLS did. */
	void (*closed)(void *arg, int status, const char *sentence);
};

/* Connects to an address, tls NULL: plain. Takes a reference to the context. */
int channel_connect(struct channel **channel, struct channels *channels, const struct sockaddr *address,
                    struct tls_context *tls, const struct channel_ops *ops, void *arg);
/* Accepts a connection from a listener that has one. The same. */
int channel_accept(struct channel **channel, struct channels *channels, uv_stream_t *listener, struct tls_context *tls,
                   const struct channel_ops *ops, void *arg);
/* Ends it: what was written is given to the kernel as far as that takes it, and nothing is called any more. NULL is
 * allowed. May be called in any callback. */
void channel_destroy(struct channel *channel);

/* Queues bytes, which are copied. Only when opened. What is bad about it is told by closed. */
void channel_write(struct channel *channel, const void *data, size_t size);
/* Bytes that are written and not given to the kernel yet. */
size_t channel_backlog(const struct channel *channel);
/* Whether so much waits that no more ought to be written: when that has changed, drained is called. */
bool channel_busy(struct channel *channel);
/* Has drained called when little waits, also if it was not busy. */
void channel_tell_drained(struct channel *channel);
/* Who is on the other side, by its certificate; NULL where the channel is plain. Valid while opened. */
const struct tls_identity *channel_identity(const struct channel *channel);
/* The other side's address as text, "1.2.3.4:567", "[::1]:567". */
#define CHANNEL_ADDRESS_SIZE 64u
void channel_address(const struct channel *channel, char text[CHANNEL_ADDRESS_SIZE]);
/* An address as text, and whether it is this machine's own, 127.0.0.0/8 or ::1. */
void channel_address_text(const struct sockaddr *address, char text[CHANNEL_ADDRESS_SIZE]);
bool channel_is_loopback(const struct sockaddr *address);

#endif
