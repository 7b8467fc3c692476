/* remote: a command's connection to the servers, on a loop that runs while the command waits for something. */
#ifndef CLOG_CMD_REMOTE_H
#define CLOG_CMD_REMOTE_H

#include "service/service.h"

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct client;
struct clog_error;
struct target;

#define REMOTE_CLIENTS_MAX 64u /* connections that one command has */

/* In the caller's memory. */
struct remote {
	uv_loop_t loop;
	struct client *clients[REMOTE_CLIENTS_MAX];
	size_t count;
	struct service *service; /* of the first client */
	/* Private. */
	size_t awaited; /* clients that are not ready yet */
	size_t open;    /* clients that are not closed yet */
	int status;
	struct clog_error *err;
};

/* Connects so many clients (1 to REMOTE_CLIENTS_MAX), and waits until each knows the state of the log. SIGPIPE is ignored from
 * here on: sockets give it too. Returns CLOG_OK, or another status with a sentence; then nothing is left open. */
int remote_open(struct remote *remote, const struct target *target, size_t count, struct clog_error *err);
/* Runs the loop until *done. */
void remote_wait(struct remote *remote, const bool *done);
/* Ends all: what is under way is answered before it returns, and every handle on the loop but the clients' must be closed. */
void remote_close(struct remote *remote);

/* Gives a command to the first client's service, and waits. Returns its status. */
int remote_command(struct remote *remote, struct service_command *command);

/* Sets a sentence for a call that failed: what became of it ("refused: nothing was appended"), why, and what the server said.
 * Returns CLOG_FAILED. */
int remote_fail(const struct remote *remote, int status, const char *what, struct clog_error *err);
/* What a status of the service means, in words. Static, or strerror's. */
const char *remote_meaning(int status);
/* Whether it is not known what became of a call that failed so. */
bool remote_unknown(int status);

#endif
