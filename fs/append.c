/* append: one write is one record. */
#include "fs/private.h"

#include <errno.h>
#include <fcntl.h>
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
	struct append_handle *handle;
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
	struct append_handle *handle = handle_create(fs, sizeof *handle, fuse_req_ctx(req)->uid, NULL);
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

static void answered(struct submit *submit, int status)
{
	struct append_request *request = (struct append_request *)submit;
	if (status != 0) {
		reply_error(submit->req, status);
		return;
	}
	acknowledgement_set(&request->handle->acknowledgement, "%" PRIu64 "\n", submit->append.first_offset);
	reply_written(submit->req, request->size);
}

void append_write(struct fs *fs, fuse_req_t req, const char *data, size_t size, const struct fuse_file_info *file)
{
	/* The kernel cuts what is larger than a piece; its first part is then larger than a record may be, and with
	 * this answer the rest is not sent. */
	if (size > SERVICE_RECORD_SIZE_MAX) {
		reply_error(req, -EMSGSIZE);
		return;
	}
	struct append_request *request = malloc(sizeof *request);
	if (request == NULL) {
		reply_error(req, -ENOMEM);
		return;
	}
	request->handle = handle_of(file);
	request->size = (uint32_t)size;
	request->submit = (struct submit){.fs = fs,
	                                  .req = req,
	                                  .data = data,
	                                  .sizes = &request->size,
	                                  .count = 1,
	                                  .wait = !(file->flags & O_NONBLOCK),
	                                  .answered = answered};
	submit_start(&request->submit);
}
