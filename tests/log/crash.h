/* crash: looks at what a crash would leave, at every step of a run.
 *
 * Before each change of the disk, copies of it crash in many ways: nothing, everything, each single sector, each single
 * name of what was not synced lost or torn. Each copy that was not seen before is opened as a log and compared with the
 * model: all that was durable must be there, what else is there must be what was appended next, and the log must go on
 * working and not lose it in one more crash. */
#ifndef CLOG_TESTS_LOG_CRASH_H
#define CLOG_TESTS_LOG_CRASH_H

#include "tests/disk/dice.h"
#include "tests/disk/memory.h"
#include "tests/log/model.h"

/* A disk that was looked at, and what was durable then. */
struct crash_seen {
	uint64_t hash; /* 0: a free place */
	uint64_t durable;
};

struct crash {
	/* Set by the owner. */
	const struct model *model;
	uint64_t durable;     /* the last entry that the run was told is durable */
	unsigned sectors_max; /* at most so many sectors are looked at a step, taken at random; 0: all */
	unsigned deep;        /* of so many states one is looked at in all ways; 1: every one */
	bool tolerate;        /* count the losses, do not print them */
	struct dice dice;

	unsigned steps;      /* changes of the disk */
	unsigned states;     /* distinct disks that were opened */
	unsigned checks;     /* how often one was: again when more had become durable meanwhile */
	unsigned recoveries; /* changes of a disk made by opening, crashed too */
	unsigned losses;     /* checks that found something wrong */
	struct crash_seen *seen;
	size_t seen_capacity;
};

/* The watcher of the run's disk (memory_disk_watch); arg is the struct crash. */
void crash_watch(struct memory_disk *disk, enum memory_call call, const char *path, void *arg);
void crash_finish(struct crash *crash);

#endif
