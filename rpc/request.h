/* request: what a client says of a call in its headers. */
#ifndef CLOG_RPC_REQUEST_H
#define CLOG_RPC_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REQUEST_HEADERS_SIZE_MAX (16u << 10) /* bytes of names and values, and 32 for each */
#define REQUEST_PATH_SIZE 128u               /* bytes, the NUL included; a longer one is no method's */

/* All zero at first. */
struct request {
	bool post;
	char path[REQUEST_PATH_SIZE]; /* cut where it is longer */
	bool grpc;                    /* its content is that of gRPC, with protobuf messages */
	bool encoded;                 /* its messages may be compressed */
	bool timed, mistimed;         /* it says until when it wants its answer; and does so wrongly */
	uint64_t timeout_ms;
	size_t size;
};

/* Takes a header in. */
void request_header(struct request *request, const void *name, size_t name_size, const void *value, size_t value_size);

/* Reads a grpc-timeout, such as "100m": up to eight digits and one of H M S m u n. Rounded up. -EINVAL. */
int request_timeout(const char *text, size_t size, uint64_t *timeout_ms);

#endif
