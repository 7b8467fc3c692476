#include <assert.h>
#include <fcntl.h>
#include <string.h>

#include "tests/disk/memory_state.h"

void memory_disk_watch(struct memory_disk *disk, memory_watch_cb cb, void *arg)
{
	disk->watch = cb;
	disk->watch_arg = arg;
}

void memory_disk_ignore_sync(struct memory_disk *disk, const char *ending)
{
	disk->ignored_sync = ending;
}

bool memory_sync_is_ignored(const struct memory_disk *disk, const char *path)
{
	size_t size = strlen(path), ending;

	if (disk->ignored_sync == NULL)
		return false;
	ending = strlen(disk->ignored_sync);
	return size >= ending && strcmp(path + size - ending, disk->ignored_sync) == 0;
}

void memory_disk_set_resident(struct memory_disk *disk, size_t size, unsigned reads)
{
	disk->resident = size;
	disk->resident_reads = reads;
}

void memory_disk_set_room(struct memory_disk *disk, uint64_t size)
{
	disk->room = size;
}

unsigned memory_disk_handles(const struct memory_disk *disk)
{
	return disk->open_handles;
}

unsigned memory_disk_handles_most(const struct memory_disk *disk)
{
	return disk->most_handles;
}

static struct memory_file *file_at(const struct memory_disk *disk, const char *path)
{
	const struct memory_name *name = memory_names_find(&disk->names, path);

	return name == NULL || name->file == MEMORY_FOLDER ? NULL : disk->files[name->file];
}

const unsigned char *memory_disk_bytes(const struct memory_disk *disk, const char *path, size_t *size)
{
	const struct memory_file *file = file_at(disk, path);

	*size = file == NULL ? 0 : file->size;
	if (file == NULL)
		return NULL;
	return file->size == 0 ? (const unsigned char *)"" : file->data;
}

void memory_disk_poke(struct memory_disk *disk, const char *path, size_t position, const void *data, size_t size)
{
	struct memory_file *file = file_at(disk, path);

	assert(file != NULL && position + size <= file->size);
	memcpy(file->data + position, data, size);
	memcpy(file->durable + position, data, size);
}

void memory_disk_put(struct memory_disk *disk, const char *path, const void *data, size_t size)
{
	struct log_disk *door = memory_disk_door(disk);
	struct memory_file *file = file_at(disk, path);
	int handle;

	if (file == NULL) {
		handle = door->open(door, path, O_RDWR | O_CREAT);
		assert(handle >= 0);
		door->close(door, handle);
		file = file_at(disk, path);
		assert(file != NULL);
	}
	if (file->sectors > 0) {
		memset(file->data, 0, file->sectors * MEMORY_SECTOR_SIZE);
		memset(file->dirty, 1, file->sectors * sizeof *file->dirty);
	}
	file->size = 0;
	if (size > 0)
		memory_file_write(file, data, size, 0);
	memory_disk_settle(disk);
}
