#include "bench/times.h"

#include <stdio.h>
#include <time.h>

uint64_t times_now_ns(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static unsigned bin_of(uint64_t us)
{
	if (us < TIMES_A_DOUBLING)
		return (unsigned)us;
	unsigned doublings = 63u - (unsigned)__builtin_clzll(us) - 5u;
	unsigned bin = doublings * TIMES_A_DOUBLING + (unsigned)(us >> doublings);
	return bin < TIMES_BINS ? bin : TIMES_BINS - 1;
}

/* The least time of a bin. */
static uint64_t time_of(unsigned bin)
{
	if (bin < TIMES_A_DOUBLING)
		return bin;
	unsigned doublings = bin / TIMES_A_DOUBLING - 1;
	return (uint64_t)(bin - doublings * TIMES_A_DOUBLING) << doublings;
}

void times_add(struct times *times, uint64_t us)
{
	times->bins[bin_of(us)]++;
	times->count++;
}

void times_join(struct times *times, const struct times *others)
{
	for (unsigned bin = 0; bin < TIMES_BINS; bin++)
		times->bins[bin] += others->bins[bin];
	times->count += others->count;
}

uint64_t times_quantile(const struct times *times, uint64_t of_thousand)
{
	uint64_t seen = 0;
	unsigned bin = 0;
	for (; times->count > 0 && bin < TIMES_BINS - 1; bin++) {
		seen += times->bins[bin];
		if (seen * 1000 > times->count * of_thousand)
			break;
	}
	return time_of(bin);
}

void times_print(const struct times *times, double rate)
{
	printf("%.0f %lu %lu %lu\n", rate, times_quantile(times, 500), times_quantile(times, 990),
	       times_quantile(times, 999));
}
