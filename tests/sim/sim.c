/* The simulator: `sim SEEDS [FIRST]` lives through that many seeds and tells what it saw. Exit status 1 when a promise
 * was broken. With CLOG_TRACE=1 in the environment one seed tells all that happens in it. */
#include "tests/sim/sim.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "observe/observe.h"
#include "tests/sim/hunt.h"
#include "tests/sim/mutants.h"
#include "tests/sim/runner.h"

static const char usage[] =
	"usage: sim [OPTIONS] SEEDS [FIRST]\n"
	"  --members N      clusters of N members; else the seed says\n"
	"  --faults A,B...  only these kinds of faults, or none\n"
	"  --processes N    at once; else as many as there are processors\n"
	"  --twice          each seed is lived through twice, and must give the same both times\n"
	"  --mutant NAME    with one thing wrong in the cluster\n"
	"  --mutants        each mutant until it is caught, or its bound is reached\n"
	"  --recorded       each mutant with the seed that is known to catch it, or else until it is\n"
	"SEEDS is not needed for mutants; it bounds them further.\n";

struct arguments {
	struct runner_options runner;
	const struct mutant *mutant;
	bool mutants, recorded;
};

static void refuse(const char *why, const char *what)
{
	fprintf(stderr, "sim: %s%s\n%s", why, what, usage);
	exit(2);
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t value = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0')
		refuse("no number: ", text);
	return value;
}

static unsigned faults_of(const char *text)
{
	unsigned faults = 0;
	while (*text != '\0') {
		size_t size = strcspn(text, ",");
		unsigned i = 0;
		while (i < FAULT_COUNT && (strlen(fault_name((enum fault)i)) != size ||
		                           strncmp(fault_name((enum fault)i), text, size) != 0))
			i++;
		if (i == FAULT_COUNT && strcmp(text, "none") != 0)
			refuse("no kind of fault: ", text);
		faults |= i < FAULT_COUNT ? 1u << i : 0;
		text += text[size] == ',' ? size + 1 : size;
	}
	return faults;
}

static const char *value_of(int argc, char **argv, int *i)
{
	if (*i + 1 >= argc)
		refuse("a value is wanted after ", argv[*i]);
	return argv[++*i];
}

static void parse(struct arguments *arguments, int argc, char **argv)
{
	struct runner_options *runner = &arguments->runner;
	unsigned numbers = 0;
	runner->sim.faults = FAULTS_ALL;
	runner->processes = (unsigned)sysconf(_SC_NPROCESSORS_ONLN);
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--members") == 0)
			runner->sim.members = (unsigned)number(value_of(argc, argv, &i));
		else if (strcmp(argv[i], "--faults") == 0)
			runner->sim.faults = faults_of(value_of(argc, argv, &i));
		else if (strcmp(argv[i], "--processes") == 0)
			runner->processes = (unsigned)number(value_of(argc, argv, &i));
		else if (strcmp(argv[i], "--twice") == 0)
			runner->twice = true;
		else if (strcmp(argv[i], "--mutants") == 0)
			arguments->mutants = true;
		else if (strcmp(argv[i], "--recorded") == 0)
			arguments->recorded = true;
		else if (strcmp(argv[i], "--mutant") == 0)
			arguments->mutant = mutant_find(value_of(argc, argv, &i));
		else if (argv[i][0] == '-')
			refuse("no option: ", argv[i]);
		else if (numbers++ == 0)
			runner->count = number(argv[i]);
		else
			runner->first = number(argv[i]);
		if (strcmp(argv[i - 1], "--mutant") == 0 && arguments->mutant == NULL)
			refuse("no mutant: ", argv[i]);
	}
	if (numbers == 0 && (arguments->mutants || arguments->recorded))
		runner->count = UINT64_MAX;
	else if (numbers == 0)
		refuse("how many seeds?", "");
	if (numbers > 2 || runner->processes == 0 || runner->sim.members > NET_NODES_MAX)
		refuse("that cannot be", "");
}

static double seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void report(const struct runner_result *result, double took)
{
	const struct sim_counts *counts = &result->counts;
	printf("seeds: %" PRIu64 "\n", counts->seeds);
	printf("steps: %" PRIu64 "\n", counts->steps);
	printf("virtual seconds: %" PRIu64 "\n", counts->virtual_us / WORLD_SECOND);
	printf("faults:");
	for (unsigned i = 0; i < FAULT_COUNT; i++)
		printf(" %s %" PRIu64, fault_name((enum fault)i), counts->faults[i]);
	printf("\nlives of members: %" PRIu64 "\n", counts->lives);
	printf("commits: %" PRIu64 " entries, %" PRIu64 " records\n", counts->commits, counts->records);
	printf("appends: %" PRIu64 " acknowledged, %" PRIu64 " refused, %" PRIu64 " unknown\n", counts->acknowledged,
	       counts->refused, counts->unknown);
	printf("reads: %" PRIu64 "\n", counts->reads);
	printf("elections: %" PRIu64 "\n", counts->elections);
	printf("speed: %.0f steps/s, %.0f commits/s, %.1f ms a seed\n", (double)counts->steps / took,
	       (double)counts->commits / took, counts->seeds == 0 ? 0 : took * 1000 / (double)counts->seeds);
	printf("failures: %" PRIu64 "\n", result->failures);
}

int main(int argc, char **argv)
{
	struct arguments arguments = {0};
	struct runner_result result;
	const char *trace = getenv("CLOG_TRACE");
	parse(&arguments, argc, argv);
	FILE *nowhere = fopen("/dev/null", "w");
	bool traced = trace != NULL && strcmp(trace, "1") == 0;
	if (!traced && nowhere != NULL)
		observe_output(nowhere, OBSERVE_ERROR);
	if (arguments.mutants)
		return hunt_all(&arguments.runner) > 0;
	if (arguments.recorded)
		return hunt_again(&arguments.runner) > 0;
	if (arguments.mutant != NULL)
		mutant_switch_on(arguments.mutant, &arguments.runner.sim);
	if (traced) {
		arguments.runner.sim.seed = arguments.runner.first;
		return !runner_trace(&arguments.runner.sim);
	}
	double begun = seconds();
	runner_run(&arguments.runner, &result);
	report(&result, seconds() - begun);
	if (nowhere != NULL)
		fclose(nowhere);
	return result.failures > 0;
}
