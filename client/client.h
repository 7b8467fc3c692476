/* client: the log over the network, by gRPC (docs/grpc.md), behind the interface that a member serves here
 * (service/service.h): what works on a member's log works on it from elsewhere.
 *
 * It is given some addresses, finds the others by asking, appends at the leader and reads from all in turn. It keeps a
 * session, under which what it sends again after a connection broke or a leader died is appended once. A record that it has
 * appended, or read, it can read from then on, whichever member it asks.
 *
 * Everything happens on the loop's thread. */
#ifndef CLOG_CLIENT_CLIENT_H
#define CLOG_CLIENT_CLIENT_H

#include <stddef.h>
#include <stdint.h>

struct clog_error;
struct client;
struct service;
struct service_setting;
struct uv_loop_s;

#define CLIENT_SERVERS_MAX 16u    /* addresses in options, and members */
#define CLIENT_DEADLINE_MS 10000u /* default */

struct client_options {
	const char *servers;    /* HOST:PORT[,HOST:PORT...]: where to begin */
	const char *tls_folder; /* ca.pem, and cert.pem and key.pem where they are there; NULL: no TLS */
	const char
		*token_file;  /* with a token in its first line, which others may not read (0600 or less); NULL: none */
	uint32_t deadline_ms; /* in which an append, a read or a command is answered; 0: CLIENT_DEADLINE_MS */
};

/* Opens a client, which begins to connect. -EINVAL, -EACCES or the file system's error with a sentence that names the option
 * or the file. Blocks while it reads the files; names of servers are looked up later, and without blocking. */
int client_open(struct client **client, struct uv_loop_s *loop, const struct client_options *options,
                struct clog_error *err);
/* Calls cb(arg, 0, NULL) once, later, when the state of the log is known, from a member; or with an error when the deadline
 * passed first: the sentence says what the last server that was tried had to say: -EHOSTUNREACH, -EACCES, -EPROTO. */
void client_ready(struct client *client, void (*cb)(void *arg, int status, const char *sentence), void *arg);
/* Its service, valid until client_close. As service/service.h says, and:
 * - an append with a session of the caller's is -EINVAL: the client keeps its own;
 * - the state is what a member last told. */
struct service *client_service(struct client *client);
/* The settings (service/service.h), which are told to who may admin alone. 0: cb(arg, status, settings, count) is called once,
 * later: status is 0, or -EACCES, -EHOSTUNREACH, -EPROTO and the like, and settings are borrowed for the call. -ENOMEM,
 * -EAGAIN, -ESHUTDOWN: it never is. */
typedef void (*client_settings_cb)(void *arg, int status, const struct service_setting *settings, size_t count);
int client_settings(struct client *client, client_settings_cb cb, void *arg);
/* What the last error of a call was about, in a sentence for a person: which server, and what it said. Borrowed until the
 * loop goes on; never NULL. */
const char *client_sentence(const struct client *client);
/* Ends it: what is under way is answered -ECONNABORTED, or -ESHUTDOWN where it was never sent. Calls done(arg), later, when
 * all is freed. */
void client_close(struct client *client, void (*done)(void *arg), void *arg);

#endif
