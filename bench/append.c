/* Writers that append to one file, each by a handle of its own, and wait for each record before the next.
 *
 *   bench_append FILE SIZE WRITERS SECONDS          FILE is log/append of a mount
 *   bench_append --sync FILE SIZE 1 SECONDS         the floor: into a new plain file of zeros, each write synced
 *
 * What it prints is in bench/load.h. */
#include "bench/load.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WRITERS_MAX 1024u
#define RECORD_SIZE_MAX (1u << 20)
#define ZEROS_SIZE (64u << 20)

static const char *path;
static size_t size;
static bool sync_each;

/* A writer's. */
struct target {
	int file;
	char record[];
};

static int open_plain(void)
{
	static char zeros[1 << 20];
	int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	for (off_t at = 0; file >= 0 && at < ZEROS_SIZE; at += sizeof zeros)
		if (pwrite(file, zeros, sizeof zeros, at) != sizeof zeros)
			return -1;
	return file >= 0 && fsync(file) == 0 ? file : -1;
}

static void *open_target(void)
{
	struct target *target = malloc(sizeof *target + size);
	if (target == NULL)
		return NULL;
	memset(target->record, 'x', size);
	target->record[size - 1] = '\n';
	target->file = sync_each ? open_plain() : open(path, O_WRONLY | O_APPEND);
	if (target->file >= 0)
		return target;
	free(target);
	return NULL;
}

static bool write_one(void *arg, uint64_t number)
{
	const struct target *target = arg;
	if (!sync_each)
		return write(target->file, target->record, size) == (ssize_t)size;
	off_t at = (off_t)(number % (ZEROS_SIZE / size) * size);
	return pwrite(target->file, target->record, size, at) == (ssize_t)size && fdatasync(target->file) == 0;
}

static void close_target(void *arg)
{
	struct target *target = arg;
	close(target->file);
	free(target);
}

int main(int argc, char **argv)
{
	sync_each = argc > 1 && strcmp(argv[1], "--sync") == 0;
	argv += sync_each;
	argc -= sync_each;
	unsigned writers = argc == 5 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
	size = argc == 5 ? strtoul(argv[2], NULL, 10) : 0;
	if (writers == 0 || writers > (sync_each ? 1 : WRITERS_MAX) || size == 0 || size > RECORD_SIZE_MAX) {
		fprintf(stderr, "usage: bench_append [--sync] FILE SIZE WRITERS SECONDS\n");
		return 2;
	}
	path = argv[1];
	const struct load_ops ops = {.name = path, .open = open_target, .write = write_one, .close = close_target};
	load_run(&ops, writers, strtod(argv[4], NULL));
	return 0;
}
