#include "cmd/members_text.h"

#include "cmd/clog.h"
#include "cmd/output.h"
#include "cmd/remote.h"
#include "error/error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int members_text_print(struct remote *remote, struct clog_error *err)
{
	struct service_member members[SERVICE_MEMBERS_MAX];
	const size_t count = service_members(remote->service, members, SERVICE_MEMBERS_MAX);
	int status = output_print(err, MEMBERS_TEXT_FORMAT, "NAME", "ADDRESS", "ROLE", "STATE", "MATCH", "LAG", "ID");
	for (size_t i = 0; i < count && i < SERVICE_MEMBERS_MAX && status == CLOG_OK; i++) {
		const struct service_member *const member = &members[i];
		char match[24], lag[24], id[24];
		snprintf(match, sizeof match, "%" PRIu64, member->match);
		snprintf(lag, sizeof lag, "%" PRIu64, member->lag);
		snprintf(id, sizeof id, "%" PRIu64, member->id);
		status = output_print(
			err, MEMBERS_TEXT_FORMAT, member->name, member->address[0] != '\0' ? member->address : "-",
			service_role_name(member->role), service_member_state_name(member->state), match, lag, id);
	}
	return status;
}

int members_text_list(const struct target *target, struct clog_error *err)
{
	struct remote remote;
	int status = remote_open(&remote, target, 1, err);
	if (status != CLOG_OK)
		return status;
	status = members_text_print(&remote, err);
	if (status == CLOG_OK)
		status = output_flush(err);
	remote_close(&remote);
	return status;
}

static int find_member(struct remote *remote, const char *name, uint64_t *id)
{
	struct service_member members[SERVICE_MEMBERS_MAX];
	const size_t count = service_members(remote->service, members, SERVICE_MEMBERS_MAX);
	for (size_t i = 0; i < count && i < SERVICE_MEMBERS_MAX; i++)
		if (strcmp(members[i].name, name) == 0) {
			*id = members[i].id;
			return 0;
		}
	return -ENOENT;
}

static void set_up(struct service_command *command, const char *role)
{
	command->kind = role == NULL ? SERVICE_REMOVE : SERVICE_SET_ROLE;
	if (role == NULL)
		return;
	if (strcmp(role, "leader") == 0)
		command->kind = SERVICE_TRANSFER;
	for (unsigned value = SERVICE_VOTER; value <= SERVICE_SPARE; value++)
		if (strcmp(role, service_role_name((enum service_role)value)) == 0)
			command->role = (enum service_role)value;
}

static int explain(const struct remote *remote, int status, const char *name, struct clog_error *err)
{
	char what[192];
	const char *meaning = NULL;
	if (status == -ENOENT)
		meaning = "there is no such member";
	else if (status == -EBUSY)
		meaning = "another change of the members is under way, or the cluster cannot be without this one";
	else if (status == -ENOSPC)
		meaning = "there are as many voters as there can be";
	if (meaning != NULL) {
		clog_error_set(err, status, "%s: %s", name, meaning);
		return CLOG_FAILED;
	}
	snprintf(what, sizeof what, "%s: %s", name,
	         remote_unknown(status) ? "it may yet come about" : "nothing was changed");
	return remote_fail(remote, status, what, err);
}

int members_text_change(const struct target *target, const char *name, const char *role, struct clog_error *err)
{
	struct remote remote;
	struct service_command command = {0};
	const int opened = remote_open(&remote, target, 1, err);
	if (opened != CLOG_OK)
		return opened;
	set_up(&command, role);
	int status = find_member(&remote, name, &command.member);
	if (status == 0)
		status = remote_command(&remote, &command);
	const int result = status == 0 ? CLOG_OK : explain(&remote, status, name, err);
	remote_close(&remote);
	return result;
}
