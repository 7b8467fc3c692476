/* Appends of a member that does not lead: each batch is sent to the leader under this member's session, or its caller's, and
 * again where the answer may be lost, or the leader was. The machine knows what it has seen of a session, so a batch that
 * comes twice is appended once. */
#include "cluster/state.h"

#include <assert.h>
#include <errno.h>

#define SENT_MAX 8u /* batches at the leader: while they are, the next one grows */
/* Of those under callers' sessions, none of which grows. With the others they must find room in a peer's queue. */
#define CALLERS_SENT_MAX 128u
#define CALLERS_SENT_SIZE_MAX (8u << 20) /* bytes of records, but for one batch */
static_assert(SENT_MAX + CALLERS_SENT_MAX <= OUTGOING_MAX, "there is room in a peer's queue");

/* ---- The session ---- */

static void find_oldest(const struct batch_list *list, uint64_t *oldest)
{
	for (const struct batch *batch = list->first; batch != NULL; batch = batch->next)
		if (batch->origin == 0 && batch->session != 0 && batch->key == 0 && batch->ordinal < *oldest)
			*oldest = batch->ordinal;
}

/* The machine keeps so many results of a session: what is unanswered must not reach further back. */
static bool has_room(const struct cluster *cluster)
{
	uint64_t oldest = cluster->session.next_ordinal;
	find_oldest(&cluster->waiting, &oldest);
	find_oldest(&cluster->sent, &oldest);
	find_oldest(&cluster->proposed, &oldest);
	find_oldest(&cluster->settled, &oldest);
	find_oldest(&cluster->echo.doubtful, &oldest);
	find_oldest(&cluster->echo.doubtful_next, &oldest);
	return cluster->session.next_ordinal - oldest < MACHINE_RESULTS_MAX - 1;
}

bool forward_prepare(struct cluster *cluster, struct batch *batch)
{
	struct session *session = &cluster->session;
	if (batch->origin != 0 || batch->session != 0 || cluster_alone(cluster))
		return true;
	if (session->id == 0) {
		request_session(cluster);
		return false;
	}
	if (!has_room(cluster))
		return false;
	batch->session = session->id;
	batch->sequence = session->next_sequence;
	batch->ordinal = session->next_ordinal++;
	session->next_sequence += log_frame_count(batch->frame);
	return true;
}

void forward_session_ended(struct cluster *cluster, uint64_t session)
{
	if (cluster->session.id == session)
		cluster->session.id = 0;
}

/* ---- Sending ---- */

/* The batch's records in a frame of their own, as bytes. */
static int make_frame(const struct batch *batch, struct log_frame **frame)
{
	const struct log_tail nothing = {0};
	const struct log_header header = {.term = 1, .type = LOG_RECORDS};
	int rc = log_frame_create(frame);
	if (rc == 0)
		rc = log_frame_add_frame(*frame, batch->frame);
	if (rc == 0)
		log_frame_close(*frame, &nothing, &header);
	return rc;
}

static int send_batch(struct cluster *cluster, struct batch *batch)
{
	struct log_frame *frame = NULL;
	/* A spare hears of terms from the leader alone. */
	struct message message = {.type = MESSAGE_FORWARD,
	                          .term = cluster->spare ? cluster->spare_term : core_term(cluster->core)};
	int rc = make_frame(batch, &frame);
	if (rc == 0) {
		batch->number = ++cluster->number;
		batch->sent_before = batch->sent;
		batch->sent = true;
		batch->wait = batch->wait == 0 ? cluster->election_ms : (uint64_t)2 * cluster->election_ms;
		batch->again = cluster_now(cluster) + batch->wait;
		message.request = (struct message_request){.number = batch->number,
		                                           .session = batch->session,
		                                           .key = batch->key,
		                                           .sequence = batch->sequence,
		                                           .expected = batch->expected};
		message.data = log_frame_bytes(frame, &message.size);
		peer_send(cluster, cluster->leader, &message);
	}
	log_frame_unref(frame);
	return rc;
}

/* What is at the leader, and whether there may be more. */
struct sending {
	size_t own, callers, callers_size;
	bool own_held, callers_held;
};

static void count_sent(const struct cluster *cluster, struct sending *sending)
{
	*sending = (struct sending){0};
	for (const struct batch *batch = cluster->sent.first; batch != NULL; batch = batch->next) {
		sending->own += batch->key == 0;
		sending->callers += batch->key != 0;
		sending->callers_size += batch->key != 0 ? batch->size : 0;
	}
}

/* Whether the same batch, given twice, is at the leader: this one waits for what becomes of that. */
static bool has_twin(const struct cluster *cluster, const struct batch *batch)
{
	for (const struct batch *other = cluster->sent.first; other != NULL; other = other->next)
		if (other->session == batch->session && other->key == batch->key && other->sequence == batch->sequence)
			return true;
	return false;
}

/* Sends a batch, if it may be sent now. What is not sent holds up what comes after it of its kind. */
static bool send_own(struct cluster *cluster, struct batch *batch, struct sending *sending)
{
	/* Without memory for its bytes it waits for the next look. */
	sending->own_held = sending->own_held || sending->own >= SENT_MAX || !forward_prepare(cluster, batch) ||
	                    send_batch(cluster, batch) != 0;
	sending->own += !sending->own_held;
	return !sending->own_held;
}

static bool send_callers(struct cluster *cluster, struct batch *batch, struct sending *sending)
{
	if (has_twin(cluster, batch))
		return false;
	sending->callers_held = sending->callers_held || sending->callers >= CALLERS_SENT_MAX ||
	                        (sending->callers > 0 && sending->callers_size + batch->size > CALLERS_SENT_SIZE_MAX) ||
	                        send_batch(cluster, batch) != 0;
	sending->callers += !sending->callers_held;
	sending->callers_size += sending->callers_held ? 0 : batch->size;
	return !sending->callers_held;
}

void forward_send(struct cluster *cluster)
{
	struct sending sending;
	struct batch_list left;
	if (cluster->leader == 0 || cluster->leader == cluster->identity.id || cluster->waiting.first == NULL)
		return;
	count_sent(cluster, &sending);
	list_init(&left);
	while (cluster->waiting.first != NULL && !sending.callers_held) {
		struct batch *batch = list_take(&cluster->waiting);
		if (batch->append_count == 0)
			batch_destroy(batch);
		else if (batch->key == 0 ? send_own(cluster, batch, &sending) : send_callers(cluster, batch, &sending))
			list_add(&cluster->sent, batch);
		else
			list_add(&left, batch);
	}
	list_prepend(&cluster->waiting, &left);
}

void forward_repeat(struct cluster *cluster)
{
	struct batch_list again, left;
	uint64_t now_ms = cluster_now(cluster);
	if (MUTANT(NO_REPEAT))
		return;
	list_init(&again);
	list_init(&left);
	while (cluster->sent.first != NULL) {
		struct batch *batch = list_take(&cluster->sent);
		list_add(now_ms >= batch->again ? &again : &left, batch);
	}
	list_prepend(&cluster->sent, &left);
	list_prepend(&cluster->waiting, &again);
	forward_send(cluster);
}

bool forward_result(struct cluster *cluster, const struct message_result *result)
{
	struct batch_list left;
	struct batch *found = NULL;
	list_init(&left);
	while (cluster->sent.first != NULL) {
		struct batch *batch = list_take(&cluster->sent);
		if (batch->number == result->number)
			found = batch;
		else
			list_add(&left, batch);
	}
	list_prepend(&cluster->sent, &left);
	if (found == NULL)
		return false;
	int status = result->status;
	/* An earlier leader may have had it while there was a session. */
	if (status == -EKEYEXPIRED && found->sent_before && !MUTANT(SENT_HAS_EXPIRED))
		status = -ETIMEDOUT;
	if (status == -ETIMEDOUT)
		forward_session_ended(cluster, found->session);
	append_settle(cluster, found, status, result->entry, result->value);
	return true;
}

/* ---- At the leader ---- */

static bool is_known(const struct batch_list *list, uint64_t origin, const struct message_request *request)
{
	for (struct batch *batch = list->first; batch != NULL; batch = batch->next)
		if (batch->origin == origin && batch->session == request->session && batch->key == request->key &&
		    batch->sequence == request->sequence && !MUTANT(TAKEN_TWICE)) {
			/* Sent again: the answer goes to the newer question. */
			batch->number = request->number;
			return true;
		}
	return false;
}

void forward_receive(struct cluster *cluster, const struct message *message)
{
	const struct message_request *request = &message->request;
	struct log_frame *frame;
	size_t used;
	/* One that was sent in another term may have been refused by that term's leader since: its sender asks again. */
	if (!cluster_leads(cluster) || message->term != core_term(cluster->core) || request->session == 0 ||
	    request->sequence == 0 || cluster->stopping || cluster->queue_size + message->size > CLUSTER_QUEUE_SIZE_MAX)
		return;
	if (is_known(&cluster->waiting, message->from, request) ||
	    is_known(&cluster->proposed, message->from, request) ||
	    is_known(&cluster->settled, message->from, request) ||
	    is_known(&cluster->echo.doubtful, message->from, request) ||
	    is_known(&cluster->echo.doubtful_next, message->from, request))
		return;
	if (log_frame_parse(&frame, message->data, message->size, &used) != 0)
		return;
	struct batch *batch = batch_create();
	if (batch == NULL || used != message->size || log_frame_header(frame)->type != LOG_RECORDS ||
	    log_frame_count(frame) == 0) {
		log_frame_unref(frame);
		if (batch != NULL)
			batch_destroy(batch);
		return;
	}
	log_frame_unref(batch->frame);
	batch->frame = frame;
	batch->closed = true;
	batch->origin = message->from;
	batch->number = request->number;
	batch->session = request->session;
	batch->key = request->key;
	batch->sequence = request->sequence;
	batch->expected = request->expected;
	batch->size = message->size;
	cluster->queue_size += batch->size;
	list_add(&cluster->waiting, batch);
	cluster->host->wake_soon(cluster->host);
}
