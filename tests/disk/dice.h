/* dice: numbers that look random and can be had again from their seed. */
#ifndef CLOG_TESTS_DISK_DICE_H
#define CLOG_TESTS_DISK_DICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dice {
	uint64_t state;
};

/* The seed of this run: the environment's CLOG_SEED (decimal), else the clock's. Prints it, so that a failure can be
 * had again. */
uint64_t dice_seed(const char *test);
/* True when the environment's CLOG_SOAK is 1: take the long way. */
bool dice_soak(void);

void dice_init(struct dice *dice, uint64_t seed);
uint64_t dice_next(struct dice *dice);
/* A number from 0 to below - 1; below is not 0. */
uint64_t dice_below(struct dice *dice, uint64_t below);
/* True once in `in` throws. */
bool dice_once_in(struct dice *dice, unsigned in);
void dice_fill(struct dice *dice, void *data, size_t size);

#endif
