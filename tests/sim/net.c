#include "tests/sim/net.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

/* A message on its way. */
struct net_letter {
	struct net_letter *next, **link; /* of all that are on their way */
	struct sim *sim;
	unsigned from, to;
	uint64_t member; /* 0: whoever is there */
	struct message message;
	unsigned char data[];
};

void net_init(struct sim *sim)
{
	struct net *net = &sim->net;
	memset(net, 0, sizeof *net);
	net->latency_us = world_between(&sim->world, 50, world_chance(&sim->world, 200) ? 30000 : 2000);
	net->bytes_per_ms = world_between(&sim->world, 2000, 200000);
}

static void drop(struct net_letter *letter)
{
	*letter->link = letter->next;
	if (letter->next != NULL)
		letter->next->link = letter->link;
	free(letter);
}

void net_finish(struct sim *sim)
{
	while (sim->net.letters != NULL)
		drop(sim->net.letters);
}

void net_heal(struct sim *sim)
{
	struct net *net = &sim->net;
	net->loss = net->duplicate = net->disorder = 0;
	for (unsigned from = 0; from < NET_NODES_MAX; from++) {
		for (unsigned to = 0; to < NET_NODES_MAX; to++) {
			net->links[from][to].cut = false;
			net->links[from][to].slow_us = 0;
		}
	}
}

static struct node *find(struct sim *sim, uint64_t member, const char *address)
{
	for (unsigned i = 0; i < sim->node_count; i++) {
		struct node *node = &sim->nodes[i];
		if (member != 0 ? node->id == member : address != NULL && strcmp(node->address, address) == 0)
			return node;
	}
	return NULL;
}

static void tell_writable(void *arg, uint64_t token)
{
	struct node *node = arg;
	struct sim *sim = node->sim;
	struct net_link *link = &sim->net.links[node->index][token];
	if (!link->full || link->bytes > NET_WINDOW_SIZE / 2)
		return;
	link->full = false;
	host_writable(node, link->full_to);
}

static void leave(struct sim *sim, struct net_letter *letter)
{
	struct net_link *link = &sim->net.links[letter->from][letter->to];
	link->count--;
	link->bytes -= letter->message.size;
	if (link->full && link->bytes <= NET_WINDOW_SIZE / 2)
		world_after(&sim->world, 0, tell_writable, &sim->nodes[letter->from], letter->to);
	drop(letter);
}

static void arrive(void *arg, uint64_t token)
{
	struct net_letter *letter = arg;
	struct sim *sim = letter->sim;
	struct node *to = &sim->nodes[letter->to];
	if (to->paused_until_us > sim->world.now_us) {
		world_after(&sim->world, to->paused_until_us - sim->world.now_us, arrive, letter, token);
		return;
	}
	world_mix(&sim->world, letter->message.type + letter->message.size);
	/* A machine that was wiped has another member now, whom this was not sent to. */
	bool there = node_up(to) && (letter->member == 0 || letter->member == to->id);
	if (there && !sim->net.links[letter->from][letter->to].cut)
		host_receive(to, &letter->message);
	leave(sim, letter);
}

static void post(struct sim *sim, struct net_letter *letter)
{
	struct net *net = &sim->net;
	struct world *world = &sim->world;
	struct net_link *link = &net->links[letter->from][letter->to];
	uint64_t way_us = net->latency_us + letter->message.size * 1000 / net->bytes_per_ms +
	                  world_between(world, 0, net->latency_us);
	uint64_t at_us = world->now_us + way_us + link->slow_us;
	if (world_chance(world, net->disorder)) {
		sim_count(sim, FAULT_DISORDER);
		at_us += world_between(world, 0, (world_chance(world, 250) ? 3000 : 100) * WORLD_MS);
	} else {
		at_us = at_us > link->last_us ? at_us : link->last_us;
		link->last_us = at_us;
	}
	link->count++;
	link->bytes += letter->message.size;
	net->messages++;
	net->bytes += letter->message.size;
	net->bytes_most = link->bytes > net->bytes_most ? link->bytes : net->bytes_most;
	net->count_most = link->count > net->count_most ? link->count : net->count_most;
	if (link->bytes > NET_BYTES_MAX || link->count > NET_COUNT_MAX)
		world_break(world, "%" PRIu64 " messages with %" PRIu64 " bytes are on their way from %s to %s",
		            link->count, link->bytes, sim->nodes[letter->from].name, sim->nodes[letter->to].name);
	world_after(world, at_us - world->now_us, arrive, letter, 0);
}

static struct net_letter *write_letter(struct node *from, struct node *to, uint64_t member,
                                       const struct message *message)
{
	struct net_letter *letter = world_allocate(NULL, sizeof *letter + message->size);
	*letter = (struct net_letter){
		.sim = from->sim, .from = from->index, .to = to->index, .member = member, .message = *message};
	letter->link = &from->sim->net.letters;
	letter->next = from->sim->net.letters;
	if (letter->next != NULL)
		letter->next->link = &letter->next;
	from->sim->net.letters = letter;
	letter->message.data = letter->data;
	if (message->size > 0)
		memcpy(letter->data, message->data, message->size);
	return letter;
}

void net_send(struct node *from, uint64_t member, const char *address, const struct message *message)
{
	struct sim *sim = from->sim;
	struct net *net = &sim->net;
	struct node *to = find(sim, member, address);
	if (message->size > MESSAGE_SIZE_MAX)
		world_break(&sim->world, "%s sends a message of %zu bytes", from->name, message->size);
	if (to == NULL || to == from)
		return;
	if (net->links[from->index][to->index].cut)
		return;
	if (world_chance(&sim->world, net->loss)) {
		sim_count(sim, FAULT_LOSS);
		return;
	}
	post(sim, write_letter(from, to, member, message));
	if (world_chance(&sim->world, net->duplicate)) {
		sim_count(sim, FAULT_DUPLICATE);
		post(sim, write_letter(from, to, member, message));
	}
}

bool net_writable(struct node *from, uint64_t member)
{
	struct node *to = find(from->sim, member, NULL);
	if (to == NULL)
		return true;
	struct net_link *link = &from->sim->net.links[from->index][to->index];
	if (link->bytes < NET_WINDOW_SIZE)
		return true;
	link->full = true;
	link->full_to = member;
	return false;
}
