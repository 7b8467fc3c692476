/* Who is in the cluster. Members change one at a time, and the next change waits until the one before is committed. A
 * new member begins as a standby: it gets the log and does not vote. Once it has caught up the leader makes it a voter, as
 * long as there are fewer than are wanted. */
#include "cluster/state.h"

#include "cluster/configuration.h"
#include "observe/observe.h"

#include <errno.h>
#include <string.h>

void state_op(struct service *service, struct service_state *state)
{
	const struct cluster *cluster = (const struct cluster *)service;
	uint64_t first_offset, stream_begin;
	log_begin(cluster->log, &first_offset, &stream_begin);
	*state = (struct service_state){.first_offset = first_offset,
	                                .next_offset = cluster->applied.next_offset,
	                                .stream_begin = stream_begin,
	                                .stream_end = cluster->applied.stream_size,
	                                .time_ns = cluster->applied.time_ns,
	                                .start_ns = cluster->start_ns,
	                                .term = cluster->started ? core_term(cluster->core) : cluster->vote.term,
	                                .commit = cluster->commit,
	                                .self = cluster->identity.id,
	                                .leader = cluster->started ? cluster->leader : 0,
	                                .retain_bytes = cluster->machine.retain_bytes,
	                                .retain_ns = cluster->machine.retain_ns,
	                                .removed = cluster->removed,
	                                .settings_known = force_known(cluster),
	                                .settings_entry = settings_entry(cluster->settings),
	                                .failure = cluster->failure};
}

static void tell_self(const struct cluster *cluster, const struct log_tail *tail, struct service_member *member)
{
	static const enum service_member_state states[] = {[CORE_FOLLOWER] = SERVICE_FOLLOWER,
	                                                   [CORE_CANDIDATE] = SERVICE_CANDIDATE,
	                                                   [CORE_LEADER] = SERVICE_LEADER};
	member->state = cluster->started ? states[core_role(cluster->core)] : SERVICE_FOLLOWER;
	if (cluster->spare)
		member->role = SERVICE_SPARE;
	member->match = log_durable(cluster->log);
	member->lag = tail->entry - member->match;
}

/* Of another one: what it tells of itself, and what a leader knows of it. */
static void tell_other(const struct cluster *cluster, const struct log_tail *tail, struct service_member *member)
{
	const struct peer *peer = NULL;
	for (size_t i = 0; i < cluster->peer_count; i++)
		if (cluster->peers[i].id == member->id)
			peer = &cluster->peers[i];
	member->state = SERVICE_UNREACHABLE;
	if (!cluster->started || peer == NULL || !peer_heard(cluster, member->id))
		return;
	member->state = core_leader(cluster->core) == member->id ? SERVICE_LEADER
	                : peer->alive.candidate                  ? SERVICE_CANDIDATE
	                                                         : SERVICE_FOLLOWER;
	member->match = core_match(cluster->core, member->id);
	if (peer->alive.match > member->match)
		member->match = peer->alive.match;
	member->lag = member->match < tail->entry ? tail->entry - member->match : 0;
}

const char *rpc_address_op(struct service *service, uint64_t member)
{
	const struct cluster *cluster = (const struct cluster *)service;
	return cluster->host->rpc_address == NULL ? "" : cluster->host->rpc_address(cluster->host, member);
}

size_t members_op(struct service *service, struct service_member *members, size_t capacity)
{
	const struct cluster *cluster = (const struct cluster *)service;
	const struct machine_members *all = &cluster->machine.members;
	struct log_tail tail;
	log_tail(cluster->log, &tail);
	for (size_t i = 0; i < all->count && i < capacity; i++) {
		members[i] = all->members[i];
		if (members[i].id == cluster->identity.id)
			tell_self(cluster, &tail, &members[i]);
		else
			tell_other(cluster, &tail, &members[i]);
	}
	return all->count;
}

size_t member_index(const struct cluster *cluster, uint64_t id)
{
	const struct machine_members *members = &cluster->machine.members;
	size_t i = 0;
	while (i < members->count && members->members[i].id != id)
		i++;
	return i;
}

static size_t voters_of(const struct machine_members *members)
{
	size_t voters = 0;
	for (size_t i = 0; i < members->count; i++)
		voters += members->members[i].role == SERVICE_VOTER;
	return voters;
}

bool members_full(const struct cluster *cluster)
{
	const struct machine_members *members = &cluster->machine.members;
	size_t full = 0;
	for (size_t i = 0; i < cluster->peer_count; i++) {
		size_t k = member_index(cluster, cluster->peers[i].id);
		full += cluster->peers[i].full && k < members->count && members->members[k].role == SERVICE_VOTER;
	}
	size_t voters = voters_of(members);
	return full > 0 && full >= voters - voters / 2;
}

/* The voter that is there, has room on its disk, and has most of the log; 0 when there is none. */
static uint64_t find_heir(struct cluster *cluster)
{
	const struct machine_members *members = &cluster->machine.members;
	uint64_t heir = 0, most = 0;
	for (size_t i = 0; i < members->count; i++) {
		const struct service_member *member = &members->members[i];
		const struct peer *peer = peer_find(cluster, member->id, false);
		uint64_t match = core_match(cluster->core, member->id);
		if (member->role == SERVICE_VOTER && peer != NULL && !peer->full && peer_heard(cluster, member->id) &&
		    match >= most) {
			heir = member->id;
			most = match;
		}
	}
	return heir;
}

void members_hand_over(struct cluster *cluster)
{
	uint64_t heir = find_heir(cluster);
	/* What keeps it from being done now may not the next time. */
	if (heir != 0)
		core_transfer(cluster->core, cluster_now(cluster), heir);
}

/* ---- Changes, at the leader ---- */

static int propose(struct cluster *cluster, const struct machine_members *members, uint64_t *entry)
{
	unsigned char data[CONFIGURATION_SIZE_MAX];
	struct log_tail tail;
	/* With each other change libraft would be asked in vain. */
	if (!core_settled(cluster->core))
		return -EBUSY;
	log_tail(cluster->log, &tail);
	size_t size = configuration_encode(members->members, members->count, data);
	int rc = entries_propose(cluster, LOG_CONFIGURATION, data, size);
	if (rc == 0)
		*entry = tail.entry + 1;
	return rc;
}

/* A leader that would vote no more hands over first, and the next one is asked: with the change in its own log alone it
 * could neither be elected nor let others be. */
static int step_aside(struct cluster *cluster)
{
	uint64_t heir = find_heir(cluster);
	int rc = heir == 0 ? -EBUSY : core_transfer(cluster->core, cluster_now(cluster), heir);
	return rc == 0 || rc == -EBUSY ? -EHOSTUNREACH : rc;
}

static int propose_without(struct cluster *cluster, size_t i, uint64_t *entry)
{
	struct machine_members members = cluster->machine.members;
	uint64_t id = members.members[i].id;
	if (members.members[i].role == SERVICE_VOTER && voters_of(&members) == 1)
		return -EBUSY;
	if (id == cluster->identity.id && !MUTANT(NO_STEP_ASIDE))
		return step_aside(cluster);
	members.count--;
	memmove(&members.members[i], &members.members[i + 1], (members.count - i) * sizeof members.members[0]);
	int rc = propose(cluster, &members, entry);
	if (rc == 0)
		observe_event(OBSERVE_INFO, "member_removing", OBSERVE_NUMBER("member", id));
	return rc;
}

/* A member of that name that cannot be reached makes room for the new one of that name; then that one asks again. */
static int replace(struct cluster *cluster, size_t i, uint64_t *entry)
{
	const struct service_member *old = &cluster->machine.members.members[i];
	if (old->id == cluster->identity.id || peer_heard(cluster, old->id))
		return -EEXIST;
	int rc = propose_without(cluster, i, entry);
	return rc == 0 ? -EAGAIN : rc;
}

int member_join(struct cluster *cluster, const struct message *message, uint64_t *entry)
{
	struct machine_members members = cluster->machine.members;
	struct service_member fresh[SERVICE_MEMBERS_MAX];
	size_t count;
	if (configuration_decode(message->data, message->size, fresh, &count) != 0 || count != 1 ||
	    fresh[0].id != message->from)
		return -EINVAL;
	fresh[0].role = SERVICE_STANDBY;
	fresh[0].pinned = false;
	size_t i = member_index(cluster, fresh[0].id);
	if (i < members.count && strcmp(members.members[i].address, fresh[0].address) == 0) {
		*entry = members.entry;
		return 0;
	}
	if (i < members.count) {
		memcpy(members.members[i].address, fresh[0].address, sizeof fresh[0].address);
		return propose(cluster, &members, entry);
	}
	for (i = 0; i < members.count; i++)
		if (strcmp(members.members[i].name, fresh[0].name) == 0)
			return replace(cluster, i, entry);
	if (members.count == SERVICE_MEMBERS_MAX)
		return -ENOSPC;
	members.members[members.count++] = fresh[0];
	int rc = propose(cluster, &members, entry);
	if (rc == 0)
		observe_event(OBSERVE_INFO, "member_joining", OBSERVE_NUMBER("member", fresh[0].id),
		              OBSERVE_TEXT("name", fresh[0].name));
	return rc;
}

static int transfer(struct cluster *cluster, uint64_t id, uint64_t *entry)
{
	/* It is answered when this one leads no more. */
	*entry = UINT64_MAX;
	if (id != cluster->identity.id)
		return core_transfer(cluster->core, cluster_now(cluster), id);
	*entry = 0;
	return 0;
}

static bool has_caught_up(const struct cluster *cluster, uint64_t id)
{
	return peer_heard(cluster, id) && (core_match(cluster->core, id) >= cluster->commit || MUTANT(PROMOTED_BEHIND));
}

static int set_role(struct cluster *cluster, size_t i, enum service_role role, bool pinned, uint64_t *entry)
{
	struct machine_members members = cluster->machine.members;
	struct service_member *member = &members.members[i];
	if (member->role == role) {
		*entry = members.entry;
		return 0;
	}
	if (member->role == SERVICE_VOTER && voters_of(&members) == 1)
		return -EBUSY;
	if (member->id == cluster->identity.id && !MUTANT(NO_STEP_ASIDE))
		return step_aside(cluster);
	if (role == SERVICE_VOTER && voters_of(&members) == CLUSTER_VOTERS_MAX)
		return -ENOSPC;
	/* A spare has no log: it becomes a standby first, and then a voter once it has caught up. */
	if (role == SERVICE_VOTER && member->role == SERVICE_SPARE) {
		role = SERVICE_STANDBY;
		pinned = false;
	}
	/* One that does not even know that it is a member could not vote, and nobody be elected without it: it is asked for
	 * again, until it has caught up. */
	if (role == SERVICE_VOTER && !has_caught_up(cluster, member->id))
		return -EHOSTUNREACH;
	member->role = role;
	member->pinned = pinned && role != SERVICE_VOTER;
	return propose(cluster, &members, entry);
}

int member_change(struct cluster *cluster, uint64_t id, enum message_change change, uint64_t *entry)
{
	static const enum service_role roles[] = {
		[CHANGE_VOTER] = SERVICE_VOTER, [CHANGE_STANDBY] = SERVICE_STANDBY, [CHANGE_SPARE] = SERVICE_SPARE};
	size_t i = member_index(cluster, id);
	if (i == cluster->machine.members.count) {
		/* Gone already is as good as removed now. */
		*entry = cluster->machine.members.entry;
		return change == CHANGE_REMOVE ? 0 : -ENOENT;
	}
	switch (change) {
	case CHANGE_TRANSFER:
		return transfer(cluster, id, entry);
	case CHANGE_REMOVE:
		return propose_without(cluster, i, entry);
	case CHANGE_VOTER:
	case CHANGE_STANDBY:
	case CHANGE_SPARE:
		return set_role(cluster, i, roles[change], true, entry);
	}
	return -EINVAL;
}

/* A standby that has caught up becomes a voter, while voters are wanted. */
static void promote(struct cluster *cluster)
{
	const struct machine_members *members = &cluster->machine.members;
	uint64_t entry;
	if (!cluster_ready(cluster) || !core_settled(cluster->core) || voters_of(members) >= cluster->voters)
		return;
	for (size_t i = 0; i < members->count; i++) {
		const struct service_member *member = &members->members[i];
		if (member->role != SERVICE_STANDBY || member->pinned || !has_caught_up(cluster, member->id))
			continue;
		int rc = set_role(cluster, i, SERVICE_VOTER, false, &entry);
		if (rc == 0)
			observe_event(OBSERVE_INFO, "member_promoted", OBSERVE_NUMBER("member", member->id));
		return;
	}
}

void member_point(struct cluster *cluster, const struct message *message)
{
	size_t i = member_index(cluster, cluster->leader);
	unsigned char data[CONFIGURATION_SIZE_MAX];
	if (i == cluster->machine.members.count || cluster->leader == message->from)
		return;
	const struct message answer = {.type = MESSAGE_LEADER,
	                               .term = core_term(cluster->core),
	                               .data = data,
	                               .size = configuration_encode(&cluster->machine.members.members[i], 1, data)};
	peer_send(cluster, message->from, &answer);
}

void members_tell_spares(struct cluster *cluster)
{
	const struct machine_members *members = &cluster->machine.members;
	unsigned char data[CONFIGURATION_SIZE_MAX];
	if (!cluster_ready(cluster) || members->entry > cluster->commit)
		return;
	for (size_t i = 0; i < members->count; i++) {
		if (members->members[i].role != SERVICE_SPARE)
			continue;
		const struct message message = {.type = MESSAGE_LEADER,
		                                .term = core_term(cluster->core),
		                                .configuration = members->entry,
		                                .data = data,
		                                .size = configuration_encode(members->members, members->count, data)};
		peer_send(cluster, members->members[i].id, &message);
	}
}

void members_look(struct cluster *cluster)
{
	if (cluster_leads(cluster))
		promote(cluster);
}

/* Those that a committed configuration has left out are told: nobody talks to them any more. */
void members_settled(struct cluster *cluster)
{
	const struct machine_members *before = &cluster->machine.before;
	for (size_t i = 0; i < before->count; i++) {
		const struct message message = {.type = MESSAGE_REMOVED,
		                                .term = core_term(cluster->core),
		                                .configuration = cluster->machine.members.entry};
		if (member_index(cluster, before->members[i].id) == cluster->machine.members.count)
			peer_send(cluster, before->members[i].id, &message);
	}
}
