/* What a client says in its headers. */
#include "rpc/request.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct request header(const char *name, const char *value)
{
	struct request request = {0};
	request_header(&request, name, strlen(name), value, strlen(value));
	return request;
}

static void a_timeout_is_digits_and_a_unit(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} right[] = {{"1H", 3600000}, {"2M", 120000},     {"3S", 3000},
	             {"4m", 4},       {"5000u", 5},       {"5001u", 6},
	             {"1n", 1},       {"0m", 0},          {"99999999H", 99999999ull * 3600000},
	             {"0n", 0},       {"00000001S", 1000}};
	static const char *const wrong[] = {"",    "1",  "S",    "1s",  "1h",  "-1S",        "+1S",
	                                    "1 S", "S1", "1.5S", "1SS", " 1S", "123456789S", "0x1S"};
	for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
		uint64_t ms = UINT64_MAX;
		assert_int_equal(request_timeout(right[i].text, strlen(right[i].text), &ms), 0);
		assert_int_equal(ms, right[i].ms);
	}
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		uint64_t ms;
		assert_int_equal(request_timeout(wrong[i], strlen(wrong[i]), &ms), -EINVAL);
		assert_true(header("grpc-timeout", wrong[i]).mistimed);
	}
	assert_true(header("grpc-timeout", "7S").timed);
}

static void the_content_is_that_of_grpc_with_protobuf(void **state)
{
	static const char *const right[] = {"application/grpc", "application/grpc+proto",
	                                    "application/grpc;charset=utf-8", "application/grpc+proto ; x=y"};
	static const char *const wrong[] = {"",
	                                    "application/json",
	                                    "application/grpc+json",
	                                    "application/grpc-web",
	                                    "application/grpc-web+proto",
	                                    "application/grpcx",
	                                    "application/grp",
	                                    "application/grpc+protobuf"};
	for (size_t i = 0; i < sizeof right / sizeof right[0]; i++)
		assert_true(header("content-type", right[i]).grpc);
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_false(header("content-type", wrong[i]).grpc);
}

static void too_long_a_path_is_cut(void **state)
{
	char path[1000];
	memset(path, 'p', sizeof path - 1);
	path[sizeof path - 1] = '\0';
	struct request request = header(":path", path);
	assert_int_equal(strlen(request.path), REQUEST_PATH_SIZE - 1);
	assert_string_equal(header(":path", "/log.v1.Log/Produce").path, "/log.v1.Log/Produce");
}

static void what_else_is_said_is_taken(void **state)
{
	assert_true(header(":method", "POST").post);
	assert_false(header(":method", "GET").post);
	assert_false(header(":method", "POSTS").post);
	assert_true(header("grpc-encoding", "gzip").encoded);
	assert_false(header("grpc-encoding", "identity").encoded);
	assert_int_equal(header("a", "bc").size, 35);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_timeout_is_digits_and_a_unit),
		cmocka_unit_test(the_content_is_that_of_grpc_with_protobuf),
		cmocka_unit_test(too_long_a_path_is_cut),
		cmocka_unit_test(what_else_is_said_is_taken),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
