/* status: how a call ends: gRPC's codes, and what becomes of a negative errno. */
#ifndef CLOG_RPC_STATUS_H
#define CLOG_RPC_STATUS_H

#include <stddef.h>

/* The codes of gRPC. */
enum status {
	STATUS_OK = 0,
	STATUS_CANCELLED = 1,
	STATUS_UNKNOWN = 2,
	STATUS_INVALID_ARGUMENT = 3,
	STATUS_DEADLINE_EXCEEDED = 4,
	STATUS_NOT_FOUND = 5,
	STATUS_ALREADY_EXISTS = 6,
	STATUS_PERMISSION_DENIED = 7,
	STATUS_RESOURCE_EXHAUSTED = 8,
	STATUS_FAILED_PRECONDITION = 9,
	STATUS_ABORTED = 10,
	STATUS_OUT_OF_RANGE = 11,
	STATUS_UNIMPLEMENTED = 12,
	STATUS_INTERNAL = 13,
	STATUS_UNAVAILABLE = 14,
	STATUS_DATA_LOSS = 15,
	STATUS_UNAUTHENTICATED = 16,
};

/* What a negative errno of the service comes to. DEADLINE_EXCEEDED and UNKNOWN stand for what may yet be found in the log,
 * all others for what was refused. */
enum status status_of(int error);
/* A sentence for a negative errno of the service. Static. */
const char *status_sentence(int error);

/* Writes a message as grpc-message has it, percent-encoded and NUL-terminated; what there is no room for is cut, between
 * characters. Returns its length. */
size_t status_encode(const char *message, char *text, size_t capacity);

#endif
