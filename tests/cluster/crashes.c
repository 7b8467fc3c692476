#include "tests/cluster/crashes.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is at stake, and what becomes of it in the end that is tried next. */
struct end {
	const struct memory_disk *disk;
	crashes_cb cb;
	void *arg;
	size_t sectors, changes;
	unsigned char *fates; /* one of each sector */
	bool *kept;           /* one of each change of names */
	unsigned count;
	char how[96];
};

static void init(struct end *end, const struct memory_disk *disk)
{
	*end = (struct end){.disk = disk, .sectors = memory_disk_sectors(disk), .changes = memory_disk_changes(disk)};
	end->fates = calloc(end->sectors + 1, 1);
	end->kept = calloc(end->changes + 1, sizeof *end->kept);
	assert(end->fates != NULL && end->kept != NULL);
}

static void finish(struct end *end)
{
	free(end->fates);
	free(end->kept);
}

static void choose_all(struct end *end, enum memory_fate fate, bool kept)
{
	memset(end->fates, fate, end->sectors);
	for (size_t i = 0; i < end->changes; i++)
		end->kept[i] = kept;
}

static void choose_by_dice(struct end *end, struct dice *dice)
{
	for (size_t i = 0; i < end->sectors; i++)
		end->fates[i] = (unsigned char)dice_below(dice, MEMORY_ZEROED + 1);
	for (size_t i = 0; i < end->changes; i++)
		end->kept[i] = dice_once_in(dice, 2);
}

static void try_crash(struct end *end)
{
	struct memory_disk *copy = memory_disk_clone(end->disk);
	memory_disk_crash(copy, end->fates, end->kept);
	end->cb(copy, end->how, end->arg);
	memory_disk_destroy(copy);
	end->count++;
}

static void try_kill(struct end *end)
{
	struct memory_disk *copy = memory_disk_clone(end->disk);
	end->cb(copy, "killed", end->arg);
	memory_disk_destroy(copy);
	end->count++;
}

static void try_names(struct end *end, enum memory_fate bytes)
{
	const char *words = bytes == MEMORY_KEPT ? "kept" : "lost";
	for (size_t i = 0; i < end->changes; i++) {
		choose_all(end, bytes, true);
		end->kept[i] = false;
		snprintf(end->how, sizeof end->how, "name %zu of %zu lost, bytes %s", i, end->changes, words);
		try_crash(end);
		for (size_t later = i; later < end->changes; later++)
			end->kept[later] = false;
		snprintf(end->how, sizeof end->how, "names from %zu of %zu on lost, bytes %s", i, end->changes, words);
		try_crash(end);
	}
	choose_all(end, bytes, true);
	snprintf(end->how, sizeof end->how, "names kept, bytes %s", words);
	try_crash(end);
}

static void try_sectors(struct end *end, struct dice *dice, unsigned sectors_max)
{
	static const enum memory_fate fates[] = {MEMORY_LOST, MEMORY_TORN_HEAD, MEMORY_TORN_TAIL, MEMORY_ZEROED,
	                                         MEMORY_KEPT};
	bool few = sectors_max != 0 && end->sectors > sectors_max;
	for (size_t i = 0; i < (few ? sectors_max : end->sectors); i++) {
		size_t sector = few ? (size_t)dice_below(dice, end->sectors) : i;
		for (unsigned fate = 0; fate < sizeof fates / sizeof fates[0]; fate++) {
			choose_all(end, fates[fate] == MEMORY_KEPT ? MEMORY_LOST : MEMORY_KEPT, true);
			end->fates[sector] = (unsigned char)fates[fate];
			snprintf(end->how, sizeof end->how, "sector %zu of %zu has fate %d alone", sector, end->sectors,
			         (int)fates[fate]);
			try_crash(end);
		}
	}
}

unsigned crashes_each(const struct memory_disk *disk, struct dice *dice, unsigned sectors_max, crashes_cb cb, void *arg)
{
	struct end end;
	init(&end, disk);
	end.cb = cb;
	end.arg = arg;
	try_kill(&end);
	snprintf(end.how, sizeof end.how, "all lost");
	try_crash(&end);
	try_names(&end, MEMORY_LOST);
	try_names(&end, MEMORY_KEPT);
	try_sectors(&end, dice, sectors_max);
	for (unsigned i = 0; i < 4 && end.sectors + end.changes > 1; i++) {
		choose_by_dice(&end, dice);
		snprintf(end.how, sizeof end.how, "by the dice");
		try_crash(&end);
	}
	finish(&end);
	return end.count;
}

void crashes_any(struct memory_disk *disk, struct dice *dice)
{
	struct end end;
	init(&end, disk);
	if (dice_once_in(dice, 4))
		choose_all(&end, MEMORY_LOST, dice_once_in(dice, 2));
	else
		choose_by_dice(&end, dice);
	memory_disk_crash(disk, end.fates, end.kept);
	finish(&end);
}
