#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "tests/sim/check.h"
#include "tests/sim/look.h"
#include "tests/sim/sim.h"

/* An answer may come that much after its deadline. */
#define LATE_US (2 * WORLD_SECOND)

/* ---- Durable at a majority ---- */

static uint64_t term_of(const struct log_term *terms, size_t count, uint64_t entry)
{
	for (size_t i = 0; i < count; i++)
		if (entry <= terms[i].last_entry)
			return terms[i].term;
	return 0;
}

/* Whether a crash of everything would leave the entry on the member's disk. */
static bool holds(struct sim *sim, const struct node *node, uint64_t entry)
{
	uint64_t term = sim->check.entries[entry].term;
	if (!node_up(node))
		return node->durable >= entry && term_of(node->durable_terms, node->durable_term_count, entry) == term;
	struct log_stat stat;
	struct log *log = look_log(node->cluster);
	log_stat(log, &stat);
	return log_durable(log) >= entry && (entry < stat.first_entry || log_term(log, entry) == term);
}

static bool majority(struct sim *sim, const struct service_member *members, size_t count, uint64_t entry)
{
	unsigned voters = 0, holders = 0;
	for (size_t i = 0; i < count; i++) {
		if (members[i].role != SERVICE_VOTER)
			continue;
		const struct node *node = check_find(sim, members[i].id);
		voters++;
		holders += node != NULL && holds(sim, node, entry);
	}
	return 2 * holders > voters;
}

/* The configuration in force is the newest that the leader has; a leader may be one that nobody has heard of yet, or one
 * that leads no more by what it has just committed. */
static bool majority_of_any_leader(struct sim *sim, uint64_t entry)
{
	for (unsigned i = 0; i < sim->node_count; i++) {
		const struct node *node = &sim->nodes[i];
		struct service_member members[SERVICE_MEMBERS_MAX];
		/* A leader that died may have told of a commit by a configuration that nobody else has. */
		if (!node_up(node) && node->last_commit >= entry &&
		    majority(sim, node->last_members, node->last_count, entry))
			return true;
		if (!node_up(node) || (!look_leads(node->cluster) && look_commit(node->cluster) < entry))
			continue;
		if (majority(sim, members, service_members(node->service, members, SERVICE_MEMBERS_MAX), entry))
			return true;
		/* It may have begun a change by what it has just committed. */
		const struct machine_members *before = &look_machine(node->cluster)->before;
		if (majority(sim, before->members, before->count, entry))
			return true;
	}
	return false;
}

bool check_durable(struct sim *sim, uint64_t entry)
{
	const struct machine_members *members = &sim->check.machine.members, *before = &sim->check.machine.before;
	return majority(sim, members->members, members->count, entry) ||
	       majority(sim, before->members, before->count, entry) || majority_of_any_leader(sim, entry);
}

/* ---- Appends ---- */

/* Whether the member, as far as it knows, has the log: a spare has not. */
static bool knows_log(const struct node *node)
{
	struct service_member members[SERVICE_MEMBERS_MAX];
	size_t count = service_members(node->service, members, SERVICE_MEMBERS_MAX);
	for (size_t i = 0; i < count; i++)
		if (members[i].id == node->id)
			return members[i].role != SERVICE_SPARE;
	return false;
}

static bool all_up(const struct sim *sim)
{
	for (unsigned i = 0; i < sim->node_count; i++)
		if (!node_up(&sim->nodes[i]))
			return false;
	return true;
}

static void acknowledged(struct check_append *append)
{
	struct sim *sim = append->sim;
	struct check *check = &sim->check;
	struct node *node = append->node;
	struct check_append *of = append->of;
	uint64_t first_offset = append->append.first_offset;
	check_member(node);
	if (append->wrong)
		world_break(&sim->world, "%s acknowledges append %" PRIu64 ", under another key than its session has",
		            node->name, append->number);
	/* Its entry has rotted on the only member that was seen to commit it: the others show it later, if there are any. */
	if (!of->placed && node->checked < look_commit(node->cluster)) {
		of->unseen = true;
		append->fate = CHECK_DONE;
		append->first_offset = first_offset;
		sim->counts.acknowledged++;
		return;
	}
	if (!of->placed || of->place != first_offset) {
		world_break(&sim->world,
		            "%s acknowledges append %" PRIu64 " at %" PRIu64 ", and it is not committed there",
		            node->name, append->number, first_offset);
		return;
	}
	append->fate = CHECK_DONE;
	append->first_offset = first_offset;
	sim->counts.acknowledged++;
	/* Not while a disk is lost: what was on it does not count any more. Nor while a member is down: it may have led,
	 * by a configuration that nobody else has. That it was durable when it was committed has been looked at then. */
	if (sim->schedule.damaged == 0 && all_up(sim) && !check_durable(sim, check->records[of->place].entry))
		world_break(&sim->world, "append %" PRIu64 " is acknowledged, and is durable on no majority",
		            append->number);
	if (first_offset + append->count > check->acknowledged)
		check->acknowledged = first_offset + append->count;
	if (node->next_offset < first_offset + append->count && check_has_log(node) && knows_log(node))
		world_break(&sim->world,
		            "%s acknowledges append %" PRIu64 " at %" PRIu64 ", and shows %" PRIu64
		            " as the next offset",
		            node->name, append->number, first_offset, node->next_offset);
}

static bool has_session(const struct machine *machine, uint64_t id)
{
	for (size_t i = 0; i < machine->session_count; i++)
		if (machine->sessions[i]->id == id)
			return true;
	return false;
}

/* Whether some leader can say that the session has ended. */
static bool may_have_ended(const struct check_append *append)
{
	const struct sim *sim = append->sim;
	if (!has_session(&sim->check.machine, append->session.id) || sim->schedule.damaged > 0)
		return true;
	for (unsigned i = 0; i < sim->node_count; i++)
		if (node_up(&sim->nodes[i]) && look_machine(sim->nodes[i].cluster)->entry >= append->session.id &&
		    !has_session(look_machine(sim->nodes[i].cluster), append->session.id))
			return true;
	return false;
}

/* Whether the reason to refuse it is one. */
static bool well_refused(const struct check_append *append, int status)
{
	const struct sim *sim = append->sim;
	bool conditional = append->expected != SERVICE_ANYWHERE;
	switch (status) {
	case -EEXIST:
		return conditional && sim->check.next_offset > append->expected;
	case -ENXIO:
		return conditional && append->floor < append->expected;
	case -EKEYEXPIRED:
		return append->session.id != 0 && may_have_ended(append);
	case -EINVAL:
		return append->wrong;
	case -ENOSPC:
		return sim->counts.faults[FAULT_FULL] > 0;
	case -EHOSTUNREACH:
	case -ESHUTDOWN:
	case -EAGAIN:
		return true;
	default:
		return false;
	}
}

static void refused(struct check_append *append, int status)
{
	struct sim *sim = append->sim;
	append->fate = CHECK_REFUSED;
	append->of->alive--;
	sim->counts.refused++;
	check_member(append->node);
	/* What is not known of another time that it was given may have come true. */
	if (append->of->placed && append->of->alive == 0)
		world_break(&sim->world, "append %" PRIu64 " is refused (%d), and is committed at %" PRIu64,
		            append->number, status, append->of->place);
	if (!well_refused(append, status))
		world_break(&sim->world, "append %" PRIu64 " is refused with %d, without reason", append->number,
		            status);
}

void check_answer(struct check_append *append, int status)
{
	struct sim *sim = append->sim;
	if (append->node->dying || node_mute(append->node))
		return;
	if (append->fate != CHECK_PENDING || append->life != append->node->life) {
		world_break(&sim->world, "append %" PRIu64 " is answered twice", append->number);
		return;
	}
	append->status = status;
	world_trace(&sim->world, "%s answers append %" PRIu64 " (%u records, to be at %" PRId64 ") with %d, %" PRIu64,
	            append->node->name, append->number, append->count, (int64_t)append->expected, status,
	            append->append.first_offset);
	world_mix(&sim->world, append->number * 3 + (uint64_t)(status == 0));
	if (status == 0) {
		acknowledged(append);
	} else if (append->sure && append->expected == SERVICE_ANYWHERE) {
		world_break(&sim->world, "append %" PRIu64 " is answered with %d, and hardly a message was lost",
		            append->number, status);
	} else if (status == -ETIMEDOUT || status == -ECONNABORTED) {
		append->fate = CHECK_UNKNOWN;
		sim->counts.unknown++;
	} else {
		refused(append, status);
	}
}

void check_no_answers(struct node *node)
{
	struct check *check = &node->sim->check;
	for (uint64_t i = check->settled; i < check->append_count; i++) {
		struct check_append *append = check->appends[i];
		if (append->fate != CHECK_PENDING || append->node != node)
			continue;
		append->fate = CHECK_UNKNOWN;
		node->sim->counts.unknown++;
	}
}

void check_stopped(struct node *node)
{
	struct check *check = &node->sim->check;
	for (uint64_t i = check->settled; i < check->append_count; i++)
		if (check->appends[i]->fate == CHECK_PENDING && check->appends[i]->node == node)
			world_break(&node->sim->world, "%s has stopped, and append %" PRIu64 " is not answered",
			            node->name, i);
}

void check_deadlines(struct sim *sim)
{
	struct check *check = &sim->check;
	while (check->settled < check->append_count && check->appends[check->settled]->fate != CHECK_PENDING)
		check->settled++;
	for (uint64_t i = check->settled; i < check->append_count; i++) {
		const struct check_append *append = check->appends[i];
		if (append->fate == CHECK_PENDING &&
		    append->deadline_us + append->node->paused_us + LATE_US < sim->world.now_us)
			world_break(&sim->world, "append %" PRIu64 " to %s is not answered %u s after its deadline",
			            append->number, append->node->name, LATE_US / WORLD_SECOND);
	}
}

/* ---- Reads ---- */

static bool same_stream(const struct check *check, uint64_t position, const unsigned char *data, uint32_t size)
{
	uint64_t low = 0, high = check->next_offset;
	if (size == 0)
		return true;
	if (position + size > check->stream_size)
		return false;
	while (high - low > 1) {
		uint64_t middle = low + (high - low) / 2;
		if (check->records[middle].position <= position)
			low = middle;
		else
			high = middle;
	}
	for (uint64_t offset = low; size > 0; offset++) {
		const struct check_record *record = &check->records[offset];
		uint32_t skip = (uint32_t)(position - record->position);
		uint32_t part = record->size - skip < size ? record->size - skip : size;
		check_fill(check->appends[record->append], record->i, check->bytes);
		if (memcmp(check->bytes + skip, data, part) != 0)
			return false;
		data += part;
		size -= part;
		position += part;
	}
	return true;
}

static bool same_record(const struct check *check, const struct service_read *read)
{
	if (read->offset >= check->next_offset)
		return false;
	const struct check_record *record = &check->records[read->offset];
	if (read->record.offset != read->offset || read->record.size != record->size ||
	    read->record.entry != record->entry || read->record.time_ns != record->time_ns ||
	    read->record.term != check->entries[record->entry].term)
		return false;
	if (read->kind == SERVICE_STAT)
		return true;
	check_fill(check->appends[record->append], record->i, check->bytes);
	return read->data_size == record->size && memcmp(check->bytes, read->data, record->size) == 0;
}

/* Whether what was asked for may be gone. */
static bool may_be_trimmed(const struct check *check, const struct service_read *read)
{
	uint64_t first = check->machine.first_offset;
	bool stream = read->kind == SERVICE_STREAM;
	uint64_t end = stream ? read->position
	                      : check->records[read->offset].position + check->records[read->offset].size;
	if (check->least_kept != UINT64_MAX && check->stream_size - end >= check->least_kept)
		return true;
	uint64_t begin = first < check->next_offset ? check->records[first].position : check->stream_size;
	return stream ? read->position < begin : read->offset < first;
}

/* Whether a node shows what the checker has not seen: what has rotted where it was committed first is seen once it is
 * mended, and of a damaged entry the records that are whole are served. */
static bool cannot_be_judged(const struct sim *sim, const struct service_read *read, int status, uint64_t floor)
{
	bool stream = read->kind == SERVICE_STREAM;
	uint64_t end = stream ? read->position + read->data_size : read->offset + 1;
	return status == 0 && sim->schedule.damaged > 0 && end <= floor &&
	       end > (stream ? sim->check.stream_size : sim->check.next_offset);
}

void check_read(struct node *node, const struct service_read *read, int status, uint64_t floor)
{
	struct sim *sim = node->sim;
	struct check *check = &sim->check;
	uint64_t at = read->kind == SERVICE_STREAM ? read->position : read->offset;
	bool right = false;
	sim->counts.reads++;
	if (cannot_be_judged(sim, read, status, floor))
		return;
	switch (status) {
	case 0:
		right = read->kind == SERVICE_STREAM ? same_stream(check, at, read->data, read->data_size) &&
		                                               (read->data_size > 0 || at >= floor)
		                                     : same_record(check, read);
		break;
	case -ENOENT:
		right = read->kind != SERVICE_STREAM && at >= floor;
		break;
	case -ESTALE:
		right = (read->kind == SERVICE_STREAM || at < check->next_offset) && may_be_trimmed(check, read);
		break;
	case -EIO:
		right = node->troubled || schedule_damaged(node);
		break;
	case -ESHUTDOWN:
	case -EHOSTUNREACH:
		right = true;
		break;
	default:
		break;
	}
	if (!right)
		world_break(&sim->world,
		            "%s answers a read (kind %d) at %" PRIu64 " with %d and %u bytes; it had shown %" PRIu64,
		            node->name, (int)read->kind, at, status, read->data_size, floor);
}

void check_end_answer(struct node *node, uint64_t value, uint64_t floor)
{
	struct sim *sim = node->sim;
	/* What has rotted where it was committed first is seen once it is mended. */
	if (value < floor || (value > sim->check.next_offset && sim->schedule.damaged == 0))
		world_break(&sim->world,
		            "%s says that the log ends at %" PRIu64 "; %" PRIu64
		            " were acknowledged before the question, and %" PRIu64 " are committed",
		            node->name, value, floor, sim->check.next_offset);
}
