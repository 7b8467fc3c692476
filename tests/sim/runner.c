#include "tests/sim/runner.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* Which kinds of faults the failure needs: tries without each. */
static unsigned shrink(const struct sim_options *options)
{
	unsigned faults = options->faults;
	for (unsigned i = 0; i < FAULT_COUNT; i++)
		if ((faults & (1u << i)) && fails_with(*options, faults & ~(1u << i)))
			faults &= ~(1u << i);
	return faults;
}

static void tell_faults(unsigned faults)
{
	const char *comma = "";
	for (unsigned i = 0; i < FAULT_COUNT; i++) {
		if (!(faults & (1u << i)))
			continue;
		printf("%s%s", comma, fault_name((enum fault)i));
		comma = ",";
	}
	printf("%s\n", faults == 0 ? "none" : "");
}

static void tell(const struct sim_options *options, const struct clog_error *broken, uint64_t us)
{
	printf("seed %" PRIu64 " fails at %" PRIu64 ".%06" PRIu64 " s: %s\n", options->seed, us / WORLD_SECOND,
	       us % WORLD_SECOND, broken->text);
	printf("  replay: CLOG_TRACE=1 dev/sim 1 %" PRIu64 "\n", options->seed);
	fflush(stdout);
	printf("  faults that it needs: ");
	tell_faults(shrink(options));
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
	if (kept)
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
	worker->pid = fork();
	if (worker->pid == 0) {
		work(worker, options);
		_exit(0);
	}
	if (worker->pid < 0) {
		perror("sim: fork");
		exit(2);
	}
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
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (sim_live(&sim, &counts, &broken, &us, &hash))
		return true;
	sim.traced = false;
	tell(&sim, &broken, us);
	return false;
}
