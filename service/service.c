#include "service/service.h"

#include <assert.h>
#include <errno.h>

int service_append_at(struct service *service, struct service_append *append, uint64_t expected, const void *data,
                      const uint32_t *sizes, uint32_t count, service_append_cb cb, void *arg)
{
	if (count == 0 || count > SERVICE_BATCH_COUNT_MAX)
		return -EINVAL;
	for (uint32_t i = 0; i < count; i++)
		if (sizes[i] > SERVICE_RECORD_SIZE_MAX)
			return -EMSGSIZE;
	*append = (struct service_append){.expected = expected, .cb = cb, .arg = arg};
	return service->ops->append(service, append, data, sizes, count);
}

int service_append(struct service *service, struct service_append *append, const void *data, const uint32_t *sizes,
                   uint32_t count, service_append_cb cb, void *arg)
{
	return service_append_at(service, append, SERVICE_ANYWHERE, data, sizes, count, cb, arg);
}

int service_command(struct service *service, struct service_command *command, service_command_cb cb, void *arg)
{
	command->status = 0;
	command->value = 0;
	command->cb = cb;
	command->arg = arg;
	return service->ops->command(service, command);
}

void service_ready(struct service *service, void (*cb)(void *arg), void *arg)
{
	service->ops->ready(service, cb, arg);
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
