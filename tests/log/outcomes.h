/* outcomes: what a crash at any step of a run may leave.
 *
 * Before each change of the disk, copies of it crash: nothing, everything, each single sector and each single name of
 * what was not synced is lost or torn. Each copy that was not seen before is handed to the owner, who opens and judges
 * it. */
#ifndef CLOG_TESTS_LOG_OUTCOMES_H
#define CLOG_TESTS_LOG_OUTCOMES_H

#include "error/error.h"
#include "tests/disk/dice.h"
#include "tests/disk/memory.h"

struct outcomes {
	/* Set by the owner. */
	/* Judges a disk after a crash, and may do with it what it likes: 0, or an error with what is wrong in err. */
	int (*judge)(struct memory_disk *disk, void *arg, struct clog_error *err);
	void *arg;
	unsigned sectors_max; /* at most so many sectors are looked at a step, taken at random; 0: all */
	struct dice dice;

	unsigned steps;    /* changes of the disk */
	unsigned states;   /* distinct disks that were judged */
	unsigned failures; /* of these, found wrong; the first few are printed */
	uint64_t *seen;    /* hashes; 0: a free place */
	size_t seen_count, seen_capacity;
};

/* The watcher of the run's disk (memory_disk_watch); arg is the struct outcomes. */
void outcomes_watch(struct memory_disk *disk, enum memory_call call, const char *path, void *arg);
/* The same at this moment. */
void outcomes_look(struct outcomes *outcomes, struct memory_disk *disk, const char *moment);
/* Forgets which disks were judged: what is right has changed. */
void outcomes_forget(struct outcomes *outcomes);
void outcomes_finish(struct outcomes *outcomes);

#endif
