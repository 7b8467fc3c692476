/* Answers that are not as they should be: each lookup ends, once, and nothing is read past its end. */
#include "channel/channel.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/channel/resolving.h"

#define SHORT_MS 100 /* for what is taken for no answer */
#define SIZE_MAX_MEDDLED 512
#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct name_record zone[] = {
	{"n1.test", NAME_A, "127.0.0.11"},
	{"n1.test", NAME_AAAA, "::1"},
	{"alias.test", NAME_CNAME, "n1.test"},
	{"_clog._tcp.test", NAME_SRV, "10 1 7401 n1.test"},
	{"_clog._tcp.test", NAME_SRV, "20 1 7402 alias.test"},
};

static int set_up(void **state)
{
	return resolving_set_up(state, zone, COUNT(zone));
}

static void noise_is_no_answer(void **state)
{
	struct resolving *resolving = *state;
	resolving->server.manners.noise = resolving->server.manners.only_noise = true;
	resolver_timeout(resolving->resolver, SHORT_MS);
	struct outcome outcome = resolving_address(resolving, "n1.test:7400");
	assert_int_not_equal(outcome.status, 0);
	outcome = resolving_service(resolving, "_clog._tcp.test:7400");
	assert_int_not_equal(outcome.status, 0);
}

static void an_answer_to_another_question_is_not_taken(void **state)
{
	struct resolving *resolving = *state;
	resolving->server.manners.forged = true;
	struct outcome outcome = resolving_address(resolving, "n1.test:7400");
	assert_int_equal(outcome.status, 0);
	assert_int_equal(outcome.resolved.count, 2);
}

static void an_answer_that_is_too_long_for_udp_comes_by_tcp(void **state)
{
	struct resolving *resolving = *state;
	resolving->server.manners.truncated = true;
	struct outcome outcome = resolving_address(resolving, "n1.test:7400");
	assert_int_equal(outcome.status, 0);
	assert_int_equal(outcome.resolved.count, 2);
	assert_int_not_equal(resolving->server.questions_tcp, 0);
	outcome = resolving_service(resolving, "_clog._tcp.test:7400");
	assert_int_equal(outcome.status, 0);
}

static void a_server_that_is_silent_by_tcp_ends_in_a_timeout(void **state)
{
	struct resolving *resolving = *state;
	resolving->server.manners.truncated = resolving->server.manners.silent_tcp = true;
	resolver_timeout(resolving->resolver, SHORT_MS);
	struct outcome outcome = resolving_address(resolving, "n1.test:7400");
	assert_int_equal(outcome.status, -ETIMEDOUT);
	assert_string_equal(outcome.sentence, "n1.test: no DNS server answered in time");
}

/* Every length, and then every byte another one. */
static void meddle(struct resolving *resolving, struct outcome (*resolve)(struct resolving *, const char *),
                   const char *address)
{
	struct name_manners *manners = &resolving->server.manners;
	struct outcome outcome = resolve(resolving, address);
	size_t size = resolving->server.answer_size, good = 0;
	assert_int_equal(outcome.status, 0);
	assert_true(size > 0 && size < SIZE_MAX_MEDDLED);
	resolver_timeout(resolving->resolver, SHORT_MS);
	for (size_t at = 1; at <= size; at++) {
		*manners = (struct name_manners){.cut_at = at};
		outcome = resolve(resolving, address);
		good += outcome.status == 0;
		*manners = (struct name_manners){.flip_at = at};
		outcome = resolve(resolving, address);
		good += outcome.status == 0;
	}
	/* That the whole answer is good is certain, and that it was not always. */
	assert_true(good >= 1 && good < 2 * size);
}

static void addresses_cut_or_changed_anywhere_do_no_harm(void **state)
{
	meddle(*state, resolving_address, "alias.test:7400");
}

static void records_cut_or_changed_anywhere_do_no_harm(void **state)
{
	meddle(*state, resolving_service, "_clog._tcp.test:7400");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, resolving_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(noise_is_no_answer),
		TEST(an_answer_to_another_question_is_not_taken),
		TEST(an_answer_that_is_too_long_for_udp_comes_by_tcp),
		TEST(a_server_that_is_silent_by_tcp_ends_in_a_timeout),
		TEST(addresses_cut_or_changed_anywhere_do_no_harm),
		TEST(records_cut_or_changed_anywhere_do_no_harm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
