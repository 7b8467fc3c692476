/* A segment: a store and its index, and what the log knows of them in memory. */
#ifndef CLOG_LOG_SEGMENT_H
#define CLOG_LOG_SEGMENT_H

#include "log/index.h"
#include "log/store.h"

#define SEGMENT_NAME_SIZE 32u /* of "<20 digits>.store" or ".index", NUL included */

struct log_segment {
	struct log_tail base; /* the log's end before it */
	struct log_tail end;  /* and after its last frame; of the last segment, appended frames included */
	uint32_t position;    /* in the store, after the last frame */
	bool created;         /* its store is on the disk, under its name */
	bool sealed;          /* its index is on the disk, with a footer */
	struct log_index *index;  /* NULL when sealed and not in memory */
	int handle;           /* of the store; -1 when not open */
	struct log_cell mark; /* the cell, while the store is written */
	uint64_t marked;      /* the entry that the mark names */
	unsigned pins;        /* reads and jobs under way */
	uint64_t used;        /* when it was last read, in reads of the log */
};

/* Creates one that follows base; nothing touches the disk. NULL without memory. */
struct log_segment *segment_create(const struct log_tail *base);
/* Closes the store and frees. NULL is allowed. */
void segment_destroy(struct log_segment *segment, struct log_disk *disk);

/* The path of one of its files: folder/<first entry, 20 digits><suffix>. -ENAMETOOLONG. */
int segment_path(char *path, size_t size, const char *folder, uint64_t first_entry, const char *suffix);

/* Makes the index anew from the store, which must be complete from base to end: for a segment that is not the last. cb
 * (NULL allowed) gets each header in turn, and ends it by returning non-zero. -EBADMSG when the store is not complete,
 * with the position reached in *position; -ENOMEM, or the disk's error. */
int segment_rebuild(struct log_index **index, struct log_disk *disk, int handle, const struct log_tail *base,
                    const struct log_tail *end, int (*cb)(const struct frame_header *header, void *arg), void *arg,
                    uint64_t *position);

/* True when two ends of a log are the same. */
bool segment_same_tail(const struct log_tail *a, const struct log_tail *b);

#endif
