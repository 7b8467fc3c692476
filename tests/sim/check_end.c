#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/check.h"
#include "tests/sim/look.h"
#include "tests/sim/sim.h"

/* Whether what one has lost can be had from another, who has neither trimmed it nor lost it too. */
static bool others_have_it(const struct sim *sim, const struct node *node)
{
	uint64_t entry = look_first_damage(node->cluster);
	for (unsigned i = 0; i < sim->node_count; i++) {
		const struct node *other = &sim->nodes[i];
		struct log_stat stat;
		if (other == node || !node_up(other) || !check_has_log(other))
			continue;
		log_stat(look_log(other->cluster), &stat);
		if (stat.first_entry <= entry && log_durable(look_log(other->cluster)) >= entry &&
		    !look_lost(other->cluster, entry))
			return true;
	}
	return false;
}

static bool member_settled(struct sim *sim, const struct service_member *member, const char **why)
{
	struct node *node = check_find(sim, member->id);
	struct log_tail tail;
	struct service_state state;
	*why = "a member of the configuration is not there";
	if (node == NULL || !node_up(node))
		return false;
	if (member->role == SERVICE_SPARE)
		return true;
	*why = "damage is not mended";
	if (others_have_it(sim, node) && look_damaged(node->cluster))
		return false;
	log_tail(look_log(node->cluster), &tail);
	*why = "a member has not all that is committed, or more";
	if (tail.entry != sim->check.last || look_commit(node->cluster) != sim->check.last)
		return false;
	*why = "a member counts appends that nobody waits for";
	uint64_t count, size;
	look_queue(node->cluster, &count, &size);
	if (count != 0 || size != 0)
		return false;
	*why = "a member has not made all durable";
	if (log_durable(look_log(node->cluster)) != sim->check.last)
		return false;
	*why = "a member does not show all records";
	if (node->next_offset != sim->check.next_offset)
		return false;
	*why = "a member shows what was trimmed";
	service_state(node->service, &state);
	return state.first_offset >= sim->check.trimmed;
}

bool check_answered(struct sim *sim)
{
	check_deadlines(sim);
	return sim->check.settled == sim->check.append_count;
}

bool check_settled(struct sim *sim, const char **why)
{
	const struct machine_members *members = &sim->check.machine.members;
	*why = "an append is not answered";
	if (!check_answered(sim))
		return false;
	*why = "nothing was ever committed";
	if (members->count == 0)
		return false;
	for (size_t i = 0; i < members->count; i++)
		if (!member_settled(sim, &members->members[i], why))
			return false;
	return true;
}

/* ---- At the end ---- */

static void on_read(struct service_read *read, void *arg)
{
	bool *answered = arg;
	*answered = true;
}

/* Reads what it shows, as a user would. */
static void read_all(struct node *node)
{
	struct service_state state;
	service_state(node->service, &state);
	for (uint64_t offset = 0; offset < node->sim->check.next_offset && !world_broken(&node->sim->world); offset++) {
		struct service_read read = {.kind = SERVICE_RECORD, .offset = offset};
		bool answered = false;
		int rc = service_read(node->service, &read, on_read, &answered);
		if (rc == SERVICE_PENDING)
			host_drain(node);
		if (answered != (rc == SERVICE_PENDING))
			world_break(&node->sim->world, "%s does not answer a read once", node->name);
		check_read(node, &read, rc >= 0 ? read.status : rc, state.next_offset);
		if (rc >= 0)
			service_read_end(node->service, &read);
	}
}

static void same_machine(struct node *node)
{
	struct sim *sim = node->sim;
	const struct machine *machine = look_machine(node->cluster);
	/* One that is about to join, or proposes something just now, stands elsewhere. */
	if (machine->entry != sim->check.machine.entry || look_damaged(node->cluster))
		return;
	unsigned char *images = world_allocate(NULL, 2 * (size_t)MACHINE_SIZE_MAX);
	size_t ours = machine_encode(&sim->check.machine, images);
	size_t size = machine_encode(machine, images + MACHINE_SIZE_MAX);
	if (size != ours || memcmp(images, images + MACHINE_SIZE_MAX, size) != 0)
		world_break(&sim->world, "%s has another machine than its log gives", node->name);
	free(images);
}

static void check_node(struct node *node)
{
	struct sim *sim = node->sim;
	if (!check_whole(node) && !schedule_damaged(node))
		world_break(&sim->world, "%s cannot read all of its log", node->name);
	read_all(node);
	same_machine(node);
}

void check_finally(struct sim *sim)
{
	const struct machine_members *members = &sim->check.machine.members;
	for (size_t i = 0; i < members->count && !world_broken(&sim->world); i++)
		if (members->members[i].role != SERVICE_SPARE)
			check_node(check_find(sim, members->members[i].id));
	for (uint64_t i = 0; i < sim->check.append_count; i++) {
		const struct check_append *append = sim->check.appends[i];
		if (append->fate == CHECK_DONE &&
		    (append->of->placed ? append->of->place != append->first_offset : !append->of->unseen))
			world_break(&sim->world, "append %" PRIu64 " is not where it was acknowledged", i);
		if (append->of->alive == 0 && append->of->placed)
			world_break(&sim->world, "append %" PRIu64 " was refused, and is there", i);
	}
}
