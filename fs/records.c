/* records: a file for each record, immutable. */
#include "fs/private.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum purpose { LOOKUP, ATTR, READ, XATTR };

/* The extended attributes of a record, as the kernel wants the list of them. */
static const char xattr_names[] = "user.clog.offset\0user.clog.term\0user.clog.index\0user.clog.crc32c";
#define XATTR_PREFIX "user.clog."

/* A question to the service about a record, for a request that waits for the answer. */
struct record_request {
	struct service_read read;
	struct fs *fs;
	fuse_req_t req;
	enum purpose purpose;
	char xattr[8]; /* its name, after the prefix */
	size_t size;   /* of READ; of XATTR the room for the value */
	off_t position;
};

static void answer_xattr(const struct record_request *request)
{
	const struct service_record *record = &request->read.record;
	char text[24];
	int size;
	if (strcmp(request->xattr, "crc32c") == 0)
		size = snprintf(text, sizeof text, "%08" PRIx32, record->crc32c);
	else
		size = snprintf(text, sizeof text, "%" PRIu64,
		                strcmp(request->xattr, "offset") == 0 ? request->read.offset
		                : strcmp(request->xattr, "term") == 0 ? record->term
		                                                      : record->entry);
	reply_xattr(request->req, text, (size_t)size, request->size);
}

static void answer(struct record_request *request, int status)
{
	const struct service_record *record = &request->read.record;
	uint64_t node = node_id(NODE_RECORD, request->read.offset);
	struct stat attr;

	if (status != 0) {
		/* To a lookup, what was trimmed is not there. */
		reply_error(request->req, request->purpose == LOOKUP && status == -ESTALE ? -ENOENT : status);
		return;
	}
	if (request->purpose == XATTR) {
		answer_xattr(request);
		return;
	}
	if (request->purpose == READ) {
		reply_piece(request->req, request->read.data, request->read.data_size, request->size,
		            request->position);
		return;
	}
	tree_attr_begin(request->fs, node, record->time_ns, &attr);
	attr.st_size = record->size;
	attr.st_blocks = (record->size + 511) / 512;
	if (request->purpose == LOOKUP)
		reply_entry(request->req, node, &attr);
	else
		reply_attr(request->req, node, &attr);
}

static void end(struct record_request *request, int status, bool held)
{
	struct fs *fs = request->fs;
	answer(request, status);
	if (held)
		service_read_end(fs->service, &request->read);
	free(request);
	session_answered(fs);
}

static void read_answered(struct service_read *read, void *arg)
{
	end(arg, read->status, true);
}

static void ask(struct fs *fs, fuse_req_t req, const struct record_request *question)
{
	if (fs->draining) {
		reply_error(req, -ESHUTDOWN);
		return;
	}
	struct record_request *request = malloc(sizeof *request);
	if (request == NULL) {
		reply_error(req, -ENOMEM);
		return;
	}
	*request = *question;
	request->fs = fs;
	request->req = req;
	request->read.kind = request->purpose >= READ ? SERVICE_RECORD : SERVICE_STAT;
	session_wait(fs);
	int rc = service_read(fs->service, &request->read, read_answered, request);
	if (rc == SERVICE_DONE)
		end(request, request->read.status, true);
	else if (rc < 0)
		end(request, rc, false);
}

/* Reads a canonical decimal: no sign, no leading zero, so that a record has one name. */
bool records_offset(const char *name, uint64_t *offset)
{
	uint64_t value = 0;
	if (name[0] == '\0' || (name[0] == '0' && name[1] != '\0'))
		return false;
	for (const char *digit = name; *digit != '\0'; digit++) {
		if (*digit < '0' || *digit > '9' || value > NODE_NUMBER_MAX / 10)
			return false;
		value = value * 10 + (uint64_t)(*digit - '0');
	}
	*offset = value;
	return value <= NODE_NUMBER_MAX;
}

void records_lookup(struct fs *fs, fuse_req_t req, const char *name)
{
	struct service_state state;
	uint64_t offset;
	service_state(fs->service, &state);
	/* Never an entry that says "none": the kernel would remember it, and miss the record when it comes. */
	if (!records_offset(name, &offset) || offset < state.first_offset || offset >= state.next_offset)
		reply_error(req, -ENOENT);
	else
		ask(fs, req, &(struct record_request){.purpose = LOOKUP, .read.offset = offset});
}

void records_attr(struct fs *fs, fuse_req_t req, uint64_t offset)
{
	ask(fs, req, &(struct record_request){.purpose = ATTR, .read.offset = offset});
}

void records_open(struct fs *fs, fuse_req_t req, uint64_t offset, struct fuse_file_info *file)
{
	struct service_state state;
	service_state(fs->service, &state);
	if (offset < state.first_offset) {
		reply_error(req, -ESTALE);
		return;
	}
	file->fh = access_pack(access_caller(req));
	file->keep_cache = 1;
	file->noflush = 1;
	reply_open(req, file);
}

void records_read(struct fs *fs, fuse_req_t req, uint64_t offset, size_t size, off_t position)
{
	ask(fs, req,
	    &(struct record_request){.purpose = READ, .read.offset = offset, .size = size, .position = position});
}

void records_list_xattr(fuse_req_t req, size_t size)
{
	reply_xattr(req, xattr_names, sizeof xattr_names, size);
}

void records_xattr(struct fs *fs, fuse_req_t req, uint64_t offset, const char *name, size_t size)
{
	struct record_request question = {.purpose = XATTR, .read.offset = offset, .size = size};
	for (const char *known = xattr_names; known < xattr_names + sizeof xattr_names; known += strlen(known) + 1) {
		if (strcmp(known, name) != 0)
			continue;
		snprintf(question.xattr, sizeof question.xattr, "%s", known + sizeof XATTR_PREFIX - 1);
		ask(fs, req, &question);
		return;
	}
	reply_error(req, -ENODATA);
}
