#include "fs/private.h"

#include <errno.h>
#include <stdlib.h>

static void end(struct submit *submit, int status)
{
	struct fs *fs = submit->fs;
	submit->answered(submit, status);
	free(submit);
	session_answered(fs);
}

static void append_answered(struct service_append *append, void *arg)
{
	end(arg, append->status);
}

static void resume(void *arg);

static void submit_try(struct submit *submit)
{
	struct fs *fs = submit->fs;
	int rc = -ESHUTDOWN;
	if (!fs->draining)
		rc = service_append(fs->service, &submit->append, submit->data, submit->sizes, submit->count,
		                    append_answered, submit);
	if (rc == -EAGAIN && submit->wait) {
		session_stall(fs, submit);
		service_ready(fs->service, resume, fs);
	} else if (rc < 0) {
		end(submit, rc);
	} else if (submit->taken != NULL) {
		submit->taken(submit);
	}
}

static void resume(void *arg)
{
	struct fs *fs = arg;
	struct submit *submit = fs->stalled;
	fs->stalled = NULL;
	submit_try(submit);
	if (fs->stalled == NULL)
		session_resume(fs);
}

void submit_start(struct submit *submit)
{
	session_wait(submit->fs);
	submit_try(submit);
}
