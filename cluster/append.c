/* Group commit: while a round is on its way to disk, appends gather in the next batch; there is no timer in it. */
#include "cluster/state.h"

#include "observe/observe.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* What an append counts for in the queue besides its bytes: its records' headers. */
#define RECORD_OVERHEAD 8u

static struct cluster *of(struct service *service)
{
	return (struct cluster *)service;
}

static void list_init(struct batch_list *list)
{
	list->first = NULL;
	list->last = &list->first;
}

static void list_add(struct batch_list *list, struct batch *batch)
{
	batch->next = NULL;
	*list->last = batch;
	list->last = &batch->next;
}

static struct batch *list_take(struct batch_list *list)
{
	struct batch *batch = list->first;
	list->first = batch->next;
	if (list->first == NULL)
		list->last = &list->first;
	return batch;
}

void append_init(struct cluster *cluster)
{
	list_init(&cluster->waiting);
	list_init(&cluster->proposed);
}

static struct batch *batch_create(void)
{
	struct batch *batch = calloc(1, sizeof *batch);
	if (batch == NULL)
		return NULL;
	if (log_frame_create(&batch->frame) != 0) {
		free(batch);
		return NULL;
	}
	batch->last = &batch->first;
	return batch;
}

static void batch_destroy(struct batch *batch)
{
	log_frame_unref(batch->frame);
	free(batch);
}

/* The batch that is open, unless it has enough, or cannot take that much more; else a new one. An empty one is as good
 * as new: those who ask for more than any can take leave no more than one behind. */
static struct batch *open_batch(struct cluster *cluster, size_t size, uint32_t count)
{
	struct batch *batch = cluster->waiting.first;
	while (batch != NULL && batch->next != NULL)
		batch = batch->next;
	if (batch != NULL && (batch->append_count == 0 || (log_frame_data_size(batch->frame) < CLUSTER_BATCH_SIZE &&
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
	struct batch *batch = open_batch(cluster, size, count);
	if (batch == NULL)
		return refused(-ENOMEM);
	append->place = log_frame_count(batch->frame);
	int rc = log_frame_add_many(batch->frame, data, sizes, count);
	if (rc != 0)
		/* An empty batch may stay: the next append takes it. */
		return refused(rc == -ENOBUFS ? -EMSGSIZE : rc);
	append->count = count;
	append->begun_ns = cluster->host->time_ns(cluster->host);
	append->next = NULL;
	*batch->last = append;
	batch->last = &append->next;
	batch->append_count++;
	batch->size += counted;
	cluster->queue_count++;
	cluster->queue_size += counted;
	cluster->host->wake_soon(cluster->host);
	return SERVICE_PENDING;
}

void append_ready_op(struct service *service, void (*cb)(void *arg), void *arg)
{
	struct cluster *cluster = of(service);
	cluster->ready_cb = cb;
	cluster->ready_arg = arg;
	/* The queue may have drained meanwhile, or never will again: the turn looks. */
	cluster->host->wake_soon(cluster->host);
}

static int propose(struct cluster *cluster, struct batch *batch, struct clog_error *err)
{
	struct log_tail tail;
	log_tail(cluster->log, &tail);
	uint64_t time_ns = cluster->host->time_ns(cluster->host);
	/* Records' times go up with their offsets, also when the clock was set back. */
	struct log_header header = {.term = core_term(cluster->core),
	                            .type = LOG_RECORDS,
	                            .commit = cluster->commit,
	                            .time_ns = time_ns > tail.time_ns ? time_ns : tail.time_ns};
	log_frame_close(batch->frame, &tail, &header);
	cluster->proposing = batch;
	int rc = core_submit(cluster->core, cluster->host->now_ms(cluster->host));
	cluster->proposing = NULL;
	if (rc != 0 && log_failure(cluster->log, err) == 0)
		clog_error_set(err, rc, "an entry could not be proposed");
	return rc;
}

int append_accept(struct cluster *cluster, uint64_t entry)
{
	struct batch *batch = cluster->proposing;
	assert(batch != NULL && log_frame_header(batch->frame)->entry == entry);
	int rc = log_append(cluster->log, batch->frame, NULL);
	if (rc != 0)
		return rc;
	log_tail(cluster->log, &batch->after);
	list_add(&cluster->proposed, list_take(&cluster->waiting));
	return 0;
}

/* What the disk has no room for is refused, before it becomes an entry. */
static bool has_room(struct cluster *cluster, const struct batch *batch)
{
	if (log_room(cluster->log, log_frame_size(batch->frame)) != -ENOSPC)
		return true;
	/* There may be room again by the next time. */
	log_chore_retry(cluster->log);
	return false;
}

static void leave_queue(struct cluster *cluster, const struct batch *batch)
{
	cluster->queue_count -= batch->append_count;
	cluster->queue_size -= batch->size;
}

int append_propose(struct cluster *cluster, struct clog_error *err)
{
	struct batch_list refused_batches;
	int rc = 0;
	list_init(&refused_batches);
	while (rc == 0 && cluster->waiting.first != NULL && core_role(cluster->core) == CORE_LEADER) {
		struct batch *batch = cluster->waiting.first;
		if (batch->append_count == 0) {
			batch_destroy(list_take(&cluster->waiting));
		} else if (!has_room(cluster, batch)) {
			leave_queue(cluster, batch);
			observe_add(OBSERVE_REFUSED_APPENDS, batch->append_count);
			list_add(&refused_batches, list_take(&cluster->waiting));
		} else {
			rc = propose(cluster, batch, err);
		}
	}
	append_answer(cluster, &refused_batches, -ENOSPC);
	return rc;
}

void append_apply(struct cluster *cluster, struct batch_list *done)
{
	list_init(done);
	uint64_t durable = log_durable(cluster->log);
	uint64_t last = cluster->commit < durable ? cluster->commit : durable;
	while (cluster->proposed.first != NULL && cluster->proposed.first->after.entry <= last) {
		struct batch *batch = list_take(&cluster->proposed);
		cluster->applied = batch->after;
		observe_add(OBSERVE_APPENDED_RECORDS, log_frame_count(batch->frame));
		observe_add(OBSERVE_APPENDED_BYTES, log_frame_data_size(batch->frame));
		leave_queue(cluster, batch);
		list_add(done, batch);
	}
}

static void answer(struct cluster *cluster, struct batch *batch, int status)
{
	uint64_t now_ns = cluster->host->time_ns(cluster->host);
	uint64_t first_offset = status == 0 ? log_frame_header(batch->frame)->first_offset : 0;
	for (struct service_append *append = batch->first, *next; append != NULL; append = next) {
		/* The callback may free it. */
		next = append->next;
		append->status = status;
		append->first_offset = first_offset + append->place;
		if (status == 0)
			observe_append_time(now_ns > append->begun_ns ? now_ns - append->begun_ns : 0);
		append->cb(append, append->arg);
	}
	batch_destroy(batch);
}

void append_answer(struct cluster *cluster, struct batch_list *done, int status)
{
	while (done->first != NULL)
		answer(cluster, list_take(done), status);
}

bool append_idle(const struct cluster *cluster)
{
	return cluster->queue_count == 0;
}
