/* rpc: a load over the network: connections in one thread, so that what makes the load takes as little as it can of the
 * processors that it shares with the servers. */
#ifndef CLOG_BENCH_RPC_H
#define CLOG_BENCH_RPC_H

#include "bench/times.h"
#include "channel/channel.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <uv.h>

#define RECORD_SIZE_MAX 8192u

struct call_kind;
struct link;

/* What comes after a connection's end: that was not to happen; it is opened again; nothing. */
enum after { AFTER_FAIL, AFTER_AGAIN, AFTER_NOTHING };

/* What is spoken on a connection. */
struct protocol {
	bool counts;                  /* it ends after so many records, and not after so many seconds */
	const struct call_kind *call; /* of gRPC; else NULL */
	/* It is open: makes link->state, and writes what comes first. It calls run_ready once it may be loaded. */
	void (*open)(struct link *link);
	/* Begins to ask: link->outstanding requests are to be under way. */
	void (*start)(struct link *link);
	void (*bytes)(struct link *link, const unsigned char *data, size_t size);
	/* channel_soon was called, or there is room for more. */
	void (*soon)(struct link *link);
	/* It is over; frees its state. */
	enum after (*closed)(struct link *link);
};

/* A connection. */
struct link {
	struct run *run;
	struct channel *channel;
	void *state;
	unsigned outstanding;
	bool ready;
};

struct run {
	uv_loop_t loop;
	uv_timer_t timer;
	struct channels *channels;
	struct tls_context *tls; /* NULL: plain */
	struct sockaddr_storage address;
	const char *address_text;
	const struct protocol *protocol;
	struct link *links;
	unsigned link_count, begun_count, ready_count;
	unsigned outstanding;
	size_t record_size;
	double limit; /* seconds, or records */
	bool holds;   /* the connections are opened, and that is all */
	bool started;
	uint64_t begin_ns;
	uint64_t count; /* of what was answered */
	struct times times;
};

extern const struct protocol calls_produce, calls_stream, calls_consume, calls_read, calls_etcd;
extern const struct protocol text_http, text_redis, text_refused;

/* Ends the program with a complaint. */
void run_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
/* The connection may be loaded; when all may be, the clock starts. */
void run_ready(struct link *link);
/* So many records were answered, that began at a time. Ends the program where that was what it was for. */
void run_count(struct run *run, uint64_t count, uint64_t begin_ns, uint64_t now_ns);

#endif
