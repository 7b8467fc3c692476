#include "bench/load.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STACK_SIZE (128u << 10)
/* Times are counted in bins of 3 %, or 1 us. */
#define BINS_A_DOUBLING 32u
#define BINS (BINS_A_DOUBLING * 32u)

struct writer {
	pthread_t thread;
	const struct load_ops *ops;
	double seconds;
	uint64_t count;
	double rate; /* records a second */
	uint32_t times[BINS];
};

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static unsigned bin_of(uint64_t us)
{
	if (us < BINS_A_DOUBLING)
		return (unsigned)us;
	unsigned doublings = 63u - (unsigned)__builtin_clzll(us) - 5u;
	unsigned bin = doublings * BINS_A_DOUBLING + (unsigned)(us >> doublings);
	return bin < BINS ? bin : BINS - 1;
}

/* The least time of a bin. */
static uint64_t time_of(unsigned bin)
{
	if (bin < BINS_A_DOUBLING)
		return bin;
	unsigned doublings = bin / BINS_A_DOUBLING - 1;
	return (uint64_t)(bin - doublings * BINS_A_DOUBLING) << doublings;
}

static void *run(void *arg)
{
	struct writer *writer = arg;
	const struct load_ops *ops = writer->ops;
	void *target = ops->open();
	if (target == NULL)
		fail(ops->name);
	double start = now(), begin = start;
	while (begin < start + writer->seconds) {
		if (!ops->write(target, writer->count))
			fail(ops->name);
		double done = now();
		writer->times[bin_of((uint64_t)((done - begin) * 1e6))]++;
		writer->count++;
		begin = done;
	}
	writer->rate = (double)writer->count / (begin - start);
	ops->close(target);
	return NULL;
}

/* The time that so many of a hundred stay below. */
static uint64_t quantile(const struct writer *writers, unsigned count, uint64_t total, uint64_t of_hundred)
{
	uint64_t seen = 0;
	unsigned bin = 0;
	for (; bin < BINS - 1; bin++) {
		for (unsigned i = 0; i < count; i++)
			seen += writers[i].times[bin];
		if (seen * 100 > total * of_hundred)
			break;
	}
	return time_of(bin);
}

void load_run(const struct load_ops *ops, unsigned count, double seconds)
{
	struct writer *writers = calloc(count, sizeof *writers);
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_SIZE);
	double rate = 0;
	uint64_t total = 0;
	for (unsigned i = 0; i < count; i++) {
		if (writers == NULL)
			fail("memory");
		writers[i].ops = ops;
		writers[i].seconds = seconds;
		errno = pthread_create(&writers[i].thread, &attributes, run, &writers[i]);
		if (errno != 0)
			fail("a thread");
	}
	for (unsigned i = 0; i < count; i++) {
		pthread_join(writers[i].thread, NULL);
		total += writers[i].count;
		rate += writers[i].rate;
	}
	printf("%.0f %lu %lu\n", rate, quantile(writers, count, total, 50), quantile(writers, count, total, 99));
	free(writers);
}
