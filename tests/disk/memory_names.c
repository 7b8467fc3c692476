#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/disk/memory_state.h"

struct memory_name *memory_names_find(const struct memory_names *names, const char *path)
{
	size_t i;

	for (i = 0; i < names->count; i++)
		if (strcmp(names->items[i].path, path) == 0)
			return &names->items[i];
	return NULL;
}

void memory_names_put(struct memory_names *names, const char *path, int file)
{
	struct memory_name *name = memory_names_find(names, path);

	if (name == NULL) {
		names->items = memory_allocate(names->items, (names->count + 1) * sizeof *names->items);
		name = &names->items[names->count++];
		snprintf(name->path, sizeof name->path, "%s", path);
	}
	name->file = file;
}

void memory_names_remove(struct memory_names *names, const char *path)
{
	struct memory_name *name = memory_names_find(names, path);

	if (name == NULL)
		return;
	names->count--;
	memmove(name, name + 1, (size_t)(names->items + names->count - name) * sizeof *name);
}

void memory_names_copy(struct memory_names *names, const struct memory_names *from)
{
	names->items = memory_allocate(names->items, (from->count + 1) * sizeof *names->items);
	if (from->count > 0)
		memcpy(names->items, from->items, from->count * sizeof *names->items);
	names->count = from->count;
}

void memory_names_apply(struct memory_names *names, const struct memory_change *change)
{
	switch (change->call) {
	case MEMORY_CREATE:
	case MEMORY_MAKE_FOLDER:
		memory_names_put(names, change->from, change->file);
		break;
	case MEMORY_REMOVE:
		memory_names_remove(names, change->from);
		break;
	case MEMORY_RENAME:
		if (memory_names_find(names, change->from) == NULL)
			break;
		memory_names_remove(names, change->from);
		memory_names_put(names, change->to, change->file);
		break;
	default:
		assert(!"a change that is none");
	}
}

void memory_folder_of(const char *path, char folder[static MEMORY_PATH_SIZE])
{
	const char *slash = strrchr(path, '/');

	if (slash == NULL)
		snprintf(folder, MEMORY_PATH_SIZE, ".");
	else if (slash == path)
		snprintf(folder, MEMORY_PATH_SIZE, "/");
	else
		snprintf(folder, MEMORY_PATH_SIZE, "%.*s", (int)(slash - path), path);
}
