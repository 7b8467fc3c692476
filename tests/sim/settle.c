#include "tests/sim/sim.h"

#define SETTLE_US (120 * (uint64_t)WORLD_SECOND) /* by then all must have come to the same end */

enum stage { WAIT, PROBE };

static void probe(struct sim *sim)
{
	sim->stage = PROBE;
	sim->probes = sim->check.append_count;
	for (unsigned i = 0; i < sim->node_count; i++)
		if (node_up(&sim->nodes[i]) && check_is_member(&sim->nodes[i]))
			client_append(&sim->nodes[i], SERVICE_ANYWHERE);
}

static bool probes_succeeded(const struct sim *sim)
{
	for (uint64_t i = sim->probes; i < sim->check.append_count; i++)
		if (sim->check.appends[i]->fate != CHECK_DONE)
			return false;
	return sim->check.append_count > sim->probes;
}

static void fire(void *arg, uint64_t token)
{
	struct sim *sim = arg;
	const char *why;
	bool settled = check_settled(sim, &why);
	if (!settled && sim->world.now_us > sim->settle_by_us) {
		world_break(&sim->world, "long after the trouble is over: %s", why);
		return;
	}
	if (settled && sim->stage == PROBE && probes_succeeded(sim)) {
		check_finally(sim);
		sim->over = true;
		return;
	}
	if (settled && sim->stage == PROBE && sim->world.now_us > sim->settle_by_us) {
		world_break(&sim->world, "long after the trouble is over an append does not succeed");
		return;
	}
	if (settled)
		probe(sim);
	world_after(&sim->world, 100 * WORLD_MS, fire, sim, token);
}

void settle_start(struct sim *sim)
{
	sim->stage = WAIT;
	sim->settle_by_us = sim->world.now_us + SETTLE_US;
	world_after(&sim->world, 100 * WORLD_MS, fire, sim, 0);
}
