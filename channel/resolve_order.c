#include "channel/resolve_order.h"

#include <stdlib.h>
#include <string.h>

/* The weightless stand first among equals, which is what gives them their small chance when a draw is 0. */
static int compare(const void *one, const void *other)
{
	const struct resolve_record *left = one, *right = other;
	if (left->priority != right->priority)
		return left->priority < right->priority ? -1 : 1;
	return (left->weight > right->weight) - (left->weight < right->weight);
}

/* Which of the first count records the draw falls on. */
static size_t drawn(const struct resolve_record *records, size_t count, resolve_draw_cb draw, void *arg)
{
	uint32_t total = 0;
	for (size_t i = 0; i < count; i++)
		total += records[i].weight;
	uint32_t number = draw(arg, total);
	uint32_t sum = records[0].weight;
	size_t i = 0;
	while (sum < number && i + 1 < count)
		sum += records[++i].weight;
	return i;
}

void resolve_order(struct resolve_record *records, size_t count, resolve_draw_cb draw, void *arg)
{
	qsort(records, count, sizeof *records, compare);
	for (size_t first = 0, end; first < count; first++) {
		for (end = first + 1; end < count && records[end].priority == records[first].priority;)
			end++;
		size_t i = first + drawn(records + first, end - first, draw, arg);
		struct resolve_record next = records[i];
		memmove(records + first + 1, records + first, (i - first) * sizeof *records);
		records[first] = next;
	}
}
