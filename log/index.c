#include "log/index.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "log/bytes.h"

struct log_index *index_create(uint32_t position)
{
	struct log_index *index = calloc(1, sizeof *index);
	if (index != NULL)
		index->end = position;
	return index;
}

void index_destroy(struct log_index *index)
{
	if (index == NULL)
		return;
	free(index->records);
	free(index->frames);
	free(index);
}

/* Room for more elements, doubling. Counts stay far below 2^31: a store is at most LOG_SEGMENT_SIZE_MAX bytes and a
 * frame, and nothing in it takes less than four. */
static int reserve(void **array, uint32_t *capacity, uint32_t need, size_t element)
{
	if (need <= *capacity)
		return 0;
	uint32_t wanted = *capacity == 0 ? 64 : *capacity;
	while (wanted < need)
		wanted *= 2;
	void *grown = realloc(*array, wanted * element);
	if (grown == NULL)
		return -ENOMEM;
	*array = grown;
	*capacity = wanted;
	return 0;
}

int index_add(struct log_index *index, const struct frame_header *header, const unsigned char *bytes)
{
	uint32_t count = header->shown.type == LOG_RECORDS ? header->shown.count : 0;
	int rc = reserve((void **)&index->frames, &index->frame_capacity, index->frame_count + 1, sizeof *index->frames);
	if (rc == 0)
		rc = reserve((void **)&index->records, &index->record_capacity, index->record_count + count,
		             sizeof *index->records);
	if (rc != 0)
		return rc;
	index->frames[index->frame_count++] = index->end;
	uint32_t at = frame_items(header);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t size = take_u32(bytes + at);
		index->records[index->record_count++] =
			(struct index_record){.position = index->end + at, .stream = index->stream_size};
		index->stream_size += size;
		at += ITEM_HEADER_SIZE + size;
	}
	index->end += header->shown.size;
	return 0;
}

uint32_t index_frame_at(const struct log_index *index, uint32_t position)
{
	uint32_t low = 0, high = index->frame_count;
	assert(high > 0 && index->frames[0] <= position);
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;
		if (index->frames[middle] <= position)
			low = middle;
		else
			high = middle;
	}
	return low;
}

uint32_t index_record_at(const struct log_index *index, uint32_t stream)
{
	uint32_t low = 0, high = index->record_count;
	assert(stream < index->stream_size);
	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;
		if (index->records[middle].stream <= stream)
			low = middle;
		else
			high = middle;
	}
	return low;
}

uint32_t index_record_size(const struct log_index *index, uint32_t record)
{
	uint32_t end = record + 1 < index->record_count ? index->records[record + 1].stream : index->stream_size;
	return end - index->records[record].stream;
}

size_t index_memory(const struct log_index *index)
{
	return sizeof *index + index->record_capacity * sizeof *index->records +
	       index->frame_capacity * sizeof *index->frames;
}
