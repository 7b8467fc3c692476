/* client: those who use the members' services: they append, read, follow the stream, ask for the end, trim. Each one
 * talks to one member at a time and goes to another one now and then. */
#ifndef CLOG_TESTS_SIM_CLIENT_H
#define CLOG_TESTS_SIM_CLIENT_H

#include "service/service.h"

struct node;
struct sim;

struct client {
	struct sim *sim;
	unsigned index;
	struct node *node;
	uint64_t life;         /* of the node, when it went there */
	unsigned out, out_max; /* requests */
	uint64_t pause_us;     /* between what it does, on average */
	uint64_t position;     /* it has followed the stream up to there */
	unsigned conditional;  /* of 68: appends that must get a certain offset; the others may get any */
};

/* They begin. */
void client_start(struct sim *sim);
/* An append to the node, outside of any client; NULL when it was not taken. */
struct check_append *client_append(struct node *node, uint64_t expected);
/* Gives a command to a node, and follows it. */
void client_command(struct node *node, const struct service_command *command);

#endif
