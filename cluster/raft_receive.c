/* What is given to libraft: entries that are submitted, and messages. */
#include "cluster/raft_core.h"

#include <errno.h>
#include <stdlib.h>

/* libraft wants an address of a peer and never uses it. */
#define NO_ADDRESS "-"

/* ---- Entries for libraft ---- */

/* Entries as libraft is given them: it looks at the term and the type, and at a configuration's bytes; it frees the
 * batch where it has no use for them, so that is a piece of memory of its own. */
struct entries {
	struct raft_entry *entries;
	void *batch;
	struct raft_buffer configuration;
};

static enum raft_entry_type type_of(const struct log_frame *frame)
{
	switch (log_frame_header(frame)->type) {
	case LOG_CONFIGURATION:
		return RAFT_CHANGE;
	case LOG_BARRIER:
		return RAFT_BARRIER;
	default:
		return RAFT_COMMAND;
	}
}

static int encode_configuration(struct entries *entries, const struct log_frame *frame)
{
	struct machine_members members;
	struct raft_configuration configuration;
	int rc = machine_members_decode(&members, frame);
	if (rc == 0)
		rc = core_make_configuration(&configuration, &members);
	if (rc != 0)
		return rc;
	rc = core_translate(raft_configuration_encode(&configuration, &entries->configuration));
	raft_configuration_close(&configuration);
	return rc;
}

static void entries_finish(struct entries *entries)
{
	free(entries->entries);
	raft_free(entries->configuration.base);
}

static int entries_make(struct entries *entries, struct log_frame *const *frames, size_t count)
{
	*entries = (struct entries){0};
	entries->entries = calloc(count + 1, sizeof *entries->entries);
	entries->batch = raft_malloc(1);
	int rc = entries->entries == NULL || entries->batch == NULL ? -ENOMEM : 0;
	for (size_t i = 0; rc == 0 && i < count; i++) {
		struct raft_entry *entry = &entries->entries[i];
		*entry = (struct raft_entry){.term = log_frame_header(frames[i])->term,
		                             .type = type_of(frames[i]),
		                             .buf = {.base = entries->batch, .len = 1},
		                             .batch = entries->batch};
		if (entry->type == RAFT_CHANGE && entries->configuration.base == NULL) {
			rc = encode_configuration(entries, frames[i]);
			entry->buf = entries->configuration;
		}
	}
	if (rc != 0) {
		raft_free(entries->batch);
		entries_finish(entries);
	}
	return rc;
}

static void remember(struct core *core, struct log_frame *const *frames, size_t count, uint64_t first_entry)
{
	core->frames = frames;
	core->frame_count = count;
	core->first_entry = first_entry;
}

int core_submit(struct core *core, uint64_t now_ms, struct log_frame *frame)
{
	struct raft *raft = &core->raft;
	struct entries entries;
	if (raft_state(raft) != RAFT_LEADER)
		return -EHOSTUNREACH;
	int rc = entries_make(&entries, &frame, 1);
	if (rc != 0)
		return rc;
	uint64_t last = raft_last_index(raft);
	struct raft_event event = {.type = RAFT_SUBMIT};
	event.submit.entries = entries.entries;
	event.submit.n = 1;
	remember(core, &frame, 1, last + 1);
	rc = core_step(core, now_ms, &event);
	/* Refused or taken, the batch is ours again: libraft keeps nothing of it. */
	raft_free(entries.batch);
	entries_finish(&entries);
	return rc;
}

/* ---- What comes in ---- */

static void decode(const struct message *from, struct raft_message *to)
{
	*to = (struct raft_message){.server_id = from->from, .server_address = NO_ADDRESS};
	switch (from->type) {
	case MESSAGE_VOTE:
		to->type = RAFT_REQUEST_VOTE;
		to->request_vote = (struct raft_request_vote){.version = 2,
		                                              .term = from->term,
		                                              .candidate_id = from->from,
		                                              .last_log_index = from->vote.last_entry,
		                                              .last_log_term = from->vote.last_term,
		                                              .disrupt_leader = from->vote.disrupt,
		                                              .pre_vote = from->vote.pre};
		break;
	case MESSAGE_VOTE_RESULT:
		to->type = RAFT_REQUEST_VOTE_RESULT;
		to->request_vote_result = (struct raft_request_vote_result){.version = 2,
		                                                            .term = from->term,
		                                                            .vote_granted = from->vote_result.granted,
		                                                            .pre_vote = from->vote_result.pre};
		break;
	case MESSAGE_APPEND:
		to->type = RAFT_APPEND_ENTRIES;
		to->append_entries = (struct raft_append_entries){.term = from->term,
		                                                  .prev_log_index = from->append.entry,
		                                                  .prev_log_term = from->append.entry_term,
		                                                  .leader_commit = from->append.commit};
		break;
	case MESSAGE_APPEND_RESULT:
		to->type = RAFT_APPEND_ENTRIES_RESULT;
		to->append_entries_result = (struct raft_append_entries_result){
			.term = from->term,
			.rejected = from->append_result.rejected,
			.last_log_index = from->append_result.last_entry};
		break;
	case MESSAGE_INSTALL:
		to->type = RAFT_INSTALL_SNAPSHOT;
		to->install_snapshot = (struct raft_install_snapshot){.term = from->term,
		                                                      .last_index = from->install.base.entry,
		                                                      .last_term = from->install.base.term};
		break;
	default:
		to->type = RAFT_TIMEOUT_NOW;
		to->timeout_now = (struct raft_timeout_now){.term = from->term,
		                                            .last_log_index = from->timeout_now.last_entry,
		                                            .last_log_term = from->timeout_now.last_term};
		break;
	}
}

static int receive(struct core *core, uint64_t now_ms, struct raft_message *message)
{
	struct raft_event event = {.type = RAFT_RECEIVE};
	event.receive.message = message;
	return core_step(core, now_ms, &event);
}

static uint64_t term_at(const struct raft_trail *trail, uint64_t entry)
{
	if (entry == trail->snapshot.index)
		return trail->snapshot.term;
	for (unsigned i = trail->front; i != trail->back && entry > trail->offset; i = (i + 1) % trail->size)
		if (entry <= trail->records[i].index)
			return trail->records[i].term;
	return 0;
}

/* S2, its second half: libraft can hold one uncommitted configuration. That another one comes proves the one before it
 * committed; but only if this log is the leader's up to there. */
static int make_room_for_configuration(struct core *core, uint64_t now_ms, const struct message *append)
{
	struct raft *raft = &core->raft;
	uint64_t held = raft->configuration_uncommitted_index;
	if (held == 0 || held > append->append.entry || append->term < raft_current_term(raft) ||
	    term_at(&raft->trail, append->append.entry) != append->append.entry_term)
		return 0;
	return core_confirm_configuration(core, now_ms);
}

/* ---- Where libraft has no memory ---- */

/* It could not note who leads, which comes before all else, and has not looked at what it was given. */
static bool had_no_memory_for_leader(const struct raft *raft, int rc)
{
	return rc == -ENOMEM && raft->state == RAFT_FOLLOWER && raft->follower_state.current_leader.address == NULL;
}

/* The first of the frames that is not the entry that is here; 0: there is none. */
static uint64_t first_conflict(const struct raft *raft, const struct message *piece, struct log_frame *const *frames,
                               size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct log_header *header = log_frame_header(frames[i]);
		uint64_t term = term_at(&raft->trail, piece->append.entry + 1 + i);
		if (term != 0 && term != header->term)
			return piece->append.entry + 1 + i;
	}
	return 0;
}

/* Gives it the piece's entries. What it has no use for it frees, as long as it looks at them; and a configuration that it
 * could not undo it leaves freed. */
static int receive_entries(struct core *core, uint64_t now_ms, const struct message *piece,
                           struct raft_message *message)
{
	struct raft *raft = &core->raft;
	uint64_t held = raft->configuration_uncommitted_index;
	uint64_t conflict = first_conflict(raft, piece, core->frames, core->frame_count);
	void *batch = message->append_entries.entries[0].batch;
	struct raft_event event = {.type = RAFT_RECEIVE, .receive.message = message};
	core->taken = false;
	int rc = core_step_once(core, now_ms, &event);
	if (core->taken || had_no_memory_for_leader(raft, rc))
		raft_free(batch);
	else if (rc == -ENOMEM && conflict != 0 && conflict <= held && raft->configuration_uncommitted_index == held)
		raft_configuration_init(&raft->configuration);
	return rc == 0 ? core_confirm_committed(core, now_ms) : rc;
}

/* Gives libraft a piece of an APPEND that holds a configuration alone, or none. */
static int receive_piece(struct core *core, uint64_t now_ms, const struct message *piece,
                         struct log_frame *const *frames, size_t count)
{
	struct entries entries;
	struct raft_message message;
	int rc = 0;
	decode(piece, &message);
	if (count == 0)
		return receive(core, now_ms, &message);
	if (log_frame_header(frames[0])->type == LOG_CONFIGURATION && (shims_off & SHIM_2) == 0)
		rc = make_room_for_configuration(core, now_ms, piece);
	if (rc == 0)
		rc = entries_make(&entries, frames, count);
	if (rc != 0)
		return rc;
	message.append_entries.entries = entries.entries;
	message.append_entries.n_entries = (unsigned)count;
	remember(core, frames, count, piece->append.entry + 1);
	rc = receive_entries(core, now_ms, piece, &message);
	entries_finish(&entries);
	return rc;
}

static int receive_append(struct core *core, uint64_t now_ms, const struct message *append,
                          struct log_frame *const *frames, size_t count)
{
	struct message piece = *append;
	uint32_t clipped = shim_clip(&piece, core->raft.trail.offset, core->raft.trail.snapshot.term);
	int rc;
	if (count == 0)
		return receive_piece(core, now_ms, &piece, NULL, 0);
	frames += clipped;
	count -= clipped;
	do {
		size_t n = shim_split(frames, count);
		rc = receive_piece(core, now_ms, &piece, frames, n);
		if (n > 0) {
			piece.append.entry += n;
			piece.append.entry_term = log_frame_header(frames[n - 1])->term;
		}
		frames += n;
		count -= n;
	} while (rc == 0 && count > 0);
	return rc;
}

static int receive_install(struct core *core, uint64_t now_ms, const struct message *install,
                           const struct machine_members *members)
{
	struct raft_message message;
	if (core->raft.snapshot.installing)
		return 0;
	decode(install, &message);
	message.install_snapshot.conf_index = members->entry;
	int rc = core_make_configuration(&message.install_snapshot.conf, members);
	if (rc != 0)
		return rc;
	rc = receive(core, now_ms, &message);
	if (had_no_memory_for_leader(&core->raft, rc))
		raft_configuration_close(&message.install_snapshot.conf);
	return rc;
}

/* Whether an answer is one that libraft must not see. */
static bool drop(const struct core *core, const struct message *message)
{
	const struct raft *raft = &core->raft;
	if (shim_drop_stale(message, raft_current_term(raft)))
		return true;
	if (shim_drop_vote(message, raft->state == RAFT_CANDIDATE))
		return true;
	return raft->state == RAFT_LEADER && message->term == raft_current_term(raft) &&
	       shim_drop_rejection(message, core_match(core, message->from));
}

static struct raft_server *find_self(struct raft *raft)
{
	for (unsigned i = 0; i < raft->configuration.n; i++)
		if (raft->configuration.servers[i].id == raft->id)
			return &raft->configuration.servers[i];
	return NULL;
}

/* S11, which needs libraft's own structs. */
static int receive_vote(struct core *core, uint64_t now_ms, struct raft_message *message)
{
	struct raft_server *self = find_self(&core->raft);
	bool lifted = self != NULL && shim_lets_vote(self->role == RAFT_VOTER);
	int role = lifted ? self->role : 0;
	if (lifted)
		self->role = RAFT_VOTER;
	int rc = receive(core, now_ms, message);
	self = lifted ? find_self(&core->raft) : NULL;
	if (self != NULL)
		self->role = role;
	return rc;
}

int core_receive(struct core *core, uint64_t now_ms, const struct message *message, struct log_frame *const *frames,
                 size_t count, const struct machine_members *members)
{
	struct raft_message plain;
	int rc;
	if (drop(core, message))
		return 0;
	switch (message->type) {
	case MESSAGE_APPEND:
	case MESSAGE_INSTALL:
		core->asked_term = message->term;
		core->term_before = raft_current_term(&core->raft);
		rc = message->type == MESSAGE_APPEND ? receive_append(core, now_ms, message, frames, count)
		                                     : receive_install(core, now_ms, message, members);
		core->term_before = 0;
		return rc;
	case MESSAGE_VOTE:
		decode(message, &plain);
		return receive_vote(core, now_ms, &plain);
	default:
		decode(message, &plain);
		return receive(core, now_ms, &plain);
	}
}
