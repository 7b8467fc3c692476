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

#include "tls/tls.h"

struct clog_error;
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
	/* It carries bytes: it is connected and, under TLS, the other side is let in. */
	void (*opened)(void *arg);
	/* Bytes have come, borrowed for the call. */
	void (*bytes)(void *arg, const void *data, size_t size);
	/* channel_soon was called, and the loop is about to wait: what is written now goes out at once. NULL: it never is. */
	void (*soon)(void *arg);
	/* It was busy and is no more. */
	void (*drained)(void *arg);
	/* The other side of a plain one sends no more, and may still listen. NULL: that is the end of it. */
	void (*ended)(void *arg);
	/* It is over, and carries nothing any more; it is still to be destroyed. The sentence says why, and is borrowed; status
	 * is -ECONNRESET or the like where the other side or the way ended it, -EPROTO or -EACCES where its TLS did. */
	void (*closed)(void *arg, int status, const char *sentence);
};

/* Connects to an address, tls NULL: plain. Takes a reference to the context. */
int channel_connect(struct channel **channel, struct channels *channels, const struct sockaddr *address,
                    struct tls_context *tls, const struct channel_ops *ops, void *arg);
/* Accepts a connection from a listener that has one. The same; side, TLS_ACCEPT or another that accepts, is what counts under
 * TLS. */
int channel_accept(struct channel **channel, struct channels *channels, struct uv_stream_s *listener,
                   struct tls_context *tls, enum tls_side side, const struct channel_ops *ops, void *arg);
/* Ends it: what was written is given to the kernel as far as that takes it, and nothing is called any more. NULL is
 * allowed. May be called in any callback. */
void channel_destroy(struct channel *channel);

/* Queues bytes, which are copied. Only when opened. What is bad about it is told by closed. */
void channel_write(struct channel *channel, const void *data, size_t size);
/* Nothing more is written: the other side is told so when all has gone. What it sends is taken as before. Only when opened. */
void channel_shut(struct channel *channel);
/* Has soon called once, before the loop waits. Only when opened. */
void channel_soon(struct channel *channel);
/* Bytes that are written and not given to the kernel yet. */
size_t channel_backlog(const struct channel *channel);
/* Whether so much waits that no more ought to be written: when that has changed, drained is called. */
bool channel_busy(struct channel *channel);
/* Has drained called when little waits, also if it was not busy. */
void channel_tell_drained(struct channel *channel);
/* Who is on the other side, by its certificate; NULL where it has shown none, or the channel is plain. Valid while opened. */
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

/* ---- Names ----
 *
 * Looked up without blocking, by c-ares. Callbacks come from the loop, one at a time, and may call anything here,
 * resolver_destroy included. /etc/hosts, /etc/resolv.conf and /etc/nsswitch.conf are read anew for each lookup, so that
 * a process that lives for months follows the network it is in; search domains count. */

struct resolver;

/* Of one lookup; what is found past that is left out. */
#define RESOLVE_ADDRESSES_MAX 16u
/* Records of one SRV answer that are looked at, and how many of the hosts they name are resolved. */
#define RESOLVE_RECORDS_MAX 64u
#define RESOLVE_TARGETS_MAX 16u
/* Lookups under way in one resolver. */
#define RESOLVE_LOOKUPS_MAX 64u
/* A lookup is over by then, answered or not. */
#define RESOLVE_TIMEOUT_MS 5000u

/* Each a sockaddr_in or sockaddr_in6 with its port, the best first: no address is there twice. */
struct resolved {
	struct sockaddr_storage addresses[RESOLVE_ADDRESSES_MAX];
	size_t count;
};

/* The end of a lookup. status 0: resolved has at least one address, and the sentence is empty. Else resolved is NULL
 * and the sentence says of which name what is wrong:
 *   -ENOENT     there is no such name, or it has no address
 *   -ETIMEDOUT  no server answered in time
 *   -EAGAIN     the servers failed, refused or cannot be reached
 *   -EBADMSG    the answer cannot be read
 *   -EINVAL     the name is none that can be asked for
 *   -ENOMEM
 * Both pointers are borrowed for the call. */
typedef void (*resolve_cb)(void *arg, int status, const struct resolved *resolved, const char *sentence);

/* servers NULL asks the system's DNS servers; else it names others, "127.0.0.1:5353" or several with commas between
 * (-EINVAL when it does not). The caller frees by resolver_destroy. */
int resolver_create(struct resolver **resolver, struct uv_loop_s *loop, const char *servers, struct clog_error *err);

/* Lookups that start from now on take at most timeout_ms (not 0), RESOLVE_TIMEOUT_MS if this is never called; a server is
 * given a fifth of it before the next is asked. */
void resolver_timeout(struct resolver *resolver, unsigned timeout_ms);

/* Pending callbacks are not called any more. The resolver is freed at once, its lookups when the loop has run their
 * handles' close callbacks: the loop has to go round once more. NULL is legal. */
void resolver_destroy(struct resolver *resolver);

/* The addresses of "HOST:PORT", IPv6 and IPv4 in the order of RFC 6724: those that this machine can reach first. Of
 * "1.2.3.4:PORT" and "[::1]:PORT" the address itself, and nobody is asked.
 *
 * 0: cb is called once, later, from the loop. Else it never is: -EINVAL (channel_split has the sentence), -EAGAIN when
 * RESOLVE_LOOKUPS_MAX are under way, -ENOMEM, -EMFILE and the like. */
int resolve_address(struct resolver *resolver, const char *address, resolve_cb cb, void *arg);

/* The members behind "NAME:PORT", which is what `dns:NAME:PORT` means, with the same results as resolve_address.
 *
 * If NAME has SRV records, the addresses of the hosts in them with the ports in them, by priority and, drawn by lot, by
 * weight (RFC 2782). Else the addresses of NAME with PORT; but a NAME that begins with '_' is never anything else than
 * that of a service. Where a NAME without '_' has SRV records, and some of them have PORT, the others are left out: a
 * headless Service of Kubernetes has under its plain name the records of all its ports. */
int resolve_service(struct resolver *resolver, const char *name_and_port, resolve_cb cb, void *arg);

/* No callback with that arg will be called any more. */
void resolve_cancel(struct resolver *resolver, void *arg);

#endif
