/* The log as files on a machine that is no member: what clogd mounts (fs/), over the network. */
#include "auth/auth.h"
#include "cmd/clog.h"
#include "cmd/owner.h"
#include "cmd/remote.h"
#include "cmd/target.h"
#include "error/error.h"
#include "fs/fs.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ALLOW_OTHER = 256, OWNER, MODE, GUARD };

static const struct option long_options[] = {
	{"allow-other", no_argument, NULL, ALLOW_OTHER},
	{"owner", required_argument, NULL, OWNER},
	{"mode", required_argument, NULL, MODE},
	{"guard", required_argument, NULL, GUARD},
	{NULL, 0, NULL, 0},
};

static const int signal_numbers[] = {SIGTERM, SIGINT};
#define SIGNAL_COUNT (sizeof signal_numbers / sizeof signal_numbers[0])

struct mounted {
	struct remote remote;
	struct auth_policy auth;
	struct fs_options options;
	struct fs *fs;
	uv_signal_t signals[SIGNAL_COUNT];
	bool stopping, unmounted;
};

static int take_option(struct mounted *mounted, int found, char *const argv[], struct clog_error *err)
{
	int rc = 0;
	switch (found) {
	case ALLOW_OTHER:
		mounted->options.allow_other = true;
		break;
	case OWNER:
		rc = owner_parse(optarg, "--owner", &mounted->auth.owner, &mounted->auth.group, err);
		break;
	case MODE:
		rc = owner_parse_mode(optarg, "--mode", &mounted->auth.mode, err);
		break;
	case GUARD:
		if (strcmp(optarg, "yes") != 0 && strcmp(optarg, "no") != 0)
			return clog_refuse(err, "--guard is yes or no, not '%s'", optarg);
		mounted->options.guard = optarg[0] == 'y' ? FS_GUARD_YES : FS_GUARD_NO;
		break;
	default:
		return clog_refuse_option(found, argv, err);
	}
	return rc == 0 ? CLOG_OK : CLOG_USAGE;
}

static int take_words(struct mounted *mounted, int argc, char *argv[], struct clog_error *err)
{
	mounted->auth = (struct auth_policy){.owner = geteuid(), .group = getegid(), .mode = 0644};
	mounted->options = (struct fs_options){.auth = &mounted->auth, .guard = FS_GUARD_YES};
	optind = 0;
	for (int found; (found = getopt_long(argc, argv, ":", long_options, NULL)) != -1;) {
		const int status = take_option(mounted, found, argv, err);
		if (status != CLOG_OK)
			return status;
	}
	if (argc - optind != 1)
		return clog_refuse(err, "clog mount takes the folder where the log shall appear");
	mounted->options.folder = argv[optind];
	if (mounted->auth.owner != geteuid() && !mounted->options.allow_other)
		return clog_refuse(err, "--owner needs --allow-other: without it the mount is for who runs clog alone");
	return CLOG_OK;
}

static void take_signal(uv_signal_t *handle, int number)
{
	struct mounted *const mounted = handle->data;
	(void)number;
	mounted->stopping = true;
}

static void take_end(void *arg)
{
	struct mounted *const mounted = arg;
	mounted->stopping = true;
}

static void take_unmounted(void *arg)
{
	struct mounted *const mounted = arg;
	mounted->unmounted = true;
}

static void take_signals(struct mounted *mounted)
{
	signal(SIGHUP, SIG_IGN);
	for (size_t i = 0; i < SIGNAL_COUNT; i++) {
		uv_signal_init(&mounted->remote.loop, &mounted->signals[i]);
		mounted->signals[i].data = mounted;
		uv_signal_start(&mounted->signals[i], take_signal, signal_numbers[i]);
	}
}

static int run(struct mounted *mounted, struct clog_error *err)
{
	struct remote *const remote = &mounted->remote;
	take_signals(mounted);
	const int rc = fs_mount(&mounted->fs, &remote->loop, remote->service, &mounted->options, take_end, mounted,
	                        err);
	if (rc == 0) {
		remote_wait(remote, &mounted->stopping);
		fs_unmount(mounted->fs, take_unmounted, mounted);
		remote_wait(remote, &mounted->unmounted);
	}
	for (size_t i = 0; i < SIGNAL_COUNT; i++)
		uv_close((uv_handle_t *)&mounted->signals[i], NULL);
	return rc == 0 ? CLOG_OK : CLOG_FAILED;
}

/* What status/config shows. */
static char *config_of(const struct target *target)
{
	char *text;
	const char *const tls = target->tls_folder, *const token = target->token_file;
	if (asprintf(&text, "server: %s\n%s%s%s%s%s%s", target->servers, tls != NULL ? "tls: " : "",
	             tls != NULL ? tls : "", tls != NULL ? "\n" : "", token != NULL ? "token-file: " : "",
	             token != NULL ? token : "", token != NULL ? "\n" : "") < 0)
		return NULL;
	return text;
}

int clog_mount(const struct target *target, int argc, char *argv[], struct clog_error *err)
{
	static struct mounted mounted;
	int status = take_words(&mounted, argc, argv, err);
	if (status != CLOG_OK)
		return status;
	char *const config = config_of(target);
	if (config == NULL) {
		clog_error_set(err, -ENOMEM, "out of memory");
		return CLOG_FAILED;
	}
	mounted.options.config = config;
	status = remote_open(&mounted.remote, target, 1, err);
	if (status == CLOG_OK) {
		status = run(&mounted, err);
		remote_close(&mounted.remote);
	}
	free(config);
	return status;
}
