#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/log/mender.h"

void mender_verify(struct log *log)
{
	for (uint64_t entry = 1; entry != 0;) {
		struct clog_error err = {0};
		struct log_job *job;
		assert_int_equal(log_verify_begin(log, entry, &job, &entry), 0);
		assert_non_null(job);
		log_job_run(job);
		if (log_job_end(log, job, &err) != 0)
			fail_msg("verifying: %s", err.text);
	}
}

static void lengthen(struct scene *scene, uint64_t entry)
{
	char path[64];
	size_t size;
	scene_path(scene, entry, ".store", path);
	const unsigned char *bytes = memory_disk_bytes(scene->memory, path, &size);
	unsigned char *longer = calloc(1, size + 5000);
	assert_non_null(longer);
	memcpy(longer, bytes, size);
	memory_disk_put(scene->memory, path, longer, size + 5000);
	free(longer);
}

struct log *mender_harm(struct scene *scene, enum harm harm, uint64_t entry, enum found found)
{
	struct log *log = found == FOUND_OPEN ? script_open(memory_disk_door(scene->memory)) : NULL;
	if (!scene_harm(scene, harm, entry)) {
		log_close(log);
		return NULL;
	}
	if (found == FOUND_OPENING)
		scene_drop_index(scene, entry);
	/* A store that was prepared is longer than its frames. */
	if (entry % 2 == 0)
		lengthen(scene, entry);
	if (log == NULL)
		log = script_open(memory_disk_door(scene->memory));
	if (found != FOUND_OPENING)
		mender_verify(log);
	return log;
}

unsigned char *mender_frames(const struct scene *whole, uint64_t first, uint64_t last, size_t *size)
{
	char path[64];
	size_t file_size;
	uint64_t begin = scene_position(whole, first);
	uint64_t end = scene_position(whole, last) + whole->model.frames[last - 1].header.size;
	scene_path(whole, first, ".store", path);
	const unsigned char *bytes = memory_disk_bytes(whole->memory, path, &file_size);
	assert_non_null(bytes);
	assert_true(end <= file_size);
	*size = (size_t)(end - begin);
	unsigned char *copy = malloc(*size);
	assert_non_null(copy);
	memcpy(copy, bytes + begin, *size);
	return copy;
}

struct log_job *mender_begin(const struct scene *whole, struct log *log, const struct log_damage *damage)
{
	struct clog_error err = {0};
	struct log_job *job;
	size_t size;
	const struct log_damage copy = *damage;
	unsigned char *frames = mender_frames(whole, copy.first_entry, copy.last_entry, &size);
	if (log_mend_begin(log, &copy, frames, size, &job, &err) != 0)
		fail_msg("log_mend_begin: %s", err.text);
	/* They were copied. */
	memset(frames, 0xff, size);
	free(frames);
	assert_non_null(job);
	assert_false(log_job_writes(job));
	return job;
}

unsigned mender_mend(const struct scene *whole, struct log *log, bool backward)
{
	const struct log_damage *damage;
	unsigned total = 0;
	for (size_t count = log_damage(log, &damage); count > 0; total++) {
		struct clog_error err = {0};
		const struct log_damage mended = damage[backward ? count - 1 : 0];
		struct log_job *job = mender_begin(whole, log, &mended);
		log_job_run(job);
		if (log_job_end(log, job, &err) != 0)
			fail_msg("mending: %s", err.text);
		size_t left = log_damage(log, &damage);
		assert_int_equal(left, count - 1);
		for (size_t i = 0; i < left; i++)
			assert_true(damage[i].first_entry != mended.first_entry);
		count = left;
	}
	return total;
}

void mender_expect_whole(const struct scene *whole, struct log *log, const char *what, uint64_t entry)
{
	const struct log_damage *damage;
	const struct parts parts = {.model = &whole->model};
	struct clog_error err = {0};
	if (log_damage(log, &damage) != 0)
		fail_msg("%s of entry %u: there is damage left", what, (unsigned)entry);
	if (parts_check(&parts, log, 1, &err) != 0)
		fail_msg("%s of entry %u, mended: %s", what, (unsigned)entry, err.text);
}

void mender_expect_files(const struct scene *whole, const struct memory_disk *memory)
{
	for (unsigned segment = 0; segment < SCENE_SEGMENTS; segment++) {
		char path[64];
		size_t size, wanted_size;
		uint64_t last = whole->first[segment + 1] - 1;
		uint64_t end = scene_position(whole, last) + whole->model.frames[last - 1].header.size;
		scene_path(whole, last, ".store", path);
		const unsigned char *wanted = memory_disk_bytes(whole->memory, path, &wanted_size);
		const unsigned char *is = memory_disk_bytes(memory, path, &size);
		assert_true(size >= end);
		assert_memory_equal(is, wanted, 512);
		assert_memory_equal(is + 4096, wanted + 4096, end - 4096);
		scene_path(whole, last, ".index", path);
		wanted = memory_disk_bytes(whole->memory, path, &wanted_size);
		is = memory_disk_bytes(memory, path, &size);
		assert_true((is == NULL) == (wanted == NULL));
		if (wanted == NULL)
			continue;
		assert_int_equal(size, wanted_size);
		assert_memory_equal(is, wanted, size);
	}
}
