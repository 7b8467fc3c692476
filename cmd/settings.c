#include "cmd/settings.h"

#include "client/client.h"
#include "cmd/clog.h"
#include "cmd/remote.h"
#include "error/error.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

struct question {
	int (*cb)(void *arg, const struct service_setting *settings, size_t count, struct clog_error *err);
	void *arg;
	struct clog_error *err;
	int rc;     /* of the call */
	int status; /* of cb */
	bool done;
};

static void take_settings(void *arg, int status, const struct service_setting *settings, size_t count)
{
	struct question *const question = arg;
	question->rc = status;
	if (status == 0)
		question->status = question->cb(question->arg, settings, count, question->err);
	question->done = true;
}

int settings_read(struct remote *remote,
                  int (*cb)(void *arg, const struct service_setting *settings, size_t count, struct clog_error *err),
                  void *arg, struct clog_error *err)
{
	struct question question = {.cb = cb, .arg = arg, .err = err};
	uv_update_time(&remote->loop);
	question.rc = client_settings(remote->clients[0], take_settings, &question);
	if (question.rc == 0)
		remote_wait(remote, &question.done);
	if (question.rc == 0)
		return question.status;
	return remote_fail(remote, question.rc, "the cluster's settings cannot be read", err);
}

int settings_write(struct remote *remote, const char *key, const void *value, size_t size, struct clog_error *err)
{
	struct service_command command = {.kind = SERVICE_SET, .key = key, .setting = value, .setting_size = size};
	const int status = remote_command(remote, &command);
	if (status == 0)
		return CLOG_OK;
	if (status == -ENOSPC) {
		clog_error_set(err, status,
		               "nothing was changed: there is no room for more settings (%u in all, of %u bytes)",
		               SERVICE_SETTINGS_MAX, SERVICE_SETTINGS_SIZE_MAX);
		return CLOG_FAILED;
	}
	return remote_fail(remote, status, remote_unknown(status) ? "it may yet come about" : "nothing was changed",
	                   err);
}

const struct service_setting *settings_find(const struct service_setting *settings, size_t count, const char *key)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(settings[i].key, key) == 0)
			return &settings[i];
	return NULL;
}
