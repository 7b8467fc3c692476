/* What the HTTP door takes as JSON, and what it does not. */
#include "rpc/http_json.h"

#include "error/error.h"
#include "service/service.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef int (*decode_cb)(const char *text, size_t size, struct http_batch *batch, struct clog_error *err);

static void take(decode_cb decode, const char *text, const char *data, uint32_t count)
{
	struct http_batch batch = {0};
	struct clog_error err = {0};
	if (decode(text, strlen(text), &batch, &err) != 0)
		fail_msg("%s: %s", text, err.text);
	assert_int_equal(batch.count, count);
	assert_int_equal(batch.data_size, strlen(data));
	if (batch.data_size > 0)
		assert_memory_equal(batch.data, data, batch.data_size);
	http_batch_finish(&batch);
}

static void refuse(decode_cb decode, const char *text, int code)
{
	struct http_batch batch = {0};
	struct clog_error err = {0};
	if (decode(text, strlen(text), &batch, &err) != code)
		fail_msg("%s: not refused with %d", text, code);
	assert_int_equal(err.code, code);
	assert_true(strlen(err.text) > 0);
	http_batch_finish(&batch);
}

static void the_book_appends_one_record(void **state)
{
	(void)state;
	take(http_json_produce, "{\"record\":{\"value\":\"aGVsbG8=\"}}", "hello", 1);
	take(http_json_produce, " {\"record\": {\"offset\": 7, \"value\": \"\"} }\n", "", 1);
}

static void other_shapes_are_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"{",
		"null",
		"[]",
		"{}",
		"{\"record\":null}",
		"{\"record\":\"aGVsbG8=\"}",
		"{\"record\":{}}",
		"{\"record\":{\"value\":1}}",
		"{\"record\":{\"value\":null}}",
		"{\"record\":{\"value\":[\"YQ==\"]}}",
		"{\"record\":{\"value\":\"YQ==\",\"offset\":\"1\"}}",
		"{\"record\":{\"value\":\"YQ==\",\"more\":1}}",
		"{\"record\":{\"value\":\"YQ==\"},\"more\":1}",
		"{\"record\":{\"value\":\"YQ==\"}} {}",
		"{\"record\":{\"value\":\"YQ\\u0000==\"}}",
		"{\"record\":{\"value\":\"\xff\xfe==\"}}",
		"{\"record\":{\"value\":\"YQ==\"},\"record\":{\"value\":\"YQ==\"}}",
		"{\"record\":{\"value\":\"YQ==\",\"value\":\"YQ==\"}}",
	};
	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		refuse(http_json_produce, texts[i], -EINVAL);
}

static void only_whole_and_canonical_base64_is_taken(void **state)
{
	static const char *const values[] = {"Y",    "YQ",    "YQ=",     "YQ===", "=YQ=", "Y=Q=",    "YR==",
	                                     "YWJ=", "Y Q==", "YQ==\\n", "YQ-_",  "====", "YQ==YQ=="};
	char text[128];
	(void)state;
	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
		snprintf(text, sizeof text, "{\"record\":{\"value\":\"%s\"}}", values[i]);
		refuse(http_json_produce, text, -EINVAL);
	}
	take(http_json_list, "[\"YQ==\",\"YWI=\",\"YWJj\"]", "aababc", 3);
}

static void a_list_and_lines_are_the_same_records(void **state)
{
	(void)state;
	take(http_json_list, "[\"YQ==\", {\"value\":\"Yg==\"}, \"\"]", "ab", 3);
	take(http_json_lines, "\"YQ==\"\n\n {\"value\":\"Yg==\"}\r\n\"\"", "ab", 3);
	take(http_json_list, "[]", "", 0);
	take(http_json_lines, "\n\n", "", 0);
	refuse(http_json_list, "{\"value\":\"YQ==\"}", -EINVAL);
	refuse(http_json_list, "[1]", -EINVAL);
	refuse(http_json_list, "[{\"value\":\"YQ==\",\"offset\":1}]", -EINVAL);
	refuse(http_json_lines, "\"YQ==\" \"YQ==\"\n", -EINVAL);
	refuse(http_json_lines, "{\"value\":\n\"YQ==\"}\n", -EINVAL);
}

static void an_offset_is_a_number_up_to_2_to_the_63(void **state)
{
	static const char *const texts[] = {"{\"offset\":-1}",
	                                    "{\"offset\":9223372036854775808}",
	                                    "{\"offset\":1.0}",
	                                    "{\"offset\":1e3}",
	                                    "{\"offset\":\"1\"}",
	                                    "{\"offset\":null}",
	                                    "{\"offset\":01}",
	                                    "{\"offset\":1,\"offset\":1}",
	                                    "{\"Offset\":1}",
	                                    "{}",
	                                    "1",
	                                    ""};
	uint64_t offset;
	(void)state;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		assert_int_equal(http_json_consume(texts[i], strlen(texts[i]), &offset, NULL), -EINVAL);
	assert_int_equal(http_json_consume("{\"offset\":9223372036854775807}", 30, &offset, NULL), 0);
	assert_int_equal(offset, INT64_MAX);
}

static void nesting_is_bounded_before_it_is_parsed(void **state)
{
	char deep[10001];
	(void)state;
	memset(deep, '[', sizeof deep - 1);
	deep[sizeof deep - 1] = '\0';
	refuse(http_json_list, deep, -EINVAL);
	refuse(http_json_list, "[[[[[]]]]]", -EINVAL);
	take(http_json_list, "[\"\",\"\"]", "", 2);
	/* What is in a text is no nesting. */
	refuse(http_json_list, "[\"[[[[[[\\\"[[\"]", -EINVAL);
}

static void values_are_bounded_before_they_are_built(void **state)
{
	const size_t count = HTTP_BATCH_COUNT_MAX + 2;
	char *text = malloc(3 * count + 3);
	(void)state;
	text[0] = '[';
	for (size_t i = 0; i < count; i++)
		memcpy(text + 1 + 3 * i, "\"\",", 3);
	memcpy(text + 3 * count, "]", 2);
	refuse(http_json_list, text, -EMSGSIZE);
	for (size_t i = 0; i < count; i++)
		memcpy(text + 3 * i, "\"\"\n", 3);
	text[3 * count] = '\0';
	refuse(http_json_lines, text, -EMSGSIZE);
	free(text);
}

static void the_largest_record_is_taken_and_no_larger_one(void **state)
{
	const size_t encoded = SERVICE_RECORD_SIZE_MAX / 3 * 4;
	char *text = malloc(encoded + 64);
	(void)state;
	text[0] = '"';
	memset(text + 1, 'A', encoded);
	memcpy(text + 1 + encoded, "\"", 2);
	struct http_batch batch = {0};
	assert_int_equal(http_json_lines(text, strlen(text), &batch, NULL), 0);
	assert_int_equal(batch.sizes[0], SERVICE_RECORD_SIZE_MAX);
	http_batch_finish(&batch);
	memcpy(text + 1 + encoded, "AA==\"", 6);
	refuse(http_json_lines, text, -EMSGSIZE);
	memcpy(text + 1 + encoded, "AAAA\"", 6);
	refuse(http_json_lines, text, -EMSGSIZE);
	free(text);
}

static void a_record_is_written_as_it_is_read_again(void **state)
{
	const struct service_record record = {.offset = 7, .time_ns = 1700000000123456789u, .size = 4};
	size_t size;
	(void)state;
	char *text = http_json_record(&record, "\0\xff\"a", "<", ">", &size);
	assert_string_equal(text,
	                    "<{\"offset\":7,\"value\":\"AP8iYQ==\",\"time\":\"2023-11-14T22:13:20.123456789Z\"}>");
	assert_int_equal(size, strlen(text));
	free(text);
	text = http_json_book(7, "", 0, &size);
	assert_string_equal(text, "{\"record\":{\"value\":\"\",\"offset\":7}}\n");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_book_appends_one_record),
		cmocka_unit_test(other_shapes_are_refused),
		cmocka_unit_test(only_whole_and_canonical_base64_is_taken),
		cmocka_unit_test(a_list_and_lines_are_the_same_records),
		cmocka_unit_test(an_offset_is_a_number_up_to_2_to_the_63),
		cmocka_unit_test(nesting_is_bounded_before_it_is_parsed),
		cmocka_unit_test(values_are_bounded_before_they_are_built),
		cmocka_unit_test(the_largest_record_is_taken_and_no_larger_one),
		cmocka_unit_test(a_record_is_written_as_it_is_read_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
