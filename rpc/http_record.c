/* http_record: one record, by GET /v1/records/N, and by the book's GET /. */
#include "rpc/http.h"

#include "error/error.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A record never changes, but a log may be made anew: so its checksum is part of its tag, and of the other form's too. */
#define TAG_SIZE 48

static bool is_known(const struct http_request *request, const char *tag)
{
	return strcmp(request->if_none_match, "*") == 0 || strstr(request->if_none_match, tag) != NULL;
}

static void tell_record(struct http_request *request)
{
	const struct service_record *record = &request->read.record;
	const bool json = http_answer_wanted(request, "application/json");
	char tag[TAG_SIZE], headers[512], date[64];
	const time_t seconds = (time_t)(record->time_ns / 1000000000u);
	struct tm parts;
	gmtime_r(&seconds, &parts);
	strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &parts);
	snprintf(tag, sizeof tag, "\"%" PRIu64 "-%08" PRIx32 "%s\"", record->offset, record->crc32c,
	         json ? "-json" : "");
	snprintf(headers, sizeof headers,
	         "ETag: %s\r\nCache-Control: private, max-age=31536000, immutable\r\nVary: Accept, Authorization\r\n"
	         "Last-Modified: %s\r\nClog-Offset: %" PRIu64 "\r\nClog-Term: %" PRIu64 "\r\n",
	         tag, date, record->offset, record->term);
	if (is_known(request, tag)) {
		http_answer(request, 304, NULL, headers, NULL, 0);
		return;
	}
	size_t size = record->size;
	char *body = json ? http_json_record(record, request->read.data, "", "\n", &size) : malloc(size + 1);
	if (body == NULL) {
		http_answer_error(request, -ENOMEM, NULL);
		return;
	}
	if (!json)
		memcpy(body, request->read.data, size);
	http_answer(request, 200, json ? "application/json" : "application/octet-stream", headers, body, size);
}

static void tell_book(struct http_request *request)
{
	size_t size;
	char *body = http_json_book(request->read.record.offset, request->read.data, request->read.record.size, &size);
	if (body == NULL)
		http_answer_error(request, -ENOMEM, NULL);
	else
		http_answer(request, 200, "application/json", NULL, body, size);
}

static void tell(struct http_request *request)
{
	if (request->read.status != 0)
		http_answer_error(request, request->read.status, NULL);
	else if (request->target.route == HTTP_BOOK)
		tell_book(request);
	else
		tell_record(request);
}

static void read_done(struct service_read *read, void *arg)
{
	struct http_request *request = arg;
	struct service *service = request->http->service;
	const bool awaited = request->connection != NULL;
	if (awaited)
		tell(request);
	service_read_end(service, read);
	(void)http_request_answered(request);
}

static void start(struct http_request *request, uint64_t offset)
{
	request->read = (struct service_read){.kind = SERVICE_RECORD, .offset = offset};
	request->pending = true;
	const int rc = service_read(request->http->service, &request->read, read_done, request);
	if (rc == SERVICE_PENDING)
		return;
	if (rc == SERVICE_DONE) {
		read_done(&request->read, request);
		return;
	}
	request->pending = false;
	http_answer_error(request, rc, NULL);
}

void http_record_run(struct http_request *request)
{
	start(request, request->target.offset);
}

void http_book_run(struct http_request *request)
{
	struct clog_error err = {0};
	uint64_t offset;
	if (request->method == HTTP_POST) {
		http_append_run(request);
		return;
	}
	const int rc = http_json_consume(request->body, request->body_size, &offset, &err);
	if (rc == 0)
		start(request, offset);
	else
		http_answer_error(request, rc, err.text);
}
