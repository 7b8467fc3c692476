/* world: the clock that all members of a simulation share, what is to happen on it, and its dice.
 *
 * Everything in a simulation is an event: a function that is called at a virtual time. Events of the same time happen in
 * the order in which they were asked for. All that is random comes from the one dice, so that the seed alone says what
 * happens. */
#ifndef CLOG_TESTS_SIM_WORLD_H
#define CLOG_TESTS_SIM_WORLD_H

#include "error/error.h"
#include "tests/disk/dice.h"

#define WORLD_MS 1000u           /* in virtual microseconds */
#define WORLD_SECOND 1000000u    /* the same */
#define WORLD_STEPS_MAX 8000000u /* a life of more is going round in circles */
#define WORLD_STILL_MAX 200000u  /* events without time passing; the same */

typedef void (*world_cb)(void *arg, uint64_t token);

struct world_event {
	uint64_t at_us, order;
	world_cb cb;
	void *arg;
	uint64_t token;
};

struct world {
	uint64_t seed;
	struct dice dice;
	uint64_t now_us;
	uint64_t steps, still;
	uint64_t hash;              /* of all that has happened: equal for equal lives */
	struct world_event *events; /* a heap */
	size_t event_count, event_capacity;
	uint64_t ordered;
	bool traced;
	struct clog_error broken; /* the first promise that was broken; code 0 while none was */
};

void world_init(struct world *world, uint64_t seed, bool traced);
void world_finish(struct world *world);

/* Calls cb(arg, token) that much later. */
void world_after(struct world *world, uint64_t us, world_cb cb, void *arg, uint64_t token);
/* Lets the next event happen. False when there is none. */
bool world_step(struct world *world);

/* The dice. Both bounds may come. */
uint64_t world_between(struct world *world, uint64_t low, uint64_t high);
bool world_chance(struct world *world, unsigned of_1000);

/* Takes into the hash what was decided. */
void world_mix(struct world *world, uint64_t value);
/* A line for who replays a seed. */
void world_trace(const struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A promise was broken: the sentence says which. The first one is kept. */
void world_break(struct world *world, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool world_broken(const struct world *world);

/* realloc that ends the process instead of failing. */
void *world_allocate(void *old, size_t size);

#endif
