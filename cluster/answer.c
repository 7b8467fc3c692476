/* What becomes of appends once they are decided: answered when their entry is applied, sent again when the leader is
 * another one, given up when their time is over. */
#include "cluster/state.h"

#include "observe/observe.h"

#include <errno.h>

static void leave_queue(struct cluster *cluster, const struct batch *batch)
{
	cluster->queue_count -= batch->append_count;
	cluster->queue_size -= batch->size;
}

void append_settle(struct cluster *cluster, struct batch *batch, int status, uint64_t entry, uint64_t first_offset)
{
	batch->status = status;
	batch->entry = entry;
	batch->first_offset = first_offset;
	list_add(&cluster->settled, batch);
	cluster->host->wake_soon(cluster->host);
}

void append_apply(struct cluster *cluster, struct batch_list *done)
{
	struct batch_list left;
	list_init(done);
	list_init(&left);
	while (cluster->proposed.first != NULL &&
	       (cluster->proposed.first->entry <= cluster->applied.entry || MUTANT(ANSWERED_EARLY))) {
		struct batch *batch = list_take(&cluster->proposed);
		observe_add(OBSERVE_APPENDED_RECORDS, log_frame_count(batch->frame));
		observe_add(OBSERVE_APPENDED_BYTES, log_frame_data_size(batch->frame));
		leave_queue(cluster, batch);
		list_add(done, batch);
	}
	while (cluster->settled.first != NULL) {
		struct batch *batch = list_take(&cluster->settled);
		/* A member that gets no log has nothing to wait for. */
		bool ready = batch->entry <= cluster->applied.entry || cluster_detached(cluster) ||
		             MUTANT(SETTLED_EARLY);
		if (ready)
			leave_queue(cluster, batch);
		list_add(ready ? done : &left, batch);
	}
	list_prepend(&cluster->settled, &left);
}

static void answer(struct cluster *cluster, struct batch *batch, int status)
{
	uint64_t now_ns = cluster->host->time_ns(cluster->host);
	/* One that fails has nothing to say of another's batch: an earlier leader may have appended it. */
	if (batch->origin != 0 && cluster->failure == 0) {
		const struct message_result result = {
			.number = batch->number, .status = status, .value = batch->first_offset, .entry = batch->entry};
		request_answer(cluster, batch->origin, &result);
	}
	if (status != 0)
		observe_add(OBSERVE_REFUSED_APPENDS, batch->append_count);
	for (struct service_append *append = batch->first, *next; append != NULL; append = next) {
		/* The callback may free it. */
		next = append->next;
		append->status = status;
		append->first_offset = status == 0 ? batch->first_offset + append->place : 0;
		if (status == 0)
			observe_append_time(now_ns > append->begun_ns ? now_ns - append->begun_ns : 0);
		append->cb(append, append->arg);
	}
	batch_destroy(batch);
}

void append_answer(struct cluster *cluster, struct batch_list *done, int status)
{
	while (done->first != NULL) {
		struct batch *batch = list_take(done);
		answer(cluster, batch, status == 0 ? batch->status : status);
	}
}

/* ---- When the leader changes, and when time is up ---- */

/* Sorts a list's batches: own ones that may be sent again, or are to wait, to `again`. Of other members' their senders
 * will think. What has no session can be neither sent again nor called refused. */
static void sort_out(struct cluster *cluster, struct batch_list *list, struct batch_list *again)
{
	struct batch_list left;
	list_init(&left);
	list_prepend(&left, list);
	while (left.first != NULL) {
		struct batch *batch = list_take(&left);
		if (batch->origin != 0) {
			leave_queue(cluster, batch);
			batch_destroy(batch);
		} else if (batch->sent && batch->session == 0) {
			append_settle(cluster, batch, -ETIMEDOUT, 0, 0);
		} else {
			batch->wait = 0;
			list_add(again, batch);
		}
	}
}

/* What was decided by entries past that one is undecided again. */
static void unsettle(struct cluster *cluster, uint64_t entry, struct batch_list *again)
{
	struct batch_list left, undecided;
	list_init(&left);
	list_init(&undecided);
	while (cluster->settled.first != NULL) {
		struct batch *batch = list_take(&cluster->settled);
		list_add(batch->entry > entry && !MUTANT(DECISION_KEPT) ? &undecided : &left, batch);
	}
	list_prepend(&cluster->settled, &left);
	sort_out(cluster, &undecided, again);
}

void append_cut(struct cluster *cluster, uint64_t first)
{
	struct batch_list again;
	list_init(&again);
	unsettle(cluster, first - 1, &again);
	list_prepend(&cluster->waiting, &again);
}

void append_leader_changed(struct cluster *cluster)
{
	struct batch_list again;
	list_init(&again);
	sort_out(cluster, &cluster->proposed, &again);
	unsettle(cluster, cluster->commit, &again);
	sort_out(cluster, &cluster->sent, &again);
	sort_out(cluster, &cluster->waiting, &again);
	list_prepend(&cluster->waiting, &again);
}

static void expire(struct cluster *cluster, struct batch_list *list, uint64_t now_ms, struct batch_list *done)
{
	struct batch_list left;
	list_init(&left);
	while (list->first != NULL) {
		struct batch *batch = list_take(list);
		if (batch->origin != 0 || batch->append_count == 0 || now_ms < batch->deadline) {
			list_add(&left, batch);
			continue;
		}
		batch->status = batch->sent && !MUTANT(SENT_IS_REFUSED) ? -ETIMEDOUT : -EHOSTUNREACH;
		leave_queue(cluster, batch);
		list_add(done, batch);
	}
	list_prepend(list, &left);
}

void append_expire(struct cluster *cluster, uint64_t now_ms)
{
	struct batch_list done;
	struct batch_list *const lists[] = {&cluster->waiting, &cluster->sent,          &cluster->proposed,
	                                    &cluster->settled, &cluster->echo.doubtful, &cluster->echo.doubtful_next};
	list_init(&done);
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
		expire(cluster, lists[i], now_ms, &done);
	append_answer(cluster, &done, 0);
}

void append_finish(struct cluster *cluster)
{
	struct batch_list *const lists[] = {&cluster->waiting, &cluster->sent,          &cluster->proposed,
	                                    &cluster->settled, &cluster->echo.doubtful, &cluster->echo.doubtful_next};
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
		while (lists[i]->first != NULL)
			batch_destroy(list_take(lists[i]));
}

void append_fail_waiting(struct cluster *cluster)
{
	while (cluster->waiting.first != NULL) {
		struct batch *batch = list_take(&cluster->waiting);
		answer(cluster, batch, batch->sent ? -ECONNABORTED : -ESHUTDOWN);
	}
}

bool append_idle(const struct cluster *cluster)
{
	return cluster->queue_count == 0;
}
