#include "tests/sim/hunt.h"

#include <inttypes.h>
#include <stdio.h>

#include "tests/sim/mutants.h"

static void run(struct runner_options *runner, const struct mutant *mutant, struct runner_result *result)
{
	runner->stops = runner->quiet = true;
	runner->mutant = mutant;
	if (mutant != NULL)
		mutant_switch_on(mutant, &runner->sim);
	runner_run(runner, result);
	mutant_switch_off(&runner->sim);
}

static bool hunt(const struct runner_options *options, const struct mutant *mutant)
{
	struct runner_options runner = *options;
	struct runner_result result;
	runner.count = mutant->bound < runner.count ? mutant->bound : runner.count;
	run(&runner, mutant, &result);
	if (result.failures > 0)
		printf("%-22s caught by seed %" PRIu64 ", bound %" PRIu64 " (%s): %s\n", mutant->name,
		       result.failed_seed, mutant->bound, mutant->what, result.sentence);
	else
		printf("%-22s NOT CAUGHT in %" PRIu64 " seeds (%s)\n", mutant->name, runner.count, mutant->what);
	fflush(stdout);
	return result.failures > 0;
}

unsigned hunt_all(const struct runner_options *runner)
{
	unsigned hunted = 0, missed = 0;
	for (size_t i = 0; i < mutant_count; i++) {
		if (mutants[i].bound == 0)
			continue;
		hunted++;
		missed += !hunt(runner, &mutants[i]);
	}
	printf("mutants: %u caught, %u not caught\n", hunted - missed, missed);
	return missed;
}

static bool catches(const struct runner_options *options, const struct mutant *mutant)
{
	struct runner_options runner = *options;
	struct runner_result with, without;
	runner.first = mutant->seed;
	runner.count = runner.processes = 1;
	run(&runner, mutant, &with);
	run(&runner, NULL, &without);
	if (without.failures > 0)
		printf("%s: seed %" PRIu64 " fails without it, too: %s\n", mutant->name, mutant->seed,
		       without.sentence);
	if (with.failures > 0)
		return without.failures == 0;
	printf("%s: seed %" PRIu64 " does not catch it any more\n", mutant->name, mutant->seed);
	return hunt(options, mutant);
}

unsigned hunt_again(const struct runner_options *runner)
{
	unsigned hunted = 0, missed = 0;
	for (size_t i = 0; i < mutant_count; i++) {
		if (mutants[i].bound == 0)
			continue;
		hunted++;
		missed += !catches(runner, &mutants[i]);
	}
	printf("mutants: %u caught, %u not caught\n", hunted - missed, missed);
	return missed;
}
