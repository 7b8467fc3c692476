/* histogram: how often which times were measured, in a small place, each to 1 part in 128. */
#ifndef CLOG_CMD_HISTOGRAM_H
#define CLOG_CMD_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS 128u /* buckets for each power of two: what is told is less than 1/128 above the truth */
#define HISTOGRAM_BUCKET_COUNT (HISTOGRAM_STEPS * (64 - 7 + 1))

/* Zeroed at first. Buckets are linear up to 2 * HISTOGRAM_STEPS, and twice as wide for each power of two from there on, as in
 * HdrHistogram (Tene). */
struct histogram {
	uint64_t counts[HISTOGRAM_BUCKET_COUNT];
	uint64_t count, max;
	double sum;
};

void histogram_add(struct histogram *histogram, uint64_t value);
/* The least value that so many parts in a million of all are not above: 500,000 for the median. It is that of a bucket's end, or
 * the maximum where that is less. 0 of none. */
uint64_t histogram_quantile(const struct histogram *histogram, uint32_t millionths);

#endif
