/* What comes from other members. */
#include "cluster/state.h"

#include "observe/observe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FRAMES_MAX 4096u /* in one message; a right sender puts in no more than are in flight */

/* ---- Frames ---- */

struct frames {
	struct log_frame **frames;
	size_t count;
};

static void frames_finish(struct frames *frames)
{
	for (size_t i = 0; i < frames->count; i++)
		log_frame_unref(frames->frames[i]);
	free(frames->frames);
}

/* Makes frames of a message's bytes: so many, one entry after the other, the first one after `entry`. */
static int frames_make(struct frames *frames, const struct message *message, uint64_t entry, uint32_t count)
{
	const unsigned char *at = message->data;
	size_t left = message->size, used;
	*frames = (struct frames){0};
	if (count > FRAMES_MAX)
		return -EBADMSG;
	if (count > 0)
		frames->frames = calloc(count, sizeof *frames->frames);
	if (count > 0 && frames->frames == NULL)
		return -ENOMEM;
	while (frames->count < count) {
		int rc = log_frame_parse(&frames->frames[frames->count], at, left, &used);
		if (rc != 0)
			return rc;
		const struct log_header *header = log_frame_header(frames->frames[frames->count++]);
		if (header->entry != ++entry || header->term > message->term || header->term == 0)
			return -EBADMSG;
		at += used;
		left -= used;
	}
	return left == 0 ? 0 : -EBADMSG;
}

/* The entry from which on the log is to be cut if the frames are taken; 0: none. */
static uint64_t would_cut(const struct cluster *cluster, const struct frames *frames)
{
	struct log_tail tail;
	log_tail(cluster->log, &tail);
	for (size_t i = 0; i < frames->count; i++) {
		const struct log_header *header = log_frame_header(frames->frames[i]);
		if (header->entry <= tail.entry && header->entry > core_base(cluster->core) &&
		    log_term(cluster->log, header->entry) != header->term)
			return header->entry;
	}
	return 0;
}

/* The log cannot be cut behind an entry that is damaged: where it ends is not known. */
static bool is_damaged(const struct cluster *cluster, uint64_t entry)
{
	const struct log_damage *damage;
	size_t count = log_damage(cluster->log, &damage);
	for (size_t i = 0; i < count; i++)
		if (entry >= damage[i].first_entry && entry <= damage[i].last_entry)
			return true;
	return false;
}

/* How many of the frames the disk has room for, as far as can be told before. */
static size_t fitting(struct cluster *cluster, const struct frames *frames)
{
	size_t size = 0, i = 0;
	for (; i < frames->count; i++) {
		size += log_frame_header(frames->frames[i])->size;
		bool records = log_frame_header(frames->frames[i])->type == LOG_RECORDS;
		if (size > UINT32_MAX ||
		    log_room(cluster->log, (uint32_t)size + (records ? COMMANDS_SIZE + SETTINGS_SIZE : 0)) == -ENOSPC)
			break;
	}
	/* There may be room by the time the next one comes; a heartbeat has none, and only looks. */
	cluster->full = i < frames->count || log_room(cluster->log, PROBE_SIZE) == -ENOSPC;
	if (cluster->full)
		chore_retry(cluster);
	return i;
}

/* ---- Raft's messages ---- */

static int give(struct cluster *cluster, const struct message *message, const struct frames *frames, size_t count)
{
	return core_receive(cluster->core, cluster_now(cluster), message, frames->frames, count, NULL);
}

/* A message of frames that are damaged on the way, or cannot be, is as good as lost. */
static void complain(const struct message *message, int rc)
{
	if (rc != -ENOMEM)
		observe_event(OBSERVE_WARNING, "message_malformed", OBSERVE_NUMBER("from", message->from),
		              OBSERVE_NUMBER("type", message->type));
}

/* Holds the message until the log can be cut. */
static void hold(struct cluster *cluster, const struct message *message)
{
	if (cluster->held.message.type != 0)
		return;
	unsigned char *data = malloc(message->size + 1);
	if (data == NULL)
		return;
	if (message->size > 0)
		memcpy(data, message->data, message->size);
	cluster->held = (struct held){.message = *message, .data = data};
	cluster->held.message.data = data;
}

static void receive_append(struct cluster *cluster, const struct message *message)
{
	struct frames frames;
	struct message append = *message;
	int rc = frames_make(&frames, message, message->append.entry, message->append.count);
	uint64_t cut = rc == 0 ? would_cut(cluster, &frames) : 0;
	bool damaged = cut != 0 && is_damaged(cluster, cut - 1);
	if (cut != 0 && !damaged && cluster_log_busy(cluster)) {
		hold(cluster, message);
	} else if (rc == 0) {
		/* Behind damage nothing is cut: what is before is taken, so that it is known to be committed and mended,
		 * and the rest comes again. */
		size_t count = damaged ? (size_t)(cut - 1 - append.append.entry) : fitting(cluster, &frames);
		append.append.count = (uint32_t)count;
		if (append.append.commit > append.append.entry + count)
			append.append.commit = append.append.entry + count;
		rc = give(cluster, &append, &frames, count);
		cluster_check(cluster, rc, "an entry of the leader could not be taken");
		rc = 0;
	}
	if (rc != 0)
		complain(message, rc);
	frames_finish(&frames);
}

static void receive_install(struct cluster *cluster, const struct message *message)
{
	struct machine machine;
	machine_init(&machine);
	int rc = machine_decode(&machine, message->data, message->size);
	if (rc == 0 && machine.entry == message->install.base.entry && message->install.base.entry > 0) {
		rc = core_receive(cluster->core, cluster_now(cluster), message, NULL, 0, &machine.members);
		cluster_check(cluster, rc, "the leader's base could not be taken");
	} else {
		complain(message, rc);
	}
	machine_finish(&machine);
}

void receive_held(struct cluster *cluster)
{
	if (cluster->held.message.type == 0 || cluster_log_busy(cluster) || cluster->failure != 0)
		return;
	/* It stays in its place while it is taken: the base's data is taken from there. */
	if (cluster->held.message.type == MESSAGE_INSTALL)
		receive_install(cluster, &cluster->held.message);
	else
		receive_append(cluster, &cluster->held.message);
	free(cluster->held.data);
	cluster->held = (struct held){0};
}

static void receive_raft(struct cluster *cluster, const struct message *message)
{
	struct frames none = {0};
	/* Whom a leader sends its log is one of its members. */
	if (message->type == MESSAGE_APPEND || message->type == MESSAGE_INSTALL)
		cluster->spare = cluster->removed = false;
	/* In order: what follows a message that is held is lost. */
	bool behind = cluster->held.message.type != 0 && cluster->held.message.from == message->from;
	if (message->type == MESSAGE_APPEND_RESULT) {
		struct peer *peer = peer_find(cluster, message->from, false);
		if (peer != NULL)
			peer->full = message->append_result.full;
	}
	/* Who must not stand for election does not either when it is asked to. */
	if (message->type == MESSAGE_TIMEOUT_NOW && (mend_wanted(cluster) || cluster_detached(cluster)))
		return;
	if (message->type == MESSAGE_INSTALL) {
		hold(cluster, message);
		receive_held(cluster);
	} else if (message->type == MESSAGE_APPEND && !behind) {
		receive_append(cluster, message);
	} else if (message->type != MESSAGE_APPEND) {
		cluster_check(cluster, give(cluster, message, &none, 0), "a message could not be taken");
	}
}

/* ---- All ---- */

/* Whether the sender is in another cluster: two that were founded apart must not mix. */
static bool is_alien(const struct cluster *cluster, const struct message *message)
{
	uint64_t own = cluster->machine.cluster;
	if (MUTANT(ALIEN_TAKEN))
		return false;
	if (message->type == MESSAGE_JOIN)
		return message->cluster != 0 && message->cluster != own;
	return own != 0 && message->cluster != 0 && message->cluster != own;
}

/* Who is not heard may have been removed, and not know it: then it asks in vain. */
static void tell_removed(struct cluster *cluster, const struct message *message)
{
	const struct message answer = {.type = MESSAGE_REMOVED,
	                               .term = core_term(cluster->core),
	                               .configuration = cluster->machine.members.entry};
	if (cluster_ready(cluster) && core_settled(cluster->core))
		peer_send(cluster, message->from, &answer);
}

static void dispatch(struct cluster *cluster, const struct message *message, struct peer *peer)
{
	switch (message->type) {
	case MESSAGE_VOTE:
	case MESSAGE_VOTE_RESULT:
	case MESSAGE_APPEND:
	case MESSAGE_APPEND_RESULT:
	case MESSAGE_INSTALL:
	case MESSAGE_TIMEOUT_NOW:
		receive_raft(cluster, message);
		break;
	case MESSAGE_FORWARD:
		forward_receive(cluster, message);
		break;
	case MESSAGE_CONTROL:
	case MESSAGE_END:
	case MESSAGE_CHANGE:
	case MESSAGE_JOIN:
		request_receive(cluster, message);
		break;
	case MESSAGE_FETCH:
	case MESSAGE_FETCH_RESULT:
		mend_receive(cluster, message);
		break;
	case MESSAGE_ECHO:
		echo_receive(cluster, message);
		break;
	case MESSAGE_ECHO_RESULT:
		echo_result(cluster, message);
		break;
	case MESSAGE_RESULT:
		request_result(cluster, &message->result);
		break;
	case MESSAGE_LEADER:
		join_pointed(cluster, message);
		break;
	case MESSAGE_REMOVED:
		join_removed(cluster, message);
		break;
	case MESSAGE_ALIVE:
		peer->alive = message->alive;
		break;
	}
}

void cluster_receive(struct cluster *cluster, const struct message *message)
{
	if (!cluster->started || cluster_drains(cluster) || cluster->failure != 0 ||
	    message->from == cluster->identity.id)
		return;
	if (is_alien(cluster, message)) {
		observe_event(OBSERVE_WARNING, "other_cluster", OBSERVE_NUMBER("from", message->from),
		              OBSERVE_NUMBER("cluster", message->cluster));
		return;
	}
	struct peer *peer = peer_find(cluster, message->from, true);
	if (peer == NULL || shim_drop_disorder(&peer->order, message))
		return;
	peer->heard_ms = cluster_now(cluster);
	if (message->type == MESSAGE_JOIN && !cluster_leads(cluster))
		member_point(cluster, message);
	else if (sender_allowed(cluster, message))
		dispatch(cluster, message, peer);
	else
		tell_removed(cluster, message);
	cluster_advance(cluster);
}
