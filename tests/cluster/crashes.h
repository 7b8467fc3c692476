/* crashes: what a disk may hold after the machine dies at this moment. */
#ifndef CLOG_TESTS_CLUSTER_CRASHES_H
#define CLOG_TESTS_CLUSTER_CRASHES_H

#include "tests/disk/dice.h"
#include "tests/disk/memory.h"

/* A disk after one of its possible ends; how says which. It may be written to, and is destroyed afterwards. */
typedef void (*crashes_cb)(struct memory_disk *disk, const char *how, void *arg);

/* Calls cb with a copy of the disk for many of the ends that are possible now: the program killed; power lost with all
 * that was not synced lost, or kept; each single name lost, and each one with all after it; each single sector lost,
 * torn, zeroed, or kept alone (of sectors_max of them, by the dice; 0 means all); some ends by the dice. Returns how
 * many there were. */
unsigned crashes_each(const struct memory_disk *disk, struct dice *dice, unsigned sectors_max, crashes_cb cb,
                      void *arg);

/* Power is lost: what was not synced is lost, kept and torn by the dice. */
void crashes_any(struct memory_disk *disk, struct dice *dice);

#endif
