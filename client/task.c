/* task: a call that is made at one server after the other, until one has answered it or its time is over.
 *
 * What a server refused, it did not do: another may be asked. What was sent and is not answered may have been done: it is
 * sent again where that does no harm, and in the end nobody knows (doubtful), unless an answer says so. */
#include "client/private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void add(struct task *task)
{
	struct client *client = task->exchange.client;
	task->next = NULL;
	task->place = client->tasks_last;
	*client->tasks_last = task;
	client->tasks_last = &task->next;
	client->task_count++;
}

static void leave(struct task *task)
{
	struct client *client = task->exchange.client;
	if (task->place == NULL)
		return;
	*task->place = task->next;
	if (task->next != NULL)
		task->next->place = task->place;
	else
		client->tasks_last = task->place;
	task->place = NULL;
	client->task_count--;
}

void task_begin(struct task *task, struct client *client, const struct task_kind *kind)
{
	task->kind = kind;
	task->exchange.client = client;
	task->again_ms = task->wait_ms = 0;
	task->doubtful = false;
	task->error = 0;
	task->damaged = 0;
	if (task->deadline_ms == 0)
		task->deadline_ms = client_now(client) + client->deadline_ms;
	add(task);
	client_soon(client);
}

void task_cancel(struct task *task)
{
	if (task->place == NULL)
		return;
	exchange_cancel(&task->exchange);
	leave(task);
}

static void finish(struct task *task, int status)
{
	leave(task);
	task->kind->done(task, status);
}

/* It will not be answered any more. */
static void give_up(struct task *task)
{
	if (!task->kind->reads && exchange_active(&task->exchange) && exchange_sent(&task->exchange))
		task->doubtful = true;
	exchange_cancel(&task->exchange);
	finish(task, task->doubtful ? -ETIMEDOUT : task->error == -EIO ? -EIO : -EHOSTUNREACH);
}

/* ---- Its end at one server ---- */

/* Whether another server, or the same one later, may do what one has refused. */
static bool may_pass(int error)
{
	return error == -EHOSTUNREACH || error == -ESHUTDOWN || error == -EAGAIN || error == -ENOMEM;
}

/* Whether it may have been done, all the same. */
static bool is_unknown(const struct task *task, const struct outcome *outcome, int error)
{
	if (task->kind->reads || outcome->untouched || !exchange_sent(&task->exchange))
		return false;
	if (outcome->broken)
		return true;
	return task->kind->ordered ? outcome->appended != OUTCOME_REFUSED
	                           : error == -ETIMEDOUT || error == -ECONNABORTED;
}

static void say(struct task *task, int error)
{
	struct client *client = task->exchange.client;
	const struct outcome *outcome = &task->exchange.outcome;
	char sentence[OUTCOME_MESSAGE_SIZE + 32];
	struct server *server = NULL;
	for (size_t i = 0; i < client->roster.count; i++)
		if (client->roster.servers[i]->serial == task->asked)
			server = client->roster.servers[i];
	if (outcome->message[0] != '\0')
		snprintf(sentence, sizeof sentence, "%s", outcome->message);
	else if (outcome->http != 0 && outcome->http != 200)
		snprintf(sentence, sizeof sentence, "no gRPC is served there (HTTP's status is %d)", outcome->http);
	else
		snprintf(sentence, sizeof sentence, "%s", strerror(-error));
	client_say(client, server, sentence);
}

static void again(struct task *task, bool at_once)
{
	struct client *client = task->exchange.client;
	uint64_t wait_ms = client_wait(client, &task->wait_ms, CLIENT_AGAIN_MIN_MS, CLIENT_AGAIN_MAX_MS);
	task->again_ms = client_now(client) + (at_once ? 0 : wait_ms);
	client_soon(client);
}

/* What an answer that is the last one comes to. One that was sent before may have been done at the time, or may yet be: only
 * that an offset is taken can be relied on, for it stays so, and the session would have known of a record of ours. */
static int settled(const struct task *task, bool unknown, int error)
{
	if (unknown || (task->doubtful && task->kind->ordered && error != -EEXIST))
		return -ETIMEDOUT;
	return error;
}

void task_ended(struct exchange *exchange)
{
	struct task *task = (struct task *)exchange;
	const struct outcome *outcome = &exchange->outcome;
	const unsigned char *data;
	size_t size;
	int error = outcome_error(outcome);
	if (error == 0 && exchange_answer(exchange, &data, &size) != 0)
		error = -EPROTO;
	if (error == 0) {
		finish(task, 0);
		return;
	}
	say(task, error);
	task->error = error;
	const bool unknown = is_unknown(task, outcome, error);
	task->doubtful = task->doubtful || unknown;
	if (task->kind->reads && error == -EIO && ++task->damaged < exchange->client->roster.count)
		again(task, true);
	else if (unknown && !task->kind->once)
		again(task, outcome->broken && task->wait_ms == 0);
	else if (!unknown && (outcome->broken || may_pass(error) || (task->kind->reads && error == -ETIMEDOUT)))
		again(task, outcome->broken && task->wait_ms == 0);
	else
		finish(task, settled(task, unknown, error));
}

/* ---- Turns ---- */

static void start(struct task *task)
{
	struct client *client = task->exchange.client;
	const uint64_t now_ms = client_now(client);
	struct server *server = roster_pick(client, task->kind->leader, task->error != 0 ? task->asked : 0);
	if (server == NULL)
		return;
	if (task->kind->prepare != NULL)
		task->kind->prepare(task);
	task->asked = server->serial;
	int rc = exchange_start(&task->exchange, &task->kind->exchange, server, task->body, task->body_size,
	                        task->deadline_ms > now_ms ? task->deadline_ms - now_ms : 1);
	if (rc != 0)
		again(task, false);
}

void tasks_turn(struct client *client)
{
	const uint64_t now_ms = client_now(client);
	bool held = false;
	for (struct task *task = client->tasks; task != NULL; task = task->next) {
		const bool active = exchange_active(&task->exchange);
		if (!active && now_ms >= task->again_ms && !(task->kind->ordered && held))
			start(task);
		if (task->kind->ordered && !(exchange_active(&task->exchange) && exchange_sent(&task->exchange)))
			held = true;
	}
}

/* Whether there is another server to ask. */
static bool has_other(struct client *client, uint64_t asked)
{
	for (size_t i = 0; i < client->roster.count; i++)
		if (client->roster.servers[i]->serial != asked && server_open(client->roster.servers[i]))
			return true;
	return false;
}

/* One that does not answer for long: another may. */
static void turn_away(struct task *task)
{
	struct exchange *exchange = &task->exchange;
	if (task->kind->once || exchange->server == NULL || !has_other(exchange->client, task->asked))
		return;
	if (!task->kind->reads && exchange_sent(exchange))
		task->doubtful = true;
	exchange_cancel(exchange);
	task->error = -ETIMEDOUT;
	again(task, true);
}

void tasks_tick(struct client *client, uint64_t now_ms)
{
	/* Who is told may begin others, and end any. */
	for (struct task *task = client->tasks; task != NULL;) {
		struct task *next = task->next;
		if (now_ms >= task->deadline_ms) {
			give_up(task);
			next = client->tasks;
		}
		task = next;
	}
	for (struct task *task = client->tasks; task != NULL; task = task->next)
		if (exchange_active(&task->exchange) && now_ms > task->exchange.begun_ms + CLIENT_TRY_MS)
			turn_away(task);
}

void tasks_end(struct client *client)
{
	while (client->tasks != NULL) {
		struct task *task = client->tasks;
		const bool sent = task->doubtful ||
		                  (exchange_active(&task->exchange) && exchange_sent(&task->exchange));
		exchange_cancel(&task->exchange);
		finish(task, sent ? -ECONNABORTED : -ESHUTDOWN);
	}
}
