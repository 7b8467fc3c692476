/* far: servers for the client to talk to: the real door of gRPC over a log in memory that several of them share, on the
 * test's own loop. Each does wrong what it is told to. */
#ifndef CLOG_TESTS_CLIENT_FAR_H
#define CLOG_TESTS_CLIENT_FAR_H

#include "auth/auth.h"
#include "client/client.h"
#include "service/service.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define FAR_RECORDS_MAX 20000u
#define FAR_SESSIONS_MAX 8u
#define FAR_RESULTS_MAX 4096u
#define FAR_HELD_MAX 4096u
#define FAR_SERVERS_MAX 4u
#define FAR_SETTINGS_MAX 4u

struct far_result {
	uint64_t sequence, offset;
	uint32_t count;
};

struct far_session {
	uint64_t id, key;
	bool ended;
	struct far_result results[FAR_RESULTS_MAX];
	size_t count;
};

/* The log that they share. */
struct far_log {
	struct {
		unsigned char *data;
		uint32_t size;
	} records[FAR_RECORDS_MAX];
	uint64_t count, first;
	uint64_t term, leader;
	struct far_session sessions[FAR_SESSIONS_MAX];
	size_t session_count;
	unsigned appends; /* batches that have come, those that were answered from the session too */
	char key[SERVICE_KEY_SIZE];
	unsigned char value[64];
	size_t value_size;
	uint64_t settings_entry;
};

struct far {
	struct service service; /* first */
	struct far_world *world;
	uint64_t id;
	struct rpc *rpc;
	struct rpc *stopped; /* the one that was, or is being stopped */
	uv_timer_t turn;
	char address[SERVICE_ADDRESS_SIZE];
	struct service_append *appends[FAR_HELD_MAX]; /* to be answered */
	struct service_command *commands[FAR_HELD_MAX];
	struct service_read *reads[FAR_HELD_MAX];
	size_t append_count, command_count, read_count;
	unsigned reads_asked, commands_asked, appends_asked;
	/* What it does wrong. */
	bool mute;           /* it answers nothing */
	bool forgetful;      /* it takes appends, and does not append them; with mute */
	int append_failure;  /* the status that the next appends are answered with, */
	unsigned failures;   /* so many of them */
	int append_refusal;  /* what the call of an append returns */
	int read_failure;    /* the status that reads are answered with */
	int command_failure; /* and commands */
	uint64_t behind;     /* so many records are not here yet */
};

struct far_world {
	uv_loop_t loop;
	struct auth_policy auth;
	struct tls_context *tls; /* that servers which start have; NULL: none */
	struct far_log log;
	struct far servers[FAR_SERVERS_MAX];
	size_t count;
	struct client *client;
	bool closed; /* the client's end was told */
	unsigned open_handles;
};

/* Makes a world with so many servers, of which the first one leads; and a client that knows the first so many of them. */
struct far_world *far_create(size_t count);
void far_open_client(struct far_world *world, size_t known, uint32_t deadline_ms);
/* Closes the client, if it is open, and all servers, and checks that nothing is left. */
void far_destroy(struct far_world *world);
/* Closes the client and waits for its end. */
void far_close_client(struct far_world *world);
/* Runs the loop until a condition holds; fails the test when it does not for long. */
void far_until(struct far_world *world, bool (*holds)(void *arg), void *arg);
/* Runs the loop until the client knows the state. */
void far_ready(struct far_world *world);
/* Cuts all connections of a server. */
void far_cut(struct far *far);
/* It serves no more. */
void far_stop(struct far *far);
/* It serves again, where it did. */
void far_start(struct far *far);
/* Another one leads. */
void far_lead(struct far_world *world, size_t place);
/* Ends all sessions. */
void far_end_sessions(struct far_world *world);
/* Appends a record behind the client's back. */
void far_add(struct far_world *world, const void *data, uint32_t size);
/* Tells those who wait that there is more. */
void far_tell(struct far_world *world);
/* It answers what it owes, and all that comes. */
void far_speak(struct far *far);
/* How often a record is in the log. */
unsigned far_find(const struct far_world *world, const void *data, uint32_t size);

/* ---- far_service.c ---- */

extern const struct service_ops far_ops;
/* Answers what it owes. */
void far_answer(struct far *far);
/* Memory that does not run out where a test has malloc fail. */
void *far_room(size_t size);

/* ---- Appends of the client's ---- */

/* An append of a record that is a text; how often it was answered. */
struct far_append {
	struct service_append append;
	unsigned answered;
};
/* Appends; returns what service_append_at does. */
int far_append(struct far_world *world, struct far_append *append, uint64_t expected, const char *text);
/* Runs the loop until it is answered, and gives its status. */
int far_answered(struct far_world *world, struct far_append *append);
/* Appends a record that is a text, and gives the status. */
int far_append_one(struct far_world *world, const char *text);

#endif
