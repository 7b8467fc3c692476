/* Paths, queries, and which web pages may ask. */
#include "rpc/http_target.h"

#include "error/error.h"
#include "rpc/http_status.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void paths_lead_to_their_routes(void **state)
{
	struct http_target target;
	(void)state;
	assert_int_equal(http_target_path(&target, "/", NULL), 0);
	assert_int_equal(target.route, HTTP_BOOK);
	assert_int_equal(http_target_path(&target, "/v1/records", NULL), 0);
	assert_int_equal(target.route, HTTP_RECORDS);
	assert_int_equal(http_target_path(&target, "/v1/records/9223372036854775807", NULL), 0);
	assert_int_equal(target.route, HTTP_RECORD);
	assert_int_equal(target.offset, INT64_MAX);
	assert_int_equal(http_target_path(&target, "/ui", NULL), 0);
	assert_int_equal(target.route, HTTP_PAGE);
}

static void other_paths_lead_nowhere(void **state)
{
	static const char *const nowhere[] = {"",           "x",         "/v1",      "/v1/",      "/V1/records",
	                                      "/v1/record", "/v1/tail/", "/livez/x", "/../livez", "/%2e"};
	static const char *const numbers[] = {"",
	                                      "-1",
	                                      "+1",
	                                      "01",
	                                      "1 ",
	                                      " 1",
	                                      "1.0",
	                                      "0x1",
	                                      "1/",
	                                      "9223372036854775808",
	                                      "18446744073709551616",
	                                      "99999999999999999999999"};
	struct http_target target;
	char path[64];
	(void)state;
	for (size_t i = 0; i < sizeof nowhere / sizeof nowhere[0]; i++)
		assert_int_equal(http_target_path(&target, nowhere[i], NULL), -ENOENT);
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
		snprintf(path, sizeof path, "/v1/records/%s", numbers[i]);
		assert_int_equal(http_target_path(&target, path, NULL), -EINVAL);
	}
}

static int parameter_of(enum http_method method, const char *path, const char *first, const char *second)
{
	struct http_target target;
	assert_int_equal(http_target_path(&target, path, NULL), 0);
	const int rc = http_target_parameter(&target, method, first, NULL);
	return rc != 0 || second == NULL ? rc : http_target_parameter(&target, method, second, NULL);
}

static int parameter(const char *path, const char *first, const char *second)
{
	return parameter_of(HTTP_GET, path, first, second);
}

static void a_query_says_what_its_route_knows_and_once(void **state)
{
	(void)state;
	assert_int_equal(parameter("/v1/records", "from=0", "limit=1"), 0);
	assert_int_equal(parameter("/v1/tail", "from=9", NULL), 0);
	assert_int_equal(parameter("/v1/tail", "limit=9", NULL), -EINVAL);
	assert_int_equal(parameter("/v1/records", "from=0", "from=0"), -EINVAL);
	assert_int_equal(parameter("/v1/records", "limit=0", NULL), -EINVAL);
	assert_int_equal(parameter("/v1/records", "from=-1", NULL), -EINVAL);
	assert_int_equal(parameter("/v1/records", "from", NULL), -EINVAL);
	assert_int_equal(parameter("/v1/records", "", NULL), -EINVAL);
	assert_int_equal(parameter("/v1/status", "from=1", NULL), -EINVAL);
	assert_int_equal(parameter("/v1/records", "below=1", NULL), -EINVAL);
	assert_int_equal(parameter_of(HTTP_DELETE, "/v1/records", "below=1", NULL), 0);
	assert_int_equal(parameter_of(HTTP_DELETE, "/v1/records", "below=1", "below=1"), -EINVAL);
	assert_int_equal(parameter_of(HTTP_DELETE, "/v1/records", "from=1", NULL), -EINVAL);
	assert_int_equal(parameter_of(HTTP_DELETE, "/v1/records", "limit=1", NULL), -EINVAL);
}

static void secrets_in_a_query_are_refused_by_name(void **state)
{
	static const char *const words[] = {"token=x", "access_token=x", "Authorization=x", "api_key=x",
	                                    "jwt",     "PASSWORD=",      "client_secret=x"};
	struct http_target target = {.route = HTTP_RECORDS};
	(void)state;
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		struct clog_error err = {0};
		assert_int_equal(http_target_parameter(&target, HTTP_GET, words[i], &err), -EINVAL);
		assert_non_null(strstr(err.text, "secrets"));
		assert_null(strstr(err.text, "=x"));
	}
}

static void routes_know_their_methods(void **state)
{
	(void)state;
	assert_true(http_target_takes(HTTP_RECORDS, HTTP_POST));
	assert_true(http_target_takes(HTTP_RECORDS, HTTP_HEAD));
	assert_false(http_target_takes(HTTP_RECORD, HTTP_POST));
	assert_false(http_target_takes(HTTP_RECORDS, HTTP_OTHER));
	assert_false(http_target_takes(HTTP_RECORD, HTTP_DELETE));
	assert_true(http_target_takes(HTTP_TOKEN, HTTP_DELETE));
	assert_false(http_target_takes(HTTP_TOKEN, HTTP_GET));
	assert_int_equal(http_method_of("PUT"), HTTP_PUT);
	assert_int_equal(http_method_of("put"), HTTP_OTHER);
	char allows[HTTP_ALLOWS_SIZE];
	http_target_allows(HTTP_RECORDS, allows);
	assert_string_equal(allows, "GET, HEAD, POST, DELETE");
}

#define CHECK(host, origin, site, tls) http_origin_check(host, origin, site, "log.example:8080", tls, NULL)

static void a_host_is_one_that_is_known_here(void **state)
{
	static const char *const good[] = {"127.0.0.1:8080", "127.0.0.1",   "[::1]:8080", "localhost:8080",
	                                   "LOCALHOST",      "log.example", "10.1.2.3:1"};
	static const char *const bad[] = {"",
	                                  "evil.example",
	                                  "evil.example:8080",
	                                  "localhost.evil.example",
	                                  "127.0.0.1.evil.example",
	                                  "log.example.evil",
	                                  "1.2.3",
	                                  "::1",
	                                  "a b",
	                                  "127.0.0.1:x",
	                                  "127.0.0.1/x",
	                                  "user@127.0.0.1",
	                                  "[::1",
	                                  "[]"};
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		assert_int_equal(CHECK(good[i], NULL, NULL, false), 0);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(CHECK(bad[i], NULL, NULL, false), -EACCES);
	assert_int_equal(CHECK(NULL, NULL, NULL, false), -EACCES);
	/* A certificate binds its name. */
	assert_int_equal(CHECK("n1.example", NULL, NULL, true), 0);
	assert_int_equal(CHECK("a b", NULL, NULL, true), -EACCES);
}

static void a_page_of_another_origin_may_not_ask(void **state)
{
	static const char *const bad[] = {"null",
	                                  "http://evil.example",
	                                  "https://localhost:8080",
	                                  "http://localhost",
	                                  "http://localhost:8081",
	                                  "http://localhost:8080.evil.example",
	                                  "http://localhost:8080/",
	                                  ""};
	(void)state;
	assert_int_equal(CHECK("localhost:8080", "http://localhost:8080", NULL, false), 0);
	assert_int_equal(CHECK("localhost:8080", "https://localhost:8080", NULL, true), 0);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(CHECK("localhost:8080", bad[i], NULL, false), -EACCES);
	assert_int_equal(CHECK("localhost:8080", NULL, "same-origin", false), 0);
	assert_int_equal(CHECK("localhost:8080", NULL, "none", false), 0);
	assert_int_equal(CHECK("localhost:8080", NULL, "cross-site", false), -EACCES);
	assert_int_equal(CHECK("localhost:8080", NULL, "same-site", false), -EACCES);
}

static void only_two_errors_stand_for_what_may_yet_be_found(void **state)
{
	(void)state;
	for (int error = 1; error < 4096; error++) {
		const struct http_meaning *meaning = http_status_of(-error);
		assert_int_equal(meaning->unknown, error == ETIMEDOUT || error == ECONNABORTED);
		assert_in_range(meaning->status, 400, 599);
		assert_true(strlen(meaning->message) > 0 && strlen(meaning->advice) > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_lead_to_their_routes),
		cmocka_unit_test(other_paths_lead_nowhere),
		cmocka_unit_test(a_query_says_what_its_route_knows_and_once),
		cmocka_unit_test(secrets_in_a_query_are_refused_by_name),
		cmocka_unit_test(routes_know_their_methods),
		cmocka_unit_test(a_host_is_one_that_is_known_here),
		cmocka_unit_test(a_page_of_another_origin_may_not_ask),
		cmocka_unit_test(only_two_errors_stand_for_what_may_yet_be_found),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
