/* faulty: a disk that fails at a chosen call.
 *
 * It passes everything on to another disk, counts the calls, and answers one of them with an error. A test that lets
 * the 1st, 2nd, 3rd... call fail until none fails any more has run every path of unwinding. */
#ifndef CLOG_TESTS_DISK_FAULTY_H
#define CLOG_TESTS_DISK_FAULTY_H

#include "log/log.h"

/* Kinds of calls, to be joined. */
enum faulty_call {
	FAULTY_OPEN = 1 << 0,
	FAULTY_READ = 1 << 1,
	FAULTY_WRITE = 1 << 2,
	FAULTY_SYNC = 1 << 3,
	FAULTY_SIZE = 1 << 4,
	FAULTY_RENAME = 1 << 5,
	FAULTY_REMOVE = 1 << 6,
	FAULTY_MAKE_FOLDER = 1 << 7,
	FAULTY_SYNC_FOLDER = 1 << 8,
	FAULTY_LIST = 1 << 9,
	FAULTY_LOCK = 1 << 10,
	FAULTY_ANY = (1 << 11) - 1,
	/* The calls that change what is on the disk. */
	FAULTY_CHANGE = FAULTY_WRITE | FAULTY_SYNC | FAULTY_RENAME | FAULTY_REMOVE | FAULTY_MAKE_FOLDER |
	                FAULTY_SYNC_FOLDER,
};

enum faulty_way {
	FAULTY_ONCE,    /* that call fails and does nothing; the next ones work */
	FAULTY_PARTLY,  /* the same, but a write has written its first half; a list has given its first name */
	FAULTY_ONWARD,  /* that call and all later ones of the kinds fail */
	FAULTY_SHORTLY, /* a read that may not wait gives half of what it could, and no error; other calls work */
};

struct faulty_disk;

/* Wraps a disk, which must outlive it. */
struct faulty_disk *faulty_disk_create(struct log_disk *inner);
void faulty_disk_destroy(struct faulty_disk *disk);
struct log_disk *faulty_disk_door(struct faulty_disk *disk);
/* From now on the nth call (from 1) of these kinds answers error. nth 0 lets all work. Counting starts again. */
void faulty_disk_fail(struct faulty_disk *disk, unsigned calls, unsigned nth, int error, enum faulty_way way);
/* Whether the fault happened; the kind of call that it was. */
bool faulty_disk_fired(const struct faulty_disk *disk);
enum faulty_call faulty_disk_failed_call(const struct faulty_disk *disk);
/* Calls of the kinds so far, since faulty_disk_fail. */
unsigned faulty_disk_count(const struct faulty_disk *disk);

#endif
