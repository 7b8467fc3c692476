/* runner: lives through many seeds, in processes of their own: one that dies of an assertion takes no other along. */
#ifndef CLOG_TESTS_SIM_RUNNER_H
#define CLOG_TESTS_SIM_RUNNER_H

#include "tests/sim/sim.h"

struct mutant;

struct runner_options {
	struct sim_options sim; /* but for the seed */
	uint64_t first, count;
	unsigned processes;
	bool stops; /* at the first failure */
	bool quiet; /* tells nothing of failures */
	bool twice; /* each seed is lived through twice, and must give the same both times */
	/* Only what fails with it and not without counts; NULL: none. */
	const struct mutant *mutant;
};

struct runner_result {
	struct sim_counts counts;
	uint64_t failures;
	uint64_t failed_seed; /* the lowest */
	char sentence[CLOG_ERROR_TEXT_SIZE];
};

void runner_run(const struct runner_options *options, struct runner_result *result);
/* Lives through one seed in this process, telling what happens. Returns whether every promise was kept. */
bool runner_trace(const struct sim_options *options);

#endif
