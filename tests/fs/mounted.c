#include "tests/fs/mounted.h"

#include "auth/auth.h"
#include "observe/observe.h"
#include "tests/fs/dead_mount.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEADLINE_MS 20000
#define SERVER_SECONDS_MAX 60

/* ---- The server's process ---- */

struct server {
	uv_loop_t loop;
	uv_pipe_t commands;
	int reports;
	struct fake *fake;
	struct fs *fs;
	char buffer[16];
	bool leaving;
};

static void report(struct server *server, char what)
{
	ssize_t written = write(server->reports, &what, 1);
	(void)written; /* the test may be gone */
}

static void unmounted(void *arg)
{
	struct server *server = arg;
	uv_close((uv_handle_t *)&server->commands, NULL);
	fake_stop(server->fake);
	report(server, 'd');
}

static void leave(struct server *server)
{
	if (!server->leaving)
		fs_unmount(server->fs, unmounted, server);
	server->leaving = true;
}

static void ended(void *arg)
{
	report(arg, 'e');
}

static void room(uv_handle_t *handle, size_t size, uv_buf_t *buffer)
{
	struct server *server = handle->data;
	(void)size;
	*buffer = uv_buf_init(server->buffer, sizeof server->buffer);
}

static void call_ready(struct server *server)
{
	fake_call_ready(server->fake);
	report(server, 'g');
}

static void commanded(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
	struct server *server = stream->data;
	for (ssize_t i = 0; i < count; i++) {
		if (buffer->base[i] == 'r')
			fake_release(server->fake);
		else if (buffer->base[i] == 'g')
			call_ready(server);
		else
			leave(server);
	}
	if (count < 0) {
		uv_read_stop(stream);
		fake_release(server->fake);
		fake_call_ready(server->fake);
		leave(server);
	}
}

static void serve(struct mounted *m, const struct fs_options *options, int commands, int reports)
{
	static struct server server; /* the loop's handles must not move */
	alarm(SERVER_SECONDS_MAX);
	FILE *events = fopen(m->events, "ae");
	observe_output(events, OBSERVE_INFO);
	if (m->prepare != NULL)
		m->prepare(m);
	server.fake = m->fake;
	server.reports = reports;
	uv_loop_init(&server.loop);
	fake_start(m->fake, &server.loop);
	uv_pipe_init(&server.loop, &server.commands, 0);
	server.commands.data = &server;
	uv_pipe_open(&server.commands, commands);
	uv_read_start((uv_stream_t *)&server.commands, room, commanded);
	int rc = fs_mount(&server.fs, &server.loop, &m->fake->service, options, ended, &server, m->err);
	if (rc == 0) {
		report(&server, 'm');
	} else {
		uv_close((uv_handle_t *)&server.commands, NULL);
		fake_stop(m->fake);
	}
	uv_run(&server.loop, UV_RUN_DEFAULT);
	int left = uv_loop_close(&server.loop);
	fclose(events);
	close(reports);
	/* With its checks for leaks; and nobody may be called any more. */
	exit(left == 0 && !service_awaits_room(&m->fake->service) ? 0 : 3);
}

/* ---- The test's side ---- */

static void *shared(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(memory != MAP_FAILED);
	return memory;
}

int mounted_setup_unmounted(void **state)
{
	if (!fuse_there())
		return -1;
	struct mounted *m = calloc(1, sizeof *m);
	assert_non_null(m);
	m->fake = fake_create();
	assert_non_null(m->fake);
	m->err = shared(sizeof *m->err);
	snprintf(m->base, sizeof m->base, "%s/clog-fs-XXXXXX", getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
	assert_non_null(mkdtemp(m->base));
	snprintf(m->folder, sizeof m->folder, "%s/mount", m->base);
	snprintf(m->events, sizeof m->events, "%s/events", m->base);
	assert_int_equal(mkdir(m->folder, 0755), 0);
	m->commands = m->reports = -1;
	*state = m;
	return 0;
}

int mounted_start(struct mounted *m, const struct fs_options *options)
{
	static const struct auth_policy owner = {.owner = 0, .mode = 0644};
	struct fs_options all = {.guard = FS_GUARD_NO};
	int commands[2], reports[2];
	char what;
	if (options != NULL)
		all = *options;
	all.folder = m->folder;
	all.config = CONFIG_TEXT;
	if (all.auth == NULL)
		all.auth = &owner;
	memset(m->err, 0, sizeof *m->err);
	assert_int_equal(pipe2(commands, O_CLOEXEC), 0);
	assert_int_equal(pipe2(reports, O_CLOEXEC), 0);
	fflush(NULL);
	m->server = fork();
	assert_true(m->server >= 0);
	if (m->server == 0) {
		close(commands[1]);
		close(reports[0]);
		serve(m, &all, commands[0], reports[1]);
	}
	close(commands[0]);
	close(reports[1]);
	m->commands = commands[1];
	m->reports = reports[0];
	if (read(m->reports, &what, 1) == 1)
		return 0;
	mounted_join(m);
	return m->err->code;
}

int mounted_setup(void **state)
{
	if (mounted_setup_unmounted(state) != 0)
		return -1;
	struct mounted *m = *state;
	if (mounted_start(m, NULL) == 0)
		return 0;
	fprintf(stderr, "%s\n", m->err->text);
	mounted_teardown(state);
	return -1;
}

void mounted_command(struct mounted *m, char command)
{
	assert_int_equal(write(m->commands, &command, 1), 1);
}

/* Gives the next report, 0 at the server's end, or -1 when there was none in time. */
static int next_report(struct mounted *m)
{
	struct pollfd fd = {.fd = m->reports, .events = POLLIN};
	char what;
	if (poll(&fd, 1, DEADLINE_MS) != 1)
		return -1;
	return read(m->reports, &what, 1) == 1 ? what : 0;
}

void mounted_expect(struct mounted *m, char report)
{
	assert_int_equal(next_report(m), report);
}

/* Waits for the server's end and gives its status; one that does not end is killed. */
static int reap(struct mounted *m)
{
	int status, what;
	while ((what = next_report(m)) > 0)
		;
	if (what < 0)
		kill(m->server, SIGKILL);
	waitpid(m->server, &status, 0);
	m->server = 0;
	close(m->commands);
	close(m->reports);
	return status;
}

void mounted_join(struct mounted *m)
{
	int status = reap(m);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

void mounted_kill(struct mounted *m)
{
	kill(m->server, SIGKILL);
	reap(m);
	m->killed = true;
}

static void unguard(const char *folder)
{
	int flags, fd = open(folder, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return;
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0 && (flags & FS_IMMUTABLE_FL)) {
		flags &= ~FS_IMMUTABLE_FL;
		ioctl(fd, FS_IOC_SETFLAGS, &flags);
	}
	close(fd);
}

static void unmount_all(const char *folder)
{
	while (umount2(folder, MNT_DETACH) == 0)
		;
}

int mounted_teardown(void **state)
{
	struct mounted *m = *state;
	char command[80];
	int status = 0;
	if (m->server != 0) {
		/* Who waits for an answer gets it, and the server leaves. It may have gone. */
		signal(SIGPIPE, SIG_IGN);
		ssize_t asked = write(m->commands, "rgu", 3);
		(void)asked;
		status = reap(m);
	}
	bool left = mounted_is(m) && !m->killed;
	unmount_all(m->folder);
	snprintf(m->folder, sizeof m->folder, "%s/mount", m->base); /* a test may have changed it */
	unmount_all(m->folder);
	unguard(m->folder);
	snprintf(command, sizeof command, "rm -rf '%s'", m->base);
	if (system(command) != 0)
		left = true;
	if (status != 0 || left)
		fprintf(stderr, "the server ended with status %#x%s\n", (unsigned)status,
		        left ? ", and left its mount" : "");
	munmap(m->err, sizeof *m->err);
	fake_destroy(m->fake);
	free(m);
	return status != 0 || left ? -1 : 0;
}

bool mounted_is(const struct mounted *m)
{
	char line[1024], field[128];
	bool found = false;
	FILE *table = fopen("/proc/self/mountinfo", "re");
	snprintf(field, sizeof field, " %s ", m->folder);
	while (table != NULL && fgets(line, sizeof line, table) != NULL)
		found = found || strstr(line, field) != NULL;
	if (table != NULL)
		fclose(table);
	return found;
}

bool mounted_told(const struct mounted *m, const char *text)
{
	char line[1024];
	bool found = false;
	FILE *events = fopen(m->events, "re");
	while (events != NULL && fgets(line, sizeof line, events) != NULL)
		found = found || strstr(line, text) != NULL;
	if (events != NULL)
		fclose(events);
	return found;
}

const char *at(struct mounted *m, const char *name)
{
	char *path = m->paths[m->next_path++ % 8];
	snprintf(path, sizeof m->paths[0], "%s/%s", m->folder, name);
	return path;
}

int open_at(struct mounted *m, const char *name, int flags)
{
	int fd = open(at(m, name), flags | O_CLOEXEC, 0644);
	if (fd < 0)
		fail_msg("%s: %s", name, strerror(errno));
	return fd;
}

void assert_text(struct mounted *m, const char *name, const char *text)
{
	char found[4096];
	int fd = open_at(m, name, O_RDONLY);
	ssize_t size = read(fd, found, sizeof found - 1);
	assert_true(size >= 0);
	found[size] = '\0';
	close(fd);
	assert_string_equal(found, text);
}

void writer_start(struct writer *writer, struct mounted *m, const char *name, int flags, const char *text)
{
	const char *path = at(m, name);
	fflush(NULL);
	writer->pid = fork();
	assert_true(writer->pid >= 0);
	if (writer->pid > 0)
		return;
	close(m->commands); /* its end is a sign to the server */
	int fd = open(path, flags | O_CLOEXEC, 0644);
	if (fd < 0)
		_exit(errno);
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		_exit(errno);
	_exit(close(fd) == 0 ? 0 : errno);
}

int writer_join(struct writer *writer)
{
	int status;
	assert_int_equal(waitpid(writer->pid, &status, 0), writer->pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}
