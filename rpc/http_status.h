/* http_status: what a negative errno of the service is called over HTTP. */
#ifndef CLOG_RPC_HTTP_STATUS_H
#define CLOG_RPC_HTTP_STATUS_H

#include <stdbool.h>

struct http_meaning {
	int code;            /* a negative errno */
	const char *name;    /* "ENOENT" */
	int status;          /* HTTP's */
	bool unknown;        /* what was asked for may yet happen; else it was refused, and nothing has */
	const char *message; /* a sentence without its dot */
	const char *advice;  /* what the caller can do */
};

/* Gives what to say of a negative errno; of one that no service gives, -EIO's. Static. */
const struct http_meaning *http_status_of(int code);

#endif
