#include "tests/log/crash.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where a state comes from, to be told when it is wrong. */
struct origin {
	unsigned step;
	enum memory_call call;
	const char *path;
	char how[64];
};

static int open_log(struct memory_disk *disk, struct log **log, struct clog_error *err)
{
	const struct log_options options = {
		.disk = memory_disk_door(disk), .path = "log", .segment_size = LOG_SEGMENT_SIZE_MIN};
	return log_open(log, &options, err);
}

/* The place of a hash among those seen: its own, or a free one. */
static struct crash_seen *place_of(struct crash_seen *seen, size_t capacity, uint64_t hash)
{
	size_t at = hash % capacity;
	while (seen[at].hash != 0 && seen[at].hash != hash)
		at = (at + 1) % capacity;
	return &seen[at];
}

static void grow(struct crash *crash)
{
	size_t capacity = 4 * crash->seen_capacity + 1024;
	struct crash_seen *seen = calloc(capacity, sizeof *seen);
	assert(seen != NULL);
	for (size_t i = 0; i < crash->seen_capacity; i++)
		if (crash->seen[i].hash != 0)
			*place_of(seen, capacity, crash->seen[i].hash) = crash->seen[i];
	free(crash->seen);
	crash->seen = seen;
	crash->seen_capacity = capacity;
}

/* Whether the disk has not been looked at with so much durable. */
static bool is_new(struct crash *crash, uint64_t hash)
{
	hash += hash == 0;
	if (2 * (crash->states + 1) > crash->seen_capacity)
		grow(crash);
	struct crash_seen *seen = place_of(crash->seen, crash->seen_capacity, hash);
	if (seen->hash == hash && seen->durable >= crash->durable)
		return false;
	crash->states += seen->hash == 0;
	crash->checks++;
	*seen = (struct crash_seen){.hash = hash, .durable = crash->durable};
	return true;
}

/* Checks an opened log: at least so many entries, and all as in the model. */
static int check_log(const struct crash *crash, struct log *log, uint64_t least, bool all, struct clog_error *err)
{
	struct log_tail tail;
	log_tail(log, &tail);
	if (tail.entry < least)
		return clog_error_set(err, -EILSEQ, "%" PRIu64 " entries were durable, %" PRIu64 " are there", least,
		                      tail.entry);
	if (log_durable(log) != tail.entry)
		return clog_error_set(err, -EILSEQ, "%" PRIu64 " entries are there, %" PRIu64 " said to be durable",
		                      tail.entry, log_durable(log));
	if (tail.entry > crash->model->frame_count)
		return clog_error_set(err, -EILSEQ, "%" PRIu64 " entries are there, %zu were appended", tail.entry,
		                      crash->model->frame_count);
	return model_check_all(crash->model, log, all ? 1 : 7, err);
}

/* Appends a frame that no run has appended, syncs it, crashes with the loss of all that was not synced, and opens
 * again: both must be there. */
static int go_on(struct crash *crash, struct memory_disk *disk, struct log *log, struct clog_error *err)
{
	struct log_tail before, after;
	struct log_frame *frame;
	log_tail(log, &before);
	int rc = log_frame_create(&frame);
	if (rc == 0)
		rc = log_frame_add(frame, "after the crash", 15);
	assert(rc == 0);
	log_frame_close(frame, &before, &(struct log_header){.term = 1000, .type = LOG_RECORDS, .time_ns = 1});
	rc = log_append(log, frame, err);
	uint32_t chain = log_frame_header(frame)->chain;
	log_frame_unref(frame);
	if (rc == 0)
		rc = log_sync(log, err);
	log_close(log);
	if (rc != 0)
		return rc;
	memory_disk_crash(disk, NULL, NULL);
	rc = open_log(disk, &log, err);
	if (rc != 0)
		return rc;
	log_tail(log, &after);
	if (after.entry != before.entry + 1 || after.chain != chain)
		rc = clog_error_set(err, -EILSEQ, "what was appended after the crash is not there: %" PRIu64 " entries",
		                    after.entry);
	for (uint64_t entry = 1; rc == 0 && entry <= before.entry; entry++)
		rc = model_check_frame(crash->model, log, entry, err);
	if (rc == 0)
		rc = log_read_frame(log, after.entry, &frame, err);
	if (rc == 0)
		log_frame_unref(frame);
	log_close(log);
	return rc;
}

static void judge(struct crash *crash, const struct origin *origin, int rc, const struct clog_error *err)
{
	if (rc == 0)
		return;
	crash->losses++;
	if (crash->tolerate)
		return;
	fprintf(stderr, "crash before change %u, %s of %s, %s: %s\n", origin->step, memory_call_name(origin->call),
	        origin->path, origin->how, err->text);
}

/* A recovery that is under way, and may crash too. */
struct recovery {
	struct crash *crash;
	const struct origin *origin;
};

static void watch_recovery(struct memory_disk *disk, enum memory_call call, const char *path, void *arg)
{
	const struct recovery *recovery = arg;
	struct crash *crash = recovery->crash;
	size_t sectors = memory_disk_sectors(disk), changes = memory_disk_changes(disk);
	unsigned char *fates = calloc(sectors + 1, 1);
	bool *kept = calloc(changes + 1, sizeof *kept);
	assert(fates != NULL && kept != NULL);
	for (unsigned round = 0; round < 3; round++) {
		struct memory_disk *copy = memory_disk_clone(disk);
		struct clog_error err = {0};
		struct log *log;
		memory_disk_crash(copy, fates, kept);
		int rc = open_log(copy, &log, &err);
		if (rc == 0) {
			rc = check_log(crash, log, crash->durable, false, &err);
			log_close(log);
		}
		judge(crash, recovery->origin, rc, &err);
		memory_disk_destroy(copy);
		memset(fates, MEMORY_KEPT, sectors);
		for (size_t i = 0; i < sectors && round == 1; i++)
			fates[i] = (unsigned char)dice_below(&crash->dice, MEMORY_ZEROED + 1);
		for (size_t i = 0; i < changes; i++)
			kept[i] = round == 0 || dice_once_in(&crash->dice, 2);
	}
	crash->recoveries++;
	free(fates);
	free(kept);
}

static int check_state(struct crash *crash, struct memory_disk *disk, const struct origin *origin, bool deep,
                       struct clog_error *err)
{
	struct recovery recovery = {.crash = crash, .origin = origin};
	struct log *log;
	if (deep)
		memory_disk_watch(disk, watch_recovery, &recovery);
	int rc = open_log(disk, &log, err);
	memory_disk_watch(disk, NULL, NULL);
	if (rc != 0)
		return rc;
	rc = check_log(crash, log, crash->durable, deep, err);
	if (rc == 0 && deep)
		return go_on(crash, disk, log, err);
	log_close(log);
	return rc;
}

/* The log opens after the process was killed; then the machine crashes. What the log said was durable must be there. */
static int check_kill(struct crash *crash, struct memory_disk *disk, struct clog_error *err)
{
	struct log *log;
	int rc = open_log(disk, &log, err);
	if (rc != 0)
		return rc;
	uint64_t durable = log_durable(log);
	rc = check_log(crash, log, crash->durable, false, err);
	log_close(log);
	if (rc != 0)
		return rc;
	memory_disk_crash(disk, NULL, NULL);
	rc = open_log(disk, &log, err);
	if (rc != 0)
		return rc;
	rc = check_log(crash, log, durable, false, err);
	log_close(log);
	return rc;
}

/* A copy of the disk crashes and is looked at, unless one like it was before. */
static void explore(struct crash *crash, const struct memory_disk *disk, const struct origin *origin,
                    const unsigned char *fates, const bool *kept)
{
	struct memory_disk *copy = memory_disk_clone(disk);
	struct clog_error err = {0};
	memory_disk_crash(copy, fates, kept);
	if (is_new(crash, memory_disk_hash(copy))) {
		bool deep = crash->deep == 1 || dice_once_in(&crash->dice, crash->deep);
		judge(crash, origin, check_state(crash, copy, origin, deep, &err), &err);
	}
	memory_disk_destroy(copy);
}

/* What is at stake at a step, and the outcome that is being made up. */
struct stake {
	size_t sectors, changes;
	unsigned char *fates;
	bool *kept;
};

static void choose_all(struct stake *stake, enum memory_fate fate, bool kept)
{
	memset(stake->fates, fate, stake->sectors);
	for (size_t i = 0; i < stake->changes; i++)
		stake->kept[i] = kept;
}

static void explore_sectors(struct crash *crash, const struct memory_disk *disk, struct origin *origin,
                            struct stake *stake)
{
	static const enum memory_fate fates[] = {MEMORY_LOST, MEMORY_TORN_HEAD, MEMORY_TORN_TAIL, MEMORY_ZEROED,
	                                         MEMORY_KEPT};
	bool few = crash->sectors_max != 0 && stake->sectors > crash->sectors_max;
	size_t count = few ? crash->sectors_max : stake->sectors;
	for (size_t i = 0; i < count; i++) {
		size_t sector = few ? dice_below(&crash->dice, stake->sectors) : i;
		for (unsigned fate = 0; fate < sizeof fates / sizeof fates[0]; fate++) {
			bool alone = fates[fate] == MEMORY_KEPT;
			choose_all(stake, alone ? MEMORY_LOST : MEMORY_KEPT, true);
			stake->fates[sector] = (unsigned char)fates[fate];
			snprintf(origin->how, sizeof origin->how, "sector %zu of %zu has fate %d, alone", sector,
			         stake->sectors, (int)fates[fate]);
			explore(crash, disk, origin, stake->fates, stake->kept);
		}
	}
	for (unsigned i = 0; i < (few ? 1 : 4) && stake->sectors > 1; i++) {
		choose_all(stake, MEMORY_KEPT, true);
		for (size_t sector = 0; sector < stake->sectors; sector++)
			stake->fates[sector] = (unsigned char)dice_below(&crash->dice, MEMORY_ZEROED + 1);
		snprintf(origin->how, sizeof origin->how, "sectors at random");
		explore(crash, disk, origin, stake->fates, stake->kept);
	}
}

static void explore_names(struct crash *crash, const struct memory_disk *disk, struct origin *origin,
                          struct stake *stake)
{
	for (unsigned bytes = 0; bytes < 2; bytes++) {
		for (size_t i = 0; i < stake->changes; i++) {
			choose_all(stake, bytes ? MEMORY_KEPT : MEMORY_LOST, true);
			stake->kept[i] = false;
			snprintf(origin->how, sizeof origin->how, "name %zu lost, bytes %s", i,
			         bytes ? "kept" : "lost");
			explore(crash, disk, origin, stake->fates, stake->kept);
			for (size_t later = i; later < stake->changes; later++)
				stake->kept[later] = false;
			snprintf(origin->how, sizeof origin->how, "names from %zu on lost, bytes %s", i,
			         bytes ? "kept" : "lost");
			explore(crash, disk, origin, stake->fates, stake->kept);
		}
		choose_all(stake, bytes ? MEMORY_KEPT : MEMORY_LOST, true);
		snprintf(origin->how, sizeof origin->how, "names kept, bytes %s", bytes ? "kept" : "lost");
		explore(crash, disk, origin, stake->fates, stake->kept);
	}
}

void crash_watch(struct memory_disk *disk, enum memory_call call, const char *path, void *arg)
{
	struct crash *crash = arg;
	struct origin origin = {.step = crash->steps++, .call = call, .path = path};
	struct stake stake = {.sectors = memory_disk_sectors(disk), .changes = memory_disk_changes(disk)};
	stake.fates = calloc(stake.sectors + 1, 1);
	stake.kept = calloc(stake.changes + 1, sizeof *stake.kept);
	assert(stake.fates != NULL && stake.kept != NULL);
	explore_names(crash, disk, &origin, &stake);
	explore_sectors(crash, disk, &origin, &stake);
	free(stake.fates);
	free(stake.kept);

	struct memory_disk *copy = memory_disk_clone(disk);
	struct clog_error err = {0};
	snprintf(origin.how, sizeof origin.how, "process killed, then power lost");
	judge(crash, &origin, check_kill(crash, copy, &err), &err);
	memory_disk_destroy(copy);
}

void crash_finish(struct crash *crash)
{
	free(crash->seen);
	crash->seen = NULL;
}
