/* client: nghttp2's own client at a door without sockets. */
#ifndef CLOG_TESTS_RPC_CLIENT_H
#define CLOG_TESTS_RPC_CLIENT_H

#include "tests/rpc/door.h"

#define CALLS_MAX 16384

/* What became of a call, by its stream's number. */
struct ended {
	bool closed;
	char status[4], outcome[8], error[16], message[160];
	size_t size;             /* bytes of its data */
	unsigned char data[512]; /* the first of them */
};

/* The body of a request. */
struct body {
	const unsigned char *data;
	size_t size;
	bool open; /* it goes on later */
};

struct client {
	struct door door;
	nghttp2_session *session;
	struct ended calls[CALLS_MAX];
	unsigned char packed[2 << 20]; /* what client_ask sends */
	struct body body;
};

/* A test's state: a client at a door that is open. */
int client_set_up(void **state);
int client_tear_down(void **state);
/* Gives each side what the other has to say, until neither has. */
void client_exchange(struct client *client);
/* Begins a call, with one more header or NULL, and gives its stream. The body is borrowed until it is sent. */
int32_t client_call(struct client *client, const char *path, struct body *body, const char *name, const char *value);
/* The same with a message of protobuf, which is sent in whole; and up to two headers of that name. */
int32_t client_ask(struct client *client, const char *path, const ProtobufCMessage *message);
int32_t client_ask_as(struct client *client, const char *path, const ProtobufCMessage *message, const char *name,
                      const char *value, const char *again);
/* The first message of its answer; NULL: there is none in whole. The caller frees it. */
void *client_answer(const struct client *client, int32_t stream, const ProtobufCMessageDescriptor *type);
/* A framed request that appends a record of so many bytes, or, with size 0, asks for the first one. */
struct body client_message(unsigned char *bytes, uint32_t size);

#endif
