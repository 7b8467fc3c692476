/* Makes the corpus that the fuzz targets start from: corpus FOLDER writes FOLDER/<target>/<name>. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/disk/dice.h"
#include "tests/disk/memory.h"
#include "tests/fuzz/two_segments.h"

static const char *folder;

/* Writes a flag byte and the bytes. */
static void save(const char *target, const char *name, unsigned char flags, const unsigned char *bytes, size_t size)
{
	char path[512];
	snprintf(path, sizeof path, "%s/%s", folder, target);
	if (mkdir(path, 0777) != 0 && errno != EEXIST) {
		perror(path);
		exit(1);
	}
	snprintf(path, sizeof path, "%s/%s/%s", folder, target, name);
	FILE *file = fopen(path, "wb");
	if (file == NULL || fputc(flags, file) == EOF || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) {
		perror(path);
		exit(1);
	}
}

static unsigned char *copy_of(struct memory_disk *disk, const char *path, size_t *size)
{
	const unsigned char *bytes = memory_disk_bytes(disk, path, size);
	unsigned char *copy = bytes == NULL ? NULL : malloc(*size + 1);
	if (copy == NULL) {
		fprintf(stderr, "%s is not there\n", path);
		exit(1);
	}
	memcpy(copy, bytes, *size);
	return copy;
}

/* The first bytes of the sealed store, a few frames; the same with a torn end; its first page alone. */
static void save_stores(struct memory_disk *disk)
{
	size_t size;
	unsigned char *store = copy_of(disk, TWO_SEGMENTS_STORE, &size);
	save("fuzz_log_open", "page", 0, store, 4096);
	save("fuzz_log_open", "frames", 3, store, 4096 + 3000);
	save("fuzz_log_open", "torn", 0, store, 4096 + 3333);
	save("fuzz_log_open", "cut_page", 1, store, 2000);
	memset(store + 512, 0, 1024);
	save("fuzz_log_open", "no_mark", 0, store, 4096 + 3000);
	free(store);
}

/* A store without frames, whose mark tells of three. */
static void save_mark(struct memory_disk *disk, const char *name, uint64_t stream_size, uint64_t position)
{
	const uint64_t entry = 3;
	size_t size;
	unsigned char *store = copy_of(disk, TWO_SEGMENTS_STORE, &size);
	memset(store + 4096, 0, 600);
	for (unsigned char *value = store + 512 + 16; value < store + 512 + 1024; value += 512) {
		memset(value, 0, 56);
		memcpy(value, &entry, sizeof entry);
		memcpy(value + 24, &stream_size, sizeof stream_size);
		memcpy(value + 48, &position, sizeof position);
	}
	save("fuzz_log_open", name, 1, store, 4096 + 601);
	free(store);
}

static void save_indexes(struct memory_disk *disk)
{
	size_t size;
	unsigned char *index = copy_of(disk, TWO_SEGMENTS_INDEX, &size);
	save("fuzz_log_index", "whole", 0, index, size);
	save("fuzz_log_index", "sealed", 1, index, size);
	save("fuzz_log_index", "trailer", 1, index + size - 160, 160);
	free(index);
}

static void save_cells(struct memory_disk *disk)
{
	struct log_disk *door = memory_disk_door(disk);
	unsigned char value[16] = "a value of 16 B";
	struct log_cell cell = {0};
	size_t size;
	if (log_cell_save(door, ".", "cell", &cell, value, sizeof value, NULL) != 0)
		exit(1);
	unsigned char *bytes = copy_of(disk, "cell", &size);
	save("fuzz_log_cell", "whole", 0, bytes, size);
	save("fuzz_log_cell", "sealed", 1, bytes, size);
	save("fuzz_log_cell", "one_slot", 1, bytes, size / 2);
	free(bytes);
}

/* Frames with and without rows of sessions; one whose rows stand for more records than it has. */
static void save_frames(void)
{
	static const char *const names[] = {"plain", "rows", "too_many"};
	for (unsigned i = 0; i < 3; i++) {
		struct log_frame *frame;
		size_t size;
		if (log_frame_create(&frame) != 0)
			exit(1);
		for (unsigned k = 0; k < 3; k++)
			if (log_frame_add(frame, "some bytes", 5 * k) != 0 ||
			    (i > 0 && log_frame_add_session(frame, &(struct log_session){7, k, 1}) != 0))
				exit(1);
		log_frame_close(frame, &(struct log_tail){.entry = 5, .term = 2, .next_offset = 9},
		                &(struct log_header){.term = 2, .type = LOG_RECORDS, .time_ns = 1});
		const void *bytes = log_frame_bytes(frame, &size);
		unsigned char *copy = malloc(size);
		if (copy == NULL)
			exit(1);
		memcpy(copy, bytes, size);
		if (i == 2)
			copy[88 + 16]++;
		save("fuzz_log_frame", names[i], i > 0, copy, size);
		save("fuzz_log_frame", "short", 0, copy, 60);
		free(copy);
		log_frame_unref(frame);
	}
}

int main(int argc, char **argv)
{
	struct model model = {0};
	if (argc != 2) {
		fprintf(stderr, "usage: corpus FOLDER\n");
		return 2;
	}
	folder = argv[1];
	struct memory_disk *disk = two_segments_create(&model);
	save_stores(disk);
	/* Bytes in the stream, and no record that they could be in; ends where no frame can end. */
	save_mark(disk, "bytes_of_no_record", 100, 4096 + 600);
	save_mark(disk, "mark_at_zero", 0, 0);
	save_mark(disk, "mark_between", 0, 4096 + 601);
	save_indexes(disk);
	save_cells(disk);
	save_frames();
	memory_disk_destroy(disk);
	model_finish(&model);
	return 0;
}
