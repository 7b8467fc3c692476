/* mutants: the cluster with one thing wrong. The simulator must find each of them, or it proves nothing. */
#ifndef CLOG_TESTS_SIM_MUTANTS_H
#define CLOG_TESTS_SIM_MUTANTS_H

#include "tests/sim/sim.h"

struct mutant {
	const char *name;
	const char *what;         /* is wrong */
	const char *ignored_sync; /* the disk forgets the syncs of what ends so */
	unsigned shims_off;       /* of cluster/shim.h */
	uint64_t bound;           /* seeds by which it is caught */
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
