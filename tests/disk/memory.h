/* memory: a disk in memory that can crash.
 *
 * It keeps what a real disk would have after a power cut beside what the programs see, and so knows at each moment
 * what is at stake:
 * - A file's bytes are durable from its sync. Until then each 512-byte sector that was written may be lost, kept or
 *   torn, whatever becomes of the others, and a file that grew may have any size up to the last sector kept.
 * - A name (made, renamed, removed) is durable from the sync of its folder. Until then each change may be undone alone.
 *   Syncing a file does not make its name durable.
 *
 * memory_disk_crash() picks one of these outcomes. To look at many, clone the disk first; to do so at every step of a
 * run, watch it. All calls are safe from any thread but for crash, clone and destroy against calls in progress.
 *
 * Running out of memory ends the process: this is for tests. */
#ifndef CLOG_TESTS_DISK_MEMORY_H
#define CLOG_TESTS_DISK_MEMORY_H

#include "log/log.h"

#define MEMORY_SECTOR_SIZE 512u
#define MEMORY_PATH_SIZE 256u /* bytes of the longest path, its NUL included */

struct memory_disk;

struct memory_disk *memory_disk_create(void);
void memory_disk_destroy(struct memory_disk *disk);
/* The calls of the disk. Valid as long as the disk. */
struct log_disk *memory_disk_door(struct memory_disk *disk);
/* A copy with all that is at stake, but without handles, locks and watcher. */
struct memory_disk *memory_disk_clone(const struct memory_disk *disk);

/* ---- Crashing ------------------------------------------------------------------------------------------------ */

/* What becomes of a sector that was written and not synced. */
enum memory_fate {
	MEMORY_LOST, /* as it was at the last sync; zeros, if it counts for the size at all, when it was not there */
	MEMORY_KEPT, /* as written */
	MEMORY_TORN_HEAD, /* the first bytes as written, the others lost */
	MEMORY_TORN_TAIL, /* the last bytes as written, the others lost */
	MEMORY_ZEROED,    /* for a sector past the size at the last sync: there, and zeros. Else lost */
};

/* How many sectors, and changes of names, are at stake. */
size_t memory_disk_sectors(const struct memory_disk *disk);
size_t memory_disk_changes(const struct memory_disk *disk);
/* Crashes: fates has one memory_fate for each sector, kept one bool for each change of names, oldest first; NULL means
 * that all are lost. Every handle is closed, every lock released. What is left is durable. */
void memory_disk_crash(struct memory_disk *disk, const unsigned char *fates, const bool *kept);
/* The program dies and the machine does not: every handle is closed, every lock released; the bytes and names are as
 * the program left them, and what was at stake still is. */
void memory_disk_kill(struct memory_disk *disk);
/* Makes durable all that is at stake; handles stay open. */
void memory_disk_settle(struct memory_disk *disk);
/* A number for what is on the disk, names and bytes: equal for equal disks. */
uint64_t memory_disk_hash(const struct memory_disk *disk);

/* ---- Watching and meddling ----------------------------------------------------------------------------------- */

enum memory_call {
	MEMORY_CREATE,
	MEMORY_WRITE,
	MEMORY_SYNC,
	MEMORY_RENAME,
	MEMORY_REMOVE,
	MEMORY_MAKE_FOLDER,
	MEMORY_SYNC_FOLDER,
};
const char *memory_call_name(enum memory_call call);

/* Called just before each call that changes the disk, with the path it is about. */
typedef void (*memory_watch_cb)(struct memory_disk *disk, enum memory_call call, const char *path, void *arg);
/* NULL to stop watching. */
void memory_disk_watch(struct memory_disk *disk, memory_watch_cb cb, void *arg);

/* Syncs of files and folders whose path ends with this are answered with 0 and not done: the disk of a program that
 * forgets them. "" means all, NULL none. Borrowed. */
void memory_disk_ignore_sync(struct memory_disk *disk, const char *ending);
/* From now on reads that may not wait find at most size bytes a read (0: -EAGAIN), and after so many reads nothing. */
void memory_disk_set_resident(struct memory_disk *disk, size_t size, unsigned reads);
/* No byte past the first `size` of all that is ever written can be: -ENOSPC. */
void memory_disk_set_room(struct memory_disk *disk, uint64_t size);
/* Handles that are open now; and the most that were at once. */
unsigned memory_disk_handles(const struct memory_disk *disk);
unsigned memory_disk_handles_most(const struct memory_disk *disk);

/* The bytes of a file as programs see them; NULL when there is none. Valid until the disk is next used. */
const unsigned char *memory_disk_bytes(const struct memory_disk *disk, const char *path, size_t *size);
/* Changes bytes of a file in place, durably, as a failing medium does. They must be within the file. */
void memory_disk_poke(struct memory_disk *disk, const char *path, size_t position, const void *data, size_t size);
/* Gives a file these bytes and this size, durably; makes it when it is not there. */
void memory_disk_put(struct memory_disk *disk, const char *path, const void *data, size_t size);

#endif
