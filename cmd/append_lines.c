#include "cmd/append_lines.h"

#include "cmd/clog.h"
#include "cmd/input.h"
#include "cmd/output.h"
#include "cmd/remote.h"
#include "error/error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A line of the longest, and one byte more, by which it is known that a line is longer. */
#define BUFFER_SIZE (SERVICE_RECORD_SIZE_MAX + 1u)
/* What a message has for each record besides its bytes, at most: a batch of several has to fit in one. */
#define RECORD_OVERHEAD_SIZE 8u

struct lines {
	struct remote *remote;
	struct input *input;
	uint64_t expected; /* offset of the next batch; SERVICE_ANYWHERE: any */
	struct clog_error *err;
	struct service_append append; /* the batch under way */
	uint32_t count;               /* lines in it; 0: there is none */
	uint64_t line_count;          /* lines that were appended */
	uint32_t unknown_count;       /* lines behind them that may have been */
	uint64_t run_first, run_count;
	int status;        /* of the exit */
	int failure;       /* of the batch that was not appended; 0: none */
	bool at_end;       /* of the input */
	bool too_long;     /* the next line is */
	bool waiting_room; /* for room in the service's queue */
	bool over;
	size_t size; /* bytes in data */
	char data[BUFFER_SIZE];
	uint32_t sizes[APPEND_LINES_COUNT_MAX];
};

static void advance(void *arg);

static void print_run(struct lines *lines)
{
	if (lines->run_count == 0)
		return;
	if (lines->status == CLOG_OK)
		lines->status = output_print(lines->err, "%" PRIu64 " %" PRIu64 "\n", lines->run_first,
		                             lines->run_count);
	if (lines->status == CLOG_OK)
		lines->status = output_flush(lines->err);
	lines->run_count = 0;
}

static void take_answer(struct service_append *append, void *arg)
{
	struct lines *const lines = arg;
	const uint32_t count = lines->count;
	lines->count = 0;
	lines->failure = append->status;
	lines->unknown_count = remote_unknown(append->status) ? count : 0;
	if (append->status == 0) {
		if (lines->run_count > 0 && lines->run_first + lines->run_count != append->first_offset)
			print_run(lines);
		if (lines->run_count == 0)
			lines->run_first = append->first_offset;
		lines->run_count += count;
		lines->line_count += count;
		if (lines->expected != SERVICE_ANYWHERE)
			lines->expected += count;
	}
	advance(lines);
}

/* Finds the lines that make the next batch. Gives their bytes. */
static size_t gather(struct lines *lines, uint32_t *count)
{
	size_t used = 0, cost = 0;
	*count = 0;
	while (used < lines->size && *count < APPEND_LINES_COUNT_MAX) {
		const char *const line = lines->data + used;
		const char *const newline = memchr(line, '\n', lines->size - used);
		if (newline == NULL && !lines->at_end)
			break;
		const size_t size = newline != NULL ? (size_t)(newline - line) + 1 : lines->size - used;
		cost += size + RECORD_OVERHEAD_SIZE;
		if (size > SERVICE_RECORD_SIZE_MAX || (*count > 0 && cost > SERVICE_RECORD_SIZE_MAX))
			break;
		lines->sizes[(*count)++] = (uint32_t)size;
		used += size;
	}
	lines->too_long = *count == 0 && lines->size > SERVICE_RECORD_SIZE_MAX;
	return used;
}

/* Sends a batch of the lines that are there. False when there is none, or no room for it yet. */
static bool send_batch(struct lines *lines)
{
	uint32_t count;
	const size_t used = gather(lines, &count);
	if (count == 0)
		return false;
	uv_update_time(&lines->remote->loop);
	const int rc = service_append_at(lines->remote->service, &lines->append, lines->expected, lines->data,
	                                 lines->sizes, count, take_answer, lines);
	if (rc == -EAGAIN) {
		lines->waiting_room = true;
		service_ready(lines->remote->service, advance, lines);
		return false;
	}
	lines->failure = rc;
	if (rc != 0)
		return false;
	lines->count = count;
	lines->size -= used;
	memmove(lines->data, lines->data + used, lines->size);
	return true;
}

/* Reads what there is. False when there is nothing yet, or nothing more. */
static bool read_more(struct lines *lines)
{
	if (lines->at_end || lines->size == BUFFER_SIZE)
		return false;
	if (input_await(lines->input, &lines->remote->loop, advance, lines))
		return false;
	const ssize_t got = input_read(lines->input, lines->data + lines->size, BUFFER_SIZE - lines->size, lines->err);
	if (got < 0)
		lines->status = CLOG_FAILED;
	lines->at_end = got <= 0;
	lines->size += got > 0 ? (size_t)got : 0;
	return true;
}

static bool stopped(const struct lines *lines)
{
	return lines->failure != 0 || lines->status != CLOG_OK || lines->too_long;
}

/* Called when something has come about: an answer, input, room. */
static void advance(void *arg)
{
	struct lines *const lines = arg;
	if (lines->waiting_room && !service_awaits_room(lines->remote->service))
		lines->waiting_room = false;
	bool more = true;
	while (more && !stopped(lines)) {
		const bool sent = lines->count == 0 && !lines->waiting_room && send_batch(lines);
		more = sent || (!stopped(lines) && read_more(lines));
	}
	lines->over = lines->count == 0 && (stopped(lines) || (lines->at_end && lines->size == 0));
}

int append_lines_fail(const struct remote *remote, int status, uint64_t expected, const char *before,
                      struct clog_error *err)
{
	char what[256];
	if (status == -EEXIST || status == -ENXIO) {
		clog_error_set(err, status, "%srefused, and not appended: %s %" PRIu64, before,
		               status == -EEXIST ? "there is a record already at offset"
		                                 : "the log does not reach yet to offset",
		               expected);
		return CLOG_FAILED;
	}
	snprintf(what, sizeof what, "%s%s", before,
	         remote_unknown(status) ? "unknown, and perhaps yet to be found in the log"
	                                : "refused, and not appended");
	return remote_fail(remote, status, what, err);
}

static int conclude(struct lines *lines)
{
	char before[192];
	print_run(lines);
	if (lines->failure == 0 && !lines->too_long)
		return lines->status;
	if (lines->unknown_count > 0)
		snprintf(before, sizeof before,
		         "%.80s: %" PRIu64 " lines were appended, and none behind line %" PRIu64 "; between: ",
		         lines->input->name, lines->line_count, lines->line_count + lines->unknown_count);
	else
		snprintf(before, sizeof before,
		         "%.80s: %" PRIu64 " lines were appended; the next and what comes after it: ",
		         lines->input->name, lines->line_count);
	if (lines->failure != 0)
		return append_lines_fail(lines->remote, lines->failure, lines->expected, before, lines->err);
	clog_error_set(lines->err, -EMSGSIZE,
	               "%s: %" PRIu64 " lines were appended; the next has more than the %u bytes that a record may "
	               "have, and it and what comes after it are not",
	               lines->input->name, lines->line_count, SERVICE_RECORD_SIZE_MAX);
	return CLOG_FAILED;
}

int append_lines(struct remote *remote, struct input *input, uint64_t at, struct clog_error *err)
{
	struct lines *const lines = malloc(sizeof *lines);
	if (lines == NULL) {
		clog_error_set(err, -ENOMEM, "out of memory");
		return CLOG_FAILED;
	}
	memset(lines, 0, offsetof(struct lines, data));
	lines->remote = remote;
	lines->input = input;
	lines->err = err;
	lines->expected = at;
	advance(lines);
	remote_wait(remote, &lines->over);
	service_unready(remote->service, advance, lines);
	const int status = conclude(lines);
	free(lines);
	return status;
}
