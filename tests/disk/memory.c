#include "tests/disk/memory.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/disk/memory_state.h"

void *memory_allocate(void *old, size_t size)
{
	void *new = realloc(old, size);

	if (new == NULL) {
		fprintf(stderr, "memory disk: no memory for %zu bytes\n", size);
		abort();
	}
	return new;
}

static struct memory_handle *handle_of(struct memory_disk *disk, int handle)
{
	if (handle < 0 || (size_t)handle >= disk->handle_count || !disk->handles[handle].open)
		return NULL;
	return &disk->handles[handle];
}

static int new_file(struct memory_disk *disk)
{
	size_t i;

	for (i = 0; i < disk->file_count && disk->files[i] != NULL; i++)
		continue;
	if (i == disk->file_count)
		disk->files = memory_allocate(disk->files, ++disk->file_count * sizeof(struct memory_file *));
	disk->files[i] = memory_file_create();
	return (int)i;
}

/* Takes handles in turn, so that one that was closed is not soon valid again. */
static int new_handle(struct memory_disk *disk, int file, int flags, const char *path)
{
	struct memory_handle *handle;
	size_t i, tries;

	for (tries = 0; tries < disk->handle_count; tries++)
		if (!disk->handles[(disk->next_handle + tries) % disk->handle_count].open)
			break;
	i = disk->handle_count == 0 ? 0 : (disk->next_handle + tries) % disk->handle_count;
	if (tries == disk->handle_count) {
		i = disk->handle_count;
		disk->handle_count = 2 * disk->handle_count + 64;
		disk->handles = memory_allocate(disk->handles, disk->handle_count * sizeof *disk->handles);
		memset(disk->handles + i, 0, (disk->handle_count - i) * sizeof *disk->handles);
	}
	disk->next_handle = i + 1;
	handle = &disk->handles[i];
	handle->open = true;
	if (++disk->open_handles > disk->most_handles)
		disk->most_handles = disk->open_handles;
	handle->file = file;
	handle->writable = (flags & O_ACCMODE) != O_RDONLY;
	snprintf(handle->path, sizeof handle->path, "%s", path);
	return (int)i;
}

static int memory_open(struct log_disk *door, const char *path, int flags)
{
	struct memory_disk *disk = memory_look(door);
	struct memory_name *name = memory_names_find(&disk->names, path);
	int file;

	if (strlen(path) >= MEMORY_PATH_SIZE)
		return memory_end(disk, -ENAMETOOLONG);
	if (name != NULL && (flags & O_CREAT) && (flags & O_EXCL))
		return memory_end(disk, -EEXIST);
	if (name != NULL && name->file == MEMORY_FOLDER)
		return memory_end(disk, -EISDIR);
	if (name == NULL && (!(flags & O_CREAT) || !memory_has_folder(disk, path)))
		return memory_end(disk, -ENOENT);
	if (name == NULL) {
		memory_end(disk, 0);
		memory_begin(door, MEMORY_CREATE, path);
		file = new_file(disk);
		memory_change(disk, MEMORY_CREATE, path, "", file);
	} else {
		file = name->file;
	}
	return memory_end(disk, new_handle(disk, file, flags, path));
}

static void memory_close(struct log_disk *door, int handle)
{
	struct memory_disk *disk = memory_look(door);
	struct memory_handle *open = handle_of(disk, handle);

	assert(open != NULL && "close of a handle that is not open");
	if (disk->files[open->file]->locked_by == handle)
		disk->files[open->file]->locked_by = -1;
	open->open = false;
	disk->open_handles--;
	memory_sweep(disk);
	memory_end(disk, 0);
}

static ssize_t memory_read(struct log_disk *door, int handle, void *data, size_t size, uint64_t position, bool wait)
{
	struct memory_disk *disk = memory_look(door);
	struct memory_handle *open = handle_of(disk, handle);
	struct memory_file *file;

	if (open == NULL)
		return memory_end(disk, -EBADF);
	file = disk->files[open->file];
	if (position >= file->size)
		return memory_end(disk, 0);
	size = size < file->size - position ? size : (size_t)(file->size - position);
	if (!wait) {
		size = size < disk->resident ? size : disk->resident;
		if (size == 0 || disk->resident_reads == 0)
			return memory_end(disk, -EAGAIN);
		if (disk->resident_reads != UINT32_MAX)
			disk->resident_reads--;
	}
	memcpy(data, file->data + position, size);
	memory_end(disk, 0);
	return (ssize_t)size;
}

/* Tells the watcher of a change of the file that is open at handle, then takes the lock. What the watcher does may
 * open and close files: *open is looked up anew. */
static struct memory_disk *begin_change(struct log_disk *door, enum memory_call call, int handle,
                                        struct memory_handle **open)
{
	struct memory_disk *disk = memory_look(door);
	char path[MEMORY_PATH_SIZE];

	*open = handle_of(disk, handle);
	if (*open == NULL)
		return disk;
	snprintf(path, sizeof path, "%s", (*open)->path);
	memory_end(disk, 0);
	memory_begin(door, call, path);
	*open = handle_of(disk, handle);
	return disk;
}

static int memory_write(struct log_disk *door, int handle, const void *data, size_t size, uint64_t position)
{
	struct memory_handle *open;
	struct memory_disk *disk = begin_change(door, MEMORY_WRITE, handle, &open);
	uint64_t used = 0;
	size_t i;

	if (open == NULL || !open->writable)
		return memory_end(disk, -EBADF);
	for (i = 0; i < disk->file_count; i++)
		used += disk->files[i] == NULL || (int)i == open->file ? 0 : disk->files[i]->size;
	if (disk->room != UINT64_MAX && used + position + size > disk->room &&
	    position + size > disk->files[open->file]->size)
		return memory_end(disk, -ENOSPC);
	memory_file_write(disk->files[open->file], data, size, position);
	return memory_end(disk, 0);
}

static int memory_sync(struct log_disk *door, int handle)
{
	struct memory_handle *open;
	struct memory_disk *disk = begin_change(door, MEMORY_SYNC, handle, &open);

	if (open == NULL)
		return memory_end(disk, -EBADF);
	if (!memory_sync_is_ignored(disk, open->path))
		memory_file_sync(disk->files[open->file]);
	return memory_end(disk, 0);
}

static int memory_size(struct log_disk *door, int handle, uint64_t *size)
{
	struct memory_disk *disk = memory_look(door);
	struct memory_handle *open = handle_of(disk, handle);

	if (open == NULL)
		return memory_end(disk, -EBADF);
	*size = disk->files[open->file]->size;
	return memory_end(disk, 0);
}

static int memory_lock(struct log_disk *door, int handle)
{
	struct memory_disk *disk = memory_look(door);
	struct memory_handle *open = handle_of(disk, handle);
	struct memory_file *file;

	if (open == NULL)
		return memory_end(disk, -EBADF);
	file = disk->files[open->file];
	if (file->locked_by != -1 && file->locked_by != handle)
		return memory_end(disk, -EBUSY);
	file->locked_by = handle;
	return memory_end(disk, 0);
}

struct memory_disk *memory_disk_create(void)
{
	static const struct log_disk calls = {
		.open = memory_open,
		.close = memory_close,
		.read = memory_read,
		.write = memory_write,
		.sync = memory_sync,
		.size = memory_size,
		.rename = memory_rename,
		.remove = memory_remove,
		.make_folder = memory_make_folder,
		.sync_folder = memory_sync_folder,
		.list = memory_list,
		.lock = memory_lock,
	};
	struct memory_disk *disk = memory_allocate(NULL, sizeof *disk);

	memset(disk, 0, sizeof *disk);
	disk->door = calls;
	disk->resident = SIZE_MAX;
	disk->resident_reads = UINT32_MAX;
	disk->room = UINT64_MAX;
	pthread_mutex_init(&disk->mutex, NULL);
	return disk;
}
