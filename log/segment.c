#include "log/segment.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct log_segment *segment_create(const struct log_tail *base)
{
	struct log_segment *segment = calloc(1, sizeof *segment);
	if (segment == NULL)
		return NULL;
	segment->index = index_create(STORE_FRAMES);
	if (segment->index == NULL) {
		free(segment);
		return NULL;
	}
	segment->base = segment->end = *base;
	segment->position = STORE_FRAMES;
	segment->handle = -1;
	segment->marked = base->entry;
	return segment;
}

void segment_destroy(struct log_segment *segment, struct log_disk *disk)
{
	if (segment == NULL)
		return;
	if (segment->handle >= 0)
		disk->close(disk, segment->handle);
	index_destroy(segment->index);
	free(segment);
}

int segment_path(char *path, size_t size, const char *folder, uint64_t first_entry, const char *suffix)
{
	int length = snprintf(path, size, "%s/%020" PRIu64 "%s", folder, first_entry, suffix);
	return length > 0 && (size_t)length < size ? 0 : -ENAMETOOLONG;
}

int segment_rebuild(struct log_index **index, struct log_disk *disk, int handle, const struct log_tail *base,
                    const struct log_tail *end, int (*cb)(const struct frame_header *header, void *arg), void *arg,
                    uint64_t *position)
{
	unsigned char *buffer = NULL;
	size_t buffer_size = 0;
	struct store_scan scan = {.position = STORE_FRAMES};
	struct log_index *made = index_create(STORE_FRAMES);
	int rc = made == NULL ? -ENOMEM : store_scan_begin(&scan, disk, handle, base, &buffer, &buffer_size);
	while (rc == 0 && scan.tail.entry < end->entry) {
		struct frame_header header;
		const unsigned char *bytes;
		rc = store_scan_next(&scan, &header, &bytes);
		if (rc == 0)
			rc = index_add(made, &header, bytes);
		if (rc == 0 && cb != NULL)
			rc = cb(&header, arg);
		if (rc == 0)
			store_scan_step(&scan, &header);
	}
	if (rc == -ENODATA || (rc == 0 && !segment_same_tail(&scan.tail, end)))
		rc = -EBADMSG;
	*position = scan.position;
	free(buffer);
	if (rc != 0) {
		index_destroy(made);
		return rc;
	}
	*index = made;
	return 0;
}

bool segment_same_tail(const struct log_tail *a, const struct log_tail *b)
{
	return a->entry == b->entry && a->term == b->term && a->next_offset == b->next_offset &&
	       a->stream_size == b->stream_size && a->time_ns == b->time_ns && a->chain == b->chain;
}
