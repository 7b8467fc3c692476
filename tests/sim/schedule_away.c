/* A minority that stays away: the others must do without it. */
#include "tests/sim/look.h"
#include "tests/sim/schedule.h"
#include "tests/sim/sim.h"

#define DEAF_US (100 * WORLD_MS)
#define AMBUSH_US (6 * WORLD_SECOND) /* so long is waited for a candidate */
#define AMBUSH_LOOK_US 100u          /* between two looks for one */

static unsigned voters_of(const struct sim *sim)
{
	unsigned voters = 0;
	for (unsigned i = 0; i < sim->node_count; i++)
		voters += check_votes(&sim->nodes[i]);
	return voters;
}

static bool any_away(const struct sim *sim)
{
	for (unsigned i = 0; i < sim->node_count; i++)
		if (sim->nodes[i].away)
			return true;
	return false;
}

static void send_away(struct node *node)
{
	sim_count(node->sim, FAULT_AWAY);
	world_trace(&node->sim->world, "%s is away", node->name);
	node->away = true;
	node_die(node, NODE_POWER);
}

/* ---- The one that stands for election ---- */

static void isolate(struct sim *sim, unsigned index, bool cut)
{
	for (unsigned i = 0; i < sim->node_count; i++)
		sim->net.links[index][i].cut = sim->net.links[i][index].cut = cut;
}

/* One that stands for election in a term that another one has heard of; NULL when there is none. */
static struct node *find_candidate(struct sim *sim)
{
	struct node *candidate = NULL;
	unsigned heard = 0;
	for (unsigned i = 0; i < sim->node_count; i++)
		if (node_up(&sim->nodes[i]) && look_stands(sim->nodes[i].cluster))
			candidate = &sim->nodes[i];
	for (unsigned i = 0; i < sim->node_count && candidate != NULL; i++) {
		const struct node *node = &sim->nodes[i];
		heard += node_up(node) && check_votes(node) &&
		         look_term(node->cluster) == look_term(candidate->cluster);
	}
	return heard > 1 && check_votes(candidate) ? candidate : NULL;
}

/* The leader is alone with records that nobody else has. The first one that stands for election meanwhile fails for want
 * of answers, and the next one is gone in that moment: that leaves one whose term is two ahead, and one with the longest
 * log. */
static void fire_ambush(void *arg, uint64_t token)
{
	struct sim *sim = arg;
	struct schedule *schedule = &sim->schedule;
	const struct node *leader = &sim->nodes[token];
	struct node *candidate = any_away(sim) ? NULL : find_candidate(sim);
	uint64_t ahead = candidate == NULL || !node_up(leader) || candidate == leader
	                         ? 0
	                         : look_term(candidate->cluster) - look_term(leader->cluster);
	if (ahead == 1 && schedule->deaf_until_us == 0) {
		schedule->deaf = candidate->index;
		schedule->deaf_until_us = sim->world.now_us + DEAF_US;
		isolate(sim, schedule->deaf, true);
	} else if (ahead > 1) {
		send_away(candidate);
	}
	if (schedule->deaf_until_us != 0 && sim->world.now_us >= schedule->deaf_until_us) {
		isolate(sim, schedule->deaf, false);
		isolate(sim, (unsigned)token, true);
	}
	/* Its own messages would tell it of the new term: it must have given up. */
	bool met = any_away(sim) && !(node_up(leader) && look_leads(leader->cluster));
	if (met || sim->world.now_us > schedule->ambush_us)
		net_heal(sim);
	else
		world_after(&sim->world, AMBUSH_LOOK_US, fire_ambush, sim, token);
}

static bool ambush(struct sim *sim)
{
	for (unsigned i = 0; i < sim->node_count; i++) {
		struct node *node = &sim->nodes[i];
		if (!node_up(node) || !look_leads(node->cluster) || !check_votes(node))
			continue;
		isolate(sim, i, true);
		for (unsigned k = 0; k < 3 && node_up(node); k++)
			client_append(node, SERVICE_ANYWHERE);
		sim->schedule.ambush_us = sim->world.now_us + AMBUSH_US;
		world_after(&sim->world, AMBUSH_LOOK_US, fire_ambush, sim, i);
		return true;
	}
	return false;
}

/* ---- Any ---- */

bool schedule_send_away(struct sim *sim)
{
	struct world *world = &sim->world;
	unsigned voters = voters_of(sim), sent = 0;
	/* Nobody may be on the way out: the majority would be another one. */
	if (!schedule_happens(sim, FAULT_AWAY) || sim->schedule.shrinks || sim->schedule.damaged != 0 || voters < 3)
		return false;
	if (world_chance(world, 400))
		return ambush(sim);
	unsigned count = (unsigned)world_between(world, 1, (voters - 1) / 2);
	unsigned first = (unsigned)world_between(world, 0, sim->node_count - 1);
	for (unsigned i = 0; i < sim->node_count && sent < count; i++) {
		struct node *node = &sim->nodes[(first + i) % sim->node_count];
		if (check_votes(node)) {
			send_away(node);
			sent++;
		}
	}
	return true;
}

void schedule_call_back(struct sim *sim)
{
	for (unsigned i = 0; i < sim->node_count; i++) {
		struct node *node = &sim->nodes[i];
		if (node->away)
			node_open_later(node, world_between(&sim->world, 1, 1000) * WORLD_MS);
		node->away = false;
	}
}
