#include "tests/sim/schedule.h"

#include <errno.h>

#include "tests/sim/look.h"
#include "tests/sim/sim.h"

bool schedule_happens(const struct sim *sim, enum fault fault)
{
	return sim->schedule.faults & (1u << fault);
}

/* ---- Links ---- */

static void fire_mend_link(void *arg, uint64_t token)
{
	struct sim *sim = arg;
	struct net_link *link = &sim->net.links[token / NET_NODES_MAX][token % NET_NODES_MAX];
	link->cut = false;
	link->slow_us = 0;
}

/* Has a link carry nothing, or be slow, for a while. */
static void trouble_link(struct sim *sim, unsigned from, unsigned to, uint64_t slow_us, uint64_t us)
{
	struct net_link *link = &sim->net.links[from][to];
	link->cut = slow_us == 0;
	link->slow_us = slow_us;
	world_after(&sim->world, us, fire_mend_link, sim, from * NET_NODES_MAX + to);
}

static void delay(struct sim *sim)
{
	struct world *world = &sim->world;
	unsigned from = (unsigned)world_between(world, 0, sim->node_count - 1);
	unsigned to = (unsigned)world_between(world, 0, sim->node_count - 1);
	trouble_link(sim, from, to, world_between(world, 10 * WORLD_MS, WORLD_SECOND),
	             world_between(world, 100 * WORLD_MS, 3 * WORLD_SECOND));
	sim_count(sim, FAULT_DELAY);
}

static void trim(struct sim *sim)
{
	struct node *node = sim_any_up(sim);
	if (node == NULL)
		return;
	sim_count(sim, FAULT_TRIM);
	/* One record stays: what goes in the very step that commits it, no checker has seen. */
	uint64_t high = node->next_offset - (node->next_offset > 0);
	uint64_t low = world_chance(&sim->world, 400) ? high : 0;
	client_command(
		node, &(struct service_command){.kind = SERVICE_TRIM, .offset = world_between(&sim->world, low, high)});
}

static void fire_trim(void *arg, uint64_t token)
{
	struct sim *sim = arg;
	if (!sim->schedule.calm)
		trim(sim);
}

/* One whose answers are not heard trims what it is given all the same. */
static void trim_later(struct sim *sim)
{
	struct world *world = &sim->world;
	if (schedule_happens(sim, FAULT_TRIM) && world_chance(world, 500))
		world_after(world, world_between(world, 0, 2 * WORLD_SECOND), fire_trim, sim, 0);
}

static void cut(struct sim *sim)
{
	struct world *world = &sim->world;
	unsigned from = (unsigned)world_between(world, 0, sim->node_count - 1);
	unsigned to = (unsigned)world_between(world, 0, sim->node_count - 1);
	world_trace(world, "the link from n%u to n%u is cut", from, to);
	trouble_link(sim, from, to, 0, world_between(world, 100 * WORLD_MS, 5 * WORLD_SECOND));
	sim_count(sim, FAULT_CUT);
	trim_later(sim);
}

static void divide(struct sim *sim)
{
	struct world *world = &sim->world;
	unsigned side = (unsigned)world_between(world, 1, (1u << sim->node_count) - 1);
	uint64_t us = world_between(world, 200 * WORLD_MS, 8 * WORLD_SECOND);
	bool one_way = world_chance(world, 250);
	world_trace(world, "the members are divided by %x%s", side, one_way ? ", one way" : "");
	for (unsigned from = 0; from < sim->node_count; from++)
		for (unsigned to = 0; to < sim->node_count; to++)
			if (((side >> from) & 1) != ((side >> to) & 1) && !(one_way && ((side >> from) & 1)))
				trouble_link(sim, from, to, 0, us);
	sim_count(sim, FAULT_PARTITION);
	if (one_way)
		trim_later(sim);
}

/* ---- Machines ---- */

static void lose_power(struct sim *sim)
{
	struct world *world = &sim->world;
	/* Sometimes they all do. */
	unsigned count = world_chance(world, 100) ? sim->node_count : 1;
	for (unsigned i = 0; i < count; i++) {
		struct node *node = count > 1 ? &sim->nodes[i] : sim_any_up(sim);
		if (node != NULL && node_up(node)) {
			sim_count(sim, FAULT_POWER);
			node_die(node, NODE_POWER);
		}
	}
}

static void kill_process(struct sim *sim)
{
	struct node *node = sim_any_up(sim);
	if (node == NULL)
		return;
	sim_count(sim, FAULT_KILL);
	node_die(node, NODE_KILLED);
}

static void lose_power_in_midst(struct sim *sim)
{
	struct node *node = sim_any_up(sim);
	if (node != NULL && !node->troubled)
		node_arm(node, (unsigned)world_between(&sim->world, 1, 25), true);
}

static void stop(struct sim *sim)
{
	struct node *node = sim_any_up(sim);
	if (node == NULL)
		return;
	sim_count(sim, FAULT_STOP);
	node_stop(node);
}

static void pause_process(struct sim *sim)
{
	struct world *world = &sim->world;
	struct node *node = sim_any_up(sim);
	if (node == NULL || node->paused_until_us > world->now_us)
		return;
	uint64_t us = world_between(world, 10 * WORLD_MS, 3 * WORLD_SECOND);
	sim_count(sim, FAULT_PAUSE);
	node->paused_until_us = world->now_us + us;
	node->paused_us += us;
	world_trace(world, "%s is paused", node->name);
}

static void fail_disk(struct sim *sim)
{
	struct node *node = sim_any_up(sim);
	if (node == NULL || node->troubled)
		return;
	sim_count(sim, FAULT_ERROR);
	node_arm(node, (unsigned)world_between(&sim->world, 1, 40), false);
}

static void slow_disk(struct sim *sim)
{
	struct world *world = &sim->world;
	struct node *node = sim_any_up(sim);
	if (node == NULL)
		return;
	sim_count(sim, FAULT_SLOW);
	node->slow_until_us = world->now_us + world_between(world, 100 * WORLD_MS, 4 * WORLD_SECOND);
	world_trace(world, "%s has a slow disk", node->name);
}

static void set_clock(struct sim *sim)
{
	struct world *world = &sim->world;
	struct node *node = &sim->nodes[world_between(world, 0, sim->node_count - 1)];
	uint64_t ns = world_between(world, 0, 3600) * 1000000000u;
	sim_count(sim, FAULT_CLOCK);
	node->time_shift_ns += world_chance(world, 500) ? ns : 0 - ns;
}

/* A member of another cluster, by whatever mistake, sends something to one of this. */
static void send_alien(struct sim *sim)
{
	static const enum message_type types[] = {MESSAGE_APPEND, MESSAGE_VOTE, MESSAGE_REMOVED};
	struct world *world = &sim->world;
	struct node *node = sim_any_up(sim);
	if (node == NULL || look_machine(node->cluster)->cluster == 0)
		return;
	struct message message = {.type = types[world_between(world, 0, 2)],
	                          .from = world_between(world, 1, UINT32_MAX),
	                          .cluster = world_between(world, 1, UINT32_MAX),
	                          .term = look_term(node->cluster) + world_between(world, 1, 4),
	                          .start = 1,
	                          .number = 1};
	if (message.type == MESSAGE_APPEND)
		message.append = (struct message_append){.commit = UINT32_MAX};
	if (message.type == MESSAGE_VOTE)
		message.vote = (struct message_vote){
			.last_entry = UINT32_MAX, .last_term = message.term, .disrupt = true};
	if (message.type == MESSAGE_REMOVED)
		message.configuration = UINT32_MAX;
	sim_count(sim, FAULT_ALIEN);
	world_trace(world, "%s hears of another cluster", node->name);
	host_receive(node, &message);
}

/* ---- Commands ---- */

static const struct service_member *any_member(struct sim *sim)
{
	const struct machine_members *members = &sim->check.machine.members;
	return members->count == 0 ? NULL : &members->members[world_between(&sim->world, 0, members->count - 1)];
}

/* Whoever leads is in trouble. */
static void fire_blow(void *arg, uint64_t token)
{
	struct sim *sim = arg;
	struct world *world = &sim->world;
	for (unsigned i = 0; i < sim->node_count; i++) {
		struct node *node = &sim->nodes[i];
		if (!node_up(node) || !look_leads(node->cluster) || sim->schedule.calm)
			continue;
		if (schedule_happens(sim, FAULT_CUT) && world_chance(world, 500)) {
			uint64_t us = world_between(world, 100 * WORLD_MS, 3 * WORLD_SECOND);
			for (unsigned to = 0; to < sim->node_count; to++)
				trouble_link(sim, i, to, 0, us);
			sim_count(sim, FAULT_CUT);
		} else if (schedule_happens(sim, FAULT_KILL)) {
			sim_count(sim, FAULT_KILL);
			node_die(node, NODE_KILLED);
		} else if (schedule_happens(sim, FAULT_POWER)) {
			sim_count(sim, FAULT_POWER);
			node_die(node, NODE_POWER);
		}
	}
}

/* Asks for a change of the members, one at a time. */
static void change(struct sim *sim, enum fault fault, struct service_command command)
{
	struct node *node = sim_any_up(sim);
	const struct service_member *member = any_member(sim);
	if (node == NULL || member == NULL || sim->schedule.commands > 0)
		return;
	command.member = member->id;
	sim_count(sim, fault);
	sim->schedule.commands++;
	world_trace(&sim->world, "%s is asked to %s %s", node->name, fault_name(fault), member->name);
	client_command(node, &command);
	/* The moment when the change is in few logs is short. */
	uint64_t most_us = (world_chance(&sim->world, 500) ? 3 : 50) * WORLD_MS;
	if (world_chance(&sim->world, 500))
		world_after(&sim->world, world_between(&sim->world, 0, most_us), fire_blow, sim, 0);
}

static void remove_member(struct sim *sim)
{
	if (sim->schedule.shrinks)
		change(sim, FAULT_REMOVE, (struct service_command){.kind = SERVICE_REMOVE});
}

static void set_role(struct sim *sim)
{
	enum service_role role = (enum service_role)world_between(&sim->world, SERVICE_VOTER, SERVICE_SPARE);
	if (sim->schedule.shrinks)
		change(sim, FAULT_ROLE, (struct service_command){.kind = SERVICE_SET_ROLE, .role = role});
}

static void transfer(struct sim *sim)
{
	change(sim, FAULT_TRANSFER, (struct service_command){.kind = SERVICE_TRANSFER});
}

static void retain(struct sim *sim)
{
	struct world *world = &sim->world;
	struct node *node = sim_any_up(sim);
	struct service_command command = {.kind = SERVICE_RETAIN, .bytes = world_between(world, 20000, 200000)};
	if (node == NULL)
		return;
	if (world_chance(world, 100))
		command.time_ns = world_between(world, 1, 20) * 1000000000u;
	sim_count(sim, FAULT_RETAIN);
	client_command(node, &command);
}

/* ---- When ---- */

/* Those of the kinds that happen at moments; the others last. */
static void (*const troubles[FAULT_COUNT])(struct sim *sim) = {
	[FAULT_DELAY] = delay,
	[FAULT_CUT] = cut,
	[FAULT_PARTITION] = divide,
	[FAULT_POWER] = lose_power,
	[FAULT_KILL] = kill_process,
	[FAULT_MIDST] = lose_power_in_midst,
	[FAULT_STOP] = stop,
	[FAULT_PAUSE] = pause_process,
	[FAULT_ERROR] = fail_disk,
	[FAULT_FULL] = schedule_full,
	[FAULT_SLOW] = slow_disk,
	[FAULT_ROT] = schedule_rot,
	[FAULT_CLOCK] = set_clock,
	[FAULT_REMOVE] = remove_member,
	[FAULT_REPLACE] = schedule_replace,
	[FAULT_ROLE] = set_role,
	[FAULT_TRANSFER] = transfer,
	[FAULT_TRIM] = trim,
	[FAULT_RETAIN] = retain,
	[FAULT_ALIEN] = send_alien,
};

/* Which kind is next: those that are turned off have their turns, too, so that the others keep theirs. */
static enum fault draw_trouble(struct schedule *schedule)
{
	unsigned first = (unsigned)dice_below(&schedule->dice, FAULT_COUNT);
	for (unsigned i = 0; i < FAULT_COUNT; i++) {
		enum fault fault = (enum fault)((first + i) % FAULT_COUNT);
		if ((schedule->drawn & (1u << fault)) && troubles[fault] != NULL)
			return fault;
	}
	return FAULT_COUNT;
}

static void fire_trouble(void *arg, uint64_t token)
{
	struct sim *sim = arg;
	struct world *world = &sim->world;
	struct schedule *schedule = &sim->schedule;
	if (schedule->calm)
		return;
	uint64_t pause_us = 1 + dice_below(&schedule->dice, 2 * schedule->pause_us);
	uint64_t seed = dice_next(&schedule->dice);
	enum fault fault = draw_trouble(schedule);
	if (fault < FAULT_COUNT && schedule_happens(sim, fault)) {
		struct dice dice = world->dice;
		dice_init(&world->dice, seed);
		troubles[fault](sim);
		world->dice = dice;
	}
	world_after(world, pause_us, fire_trouble, sim, token);
}

static void fire_calm(void *arg, uint64_t token)
{
	struct sim *sim = arg;
	world_trace(&sim->world, "the trouble is over");
	sim->schedule.calm = true;
	net_heal(sim);
	for (unsigned i = 0; i < sim->node_count; i++) {
		struct node *node = &sim->nodes[i];
		node->paused_until_us = 0;
		node->slow_until_us = 0;
		node->full = false;
		memory_disk_set_room(node->memory, UINT64_MAX);
		memory_disk_set_resident(node->memory, SIZE_MAX, UINT32_MAX);
		if (!faulty_disk_fired(node->faulty))
			node_disarm(node);
	}
	settle_start(sim);
}

static void fire_look(void *arg, uint64_t token)
{
	struct sim *sim = arg;
	check_deadlines(sim);
	schedule_look_after(sim);
	world_after(&sim->world, 200 * WORLD_MS, fire_look, sim, token);
}

void schedule_opens(struct node *node)
{
	struct sim *sim = node->sim;
	struct world *world = &sim->world;
	node_disarm(node);
	memory_disk_set_resident(node->memory, SIZE_MAX, UINT32_MAX);
	if (sim->schedule.calm || sim->check.last == 0)
		return;
	if (schedule_happens(sim, FAULT_SLOW) && world_chance(world, 300))
		memory_disk_set_resident(node->memory, world_between(world, 0, 3000), UINT32_MAX);
	if (schedule_happens(sim, FAULT_MIDST) && world_chance(world, 100))
		node_arm(node, (unsigned)world_between(world, 1, 30), true);
	else if (schedule_happens(sim, FAULT_ERROR) && world_chance(world, 50))
		node_arm(node, (unsigned)world_between(world, 1, 30), false);
}

void schedule_cuts(struct node *node)
{
	struct world *world = &node->sim->world;
	bool may = schedule_happens(node->sim, FAULT_MIDST) && !node->sim->schedule.calm && !node->troubled;
	if (may && world_chance(world, 400))
		node_arm(node, (unsigned)world_between(world, 1, 8), true);
}

void schedule_answered(struct sim *sim)
{
	sim->schedule.commands--;
}

/* Each life knows some of the kinds: what one kind hides, another life without it shows. */
static void draw_faults(struct sim *sim)
{
	struct schedule *schedule = &sim->schedule;
	unsigned of_1000 = (unsigned)world_between(&sim->world, 100, 900);
	for (unsigned i = 0; i < FAULT_COUNT; i++)
		schedule->drawn |= world_chance(&sim->world, of_1000) ? 1u << i : 0;
	schedule->mild = world_chance(&sim->world, 30);
	if (schedule->mild)
		schedule->drawn = 1u << FAULT_LOSS;
	schedule->faults = schedule->drawn & sim->options.faults;
}

void schedule_start(struct sim *sim)
{
	struct world *world = &sim->world;
	struct schedule *schedule = &sim->schedule;
	draw_faults(sim);
	dice_init(&schedule->dice, dice_next(&world->dice));
	schedule->shrinks = world_chance(world, 500);
	schedule->pause_us = world_between(world, 100, 2000) * WORLD_MS;
	schedule->end_us = world_between(world, 10, 40) * WORLD_SECOND;
	sim->deadline_ms += schedule->mild ? 4000 : 0;
	sim->net.loss = (unsigned)world_between(world, 1, schedule->mild ? 20 : 150) *
	                schedule_happens(sim, FAULT_LOSS);
	sim->net.duplicate = (unsigned)world_between(world, 1, 100) * schedule_happens(sim, FAULT_DUPLICATE);
	unsigned disorder_most = world_chance(world, 250) ? 400 : 100;
	sim->net.disorder = (unsigned)world_between(world, 1, disorder_most) * schedule_happens(sim, FAULT_DISORDER);
	node_open(&sim->nodes[0]);
	for (unsigned i = 1; i < sim->node_count; i++) {
		bool late = world_chance(world, 400) && schedule_happens(sim, FAULT_JOIN);
		if (late)
			sim_count(sim, FAULT_JOIN);
		node_open_later(&sim->nodes[i], world_between(world, 0, late ? schedule->end_us : 2 * WORLD_SECOND));
	}
	world_after(world, world_between(world, 0, 8 * WORLD_SECOND), fire_trouble, sim, 0);
	world_after(world, schedule->end_us, fire_calm, sim, 0);
	world_after(world, 200 * WORLD_MS, fire_look, sim, 0);
}
