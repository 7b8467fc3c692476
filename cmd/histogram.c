#include "cmd/histogram.h"

#include <assert.h>
#include <stddef.h>

#define STEP_BITS 7u
_Static_assert(1u << STEP_BITS == HISTOGRAM_STEPS, "a power of two");

static size_t bucket_of(uint64_t value)
{
	if (value < 2 * HISTOGRAM_STEPS)
		return (size_t)value;
	const unsigned shift = 63u - (unsigned)__builtin_clzll(value) - STEP_BITS;
	return (size_t)(HISTOGRAM_STEPS * shift + (value >> shift));
}

/* The highest value of a bucket. */
static uint64_t end_of(size_t bucket)
{
	if (bucket < 2 * HISTOGRAM_STEPS)
		return bucket;
	const unsigned shift = (unsigned)(bucket / HISTOGRAM_STEPS) - 1;
	const uint64_t step = bucket % HISTOGRAM_STEPS + HISTOGRAM_STEPS;
	return (step << shift) + ((uint64_t)1 << shift) - 1;
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
	histogram->counts[bucket_of(value)]++;
	histogram->count++;
	histogram->sum += (double)value;
	if (value > histogram->max)
		histogram->max = value;
}

uint64_t histogram_quantile(const struct histogram *histogram, uint32_t millionths)
{
	assert(millionths <= 1000000);
	const uint64_t whole = histogram->count / 1000000 * millionths;
	const uint64_t part = (histogram->count % 1000000 * millionths + 999999) / 1000000;
	const uint64_t wanted = whole + part > 0 ? whole + part : 1;
	uint64_t seen = 0;
	for (size_t bucket = 0; bucket < HISTOGRAM_BUCKET_COUNT; bucket++) {
		seen += histogram->counts[bucket];
		if (seen >= wanted)
			return end_of(bucket) < histogram->max ? end_of(bucket) : histogram->max;
	}
	return histogram->max;
}
