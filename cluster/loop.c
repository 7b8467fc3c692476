/* The host of a member on a libuv loop: a timer, a thread that writes, and the loop's pool for what else blocks. */
#include "cluster/state.h"
#include "cluster/transport.h"
#include "tls/tls.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <uv.h>

struct cluster_loop {
	struct cluster_host host; /* first: the member brings back its address */
	uv_loop_t *loop;
	void (*failed)(void *arg, int status, const char *sentence);
	void *arg;

	uv_timer_t timer;
	/* A turn is taken when an iteration's input is in: the check runs after the poll, and while one is wanted the
	 * idle handle keeps the poll from waiting. */
	uv_check_t check;
	uv_idle_t idle;
	bool turn_wanted;

	/* One job at a time goes to the writer and comes back: each slot has one side that fills and one that
	 * empties. */
	uv_thread_t writer;
	uv_sem_t wanted;
	uv_async_t written;
	_Atomic(struct log_job *) to_write;
	_Atomic(struct log_job *) done;
	atomic_bool ending;

	struct transport *transport; /* NULL: it has nobody to talk to */

	unsigned open_handles; /* whose close callback has not run */
};

/* Work for the pool. */
struct work {
	uv_work_t request;
	struct cluster_loop *loop;
	struct log_job *job; /* or */
	struct log_read *read;
};

static struct cluster_loop *of(struct cluster_host *host)
{
	return (struct cluster_loop *)host;
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec time;
	clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static uint64_t loop_now_ms(struct cluster_host *host)
{
	return clock_ns(CLOCK_MONOTONIC) / 1000000u;
}

static uint64_t loop_time_ns(struct cluster_host *host)
{
	return clock_ns(CLOCK_REALTIME);
}

static uint64_t loop_random(struct cluster_host *host)
{
	uint64_t number;
	/* 8 bytes are always given whole, once the kernel's pool was ever filled. */
	ssize_t size = getrandom(&number, sizeof number, 0);
	assert(size == sizeof number);
	(void)size;
	return number;
}

static void on_timer(uv_timer_t *timer)
{
	struct cluster_loop *loop = timer->data;
	if (loop->host.cluster != NULL)
		cluster_timeout(loop->host.cluster);
}

static void loop_wake_at(struct cluster_host *host, uint64_t at_ms)
{
	struct cluster_loop *loop = of(host);
	uint64_t now_ms = loop_now_ms(host);
	uv_update_time(loop->loop);
	uv_timer_start(&loop->timer, on_timer, at_ms > now_ms ? at_ms - now_ms : 0, 0);
}

static void on_idle(uv_idle_t *idle)
{
}

static void on_check(uv_check_t *check)
{
	struct cluster_loop *loop = check->data;
	if (!loop->turn_wanted)
		return;
	loop->turn_wanted = false;
	uv_idle_stop(&loop->idle);
	if (loop->host.cluster != NULL)
		cluster_turn(loop->host.cluster);
}

static void loop_wake_soon(struct cluster_host *host)
{
	struct cluster_loop *loop = of(host);
	if (loop->turn_wanted)
		return;
	loop->turn_wanted = true;
	uv_idle_start(&loop->idle, on_idle);
}

/* ---- The writer ---- */

static void writer_main(void *arg)
{
	struct cluster_loop *loop = arg;
	for (;;) {
		uv_sem_wait(&loop->wanted);
		struct log_job *job = atomic_exchange(&loop->to_write, NULL);
		if (job == NULL) {
			assert(atomic_load(&loop->ending));
			return;
		}
		log_job_run(job);
		atomic_store(&loop->done, job);
		uv_async_send(&loop->written);
	}
}

static void on_written(uv_async_t *async)
{
	struct cluster_loop *loop = async->data;
	struct log_job *job = atomic_exchange(&loop->done, NULL);
	if (job != NULL)
		cluster_job_done(loop->host.cluster, job);
}

static void loop_run_write(struct cluster_host *host, struct log_job *job)
{
	struct cluster_loop *loop = of(host);
	struct log_job *before = atomic_exchange(&loop->to_write, job);
	assert(before == NULL);
	(void)before;
	uv_sem_post(&loop->wanted);
}

/* ---- The pool ---- */

static void on_work(uv_work_t *request)
{
	struct work *work = request->data;
	if (work->job != NULL)
		log_job_run(work->job);
	else
		log_read_run(work->read, true);
}

static void on_work_done(uv_work_t *request, int status)
{
	struct work work = *(struct work *)request->data;
	free(request->data);
	assert(status == 0);
	if (work.job != NULL)
		cluster_job_done(work.loop->host.cluster, work.job);
	else
		cluster_read_done(work.loop->host.cluster, work.read);
}

/* Work that the member has let out must come back. With no memory left for a hundred bytes nothing can: the process
 * ends here, as the kernel would end it, and the data is as safe as after any other death. */
static void queue(struct cluster_loop *loop, struct log_job *job, struct log_read *read)
{
	struct work *work = malloc(sizeof *work);
	if (work == NULL)
		abort();
	*work = (struct work){.loop = loop, .job = job, .read = read};
	work->request.data = work;
	int rc = uv_queue_work(loop->loop, &work->request, on_work, on_work_done);
	assert(rc == 0);
	(void)rc;
}

static void loop_run_chore(struct cluster_host *host, struct log_job *job)
{
	queue(of(host), job, NULL);
}

static void loop_run_read(struct cluster_host *host, struct log_read *read)
{
	queue(of(host), NULL, read);
}

/* ---- The network ---- */

static void loop_send(struct cluster_host *host, uint64_t member, const char *address, const struct message *message)
{
	if (of(host)->transport != NULL)
		transport_send(of(host)->transport, member, address, message);
}

static const char *loop_rpc_address(struct cluster_host *host, uint64_t member)
{
	const struct transport *transport = of(host)->transport;
	return transport == NULL ? "" : transport_rpc_address(transport, member);
}

static enum cluster_way loop_way(struct cluster_host *host, uint64_t member, const char *address)
{
	struct transport *transport = of(host)->transport;
	return transport == NULL ? CLUSTER_WAY_NONE : transport_way(transport, member, address);
}

static void on_message(void *arg, const struct message *message)
{
	struct cluster_loop *loop = arg;
	cluster_receive(loop->host.cluster, message);
}

static void on_writable(void *arg, uint64_t member)
{
	struct cluster_loop *loop = arg;
	cluster_writable(loop->host.cluster, member);
}

static void say_self(void *arg, struct wire_hello *hello)
{
	const struct cluster_loop *loop = arg;
	const struct cluster *cluster = loop->host.cluster;
	hello->cluster = cluster->machine.cluster;
	hello->member = cluster->identity.id;
	memcpy(hello->cluster_name, cluster->identity.cluster, sizeof hello->cluster_name);
	memcpy(hello->name, cluster->identity.name, sizeof hello->name);
}

static size_t say_members(void *arg, struct service_member *members, size_t capacity)
{
	const struct cluster_loop *loop = arg;
	return service_members(cluster_service(loop->host.cluster), members, capacity);
}

static const struct transport_ops transport_ops = {
	.self = say_self, .members = say_members, .receive = on_message, .writable = on_writable};

/* The certificates are for this member. */
static int check_certificates(const struct cluster_loop *loop, const struct cluster_network *network,
                              struct clog_error *err)
{
	const struct identity *own = &loop->host.cluster->identity;
	const struct tls_identity *identity = network->tls == NULL ? NULL : tls_context_identity(network->tls);
	if (identity == NULL || (identity->kind == TLS_MEMBER && strcmp(identity->name, own->name) == 0 &&
	                         strcmp(identity->cluster, own->cluster) == 0))
		return 0;
	return clog_error_set(err, -EACCES,
	                      "%s/cert.pem is for %s %s of the cluster %s, and this is the member %s of %s",
	                      network->tls_folder, identity->kind == TLS_MEMBER ? "the member" : "the client",
	                      identity->name, identity->cluster, own->name, own->cluster);
}

int cluster_loop_connect(struct cluster_loop *loop, const struct cluster_network *network, struct clog_error *err)
{
	const struct transport_options options = {.listen = network->listen,
	                                          .address = network->address,
	                                          .rpc_address = network->rpc_address,
	                                          .tls_folder = network->tls_folder,
	                                          .tls = network->tls};
	int rc = check_certificates(loop, network, err);
	if (rc == 0)
		rc = transport_create(&loop->transport, loop->loop, &options, &transport_ops, loop, err);
	return rc == 0 ? transport_start(loop->transport, err) : rc;
}

struct tls_context *cluster_loop_tls(const struct cluster_loop *loop)
{
	return loop->transport == NULL ? NULL : transport_tls(loop->transport);
}

void cluster_loop_reload(struct cluster_loop *loop)
{
	if (loop->transport != NULL)
		transport_reload(loop->transport);
}

static void loop_fail(struct cluster_host *host, int status, const char *sentence)
{
	struct cluster_loop *loop = of(host);
	loop->failed(loop->arg, status, sentence);
}

/* ---- Its life ---- */

static void on_closed(uv_handle_t *handle)
{
	struct cluster_loop *loop = handle->data;
	if (--loop->open_handles == 0)
		free(loop);
}

static void close_handle(struct cluster_loop *loop, uv_handle_t *handle)
{
	loop->open_handles++;
	uv_close(handle, on_closed);
}

static int start_writer(struct cluster_loop *loop)
{
	int rc = uv_sem_init(&loop->wanted, 0);
	if (rc != 0)
		return rc;
	rc = uv_async_init(loop->loop, &loop->written, on_written);
	if (rc != 0) {
		uv_sem_destroy(&loop->wanted);
		return rc;
	}
	loop->written.data = loop;
	rc = uv_thread_create(&loop->writer, writer_main, loop);
	if (rc != 0) {
		uv_sem_destroy(&loop->wanted);
		close_handle(loop, (uv_handle_t *)&loop->written);
	}
	return rc;
}

int cluster_loop_create(struct cluster_loop **host, struct uv_loop_s *uv_loop,
                        void (*failed)(void *arg, int status, const char *sentence), void *arg, struct clog_error *err)
{
	struct cluster_loop *loop = calloc(1, sizeof *loop);
	if (loop == NULL)
		return clog_error_set(err, -ENOMEM, "no memory");
	loop->host = (struct cluster_host){.disk = log_disk_posix(),
	                                   .now_ms = loop_now_ms,
	                                   .time_ns = loop_time_ns,
	                                   .wake_at = loop_wake_at,
	                                   .wake_soon = loop_wake_soon,
	                                   .run_write = loop_run_write,
	                                   .run_chore = loop_run_chore,
	                                   .run_read = loop_run_read,
	                                   .send = loop_send,
	                                   .way = loop_way,
	                                   .rpc_address = loop_rpc_address,
	                                   .fail = loop_fail,
	                                   .random = loop_random};
	loop->loop = uv_loop;
	loop->failed = failed;
	loop->arg = arg;
	int rc = start_writer(loop);
	if (rc != 0) {
		if (loop->open_handles == 0)
			free(loop);
		return clog_error_set(err, rc, "the writer thread cannot be started: %s", uv_strerror(rc));
	}
	uv_timer_init(uv_loop, &loop->timer);
	uv_check_init(uv_loop, &loop->check);
	uv_idle_init(uv_loop, &loop->idle);
	loop->timer.data = loop->check.data = loop->idle.data = loop;
	uv_check_start(&loop->check, on_check);
	*host = loop;
	return 0;
}

struct cluster_host *cluster_loop_host(struct cluster_loop *loop)
{
	return &loop->host;
}

void cluster_loop_destroy(struct cluster_loop *loop)
{
	if (loop == NULL)
		return;
	transport_destroy(loop->transport);
	atomic_store(&loop->ending, true);
	uv_sem_post(&loop->wanted);
	uv_thread_join(&loop->writer);
	uv_sem_destroy(&loop->wanted);
	close_handle(loop, (uv_handle_t *)&loop->written);
	close_handle(loop, (uv_handle_t *)&loop->timer);
	close_handle(loop, (uv_handle_t *)&loop->check);
	close_handle(loop, (uv_handle_t *)&loop->idle);
}
