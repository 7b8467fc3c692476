#include "cluster/state.h"

void state_op(struct service *service, struct service_state *state)
{
	const struct cluster *cluster = (const struct cluster *)service;
	struct log_stat stat;
	log_stat(cluster->log, &stat);
	*state = (struct service_state){.first_offset = stat.first_offset,
	                                .next_offset = cluster->applied.next_offset,
	                                .stream_begin = stat.stream_begin,
	                                .stream_end = cluster->applied.stream_size,
	                                .time_ns = cluster->applied.time_ns,
	                                .start_ns = cluster->start_ns,
	                                .term = cluster->started ? core_term(cluster->core) : cluster->vote.term,
	                                .commit = cluster->commit,
	                                .self = cluster->identity.id,
	                                .leader = cluster->started ? core_leader(cluster->core) : 0,
	                                .failure = cluster->failure};
}

/* What this member is: of another it could only tell what messages say. */
static void tell_self(const struct cluster *cluster, struct service_member *member)
{
	static const enum service_member_state states[] = {[CORE_FOLLOWER] = SERVICE_FOLLOWER,
	                                                   [CORE_CANDIDATE] = SERVICE_CANDIDATE,
	                                                   [CORE_LEADER] = SERVICE_LEADER};
	struct log_tail tail;
	log_tail(cluster->log, &tail);
	member->state = cluster->started ? states[core_role(cluster->core)] : SERVICE_FOLLOWER;
	member->match = log_durable(cluster->log);
	member->lag = tail.entry - member->match;
}

size_t members_op(struct service *service, struct service_member *members, size_t capacity)
{
	const struct cluster *cluster = (const struct cluster *)service;
	for (size_t i = 0; i < cluster->member_count && i < capacity; i++) {
		members[i] = cluster->members[i];
		members[i].state = SERVICE_UNREACHABLE;
		if (members[i].id == cluster->identity.id)
			tell_self(cluster, &members[i]);
	}
	return cluster->member_count;
}
