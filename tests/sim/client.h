/* client: those who use the members' services: they append, read, follow the stream, ask for the end, trim. Each one
 * talks to one member at a time and goes to another one now and then. */
#ifndef CLOG_TESTS_SIM_CLIENT_H
#define CLOG_TESTS_SIM_CLIENT_H

#include "service/service.h"

struct node;
struct sim;

#define CLIENT_GIVEN_MAX 8

struct check_append;

struct client {
	struct sim *sim;
	unsigned index;
	struct node *node;
	uint64_t life;         /* of the node, when it went there */
	unsigned out, out_max; /* requests */
	uint64_t pause_us;     /* between what it does, on average */
	uint64_t position;     /* it has followed the stream up to there */
	unsigned conditional;  /* of 68: appends that must get a certain offset; the others may get any */
	/* Under a session of its own. */
	unsigned under; /* of 100: how much of what it does is */
	bool opening;
	struct service_session session; /* id 0: none */
	uint64_t next_sequence;
	struct check_append *given[CLIENT_GIVEN_MAX]; /* the last ones, as they were given first; in a ring */
	uint64_t given_count;
};

/* They begin. */
void client_start(struct sim *sim);
/* An append to the node, outside of any client; NULL when it was not taken. */
struct check_append *client_append(struct node *node, uint64_t expected);
/* Gives the node a batch that the checker knows. False when it was not taken. */
bool client_give(struct node *node, struct client *client, struct check_append *append);
/* Gives a command to a node, and follows it. */
void client_command(struct node *node, const struct service_command *command);
/* The same in the midst of something, for a client if it is not NULL. Keys and values are copied. */
void client_ask(struct node *node, struct client *client, const struct service_command *command);

/* ---- client_under.c ---- */

/* Does something under a session of the client's own. */
void client_under_act(struct client *client);
/* What became of a batch under a session; and of the wish for one. */
void client_under_answered(struct client *client, const struct check_append *append);
void client_under_opened(struct client *client, const struct service_command *command, bool heard);

#endif
