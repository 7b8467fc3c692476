#include <inttypes.h>

#include "tests/sim/look.h"
#include "tests/sim/sim.h"

#define SETTLE_US (120 * (uint64_t)WORLD_SECOND) /* by then all must have come to the same end */

enum stage { AWAY, WAIT, PROBE };

static void probe(struct sim *sim)
{
	sim->probes = sim->check.append_count;
	for (unsigned i = 0; i < sim->node_count; i++)
		if (node_up(&sim->nodes[i]) && check_has_log(&sim->nodes[i]))
			client_append(&sim->nodes[i], SERVICE_ANYWHERE);
}

static void trace_members(struct sim *sim, const struct node *node)
{
	const struct machine_members *members = &look_machine(node->cluster)->members;
	for (size_t i = 0; i < members->count; i++)
		world_trace(&sim->world, "  by entry %" PRIu64 " of its log %" PRIx64 " is a %s", members->entry,
		            members->members[i].id, service_role_name(members->members[i].role));
}

static void trace_damage(struct sim *sim, const struct node *node)
{
	uint64_t count, suspect;
	bool broken;
	look_damage(node->cluster, &count, &broken, &suspect);
	if (count > 0 || broken || suspect != 0)
		world_trace(&sim->world, "  damaged in %" PRIu64 " places%s, suspect entry %" PRIu64, count,
		            broken ? ", its machine lacks entries" : "", suspect);
}

/* For who replays: where each member stands. */
static void trace_all(struct sim *sim)
{
	const struct machine_members *members = &sim->check.machine.members;
	for (size_t i = 0; i < members->count; i++)
		world_trace(&sim->world, "%s is member %" PRIx64 ", a %s", members->members[i].name,
		            members->members[i].id, service_role_name(members->members[i].role));
	world_trace(&sim->world, "%" PRIu64 " entries and %" PRIu64 " records are committed", sim->check.last,
	            sim->check.next_offset);
	for (unsigned i = 0; i < sim->node_count; i++) {
		const struct node *node = &sim->nodes[i];
		struct log_tail tail;
		if (!node_up(node)) {
			world_trace(&sim->world, "%s is down", node->name);
			continue;
		}
		log_tail(look_log(node->cluster), &tail);
		world_trace(&sim->world,
		            "%s is member %" PRIx64 ": term %" PRIu64 "%s, last entry %" PRIu64 " of term %" PRIu64
		            ", durable %" PRIu64 ", committed %" PRIu64 ", next offset %" PRIu64,
		            node->name, node->id, look_term(node->cluster), look_leads(node->cluster) ? ", leads" : "",
		            tail.entry, tail.term, log_durable(look_log(node->cluster)), look_commit(node->cluster),
		            node->next_offset);
		trace_damage(sim, node);
		trace_members(sim, node);
	}
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
	if (sim->world.now_us > sim->settle_by_us)
		trace_all(sim);
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
	if (settled) {
		sim->stage = PROBE;
		probe(sim);
	}
	world_after(&sim->world, 100 * WORLD_MS, fire, sim, token);
}

/* A minority is away: the others must do without it before it comes back. */
static void fire_away(void *arg, uint64_t token)
{
	struct sim *sim = arg;
	bool answered = check_answered(sim), succeeded = sim->stage == PROBE && answered && probes_succeeded(sim);
	if (succeeded) {
		schedule_call_back(sim);
		sim->stage = WAIT;
		sim->settle_by_us = sim->world.now_us + SETTLE_US;
		world_after(&sim->world, 100 * WORLD_MS, fire, sim, 0);
		return;
	}
	if (sim->world.now_us > sim->settle_by_us) {
		trace_all(sim);
		world_break(&sim->world, "a minority is away, and the others get nothing done");
		return;
	}
	if (answered) {
		sim->stage = PROBE;
		probe(sim);
	}
	world_after(&sim->world, 100 * WORLD_MS, fire_away, sim, 0);
}

void settle_start(struct sim *sim)
{
	bool away = schedule_send_away(sim);
	sim->stage = away ? AWAY : WAIT;
	sim->settle_by_us = sim->world.now_us + SETTLE_US;
	world_after(&sim->world, 100 * WORLD_MS, away ? fire_away : fire, sim, 0);
}
