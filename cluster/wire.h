/* Messages as bytes on the wire. docs/protocol.md has them: a unit is the sizes of its header and of its data, four bytes
 * each, little-endian, then the header (proto/peer.proto), then the data, as it is in the message: frames are the same
 * bytes as on disk. Nothing here knows sockets. */
#ifndef CLOG_CLUSTER_WIRE_H
#define CLOG_CLUSTER_WIRE_H

#include "cluster/message.h"
#include "service/service.h"

#define WIRE_VERSION 1u
#define WIRE_HEAD_SIZE_MAX 1024u  /* bytes of the sizes and the header */
#define WIRE_REFUSAL_SIZE 384u    /* bytes of the sentence, its NUL included */
#define WIRE_KEEP_SIZE (2u << 20) /* bytes that a reader keeps for the next unit */

struct wire_hello {
	uint32_t version;
	uint64_t cluster; /* id; 0: in none yet */
	char cluster_name[SERVICE_NAME_SIZE];
	uint64_t member; /* the sender's id */
	char name[SERVICE_NAME_SIZE];
	char address[SERVICE_ADDRESS_SIZE];     /* of a hello: where the sender listens */
	char rpc_address[SERVICE_ADDRESS_SIZE]; /* of a hello: where it serves gRPC; empty: it does not */
	uint64_t wanted;                        /* of a hello: whom it wants to speak to; 0: whoever is there */
	char refused[WIRE_REFUSAL_SIZE];        /* of a welcome: why not; empty: welcome */
};

/* Each gives the bytes that begin a unit, and returns their count. The message's data follows them as it is; a hello and
 * a welcome have none. */
size_t wire_encode_hello(const struct wire_hello *hello, unsigned char head[WIRE_HEAD_SIZE_MAX]);
size_t wire_encode_welcome(const struct wire_hello *welcome, unsigned char head[WIRE_HEAD_SIZE_MAX]);
size_t wire_encode_message(const struct message *message, unsigned char head[WIRE_HEAD_SIZE_MAX]);

/* Decode a header. -EBADMSG for what is none: not protobuf, a text that is too long or no name, a body that does not fit
 * the type. -EPROTONOSUPPORT for a hello or welcome of another version: of that, nothing but the version, and a welcome's
 * refusal, is set. -ENOMEM. A message's from and data are not set. */
int wire_decode_hello(const void *header, size_t size, struct wire_hello *hello);
int wire_decode_welcome(const void *header, size_t size, struct wire_hello *welcome);
int wire_decode_message(const void *header, size_t size, struct message *message);

/* Takes units out of a stream of bytes that come in pieces. */
struct wire_reader {
	size_t data_size_max; /* bytes; set by the owner: a unit that says more is refused before it is kept */
	unsigned char *bytes; /* of a unit that is not whole */
	size_t size, capacity;
};

/* header and data are borrowed for the call. Non-zero ends the reading. */
typedef int (*wire_unit_cb)(void *arg, const void *header, size_t header_size, const void *data, size_t data_size);

/* Takes bytes, and calls cb for each unit that is whole by now. Memory grows with the bytes that have come, not with what
 * a unit says of itself. -EMSGSIZE for a unit that is too large, -ENOMEM, or what cb returned. */
int wire_reader_take(struct wire_reader *reader, const void *data, size_t size, wire_unit_cb cb, void *arg);
/* Frees what it keeps. */
void wire_reader_finish(struct wire_reader *reader);

#endif
