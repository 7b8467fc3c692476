/* sim: a simulation: some members, the links between them, their clients, a schedule of faults, and the checker.
 *
 * A life of it is: members join one another; clients append and read while the schedule makes trouble; the trouble
 * stops; all members must come to the same end. One seed says it all. */
#ifndef CLOG_TESTS_SIM_SIM_H
#define CLOG_TESTS_SIM_SIM_H

#include "tests/sim/check.h"
#include "tests/sim/client.h"
#include "tests/sim/faults.h"
#include "tests/sim/net.h"
#include "tests/sim/node.h"
#include "tests/sim/schedule.h"
#include "tests/sim/world.h"

#define SIM_CLIENTS_MAX 6

/* What happened, of one life or of many. */
struct sim_counts {
	uint64_t seeds, steps, virtual_us, commits, records, acknowledged, refused, unknown, elections, reads, lives,
		failures;
	uint64_t faults[FAULT_COUNT];
};

/* How a log is cut on the disk. */
enum sim_cut { SIM_CUT, SIM_CUT_NOT_SYNCED, SIM_CUT_NOT_DONE };

struct sim_options {
	uint64_t seed;
	unsigned faults;  /* bits 1 << enum fault: the kinds that may happen */
	unsigned members; /* 0: the seed says */
	bool traced;
	const char *ignored_sync; /* of the disks: see memory_disk_ignore_sync */
	enum sim_cut cut;
};

struct sim {
	struct world world;
	struct sim_options options;
	struct sim_counts counts;
	struct net net;
	struct node nodes[NET_NODES_MAX];
	unsigned node_count;
	uint32_t segment_size, deadline_ms;
	unsigned voters;
	struct client clients[SIM_CLIENTS_MAX];
	unsigned client_count;
	struct schedule schedule;
	struct check check;
	unsigned stage; /* of settling */
	uint64_t settle_by_us;
	uint64_t probes; /* the appends from here on are those that ask for progress */
	bool over;
};

/* Lives through a seed. Returns whether every promise was kept; if not, the sentence and when it was. */
bool sim_live(const struct sim_options *options, struct sim_counts *counts, struct clog_error *broken,
              uint64_t *broken_us, uint64_t *hash);
void sim_add(struct sim_counts *total, const struct sim_counts *counts);

/* ---- settle.c ---- */

/* The trouble has stopped: waits until all have come to the same end, appends once more everywhere, waits again, and
 * checks. */
void settle_start(struct sim *sim);

/* ---- life.c ---- */

/* A fault has happened. */
void sim_count(struct sim *sim, enum fault fault);
/* A node that is up, by the dice; NULL when there is none. */
struct node *sim_any_up(struct sim *sim);

#endif
