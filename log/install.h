/* A new beginning: what begins it is in log.h (log_install_begin).
 *
 * On the disk, in an order in which a crash at any point leaves the old log or the new one. The new log's empty first
 * store and an index without records, whose footer has the state at the base, are made under names of their own. Then
 * the file LOG_BASE is written: with that the new log is there, and all stores and indexes are the old one's. These are
 * deleted, the index gets its name, and then, as the last of all, the store: as long as it has not, the next start goes
 * on where this one stopped. */
#ifndef CLOG_LOG_INSTALL_H
#define CLOG_LOG_INSTALL_H

#include "log/listing.h"

/* While a log is opened: goes on with a new beginning that a crash has cut short after the base was written, and sets
 * the listing right. In a log that is opened read-only nothing is done, but *installing set: the log is empty then,
 * and has no store. Returns the disk's error or -ENOMEM, with the sentence. */
int install_resume(struct log *log, struct listing *listing, const struct log_tail *base, bool *installing,
                   struct clog_error *err);
/* Deletes what is left of one that a crash has cut short before that: the old log is whole. */
int install_drop(struct log *log, const struct listing *listing, struct clog_error *err);

/* The state at the base while a job that installs it is out: as log_state. -ENOENT when none is. */
int install_state(const struct log *log, uint64_t entry, uint64_t *state_entry, void **data, size_t *size);

#endif
