/* What is asked by one text and answered by another: HTTP and Redis. One request is under way on each connection. */
#include "bench/rpc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST_SIZE (RECORD_SIZE_MAX + 512u)
#define ANSWER_SIZE 4096u

struct text {
	char request[REQUEST_SIZE];
	size_t request_size;
	char answer[ANSWER_SIZE + 1];
	size_t answer_size;
	uint64_t begin_ns;
	bool asked; /* and not answered */
	bool last;  /* the other side closes after the answer */
};

static struct text *open_text(struct link *link)
{
	struct text *text = calloc(1, sizeof *text);
	if (text == NULL)
		run_fail("no memory");
	link->state = text;
	return text;
}

/* The record between two texts. */
static void set_request(struct link *link, const char *before, const char *after)
{
	struct text *text = link->state;
	const size_t begin = strlen(before), size = link->run->record_size, end = strlen(after);
	memcpy(text->request, before, begin);
	memset(text->request + begin, 'x', size);
	memcpy(text->request + begin + size, after, end);
	text->request_size = begin + size + end;
}

static void ask(struct link *link)
{
	struct text *text = link->state;
	text->answer_size = 0;
	text->asked = true;
	text->begin_ns = times_now_ns();
	channel_write(link->channel, text->request, text->request_size);
}

/* Adds bytes to the answer, which is a text. */
static void add(struct link *link, const unsigned char *data, size_t size)
{
	struct text *text = link->state;
	if (!text->asked || text->answer_size + size > ANSWER_SIZE)
		run_fail("%s: more was answered than asked for", link->run->address_text);
	memcpy(text->answer + text->answer_size, data, size);
	text->answer_size += size;
	text->answer[text->answer_size] = '\0';
}

static void answered(struct link *link)
{
	struct text *text = link->state;
	text->asked = false;
	run_count(link->run, 1, text->begin_ns, times_now_ns());
	if (!text->last)
		ask(link);
}

static enum after closed(struct link *link)
{
	const struct text *text = link->state;
	const bool last = text != NULL && text->last && !text->asked;
	free(link->state);
	link->state = NULL;
	return last ? AFTER_AGAIN : AFTER_FAIL;
}

/* ---- HTTP ---- */

static void open_http(struct link *link)
{
	struct text *text = open_text(link);
	char head[256];
	snprintf(head, sizeof head,
	         "POST /v1/records HTTP/1.1\r\nHost: %s\r\nContent-Type: application/octet-stream\r\n"
	         "Content-Length: %zu\r\n\r\n",
	         link->run->address_text, link->run->record_size);
	set_request(link, head, "");
	if (!link->run->holds) {
		run_ready(link);
		return;
	}
	/* Something is asked once, so that the connection is one as they are in use. */
	text->request_size = (size_t)snprintf(text->request, sizeof text->request,
	                                      "GET /v1/status HTTP/1.1\r\nHost: %s\r\n\r\n", link->run->address_text);
	ask(link);
}

static void bytes_http(struct link *link, const unsigned char *data, size_t size)
{
	struct text *text = link->state;
	add(link, data, size);
	const char *end = strstr(text->answer, "\r\n\r\n");
	if (end == NULL)
		return;
	const char *length = strcasestr(text->answer, "\r\ncontent-length:");
	if (length == NULL || length > end)
		run_fail("%s answers without a Content-Length: %s", link->run->address_text, text->answer);
	const size_t body = strtoul(length + strlen("\r\ncontent-length:"), NULL, 10);
	if (text->answer_size < (size_t)(end + 4 - text->answer) + body)
		return;
	if (strncmp(text->answer, link->run->holds ? "HTTP/1.1 200" : "HTTP/1.1 201", 12) != 0)
		run_fail("%s answers %s", link->run->address_text, text->answer);
	const char *last = strcasestr(text->answer, "\r\nconnection: close");
	text->last = last != NULL && last < end;
	if (!link->run->holds) {
		answered(link);
	} else if (text->asked) {
		text->asked = false;
		run_ready(link);
	}
}

const struct protocol text_http = {.open = open_http, .start = ask, .bytes = bytes_http, .closed = closed};

/* ---- Redis ---- */

static void open_redis(struct link *link)
{
	char before[128];
	open_text(link);
	snprintf(before, sizeof before, "*5\r\n$4\r\nXADD\r\n$3\r\nlog\r\n$1\r\n*\r\n$1\r\nv\r\n$%zu\r\n",
	         link->run->record_size);
	set_request(link, before, "\r\n*3\r\n$4\r\nWAIT\r\n$1\r\n1\r\n$1\r\n0\r\n");
	run_ready(link);
}

/* The id of what was added, and how many replicas have it. */
static void bytes_redis(struct link *link, const unsigned char *data, size_t size)
{
	struct text *text = link->state;
	add(link, data, size);
	if (text->answer[0] == '-')
		run_fail("%s answers %s", link->run->address_text, text->answer);
	const char *replicas = strstr(text->answer, "\r\n:");
	if (replicas != NULL && strstr(replicas + 3, "\r\n") != NULL)
		answered(link);
}

const struct protocol text_redis = {.open = open_redis, .start = ask, .bytes = bytes_redis, .closed = closed};

/* ---- Connections that the other side does not want ---- */

static void open_refused(struct link *link)
{
	static const char hello[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
	channel_write(link->channel, hello, sizeof hello - 1);
}

static void ignore(struct link *link, const unsigned char *data, size_t size)
{
}

static void ignore_link(struct link *link)
{
}

static enum after closed_refused(struct link *link)
{
	run_count(link->run, 1, 0, 0);
	run_ready(link);
	return AFTER_NOTHING;
}

const struct protocol text_refused = {
	.counts = true, .open = open_refused, .start = ignore_link, .bytes = ignore, .closed = closed_refused};
