#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/cluster/several.h"

struct letter {
	struct letter *next;
	size_t from, to;
	uint64_t id; /* whom it is for; 0: whoever is there */
	struct message message;
	unsigned char *data;
};

static struct several_node *of(struct cluster_host *door)
{
	/* The door is the first thing in a host, which lies in the node's member. */
	return (struct several_node *)((char *)door - offsetof(struct several_node, member.host));
}

struct cluster *several_cluster(struct several *several, size_t i)
{
	return several->nodes[i].member.cluster;
}

struct member *several_member(struct several *several, size_t i)
{
	return &several->nodes[i].member;
}

/* ---- Links ---- */

static bool find(const struct several *several, uint64_t id, const char *address, size_t *found)
{
	for (size_t i = 0; i < several->count; i++) {
		const struct several_node *node = &several->nodes[i];
		if (id != 0 ? node->id == id : strcmp(node->address, address) == 0) {
			*found = i;
			return true;
		}
	}
	return false;
}

/* Not by malloc and its like: where a test lets these fail, the links are not meant. */
static void *allocate(size_t size)
{
	void *memory = aligned_alloc(16, (size + 15) / 16 * 16);
	assert_non_null(memory);
	return memory;
}

static void add(struct several *several, size_t from, size_t to, uint64_t id, const struct message *message)
{
	struct letter *letter = allocate(sizeof *letter);
	*letter = (struct letter){.from = from, .to = to, .id = id, .message = *message};
	if (message->size > 0) {
		letter->data = allocate(message->size);
		memcpy(letter->data, message->data, message->size);
	}
	letter->message.data = letter->data;
	*several->last = letter;
	several->last = &letter->next;
}

static void post(struct cluster_host *door, uint64_t id, const char *address, const struct message *message)
{
	struct several_node *node = of(door);
	struct several *several = node->several;
	struct message copy = *message;
	size_t to;
	assert_true(message->size <= MESSAGE_SIZE_MAX);
	if (node->member.dying || !find(several, id, address, &to) || to == node->index)
		return;
	if (message->size > several->biggest)
		several->biggest = message->size;
	if (several->cut[node->index][to])
		return;
	if (several->filter != NULL && several->filter(several, node->index, to, &copy))
		return;
	add(several, node->index, to, id, &copy);
}

static enum cluster_way way_to(struct cluster_host *door, uint64_t id, const char *address)
{
	struct several_node *node = of(door);
	size_t to;
	bool blocked = find(node->several, id, "", &to) && node->several->blocked[node->index][to];
	return blocked ? CLUSTER_WAY_BUSY : CLUSTER_WAY_FREE;
}

static void free_letter(struct letter *letter)
{
	free(letter->data);
	free(letter);
}

static bool deliver(struct several *several)
{
	struct letter *letter = several->first;
	if (letter == NULL)
		return false;
	several->first = letter->next;
	if (several->first == NULL)
		several->last = &several->first;
	struct several_node *to = &several->nodes[letter->to];
	bool there = to->member.cluster != NULL && !to->member.dying && (letter->id == 0 || letter->id == to->id);
	if (there && !several->cut[letter->from][letter->to]) {
		to->received[letter->message.type % SEVERAL_TYPES]++;
		cluster_receive(to->member.cluster, &letter->message);
	}
	free_letter(letter);
	return true;
}

size_t several_letters(const struct several *several)
{
	size_t count = 0;
	for (const struct letter *letter = several->first; letter != NULL; letter = letter->next)
		count++;
	return count;
}

void several_isolate(struct several *several, size_t i, bool cut)
{
	for (size_t k = 0; k < SEVERAL_MAX; k++)
		several->cut[i][k] = several->cut[k][i] = cut;
}

void several_forge(struct several *several, size_t from, size_t to, const struct message *message)
{
	struct cluster *sender = several_cluster(several, from);
	struct message copy = *message;
	copy.from = several->nodes[from].id;
	if (copy.cluster == 0)
		copy.cluster = sender->machine.cluster;
	copy.start = sender->start;
	copy.number = ++sender->sent_number;
	add(several, from, to, several->nodes[to].id, &copy);
	/* It comes alone. */
	while (several->first != NULL)
		deliver(several);
}

/* ---- Lives ---- */

void several_init(struct several *several)
{
	memset(several, 0, sizeof *several);
	several->last = &several->first;
	several->options.segment_size = LOG_SEGMENT_SIZE_MIN;
}

void several_add(struct several *several)
{
	size_t i = several->count++;
	struct several_node *node = &several->nodes[i];
	assert_true(i < SEVERAL_MAX);
	if (several->disk == NULL)
		member_init(&node->member, i + 1);
	else
		member_init_over(&node->member, several->disk, i + 1);
	node->member.host.door.send = post;
	node->member.host.door.way = way_to;
	node->several = several;
	node->index = i;
	if (node->name[0] == '\0')
		snprintf(node->name, sizeof node->name, "m%zu", i);
	snprintf(node->address, sizeof node->address, "host%zu:1", i);
	if (i > 0) {
		node->member.host.now_ms = several->nodes[0].member.host.now_ms;
		node->member.host.time_ns = several->nodes[0].member.host.time_ns;
	}
}

int several_try_open(struct several *several, size_t i, size_t seed, struct clog_error *err)
{
	if (i == several->count)
		several_add(several);
	struct several_node *node = &several->nodes[i];
	struct member *member = &node->member;
	struct cluster_options options = several->options;
	const char *const seeds[] = {seed < several->count ? several->nodes[seed].address : ""};
	char data[128];
	snprintf(data, sizeof data, "%s%s%s", several->disk == NULL ? MEMBER_DATA : several->folder,
	         several->disk == NULL ? "" : "/", several->disk == NULL ? "" : node->name);
	options.data = data;
	options.name = node->name;
	options.address = node->address;
	options.seeds = seeds;
	options.seed_count = seed < several->count ? 1 : 0;
	assert_null(member->cluster);
	member->host.wake_at_ms = HOST_NEVER;
	member->host.turn_wanted = false;
	member->host.failures = 0;
	int rc = cluster_open(&member->cluster, &options, &member->host.door, err);
	if (rc != 0) {
		member->cluster = NULL;
		return rc;
	}
	node->id = member->cluster->identity.id;
	rc = cluster_start(member->cluster, err);
	if (rc != 0) {
		cluster_close(member->cluster);
		member->cluster = NULL;
		return rc;
	}
	member->service = cluster_service(member->cluster);
	return 0;
}

void several_open_at(struct several *several, size_t i, size_t seed)
{
	struct clog_error err = {0};
	if (several_try_open(several, i, seed, &err) != 0)
		fail_msg("m%zu could not be opened: %s", i, err.text);
}

void several_open(struct several *several, size_t i)
{
	several_open_at(several, i, SEVERAL_NONE);
}

void several_found(struct several *several, size_t count)
{
	several_open(several, 0);
	several_settle(several);
	for (size_t i = 1; i < count; i++)
		several_join(several, i);
	several_agree(several);
}

static void on_dead(void *arg)
{
}

/* The dead one's memory is freed in the way of the living: it hears nothing, and nobody hears it; what it has promised
 * its users runs into its deadline. */
static void bury(struct member *member)
{
	struct host *host = &member->host;
	member->dying = true;
	cluster_stop(member->cluster, on_dead, NULL);
	host_settle(host);
	for (unsigned tries = 0; tries < 100 && !member->cluster->stopped; tries++) {
		host_pass(host, 1000);
		host->turn_wanted = true;
		host_settle(host);
	}
	assert_true(member->cluster->stopped);
	assert_false(host_busy(host));
	cluster_close(member->cluster);
	member->cluster = NULL;
	member->service = NULL;
	member->dying = false;
}

void several_close(struct several *several, size_t i)
{
	struct member *member = several_member(several, i);
	uint64_t now_ms = member->host.now_ms, time_ns = member->host.time_ns;
	if (member->cluster != NULL)
		bury(member);
	member->host.now_ms = now_ms;
	member->host.time_ns = time_ns;
}

static void give_disk(struct member *member, struct memory_disk *memory)
{
	faulty_disk_destroy(member->faulty);
	memory_disk_destroy(member->memory);
	member->memory = memory;
	member->faulty = faulty_disk_create(memory_disk_door(memory));
	member->host.door.disk = faulty_disk_door(member->faulty);
}

void several_kill(struct several *several, size_t i)
{
	struct member *member = several_member(several, i);
	struct memory_disk *left = memory_disk_clone(member->memory);
	several_close(several, i);
	give_disk(member, left);
}

void several_wipe(struct several *several, size_t i)
{
	several_kill(several, i);
	give_disk(several_member(several, i), memory_disk_create());
	several->nodes[i].id = 0;
}

void several_finish(struct several *several)
{
	for (size_t i = 0; i < several->count; i++) {
		several_close(several, i);
		member_finish(several_member(several, i));
	}
	while (several->first != NULL) {
		struct letter *letter = several->first;
		several->first = letter->next;
		free_letter(letter);
	}
	several->count = 0;
}

/* ---- Time ---- */

static bool step_node(struct several *several, size_t i)
{
	struct member *member = several_member(several, i);
	if (member->cluster == NULL)
		return false;
	return several->stalled[i] ? host_turn(&member->host) : host_step(&member->host);
}

bool several_step(struct several *several)
{
	for (size_t i = 0; i < several->count; i++)
		if (step_node(several, i))
			return true;
	return deliver(several);
}

void several_settle(struct several *several)
{
	for (unsigned steps = 0; several_step(several); steps++)
		if (steps > 10000000)
			fail_msg("the members never come to rest");
}

/* Milliseconds until the first member wants to be woken, at most so many and at least 1. */
static uint64_t next_wait(const struct several *several, uint64_t most)
{
	uint64_t wait = most;
	for (size_t i = 0; i < several->count; i++) {
		const struct host *host = &several->nodes[i].member.host;
		if (several->nodes[i].member.cluster == NULL || host->wake_at_ms == HOST_NEVER)
			continue;
		uint64_t left = host->wake_at_ms > host->now_ms ? host->wake_at_ms - host->now_ms : 1;
		wait = left < wait ? left : wait;
	}
	return wait;
}

void several_pass(struct several *several, uint64_t ms)
{
	several_settle(several);
	while (ms > 0) {
		uint64_t wait = next_wait(several, ms);
		for (size_t i = 0; i < several->count; i++)
			host_pass(&several->nodes[i].member.host, wait);
		several_settle(several);
		ms -= wait;
	}
}
