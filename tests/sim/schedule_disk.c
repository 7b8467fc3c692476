#include <endian.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "log/crc.h"
#include "log/store.h"
#include "tests/sim/schedule.h"
#include "tests/sim/sim.h"

#define TAIL_SIZE 1500u /* bytes: some frames */

/* ---- Full disks ---- */

static void fire_room(void *arg, uint64_t token)
{
	struct node *node = arg;
	node->full = false;
	memory_disk_set_room(node->memory, UINT64_MAX);
}

void schedule_full(struct sim *sim)
{
	struct world *world = &sim->world;
	struct node *node = &sim->nodes[world_between(world, 0, sim->node_count - 1)];
	if (node->full)
		return;
	sim_count(sim, FAULT_FULL);
	world_trace(world, "%s has a full disk", node->name);
	node->full = true;
	/* Mostly the reserve is met in time; sometimes somebody else takes the last byte. */
	if (world_chance(world, 200))
		memory_disk_set_room(node->memory, 0);
	world_after(world, world_between(world, 500 * WORLD_MS, 5 * WORLD_SECOND), fire_room, node, 0);
}

/* ---- Damage ---- */

static void mark_damaged(struct node *node, uint64_t durable)
{
	struct schedule *schedule = &node->sim->schedule;
	uint64_t last = node->sim->check.last;
	schedule->damaged |= 1u << node->index;
	schedule->damaged_last[node->index] = durable > last ? durable : last;
}

bool schedule_damaged(const struct node *node)
{
	return node->sim->schedule.damaged & (1u << node->index);
}

/* A node whose disk may be damaged now: afterwards a majority of the voters still has everything. */
static struct node *any_to_damage(struct sim *sim)
{
	const struct machine_members *members = &sim->check.machine.members;
	unsigned voters = 0, damaged = 0;
	if (sim->schedule.shrinks)
		return NULL;
	for (size_t i = 0; i < members->count; i++) {
		if (members->members[i].role != SERVICE_VOTER)
			continue;
		const struct node *node = check_find(sim, members->members[i].id);
		voters++;
		damaged += node == NULL || schedule_damaged(node);
	}
	for (unsigned i = 0; i < sim->node_count; i++)
		damaged += schedule_damaged(&sim->nodes[i]) && !check_is_member(&sim->nodes[i]);
	if (2 * (damaged + 1) >= voters)
		return NULL;
	struct node *node = &sim->nodes[world_between(&sim->world, 0, sim->node_count - 1)];
	return check_is_member(node) && !schedule_damaged(node) ? node : NULL;
}

/* Stores with durable frames, counted; the one that is wanted. */
struct stores {
	struct log_disk *disk;
	unsigned count, wanted;
	char path[MEMORY_PATH_SIZE];
	char first[MEMORY_PATH_SIZE]; /* of the indexes */
	struct store_mark mark;       /* of that one */
};

static int look_at_store(const char *name, void *arg)
{
	struct stores *stores = arg;
	struct log_cell cell;
	struct store_mark mark;
	char path[MEMORY_PATH_SIZE];
	size_t length = strlen(name);
	if (length < 6 || name[0] < '0' || name[0] > '9' || strcmp(name + length - 6, ".store") != 0)
		return 0;
	snprintf(path, sizeof path, "%s/log/%s", NODE_DATA, name);
	int handle = stores->disk->open(stores->disk, path, O_RDONLY);
	if (handle < 0)
		return 0;
	if (store_read_mark(stores->disk, handle, &cell, &mark) == 0 && mark.position > STORE_FRAMES &&
	    stores->count++ == stores->wanted) {
		snprintf(stores->path, sizeof stores->path, "%s", path);
		stores->mark = mark;
	}
	stores->disk->close(stores->disk, handle);
	return 0;
}

/* Changes some bytes of durable frames. */
static bool rot(struct node *node)
{
	struct world *world = &node->sim->world;
	struct stores stores = {.disk = memory_disk_door(node->memory), .wanted = UINT32_MAX};
	if (stores.disk->list(stores.disk, NODE_DATA "/log", look_at_store, &stores) != 0 || stores.count == 0)
		return false;
	stores.wanted = (unsigned)world_between(world, 0, stores.count - 1);
	stores.count = 0;
	stores.disk->list(stores.disk, NODE_DATA "/log", look_at_store, &stores);
	unsigned char bytes[64];
	size_t size = world_chance(world, 500) ? 1 : sizeof bytes, file_size;
	size = size < stores.mark.position - STORE_FRAMES ? size : 1;
	size_t low = STORE_FRAMES, high = stores.mark.position - size;
	/* What comes last may not be committed. */
	if (world_chance(world, 500) && high - low > TAIL_SIZE)
		low = high - TAIL_SIZE;
	size_t at = world_between(world, low, high);
	const unsigned char *old = memory_disk_bytes(node->memory, stores.path, &file_size);
	if (old == NULL || at + size > file_size)
		return false;
	for (size_t i = 0; i < size; i++)
		bytes[i] = old[at + i] ^ (unsigned char)world_between(world, 1, 255);
	world_trace(world, "%s: %zu bytes of %s change at %zu", node->name, size, stores.path, at);
	memory_disk_poke(node->memory, stores.path, at, bytes, size);
	node->rotted = true;
	mark_damaged(node, stores.mark.tail.entry);
	/* A start looks at what a running member may not look at for long. */
	if (world_chance(world, 300))
		node_die(node, NODE_KILLED);
	return true;
}

/* Changes a byte of a file. */
static bool rot_byte(struct node *node, const char *path, size_t size_most)
{
	struct world *world = &node->sim->world;
	size_t size;
	const unsigned char *old = memory_disk_bytes(node->memory, path, &size);
	if (old == NULL || size == 0)
		return false;
	size_t at = world_between(world, 0, (size < size_most ? size : size_most) - 1);
	unsigned char byte = old[at] ^ (unsigned char)world_between(world, 1, 255);
	world_trace(world, "%s: a byte of %s changes at %zu", node->name, path, at);
	memory_disk_poke(node->memory, path, at, &byte, 1);
	return true;
}

static bool slot_ok(const unsigned char *slot)
{
	uint32_t checksum;
	memcpy(&checksum, slot + LOG_CELL_SLOT_SIZE - sizeof checksum, sizeof checksum);
	return le32toh(checksum) == crc32c(slot, LOG_CELL_SLOT_SIZE - sizeof checksum);
}

/* Hurts one of a cell's two slots. Both must be good, and durable, and hold the same: more no cell promises to bear. */
static bool rot_cell(struct node *node)
{
	static const char *const paths[] = {NODE_DATA "/vote", NODE_DATA "/identity", NODE_DATA "/log/base"};
	const char *path = paths[world_between(&node->sim->world, 0, 2)];
	size_t size;
	const unsigned char *slots = memory_disk_bytes(node->memory, path, &size);
	if (node_up(node) || node->id == 0 || slots == NULL || size < LOG_CELL_SIZE ||
	    memory_disk_sectors(node->memory) > 0)
		return false;
	const unsigned char *other = slots + LOG_CELL_SLOT_SIZE;
	if (!slot_ok(slots) || !slot_ok(other) || memcmp(slots + 16, other + 16, LOG_CELL_SLOT_SIZE - 20) != 0)
		return false;
	return rot_byte(node, path, LOG_CELL_SIZE);
}

void schedule_rot(struct sim *sim)
{
	struct world *world = &sim->world;
	bool rotten = false;
	for (unsigned i = 0; i < sim->node_count; i++)
		rotten = (world_chance(world, 500) && rot_cell(&sim->nodes[i])) || rotten;
	struct node *node = any_to_damage(sim);
	if (node != NULL)
		rotten = rot(node) || rotten;
	if (rotten)
		sim_count(sim, FAULT_ROT);
}

void schedule_replace(struct sim *sim)
{
	struct node *node = any_to_damage(sim);
	if (node == NULL)
		return;
	sim_count(sim, FAULT_REPLACE);
	node_wipe(node);
	mark_damaged(node, 0);
	if (!node->wanted)
		node_open_later(node, world_between(&sim->world, 1, 4000) * WORLD_MS);
}

/* ---- Looking after ---- */

static void look_after(struct node *node)
{
	struct sim *sim = node->sim;
	/* What was lost is there again: the next damage may come. */
	if (schedule_damaged(node) && node_up(node) && check_votes(node) &&
	    node->checked >= sim->schedule.damaged_last[node->index] && check_whole(node)) {
		world_trace(&sim->world, "%s is whole again", node->name);
		sim->schedule.damaged &= ~(1u << node->index);
	}
	if (node->id != 0 && check_is_member(node)) {
		node->joined = true;
	} else if (node->joined && world_chance(&sim->world, 300)) {
		/* It was removed, and comes back as a new one. */
		node_wipe(node);
		if (!node->wanted)
			node_open_later(node, world_between(&sim->world, 1, 1000) * WORLD_MS);
	}
}

void schedule_look_after(struct sim *sim)
{
	for (unsigned i = 0; i < sim->node_count; i++)
		look_after(&sim->nodes[i]);
}
