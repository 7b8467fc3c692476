/* Reads of many: ranges of records, runs of whole frames, and the parsing of what comes out of these. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/log/scene.h"
#include "tests/log/script.h"

static uint64_t seed;

/* What a record takes in the answer of a range. */
static size_t range_size(uint32_t size)
{
	return sizeof(struct log_record) + ((size_t)size + 7) / 8 * 8;
}

static void compare(struct log *log, const struct model *model, const struct log_record *is, const void *data)
{
	struct log_read single = {.kind = LOG_READ_RECORD, .offset = is->offset};
	assert_int_equal(parts_serve(log, &single), 0);
	assert_int_equal(is->offset, single.record.offset);
	assert_int_equal(is->entry, single.record.entry);
	assert_int_equal(is->term, single.record.term);
	assert_int_equal(is->time_ns, single.record.time_ns);
	assert_int_equal(is->size, single.record.size);
	assert_int_equal(is->crc32c, single.record.crc32c);
	assert_int_equal(is->size, single.data_size);
	if (is->size > 0) {
		assert_memory_equal(data, single.data, is->size);
		assert_memory_equal(data, model->stream + model->records[is->offset].position, is->size);
	}
	log_read_finish(&single);
}

/* A range holds as many records as go into its size, and one at least; it ends early only where a segment does. */
static void expect_range(const struct scene *scene, struct log *log, uint64_t offset, uint32_t size)
{
	struct log_read read = {.kind = LOG_READ_RANGE, .offset = offset, .size = size};
	struct log_record record;
	const void *data;
	uint32_t position = 0;
	uint64_t next = offset, total = 0;
	assert_int_equal(parts_serve(log, &read), 0);
	for (; log_read_next(&read, &position, &record, &data); next++) {
		assert_int_equal(record.offset, next);
		compare(log, &scene->model, &record, data);
		total += range_size(record.size);
	}
	assert_false(log_read_next(&read, &position, &record, &data));
	assert_true(next > offset);
	assert_true(total <= size || next == offset + 1);
	assert_int_equal(total, read.data_size);
	if (next < scene->model.record_count) {
		const struct model_record *more = &scene->model.records[next];
		uint64_t before = scene->model.records[next - 1].entry;
		bool fits = total + range_size(more->size) <= size;
		assert_true(!fits || scene_segment(scene, more->entry) != scene_segment(scene, before));
	}
	log_read_finish(&read);
}

static void a_range_holds_what_its_size_allows(void **state)
{
	static const uint32_t sizes[] = {1, 48, 49, 100, 1000, 4096, 20000, LOG_READ_SIZE_MAX};
	struct scene scene;
	scene_begin(&scene, seed);
	struct log *log = script_open(memory_disk_door(scene.memory));
	for (uint64_t offset = 0; offset < scene.model.record_count; offset += 3)
		for (unsigned i = offset % 2; i < sizeof sizes / sizeof sizes[0]; i += 2)
			expect_range(&scene, log, offset, sizes[i]);
	log_close(log);
	scene_finish(&scene);
}

static void ranges_lead_through_the_whole_log(void **state)
{
	struct scene scene;
	scene_begin(&scene, seed);
	struct log *log = script_open(memory_disk_door(scene.memory));
	struct log_read read = {.kind = LOG_READ_RANGE, .size = LOG_READ_SIZE_MAX};
	unsigned reads = 0;
	for (uint64_t offset = 0; offset < scene.model.record_count; reads++) {
		struct log_record record;
		const void *data;
		uint32_t position = 0;
		read.offset = offset;
		assert_int_equal(parts_serve(log, &read), 0);
		while (log_read_next(&read, &position, &record, &data))
			assert_int_equal(record.offset, offset++);
	}
	/* One read a segment is enough. */
	assert_in_range(reads, 1, SCENE_SEGMENTS);
	read.offset = scene.model.record_count;
	assert_int_equal(log_read_begin(log, &read), -ENOENT);
	log_read_finish(&read);
	log_close(log);
	scene_finish(&scene);
}

/* Without waiting: what is in memory comes, and nothing is lost or given twice. */
static void a_range_without_waiting_gives_what_is_in_memory(void **state)
{
	struct scene scene;
	scene_begin(&scene, seed);
	struct log *log = script_open(memory_disk_door(scene.memory));
	parts_expect(&scene.model, log);
	struct log_read read = {.kind = LOG_READ_RANGE, .size = 10000};
	unsigned waits = 0;
	for (uint64_t offset = 0; offset < scene.model.record_count;) {
		struct log_record record;
		const void *data;
		uint32_t position = 0;
		memory_disk_set_resident(scene.memory, 500 + offset % 900, 1 + (unsigned)(offset % 3));
		read.offset = offset;
		assert_int_equal(log_read_begin(log, &read), 0);
		log_read_run(&read, false);
		if (read.status == -EAGAIN) {
			waits++;
			log_read_run(&read, true);
		}
		assert_int_equal(log_read_end(log, &read), 0);
		assert_true(read.data_size > 0);
		memory_disk_set_resident(scene.memory, SIZE_MAX, UINT32_MAX);
		for (; log_read_next(&read, &position, &record, &data); offset++) {
			assert_int_equal(record.offset, offset);
			compare(log, &scene.model, &record, data);
		}
	}
	assert_true(waits > 0);
	log_read_finish(&read);
	log_close(log);
	scene_finish(&scene);
}

/* What is not durable yet is in no range and in no run of frames. */
static void only_what_is_durable_is_given(void **state)
{
	struct scene scene;
	scene_begin(&scene, seed);
	struct log *log = script_open(memory_disk_door(scene.memory));
	uint32_t sizes[3] = {10, 0, 300};
	for (unsigned i = 0; i < 10; i++) {
		uint64_t durable = log_durable(log), next = scene.model.record_count;
		for (unsigned more = 0; more <= i; more++)
			script_append(log, &scene.model, script_frame(log, &scene.dice, 700, sizes, 3));
		struct log_read read = {.kind = LOG_READ_RANGE, .offset = next - 1, .size = LOG_READ_SIZE_MAX};
		assert_int_equal(parts_serve(log, &read), 0);
		assert_int_equal(read.data_size, range_size(scene.model.records[next - 1].size));
		read.offset = next;
		assert_int_equal(log_read_begin(log, &read), -ENOENT);
		read.kind = LOG_READ_FRAMES;
		read.entry = durable;
		assert_int_equal(parts_serve(log, &read), 0);
		assert_int_equal(read.data_size, scene.model.frames[durable - 1].header.size);
		read.entry = durable + 1;
		assert_int_equal(log_read_begin(log, &read), -ENOENT);
		log_read_finish(&read);
		script_sync(log);
	}
	log_close(log);
	scene_finish(&scene);
}

/* A run of frames from an entry, for each entry and many sizes; returns its bytes, the caller's to free. */
static unsigned char *take_run(const struct scene *scene, struct log *log, uint64_t entry, uint32_t size,
                               uint32_t *taken)
{
	struct log_read read = {.kind = LOG_READ_FRAMES, .entry = entry, .size = size};
	uint64_t total = 0, end = scene->first[scene_segment(scene, entry) + 1];
	assert_int_equal(parts_serve(log, &read), 0);
	unsigned char *bytes = malloc(read.data_size);
	assert_non_null(bytes);
	memcpy(bytes, read.data, read.data_size);
	*taken = read.data_size;
	/* As many whole frames as go into the size, one at least, up to the segment's end. */
	do
		total += scene->model.frames[entry++ - 1].header.size;
	while (entry < end && total + scene->model.frames[entry - 1].header.size <= size);
	assert_int_equal(total, read.data_size);
	log_read_finish(&read);
	return bytes;
}

static void a_run_of_frames_makes_the_same_log_again(void **state)
{
	static const uint32_t sizes[] = {0, 1, 500, 4000, 9000, LOG_READ_SIZE_MAX};
	struct scene scene;
	scene_begin(&scene, seed);
	struct log *log = script_open(memory_disk_door(scene.memory));
	for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		struct memory_disk *disk = memory_disk_create();
		struct log *other = script_open_sized(memory_disk_door(disk), 3 * LOG_SEGMENT_SIZE_MIN);
		struct log_tail is, must;
		for (uint64_t entry = 1; entry <= scene.last;) {
			uint32_t taken;
			unsigned char *bytes = take_run(&scene, log, entry, sizes[i], &taken);
			for (size_t at = 0, used; at < taken; at += used, entry++) {
				struct log_frame *frame;
				assert_int_equal(log_frame_parse(&frame, bytes + at, taken - at, &used), 0);
				script_append(other, NULL, frame);
			}
			free(bytes);
			script_sync(other);
		}
		log_tail(log, &must);
		log_tail(other, &is);
		script_expect_tail(&is, &must);
		parts_expect(&scene.model, other);
		log_close(other);
		memory_disk_destroy(disk);
	}
	log_close(log);
	scene_finish(&scene);
}

/* An exact copy, so that a byte read past its end is seen. */
static int parse_copy(const unsigned char *bytes, size_t size, struct log_frame **frame, size_t *used)
{
	unsigned char *copy = malloc(size + (size == 0));
	assert_non_null(copy);
	if (size > 0)
		memcpy(copy, bytes, size);
	int rc = log_frame_parse(frame, copy, size, used);
	free(copy);
	return rc;
}

static void expect_parsing(const unsigned char *bytes, size_t size)
{
	struct log_frame *frame;
	size_t used;
	for (size_t length = 0; length < size; length++)
		assert_int_equal(parse_copy(bytes, length, &frame, &used), -EBADMSG);
	unsigned char *wrong = malloc(size);
	assert_non_null(wrong);
	memcpy(wrong, bytes, size);
	for (size_t bit = 0; bit < 8 * size; bit++) {
		wrong[bit / 8] ^= (unsigned char)(1u << bit % 8);
		assert_int_equal(log_frame_parse(&frame, wrong, size, &used), -EBADMSG);
		assert_int_equal(used, 0);
		wrong[bit / 8] ^= (unsigned char)(1u << bit % 8);
	}
	free(wrong);
	assert_int_equal(parse_copy(bytes, size, &frame, &used), 0);
	assert_int_equal(used, size);
	log_frame_unref(frame);
}

/* Every bit of a frame counts: its header is checked as a whole, its items each, and its padding is zeros. */
static void a_frame_with_a_wrong_bit_or_cut_short_is_refused(void **state)
{
	struct memory_disk *disk = memory_disk_create();
	struct dice dice;
	dice_init(&dice, seed);
	struct log *log = script_open(memory_disk_door(disk));
	uint32_t sizes[5] = {0, 1, 13, 200, 0};
	script_append(log, NULL, script_frame(log, &dice, 1, sizes, 5));
	script_append(log, NULL, script_other_frame(log, &dice, 2, LOG_BARRIER, 0));
	script_append(log, NULL, script_other_frame(log, &dice, 2, LOG_CONFIGURATION, 75));
	script_append(log, NULL, script_frame(log, &dice, 2, sizes, 1));
	script_append(log, NULL, script_other_frame(log, &dice, 3, LOG_CONTROL, 3));
	script_sync(log);
	struct log_read read = {.kind = LOG_READ_FRAMES, .size = 0};
	for (read.entry = 1; read.entry <= 5; read.entry++) {
		assert_int_equal(parts_serve(log, &read), 0);
		expect_parsing(read.data, read.data_size);
	}
	log_read_finish(&read);
	log_close(log);
	memory_disk_destroy(disk);
}

static void a_record_larger_than_the_size_asked_comes_alone(void **state)
{
	struct memory_disk *disk = memory_disk_create();
	struct model model = {0};
	struct dice dice;
	dice_init(&dice, seed);
	struct log *log = script_open(memory_disk_door(disk));
	uint32_t sizes[4] = {100, LOG_RECORD_SIZE_MAX, 0, 200};
	script_append(log, &model, script_frame(log, &dice, 1, sizes, 4));
	script_sync(log);
	struct log_read read = {.kind = LOG_READ_RANGE, .size = 1000};
	for (uint64_t offset = 0; offset < 4;) {
		struct log_record record;
		const void *data;
		uint32_t position = 0;
		unsigned count = 0;
		read.offset = offset;
		assert_int_equal(parts_serve(log, &read), 0);
		for (; log_read_next(&read, &position, &record, &data); offset++, count++)
			compare(log, &model, &record, data);
		assert_int_equal(count, offset <= 2 ? 1 : 2);
	}
	log_read_finish(&read);
	parts_expect(&model, log);
	log_close(log);
	memory_disk_destroy(disk);
	model_finish(&model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_range_holds_what_its_size_allows),
		cmocka_unit_test(ranges_lead_through_the_whole_log),
		cmocka_unit_test(a_range_without_waiting_gives_what_is_in_memory),
		cmocka_unit_test(only_what_is_durable_is_given),
		cmocka_unit_test(a_run_of_frames_makes_the_same_log_again),
		cmocka_unit_test(a_frame_with_a_wrong_bit_or_cut_short_is_refused),
		cmocka_unit_test(a_record_larger_than_the_size_asked_comes_alone),
	};
	seed = dice_seed("range");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
