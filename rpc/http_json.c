#include "rpc/http_json.h"

#include "error/error.h"
#include "service/service.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>
#include <openssl/evp.h>

#define SECOND_NS 1000000000u

void http_batch_finish(struct http_batch *batch)
{
	free(batch->data);
	free(batch->sizes);
	*batch = (struct http_batch){0};
}

/* ---- Base64 ---- */

/* Whether OpenSSL, which is lenient, may be asked: only letters of the alphabet, padded to fours. */
static bool is_base64(const char *text, size_t size)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t padding = 0;
	if (size % 4 != 0)
		return false;
	while (padding < 2 && padding < size && text[size - 1 - padding] == '=')
		padding++;
	for (size_t i = 0; i < size - padding; i++)
		if (text[i] == '\0' || strchr(letters, text[i]) == NULL)
			return false;
	return true;
}

static int decode(const char *text, size_t size, unsigned char *bytes, size_t *decoded)
{
	unsigned char last[5];
	*decoded = 0;
	if (size == 0)
		return 0;
	if (!is_base64(text, size))
		return -EINVAL;
	int count = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)size);
	if (count < 0)
		return -EINVAL;
	size_t padding = text[size - 1] != '=' ? 0 : text[size - 2] != '=' ? 1 : 2;
	/* Bits that stand for nothing are zero, or two texts would be the same bytes. */
	EVP_EncodeBlock(last, bytes + count - 3, (int)(3 - padding));
	if (memcmp(last, text + size - 4, 4) != 0)
		return -EINVAL;
	*decoded = (size_t)count - padding;
	return 0;
}

static int reserve(struct http_batch *batch, size_t size)
{
	if (batch->data_capacity - batch->data_size < size) {
		size_t capacity = 2 * batch->data_capacity > batch->data_size + size ? 2 * batch->data_capacity
		                                                                     : batch->data_size + size;
		char *data = realloc(batch->data, capacity);
		if (data == NULL)
			return -ENOMEM;
		batch->data = data;
		batch->data_capacity = capacity;
	}
	if (batch->sizes_capacity == batch->count) {
		size_t capacity = 2 * batch->sizes_capacity + 1;
		uint32_t *sizes = realloc(batch->sizes, capacity * sizeof *sizes);
		if (sizes == NULL)
			return -ENOMEM;
		batch->sizes = sizes;
		batch->sizes_capacity = capacity;
	}
	return 0;
}

static int add(struct http_batch *batch, const json_t *value, struct clog_error *err)
{
	size_t size = json_string_length(value), decoded;
	if (size / 4 * 3 > SERVICE_RECORD_SIZE_MAX + 2)
		return clog_error_set(err, -EMSGSIZE, "record %" PRIu32 " is larger than %u bytes", batch->count,
		                      SERVICE_RECORD_SIZE_MAX);
	if (batch->count >= HTTP_BATCH_COUNT_MAX)
		return clog_error_set(err, -EMSGSIZE, "a batch has at most %u records", HTTP_BATCH_COUNT_MAX);
	if (reserve(batch, size / 4 * 3 + 3) != 0)
		return clog_error_set(err, -ENOMEM, "no memory");
	if (decode(json_string_value(value), size, (unsigned char *)batch->data + batch->data_size, &decoded) != 0)
		return clog_error_set(err, -EINVAL, "the value of record %" PRIu32 " is not base64", batch->count);
	if (decoded > SERVICE_RECORD_SIZE_MAX || batch->data_size + decoded > HTTP_BATCH_SIZE_MAX)
		return clog_error_set(err, -EMSGSIZE,
		                      decoded > SERVICE_RECORD_SIZE_MAX ? "a record has at most %u bytes"
		                                                        : "a batch has at most %u bytes",
		                      decoded > SERVICE_RECORD_SIZE_MAX ? SERVICE_RECORD_SIZE_MAX
		                                                        : HTTP_BATCH_SIZE_MAX);
	batch->sizes[batch->count++] = (uint32_t)decoded;
	batch->data_size += decoded;
	return 0;
}

/* ---- Reading ---- */

/* Bounds what the parser will build, before it builds anything. */
static int bound(const char *text, size_t size, struct clog_error *err)
{
	unsigned depth = 0, values = 0;
	bool quoted = false;
	for (size_t i = 0; i < size; i++) {
		if (quoted) {
			if (text[i] == '\\')
				i++;
			else if (text[i] == '"')
				quoted = false;
			continue;
		}
		quoted = text[i] == '"';
		if ((text[i] == '[' || text[i] == '{') && ++depth > HTTP_JSON_DEPTH_MAX)
			return clog_error_set(err, -EINVAL, "JSON is nested deeper than %d at byte %zu",
			                      HTTP_JSON_DEPTH_MAX, i);
		if ((text[i] == ']' || text[i] == '}') && depth > 0)
			depth--;
		if (text[i] == ',' && ++values > HTTP_BATCH_COUNT_MAX)
			return clog_error_set(err, -EMSGSIZE, "JSON has more than %u values", HTTP_BATCH_COUNT_MAX);
	}
	return 0;
}

int http_json_parse(const char *text, size_t size, json_t **json, struct clog_error *err)
{
	json_error_t error;
	int rc = bound(text, size, err);
	if (rc != 0)
		return rc;
	*json = json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);
	if (*json == NULL && json_error_code(&error) == json_error_out_of_memory)
		return clog_error_set(err, -ENOMEM, "no memory");
	if (*json == NULL)
		return clog_error_set(err, -EINVAL, "not JSON as it is wanted here, at byte %d: %.200s", error.position,
		                      error.text);
	return 0;
}

/* The value of the key of an object that has no other but, maybe, one more. NULL when it is not so. */
static const json_t *only(const json_t *object, const char *key, const char *more)
{
	const json_t *value = json_object_get(object, key);
	size_t count = value != NULL;
	if (more != NULL && json_object_get(object, more) != NULL)
		count++;
	return count == json_object_size(object) ? value : NULL;
}

int http_json_produce(const char *text, size_t size, struct http_batch *batch, struct clog_error *err)
{
	json_t *json;
	int rc = http_json_parse(text, size, &json, err);
	if (rc != 0)
		return rc;
	const json_t *value = only(only(json, "record", NULL), "value", "offset");
	const json_t *offset = json_object_get(json_object_get(json, "record"), "offset");
	if (!json_is_string(value) || (offset != NULL && !json_is_integer(offset)))
		rc = clog_error_set(err, -EINVAL, "wanted is {\"record\":{\"value\":\"BASE64\"}}");
	else
		rc = add(batch, value, err);
	json_decref(json);
	return rc;
}

int http_json_consume(const char *text, size_t size, uint64_t *offset, struct clog_error *err)
{
	json_t *json;
	int rc = http_json_parse(text, size, &json, err);
	if (rc != 0)
		return rc;
	const json_t *value = only(json, "offset", NULL);
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		rc = clog_error_set(err, -EINVAL, "wanted is {\"offset\":N}, N from 0 to 2^63 - 1");
	else
		*offset = (uint64_t)json_integer_value(value);
	json_decref(json);
	return rc;
}

static int take_record(const json_t *json, struct http_batch *batch, struct clog_error *err)
{
	const json_t *value = json_is_object(json) ? only(json, "value", NULL) : json;
	if (!json_is_string(value))
		return clog_error_set(err, -EINVAL,
		                      "record %" PRIu32 " is neither \"BASE64\" nor {\"value\":\"BASE64\"}",
		                      batch->count);
	return add(batch, value, err);
}

int http_json_list(const char *text, size_t size, struct http_batch *batch, struct clog_error *err)
{
	json_t *json;
	int rc = http_json_parse(text, size, &json, err);
	if (rc != 0)
		return rc;
	if (!json_is_array(json))
		rc = clog_error_set(err, -EINVAL,
		                    "wanted is a list of records, each \"BASE64\" or {\"value\":\"BASE64\"}");
	for (size_t i = 0; rc == 0 && i < json_array_size(json); i++)
		rc = take_record(json_array_get(json, i), batch, err);
	json_decref(json);
	return rc;
}

static bool is_empty(const char *line, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (memchr(" \t\r\n", line[i], 4) == NULL)
			return false;
	return true;
}

int http_json_lines(const char *text, size_t size, struct http_batch *batch, struct clog_error *err)
{
	for (size_t line_size; size > 0; text += line_size, size -= line_size) {
		const char *end = memchr(text, '\n', size);
		line_size = end != NULL ? (size_t)(end - text) + 1 : size;
		if (is_empty(text, line_size))
			continue;
		json_t *json;
		json_error_t error;
		int rc = bound(text, line_size, err);
		if (rc != 0)
			return rc;
		/* A record alone may be a text, which is no document of its own to all parsers. */
		json = json_loadb(text, line_size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
		if (json == NULL)
			return clog_error_set(err, -EINVAL,
			                      "record %" PRIu32 " is not JSON as it is wanted here: %.200s",
			                      batch->count, error.text);
		rc = take_record(json, batch, err);
		json_decref(json);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* ---- Writing ---- */

void http_json_time(uint64_t time_ns, char text[HTTP_TIME_SIZE])
{
	time_t seconds = (time_t)(time_ns / SECOND_NS);
	struct tm parts;
	char whole[24];
	gmtime_r(&seconds, &parts);
	strftime(whole, sizeof whole, "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(text, HTTP_TIME_SIZE, "%s.%09uZ", whole, (unsigned)(time_ns % SECOND_NS));
}

/* Puts a value in base64 between two texts. */
static char *enclose(const char *before, const void *data, uint32_t data_size, const char *after, size_t *size)
{
	size_t before_size = strlen(before), after_size = strlen(after);
	char *text = malloc(before_size + 4 * (((size_t)data_size + 2) / 3) + after_size + 1);
	if (text == NULL)
		return NULL;
	memcpy(text, before, before_size);
	size_t encoded = (size_t)EVP_EncodeBlock((unsigned char *)text + before_size, data, (int)data_size);
	memcpy(text + before_size + encoded, after, after_size + 1);
	*size = before_size + encoded + after_size;
	return text;
}

char *http_json_record(const struct service_record *record, const void *data, const char *before, const char *after,
                       size_t *size)
{
	char begin[256], end[128], time[HTTP_TIME_SIZE];
	http_json_time(record->time_ns, time);
	snprintf(begin, sizeof begin, "%s{\"offset\":%" PRIu64 ",\"value\":\"", before, record->offset);
	snprintf(end, sizeof end, "\",\"time\":\"%s\"}%s", time, after);
	return enclose(begin, data, record->size, end, size);
}

char *http_json_book(uint64_t offset, const void *data, uint32_t data_size, size_t *size)
{
	char end[64];
	snprintf(end, sizeof end, "\",\"offset\":%" PRIu64 "}}\n", offset);
	return enclose("{\"record\":{\"value\":\"", data, data_size, end, size);
}
