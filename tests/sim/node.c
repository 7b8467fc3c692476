#include "tests/sim/node.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/cluster/crashes.h"
#include "tests/sim/look.h"
#include "tests/sim/sim.h"

/* The simulation that runs now, for the one call of a disk that does not say whose it is. */
static struct sim *running;

static int node_space(struct log_disk *disk, const char *path, uint64_t *size)
{
	for (unsigned i = 0; i < running->node_count; i++) {
		const struct node *node = &running->nodes[i];
		if (node->faulty != NULL && faulty_disk_door(node->faulty) == disk)
			*size = node->full ? 0 : UINT64_MAX / 2;
	}
	return 0;
}

static void new_disk(struct node *node)
{
	node->memory = memory_disk_create();
	memory_disk_ignore_sync(node->memory, node->sim->options.ignored_sync);
	node->faulty = faulty_disk_create(memory_disk_door(node->memory));
	node->door.disk = faulty_disk_door(node->faulty);
	node->door.disk->space = node_space;
}

void node_init(struct node *node, struct sim *sim, unsigned index)
{
	running = sim;
	memset(node, 0, sizeof *node);
	node->sim = sim;
	node->index = index;
	node->founder = index == 0;
	snprintf(node->name, sizeof node->name, "n%u", index);
	snprintf(node->address, sizeof node->address, "n%u:1", index);
	node->base_ms = world_between(&sim->world, 0, 1000000000);
	node->time_shift_ns = world_between(&sim->world, 0, 2000000000);
	host_init(node);
	new_disk(node);
}

void node_finish(struct node *node)
{
	if (node->cluster != NULL)
		node_die(node, NODE_KILLED);
	faulty_disk_destroy(node->faulty);
	memory_disk_destroy(node->memory);
	free(node->durable_terms);
	node->faulty = NULL;
}

bool node_up(const struct node *node)
{
	return node->cluster != NULL;
}

bool node_mute(const struct node *node)
{
	return node->dying || (node->doomed && faulty_disk_fired(node->faulty));
}

void node_arm(struct node *node, unsigned nth, bool power)
{
	static const enum faulty_way ways[] = {FAULTY_ONCE, FAULTY_PARTLY, FAULTY_ONWARD};
	struct world *world = &node->sim->world;
	enum faulty_way way = power ? FAULTY_ONWARD : ways[dice_below(&world->dice, 3)];
	/* The checker reads by way of this disk, too: it tries again. */
	unsigned calls = way != FAULTY_ONWARD && world_chance(world, 250) ? FAULTY_ANY : FAULTY_CHANGE;
	node->doomed = power;
	node->troubled = true;
	faulty_disk_fail(node->faulty, calls, nth, -EIO, way);
}

void node_disarm(struct node *node)
{
	faulty_disk_fail(node->faulty, FAULTY_ANY, 0, 0, FAULTY_ONCE);
	node->doomed = false;
	node->troubled = false;
}

/* What is left of the disk after the process is gone. */
static void leave_disk(struct node *node, enum node_death death)
{
	struct sim *sim = node->sim;
	if (memory_disk_handles(node->memory) != 0)
		world_break(&sim->world, "%s has %u files open after it was closed", node->name,
		            memory_disk_handles(node->memory));
	if (death == NODE_POWER)
		crashes_any(node->memory, &sim->world.dice);
	else
		memory_disk_kill(node->memory);
	node_disarm(node);
}

/* Closes what is stopped or has failed. */
static void close_member(struct node *node, enum node_death death)
{
	node->dying = true;
	cluster_close(node->cluster);
	node->cluster = NULL;
	node->service = NULL;
	node->stopping = node->stopped = false;
	node->life++;
	node->wake++;
	node->paused_until_us = 0;
	node->failure = (struct clog_error){0};
	leave_disk(node, death);
	node->dying = false;
	node_open_later(node, world_between(&node->sim->world, 1, 4000) * WORLD_MS);
}

void node_die(struct node *node, enum node_death death)
{
	if (node->cluster == NULL)
		return;
	world_trace(&node->sim->world, "%s %s", node->name, death == NODE_POWER ? "loses power" : "is killed");
	check_dies(node);
	check_no_answers(node);
	node->dying = true;
	/* Nothing reaches the disk any more. */
	faulty_disk_fail(node->faulty, FAULTY_ANY, 1, -EIO, FAULTY_ONWARD);
	look_fail(node->cluster);
	host_drain(node);
	close_member(node, death);
}

static void on_stopped(void *arg)
{
	struct node *node = arg;
	node->stopped = true;
}

void node_stop(struct node *node)
{
	if (node->cluster == NULL || node->stopping)
		return;
	world_trace(&node->sim->world, "%s is stopped", node->name);
	node->stopping = true;
	cluster_stop(node->cluster, on_stopped, node);
	node_after(node);
}

/* ---- Opening ---- */

static void fire_open(void *arg, uint64_t token)
{
	struct node *node = arg;
	if (node->wanted && !node->away && node->life == token)
		node_open(node);
}

void node_open_later(struct node *node, uint64_t us)
{
	node->wanted = true;
	world_after(&node->sim->world, us, fire_open, node, node->life);
}

/* It could not be opened. */
static void stay_closed(struct node *node, const struct clog_error *err)
{
	struct sim *sim = node->sim;
	bool fired = faulty_disk_fired(node->faulty);
	world_trace(&sim->world, "%s cannot be opened: %s", node->name, err->text);
	node->life++;
	node->wake++;
	node->failure = (struct clog_error){0};
	leave_disk(node, fired && world_chance(&sim->world, 700) ? NODE_POWER : NODE_KILLED);
	if (!fired && (err->code != -ENOSPC || sim->counts.faults[FAULT_FULL] == 0)) {
		if (schedule_damaged(node))
			node_wipe(node);
		else
			world_break(&sim->world, "%s cannot be opened: %d, %s", node->name, err->code, err->text);
	}
	node_open_later(node, world_between(&sim->world, 1, 500) * WORLD_MS);
}

static int open_member(struct node *node, struct clog_error *err)
{
	struct sim *sim = node->sim;
	const char *seeds[NET_NODES_MAX];
	struct cluster_options options = {.data = NODE_DATA,
	                                  .name = node->name,
	                                  .segment_size = sim->segment_size,
	                                  .deadline_ms = sim->deadline_ms,
	                                  .voters = sim->voters,
	                                  .address = node->address,
	                                  .seeds = seeds};
	for (unsigned i = 0; i < sim->node_count; i++)
		if (i != node->index && !node->founder)
			seeds[options.seed_count++] = sim->nodes[i].address;
	int rc = cluster_open(&node->cluster, &options, &node->door, err);
	if (rc != 0) {
		node->cluster = NULL;
		return rc;
	}
	node->service = cluster_service(node->cluster);
	rc = cluster_start(node->cluster, err);
	if (rc == 0)
		return 0;
	node->dying = true;
	cluster_close(node->cluster);
	node->dying = false;
	node->cluster = NULL;
	return rc;
}

void node_open(struct node *node)
{
	struct clog_error err = {0};
	struct sim *sim = node->sim;
	struct service_state state;
	node->wanted = false;
	node->life++;
	node->turn_wanted = false;
	schedule_opens(node);
	int rc = open_member(node, &err);
	if (rc != 0) {
		stay_closed(node, &err);
		return;
	}
	service_state(node->service, &state);
	node->id = state.self;
	sim->counts.lives++;
	world_trace(&sim->world, "%s is open: member %" PRIx64 ", next %" PRIu64, node->name, node->id,
	            state.next_offset);
	check_opened(node);
	node_after(node);
}

void node_wipe(struct node *node)
{
	if (node->cluster != NULL)
		node_die(node, NODE_KILLED);
	world_trace(&node->sim->world, "%s loses its disk", node->name);
	faulty_disk_destroy(node->faulty);
	memory_disk_destroy(node->memory);
	new_disk(node);
	node->id = 0;
	node->joined = false;
	node->founder = node->founder && node->sim->check.last == 0;
	node->full = false;
	node->rotted = false;
	node->durable = 0;
	node->durable_term_count = 0;
}

/* ---- What became of it ---- */

/* The member failed. It must have had cause to. */
static void fails(struct node *node)
{
	struct sim *sim = node->sim;
	world_trace(&sim->world, "%s fails: %s", node->name, node->failure.text);
	bool full = node->failure.code == -ENOSPC && sim->counts.faults[FAULT_FULL] > 0;
	if (!faulty_disk_fired(node->faulty) && !full && !schedule_damaged(node) && check_is_member(node))
		world_break(&sim->world, "%s fails, and nothing was wrong: %d, %s", node->name, node->failure.code,
		            node->failure.text);
	node_die(node, world_chance(&sim->world, 500) ? NODE_POWER : NODE_KILLED);
}

void node_after(struct node *node)
{
	if (node->cluster == NULL)
		return;
	if (node_mute(node)) {
		sim_count(node->sim, FAULT_MIDST);
		node_die(node, NODE_POWER);
	} else if (node->failure.code != 0) {
		fails(node);
	} else {
		check_member(node);
		if (node->stopped) {
			check_stopped(node);
			check_dies(node);
			close_member(node, world_chance(&node->sim->world, 500) ? NODE_POWER : NODE_KILLED);
		}
	}
}
