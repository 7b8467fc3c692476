/* How a member comes into the cluster and goes out of it: the member's own side. */
#include "cluster/state.h"

#include "cluster/configuration.h"
#include "observe/observe.h"

#include <errno.h>
#include <string.h>

#define REFUSED_AGAIN_MS 60000u /* after which it is told again why this member is not let in */

/* The request: this member as a configuration of one. */
static void make_request(struct cluster *cluster, unsigned char data[CONFIGURATION_SIZE_MAX], struct message *message)
{
	struct service_member self = {.id = cluster->identity.id, .role = SERVICE_STANDBY};
	memcpy(self.name, cluster->identity.name, sizeof self.name);
	memcpy(self.address, cluster->address, sizeof self.address);
	cluster->join_number = ++cluster->number;
	*message = (struct message){.type = MESSAGE_JOIN,
	                            .term = core_term(cluster->core),
	                            .request = {.number = cluster->join_number},
	                            .data = data,
	                            .size = configuration_encode(&self, 1, data)};
}

static void ask_to_join(struct cluster *cluster, const char *address)
{
	unsigned char data[CONFIGURATION_SIZE_MAX];
	struct message message;
	make_request(cluster, data, &message);
	peer_send_to(cluster, address, &message);
}

/* A member that became a spare never gets the entry that says so. */
static void become_spare(struct cluster *cluster, const struct message *message)
{
	struct machine_members told = {0};
	if (message->configuration < cluster->machine.members.entry ||
	    configuration_decode(message->data, message->size, told.members, &told.count) != 0 ||
	    !machine_members_has(&told, message->from))
		return;
	cluster->spare = false;
	for (size_t i = 0; i < told.count; i++)
		if (told.members[i].id == cluster->identity.id)
			cluster->spare = told.members[i].role == SERVICE_SPARE;
	cluster->spare_leader = message->from;
	cluster->spare_term = message->term;
}

void join_pointed(struct cluster *cluster, const struct message *message)
{
	struct service_member leader[SERVICE_MEMBERS_MAX];
	size_t count;
	if (message->configuration > 0)
		become_spare(cluster, message);
	else if (cluster->join_at != 0 && cluster->machine.members.count == 0 &&
	         configuration_decode(message->data, message->size, leader, &count) == 0 && count == 1)
		ask_to_join(cluster, leader[0].address);
}

static bool is_known_elsewhere(const struct cluster *cluster)
{
	size_t i = member_index(cluster, cluster->identity.id);
	return i < cluster->machine.members.count && cluster->address[0] != '\0' &&
	       strcmp(cluster->machine.members.members[i].address, cluster->address) != 0;
}

void join_start(struct cluster *cluster)
{
	if ((cluster->seed_count > 0 && cluster->machine.members.count == 0) || is_known_elsewhere(cluster))
		cluster->join_at = cluster_now(cluster);
}

/* A member that has another address now tells the leader, or, being it, itself. */
static void announce(struct cluster *cluster)
{
	unsigned char data[CONFIGURATION_SIZE_MAX];
	struct message message;
	uint64_t entry;
	make_request(cluster, data, &message);
	message.from = cluster->identity.id;
	if (cluster_ready(cluster))
		member_join(cluster, &message, &entry); /* refused, it is asked again */
	else if (cluster->leader != 0)
		peer_send(cluster, cluster->leader, &message);
}

static void look_whether_in(struct cluster *cluster, uint64_t now_ms)
{
	bool in = machine_members_has(&cluster->machine.members, cluster->identity.id);
	if (cluster->join_at == 0 || now_ms < cluster->join_at)
		return;
	cluster->join_at = now_ms + JOIN_MS;
	if (in && !is_known_elsewhere(cluster))
		cluster->join_at = 0;
	else if (in)
		announce(cluster);
	else if (cluster->seed_count > 0)
		/* Whoever leads sends the log once it has been told of this member. */
		ask_to_join(cluster, cluster->seeds[cluster->seed_turn++ % cluster->seed_count]);
}

/* It asks again and again, and is refused as often: that is told now and then. */
static void tell_refusal(struct cluster *cluster, int status, const char *reason)
{
	uint64_t now_ms = cluster_now(cluster);
	if (status == cluster->refused_status && now_ms < cluster->refused_ms + REFUSED_AGAIN_MS)
		return;
	cluster->refused_status = status;
	cluster->refused_ms = now_ms;
	observe_event(OBSERVE_ERROR, "join_refused", OBSERVE_TEXT("name", cluster->identity.name),
	              OBSERVE_TEXT("reason", reason));
}

bool join_result(struct cluster *cluster, const struct message_result *result)
{
	if (cluster->join_number == 0 || result->number != cluster->join_number)
		return false;
	cluster->join_number = 0;
	if (result->status == -EEXIST)
		tell_refusal(cluster, result->status, "a member of that name is in the cluster and can be reached");
	else if (result->status == -ENOSPC)
		tell_refusal(cluster, result->status, "the cluster has as many members as it can have");
	return true;
}

static void leave(struct cluster *cluster)
{
	if (cluster->removed)
		return;
	cluster->removed = true;
	observe_event(OBSERVE_WARNING, "member_removed", OBSERVE_NUMBER("member", cluster->identity.id));
}

void join_removed(struct cluster *cluster, const struct message *message)
{
	/* The configuration that this member knows itself in may be newer than the sender's. */
	if (cluster->machine.members.count > 0 && message->configuration > cluster->machine.members.entry)
		leave(cluster);
}

void join_look(struct cluster *cluster, uint64_t now_ms)
{
	const struct machine_members *members = &cluster->machine.members;
	look_whether_in(cluster, now_ms);
	/* Its own log may say that it is gone. A new member's log goes by many a configuration that it is not in yet. */
	if (members->entry <= cluster->applied.entry &&
	    machine_members_has(&cluster->machine.before, cluster->identity.id) &&
	    !machine_members_has(members, cluster->identity.id))
		leave(cluster);
}

void join_tell_alive(struct cluster *cluster)
{
	const struct machine_members *members = &cluster->machine.members;
	const struct message message = {
		.type = MESSAGE_ALIVE,
		.term = core_term(cluster->core),
		.alive = {.match = log_durable(cluster->log), .candidate = core_role(cluster->core) == CORE_CANDIDATE}};
	for (size_t i = 0; i < members->count; i++)
		if (members->members[i].id != cluster->identity.id)
			peer_send(cluster, members->members[i].id, &message);
}
