/* times: how long things took, counted in bins of 3 %, or 1 us. */
#ifndef CLOG_BENCH_TIMES_H
#define CLOG_BENCH_TIMES_H

#include <stdint.h>

#define TIMES_A_DOUBLING 32u
#define TIMES_BINS (TIMES_A_DOUBLING * 32u)

/* All zero at first. */
struct times {
	uint64_t count;
	uint32_t bins[TIMES_BINS];
};

uint64_t times_now_ns(void);
void times_add(struct times *times, uint64_t us);
/* Adds all of another's. */
void times_join(struct times *times, const struct times *others);
/* The time in us that so many of a thousand stay below. */
uint64_t times_quantile(const struct times *times, uint64_t of_thousand);
/* Prints a line: things a second, and the times that half, 99 of 100 and 999 of 1000 stay below. */
void times_print(const struct times *times, double rate);

#endif
