#include "tests/sim/runner.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "observe/observe.h"
#include "tests/sim/mutants.h"

#define PROCESSES_MAX 16u
#define SEED_S_MAX 120u /* of real time: what takes longer hangs */

/* What a process shares with the one that started it. */
struct worker {
	pid_t pid;
	uint64_t next, step, end; /* seeds: the one that it is at, and so on */
	struct runner_result result;
};

static void note(struct runner_result *result, uint64_t seed, const char *sentence)
{
	if (result->failures++ > 0 && result->failed_seed < seed)
		return;
	result->failed_seed = seed;
	snprintf(result->sentence, sizeof result->sentence, "%s", sentence);
}

static bool fails_with(struct sim_options options, unsigned faults)
{
	struct sim_counts counts = {0};
	struct clog_error broken;
	uint64_t us, hash;
	options.faults = faults;
	return !sim_live(&options, &counts, &broken, &us, &hash);
}

/* Whether it is not the mutant's fault. */
static bool fails_without(const struct sim_options *options, const struct mutant *mutant)
{
	struct sim_options sim = *options;
	mutant_switch_off(&sim);
	bool fails = fails_with(sim, sim.faults);
	mutant_switch_on(mutant, &sim);
	return fails;
}

/* Which kinds of faults the failure needs: tries without each. */
static unsigned shrink(const struct sim_options *options)
{
	unsigned faults = options->faults;
	for (unsigned i = 0; i < FAULT_COUNT; i++)
		if ((faults & (1u << i)) && fails_with(*options, faults & ~(1u << i)))
			faults &= ~(1u << i);
	return faults;
}

/* Says it in one piece: other processes speak, too. */
static void tell(const struct sim_options *options, const struct clog_error *broken, uint64_t us)
{
	char names[512] = "";
	size_t size = 0;
	unsigned faults = shrink(options);
	for (unsigned i = 0; i < FAULT_COUNT; i++)
		if (faults & (1u << i))
			size += (size_t)snprintf(names + size, sizeof names - size, "%s%s", size > 0 ? "," : "",
			                         fault_name((enum fault)i));
	printf("seed %" PRIu64 " fails at %" PRIu64 ".%06" PRIu64 " s: %s\n"
	       "  replay: CLOG_TRACE=1 dev/sim 1 %" PRIu64 "\n"
	       "  it fails already with --faults %s\n",
	       options->seed, us / WORLD_SECOND, us % WORLD_SECOND, broken->text, options->seed,
	       faults == 0 ? "none" : names);
	fflush(stdout);
}

static void live(struct worker *worker, const struct runner_options *options)
{
	struct sim_options sim = options->sim;
	struct clog_error broken;
	uint64_t us, hash, again;
	sim.seed = worker->next;
	alarm(SEED_S_MAX);
	bool kept = sim_live(&sim, &worker->result.counts, &broken, &us, &hash);
	if (kept && options->twice) {
		struct sim_counts counts = {0};
		kept = sim_live(&sim, &counts, &broken, &us, &again) && again == hash;
		if (!kept)
			clog_error_set(&broken, -1, "the second time it is another life");
	}
	if (kept || (options->mutant != NULL && fails_without(&sim, options->mutant)))
		return;
	note(&worker->result, sim.seed, broken.text);
	if (options->quiet)
		return;
	alarm(FAULT_COUNT * SEED_S_MAX);
	tell(&sim, &broken, us);
}

static void work(struct worker *worker, const struct runner_options *options)
{
	while (worker->next < worker->end && !(options->stops && worker->result.failures > 0)) {
		live(worker, options);
		worker->next += worker->step;
	}
	fflush(stdout);
}

static void start(struct worker *worker, const struct runner_options *options)
{
	fflush(stdout);
	/* The worker is shared: the child must not write its own idea of its number there. */
	pid_t pid = fork();
	if (pid == 0) {
		work(worker, options);
		/* As any process ends: it has its coverage counted then, and is asked for leaks. */
		exit(0);
	}
	if (pid < 0) {
		perror("sim: fork");
		exit(2);
	}
	worker->pid = pid;
}

/* Waits for the process; one that died is followed by another one, for the seeds after the one that it died at. */
static void finish(struct worker *worker, const struct runner_options *options)
{
	for (;;) {
		int status;
		char sentence[64];
		while (waitpid(worker->pid, &status, 0) < 0)
			continue;
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			return;
		snprintf(sentence, sizeof sentence, "the process ended with %s %d",
		         WIFSIGNALED(status) ? "signal" : "status",
		         WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
		note(&worker->result, worker->next, sentence);
		if (!options->quiet)
			printf("seed %" PRIu64 " fails: %s\n  replay: CLOG_TRACE=1 dev/sim 1 %" PRIu64 "\n",
			       worker->next, sentence, worker->next);
		worker->next += worker->step;
		if (options->stops)
			return;
		start(worker, options);
	}
}

static void add(struct runner_result *total, const struct runner_result *result)
{
	sim_add(&total->counts, &result->counts);
	if (result->failures == 0)
		return;
	if (total->failures == 0 || result->failed_seed < total->failed_seed) {
		total->failed_seed = result->failed_seed;
		memcpy(total->sentence, result->sentence, sizeof total->sentence);
	}
	total->failures += result->failures;
}

void runner_run(const struct runner_options *options, struct runner_result *result)
{
	unsigned count = options->processes < PROCESSES_MAX ? options->processes : PROCESSES_MAX;
	size_t size = count * sizeof(struct worker);
	struct worker *workers = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (workers == MAP_FAILED) {
		perror("sim: mmap");
		exit(2);
	}
	memset(result, 0, sizeof *result);
	for (unsigned i = 0; i < count; i++) {
		workers[i] = (struct worker){
			.next = options->first + i, .step = count, .end = options->first + options->count};
		start(&workers[i], options);
	}
	for (unsigned i = 0; i < count; i++) {
		finish(&workers[i], options);
		add(result, &workers[i].result);
	}
	munmap(workers, size);
}

bool runner_trace(const struct sim_options *options)
{
	struct sim_options sim = *options;
	struct sim_counts counts = {0};
	struct clog_error broken;
	uint64_t us, hash;
	sim.traced = true;
	/* What members complain of stands where it happened. */
	observe_output(stdout, OBSERVE_DEBUG);
	bool kept = sim_live(&sim, &counts, &broken, &us, &hash);
	FILE *nowhere = fopen("/dev/null", "w");
	if (kept || nowhere == NULL)
		return kept;
	observe_output(nowhere, OBSERVE_ERROR);
	sim.traced = false;
	tell(&sim, &broken, us);
	observe_output(stderr, OBSERVE_INFO);
	fclose(nowhere);
	return false;
}
