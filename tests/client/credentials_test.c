/* Who the client says to be, and whom it takes for a server. */
#include "client/client.h"
#include "error/error.h"
#include "tests/client/far.h"
#include "tls/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define DEADLINE_MS 60000u

static struct far_world *world;
static char folder[64];

static const char *path(const char *name)
{
	static char paths[4][256];
	static unsigned turn;
	char *text = paths[turn++ % 4];
	snprintf(text, sizeof paths[0], "%s/%s", folder, name);
	return text;
}

static void put(const char *name, const char *text, mode_t mode)
{
	unlink(path(name));
	int fd = open(path(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static int set_up(void **state)
{
	snprintf(folder, sizeof folder, "/tmp/clog-credentials.XXXXXX");
	assert_non_null(mkdtemp(folder));
	world = far_create(1);
	return 0;
}

static int tear_down(void **state)
{
	char command[128];
	far_destroy(world);
	snprintf(command, sizeof command, "rm -rf %s", folder);
	return system(command);
}

static int open_with(const char *servers, const char *tls, const char *token, struct clog_error *err)
{
	const struct client_options options = {
		.servers = servers, .tls_folder = tls, .token_file = token, .deadline_ms = DEADLINE_MS};
	world->closed = false;
	return client_open(&world->client, &world->loop, &options, err);
}

struct told {
	bool told;
	int status;
	char sentence[CLOG_ERROR_TEXT_SIZE];
};

static void on_ready(void *arg, int status, const char *sentence)
{
	struct told *told = arg;
	told->told = true;
	told->status = status;
	snprintf(told->sentence, sizeof told->sentence, "%s", sentence == NULL ? "" : sentence);
}

static bool is_told(void *arg)
{
	return ((struct told *)arg)->told;
}

/* What a client comes to, which is closed then. */
static struct told ready_with(const char *servers, const char *tls, const char *token)
{
	struct told told = {0};
	struct clog_error err = {0};
	if (open_with(servers, tls, token, &err) != 0)
		fail_msg("%s", err.text);
	client_ready(world->client, on_ready, &told);
	far_until(world, is_told, &told);
	far_close_client(world);
	return told;
}

static void a_token_is_taken_from_a_file_that_others_cannot_read(void **state)
{
	static const struct {
		const char *text;
		mode_t mode;
		int error;
	} cases[] = {
		{"clog_secret\nmore\n", 0600, 0},     {"clog_secret", 0400, 0},
		{"clog_secret\r\n", 0600, 0},         {"clog_secret\n", 0640, -EACCES},
		{"clog_secret\n", 0604, -EACCES},     {"", 0600, -EINVAL},
		{"\nclog_secret\n", 0600, -EINVAL},   {"clog secret\n", 0600, -EINVAL},
		{"clog_secret\x01\n", 0600, -EINVAL}, {"clog_s\xc3\xa9\n", 0600, -EINVAL},
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct clog_error err = {0};
		put("token", cases[i].text, cases[i].mode);
		assert_int_equal(open_with("127.0.0.1:1", NULL, path("token"), &err), cases[i].error);
		if (cases[i].error == 0) {
			far_close_client(world);
			continue;
		}
		/* The sentence has the file's name, and nothing of what is in it. */
		assert_non_null(strstr(err.text, path("token")));
		assert_null(strstr(err.text, "secret"));
	}
}

static void a_token_has_its_limit_and_a_folder_is_none(void **state)
{
	struct clog_error err = {0};
	char *text = calloc(1, 5000);
	memset(text, 'x', 4096);
	put("token", text, 0600);
	assert_int_equal(open_with("127.0.0.1:1", NULL, path("token"), &err), 0);
	far_close_client(world);
	text[4096] = 'x';
	put("token", text, 0600);
	assert_int_equal(open_with("127.0.0.1:1", NULL, path("token"), &err), -EINVAL);
	assert_int_equal(open_with("127.0.0.1:1", NULL, folder, &err), -EINVAL);
	assert_int_equal(mkfifo(path("pipe"), 0600), 0);
	assert_int_equal(open_with("127.0.0.1:1", NULL, path("pipe"), &err), -EINVAL);
	free(text);
}

/* It is refused before a byte goes there. */
static void a_token_does_not_leave_the_machine_without_tls(void **state)
{
	put("token", "clog_secret\n", 0600);
	struct told told = ready_with("192.0.2.1:8400", NULL, path("token"));
	assert_int_equal(told.status, -EACCES);
	assert_non_null(strstr(told.sentence, "token"));
	assert_null(strstr(told.sentence, "secret"));
}

/* A server with a certificate out of `as`. */
static void serve(const char *as)
{
	far_stop(&world->servers[0]);
	tls_context_unref(world->tls);
	assert_int_equal(tls_context_load(&world->tls, path(as), NULL), 0);
	world->servers[0].address[0] = '\0';
	far_start(&world->servers[0]);
}

static void certify(void)
{
	static const char *const host = "127.0.0.1";
	const struct tls_issue member = {.kind = TLS_MEMBER, .name = "n1", .hosts = &host, .host_count = 1, .days = 2};
	const struct tls_issue client = {.kind = TLS_CLIENT, .name = "app", .days = 2};
	static const char *const authorities[] = {"ca", "other"};
	for (size_t i = 0; i < 2; i++) {
		const bool ours = i == 0;
		assert_int_equal(tls_authority_create(path(authorities[i]), ours ? "test" : "others", 3, NULL), 0);
		assert_int_equal(tls_issue(path(authorities[i]), &member, path(ours ? "n1" : "n1-other"), NULL), 0);
		assert_int_equal(tls_issue(path(authorities[i]), &client, path(ours ? "app" : "app-other"), NULL), 0);
	}
}

static void members_are_known_by_their_certificates(void **state)
{
	certify();
	serve("n1");
	struct told told = ready_with(world->servers[0].address, path("app"), NULL);
	assert_string_equal(told.sentence, "");
	assert_int_equal(told.status, 0);
	/* Of another authority: neither takes the other. */
	told = ready_with(world->servers[0].address, path("app-other"), NULL);
	assert_int_equal(told.status, -EACCES);
	assert_true(strlen(told.sentence) > 0);
	serve("n1-other");
	told = ready_with(world->servers[0].address, path("app"), NULL);
	assert_int_equal(told.status, -EACCES);
	/* A client is no server. */
	serve("app");
	told = ready_with(world->servers[0].address, path("app"), NULL);
	assert_int_equal(told.status, -EACCES);
	tls_context_unref(world->tls);
	world->tls = NULL;
}

static void who_has_no_certificate_needs_a_token(void **state)
{
	char command[512];
	certify();
	serve("n1");
	assert_int_equal(mkdir(path("bare"), 0700), 0);
	snprintf(command, sizeof command, "cp %s %s", path("ca/ca.pem"), path("bare/ca.pem"));
	assert_int_equal(system(command), 0);
	struct told told = ready_with(world->servers[0].address, path("bare"), NULL);
	assert_int_equal(told.status, -EACCES);
	/* There is no such token here, and that it is none is the server's word: it has come there. */
	put("token", "clog_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n", 0600);
	told = ready_with(world->servers[0].address, path("bare"), path("token"));
	assert_int_equal(told.status, -EACCES);
	assert_null(strstr(told.sentence, "AAAA"));
	tls_context_unref(world->tls);
	world->tls = NULL;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_token_is_taken_from_a_file_that_others_cannot_read),
		TEST(a_token_has_its_limit_and_a_folder_is_none),
		TEST(a_token_does_not_leave_the_machine_without_tls),
		TEST(members_are_known_by_their_certificates),
		TEST(who_has_no_certificate_needs_a_token),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
