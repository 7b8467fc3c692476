#include "cmd/remote.h"

#include "client/client.h"
#include "cmd/clog.h"
#include "cmd/output.h"
#include "cmd/target.h"
#include "error/error.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static void take_ready(void *arg, int status, const char *sentence)
{
	struct remote *const remote = arg;
	remote->awaited--;
	if (status == 0 || remote->status != 0)
		return;
	remote->status = status;
	clog_error_set(remote->err, status, "%s", sentence);
}

static void take_closed(void *arg)
{
	struct remote *const remote = arg;
	remote->open--;
}

static int open_clients(struct remote *remote, const struct target *target, size_t count, struct clog_error *err)
{
	const struct client_options options = {
		.servers = target->servers, .tls_folder = target->tls_folder, .token_file = target->token_file};
	for (; remote->count < count; remote->count++) {
		const int status = client_open(&remote->clients[remote->count], &remote->loop, &options, err);
		if (status != 0)
			return status;
		remote->open++;
	}
	for (size_t i = 0; i < count; i++) {
		remote->awaited++;
		client_ready(remote->clients[i], take_ready, remote);
	}
	while (remote->awaited > 0)
		uv_run(&remote->loop, UV_RUN_ONCE);
	return remote->status;
}

int remote_open(struct remote *remote, const struct target *target, size_t count, struct clog_error *err)
{
	assert(count > 0 && count <= REMOTE_CLIENTS_MAX);
	*remote = (struct remote){.err = err};
	int status = uv_loop_init(&remote->loop);
	if (status != 0) {
		clog_error_set(err, status, "the event loop cannot be made: %s", uv_strerror(status));
		return CLOG_FAILED;
	}
	output_ignore_sigpipe();
	status = open_clients(remote, target, count, err);
	if (status == 0) {
		remote->service = client_service(remote->clients[0]);
		return CLOG_OK;
	}
	remote_close(remote);
	return status == -EINVAL ? CLOG_USAGE : CLOG_FAILED;
}

void remote_wait(struct remote *remote, const bool *done)
{
	while (!*done)
		uv_run(&remote->loop, UV_RUN_ONCE);
}

void remote_close(struct remote *remote)
{
	for (size_t i = 0; i < remote->count; i++)
		client_close(remote->clients[i], take_closed, remote);
	while (remote->open > 0)
		uv_run(&remote->loop, UV_RUN_ONCE);
	uv_run(&remote->loop, UV_RUN_DEFAULT);
	const int left = uv_loop_close(&remote->loop);
	assert(left == 0);
	(void)left;
}

static void take_answer(struct service_command *command, void *arg)
{
	(void)command;
	*(bool *)arg = true;
}

int remote_command(struct remote *remote, struct service_command *command)
{
	bool done = false;
	uv_update_time(&remote->loop);
	const int status = service_command(remote->service, command, take_answer, &done);
	if (status != 0)
		return status;
	remote_wait(remote, &done);
	return command->status;
}

bool remote_unknown(int status)
{
	return status == -ETIMEDOUT || status == -ECONNABORTED;
}

const char *remote_meaning(int status)
{
	switch (status) {
	case -EACCES:
		return "it is not permitted";
	case -EHOSTUNREACH:
		return "no server, or no leader, could be reached in time";
	case -ETIMEDOUT:
		return "there was no answer in time";
	case -ECONNABORTED:
		return "the connection ended before there was an answer";
	case -ESHUTDOWN:
		return "the server is stopping, or its disk has failed";
	case -EAGAIN:
		return "too much is under way";
	case -EKEYEXPIRED:
		return "the session has ended";
	case -EIO:
		return "its bytes fail their checksum there";
	default:
		return strerror(-status);
	}
}

int remote_fail(const struct remote *remote, int status, const char *what, struct clog_error *err)
{
	const char *const sentence = client_sentence(remote->clients[0]);
	clog_error_set(err, status, "%s: %s%s%s", what, remote_meaning(status), sentence[0] != '\0' ? ": " : "",
	               sentence);
	return CLOG_FAILED;
}
