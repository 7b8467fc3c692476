#include "tests/log/outcomes.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRINTED_MAX 5u

/* What is at stake at a step, and the outcome that is being made up. */
struct stake {
	size_t sectors, changes;
	unsigned char *fates;
	bool *kept;
	const char *moment, *path;
	char how[64];
};

static uint64_t *place_of(uint64_t *seen, size_t capacity, uint64_t hash)
{
	size_t at = hash % capacity;
	while (seen[at] != 0 && seen[at] != hash)
		at = (at + 1) % capacity;
	return &seen[at];
}

static bool is_new(struct outcomes *outcomes, uint64_t hash)
{
	hash += hash == 0;
	if (2 * outcomes->seen_count >= outcomes->seen_capacity) {
		size_t capacity = 4 * outcomes->seen_capacity + 1024;
		uint64_t *seen = calloc(capacity, sizeof *seen);
		assert(seen != NULL);
		for (size_t i = 0; i < outcomes->seen_capacity; i++)
			if (outcomes->seen[i] != 0)
				*place_of(seen, capacity, outcomes->seen[i]) = outcomes->seen[i];
		free(outcomes->seen);
		outcomes->seen = seen;
		outcomes->seen_capacity = capacity;
	}
	uint64_t *place = place_of(outcomes->seen, outcomes->seen_capacity, hash);
	if (*place == hash)
		return false;
	*place = hash;
	outcomes->seen_count++;
	return true;
}

/* Has a copy judged that has crashed, or, without power lost, only lost its program. */
static void judge(struct outcomes *outcomes, const struct memory_disk *disk, const struct stake *stake, bool crash)
{
	struct memory_disk *copy = memory_disk_clone(disk);
	struct clog_error err = {0};
	if (crash)
		memory_disk_crash(copy, stake->fates, stake->kept);
	if (!crash || is_new(outcomes, memory_disk_hash(copy))) {
		outcomes->states++;
		if (outcomes->judge(copy, outcomes->arg, &err) != 0 && ++outcomes->failures <= PRINTED_MAX)
			fprintf(stderr, "crash before change %u, %s of %s, %s: %s\n", outcomes->steps, stake->moment,
			        stake->path, stake->how, err.text);
	}
	memory_disk_destroy(copy);
}

static void choose_all(struct stake *stake, enum memory_fate fate, bool kept)
{
	memset(stake->fates, fate, stake->sectors);
	for (size_t i = 0; i < stake->changes; i++)
		stake->kept[i] = kept;
}

static void judge_sectors(struct outcomes *outcomes, const struct memory_disk *disk, struct stake *stake)
{
	static const enum memory_fate fates[] = {MEMORY_LOST, MEMORY_TORN_HEAD, MEMORY_TORN_TAIL, MEMORY_ZEROED,
	                                         MEMORY_KEPT};
	bool few = outcomes->sectors_max != 0 && stake->sectors > outcomes->sectors_max;
	size_t count = few ? outcomes->sectors_max : stake->sectors;
	for (size_t i = 0; i < count; i++) {
		size_t sector = few ? dice_below(&outcomes->dice, stake->sectors) : i;
		for (unsigned fate = 0; fate < sizeof fates / sizeof fates[0]; fate++) {
			choose_all(stake, fates[fate] == MEMORY_KEPT ? MEMORY_LOST : MEMORY_KEPT, true);
			stake->fates[sector] = (unsigned char)fates[fate];
			snprintf(stake->how, sizeof stake->how, "sector %zu of %zu has fate %d, alone", sector,
			         stake->sectors, (int)fates[fate]);
			judge(outcomes, disk, stake, true);
		}
	}
	choose_all(stake, MEMORY_KEPT, true);
	for (size_t sector = 0; sector < stake->sectors; sector++)
		stake->fates[sector] = (unsigned char)dice_below(&outcomes->dice, MEMORY_ZEROED + 1);
	snprintf(stake->how, sizeof stake->how, "sectors at random");
	judge(outcomes, disk, stake, true);
}

static void judge_names(struct outcomes *outcomes, const struct memory_disk *disk, struct stake *stake)
{
	for (unsigned bytes = 0; bytes < 2; bytes++) {
		enum memory_fate fate = bytes ? MEMORY_KEPT : MEMORY_LOST;
		for (size_t i = 0; i < 2 * stake->changes; i++) {
			bool alone = i % 2 == 0;
			choose_all(stake, fate, !alone);
			stake->kept[i / 2] = alone;
			snprintf(stake->how, sizeof stake->how, "name %zu %s alone, bytes %s", i / 2,
			         alone ? "kept" : "lost", bytes ? "kept" : "lost");
			judge(outcomes, disk, stake, true);
		}
		for (unsigned names = 0; names < 2; names++) {
			choose_all(stake, fate, names);
			snprintf(stake->how, sizeof stake->how, "names %s, bytes %s", names ? "kept" : "lost",
			         bytes ? "kept" : "lost");
			judge(outcomes, disk, stake, true);
		}
	}
}

static void look(struct outcomes *outcomes, struct memory_disk *disk, const char *moment, const char *path)
{
	struct stake stake = {.sectors = memory_disk_sectors(disk),
	                      .changes = memory_disk_changes(disk),
	                      .moment = moment,
	                      .path = path};
	stake.fates = calloc(stake.sectors + 1, 1);
	stake.kept = calloc(stake.changes + 1, sizeof *stake.kept);
	assert(stake.fates != NULL && stake.kept != NULL);
	judge_names(outcomes, disk, &stake);
	judge_sectors(outcomes, disk, &stake);
	snprintf(stake.how, sizeof stake.how, "program killed");
	judge(outcomes, disk, &stake, false);
	free(stake.fates);
	free(stake.kept);
}

void outcomes_watch(struct memory_disk *disk, enum memory_call call, const char *path, void *arg)
{
	struct outcomes *outcomes = arg;
	look(outcomes, disk, memory_call_name(call), path);
	outcomes->steps++;
}

void outcomes_look(struct outcomes *outcomes, struct memory_disk *disk, const char *moment)
{
	look(outcomes, disk, moment, "nothing");
}

void outcomes_forget(struct outcomes *outcomes)
{
	free(outcomes->seen);
	outcomes->seen = NULL;
	outcomes->seen_count = outcomes->seen_capacity = 0;
}

void outcomes_finish(struct outcomes *outcomes)
{
	outcomes_forget(outcomes);
}
