/* claim: a name in records/ that was created by O_CREAT|O_EXCL: its first write appends a record, if that gets the
 * offset that the name says. A close without a write leaves nothing: the name was never in the folder. */
#include "fs/private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

struct claim_handle {
	struct handle handle;
	uint64_t offset;
	bool written; /* a write has come that may have appended it */
};

struct claim_request {
	struct submit submit;
	uint32_t size;
};

void claim_create(struct fs *fs, fuse_req_t req, const char *name, struct fuse_file_info *file)
{
	struct stat attr;
	uint64_t offset, node = node_id(NODE_CLAIM, tree_number(fs, NODE_CLAIM));
	/* Without O_EXCL it would be a name for a record that may be another's. */
	if (!(file->flags & O_EXCL) || !records_offset(name, &offset)) {
		reply_error(req, -EPERM);
		return;
	}
	struct claim_handle *handle = handle_create(fs, sizeof *handle, access_caller(req), NULL);
	if (handle == NULL) {
		reply_error(req, -ENOMEM);
		return;
	}
	handle->offset = offset;
	tree_attr_begin(fs, node, 0, &attr);
	file->fh = (uintptr_t)handle;
	file->direct_io = 1;
	file->noflush = 1;
	if (!reply_created(req, node, &attr, file))
		handle_destroy(&handle->handle);
}

static void answered(struct submit *submit, fuse_req_t req, int status)
{
	struct claim_request *request = (struct claim_request *)submit;
	if (submit_refused(status))
		((struct claim_handle *)submit->handle)->written = false;
	if (status == 0)
		reply_written(req, request->size);
	else
		reply_error(req, status);
}

int claim_write(struct fs *fs, const struct write *write)
{
	struct claim_handle *handle = handle_of(&write->file);
	if (handle->written)
		return -EPERM;
	if (write->size > SERVICE_RECORD_SIZE_MAX)
		return -EMSGSIZE;
	struct claim_request *request = calloc(1, sizeof *request);
	if (request == NULL)
		return -ENOMEM;
	request->size = (uint32_t)write->size;
	request->submit.handle = &handle->handle;
	request->submit.expected = handle->offset;
	request->submit.answered = answered;
	handle->written = true;
	int rc = submit_start(&request->submit, fs, write->req, write->data, &request->size, 1);
	if (rc != 0) {
		handle->written = false;
		free(request);
	}
	return rc;
}
