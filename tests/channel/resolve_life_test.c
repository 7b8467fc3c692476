/* Lookups that are ended before their time, that are too many, and that find no memory. */
#include "channel/channel.h"

#include <ares.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/channel/resolving.h"
#include "tests/disk/allocation.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define ALLOCATIONS_MAX 5000

static const struct name_record zone[] = {
	{"n1.test", NAME_A, "127.0.0.11"},
	{"n1.test", NAME_AAAA, "::1"},
	{"_clog._tcp.test", NAME_SRV, "10 1 7401 n1.test"},
};

static int set_up(void **state)
{
	return resolving_set_up(state, zone, COUNT(zone));
}

static int tear_down(void **state)
{
	allocation_fail(0);
	return resolving_tear_down(state);
}

static void ask(struct resolving *resolving, const char *address, struct outcome *outcome)
{
	assert_int_equal(resolve_address(resolving->resolver, address, resolving_note, outcome), 0);
}

static void lookups_that_are_too_many_are_refused_until_others_end(void **state)
{
	struct resolving *resolving = *state;
	struct outcome outcome = {0};
	for (unsigned i = 0; i < RESOLVE_LOOKUPS_MAX; i++)
		ask(resolving, i % 2 == 0 ? "n1.test:7400" : "192.0.2.1:7400", &outcome);
	assert_int_equal(resolve_address(resolving->resolver, "n1.test:7400", resolving_note, &outcome), -EAGAIN);
	assert_int_equal(resolve_service(resolving->resolver, "[::1]:7400", resolving_note, &outcome), -EAGAIN);
	resolving_await(resolving, &outcome, RESOLVE_LOOKUPS_MAX);
	assert_int_equal(resolving_address(resolving, "n1.test:7400").status, 0);
	assert_int_equal(outcome.calls, RESOLVE_LOOKUPS_MAX);
}

/* resolving_finish asserts that the loop is empty then. */
static void a_resolver_that_is_destroyed_calls_nobody(void **state)
{
	struct resolving *resolving = *state;
	struct outcome outcome = {0};
	resolving->server.manners.silent = true;
	ask(resolving, "n1.test:7400", &outcome);
	ask(resolving, "127.0.0.1:7400", &outcome);
	ask(resolving, "localhost:7400", &outcome);
	assert_int_equal(resolve_service(resolving->resolver, "n1.test:7400", resolving_note, &outcome), 0);
	resolver_destroy(resolving->resolver);
	resolving->resolver = NULL;
	resolving_settle(resolving);
	assert_int_equal(outcome.calls, 0);
}

/* So that their sockets are watched, and one of them is by TCP. */
static void a_resolver_is_destroyed_while_its_questions_are_on_their_way(void **state)
{
	struct resolving *resolving = *state;
	struct outcome outcome = {0};
	resolving->server.manners.truncated = resolving->server.manners.silent_tcp = true;
	ask(resolving, "n1.test:7400", &outcome);
	while (resolving->server.questions_tcp == 0)
		assert_int_not_equal(uv_run(&resolving->loop, UV_RUN_ONCE), 0);
	resolver_destroy(resolving->resolver);
	resolving->resolver = NULL;
	resolving_settle(resolving);
	assert_int_equal(outcome.calls, 0);
}

static void a_lookup_that_is_cancelled_calls_nobody_and_the_others_go_on(void **state)
{
	struct resolving *resolving = *state;
	struct outcome cancelled = {0}, outcome = {0};
	ask(resolving, "n1.test:7400", &cancelled);
	ask(resolving, "n1.test:7400", &outcome);
	ask(resolving, "127.0.0.1:7400", &cancelled);
	resolve_cancel(resolving->resolver, &cancelled);
	resolve_cancel(resolving->resolver, &cancelled); /* harmless */
	resolving_await(resolving, &outcome, 1);
	resolving_settle(resolving);
	assert_int_equal(cancelled.calls, 0);
	assert_int_equal(outcome.status, 0);
}

/* What a callback does with the resolver it is called by. */
struct act {
	struct resolving *resolving;
	struct outcome outcome;       /* of the lookup itself */
	struct outcome other, *later; /* later: of one that it starts */
	bool destroys;
};

static void on_act(void *arg, int status, const struct resolved *resolved, const char *sentence)
{
	struct act *act = arg;
	resolving_note(&act->outcome, status, resolved, sentence);
	if (act->later != NULL)
		ask(act->resolving, "n1.test:7400", act->later);
	if (!act->destroys) {
		resolve_cancel(act->resolving->resolver, &act->other);
		resolve_cancel(act->resolving->resolver, act);
		return;
	}
	resolver_destroy(act->resolving->resolver);
	act->resolving->resolver = NULL;
}

static void a_callback_may_cancel_others_and_start_new_ones(void **state)
{
	struct resolving *resolving = *state;
	struct outcome later = {0};
	struct act act = {.resolving = resolving, .later = &later};
	assert_int_equal(resolve_address(resolving->resolver, "127.0.0.1:7400", on_act, &act), 0);
	ask(resolving, "n1.test:7400", &act.other);
	resolving_await(resolving, &later, 1);
	resolving_settle(resolving);
	assert_int_equal(act.outcome.calls, 1);
	assert_int_equal(act.other.calls, 0);
	assert_int_equal(later.status, 0);
}

static void a_callback_may_destroy_its_resolver(void **state)
{
	struct resolving *resolving = *state;
	const char *addresses[] = {"127.0.0.1:7400", "n1.test:7400", "localhost:7400"};
	for (size_t i = 0; i < COUNT(addresses); i++) {
		struct act act = {.resolving = resolving, .destroys = true};
		assert_int_equal(resolve_address(resolving->resolver, addresses[i], on_act, &act), 0);
		resolving_await(resolving, &act.outcome, 1);
		resolving_settle(resolving);
		assert_int_equal(act.outcome.calls, 1);
		assert_null(resolving->resolver);
		assert_int_equal(
			resolver_create(&resolving->resolver, &resolving->loop, resolving->server.address, NULL), 0);
	}
}

/* ---- Memory that runs out: ours, and c-ares' by way of these ---- */

static void *take(size_t size)
{
	return malloc(size);
}

static void *take_again(void *old, size_t size)
{
	return realloc(old, size);
}

static void give(void *memory)
{
	free(memory);
}

static int set_up_memory(void **state)
{
	assert_int_equal(ares_library_init_mem(ARES_LIB_INIT_ALL, take, give, take_again), 0);
	return set_up(state);
}

static int tear_down_memory(void **state)
{
	tear_down(state);
	ares_library_cleanup();
	return 0;
}

static void a_resolver_is_made_whole_or_not_at_all(void **state)
{
	struct resolving *resolving = *state;
	for (unsigned nth = 1;; nth++) {
		struct resolver *resolver = NULL;
		struct clog_error err = {0};
		assert_true(nth < ALLOCATIONS_MAX);
		allocation_fail(nth);
		int rc = resolver_create(&resolver, &resolving->loop, resolving->server.address, &err);
		bool fired = allocation_fired();
		allocation_fail(0);
		assert_int_equal(rc != 0, resolver == NULL);
		assert_int_equal(rc != 0, err.text[0] != '\0');
		resolver_destroy(resolver);
		if (!fired) {
			assert_int_equal(rc, 0);
			return;
		}
	}
}

/* The server in the loop takes no memory for UDP. A question that is lost for want of it is asked again. */
static void a_lookup_without_memory_is_refused_or_ends_once(void **state)
{
	struct resolving *resolving = *state;
	const char *names[] = {"n1.test:7400", "_clog._tcp.test:7400"};
	resolver_timeout(resolving->resolver, 250);
	for (size_t i = 0; i < COUNT(names); i++) {
		bool fired = true;
		for (unsigned nth = 1; fired; nth++) {
			struct outcome outcome = {0};
			assert_true(nth < ALLOCATIONS_MAX);
			allocation_fail(nth);
			int rc = resolve_service(resolving->resolver, names[i], resolving_note, &outcome);
			if (rc == 0)
				resolving_await(resolving, &outcome, 1);
			fired = allocation_fired();
			allocation_fail(0);
			resolving_settle(resolving);
			assert_int_equal(outcome.calls, rc == 0 ? 1 : 0);
			assert_true(rc <= 0);
		}
	}
	resolver_timeout(resolving->resolver, RESOLVE_TIMEOUT_MS);
	assert_int_equal(resolving_service(resolving, names[1]).status, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_MEMORY(name) cmocka_unit_test_setup_teardown(name, set_up_memory, tear_down_memory)
	const struct CMUnitTest tests[] = {
		TEST(lookups_that_are_too_many_are_refused_until_others_end),
		TEST(a_resolver_that_is_destroyed_calls_nobody),
		TEST(a_resolver_is_destroyed_while_its_questions_are_on_their_way),
		TEST(a_lookup_that_is_cancelled_calls_nobody_and_the_others_go_on),
		TEST(a_callback_may_cancel_others_and_start_new_ones),
		TEST(a_callback_may_destroy_its_resolver),
		TEST_MEMORY(a_resolver_is_made_whole_or_not_at_all),
		TEST_MEMORY(a_lookup_without_memory_is_refused_or_ends_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
