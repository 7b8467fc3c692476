/* The host of a member: time, threads and links, all of them events of the world. */
#include <assert.h>
#include <stdlib.h>

#include "log/job.h"
#include "tests/sim/sim.h"

#define START_NS 1700000000000000000u

static struct node *of(struct cluster_host *door)
{
	return (struct node *)door;
}

/* ---- Clocks ---- */

static uint64_t host_now_ms(struct cluster_host *door)
{
	const struct node *node = of(door);
	return node->base_ms + node->sim->world.now_us / WORLD_MS;
}

static uint64_t host_time_ns(struct cluster_host *door)
{
	const struct node *node = of(door);
	return START_NS + node->time_shift_ns + node->sim->world.now_us * 1000u;
}

/* A process that gets no time now is called later. True when it is so. */
static bool paused(struct node *node, world_cb cb, uint64_t token)
{
	struct world *world = &node->sim->world;
	if (node->paused_until_us <= world->now_us)
		return false;
	world_after(world, node->paused_until_us - world->now_us, cb, node, token);
	return true;
}

static void fire_timeout(void *arg, uint64_t token)
{
	struct node *node = arg;
	if (!node_up(node) || node->wake != token || paused(node, fire_timeout, token))
		return;
	node->wake++;
	cluster_timeout(node->cluster);
	node_after(node);
}

static void host_wake_at(struct cluster_host *door, uint64_t at_ms)
{
	struct node *node = of(door);
	struct world *world = &node->sim->world;
	node->wake++;
	uint64_t ms = at_ms < node->base_ms ? 0 : at_ms - node->base_ms;
	/* What is not to come within the life of a simulation need not be kept. */
	if (ms > 100u * 3600 * 1000)
		return;
	uint64_t at_us = ms * WORLD_MS;
	world_after(world, at_us > world->now_us ? at_us - world->now_us : 0, fire_timeout, node, node->wake);
}

static void fire_turn(void *arg, uint64_t token)
{
	struct node *node = arg;
	if (!node_up(node) || node->life != token || paused(node, fire_turn, token))
		return;
	node->turn_wanted = false;
	cluster_turn(node->cluster);
	node_after(node);
}

static void host_wake_soon(struct cluster_host *door)
{
	struct node *node = of(door);
	struct world *world = &node->sim->world;
	if (node->turn_wanted)
		return;
	node->turn_wanted = true;
	world_after(world, world_between(world, 0, 30), fire_turn, node, node->life);
}

/* ---- Threads ---- */

/* How long the disk takes for something now. */
static uint64_t disk_us(struct node *node)
{
	struct world *world = &node->sim->world;
	if (node->slow_until_us > world->now_us)
		return world_between(world, 10 * WORLD_MS, 400 * WORLD_MS);
	return world_between(world, 20, 2 * WORLD_MS);
}

static void fire_write_done(void *arg, uint64_t token)
{
	struct node *node = arg;
	if (!node_up(node) || node->life != token || paused(node, fire_write_done, token))
		return;
	struct log_job *job = node->write;
	node->write = NULL;
	cluster_job_done(node->cluster, job);
	node_after(node);
}

static void run_write(struct node *node)
{
	const struct sim_options *options = &node->sim->options;
	bool cuts = node->write->kind == JOB_TRUNCATE;
	if (cuts && options->cut == SIM_CUT_NOT_SYNCED)
		memory_disk_ignore_sync(node->memory, "");
	if (!cuts || options->cut != SIM_CUT_NOT_DONE)
		log_job_run(node->write);
	memory_disk_ignore_sync(node->memory, options->ignored_sync);
}

static void fire_write(void *arg, uint64_t token)
{
	struct node *node = arg;
	if (!node_up(node) || node->life != token || paused(node, fire_write, token))
		return;
	run_write(node);
	node->write_ran = true;
	world_after(&node->sim->world, disk_us(node) / 2, fire_write_done, node, token);
	node_after(node);
}

static void host_run_write(struct cluster_host *door, struct log_job *job)
{
	struct node *node = of(door);
	assert(log_job_writes(job) && node->write == NULL);
	node->write = job;
	node->write_ran = false;
	if (job->kind == JOB_TRUNCATE)
		schedule_cuts(node);
	world_after(&node->sim->world, disk_us(node) / 2, fire_write, node, node->life);
}

static void fire_chore_done(void *arg, uint64_t token)
{
	struct node *node = arg;
	if (!node_up(node) || node->life != token || paused(node, fire_chore_done, token))
		return;
	struct log_job *job = node->chore;
	node->chore = NULL;
	cluster_job_done(node->cluster, job);
	node_after(node);
}

static void fire_chore(void *arg, uint64_t token)
{
	struct node *node = arg;
	if (!node_up(node) || node->life != token || paused(node, fire_chore, token))
		return;
	log_job_run(node->chore);
	node->chore_ran = true;
	world_after(&node->sim->world, disk_us(node) / 2, fire_chore_done, node, token);
	node_after(node);
}

static void host_run_chore(struct cluster_host *door, struct log_job *job)
{
	struct node *node = of(door);
	assert(!log_job_writes(job) && node->chore == NULL);
	node->chore = job;
	node->chore_ran = false;
	world_after(&node->sim->world, disk_us(node) / 2, fire_chore, node, node->life);
}

static void fire_read(void *arg, uint64_t token)
{
	struct node *node = arg;
	if (!node_up(node) || node->life != token || paused(node, fire_read, token))
		return;
	/* Which one comes back first is open. */
	size_t i = (size_t)dice_below(&node->sim->world.dice, node->read_count);
	struct log_read *read = node->reads[i];
	node->reads[i] = node->reads[--node->read_count];
	log_read_run(read, true);
	cluster_read_done(node->cluster, read);
	node_after(node);
}

static void host_run_read(struct cluster_host *door, struct log_read *read)
{
	struct node *node = of(door);
	if (node->read_count == NODE_READS_MAX) {
		world_break(&node->sim->world, "%s has more than %u reads out", node->name, NODE_READS_MAX);
		abort();
	}
	node->reads[node->read_count++] = read;
	world_after(&node->sim->world, disk_us(node), fire_read, node, node->life);
}

void host_drain(struct node *node)
{
	while (node->write != NULL || node->chore != NULL || node->read_count > 0) {
		struct log_job *job = node->write != NULL ? node->write : node->chore;
		bool ran = node->write != NULL ? node->write_ran : node->chore_ran;
		if (job == NULL) {
			struct log_read *read = node->reads[--node->read_count];
			log_read_run(read, true);
			cluster_read_done(node->cluster, read);
			continue;
		}
		if (node->write != NULL)
			node->write = NULL;
		else
			node->chore = NULL;
		if (!ran)
			log_job_run(job);
		cluster_job_done(node->cluster, job);
	}
}

/* ---- The rest ---- */

static void host_send(struct cluster_host *door, uint64_t member, const char *address, const struct message *message)
{
	struct node *node = of(door);
	if (!node_mute(node))
		net_send(node, member, address, message);
}

static enum cluster_way host_way(struct cluster_host *door, uint64_t member, const char *address)
{
	return net_writable(of(door), member) ? CLUSTER_WAY_FREE : CLUSTER_WAY_BUSY;
}

static void host_fail(struct cluster_host *door, int status, const char *sentence)
{
	struct node *node = of(door);
	if (node->dying)
		return;
	if (node->failure.code != 0)
		world_break(&node->sim->world, "%s fails twice: %s; %s", node->name, node->failure.text, sentence);
	clog_error_set(&node->failure, status == 0 ? -1 : status, "%s", sentence);
}

static uint64_t host_random(struct cluster_host *door)
{
	return dice_next(&of(door)->sim->world.dice);
}

void host_init(struct node *node)
{
	node->door = (struct cluster_host){.now_ms = host_now_ms,
	                                   .time_ns = host_time_ns,
	                                   .wake_at = host_wake_at,
	                                   .wake_soon = host_wake_soon,
	                                   .run_write = host_run_write,
	                                   .run_chore = host_run_chore,
	                                   .run_read = host_run_read,
	                                   .send = host_send,
	                                   .way = host_way,
	                                   .fail = host_fail,
	                                   .random = host_random};
}

void host_receive(struct node *node, const struct message *message)
{
	cluster_receive(node->cluster, message);
	node_after(node);
}

void host_writable(struct node *node, uint64_t member)
{
	if (!node_up(node))
		return;
	cluster_writable(node->cluster, member);
	node_after(node);
}
