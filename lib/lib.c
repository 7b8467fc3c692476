/* lib: calls that wait, over a client on a loop of their own, which runs while one of them waits. */
#include "lib/clog.h"

#include "client/client.h"
#include "error/error.h"
#include "service/service.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

_Static_assert(CLOG_RECORD_SIZE_MAX == SERVICE_RECORD_SIZE_MAX, "what is told is true");
_Static_assert(CLOG_SENTENCE_SIZE == CLOG_ERROR_TEXT_SIZE, "a sentence fits");

struct clog_log {
	uv_loop_t loop;
	uv_timer_t timer;
	struct client *client;
	struct service *service;
	struct service_read read; /* the last one, whose bytes the caller may still look at */
	bool read_open;
	bool done, late;
	int status;
	char sentence[CLOG_SENTENCE_SIZE];
};

/* ---- Signals ---- */

/* A connection that is gone gives SIGPIPE, of which the process shall not know. It is kept from this thread during a call, and
 * what came then is taken off, unless one waited before. */
struct signals {
	sigset_t before;
	bool waited;
};

static void pipe_alone(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGPIPE);
}

static void begin_signals(struct signals *signals)
{
	sigset_t pending, set;
	pipe_alone(&set);
	sigpending(&pending);
	signals->waited = sigismember(&pending, SIGPIPE) == 1;
	pthread_sigmask(SIG_BLOCK, &set, &signals->before);
}

static void end_signals(const struct signals *signals)
{
	const struct timespec now = {0};
	sigset_t set;
	pipe_alone(&set);
	while (!signals->waited && sigtimedwait(&set, NULL, &now) < 0 && errno == EINTR)
		;
	pthread_sigmask(SIG_SETMASK, &signals->before, NULL);
}

/* ---- The loop ---- */

static void give_back(struct clog_log *log)
{
	if (log->read_open)
		service_read_end(log->service, &log->read);
	log->read_open = false;
}

/* Begins a call. */
static void enter(struct clog_log *log, struct signals *signals)
{
	begin_signals(signals);
	uv_update_time(&log->loop);
	give_back(log);
	log->done = log->late = false;
	log->sentence[0] = '\0';
}

static void wait_done(struct clog_log *log)
{
	while (!log->done)
		uv_run(&log->loop, UV_RUN_ONCE);
}

/* Ends a call. Gives its status. */
static int leave(struct clog_log *log, const struct signals *signals, int status)
{
	if (status != 0 && log->client != NULL)
		snprintf(log->sentence, sizeof log->sentence, "%s", client_sentence(log->client));
	end_signals(signals);
	return status;
}

/* ---- Open and close ---- */

static void take_ready(void *arg, int status, const char *sentence)
{
	struct clog_log *const log = arg;
	log->status = status;
	if (status != 0)
		snprintf(log->sentence, sizeof log->sentence, "%s", sentence);
	log->done = true;
}

static void take_closed(void *arg)
{
	struct clog_log *const log = arg;
	log->done = true;
}

static int open_client(struct clog_log *log, const struct clog_options *options)
{
	const struct client_options told = {.servers = options->servers,
	                                    .tls_folder = options->tls_folder,
	                                    .token_file = options->token_file,
	                                    .deadline_ms = options->deadline_ms};
	struct clog_error err = {0};
	const int status = client_open(&log->client, &log->loop, &told, &err);
	if (status != 0) {
		log->client = NULL;
		memcpy(log->sentence, err.text, sizeof log->sentence);
		return status;
	}
	log->service = client_service(log->client);
	client_ready(log->client, take_ready, log);
	wait_done(log);
	return log->status;
}

static void close_all(struct clog_log *log)
{
	give_back(log);
	log->done = log->client == NULL;
	if (log->client != NULL)
		client_close(log->client, take_closed, log);
	wait_done(log);
	uv_close((uv_handle_t *)&log->timer, NULL);
	uv_run(&log->loop, UV_RUN_DEFAULT);
	uv_loop_close(&log->loop);
}

int clog_open(struct clog_log **log, const struct clog_options *options, char sentence[CLOG_SENTENCE_SIZE])
{
	struct signals signals;
	struct clog_log *const made = calloc(1, sizeof *made);
	int status = made == NULL ? -ENOMEM : options->servers == NULL ? -EINVAL : uv_loop_init(&made->loop);
	if (sentence != NULL)
		snprintf(sentence, CLOG_SENTENCE_SIZE, "%s",
		         status == -EINVAL ? "no server is named" : strerror(-status));
	if (status != 0) {
		free(made);
		return status;
	}
	begin_signals(&signals);
	uv_timer_init(&made->loop, &made->timer);
	made->timer.data = made;
	status = open_client(made, options);
	if (status != 0) {
		if (sentence != NULL)
			memcpy(sentence, made->sentence, CLOG_SENTENCE_SIZE);
		close_all(made);
		free(made);
	} else {
		*log = made; /* is the caller's now */
	}
	end_signals(&signals);
	return status;
}

void clog_close(struct clog_log *log)
{
	struct signals signals;
	if (log == NULL)
		return;
	begin_signals(&signals);
	close_all(log);
	end_signals(&signals);
	free(log);
}

const char *clog_sentence(const struct clog_log *log)
{
	return log->sentence;
}

int clog_unknown(int error)
{
	return error == -ETIMEDOUT || error == -ECONNABORTED;
}

/* ---- Append ---- */

static void take_append(struct service_append *append, void *arg)
{
	struct clog_log *const log = arg;
	log->status = append->status;
	log->done = true;
}

static void take_room(void *arg)
{
	struct clog_log *const log = arg;
	log->done = true;
}

static int append(struct clog_log *log, uint64_t expected, const void *data, const uint32_t *sizes, uint32_t count,
                  uint64_t *first_offset)
{
	struct service_append append;
	struct signals signals;
	int status;
	enter(log, &signals);
	while ((status = service_append_at(log->service, &append, expected, data, sizes, count, take_append, log)) ==
	       -EAGAIN) {
		service_ready(log->service, take_room, log);
		wait_done(log);
		log->done = false;
	}
	if (status == 0) {
		wait_done(log);
		status = log->status;
	}
	if (status == 0 && first_offset != NULL)
		*first_offset = append.first_offset;
	return leave(log, &signals, status);
}

int clog_append_at(struct clog_log *log, uint64_t expected, const void *data, size_t size)
{
	const uint32_t size_32 = (uint32_t)size;
	log->sentence[0] = '\0';
	if (size > CLOG_RECORD_SIZE_MAX)
		return -EMSGSIZE;
	if (expected == SERVICE_ANYWHERE)
		return -ENXIO;
	return append(log, expected, data, &size_32, 1, NULL);
}

int clog_append(struct clog_log *log, const void *data, size_t size, uint64_t *offset)
{
	const uint32_t size_32 = (uint32_t)size;
	log->sentence[0] = '\0';
	if (size > CLOG_RECORD_SIZE_MAX)
		return -EMSGSIZE;
	return append(log, SERVICE_ANYWHERE, data, &size_32, 1, offset);
}

int clog_append_many(struct clog_log *log, const struct clog_bytes *records, size_t count, uint64_t *first_offset)
{
	size_t total = 0, used = 0;
	log->sentence[0] = '\0';
	if (count == 0 || count > CLOG_BATCH_COUNT_MAX)
		return -EINVAL;
	const size_t most = count == 1 ? CLOG_RECORD_SIZE_MAX : CLOG_BATCH_SIZE_MAX;
	for (size_t i = 0; i < count; total += records[i++].size)
		if (records[i].size > most - total)
			return -EMSGSIZE;
	uint32_t *const sizes = malloc(count * sizeof sizes[0] + total); /* the bytes lie behind the sizes */
	if (sizes == NULL)
		return -ENOMEM;
	char *const data = (char *)(sizes + count);
	for (size_t i = 0; i < count; used += records[i++].size) {
		sizes[i] = (uint32_t)records[i].size;
		if (sizes[i] > 0)
			memcpy(data + used, records[i].data, sizes[i]);
	}
	const int status = append(log, SERVICE_ANYWHERE, data, sizes, (uint32_t)count, first_offset);
	free(sizes);
	return status;
}

/* ---- Read ---- */

static void take_read(struct service_read *read, void *arg)
{
	struct clog_log *const log = arg;
	(void)read;
	log->done = true;
}

/* Asks for a record, whose bytes stay until the next call. */
static int read_one(struct clog_log *log, uint64_t offset, struct clog_record *record)
{
	log->done = false;
	log->read = (struct service_read){.kind = SERVICE_RECORD, .offset = offset};
	const int status = service_read(log->service, &log->read, take_read, log);
	if (status < 0)
		return status;
	log->read_open = true;
	if (status == SERVICE_PENDING)
		wait_done(log);
	if (log->read.status != 0)
		return log->read.status;
	*record = (struct clog_record){.offset = offset,
	                               .term = log->read.record.term,
	                               .time_ns = log->read.record.time_ns,
	                               .data = log->read.data,
	                               .size = log->read.data_size};
	return 0;
}

int clog_read(struct clog_log *log, uint64_t offset, struct clog_record *record)
{
	struct signals signals;
	enter(log, &signals);
	return leave(log, &signals, read_one(log, offset, record));
}

static void take_time(uv_timer_t *timer)
{
	struct clog_log *const log = timer->data;
	log->done = log->late = true;
	uv_stop(&log->loop); /* timers come before the loop waits, and it would */
}

static void take_more(void *arg)
{
	struct clog_log *const log = arg;
	log->done = true;
}

/* Waits until the state says that the record is there. */
static int await(struct clog_log *log, uint64_t offset, int timeout_ms)
{
	struct service_watch watch;
	struct service_state state;
	if (timeout_ms >= 0)
		uv_timer_start(&log->timer, take_time, (uint64_t)timeout_ms, 0);
	service_watch(log->service, &watch, take_more, log);
	for (service_state(log->service, &state); state.next_offset <= offset && !log->late;) {
		log->done = false;
		wait_done(log);
		service_state(log->service, &state);
	}
	service_unwatch(log->service, &watch);
	uv_timer_stop(&log->timer);
	return state.next_offset > offset ? 0 : -EAGAIN;
}

int clog_next(struct clog_log *log, uint64_t *offset, int timeout_ms, struct clog_record *record)
{
	struct signals signals;
	struct service_state state;
	enter(log, &signals);
	int status = await(log, *offset, timeout_ms);
	if (status == 0)
		status = read_one(log, *offset, record);
	service_state(log->service, &state);
	if (status == -ESTALE && state.first_offset > *offset)
		*offset = state.first_offset;
	else if (status == 0)
		++*offset;
	return leave(log, &signals, status);
}

static void take_command(struct service_command *command, void *arg)
{
	struct clog_log *const log = arg;
	(void)command;
	log->done = true;
}

int clog_ends(struct clog_log *log, uint64_t *first_offset, uint64_t *next_offset)
{
	struct service_command command = {.kind = SERVICE_END};
	struct service_state state;
	struct signals signals;
	enter(log, &signals);
	int status = service_command(log->service, &command, take_command, log);
	if (status == 0) {
		wait_done(log);
		status = command.status;
	}
	service_state(log->service, &state);
	if (status == 0 && first_offset != NULL)
		*first_offset = state.first_offset;
	if (status == 0 && next_offset != NULL)
		*next_offset = command.value;
	return leave(log, &signals, status);
}
