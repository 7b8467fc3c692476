/* What a lookup asks c-ares, and what it makes of the answers. */
#ifndef CLOG_CHANNEL_RESOLVE_QUERY_H
#define CLOG_CHANNEL_RESOLVE_QUERY_H

#include "channel/channel.h"
#include "error/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

/* c-ares of Debian 13 would rather have other calls than those that Debian 12 has. */
#define CARES_NO_DEPRECATED
#include <ares.h>

/* A question to c-ares: of one host, or for the records of a service. */
struct query {
	struct lookup *lookup;
	unsigned rank; /* among the hosts of a service */
	uint16_t port; /* what the addresses get */
	char host[CHANNEL_HOST_SIZE];
};

struct found {
	unsigned rank;
	struct sockaddr_storage address;
};

/* Each has a channel of its own, for c-ares ends queries by the channel only. Its callbacks run inside of calls of
 * c-ares, where a channel must not be destroyed: they only note what came. finish() is called by a handle, after. */
struct lookup {
	struct resolver *resolver;
	struct lookup *next;
	resolve_cb cb;
	void *arg;

	ares_channel channel; /* NULL for a literal address */
	uv_timer_t timer;
	struct watch *watches;
	unsigned open_handles; /* whose close callback has not run */
	uint64_t deadline_ms;
	unsigned pending; /* queries */

	bool is_service; /* by its name alone */
	bool has_records;
	struct query records, plain, targets[RESOLVE_TARGETS_MAX];

	struct found found[RESOLVE_ADDRESSES_MAX]; /* by rank, then as they came */
	size_t found_count;
	int status; /* the failure to tell of if nothing is found */
	char sentence[CLOG_ERROR_TEXT_SIZE];
};

/* Asks for what is behind host and port: for_service as resolve_service does, else as resolve_address. lookup->pending is 0 when
 * all is answered, which may be at once. */
void resolve_query_start(struct lookup *lookup, const char *host, uint16_t port, bool for_service);

/* Adds an address behind all those that have its rank or a better one; if there are too many, the last goes. */
void resolve_query_add(struct lookup *lookup, unsigned rank, const struct sockaddr *address, uint16_t port);

/* What was found, each address once. */
void resolve_query_gather(const struct lookup *lookup, struct resolved *resolved);

/* c-ares' status as a negative errno. */
int resolve_query_error(int status);

#endif
