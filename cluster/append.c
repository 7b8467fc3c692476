/* Group commit: while a round is on its way to disk, appends gather in the next batch; there is no timer in it. */
#include "cluster/state.h"

#include "observe/observe.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

/* One deadline is enough for appends that come within so long of each other. */
#define JOINED_MS 500u
/* Batches in one entry: each is compared with those that are gathered already. */
#define GATHERED_MAX 512u
static_assert(GATHERED_MAX <= LOG_SESSIONS_MAX, "a row for each");
/* What an append counts for in the queue besides its bytes: its records' headers. */
#define RECORD_OVERHEAD 8u

static struct cluster *of(struct service *service)
{
	return (struct cluster *)service;
}

/* ---- Lists of batches ---- */

void list_init(struct batch_list *list)
{
	list->first = NULL;
	list->last = &list->first;
}

void list_add(struct batch_list *list, struct batch *batch)
{
	batch->next = NULL;
	*list->last = batch;
	list->last = &batch->next;
}

struct batch *list_take(struct batch_list *list)
{
	struct batch *batch = list->first;
	list->first = batch->next;
	if (list->first == NULL)
		list->last = &list->first;
	return batch;
}

void list_prepend(struct batch_list *list, struct batch_list *more)
{
	if (more->first == NULL)
		return;
	*more->last = list->first;
	if (list->first == NULL)
		list->last = more->last;
	list->first = more->first;
	list_init(more);
}

/* ---- Batches ---- */

void append_init(struct cluster *cluster)
{
	struct batch_list *const lists[] = {&cluster->waiting, &cluster->sent,          &cluster->proposed,
	                                    &cluster->settled, &cluster->echo.doubtful, &cluster->echo.doubtful_next};
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
		list_init(lists[i]);
}

struct batch *batch_create(void)
{
	struct batch *batch = calloc(1, sizeof *batch);
	if (batch == NULL)
		return NULL;
	if (log_frame_create(&batch->frame) != 0) {
		free(batch);
		return NULL;
	}
	batch->last = &batch->first;
	batch->expected = SERVICE_ANYWHERE;
	return batch;
}

void batch_destroy(struct batch *batch)
{
	log_frame_unref(batch->frame);
	free(batch);
}

static struct batch *last_waiting(struct cluster *cluster)
{
	if (cluster->waiting.first == NULL)
		return NULL;
	/* The list's end is the last one's member `next`. */
	return (struct batch *)((char *)cluster->waiting.last - offsetof(struct batch, next));
}

/* Whether more may go into a batch: it is this member's own, plain, and was never given away. What comes under a caller's
 * session stays by itself: it may come again, and not with its neighbours. */
static bool is_open(const struct batch *batch)
{
	return batch->origin == 0 && batch->expected == SERVICE_ANYWHERE && !batch->sent && !batch->closed &&
	       batch->session == 0;
}

/* The batch that is open, unless it has enough, or cannot take that much more; else a new one. An empty one is as good
 * as new: those who ask for more than any can take leave no more than one behind. */
static struct batch *open_batch(struct cluster *cluster, const struct service_append *append, size_t size,
                                uint32_t count)
{
	struct batch *batch = last_waiting(cluster);
	bool plain = append->expected == SERVICE_ANYWHERE && append->session == 0;
	uint64_t deadline = cluster_now(cluster) + cluster->deadline_ms;
	if (batch != NULL && is_open(batch) && (batch->append_count == 0 || deadline < batch->deadline + JOINED_MS) &&
	    (batch->append_count == 0 || (plain && log_frame_data_size(batch->frame) < CLUSTER_BATCH_SIZE &&
	                                  log_frame_fits(batch->frame, size, count))))
		return batch;
	batch = batch_create();
	if (batch != NULL)
		list_add(&cluster->waiting, batch);
	return batch;
}

static int refused(int status)
{
	observe_add(OBSERVE_REFUSED_APPENDS, 1);
	return status;
}

int append_op(struct service *service, struct service_append *append, const void *data, const uint32_t *sizes,
              uint32_t count)
{
	struct cluster *cluster = of(service);
	if (!cluster->started || cluster->stopping || cluster->failure != 0)
		return refused(-ESHUTDOWN);
	size_t size = 0;
	for (uint32_t i = 0; i < count; i++)
		size += sizes[i];
	size_t counted = size + (size_t)count * RECORD_OVERHEAD;
	if (cluster->queue_count >= CLUSTER_QUEUE_COUNT_MAX ||
	    (cluster->queue_count > 0 && cluster->queue_size + counted > CLUSTER_QUEUE_SIZE_MAX))
		return refused(-EAGAIN);
	struct batch *batch = open_batch(cluster, append, size, count);
	if (batch == NULL)
		return refused(-ENOMEM);
	append->place = log_frame_count(batch->frame);
	int rc = log_frame_add_many(batch->frame, data, sizes, count);
	if (rc != 0)
		/* An empty batch may stay: the next append takes it. */
		return refused(rc == -ENOBUFS ? -EMSGSIZE : rc);
	append->count = count;
	append->begun_ns = cluster->host->time_ns(cluster->host);
	append->deadline = cluster_now(cluster) + cluster->deadline_ms;
	append->next = NULL;
	if (batch->append_count == 0) {
		batch->deadline = append->deadline;
		batch->expected = append->expected;
		batch->session = append->session;
		batch->key = append->session_key;
		batch->sequence = append->sequence;
	}
	*batch->last = append;
	batch->last = &append->next;
	batch->append_count++;
	batch->size += counted;
	cluster->queue_count++;
	cluster->queue_size += counted;
	cluster->host->wake_soon(cluster->host);
	return SERVICE_PENDING;
}

void append_ready_op(struct service *service)
{
	struct cluster *cluster = of(service);
	/* The queue may have drained meanwhile, or never will again: the turn looks. */
	cluster->host->wake_soon(cluster->host);
}

/* ---- Proposing ---- */

/* What the disk has no room for is refused, before it becomes an entry. */
static bool has_room(struct cluster *cluster, uint32_t size)
{
	if (log_room(cluster->log, size) != -ENOSPC)
		return !members_full(cluster);
	/* There may be room again by the next time; or another voter has some, and may lead. */
	chore_retry(cluster);
	if (!cluster_alone(cluster))
		members_hand_over(cluster);
	return false;
}

/* What the machine knows of a batch under a session. */
static enum machine_answer find(const struct cluster *cluster, const struct batch *batch, struct machine_result *result)
{
	/* A session from before what is damaged may have more records than it knows of. */
	if (cluster->machine_broken && batch->session <= cluster->broken_entry)
		return MACHINE_ENDED;
	return machine_find(&cluster->machine, batch->session, batch->key, batch->sequence,
	                    log_frame_count(batch->frame), result);
}

/* Its session is not in the machine. Ended: told once what has ended it is committed, since a tail that is cut has ended
 * nothing. Opened behind this log: told once it is sure that this log is the newest. */
static void decide_ended(struct cluster *cluster, struct batch *batch)
{
	int status = batch->key == 0 || batch->sent ? -ETIMEDOUT : -EKEYEXPIRED;
	if (batch->session > cluster->machine.entry)
		echo_doubt(cluster, batch, status);
	else
		append_settle(cluster, batch, status, cluster->machine.entry, 0);
}

/* Decides a batch of which the machine knows. True when it was. */
static bool decide_known(struct cluster *cluster, struct batch *batch)
{
	struct machine_result result;
	switch (find(cluster, batch, &result)) {
	case MACHINE_NEW:
		return false;
	case MACHINE_KNOWN:
		/* By that entry it may be known to later leaders, too. */
		batch->sent = true;
		append_settle(cluster, batch, 0, result.entry, result.offset);
		return true;
	case MACHINE_ENDED:
		forward_session_ended(cluster, batch->session);
		decide_ended(cluster, batch);
		return true;
	case MACHINE_UNKNOWN:
		forward_session_ended(cluster, batch->session);
		append_settle(cluster, batch, -ETIMEDOUT, 0, 0);
		return true;
	case MACHINE_INVALID:
		append_settle(cluster, batch, -EINVAL, 0, 0);
		return true;
	}
	return false;
}

/* Decides a batch that needs no entry of its own. True when it was. */
static bool decide(struct cluster *cluster, struct batch *batch, uint64_t next_offset)
{
	struct log_tail tail;
	log_tail(cluster->log, &tail);
	if (batch->session != 0 && !MUTANT(RETRY_IS_NEW) && decide_known(cluster, batch))
		return true;
	if (batch->expected == SERVICE_ANYWHERE || batch->expected == next_offset)
		return false;
	/* Taken: told once that record is committed. Ahead: told once it is sure that this log is the newest. */
	if (batch->expected < next_offset)
		append_settle(cluster, batch, -EEXIST, tail.entry, 0);
	else
		echo_doubt(cluster, batch, -ENXIO);
	return true;
}

/* The batches that go into one frame. */
struct gathering {
	struct batch_list batches;
	size_t data_size, frame_size;
	uint32_t count; /* records */
	uint32_t batch_count;
};

/* Whether one more batch goes into the frame. */
static bool fits(const struct gathering *gathering, const struct batch *batch)
{
	if (gathering->batches.first == NULL)
		return true;
	return gathering->batch_count < GATHERED_MAX &&
	       gathering->data_size + log_frame_data_size(batch->frame) <= CLUSTER_BATCH_SIZE &&
	       gathering->frame_size + log_frame_size(batch->frame) <= LOG_FRAME_SIZE_MAX / 2;
}

/* Whether a batch has numbers of one that is gathered: the same one, that came again by another way; or no right sender's. */
static bool overlaps(const struct gathering *gathering, const struct batch *batch)
{
	for (const struct batch *other = gathering->batches.first; other != NULL; other = other->next) {
		uint32_t count = log_frame_count(batch->frame), other_count = log_frame_count(other->frame);
		if (batch->session != 0 && batch->session == other->session &&
		    batch->sequence < other->sequence + other_count && other->sequence < batch->sequence + count)
			return true;
	}
	return false;
}

static void gather(struct cluster *cluster, struct gathering *gathering)
{
	struct log_tail tail;
	log_tail(cluster->log, &tail);
	*gathering = (struct gathering){0};
	list_init(&gathering->batches);
	while (cluster->waiting.first != NULL) {
		struct batch *batch = cluster->waiting.first;
		if (batch->origin == 0 && batch->append_count == 0) {
			batch_destroy(list_take(&cluster->waiting));
			continue;
		}
		uint64_t next_offset = tail.next_offset + gathering->count;
		uint64_t compared = MUTANT(CONDITION_OF_COMMITTED) ? cluster->applied.next_offset : next_offset;
		/* Its offset is taken by a record that is only being gathered: that one must be an entry first. */
		if (batch->expected >= tail.next_offset && batch->expected < next_offset)
			return;
		if (!forward_prepare(cluster, batch) || !fits(gathering, batch))
			return;
		bool twin = overlaps(gathering, batch);
		/* That one must be an entry first, and is found then. */
		if (twin && !MUTANT(TAKEN_TWICE))
			return;
		list_take(&cluster->waiting);
		if (twin) {
			append_settle(cluster, batch, -EINVAL, 0, 0);
			continue;
		}
		if (decide(cluster, batch, compared))
			continue;
		gathering->batch_count++;
		gathering->count += log_frame_count(batch->frame);
		gathering->data_size += log_frame_data_size(batch->frame);
		gathering->frame_size += log_frame_size(batch->frame);
		list_add(&gathering->batches, batch);
	}
}

/* A batch that goes alone goes as it is, if its frame is still open. */
static int join_frames(const struct gathering *gathering, struct log_frame **frame)
{
	struct batch *first = gathering->batches.first;
	int rc = 0;
	if (first->next == NULL && !first->closed) {
		*frame = log_frame_ref(first->frame);
	} else {
		rc = log_frame_create(frame);
		for (const struct batch *batch = first; rc == 0 && batch != NULL; batch = batch->next)
			rc = log_frame_add_frame(*frame, batch->frame);
	}
	bool sessions = false;
	for (const struct batch *batch = first; batch != NULL; batch = batch->next)
		sessions = sessions || batch->session != 0;
	for (const struct batch *batch = first; rc == 0 && sessions && batch != NULL; batch = batch->next) {
		const struct log_session row = {
			.session = batch->session, .sequence = batch->sequence, .count = log_frame_count(batch->frame)};
		rc = log_frame_add_session(*frame, &row);
	}
	return rc;
}

static int submit(struct cluster *cluster, struct gathering *gathering, struct log_frame *frame)
{
	struct log_tail tail;
	log_tail(cluster->log, &tail);
	uint64_t time_ns = cluster->host->time_ns(cluster->host);
	/* Records' times go up with their offsets, also when the clock was set back. */
	struct log_header header = {.term = core_term(cluster->core),
	                            .type = LOG_RECORDS,
	                            .commit = cluster->commit,
	                            .time_ns = time_ns > tail.time_ns ? time_ns : tail.time_ns};
	log_frame_close(frame, &tail, &header);
	if (gathering->batches.first->frame == frame)
		gathering->batches.first->closed = true;
	cluster->proposing = &gathering->batches;
	int rc = core_submit(cluster->core, cluster_now(cluster), frame);
	cluster->proposing = NULL;
	return rc;
}

static void settle_all(struct cluster *cluster, struct batch_list *list, int status)
{
	while (list->first != NULL)
		append_settle(cluster, list_take(list), status, 0, 0);
}

static int propose(struct cluster *cluster, struct gathering *gathering)
{
	struct log_frame *frame = NULL;
	int rc = join_frames(gathering, &frame);
	if (rc == -ENOBUFS) {
		/* Its sender left no room for the row of its session. */
		log_frame_unref(frame);
		settle_all(cluster, &gathering->batches, -EMSGSIZE);
		return 0;
	}
	if (rc == 0 && !has_room(cluster, log_frame_size(frame) + COMMANDS_SIZE + SETTINGS_SIZE)) {
		log_frame_unref(frame);
		settle_all(cluster, &gathering->batches, -ENOSPC);
		return 0;
	}
	if (rc == 0)
		rc = submit(cluster, gathering, frame);
	log_frame_unref(frame);
	/* Leadership is being handed over. */
	if (rc == -EHOSTUNREACH)
		list_prepend(&cluster->waiting, &gathering->batches);
	return rc;
}

int append_propose(struct cluster *cluster, struct clog_error *err)
{
	int rc = 0;
	while (rc == 0 && cluster->waiting.first != NULL && cluster_ready(cluster)) {
		struct gathering gathering;
		gather(cluster, &gathering);
		if (gathering.batches.first == NULL)
			break;
		rc = propose(cluster, &gathering);
		if (rc != 0 && rc != -EHOSTUNREACH) {
			list_prepend(&cluster->proposed, &gathering.batches);
			if (log_failure(cluster->log, err) == 0)
				clog_error_set(err, rc, "an entry could not be proposed");
		}
	}
	return rc == -EHOSTUNREACH ? 0 : rc;
}

void append_accepted(struct cluster *cluster, const struct log_tail *after)
{
	uint64_t count = 0;
	for (const struct batch *batch = cluster->proposing->first; batch != NULL; batch = batch->next)
		count += log_frame_count(batch->frame);
	uint64_t offset = after->next_offset - count;
	while (cluster->proposing->first != NULL) {
		struct batch *batch = list_take(cluster->proposing);
		/* Another decision may have gone before, and was lost with the record that it was made by. */
		batch->status = 0;
		batch->entry = after->entry;
		batch->first_offset = offset;
		batch->sent = true;
		offset += log_frame_count(batch->frame);
		list_add(&cluster->proposed, batch);
	}
}
