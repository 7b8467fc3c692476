/* clogd: a member of a log's cluster, which is also the log's mount: one process, one loop.
 *
 * Whatever ends it takes the same way, in the order of enum phase. All that may happen on the way (a signal, a callback
 * of a room) only notes the fact and wakes the loop; advance, which the loop then calls with no room's function on the
 * stack, looks at the facts and takes the next step. */
#include "auth/auth.h"
#include "cluster/cluster.h"
#include "cmd/access.h"
#include "cmd/folders.h"
#include "cmd/memory.h"
#include "cmd/options.h"
#include "cmd/renew.h"
#include "error/error.h"
#include "fs/fs.h"
#include "observe/observe.h"
#include "rpc/rpc.h"
#include "tls/tls.h"

#include <assert.h>
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <uv.h>

enum { EXIT_OPTIONS = 2 }; /* besides EXIT_SUCCESS and EXIT_FAILURE */

enum phase {
	PHASE_RUNNING,
	PHASE_UNMOUNTING, /* until the requests under way are answered, the mount is gone and the doors are shut */
	PHASE_DRAINING,   /* until the appends under way are answered and the log is at rest */
	PHASE_CLOSED,     /* the loop runs out of handles */
};

static const int signal_numbers[] = {SIGTERM, SIGINT, SIGHUP};
#define SIGNAL_COUNT (sizeof signal_numbers / sizeof signal_numbers[0])

struct clogd;

/* A place where the log is mounted. */
struct mount {
	struct clogd *clogd;
	struct fs *fs; /* NULL: not mounted, or not to be */
	bool ended;    /* from outside */
};

struct clogd {
	struct options options;
	char *config; /* the options in effect, as text */
	struct auth_policy auth;
	struct access access;
	uv_loop_t loop;
	uv_async_t wake;
	uv_timer_t memory;
	uv_signal_t signals[SIGNAL_COUNT];
	struct cluster_loop *host;
	struct tls_context *tls; /* NULL: none */
	struct cluster *cluster;
	struct mount mounts[CONFIG_MOUNTS_MAX];
	struct rpc *rpc;
	struct rpc_http *http; /* NULL: none */
	enum phase phase;
	/* The facts. */
	bool started;      /* cluster_start returned 0 */
	bool up;           /* all that was asked for runs; without that there is one sentence, and no event */
	const char *cause; /* why to stop; NULL: it shall not */
	size_t mounted;    /* mounts that are there, or on their way out */
	size_t doors;      /* to be shut: gRPC's and HTTP's */
	bool drained;      /* the cluster has stopped, or was never started */
	int status;        /* to exit with */
};

/* Prints the sentence, without the control bytes that a path in it may have. */
static void say(const char *sentence)
{
	char text[CLOG_ERROR_TEXT_SIZE];
	snprintf(text, sizeof text, "%s", sentence);
	for (char *byte = text; *byte != '\0'; byte++)
		if ((unsigned char)*byte < ' ' || *byte == 0x7f)
			*byte = '?';
	fprintf(stderr, "clogd: %s\n", text);
}

static void stop(struct clogd *clogd, const char *cause)
{
	if (clogd->cause == NULL)
		clogd->cause = cause;
	uv_async_send(&clogd->wake);
}

static void take_signal(uv_signal_t *handle, int number)
{
	struct clogd *const clogd = handle->data;
	const char *const name = number == SIGTERM ? "SIGTERM" : number == SIGINT ? "SIGINT" : "SIGHUP";
	if (number == SIGHUP && (clogd->options.tls != NULL || clogd->options.jwt_keys != NULL)) {
		access_reload(&clogd->access);
		cluster_loop_reload(clogd->host);
		if (clogd->tls != NULL && cluster_loop_tls(clogd->host) == NULL)
			renew(&clogd->tls, clogd->options.tls);
		if (clogd->http != NULL)
			rpc_http_reload(clogd->http);
		return;
	}
	/* One asks for all there is to do. Who cannot wait has SIGKILL, which loses nothing that was acknowledged. */
	if (clogd->cause != NULL)
		observe_event(OBSERVE_INFO, "stopping_already", OBSERVE_TEXT("signal", name));
	stop(clogd, name);
}

static void take_failure(void *arg, int status, const char *sentence)
{
	struct clogd *const clogd = arg;
	observe_event(OBSERVE_ERROR, "failed", OBSERVE_TEXT("error", strerror(-status)),
	              OBSERVE_TEXT("reason", sentence));
	clogd->status = EXIT_FAILURE;
	stop(clogd, "failure");
}

static void take_end_of_mount(void *arg)
{
	struct mount *const mount = arg;
	mount->ended = true;
	uv_async_send(&mount->clogd->wake);
}

static void take_unmounted(void *arg)
{
	struct clogd *const clogd = arg;
	clogd->mounted--;
	uv_async_send(&clogd->wake);
}

static void take_end_of_door(void *arg)
{
	struct clogd *const clogd = arg;
	clogd->doors--;
	uv_async_send(&clogd->wake);
}

static void take_drained(void *arg)
{
	struct clogd *const clogd = arg;
	clogd->drained = true;
	uv_async_send(&clogd->wake);
}

static void unmount(struct mount *mount)
{
	struct fs *const fs = mount->fs;
	mount->fs = NULL;
	fs_unmount(fs, take_unmounted, mount->clogd);
}

/* Who ends a mount from outside ends that one; with the last one the member stops. */
static void look_at_mounts(struct clogd *clogd)
{
	size_t ended = 0, left = 0;
	for (struct mount *mount = clogd->mounts; mount < clogd->mounts + CONFIG_MOUNTS_MAX; mount++) {
		ended += mount->fs != NULL && mount->ended;
		left += mount->fs != NULL && !mount->ended;
	}
	if (ended > 0 && left == 0 && clogd->cause == NULL)
		clogd->cause = "umount";
	for (struct mount *mount = clogd->mounts; mount < clogd->mounts + CONFIG_MOUNTS_MAX && left > 0; mount++)
		if (mount->fs != NULL && mount->ended)
			unmount(mount);
}

static void begin_unmounting(struct clogd *clogd)
{
	clogd->phase = PHASE_UNMOUNTING;
	if (clogd->up)
		observe_event(OBSERVE_INFO, "stopping", OBSERVE_TEXT("cause", clogd->cause));
	for (struct mount *mount = clogd->mounts; mount < clogd->mounts + CONFIG_MOUNTS_MAX; mount++)
		if (mount->fs != NULL)
			unmount(mount);
	clogd->doors = (size_t)(clogd->rpc != NULL) + (size_t)(clogd->http != NULL);
	if (clogd->rpc != NULL)
		rpc_stop(clogd->rpc, take_end_of_door, clogd);
	clogd->rpc = NULL;
	if (clogd->http != NULL)
		rpc_http_stop(clogd->http, take_end_of_door, clogd);
}

static void begin_draining(struct clogd *clogd)
{
	clogd->phase = PHASE_DRAINING;
	if (clogd->started)
		cluster_stop(clogd->cluster, take_drained, clogd);
	else
		clogd->drained = true;
}

static void close_all(struct clogd *clogd)
{
	clogd->phase = PHASE_CLOSED;
	rpc_http_close(clogd->http);
	access_finish(&clogd->access);
	cluster_close(clogd->cluster);
	if (clogd->host != NULL)
		cluster_loop_destroy(clogd->host);
	tls_context_unref(clogd->tls);
	for (size_t i = 0; i < SIGNAL_COUNT; i++)
		uv_close((uv_handle_t *)&clogd->signals[i], NULL);
	uv_close((uv_handle_t *)&clogd->memory, NULL);
	uv_close((uv_handle_t *)&clogd->wake, NULL);
}

static void advance(uv_async_t *wake)
{
	struct clogd *const clogd = wake->data;
	if (clogd->phase == PHASE_RUNNING)
		look_at_mounts(clogd);
	if (clogd->phase == PHASE_RUNNING && clogd->cause != NULL)
		begin_unmounting(clogd);
	if (clogd->phase == PHASE_UNMOUNTING && clogd->mounted == 0 && clogd->doors == 0)
		begin_draining(clogd);
	if (clogd->phase == PHASE_DRAINING && clogd->drained)
		close_all(clogd);
}

/* Signals that come while it starts are kept by the loop and taken once it runs. */
static int open_loop(struct clogd *clogd, struct clog_error *err)
{
	int status = uv_loop_init(&clogd->loop);
	if (status < 0)
		return clog_error_set(err, status, "the event loop cannot be made: %s", uv_strerror(status));
	status = uv_async_init(&clogd->loop, &clogd->wake, advance);
	if (status < 0) {
		uv_loop_close(&clogd->loop);
		return clog_error_set(err, status, "the event loop cannot be woken: %s", uv_strerror(status));
	}
	clogd->wake.data = clogd;
	memory_watch(&clogd->loop, &clogd->memory);
	for (size_t i = 0; i < SIGNAL_COUNT; i++) {
		uv_signal_init(&clogd->loop, &clogd->signals[i]);
		clogd->signals[i].data = clogd;
	}
	return 0;
}

static int take_signals(struct clogd *clogd, struct clog_error *err)
{
	signal(SIGPIPE, SIG_IGN); /* stderr may be a pipe that nobody reads any more */
	for (size_t i = 0; i < SIGNAL_COUNT; i++) {
		struct sigaction inherited;
		sigaction(signal_numbers[i], NULL, &inherited);
		if (signal_numbers[i] == SIGHUP && inherited.sa_handler == SIG_IGN)
			continue; /* nohup */
		const int status = uv_signal_start(&clogd->signals[i], take_signal, signal_numbers[i]);
		if (status < 0)
			return clog_error_set(err, status, "signals cannot be taken: %s", uv_strerror(status));
	}
	return 0;
}

/* Without --name a member keeps the name that its data folder has, and a new one takes the host's. */
static int open_named(struct clogd *clogd, struct cluster_options *options, struct clog_error *err)
{
	struct cluster_host *const host = cluster_loop_host(clogd->host);
	int status = cluster_open(&clogd->cluster, options, host, err);
	if (status != -ENODATA)
		return status;
	char host_name[256] = "";
	char name[CONFIG_NAME_SIZE];
	gethostname(host_name, sizeof host_name - 1);
	status = options_host_name(host_name, name, err);
	if (status < 0)
		return status;
	options->name = name;
	return cluster_open(&clogd->cluster, options, host, err);
}

/* Its name, and the cluster's, are those of its certificate, where it has one. */
static int take_certificate(const struct clogd *clogd, struct cluster_options *options, struct clog_error *err)
{
	if (clogd->tls == NULL)
		return 0;
	const char *const folder = clogd->options.tls;
	const struct tls_identity *const identity = tls_context_identity(clogd->tls);
	if (identity->kind != TLS_MEMBER)
		return clog_error_set(err, -EACCES, "%s/cert.pem is the client %s's: a member needs its own", folder,
		                      identity->name);
	if (options->name != NULL && strcmp(options->name, identity->name) != 0)
		return clog_error_set(err, -EACCES, "%s/cert.pem is the member %s's, and not %s's", folder,
		                      identity->name, options->name);
	options->cluster = identity->cluster;
	options->name = identity->name;
	return 0;
}

static int open_member(struct clogd *clogd, struct clog_error *err)
{
	const struct options *const told = &clogd->options;
	const char *seeds[OPTIONS_JOIN_MAX];
	char *const list = strdup(told->join != NULL ? told->join : "");
	if (list == NULL)
		return clog_error_set(err, -ENOMEM, "out of memory");
	struct cluster_options options = {.data = told->data,
	                                  .name = told->name,
	                                  .address = told->advertise != NULL ? told->advertise : told->peer,
	                                  .seeds = seeds};
	for (char *rest = list, *seed; (seed = strsep(&rest, ",")) != NULL && told->join != NULL;)
		seeds[options.seed_count++] = seed;
	int status = take_certificate(clogd, &options, err);
	if (status == 0)
		status = open_named(clogd, &options, err);
	free(list);
	return status;
}

/* Members' certificates are taken anew when their files change. */
static struct tls_context *tls_now(void *arg)
{
	const struct clogd *const clogd = arg;
	struct tls_context *const renewed = cluster_loop_tls(clogd->host);
	return renewed != NULL ? renewed : clogd->tls;
}

static int serve_rpc(struct clogd *clogd, struct clog_error *err)
{
	char address[OPTIONS_CLIENTS_SIZE];
	const struct rpc_options options = {
		.listen = clogd->options.grpc,
		.address = options_clients_address(&clogd->options, cluster_address(clogd->cluster), address),
		.service = cluster_service(clogd->cluster),
		.auth = &clogd->auth,
		.tls = clogd->tls,
		.tls_now = tls_now,
		.tls_arg = clogd,
		.tls_1_2 = clogd->options.tls_1_2,
	};
	const int status = rpc_start(&clogd->rpc, &clogd->loop, &options, err);
	if (status == 0)
		observe_event(OBSERVE_INFO, "serving", OBSERVE_TEXT("grpc", rpc_address(clogd->rpc)),
		              OBSERVE_TEXT("tls", clogd->tls != NULL ? "yes" : "no"));
	return status;
}

/* A member that the others know listens where they do, also when it is not told to. */
static int connect_member(struct clogd *clogd, struct clog_error *err)
{
	const struct options *const told = &clogd->options;
	const struct cluster_network network = {
		.listen = told->peer != NULL ? told->peer : cluster_address(clogd->cluster),
		.address = told->advertise,
		.rpc_address = clogd->rpc != NULL ? rpc_address(clogd->rpc) : NULL,
		.tls_folder = told->tls,
		.tls = clogd->tls,
	};
	return network.listen[0] == '\0' ? 0 : cluster_loop_connect(clogd->host, &network, err);
}

static int mount_at(struct clogd *clogd, size_t number, struct clog_error *err)
{
	struct mount *const mount = &clogd->mounts[number];
	const struct fs_options options = {
		.folder = clogd->options.mounts[number],
		.config = clogd->config,
		.auth = &clogd->auth,
		.guard = clogd->options.guard ? FS_GUARD_YES : FS_GUARD_NO,
		.allow_other = clogd->options.allow_other,
	};
	mount->clogd = clogd;
	const int status = fs_mount(&mount->fs, &clogd->loop, cluster_service(clogd->cluster), &options,
	                            take_end_of_mount, mount, err);
	clogd->mounted += status == 0;
	return status;
}

static int mount_log(struct clogd *clogd, struct clog_error *err)
{
	clogd->config = options_render(&clogd->options);
	if (clogd->config == NULL)
		return clog_error_set(err, -ENOMEM, "out of memory");
	int status = 0;
	for (size_t i = 0; i < clogd->options.mount_count && status == 0; i++)
		status = mount_at(clogd, i, err);
	return status;
}

static int serve_http(struct clogd *clogd, struct clog_error *err)
{
	const struct rpc_http_options options = {.listen = clogd->options.http,
	                                         .tls_folder = clogd->options.tls,
	                                         .tls_1_2 = clogd->options.tls_1_2,
	                                         .auth = &clogd->auth};
	return options.listen == NULL
	               ? 0
	               : rpc_http_open(&clogd->http, &clogd->loop, cluster_service(clogd->cluster), &options, err);
}

/* Who may do what. */
static int take_rules(struct clogd *clogd, struct clog_error *err)
{
	const struct options *const told = &clogd->options;
	const char *audience = told->jwt_audience;
	if (audience == NULL)
		audience = clogd->tls != NULL ? tls_context_identity(clogd->tls)->cluster : "clog";
	const int status = access_init(&clogd->access, cluster_service(clogd->cluster), told->jwt_keys, audience, err);
	clogd->auth = (struct auth_policy){
		.owner = told->uid, .group = told->gid, .mode = told->mode, .access = clogd->access.rules};
	return status;
}

static int start(struct clogd *clogd, struct clog_error *err)
{
	int status = take_signals(clogd, err);
	if (status == 0)
		status = cluster_loop_create(&clogd->host, &clogd->loop, take_failure, clogd, err);
	if (status == 0 && clogd->options.tls != NULL)
		status = tls_context_load(&clogd->tls, clogd->options.tls, err);
	if (status == 0)
		status = open_member(clogd, err);
	if (status == 0)
		status = cluster_start(clogd->cluster, err);
	if (status < 0)
		return status;
	clogd->started = true;
	clogd->options.name = cluster_name(clogd->cluster);
	status = take_rules(clogd, err);
	if (status == 0 && clogd->options.grpc != NULL)
		status = serve_rpc(clogd, err);
	if (status == 0)
		status = connect_member(clogd, err);
	if (status == 0)
		status = mount_log(clogd, err);
	if (status == 0)
		status = serve_http(clogd, err);
	if (status < 0)
		return status;
	clogd->up = true;
	observe_event(OBSERVE_INFO, "started", OBSERVE_TEXT("version", CLOG_VERSION),
	              OBSERVE_TEXT("name", clogd->options.name), OBSERVE_TEXT("data", clogd->options.data));
	if (clogd->options.mount_count == 0)
		observe_event(OBSERVE_INFO, "not_mounted", OBSERVE_TEXT("reason", "there is no --mount"));
	return 0;
}

/* Runs the member to its end, and returns what to exit with. */
static int run(struct clogd *clogd)
{
	struct clog_error err = {0};
	if (open_loop(clogd, &err) < 0) {
		say(err.text);
		return EXIT_FAILURE;
	}
	if (start(clogd, &err) < 0) {
		say(err.text);
		clogd->status = EXIT_FAILURE;
		stop(clogd, "failure");
	}
	uv_run(&clogd->loop, UV_RUN_DEFAULT);
	rpc_http_free(clogd->http);
	const int left = uv_loop_close(&clogd->loop);
	assert(left == 0);
	(void)left;
	if (clogd->up)
		observe_event(OBSERVE_INFO, "stopped", OBSERVE_NUMBER("status", (uint64_t)clogd->status));
	free(clogd->config);
	return clogd->status;
}

static const char *look_up(const char *variable, void *arg)
{
	(void)arg;
	return getenv(variable);
}

static int print(const char *text)
{
	return fputs(text, stdout) >= 0 && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char *argv[])
{
	static struct clogd clogd;
	struct clog_error err = {0};
	if (options_read(&clogd.options, argc, argv, look_up, NULL, &err) < 0) {
		say(err.text);
		return EXIT_OPTIONS;
	}
	if (clogd.options.action == OPTIONS_HELP)
		return print(options_help);
	if (clogd.options.action == OPTIONS_VERSION)
		return print("clogd " CLOG_VERSION "\n");
	if (folders_check_all(clogd.options.data, clogd.options.mounts, clogd.options.mount_count, &err) < 0) {
		say(err.text);
		return EXIT_OPTIONS;
	}
	umask(077); /* what the member keeps is its owner's alone */
	/* The pool's threads load indexes of megabytes. With an arena each, what they free stays with them. */
	mallopt(M_ARENA_MAX, 1);
	return run(&clogd);
}
