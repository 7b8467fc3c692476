#include "tests/log/scene.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/log/damage.h"
#include "tests/log/script.h"

#define FIRST_FRAME 4096u
#define HEADER_SIZE 88u
#define ITEM_SIZE 8u
#define LATER 4096u /* entries and records that may follow */

void scene_begin(struct scene *scene, uint64_t seed)
{
	*scene = (struct scene){.memory = memory_disk_create()};
	dice_init(&scene->dice, seed);
	struct log *log = script_open(memory_disk_door(scene->memory));
	struct log_stat stat;
	for (log_stat(log, &stat); stat.segments < SCENE_SEGMENTS; log_stat(log, &stat)) {
		uint32_t before = stat.segments;
		script_append(log, &scene->model, script_any_frame(log, &scene->dice, 2500));
		script_sync(log);
		log_stat(log, &stat);
		if (stat.segments > before)
			scene->first[stat.segments - 1] = scene->model.frame_count;
	}
	/* The last segment is left with room for more than 4 KiB. */
	for (unsigned i = 0; i < 5; i++)
		script_append(log, &scene->model, script_any_frame(log, &scene->dice, 400));
	script_sync(log);
	script_mark(log);
	script_chores(log);
	scene->last = log_durable(log);
	scene->first[SCENE_SEGMENTS] = scene->last + 1;
	log_stat(log, &stat);
	assert_int_equal(stat.segments, SCENE_SEGMENTS);
	log_close(log);
	scene->frames = calloc(scene->model.frame_count + LATER, 1);
	scene->records = calloc(scene->model.record_count + LATER, 1);
	assert_non_null(scene->frames);
	assert_non_null(scene->records);
	scene->parts = (struct parts){.model = &scene->model, .frames = scene->frames, .records = scene->records};
}

void scene_finish(struct scene *scene)
{
	assert_int_equal(memory_disk_handles(scene->memory), 0);
	memory_disk_destroy(scene->memory);
	model_finish(&scene->model);
	free(scene->frames);
	free(scene->records);
}

static void *copy_of(const void *bytes, size_t size)
{
	void *copy = malloc(size + 1);
	assert_non_null(copy);
	if (size > 0)
		memcpy(copy, bytes, size);
	return copy;
}

void scene_copy(struct scene *copy, const struct scene *scene)
{
	const struct model *model = &scene->model;
	*copy = *scene;
	copy->memory = memory_disk_clone(scene->memory);
	copy->model.frames = copy_of(model->frames, model->frame_count * sizeof *model->frames);
	copy->model.frame_capacity = model->frame_count;
	copy->model.records = copy_of(model->records, model->record_count * sizeof *model->records);
	copy->model.record_capacity = model->record_count;
	copy->model.stream = copy_of(model->stream, model->stream_size);
	copy->model.stream_capacity = model->stream_size;
	copy->model.others = copy_of(model->others, model->other_size);
	copy->model.other_capacity = model->other_size;
	copy->frames = copy_of(scene->frames, model->frame_count + LATER);
	copy->records = copy_of(scene->records, model->record_count + LATER);
	copy->parts = (struct parts){.model = &copy->model, .frames = copy->frames, .records = copy->records};
}

unsigned scene_segment(const struct scene *scene, uint64_t entry)
{
	unsigned segment = SCENE_SEGMENTS - 1;
	while (scene->first[segment] > entry)
		segment--;
	return segment;
}

void scene_path(const struct scene *scene, uint64_t entry, const char *suffix, char path[static 64])
{
	snprintf(path, 64, "log/%020llu%s", (unsigned long long)scene->first[scene_segment(scene, entry)], suffix);
}

uint64_t scene_position(const struct scene *scene, uint64_t entry)
{
	uint64_t position = FIRST_FRAME;
	for (uint64_t i = scene->first[scene_segment(scene, entry)]; i < entry; i++)
		position += scene->model.frames[i - 1].header.size;
	return position;
}

void scene_drop_index(struct scene *scene, uint64_t entry)
{
	char path[64];
	struct log_disk *disk = memory_disk_door(scene->memory);
	scene_path(scene, entry, ".index", path);
	int rc = disk->remove(disk, path);
	assert_true(rc == 0 || rc == -ENOENT);
	memory_disk_settle(scene->memory);
}

/* The size of item i of a frame. */
static uint32_t item_size(const struct scene *scene, uint64_t entry, uint32_t i)
{
	const struct model_frame *frame = &scene->model.frames[entry - 1];
	if (frame->header.type != LOG_RECORDS)
		return frame->other_size;
	return scene->model.records[frame->first_record + i].size;
}

/* Where item i of a frame stands, from the frame's begin; at the count of the items: where they end. */
static uint64_t item_place(const struct scene *scene, uint64_t entry, uint32_t i)
{
	uint64_t place = HEADER_SIZE;
	while (i-- > 0)
		place += ITEM_SIZE + item_size(scene, entry, i);
	return place;
}

static void overwrite(struct scene *scene, uint64_t entry, uint64_t from, uint64_t to, bool zeros)
{
	char path[64];
	unsigned char *bytes = calloc(to - from + 1, 1);
	assert_non_null(bytes);
	if (!zeros)
		dice_fill(&scene->dice, bytes, to - from);
	scene_path(scene, entry, ".store", path);
	memory_disk_poke(scene->memory, path, from, bytes, to - from);
	free(bytes);
}

static void flip(struct scene *scene, uint64_t entry, uint64_t place)
{
	char path[64];
	scene_path(scene, entry, ".store", path);
	damage_flip(scene->memory, path, scene_position(scene, entry) + place);
}

static void must(struct scene *scene, uint64_t first, uint64_t last, uint64_t size)
{
	assert_true(scene->must_count < SCENE_MUST_MAX);
	scene->must[scene->must_count++] = (struct log_damage){
		.segment = scene->first[scene_segment(scene, first)],
		.position = scene_position(scene, first),
		.size = size,
		.first_entry = first,
		.last_entry = last,
		.first_offset = model_next_offset(&scene->model, first - 1),
		.next_offset = model_next_offset(&scene->model, last)};
}

void scene_note(struct scene *scene, uint64_t first, uint64_t last, uint64_t size)
{
	must(scene, first, last, size);
	for (uint64_t entry = first; entry <= last; entry++)
		scene->frames[entry - 1] = PART_DAMAGED;
	for (uint64_t i = model_next_offset(&scene->model, first - 1); i < model_next_offset(&scene->model, last); i++)
		scene->records[i] = PART_DAMAGED;
}

/* Notes that a frame's body is damaged, and items of it. */
static void note_items(struct scene *scene, uint64_t entry, uint32_t first, uint32_t count)
{
	const struct model_frame *frame = &scene->model.frames[entry - 1];
	must(scene, entry, entry, frame->header.size);
	scene->frames[entry - 1] = PART_DAMAGED;
	for (uint32_t i = first; frame->header.type == LOG_RECORDS && i < first + count; i++)
		scene->records[frame->first_record + i] = PART_DAMAGED;
}

static bool harm_item(struct scene *scene, enum harm harm, uint64_t entry)
{
	const struct log_header *header = &scene->model.frames[entry - 1].header;
	if (header->count == 0)
		return false;
	uint32_t item = (uint32_t)dice_below(&scene->dice, header->count), size = item_size(scene, entry, item);
	uint64_t place = item_place(scene, entry, item), end = item_place(scene, entry, header->count);
	if (harm == HARM_PADDING) {
		if (end == header->size)
			return false;
		flip(scene, entry, end);
		note_items(scene, entry, 0, 0);
		return true;
	}
	if (harm == HARM_BYTES && size == 0)
		return false;
	flip(scene, entry, harm == HARM_SIZE ? place : place + ITEM_SIZE + dice_below(&scene->dice, size));
	note_items(scene, entry, item, 1);
	return true;
}

static bool harm_body(struct scene *scene, uint64_t entry)
{
	const struct log_header *header = &scene->model.frames[entry - 1].header;
	uint64_t end = scene->first[scene_segment(scene, entry) + 1];
	if (header->count == 0 || entry + 1 == end)
		return false;
	uint32_t item = (uint32_t)dice_below(&scene->dice, header->count);
	uint64_t position = scene_position(scene, entry);
	overwrite(scene, entry, position + item_place(scene, entry, item), position + header->size + 40, false);
	note_items(scene, entry, item, header->count - item);
	scene_note(scene, entry + 1, entry + 1, scene->model.frames[entry].header.size);
	return true;
}

static bool harm_frame(struct scene *scene, enum harm harm, uint64_t entry)
{
	uint64_t end = scene->first[scene_segment(scene, entry) + 1], position = scene_position(scene, entry);
	if (harm == HARM_HEADER) {
		flip(scene, entry, dice_below(&scene->dice, HEADER_SIZE));
		scene_note(scene, entry, entry, scene->model.frames[entry - 1].header.size);
		return true;
	}
	if (harm == HARM_FRAMES) {
		if (entry + 3 >= end)
			return false;
		uint64_t after = scene_position(scene, entry + 3);
		overwrite(scene, entry, position, scene_position(scene, entry + 2) + 20, true);
		scene_note(scene, entry, entry + 2, after - position);
		return true;
	}
	if (harm == HARM_REST) {
		uint64_t after = scene_position(scene, end - 1) + scene->model.frames[end - 2].header.size;
		overwrite(scene, entry, position, after, true);
		scene_note(scene, entry, end - 1, after - position);
		return true;
	}
	return harm == HARM_BODY ? harm_body(scene, entry) : harm_item(scene, harm, entry);
}

bool scene_harm(struct scene *scene, enum harm harm, uint64_t entry)
{
	bool harmed = harm_frame(scene, harm, entry);
	/* An empty record at offset 0 is zeros, byte for byte: in a damaged frame it cannot be told from lost bytes, and
	 * what follows it is found from the other side alone. */
	const struct model_record *first = &scene->model.records[0];
	if (first->size == 0 && scene->frames[first->entry - 1] != PART_WHOLE)
		for (uint64_t i = 0; i < model_next_offset(&scene->model, first->entry); i++)
			if (scene->records[i] == PART_WHOLE)
				scene->records[i] = PART_EITHER;
	return harmed;
}

const char *scene_harm_name(enum harm harm)
{
	static const char *const names[HARM_KINDS] = {"header", "size", "bytes", "padding", "frames", "a body", "rest"};
	return names[harm];
}

int scene_check_damage(const struct scene *scene, struct log *log, struct clog_error *err)
{
	const struct log_damage *damage;
	size_t count = log_damage(log, &damage);
	if (count != scene->must_count)
		return clog_error_set(err, -EILSEQ, "%zu damaged stretches are told of, must be %u", count,
		                      scene->must_count);
	for (size_t i = 0; i < count; i++) {
		const struct log_damage *is = &damage[i], *wanted = &scene->must[i];
		/* Of a full store the end of the frames is not known: the damage may go on to the end of the file. */
		bool rest = is->size > wanted->size && wanted->segment != scene->first[SCENE_SEGMENTS - 1] &&
		            scene_segment(scene, wanted->last_entry + 1) != scene_segment(scene, wanted->last_entry);
		if (is->segment != wanted->segment || is->position != wanted->position ||
		    is->first_entry != wanted->first_entry || is->last_entry != wanted->last_entry ||
		    is->first_offset != wanted->first_offset || is->next_offset != wanted->next_offset)
			return clog_error_set(
				err, -EILSEQ, "stretch %zu: entries %llu to %llu, must be %llu to %llu", i,
				(unsigned long long)is->first_entry, (unsigned long long)is->last_entry,
				(unsigned long long)wanted->first_entry, (unsigned long long)wanted->last_entry);
		if (is->size != wanted->size && !rest)
			return clog_error_set(err, -EILSEQ, "stretch %zu has %llu bytes, must be %llu", i,
			                      (unsigned long long)is->size, (unsigned long long)wanted->size);
	}
	return 0;
}
