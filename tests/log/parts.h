/* parts: compares a log with its model where its head was trimmed or parts of it are damaged.
 *
 * What is whole must be served right by every kind of read; what is damaged must be refused with -EBADMSG. */
#ifndef CLOG_TESTS_LOG_PARTS_H
#define CLOG_TESTS_LOG_PARTS_H

#include "tests/log/model.h"

enum part {
	PART_WHOLE,   /* served right */
	PART_DAMAGED, /* refused */
	PART_EITHER,  /* one of these */
};

struct parts {
	const struct model *model;
	const unsigned char *frames;  /* entry e is frames[e - 1]; NULL: all are whole */
	const unsigned char *records; /* by offset; likewise */
};

/* The log's tail, stat, terms and configurations, from the first entry kept to the last. */
int parts_check_queries(const struct parts *parts, struct log *log, struct clog_error *err);
/* These, and each durable frame and record, the whole stream, ranges of records and runs of frames. A step over 1 takes
 * only each so-manieth record alone. -EILSEQ for what differs, with the difference in err, or the log's error. */
int parts_check(const struct parts *parts, struct log *log, unsigned step, struct clog_error *err);
/* The same of a log without damage; fails the test. */
void parts_expect(const struct model *model, struct log *log);

/* Reads from begin to end, waiting when it must. Returns the read's status. */
int parts_serve(struct log *log, struct log_read *read);

#endif
