/* mounted: a mount of fs/ over a fake service, served by a process of its own.
 *
 * The server is a child: whatever becomes of a test, its death frees who waits for an answer, and it does not outlive
 * the test (it ends when its pipe of commands does, and by an alarm in any case). */
#ifndef CLOG_TESTS_FS_MOUNTED_H
#define CLOG_TESTS_FS_MOUNTED_H

#include "error/error.h"
#include "fs/fs.h"
#include "tests/fs/fake_service.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>

#define CONFIG_TEXT "data: /var/lib/clog\nname: one\n"

struct mounted {
	struct fake *fake;
	char base[64];                      /* a fresh temporary folder */
	char folder[96];                    /* in it: where the mount is */
	char events[96];                    /* in it: the file that the server's events go to */
	pid_t server;                       /* 0 while there is none */
	bool killed;                        /* by mounted_kill: it could not clean up */
	void (*prepare)(struct mounted *m); /* what the server does before it mounts; NULL for nothing */
	int commands, reports;
	struct clog_error *err; /* shared: why the server could not mount */
	char paths[8][512];
	unsigned next_path;
};

/* cmocka's fixtures: a fake, mounted with the plainest options; and its end, which fails when the server did not end
 * cleanly (a leak counts) or left its mount. */
int mounted_setup(void **state);
int mounted_teardown(void **state);
/* The same, but not mounted yet. */
int mounted_setup_unmounted(void **state);

/* Starts a server. Returns what fs_mount did, with its sentence in m->err. NULL stands for the plainest options; of
 * others, folder is set by this, and auth where it is NULL. */
int mounted_start(struct mounted *m, const struct fs_options *options);
/* Asks the server: 'r' to answer what is held, 'g' to call service_ready's callback, 'u' to unmount and end. */
void mounted_command(struct mounted *m, char command);
/* Waits for a report of the server: 'g' it has done 'g', 'e' ended was called, 'd' the unmount is done. Anything else,
 * or none, fails. */
void mounted_expect(struct mounted *m, char report);
/* Waits until the server has ended; the test fails unless it did so with status 0. */
void mounted_join(struct mounted *m);
/* Ends the server by SIGKILL: the mount stays, dead. */
void mounted_kill(struct mounted *m);
/* True when something is mounted at the folder. */
bool mounted_is(const struct mounted *m);
/* True when the events that the server sent have the text. */
bool mounted_told(const struct mounted *m, const char *text);

/* The path of something in the mount; good for the next seven calls. */
const char *at(struct mounted *m, const char *name);
/* Opens it; the test fails when that does. */
int open_at(struct mounted *m, const char *name, int flags);
/* Reads all of a file as text. */
void assert_text(struct mounted *m, const char *name, const char *text);
/* What a call that returned -1, or not, gave: 0 or errno. */
#define ERRNO(call) ((call) == -1 ? errno : 0)

/* A write in a process of its own, so that it may have to wait. */
struct writer {
	pid_t pid;
};
void writer_start(struct writer *writer, struct mounted *m, const char *name, int flags, const char *text);
/* Waits for its end: 0, or the errno of its write, or of its close. */
int writer_join(struct writer *writer);

#endif
