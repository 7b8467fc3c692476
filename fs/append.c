/* append: one write is one record. */
#include "fs/private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct append_handle {
	struct handle handle;
	struct acknowledgement acknowledgement;
};

struct append_request {
	struct submit submit;
	uint32_t size;
};

void acknowledgement_set(struct acknowledgement *acknowledgement, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int size = vsnprintf(acknowledgement->text, sizeof acknowledgement->text, format, args);
	va_end(args);
	acknowledgement->size = size < 0 ? 0 : (uint32_t)size;
	acknowledgement->cursor = 0;
}

void acknowledgement_read(struct acknowledgement *acknowledgement, fuse_req_t req, size_t size)
{
	/* The place asked is not looked at: it is where the writes have got to. A shell reads byte by byte. */
	uint32_t left = acknowledgement->size - acknowledgement->cursor;
	uint32_t piece = size < left ? (uint32_t)size : left;
	const char *text = acknowledgement->text + acknowledgement->cursor;
	acknowledgement->cursor += piece;
	reply_data(req, text, piece);
}

void append_open(struct fs *fs, fuse_req_t req, struct fuse_file_info *file)
{
	struct append_handle *handle = handle_create(fs, sizeof *handle, access_caller(req), NULL);
	if (handle == NULL) {
		reply_error(req, -ENOMEM);
		return;
	}
	file->direct_io = 1; /* through the page cache writes would be split and merged */
	file->noflush = 1;
	handle_open(req, file, &handle->handle);
}

void append_read(fuse_req_t req, size_t size, const struct fuse_file_info *file)
{
	struct append_handle *handle = handle_of(file);
	acknowledgement_read(&handle->acknowledgement, req, size);
}

static void answered(struct submit *submit, fuse_req_t req, int status)
{
	const struct append_request *request = (const struct append_request *)submit;
	struct append_handle *handle = (struct append_handle *)submit->handle;
	if (status != 0) {
		reply_error(req, status);
		return;
	}
	acknowledgement_set(&handle->acknowledgement, "%" PRIu64 "\n", submit->append.first_offset);
	reply_written(req, request->size);
}

int append_write(struct fs *fs, const struct write *write)
{
	/* The kernel cuts what is larger than a piece; its first part is then larger than a record may be, and with
	 * this answer the rest is not sent. */
	if (write->size > SERVICE_RECORD_SIZE_MAX)
		return -EMSGSIZE;
	struct append_request *request = malloc(sizeof *request);
	if (request == NULL)
		return -ENOMEM;
	request->size = (uint32_t)write->size;
	request->submit = (struct submit){
		.handle = handle_of(&write->file), .expected = SERVICE_ANYWHERE, .answered = answered};
	int rc = submit_start(&request->submit, fs, write->req, write->data, &request->size, 1);
	if (rc != 0)
		free(request);
	return rc;
}
