#include "fs/private.h"

#include <errno.h>
#include <stdlib.h>

static void command_answered(struct service_command *service_command, void *arg)
{
	struct command *command = arg;
	struct fs *fs = command->pending.fs;
	command->answered(command, pending_end(&command->pending), service_command->status);
	free(command);
	session_answered(fs);
}

void command_start(struct command *command, struct fs *fs, fuse_req_t req)
{
	int rc = -ESHUTDOWN;
	if (!fs->draining)
		rc = service_command(fs->service, &command->command, command_answered, command);
	if (rc < 0) {
		command->answered(command, req, rc);
		free(command);
		return;
	}
	session_wait(fs);
	pending_start(&command->pending, fs, req);
}
