/* The order in which the records of a service are tried: RFC 2782. */
#ifndef CLOG_CHANNEL_RESOLVE_ORDER_H
#define CLOG_CHANNEL_RESOLVE_ORDER_H

#include <stddef.h>
#include <stdint.h>

/* One SRV record. */
struct resolve_record {
	const char *host; /* borrowed */
	uint16_t priority;
	uint16_t weight;
	uint16_t port;
};

/* A number from 0 to most, each as likely as the others. */
typedef uint32_t (*resolve_draw_cb)(void *arg, uint32_t most);

/* Sorts by priority, the lowest first; among equals the one that is drawn comes next, a heavy one as much likelier as
 * it is heavier, and one without weight hardly ever before one with. */
void resolve_order(struct resolve_record *records, size_t count, resolve_draw_cb draw, void *arg);

#endif
