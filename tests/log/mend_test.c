/* Mending: what other members have is written over what is damaged here. */
#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/log/checksum.h"
#include "tests/log/damage.h"
#include "tests/log/mender.h"

static uint64_t seed;
static struct scene whole;

static int set_up(void **state)
{
	scene_begin(&whole, seed);
	return 0;
}

static int tear_down(void **state)
{
	scene_finish(&whole);
	return 0;
}

static void reopen(struct scene *scene, struct log **log)
{
	log_close(*log);
	*log = script_open(memory_disk_door(scene->memory));
}

/* Mended, it is whole at once, after its chores, after a start, and when it is verified. */
static bool mend(enum harm harm, uint64_t entry, enum found found)
{
	struct scene scene;
	scene_copy(&scene, &whole);
	dice_init(&scene.dice, seed + entry);
	struct log *log = mender_harm(&scene, harm, entry, found);
	bool harmed = log != NULL;
	if (harmed) {
		const char *name = scene_harm_name(harm);
		assert_true(mender_mend(&whole, log, entry % 2) > 0);
		mender_expect_whole(&whole, log, name, entry);
		script_chores(log);
		mender_expect_whole(&whole, log, name, entry);
		mender_expect_files(&whole, scene.memory);
		reopen(&scene, &log);
		mender_expect_whole(&whole, log, name, entry);
		mender_verify(log);
		mender_expect_whole(&whole, log, name, entry);
		log_close(log);
	}
	scene_finish(&scene);
	return harmed;
}

static void each_kind_of_damage_is_mended(void **state)
{
	for (unsigned kind = 0; kind < HARM_KINDS; kind++) {
		unsigned count = 0;
		for (uint64_t entry = 1; entry <= whole.last; entry += dice_soak() ? 1 : 2)
			count += mend((enum harm)kind, entry, (enum found)((entry / 2 + kind) % FOUND_WAYS));
		assert_true(count > 2);
	}
}

/* The first and the last frame of each segment have neighbours that are not in their store. */
static void damage_at_the_ends_of_a_segment_is_mended(void **state)
{
	for (unsigned kind = 0; kind < HARM_KINDS; kind++)
		for (unsigned segment = 0; segment < SCENE_SEGMENTS; segment++)
			for (unsigned found = 0; found < FOUND_WAYS; found++) {
				mend((enum harm)kind, whole.first[segment], (enum found)found);
				mend((enum harm)kind, whole.first[segment + 1] - 1, (enum found)found);
			}
}

/* Harms frames of a segment in their bodies, so many as can be, and the header of the last but one. */
static void harm_many(struct scene *scene, unsigned segment)
{
	uint64_t last = whole.first[segment + 1] - 1;
	for (uint64_t entry = whole.first[segment]; entry + 2 < last && scene->must_count + 1 < SCENE_MUST_MAX; entry++)
		if (entry % 2 == 0)
			scene_harm(scene, entry % 4 == 0 ? HARM_SIZE : HARM_PADDING, entry);
	scene_harm(scene, HARM_HEADER, last - 1);
}

/* One after the other goes; the others stay as they were. */
static void several_damages_of_a_segment_are_mended_one_by_one(void **state)
{
	unsigned most = 0;
	for (unsigned segment = 0; segment < SCENE_SEGMENTS; segment++) {
		for (unsigned way = 0; way < 8; way++) {
			struct scene scene;
			scene_copy(&scene, &whole);
			uint64_t first = whole.first[segment];
			struct log *log = way & 1 ? script_open(memory_disk_door(scene.memory)) : NULL;
			harm_many(&scene, segment);
			if (log == NULL) {
				if (way & 4)
					scene_drop_index(&scene, first);
				log = script_open(memory_disk_door(scene.memory));
			}
			mender_verify(log);
			unsigned count = mender_mend(&whole, log, way & 2);
			assert_int_equal(count, scene.must_count);
			most = count > most ? count : most;
			mender_expect_whole(&whole, log, "several", first);
			script_chores(log);
			mender_expect_files(&whole, scene.memory);
			reopen(&scene, &log);
			mender_expect_whole(&whole, log, "several", first);
			log_close(log);
			scene_finish(&scene);
		}
	}
	assert_true(most >= 3);
}

/* Mends all but the nth damage of a segment: that one is told of and refused, and all else served. */
static void mend_all_but(unsigned segment, unsigned nth, bool drop)
{
	struct scene scene;
	struct clog_error err = {0};
	const struct log_damage *damage;
	scene_copy(&scene, &whole);
	harm_many(&scene, segment);
	if (drop)
		scene_drop_index(&scene, whole.first[segment]);
	struct log *log = script_open(memory_disk_door(scene.memory));
	mender_verify(log);
	unsigned count = (unsigned)log_damage(log, &damage);
	for (unsigned i = 0; i < count; i++) {
		log_damage(log, &damage);
		if (i == nth)
			continue;
		const struct log_damage mended = damage[i < nth ? 0 : 1];
		for (uint64_t entry = mended.first_entry; entry <= mended.last_entry; entry++)
			scene.frames[entry - 1] = PART_WHOLE;
		for (uint64_t offset = mended.first_offset; offset < mended.next_offset; offset++)
			scene.records[offset] = PART_WHOLE;
		struct log_job *job = mender_begin(&whole, log, &mended);
		log_job_run(job);
		assert_int_equal(log_job_end(log, job, NULL), 0);
	}
	scene.must[0] = scene.must[nth];
	scene.must_count = 1;
	for (unsigned again = 0; again < 3; again++) {
		if (scene_check_damage(&scene, log, &err) != 0 || parts_check(&scene.parts, log, 1, &err) != 0)
			fail_msg("with all but %u mended: %s", nth, err.text);
		script_chores(log);
		if (again == 1)
			reopen(&scene, &log);
		mender_verify(log);
	}
	log_close(log);
	scene_finish(&scene);
}

static void what_is_mended_is_served_while_the_rest_is_not(void **state)
{
	for (unsigned segment = 0; segment < SCENE_SEGMENTS; segment++) {
		struct scene scene;
		scene_copy(&scene, &whole);
		harm_many(&scene, segment);
		for (unsigned nth = 0; nth < scene.must_count; nth++) {
			mend_all_but(segment, nth, false);
			mend_all_but(segment, nth, true);
		}
		scene_finish(&scene);
	}
}

/* A store whose head, too, is damaged, and one that was cut short. */
static void a_whole_store_is_mended(void **state)
{
	for (unsigned segment = 0; segment < SCENE_SEGMENTS; segment++) {
		for (unsigned cut = 0; cut < 2; cut++) {
			struct scene scene;
			char path[64];
			size_t size;
			scene_copy(&scene, &whole);
			uint64_t first = whole.first[segment];
			struct log *log = script_open(memory_disk_door(scene.memory));
			scene_path(&scene, first, ".store", path);
			unsigned char *bytes = damage_copy(scene.memory, path, &size);
			if (cut)
				memory_disk_put(scene.memory, path, bytes, scene_position(&whole, first + 3) + 50);
			else
				damage_flip(scene.memory, path, 20);
			free(bytes);
			mender_verify(log);
			const struct log_damage *damage;
			assert_int_equal(log_damage(log, &damage), 1);
			assert_int_equal(damage->first_entry, cut ? first + 3 : first);
			assert_int_equal(damage->last_entry, whole.first[segment + 1] - 1);
			assert_int_equal(mender_mend(&whole, log, false), 1);
			mender_expect_whole(&whole, log, "the store", first);
			script_chores(log);
			mender_expect_files(&whole, scene.memory);
			if (segment + 1 < SCENE_SEGMENTS || cut)
				reopen(&scene, &log);
			mender_expect_whole(&whole, log, "the store", first);
			log_close(log);
			scene_finish(&scene);
		}
	}
}

/* ---- What is refused ---------------------------------------------------------------------------------------------- */

/* Refused by begin, or, where only the store can tell, by the job; either way nothing has changed. */
static void expect_refused(struct scene *scene, struct log *log, const struct log_damage *damage, const void *data,
                           size_t size, int error, bool late, const char *what)
{
	const struct log_damage copy = *damage, *after;
	struct clog_error err = {0};
	struct log_job *job;
	uint64_t hash = memory_disk_hash(scene->memory);
	int rc = log_mend_begin(log, &copy, data, size, &job, &err);
	assert_true((rc == 0) == (job != NULL));
	if (rc == 0) {
		if (!late)
			fail_msg("%s: not refused at once", what);
		log_job_run(job);
		rc = log_job_end(log, job, &err);
	}
	if (rc != error)
		fail_msg("%s: %d, must be %d", what, rc, error);
	assert_true(strlen(err.text) > 10);
	assert_int_equal(log_failure(log, NULL), 0);
	assert_true(memory_disk_hash(scene->memory) == hash);
	assert_int_equal(log_damage(log, &after), scene->must_count);
}

static const unsigned char zeros[12345];

static void reseal(unsigned char *frame)
{
	uint32_t checksum = htole32(checksum_crc32c(frame, 84));
	memcpy(frame + 84, &checksum, sizeof checksum);
}

/* A frame that has all that the right one has, and is larger. */
static void refuse_longer(struct scene *scene, struct log *log, const struct log_damage *damage)
{
	const struct model_frame *right = &whole.model.frames[damage->first_entry - 1];
	const struct log_tail tail = {.entry = damage->first_entry - 1,
	                              .term = right->header.term,
	                              .next_offset = damage->first_offset,
	                              .stream_size = right->header.stream_size};
	struct log_frame *frame;
	size_t size;
	if (damage->first_entry != damage->last_entry || right->header.count == 0)
		return;
	assert_int_equal(log_frame_create(&frame), 0);
	for (uint32_t i = 0; i < right->header.count; i++)
		assert_int_equal(log_frame_add(frame, zeros, i == 0 ? sizeof zeros : 0), 0);
	log_frame_close(frame, &tail, &right->header);
	const void *bytes = log_frame_bytes(frame, &size);
	expect_refused(scene, log, damage, bytes, size, -EBADMSG, false, "a frame of another size");
	log_frame_unref(frame);
}

static void refuse_frames(struct scene *scene, struct log *log, const struct log_damage *damage)
{
	const struct log_damage d = *damage;
	size_t size, other_size;
	unsigned char *frames = mender_frames(&whole, d.first_entry, d.last_entry, &size), *other;
	for (size_t i = 0; i < size; i += 1 + size / 200) {
		frames[i] ^= 0x10;
		expect_refused(scene, log, &d, frames, size, -EBADMSG, false, "a bit");
		frames[i] ^= 0x10;
	}
	expect_refused(scene, log, &d, frames, size - 8, -EBADMSG, false, "too short");
	expect_refused(scene, log, &d, frames, 0, -EBADMSG, false, "nothing");
	expect_refused(scene, log, &d, frames, 50, -EBADMSG, false, "less than a header");
	/* Whole frames, but one less and one more. */
	if (d.last_entry > d.first_entry) {
		other = mender_frames(&whole, d.first_entry, d.last_entry - 1, &other_size);
		expect_refused(scene, log, &d, other, other_size, -EBADMSG, false, "one less");
		free(other);
		other = mender_frames(&whole, d.first_entry + 1, d.last_entry, &other_size);
		expect_refused(scene, log, &d, other, other_size, -EBADMSG, false, "without the first");
		free(other);
	}
	if (scene_segment(&whole, d.last_entry + 1) == scene_segment(&whole, d.first_entry) &&
	    d.last_entry < whole.last) {
		other = mender_frames(&whole, d.first_entry, d.last_entry + 1, &other_size);
		expect_refused(scene, log, &d, other, other_size, -EBADMSG, false, "one more");
		free(other);
	}
	refuse_longer(scene, log, &d);
	/* Frames of another log, every checksum right: what is before, or what is after, tells them apart. Where nothing is
	 * after them in the store, that is known without it. */
	bool late = d.last_entry + 1 != whole.first[scene_segment(&whole, d.last_entry) + 1];
	unsigned char *last = frames + size - whole.model.frames[d.last_entry - 1].header.size;
	last[48] ^= 1;
	reseal(last);
	expect_refused(scene, log, &d, frames, size, -EBADMSG, late, "another's last frame");
	last[48] ^= 1;
	reseal(last);
	if (d.first_entry == d.last_entry) {
		frames[76] ^= 1;
		reseal(frames);
		expect_refused(scene, log, &d, frames, size, -EBADMSG, late, "a frame that follows another");
	}
	free(frames);
}

static void frames_that_do_not_belong_there_are_refused(void **state)
{
	static const enum harm harms[] = {HARM_HEADER, HARM_BYTES, HARM_FRAMES, HARM_REST};
	for (uint64_t entry = 1; entry <= whole.last; entry += dice_soak() ? 1 : 4) {
		struct scene scene;
		scene_copy(&scene, &whole);
		struct log *log = mender_harm(&scene, harms[entry / 4 % 4], entry, (enum found)(entry % FOUND_WAYS));
		if (log != NULL) {
			const struct log_damage *damage;
			assert_int_equal(log_damage(log, &damage), 1);
			script_chores(log);
			refuse_frames(&scene, log, damage);
			mender_mend(&whole, log, false);
			mender_expect_whole(&whole, log, "refused before", entry);
			log_close(log);
		}
		scene_finish(&scene);
	}
}

static void what_is_not_damaged_is_not_mended(void **state)
{
	struct scene scene;
	size_t size;
	uint64_t entry = whole.first[1] + 2;
	scene_copy(&scene, &whole);
	struct log *log = mender_harm(&scene, HARM_HEADER, entry, FOUND_VERIFYING);
	const struct log_damage *damage;
	assert_int_equal(log_damage(log, &damage), 1);
	unsigned char *frames = mender_frames(&whole, entry, entry, &size);
	struct log_damage others[7];
	for (unsigned i = 0; i < 7; i++)
		others[i] = *damage;
	others[0].segment++;
	others[1].position += 8;
	others[2].size += 8;
	others[3].first_entry--;
	others[4].last_entry++;
	others[5].first_offset++;
	others[6].next_offset++;
	for (unsigned i = 0; i < 7; i++)
		expect_refused(&scene, log, &others[i], frames, size, -EINVAL, false, "another damage");
	const struct log_damage mended = *damage;
	mender_mend(&whole, log, false);
	scene.must_count = 0;
	expect_refused(&scene, log, &mended, frames, size, -EINVAL, false, "twice");
	free(frames);
	log_close(log);
	scene_finish(&scene);
}

static void a_log_that_is_read_only_is_not_mended(void **state)
{
	struct scene scene;
	size_t size;
	scene_copy(&scene, &whole);
	scene_harm(&scene, HARM_HEADER, whole.last);
	const struct log_options options = {.disk = memory_disk_door(scene.memory),
	                                    .path = "log",
	                                    .segment_size = LOG_SEGMENT_SIZE_MIN,
	                                    .read_only = true};
	struct log *log;
	assert_int_equal(log_open(&log, &options, NULL), 0);
	const struct log_damage *damage;
	assert_int_equal(log_damage(log, &damage), 1);
	unsigned char *frames = mender_frames(&whole, whole.last, whole.last, &size);
	expect_refused(&scene, log, damage, frames, size, -EROFS, false, "read-only");
	free(frames);
	log_close(log);
	scene_finish(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_kind_of_damage_is_mended, set_up, tear_down),
		cmocka_unit_test_setup_teardown(damage_at_the_ends_of_a_segment_is_mended, set_up, tear_down),
		cmocka_unit_test_setup_teardown(several_damages_of_a_segment_are_mended_one_by_one, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_mended_is_served_while_the_rest_is_not, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_whole_store_is_mended, set_up, tear_down),
		cmocka_unit_test_setup_teardown(frames_that_do_not_belong_there_are_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_not_damaged_is_not_mended, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_log_that_is_read_only_is_not_mended, set_up, tear_down),
	};
	seed = dice_seed("mend");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
