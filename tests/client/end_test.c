/* The client's end, in whatever state it is; and memory that runs out at any moment. */
#include "client/client.h"
#include "error/error.h"
#include "tests/client/far.h"
#include "tests/disk/allocation.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DEADLINE_MS 60000u

static struct far_world *world;

/* Whatever a client may have under way. */
struct all {
	struct far_append append, conditional;
	struct service_read read, stream;
	struct service_command command;
	unsigned reads, commands, settings;
	int settings_status, ready_status;
	unsigned ready;
	unsigned begun, answered;
};

static void on_read(struct service_read *read, void *arg)
{
	((struct all *)arg)->reads++;
	service_read_end(client_service(world->client), read);
}

static void on_command(struct service_command *command, void *arg)
{
	((struct all *)arg)->commands++;
}

static void on_settings(void *arg, int status, const struct service_setting *settings, size_t count)
{
	struct all *all = arg;
	all->settings++;
	all->settings_status = status;
}

static void on_ready(void *arg, int status, const char *sentence)
{
	struct all *all = arg;
	all->ready++;
	all->ready_status = status;
}

static void count(struct all *all, int rc)
{
	all->begun += rc == SERVICE_PENDING;
	assert_true(rc == SERVICE_PENDING || rc == -ENOMEM || rc == -ESHUTDOWN);
}

static void begin_all(struct all *all)
{
	struct service *service = client_service(world->client);
	client_ready(world->client, on_ready, all);
	count(all, far_append(world, &all->append, SERVICE_ANYWHERE, "plain"));
	count(all, far_append(world, &all->conditional, 1, "conditional"));
	all->read = (struct service_read){.kind = SERVICE_RECORD};
	count(all, service_read(service, &all->read, on_read, all));
	all->stream = (struct service_read){.kind = SERVICE_STREAM, .size = 100};
	count(all, service_read(service, &all->stream, on_read, all));
	all->command = (struct service_command){.kind = SERVICE_SET, .key = "acl", .setting = "x", .setting_size = 1};
	count(all, service_command(service, &all->command, on_command, all));
	count(all, client_settings(world->client, on_settings, all));
}

static unsigned answered(const struct all *all)
{
	return all->append.answered + all->conditional.answered + all->reads + all->commands + all->settings;
}

static bool are_answered(void *arg)
{
	const struct all *all = arg;
	return answered(all) == all->begun && all->ready > 0;
}

static int set_up(void **state)
{
	world = far_create(2);
	far_add(world, "first", 5);
	return 0;
}

static int tear_down(void **state)
{
	far_destroy(world);
	return 0;
}

static void assert_ended(const struct all *all)
{
	assert_int_equal(all->begun, 6);
	assert_int_equal(answered(all), 6);
	assert_int_equal(all->append.answered, 1);
	assert_int_equal(all->conditional.answered, 1);
	assert_int_equal(all->ready, 1);
}

static void one_that_is_closed_at_once_answers_all(void **state)
{
	struct all all = {0};
	far_open_client(world, 2, DEADLINE_MS);
	begin_all(&all);
	far_close_client(world);
	assert_ended(&all);
	assert_int_equal(all.append.append.status, -ESHUTDOWN);
	assert_int_equal(all.conditional.append.status, -ESHUTDOWN);
	assert_int_equal(all.read.status, -ESHUTDOWN);
	assert_int_equal(all.command.status, -ESHUTDOWN);
	assert_int_equal(all.settings_status, -ESHUTDOWN);
	assert_int_equal(all.ready_status, -ESHUTDOWN);
	assert_int_equal(world->log.count, 1);
}

static void one_that_nobody_serves_is_closed_like_any(void **state)
{
	struct all all = {0};
	far_stop(&world->servers[0]);
	far_stop(&world->servers[1]);
	far_open_client(world, 2, DEADLINE_MS);
	begin_all(&all);
	for (unsigned i = 0; i < 20; i++)
		uv_run(&world->loop, UV_RUN_ONCE);
	far_close_client(world);
	assert_ended(&all);
	assert_int_equal(all.append.append.status, -ESHUTDOWN);
}

/* Closes it after each number of the loop's rounds, until all is answered by then. */
static void one_is_closed_at_any_moment(void **state)
{
	bool done = false;
	for (unsigned rounds = 1; !done; rounds++) {
		struct all all = {0};
		far_open_client(world, 1, DEADLINE_MS);
		begin_all(&all);
		for (unsigned i = 0; i < rounds; i++)
			uv_run(&world->loop, UV_RUN_ONCE);
		done = are_answered(&all);
		far_close_client(world);
		assert_ended(&all);
		const int status = all.append.append.status;
		assert_true(status == 0 || status == -ESHUTDOWN || status == -ECONNABORTED);
		if (done)
			assert_int_equal(status, 0);
	}
}

static void what_was_sent_and_is_not_answered_is_unknown_at_the_end(void **state)
{
	struct far_append append;
	far_open_client(world, 2, DEADLINE_MS);
	assert_int_equal(far_append_one(world, "before"), 0);
	const unsigned before = world->log.appends;
	world->servers[0].mute = world->servers[1].mute = true;
	assert_int_equal(far_append(world, &append, SERVICE_ANYWHERE, "mine"), SERVICE_PENDING);
	while (world->log.appends == before)
		uv_run(&world->loop, UV_RUN_ONCE);
	far_close_client(world);
	assert_int_equal(append.answered, 1);
	assert_int_equal(append.append.status, -ECONNABORTED);
}

static bool over;

static void on_closed(void *arg)
{
	over = true;
	world->client = NULL;
}

/* Whoever is told closes it. */
static void on_appended(struct service_append *append, void *arg)
{
	client_close(world->client, on_closed, NULL);
}

static bool is_over(void *arg)
{
	return over;
}

static void a_callback_may_close_it(void **state)
{
	struct service_append append;
	const uint32_t size = 1;
	far_open_client(world, 2, DEADLINE_MS);
	over = false;
	struct service *service = client_service(world->client);
	assert_int_equal(service_append(service, &append, "x", &size, 1, on_appended, NULL), SERVICE_PENDING);
	far_until(world, is_over, NULL);
}

static void wrong_options_are_told_of(void **state)
{
	static const struct {
		struct client_options options;
		int error;
		const char *word;
	} wrong[] = {
		{{.servers = ""}, -EINVAL, ""},
		{{.servers = "a:1,"}, -EINVAL, ""},
		{{.servers = "one"}, -EINVAL, "one"},
		{{.servers = "one:0"}, -EINVAL, "one:0"},
		{{.servers = "one:99999"}, -EINVAL, "99999"},
		{{.servers = "a:1,a:2,a:3,a:4,a:5,a:6,a:7,a:8,a:9,a:10,a:11,a:12,a:13,a:14,a:15,a:16,a:17"},
	         -EINVAL,
	         "16"},
		{{.servers = "one:1", .token_file = "/nowhere/token"}, -ENOENT, "/nowhere/token"},
		{{.servers = "one:1", .tls_folder = "/nowhere"}, -ENOENT, "/nowhere"},
	};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct clog_error err = {0};
		struct client *client;
		assert_int_equal(client_open(&client, &world->loop, &wrong[i].options, &err), wrong[i].error);
		assert_non_null(strstr(err.text, wrong[i].word));
		assert_true(strlen(err.text) > 0);
	}
}

static void every_failed_allocation_is_survived(void **state)
{
	bool fired = true;
	unsigned nth = 0;
	while (fired) {
		const struct client_options options = {.servers = world->servers[0].address,
		                                       .deadline_ms = DEADLINE_MS};
		struct all all = {0};
		allocation_fail(++nth);
		world->closed = false;
		int rc = client_open(&world->client, &world->loop, &options, NULL);
		if (rc == 0) {
			begin_all(&all);
			far_until(world, are_answered, &all);
			fired = allocation_fired();
			allocation_fail(0);
			if (!fired)
				assert_int_equal(all.append.append.status, 0);
			far_close_client(world);
		} else {
			assert_int_equal(rc, -ENOMEM);
			allocation_fail(0);
			world->client = NULL;
		}
	}
	/* There were some. */
	assert_true(nth > 40);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_that_is_closed_at_once_answers_all),
		TEST(one_that_nobody_serves_is_closed_like_any),
		TEST(one_is_closed_at_any_moment),
		TEST(what_was_sent_and_is_not_answered_is_unknown_at_the_end),
		TEST(a_callback_may_close_it),
		TEST(wrong_options_are_told_of),
		TEST(every_failed_allocation_is_survived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
