#include "cluster/machine.h"

#include "cluster/configuration.h"
#include "cluster/control.h"
#include "cluster/mutant.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 8u

/* A session, and what it was before the frame that is being taken in: a frame that turns out to be none leaves no
 * trace, and taking one in needs no memory. */
struct slot {
	struct machine_session session; /* first: machine->sessions points here */
	struct machine_session before;
};

void machine_init(struct machine *machine)
{
	*machine = (struct machine){0};
}

void machine_finish(struct machine *machine)
{
	for (size_t i = 0; i < machine->session_count; i++)
		free(machine->sessions[i]);
	free(machine->sessions);
	settings_unref(machine->settings);
	machine_init(machine);
}

/* ---- Sessions ---- */

static struct machine_session *find_session(const struct machine *machine, uint64_t id)
{
	size_t low = 0, high = machine->session_count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (machine->sessions[middle]->id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low < machine->session_count && machine->sessions[low]->id == id ? machine->sessions[low] : NULL;
}

/* Takes the session least recently used, of two the older one, out of the list: a client's, so that clients that come
 * and go do not end members' own; unless these are more than members can have in use. */
static struct machine_session *end_session(struct machine *machine)
{
	size_t own = 0, least = machine->session_count;
	for (size_t i = 0; i < machine->session_count; i++)
		own += machine->sessions[i]->key == 0;
	bool ends_own = own > MACHINE_OWN_SESSIONS_MAX;
	for (size_t i = 0; i < machine->session_count; i++)
		if ((machine->sessions[i]->key == 0) == ends_own &&
		    (least == machine->session_count || machine->sessions[i]->used < machine->sessions[least]->used))
			least = i;
	assert(least < machine->session_count);
	struct machine_session *ended = machine->sessions[least];
	machine->session_count--;
	memmove(machine->sessions + least, machine->sessions + least + 1,
	        (machine->session_count - least) * sizeof *machine->sessions);
	return ended;
}

static int reserve_session(struct machine *machine)
{
	if (machine->session_count < machine->session_capacity)
		return 0;
	size_t capacity = machine->session_capacity > 0 ? 2 * machine->session_capacity : FIRST_CAPACITY;
	struct machine_session **sessions = realloc(machine->sessions, capacity * sizeof(struct machine_session *));
	if (sessions == NULL)
		return -ENOMEM;
	machine->sessions = sessions;
	machine->session_capacity = capacity;
	return 0;
}

int machine_open_session(struct machine *machine, uint64_t id, uint64_t key)
{
	assert(machine->session_count == 0 || machine->sessions[machine->session_count - 1]->id < id);
	struct machine_session *session;
	if (machine->session_count == MACHINE_SESSIONS_MAX) {
		session = end_session(machine);
	} else {
		int rc = reserve_session(machine);
		if (rc != 0)
			return rc;
		struct slot *slot = malloc(sizeof *slot);
		if (slot == NULL)
			return -ENOMEM;
		session = &slot->session;
	}
	session->id = session->used = id;
	session->key = key;
	session->count = 0;
	machine->sessions[machine->session_count++] = session;
	return 0;
}

bool machine_span_ok(uint64_t first, uint32_t count)
{
	return count > 0 && first <= UINT64_MAX - count;
}

/* The lowest result that ends above the sequence. */
static uint32_t place_of(const struct machine_session *session, uint64_t sequence)
{
	uint32_t place = session->count;
	while (place > 0 && session->results[place - 1].sequence + session->results[place - 1].count > sequence)
		place--;
	return place;
}

/* Whether the result at the place, of place_of(first), has sequences from first on. */
static bool overlaps(const struct machine_session *session, uint32_t place, uint64_t first, uint32_t count)
{
	return place < session->count && session->results[place].sequence < first + count;
}

static void insert(struct machine_session *session, uint32_t place, const struct machine_result *result)
{
	struct machine_result *results = session->results;
	if (session->count < MACHINE_RESULTS_MAX) {
		memmove(results + place + 1, results + place, (session->count - place) * sizeof *results);
		results[place] = *result;
		session->count++;
	} else if (place > 0) {
		memmove(results, results + 1, (place - 1) * sizeof *results);
		results[place - 1] = *result;
	}
}

static void copy_session(struct machine_session *to, const struct machine_session *from)
{
	to->id = from->id;
	to->key = from->key;
	to->used = from->used;
	to->count = from->count;
	memcpy(to->results, from->results, from->count * sizeof *from->results);
}

/* Takes in what a row says of the records from the offset on. */
static int apply_row(struct machine *machine, uint64_t entry, uint64_t offset, const struct log_session *row)
{
	if (row->session == 0)
		return 0;
	if (row->sequence == 0 || !machine_span_ok(row->sequence, row->count))
		return -EBADMSG;
	struct machine_session *session = find_session(machine, row->session);
	if (session == NULL)
		return 0;
	if (session->used != entry) {
		copy_session(&((struct slot *)session)->before, session);
		session->used = entry;
	}
	uint32_t place = place_of(session, row->sequence);
	if (overlaps(session, place, row->sequence, row->count) && !MUTANT(RETRY_IS_NEW))
		return -EBADMSG;
	const struct machine_result result = {
		.sequence = row->sequence, .offset = offset, .entry = entry, .count = row->count};
	insert(session, place, &result);
	return 0;
}

/* Makes the sessions that the entry has changed what they were before it. */
static void undo(struct machine *machine, uint64_t entry)
{
	for (size_t i = 0; i < machine->session_count; i++)
		if (machine->sessions[i]->used == entry)
			copy_session(machine->sessions[i], &((struct slot *)machine->sessions[i])->before);
}

/* ---- Entries ---- */

static int apply_records(struct machine *machine, const struct log_frame *frame, const struct log_header *header)
{
	uint64_t offset = header->first_offset;
	if (header->count > UINT64_MAX - offset)
		return -EBADMSG;
	for (uint32_t i = 0; i < log_frame_sessions(frame); i++) {
		struct log_session row;
		log_frame_session(frame, i, &row);
		int rc = apply_row(machine, header->entry, offset, &row);
		if (rc != 0) {
			undo(machine, header->entry);
			return rc;
		}
		offset += row.count;
	}
	return 0;
}

static int apply_setting(struct machine *machine, const struct control *control, uint64_t entry)
{
	struct settings *settings;
	int rc = settings_change(machine->settings, control, entry, &settings);
	if (rc != 0)
		return rc == -ENOSPC ? -EBADMSG : rc;
	settings_unref(machine->settings);
	machine->settings = settings;
	return 0;
}

static int apply_control(struct machine *machine, const struct log_frame *frame, const struct log_header *header)
{
	const void *data;
	uint32_t size;
	struct control control;
	if (header->count != 1)
		return -EBADMSG;
	log_frame_item(frame, 0, &data, &size);
	int rc = control_decode(data, size, &control);
	if (rc != 0)
		return rc;
	switch (control.type) {
	case CONTROL_SESSION:
		return machine_open_session(machine, header->entry, control.session_key);
	case CONTROL_TRIM:
		if (control.offset > header->first_offset)
			return -EBADMSG;
		if (control.offset > machine->first_offset)
			machine->first_offset = control.offset;
		return 0;
	case CONTROL_RETAIN:
		machine->retain_bytes = control.retain_bytes;
		machine->retain_ns = control.retain_ns;
		return 0;
	case CONTROL_SETTING:
		return apply_setting(machine, &control, header->entry);
	}
	return -EBADMSG;
}

int machine_members_decode(struct machine_members *members, const struct log_frame *frame)
{
	const struct log_header *header = log_frame_header(frame);
	const void *data;
	uint32_t size;
	*members = (struct machine_members){.entry = header->entry};
	if (header->type != LOG_CONFIGURATION || header->count != 1)
		return -EBADMSG;
	log_frame_item(frame, 0, &data, &size);
	return configuration_decode(data, size, members->members, &members->count);
}

bool machine_members_has(const struct machine_members *members, uint64_t id)
{
	for (size_t i = 0; i < members->count; i++)
		if (members->members[i].id == id)
			return true;
	return false;
}

static int apply_configuration(struct machine *machine, const struct log_frame *frame)
{
	struct machine_members members;
	int rc = machine_members_decode(&members, frame);
	if (rc != 0)
		return rc;
	if (machine->members.entry == 0)
		machine->cluster = members.members[0].id;
	machine->before = machine->members;
	machine->members = members;
	return 0;
}

int machine_apply(struct machine *machine, const struct log_frame *frame)
{
	const struct log_header *header = log_frame_header(frame);
	int rc = -EBADMSG;
	if (header->entry == 0 || header->entry != machine->entry + 1)
		return rc;
	switch (header->type) {
	case LOG_RECORDS:
		rc = apply_records(machine, frame, header);
		break;
	case LOG_CONTROL:
		rc = apply_control(machine, frame, header);
		break;
	case LOG_CONFIGURATION:
		rc = apply_configuration(machine, frame);
		break;
	case LOG_BARRIER:
		rc = 0;
		break;
	}
	if (rc == 0)
		machine->entry = header->entry;
	return rc;
}

enum machine_answer machine_find(const struct machine *machine, uint64_t session, uint64_t key, uint64_t sequence,
                                 uint32_t count, struct machine_result *result)
{
	if (sequence == 0 || !machine_span_ok(sequence, count))
		return MACHINE_INVALID;
	const struct machine_session *found = find_session(machine, session);
	if (found == NULL)
		return MACHINE_ENDED;
	if (found->key != key && !MUTANT(KEY_NOT_CHECKED))
		return MACHINE_INVALID;
	uint32_t place = place_of(found, sequence);
	if (overlaps(found, place, sequence, count)) {
		if (found->results[place].sequence != sequence || found->results[place].count != count)
			return MACHINE_INVALID;
		*result = found->results[place];
		return MACHINE_KNOWN;
	}
	return place == 0 && found->count == MACHINE_RESULTS_MAX ? MACHINE_UNKNOWN : MACHINE_NEW;
}
