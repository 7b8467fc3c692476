#include "tests/cluster/core_host.h"

#include "cluster/configuration.h"

#include <raft.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- libraft's memory ---- */

static long blocks;
static unsigned hosts;

static void *count_malloc(void *data, size_t size)
{
	void *block = malloc(size);
	blocks += block != NULL;
	return block;
}

static void *count_calloc(void *data, size_t count, size_t size)
{
	void *block = calloc(count, size);
	blocks += block != NULL;
	return block;
}

static void *count_realloc(void *data, void *old, size_t size)
{
	void *block = realloc(old, size);
	blocks += old == NULL && block != NULL;
	return block;
}

static void count_free(void *data, void *block)
{
	blocks -= block != NULL;
	free(block);
}

static struct raft_heap heap = {
	.malloc = count_malloc, .calloc = count_calloc, .realloc = count_realloc, .free = count_free};

/* ---- Members and frames ---- */

struct machine_members core_members(uint64_t entry, const char *word)
{
	struct machine_members members = {.entry = entry};
	for (unsigned i = 0; word[i] != '\0'; i++) {
		if (word[i] == '-')
			continue;
		struct service_member *member = &members.members[members.count++];
		member->id = i + 1;
		member->role = word[i] == 'v' ? SERVICE_VOTER : word[i] == 'b' ? SERVICE_STANDBY : SERVICE_SPARE;
		snprintf(member->name, sizeof member->name, "member%u", i + 1);
	}
	return members;
}

struct log_frame *core_frame(uint64_t entry, uint64_t term, enum log_type type, const char *word)
{
	unsigned char data[CONFIGURATION_SIZE_MAX];
	struct log_frame *frame;
	const struct log_tail tail = {.entry = entry - 1};
	const struct log_header header = {.term = term, .type = type};
	size_t size = 0;
	if (type == LOG_CONFIGURATION) {
		struct machine_members members = core_members(entry, word);
		size = configuration_encode(members.members, members.count, data);
	} else if (type == LOG_RECORDS) {
		size = (size_t)snprintf((char *)data, sizeof data, "%llu", (unsigned long long)entry);
	}
	assert_int_equal(log_frame_create(&frame), 0);
	if (size > 0)
		assert_int_equal(log_frame_add(frame, data, size), 0);
	log_frame_close(frame, &tail, &header);
	return frame;
}

static void cut(struct core_host *host, uint64_t entry)
{
	for (uint64_t i = entry; i <= host->last_entry && i <= CORE_LOG_MAX; i++) {
		log_frame_unref(host->log[i]);
		host->log[i] = NULL;
	}
	host->last_entry = entry - 1;
}

static void keep(struct core_host *host, struct log_frame *frame)
{
	host->last_entry++;
	if (host->last_entry <= CORE_LOG_MAX)
		host->log[host->last_entry] = log_frame_ref(frame);
}

/* ---- Decisions ---- */

static void note(struct core_host *host, char letter)
{
	size_t length = strlen(host->order);
	if (length + 1 < sizeof host->order)
		host->order[length] = letter;
}

static int on_vote(void *arg, uint64_t term, uint64_t vote)
{
	struct core_host *host = arg;
	note(host, 'v');
	host->votes++;
	host->term = term;
	host->vote = vote;
	return host->vote_rc;
}

static int on_accept(void *arg, struct log_frame *const *frames, size_t count)
{
	struct core_host *host = arg;
	uint64_t first = log_frame_header(frames[0])->entry;
	note(host, 'a');
	host->accepts++;
	host->accepted = first;
	host->accepted_count = count;
	if (host->accept_rc != 0)
		return host->accept_rc;
	assert_in_range(first, host->base_entry + 1, host->last_entry + 1);
	cut(host, first);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(log_frame_header(frames[i])->entry, first + i);
		keep(host, frames[i]);
	}
	return 0;
}

static int on_barrier(void *arg, uint64_t entry)
{
	struct core_host *host = arg;
	note(host, 'b');
	host->barriers++;
	host->barrier = entry;
	if (host->barrier_rc != 0 || host->spare_memory)
		return host->barrier_rc;
	assert_int_equal(entry, host->last_entry + 1);
	struct log_frame *frame = core_frame(entry, core_term(host->core), LOG_BARRIER, NULL);
	keep(host, frame);
	log_frame_unref(frame);
	return 0;
}

static int on_install(void *arg)
{
	struct core_host *host = arg;
	note(host, 'i');
	host->installs++;
	return host->install_rc;
}

static void on_send(void *arg, uint64_t member, const struct message *message)
{
	struct core_host *host = arg;
	note(host, 's');
	if (host->sends < CORE_SENT_MAX) {
		host->sent[host->sends] = (struct core_sent){.member = member, .message = *message};
		host->sent[host->sends].message.from = host->id;
	}
	host->sends++;
}

static void on_commit(void *arg, uint64_t entry)
{
	struct core_host *host = arg;
	note(host, 'c');
	host->commits++;
	host->committed = entry;
}

/* ---- Living ---- */

int core_host_init(struct core_host *host, uint64_t id, unsigned random)
{
	static const struct core_ops ops = {.vote = on_vote,
	                                    .accept = on_accept,
	                                    .barrier = on_barrier,
	                                    .install = on_install,
	                                    .send = on_send,
	                                    .commit = on_commit};
	const struct core_options options = {.id = id,
	                                     .address = "self",
	                                     .random = random,
	                                     .election_ms = CORE_ELECTION_MS,
	                                     .heartbeat_ms = CORE_HEARTBEAT_MS,
	                                     .ops = &ops,
	                                     .arg = host};
	*host = (struct core_host){.id = id, .now_ms = CORE_START_MS};
	if (hosts++ == 0) {
		blocks = 0;
		raft_heap_set(&heap);
	}
	return core_create(&host->core, &options);
}

void core_host_finish(struct core_host *host)
{
	core_destroy(host->core);
	if (host->last_entry > 0)
		cut(host, 1);
	if (--hosts > 0)
		return;
	raft_heap_set_default();
	assert_int_equal(blocks, 0);
}

int core_host_start(struct core_host *host, const struct core_state *state)
{
	host->base_entry = state->base_entry;
	if (state->base != NULL)
		host->base = *state->base;
	host->last_entry = state->term_count > 0 ? state->terms[state->term_count - 1].last_entry : state->base_entry;
	return core_start(host->core, host->now_ms, state);
}

void core_host_open(struct core_host *host, uint64_t id, const char *word, uint64_t term, const uint64_t *terms)
{
	struct log_term runs[CORE_RUNS_MAX];
	const struct machine_members members = core_members(1, word);
	struct core_state state = {.term = term, .terms = runs, .last = &members};
	assert_int_equal(core_host_init(host, id, 1), 0);
	for (uint64_t entry = 1; terms[entry - 1] != 0; entry++) {
		uint64_t entry_term = terms[entry - 1];
		if (state.term_count == 0 || runs[state.term_count - 1].term != entry_term)
			runs[state.term_count++].term = entry_term;
		assert_in_range(state.term_count, 1, CORE_RUNS_MAX);
		runs[state.term_count - 1].last_entry = entry;
		host->log[entry] = core_frame(entry, entry_term, entry == 1 ? LOG_CONFIGURATION : LOG_RECORDS, word);
	}
	assert_int_equal(core_host_start(host, &state), 0);
	core_host_forget(host);
}

void core_host_forget(struct core_host *host)
{
	memset(host->order, 0, sizeof host->order);
	host->votes = host->accepts = host->barriers = host->installs = host->commits = host->sends = 0;
}

void core_host_wait(struct core_host *host)
{
	uint64_t at_ms = core_timeout_at(host->core);
	if (at_ms > host->now_ms)
		host->now_ms = at_ms;
	assert_int_equal(core_timeout(host->core, host->now_ms), 0);
}

void core_host_lead(struct core_host *host, uint64_t members)
{
	while (core_role(host->core) == CORE_FOLLOWER)
		core_host_wait(host);
	for (unsigned pre = 2; pre-- > 0;) {
		uint64_t term = core_term(host->core) + pre;
		for (uint64_t id = 1; id <= members; id++) {
			const struct message granted = core_vote_result(id, term, pre, true);
			if (id != host->id)
				assert_int_equal(core_host_receive(host, &granted, NULL, 0), 0);
		}
	}
	assert_int_equal(core_role(host->core), CORE_LEADER);
	core_host_persist(host);
}

int core_host_submit(struct core_host *host, enum log_type type, const char *word)
{
	struct log_frame *frame = core_frame(host->last_entry + 1, core_term(host->core), type, word);
	int rc = core_submit(host->core, host->now_ms, frame);
	log_frame_unref(frame);
	return rc;
}

void core_host_persist(struct core_host *host)
{
	assert_int_equal(core_persisted(host->core, host->now_ms, host->last_entry), 0);
}

int core_host_installed(struct core_host *host, uint64_t entry)
{
	if (host->last_entry > 0)
		cut(host, 1);
	host->base_entry = host->last_entry = entry;
	return core_installed(host->core, host->now_ms);
}

int core_host_receive(struct core_host *host, const struct message *message, struct log_frame *const *frames,
                      size_t count)
{
	return core_receive(host->core, host->now_ms, message, frames, count, &host->base);
}

void core_host_bring(struct core_host *host, const struct core_host *from, const struct message *sent)
{
	struct message message = *sent;
	struct log_frame *const *frames = NULL;
	size_t count = 0;
	message.from = from->id;
	if (message.type == MESSAGE_APPEND && message.append.count > 0) {
		count = message.append.count;
		assert_true(message.append.entry + count <= CORE_LOG_MAX);
		frames = &from->log[message.append.entry + 1];
	}
	assert_int_equal(core_receive(host->core, host->now_ms, &message, frames, count, &from->base), 0);
}

const struct message *core_host_sent(const struct core_host *host, uint64_t member, enum message_type type)
{
	assert_true(host->sends <= CORE_SENT_MAX);
	for (unsigned i = host->sends; i-- > 0;)
		if (host->sent[i].member == member && host->sent[i].message.type == type)
			return &host->sent[i].message;
	return NULL;
}

/* ---- Messages ---- */

struct message core_append(uint64_t from, uint64_t term, uint64_t entry, uint64_t entry_term, uint64_t commit,
                           uint32_t count)
{
	return (struct message){.type = MESSAGE_APPEND,
	                        .from = from,
	                        .term = term,
	                        .append = {.entry = entry, .entry_term = entry_term, .commit = commit, .count = count}};
}

struct message core_append_result(uint64_t from, uint64_t term, uint64_t rejected, uint64_t last_entry)
{
	return (struct message){.type = MESSAGE_APPEND_RESULT,
	                        .from = from,
	                        .term = term,
	                        .append_result = {.rejected = rejected, .last_entry = last_entry}};
}

struct message core_install(uint64_t from, uint64_t term, uint64_t entry, uint64_t entry_term)
{
	return (struct message){.type = MESSAGE_INSTALL,
	                        .from = from,
	                        .term = term,
	                        .install = {.base = {.entry = entry, .term = entry_term}}};
}

struct message core_vote(uint64_t from, uint64_t term, uint64_t last_entry, uint64_t last_term, bool pre)
{
	return (struct message){.type = MESSAGE_VOTE,
	                        .from = from,
	                        .term = term,
	                        .vote = {.last_entry = last_entry, .last_term = last_term, .pre = pre}};
}

struct message core_vote_result(uint64_t from, uint64_t term, bool pre, bool granted)
{
	return (struct message){.type = MESSAGE_VOTE_RESULT,
	                        .from = from,
	                        .term = term,
	                        .vote_result = {.granted = granted, .pre = pre}};
}
