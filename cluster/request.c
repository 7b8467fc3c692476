/* What is asked of the leader besides appends: the end of the log, control commands, changes of the members. A member
 * keeps its users' commands until they are answered, and asks the leader, and the next leader, again: all but handing
 * leadership over may be done twice without harm. */
#include "cluster/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SETTING_OVERHEAD 128u /* bytes of a frame besides its one item */
#define AT_THE_END UINT64_MAX /* a promised value: where the log ends when it is told */

static struct cluster *of(struct service *service)
{
	return (struct cluster *)service;
}

/* ---- This member's users ---- */

int command_op(struct service *service, struct service_command *command)
{
	struct cluster *cluster = of(service);
	if (!cluster->started || cluster->stopping || cluster->failure != 0)
		return -ESHUTDOWN;
	if (cluster->command_count >= COMMANDS_MAX)
		return -EAGAIN;
	command->deadline = cluster_now(cluster) + cluster->deadline_ms;
	command->number = 0;
	command->entry = 0;
	command->sent = false;
	command->wait = cluster->election_ms;
	command->next = cluster->commands;
	cluster->commands = command;
	cluster->command_count++;
	cluster->host->wake_soon(cluster->host);
	return SERVICE_PENDING;
}

static void answer_command(struct cluster *cluster, struct service_command **at, int status, uint64_t value)
{
	struct service_command *command = *at;
	*at = command->next;
	cluster->command_count--;
	command->status = status;
	command->value = value;
	command->cb(command, command->arg);
}

/* The leader has decided; the answer is given once this member has got there too. */
static bool decide_command(struct cluster *cluster, const struct message_result *result)
{
	for (struct service_command **at = &cluster->commands; *at != NULL; at = &(*at)->next) {
		struct service_command *command = *at;
		if (command->number != result->number || !command->sent)
			continue;
		if (result->status == 0 && result->entry > cluster->applied.entry && !cluster_detached(cluster)) {
			command->entry = result->entry;
			command->value = result->value;
			cluster->host->wake_soon(cluster->host);
		} else {
			answer_command(cluster, at, result->status, result->value);
		}
		return true;
	}
	return false;
}

static void answer_applied(struct cluster *cluster)
{
	struct service_command **at = &cluster->commands;
	while (*at != NULL) {
		struct service_command *command = *at;
		if (command->entry != 0 && (command->entry <= cluster->applied.entry || cluster_detached(cluster))) {
			answer_command(cluster, at, 0, command->value);
			/* The callback may have given another one. */
			at = &cluster->commands;
		} else {
			at = &command->next;
		}
	}
}

static enum message_change change_of(const struct service_command *command)
{
	static const enum message_change changes[] = {
		[SERVICE_VOTER] = CHANGE_VOTER, [SERVICE_STANDBY] = CHANGE_STANDBY, [SERVICE_SPARE] = CHANGE_SPARE};
	if (command->kind == SERVICE_REMOVE)
		return CHANGE_REMOVE;
	return command->kind == SERVICE_TRANSFER ? CHANGE_TRANSFER : changes[command->role];
}

static void make_message(struct cluster *cluster, const struct service_command *command, struct message *message,
                         unsigned char code[CONTROL_SIZE_MAX])
{
	struct control control = {.type = CONTROL_TRIM, .offset = command->offset};
	*message = (struct message){.term = cluster->spare ? cluster->spare_term : core_term(cluster->core),
	                            .from = cluster->identity.id};
	message->request = (struct message_request){
		.number = command->number, .member = command->member, .expected = MESSAGE_ANYWHERE};
	switch (command->kind) {
	case SERVICE_END:
		message->type = MESSAGE_END;
		return;
	case SERVICE_RETAIN:
		control = (struct control){
			.type = CONTROL_RETAIN, .retain_bytes = command->bytes, .retain_ns = command->time_ns};
		break;
	case SERVICE_SET:
		control = (struct control){.type = CONTROL_SETTING,
		                           .key = command->key,
		                           .key_size = strlen(command->key),
		                           .value = command->setting,
		                           .value_size = command->setting_size};
		break;
	case SERVICE_OPEN_SESSION:
		control = (struct control){.type = CONTROL_SESSION, .session_key = command->session_key};
		break;
	case SERVICE_TRIM:
		break;
	default:
		message->type = MESSAGE_CHANGE;
		message->request.change = change_of(command);
		return;
	}
	message->type = MESSAGE_CONTROL;
	message->size = control_encode(&control, code);
	message->data = code;
}

/* ---- The leader ---- */

void request_answer(struct cluster *cluster, uint64_t origin, const struct message_result *result)
{
	if (origin == 0) {
		request_result(cluster, result);
		return;
	}
	struct message message = {.type = MESSAGE_RESULT, .term = core_term(cluster->core), .result = *result};
	if (result->status == 0)
		message.result.entry_term = log_term(cluster->log, result->entry);
	peer_send(cluster, origin, &message);
}

static void refuse(struct cluster *cluster, uint64_t origin, uint64_t number, int status)
{
	const struct message_result result = {.number = number, .status = status};
	request_answer(cluster, origin, &result);
}

static void promise(struct cluster *cluster, const struct request *promised)
{
	struct request *request = cluster->request_count < REQUESTS_MAX ? malloc(sizeof *request) : NULL;
	/* What is forgotten is asked again. */
	if (request == NULL)
		return;
	*request = *promised;
	request->next = cluster->requests;
	cluster->requests = request;
	cluster->request_count++;
	cluster->host->wake_soon(cluster->host);
}

void request_promise(struct cluster *cluster, uint64_t origin, uint64_t number, uint64_t value, uint64_t entry)
{
	const struct request request = {.origin = origin, .number = number, .value = value, .entry = entry};
	promise(cluster, &request);
}

/* Whether a change of the settings can be proposed. One that waited in a queue could undo what came after it was given
 * again: only those of this term are taken, and those are in order. */
static int admit_setting(struct cluster *cluster, const struct message *message, const struct control *control)
{
	uint32_t size = (uint32_t)message->size + SETTING_OVERHEAD;
	int rc = settings_fit(cluster->machine.settings, control);
	if (rc != 0)
		return rc;
	if (message->term != core_term(cluster->core) || force_under_way(cluster) >= SETTINGS_MAX)
		return -EHOSTUNREACH;
	/* What trims must find room behind it: here, and where records find none any more. */
	if (!members_full(cluster))
		cluster->full_size = 0;
	else if (cluster->full_size + size > SETTINGS_SIZE)
		return -ENOSPC;
	else
		cluster->full_size += size;
	if (log_room(cluster->log, size + COMMANDS_SIZE) != -ENOSPC)
		return 0;
	chore_retry(cluster);
	return -ENOSPC;
}

static int take_control(struct cluster *cluster, const struct message *message, uint64_t *entry)
{
	struct control control;
	struct log_tail tail;
	if (control_decode(message->data, message->size, &control) != 0)
		return -EINVAL;
	log_tail(cluster->log, &tail);
	if (control.type == CONTROL_TRIM && control.offset > tail.next_offset)
		return -EINVAL;
	int rc = control.type == CONTROL_SETTING ? admit_setting(cluster, message, &control) : 0;
	if (rc == 0)
		rc = entries_propose(cluster, LOG_CONTROL, message->data, message->size);
	if (rc == 0)
		*entry = tail.entry + 1;
	return rc;
}

/* Whether it was asked already, and is answered once its entry is applied. */
static bool is_promised(const struct cluster *cluster, uint64_t origin, uint64_t number)
{
	for (const struct request *request = cluster->requests; request != NULL; request = request->next)
		if (request->origin == origin && request->number == number)
			return true;
	return false;
}

/* Does what is asked, as the leader. origin: 0 for this member's own. */
static void take(struct cluster *cluster, uint64_t origin, const struct message *message)
{
	uint64_t number = message->request.number, entry = 0;
	int rc;
	if (is_promised(cluster, origin, number))
		return;
	switch (message->type) {
	case MESSAGE_END:
		echo_ask(cluster, origin, number);
		return;
	case MESSAGE_CONTROL:
		rc = take_control(cluster, message, &entry);
		break;
	case MESSAGE_JOIN:
		rc = member_join(cluster, message, &entry);
		break;
	default:
		rc = member_change(cluster, message->request.member, message->request.change, &entry);
		break;
	}
	/* It leads no more, or not for long: the next leader is asked. */
	if (rc == -EHOSTUNREACH)
		return;
	if (rc == -ENOMEM || rc == -ENOTRECOVERABLE)
		cluster_check(cluster, rc, "an entry could not be proposed");
	else if (rc != 0)
		refuse(cluster, origin, number, rc);
	else
		request_promise(cluster, origin, number, message->type == MESSAGE_CONTROL ? entry : 0, entry);
}

void request_receive(struct cluster *cluster, const struct message *message)
{
	if (cluster_ready(cluster) && !cluster->stopping)
		take(cluster, message->from, message);
}

/* What was promised and has come to pass is answered. */
static void keep_promises(struct cluster *cluster)
{
	struct request *kept = NULL;
	for (struct request **at = &cluster->requests; *at != NULL;) {
		struct request *request = *at;
		if (request->entry > cluster->applied.entry) {
			at = &request->next;
			continue;
		}
		*at = request->next;
		request->next = kept;
		kept = request;
	}
	while (kept != NULL) {
		struct request *request = kept;
		kept = request->next;
		const struct message_result result = {
			.number = request->number,
			.status = request->status,
			.value = request->value == AT_THE_END ? cluster->applied.next_offset : request->value,
			.entry = request->value == AT_THE_END ? cluster->applied.entry : request->entry};
		cluster->request_count--;
		request_answer(cluster, request->origin, &result);
		free(request);
	}
}

/* ---- Both ---- */

/* The member's own session is opened under the number that its wish has. */
void request_session(struct cluster *cluster)
{
	cluster->session.wanted = true;
}

static void open_session(struct cluster *cluster)
{
	const struct control control = {.type = CONTROL_SESSION};
	unsigned char code[CONTROL_SIZE];
	if (!cluster->session.wanted || cluster->session.asked || cluster->leader == 0 ||
	    (cluster_leads(cluster) && !cluster_ready(cluster)))
		return;
	/* Asked again it keeps its number: one that is slow is opened once. */
	if (cluster->session.number == 0)
		cluster->session.number = ++cluster->number;
	cluster->session.asked = true;
	control_encode(&control, code);
	const struct message message = {.type = MESSAGE_CONTROL,
	                                .term = core_term(cluster->core),
	                                .request = {.number = cluster->session.number, .expected = MESSAGE_ANYWHERE},
	                                .data = code,
	                                .size = sizeof code};
	if (cluster_leads(cluster))
		take(cluster, 0, &message);
	else
		peer_send(cluster, cluster->leader, &message);
}

static bool session_result(struct cluster *cluster, const struct message_result *result)
{
	struct session *session = &cluster->session;
	if (session->number == 0 || result->number != session->number)
		return false;
	session->number = 0;
	if (result->status == 0) {
		session->wanted = session->asked = false;
		session->id = result->value;
		session->next_sequence = 1;
		cluster->host->wake_soon(cluster->host);
	}
	return true;
}

/* The answer tells of a commit before the next heartbeat does. */
static void learn_commit(struct cluster *cluster, const struct message_result *result)
{
	struct log_tail tail;
	log_tail(cluster->log, &tail);
	if (result->status == 0 && result->entry > cluster->commit && result->entry <= tail.entry &&
	    result->entry_term != 0 && log_term(cluster->log, result->entry) == result->entry_term)
		cluster->commit = result->entry;
}

void request_result(struct cluster *cluster, const struct message_result *result)
{
	learn_commit(cluster, result);
	if (!join_result(cluster, result) && !session_result(cluster, result) && !forward_result(cluster, result))
		decide_command(cluster, result);
}

static void send_commands(struct cluster *cluster)
{
	unsigned char code[CONTROL_SIZE_MAX];
	struct message message;
	bool here = cluster_ready(cluster);
	if (!here && (cluster->leader == 0 || cluster->leader == cluster->identity.id))
		return;
	for (struct service_command *command = cluster->commands; command != NULL; command = command->next) {
		if (command->sent)
			continue;
		command->sent = true;
		command->again = cluster_now(cluster) + command->wait;
		command->wait = (uint64_t)2 * cluster->election_ms;
		command->number = ++cluster->number;
		make_message(cluster, command, &message, code);
		if (!here) {
			peer_send(cluster, cluster->leader, &message);
			continue;
		}
		take(cluster, 0, &message);
		/* It may have been answered, and its neighbours with it: the rest is for the next turn. */
		cluster->host->wake_soon(cluster->host);
		return;
	}
}

void request_advance(struct cluster *cluster)
{
	keep_promises(cluster);
	answer_applied(cluster);
	open_session(cluster);
	send_commands(cluster);
}

void request_repeat(struct cluster *cluster, uint64_t now_ms)
{
	cluster->session.asked = false;
	for (struct service_command *command = cluster->commands; command != NULL; command = command->next) {
		if (command->entry != 0 || command->kind == SERVICE_TRANSFER || now_ms < command->again)
			continue;
		command->sent = false;
		if (now_ms == UINT64_MAX)
			command->wait = cluster->election_ms;
	}
}

/* Handing leadership over has come about when the leader leads no more. */
static void keep_transfers(struct cluster *cluster)
{
	for (struct request *request = cluster->requests; request != NULL; request = request->next)
		if (request->entry == UINT64_MAX)
			request->entry = 0;
	keep_promises(cluster);
}

void request_leader_changed(struct cluster *cluster, bool led)
{
	if (led) {
		keep_transfers(cluster);
		while (cluster->requests != NULL) {
			struct request *request = cluster->requests;
			cluster->requests = request->next;
			cluster->request_count--;
			free(request);
		}
		echo_forget(cluster);
	}
	request_repeat(cluster, UINT64_MAX);
}

void request_expire(struct cluster *cluster, uint64_t now_ms)
{
	struct service_command **at = &cluster->commands;
	while (*at != NULL) {
		struct service_command *command = *at;
		if (now_ms < command->deadline) {
			at = &command->next;
			continue;
		}
		bool harmless = command->number == 0 || command->kind == SERVICE_END;
		answer_command(cluster, at, harmless ? -EHOSTUNREACH : -ETIMEDOUT, 0);
		at = &cluster->commands;
	}
}

static void free_requests(struct request **list)
{
	while (*list != NULL) {
		struct request *request = *list;
		*list = request->next;
		free(request);
	}
}

void request_fail(struct cluster *cluster, int status)
{
	while (cluster->commands != NULL)
		answer_command(cluster, &cluster->commands, status, 0);
	free_requests(&cluster->requests);
	cluster->request_count = 0;
}

void request_finish(struct cluster *cluster)
{
	free_requests(&cluster->requests);
	free_requests(&cluster->echo.asking);
	free_requests(&cluster->echo.next);
}

bool request_idle(const struct cluster *cluster)
{
	return cluster->commands == NULL;
}
