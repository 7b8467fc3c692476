/* host: the machine under a member, in a test's hands.
 *
 * It is a struct cluster_host in which nothing happens by itself. Time stands still until the test moves it; what the
 * member gives to other threads (jobs, reads) waits until the test runs it, and waits again until the test brings it
 * back; a turn that the member asked for is taken when the test says so. A real host may do all of this in any order
 * and as late as it likes, so may a test: host_step() picks by the dice.
 *
 * The disk is the test's, and so is the member's life: cluster_open(&cluster, &options, &host.door, &err). */
#ifndef CLOG_TESTS_CLUSTER_HOST_H
#define CLOG_TESTS_CLUSTER_HOST_H

#include "cluster/cluster.h"
#include "error/error.h"
#include "tests/disk/dice.h"

#define HOST_READS_MAX 1024   /* out at a time */
#define HOST_MESSAGES_MAX 256 /* kept */
#define HOST_START_MS 1000000 /* of the clock */
#define HOST_NEVER UINT64_MAX

/* Work for another thread. */
struct host_job {
	struct log_job *job; /* NULL: there is none */
	bool ran;            /* it only has to be brought back */
};

struct host_read {
	struct log_read *read;
	bool ran;
};

/* A message to another member. */
struct host_message {
	uint64_t member;
	int type; /* enum message_type */
};

struct host {
	struct cluster_host door; /* first: the member gives its address back */
	struct dice dice;

	/* The clocks. time_ns may be set to anything; it goes on with now_ms. */
	uint64_t now_ms;
	uint64_t time_ns;
	uint64_t wake_at_ms; /* HOST_NEVER: not asked for */
	bool turn_wanted;

	struct host_job write, chore;
	struct host_read reads[HOST_READS_MAX]; /* as they came */
	size_t read_count;

	struct host_message messages[HOST_MESSAGES_MAX]; /* the first ones */
	size_t message_count;                            /* of all */

	unsigned failures; /* calls of fail() */
	struct clog_error failure;
};

/* disk is borrowed as long as the host is used. */
void host_init(struct host *host, struct log_disk *disk, uint64_t seed);

/* ---- One thing at a time: each returns false, and does nothing, when there is no such thing to do ---- */

/* Takes the turn that was asked for. */
bool host_turn(struct host *host);
/* Runs a job, as its thread would. */
bool host_run_write(struct host *host);
bool host_run_chore(struct host *host);
/* Brings a job that was run back to the member. */
bool host_end_write(struct host *host);
bool host_end_chore(struct host *host);
/* The same for the read that came i-th of those that are out. */
bool host_run_read(struct host *host, size_t i);
bool host_end_read(struct host *host, size_t i);
/* Moves the clocks on by that much, and wakes the member if that is due. */
bool host_pass(struct host *host, uint64_t ms);
/* Moves the clocks to when the member asked to be woken, and wakes it. */
bool host_wake(struct host *host);

/* ---- Many ---- */

/* One of the things that can be done now but for passing time, by the dice. False when there is nothing to do. */
bool host_step(struct host *host);
/* Steps until nothing is left to do; time stands still. */
void host_settle(struct host *host);
/* Whether a job or a read is out: then the member cannot be closed. */
bool host_busy(const struct host *host);

#endif
