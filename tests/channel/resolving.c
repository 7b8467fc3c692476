#include "tests/channel/resolving.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DEADLINE_S 60 /* for what ought to take a second */

static void on_deadline(uv_timer_t *timer)
{
	fprintf(stderr, "resolve: not done after %d s\n", DEADLINE_S);
	abort();
}

void resolving_init(struct resolving *resolving, const struct name_record *records, size_t count)
{
	assert_int_equal(uv_loop_init(&resolving->loop), 0);
	assert_int_equal(uv_timer_init(&resolving->loop, &resolving->deadline), 0);
	uv_unref((uv_handle_t *)&resolving->deadline);
	name_server_init(&resolving->server, &resolving->loop, records, count);
	uv_unref((uv_handle_t *)&resolving->server.udp);
	uv_unref((uv_handle_t *)&resolving->server.tcp);
	assert_int_equal(resolver_create(&resolving->resolver, &resolving->loop, resolving->server.address, NULL), 0);
}

void resolving_finish(struct resolving *resolving)
{
	resolver_destroy(resolving->resolver);
	name_server_finish(&resolving->server);
	uv_close((uv_handle_t *)&resolving->deadline, NULL);
	assert_int_equal(uv_run(&resolving->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&resolving->loop), 0);
}

int resolving_set_up(void **state, const struct name_record *records, size_t count)
{
	struct resolving *resolving = calloc(1, sizeof *resolving);
	assert_non_null(resolving);
	resolving_init(resolving, records, count);
	*state = resolving;
	return 0;
}

int resolving_tear_down(void **state)
{
	resolving_finish(*state);
	free(*state);
	return 0;
}

void resolving_note(void *arg, int status, const struct resolved *resolved, const char *sentence)
{
	struct outcome *outcome = arg;
	outcome->calls++;
	outcome->status = status;
	if (resolved != NULL)
		outcome->resolved = *resolved;
	snprintf(outcome->sentence, sizeof outcome->sentence, "%s", sentence);
	/* What the header promises of every end. */
	assert_int_equal(status == 0, resolved != NULL);
	assert_int_equal(status == 0, sentence[0] == '\0');
	assert_true(status != 0 || (resolved->count > 0 && resolved->count <= RESOLVE_ADDRESSES_MAX));
	assert_true(status <= 0);
}

static void start_deadline(struct resolving *resolving)
{
	uv_update_time(&resolving->loop);
	assert_int_equal(uv_timer_start(&resolving->deadline, on_deadline, DEADLINE_S * 1000, 0), 0);
}

void resolving_await(struct resolving *resolving, const struct outcome *outcome, unsigned calls)
{
	start_deadline(resolving);
	while (outcome->calls < calls)
		assert_true(uv_run(&resolving->loop, UV_RUN_ONCE) != 0 || outcome->calls == calls);
	assert_int_equal(outcome->calls, calls);
}

void resolving_settle(struct resolving *resolving)
{
	start_deadline(resolving);
	uv_run(&resolving->loop, UV_RUN_DEFAULT);
}

static struct outcome one(struct resolving *resolving, const char *address,
                          int (*resolve)(struct resolver *, const char *, resolve_cb, void *))
{
	struct outcome outcome = {0};
	assert_int_equal(resolve(resolving->resolver, address, resolving_note, &outcome), 0);
	assert_int_equal(outcome.calls, 0); /* it comes later, whatever is asked for */
	resolving_await(resolving, &outcome, 1);
	resolving_settle(resolving);
	assert_int_equal(outcome.calls, 1);
	return outcome;
}

struct outcome resolving_address(struct resolving *resolving, const char *address)
{
	return one(resolving, address, resolve_address);
}

struct outcome resolving_service(struct resolving *resolving, const char *name_and_port)
{
	return one(resolving, name_and_port, resolve_service);
}

const char *resolving_text(const struct outcome *outcome)
{
	static char text[RESOLVE_ADDRESSES_MAX * 64];
	size_t used = 0;
	text[0] = '\0';
	for (size_t i = 0; i < outcome->resolved.count; i++) {
		const struct sockaddr_storage *address = &outcome->resolved.addresses[i];
		const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)address;
		const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *)address;
		char host[INET6_ADDRSTRLEN];
		bool is_4 = address->ss_family == AF_INET;
		assert_non_null(inet_ntop(address->ss_family,
		                          is_4 ? (const void *)&ipv4->sin_addr : (const void *)&ipv6->sin6_addr, host,
		                          sizeof host));
		used += (size_t)snprintf(text + used, sizeof text - used, is_4 ? "%s%s:%d" : "%s[%s]:%d",
		                         i == 0 ? "" : " ", host, ntohs(is_4 ? ipv4->sin_port : ipv6->sin6_port));
		assert_true(used < sizeof text);
	}
	return text;
}
