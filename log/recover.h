/* Reading a store from its beginning: to open it, to make its index anew, to verify it.
 *
 * Up to a goal, the end of what must be there, damage is passed over: where a frame's header is not valid the next one
 * is looked for that leads to the goal by the chain of checksums, so that what stands in between is known exactly, by
 * entries, offsets and bytes of the stream, and everything else keeps its place. Past the goal the first frame that is
 * not valid is the end. */
#ifndef CLOG_LOG_RECOVER_H
#define CLOG_LOG_RECOVER_H

#include "log/index.h"
#include "log/store.h"

struct recovery {
	/* Asked. */
	struct log_disk *disk;
	int handle;
	struct log_tail base;   /* the log's end before the store */
	struct log_tail goal;   /* what must be there */
	uint64_t goal_position; /* of its end, 0 when not known */
	bool beyond;            /* go on past the goal, to the last valid frame */
	/* Called for each entry, in order: its term and type; damaged ones have the term before them, and LOG_RECORDS.
	 * NULL allowed. Non-zero ends the recovery with that. */
	int (*entry_cb)(uint64_t entry, uint64_t term, enum log_type type, void *arg);
	/* Called for each stretch that is damaged. NULL allowed; likewise. */
	int (*damage_cb)(const struct log_damage *damage, void *arg);
	void *arg;

	/* Answered. */
	struct log_index *index; /* the caller's, on success */
	struct log_tail tail;    /* the end that was reached */
	uint64_t position;       /* of it */
};

/* Does it. Blocks. -EBADMSG when damage cannot be passed over: what it hides cannot be what the goal says;
 * -EPROTONOSUPPORT for a frame of a newer format, -ENOMEM, what a callback returned, or the disk's error; with the
 * place in position. */
int recover(struct recovery *recovery);

#endif
