#include "cmd/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES_MAX 20000u

static struct histogram histogram;
static uint64_t samples[SAMPLES_MAX];

static uint64_t draw(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	return *seed >> 11;
}

static int compare(const void *a, const void *b)
{
	const uint64_t one = *(const uint64_t *)a, two = *(const uint64_t *)b;
	return one < two ? -1 : one > two;
}

/* The sample that so many millionths of all are not above. */
static uint64_t truth(size_t count, uint32_t millionths)
{
	const size_t wanted = (count * (uint64_t)millionths + 999999) / 1000000;
	return samples[wanted > 0 ? wanted - 1 : 0];
}

static void check(size_t count)
{
	memset(&histogram, 0, sizeof histogram);
	for (size_t i = 0; i < count; i++)
		histogram_add(&histogram, samples[i]);
	qsort(samples, count, sizeof samples[0], compare);
	static const uint32_t all[] = {0, 1, 10000, 333333, 500000, 900000, 990000, 999000, 999999, 1000000};
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		const uint64_t expected = truth(count, all[i]), told = histogram_quantile(&histogram, all[i]);
		assert_true(told >= expected);
		assert_true(told - expected <= expected / HISTOGRAM_STEPS);
	}
	assert_int_equal(histogram_quantile(&histogram, 1000000), samples[count - 1]);
	assert_int_equal(histogram.max, samples[count - 1]);
	assert_int_equal(histogram.count, count);
}

static void quantiles_are_those_of_sorted_samples_to_a_part_in_128(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		uint64_t drawn = seed;
		const size_t count = seed < 10 ? seed : 10 + draw(&drawn) % (SAMPLES_MAX / (seed % 7 + 1) - 10);
		const unsigned widest = (unsigned)(draw(&drawn) % 53);
		for (size_t i = 0; i < count; i++)
			samples[i] = draw(&drawn) >> (52 - draw(&drawn) % (widest + 1)); /* of all sizes */
		check(count);
	}
}

static void small_values_are_exact(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * HISTOGRAM_STEPS; i++)
		samples[i] = i;
	check(2 * HISTOGRAM_STEPS);
	for (uint32_t i = 1; i <= 2 * HISTOGRAM_STEPS; i++)
		assert_int_equal(histogram_quantile(&histogram, (uint32_t)((uint64_t)i * 1000000 / 256)), i - 1);
}

static void the_ends_of_what_a_number_can_be_have_a_place(void **state)
{
	(void)state;
	memset(&histogram, 0, sizeof histogram);
	assert_int_equal(histogram_quantile(&histogram, 500000), 0);
	histogram_add(&histogram, 0);
	histogram_add(&histogram, UINT64_MAX);
	assert_int_equal(histogram_quantile(&histogram, 500000), 0);
	assert_true(histogram_quantile(&histogram, 1000000) == UINT64_MAX);
	for (unsigned shift = 0; shift < 64; shift++) {
		memset(&histogram, 0, sizeof histogram);
		histogram_add(&histogram, UINT64_MAX);
		histogram_add(&histogram, (uint64_t)1 << shift);
		const uint64_t told = histogram_quantile(&histogram, 500000);
		assert_true(told >= (uint64_t)1 << shift &&
		            told - ((uint64_t)1 << shift) <= ((uint64_t)1 << shift) / 128);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantiles_are_those_of_sorted_samples_to_a_part_in_128),
		cmocka_unit_test(small_values_are_exact),
		cmocka_unit_test(the_ends_of_what_a_number_can_be_have_a_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
