#include "fs/private.h"

#include <errno.h>
#include <stdlib.h>

void *handle_create(struct fs *fs, size_t size, struct auth_principal opener, void (*finish)(struct handle *handle))
{
	struct handle *handle = calloc(1, size);
	if (handle == NULL)
		return NULL;
	handle->opener = opener;
	handle->finish = finish;
	handle->uses = 1;
	handle->next = fs->handles;
	handle->place = &fs->handles;
	if (handle->next != NULL)
		handle->next->place = &handle->next;
	fs->handles = handle;
	return handle;
}

void handle_keep(struct handle *handle)
{
	handle->uses++;
}

void handle_destroy(struct handle *handle)
{
	if (--handle->uses > 0)
		return;
	*handle->place = handle->next;
	if (handle->next != NULL)
		handle->next->place = handle->place;
	if (handle->finish != NULL)
		handle->finish(handle);
	free(handle);
}

void handle_destroy_all(struct fs *fs)
{
	while (fs->handles != NULL)
		handle_destroy(fs->handles);
}

void handle_open(fuse_req_t req, struct fuse_file_info *file, struct handle *handle)
{
	file->fh = (uintptr_t)handle;
	if (!reply_open(req, file))
		handle_destroy(handle);
}

void *handle_of(const struct fuse_file_info *file)
{
	return (void *)(uintptr_t)file->fh;
}
