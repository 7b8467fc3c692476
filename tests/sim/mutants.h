/* mutants: the cluster with one thing wrong. The simulator must find each of them, or it proves nothing. */
#ifndef CLOG_TESTS_SIM_MUTANTS_H
#define CLOG_TESTS_SIM_MUTANTS_H

#include "cluster/mutant.h"
#include "tests/sim/sim.h"

struct mutant {
	const char *name;
	const char *what;         /* is wrong */
	uint64_t seed;            /* one that catches it */
	uint64_t bound;           /* of the seeds from 0 on so many do */
	enum mutation mutation;   /* in the cluster's code */
	unsigned shims_off;       /* of cluster/shim.h */
	const char *ignored_sync; /* the disk forgets the syncs of what ends so */
	enum sim_cut cut;
};

extern const struct mutant mutants[];
extern const size_t mutant_count;

/* NULL when there is none of the name. */
const struct mutant *mutant_find(const char *name);
/* Makes the code under test, or its machines, so. */
void mutant_switch_on(const struct mutant *mutant, struct sim_options *options);
/* Makes all right again. */
void mutant_switch_off(struct sim_options *options);

#endif
