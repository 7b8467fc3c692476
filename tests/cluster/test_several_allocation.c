/* Memory that runs out at any moment under several members: the Nth allocation fails, N from 1 until none does any
 * more. Nothing crashes or leaks, no append is there twice or lost, and the cluster gets there. The disk is the operating
 * system's, so that all allocations counted are the members' own (and libraft's). */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/cluster/several.h"
#include "tests/disk/allocation.h"
#include "tests/log/folder.h"

#define SENT_MAX 40
#define TOLD_MAX 8

static struct several several;
static char folder[FOLDER_PATH_SIZE];
static struct sent sent[SENT_MAX];
static struct told told[TOLD_MAX];
static unsigned sent_count, told_count;
static unsigned char data[3000];
static bool fired; /* the allocation has failed */

static int set_up(void **state)
{
	return 0;
}

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

static void found(size_t count)
{
	several_found(&several, count);
	several_elect(&several, 0);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(several_append(&several, i, "warm"), i);
	several_agree(&several);
}

/* Each record can be told from all others by its first bytes. */
static void send(size_t i, uint32_t size)
{
	struct sent *one = &sent[sent_count];
	if (several_cluster(&several, i) == NULL)
		return;
	memset(data, 0, sizeof data);
	snprintf((char *)data, sizeof data, "record %u", sent_count);
	sent_count++;
	*one = (struct sent){0};
	member_send_one(several_member(&several, i), one, data, size);
	assert_true(one->refused == 0 || one->refused == -ENOMEM || one->refused == -ESHUTDOWN);
}

static void tell(size_t i, const struct service_command *command)
{
	struct told *one = &told[told_count++];
	*one = (struct told){.command = *command};
	several_tell(&several, i, one);
	assert_true(one->refused == 0 || one->refused == -ENOMEM || one->refused == -ESHUTDOWN);
}

static void revive(size_t i, size_t seed)
{
	const struct cluster *cluster = several_cluster(&several, i);
	if (cluster != NULL && cluster->failure == 0)
		return;
	if (cluster != NULL)
		assert_int_equal(cluster->failure, -ENOMEM);
	several_close(&several, i);
	several_open_at(&several, i, seed);
}

static unsigned occurrences(size_t i, unsigned number, uint64_t *offset)
{
	char text[32];
	unsigned count = 0;
	snprintf(text, sizeof text, "record %u", number);
	struct service_state state;
	service_state(several_member(&several, i)->service, &state);
	for (uint64_t at = state.first_offset; at < state.next_offset; at++) {
		struct asked asked;
		assert_int_equal(member_read(several_member(&several, i), &asked, SERVICE_RECORD, at, 0), 0);
		if (asked.read.data_size > strlen(text) && memcmp(asked.read.data, text, strlen(text) + 1) == 0) {
			count++;
			*offset = at;
		}
		member_end(several_member(&several, i), &asked);
	}
	return count;
}

/* Acknowledged: there once. Refused: not there. Unknown: at most once. */
static void expect_promises(void)
{
	for (unsigned i = 0; i < sent_count; i++) {
		uint64_t offset = 0;
		unsigned count = occurrences(0, i, &offset);
		int status = sent[i].refused != 0 ? sent[i].refused : sent[i].append.status;
		if (sent[i].refused == 0)
			assert_int_equal(sent[i].answers, 1);
		if (status == 0) {
			assert_int_equal(count, 1);
			assert_int_equal(offset, sent[i].append.first_offset);
		} else if (status == -ECONNABORTED || status == -ETIMEDOUT) {
			assert_true(count <= 1);
		} else {
			assert_int_equal(count, 0);
		}
	}
	for (unsigned i = 0; i < told_count; i++)
		assert_int_equal(told[i].answers, told[i].refused == 0);
}

typedef void (*scene_cb)(void);

static bool try_nth(scene_cb prepare, scene_cb scene, unsigned nth)
{
	folder_enter(folder);
	several_init(&several);
	several.disk = quick_disk();
	several.folder = folder;
	sent_count = told_count = 0;
	fired = false;
	prepare();
	allocation_fail(nth);
	scene();
	several_pass(&several, 2000);
	fired = fired || allocation_fired();
	allocation_fail(0);
	for (size_t i = 0; i < several.count; i++)
		revive(i, i == 0 ? SEVERAL_NONE : 0);
	several_pass(&several, CLUSTER_DEADLINE_MS + 1000);
	several_lead(&several);
	several_await_role(&several, 0, 2, SERVICE_VOTER);
	several_append(&several, 2, "in the end");
	several_expect_equal(&several);
	expect_promises();
	several_finish(&several);
	folder_leave(folder);
	return fired;
}

static void try_all(scene_cb prepare, scene_cb scene, unsigned least)
{
	unsigned nth = 1, tries = 0;
	while (try_nth(prepare, scene, nth)) {
		nth += 1 + nth / 30;
		tries++;
	}
	printf("several_allocation: %u of %u allocations\n", tries, nth);
	assert_true(nth > least);
}

/* ---- What members do ---- */

static void prepare_life(void)
{
	found(3);
}

static void live(void)
{
	const struct service_command end = {.kind = SERVICE_END}, trim = {.kind = SERVICE_TRIM, .offset = 1};
	for (size_t i = 0; i < 3; i++) {
		send(i, 100);
		send(i, 3000);
		tell(i, i == 2 ? &trim : &end);
	}
	several_settle(&several);
	several_pass(&several, 200);
	for (size_t i = 0; i < 3; i++)
		send(i, 2000);
	const struct service_command transfer = {.kind = SERVICE_TRANSFER, .member = several.nodes[1].id};
	tell(0, &transfer);
	several_pass(&several, 500);
	for (size_t i = 0; i < 3; i++)
		send(i, 100);
}

static void every_failed_allocation_among_several_is_survived(void **state)
{
	try_all(prepare_life, live, 300);
}

static void prepare_join(void)
{
	found(2);
	several_add(&several);
}

static void join(void)
{
	struct clog_error err = {0};
	int rc = several_try_open(&several, 2, 0, &err);
	if (rc != 0)
		assert_true(rc == -ENOMEM && err.code == -ENOMEM);
}

static void every_failed_allocation_of_a_join_is_survived(void **state)
{
	try_all(prepare_join, join, 150);
}

static void prepare_install(void)
{
	found(3);
	several_isolate(&several, 2, true);
	for (unsigned i = 0; i < 12; i++) {
		send(0, 3000);
		assert_int_equal(several_answer(&several, &sent[i]), 0);
	}
	struct told trim = {.command = {.kind = SERVICE_TRIM, .offset = 12}};
	assert_int_equal(several_command(&several, 0, &trim), 0);
	several_pass(&several, 500);
	sent_count = 0;
}

static void install(void)
{
	several_isolate(&several, 2, false);
}

static void every_failed_allocation_of_an_install_is_survived(void **state)
{
	try_all(prepare_install, install, 50);
}

/* A byte of a record on node 2 changes. */
static void prepare_mend(void)
{
	char path[FOLDER_PATH_SIZE + 64];
	static unsigned char bytes[LOG_SEGMENT_SIZE_MIN];
	found(3);
	several_append(&several, 0, "what will rot");
	several_append(&several, 0, "and more");
	several_pass(&several, 1000);
	snprintf(path, sizeof path, "%s/m2/log/00000000000000000001.store", folder);
	int handle = open(path, O_RDWR);
	assert_true(handle >= 0);
	ssize_t size = pread(handle, bytes, sizeof bytes, 0);
	assert_true(size > 0);
	const unsigned char *at = memmem(bytes, (size_t)size, "what will rot", 13);
	assert_non_null(at);
	assert_int_equal(pwrite(handle, "W", 1, at - bytes), 1);
	close(handle);
}

static void mend(void)
{
	struct asked asked;
	int rc = member_read(several_member(&several, 2), &asked, SERVICE_RECORD, 3, 0);
	if (rc != -ENOMEM)
		assert_int_equal(rc, -EIO);
	member_end(several_member(&several, 2), &asked);
	several_pass(&several, 4000);
	/* Where memory was short when it was met, it is met again. */
	fired = allocation_fired();
	allocation_fail(0);
	rc = member_read(several_member(&several, 2), &asked, SERVICE_RECORD, 3, 0);
	member_end(several_member(&several, 2), &asked);
	several_pass(&several, 4000);
}

static void every_failed_allocation_of_a_mend_is_survived(void **state)
{
	try_all(prepare_mend, mend, 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_failed_allocation_among_several_is_survived, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_failed_allocation_of_a_join_is_survived, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_failed_allocation_of_an_install_is_survived, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_failed_allocation_of_a_mend_is_survived, set_up, tear_down),
	};
	member_hush();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
