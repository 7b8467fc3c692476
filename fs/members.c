#include "fs/private.h"

#include <errno.h>
#include <string.h>

int member_by_id(struct fs *fs, uint64_t id, struct service_member *member)
{
	struct service_member members[SERVICE_MEMBERS_MAX];
	size_t count = service_members(fs->service, members, SERVICE_MEMBERS_MAX);
	for (size_t i = 0; i < count && i < SERVICE_MEMBERS_MAX; i++)
		if (members[i].id == id) {
			*member = members[i];
			return 0;
		}
	return -ENOENT;
}

int member_by_name(struct fs *fs, const char *name, struct service_member *member)
{
	struct service_member members[SERVICE_MEMBERS_MAX];
	size_t count = service_members(fs->service, members, SERVICE_MEMBERS_MAX);
	for (size_t i = 0; i < count && i < SERVICE_MEMBERS_MAX; i++)
		if (strcmp(members[i].name, name) == 0) {
			*member = members[i];
			return 0;
		}
	return -ENOENT;
}
