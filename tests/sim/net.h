/* net: the links between the members' machines, one for each direction. */
#ifndef CLOG_TESTS_SIM_NET_H
#define CLOG_TESTS_SIM_NET_H

#include "cluster/cluster.h"
#include "cluster/message.h"

struct node;
struct sim;

#define NET_NODES_MAX 12
#define NET_WINDOW_SIZE (256u << 10) /* bytes on their way to a member: with more it is not writable */
/* What can be on its way at most: the window was not full before the last large message, which may be there twice. The
 * clients of a simulation append no frames that are larger than a piece. */
#define NET_BYTES_MAX (2 * (NET_WINDOW_SIZE + CLUSTER_PIECE_SIZE))
#define NET_COUNT_MAX 6000u

struct net_link {
	bool cut;
	uint64_t slow_us;      /* added to each message's way */
	uint64_t last_us;      /* when the last one arrives: they stay in order */
	uint64_t bytes, count; /* on their way */
	bool full;             /* the sender was told so, and waits */
	uint64_t full_to;      /* the member that it asked about */
};

struct net_letter;

struct net {
	struct net_link links[NET_NODES_MAX][NET_NODES_MAX]; /* from, to */
	uint64_t latency_us;
	uint64_t bytes_per_ms;
	unsigned loss, duplicate, disorder; /* of 1000 messages */
	uint64_t messages, bytes;
	uint64_t bytes_most, count_most; /* at once on one link */
	struct net_letter *letters;      /* on their way */
};

void net_init(struct sim *sim);
void net_finish(struct sim *sim);
/* Sends a copy to the member with the id, or, if that is 0, to whoever is at the address. */
void net_send(struct node *from, uint64_t member, const char *address, const struct message *message);
bool net_writable(struct node *from, uint64_t member);
/* Nothing is cut or slow, and nothing is lost any more. */
void net_heal(struct sim *sim);

#endif
