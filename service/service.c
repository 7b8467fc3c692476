#include "service/service.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static int begin_append(struct service *service, struct service_append *append, const void *data, const uint32_t *sizes,
                        uint32_t count)
{
	if (count == 0 || count > SERVICE_BATCH_COUNT_MAX)
		return -EINVAL;
	for (uint32_t i = 0; i < count; i++)
		if (sizes[i] > SERVICE_RECORD_SIZE_MAX)
			return -EMSGSIZE;
	return service->ops->append(service, append, data, sizes, count);
}

int service_append_at(struct service *service, struct service_append *append, uint64_t expected, const void *data,
                      const uint32_t *sizes, uint32_t count, service_append_cb cb, void *arg)
{
	*append = (struct service_append){.expected = expected, .cb = cb, .arg = arg};
	return begin_append(service, append, data, sizes, count);
}

int service_append_under(struct service *service, struct service_append *append, const struct service_session *session,
                         uint64_t sequence, uint64_t expected, const void *data, const uint32_t *sizes, uint32_t count,
                         service_append_cb cb, void *arg)
{
	if (session->id == 0 || session->key == 0 || sequence == 0 || sequence > UINT64_MAX - count)
		return -EINVAL;
	*append = (struct service_append){.expected = expected,
	                                  .session = session->id,
	                                  .session_key = session->key,
	                                  .sequence = sequence,
	                                  .cb = cb,
	                                  .arg = arg};
	return begin_append(service, append, data, sizes, count);
}

int service_append(struct service *service, struct service_append *append, const void *data, const uint32_t *sizes,
                   uint32_t count, service_append_cb cb, void *arg)
{
	return service_append_at(service, append, SERVICE_ANYWHERE, data, sizes, count, cb, arg);
}

bool service_is_key(const char *key, size_t size)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-";
	if (size == 0 || size >= SERVICE_KEY_SIZE)
		return false;
	for (size_t i = 0; i < size; i++)
		if (memchr(letters, key[i], sizeof letters - 1) == NULL)
			return false;
	return true;
}

int service_command(struct service *service, struct service_command *command, service_command_cb cb, void *arg)
{
	if (command->kind == SERVICE_SET && !service_is_key(command->key, strlen(command->key)))
		return -EINVAL;
	if (command->kind == SERVICE_SET && command->setting_size > SERVICE_VALUE_SIZE_MAX)
		return -EMSGSIZE;
	if (command->kind == SERVICE_OPEN_SESSION && command->session_key == 0)
		return -EINVAL;
	command->status = 0;
	command->value = 0;
	command->cb = cb;
	command->arg = arg;
	return service->ops->command(service, command);
}

void service_ready(struct service *service, void (*cb)(void *arg), void *arg)
{
	assert(service->ready_count < SERVICE_READY_MAX);
	service->ready[service->ready_count].cb = cb;
	service->ready[service->ready_count++].arg = arg;
	service->ops->ready(service);
}

bool service_awaits_room(const struct service *service)
{
	return service->ready_count > 0;
}

void service_tell_ready(struct service *service)
{
	/* Who is told may ask again at once, or take back what others asked. */
	for (size_t left = service->ready_count; left > 0 && service->ready_count > 0; left--) {
		void (*cb)(void *arg) = service->ready[0].cb;
		void *arg = service->ready[0].arg;
		service->ready_count--;
		memmove(service->ready, service->ready + 1, service->ready_count * sizeof service->ready[0]);
		cb(arg);
	}
}

void service_unready(struct service *service, void (*cb)(void *arg), void *arg)
{
	size_t kept = 0;
	for (size_t i = 0; i < service->ready_count; i++)
		if (service->ready[i].cb != cb || service->ready[i].arg != arg)
			service->ready[kept++] = service->ready[i];
	service->ready_count = kept;
}

void service_watch(struct service *service, struct service_watch *watch, void (*cb)(void *arg), void *arg)
{
	*watch = (struct service_watch){.cb = cb, .arg = arg, .next = service->watches, .place = &service->watches};
	if (watch->next != NULL)
		watch->next->place = &watch->next;
	service->watches = watch;
}

void service_unwatch(struct service *service, struct service_watch *watch)
{
	*watch->place = watch->next;
	if (watch->next != NULL)
		watch->next->place = watch->place;
	if (service->next_watch == watch)
		service->next_watch = watch->next;
}

void service_tell_more(struct service *service)
{
	for (struct service_watch *watch = service->watches; watch != NULL; watch = service->next_watch) {
		service->next_watch = watch->next;
		watch->cb(watch->arg);
	}
}

int service_read(struct service *service, struct service_read *read, service_read_cb cb, void *arg)
{
	assert(read->kind != SERVICE_STREAM || read->size <= SERVICE_READ_SIZE_MAX);
	read->status = 0;
	read->data = NULL;
	read->data_size = 0;
	read->cb = cb;
	read->arg = arg;
	read->state = NULL;
	return service->ops->read(service, read);
}

void service_read_end(struct service *service, struct service_read *read)
{
	service->ops->read_end(service, read);
}

void service_state(struct service *service, struct service_state *state)
{
	service->ops->state(service, state);
}

size_t service_members(struct service *service, struct service_member *members, size_t capacity)
{
	return service->ops->members(service, members, capacity);
}

const char *service_rpc_address(struct service *service, uint64_t member)
{
	return service->ops->rpc_address == NULL ? "" : service->ops->rpc_address(service, member);
}

size_t service_figures(struct service *service, struct service_figure figures[SERVICE_FIGURES_MAX])
{
	struct service_member members[SERVICE_MEMBERS_MAX];
	struct service_state state;
	service_state(service, &state);
	const struct service_figure all[] = {
		{"first_offset", "Lowest offset kept.", (double)state.first_offset},
		{"next_offset", "Offset of the record to come.", (double)state.next_offset},
		{"stream_bytes", "Bytes of the records kept.", (double)(state.stream_end - state.stream_begin)},
		{"commit_entry", "Last entry known to be committed.", (double)state.commit},
		{"term", "Term of Raft.", (double)state.term},
		{"is_leader", "1 where this member is the leader.", state.leader != 0 && state.leader == state.self},
		{"members", "Members of the cluster.", (double)service_members(service, members, SERVICE_MEMBERS_MAX)},
		{"failed", "1 where a failure stopped appends.", state.failure != 0},
		{"start_time_seconds", "When this member started, in seconds since 1970.",
	         (double)state.start_ns / 1e9},
	};
	_Static_assert(sizeof all / sizeof all[0] <= SERVICE_FIGURES_MAX, "there is room for all");
	memcpy(figures, all, sizeof all);
	return sizeof all / sizeof all[0];
}

size_t service_settings(struct service *service, struct service_setting *settings, size_t capacity)
{
	return service->ops->settings == NULL ? 0 : service->ops->settings(service, settings, capacity);
}

const char *service_role_name(enum service_role role)
{
	static const char *const names[] = {
		[SERVICE_VOTER] = "voter", [SERVICE_STANDBY] = "standby", [SERVICE_SPARE] = "spare"};
	return names[role];
}

const char *service_member_state_name(enum service_member_state state)
{
	static const char *const names[] = {[SERVICE_LEADER] = "leader",
	                                    [SERVICE_FOLLOWER] = "follower",
	                                    [SERVICE_CANDIDATE] = "candidate",
	                                    [SERVICE_UNREACHABLE] = "unreachable"};
	return names[state];
}
