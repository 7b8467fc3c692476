/* script: what tests do to a log again and again. Asserts that it works, unless it says otherwise. */
#ifndef CLOG_TESTS_LOG_SCRIPT_H
#define CLOG_TESTS_LOG_SCRIPT_H

#include "error/error.h"
#include "log/log.h"
#include "tests/disk/dice.h"
#include "tests/log/model.h"

/* Opens the log in the folder "log" of a disk, with the smallest segments. */
struct log *script_open(struct log_disk *disk);
struct log *script_open_sized(struct log_disk *disk, uint32_t segment_size);

/* A closed frame of records that follows the log's tail. sizes has the size of each; bytes come from the dice. */
struct log_frame *script_frame(struct log *log, struct dice *dice, uint64_t term, const uint32_t *sizes,
                               uint32_t count);
/* The same with one item, or none when size is 0, of another type. */
struct log_frame *script_other_frame(struct log *log, struct dice *dice, uint64_t term, enum log_type type,
                                     uint32_t size);
/* A frame of any type and shape, up to about size_max bytes, in the term of the log's tail or, sometimes, the next. */
struct log_frame *script_any_frame(struct log *log, struct dice *dice, uint32_t size_max);

/* Appends a frame, notes it, and drops it. The model may be NULL. */
void script_append(struct log *log, struct model *model, struct log_frame *frame);
/* Appends a frame of one record of so many bytes and syncs. */
void script_append_one(struct log *log, struct model *model, struct dice *dice, uint32_t size);
/* Appends frames of any shape, syncing each, until the log has so many segments. */
void script_fill(struct log *log, struct model *model, struct dice *dice, uint32_t segments, uint32_t size_max);
void script_sync(struct log *log);
/* Writes the durable mark of an idle log. */
void script_mark(struct log *log);
/* Runs chores until there are none left; returns how many there were. */
unsigned script_chores(struct log *log);
/* Checks that two ends of a log are the same. */
void script_expect_tail(const struct log_tail *is, const struct log_tail *must);
/* Checks everything, or fails the test with the difference. */
void script_expect(const struct model *model, struct log *log);

#endif
