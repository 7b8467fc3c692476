#include "tests/disk/dice.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

uint64_t dice_seed(const char *test)
{
	const char *given = getenv("CLOG_SEED");
	struct timespec now;
	uint64_t seed;

	if (given != NULL && given[0] != '\0') {
		seed = strtoull(given, NULL, 10);
	} else {
		clock_gettime(CLOCK_REALTIME, &now);
		seed = ((uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec) % 1000000000u;
	}
	printf("%s: CLOG_SEED=%" PRIu64 "\n", test, seed);
	fflush(stdout);
	return seed;
}

bool dice_soak(void)
{
	const char *soak = getenv("CLOG_SOAK");

	return soak != NULL && strcmp(soak, "1") == 0;
}

void dice_init(struct dice *dice, uint64_t seed)
{
	dice->state = seed;
}

/* SplitMix64, by Steele, Lea and Flood, "Fast splittable pseudorandom number generators". */
uint64_t dice_next(struct dice *dice)
{
	uint64_t z = dice->state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

uint64_t dice_below(struct dice *dice, uint64_t below)
{
	return dice_next(dice) % below;
}

bool dice_once_in(struct dice *dice, unsigned in)
{
	return dice_below(dice, in) == 0;
}

void dice_fill(struct dice *dice, void *data, size_t size)
{
	unsigned char *bytes = data;
	uint64_t word = 0;
	size_t i;

	for (i = 0; i < size; i++) {
		if (i % sizeof word == 0)
			word = dice_next(dice);
		bytes[i] = (unsigned char)(word >> (8 * (i % sizeof word)));
	}
}
