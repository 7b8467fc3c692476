#include "cluster/raft.h"

#include "log/log.h"
#include "service/service.h"

#include <assert.h>
#include <errno.h>
#include <raft.h>
#include <stdlib.h>

static_assert(RAFT_VERSION_NUMBER == 2201, "the way libraft is driven here is that of 0.22.1");

struct core {
	struct raft raft;
	const struct core_ops *ops;
	void *arg;
	uint32_t heartbeat_ms;
	uint64_t ticked_ms; /* when it last had a timeout */
};

/* libraft's codes in ours. Whatever has no meaning of its own is a broken contract: final. */
static int translate(int rv)
{
	switch (rv) {
	case 0:
		return 0;
	case RAFT_NOMEM:
		return -ENOMEM;
	case RAFT_NOTLEADER:
		return -EHOSTUNREACH;
	case RAFT_NOSPACE:
		return -ENOSPC;
	case RAFT_MALFORMED:
		return -EBADMSG;
	default:
		return -ENOTRECOVERABLE;
	}
}

static int carry_out(struct core *core, const struct raft_update *update)
{
	struct raft *raft = &core->raft;
	int rc;
	if (update->flags & ((RAFT_UPDATE_CURRENT_TERM) | (RAFT_UPDATE_VOTED_FOR))) {
		rc = core->ops->vote(core->arg, raft_current_term(raft), raft_voted_for(raft));
		if (rc != 0)
			return rc;
	}
	if (update->flags & (RAFT_UPDATE_ENTRIES)) {
		assert(update->entries.n == 1);
		rc = core->ops->accept(core->arg, update->entries.index);
		if (rc != 0)
			return rc;
	}
	if (update->flags & (RAFT_UPDATE_MESSAGES))
		for (unsigned i = 0; i < update->messages.n; i++)
			core->ops->send(core->arg, update->messages.batch[i].server_id, &update->messages.batch[i]);
	if (update->flags & (RAFT_UPDATE_COMMIT_INDEX))
		core->ops->commit(core->arg, raft_commit_index(raft));
	return 0;
}

static int step(struct core *core, uint64_t now_ms, struct raft_event *event)
{
	struct raft_update update;
	event->time = now_ms;
	event->capacity = 0;
	int rv = raft_step(&core->raft, event, &update);
	return rv == 0 ? carry_out(core, &update) : translate(rv);
}

int core_create(struct core **core, const struct core_options *options)
{
	struct core *made = calloc(1, sizeof *made);
	if (made == NULL)
		return -ENOMEM;
	if (raft_init(&made->raft, NULL, NULL, options->id, options->address) != 0) {
		free(made);
		return -ENOMEM;
	}
	made->raft.tracer = NULL;
	made->ops = options->ops;
	made->arg = options->arg;
	made->heartbeat_ms = options->heartbeat_ms;
	raft_seed(&made->raft, options->random);
	raft_set_election_timeout(&made->raft, options->election_ms);
	raft_set_heartbeat_timeout(&made->raft, options->heartbeat_ms);
	raft_set_pre_vote(&made->raft, true);
	*core = made;
	return 0;
}

void core_destroy(struct core *core)
{
	if (core == NULL)
		return;
	raft_close(&core->raft, NULL);
	free(core);
}

/* The core learns of the log's entries by their runs of terms, whatever their number: it is started with none, and what
 * RAFT_START would have made of an array of them is filled in. */
static int fill_log(struct core *core, const struct core_state *state)
{
	struct raft_trail *trail = &core->raft.trail;
	assert(trail->records == NULL && trail->offset == 0);
	if (state->term_count == 0)
		return 0;
	/* A ring of one more than it holds, or full would look like empty. */
	trail->records = raft_calloc(state->term_count + 1, sizeof *trail->records);
	if (trail->records == NULL)
		return -ENOMEM;
	trail->size = (unsigned)state->term_count + 1;
	for (; trail->back < state->term_count; trail->back++) {
		trail->records[trail->back].index = state->terms[trail->back].last_entry;
		trail->records[trail->back].term = state->terms[trail->back].term;
	}
	core->raft.last_stored = state->terms[state->term_count - 1].last_entry;
	return 0;
}

static int add_members(struct raft_configuration *configuration, const struct core_state *state)
{
	static const int roles[] = {
		[SERVICE_VOTER] = RAFT_VOTER, [SERVICE_STANDBY] = RAFT_STANDBY, [SERVICE_SPARE] = RAFT_SPARE};
	for (size_t i = 0; i < state->member_count; i++) {
		const struct service_member *member = &state->members[i];
		int rv = raft_configuration_add(configuration, member->id, member->name, roles[member->role]);
		if (rv != 0)
			return translate(rv);
	}
	return 0;
}

static int fill_configuration(struct core *core, const struct core_state *state)
{
	struct raft *raft = &core->raft;
	int rc = add_members(&raft->configuration, state);
	if (rc == 0)
		rc = add_members(&raft->configuration_committed, state);
	raft->configuration_committed_index = state->configuration;
	raft->commit_index = state->configuration;
	return rc;
}

static bool only_voter(const struct raft *raft)
{
	unsigned voters = 0;
	bool self = false;
	for (unsigned i = 0; i < raft->configuration.n; i++) {
		if (raft->configuration.servers[i].role != RAFT_VOTER)
			continue;
		voters++;
		self = self || raft->configuration.servers[i].id == raft->id;
	}
	return self && voters == 1;
}

int core_start(struct core *core, uint64_t now_ms, const struct core_state *state)
{
	struct raft_event event = {.type = RAFT_START};
	event.start.term = state->term;
	event.start.voted_for = state->vote;
	event.start.start_index = 1;
	int rc = step(core, now_ms, &event);
	if (rc == 0)
		rc = fill_log(core, state);
	if (rc == 0)
		rc = fill_configuration(core, state);
	if (rc != 0)
		return rc;
	if (only_voter(&core->raft)) {
		/* Nobody else can be elected: it need not wait to see whether there is a leader. */
		core->raft.follower_state.randomized_election_timeout = 0;
		rc = core_timeout(core, now_ms);
	}
	/* What was filled in by hand no update has told of. */
	if (rc == 0)
		core->ops->commit(core->arg, raft_commit_index(&core->raft));
	return rc;
}

int core_submit(struct core *core, uint64_t now_ms)
{
	if (raft_state(&core->raft) != RAFT_LEADER)
		return -EHOSTUNREACH;
	/* The core frees the batch where it fails; the payload is ours and it never looks at it. */
	void *batch = raft_malloc(1);
	if (batch == NULL)
		return -ENOMEM;
	struct raft_entry entry = {.term = raft_current_term(&core->raft), .type = RAFT_COMMAND, .batch = batch};
	entry.buf.base = batch;
	entry.buf.len = 1;
	struct raft_event event = {.type = RAFT_SUBMIT};
	event.submit.entries = &entry;
	event.submit.n = 1;
	int rc = step(core, now_ms, &event);
	raft_free(batch);
	return rc;
}

int core_persisted(struct core *core, uint64_t now_ms, uint64_t entry)
{
	if (entry <= core->raft.last_stored)
		return 0;
	struct raft_event event = {.type = RAFT_PERSISTED_ENTRIES};
	event.persisted_entries.index = entry;
	return step(core, now_ms, &event);
}

int core_timeout(struct core *core, uint64_t now_ms)
{
	struct raft_event event = {.type = RAFT_TIMEOUT};
	core->ticked_ms = now_ms;
	return step(core, now_ms, &event);
}

/* A leader's own answer may lie in the past, and would make the timer spin. */
uint64_t core_timeout_at(const struct core *core)
{
	uint64_t at = raft_timeout(&core->raft);
	uint64_t least = core->ticked_ms + core->heartbeat_ms;
	return core->raft.state == RAFT_LEADER && at < least ? least : at;
}

uint64_t core_term(const struct core *core)
{
	return raft_current_term(&core->raft);
}

uint64_t core_commit(const struct core *core)
{
	return raft_commit_index(&core->raft);
}

enum core_role core_role(const struct core *core)
{
	switch (core->raft.state) {
	case RAFT_LEADER:
		return CORE_LEADER;
	case RAFT_CANDIDATE:
		return CORE_CANDIDATE;
	default:
		return CORE_FOLLOWER;
	}
}

uint64_t core_leader(const struct core *core)
{
	const struct raft *raft = &core->raft;
	if (raft->state == RAFT_LEADER)
		return raft->id;
	return raft->state == RAFT_FOLLOWER ? raft->follower_state.current_leader.id : 0;
}
