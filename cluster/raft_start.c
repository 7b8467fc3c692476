/* Starting libraft from what the disk holds. */
#include "cluster/raft_core.h"

#include "log/log.h"

#include <assert.h>
#include <errno.h>

/* The core learns of the log's entries by their runs of terms, whatever their number: it is started with none, and what
 * RAFT_START would have made of an array of them is filled in. */
static int fill_log(struct core *core, const struct core_state *state)
{
	struct raft_trail *trail = &core->raft.trail;
	size_t first = 0;
	assert(trail->records == NULL && trail->offset == state->base_entry);
	while (first < state->term_count && state->terms[first].last_entry <= state->base_entry)
		first++;
	size_t count = state->term_count - first;
	if (count == 0)
		return 0;
	/* A ring of one more than it holds, or full would look like empty. */
	trail->records = raft_calloc(count + 1, sizeof *trail->records);
	if (trail->records == NULL)
		return -ENOMEM;
	trail->size = (unsigned)count + 1;
	for (; trail->back < count; trail->back++) {
		trail->records[trail->back].index = state->terms[first + trail->back].last_entry;
		trail->records[trail->back].term = state->terms[first + trail->back].term;
	}
	core->raft.last_stored = state->terms[state->term_count - 1].last_entry;
	return 0;
}

static int replace_configuration(struct raft_configuration *configuration, const struct machine_members *members)
{
	raft_configuration_close(configuration);
	return core_make_configuration(configuration, members);
}

/* The last configuration may not be committed yet; the one before it is, or it could not have been followed. That of
 * entry 1 is the same everywhere and committed from the start. */
static int fill_configurations(struct core *core, const struct core_state *state)
{
	struct raft *raft = &core->raft;
	const struct machine_members *last = state->last;
	if (last == NULL || last->entry <= state->base_entry)
		return 0;
	const struct machine_members *committed = last->entry == 1 ? last : state->before;
	int rc = replace_configuration(&raft->configuration, last);
	if (rc == 0 && committed != NULL && committed->entry > raft->configuration_committed_index) {
		rc = replace_configuration(&raft->configuration_committed, committed);
		raft->configuration_committed_index = committed->entry;
	}
	if (last->entry > 1)
		raft->configuration_uncommitted_index = last->entry;
	if (raft->commit_index < raft->configuration_committed_index)
		raft->commit_index = raft->configuration_committed_index;
	return rc;
}

/* RAFT_START with the base alone. An only voter must not be elected before the rest is filled in: it is given a base
 * without members first. */
static int start_at_base(struct core *core, uint64_t now_ms, const struct core_state *state)
{
	struct raft_snapshot_metadata metadata = {.index = state->base_entry, .term = state->base_term};
	struct raft_event event = {.type = RAFT_START};
	event.start.term = state->term;
	event.start.voted_for = state->vote;
	event.start.start_index = state->base_entry + 1;
	if (state->base_entry == 0)
		return core_step_once(core, now_ms, &event);
	metadata.configuration_index = state->base->entry;
	raft_configuration_init(&metadata.configuration);
	event.start.metadata = &metadata;
	int rc = core_step_once(core, now_ms, &event);
	if (rc == 0)
		rc = replace_configuration(&core->raft.configuration, state->base);
	return rc == 0 ? replace_configuration(&core->raft.configuration_committed, state->base) : rc;
}

int core_start(struct core *core, uint64_t now_ms, const struct core_state *state)
{
	int rc = start_at_base(core, now_ms, state);
	if (rc == 0)
		rc = fill_log(core, state);
	if (rc == 0)
		rc = fill_configurations(core, state);
	if (rc != 0)
		return rc;
	if (core_only_voter(&core->raft)) {
		/* Nobody else can be elected: it need not wait to see whether there is a leader. */
		core->raft.follower_state.randomized_election_timeout = 0;
		rc = core_timeout(core, now_ms);
	}
	/* What was filled in by hand no update has told of. */
	if (rc == 0)
		core->ops->commit(core->arg, raft_commit_index(&core->raft));
	return rc;
}
