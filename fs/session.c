/* session: from the mount to its end.
 *
 * The end: fs_unmount lets nothing new begin (operations that need the service are refused), the kernel is served
 * until the service has answered what is under way, and only then is the mount taken off. So a writer at that time
 * gets its answer, or learns that its record was refused; only what comes in the last moment is cut off. */
#include "fs/private.h"

#include "error/error.h"
#include "observe/observe.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Requests that are taken from the kernel before the loop turns to others. */
#define REQUESTS_A_TURN 256

#define LOOK_MS 50 /* between looks at what is signalled and deferred */

#define MOUNT_OPTIONS "fsname=clog,subtype=clog,nosuid,nodev,default_permissions,max_read=1048576"

static void closed(uv_handle_t *poll);

static void timer_closed(uv_handle_t *timer)
{
	struct fs *fs = timer->data;
	uv_close((uv_handle_t *)&fs->poll, closed);
}

/* Ends the session when nothing is under way any more. It goes on in closed(), out of everybody's way. */
static void close_if_idle(struct fs *fs)
{
	if (!fs->draining || fs->closing || fs->waiting > 0)
		return;
	fs->closing = true;
	service_unwatch(fs->service, &fs->watch);
	uv_close((uv_handle_t *)&fs->timer, timer_closed);
}

void session_wait(struct fs *fs)
{
	fs->waiting++;
}

void session_answered(struct fs *fs)
{
	assert(fs->waiting > 0);
	fs->waiting--;
	close_if_idle(fs);
}

/* Serves requests that the kernel has at hand, but not without an end. */
static void serve(struct fs *fs)
{
	uint32_t served = 0;
	while (served < REQUESTS_A_TURN && !fs->stalled && !fs->over) {
		int rc = fuse_session_receive_buf(fs->session, &fs->request);
		if (rc == -EINTR)
			continue;
		if (rc == -EAGAIN || rc == -ENOMEM)
			break;
		if (rc <= 0) {
			fs->over = true;
			break;
		}
		observe_add(OBSERVE_FUSE_REQUESTS, 1);
		served++;
		fuse_session_process_buf(fs->session, &fs->request);
	}
}

static void polled(uv_poll_t *poll, int status, int events)
{
	struct fs *fs = poll->data;
	(void)events;
	serve(fs);
	if (status < 0)
		fs->over = true;
	if (fs->over && !fs->closing) {
		uv_poll_stop(poll);
		if (folder_is_dead(&fs->folder))
			observe_event(OBSERVE_WARNING, "mount_aborted", OBSERVE_TEXT("folder", fs->folder.path));
		if (!fs->draining)
			fs->ended(fs->ended_arg);
	}
}

void session_stall(struct fs *fs)
{
	fs->stalled = true;
	uv_poll_stop(&fs->poll);
}

void session_resume(struct fs *fs)
{
	fs->stalled = false;
	if (!fs->closing && !fs->over)
		uv_poll_start(&fs->poll, UV_READABLE, polled);
}

static void look(uv_timer_t *timer)
{
	struct fs *fs = timer->data;
	pending_look(fs);
	defer_expire(fs, uv_now(timer->loop));
	if (fs->signalled == NULL && fs->deferred == NULL)
		uv_timer_stop(timer);
}

void session_look(struct fs *fs)
{
	if (!fs->closing && !uv_is_active((const uv_handle_t *)&fs->timer))
		uv_timer_start(&fs->timer, look, LOOK_MS, LOOK_MS);
}

/* Serves what came in the last moment (all of it is answered at once by now), and takes the mount off. */
static void closed(uv_handle_t *poll)
{
	struct fs *fs = poll->data;
	void (*done)(void *arg) = fs->done;
	void *arg = fs->done_arg;

	serve(fs);
	assert(fs->waiting == 0);
	defer_finish(fs);
	folder_end(&fs->folder);
	fuse_session_unmount(fs->session);
	fuse_session_destroy(fs->session);
	handle_destroy_all(fs);
	observe_event(OBSERVE_INFO, "unmounted", OBSERVE_TEXT("folder", fs->folder.path));
	folder_finish(&fs->folder);
	free(fs->request.mem);
	free(fs->joined);
	free(fs->sizes);
	free(fs);
	done(arg);
}

void fs_unmount(struct fs *fs, void (*done)(void *arg), void *arg)
{
	assert(!fs->draining);
	fs->done = done;
	fs->done_arg = arg;
	fs->draining = true;
	defer_retry(fs); /* to be refused */
	follow_drain(fs);
	close_if_idle(fs);
}

/* ---- Mounting ---- */

/* What libfuse said last: its calls fail without an errno. */
static char complaint[256];

__attribute__((format(printf, 2, 0))) static void log_line(enum fuse_log_level level, const char *format, va_list args)
{
	vsnprintf(complaint, sizeof complaint, format, args);
	complaint[strcspn(complaint, "\n")] = '\0';
	observe_event(level <= FUSE_LOG_WARNING ? OBSERVE_WARNING : OBSERVE_DEBUG, "libfuse",
	              OBSERVE_TEXT("text", complaint));
}

static int check_device(struct clog_error *err)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		close(fd);
		return 0;
	}
	if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
		return clog_error_set(err, -ENOENT,
		                      "/dev/fuse is not there: the kernel's module fuse is not loaded, or "
		                      "the container was not given the device");
	return clog_error_set(err, -errno, "/dev/fuse: %s", strerror(errno));
}

/* One write is one record only if the kernel passes it on in one piece; an administrator can limit that. */
static int check_limit(struct clog_error *err)
{
	static const char path[] = "/proc/sys/fs/fuse/max_pages_limit";
	unsigned pages, needed = FS_PIECE_SIZE / (unsigned)getpagesize();
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return 0; /* a kernel without that limit */
	int found = fscanf(file, "%u", &pages);
	fclose(file);
	if (found == 1 && pages < needed)
		return clog_error_set(err, -EINVAL, "%s is %u, so that writes would be cut: at least %u is needed",
		                      path, pages, needed);
	return 0;
}

static int session_open(struct fs *fs, bool allow_other, struct clog_error *err)
{
	char program[] = "clog", option[] = "-o", alone[] = MOUNT_OPTIONS, open_to_all[] = MOUNT_OPTIONS ",allow_other";
	char *argv[] = {program, option, allow_other ? open_to_all : alone, NULL};
	struct fuse_args args = FUSE_ARGS_INIT(3, argv);

	complaint[0] = '\0';
	fuse_set_log_func(log_line);
	fs->session = fuse_session_new(&args, &operations, sizeof operations, fs);
	fuse_opt_free_args(&args);
	if (fs->session == NULL)
		return clog_error_set(err, -ENOMEM, "no session of libfuse can be made: %s", complaint);
	errno = 0;
	if (fuse_session_mount(fs->session, fs->folder.path) != 0) {
		int rc = errno != 0 ? -errno : -EPERM;
		fuse_session_destroy(fs->session);
		if (geteuid() != 0 && complaint[0] == '\0')
			return clog_error_set(err, rc, "%s: fusermount3 does not mount there, and has said why",
			                      fs->folder.path);
		return clog_error_set(err, rc, "%s: mounting failed: %s", fs->folder.path,
		                      complaint[0] != '\0' ? complaint : strerror(-rc));
	}
	return 0;
}

int fs_mount(struct fs **fs_out, struct uv_loop_s *loop, struct service *service, const struct fs_options *options,
             void (*ended)(void *arg), void *arg, struct clog_error *err)
{
	struct fs *fs = calloc(1, sizeof *fs);
	if (fs == NULL)
		return clog_error_set(err, -ENOMEM, "out of memory");
	fs->service = service;
	fs->auth = options->auth;
	fs->config = options->config;
	fs->ended = ended;
	fs->ended_arg = arg;
	fs->poll.data = fs;
	fs->timer.data = fs;
	fs->deferred_last = &fs->deferred;

	int rc = check_device(err);
	if (rc == 0)
		rc = check_limit(err);
	if (rc == 0)
		rc = folder_prepare(&fs->folder, options->folder, options->guard, err);
	if (rc != 0)
		goto free_fs;
	rc = session_open(fs, options->allow_other, err);
	if (rc != 0)
		goto abandon_folder;
	/* This makes the descriptor non-blocking, too. */
	rc = uv_poll_init(loop, &fs->poll, fuse_session_fd(fs->session));
	if (rc == 0)
		rc = uv_poll_start(&fs->poll, UV_READABLE, polled);
	if (rc != 0) {
		clog_error_set(err, rc, "/dev/fuse: %s", uv_strerror(rc));
		goto close_session;
	}
	uv_timer_init(loop, &fs->timer);
	service_watch(service, &fs->watch, follow_more, fs);
	observe_event(OBSERVE_INFO, "mounted", OBSERVE_TEXT("folder", fs->folder.path));
	*fs_out = fs;
	return 0;

close_session:
	fuse_session_unmount(fs->session);
	fuse_session_destroy(fs->session);
abandon_folder:
	folder_abandon(&fs->folder);
free_fs:
	free(fs);
	return rc;
}
