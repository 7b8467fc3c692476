#include "log/index.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "log/bytes.h"
#include "log/salvage.h"

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

int index_reserve(struct log_index *index, uint32_t frames, uint32_t records)
{
	int rc = reserve((void **)&index->frames, &index->frame_capacity, index->frame_count + frames,
	                 sizeof *index->frames);
	if (rc == 0)
		rc = reserve((void **)&index->records, &index->record_capacity, index->record_count + records,
		             sizeof *index->records);
	return rc;
}

static void add_record(struct log_index *index, uint32_t position, uint32_t stream)
{
	index->records[index->record_count++] = (struct index_record){.position = position, .stream = stream};
}

static uint32_t records_of(const struct frame_header *header)
{
	return header->shown.type == LOG_RECORDS ? header->shown.count : 0;
}

int index_add(struct log_index *index, const struct frame_header *header, const unsigned char *bytes)
{
	uint32_t count = records_of(header), at = frame_items(header);
	int rc = index_reserve(index, 1, count);
	if (rc != 0)
		return rc;
	index->frames[index->frame_count++] = index->end;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t size = take_u32(bytes + at);
		add_record(index, index->end + at, index->stream_size);
		index->stream_size += size;
		at += ITEM_HEADER_SIZE + size;
	}
	index->end += header->shown.size;
	return 0;
}

/* Whether an item is whole where it was found. */
static bool is_whole(const struct frame_header *header, const unsigned char *bytes, const uint32_t *places, uint32_t i)
{
	uint32_t size;
	if (places[i] == 0 || places[i + 1] == 0)
		return false;
	int rc = frame_check_item(bytes + places[i], places[i + 1] - places[i], frame_item_offset(header, i), &size);
	return rc == 0 && size + ITEM_HEADER_SIZE == places[i + 1] - places[i];
}

int index_add_damaged(struct log_index *index, const struct frame_header *header, const unsigned char *bytes)
{
	uint32_t count = records_of(header), size = count > 0 ? header->data_size : 0;
	uint32_t *places = malloc(((size_t)header->shown.count + 1) * sizeof *places);
	int rc = places == NULL ? -ENOMEM : index_reserve(index, 1, count);
	if (rc != 0) {
		free(places);
		return rc;
	}
	salvage_items(header, bytes, places);
	/* Of records whose places are not known, the first has all the bytes. */
	uint32_t stream = index->stream_size + size;
	for (uint32_t i = count; i-- > 0;) {
		if (places[i] != 0)
			stream = index->stream_size + places[i] - frame_items(header) - i * ITEM_HEADER_SIZE;
		index->records[index->record_count + i] = (struct index_record){
			.position = index->end + (is_whole(header, bytes, places, i) ? places[i] : 0),
			.stream = stream};
	}
	free(places);
	index->frames[index->frame_count++] = index->end;
	index->record_count += count;
	index->stream_size += size;
	index->end += header->shown.size;
	return 0;
}

int index_add_lost(struct log_index *index, uint32_t frames, uint32_t records, uint32_t stream_size, uint32_t position)
{
	int rc = index_reserve(index, frames, records);
	if (rc != 0)
		return rc;
	/* The first record has all the bytes. Places of frames only go up; there are more bytes than frames. */
	for (uint32_t i = 0; i < frames; i++)
		index->frames[index->frame_count++] = index->end + i;
	for (uint32_t i = 0; i < records; i++)
		add_record(index, index->end, index->stream_size + (i == 0 ? 0 : stream_size));
	index->stream_size += stream_size;
	index->end = position;
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
