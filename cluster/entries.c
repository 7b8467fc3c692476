/* The log's end: what the core decides is done to it, and the machine, which stands at that end, goes along. */
#include "cluster/state.h"

#include "cluster/configuration.h"
#include "observe/observe.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_STEPS 64u

/* ---- The machine ---- */

static int load_state(struct cluster *cluster, uint64_t entry, uint64_t *state_entry, struct clog_error *err)
{
	void *data;
	size_t size;
	struct log_tail base;
	log_base(cluster->log, &base);
	int rc = log_state(cluster->log, entry, state_entry, &data, &size);
	if (rc == -ENOENT && base.entry == 0) {
		*state_entry = 0;
		return 0;
	}
	if (rc != 0)
		return clog_error_set(err, rc, "%s/log: the state at entry %llu cannot be read", cluster->data,
		                      (unsigned long long)entry);
	rc = machine_decode(&cluster->machine, data, size);
	free(data);
	if (rc == 0 && cluster->machine.entry != *state_entry)
		rc = -EBADMSG;
	if (rc == 0)
		force_note(cluster);
	return rc == 0 ? 0
	               : clog_error_set(err, rc, "%s/log: the state at entry %llu is not one", cluster->data,
	                                (unsigned long long)*state_entry);
}

/* Damage has been told of, and is no reason to keep the rest from being read: what is behind it is taken for what it is
 * until it is mended. */
static void pass_over(struct cluster *cluster, uint64_t entry)
{
	cluster->machine_broken = true;
	cluster->broken_entry = entry;
	cluster->machine.entry = entry;
	mend_suspect(cluster, entry);
}

int entries_extend_machine(struct cluster *cluster, uint64_t entry, struct clog_error *err)
{
	int rc = 0;
	while (rc == 0 && cluster->machine.entry < entry) {
		struct log_frame *frame;
		uint64_t at = cluster->machine.entry + 1;
		rc = log_read_frame(cluster->log, at, &frame, err);
		if (rc == 0) {
			rc = machine_apply(&cluster->machine, frame);
			log_frame_unref(frame);
			if (rc == 0)
				force_note(cluster);
			if (rc == -EBADMSG && !cluster->machine_broken)
				return clog_error_set(err, rc, "%s/log: entry %llu is none that can be", cluster->data,
				                      (unsigned long long)at);
		}
		if (rc == -EBADMSG) {
			pass_over(cluster, at);
			rc = 0;
		}
	}
	return rc;
}

int entries_load_machine(struct cluster *cluster, uint64_t entry, struct clog_error *err)
{
	uint64_t at;
	machine_finish(&cluster->machine);
	cluster->machine_broken = false;
	int rc = load_state(cluster, entry, &at, err);
	return rc == 0 ? entries_extend_machine(cluster, entry, err) : rc;
}

int entries_fill_states(struct cluster *cluster, struct clog_error *err)
{
	uint64_t entry = log_stateless(cluster->log);
	int rc = 0;
	while (rc == 0 && entry != 0) {
		rc = entries_load_machine(cluster, entry, err);
		/* What damage keeps from being known is found out when it is mended. */
		if (rc != 0 || cluster->machine_broken)
			return rc;
		size_t size = machine_encode(&cluster->machine, cluster->machine_code);
		rc = log_set_state(cluster->log, entry, cluster->machine_code, size);
		entry = log_stateless(cluster->log);
	}
	return rc == 0 ? 0
	               : clog_error_set(err, rc, "%s/log: the state at entry %llu cannot be kept", cluster->data,
	                                (unsigned long long)entry);
}

void entries_state(void *arg, const void **data, size_t *size)
{
	struct cluster *cluster = arg;
	*data = cluster->machine_code;
	*size = cluster->machine_broken ? 0 : machine_encode(&cluster->machine, cluster->machine_code);
}

/* ---- Steps ---- */

static int reserve_step(struct cluster *cluster)
{
	if (cluster->step_end < cluster->step_capacity)
		return 0;
	size_t count = cluster->step_end - cluster->step_first;
	if (cluster->step_first > cluster->step_capacity / 2) {
		memmove(cluster->steps, cluster->steps + cluster->step_first, count * sizeof *cluster->steps);
	} else {
		size_t capacity = cluster->step_capacity == 0 ? FIRST_STEPS : 2 * cluster->step_capacity;
		struct step *steps = malloc(capacity * sizeof *steps);
		if (steps == NULL)
			return -ENOMEM;
		if (count > 0)
			memcpy(steps, cluster->steps + cluster->step_first, count * sizeof *steps);
		free(cluster->steps);
		cluster->steps = steps;
		cluster->step_capacity = capacity;
	}
	cluster->step_first = 0;
	cluster->step_end = count;
	return 0;
}

static void add_step(struct cluster *cluster, const struct log_tail *after, const struct log_frame *frame)
{
	struct step step = {.after = *after};
	struct control control;
	const void *data;
	uint32_t size;
	step.records = log_frame_header(frame)->type == LOG_RECORDS && log_frame_count(frame) > 0;
	if (log_frame_header(frame)->type == LOG_CONTROL && log_frame_count(frame) == 1) {
		log_frame_item(frame, 0, &data, &size);
		if (control_decode(data, size, &control) == 0 && control.type == CONTROL_TRIM) {
			step.trim = true;
			step.offset = control.offset;
		}
	}
	cluster->steps[cluster->step_end++] = step;
}

static void cut_steps(struct cluster *cluster, uint64_t first)
{
	while (cluster->step_end > cluster->step_first && cluster->steps[cluster->step_end - 1].after.entry >= first)
		force_forget(&cluster->steps[--cluster->step_end]);
}

/* The log's end after an entry, as far as its frame tells. */
static void tail_after(const struct log_frame *frame, struct log_tail *tail)
{
	const struct log_header *header = log_frame_header(frame);
	*tail = (struct log_tail){.entry = header->entry,
	                          .term = header->term,
	                          .next_offset = header->first_offset,
	                          .stream_size = header->stream_size,
	                          .time_ns = header->time_ns,
	                          .chain = header->chain};
	if (header->type == LOG_RECORDS) {
		tail->next_offset += log_frame_count(frame);
		tail->stream_size += log_frame_data_size(frame);
	}
}

/* The step of an entry that the log was opened with. What is damaged is passed over: what it held is seen with the
 * next one. */
static int load_step(struct cluster *cluster, uint64_t entry, struct log_tail *at, struct clog_error *err)
{
	struct log_frame *frame;
	int rc = log_read_frame(cluster->log, entry, &frame, err);
	if (rc == -EBADMSG) {
		at->entry = entry;
		cluster->steps[cluster->step_end++] = (struct step){.after = *at};
		return 0;
	}
	if (rc != 0)
		return rc;
	tail_after(frame, at);
	add_step(cluster, at, frame);
	log_frame_unref(frame);
	return 0;
}

/* What the last frame says is committed is; of what follows, the core will find out. */
static uint64_t known_commit(struct cluster *cluster, const struct log_tail *base, const struct log_tail *tail)
{
	struct log_frame *frame;
	if (tail->entry == base->entry || log_read_frame(cluster->log, tail->entry, &frame, NULL) != 0)
		return base->entry;
	uint64_t commit = log_frame_header(frame)->commit;
	log_frame_unref(frame);
	if (commit > tail->entry)
		commit = tail->entry;
	return commit > base->entry ? commit : base->entry;
}

int entries_load_steps(struct cluster *cluster, struct clog_error *err)
{
	struct log_tail base, tail;
	struct log_frame *frame;
	log_base(cluster->log, &base);
	log_tail(cluster->log, &tail);
	uint64_t commit = known_commit(cluster, &base, &tail);
	/* Damage there: what is committed is known from further back. */
	while (commit > base.entry && log_read_frame(cluster->log, commit, &frame, NULL) != 0)
		commit--;
	if (commit > base.entry) {
		tail_after(frame, &cluster->applied);
		log_frame_unref(frame);
	} else {
		cluster->applied = base;
	}
	cluster->commit = commit;
	struct log_tail at = cluster->applied;
	int rc = 0;
	for (uint64_t entry = commit + 1; rc == 0 && entry <= tail.entry; entry++) {
		rc = reserve_step(cluster);
		if (rc != 0)
			return clog_error_set(err, rc, "no memory");
		rc = load_step(cluster, entry, &at, err);
	}
	if (rc == 0 && cluster->step_end > cluster->step_first)
		cluster->steps[cluster->step_end - 1].after = tail;
	else if (rc == 0)
		cluster->applied = tail;
	return rc;
}

/* ---- The core's decisions ---- */

static int append(struct cluster *cluster, struct log_frame *frame)
{
	struct log_tail tail;
	int rc = reserve_step(cluster);
	if (rc == 0)
		rc = log_append(cluster->log, frame, NULL);
	/* After the log, which asks for the machine before the entry when it begins a segment. */
	if (rc == 0)
		rc = machine_apply(&cluster->machine, frame);
	/* A machine that lacks what is damaged is made again once that is mended. */
	if (rc == -EBADMSG && cluster->machine_broken) {
		cluster->machine.entry = cluster->broken_entry = log_frame_header(frame)->entry;
		rc = 0;
	}
	if (rc != 0)
		return rc;
	log_tail(cluster->log, &tail);
	add_step(cluster, &tail, frame);
	force_note(cluster);
	return 0;
}

static int cut(struct cluster *cluster, uint64_t first)
{
	struct log_job *job;
	struct clog_error err;
	assert(!cluster_log_busy(cluster) && first > cluster->applied.entry);
	int rc = log_truncate_begin(cluster->log, first, &job, &err);
	if (rc != 0)
		return rc;
	observe_event(OBSERVE_INFO, "log_cut", OBSERVE_NUMBER("entry", first));
	if (job != NULL) {
		cluster->write_out = true;
		cluster->host->run_write(cluster->host, job);
	}
	cut_steps(cluster, first);
	append_cut(cluster, first);
	if (MUTANT(MACHINE_NOT_CUT)) {
		cluster->machine.entry = first - 1;
		return 0;
	}
	rc = entries_load_machine(cluster, first - 1, &err);
	force_cut(cluster, first);
	return rc;
}

int entries_accept(void *arg, struct log_frame *const *frames, size_t count)
{
	struct cluster *cluster = arg;
	struct log_tail tail;
	int rc = 0;
	log_tail(cluster->log, &tail);
	if (log_frame_header(frames[0])->entry <= tail.entry)
		rc = cut(cluster, log_frame_header(frames[0])->entry);
	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = append(cluster, frames[i]);
	if (rc == 0 && cluster->proposing != NULL) {
		log_tail(cluster->log, &tail);
		append_accepted(cluster, &tail);
	}
	return rc;
}

int entries_make(struct cluster *cluster, enum log_type type, const void *data, size_t size, struct log_frame **frame)
{
	struct log_tail tail;
	log_tail(cluster->log, &tail);
	uint64_t time_ns = cluster->host->time_ns(cluster->host);
	struct log_header header = {.term = core_term(cluster->core),
	                            .type = type,
	                            .commit = cluster->commit,
	                            .time_ns = time_ns > tail.time_ns ? time_ns : tail.time_ns};
	struct log_frame *made;
	int rc = log_frame_create(&made);
	if (rc == 0 && size > 0)
		rc = log_frame_add(made, data, size);
	if (rc != 0) {
		log_frame_unref(made);
		return rc;
	}
	log_frame_close(made, &tail, &header);
	*frame = made;
	return 0;
}

int entries_propose(struct cluster *cluster, enum log_type type, const void *data, size_t size)
{
	struct log_frame *frame;
	int rc = entries_make(cluster, type, data, size, &frame);
	if (rc != 0)
		return rc;
	/* What the disk has no room for is refused before it becomes an entry. */
	if (log_room(cluster->log, log_frame_size(frame)) == -ENOSPC) {
		chore_retry(cluster);
		log_frame_unref(frame);
		return -ENOSPC;
	}
	rc = core_submit(cluster->core, cluster_now(cluster), frame);
	log_frame_unref(frame);
	return rc;
}

int entries_barrier(void *arg, uint64_t entry)
{
	struct cluster *cluster = arg;
	struct log_frame *frame = NULL;
	int rc = entries_make(cluster, LOG_BARRIER, NULL, 0, &frame);
	if (rc != 0)
		return rc;
	assert(log_frame_header(frame)->entry == entry);
	rc = append(cluster, frame);
	log_frame_unref(frame);
	return rc;
}

int entries_install(void *arg)
{
	struct cluster *cluster = arg;
	const struct message *message = &cluster->held.message;
	struct log_install install = {.base = message->install.base,
	                              .first_offset = message->install.first_offset,
	                              .first_stream = message->install.first_stream,
	                              .state = message->data,
	                              .state_size = message->size};
	struct log_job *job;
	struct clog_error err;
	int rc = log_install_begin(cluster->log, &install, &job, &err);
	if (rc != 0)
		return rc;
	machine_finish(&cluster->machine);
	rc = MUTANT(BASE_ALONE) ? 0 : machine_decode(&cluster->machine, message->data, message->size);
	cluster->machine_broken = false;
	cut_steps(cluster, 0);
	cluster->step_first = cluster->step_end = 0;
	cluster->applied = message->install.base;
	force_end(cluster);
	cluster->commit = message->install.base.entry;
	observe_event(OBSERVE_INFO, "log_installed", OBSERVE_NUMBER("entry", message->install.base.entry));
	cluster->write_out = true;
	cluster->host->run_write(cluster->host, job);
	return rc;
}

/* ---- Applying ---- */

static void trim(struct cluster *cluster, uint64_t offset)
{
	struct clog_error err;
	if (offset > cluster->applied.next_offset)
		offset = cluster->applied.next_offset;
	int rc = log_trim(cluster->log, offset, &err);
	if (rc != 0)
		observe_event(OBSERVE_WARNING, "trim_failed", OBSERVE_TEXT("error", err.text));
}

void entries_trim_again(struct cluster *cluster)
{
	if (cluster->machine.first_offset > 0 && !MUTANT(TRIM_FORGOTTEN))
		trim(cluster, cluster->machine.first_offset);
}

void entries_apply(struct cluster *cluster)
{
	uint64_t durable = log_durable(cluster->log);
	uint64_t last = cluster->commit < durable ? cluster->commit : durable;
	if (MUTANT(READ_UNCOMMITTED))
		last = cluster->machine.entry;
	for (size_t i = cluster->step_first; MUTANT(TRIM_EARLY) && i < cluster->step_end; i++)
		if (cluster->steps[i].trim)
			trim(cluster, cluster->steps[i].offset);
	while (cluster->step_first < cluster->step_end && cluster->steps[cluster->step_first].after.entry <= last) {
		struct step *step = &cluster->steps[cluster->step_first++];
		uint64_t time_ns = step->records ? step->after.time_ns : cluster->applied.time_ns;
		cluster->applied = step->after;
		cluster->applied.time_ns = time_ns;
		force_apply(cluster, step);
		if (step->trim)
			trim(cluster, step->offset);
	}
	force_look(cluster);
}

int entries_trimmed(struct cluster *cluster)
{
	struct log_tail base;
	struct machine machine;
	uint64_t entry;
	void *data;
	size_t size;
	log_base(cluster->log, &base);
	/* The core may learn of a commit later than this member did. */
	if (base.entry <= core_base(cluster->core) || base.entry > core_commit(cluster->core))
		return 0;
	int rc = log_state(cluster->log, base.entry, &entry, &data, &size);
	if (rc != 0)
		return rc;
	machine_init(&machine);
	rc = entry == base.entry ? machine_decode(&machine, data, size) : -EBADMSG;
	free(data);
	if (rc == 0)
		rc = core_trimmed(cluster->core, cluster_now(cluster), base.entry, base.term, &machine.members);
	machine_finish(&machine);
	return rc;
}

void entries_finish(struct cluster *cluster)
{
	machine_finish(&cluster->machine);
	settings_unref(cluster->settings);
	cut_steps(cluster, 0);
	free(cluster->machine_code);
	free(cluster->steps);
}
