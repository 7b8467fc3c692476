/* Messages from member to member over the network. Each member dials every other one, and says what it has to say on the
 * connection that it has dialled; the other side only listens there. So each connection has one sender, and what comes on
 * it comes in order. All on the loop's thread.
 *
 *   transport.c  its life, and certificates      link.c    connections that were dialled
 *   notice.c     events, no more than are useful greet.c   connections that came, and who may stay */
#ifndef CLOG_CLUSTER_TRANSPORT_H
#define CLOG_CLUSTER_TRANSPORT_H

#include "cluster/cluster.h"
#include "cluster/message.h"
#include "cluster/wire.h"

struct transport;

#define TRANSPORT_LINKS_MAX 48u        /* connections that were dialled */
#define TRANSPORT_GUESTS_MAX 256u      /* connections that came; past it the oldest that has not said who it is goes */
#define TRANSPORT_STRANGERS_MAX 16u    /* of these from one address that have not said who they are; past it refused */
#define TRANSPORT_GREET_MS 5000u       /* until which a connection has to say who it is */
#define TRANSPORT_CONNECT_MS 1000u     /* until which an address has to answer */
#define TRANSPORT_SILENCE_MS 3000u     /* without an acknowledgement of sent bytes the other side is gone */
#define TRANSPORT_BACKOFF_MIN_MS 50u   /* before a member is dialled again, a random part more or less, */
#define TRANSPORT_BACKOFF_MAX_MS 1000u /* doubled with each failure up to this */
#define TRANSPORT_IDLE_MS 60000u       /* a link that nothing was sent on for that long is closed */
#define TRANSPORT_SEED_IDLE_MS 5000u   /* the same of one to an address that was asked to join at */
#define TRANSPORT_EARLY_SIZE_MAX (64u << 10)   /* bytes that wait until a link is open */
#define TRANSPORT_BACKLOG_SIZE_MAX (64u << 20) /* bytes that wait on an open one; past it messages are dropped */
#define TRANSPORT_WATCH_MS 2000u               /* how often it is looked whether the certificates' files have changed */

/* What it asks of the member. */
struct transport_ops {
	/* Fills in who this member is: cluster, cluster_name, member, name. */
	void (*self)(void *arg, struct wire_hello *hello);
	/* Who is in the cluster, as service_members. */
	size_t (*members)(void *arg, struct service_member *members, size_t capacity);
	/* A message has come from a member that may send it. Borrowed for the call. */
	void (*receive)(void *arg, const struct message *message);
	/* The way to a member, which was busy or not there, is free. */
	void (*writable)(void *arg, uint64_t member);
};

struct transport_options {
	const char *listen;      /* HOST:PORT; port 0: any that is free */
	const char *address;     /* HOST:PORT where others reach this member; NULL: where it listens */
	const char *rpc_address; /* HOST:PORT where it serves gRPC; NULL: it does not */
	/* The folder of the certificates, and what was loaded from it; NULL: none, and then both sides must be on this
	 * machine. */
	const char *tls_folder;
	struct tls_context *tls;
	const char *servers; /* of names, for tests; NULL: the system's */
};

/* Listens. -EADDRINUSE and the like, -EINVAL for an address that is none, -EACCES without certificates where others
 * could reach it; each with a sentence. Blocks: names are looked up. Copies what it needs of the options. */
int transport_create(struct transport **transport, struct uv_loop_s *loop, const struct transport_options *options,
                     const struct transport_ops *ops, void *arg, struct clog_error *err);
/* Begins to take connections: from here on ops are called. */
int transport_start(struct transport *transport, struct clog_error *err);
/* Closes all; the memory is freed once the loop has run the close callbacks. NULL is allowed. */
void transport_destroy(struct transport *transport);

/* The address where others reach this member: as it was given, else where it listens. Borrowed. */
const char *transport_address(const struct transport *transport);

/* The certificates that are used now; NULL: none. Borrowed until the loop goes on. */
struct tls_context *transport_tls(const struct transport *transport);
/* Where a member serves gRPC, as it says when it connects; empty where it does not, or is not here. Borrowed until the loop
 * goes on. */
const char *transport_rpc_address(const struct transport *transport, uint64_t member);

/* As in struct cluster_host. An address may also be dns:NAME:PORT. */
void transport_send(struct transport *transport, uint64_t member, const char *address, const struct message *message);
enum cluster_way transport_way(struct transport *transport, uint64_t member, const char *address);

/* Takes the certificates from their files anew, for connections to come; the ones there are stay. What is wrong with
 * them is told by an event, and the old ones are kept. */
void transport_reload(struct transport *transport);

#endif
