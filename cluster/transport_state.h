/* What the files of the transport share. */
#ifndef CLOG_CLUSTER_TRANSPORT_STATE_H
#define CLOG_CLUSTER_TRANSPORT_STATE_H

#include "channel/channel.h"
#include "cluster/transport.h"
#include "error/error.h"
#include "tls/tls.h"

#include <uv.h>

#define NOTICES_MAX 64u        /* sentences that are remembered */
#define NOTICE_AGAIN_MS 60000u /* after which one is told again */
#define TICK_MS 50u            /* how often times are looked at */
#define LOOK_MS 500u           /* how often it is looked whom to dial */
#define LISTEN_BACKLOG 128

/* A connection that was dialled, or is to be. */
struct link {
	struct link *next;
	struct transport *transport;
	uint64_t member; /* 0: whoever is at the address */
	char address[SERVICE_ADDRESS_SIZE];
	enum { LINK_WAITING, LINK_RESOLVING, LINK_CONNECTING, LINK_GREETING, LINK_OPEN } state;
	uint64_t at_ms;   /* WAITING: when to dial; CONNECTING, GREETING: when that has taken too long */
	uint64_t used_ms; /* when somebody last wanted it */
	uint32_t backoff_ms;
	struct resolved resolved; /* and the next of these to try */
	size_t turn;
	struct channel *channel;
	struct wire_reader reader; /* of the welcome */
	unsigned char *early;      /* units that wait until it is open */
	size_t early_size;
};

/* A connection that came. */
struct guest {
	struct guest *next; /* older */
	struct transport *transport;
	struct channel *channel;
	struct wire_reader reader;
	uint64_t since_ms;
	uint64_t member; /* 0: it has not said who it is */
	bool seeking;    /* it wanted whoever is here: besides this one there may be one that wanted this member */
	bool leaving;    /* it is told why not, and goes */
	char name[SERVICE_NAME_SIZE];
	char address[SERVICE_ADDRESS_SIZE];     /* where it listens */
	char rpc_address[SERVICE_ADDRESS_SIZE]; /* where it serves gRPC */
	char from[CHANNEL_ADDRESS_SIZE];
};

struct notice {
	uint64_t hash, at_ms, count;
};

struct transport {
	uv_loop_t *loop;
	const struct transport_ops *ops;
	void *arg;
	struct channels *channels;
	struct resolver *resolver;
	struct tls_context *tls; /* NULL: none */
	char *tls_folder;
	uint64_t tls_stamp;         /* of the files that were last looked at */
	uint64_t watch_ms, look_ms; /* when these are due */
	bool reloading;
	uv_work_t reload;
	struct tls_context *reloaded;
	struct clog_error reload_error;
	int reload_status;
	char address[SERVICE_ADDRESS_SIZE];
	char rpc_address[SERVICE_ADDRESS_SIZE]; /* that others are told */
	uv_tcp_t listener;
	bool accept_again; /* there was no memory for one that came */
	uv_timer_t timer;
	struct link *links;
	size_t link_count;
	struct guest *guests;
	size_t guest_count;
	struct notice notices[NOTICES_MAX];
	unsigned open_handles; /* whose close callback has not run */
	bool destroyed;
};

uint64_t transport_now(const struct transport *transport);
void transport_self(struct transport *transport, struct wire_hello *hello);
/* Whether who is on the other side is a member of this cluster by its certificate, under this name; the sentence says why
 * not. Where there is no TLS, the other side is on this machine, and what it says is believed. */
bool transport_trusts(const struct transport *transport, const struct channel *channel, const char *name,
                      char sentence[WIRE_REFUSAL_SIZE]);
/* Whether the configuration has the id under another name, which the sentence says. */
bool transport_knows_other(const struct transport *transport, uint64_t member, const char *name,
                           char sentence[WIRE_REFUSAL_SIZE]);

/* ---- notice.c ---- */

/* Whether to tell of it now: the same from the same place is told once a minute. *count gets how often it happened since
 * it was last told, this time included. */
bool notice_due(struct transport *transport, const char *place, const char *what, uint64_t *count);

/* ---- link.c ---- */

struct link *link_find(struct transport *transport, uint64_t member, const char *address);
void link_send(struct link *link, const struct message *message);
/* Looks at the times of all. */
void links_tick(struct transport *transport, uint64_t now_ms);
void links_close(struct transport *transport);

/* ---- greet.c ---- */

void guests_accept(uv_stream_t *listener, int status);
/* Where a member that is here now says that it listens; NULL if there is none. */
const char *guest_address(const struct transport *transport, uint64_t member);
void guests_tick(struct transport *transport, uint64_t now_ms);
void guests_close(struct transport *transport);

#endif
