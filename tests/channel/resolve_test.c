/* The addresses of names, asked of a DNS server of the test's own. */
#include "channel/channel.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/channel/resolving.h"

#define SHORT_MS 150 /* for what is not answered */
#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct name_record zone[] = {
	{"n1.test", NAME_A, "127.0.0.11"},
	{"n1.test", NAME_AAAA, "::1"},
	{"n1.test", NAME_A, "127.0.0.12"},
	{"four.test", NAME_A, "127.0.0.4"},
	{"six.test", NAME_AAAA, "::1"},
	{"alias.test", NAME_CNAME, "four.test"},
	{"mute.test", NAME_SRV, "1 1 7400 four.test"},
	{"twice.test", NAME_A, "127.0.0.4"},
	{"twice.test", NAME_A, "127.0.0.4"},
};

static int set_up(void **state)
{
	return resolving_set_up(state, zone, COUNT(zone));
}

static void assert_found(const struct outcome *outcome, const char *text)
{
	assert_string_equal(outcome->sentence, "");
	assert_int_equal(outcome->status, 0);
	assert_string_equal(resolving_text(outcome), text);
}

static void assert_failed(const struct outcome *outcome, int status, const char *sentence)
{
	assert_string_equal(outcome->sentence, sentence);
	assert_int_equal(outcome->status, status);
}

/* Which of them comes first is RFC 6724's to say, and depends on the machine. */
static void a_name_has_all_its_addresses_of_both_families(void **state)
{
	struct outcome outcome = resolving_address(*state, "n1.test:7400");
	assert_int_equal(outcome.status, 0);
	assert_int_equal(outcome.resolved.count, 3);
	assert_non_null(strstr(resolving_text(&outcome), "127.0.0.11:7400"));
	assert_non_null(strstr(resolving_text(&outcome), "127.0.0.12:7400"));
	assert_non_null(strstr(resolving_text(&outcome), "[::1]:7400"));
}

static void a_name_with_addresses_of_one_family_has_those(void **state)
{
	struct outcome outcome = resolving_address(*state, "four.test:1");
	assert_found(&outcome, "127.0.0.4:1");
	outcome = resolving_address(*state, "six.test:65535");
	assert_found(&outcome, "[::1]:65535");
	outcome = resolving_address(*state, "FOUR.test.:0");
	assert_found(&outcome, "127.0.0.4:0");
}

static void another_name_leads_to_the_addresses(void **state)
{
	struct outcome outcome = resolving_address(*state, "alias.test:7400");
	assert_found(&outcome, "127.0.0.4:7400");
}

static void an_address_is_there_once(void **state)
{
	struct outcome outcome = resolving_address(*state, "twice.test:7400");
	assert_found(&outcome, "127.0.0.4:7400");
}

static void more_addresses_than_the_maximum_are_left_out(void **state)
{
	struct resolving *resolving = *state;
	struct name_record many[2 * RESOLVE_ADDRESSES_MAX];
	char texts[COUNT(many)][16];
	for (unsigned i = 0; i < COUNT(many); i++) {
		snprintf(texts[i], sizeof texts[i], "127.0.1.%u", i);
		many[i] = (struct name_record){"many.test", NAME_A, texts[i]};
	}
	resolving->server.records = many;
	resolving->server.count = COUNT(many);
	resolving->server.manners.truncated = true; /* it is above 512 bytes */
	struct outcome outcome = resolving_address(resolving, "many.test:7400");
	assert_int_equal(outcome.status, 0);
	assert_int_equal(outcome.resolved.count, RESOLVE_ADDRESSES_MAX);
}

static void a_name_that_is_not_there_is_told_apart_from_one_without_address(void **state)
{
	struct outcome outcome = resolving_address(*state, "nobody.test:7400");
	assert_failed(&outcome, -ENOENT, "nobody.test: there is no such name");
	outcome = resolving_address(*state, "mute.test:7400");
	assert_failed(&outcome, -ENOENT, "mute.test: the name has no address");
}

static void the_hosts_file_counts_and_nobody_is_asked(void **state)
{
	struct resolving *resolving = *state;
	struct outcome outcome = resolving_address(resolving, "localhost:7400");
	assert_int_equal(outcome.status, 0);
	assert_true(strstr(resolving_text(&outcome), "127.0.0.1:7400") != NULL ||
	            strstr(resolving_text(&outcome), "[::1]:7400") != NULL);
	assert_int_equal(resolving->server.questions, 0);
}

static void an_address_is_its_own_and_nobody_is_asked(void **state)
{
	struct resolving *resolving = *state;
	struct outcome outcome = resolving_address(resolving, "192.0.2.1:7400");
	assert_found(&outcome, "192.0.2.1:7400");
	outcome = resolving_address(resolving, "[2001:db8::1]:7401");
	assert_found(&outcome, "[2001:db8::1]:7401");
	outcome = resolving_service(resolving, "[::1]:7402");
	assert_found(&outcome, "[::1]:7402");
	outcome = resolving_address(resolving, "[fe80::1%lo]:7403");
	assert_found(&outcome, "[fe80::1]:7403");
	assert_int_not_equal(((struct sockaddr_in6 *)&outcome.resolved.addresses[0])->sin6_scope_id, 0);
	assert_int_equal(resolving->server.questions, 0);
}

static void what_is_no_address_is_refused_at_once(void **state)
{
	struct resolving *resolving = *state;
	struct outcome outcome = {0};
	assert_int_equal(resolve_address(resolving->resolver, "n1.test", resolving_note, &outcome), -EINVAL);
	assert_int_equal(resolve_service(resolving->resolver, "n1..test:7400", resolving_note, &outcome), -EINVAL);
	resolving_settle(resolving);
	assert_int_equal(outcome.calls, 0);
}

static void a_server_that_does_not_answer_ends_in_a_timeout(void **state)
{
	struct resolving *resolving = *state;
	resolving->server.manners.silent = true;
	resolver_timeout(resolving->resolver, SHORT_MS);
	struct outcome outcome = resolving_address(resolving, "four.test:7400");
	assert_failed(&outcome, -ETIMEDOUT, "four.test: no DNS server answered in time");
	assert_true(resolving->server.questions >= 2);
}

/* One try alone is longer than all the time there is. */
static void a_lookup_ends_with_its_time_whatever_is_under_way(void **state)
{
	struct resolving *resolving = *state;
	resolving->server.manners.silent_tcp = resolving->server.manners.truncated = true;
	resolver_timeout(resolving->resolver, 1);
	struct outcome outcome = resolving_address(resolving, "four.test:7400");
	assert_failed(&outcome, -ETIMEDOUT, "four.test: no DNS server answered in time");
}

static void what_one_family_has_is_told_if_the_other_is_not_answered(void **state)
{
	struct resolving *resolving = *state;
	resolving->server.manners.silent_type = NAME_AAAA;
	resolver_timeout(resolving->resolver, 1000);
	struct outcome outcome = resolving_address(resolving, "four.test:7400");
	assert_found(&outcome, "127.0.0.4:7400");
}

static void a_server_that_fails_or_refuses_is_told_of(void **state)
{
	struct resolving *resolving = *state;
	resolving->server.manners.rcode = 2;
	struct outcome outcome = resolving_address(resolving, "four.test:7400");
	assert_failed(&outcome, -EAGAIN, "four.test: the DNS servers cannot be reached, or fail");
	resolving->server.manners.rcode = 5;
	outcome = resolving_address(resolving, "four.test:7400");
	assert_failed(&outcome, -EAGAIN, "four.test: the DNS servers cannot be reached, or fail");
}

static void a_second_server_is_asked_when_the_first_is_not_there(void **state)
{
	struct resolving *resolving = *state;
	struct name_server silent;
	char servers[80];
	name_server_init(&silent, &resolving->loop, zone, COUNT(zone));
	uv_unref((uv_handle_t *)&silent.udp);
	uv_unref((uv_handle_t *)&silent.tcp);
	silent.manners.silent = true;
	snprintf(servers, sizeof servers, "%s,%s", silent.address, resolving->server.address);
	resolver_destroy(resolving->resolver);
	assert_int_equal(resolver_create(&resolving->resolver, &resolving->loop, servers, NULL), 0);
	struct outcome outcome = resolving_address(resolving, "four.test:7400");
	assert_found(&outcome, "127.0.0.4:7400");
	assert_int_not_equal(silent.questions, 0);
	name_server_finish(&silent);
	resolving_settle(resolving); /* silent is on this stack */
}

static void servers_that_are_no_addresses_are_refused(void **state)
{
	struct resolving *resolving = *state;
	const char *wrong[] = {"", "localhost", "127.0.0.1:port", "127.0.0.1,x", "127.0.0.1:53 x"};
	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct resolver *resolver = NULL;
		struct clog_error err;
		char sentence[128];
		assert_int_equal(resolver_create(&resolver, &resolving->loop, wrong[i], &err), -EINVAL);
		assert_null(resolver);
		snprintf(sentence, sizeof sentence, "DNS servers \"%s\": these are no addresses", wrong[i]);
		assert_string_equal(err.text, sentence);
	}
}

static void the_systems_servers_are_taken_if_none_are_given(void **state)
{
	struct resolving *resolving = *state;
	struct outcome outcome = {0};
	resolver_destroy(resolving->resolver);
	assert_int_equal(resolver_create(&resolving->resolver, &resolving->loop, NULL, NULL), 0);
	outcome = resolving_address(resolving, "localhost:7400");
	assert_int_equal(outcome.status, 0);
	assert_int_equal(resolving->server.questions, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, resolving_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_name_has_all_its_addresses_of_both_families),
		TEST(a_name_with_addresses_of_one_family_has_those),
		TEST(another_name_leads_to_the_addresses),
		TEST(an_address_is_there_once),
		TEST(more_addresses_than_the_maximum_are_left_out),
		TEST(a_name_that_is_not_there_is_told_apart_from_one_without_address),
		TEST(the_hosts_file_counts_and_nobody_is_asked),
		TEST(an_address_is_its_own_and_nobody_is_asked),
		TEST(what_is_no_address_is_refused_at_once),
		TEST(a_server_that_does_not_answer_ends_in_a_timeout),
		TEST(a_lookup_ends_with_its_time_whatever_is_under_way),
		TEST(what_one_family_has_is_told_if_the_other_is_not_answered),
		TEST(a_server_that_fails_or_refuses_is_told_of),
		TEST(a_second_server_is_asked_when_the_first_is_not_there),
		TEST(servers_that_are_no_addresses_are_refused),
		TEST(the_systems_servers_are_taken_if_none_are_given),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
