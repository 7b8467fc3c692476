/* Every allocation of a member's life fails once: the Nth, N from 1 until none fails any more. Nothing crashes or
 * leaks, each append is answered once, and what was acknowledged is there. The disk is the operating system's, so that
 * all allocations counted are the member's own. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <uv.h>

#include "tests/cluster/member.h"
#include "tests/disk/allocation.h"
#include "tests/log/folder.h"

#define SENT_MAX 40

struct life {
	struct member member;
	struct sent sent[SENT_MAX];
	unsigned sent_count;
	unsigned char data[3000];
};

static struct life life;

static int tear_down(void **state)
{
	allocation_fail(0);
	return 0;
}

static int forget_sync(struct log_disk *disk, int handle)
{
	return 0;
}

static int forget_sync_folder(struct log_disk *disk, const char *path)
{
	return 0;
}

/* The operating system's files, without the syncs: nothing crashes here, and there are thousands of them. */
static struct log_disk *quick_disk(void)
{
	static struct log_disk disk;
	disk = *log_disk_posix();
	disk.sync = forget_sync;
	disk.sync_folder = forget_sync_folder;
	return &disk;
}

static void send_one(uint32_t size)
{
	struct sent *sent = &life.sent[life.sent_count];
	memset(life.data, (int)life.sent_count, size);
	life.sent_count++;
	member_send_one(&life.member, sent, life.data, size);
	assert_true(sent->refused == 0 || sent->refused == -ENOMEM || sent->refused == -ESHUTDOWN);
}

static void read_all(void)
{
	struct asked asked;
	for (uint64_t offset = 0; offset < member_next(&life.member); offset++) {
		for (unsigned kind = SERVICE_STAT; kind <= SERVICE_STREAM; kind++) {
			int rc = member_read(&life.member, &asked, (enum service_read_kind)kind, offset, 5000);
			assert_true(rc == 0 || rc == -ENOMEM);
			member_end(&life.member, &asked);
		}
	}
}

/* Some rounds, over several segments, with reads, rest and a stop. */
static void live(void)
{
	for (unsigned round = 0; round < 6; round++) {
		for (unsigned i = 0; i < 4; i++)
			send_one(i == 3 ? sizeof life.data : 100);
		host_turn(&life.member.host);
		send_one(2000);
		host_settle(&life.member.host);
		if (round % 3 == 1) {
			host_pass(&life.member.host, CLUSTER_IDLE_MS);
			host_settle(&life.member.host);
			read_all();
		}
	}
}

static void expect_answers(void)
{
	bool failed = life.member.host.failures > 0;
	assert_true(life.member.host.failures <= 1);
	for (unsigned i = 0; i < life.sent_count; i++) {
		const struct sent *sent = &life.sent[i];
		int status = sent->append.status;
		assert_int_equal(sent->answers, sent->refused == 0);
		assert_true(sent->refused != 0 || status == 0 ||
		            (failed && (status == -ESHUTDOWN || status == -ECONNABORTED)));
	}
}

/* Opened with memory enough, it has what was acknowledged, and nothing that was refused. */
static void expect_records(void)
{
	life.member.host.failures = 0;
	member_open(&life.member);
	uint64_t next = member_next(&life.member), offset = 0;
	for (unsigned i = 0; i < life.sent_count; i++) {
		const struct sent *sent = &life.sent[i];
		if (sent->refused != 0 || sent->append.status == -ESHUTDOWN)
			continue;
		if (sent->append.status != 0 && offset == next)
			continue;
		if (sent->append.status == 0)
			assert_int_equal(sent->append.first_offset, offset);
		struct asked asked;
		assert_int_equal(member_read(&life.member, &asked, SERVICE_RECORD, offset, 0), 0);
		assert_int_equal(((const unsigned char *)asked.read.data)[0], i);
		member_end(&life.member, &asked);
		offset++;
	}
	assert_int_equal(next, offset);
}

static bool live_without_nth(unsigned nth)
{
	char folder[FOLDER_PATH_SIZE];
	struct clog_error err = {0};
	folder_enter(folder);
	memset(&life, 0, sizeof life);
	member_init_over(&life.member, quick_disk(), 1);
	allocation_fail(nth);
	int rc = member_try_open(&life.member, &err);
	if (rc == 0)
		live();
	else
		assert_true(rc == -ENOMEM && err.code == -ENOMEM && err.text[0] != '\0');
	member_close(&life.member);
	bool fired = allocation_fired();
	allocation_fail(0);
	assert_true(fired || life.member.host.failures == 0);
	expect_answers();
	expect_records();
	member_finish(&life.member);
	folder_leave(folder);
	return fired;
}

static void every_failed_allocation_is_survived(void **state)
{
	unsigned nth = 1;
	while (live_without_nth(nth))
		nth++;
	printf("allocation: %u allocations\n", nth - 1);
	assert_true(nth > 100);
}

static void a_host_without_memory_is_an_error(void **state)
{
	uv_loop_t loop;
	struct cluster_loop *host = NULL;
	struct clog_error err = {0};
	assert_int_equal(uv_loop_init(&loop), 0);
	allocation_fail(1);
	assert_int_equal(cluster_loop_create(&host, &loop, NULL, NULL, &err), -ENOMEM);
	allocation_fail(0);
	assert_null(host);
	assert_int_equal(err.code, -ENOMEM);
	assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(every_failed_allocation_is_survived, tear_down),
		cmocka_unit_test_teardown(a_host_without_memory_is_an_error, tear_down),
	};
	member_hush();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
