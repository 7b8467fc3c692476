#include "cluster/state.h"

#include "observe/observe.h"

#include <errno.h>
#include <stdlib.h>

/* ---- What the core decides ---- */

static int on_vote(void *arg, uint64_t term, uint64_t vote)
{
	struct cluster *cluster = arg;
	struct clog_error err;
	cluster->vote.term = term;
	cluster->vote.vote = vote;
	int rc = MUTANT(VOTE_NOT_SAVED) ? 0 : vote_save(&cluster->vote, cluster->host->disk, cluster->data, &err);
	/* Here, where the sentence is known; before the start the caller tells. */
	if (rc != 0 && cluster->started)
		cluster_fail(cluster, rc, err.text);
	return rc;
}

static void on_commit(void *arg, uint64_t entry)
{
	struct cluster *cluster = arg;
	if (entry > cluster->commit)
		cluster->commit = entry;
}

static const struct core_ops core_ops = {.vote = on_vote,
                                         .accept = entries_accept,
                                         .barrier = entries_barrier,
                                         .install = entries_install,
                                         .send = peer_send_core,
                                         .commit = on_commit};

/* ---- Asking ---- */

bool cluster_log_busy(const struct cluster *cluster)
{
	return cluster->write_out || cluster->chore_out;
}

bool cluster_leads(const struct cluster *cluster)
{
	return core_role(cluster->core) == CORE_LEADER;
}

bool cluster_ready(const struct cluster *cluster)
{
	return cluster_leads(cluster) && cluster->role == CORE_LEADER && cluster->applied.entry >= cluster->ready_entry;
}

bool cluster_alone(const struct cluster *cluster)
{
	const struct machine_members *members = &cluster->machine.members;
	return members->count == 1 && members->members[0].id == cluster->identity.id;
}

bool cluster_detached(const struct cluster *cluster)
{
	return cluster->spare || cluster->removed;
}

bool cluster_drains(const struct cluster *cluster)
{
	return cluster->stopping && append_idle(cluster) && request_idle(cluster);
}

/* ---- Failing ---- */

void cluster_fail(struct cluster *cluster, int status, const char *sentence)
{
	if (cluster->failure != 0)
		return;
	cluster->failure = status;
	/* Told first: what the answers below set off must find the member failed. */
	cluster->host->fail(cluster->host, status, sentence);
	/* What was proposed or sent may be on disk, and be found by the next start: unknown. What waited is refused. */
	append_answer(cluster, &cluster->proposed, -ECONNABORTED);
	append_answer(cluster, &cluster->sent, -ECONNABORTED);
	append_answer(cluster, &cluster->settled, -ECONNABORTED);
	echo_forget(cluster);
	append_fail_waiting(cluster);
	request_fail(cluster, -ECONNABORTED);
	cluster->queue_count = 0;
	cluster->queue_size = 0;
}

int cluster_check(struct cluster *cluster, int status, const char *sentence)
{
	struct clog_error err;
	if (status != 0)
		cluster_fail(cluster, status, log_failure(cluster->log, &err) != 0 ? err.text : sentence);
	return status;
}

/* ---- Driving ---- */

static void note_time(uint64_t *at, uint64_t other)
{
	if (other != 0 && other < *at)
		*at = other;
}

/* Asks the host to wake the member for whatever is due first. */
static void wake_when_due(struct cluster *cluster)
{
	uint64_t at = core_timeout_at(cluster->core);
	note_time(&at, cluster->idle_at);
	note_time(&at, cluster->check_at);
	if (at == cluster->woken_at)
		return;
	cluster->woken_at = at;
	cluster->host->wake_at(cluster->host, at);
}

static void start_write(struct cluster *cluster, bool idle)
{
	struct log_job *job;
	int rc = log_write_begin(cluster->log, idle, &job);
	if (rc != 0 && rc != -ENOMEM)
		cluster_fail(cluster, rc, "the log cannot be written");
	if (rc == -ENOMEM)
		cluster->host->wake_soon(cluster->host);
	if (rc == 0 && job != NULL) {
		cluster->write_out = true;
		cluster->host->run_write(cluster->host, job);
		if (cluster_leads(cluster) ? MUTANT(LEADER_COUNTS_EARLY) : MUTANT(FOLLOWER_ANSWERS_EARLY))
			core_persisted(cluster->core, cluster_now(cluster), cluster->machine.entry);
	}
}

/* Gives the disk something to do, if there is something and it is idle. A message that waits for it to be idle goes
 * first. */
static void start_jobs(struct cluster *cluster, bool idle)
{
	if (cluster->held.message.type != 0)
		return;
	if (!cluster->write_out)
		start_write(cluster, idle);
	chore_start(cluster);
}

static void tell_ready(struct cluster *cluster)
{
	bool room = cluster->queue_count < CLUSTER_QUEUE_COUNT_MAX / 2 &&
	            cluster->queue_size < CLUSTER_QUEUE_SIZE_MAX / 2;
	if (room && service_awaits_room(&cluster->service))
		service_tell_ready(&cluster->service);
}

static void finish_stop(struct cluster *cluster)
{
	bool idle = append_idle(cluster) && request_idle(cluster);
	if (!cluster->stopping || cluster->stopped || cluster->write_out || cluster->chore_out ||
	    cluster->reads_out > 0 || !idle)
		return;
	if (cluster->started && cluster->failure == 0)
		start_jobs(cluster, true);
	if (cluster->write_out)
		return;
	cluster->stopped = true;
	cluster->stop_cb(cluster->stop_arg);
}

/* A leader of several takes nothing before an entry of its own term is committed: until then one that an older leader
 * has left behind could still win over what it has answered. */
static void propose_barrier(struct cluster *cluster)
{
	struct log_tail tail;
	log_tail(cluster->log, &tail);
	if (tail.term != cluster->term && !cluster_alone(cluster) && !MUTANT(NO_BARRIER)) {
		int rc = entries_propose(cluster, LOG_BARRIER, NULL, 0);
		/* Without room for a barrier there is none for anything else. */
		if (rc == -ENOMEM || rc == -ENOTRECOVERABLE)
			cluster_check(cluster, rc, "a barrier could not be proposed");
		log_tail(cluster->log, &tail);
	}
	bool last = tail.term == cluster->term || cluster_alone(cluster);
	cluster->ready_entry = MUTANT(NO_BARRIER) ? 0 : last ? tail.entry : UINT64_MAX;
}

static void begin_leading(struct cluster *cluster)
{
	propose_barrier(cluster);
	/* That a cluster of one leads itself is no news. */
	if (!cluster_alone(cluster))
		observe_event(OBSERVE_INFO, "leading", OBSERVE_NUMBER("term", cluster->term));
}

/* Looks at what the core has become. */
static void look_at_core(struct cluster *cluster)
{
	enum core_role role = core_role(cluster->core);
	uint64_t term = core_term(cluster->core), leader = core_leader(cluster->core);
	bool led = cluster->role == CORE_LEADER;
	if (cluster->spare)
		leader = cluster->spare_leader;
	if (role == cluster->role && term == cluster->term && leader == cluster->leader)
		return;
	bool stays = led && role == CORE_LEADER && term == cluster->term;
	bool lost = led && !stays;
	bool changed = leader != cluster->leader || term != cluster->term;
	cluster->role = role;
	cluster->term = term;
	cluster->leader = leader;
	if (lost || (changed && !stays)) {
		/* First: the batches that were in doubt wait again, and are sorted out with the others. */
		request_leader_changed(cluster, lost);
		append_leader_changed(cluster);
	}
	if (role == CORE_LEADER && !stays)
		begin_leading(cluster);
}

/* Tells those that a committed configuration leaves out, once. */
static void look_at_members(struct cluster *cluster)
{
	const struct machine_members *members = &cluster->machine.members;
	if (cluster->told_entry == members->entry || members->entry > cluster->applied.entry)
		return;
	if (cluster_leads(cluster) || cluster->role == CORE_LEADER)
		members_settled(cluster);
	cluster->told_entry = members->entry;
}

/* What waits is given on: proposed, so that the disk is busy while answers go out, or sent to the leader. */
static void give_on(struct cluster *cluster)
{
	struct clog_error err;
	if (cluster->failure != 0)
		return;
	if (!cluster_leads(cluster)) {
		forward_send(cluster);
	} else if (!cluster->write_out) {
		int rc = append_propose(cluster, &err);
		if (rc != 0)
			cluster_fail(cluster, rc, err.text);
	}
	if (cluster->failure == 0)
		start_jobs(cluster, false);
}

/* Whether there is a reason to look at the time again soon. */
static bool has_checks(const struct cluster *cluster)
{
	return cluster->join_at != 0 || !cluster_alone(cluster) || !append_idle(cluster) || !request_idle(cluster) ||
	       retain_wanted(cluster);
}

void cluster_advance(struct cluster *cluster)
{
	struct batch_list done;
	if (cluster->failure != 0)
		return;
	look_at_members(cluster);
	look_at_core(cluster);
	entries_apply(cluster);
	append_apply(cluster, &done);
	give_on(cluster);
	append_answer(cluster, &done, 0);
	reads_tell_more(cluster);
	if (cluster->failure != 0)
		return;
	request_advance(cluster);
	if (cluster->check_at == 0 && has_checks(cluster))
		cluster->check_at = cluster_now(cluster) + CHECK_MS;
	wake_when_due(cluster);
}

void cluster_turn(struct cluster *cluster)
{
	if (cluster->started) {
		cluster_advance(cluster);
		tell_ready(cluster);
	}
	finish_stop(cluster);
}

static void tell_trimmed(struct cluster *cluster)
{
	int rc = entries_trimmed(cluster);
	if (rc != 0)
		observe_event(OBSERVE_WARNING, "trim_not_told", OBSERVE_NUMBER("error", (uint64_t)-rc));
}

/* The look at what only time brings about. */
static void check(struct cluster *cluster, uint64_t now_ms)
{
	cluster->check_at = 0;
	append_expire(cluster, now_ms);
	request_expire(cluster, now_ms);
	if (cluster->failure != 0)
		return;
	/* There may be room for it by now. */
	if (cluster_leads(cluster) && cluster->role == CORE_LEADER && cluster->ready_entry == UINT64_MAX)
		propose_barrier(cluster);
	join_look(cluster, now_ms);
	members_look(cluster);
	retain_look(cluster);
	tell_trimmed(cluster);
	mend_look(cluster, now_ms);
	if (now_ms >= cluster->repeat_at) {
		cluster->repeat_at = now_ms + cluster->election_ms;
		request_repeat(cluster, now_ms);
		forward_repeat(cluster);
		echo_repeat(cluster);
		members_tell_spares(cluster);
		join_tell_alive(cluster);
	}
}

void cluster_timeout(struct cluster *cluster)
{
	uint64_t now_ms = cluster_now(cluster);
	cluster->woken_at = 0;
	if (!cluster->started || cluster->failure != 0 || cluster->stopped)
		return;
	if (now_ms >= core_timeout_at(cluster->core)) {
		bool damaged = mend_wanted(cluster) && !MUTANT(DAMAGED_STANDS);
		if ((damaged || cluster->removed || cluster->spare) && !cluster_leads(cluster))
			core_defer(cluster->core, now_ms);
		else if (cluster_check(cluster, core_timeout(cluster->core, now_ms), "Raft cannot go on") != 0)
			return;
	}
	if (cluster->idle_at != 0 && now_ms >= cluster->idle_at) {
		cluster->idle_at = 0;
		if (append_idle(cluster))
			start_jobs(cluster, true);
	}
	if (cluster->check_at != 0 && now_ms >= cluster->check_at)
		check(cluster, now_ms);
	cluster_advance(cluster);
	finish_stop(cluster);
}

/* Before the first answer that speaks of entries here: a member that has none left later was robbed of them. */
static int note_log(struct cluster *cluster, struct clog_error *err)
{
	if (cluster->vote.has_log)
		return 0;
	cluster->vote.has_log = true;
	return vote_save(&cluster->vote, cluster->host->disk, cluster->data, err);
}

static void write_done(struct cluster *cluster, struct log_job *job)
{
	struct clog_error err;
	uint64_t durable = log_durable(cluster->log);
	cluster->write_out = false;
	int rc = log_job_end(cluster->log, job, &err);
	if (rc == 0 && log_durable(cluster->log) > 0)
		rc = note_log(cluster, &err);
	if (rc != 0) {
		cluster_fail(cluster, rc, err.text);
		return;
	}
	observe_add(OBSERVE_ROUNDS, 1);
	/* It may have failed meanwhile, by a term that is not durable: nothing may be said in that term. */
	if (cluster->failure != 0)
		return;
	uint64_t now_ms = cluster_now(cluster);
	rc = core_installing(cluster->core) ? core_installed(cluster->core, now_ms)
	                                    : core_persisted(cluster->core, now_ms, log_durable(cluster->log));
	if (cluster_check(cluster, rc, "Raft cannot go on") != 0)
		return;
	/* A round that made nothing durable was the mark's own. */
	if (log_durable(cluster->log) > durable)
		cluster->idle_at = now_ms + CLUSTER_IDLE_MS;
}

void cluster_job_done(struct cluster *cluster, struct log_job *job)
{
	if (log_job_writes(job)) {
		write_done(cluster, job);
	} else {
		chore_done(cluster, job);
		if (cluster->failure == 0)
			tell_trimmed(cluster);
	}
	receive_held(cluster);
	cluster_advance(cluster);
	tell_ready(cluster);
	finish_stop(cluster);
}

/* ---- Starting and stopping ---- */

/* The members at the base, which may be trimmed away themselves. */
static int load_base(struct cluster *cluster, struct machine *machine, struct core_state *state, struct clog_error *err)
{
	struct log_tail base;
	uint64_t entry;
	void *data;
	size_t size;
	log_base(cluster->log, &base);
	if (base.entry == 0)
		return 0;
	int rc = log_state(cluster->log, base.entry, &entry, &data, &size);
	if (rc == 0) {
		rc = entry == base.entry ? machine_decode(machine, data, size) : -EBADMSG;
		free(data);
	}
	if (rc != 0)
		return clog_error_set(err, rc, "%s/log: the state at entry %llu, where it begins, cannot be read",
		                      cluster->data, (unsigned long long)base.entry);
	state->base_entry = base.entry;
	state->base_term = base.term;
	state->base = &machine->members;
	return 0;
}

static int start_core(struct cluster *cluster, struct clog_error *err)
{
	struct cluster_host *host = cluster->host;
	const struct core_options options = {.id = cluster->identity.id,
	                                     .address = cluster->identity.name,
	                                     .random = (unsigned)host->random(host),
	                                     .election_ms = cluster->election_ms,
	                                     .heartbeat_ms = cluster->heartbeat_ms,
	                                     .ops = &core_ops,
	                                     .arg = cluster};
	const struct machine *machine = &cluster->machine;
	struct core_state state = {.term = cluster->vote.term, .vote = cluster->vote.vote};
	struct machine base;
	machine_init(&base);
	if (machine->members.entry > 0)
		state.last = &machine->members;
	if (machine->before.entry > 0)
		state.before = &machine->before;
	state.term_count = log_terms(cluster->log, &state.terms);
	int rc = load_base(cluster, &base, &state, err);
	if (rc == 0) {
		rc = core_create(&cluster->core, &options);
		if (rc == 0)
			rc = core_start(cluster->core, cluster_now(cluster), &state);
		if (rc != 0)
			clog_error_set(err, rc, "%s: Raft could not start from what is there", cluster->data);
	}
	machine_finish(&base);
	return rc;
}

int cluster_start(struct cluster *cluster, struct clog_error *err)
{
	/* With each start the vote's cell has a higher generation: a number for the messages of this life. */
	int rc = vote_save(&cluster->vote, cluster->host->disk, cluster->data, err);
	if (rc != 0)
		return rc;
	cluster->start = MUTANT(START_REUSED) ? 1 : cluster->vote.cell.generation;
	/* An answer that was on its way to an earlier life answers nothing in this one. */
	cluster->number = cluster->start << 32;
	rc = start_core(cluster, err);
	if (rc != 0)
		return rc;
	/* Nothing is behind a term of which it has been seen that it leads: the only voter leads already. */
	cluster->started = true;
	cluster->start_ns = cluster->host->time_ns(cluster->host);
	join_start(cluster);
	look_at_core(cluster);
	entries_apply(cluster);
	if (cluster->failure == 0)
		start_jobs(cluster, false);
	if (has_checks(cluster))
		cluster->check_at = cluster_now(cluster) + CHECK_MS;
	wake_when_due(cluster);
	return 0;
}
