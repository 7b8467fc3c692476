/* What goes to each other member, in order.
 *
 * A message that wants frames or the base is loaded when its turn has come and the way to the peer is free, so that a
 * slow peer holds the numbers of entries in memory, not their bytes. Frames come from memory while they are written,
 * else from their store: at once where it is cached, else by a read elsewhere, which those behind it wait for. */
#include "cluster/state.h"

#include "observe/observe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SMALL_SIZE_MAX (16u << 10) /* bytes of data that are sent whatever is on the way already */

struct outgoing {
	struct outgoing *next;
	struct message message;
	unsigned char *data; /* its own copy, or NULL */
};

/* A read of frames for a peer; its place in the list of peers may change meanwhile. */
struct peer_load {
	struct log_read read; /* first: the host brings back its address */
	uint64_t peer;
};

/* ---- Peers ---- */

static void free_outgoing(struct outgoing *outgoing)
{
	free(outgoing->data);
	free(outgoing);
}

static void take_first(struct peer *peer)
{
	struct outgoing *outgoing = peer->first;
	peer->first = outgoing->next;
	if (peer->first == NULL)
		peer->last = &peer->first;
	peer->outgoing_count--;
	peer->outgoing_size -= outgoing->message.size;
	free_outgoing(outgoing);
}

static void clear(struct peer *peer)
{
	while (peer->first != NULL)
		take_first(peer);
}

/* The list's own pointer to its end lies in the peer, which has moved. */
static void place(struct peer *peer)
{
	if (peer->first == NULL)
		peer->last = &peer->first;
}

/* A stranger that was not heard of for longest makes room. */
static bool make_room(struct cluster *cluster)
{
	size_t least = PEERS_MAX;
	for (size_t i = 0; i < PEERS_MAX; i++) {
		struct peer *peer = &cluster->peers[i];
		if (member_index(cluster, peer->id) < cluster->machine.members.count || peer->load != NULL)
			continue;
		if (least == PEERS_MAX || peer->heard_ms < cluster->peers[least].heard_ms)
			least = i;
	}
	if (least == PEERS_MAX)
		return false;
	clear(&cluster->peers[least]);
	free(cluster->peers[least].bytes);
	cluster->peers[least] = cluster->peers[--cluster->peer_count];
	place(&cluster->peers[least]);
	return true;
}

struct peer *peer_find(struct cluster *cluster, uint64_t id, bool add)
{
	for (size_t i = 0; i < cluster->peer_count; i++)
		if (cluster->peers[i].id == id)
			return &cluster->peers[i];
	if (!add || id == 0 || id == cluster->identity.id)
		return NULL;
	if (cluster->peer_count == PEERS_MAX && !make_room(cluster))
		return NULL;
	struct peer *peer = &cluster->peers[cluster->peer_count++];
	*peer = (struct peer){.id = id};
	place(peer);
	return peer;
}

bool peer_heard(const struct cluster *cluster, uint64_t id)
{
	uint64_t now_ms = cluster_now(cluster);
	for (size_t i = 0; i < cluster->peer_count; i++)
		if (cluster->peers[i].id == id)
			return cluster->peers[i].heard_ms != 0 &&
			       now_ms - cluster->peers[i].heard_ms < (uint64_t)2 * cluster->election_ms;
	return false;
}

void peers_finish(struct cluster *cluster)
{
	for (size_t i = 0; i < cluster->peer_count; i++) {
		clear(&cluster->peers[i]);
		free(cluster->peers[i].bytes);
	}
	cluster->peer_count = 0;
}

/* ---- Sending ---- */

static void send_now(struct cluster *cluster, uint64_t id, const char *address, struct message *message)
{
	message->from = cluster->identity.id;
	message->cluster = cluster->machine.cluster;
	message->start = cluster->start;
	message->number = ++cluster->sent_number;
	cluster->host->send(cluster->host, id, address, message);
}

static const char *address_of(const struct cluster *cluster, uint64_t id)
{
	size_t i = member_index(cluster, id);
	return i < cluster->machine.members.count ? cluster->machine.members.members[i].address : "";
}

/* Whether the message's term is the one that it may still be sent in: a leader of old has nothing to say. */
static bool is_current(const struct cluster *cluster, const struct message *message)
{
	return message->term == core_term(cluster->core) && core_role(cluster->core) == CORE_LEADER;
}

static bool reserve_bytes(struct peer *peer, size_t size)
{
	if (size <= peer->bytes_size)
		return true;
	unsigned char *bytes = realloc(peer->bytes, size);
	if (bytes == NULL)
		return false;
	peer->bytes = bytes;
	peer->bytes_size = size;
	return true;
}

/* A piece of frames that was put together. */
struct piece {
	const void *data;
	size_t size;
	uint32_t count;
	uint64_t term; /* of the last frame */
};

/* Frames that are in memory, from the entry on. A single one is not copied. */
static void gather_pending(struct cluster *cluster, struct peer *peer, uint64_t entry, uint32_t count,
                           struct piece *piece)
{
	while (piece->count < count) {
		struct log_frame *frame = log_pending_frame(cluster->log, entry + piece->count);
		size_t size;
		if (frame == NULL)
			return;
		const void *bytes = log_frame_bytes(frame, &size);
		if (piece->count > 0 && piece->size + size > CLUSTER_PIECE_SIZE)
			return;
		if (piece->count == 0) {
			piece->data = bytes;
		} else {
			bool gathered = piece->data == peer->bytes;
			if (!reserve_bytes(peer, piece->size + size))
				return;
			if (!gathered)
				memcpy(peer->bytes, piece->data, piece->size);
			piece->data = peer->bytes;
			memcpy(peer->bytes + piece->size, bytes, size);
		}
		piece->size += size;
		piece->count++;
		piece->term = log_frame_header(frame)->term;
	}
}

/* Of what a read gave, the frames that are wanted. They were checked when they were read. */
static void take_frames(const struct log_read *read, uint32_t count, struct piece *piece)
{
	piece->data = read->data;
	while (piece->count < count && piece->size < read->data_size) {
		struct log_header header;
		const unsigned char *at = (const unsigned char *)read->data + piece->size;
		if (log_frame_peek(at, read->data_size - piece->size, &header) != 0)
			return;
		piece->size += header.size;
		piece->count++;
		piece->term = header.term;
	}
}

static void set_range(struct message *message, uint64_t *entry, uint32_t *count)
{
	if (message->type == MESSAGE_APPEND) {
		*entry = message->append.entry + 1;
		*count = message->append.count;
	} else {
		*entry = message->fetch.first_entry;
		*count = (uint32_t)(message->fetch.last_entry - message->fetch.first_entry + 1);
	}
}

/* Sends the piece as a message of its own, and leaves in the first one what is not sent yet. */
static void send_piece(struct cluster *cluster, struct peer *peer, const struct piece *piece)
{
	struct message *whole = &peer->first->message;
	struct message message = *whole;
	bool rest;
	message.data = piece->data;
	message.size = piece->size;
	if (message.type == MESSAGE_APPEND) {
		message.append.count = piece->count;
		if (message.append.commit > message.append.entry + piece->count)
			message.append.commit = message.append.entry + piece->count;
		whole->append.entry += piece->count;
		whole->append.entry_term = piece->term;
		whole->append.count -= piece->count;
		rest = whole->append.count > 0;
	} else {
		message.fetch.count = piece->count;
		whole->fetch.first_entry += piece->count;
		rest = whole->fetch.first_entry <= whole->fetch.last_entry;
	}
	send_now(cluster, peer->id, address_of(cluster, peer->id), &message);
	if (!rest)
		take_first(peer);
}

static struct peer_load *load_create(uint64_t peer, uint64_t entry)
{
	struct peer_load *load = calloc(1, sizeof *load);
	if (load == NULL)
		return NULL;
	load->peer = peer;
	load->read.kind = LOG_READ_FRAMES;
	load->read.entry = entry;
	load->read.size = CLUSTER_PIECE_SIZE;
	return load;
}

static void load_destroy(struct peer_load *load)
{
	log_read_finish(&load->read);
	free(load);
}

/* Sends what was read, or drops the message: what cannot be read here is lost on the way. */
static void send_loaded(struct cluster *cluster, struct peer *peer, struct peer_load *load)
{
	struct message *message = &peer->first->message;
	struct piece piece = {0};
	uint64_t entry;
	uint32_t count;
	int rc = log_read_end(cluster->log, &load->read);
	set_range(message, &entry, &count);
	if (rc == 0 && entry == load->read.entry)
		take_frames(&load->read, count, &piece);
	if (rc == -EBADMSG) {
		observe_event(OBSERVE_ERROR, "entry_damaged", OBSERVE_NUMBER("entry", entry));
		mend_suspect(cluster, entry);
	}
	if (piece.count > 0)
		send_piece(cluster, peer, &piece);
	else
		take_first(peer);
	load_destroy(load);
}

/* The base as it is now, with the machine there. It may be past the one that the core knows, which learns of a commit, and
 * so of a trim, later than the log does: a new leader perhaps only once the peer has what it needs. */
static void send_base(struct cluster *cluster, struct peer *peer)
{
	struct message message = peer->first->message;
	struct log_stat stat;
	uint64_t entry;
	void *data = NULL;
	log_stat(cluster->log, &stat);
	log_base(cluster->log, &message.install.base);
	message.install.first_offset = stat.first_offset;
	message.install.first_stream = stat.stream_begin;
	if (message.install.base.entry >= peer->first->message.install.base.entry &&
	    log_state(cluster->log, message.install.base.entry, &entry, &data, &message.size) == 0 &&
	    entry == message.install.base.entry) {
		message.data = data;
		send_now(cluster, peer->id, address_of(cluster, peer->id), &message);
	}
	free(data);
	take_first(peer);
}

/* Returns false when it must be waited for. */
static bool load_frames(struct cluster *cluster, struct peer *peer)
{
	struct message *message = &peer->first->message;
	struct piece piece = {0};
	uint64_t entry;
	uint32_t count;
	set_range(message, &entry, &count);
	gather_pending(cluster, peer, entry, count, &piece);
	if (piece.count > 0) {
		send_piece(cluster, peer, &piece);
		return true;
	}
	struct peer_load *load = load_create(peer->id, entry);
	int rc = load == NULL ? -ENOMEM : log_read_begin(cluster->log, &load->read);
	if (rc == -ESTALE && message->type == MESSAGE_APPEND) {
		free(load);
		message->type = MESSAGE_INSTALL;
		message->install = (struct message_install){0};
		send_base(cluster, peer);
		return true;
	}
	if (rc != 0) {
		free(load);
		take_first(peer);
		return true;
	}
	log_read_run(&load->read, false);
	if (load->read.status != -EAGAIN) {
		send_loaded(cluster, peer, load);
		return true;
	}
	peer->load = load;
	cluster->reads_out++;
	cluster->host->run_read(cluster->host, &load->read);
	return false;
}

bool peer_load_done(struct cluster *cluster, struct log_read *read)
{
	for (size_t i = 0; i < cluster->peer_count; i++) {
		struct peer *peer = &cluster->peers[i];
		if (peer->load == NULL || &peer->load->read != read)
			continue;
		struct peer_load *load = peer->load;
		peer->load = NULL;
		cluster->reads_out--;
		if (peer->first != NULL) {
			send_loaded(cluster, peer, load);
		} else {
			log_read_end(cluster->log, read);
			load_destroy(load);
		}
		if (cluster->failure == 0)
			peer_pump(cluster, peer);
		return true;
	}
	return false;
}

static bool votes_in(const struct machine_members *members, uint64_t id)
{
	for (size_t i = 0; i < members->count; i++)
		if (members->members[i].id == id)
			return members->members[i].role == SERVICE_VOTER;
	return false;
}

/* A voter that is to vote no more gets the entry that says so once it is committed. With it in its log, and its leader
 * gone, it could neither be elected nor elect another one, whose log is shorter. */
static void withhold(const struct cluster *cluster, const struct peer *peer, struct message *append)
{
	const struct machine *machine = &cluster->machine;
	uint64_t change = machine->members.entry;
	if (MUTANT(NO_WITHHOLD) || change <= cluster->commit || append->append.entry + append->append.count < change ||
	    !votes_in(&machine->before, peer->id) || votes_in(&machine->members, peer->id))
		return;
	append->append.count = append->append.entry + 1 < change ? (uint32_t)(change - 1 - append->append.entry) : 0;
}

/* Sends the first message. Returns false when it must wait. */
static bool send_first(struct cluster *cluster, struct peer *peer)
{
	struct message *message = &peer->first->message;
	if (message->type == MESSAGE_APPEND && message->append.count > 0)
		withhold(cluster, peer, message);
	bool frames = (message->type == MESSAGE_APPEND && message->append.count > 0) ||
	              (message->type == MESSAGE_FETCH_RESULT && message->fetch.last_entry > 0);
	bool raft = message->type == MESSAGE_APPEND || message->type == MESSAGE_INSTALL;
	if (raft && !is_current(cluster, message)) {
		take_first(peer);
		return true;
	}
	bool large = frames || message->type == MESSAGE_INSTALL || message->size > SMALL_SIZE_MAX;
	enum cluster_way way = large ? cluster->host->way(cluster->host, peer->id, address_of(cluster, peer->id))
	                             : CLUSTER_WAY_FREE;
	if (way == CLUSTER_WAY_BUSY)
		return false;
	/* It is not even made ready for who is not there. */
	if (way == CLUSTER_WAY_NONE) {
		take_first(peer);
		return true;
	}
	if (frames)
		return load_frames(cluster, peer);
	if (message->type == MESSAGE_INSTALL) {
		send_base(cluster, peer);
		return true;
	}
	message->data = peer->first->data;
	send_now(cluster, peer->id, address_of(cluster, peer->id), message);
	take_first(peer);
	return true;
}

void peer_pump(struct cluster *cluster, struct peer *peer)
{
	while (peer->first != NULL && peer->load == NULL && !cluster_drains(cluster))
		if (!send_first(cluster, peer))
			return;
}

void peer_send(struct cluster *cluster, uint64_t id, const struct message *message)
{
	struct peer *peer = peer_find(cluster, id, true);
	if (peer == NULL || peer->outgoing_count >= OUTGOING_MAX ||
	    peer->outgoing_size + message->size > OUTGOING_SIZE_MAX)
		return;
	struct outgoing *outgoing = calloc(1, sizeof *outgoing);
	if (outgoing == NULL)
		return;
	outgoing->message = *message;
	if (message->size > 0) {
		outgoing->data = malloc(message->size);
		if (outgoing->data == NULL) {
			free(outgoing);
			return;
		}
		memcpy(outgoing->data, message->data, message->size);
	}
	*peer->last = outgoing;
	peer->last = &outgoing->next;
	peer->outgoing_count++;
	peer->outgoing_size += message->size;
	peer_pump(cluster, peer);
}

void peer_send_to(struct cluster *cluster, const char *address, const struct message *message)
{
	struct message copy = *message;
	send_now(cluster, 0, address, &copy);
}

void peer_send_core(void *arg, uint64_t id, const struct message *message)
{
	struct cluster *cluster = arg;
	struct message full = *message;
	if (full.type == MESSAGE_APPEND_RESULT)
		full.append_result.full = cluster->full;
	peer_send(cluster, id, &full);
}

void cluster_writable(struct cluster *cluster, uint64_t member)
{
	struct peer *peer = peer_find(cluster, member, false);
	if (peer != NULL && cluster->started && cluster->failure == 0)
		peer_pump(cluster, peer);
}
