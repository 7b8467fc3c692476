#include "log/segment.h"

#include <assert.h>
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
	free(segment->state);
	free(segment);
}

void segment_path(char path[PATH_MAX], const char *folder, uint64_t first_entry, const char *suffix)
{
	int length = snprintf(path, PATH_MAX, "%s/%020" PRIu64 "%s", folder, first_entry, suffix);
	assert(length > 0 && length < PATH_MAX);
}
