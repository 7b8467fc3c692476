/* Who is heard on what. That the other side is a member of this cluster, its certificate has said (greet.c); whether it is
 * in the configuration that is in force here, is looked at with each message. */
#include "cluster/state.h"

enum sender {
	SENDER_NONE, /* of no message: of one that there is not */
	/* One that the configuration here does not have, or not yet. */
	SENDER_ANY,
	/* A member, or who leads by what this member has heard: its entries may have come, and those that name it not. To a
	 * new member, which knows none, whoever speaks to it. */
	SENDER_LEADER,
	SENDER_MEMBER,
};

static const enum sender senders[] = {
	/* Entries are how a leader of which this member knows nothing becomes known to it; and who votes for a candidate is
	 * the candidate's to know. */
	[MESSAGE_APPEND] = SENDER_ANY,
	[MESSAGE_INSTALL] = SENDER_ANY,
	[MESSAGE_VOTE] = SENDER_ANY,
	/* What a leader tells a spare stands for the entries, and has its configuration with it. */
	[MESSAGE_LEADER] = SENDER_ANY,
	[MESSAGE_JOIN] = SENDER_ANY,
	/* What leaders alone say. */
	[MESSAGE_ECHO] = SENDER_LEADER,
	[MESSAGE_RESULT] = SENDER_LEADER,
	[MESSAGE_REMOVED] = SENDER_LEADER,
	[MESSAGE_TIMEOUT_NOW] = SENDER_MEMBER,
	/* What this member has asked the members for. */
	[MESSAGE_VOTE_RESULT] = SENDER_MEMBER,
	[MESSAGE_APPEND_RESULT] = SENDER_MEMBER,
	[MESSAGE_ECHO_RESULT] = SENDER_MEMBER,
	[MESSAGE_FETCH_RESULT] = SENDER_MEMBER,
	/* What members ask of it, or tell. */
	[MESSAGE_FORWARD] = SENDER_MEMBER,
	[MESSAGE_CONTROL] = SENDER_MEMBER,
	[MESSAGE_END] = SENDER_MEMBER,
	[MESSAGE_CHANGE] = SENDER_MEMBER,
	[MESSAGE_FETCH] = SENDER_MEMBER,
	[MESSAGE_ALIVE] = SENDER_MEMBER,
};

static enum sender needed(const struct cluster *cluster, const struct message *message)
{
	if ((size_t)message->type >= sizeof senders / sizeof senders[0])
		return SENDER_NONE;
	/* Who leads, and has a configuration that nothing can undo, knows all who may stand for election. */
	if (message->type == MESSAGE_VOTE && cluster_ready(cluster) && core_settled(cluster->core))
		return SENDER_MEMBER;
	return senders[message->type];
}

bool sender_allowed(const struct cluster *cluster, const struct message *message)
{
	const struct machine_members *members = &cluster->machine.members;
	switch (needed(cluster, message)) {
	case SENDER_ANY:
		return true;
	case SENDER_LEADER:
		if (members->count == 0 || message->from == cluster->leader ||
		    message->from == core_leader(cluster->core))
			return true;
		return member_index(cluster, message->from) < members->count;
	case SENDER_MEMBER:
		return member_index(cluster, message->from) < members->count;
	case SENDER_NONE:
		return false;
	}
	return false;
}
