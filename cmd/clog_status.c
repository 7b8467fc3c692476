/* The log and the cluster, as a server knows them. */
#include "cmd/clog.h"
#include "cmd/members_text.h"
#include "cmd/output.h"
#include "cmd/remote.h"
#include "error/error.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct option long_options[] = {{NULL, 0, NULL, 0}};

static const char *name_of(const struct service_member *members, size_t count, uint64_t id)
{
	for (size_t i = 0; i < count; i++)
		if (members[i].id == id && id != 0)
			return members[i].name;
	return "-";
}

static int print(struct remote *remote, struct clog_error *err)
{
	struct service_member members[SERVICE_MEMBERS_MAX];
	struct service_state state;
	service_state(remote->service, &state);
	const size_t count = service_members(remote->service, members, SERVICE_MEMBERS_MAX);
	int status = output_print(
		err,
		"server   %s\nleader   %s\nfirst    %" PRIu64 "\nnext     %" PRIu64 "\nbytes    %" PRIu64
		"\nterm     %" PRIu64 "\ncommit   %" PRIu64 "\nhealth   %s%s\n\n",
		name_of(members, count, state.self), name_of(members, count, state.leader), state.first_offset,
		state.next_offset, state.stream_end - state.stream_begin, state.term, state.commit,
		state.failure != 0  ? "appends have stopped there: "
		: state.removed     ? "that member is in the cluster no more"
		: state.leader == 0 ? "there is no leader"
				    : "ok",
		state.failure != 0 ? strerror(-state.failure) : "");
	if (status == CLOG_OK)
		status = members_text_print(remote, err);
	if (status == CLOG_OK)
		status = output_flush(err);
	return status;
}

int clog_status(const struct target *target, int argc, char *argv[], struct clog_error *err)
{
	optind = 0;
	const int found = getopt_long(argc, argv, ":", long_options, NULL);
	if (found != -1)
		return clog_refuse_option(found, argv, err);
	if (optind < argc)
		return clog_refuse(err, "'%s' is one word too many", argv[optind]);
	struct remote remote;
	int status = remote_open(&remote, target, 1, err);
	if (status != CLOG_OK)
		return status;
	status = print(&remote, err);
	remote_close(&remote);
	return status;
}
