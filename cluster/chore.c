/* Chores: what the log has done off the way of appends, one at a time. Damage is mended first. */
#include "cluster/state.h"
#include "observe/observe.h"

#include <string.h>

void chore_start(struct cluster *cluster)
{
	struct log_job *job;
	if (cluster->chore_out || cluster->stopping || cluster->failure != 0)
		return;
	mend_start(cluster);
	if (!cluster->chore_out && log_chore_begin(cluster->log, &job) == 0 && job != NULL) {
		cluster->chore_out = true;
		cluster->host->run_chore(cluster->host, job);
	}
}

void chore_retry(struct cluster *cluster)
{
	struct chores *chores = &cluster->chores;
	uint64_t now_ms = cluster_now(cluster);
	if (now_ms < chores->again_at)
		return;
	chores->again_at = now_ms + CLUSTER_CHORE_AGAIN_MS;
	log_chore_retry(cluster->log);
}

/* A disk that is full fails the same chore again and again: it is told of once in a while. */
static void tell_failed(struct cluster *cluster, const struct clog_error *err)
{
	struct chores *chores = &cluster->chores;
	uint64_t now_ms = cluster_now(cluster);
	if (now_ms < chores->tell_at && strcmp(err->text, chores->told) == 0)
		return;
	chores->tell_at = now_ms + CLUSTER_CHORE_TELL_MS;
	memcpy(chores->told, err->text, sizeof chores->told);
	observe_event(OBSERVE_WARNING, "log_chore_failed", OBSERVE_TEXT("error", err->text));
}

void chore_done(struct cluster *cluster, struct log_job *job)
{
	struct clog_error err;
	bool mend = mend_done(cluster, job);
	cluster->chore_out = false;
	int rc = log_job_end(cluster->log, job, &err);
	if (rc != 0 && mend)
		observe_event(OBSERVE_WARNING, "mend_failed", OBSERVE_TEXT("error", err.text));
	else if (rc != 0)
		tell_failed(cluster, &err);
	if (cluster->failure != 0)
		return;
	if (mend && rc == 0)
		observe_event(OBSERVE_INFO, "log_mended", OBSERVE_NUMBER("durable", log_durable(cluster->log)));
	const struct log_damage *damage;
	if (cluster->machine_broken && cluster->mend.suspect == 0 && log_damage(cluster->log, &damage) == 0) {
		struct log_tail tail;
		log_tail(cluster->log, &tail);
		if (cluster_check(cluster, entries_fill_states(cluster, &err), err.text) == 0)
			cluster_check(cluster, entries_load_machine(cluster, tail.entry, &err), err.text);
	}
}
