/* Damage below the durable mark: it is told of, and everything else is served. */
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
#include "tests/log/scene.h"
#include "tests/log/script.h"

static uint64_t seed;

/* The log goes on: other frames, more segments, sealed; then it is opened again. */
static void go_on(struct scene *scene, struct log **log, unsigned count)
{
	while (count-- > 0)
		script_append(*log, &scene->model, script_any_frame(*log, &scene->dice, 2500));
	script_sync(*log);
	script_mark(*log);
	script_chores(*log);
	log_close(*log);
	memory_disk_crash(scene->memory, NULL, NULL);
	*log = script_open(memory_disk_door(scene->memory));
}

static void expect_parts(const struct scene *scene, struct log *log, const char *what, uint64_t entry)
{
	struct clog_error err = {0};
	if (parts_check(&scene->parts, log, 1, &err) != 0)
		fail_msg("%s of entry %u: %s", what, (unsigned)entry, err.text);
}

static void expect_damage(const struct scene *scene, struct log *log, const char *what, uint64_t entry)
{
	struct clog_error err = {0};
	if (scene_check_damage(scene, log, &err) != 0)
		fail_msg("%s of entry %u: %s", what, (unsigned)entry, err.text);
}

/* Harms one frame and looks at the log, before and after it went on. */
static bool try_harm(const struct scene *whole, enum harm harm, uint64_t entry, bool index)
{
	struct scene scene;
	scene_copy(&scene, whole);
	dice_init(&scene.dice, seed + entry);
	bool harmed = scene_harm(&scene, harm, entry);
	if (!index)
		scene_drop_index(&scene, entry);
	struct log *log = script_open(memory_disk_door(scene.memory));
	const struct log_damage *damage;
	const char *name = scene_harm_name(harm);
	/* With its index nobody looks at the frames of a sealed store. */
	bool seen = !index || scene_segment(&scene, entry) == SCENE_SEGMENTS - 1;
	if (seen)
		expect_damage(&scene, log, name, entry);
	else
		assert_int_equal(log_damage(log, &damage), 0);
	expect_parts(&scene, log, name, entry);
	if (entry % 3 == 0 || !index) {
		go_on(&scene, &log, entry % 2 ? 3 : 16);
		expect_parts(&scene, log, name, entry);
	}
	log_close(log);
	scene_finish(&scene);
	return harmed;
}

static void try_kind(enum harm harm, bool index)
{
	struct scene whole;
	unsigned count = 0;
	unsigned rounds = dice_soak() ? 20 : 1;
	for (unsigned round = 0; round < rounds; round++) {
		scene_begin(&whole, seed + round);
		for (uint64_t entry = 1 + index; entry <= whole.last; entry += dice_soak() ? 1 : 2)
			count += try_harm(&whole, harm, entry, index);
		scene_finish(&whole);
	}
	assert_true(count > 3);
}

static void a_damaged_header_costs_its_frame(void **state)
{
	try_kind(HARM_HEADER, true);
	try_kind(HARM_HEADER, false);
}

static void a_damaged_size_costs_its_record(void **state)
{
	try_kind(HARM_SIZE, true);
	try_kind(HARM_SIZE, false);
}

static void a_damaged_byte_costs_its_record(void **state)
{
	try_kind(HARM_BYTES, true);
	try_kind(HARM_BYTES, false);
}

static void damaged_padding_costs_no_record(void **state)
{
	try_kind(HARM_PADDING, true);
	try_kind(HARM_PADDING, false);
}

static void zeroed_frames_cost_only_themselves(void **state)
{
	try_kind(HARM_FRAMES, true);
	try_kind(HARM_FRAMES, false);
}

static void garbage_from_a_frame_into_the_next_costs_these_two(void **state)
{
	try_kind(HARM_BODY, true);
	try_kind(HARM_BODY, false);
}

static void a_store_that_is_zeros_to_the_end_keeps_what_is_before(void **state)
{
	try_kind(HARM_REST, true);
	try_kind(HARM_REST, false);
}

/* The log's last segment without what one round has appended: damage in there is past the mark. */
static void damage_past_the_mark_is_a_torn_tail(void **state)
{
	for (unsigned kind = 0; kind < HARM_KINDS; kind++) {
		struct scene scene;
		const struct log_damage *damage;
		scene_begin(&scene, seed + kind);
		struct log *log = script_open(memory_disk_door(scene.memory));
		uint32_t sizes[4] = {100, 3, 501, 7};
		script_append(log, &scene.model, script_frame(log, &scene.dice, 500, sizes, 4));
		script_append(log, &scene.model, script_frame(log, &scene.dice, 500, sizes, 4));
		script_sync(log);
		log_close(log);
		scene.last += 2;
		scene.first[SCENE_SEGMENTS] = scene.last + 1;
		bool harmed = scene_harm(&scene, (enum harm)kind, scene.last - 1);
		assert_true(harmed || kind == HARM_PADDING || kind == HARM_FRAMES);
		memset(scene.frames, PART_WHOLE, scene.last);
		memset(scene.records, PART_WHOLE, scene.model.record_count);
		log = script_open(memory_disk_door(scene.memory));
		assert_int_equal(log_damage(log, &damage), 0);
		assert_int_equal(log_durable(log), harmed ? scene.last - 2 : scene.last);
		model_cut(&scene.model, log_durable(log));
		expect_parts(&scene, log, "torn tail", scene.last - 1);
		go_on(&scene, &log, 9);
		assert_int_equal(log_damage(log, &damage), 0);
		expect_parts(&scene, log, "torn tail", scene.last - 1);
		log_close(log);
		scene_finish(&scene);
	}
}

/* The bytes of frames as a log has them. */
static unsigned char *take_frames(struct log *log, uint64_t entry, uint32_t *size)
{
	struct log_read read = {.kind = LOG_READ_FRAMES, .entry = entry, .size = 6000};
	assert_int_equal(parts_serve(log, &read), 0);
	unsigned char *bytes = malloc(read.data_size);
	assert_non_null(bytes);
	memcpy(bytes, read.data, read.data_size);
	*size = read.data_size;
	log_read_finish(&read);
	return bytes;
}

static void append_bytes(struct scene *scene, struct log *log, const void *bytes, uint32_t size)
{
	struct log_tail tail;
	struct log_frame *frame;
	log_tail(log, &tail);
	assert_int_equal(log_frame_create(&frame), 0);
	assert_int_equal(log_frame_add(frame, bytes, size), 0);
	log_frame_close(frame, &tail, &(struct log_header){.term = tail.term, .type = LOG_RECORDS, .time_ns = 5});
	script_append(log, &scene->model, frame);
}

/* A record holds what a twin of this log had in its place: frames with the right numbers, each following the last. */
static void frames_within_a_record_are_not_taken_for_the_logs_own(void **state)
{
	for (unsigned first = 0; first < 3; first++) {
		struct scene scene, twin;
		scene_begin(&scene, seed);
		scene_copy(&twin, &scene);
		struct log *other = script_open(memory_disk_door(twin.memory));
		for (unsigned i = 0; i < 4; i++)
			script_append_one(other, NULL, &twin.dice, 100);
		uint32_t size;
		unsigned char *bytes = take_frames(other, scene.last + 1 + first - 1, &size);
		log_close(other);
		struct log *log = script_open(memory_disk_door(scene.memory));
		append_bytes(&scene, log, bytes, size);
		append_bytes(&scene, log, bytes, size);
		script_append_one(log, &scene.model, &scene.dice, 50);
		script_mark(log);
		log_close(log);
		scene.last += 3;
		scene.first[SCENE_SEGMENTS] = scene.last + 1;
		assert_true(scene_harm(&scene, HARM_HEADER, scene.last - 2));
		log = script_open(memory_disk_door(scene.memory));
		expect_damage(&scene, log, "a backup", scene.last - 2);
		expect_parts(&scene, log, "a backup", scene.last - 2);
		go_on(&scene, &log, 9);
		expect_parts(&scene, log, "a backup", scene.last - 2);
		log_close(log);
		free(bytes);
		scene_finish(&scene);
		scene_finish(&twin);
	}
}

static void try_length(const struct scene *whole, uint64_t entry, uint64_t within, bool index)
{
	struct scene scene;
	char path[64];
	size_t size;
	scene_copy(&scene, whole);
	scene_path(&scene, entry, ".store", path);
	unsigned char *bytes = damage_copy(scene.memory, path, &size);
	uint64_t position = scene_position(&scene, entry), end = scene.first[scene_segment(&scene, entry) + 1];
	memory_disk_put(scene.memory, path, bytes, position + within);
	free(bytes);
	for (uint64_t e = entry; e < end; e++)
		scene.frames[e - 1] = PART_DAMAGED;
	/* What of the frame's records is left may be found or not. */
	uint64_t next = model_next_offset(&scene.model, entry);
	for (uint64_t i = model_next_offset(&scene.model, entry - 1); i < model_next_offset(&scene.model, end - 1); i++)
		scene.records[i] = i < next && within > 0 ? PART_EITHER : PART_DAMAGED;
	if (!index)
		scene_drop_index(&scene, entry);
	struct log *log = script_open(memory_disk_door(scene.memory));
	expect_parts(&scene, log, "cut short", entry);
	go_on(&scene, &log, 6);
	expect_parts(&scene, log, "cut short", entry);
	log_close(log);
	scene_finish(&scene);
}

static void a_store_that_was_cut_short_keeps_what_is_left(void **state)
{
	struct scene whole;
	scene_begin(&whole, seed);
	for (uint64_t entry = 1; entry <= whole.last; entry += 3) {
		uint64_t size = whole.model.frames[entry - 1].header.size;
		try_length(&whole, entry, 0, entry % 2);
		try_length(&whole, entry, 40, entry % 2);
		try_length(&whole, entry, size - 8, false);
		try_length(&whole, entry, size / 2, true);
	}
	scene_finish(&whole);
}

/* Between two damaged headers nothing can be told for sure: what is served must be right all the same. */
static void harm_in_many_places_never_gives_wrong_bytes(void **state)
{
	struct scene whole;
	scene_begin(&whole, seed);
	for (unsigned round = 0; round < (dice_soak() ? 2000u : 40u); round++) {
		struct scene scene;
		scene_copy(&scene, &whole);
		dice_init(&scene.dice, seed + 100 + round);
		for (unsigned harms = 2 + (unsigned)dice_below(&scene.dice, 5); harms > 0; harms--) {
			uint64_t entry = 1 + dice_below(&scene.dice, scene.last);
			scene.must_count = 0;
			scene_harm(&scene, (enum harm)dice_below(&scene.dice, HARM_REST), entry);
			if (dice_once_in(&scene.dice, 2))
				scene_drop_index(&scene, entry);
		}
		/* Harm on harm may also mend it. */
		memset(scene.frames, PART_EITHER, scene.last);
		memset(scene.records, PART_EITHER, scene.model.record_count);
		struct log *log = script_open(memory_disk_door(scene.memory));
		expect_parts(&scene, log, "many places, round", round);
		go_on(&scene, &log, 9);
		expect_parts(&scene, log, "many places, round", round);
		log_close(log);
		scene_finish(&scene);
	}
	scene_finish(&whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_damaged_header_costs_its_frame),
		cmocka_unit_test(a_damaged_size_costs_its_record),
		cmocka_unit_test(a_damaged_byte_costs_its_record),
		cmocka_unit_test(damaged_padding_costs_no_record),
		cmocka_unit_test(zeroed_frames_cost_only_themselves),
		cmocka_unit_test(garbage_from_a_frame_into_the_next_costs_these_two),
		cmocka_unit_test(a_store_that_is_zeros_to_the_end_keeps_what_is_before),
		cmocka_unit_test(damage_past_the_mark_is_a_torn_tail),
		cmocka_unit_test(frames_within_a_record_are_not_taken_for_the_logs_own),
		cmocka_unit_test(a_store_that_was_cut_short_keeps_what_is_left),
		cmocka_unit_test(harm_in_many_places_never_gives_wrong_bytes),
	};
	seed = dice_seed("damage");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
