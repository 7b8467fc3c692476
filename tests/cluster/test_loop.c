/* A member on a libuv loop, over real files and threads. */
#include "cluster/cluster.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <uv.h>

#include "error/error.h"
#include "log/log.h"
#include "service/service.h"
#include "tests/log/folder.h"

#define OUTSTANDING 64
#define DEADLINE_S 60 /* for what ought to take a second */

/* libuv closes descriptors by a bare system call, which the thread sanitizer does not see: it takes those that get the
 * same numbers later for the loop's. Called by the sanitizer's runtime. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "race:epoll_create1\nrace:^eventfd\n";
}

struct rig {
	uv_loop_t loop;
	uv_timer_t deadline;
	struct cluster_loop *host;
	struct cluster *cluster;
	struct service *service;
	bool stopped;
	unsigned failures;
	int failure;
	char sentence[CLOG_ERROR_TEXT_SIZE];
};

static char folder[FOLDER_PATH_SIZE];

static int set_up(void **state)
{
	folder_enter(folder);
	return 0;
}

static int tear_down(void **state)
{
	folder_leave(folder);
	return 0;
}

static void on_failed(void *arg, int status, const char *sentence)
{
	struct rig *rig = arg;
	rig->failures++;
	rig->failure = status;
	snprintf(rig->sentence, sizeof rig->sentence, "%s", sentence);
}

/* What never comes ends the test, and does not hang it. */
static void on_deadline(uv_timer_t *timer)
{
	fprintf(stderr, "loop: not done after %d s\n", DEADLINE_S);
	abort();
}

static void rig_init(struct rig *rig)
{
	memset(rig, 0, sizeof *rig);
	assert_int_equal(uv_loop_init(&rig->loop), 0);
	assert_int_equal(uv_timer_init(&rig->loop, &rig->deadline), 0);
	assert_int_equal(uv_timer_start(&rig->deadline, on_deadline, DEADLINE_S * 1000, 0), 0);
	assert_int_equal(cluster_loop_create(&rig->host, &rig->loop, on_failed, rig, NULL), 0);
}

static int rig_try_open(struct rig *rig, uint32_t segment_size, struct clog_error *err)
{
	const struct cluster_options options = {.data = "data", .name = "one", .segment_size = segment_size};
	int rc = cluster_open(&rig->cluster, &options, cluster_loop_host(rig->host), err);
	if (rc == 0)
		rc = cluster_start(rig->cluster, err);
	if (rc == 0)
		rig->service = cluster_service(rig->cluster);
	return rc;
}

static void rig_open(struct rig *rig, uint32_t segment_size)
{
	struct clog_error err = {0};
	rig_init(rig);
	if (rig_try_open(rig, segment_size, &err) != 0)
		fail_msg("%s", err.text);
}

/* Closes what is left. Then no handle is open, so the loop can be closed. */
static void rig_finish(struct rig *rig)
{
	cluster_close(rig->cluster);
	cluster_loop_destroy(rig->host);
	uv_close((uv_handle_t *)&rig->deadline, NULL);
	assert_int_equal(uv_run(&rig->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&rig->loop), 0);
}

static void on_stopped(void *arg)
{
	struct rig *rig = arg;
	assert_false(rig->stopped);
	rig->stopped = true;
}

static void rig_stop(struct rig *rig)
{
	cluster_stop(rig->cluster, on_stopped, rig);
	while (!rig->stopped)
		uv_run(&rig->loop, UV_RUN_ONCE);
}

/* ---- Appends ---- */

/* Sends records until there were count, so many at a time. */
struct sender {
	struct rig *rig;
	unsigned count, sent, answered, failed, unknown;
	uint64_t next_offset; /* of the next answer: they come in order */
};

struct one {
	struct service_append append; /* first */
	struct sender *sender;
};

static void send_next(struct one *one);

static void on_append(struct service_append *append, void *arg)
{
	struct one *one = arg;
	struct sender *sender = one->sender;
	assert_ptr_equal(append, &one->append);
	sender->answered++;
	if (append->status == 0)
		assert_int_equal(append->first_offset, sender->next_offset++);
	else
		sender->failed++;
	sender->unknown += append->status == -ECONNABORTED;
	if (append->status == 0)
		send_next(one);
}

static uint32_t text_of(uint64_t i, char text[static 64])
{
	return (uint32_t)snprintf(text, 64, "record %llu of many%.*s", (unsigned long long)i, (int)(i % 30),
	                          "..............................");
}

static void send_next(struct one *one)
{
	struct sender *sender = one->sender;
	if (sender->sent == sender->count)
		return;
	char text[64];
	uint32_t size = text_of(sender->sent++, text);
	assert_int_equal(service_append(sender->rig->service, &one->append, text, &size, 1, on_append, one), 0);
}

static void send_all(struct rig *rig, uint64_t first_offset, unsigned count)
{
	static struct one ones[OUTSTANDING];
	struct sender sender = {.rig = rig, .count = count, .next_offset = first_offset};
	for (unsigned i = 0; i < OUTSTANDING; i++) {
		ones[i].sender = &sender;
		send_next(&ones[i]);
	}
	while (sender.answered < count)
		uv_run(&rig->loop, UV_RUN_ONCE);
	assert_int_equal(sender.failed, 0);
	assert_int_equal(sender.next_offset, first_offset + count);
}

/* ---- Reads ---- */

static void on_read(struct service_read *read, void *arg)
{
	(*(bool *)arg) = true;
}

/* Reads, now or later. Returns the status; the caller ends the read. */
static int read_now(struct rig *rig, struct service_read *read)
{
	bool done = false;
	int rc = service_read(rig->service, read, on_read, &done);
	while (rc == SERVICE_PENDING && !done)
		uv_run(&rig->loop, UV_RUN_ONCE);
	return rc < 0 ? rc : read->status;
}

static void expect_records(struct rig *rig, uint64_t first_offset, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		char text[64];
		struct service_read read = {.kind = SERVICE_RECORD, .offset = first_offset + i};
		uint32_t size = text_of(i, text);
		assert_int_equal(read_now(rig, &read), 0);
		assert_int_equal(read.data_size, size);
		assert_memory_equal(read.data, text, size);
		service_read_end(rig->service, &read);
	}
}

/* Many reads at once, most of which go through the pool when the log was opened anew. */
static void expect_stream(struct rig *rig, unsigned count)
{
	uint64_t position = 0, offset = 0;
	char text[64];
	uint32_t left = 0;
	for (;;) {
		struct service_read read = {.kind = SERVICE_STREAM, .position = position, .size = 10000};
		assert_int_equal(read_now(rig, &read), 0);
		const char *data = read.data;
		for (uint32_t i = 0; i < read.data_size; i++) {
			if (left == 0)
				left = text_of(offset++, text);
			assert_int_equal(data[i], text[strlen(text) - left--]);
		}
		position += read.data_size;
		uint32_t size = read.data_size;
		service_read_end(rig->service, &read);
		if (size == 0)
			break;
	}
	assert_int_equal(offset, count);
	assert_int_equal(left, 0);
}

/* ---- The tests ---- */

/* What the program does when it is called so: it dies in the midst of life. */
#define DIE "--die"

static int live_and_die(void)
{
	struct rig rig;
	rig_open(&rig, 64u << 10);
	send_all(&rig, 0, 50);
	raise(SIGKILL);
	return 1;
}

static void what_a_killed_process_leaves_can_be_opened(void **state)
{
	char self[1024];
	ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
	assert_in_range(length, 1, sizeof self - 2);
	self[length] = '\0';
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		execl(self, self, DIE, (char *)NULL);
		_exit(127);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	struct rig rig;
	struct service_state service_state_of;
	rig_open(&rig, 64u << 10);
	service_state(rig.service, &service_state_of);
	assert_int_equal(service_state_of.next_offset, 50);
	expect_records(&rig, 0, 50);
	rig_stop(&rig);
	rig_finish(&rig);
}

static void a_member_lives_on_a_loop_and_starts_again(void **state)
{
	enum { COUNT = 10000 };
	struct rig rig;
	struct service_state service_state_of;
	/* Small segments, so that stores are prepared and sealed in the pool meanwhile. */
	rig_open(&rig, 64u << 10);
	send_all(&rig, 0, COUNT);
	expect_records(&rig, 0, COUNT);
	rig_stop(&rig);
	rig_finish(&rig);
	rig_open(&rig, 64u << 10);
	service_state(rig.service, &service_state_of);
	assert_int_equal(service_state_of.next_offset, COUNT);
	assert_true(service_state_of.start_ns > 1600000000000000000u);
	expect_stream(&rig, COUNT);
	expect_records(&rig, 0, 100);
	send_all(&rig, COUNT, 100);
	expect_records(&rig, COUNT, 100);
	rig_stop(&rig);
	rig_finish(&rig);
	assert_int_equal(rig.failures, 0);
}

static void a_member_with_default_segments_works_too(void **state)
{
	struct rig rig;
	rig_open(&rig, 0);
	send_all(&rig, 0, 500);
	expect_records(&rig, 0, 500);
	rig_stop(&rig);
	rig_finish(&rig);
}

static void count_turns(uv_prepare_t *prepare)
{
	(*(unsigned *)prepare->data)++;
}

static void an_idle_member_lets_the_loop_sleep(void **state)
{
	struct rig rig;
	uv_prepare_t prepare;
	unsigned turns = 0;
	rig_open(&rig, 64u << 10);
	send_all(&rig, 0, 100);
	assert_int_equal(uv_prepare_init(&rig.loop, &prepare), 0);
	prepare.data = &turns;
	uv_prepare_start(&prepare, count_turns);
	uv_update_time(&rig.loop);
	uint64_t begin_ms = uv_now(&rig.loop);
	while (uv_now(&rig.loop) - begin_ms < 300)
		uv_run(&rig.loop, UV_RUN_ONCE);
	/* A heartbeat's timer each, the mark, and the chores. How long it took matters not: so many are enough. */
	uint64_t heartbeats = (uv_now(&rig.loop) - begin_ms) / CLUSTER_HEARTBEAT_MS + 1;
	assert_true(turns <= 3 * heartbeats + 20);
	uv_close((uv_handle_t *)&prepare, NULL);
	rig_stop(&rig);
	rig_finish(&rig);
}

static void a_loop_without_a_member_closes(void **state)
{
	struct rig rig;
	rig_init(&rig);
	rig_finish(&rig);
	cluster_loop_destroy(NULL);
}

static void a_member_that_does_not_open_leaves_the_loop_clean(void **state)
{
	struct rig rig;
	struct clog_error err = {0};
	FILE *file = fopen("data", "w");
	assert_non_null(file);
	fclose(file);
	rig_init(&rig);
	assert_int_equal(rig_try_open(&rig, 0, &err), -ENOTDIR);
	assert_non_null(strstr(err.text, "data"));
	rig.cluster = NULL;
	rig_finish(&rig);
}

static void two_members_cannot_share_a_folder(void **state)
{
	struct rig one, other;
	struct clog_error err = {0};
	rig_open(&one, 64u << 10);
	rig_init(&other);
	assert_int_equal(rig_try_open(&other, 64u << 10, &err), -EBUSY);
	assert_non_null(strstr(err.text, "in use"));
	other.cluster = NULL;
	rig_finish(&other);
	send_all(&one, 0, 10);
	rig_stop(&one);
	rig_finish(&one);
	/* The lock went with its holder. */
	rig_open(&one, 64u << 10);
	rig_stop(&one);
	rig_finish(&one);
}

/* Files may not grow past a size for a while: writes fail with EFBIG. */
static void limit_files(struct rlimit *before, rlim_t size)
{
	struct rlimit limit;
	assert_int_equal(getrlimit(RLIMIT_FSIZE, before), 0);
	limit = *before;
	limit.rlim_cur = size;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_disk_that_refuses_writes_is_told_of_once(void **state)
{
	struct rig rig;
	struct rlimit before;
	struct one ones[5];
	struct sender sender = {.rig = &rig, .count = 5, .next_offset = 200};
	rig_open(&rig, 64u << 10);
	send_all(&rig, 0, 200);
	limit_files(&before, 4096);
	for (unsigned i = 0; i < 5; i++) {
		ones[i].sender = &sender;
		send_next(&ones[i]);
	}
	while (sender.answered < 5)
		uv_run(&rig.loop, UV_RUN_ONCE);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(sender.failed, 5);
	assert_int_equal(sender.unknown, 5);
	assert_int_equal(rig.failures, 1);
	assert_int_equal(rig.failure, -EFBIG);
	assert_non_null(strstr(rig.sentence, ".store"));
	/* Reads go on, and it stops as any other. */
	expect_records(&rig, 0, 200);
	rig_stop(&rig);
	rig_finish(&rig);
	assert_int_equal(rig.failures, 1);
}

static void stopping_in_the_midst_of_a_load_answers_all_of_it(void **state)
{
	struct rig rig;
	struct one ones[OUTSTANDING];
	struct sender sender = {.rig = &rig, .count = OUTSTANDING};
	rig_open(&rig, 64u << 10);
	for (unsigned i = 0; i < OUTSTANDING; i++) {
		ones[i].sender = &sender;
		send_next(&ones[i]);
	}
	uv_run(&rig.loop, UV_RUN_NOWAIT);
	rig_stop(&rig);
	assert_int_equal(sender.answered, OUTSTANDING);
	assert_int_equal(sender.failed, 0);
	rig_finish(&rig);
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], DIE) == 0)
		return live_and_die();
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_a_killed_process_leaves_can_be_opened, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_member_lives_on_a_loop_and_starts_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_member_with_default_segments_works_too, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_idle_member_lets_the_loop_sleep, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_loop_without_a_member_closes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_member_that_does_not_open_leaves_the_loop_clean, set_up, tear_down),
		cmocka_unit_test_setup_teardown(two_members_cannot_share_a_folder, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_disk_that_refuses_writes_is_told_of_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(stopping_in_the_midst_of_a_load_answers_all_of_it, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
