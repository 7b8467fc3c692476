/* The machine's bytes, little-endian and without gaps: a head; the last configuration and the one before it, as in
 * their entries; the settings; then of each session its row and those of its results. Version 1, which is read still, had no
 * settings, and no keys of sessions. */
#include "cluster/configuration.h"
#include "cluster/machine.h"
#include "cluster/mutant.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#define VERSION 2u
#define FIRST_VERSION 1u

static const unsigned char magic[8] = {'C', 'L', 'O', 'G', 'M', 'A', 'C', 'H'};

struct head {
	unsigned char magic[8];
	uint32_t version;
	uint32_t session_count;
	uint64_t entry;
	uint64_t cluster;
	uint64_t first_offset;
	uint64_t retain_bytes;
	uint64_t retain_ns;
	uint64_t members_entry;
	uint64_t before_entry;
	uint32_t members_size;
	uint32_t before_size;
	/* Not in version 1. */
	uint64_t settings_entry;
	uint32_t settings_count;
	uint32_t settings_size;
};
#define FIRST_HEAD_SIZE 80u

struct session_row {
	uint64_t id;
	uint64_t used;
	uint32_t count;
	uint64_t key; /* not in version 1 */
} __attribute__((packed));

#define FIRST_SESSION_ROW_SIZE 20u

struct result_row {
	uint64_t sequence;
	uint64_t offset;
	uint64_t entry;
	uint32_t count;
} __attribute__((packed));

static_assert(sizeof(struct head) == 96 && sizeof(struct session_row) == 28 && sizeof(struct result_row) == 28,
              "no gaps");
static_assert(offsetof(struct head, settings_entry) == FIRST_HEAD_SIZE &&
                      offsetof(struct session_row, key) == FIRST_SESSION_ROW_SIZE,
              "what came later is at the end");
static_assert(sizeof(struct head) + 2 * CONFIGURATION_SIZE_MAX + SERVICE_SETTINGS_SIZE_MAX +
                              MACHINE_SESSIONS_MAX *
                                      (sizeof(struct session_row) + MACHINE_RESULTS_MAX * sizeof(struct result_row)) <=
                      MACHINE_SIZE_MAX,
              "the largest machine fits");
static_assert(MACHINE_SIZE_MAX < LOG_STATE_SIZE_MAX, "and a footer takes it");

/* ---- Encode ---- */

static size_t encode_members(const struct machine_members *members, unsigned char *data)
{
	return members->entry == 0 ? 0 : configuration_encode(members->members, members->count, data);
}

static unsigned char *put(unsigned char *at, const void *data, size_t size)
{
	memcpy(at, data, size);
	return at + size;
}

static unsigned char *put_session(unsigned char *at, const struct machine_session *session)
{
	struct session_row row = {.id = htole64(session->id),
	                          .used = htole64(session->used),
	                          .count = htole32(session->count),
	                          .key = htole64(session->key)};
	at = put(at, &row, sizeof row);
	for (uint32_t i = 0; i < session->count; i++) {
		const struct machine_result *result = &session->results[i];
		struct result_row result_row = {.sequence = htole64(result->sequence),
		                                .offset = htole64(result->offset),
		                                .entry = htole64(result->entry),
		                                .count = htole32(result->count)};
		at = put(at, &result_row, sizeof result_row);
	}
	return at;
}

size_t machine_encode(const struct machine *machine, unsigned char *data)
{
	unsigned char *at = data + sizeof(struct head);
	size_t members_size = encode_members(&machine->members, at);
	size_t before_size = encode_members(&machine->before, at + members_size);
	at += members_size + before_size;
	size_t settings_size = settings_encode(machine->settings, at);
	at += settings_size;
	for (size_t i = 0; i < machine->session_count; i++)
		at = put_session(at, machine->sessions[i]);
	struct head head = {
		.version = htole32(VERSION),
		.session_count = htole32((uint32_t)machine->session_count),
		.entry = htole64(machine->entry),
		.cluster = htole64(machine->cluster),
		.first_offset = htole64(machine->first_offset),
		.retain_bytes = htole64(machine->retain_bytes),
		.retain_ns = htole64(machine->retain_ns),
		.members_entry = htole64(machine->members.entry),
		.before_entry = htole64(machine->before.entry),
		.members_size = htole32((uint32_t)members_size),
		.before_size = htole32((uint32_t)before_size),
		.settings_entry = htole64(settings_entry(machine->settings)),
		.settings_count = htole32(machine->settings == NULL ? 0 : (uint32_t)machine->settings->count),
		.settings_size = htole32((uint32_t)settings_size)};
	memcpy(head.magic, magic, sizeof magic);
	memcpy(data, &head, sizeof head);
	return (size_t)(at - data);
}

/* ---- Decode ---- */

/* What is left of the bytes. */
struct input {
	const unsigned char *at;
	size_t left;
	uint32_t version;
};

static int take(struct input *input, void *to, size_t size)
{
	if (input->left < size)
		return -EBADMSG;
	memcpy(to, input->at, size);
	input->at += size;
	input->left -= size;
	return 0;
}

static int take_members(struct input *input, struct machine_members *members, uint64_t entry, size_t size)
{
	members->entry = entry;
	if (input->left < size || (entry == 0) != (size == 0))
		return -EBADMSG;
	if (size == 0)
		return 0;
	int rc = configuration_decode(input->at, size, members->members, &members->count);
	input->at += size;
	input->left -= size;
	return rc;
}

static int take_settings(struct input *input, struct machine *machine, const struct head *head)
{
	uint64_t entry = le64toh(head->settings_entry);
	size_t size = le32toh(head->settings_size);
	if (input->left < size || entry > machine->entry)
		return -EBADMSG;
	int rc = settings_decode(input->at, size, le32toh(head->settings_count), entry, &machine->settings);
	input->at += size;
	input->left -= size;
	return rc;
}

static bool cluster_ok(const struct machine *machine)
{
	if (machine->members.entry == 0)
		return machine->cluster == 0;
	if (machine->before.entry == 0)
		return machine->cluster == machine->members.members[0].id;
	return machine->cluster != 0 && machine->cluster >> 48 == 0;
}

/* A head of either version; what version 1 lacks is zero. */
static int take_any_head(struct input *input, struct head *head)
{
	*head = (struct head){0};
	if (take(input, head, FIRST_HEAD_SIZE) != 0 || memcmp(head->magic, magic, sizeof magic) != 0)
		return -EBADMSG;
	input->version = le32toh(head->version);
	if (input->version == FIRST_VERSION)
		return 0;
	return input->version == VERSION ? take(input, &head->settings_entry, sizeof *head - FIRST_HEAD_SIZE)
	                                 : -EBADMSG;
}

static int take_head(struct input *input, struct machine *machine, uint32_t *session_count)
{
	struct head head;
	if (take_any_head(input, &head) != 0)
		return -EBADMSG;
	*session_count = le32toh(head.session_count);
	if (*session_count > MACHINE_SESSIONS_MAX)
		return -EBADMSG;
	machine->entry = le64toh(head.entry);
	machine->cluster = le64toh(head.cluster);
	machine->first_offset = le64toh(head.first_offset);
	machine->retain_bytes = le64toh(head.retain_bytes);
	machine->retain_ns = le64toh(head.retain_ns);
	uint64_t members_entry = le64toh(head.members_entry), before_entry = le64toh(head.before_entry);
	bool settings = machine->first_offset != 0 || machine->retain_bytes != 0 || machine->retain_ns != 0;
	if ((machine->entry == 0 && settings) || members_entry > machine->entry ||
	    (before_entry != 0 && before_entry >= members_entry))
		return -EBADMSG;
	int rc = take_members(input, &machine->members, members_entry, le32toh(head.members_size));
	if (rc == 0)
		rc = take_members(input, &machine->before, before_entry, le32toh(head.before_size));
	if (rc == 0 && !cluster_ok(machine))
		rc = -EBADMSG;
	return rc == 0 ? take_settings(input, machine, &head) : rc;
}

static int take_result(struct input *input, struct machine_session *session)
{
	struct result_row row;
	if (take(input, &row, sizeof row) != 0)
		return -EBADMSG;
	struct machine_result *result = &session->results[session->count];
	*result = (struct machine_result){.sequence = le64toh(row.sequence),
	                                  .offset = le64toh(row.offset),
	                                  .entry = le64toh(row.entry),
	                                  .count = le32toh(row.count)};
	if (result->sequence == 0 || !machine_span_ok(result->sequence, result->count) ||
	    !machine_span_ok(result->offset, result->count))
		return -EBADMSG;
	if (session->count > 0 && result[-1].sequence + result[-1].count > result->sequence)
		return -EBADMSG;
	if (result->entry <= session->id || result->entry > session->used)
		return -EBADMSG;
	session->count++;
	return 0;
}

/* A session was last used when it was opened or by one of its results. Of a full one that result may be gone; the others
 * are still no later. */
static bool used_ok(const struct machine_session *session)
{
	uint64_t used = session->id;
	for (uint32_t i = 0; i < session->count; i++)
		if (session->results[i].entry > used)
			used = session->results[i].entry;
	return session->used == used || session->count == MACHINE_RESULTS_MAX;
}

static int take_session(struct input *input, struct machine *machine)
{
	struct session_row row = {0};
	if (take(input, &row, input->version == FIRST_VERSION ? FIRST_SESSION_ROW_SIZE : sizeof row) != 0)
		return -EBADMSG;
	uint64_t id = le64toh(row.id), used = le64toh(row.used);
	uint32_t count = le32toh(row.count);
	uint64_t last = machine->session_count > 0 ? machine->sessions[machine->session_count - 1]->id : 0;
	if (id <= last || used > machine->entry || count > MACHINE_RESULTS_MAX)
		return -EBADMSG;
	int rc = machine_open_session(machine, id, le64toh(row.key));
	if (rc != 0)
		return rc;
	struct machine_session *session = machine->sessions[machine->session_count - 1];
	session->used = used;
	for (uint32_t i = 0; i < count && rc == 0; i++)
		rc = take_result(input, session);
	if (rc == 0 && !used_ok(session))
		rc = -EBADMSG;
	return rc;
}

int machine_decode(struct machine *machine, const void *data, size_t size)
{
	struct input input = {.at = data, .left = size};
	uint32_t session_count = 0;
	int rc = take_head(&input, machine, &session_count);
	for (uint32_t i = 0; i < session_count && rc == 0; i++)
		rc = take_session(&input, machine);
	if (rc == 0 && input.left > 0)
		rc = -EBADMSG;
	if (rc != 0)
		machine_finish(machine);
	if (MUTANT(SESSIONS_NOT_KEPT))
		machine->session_count = 0;
	return rc;
}
