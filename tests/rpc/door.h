/* door: a door of gRPC without sockets: the bytes of one client go in and come out by hand, over a log in memory that
 * answers when it is told to. It stands in for the channel room. */
#ifndef CLOG_TESTS_RPC_DOOR_H
#define CLOG_TESTS_RPC_DOOR_H

#include "rpc/private.h"

#define DOOR_RECORDS_MAX 4096u
#define DOOR_HELD_MAX 4096u

struct door {
	struct service service; /* first */
	uv_loop_t loop;
	struct rpc rpc;
	/* The client's channel. */
	const struct channel_ops *ops;
	void *connection;
	bool soon, destroyed;
	size_t room;        /* bytes after which it is busy */
	unsigned char *out; /* what was written to it, until it is taken */
	size_t out_size, out_capacity;
	/* The log. */
	struct {
		unsigned char *data;
		uint32_t size;
	} records[DOOR_RECORDS_MAX];
	uint64_t count;
	struct service_append *appends[DOOR_HELD_MAX];
	struct service_command *commands[DOOR_HELD_MAX];
	size_t append_count, command_count;
	uint64_t leader;
	uint32_t full;            /* so many appends are answered -EAGAIN */
	int failure;              /* the status that appends are answered with */
	uint64_t behind;          /* so many of the last records are not here yet */
	int command_failure;      /* the status that commands are answered with */
	size_t served;            /* reads */
	struct auth_policy rules; /* whom the door asks */
	struct service_setting settings[2];
	size_t setting_count;
	bool settings_unknown;
};

/* Opens the door, and a connection that has not said anything. */
void door_open(struct door *door);
/* Ends the connection, answers what is held, and checks that nothing is left. */
void door_close(struct door *door);
/* Gives the connection bytes, and lets it send. */
void door_feed(struct door *door, const void *data, size_t size);
/* Takes what was written off: the channel has room again, and the connection is told. */
void door_take(struct door *door);
/* Answers the appends and commands that are held. */
void door_answer(struct door *door);
/* Calls back who waits for room. */
void door_make_room(struct door *door);

#endif
