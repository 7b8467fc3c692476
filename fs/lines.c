/* lines: every line is one record.
 *
 * The carry is the beginning of a line whose end has not come yet. What a write makes of it is decided while the write
 * is at hand, in the order of arrival, and holds from the moment that the service takes the batch: a write that is
 * refused leaves the handle as it was, so that it can be sent again. */
#include "fs/private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct lines_handle {
	struct handle handle;
	struct acknowledgement acknowledgement;
	char *carry;
	uint32_t carry_size;
	size_t carry_capacity;
	uint64_t carry_of; /* the write that touched the carry last */
	bool dropping;     /* the line at hand is too long: it is dropped through its newline */
};

struct lines_request {
	struct submit submit;
	size_t size;       /* of the write; 0 for a flush or an fsync */
	uint64_t carry_of; /* of the handle, after this */
};

/* A write, cut into lines. */
struct cut {
	const char *lines; /* the whole lines in it */
	size_t lines_size;
	const char *rest; /* what follows them */
	uint32_t rest_size;
	uint32_t count; /* of lines */
};

static void finish(struct handle *handle)
{
	free(((struct lines_handle *)handle)->carry);
}

/* Returns the buffer with room for at least so many items (one or more), NULL when there is no memory. */
static void *grown(void *buffer, size_t *capacity, size_t count, size_t item_size)
{
	if (count <= *capacity)
		return buffer;
	size_t larger = *capacity == 0 ? 256 : *capacity;
	while (larger < count)
		larger *= 2;
	void *moved = realloc(buffer, larger * item_size);
	if (moved != NULL)
		*capacity = larger;
	return moved;
}

void lines_open(struct fs *fs, fuse_req_t req, struct fuse_file_info *file)
{
	struct lines_handle *handle = handle_create(fs, sizeof *handle, access_caller(req), finish);
	if (handle == NULL) {
		reply_error(req, -ENOMEM);
		return;
	}
	file->direct_io = 1;
	handle_open(req, file, &handle->handle);
}

void lines_read(fuse_req_t req, size_t size, const struct fuse_file_info *file)
{
	struct lines_handle *handle = handle_of(file);
	acknowledgement_read(&handle->acknowledgement, req, size);
}

/* Finds the lines in a write; fs->sizes gets their sizes, the first one's with the carry. */
static int cut_lines(struct fs *fs, const struct lines_handle *handle, const char *data, size_t size, struct cut *cut)
{
	const char *end = data + size, *newline;
	if (handle->dropping) {
		newline = memchr(data, '\n', size);
		if (newline == NULL || newline + 1 == end)
			return -EMSGSIZE; /* nothing in it but of the line that is too long */
		data = newline + 1;
	}
	*cut = (struct cut){.lines = data};
	size_t carried = handle->carry_size;
	while ((newline = memchr(data, '\n', (size_t)(end - data))) != NULL) {
		size_t line = (size_t)(newline + 1 - data) + carried;
		if (line > SERVICE_RECORD_SIZE_MAX)
			return -EMSGSIZE;
		uint32_t *sizes = grown(fs->sizes, &fs->sizes_capacity, cut->count + 1u, sizeof *sizes);
		if (sizes == NULL)
			return -ENOMEM;
		fs->sizes = sizes;
		fs->sizes[cut->count++] = (uint32_t)line;
		carried = 0;
		data = newline + 1;
	}
	if ((size_t)(end - data) + carried > SERVICE_RECORD_SIZE_MAX)
		return -EMSGSIZE;
	cut->lines_size = (size_t)(data - cut->lines);
	cut->rest = data;
	cut->rest_size = (uint32_t)(end - data);
	return 0;
}

static void answered(struct submit *submit, fuse_req_t req, int status)
{
	const struct lines_request *request = (const struct lines_request *)submit;
	struct lines_handle *handle = (struct lines_handle *)submit->handle;
	if (status == 0)
		acknowledgement_set(&handle->acknowledgement, "%" PRIu64 " %" PRIu32 "\n", submit->append.first_offset,
		                    submit->append.count);
	else if (handle->carry_of == request->carry_of)
		/* The writer is told that all of its write failed: nothing of it may come later, at the close. */
		handle->carry_size = 0;
	if (status == 0 && request->size > 0)
		reply_written(req, request->size);
	else
		reply_error(req, status);
}

/* Gives lines to the service. What follows them, which may be nothing, is the carry from here on. */
static int submit_lines(struct fs *fs, const struct write *write, const void *data, const uint32_t *sizes,
                        uint32_t count, const struct cut *cut)
{
	struct lines_handle *handle = handle_of(&write->file);
	struct lines_request *request = calloc(1, sizeof *request);
	if (request == NULL)
		return -ENOMEM;
	request->size = write->size;
	request->carry_of = handle->carry_of + 1;
	request->submit.handle = &handle->handle;
	request->submit.expected = SERVICE_ANYWHERE;
	request->submit.answered = answered;
	int rc = submit_start(&request->submit, fs, write->req, data, sizes, count);
	if (rc != 0) {
		free(request);
		return rc;
	}
	handle->carry_of++;
	handle->carry_size = cut->rest_size;
	if (cut->rest_size > 0)
		memcpy(handle->carry, cut->rest, cut->rest_size);
	handle->dropping = false;
	return 0;
}

/* Appends the lines of a write, after the carry, which is the beginning of the first. */
static int append_lines(struct fs *fs, const struct write *write, const struct cut *cut)
{
	const struct lines_handle *handle = handle_of(&write->file);
	const char *data = cut->lines;
	if (handle->carry_size > 0) {
		size_t joined_size = handle->carry_size + cut->lines_size;
		char *joined = grown(fs->joined, &fs->joined_capacity, joined_size, 1);
		if (joined == NULL)
			return -ENOMEM;
		fs->joined = joined;
		memcpy(fs->joined, handle->carry, handle->carry_size);
		memcpy(fs->joined + handle->carry_size, cut->lines, cut->lines_size);
		data = fs->joined;
	}
	return submit_lines(fs, write, data, fs->sizes, cut->count, cut);
}

/* Makes room in the carry for what follows a write's last newline, so that taking it cannot fail. */
static int carry_reserve(struct lines_handle *handle, const struct cut *cut)
{
	size_t size = cut->rest_size + (cut->count == 0 ? handle->carry_size : 0);
	if (size == 0)
		return 0;
	char *carry = grown(handle->carry, &handle->carry_capacity, size, 1);
	if (carry == NULL)
		return -ENOMEM;
	handle->carry = carry;
	return 0;
}

/* Adds a piece of a line to the carry: accepted, and acknowledged with the rest of its line. */
static void carry_on(struct lines_handle *handle, const struct cut *cut)
{
	memcpy(handle->carry + handle->carry_size, cut->rest, cut->rest_size);
	handle->carry_size += cut->rest_size;
	handle->carry_of++;
	handle->dropping = false;
}

/* Drops a line that is too long, with the write that made it so, and through its newline. */
static void carry_drop(struct lines_handle *handle, const char *data, size_t size)
{
	handle->carry_size = 0;
	handle->carry_of++;
	handle->dropping = data[size - 1] != '\n';
}

int lines_write(struct fs *fs, const struct write *write)
{
	struct lines_handle *handle = handle_of(&write->file);
	struct cut cut;
	int rc = cut_lines(fs, handle, write->data, write->size, &cut);
	if (rc == -EMSGSIZE)
		carry_drop(handle, write->data, write->size);
	if (rc == 0)
		rc = carry_reserve(handle, &cut);
	if (rc != 0 || cut.count > 0)
		return rc != 0 ? rc : append_lines(fs, write, &cut);
	carry_on(handle, &cut);
	reply_written(write->req, write->size);
	return 0;
}

int lines_end(struct fs *fs, const struct write *write)
{
	static const struct cut nothing;
	struct lines_handle *handle = handle_of(&write->file);
	if (handle->carry_size > 0)
		return submit_lines(fs, write, handle->carry, &handle->carry_size, 1, &nothing);
	handle->dropping = false; /* a line that was too long ends here, too */
	reply_error(write->req, 0);
	return 0;
}
