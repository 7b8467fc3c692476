/* numbers: the session that appends go under. It is opened when it is needed, and a new one when it has ended. */
#include "client/private.h"

#include "proto/clog.pb-c.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static void done(struct task *task, int status);

static const struct task_kind kind = {
	.exchange = {.path = "/clog.v1.Clog/OpenSession", .answer_size_max = 1024, .ended = task_ended},
	.leader = true,
	.done = done};

static uint64_t session_of(const struct task *task)
{
	const unsigned char *data;
	size_t size;
	if (exchange_answer(&task->exchange, &data, &size) != 0)
		return 0;
	Clog__V1__OpenSessionResponse *response = clog__v1__open_session_response__unpack(NULL, size, data);
	const uint64_t session = response == NULL ? 0 : response->session;
	clog__v1__open_session_response__free_unpacked(response, NULL);
	return session;
}

static void done(struct task *task, int status)
{
	struct client *client = task->exchange.client;
	struct numbers *numbers = &client->numbers;
	numbers->opening = false;
	numbers->session = status == 0 ? session_of(task) : 0;
	if (status == 0 && numbers->session == 0)
		status = -EPROTO;
	numbers->next_sequence = 1;
	numbers->next_ordinal = 0;
	/* Where it is not known, or nobody could be reached, what waits goes on waiting until its own time is over. */
	if (status != 0 && status != -EHOSTUNREACH && status != -ETIMEDOUT && status != -ECONNABORTED)
		batches_refuse(client, status);
	client_soon(client);
}

void numbers_open(struct client *client)
{
	struct numbers *numbers = &client->numbers;
	Clog__V1__OpenSessionRequest request = CLOG__V1__OPEN_SESSION_REQUEST__INIT;
	if (numbers->opening || numbers->session != 0)
		return;
	if (getrandom(&numbers->key, sizeof numbers->key, 0) != sizeof numbers->key || numbers->key == 0) {
		client_say(client, NULL, "the kernel gives no random bits");
		batches_refuse(client, -EAGAIN);
		return;
	}
	request.key = numbers->key;
	const size_t size = clog__v1__open_session_request__pack(&request, numbers->body + CLIENT_HEAD_SIZE);
	exchange_head(numbers->body, size);
	numbers->task.body = numbers->body;
	numbers->task.body_size = CLIENT_HEAD_SIZE + size;
	numbers->task.deadline_ms = 0;
	numbers->opening = true;
	task_begin(&numbers->task, client, &kind);
}
