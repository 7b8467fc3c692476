/* channel: TCP connections on a libuv loop, under TLS, or, within one machine, plain. They carry bytes; what these mean is
 * the owner's. What is written is gathered until the loop waits for input again, and goes out then.
 *
 * Everything happens on the loop's thread. */
#ifndef CLOG_CHANNEL_CHANNEL_H
#define CLOG_CHANNEL_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct clog_error;
struct tls_context;
struct tls_identity;
struct uv_loop_s;
struct uv_stream_s;
struct channel;
struct channels;

#define CHANNEL_INPUT_SIZE (256u << 10)  /* bytes that are read at once */
#define CHANNEL_CHUNK_SIZE (64u << 10)   /* bytes that wait in the kernel's way at once */
#define CHANNEL_BUSY_SIZE (256u << 10)   /* with that many bytes waiting it is busy */
#define CHANNEL_UNSENT_SIZE (128u << 10) /* bytes that the kernel keeps and has not sent */

/* What channels of a loop share. Without an acknowledgement of sent bytes for silence_ms, or room for more on the other
 * side, that side is gone. */
int channels_create(struct channels **channels, struct uv_loop_s *loop, unsigned silence_ms, struct clog_error *err);
/* When all channels are destroyed; frees it, and calls closed(arg) then. */
void channels_destroy(struct channels *channels, void (*closed)(void *arg), void *arg);

/* What happens to a channel. Called from the loop, never inside of a call of the channel's owner. */
struct channel_ops {
	/* It carries bytes: it is connected and, under TLS, the other side's certificate is accepted. */
	void (*opened)(void *arg);
	/* Bytes have come, borrowed for the call. */
	void (*bytes)(void *arg, const void *data, size_t size);
	/* channel_soon was called, and the loop is about to wait: what is written now goes out at once. NULL: it never is. */
	void (*soon)(void *arg);
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
int channel_accept(struct channel **channel, struct channels *channels, struct uv_stream_s *listener,
                   struct tls_context *tls, const struct channel_ops *ops, void *arg);
/* Ends it: what was written is given to the kernel as far as that takes it, and nothing is called any more. NULL is
 * allowed. May be called in any callback. */
void channel_destroy(struct channel *channel);

/* Queues bytes, which are copied. Only when opened. What is bad about it is told by closed. */
void channel_write(struct channel *channel, const void *data, size_t size);
/* Has soon called once, before the loop waits. Only when opened. */
void channel_soon(struct channel *channel);
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
/* Its socket, to ask the kernel about; -1 when there is none. */
int channel_socket(const struct channel *channel);

/* ---- Addresses ---- */

/* An address as text, and whether it is this machine's own, 127.0.0.0/8 or ::1. */
void channel_address_text(const struct sockaddr *address, char text[CHANNEL_ADDRESS_SIZE]);
bool channel_is_loopback(const struct sockaddr *address);

/* Bytes of a host's name or address, and of a port as text, each with its NUL. */
#define CHANNEL_HOST_SIZE 256
#define CHANNEL_PORT_SIZE 6

/* Splits HOST:PORT and [IPV6]:PORT; host is without brackets. The port is a number up to 65535; 0 is let through, for
 * those who listen. What is written like an address is one; anything else is a name of letters, digits, '-' and '_' in
 * labels of 1 to 63 bytes with dots between (and at the end), 253 bytes in all. -EINVAL with a sentence that has the
 * address and what is wrong with it; host and port are then undefined. */
int channel_split(const char *address, char host[CHANNEL_HOST_SIZE], char port[CHANNEL_PORT_SIZE],
                  struct clog_error *err);
/* Looks HOST:PORT up, to listen there; of several addresses the first. -EINVAL with a sentence. Blocks. */
int channel_look_up(const char *listen, struct sockaddr_storage *address, struct clog_error *err);

#endif
