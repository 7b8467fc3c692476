/* The order in which the hosts of a service are tried. */
#include "channel/resolve_order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Draws given beforehand. */
struct draws {
	uint32_t numbers[8];
	uint32_t mosts[8]; /* what was asked for */
	unsigned used;
};

static uint32_t drawn(void *arg, uint32_t most)
{
	struct draws *draws = arg;
	assert_true(draws->used < 8);
	draws->mosts[draws->used] = most;
	return draws->numbers[draws->used++] % (most + 1);
}

static void assert_order(const struct resolve_record *records, size_t count, const char *hosts)
{
	char found[16] = "";
	for (size_t i = 0; i < count; i++)
		strncat(found, records[i].host, sizeof found - strlen(found) - 1);
	assert_string_equal(found, hosts);
}

static void the_lowest_priority_is_first(void **state)
{
	struct resolve_record records[] = {{"c", 65535, 9, 1}, {"a", 0, 0, 2}, {"b", 256, 9, 3}};
	struct draws draws = {{0}};
	resolve_order(records, 3, drawn, &draws);
	assert_order(records, 3, "abc");
	assert_int_equal(records[0].port, 2);
	assert_int_equal(records[2].weight, 9);
}

/* Sorted by weight they are z (0), a (10), b (20), c (70). */
static void among_equals_the_one_that_is_drawn_comes_first(void **state)
{
	const struct resolve_record equals[] = {{"c", 5, 70, 1}, {"z", 5, 0, 1}, {"b", 5, 20, 1}, {"a", 5, 10, 1}};
	const struct {
		struct draws draws;
		const char *order;
	} cases[] = {
		{{{0, 0, 0, 0}}, "zabc"},  {{{100, 30, 10, 0}}, "cbaz"}, {{{30, 80, 0, 0}}, "bcza"},
		{{{31, 0, 0, 0}}, "czab"}, {{{1, 1, 1, 0}}, "abcz"},     {{{10, 21, 7, 0}}, "acbz"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct resolve_record records[4];
		struct draws draws = cases[i].draws;
		memcpy(records, equals, sizeof records);
		resolve_order(records, 4, drawn, &draws);
		assert_int_equal(draws.mosts[0], 100);
		assert_int_equal(draws.used, 4);
		assert_order(records, 4, cases[i].order);
	}
}

static void a_draw_is_among_one_priority_alone(void **state)
{
	struct resolve_record records[] = {{"c", 2, 65535, 1}, {"a", 1, 1, 1}, {"b", 1, 2, 1}, {"d", 2, 65535, 1}};
	struct draws draws = {{3, 0, 131070, 0}};
	resolve_order(records, 4, drawn, &draws);
	assert_int_equal(draws.mosts[0], 3);
	assert_int_equal(draws.mosts[1], 1);
	assert_int_equal(draws.mosts[2], 131070);
	assert_string_equal(records[0].host, "b");
	assert_string_equal(records[1].host, "a");
	assert_int_equal(records[2].priority, 2);
}

static void none_and_one_are_in_order(void **state)
{
	struct resolve_record record = {"a", 1, 0, 1};
	struct draws draws = {{0}};
	resolve_order(&record, 0, drawn, &draws);
	resolve_order(&record, 1, drawn, &draws);
	assert_order(&record, 1, "a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_lowest_priority_is_first),
		cmocka_unit_test(among_equals_the_one_that_is_drawn_comes_first),
		cmocka_unit_test(a_draw_is_among_one_priority_alone),
		cmocka_unit_test(none_and_one_are_in_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
