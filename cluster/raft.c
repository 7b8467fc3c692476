#include "cluster/raft_core.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static_assert(RAFT_VERSION_NUMBER == 2201, "the way libraft is driven here is that of 0.22.1");

/* Entries on their way to a follower without an answer; the bytes are bounded where they are sent (peer.c). */
#define INFLIGHT_ENTRIES_MAX 64u
/* After this long without an answer to a MESSAGE_INSTALL it is sent again. */
#define INSTALL_TIMEOUT_MS 10000u
/* Messages that one step can send: two to each other member, and an answer. */
#define MESSAGES_MAX (2 * SERVICE_MEMBERS_MAX)

int core_translate(int rv)
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
	case RAFT_CANTCHANGE:
		return -EBUSY;
	case RAFT_BADID:
	case RAFT_NOTFOUND:
		return -ENOENT;
	default:
		return -ENOTRECOVERABLE;
	}
}

/* ---- Configurations ---- */

/* libraft's own leaves behind what it has freed. */
static void drop_configuration(struct raft_configuration *configuration)
{
	raft_configuration_close(configuration);
	raft_configuration_init(configuration);
}

int core_make_configuration(struct raft_configuration *configuration, const struct machine_members *members)
{
	static const int roles[] = {
		[SERVICE_VOTER] = RAFT_VOTER, [SERVICE_STANDBY] = RAFT_STANDBY, [SERVICE_SPARE] = RAFT_SPARE};
	raft_configuration_init(configuration);
	for (size_t i = 0; i < members->count; i++) {
		const struct service_member *member = &members->members[i];
		int rv = raft_configuration_add(configuration, member->id, member->name, roles[member->role]);
		if (rv != 0) {
			drop_configuration(configuration);
			return core_translate(rv);
		}
	}
	return 0;
}

static int copy_configuration(struct raft_configuration *copy, const struct raft_configuration *from)
{
	raft_configuration_init(copy);
	for (unsigned i = 0; i < from->n; i++) {
		const struct raft_server *server = &from->servers[i];
		int rv = raft_configuration_add(copy, server->id, server->address, server->role);
		if (rv != 0) {
			drop_configuration(copy);
			return core_translate(rv);
		}
	}
	return 0;
}

/* ---- What goes out ---- */

/* A message of libraft in ours. */
static void encode(const struct raft_message *from, struct message *to)
{
	*to = (struct message){0};
	switch (from->type) {
	case RAFT_REQUEST_VOTE:
		to->type = MESSAGE_VOTE;
		to->term = from->request_vote.term;
		to->vote = (struct message_vote){.last_entry = from->request_vote.last_log_index,
		                                 .last_term = from->request_vote.last_log_term,
		                                 .disrupt = from->request_vote.disrupt_leader,
		                                 .pre = from->request_vote.pre_vote};
		break;
	case RAFT_REQUEST_VOTE_RESULT:
		to->type = MESSAGE_VOTE_RESULT;
		to->term = from->request_vote_result.term;
		to->vote_result = (struct message_vote_result){.granted = from->request_vote_result.vote_granted,
		                                               .pre = from->request_vote_result.pre_vote};
		break;
	case RAFT_APPEND_ENTRIES:
		to->type = MESSAGE_APPEND;
		to->term = from->append_entries.term;
		to->append = (struct message_append){.entry = from->append_entries.prev_log_index,
		                                     .entry_term = from->append_entries.prev_log_term,
		                                     .commit = from->append_entries.leader_commit,
		                                     .count = from->append_entries.n_entries};
		break;
	case RAFT_APPEND_ENTRIES_RESULT:
		to->type = MESSAGE_APPEND_RESULT;
		to->term = from->append_entries_result.term;
		to->append_result = (struct message_append_result){
			.rejected = from->append_entries_result.rejected,
			.last_entry = from->append_entries_result.last_log_index};
		break;
	case RAFT_INSTALL_SNAPSHOT:
		to->type = MESSAGE_INSTALL;
		to->term = from->install_snapshot.term;
		to->install.base.entry = from->install_snapshot.last_index;
		to->install.base.term = from->install_snapshot.last_term;
		break;
	default:
		to->type = MESSAGE_TIMEOUT_NOW;
		to->term = from->timeout_now.term;
		to->timeout_now = (struct message_timeout_now){.last_entry = from->timeout_now.last_log_index,
		                                               .last_term = from->timeout_now.last_log_term};
		break;
	}
}

static void send(struct core *core, const struct raft_message *from)
{
	struct message message;
	encode(from, &message);
	shim_mark_stale(&message, core->asked_term, core->term_before);
	shim_raise_denial(&message, raft_current_term(&core->raft));
	core->ops->send(core->arg, from->server_id, &message);
}

static int take_entries(struct core *core, const struct raft_update *update)
{
	struct raft *raft = &core->raft;
	uint64_t first = update->entries.index;
	if (update->entries.batch == &raft->barrier) {
		raft_free(raft->barrier.batch);
		return core->ops->barrier(core->arg, first);
	}
	assert(first >= core->first_entry && first - core->first_entry + update->entries.n <= core->frame_count);
	return core->ops->accept(core->arg, core->frames + (first - core->first_entry), update->entries.n);
}

static int carry_out(struct core *core, struct raft_update *update)
{
	struct raft *raft = &core->raft;
	int rc = 0;
	if (update->flags & ((RAFT_UPDATE_CURRENT_TERM) | (RAFT_UPDATE_VOTED_FOR)))
		rc = core->ops->vote(core->arg, raft_current_term(raft), raft_voted_for(raft));
	if (rc == 0 && update->flags & (RAFT_UPDATE_ENTRIES))
		rc = take_entries(core, update);
	if (update->flags & (RAFT_UPDATE_SNAPSHOT)) {
		core->installing = update->snapshot.metadata;
		rc = rc != 0 ? rc : core->ops->install(core->arg);
	}
	if (rc != 0)
		return rc;
	if (update->flags & (RAFT_UPDATE_MESSAGES))
		for (unsigned i = 0; i < update->messages.n; i++)
			send(core, &update->messages.batch[i]);
	if (update->flags & (RAFT_UPDATE_COMMIT_INDEX))
		core->ops->commit(core->arg, raft_commit_index(raft));
	return 0;
}

int core_step_once(struct core *core, uint64_t now_ms, struct raft_event *event)
{
	struct raft_update update;
	event->time = now_ms;
	event->capacity = 0;
	int rv = raft_step(&core->raft, event, &update);
	if (rv != 0)
		return core_translate(rv);
	/* Whatever becomes of the rest: libraft has use for them. */
	core->taken = core->taken || (update.flags & (RAFT_UPDATE_ENTRIES)) != 0;
	return carry_out(core, &update);
}

int core_confirm_configuration(struct core *core, uint64_t now_ms)
{
	struct raft_event event = {.type = RAFT_CONFIGURATION};
	event.configuration.index = core->raft.configuration_uncommitted_index;
	int rc = copy_configuration(&event.configuration.conf, &core->raft.configuration);
	return rc == 0 ? core_step_once(core, now_ms, &event) : rc;
}

int core_confirm_committed(struct core *core, uint64_t now_ms)
{
	const struct raft *raft = &core->raft;
	int rc = 0;
	while (rc == 0 && raft->configuration_uncommitted_index != 0 &&
	       raft->configuration_uncommitted_index <= raft_commit_index(raft))
		rc = core_confirm_configuration(core, now_ms);
	return rc;
}

int core_step(struct core *core, uint64_t now_ms, struct raft_event *event)
{
	int rc = core_step_once(core, now_ms, event);
	return rc == 0 ? core_confirm_committed(core, now_ms) : rc;
}

/* ---- Creating and starting ---- */

/* A message that cannot be sent for want of memory makes libraft forget what it was to send, or free entries twice: it
 * gets room for all of them from the start. */
static int make_room_for_messages(struct raft *raft)
{
	raft->messages = raft_malloc(MESSAGES_MAX * sizeof *raft->messages);
	if (raft->messages == NULL)
		return -ENOMEM;
	raft->n_messages_cap = MESSAGES_MAX;
	return 0;
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
	raft_set_install_snapshot_timeout(&made->raft, INSTALL_TIMEOUT_MS);
	raft_set_max_inflight_entries(&made->raft, INFLIGHT_ENTRIES_MAX);
	raft_set_pre_vote(&made->raft, true);
	int rc = make_room_for_messages(&made->raft);
	if (rc != 0)
		core_destroy(made);
	else
		*core = made;
	return rc;
}

void core_destroy(struct core *core)
{
	if (core == NULL)
		return;
	if (core->raft.snapshot.installing)
		raft_configuration_close(&core->installing.configuration);
	raft_close(&core->raft, NULL);
	free(core);
}

int core_persisted(struct core *core, uint64_t now_ms, uint64_t entry)
{
	if (entry <= core->raft.last_stored || core->raft.snapshot.installing)
		return 0;
	struct raft_event event = {.type = RAFT_PERSISTED_ENTRIES};
	event.persisted_entries.index = entry;
	return core_step(core, now_ms, &event);
}

bool core_only_voter(const struct raft *raft)
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

/* When a follower has heard nothing of a leader for too long. */
static uint64_t expires_at(const struct raft *raft)
{
	return raft->election_timer_start + raft->follower_state.randomized_election_timeout;
}

static void forget_leader(struct core *core, uint64_t now_ms)
{
	struct raft *raft = &core->raft;
	if (!shim_forgets_leader(raft->state == RAFT_FOLLOWER, now_ms, expires_at(raft)))
		return;
	/* By the address libraft knows whether there is one to answer. */
	raft_free(raft->follower_state.current_leader.address);
	raft->follower_state.current_leader.address = NULL;
	raft->follower_state.current_leader.id = 0;
}

/* S9: libraft makes the only voter leader without a vote, in the term that it has. But that term may have had a leader:
 * another one, who has left, or this one before its restart, whose entries did not all become durable. No two entries
 * may have the same number and term, so it begins a term of its own. */
static int begin_term(struct core *core, uint64_t now_ms)
{
	struct raft *raft = &core->raft;
	if (!shim_begins_term(raft->state == RAFT_FOLLOWER, core_only_voter(raft), now_ms, expires_at(raft)))
		return 0;
	raft->current_term++;
	raft->voted_for = raft->id;
	return core->ops->vote(core->arg, raft->current_term, raft->voted_for);
}

int core_timeout(struct core *core, uint64_t now_ms)
{
	struct raft_event event = {.type = RAFT_TIMEOUT};
	core->ticked_ms = now_ms;
	forget_leader(core, now_ms);
	int rc = begin_term(core, now_ms);
	if (rc != 0)
		return rc;
	return core_step(core, now_ms, &event);
}

int core_installed(struct core *core, uint64_t now_ms)
{
	struct raft *raft = &core->raft;
	struct raft_configuration copy;
	struct raft_event event = {.type = RAFT_PERSISTED_SNAPSHOT};
	int rc = copy_configuration(&copy, &core->installing.configuration);
	if (rc != 0)
		return rc;
	/* libraft would free the members twice if it had no memory to copy them: it is given none, and they are put
	 * where it would have. */
	event.persisted_snapshot.metadata = core->installing;
	raft_configuration_init(&event.persisted_snapshot.metadata.configuration);
	event.persisted_snapshot.last = true;
	rc = core_step_once(core, now_ms, &event);
	raft->configuration = core->installing.configuration;
	raft->configuration_committed = copy;
	return rc;
}

int core_trimmed(struct core *core, uint64_t now_ms, uint64_t entry, uint64_t term,
                 const struct machine_members *members)
{
	struct raft_event event = {.type = RAFT_SNAPSHOT};
	if (entry <= core->raft.trail.snapshot.index)
		return 0;
	event.snapshot.metadata.index = entry;
	event.snapshot.metadata.term = term;
	event.snapshot.metadata.configuration_index = members->entry;
	int rc = core_make_configuration(&event.snapshot.metadata.configuration, members);
	return rc == 0 ? core_step(core, now_ms, &event) : rc;
}

int core_transfer(struct core *core, uint64_t now_ms, uint64_t member)
{
	struct raft_event event = {.type = RAFT_TRANSFER};
	if (raft_state(&core->raft) != RAFT_LEADER)
		return -EHOSTUNREACH;
	if (raft_transferee(&core->raft) != 0)
		return -EBUSY;
	event.transfer.server_id = member;
	return core_step(core, now_ms, &event);
}

/* ---- Asking ---- */

uint64_t core_timeout_at(const struct core *core)
{
	return shim_timeout(raft_timeout(&core->raft), core->raft.state == RAFT_LEADER, core->ticked_ms,
	                    core->heartbeat_ms);
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

uint64_t core_match(const struct core *core, uint64_t member)
{
	raft_index match = 0;
	if (core->raft.state != RAFT_LEADER || raft_match_index(&core->raft, member, &match) != 0)
		return 0;
	return match;
}

uint64_t core_base(const struct core *core)
{
	return core->raft.trail.snapshot.index;
}

void core_defer(struct core *core, uint64_t now_ms)
{
	forget_leader(core, now_ms);
	core->raft.election_timer_start = now_ms;
}

bool core_installing(const struct core *core)
{
	return core->raft.snapshot.installing;
}

bool core_settled(const struct core *core)
{
	return core->raft.configuration_uncommitted_index == 0;
}
