/* load: requests to the servers, and how long each took. */
#ifndef CLOG_CMD_LOAD_H
#define CLOG_CMD_LOAD_H

#include "cmd/histogram.h"

#include <stdbool.h>
#include <stdint.h>

struct clog_error;
struct remote;

#define LOAD_OUTSTANDING_MAX 4096u

/* What is asked for, and what came of it. */
struct load {
	/* Set by the caller. */
	uint64_t count;       /* requests; 0: until the time is over */
	uint64_t duration_ns; /* 0: until the requests are done */
	uint32_t size;        /* bytes of a record to append */
	uint32_t outstanding; /* requests under way at once, 1 to LOAD_OUTSTANDING_MAX */
	uint64_t
		rate; /* requests a second that are due, whatever became of others; 0: each as soon as one is answered */
	bool read;    /* records that are there, from the first to the last, over and over */
	bool progress; /* on stderr, once a second */
	/* What came of it. */
	struct histogram
		times_ns; /* of requests that were done: from when each was due, or, without a rate, was made */
	uint64_t bytes;
	uint64_t elapsed_ns; /* from the first request to the last answer */
};

/* Runs it over all of remote's clients in turn. Ends at the first request that fails, with CLOG_FAILED and a sentence; what was
 * measured until then is there. */
int load_run(struct load *load, struct remote *remote, struct clog_error *err);

#endif
