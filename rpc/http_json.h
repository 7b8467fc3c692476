/* http_json: what the HTTP door takes and gives as JSON.
 *
 * Bytes of records are in base64 (RFC 4648, with padding, without line ends). A key that is not known or is given twice, a
 * value of another type, nesting or values past the maxima are refused, each with a sentence. */
#ifndef CLOG_RPC_HTTP_JSON_H
#define CLOG_RPC_HTTP_JSON_H

#include <stddef.h>
#include <stdint.h>

struct clog_error;
struct json_t;
struct service_record;

#define HTTP_JSON_DEPTH_MAX 4                 /* objects and lists in one another */
#define HTTP_BATCH_COUNT_MAX (64u << 10)      /* records in a batch */
#define HTTP_BATCH_SIZE_MAX (8u << 20)        /* bytes of their values */
#define HTTP_OFFSET_MAX ((uint64_t)INT64_MAX) /* JSON has no larger integers for most of its readers */

/* Records on their way in, one after the other. All zero at first. */
struct http_batch {
	char *data;
	uint32_t *sizes;
	uint32_t count;
	size_t data_size;
	size_t data_capacity;
	size_t sizes_capacity;
};
/* Frees what the batch holds. */
void http_batch_finish(struct http_batch *batch);

/* All of these: -EINVAL with a sentence; -EMSGSIZE for a record or a batch that is too large; -ENOMEM. */

/* Any JSON within the maxima, as jansson has it; the caller's. */
int http_json_parse(const char *text, size_t size, struct json_t **json, struct clog_error *err);
/* {"record":{"value":"BASE64"}}, the book's request to append; an offset beside the value is passed over, as the book
 * does. */
int http_json_produce(const char *text, size_t size, struct http_batch *batch, struct clog_error *err);
/* {"offset":N}, its request to read. */
int http_json_consume(const char *text, size_t size, uint64_t *offset, struct clog_error *err);
/* A list of records, each "BASE64" or {"value":"BASE64"}. */
int http_json_list(const char *text, size_t size, struct http_batch *batch, struct clog_error *err);
/* The same, a record on each line, without the list around them. Empty lines are passed over. */
int http_json_lines(const char *text, size_t size, struct http_batch *batch, struct clog_error *err);

/* Gives a record as {"offset":N,"value":"BASE64","time":"RFC 3339"}, or as the book's {"record":{"value":..,"offset":N}}.
 * Allocated; NULL without memory. before and after are put around it. */
char *http_json_record(const struct service_record *record, const void *data, const char *before, const char *after,
                       size_t *size);
char *http_json_book(uint64_t offset, const void *data, uint32_t data_size, size_t *size);
/* Writes a time as RFC 3339 has it, in UTC with nanoseconds. */
#define HTTP_TIME_SIZE 40
void http_json_time(uint64_t time_ns, char text[HTTP_TIME_SIZE]);

#endif
