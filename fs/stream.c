/* stream: all records joined. */
#include "fs/private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A read of the stream, which the service may answer in several pieces. */
struct stream_request {
	struct service_read read;
	struct fs *fs;
	fuse_req_t req;
	char *joined;   /* the pieces so far, once there are two */
	uint32_t size;  /* asked for, cut at the end of the stream */
	uint32_t found; /* bytes in joined */
};

static void end(struct stream_request *request)
{
	struct fs *fs = request->fs;
	free(request->joined);
	free(request);
	session_answered(fs);
}

/* Takes a piece. Returns true when the request is answered. */
static bool take(struct stream_request *request)
{
	const struct service_read *read = &request->read;
	uint32_t left = request->size - request->found;
	int status = read->status;

	if (status == 0 && request->joined == NULL && read->data_size == left) {
		reply_data(request->req, read->data, read->data_size); /* mostly: one piece is all of it */
		return true;
	}
	if (status == 0 && request->joined == NULL) {
		request->joined = malloc(request->size);
		status = request->joined == NULL ? -ENOMEM : 0;
	}
	/* What follows bytes that were found is answered to the read that begins there. */
	if (status != 0 && request->found == 0) {
		reply_error(request->req, status);
		return true;
	}
	if (status == 0) {
		assert(read->data_size <= left);
		if (read->data_size > 0)
			memcpy(request->joined + request->found, read->data, read->data_size);
		request->found += read->data_size;
		request->read.position += read->data_size;
	}
	if (status != 0 || read->data_size == 0 || request->found == request->size) {
		reply_data(request->req, request->joined, request->found);
		return true;
	}
	return false;
}

static void read_answered(struct service_read *read, void *arg);

static void step(struct stream_request *request)
{
	struct service *service = request->fs->service;
	bool answered = false;
	while (!answered) {
		struct service_read *read = &request->read;
		read->size = request->size - request->found;
		int rc = service_read(service, read, read_answered, request);
		if (rc == SERVICE_PENDING)
			return;
		if (rc < 0)
			read->status = rc;
		answered = take(request);
		if (rc == SERVICE_DONE)
			service_read_end(service, read);
	}
	end(request);
}

static void read_answered(struct service_read *read, void *arg)
{
	struct stream_request *request = arg;
	bool answered = take(request);
	service_read_end(request->fs->service, read);
	if (answered)
		end(request);
	else
		step(request);
}

void stream_open(fuse_req_t req, struct fuse_file_info *file)
{
	file->fh = access_pack(access_caller(req));
	file->direct_io = 1; /* the file grows, and position 0 is another one after a trim */
	file->noflush = 1;
	reply_open(req, file);
}

void stream_read(struct fs *fs, fuse_req_t req, uint64_t base, size_t size, off_t position)
{
	struct service_state state;
	service_state(fs->service, &state);
	uint64_t length = state.stream_end - base;
	if (size == 0 || position < 0 || (uint64_t)position >= length) {
		reply_data(req, NULL, 0);
		return;
	}
	if (fs->draining) {
		reply_error(req, -ESHUTDOWN);
		return;
	}
	struct stream_request *request = calloc(1, sizeof *request);
	if (request == NULL) {
		reply_error(req, -ENOMEM);
		return;
	}
	uint64_t left = length - (uint64_t)position;
	if (size > SERVICE_READ_SIZE_MAX)
		size = SERVICE_READ_SIZE_MAX;
	request->fs = fs;
	request->req = req;
	request->size = (uint32_t)(size < left ? size : left);
	request->read = (struct service_read){.kind = SERVICE_STREAM, .position = base + (uint64_t)position};
	session_wait(fs);
	step(request);
}
