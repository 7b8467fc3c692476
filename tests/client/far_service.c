/* The service behind a far server. */
#include "tests/client/far.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Memory that does not run out where a test has malloc fail. */
void *far_room(size_t size)
{
	void *room = aligned_alloc(alignof(max_align_t),
	                           (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1));
	assert(room != NULL);
	return room;
}

static struct far *far_of(struct service *service)
{
	return (struct far *)service;
}

/* ---- The log ---- */

void far_add(struct far_world *world, const void *data, uint32_t size)
{
	struct far_log *log = &world->log;
	assert(log->count < FAR_RECORDS_MAX);
	log->records[log->count].data = far_room(size + 1);
	if (size > 0)
		memcpy(log->records[log->count].data, data, size);
	log->records[log->count++].size = size;
}

unsigned far_find(const struct far_world *world, const void *data, uint32_t size)
{
	unsigned found = 0;
	for (uint64_t i = 0; i < world->log.count; i++)
		found += world->log.records[i].size == size && memcmp(world->log.records[i].data, data, size) == 0;
	return found;
}

static struct far_session *find_session(struct far_log *log, uint64_t id)
{
	for (size_t i = 0; i < log->session_count && i < FAR_SESSIONS_MAX; i++)
		if (log->sessions[i].id == id && !log->sessions[i].ended)
			return &log->sessions[i];
	return NULL;
}

/* What the session says of a batch: 1: it is new. */
static int look_up(struct far_log *log, const struct service_append *append, uint32_t count, uint64_t *offset)
{
	struct far_session *session = find_session(log, append->session);
	if (session == NULL)
		return -EKEYEXPIRED;
	if (session->key != append->session_key)
		return -EINVAL;
	for (size_t i = 0; i < session->count; i++) {
		const struct far_result *result = &session->results[i];
		*offset = result->offset;
		if (result->sequence == append->sequence && result->count == count)
			return 0;
		if (append->sequence < result->sequence + result->count && result->sequence < append->sequence + count)
			return -EINVAL;
	}
	return 1;
}

static void note(struct far_log *log, const struct service_append *append)
{
	struct far_session *session = find_session(log, append->session);
	if (session == NULL)
		return;
	assert(session->count < FAR_RESULTS_MAX);
	session->results[session->count++] = (struct far_result){
		.sequence = append->sequence, .offset = append->first_offset, .count = append->count};
}

/* ---- Appends ---- */

static void soon(struct far *far);

static int decide(struct far *far, struct service_append *append, uint32_t count)
{
	struct far_log *log = &far->world->log;
	uint64_t offset;
	int rc = append->session == 0 ? 1 : look_up(log, append, count, &offset);
	append->first_offset = rc == 0 ? offset : log->count;
	if (rc <= 0)
		return rc;
	if (append->expected != SERVICE_ANYWHERE && append->expected < log->count)
		return -EEXIST;
	if (append->expected != SERVICE_ANYWHERE && append->expected > log->count)
		return -ENXIO;
	return 1;
}

static int append_op(struct service *service, struct service_append *append, const void *data, const uint32_t *sizes,
                     uint32_t count)
{
	struct far *far = far_of(service);
	struct far_log *log = &far->world->log;
	const unsigned char *record = data;
	if (far->append_refusal != 0)
		return far->append_refusal;
	log->appends++;
	far->appends_asked++;
	append->count = count;
	append->status = far->failures > 0 ? far->append_failure : 0;
	if (far->failures > 0)
		far->failures--;
	else if (!far->forgetful) {
		int rc = decide(far, append, count);
		append->status = rc < 0 ? rc : 0;
		for (uint32_t i = 0; rc == 1 && i < count; record += record == NULL ? 0 : sizes[i], i++)
			far_add(far->world, record, sizes[i]);
		if (rc == 1)
			note(log, append);
	}
	assert(far->append_count < FAR_HELD_MAX);
	far->appends[far->append_count++] = append;
	soon(far);
	return SERVICE_PENDING;
}

static void ready_op(struct service *service)
{
}

/* ---- Commands ---- */

static void open_session(struct far_log *log, struct service_command *command)
{
	struct far_session *session = &log->sessions[log->session_count++ % FAR_SESSIONS_MAX];
	*session = (struct far_session){0};
	session->id = command->value = 1000 + log->session_count;
	session->key = command->session_key;
}

static int command_op(struct service *service, struct service_command *command)
{
	struct far *far = far_of(service);
	struct far_log *log = &far->world->log;
	far->commands_asked++;
	command->status = far->command_failure;
	command->value = log->count;
	if (command->status == 0 && command->kind == SERVICE_OPEN_SESSION)
		open_session(log, command);
	if (command->status == 0 && command->kind == SERVICE_TRIM)
		log->first = command->offset;
	if (command->status == 0 && command->kind == SERVICE_SET) {
		snprintf(log->key, sizeof log->key, "%s", command->key);
		memcpy(log->value, command->setting, command->setting_size);
		log->value_size = command->setting_size;
		log->settings_entry++;
	}
	assert(far->command_count < FAR_HELD_MAX);
	far->commands[far->command_count++] = command;
	soon(far);
	return SERVICE_PENDING;
}

/* ---- Reads ---- */

static uint64_t end_of(const struct far *far)
{
	const uint64_t count = far->world->log.count;
	return count < far->behind ? 0 : count - far->behind;
}

static int find_stream(const struct far *far, struct service_read *read)
{
	const struct far_log *log = &far->world->log;
	uint64_t position = 0;
	for (uint64_t i = 0; i < end_of(far); position += log->records[i++].size) {
		if (read->position >= position + log->records[i].size)
			continue;
		/* No more than of one record. */
		const uint64_t skip = read->position - position, left = log->records[i].size - skip;
		read->data = log->records[i].data + skip;
		read->data_size = (uint32_t)(left < read->size ? left : read->size);
		return 0;
	}
	return 0;
}

static int find(const struct far *far, struct service_read *read)
{
	const struct far_log *log = &far->world->log;
	if (read->kind == SERVICE_STREAM)
		return find_stream(far, read);
	if (read->offset < log->first)
		return -ESTALE;
	if (read->offset >= end_of(far))
		return -ENOENT;
	const uint32_t size = log->records[read->offset].size;
	read->record = (struct service_record){
		.offset = read->offset, .entry = read->offset + 7, .term = 3, .time_ns = 5, .size = size};
	read->data = read->kind == SERVICE_RECORD ? log->records[read->offset].data : NULL;
	read->data_size = read->kind == SERVICE_RECORD ? size : 0;
	return 0;
}

static int read_op(struct service *service, struct service_read *read)
{
	struct far *far = far_of(service);
	far->reads_asked++;
	read->status = far->read_failure != 0 ? far->read_failure : find(far, read);
	assert(far->read_count < FAR_HELD_MAX);
	far->reads[far->read_count++] = read;
	soon(far);
	return SERVICE_PENDING;
}

static void read_end_op(struct service *service, struct service_read *read)
{
}

/* ---- Asking ---- */

static uint64_t stream_end(const struct far *far)
{
	uint64_t end = 0;
	for (uint64_t i = 0; i < end_of(far); i++)
		end += far->world->log.records[i].size;
	return end;
}

static void state_op(struct service *service, struct service_state *state)
{
	const struct far *far = far_of(service);
	const struct far_log *log = &far->world->log;
	*state = (struct service_state){.first_offset = log->first,
	                                .next_offset = end_of(far),
	                                .stream_end = stream_end(far),
	                                .term = log->term,
	                                .commit = end_of(far) + 7,
	                                .self = far->id,
	                                .leader = log->leader,
	                                .settings_known = true,
	                                .settings_entry = log->settings_entry};
}

static size_t members_op(struct service *service, struct service_member *members, size_t capacity)
{
	const struct far_world *world = far_of(service)->world;
	for (size_t i = 0; i < world->count && i < capacity; i++) {
		members[i] = (struct service_member){
			.id = world->servers[i].id,
			.state = world->servers[i].id == world->log.leader ? SERVICE_LEADER : SERVICE_FOLLOWER};
		snprintf(members[i].name, sizeof members[i].name, "n%zu", i + 1);
	}
	return world->count;
}

static const char *rpc_address_op(struct service *service, uint64_t member)
{
	return far_of(service)->world->servers[member - 1].address;
}

static size_t settings_op(struct service *service, struct service_setting *settings, size_t capacity)
{
	const struct far_log *log = &far_of(service)->world->log;
	if (log->value_size > 0 && capacity > 0)
		settings[0] = (struct service_setting){.key = log->key, .value = log->value, .size = log->value_size};
	return log->value_size > 0 ? 1 : 0;
}

const struct service_ops far_ops = {.append = append_op,
                                    .ready = ready_op,
                                    .read = read_op,
                                    .read_end = read_end_op,
                                    .state = state_op,
                                    .members = members_op,
                                    .rpc_address = rpc_address_op,
                                    .settings = settings_op,
                                    .command = command_op};

/* ---- Answers ---- */

void far_answer(struct far *far)
{
	for (; far->append_count > 0;) {
		struct service_append *append = far->appends[0];
		memmove(far->appends, far->appends + 1, --far->append_count * sizeof far->appends[0]);
		append->cb(append, append->arg);
	}
	for (; far->command_count > 0;) {
		struct service_command *command = far->commands[0];
		memmove(far->commands, far->commands + 1, --far->command_count * sizeof far->commands[0]);
		command->cb(command, command->arg);
	}
	for (; far->read_count > 0;) {
		struct service_read *read = far->reads[0];
		memmove(far->reads, far->reads + 1, --far->read_count * sizeof far->reads[0]);
		read->cb(read, read->arg);
	}
}

static void on_turn(uv_timer_t *timer)
{
	struct far *far = timer->data;
	if (far->mute)
		return;
	far_answer(far);
	far_tell(far->world);
}

static void soon(struct far *far)
{
	uv_timer_start(&far->turn, on_turn, 0, 0);
}

void far_tell(struct far_world *world)
{
	for (size_t i = 0; i < world->count; i++)
		if (!world->servers[i].mute)
			service_tell_more(&world->servers[i].service);
}

void far_speak(struct far *far)
{
	far->mute = far->forgetful = false;
	soon(far);
}
