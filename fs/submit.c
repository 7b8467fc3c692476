#include "fs/private.h"

#include <errno.h>
#include <stdlib.h>

bool submit_refused(int status)
{
	return status != 0 && status != -ETIMEDOUT && status != -ECONNABORTED;
}

static void append_answered(struct service_append *append, void *arg)
{
	struct submit *submit = arg;
	struct fs *fs = submit->pending.fs;
	struct handle *handle = submit->handle;
	submit->answered(submit, pending_end(&submit->pending), append->status);
	free(submit);
	handle_destroy(handle);
	session_answered(fs);
}

int submit_start(struct submit *submit, struct fs *fs, fuse_req_t req, const void *data, const uint32_t *sizes,
                 uint32_t count)
{
	if (fs->draining)
		return -ESHUTDOWN;
	int rc = service_append_at(fs->service, &submit->append, submit->expected, data, sizes, count, append_answered,
	                           submit);
	if (rc < 0)
		return rc;
	session_wait(fs);
	handle_keep(submit->handle);
	pending_start(&submit->pending, fs, req);
	return 0;
}
