#include "tests/fs/fake_service.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define AWAIT_S 20

static struct fake *fake_of(struct service *service)
{
	return (struct fake *)((char *)service - offsetof(struct fake, service));
}

static void lock(struct fake *fake)
{
	int rc = pthread_mutex_lock(&fake->lock);
	assert(rc == 0);
}

static void unlock(struct fake *fake)
{
	pthread_cond_broadcast(&fake->changed);
	pthread_mutex_unlock(&fake->lock);
}

static void add(struct fake *fake, const void *data, uint32_t size)
{
	assert(fake->count < FAKE_RECORDS_MAX && fake->bytes_size + size <= FAKE_BYTES_MAX);
	fake->records[fake->count++] = (struct fake_record){.position = fake->bytes_size, .size = size};
	memcpy(fake->bytes + fake->bytes_size, data, size);
	fake->bytes_size += size;
}

static uint64_t position_of(const struct fake *fake, uint64_t offset)
{
	return offset < fake->count ? fake->records[offset].position : fake->bytes_size;
}

/* ---- Appends ---- */

static void hold(struct fake *fake, struct fake_held held)
{
	assert(fake->held_count < FAKE_HELD_MAX);
	fake->held[fake->held_count++] = held;
	if (fake->answers != FAKE_HELD || (held.command != NULL && !fake->commands_held))
		uv_async_send(&fake->turn);
}

static int append(struct service *service, struct service_append *append, const void *data, const uint32_t *sizes,
                  uint32_t count)
{
	struct fake *fake = fake_of(service);
	const char *record = data;
	int rc = SERVICE_PENDING;
	lock(fake);
	if (fake->full > 0) {
		fake->full--;
		rc = -EAGAIN;
	} else if (fake->append_refusal != 0) {
		rc = fake->append_refusal;
	} else if (append->expected != SERVICE_ANYWHERE)
		append->status = append->expected < fake->count ? -EEXIST : append->expected > fake->count ? -ENXIO : 0;
	if (rc != SERVICE_PENDING) {
		fake->last_refused_count = count;
		unlock(fake);
		return rc;
	}
	append->first_offset = fake->count;
	append->count = count;
	fake->batches++;
	fake->last_count = count;
	if (fake->append_failure != 0 && fake->batches > fake->fail_from)
		append->status = fake->append_failure;
	for (uint32_t i = 0; i < count && append->status == 0; i++) {
		add(fake, record, sizes[i]);
		record += sizes[i];
	}
	hold(fake, (struct fake_held){.append = append});
	unlock(fake);
	return rc;
}

static void ready(struct service *service)
{
	struct fake *fake = fake_of(service);
	lock(fake);
	fake->ready_asked = true;
	unlock(fake);
}

/* ---- Commands ---- */

static int command(struct service *service, struct service_command *command)
{
	struct fake *fake = fake_of(service);
	lock(fake);
	if (fake->command_refusal != 0) {
		unlock(fake);
		return fake->command_refusal;
	}
	fake->commands++;
	fake->last_command = *command;
	command->status = fake->command_failure;
	command->value = fake->end != 0 ? fake->end : fake->count;
	if (command->status == 0 && command->kind == SERVICE_TRIM)
		fake->first = command->offset;
	if (command->status == 0 && command->kind == SERVICE_RETAIN) {
		fake->retain_bytes = command->bytes;
		fake->retain_ns = command->time_ns;
	}
	if (command->status == 0 && command->kind == SERVICE_SET) {
		snprintf(fake->setting_key, sizeof fake->setting_key, "%s", command->key);
		fake->setting_size = command->setting_size;
		if (command->setting_size > 0)
			memcpy(fake->setting, command->setting, command->setting_size);
	}
	hold(fake, (struct fake_held){.command = command});
	unlock(fake);
	return SERVICE_PENDING;
}

/* ---- Reads ---- */

static int find(const struct fake *fake, struct service_read *read)
{
	if (read->offset < fake->first)
		return -ESTALE;
	if (read->offset >= fake->count)
		return -ENOENT;
	const struct fake_record *record = &fake->records[read->offset];
	read->record = (struct service_record){
		.offset = read->offset, .time_ns = FAKE_TIME_NS + read->offset * 1000000000u, .size = record->size};
	if (read->kind == SERVICE_RECORD) {
		read->data = fake->bytes + record->position;
		read->data_size = record->size;
	}
	return 0;
}

static int find_stream(const struct fake *fake, struct service_read *read)
{
	if (read->position < position_of(fake, fake->first))
		return -ESTALE;
	if (fake->stream_bad != 0 && read->position >= fake->stream_bad)
		return -EIO;
	uint64_t left = fake->bytes_size - read->position, size = read->size < left ? read->size : left;
	if (fake->stream_step != 0 && size > fake->stream_step - read->position % fake->stream_step)
		size = fake->stream_step - read->position % fake->stream_step;
	read->data = fake->bytes + read->position;
	read->data_size = (uint32_t)size;
	return 0;
}

static int read_(struct service *service, struct service_read *read)
{
	struct fake *fake = fake_of(service);
	int rc = SERVICE_DONE;
	lock(fake);
	fake->reads++;
	read->state = malloc(1); /* so that a read that is not ended shows as a leak */
	read->status = read->kind == SERVICE_STREAM ? find_stream(fake, read) : find(fake, read);
	if (fake->read_failure != 0)
		read->status = fake->read_failure;
	if (fake->read_refusal != 0) {
		free(read->state);
		rc = fake->read_refusal;
	} else if (fake->answers != FAKE_AT_ONCE) {
		hold(fake, (struct fake_held){.read = read});
		rc = SERVICE_PENDING;
	}
	unlock(fake);
	return rc;
}

static void read_end(struct service *service, struct service_read *read)
{
	(void)service;
	free(read->state);
}

/* ---- Asking ---- */

static void state(struct service *service, struct service_state *state)
{
	struct fake *fake = fake_of(service);
	lock(fake);
	*state = (struct service_state){
		.first_offset = fake->first,
		.next_offset = fake->pretended != 0 ? fake->pretended : fake->count,
		.stream_begin = position_of(fake, fake->first),
		.stream_end = fake->bytes_size,
		.time_ns = fake->count == 0 ? 0 : FAKE_TIME_NS + (fake->count - 1) * 1000000000u,
		.start_ns = FAKE_START_NS,
		.term = fake->term,
		.commit = fake->commit,
		.self = 7,
		.leader = fake->leader,
		.retain_bytes = fake->retain_bytes,
		.retain_ns = fake->retain_ns,
		.removed = fake->removed,
		.settings_known = !fake->settings_unknown,
		.failure = fake->failure,
	};
	unlock(fake);
}

static size_t members(struct service *service, struct service_member *members, size_t capacity)
{
	struct fake *fake = fake_of(service);
	lock(fake);
	size_t count = fake->member_count;
	memcpy(members, fake->members, (count < capacity ? count : capacity) * sizeof *members);
	unlock(fake);
	return count;
}

static size_t settings(struct service *service, struct service_setting *all, size_t capacity)
{
	struct fake *fake = fake_of(service);
	lock(fake);
	const size_t count = fake->setting_size > 0;
	if (count > 0 && capacity > 0)
		all[0] = (struct service_setting){fake->setting_key, fake->setting, fake->setting_size};
	unlock(fake);
	return count;
}

static const struct service_ops ops = {.append = append,
                                       .ready = ready,
                                       .read = read_,
                                       .read_end = read_end,
                                       .state = state,
                                       .members = members,
                                       .settings = settings,
                                       .command = command};

/* ---- The fake itself ---- */

struct fake *fake_create(void)
{
	pthread_mutexattr_t mutex;
	pthread_condattr_t cond;
	struct fake *fake = mmap(NULL, sizeof *fake, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE,
	                         -1, 0);
	if (fake == MAP_FAILED)
		return NULL;
	pthread_mutexattr_init(&mutex);
	pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&fake->lock, &mutex);
	pthread_mutexattr_destroy(&mutex);
	pthread_condattr_init(&cond);
	pthread_condattr_setpshared(&cond, PTHREAD_PROCESS_SHARED);
	pthread_condattr_setclock(&cond, CLOCK_MONOTONIC);
	pthread_cond_init(&fake->changed, &cond);
	pthread_condattr_destroy(&cond);
	fake->service.ops = &ops;
	fake->leader = 7;
	fake->term = 3;
	fake->commit = 41;
	fake->member_count = 1;
	fake->members[0] = (struct service_member){
		.id = 7, .role = SERVICE_VOTER, .state = SERVICE_LEADER, .match = 41};
	snprintf(fake->members[0].name, sizeof fake->members[0].name, "one");
	return fake;
}

void fake_destroy(struct fake *fake)
{
	munmap(fake, sizeof *fake);
}

void fake_add(struct fake *fake, const void *data, uint32_t size)
{
	lock(fake);
	add(fake, data, size);
	unlock(fake);
}

bool fake_has(struct fake *fake, uint64_t offset, const void *data, size_t size)
{
	lock(fake);
	bool has = offset < fake->count && fake->records[offset].size == size &&
	           memcmp(fake->bytes + fake->records[offset].position, data, size) == 0;
	unlock(fake);
	return has;
}

bool fake_await(struct fake *fake, bool (*holds)(const struct fake *fake))
{
	struct timespec deadline;
	clock_gettime(CLOCK_MONOTONIC, &deadline);
	deadline.tv_sec += AWAIT_S;
	int rc = 0;
	lock(fake);
	while (!holds(fake) && rc == 0)
		rc = pthread_cond_timedwait(&fake->changed, &fake->lock, &deadline);
	bool held = holds(fake);
	pthread_mutex_unlock(&fake->lock);
	return held;
}

/* Takes the first that is held, or the first command. False when there is none. */
static bool take(struct fake *fake, bool commands, struct fake_held *held)
{
	uint32_t i = 0;
	lock(fake);
	while (commands && i < fake->held_count && fake->held[i].command == NULL)
		i++;
	bool found = i < fake->held_count;
	if (found) {
		*held = fake->held[i];
		memmove(fake->held + i, fake->held + i + 1, (--fake->held_count - i) * sizeof *held);
	}
	unlock(fake);
	return found;
}

/* Answers what has come so far, in order; all, or the commands alone. */
static void answer(struct fake *fake, bool commands)
{
	struct fake_held held;
	while (take(fake, commands, &held)) {
		if (held.append != NULL)
			held.append->cb(held.append, held.append->arg);
		else if (held.command != NULL)
			held.command->cb(held.command, held.command->arg);
		else
			held.read->cb(held.read, held.read->arg);
	}
}

static void turned(uv_async_t *turn)
{
	struct fake *fake = turn->data;
	uint64_t told = fake->told;
	if (fake->answers != FAKE_HELD || !fake->commands_held)
		answer(fake, fake->answers == FAKE_HELD);
	fake->told = fake->count;
	if (fake->told != told)
		service_tell_more(&fake->service);
}

void fake_start(struct fake *fake, struct uv_loop_s *loop)
{
	uv_async_init(loop, &fake->turn, turned);
	fake->turn.data = fake;
}

void fake_stop(struct fake *fake)
{
	uv_close((uv_handle_t *)&fake->turn, NULL);
}

void fake_release(struct fake *fake)
{
	lock(fake);
	fake->answers = FAKE_AT_ONCE;
	fake->commands_held = false;
	unlock(fake);
	answer(fake, false);
}

void fake_call_ready(struct fake *fake)
{
	if (!fake->ready_asked)
		return;
	fake->ready_asked = false;
	service_tell_ready(&fake->service);
}
