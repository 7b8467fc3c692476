#include "cmd/load.h"

#include "client/client.h"
#include "cmd/clog.h"
#include "cmd/remote.h"
#include "error/error.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define SECOND_NS 1000000000u
#define PROGRESS_MS 1000u

struct run;

struct request {
	struct run *run;
	struct service *service;
	union {
		struct service_append append;
		struct service_read read;
	};
	uint64_t begun_ns;
	uint32_t size;        /* bytes to append */
	struct request *next; /* idle */
};

struct run {
	struct load *load;
	struct remote *remote;
	struct clog_error *err;
	struct request *requests, *idle;
	char *record;
	uint64_t first, next, offset; /* of records to read */
	uint64_t begin_ns;
	uint64_t made, done, told; /* requests */
	uint32_t outstanding;
	int failure;  /* of the first request that failed */
	bool waiting; /* for room in a queue */
	bool over;
	int alarm; /* a timerfd for when a request is due */
	uv_poll_t due;
	uv_timer_t progress, end;
	size_t handles; /* that are open */
};

static void advance(struct run *run);

static void finish(struct request *request, int status, uint32_t size)
{
	struct run *const run = request->run;
	const uint64_t now_ns = uv_hrtime();
	if (status == 0) {
		histogram_add(&run->load->times_ns, now_ns - request->begun_ns);
		run->load->bytes += size;
		run->load->elapsed_ns = now_ns - run->begin_ns;
		run->done++;
	} else if (run->failure == 0) {
		run->failure = status;
	}
	run->outstanding--;
	request->next = run->idle;
	run->idle = request;
}

static void take_append(struct service_append *append, void *arg)
{
	struct request *const request = arg;
	finish(request, append->status, request->size);
	advance(request->run);
}

static void end_read(struct request *request)
{
	finish(request, request->read.status, request->read.data_size);
	service_read_end(request->service, &request->read);
}

static void take_read(struct service_read *read, void *arg)
{
	struct request *const request = arg;
	(void)read;
	end_read(request);
	advance(request->run);
}

static int begin(struct run *run, struct request *request)
{
	if (!run->load->read) {
		request->size = run->load->size;
		return service_append(request->service, &request->append, run->record, &request->size, 1, take_append,
		                      request);
	}
	request->read = (struct service_read){.kind = SERVICE_RECORD, .offset = run->offset};
	run->offset = run->offset + 1 < run->next ? run->offset + 1 : run->first;
	return service_read(request->service, &request->read, take_read, request);
}

/* When the next request is due; without a rate at once. */
static uint64_t due_ns(const struct run *run)
{
	const uint64_t rate = run->load->rate;
	return run->begin_ns + run->made / rate * SECOND_NS + run->made % rate * SECOND_NS / rate;
}

static bool wanted(const struct run *run, uint64_t now_ns)
{
	const struct load *const load = run->load;
	return run->failure == 0 && !run->waiting && (load->count == 0 || run->made < load->count) &&
	       (load->duration_ns == 0 || now_ns - run->begin_ns < load->duration_ns);
}

static void take_room(void *arg)
{
	struct run *const run = arg;
	run->waiting = false;
	advance(run);
}

/* Makes one request. */
static void make(struct run *run, uint64_t begun_ns)
{
	struct request *const request = run->idle;
	struct client *const client = run->remote->clients[run->made % run->remote->count];
	run->idle = request->next;
	request->service = client_service(client);
	request->begun_ns = begun_ns;
	run->outstanding++;
	const int rc = begin(run, request);
	if (rc == SERVICE_PENDING) {
		run->made++;
	} else if (rc == SERVICE_DONE) {
		run->made++;
		end_read(request);
	} else {
		run->outstanding--;
		request->next = run->idle;
		run->idle = request;
		run->waiting = rc == -EAGAIN;
		run->failure = run->waiting || run->failure != 0 ? run->failure : rc;
		if (run->waiting)
			service_ready(request->service, take_room, run);
	}
}

/* Has the loop woken when the next request is due. */
static void set_alarm(struct run *run, uint64_t at_ns)
{
	const struct itimerspec at = {
		.it_value = {.tv_sec = (time_t)(at_ns / SECOND_NS), .tv_nsec = (long)(at_ns % SECOND_NS)}};
	timerfd_settime(run->alarm, TFD_TIMER_ABSTIME, &at, NULL); /* CLOCK_MONOTONIC, as uv_hrtime's */
}

/* Makes the requests that are due, as far as they may be under way. */
static void advance(struct run *run)
{
	uint64_t now_ns = uv_hrtime();
	uv_update_time(&run->remote->loop);
	while (run->idle != NULL && wanted(run, now_ns)) {
		const uint64_t begun_ns = run->load->rate != 0 ? due_ns(run) : now_ns;
		if (begun_ns > now_ns) {
			set_alarm(run, begun_ns);
			break;
		}
		make(run, begun_ns);
		now_ns = uv_hrtime();
	}
	const bool paused = run->waiting && run->failure == 0;
	const bool more = wanted(run, now_ns) || paused;
	run->over = run->outstanding == 0 && !more;
}

static void take_due(uv_poll_t *poll, int status, int events)
{
	struct run *const run = poll->data;
	uint64_t expirations;
	(void)status;
	(void)events;
	if (read(run->alarm, &expirations, sizeof expirations) > 0)
		advance(run);
}

static void take_end(uv_timer_t *timer)
{
	advance(timer->data);
}

static void take_progress(uv_timer_t *timer)
{
	struct run *const run = timer->data;
	fprintf(stderr, "%" PRIu64 " done, %" PRIu64 "/s, p99 %.3f ms\n", run->done, run->done - run->told,
	        (double)histogram_quantile(&run->load->times_ns, 990000) / 1e6);
	run->told = run->done;
}

static int prepare(struct run *run)
{
	const uint32_t count = run->load->outstanding;
	struct service_state state;
	service_state(run->remote->service, &state);
	run->first = run->offset = state.first_offset;
	run->next = state.next_offset;
	if (run->load->read && run->first == run->next)
		return clog_error_set(run->err, -ENOENT, "the log is empty: there is nothing to read");
	run->requests = calloc(count, sizeof run->requests[0]);
	run->record = malloc(run->load->size);
	run->alarm = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (run->requests == NULL || run->record == NULL || run->alarm < 0)
		return clog_error_set(run->err, -ENOMEM, "out of memory");
	memset(run->record, 'x', run->load->size);
	run->record[run->load->size - 1] = '\n';
	for (uint32_t i = 0; i < count; i++) {
		run->requests[i].run = run;
		run->requests[i].next = run->idle;
		run->idle = &run->requests[i];
	}
	return 0;
}

static void take_closed(uv_handle_t *handle)
{
	struct run *const run = handle->data;
	run->handles--;
}

static void measure(struct run *run)
{
	uv_loop_t *const loop = &run->remote->loop;
	uv_handle_t *const handles[] = {(uv_handle_t *)&run->due, (uv_handle_t *)&run->progress,
	                                (uv_handle_t *)&run->end};
	uv_poll_init(loop, &run->due, run->alarm);
	uv_timer_init(loop, &run->progress);
	uv_timer_init(loop, &run->end);
	for (size_t i = 0; i < sizeof handles / sizeof handles[0]; i++)
		handles[i]->data = run;
	uv_poll_start(&run->due, UV_READABLE, take_due);
	if (run->load->progress)
		uv_timer_start(&run->progress, take_progress, PROGRESS_MS, PROGRESS_MS);
	if (run->load->duration_ns != 0)
		uv_timer_start(&run->end, take_end, run->load->duration_ns / 1000000 + 1, 1);
	run->begin_ns = uv_hrtime();
	advance(run);
	remote_wait(run->remote, &run->over);
	for (size_t i = 0; i < run->remote->count; i++)
		service_unready(client_service(run->remote->clients[i]), take_room, run);
	run->handles = sizeof handles / sizeof handles[0];
	for (size_t i = 0; i < sizeof handles / sizeof handles[0]; i++)
		uv_close(handles[i], take_closed);
	while (run->handles > 0)
		uv_run(loop, UV_RUN_ONCE);
}

int load_run(struct load *load, struct remote *remote, struct clog_error *err)
{
	struct run run = {.load = load, .remote = remote, .err = err, .alarm = -1};
	assert(load->outstanding > 0 && load->outstanding <= LOAD_OUTSTANDING_MAX && load->size > 0);
	int status = prepare(&run) == 0 ? CLOG_OK : CLOG_FAILED;
	if (status == CLOG_OK)
		measure(&run);
	if (run.alarm >= 0)
		close(run.alarm);
	free(run.requests);
	free(run.record);
	if (run.failure == 0)
		return status;
	char what[96];
	snprintf(what, sizeof what, "it ended after %" PRIu64 " requests, as one failed", run.done);
	return remote_fail(remote, run.failure, what, err);
}
