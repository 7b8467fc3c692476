/* lines: every line is one record.
 *
 * The carry is the beginning of a line whose end has not come yet. What a write makes of it is decided while the write
 * is at hand, in the order of arrival, and holds from the moment that the service takes the batch: a write that is
 * refused, then or later, leaves the handle as it was, so that it can be sent again. */
#include "fs/private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct carry {
	char *bytes;
	size_t capacity;
	uint32_t size;
	bool dropping; /* the line at hand is too long: it is dropped through its newline */
};

struct lines_handle {
	struct handle handle;
	struct acknowledgement acknowledgement;
	struct carry carry;
	uint64_t carry_of;  /* the write that touched the carry last */
	uint64_t failed_of; /* the last one that failed when another had touched it already; 0: none */
	bool goes_on;       /* the last write was as large as what the kernel cuts: the next may be its rest */
	size_t untold_size; /* of a rest that failed, which its writer is not told; 0: none */
	int untold;
};

struct lines_request {
	struct submit submit;
	size_t size;         /* of the write; 0 for a flush or an fsync */
	bool is_rest;        /* of one that the kernel has cut, as far as is known */
	struct carry before; /* of the handle */
	uint64_t carry_of;   /* of the handle, after this */
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
	free(((struct lines_handle *)handle)->carry.bytes);
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
	if (handle->carry.dropping) {
		newline = memchr(data, '\n', size);
		if (newline == NULL || newline + 1 == end)
			return -EMSGSIZE; /* nothing in it but of the line that is too long */
		data = newline + 1;
	}
	*cut = (struct cut){.lines = data};
	size_t carried = handle->carry.size;
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

/* Of a write(2) whose first piece was taken, the writer is told just how far it got, and sends the rest again. What it
 * failed with is the answer then: taken as new, it would be a part of a line. */
static void fail_rest(struct lines_handle *handle, size_t size, int error)
{
	handle->untold_size = size;
	handle->untold = error;
}

/* After a failure: the handle is as it was where the write was refused. Else the writer is told that all of it may be
 * lost: nothing of it may come later, at the close. */
static void take_back(struct lines_handle *handle, struct lines_request *request, int status)
{
	if (handle->carry_of != request->carry_of) {
		handle->failed_of = request->carry_of;
	} else if (submit_refused(status) && handle->failed_of != request->carry_of - 1) {
		const struct carry after = handle->carry;
		handle->carry = request->before;
		handle->carry_of--;
		request->before = after;
	} else {
		handle->carry.size = 0;
	}
	if (request->is_rest && !submit_refused(status))
		fail_rest(handle, request->size, status);
}

static void answered(struct submit *submit, fuse_req_t req, int status)
{
	struct lines_request *request = (struct lines_request *)submit;
	struct lines_handle *handle = (struct lines_handle *)submit->handle;
	if (status == 0) {
		acknowledgement_set(&handle->acknowledgement, "%" PRIu64 " %" PRIu32 "\n", submit->append.first_offset,
		                    submit->append.count);
		handle->goes_on = request->size > FS_PIECE_SIZE - (size_t)getpagesize();
	} else {
		take_back(handle, request, status);
	}
	free(request->before.bytes);
	if (status == 0 && request->size > 0)
		reply_written(req, request->size);
	else
		reply_error(req, status);
}

/* Adds bytes to a carry. */
static int carry_add(struct carry *carry, const char *data, uint32_t size)
{
	if (size == 0)
		return 0;
	char *bytes = grown(carry->bytes, &carry->capacity, carry->size + size, 1);
	if (bytes == NULL)
		return -ENOMEM;
	carry->bytes = bytes;
	memcpy(carry->bytes + carry->size, data, size);
	carry->size += size;
	return 0;
}

/* Gives lines to the service. What follows them, which may be nothing, is the carry from here on. */
static int submit_lines(struct fs *fs, const struct write *write, const void *data, const uint32_t *sizes,
                        uint32_t count, const struct cut *cut)
{
	struct lines_handle *handle = handle_of(&write->file);
	struct carry rest = {.size = 0};
	struct lines_request *request = calloc(1, sizeof *request);
	int rc = request == NULL ? -ENOMEM : carry_add(&rest, cut->rest, cut->rest_size);
	if (rc != 0)
		goto fail;
	request->size = write->size;
	request->is_rest = handle->goes_on;
	request->before = handle->carry;
	request->carry_of = handle->carry_of + 1;
	request->submit.handle = &handle->handle;
	request->submit.expected = SERVICE_ANYWHERE;
	request->submit.answered = answered;
	rc = submit_start(&request->submit, fs, write->req, data, sizes, count);
	if (rc != 0)
		goto fail;
	handle->carry_of++;
	handle->goes_on = false;
	handle->carry = rest; /* the one before is the request's from here on */
	return 0;

fail:
	free(rest.bytes);
	free(request);
	return rc;
}

/* Appends the lines of a write, after the carry, which is the beginning of the first. */
static int append_lines(struct fs *fs, const struct write *write, const struct cut *cut)
{
	const struct lines_handle *handle = handle_of(&write->file);
	const char *data = cut->lines;
	if (handle->carry.size > 0) {
		size_t joined_size = handle->carry.size + cut->lines_size;
		char *joined = grown(fs->joined, &fs->joined_capacity, joined_size, 1);
		if (joined == NULL)
			return -ENOMEM;
		fs->joined = joined;
		memcpy(fs->joined, handle->carry.bytes, handle->carry.size);
		memcpy(fs->joined + handle->carry.size, cut->lines, cut->lines_size);
		data = fs->joined;
	}
	return submit_lines(fs, write, data, fs->sizes, cut->count, cut);
}

/* Takes a piece of a line into the carry: accepted, and acknowledged with the rest of its line. */
static int carry_on(struct lines_handle *handle, const struct cut *cut)
{
	int rc = carry_add(&handle->carry, cut->rest, cut->rest_size);
	if (rc != 0)
		return rc;
	handle->carry_of++;
	handle->carry.dropping = false;
	handle->goes_on = false;
	return 0;
}

/* Drops a line that is too long, with the write that made it so, and through its newline. */
static void carry_drop(struct lines_handle *handle, const char *data, size_t size)
{
	if (handle->goes_on)
		fail_rest(handle, size, -EMSGSIZE);
	handle->goes_on = false;
	handle->carry.size = 0;
	handle->carry_of++;
	handle->carry.dropping = data[size - 1] != '\n';
}

int lines_write(struct fs *fs, const struct write *write)
{
	struct lines_handle *handle = handle_of(&write->file);
	struct cut cut;
	size_t untold_size = handle->untold_size;
	handle->untold_size = 0;
	if (untold_size == write->size)
		return handle->untold;
	int rc = cut_lines(fs, handle, write->data, write->size, &cut);
	if (rc == -EMSGSIZE)
		carry_drop(handle, write->data, write->size);
	if (rc != 0)
		return rc;
	if (cut.count > 0)
		return append_lines(fs, write, &cut);
	rc = carry_on(handle, &cut);
	if (rc == 0)
		reply_written(write->req, write->size);
	return rc;
}

int lines_end(struct fs *fs, const struct write *write)
{
	static const struct cut nothing;
	struct lines_handle *handle = handle_of(&write->file);
	if (handle->carry.size > 0)
		return submit_lines(fs, write, handle->carry.bytes, &handle->carry.size, 1, &nothing);
	handle->carry.dropping = false; /* a line that was too long ends here, too */
	reply_error(write->req, 0);
	return 0;
}
