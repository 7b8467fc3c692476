#include "cluster/state.h"

#include "observe/observe.h"

#include <errno.h>

/* ---- What the core decides ---- */

static int on_vote(void *arg, uint64_t term, uint64_t vote)
{
	struct cluster *cluster = arg;
	cluster->vote.term = term;
	cluster->vote.vote = vote;
	return vote_save(&cluster->vote, cluster->host->disk, cluster->data, NULL);
}

static int on_accept(void *arg, uint64_t entry)
{
	return append_accept(arg, entry);
}

static void on_send(void *arg, uint64_t member, const struct raft_message *message)
{
	struct cluster *cluster = arg;
	cluster->host->send(cluster->host, member, message);
}

static void on_commit(void *arg, uint64_t entry)
{
	struct cluster *cluster = arg;
	cluster->commit = entry;
}

static const struct core_ops core_ops = {.vote = on_vote, .accept = on_accept, .send = on_send, .commit = on_commit};

/* ---- Driving ---- */

void cluster_fail(struct cluster *cluster, int status, const char *sentence)
{
	if (cluster->failure != 0)
		return;
	cluster->failure = status;
	/* Told first: what the answers below set off must find the member failed. */
	cluster->host->fail(cluster->host, status, sentence);
	/* What was proposed may be on disk, and be found there by the next start: unknown. What waited is refused. */
	append_answer(cluster, &cluster->proposed, -ECONNABORTED);
	append_answer(cluster, &cluster->waiting, -ESHUTDOWN);
	cluster->queue_count = 0;
	cluster->queue_size = 0;
}

/* Asks the host to wake the member for whatever is due first. */
static void wake_when_due(struct cluster *cluster)
{
	uint64_t at = core_timeout_at(cluster->core);
	if (cluster->idle_at != 0 && cluster->idle_at < at)
		at = cluster->idle_at;
	if (at == cluster->woken_at)
		return;
	cluster->woken_at = at;
	cluster->host->wake_at(cluster->host, at);
}

/* Gives the disk something to do, if there is something and it is idle. */
static void start_jobs(struct cluster *cluster, bool idle)
{
	struct log_job *job;
	if (!cluster->write_out) {
		int rc = log_write_begin(cluster->log, idle, &job);
		if (rc != 0 && rc != -ENOMEM)
			cluster_fail(cluster, rc, "the log cannot be written");
		if (rc == -ENOMEM)
			cluster->host->wake_soon(cluster->host);
		if (rc == 0 && job != NULL) {
			cluster->write_out = true;
			cluster->host->run_write(cluster->host, job);
		}
	}
	if (!cluster->chore_out && !cluster->stopping && log_chore_begin(cluster->log, &job) == 0 && job != NULL) {
		cluster->chore_out = true;
		cluster->host->run_chore(cluster->host, job);
	}
}

static void tell_ready(struct cluster *cluster)
{
	void (*cb)(void *arg) = cluster->ready_cb;
	bool room = cluster->queue_count < CLUSTER_QUEUE_COUNT_MAX / 2 &&
	            cluster->queue_size < CLUSTER_QUEUE_SIZE_MAX / 2;
	if (cb == NULL || !room)
		return;
	cluster->ready_cb = NULL;
	cb(cluster->ready_arg);
}

static void finish_stop(struct cluster *cluster)
{
	if (!cluster->stopping || cluster->stopped || cluster->write_out || cluster->chore_out ||
	    cluster->reads_out > 0 || !append_idle(cluster))
		return;
	if (cluster->started && cluster->failure == 0)
		start_jobs(cluster, true);
	if (cluster->write_out)
		return;
	cluster->stopped = true;
	cluster->stop_cb(cluster->stop_arg);
}

/* Proposes what waits and hands it to the disk, so that it is busy while the answers go out. */
static void advance(struct cluster *cluster)
{
	struct clog_error err;
	if (cluster->failure != 0 || cluster->write_out)
		return;
	int rc = append_propose(cluster, &err);
	if (rc != 0)
		cluster_fail(cluster, rc, err.text);
	else
		start_jobs(cluster, false);
}

void cluster_turn(struct cluster *cluster)
{
	if (cluster->started) {
		advance(cluster);
		tell_ready(cluster);
	}
	finish_stop(cluster);
}

void cluster_timeout(struct cluster *cluster)
{
	uint64_t now_ms = cluster->host->now_ms(cluster->host);
	cluster->woken_at = 0;
	if (cluster->failure != 0 || cluster->stopped)
		return;
	if (now_ms >= core_timeout_at(cluster->core)) {
		int rc = core_timeout(cluster->core, now_ms);
		if (rc != 0) {
			cluster_fail(cluster, rc, "Raft cannot go on");
			return;
		}
	}
	if (cluster->idle_at != 0 && now_ms >= cluster->idle_at) {
		cluster->idle_at = 0;
		if (append_idle(cluster))
			start_jobs(cluster, true);
	}
	wake_when_due(cluster);
}

static void write_done(struct cluster *cluster, struct log_job *job)
{
	struct clog_error err;
	struct batch_list done;
	uint64_t now_ms = cluster->host->now_ms(cluster->host);
	uint64_t durable = log_durable(cluster->log);
	cluster->write_out = false;
	int rc = log_job_end(cluster->log, job, &err);
	if (rc != 0) {
		cluster_fail(cluster, rc, err.text);
		return;
	}
	observe_add(OBSERVE_ROUNDS, 1);
	rc = core_persisted(cluster->core, now_ms, log_durable(cluster->log));
	if (rc != 0) {
		cluster_fail(cluster, rc, "Raft cannot go on");
		return;
	}
	append_apply(cluster, &done);
	advance(cluster);
	append_answer(cluster, &done, 0);
	/* A round that made nothing durable was the mark's own. */
	if (log_durable(cluster->log) > durable)
		cluster->idle_at = now_ms + CLUSTER_IDLE_MS;
	wake_when_due(cluster);
}

static void chore_done(struct cluster *cluster, struct log_job *job)
{
	struct clog_error err;
	cluster->chore_out = false;
	if (log_job_end(cluster->log, job, &err) != 0)
		observe_event(OBSERVE_WARNING, "log_chore_failed", OBSERVE_TEXT("error", err.text));
	if (cluster->failure == 0)
		start_jobs(cluster, false);
}

void cluster_job_done(struct cluster *cluster, struct log_job *job)
{
	if (log_job_writes(job))
		write_done(cluster, job);
	else
		chore_done(cluster, job);
	tell_ready(cluster);
	finish_stop(cluster);
}

/* ---- Starting and stopping ---- */

/* libraft makes the only voter leader without a vote, in the term that it has. But what it proposed in that term and did
 * not live to sync may be on others' disks: no two entries may have the same number and term, so the term is a new one. */
static int begin_term(struct cluster *cluster, struct clog_error *err)
{
	cluster->vote.term++;
	cluster->vote.vote = cluster->identity.id;
	return vote_save(&cluster->vote, cluster->host->disk, cluster->data, err);
}

int cluster_start(struct cluster *cluster, struct clog_error *err)
{
	int rc = begin_term(cluster, err);
	if (rc != 0)
		return rc;
	struct cluster_host *host = cluster->host;
	struct core_options options = {.id = cluster->identity.id,
	                               .address = cluster->identity.name,
	                               .random = (unsigned)host->random(host),
	                               .election_ms = cluster->election_ms,
	                               .heartbeat_ms = cluster->heartbeat_ms,
	                               .ops = &core_ops,
	                               .arg = cluster};
	struct log_tail tail;
	log_tail(cluster->log, &tail);
	struct core_state state = {.term = cluster->vote.term,
	                           .vote = cluster->vote.vote,
	                           .members = cluster->members,
	                           .member_count = cluster->member_count,
	                           .configuration = log_configuration(cluster->log, tail.entry)};
	state.term_count = log_terms(cluster->log, &state.terms);
	rc = core_create(&cluster->core, &options);
	if (rc == 0)
		rc = core_start(cluster->core, host->now_ms(host), &state);
	if (rc != 0)
		return clog_error_set(err, rc, "%s: Raft could not start from what is there", cluster->data);
	/* The only voter has just been elected, which commits all that it has. */
	if (cluster->commit != tail.entry)
		return clog_error_set(err, -ENOTRECOVERABLE, "%s: not elected, as the only voter must be",
		                      cluster->data);
	cluster->started = true;
	cluster->start_ns = host->time_ns(host);
	wake_when_due(cluster);
	start_jobs(cluster, false);
	return 0;
}

void cluster_stop(struct cluster *cluster, void (*done)(void *arg), void *arg)
{
	cluster->stopping = true;
	cluster->stop_cb = done;
	cluster->stop_arg = arg;
	cluster->host->wake_soon(cluster->host);
}

struct service *cluster_service(struct cluster *cluster)
{
	return &cluster->service;
}

const char *cluster_name(const struct cluster *cluster)
{
	return cluster->identity.name;
}
