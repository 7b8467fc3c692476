/* command: Command and OpenSession of clog.v1.Clog, which are service_command. */
#include "rpc/private.h"

#include "error/error.h"
#include "proto/clog.pb-c.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct command {
	struct service_command command;
	char key[SERVICE_KEY_SIZE];
	void *setting;
	bool only_asks; /* it changes nothing */
	bool waits;     /* the service has it */
};

/* ---- Answers ---- */

static const char *sentence(const struct command *command, int error)
{
	switch (error) {
	case -EINVAL:
		return command->command.kind == SERVICE_TRIM ? "that is past the end of the log"
		                                             : "the command is malformed";
	case -ENOENT:
		return "there is no such member";
	case -ENOSPC:
		return "there is no room for that";
	case -ETIMEDOUT:
		return "not known to be done in time; it may yet be";
	case -ECONNABORTED:
		return "the member failed; it may have been done";
	default:
		return status_sentence(error);
	}
}

static void fail(struct call *call, int error)
{
	const struct command *command = call->state;
	if (!command->only_asks)
		call->outcome = error == -ETIMEDOUT || error == -ECONNABORTED ? "unknown" : "refused";
	call->error = error;
	call_finish(call, error == -ENOENT ? STATUS_NOT_FOUND : status_of(error), sentence(command, error));
}

static void give(struct call *call, uint64_t value)
{
	Clog__V1__CommandResponse response = CLOG__V1__COMMAND_RESPONSE__INIT;
	Clog__V1__OpenSessionResponse session = CLOG__V1__OPEN_SESSION_RESPONSE__INIT;
	response.value = session.session = value;
	call_reply(call, call->method == &command_session ? &session.base : &response.base);
	call_finish(call, STATUS_OK, NULL);
}

static void on_answered(struct service_command *asked, void *arg)
{
	struct call *call = arg;
	struct command *command = call->state;
	command->waits = false;
	if (!call->done && asked->status != 0)
		fail(call, asked->status);
	else if (!call->done)
		give(call, asked->value);
	call_release(call);
}

static void ask(struct call *call)
{
	struct command *command = call->state;
	int rc = service_command(call->rpc->service, &command->command, on_answered, call);
	if (rc < 0) {
		fail(call, rc);
		return;
	}
	command->waits = true;
	call_keep(call);
}

/* ---- The methods ---- */

static int begin(struct call *call)
{
	call->state = calloc(1, sizeof(struct command));
	return call->state == NULL ? -ENOMEM : 0;
}

/* Takes a setting, which is kept until the service has answered. -EINVAL, -EMSGSIZE, -ENOMEM; and then the call is done. */
static int take_setting(struct call *call, const Clog__V1__CommandRequest *request)
{
	struct command *command = call->state;
	const size_t key_size = strlen(request->key), size = request->setting.len;
	if (key_size >= sizeof command->key) {
		call_refuse(call, -EINVAL, "a key has at most 95 bytes");
		return -EINVAL;
	}
	if (size > SERVICE_VALUE_SIZE_MAX) {
		call_refuse(call, -EMSGSIZE, "a setting has at most 32768 bytes");
		return -EMSGSIZE;
	}
	const struct auth_setting setting = {request->key, request->setting.data, size};
	struct clog_error err = {0};
	int rc = auth_setting_check(&setting, &err);
	if (rc != 0) {
		call_refuse(call, rc, err.text);
		return rc;
	}
	memcpy(command->key, request->key, key_size);
	command->command.key = command->key;
	if (size == 0)
		return 0;
	command->setting = malloc(size);
	if (command->setting == NULL) {
		call_fail(call, -ENOMEM);
		return -ENOMEM;
	}
	memcpy(command->setting, request->setting.data, size);
	command->command.setting = command->setting;
	command->command.setting_size = size;
	return 0;
}

static bool message(struct call *call, const void *data, size_t size)
{
	struct command *command = call->state;
	const Clog__V1__CommandRequest *request = arena_unpack(&call->rpc->arena,
	                                                       &clog__v1__command_request__descriptor, data, size);
	if (request == NULL) {
		call_refuse(call, -EINVAL, "this is no CommandRequest");
		return true;
	}
	if (request->kind > SERVICE_SET) {
		call_refuse(call, -EINVAL, "there is no such command");
		return true;
	}
	command->only_asks = request->kind == SERVICE_END;
	if (!allow_action(call, command->only_asks ? AUTH_CONSUME : AUTH_ADMIN))
		return true;
	if (request->role > SERVICE_SPARE) {
		call_refuse(call, -EINVAL, "there is no such role");
		return true;
	}
	command->command.kind = (enum service_command_kind)request->kind;
	command->command.offset = request->offset;
	command->command.bytes = request->bytes;
	command->command.time_ns = request->time_ns;
	command->command.member = request->member;
	command->command.role = (enum service_role)request->role;
	if (take_setting(call, request) == 0)
		ask(call);
	return true;
}

static bool open_session(struct call *call, const void *data, size_t size)
{
	struct command *command = call->state;
	const Clog__V1__OpenSessionRequest *request = arena_unpack(
		&call->rpc->arena, &clog__v1__open_session_request__descriptor, data, size);
	if (request == NULL) {
		call_refuse(call, -EINVAL, "this is no OpenSessionRequest");
		return true;
	}
	if (request->key == 0) {
		call_refuse(call, -EINVAL, "the key of a session is any number but 0");
		return true;
	}
	command->command.kind = SERVICE_OPEN_SESSION;
	command->command.session_key = request->key;
	ask(call);
	return true;
}

/* Of a command that is under way nobody knows what becomes of it. */
static void stop(struct call *call)
{
	const struct command *command = call->state;
	if (call->status == STATUS_OK || call->outcome != NULL || (command != NULL && command->only_asks))
		return;
	call->outcome = command != NULL && command->waits ? "unknown" : "refused";
}

static void finish(struct call *call)
{
	struct command *command = call->state;
	if (command != NULL)
		free(command->setting);
	free(command);
}

const struct method command_any = {.path = "/clog.v1.Clog/Command",
                                   .leave = METHOD_ANY,
                                   .begin = begin,
                                   .message = message,
                                   .stop = stop,
                                   .finish = finish};
const struct method command_session = {.path = "/clog.v1.Clog/OpenSession",
                                       .action = AUTH_PRODUCE,
                                       .begin = begin,
                                       .message = open_session,
                                       .stop = stop,
                                       .finish = finish};
