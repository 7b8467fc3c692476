/* What is damaged here is whole elsewhere: it is fetched from another member, frame by frame, checked, and written over
 * the damage. Meanwhile this member does not stand for election: it could not give others what it has lost. */
#include "cluster/state.h"

#include "observe/observe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool mend_wanted(const struct cluster *cluster)
{
	const struct log_damage *damage;
	return !cluster_alone(cluster) && (log_damage(cluster->log, &damage) > 0 || cluster->machine_broken);
}

void mend_suspect(struct cluster *cluster, uint64_t entry)
{
	const struct log_damage *damage;
	size_t count = log_damage(cluster->log, &damage);
	for (size_t i = 0; i < count; i++)
		if (entry >= damage[i].first_entry && entry <= damage[i].last_entry)
			return;
	cluster->mend.suspect = entry;
	cluster->host->wake_soon(cluster->host);
}

static void forget(struct mend *mend)
{
	free(mend->data);
	*mend = (struct mend){.turn = mend->turn, .suspect = mend->suspect};
}

void mend_finish(struct cluster *cluster)
{
	forget(&cluster->mend);
}

/* The next member in turn; one that is not there does not answer. 0 when there is none. */
static uint64_t next_peer(struct cluster *cluster)
{
	const struct machine_members *members = &cluster->machine.members;
	for (size_t tries = 0; tries < members->count; tries++) {
		const struct service_member *member = &members->members[cluster->mend.turn++ % members->count];
		if (member->id != cluster->identity.id && member->role != SERVICE_SPARE)
			return member->id;
	}
	return 0;
}

static void ask(struct cluster *cluster, uint64_t now_ms)
{
	struct mend *mend = &cluster->mend;
	const struct message message = {.type = MESSAGE_FETCH,
	                                .term = core_term(cluster->core),
	                                .fetch = {.first_entry = mend->next_entry, .last_entry = mend->last_entry}};
	uint64_t id = next_peer(cluster);
	mend->asked_ms = now_ms;
	if (id != 0)
		peer_send(cluster, id, &message);
}

void mend_look(struct cluster *cluster, uint64_t now_ms)
{
	struct mend *mend = &cluster->mend;
	const struct log_damage *damage;
	if (cluster_alone(cluster) || log_damage(cluster->log, &damage) == 0 || mend->out ||
	    now_ms < mend->asked_ms + FETCH_MS)
		return;
	if (mend->first_entry != damage->first_entry || mend->last_entry != damage->last_entry) {
		forget(mend);
		mend->first_entry = mend->next_entry = damage->first_entry;
		mend->last_entry = damage->last_entry;
	}
	/* What is not committed may be another's to overwrite. */
	if (damage->last_entry <= cluster->commit)
		ask(cluster, now_ms);
}

/* ---- The one that is asked ---- */

static void give(struct cluster *cluster, const struct message *message)
{
	struct message answer = {
		.type = MESSAGE_FETCH_RESULT, .term = core_term(cluster->core), .fetch = message->fetch};
	uint64_t first = message->fetch.first_entry, last = message->fetch.last_entry;
	if (first == 0 || first > last || last > cluster->commit || last > log_durable(cluster->log) ||
	    last - first >= UINT32_MAX)
		return;
	/* The frames are loaded as it is sent, in pieces, each a message. */
	peer_send(cluster, message->from, &answer);
}

/* ---- The one that asked ---- */

static int keep(struct mend *mend, const struct message *message)
{
	size_t size = mend->size + message->size;
	if (size > MEND_SIZE_MAX)
		return -EMSGSIZE;
	if (size > mend->capacity) {
		size_t capacity = 2 * size < MEND_SIZE_MAX ? 2 * size : MEND_SIZE_MAX;
		unsigned char *data = realloc(mend->data, capacity);
		if (data == NULL)
			return -ENOMEM;
		mend->data = data;
		mend->capacity = capacity;
	}
	memcpy(mend->data + mend->size, message->data, message->size);
	mend->size = size;
	return 0;
}

static void verify(struct cluster *cluster)
{
	struct log_job *job = NULL;
	uint64_t next;
	if (log_verify_begin(cluster->log, cluster->mend.suspect, &job, &next) != 0)
		return;
	cluster->mend.suspect = 0;
	if (job == NULL)
		return;
	cluster->chore_out = true;
	cluster->host->run_chore(cluster->host, job);
}

/* One chore at a time: it begins when the one under way has ended. */
void mend_start(struct cluster *cluster)
{
	struct mend *mend = &cluster->mend;
	if (mend->suspect != 0 && !cluster->chore_out)
		verify(cluster);
	if (mend->size == 0 || mend->next_entry <= mend->last_entry || mend->out || cluster->chore_out)
		return;
	const struct log_damage *damage;
	struct log_job *job = NULL;
	struct clog_error err = {0};
	size_t count = log_damage(cluster->log, &damage);
	int rc = -EINVAL;
	for (size_t i = 0; i < count; i++)
		if (damage[i].first_entry == mend->first_entry && damage[i].last_entry == mend->last_entry)
			rc = log_mend_begin(cluster->log, &damage[i], mend->data, mend->size, &job, &err);
	if (rc != 0)
		observe_event(OBSERVE_WARNING, "mend_refused", OBSERVE_TEXT("error", err.text));
	if (rc != 0 || job == NULL) {
		forget(mend);
		mend->asked_ms = cluster_now(cluster);
		return;
	}
	mend->out = cluster->chore_out = true;
	mend->job = job;
	cluster->host->run_chore(cluster->host, job);
}

static void take(struct cluster *cluster, const struct message *message)
{
	struct mend *mend = &cluster->mend;
	if (mend->next_entry == 0 || mend->out || message->fetch.first_entry != mend->next_entry ||
	    message->fetch.count == 0 || message->fetch.count > mend->last_entry - mend->next_entry + 1)
		return;
	int rc = keep(mend, message);
	if (rc != 0) {
		observe_event(OBSERVE_WARNING, "mend_refused",
		              OBSERVE_TEXT("error", rc == -ENOMEM ? "no memory" : "too much is damaged at once"));
		forget(mend);
		mend->asked_ms = cluster_now(cluster);
		return;
	}
	mend->next_entry += message->fetch.count;
	mend->asked_ms = cluster_now(cluster);
	if (mend->next_entry > mend->last_entry)
		mend_start(cluster);
}

void mend_receive(struct cluster *cluster, const struct message *message)
{
	if (message->type == MESSAGE_FETCH)
		give(cluster, message);
	else
		take(cluster, message);
}

bool mend_done(struct cluster *cluster, const struct log_job *job)
{
	struct mend *mend = &cluster->mend;
	if (!mend->out || mend->job != job)
		return false;
	forget(mend);
	return true;
}
