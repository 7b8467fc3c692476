/* write: what writes and the ends of lines go by, to the file of their kind or to wait for room. */
#include "fs/private.h"

#include <errno.h>
#include <fcntl.h>

int write_try(struct fs *fs, const struct write *write)
{
	if (write->data == NULL)
		return lines_end(fs, write);
	switch (node_kind(write->node)) {
	case NODE_APPEND:
		return append_write(fs, write);
	case NODE_LINES:
		return lines_write(fs, write);
	default:
		return claim_write(fs, write);
	}
}

/* Whether it may wait: a close that failed for a full queue would lose its line. */
static bool waits(const struct write *write)
{
	return write->data == NULL || !(write->file.flags & O_NONBLOCK);
}

static bool leaderless(const struct fs *fs)
{
	struct service_state state;
	service_state(fs->service, &state);
	return state.leader == 0;
}

void write_start(struct fs *fs, const struct write *write)
{
	/* One after the other: a later write may continue an earlier one's line. And without a leader there is nothing
	 * but to wait for one. */
	bool must_wait = fs->deferred != NULL || (!waits(write) && leaderless(fs));
	int rc = must_wait ? -EAGAIN : write_try(fs, write);
	if (rc == -EAGAIN && waits(write))
		defer_start(fs, write);
	else if (rc != 0)
		reply_error(write->req, rc);
}
