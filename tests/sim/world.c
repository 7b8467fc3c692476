#include "tests/sim/world.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void *world_allocate(void *old, size_t size)
{
	void *made = realloc(old, size == 0 ? 1 : size);
	if (made == NULL) {
		fprintf(stderr, "sim: no memory for %zu bytes\n", size);
		abort();
	}
	return made;
}

void world_init(struct world *world, uint64_t seed, bool traced)
{
	*world = (struct world){.seed = seed, .traced = traced, .hash = seed};
	/* Seeds that follow each other must not have dice that do. */
	dice_init(&world->dice, seed);
	dice_init(&world->dice, dice_next(&world->dice));
}

void world_finish(struct world *world)
{
	free(world->events);
	world->events = NULL;
}

static bool sooner(const struct world_event *a, const struct world_event *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

void world_after(struct world *world, uint64_t us, world_cb cb, void *arg, uint64_t token)
{
	if (world->event_count == world->event_capacity) {
		world->event_capacity = 2 * world->event_capacity + 256;
		world->events = world_allocate(world->events, world->event_capacity * sizeof *world->events);
	}
	struct world_event event = {
		.at_us = world->now_us + us, .order = world->ordered++, .cb = cb, .arg = arg, .token = token};
	size_t i = world->event_count++;
	for (; i > 0 && sooner(&event, &world->events[(i - 1) / 2]); i = (i - 1) / 2)
		world->events[i] = world->events[(i - 1) / 2];
	world->events[i] = event;
}

static struct world_event take(struct world *world)
{
	struct world_event first = world->events[0], last = world->events[--world->event_count];
	size_t i = 0, count = world->event_count;
	for (size_t child = 1; child < count; child = 2 * i + 1) {
		if (child + 1 < count && sooner(&world->events[child + 1], &world->events[child]))
			child++;
		if (!sooner(&world->events[child], &last))
			break;
		world->events[i] = world->events[child];
		i = child;
	}
	world->events[i] = last;
	return first;
}

bool world_step(struct world *world)
{
	if (world->event_count == 0)
		return false;
	struct world_event event = take(world);
	world->still = event.at_us > world->now_us ? 0 : world->still + 1;
	world->now_us = event.at_us;
	world->steps++;
	if (world->still > WORLD_STILL_MAX)
		world_break(world, "%u events and no time has passed", WORLD_STILL_MAX);
	if (world->steps > WORLD_STEPS_MAX)
		world_break(world, "%u events, and it comes to no end", WORLD_STEPS_MAX);
	world_mix(world, event.at_us);
	world_mix(world, event.order);
	event.cb(event.arg, event.token);
	return true;
}

uint64_t world_between(struct world *world, uint64_t low, uint64_t high)
{
	return low + dice_below(&world->dice, high - low + 1);
}

bool world_chance(struct world *world, unsigned of_1000)
{
	return dice_below(&world->dice, 1000) < of_1000;
}

void world_mix(struct world *world, uint64_t value)
{
	world->hash = (world->hash ^ value) * 0x9fb21c651e98df25u;
	world->hash ^= world->hash >> 32;
}

void world_trace(const struct world *world, const char *format, ...)
{
	if (!world->traced)
		return;
	va_list arguments;
	va_start(arguments, format);
	printf("%4" PRIu64 ".%06" PRIu64 " ", world->now_us / WORLD_SECOND, world->now_us % WORLD_SECOND);
	vprintf(format, arguments);
	putchar('\n');
	va_end(arguments);
}

void world_break(struct world *world, const char *format, ...)
{
	if (world->broken.code != 0)
		return;
	va_list arguments;
	va_start(arguments, format);
	world->broken.code = -EILSEQ;
	vsnprintf(world->broken.text, sizeof world->broken.text, format, arguments);
	va_end(arguments);
	world_trace(world, "BROKEN: %s", world->broken.text);
}

bool world_broken(const struct world *world)
{
	return world->broken.code != 0;
}
