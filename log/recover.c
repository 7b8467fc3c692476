#include "log/recover.h"

#include "log/tail.h"

#include <errno.h>
#include <stdlib.h>

struct walk {
	struct recovery *recovery;
	struct store_scan scan;
	unsigned char *buffer;
	size_t buffer_size;
};

static int tell_entries(struct recovery *recovery, uint64_t first, uint64_t last, uint64_t term, enum log_type type)
{
	int rc = 0;
	for (uint64_t entry = first; rc == 0 && recovery->entry_cb != NULL && entry <= last; entry++)
		rc = recovery->entry_cb(entry, term, type, recovery->arg);
	return rc;
}

static int tell_damage(struct walk *walk, const struct log_tail *after, uint64_t position)
{
	const struct log_tail *before = &walk->scan.tail;
	struct log_damage damage = {.segment = walk->recovery->base.entry + 1,
	                            .position = walk->scan.position,
	                            .size = position - walk->scan.position,
	                            .first_entry = before->entry + 1,
	                            .last_entry = after->entry,
	                            .first_offset = before->next_offset,
	                            .next_offset = after->next_offset};
	return walk->recovery->damage_cb == NULL ? 0 : walk->recovery->damage_cb(&damage, walk->recovery->arg);
}

/* Takes a frame whose header is right, whatever its body is. */
static int take_frame(struct walk *walk, const struct frame_header *header, const unsigned char *bytes, bool damaged)
{
	struct log_tail after = walk->scan.tail;
	frame_advance(header, &after);
	int rc = damaged ? index_add_damaged(walk->recovery->index, header, bytes)
	                 : index_add(walk->recovery->index, header, bytes);
	if (rc == 0 && damaged)
		rc = tell_damage(walk, &after, walk->scan.position + header->shown.size);
	if (rc == 0)
		rc = tell_entries(walk->recovery, after.entry, after.entry, header->shown.term, header->shown.type);
	if (rc == 0)
		store_scan_step(&walk->scan, header);
	return rc;
}

/* Whether what lies between two places of the log can be as much as the numbers say. */
static bool can_hold(const struct log_tail *before, const struct log_tail *after, uint64_t size)
{
	return after->entry > before->entry && after->next_offset >= before->next_offset &&
	       after->stream_size >= before->stream_size && after->entry - before->entry <= size / FRAME_HEADER_SIZE &&
	       after->next_offset - before->next_offset <= size / ITEM_HEADER_SIZE &&
	       (after->next_offset > before->next_offset || after->stream_size == before->stream_size) &&
	       after->stream_size - before->stream_size <= size;
}

/* Follows the headers from one on: whether they lead to the goal. */
static int leads_to_goal(struct walk *walk, uint64_t position, const struct log_tail *before, bool *leads)
{
	struct store_scan scan = walk->scan;
	scan.position = position;
	scan.tail = *before;
	*leads = false;
	while (scan.tail.entry < walk->recovery->goal.entry) {
		struct frame_header header;
		const unsigned char *bytes;
		int rc = store_scan_header(&scan, &header, &bytes);
		/* The window is one for both. */
		walk->scan.window = scan.window;
		if (rc != 0)
			return rc == -ENODATA ? 0 : rc;
		store_scan_step(&scan, &header);
	}
	*leads = tail_same(&scan.tail, &walk->recovery->goal);
	return 0;
}

/* The log's end before a frame, as its header tells. The term and time there are not in it, and of no use here. */
static void tail_before(const struct frame_header *header, uint64_t term, struct log_tail *tail)
{
	*tail = (struct log_tail){.entry = header->shown.entry - 1,
	                          .term = term,
	                          .next_offset = header->shown.first_offset,
	                          .stream_size = header->shown.stream_size,
	                          .chain = header->previous};
}

/* Looks for the next frame that leads to the goal. -ENODATA when there is none. */
static int find_frame(struct walk *walk, uint64_t *position, struct log_tail *before)
{
	const struct recovery *recovery = walk->recovery;
	for (*position = walk->scan.position + FRAME_ALIGN;; *position += FRAME_ALIGN) {
		struct frame_header header;
		const unsigned char *bytes;
		int rc = window_at(&walk->scan.window, *position, FRAME_HEADER_SIZE, &bytes);
		if (rc != 0)
			return rc;
		if (frame_decode_header(bytes, &header) != 0 || header.shown.entry > recovery->goal.entry)
			continue;
		tail_before(&header, walk->scan.tail.term, before);
		if (!can_hold(&walk->scan.tail, before, *position - walk->scan.position))
			continue;
		bool leads;
		rc = leads_to_goal(walk, *position, before, &leads);
		if (rc != 0 || leads)
			return rc;
	}
}

/* The least that a stretch of the log takes in a store. */
static uint64_t least_size(const struct log_tail *before, const struct log_tail *after)
{
	return (after->entry - before->entry) * FRAME_HEADER_SIZE +
	       (after->next_offset - before->next_offset) * ITEM_HEADER_SIZE +
	       (after->stream_size - before->stream_size);
}

/* Where the goal is, when no frame leads to it: at the mark's position, or, in a store that another one follows, at its
 * end, or past that, if it was cut. */
static int jump_to_goal(struct walk *walk, uint64_t *position, struct log_tail *after)
{
	const struct recovery *recovery = walk->recovery;
	const uint64_t most = LOG_SEGMENT_SIZE_MAX + LOG_FRAME_SIZE_MAX;
	*after = recovery->goal;
	if (!can_hold(&walk->scan.tail, after, most))
		return -EBADMSG;
	*position = walk->scan.position + least_size(&walk->scan.tail, after);
	if (recovery->goal_position != 0 && recovery->goal_position < *position)
		return -EBADMSG;
	if (recovery->goal_position != 0)
		*position = recovery->goal_position;
	else if (*position < walk->scan.window.limit)
		*position = walk->scan.window.limit;
	return *position <= most ? 0 : -EBADMSG;
}

/* Passes over damage that hides headers: to the next frame that leads to the goal, or to the goal itself. */
static int pass_over(struct walk *walk)
{
	struct recovery *recovery = walk->recovery;
	struct log_tail after;
	uint64_t position;
	int rc = find_frame(walk, &position, &after);
	if (rc == -ENODATA)
		rc = jump_to_goal(walk, &position, &after);
	if (rc == 0)
		rc = index_add_lost(recovery->index, (uint32_t)(after.entry - walk->scan.tail.entry),
		                    (uint32_t)(after.next_offset - walk->scan.tail.next_offset),
		                    (uint32_t)(after.stream_size - walk->scan.tail.stream_size), (uint32_t)position);
	if (rc == 0)
		rc = tell_damage(walk, &after, position);
	if (rc == 0)
		rc = tell_entries(recovery, walk->scan.tail.entry + 1, after.entry, walk->scan.tail.term, LOG_RECORDS);
	if (rc != 0)
		return rc;
	walk->scan.tail = after;
	walk->scan.position = position;
	return 0;
}

/* Takes what stands next. -ENODATA at the end. */
static int step(struct walk *walk)
{
	const struct recovery *recovery = walk->recovery;
	struct frame_header header;
	const unsigned char *bytes;
	bool below = walk->scan.tail.entry < recovery->goal.entry;
	if (!below && !recovery->beyond)
		return -ENODATA;
	int rc = store_scan_next(&walk->scan, &header, &bytes);
	if (rc == 0)
		return take_frame(walk, &header, bytes, false);
	if (below && rc == -EBADMSG)
		return take_frame(walk, &header, bytes, true);
	if (below && rc == -ENODATA)
		return pass_over(walk);
	return rc == -EBADMSG ? -ENODATA : rc;
}

int recover(struct recovery *recovery)
{
	struct walk walk = {.recovery = recovery};
	recovery->index = index_create(STORE_FRAMES);
	int rc = recovery->index == NULL ? -ENOMEM
	                                 : store_scan_begin(&walk.scan, recovery->disk, recovery->handle,
	                                                    &recovery->base, &walk.buffer, &walk.buffer_size);
	while (rc == 0)
		rc = step(&walk);
	recovery->tail = walk.scan.tail;
	recovery->position = walk.scan.position;
	free(walk.buffer);
	if (rc == -ENODATA && walk.scan.tail.entry <= recovery->goal.entry &&
	    !tail_same(&walk.scan.tail, &recovery->goal))
		rc = -EBADMSG;
	if (rc == -ENODATA)
		return 0;
	index_destroy(recovery->index);
	recovery->index = NULL;
	return rc;
}
