#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "tests/disk/memory_state.h"

void memory_disk_destroy(struct memory_disk *disk)
{
	size_t i;

	if (disk == NULL)
		return;
	for (i = 0; i < disk->file_count; i++)
		memory_file_destroy(disk->files[i]);
	free(disk->files);
	free(disk->names.items);
	free(disk->durable_names.items);
	free(disk->changes);
	free(disk->handles);
	pthread_mutex_destroy(&disk->mutex);
	free(disk);
}

struct log_disk *memory_disk_door(struct memory_disk *disk)
{
	return &disk->door;
}

struct memory_disk *memory_disk_clone(const struct memory_disk *disk)
{
	struct memory_disk *copy = memory_disk_create();
	size_t i;

	copy->file_count = disk->file_count;
	copy->files = memory_allocate(NULL, (disk->file_count + 1) * sizeof(struct memory_file *));
	for (i = 0; i < disk->file_count; i++)
		copy->files[i] = disk->files[i] == NULL ? NULL : memory_file_clone(disk->files[i]);
	memory_names_copy(&copy->names, &disk->names);
	memory_names_copy(&copy->durable_names, &disk->durable_names);
	copy->change_count = disk->change_count;
	copy->changes = memory_allocate(NULL, (disk->change_count + 1) * sizeof *disk->changes);
	if (disk->change_count > 0)
		memcpy(copy->changes, disk->changes, disk->change_count * sizeof *disk->changes);
	copy->room = disk->room;
	return copy;
}

size_t memory_disk_sectors(const struct memory_disk *disk)
{
	size_t i, count = 0;

	for (i = 0; i < disk->file_count; i++)
		count += disk->files[i] == NULL ? 0 : memory_file_dirty_sectors(disk->files[i]);
	return count;
}

size_t memory_disk_changes(const struct memory_disk *disk)
{
	return disk->change_count;
}

static bool folder_lost(const struct memory_names *names, const char *path)
{
	char folder[MEMORY_PATH_SIZE];

	memory_folder_of(path, folder);
	return strcmp(folder, ".") != 0 && strcmp(folder, "/") != 0 && memory_names_find(names, folder) == NULL;
}

/* A folder that is lost takes all that is in it along. */
static void drop_orphans(struct memory_names *names)
{
	size_t i, before;

	do {
		before = names->count;
		for (i = names->count; i-- > 0;)
			if (folder_lost(names, names->items[i].path))
				memory_names_remove(names, names->items[i].path);
	} while (names->count < before);
}

void memory_disk_kill(struct memory_disk *disk)
{
	size_t i;

	for (i = 0; i < disk->handle_count; i++)
		disk->handles[i].open = false;
	disk->open_handles = 0;
	for (i = 0; i < disk->file_count; i++)
		if (disk->files[i] != NULL)
			disk->files[i]->locked_by = -1;
	memory_sweep(disk);
}

void memory_disk_crash(struct memory_disk *disk, const unsigned char *fates, const bool *kept)
{
	size_t i, sectors;

	for (i = 0; i < disk->file_count; i++) {
		if (disk->files[i] == NULL)
			continue;
		sectors = memory_file_dirty_sectors(disk->files[i]);
		memory_file_crash(disk->files[i], fates);
		fates = fates == NULL ? NULL : fates + sectors;
	}
	for (i = 0; i < disk->change_count; i++)
		if (kept != NULL && kept[i])
			memory_names_apply(&disk->durable_names, &disk->changes[i]);
	disk->change_count = 0;
	drop_orphans(&disk->durable_names);
	memory_names_copy(&disk->names, &disk->durable_names);
	memory_disk_kill(disk);
}

void memory_disk_settle(struct memory_disk *disk)
{
	size_t i;

	for (i = 0; i < disk->file_count; i++)
		if (disk->files[i] != NULL)
			memory_file_sync(disk->files[i]);
	disk->change_count = 0;
	memory_names_copy(&disk->durable_names, &disk->names);
}

static uint64_t mix(uint64_t hash, const void *data, size_t size)
{
	const unsigned char *bytes = data;
	uint64_t word;

	for (; size >= sizeof word; size -= sizeof word, bytes += sizeof word) {
		memcpy(&word, bytes, sizeof word);
		hash = (hash ^ word) * 0x9fb21c651e98df25u;
		hash ^= hash >> 32;
	}
	for (; size > 0; size--, bytes++)
		hash = (hash ^ *bytes) * 0x100000001b3u;
	return hash;
}

uint64_t memory_disk_hash(const struct memory_disk *disk)
{
	const struct memory_name *name;
	const struct memory_file *file;
	uint64_t hash = 0, one;
	size_t i;

	for (i = 0; i < disk->names.count; i++) {
		name = &disk->names.items[i];
		one = mix(0xcbf29ce484222325u, name->path, strlen(name->path));
		if (name->file != MEMORY_FOLDER) {
			file = disk->files[name->file];
			one = mix(one, &file->size, sizeof file->size);
			one = file->size == 0 ? one : mix(one, file->data, file->size);
		}
		hash += one;
	}
	return hash;
}

const char *memory_call_name(enum memory_call call)
{
	switch (call) {
	case MEMORY_CREATE:
		return "create";
	case MEMORY_WRITE:
		return "write";
	case MEMORY_SYNC:
		return "sync";
	case MEMORY_RENAME:
		return "rename";
	case MEMORY_REMOVE:
		return "remove";
	case MEMORY_MAKE_FOLDER:
		return "make_folder";
	case MEMORY_SYNC_FOLDER:
		return "sync_folder";
	}
	return "?";
}
