#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

void sim_count(struct sim *sim, enum fault fault)
{
	sim->counts.faults[fault]++;
}

struct node *sim_any_up(struct sim *sim)
{
	unsigned first = (unsigned)world_between(&sim->world, 0, sim->node_count - 1);
	for (unsigned i = 0; i < sim->node_count; i++) {
		struct node *node = &sim->nodes[(first + i) % sim->node_count];
		if (node_up(node) && !node->stopping)
			return node;
	}
	return NULL;
}

/* How large a cluster is in the end, and how many of it vote. */
static void draw_size(struct sim *sim)
{
	static const unsigned sizes[] = {1, 2, 3, 3, 3, 3, 4, 5, 5, 7};
	struct world *world = &sim->world;
	unsigned drawn = sizes[world_between(world, 0, sizeof sizes / sizeof sizes[0] - 1)];
	sim->node_count = sim->options.members != 0 ? sim->options.members : drawn;
	sim->voters = world_chance(world, 700) ? sim->node_count : (unsigned)world_between(world, 1, sim->node_count);
	sim->voters = sim->voters > CLUSTER_VOTERS_MAX ? CLUSTER_VOTERS_MAX : sim->voters;
	sim->segment_size = LOG_SEGMENT_SIZE_MIN * (uint32_t)world_between(world, 1, 3);
	sim->deadline_ms = (uint32_t)world_between(world, 1000, 6000);
}

void sim_add(struct sim_counts *total, const struct sim_counts *counts)
{
	total->seeds += counts->seeds;
	total->steps += counts->steps;
	total->virtual_us += counts->virtual_us;
	total->commits += counts->commits;
	total->records += counts->records;
	total->acknowledged += counts->acknowledged;
	total->refused += counts->refused;
	total->unknown += counts->unknown;
	total->elections += counts->elections;
	total->reads += counts->reads;
	total->lives += counts->lives;
	total->failures += counts->failures;
	for (unsigned i = 0; i < FAULT_COUNT; i++)
		total->faults[i] += counts->faults[i];
}

static void begin(struct sim *sim)
{
	draw_size(sim);
	net_init(sim);
	check_init(sim);
	for (unsigned i = 0; i < sim->node_count; i++)
		node_init(&sim->nodes[i], sim, i);
	schedule_start(sim);
	client_start(sim);
}

static void end(struct sim *sim)
{
	sim->counts.seeds = 1;
	sim->counts.steps = sim->world.steps;
	sim->counts.virtual_us = sim->world.now_us;
	sim->counts.records = sim->check.next_offset;
	sim->counts.failures = world_broken(&sim->world);
	for (unsigned i = 0; i < sim->node_count; i++)
		node_finish(&sim->nodes[i]);
	net_finish(sim);
	check_finish(sim);
	world_finish(&sim->world);
}

bool sim_live(const struct sim_options *options, struct sim_counts *counts, struct clog_error *broken,
              uint64_t *broken_us, uint64_t *hash)
{
	struct sim *sim = world_allocate(NULL, sizeof *sim);
	memset(sim, 0, sizeof *sim);
	sim->options = *options;
	world_init(&sim->world, options->seed, options->traced);
	begin(sim);
	while (!sim->over && !world_broken(&sim->world) && world_step(&sim->world))
		continue;
	*broken = sim->world.broken;
	*broken_us = sim->world.now_us;
	*hash = sim->world.hash;
	end(sim);
	sim_add(counts, &sim->counts);
	free(sim);
	return broken->code == 0;
}
