/* A segment: a store and its index, and what the log knows of them in memory. */
#ifndef CLOG_LOG_SEGMENT_H
#define CLOG_LOG_SEGMENT_H

#include <limits.h>

#include "log/index.h"
#include "log/store.h"

#define SEGMENT_NAME_SIZE 32u /* of "<20 digits>.store" or ".index", NUL included */

struct log_segment {
	struct log_tail base;    /* the log's end before it */
	struct log_tail end;     /* and after its last frame; of the last segment, appended frames included */
	uint32_t position;       /* in the store, after the last frame */
	bool created;            /* its store is on the disk, under its name */
	bool sealed;             /* its index is on the disk, with a footer */
	struct log_index *index; /* NULL when sealed and not in memory */
	int handle;              /* of the store; -1 when not open */
	struct log_cell mark;    /* the cell, while the store is written */
	uint64_t marked;         /* the entry that the mark names */
	uint64_t mends;          /* counts them: who read it before has seen what is not there any more */
	unsigned pins;           /* reads and jobs under way */
	bool gone;               /* not in the log any more: freed with its last pin */
	void *state;             /* of the log's user at its end; NULL: not known, or in the footer */
	uint32_t state_size;
	bool has_state; /* the state at its end is known, here or in the footer */
	uint64_t used;  /* when it was last read, in reads of the log */
};

/* Creates one that follows base; nothing touches the disk. NULL without memory. */
struct log_segment *segment_create(const struct log_tail *base);
/* Closes the store and frees. NULL is allowed. */
void segment_destroy(struct log_segment *segment, struct log_disk *disk);

/* The path of one of its files: folder/<first entry, 20 digits><suffix>. log_open refuses a folder whose path leaves no
 * room for that. */
void segment_path(char path[PATH_MAX], const char *folder, uint64_t first_entry, const char *suffix);

#endif
