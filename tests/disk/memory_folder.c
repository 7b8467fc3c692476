#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/disk/memory_state.h"

struct memory_disk *memory_begin(struct log_disk *door, enum memory_call call, const char *path)
{
	struct memory_disk *disk = (struct memory_disk *)door;

	if (disk->watch != NULL)
		disk->watch(disk, call, path, disk->watch_arg);
	pthread_mutex_lock(&disk->mutex);
	return disk;
}

struct memory_disk *memory_look(struct log_disk *door)
{
	struct memory_disk *disk = (struct memory_disk *)door;

	pthread_mutex_lock(&disk->mutex);
	return disk;
}

int memory_end(struct memory_disk *disk, int rc)
{
	pthread_mutex_unlock(&disk->mutex);
	return rc;
}

bool memory_folder_exists(const struct memory_disk *disk, const char *path)
{
	const struct memory_name *name = memory_names_find(&disk->names, path);

	return strcmp(path, ".") == 0 || strcmp(path, "/") == 0 || (name != NULL && name->file == MEMORY_FOLDER);
}

bool memory_has_folder(const struct memory_disk *disk, const char *path)
{
	char folder[MEMORY_PATH_SIZE];

	memory_folder_of(path, folder);
	return memory_folder_exists(disk, folder);
}

void memory_sweep(struct memory_disk *disk)
{
	bool *used = memory_allocate(NULL, (disk->file_count + 1) * sizeof *used);
	size_t i;

	memset(used, 0, (disk->file_count + 1) * sizeof *used);
	for (i = 0; i < disk->names.count; i++)
		used[disk->names.items[i].file + 1] = true;
	for (i = 0; i < disk->durable_names.count; i++)
		used[disk->durable_names.items[i].file + 1] = true;
	for (i = 0; i < disk->change_count; i++)
		used[disk->changes[i].file + 1] = true;
	for (i = 0; i < disk->handle_count; i++)
		if (disk->handles[i].open)
			used[disk->handles[i].file + 1] = true;
	for (i = 0; i < disk->file_count; i++) {
		if (!used[i + 1]) {
			memory_file_destroy(disk->files[i]);
			disk->files[i] = NULL;
		}
	}
	free(used);
}

void memory_change(struct memory_disk *disk, enum memory_call call, const char *from, const char *to, int file)
{
	struct memory_change *change;

	disk->changes = memory_allocate(disk->changes, (disk->change_count + 1) * sizeof *disk->changes);
	change = &disk->changes[disk->change_count++];
	change->call = call;
	change->file = file;
	snprintf(change->from, sizeof change->from, "%s", from);
	snprintf(change->to, sizeof change->to, "%s", to);
	memory_names_apply(&disk->names, change);
}

int memory_rename(struct log_disk *door, const char *from, const char *to)
{
	struct memory_disk *disk = memory_begin(door, MEMORY_RENAME, from);
	struct memory_name *name = memory_names_find(&disk->names, from);

	if (name == NULL || !memory_has_folder(disk, to))
		return memory_end(disk, -ENOENT);
	if (strlen(to) >= MEMORY_PATH_SIZE)
		return memory_end(disk, -ENAMETOOLONG);
	assert(name->file != MEMORY_FOLDER && "folders are not renamed");
	memory_change(disk, MEMORY_RENAME, from, to, name->file);
	memory_sweep(disk);
	return memory_end(disk, 0);
}

int memory_remove(struct log_disk *door, const char *path)
{
	struct memory_disk *disk = memory_begin(door, MEMORY_REMOVE, path);
	struct memory_name *name = memory_names_find(&disk->names, path);

	if (name == NULL)
		return memory_end(disk, -ENOENT);
	if (name->file == MEMORY_FOLDER)
		return memory_end(disk, -EISDIR);
	memory_change(disk, MEMORY_REMOVE, path, "", name->file);
	memory_sweep(disk);
	return memory_end(disk, 0);
}

int memory_make_folder(struct log_disk *door, const char *path)
{
	struct memory_disk *disk = memory_look(door);
	struct memory_name *name = memory_names_find(&disk->names, path);

	if (name != NULL || memory_folder_exists(disk, path))
		return memory_end(disk, name != NULL && name->file != MEMORY_FOLDER ? -EEXIST : 0);
	if (!memory_has_folder(disk, path))
		return memory_end(disk, -ENOENT);
	memory_end(disk, 0);
	memory_begin(door, MEMORY_MAKE_FOLDER, path);
	memory_change(disk, MEMORY_MAKE_FOLDER, path, "", MEMORY_FOLDER);
	return memory_end(disk, 0);
}

int memory_sync_folder(struct log_disk *door, const char *path)
{
	struct memory_disk *disk = memory_begin(door, MEMORY_SYNC_FOLDER, path);
	char folder[MEMORY_PATH_SIZE];
	size_t i, left = 0;

	if (!memory_folder_exists(disk, path))
		return memory_end(disk, -ENOENT);
	if (memory_sync_is_ignored(disk, path))
		return memory_end(disk, 0);
	for (i = 0; i < disk->change_count; i++) {
		memory_folder_of(disk->changes[i].from, folder);
		if (strcmp(folder, path) == 0)
			memory_names_apply(&disk->durable_names, &disk->changes[i]);
		else
			disk->changes[left++] = disk->changes[i];
	}
	disk->change_count = left;
	memory_sweep(disk);
	return memory_end(disk, 0);
}

/* Gives the names newest first, so that nobody relies on an order. */
int memory_list(struct log_disk *door, const char *path, int (*cb)(const char *name, void *arg), void *arg)
{
	struct memory_disk *disk = memory_look(door);
	struct memory_names names = {0};
	char folder[MEMORY_PATH_SIZE];
	const char *name;
	size_t i;
	int rc = 0;

	if (!memory_folder_exists(disk, path))
		return memory_end(disk, -ENOENT);
	memory_names_copy(&names, &disk->names);
	memory_end(disk, 0);
	for (i = names.count; i-- > 0 && rc == 0;) {
		memory_folder_of(names.items[i].path, folder);
		name = strrchr(names.items[i].path, '/');
		if (strcmp(folder, path) == 0)
			rc = cb(name == NULL ? names.items[i].path : name + 1, arg);
	}
	free(names.items);
	return rc;
}
