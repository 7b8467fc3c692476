#include "tests/log/model.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

void model_finish(struct model *model)
{
	free(model->frames);
	free(model->records);
	free(model->stream);
	free(model->others);
	*model = (struct model){0};
}

static void *reserve(void *array, size_t *capacity, size_t need, size_t element)
{
	if (need <= *capacity)
		return array;
	*capacity = 2 * need + 64;
	array = realloc(array, *capacity * element);
	assert(array != NULL);
	return array;
}

static size_t add_bytes(unsigned char **bytes, size_t *size, size_t *capacity, const void *data, uint32_t more)
{
	size_t at = *size;
	*bytes = reserve(*bytes, capacity, at + more, 1);
	if (more > 0)
		memcpy(*bytes + at, data, more);
	*size += more;
	return at;
}

static void add_record(struct model *model, uint64_t entry, const void *data, uint32_t size)
{
	model->records = reserve(model->records, &model->record_capacity, model->record_count + 1,
	                         sizeof *model->records);
	size_t position = add_bytes(&model->stream, &model->stream_size, &model->stream_capacity, data, size);
	model->records[model->record_count++] = (struct model_record){
		.entry = entry, .position = position, .size = size};
}

void model_note(struct model *model, const struct log_frame *frame)
{
	const struct log_header *header = log_frame_header(frame);
	assert(header->entry == model->frame_count + 1);
	assert(header->first_offset == model->record_count);
	model->frames = reserve(model->frames, &model->frame_capacity, model->frame_count + 1, sizeof *model->frames);
	struct model_frame *noted = &model->frames[model->frame_count++];
	*noted = (struct model_frame){.header = *header, .first_record = model->record_count};
	for (uint32_t i = 0; i < header->count; i++) {
		const void *data;
		uint32_t size;
		log_frame_item(frame, i, &data, &size);
		if (header->type == LOG_RECORDS) {
			add_record(model, header->entry, data, size);
		} else {
			noted->other_size = size;
			noted->other = add_bytes(&model->others, &model->other_size, &model->other_capacity, data,
			                         size);
		}
	}
}

void model_cut(struct model *model, uint64_t last_entry)
{
	assert(last_entry <= model->frame_count);
	if (last_entry == model->frame_count)
		return;
	model->record_count = model->frames[last_entry].first_record;
	model->frame_count = last_entry;
	const struct model_record *last = model->record_count > 0 ? &model->records[model->record_count - 1] : NULL;
	model->stream_size = last != NULL ? last->position + last->size : 0;
}

uint64_t model_next_offset(const struct model *model, uint64_t entry)
{
	assert(entry <= model->frame_count);
	return entry < model->frame_count ? model->frames[entry].first_record : model->record_count;
}

uint64_t model_stream_size(const struct model *model, uint64_t entry)
{
	uint64_t next = model_next_offset(model, entry);
	return next < model->record_count ? model->records[next].position : model->stream_size;
}
