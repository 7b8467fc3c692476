#include "tests/sim/check.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/look.h"
#include "tests/sim/sim.h"

#define MAGIC 0x6d697320u /* first in each record */

void check_init(struct sim *sim)
{
	struct check *check = &sim->check;
	memset(check, 0, sizeof *check);
	machine_init(&check->machine);
	check->least_kept = UINT64_MAX;
	check->bytes = world_allocate(NULL, CHECK_RECORD_SIZE_MAX);
}

void check_finish(struct sim *sim)
{
	struct check *check = &sim->check;
	for (uint64_t i = 0; i < check->append_count; i++)
		free(check->appends[i]);
	free(check->appends);
	free(check->entries);
	free(check->records);
	free(check->leaders);
	free(check->bytes);
	check_settings_finish(check);
	machine_finish(&check->machine);
}

/* ---- Appends ---- */

static struct check_append *add(struct sim *sim, struct node *node, uint64_t expected)
{
	struct check *check = &sim->check;
	struct world *world = &sim->world;
	if (check->append_count == check->append_capacity) {
		check->append_capacity = 2 * check->append_capacity + 256;
		check->appends = world_allocate(check->appends, check->append_capacity * sizeof(struct check_append *));
	}
	struct check_append *append = world_allocate(NULL, sizeof *append);
	*append = (struct check_append){.sim = sim,
	                                .number = check->append_count,
	                                .node = node,
	                                .life = node->life,
	                                .expected = expected,
	                                .floor = check->acknowledged,
	                                .sure = sim->schedule.mild && check_has_log(node),
	                                .deadline_us = world->now_us + sim->deadline_ms * (uint64_t)WORLD_MS -
	                                               node->paused_us};
	check->appends[check->append_count++] = append;
	append->of = append;
	append->alive = 1;
	return append;
}

struct check_append *check_again(struct sim *sim, struct node *node, struct check_append *of)
{
	struct check_append *append = add(sim, node, of->expected);
	append->of = of;
	of->alive++;
	append->session = of->session;
	append->sequence = of->sequence;
	append->count = of->count;
	memcpy(append->sizes, of->sizes, sizeof append->sizes);
	append->sure = false;
	return append;
}

struct check_append *check_new_append(struct sim *sim, struct node *node, uint64_t expected)
{
	struct world *world = &sim->world;
	struct check_append *append = add(sim, node, expected);
	append->count = world_chance(world, 700) ? 1 : (uint32_t)world_between(world, 1, CHECK_COUNT_MAX);
	for (uint32_t i = 0; i < append->count; i++)
		append->sizes[i] = (uint32_t)world_between(world, CHECK_RECORD_SIZE_MIN,
		                                           world_chance(world, 50) ? CHECK_RECORD_SIZE_MAX : 300);
	return append;
}

void check_fill(const struct check_append *append, uint32_t i, unsigned char *data)
{
	struct dice dice;
	const uint32_t magic = MAGIC;
	memcpy(data, &magic, sizeof magic);
	memcpy(data + 4, &i, sizeof i);
	memcpy(data + 8, &append->number, sizeof append->number);
	dice_init(&dice, append->number * CHECK_COUNT_MAX + i);
	dice_fill(&dice, data + 16, append->sizes[i] - 16);
}

/* ---- The truth ---- */

static uint64_t hash_of(const void *data, size_t size)
{
	const unsigned char *bytes = data;
	uint64_t hash = size, word;
	for (; size >= sizeof word; size -= sizeof word, bytes += sizeof word) {
		memcpy(&word, bytes, sizeof word);
		hash = (hash ^ word) * 0x9fb21c651e98df25u;
		hash ^= hash >> 32;
	}
	return hash;
}

/* Which append a record is of, and which of its records; NULL when it is none that anybody sent. */
static const struct check_append *recognize(const struct check *check, const unsigned char *data, uint32_t size,
                                            uint32_t *i)
{
	uint32_t magic;
	uint64_t number;
	if (size < CHECK_RECORD_SIZE_MIN)
		return NULL;
	memcpy(&magic, data, sizeof magic);
	memcpy(i, data + 4, sizeof *i);
	memcpy(&number, data + 8, sizeof number);
	if (magic != MAGIC || number >= check->append_count)
		return NULL;
	const struct check_append *append = check->appends[number];
	if (*i >= append->count || append->sizes[*i] != size)
		return NULL;
	check_fill(append, *i, check->bytes);
	return memcmp(check->bytes, data, size) == 0 ? append : NULL;
}

/* The first record of an append has come to stand at the end of the truth. */
static void place(struct sim *sim, struct check_append *append)
{
	struct check *check = &sim->check;
	struct world *world = &sim->world;
	uint64_t offset = check->next_offset;
	if (append->placed)
		world_break(world, "append %" PRIu64 " is in the log twice: at %" PRIu64 " and at %" PRIu64,
		            append->number, append->place, offset);
	if (append->alive == 0 || append->wrong)
		world_break(world, "append %" PRIu64 " was refused (%d), and is committed at %" PRIu64, append->number,
		            append->status, offset);
	if (offset < append->floor)
		world_break(world,
		            "append %" PRIu64 " is committed at %" PRIu64 ", and was sent when all below %" PRIu64
		            " were acknowledged",
		            append->number, offset, append->floor);
	if (append->expected != SERVICE_ANYWHERE && append->expected != offset)
		world_break(world,
		            "append %" PRIu64 " is committed at %" PRIu64 ", and was to be at %" PRIu64 " or nowhere",
		            append->number, offset, append->expected);
	append->placed = true;
	append->place = offset;
}

static void add_record(struct check *check, const struct check_record *record)
{
	if (check->next_offset == check->record_capacity) {
		check->record_capacity = 2 * check->record_capacity + 1024;
		check->records = world_allocate(check->records, check->record_capacity * sizeof *check->records);
	}
	check->records[check->next_offset++] = *record;
	check->stream_size += record->size;
}

static void take_records(struct sim *sim, const struct log_frame *frame)
{
	struct check *check = &sim->check;
	const struct log_header *header = log_frame_header(frame);
	const struct check_append *append = NULL;
	const void *data;
	uint32_t size, i, next = 0;
	if (header->first_offset != check->next_offset || header->stream_size != check->stream_size)
		world_break(&sim->world,
		            "entry %" PRIu64 " begins at offset %" PRIu64 ", and the one before ends at %" PRIu64,
		            header->entry, header->first_offset, check->next_offset);
	for (uint32_t item = 0; item < header->count && !world_broken(&sim->world); item++) {
		log_frame_item(frame, item, &data, &size);
		const struct check_append *found = recognize(check, data, size, &i);
		bool goes_on = append != NULL && next < append->count;
		if (found == NULL || i != (goes_on ? next : 0) || (goes_on && found != append)) {
			world_break(&sim->world, "the record at %" PRIu64 " is none that was to be there",
			            check->next_offset);
			return;
		}
		append = found;
		next = i + 1;
		if (i == 0)
			place(sim, check->appends[append->number]);
		add_record(check, &(struct check_record){.entry = header->entry,
		                                         .append = append->number,
		                                         .position = check->stream_size,
		                                         .i = i,
		                                         .size = size,
		                                         .time_ns = header->time_ns});
	}
	if (append != NULL && next < append->count)
		world_break(&sim->world,
		            "append %" PRIu64 " is committed in part: entry %" PRIu64 " has %u of %u records",
		            append->number, header->entry, next, append->count);
}

/* The entry is committed, and no member had it so before. */
static void take(struct node *node, const struct log_frame *frame, uint64_t hash)
{
	struct sim *sim = node->sim;
	struct check *check = &sim->check;
	const struct log_header *header = log_frame_header(frame);
	if (check->last + 2 > check->entry_capacity) {
		check->entry_capacity = 2 * check->entry_capacity + 1024;
		check->entries = world_allocate(check->entries, check->entry_capacity * sizeof *check->entries);
		check->entries[0] = (struct check_entry){0};
	}
	if (header->term < check->entries[check->last].term)
		world_break(&sim->world, "entry %" PRIu64 " has term %" PRIu64 ", the one before %" PRIu64,
		            header->entry, header->term, check->entries[check->last].term);
	check->entries[++check->last] = (struct check_entry){.hash = hash, .term = header->term};
	world_mix(&sim->world, hash);
	sim->counts.commits++;
	world_trace(&sim->world, "entry %" PRIu64 " of term %" PRIu64 " is committed: %u records from %" PRIu64,
	            header->entry, header->term, header->count, header->first_offset);
	if (header->type == LOG_RECORDS)
		take_records(sim, frame);
	int rc = machine_apply(&check->machine, frame);
	check_settings_taken(sim);
	/* Not while a disk is lost: what was on it does not count any more. */
	if (sim->schedule.damaged == 0 && !check_durable(sim, check->last))
		world_break(&sim->world, "%s holds entry %" PRIu64 " for committed, and it is durable on no majority",
		            node->name, header->entry);
	if (rc != 0)
		world_break(&sim->world, "%s commits entry %" PRIu64 ", and the machine does not take it: %d",
		            node->name, header->entry, rc);
}

/* ---- A member's log ---- */

static void compare(struct node *node, uint64_t entry, const struct log_frame *frame)
{
	struct check *check = &node->sim->check;
	size_t size;
	const void *bytes = log_frame_bytes(frame, &size);
	uint64_t hash = hash_of(bytes, size);
	if (entry == check->last + 1)
		take(node, frame, hash);
	else if (entry > check->last)
		world_break(&node->sim->world, "%s has entry %" PRIu64 " committed, and nobody has entry %" PRIu64,
		            node->name, entry, check->last + 1);
	else if (check->entries[entry].hash != hash)
		world_break(&node->sim->world,
		            "%s has entry %" PRIu64 " committed with term %" PRIu64
		            ", and it was committed with term %" PRIu64 " and other bytes",
		            node->name, entry, log_frame_header(frame)->term, check->entries[entry].term);
}

bool check_entry(struct node *node, uint64_t entry)
{
	struct log *log = look_log(node->cluster);
	struct log_frame *frame = log_pending_frame(log, entry);
	if (frame != NULL) {
		compare(node, entry, frame);
		return true;
	}
	struct clog_error err;
	int rc = log_read_frame(log, entry, &frame, &err);
	/* The call that the disk was to fail may have been this one. */
	if (rc == -EIO && node->troubled)
		rc = log_read_frame(log, entry, &frame, &err);
	if (rc == 0) {
		compare(node, entry, frame);
		log_frame_unref(frame);
		return true;
	}
	if (!(schedule_damaged(node) || node->rotted))
		world_break(&node->sim->world, "%s holds entry %" PRIu64 " for committed, and cannot read it: %d, %s",
		            node->name, entry, rc, err.text);
	return false;
}

static void check_leader(struct node *node)
{
	struct check *check = &node->sim->check;
	uint64_t term = look_term(node->cluster);
	for (size_t i = check->leader_count; i-- > 0;) {
		if (check->leaders[i].term != term)
			continue;
		if (check->leaders[i].member != node->id)
			world_break(&node->sim->world, "two members lead in term %" PRIu64 ": %" PRIx64 " and %" PRIx64,
			            term, check->leaders[i].member, node->id);
		return;
	}
	if (check->leader_count == check->leader_capacity) {
		check->leader_capacity = 2 * check->leader_capacity + 64;
		check->leaders = world_allocate(check->leaders, check->leader_capacity * sizeof *check->leaders);
	}
	check->leaders[check->leader_count++] = (struct check_leader){.term = term, .member = node->id};
	node->sim->counts.elections++;
	world_trace(&node->sim->world, "%s leads in term %" PRIu64, node->name, term);
}

void check_member(struct node *node)
{
	struct sim *sim = node->sim;
	struct log_stat stat;
	struct service_state state;
	if (look_leads(node->cluster))
		check_leader(node);
	uint64_t commit = look_commit(node->cluster);
	log_stat(look_log(node->cluster), &stat);
	if (node->checked + 1 < stat.first_entry)
		node->checked = stat.first_entry - 1;
	while (node->checked < commit && !world_broken(&sim->world)) {
		/* What has rotted here and nobody else was seen to commit waits until another shows it, or it is mended. */
		if (!check_entry(node, node->checked + 1) &&
		    (!(schedule_damaged(node) || node->rotted) || node->checked + 1 > sim->check.last))
			break;
		node->checked++;
	}
	service_state(node->service, &state);
	bool behind = node->checked < commit;
	if (state.next_offset < node->next_offset || (!behind && state.next_offset > sim->check.next_offset))
		world_break(&sim->world,
		            "%s shows %" PRIu64 " as the next offset, after %" PRIu64 ", and %" PRIu64 " are committed",
		            node->name, state.next_offset, node->next_offset, sim->check.next_offset);
	node->next_offset = state.next_offset;
	check_settings(node);
}

void check_opened(struct node *node)
{
	struct log_tail tail;
	log_tail(look_log(node->cluster), &tail);
	node->opened_entry = tail.entry;
	node->checked = 0;
	node->next_offset = 0;
}

void check_dies(struct node *node)
{
	const struct log_term *terms;
	struct log *log = look_log(node->cluster);
	size_t count = log_terms(log, &terms);
	node->durable = log_durable(log);
	node->durable_terms = world_allocate(node->durable_terms, count * sizeof *terms);
	if (count > 0)
		memcpy(node->durable_terms, terms, count * sizeof *terms);
	node->durable_term_count = count;
	node->last_count = service_members(node->service, node->last_members, SERVICE_MEMBERS_MAX);
	node->last_commit = look_commit(node->cluster);
}

bool check_whole(struct node *node)
{
	struct log_stat stat;
	bool whole = true;
	log_stat(look_log(node->cluster), &stat);
	for (uint64_t entry = stat.first_entry; entry <= node->checked && !world_broken(&node->sim->world); entry++)
		whole = check_entry(node, entry) && whole;
	return whole;
}

static const struct service_member *member_of(const struct node *node)
{
	const struct machine_members *members = &node->sim->check.machine.members;
	for (size_t i = 0; i < members->count; i++)
		if (members->members[i].id == node->id)
			return &members->members[i];
	return NULL;
}

bool check_is_member(const struct node *node)
{
	return member_of(node) != NULL;
}

bool check_votes(const struct node *node)
{
	const struct service_member *member = member_of(node);
	return member != NULL && member->role == SERVICE_VOTER;
}

bool check_has_log(const struct node *node)
{
	const struct service_member *member = member_of(node);
	return member != NULL && member->role != SERVICE_SPARE;
}

struct node *check_find(struct sim *sim, uint64_t member)
{
	for (unsigned i = 0; i < sim->node_count; i++)
		if (sim->nodes[i].id == member)
			return &sim->nodes[i];
	return NULL;
}
