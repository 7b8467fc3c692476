/* reader: records one after the other, in their order, with several questions under way. */
#ifndef CLOG_CMD_READER_H
#define CLOG_CMD_READER_H

#include "service/service.h"

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

struct clog_error;
struct remote;

#define READER_WINDOW 32u     /* records that are asked for at once */
#define READER_AGAIN_MS 500u  /* after which who follows asks again when that failed */
#define READER_END UINT64_MAX /* as the end: there is none, and records to come are waited for */

struct reader;

struct reader_slot {
	struct service_read read;
	struct reader *reader;
	enum { READER_IDLE, READER_ASKED, READER_ANSWERED, READER_REFUSED } state;
};

/* In the caller's memory. */
struct reader {
	/* Set by the caller. */
	uint64_t offset; /* of the first record; then of the next one to be given */
	uint64_t end;    /* the one after the last, or READER_END */
	/* Called for each record, whose bytes are borrowed for the call. CLOG_OK, or a status that ends it. */
	int (*give)(struct reader *reader, const struct service_read *read);
	/* Called after some were given, before more is waited for. CLOG_OK, or a status that ends it. */
	int (*pause)(struct reader *reader);
	void *arg;
	struct clog_error *err;
	/* Private. */
	struct remote *remote;
	struct service_watch watch;
	uv_prepare_t waiting; /* the loop is about to wait */
	uv_timer_t again;
	struct reader_slot slots[READER_WINDOW]; /* a ring: those from offset to asked */
	uint64_t asked;                          /* offset of the next to ask for */
	unsigned outstanding;
	int status;      /* of the exit */
	bool given;      /* some, since the last pause */
	bool stopping;   /* nothing more is asked for, nor given */
	bool failed;     /* likewise, until it begins again */
	bool over;       /* and nothing is under way */
	bool complained; /* of a server that cannot be reached */
};

/* Gives the records from offset to end, and returns CLOG_OK, or a status with a sentence. A record that is not there (yet, or
 * any more) ends it; but not who follows (READER_END): that one waits, is told on stderr of what was trimmed before it was
 * read, and of servers that cannot be reached, and goes on until a call gives a status, the server does not permit it, or a
 * record is damaged. */
int reader_run(struct reader *reader, struct remote *remote);

#endif
