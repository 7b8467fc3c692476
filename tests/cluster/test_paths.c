/* Data folders as people name them, on the operating system's files. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "log/log.h"
#include "tests/cluster/host.h"
#include "tests/log/folder.h"

static char folder[FOLDER_PATH_SIZE];

/* The folders that were synced, in their order. */
static char synced[16][PATH_MAX];
static unsigned synced_count;

static int note_sync_folder(struct log_disk *disk, const char *path)
{
	if (synced_count < sizeof synced / sizeof synced[0])
		snprintf(synced[synced_count++], sizeof synced[0], "%s", path);
	return log_disk_posix()->sync_folder(log_disk_posix(), path);
}

static struct log_disk *noting_disk(void)
{
	static struct log_disk disk;
	disk = *log_disk_posix();
	disk.sync_folder = note_sync_folder;
	synced_count = 0;
	return &disk;
}

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

static int open_and_close(const char *data, struct log_disk *disk, struct clog_error *err)
{
	struct host host;
	struct cluster *cluster;
	const struct cluster_options options = {.data = data, .name = "one", .segment_size = LOG_SEGMENT_SIZE_MIN};
	host_init(&host, disk, 1);
	int rc = cluster_open(&cluster, &options, &host.door, err);
	if (rc == 0)
		cluster_close(cluster);
	return rc;
}

static bool was_synced(const char *path)
{
	for (unsigned i = 0; i < synced_count; i++)
		if (strcmp(synced[i], path) == 0)
			return true;
	return false;
}

static void the_folder_that_a_data_folder_is_in_is_synced(void **state)
{
	char absolute[FOLDER_PATH_SIZE + 10];
	const char *const paths[][2] = {{"plain", "."},    {"slash/", "."},          {"slashes///", "."},
	                                {"./dot", "."},    {"outer/inner", "outer"}, {"outer//deep/", "outer"},
	                                {absolute, folder}};
	snprintf(absolute, sizeof absolute, "%s/absolute", folder);
	assert_int_equal(mkdir("outer", 0700), 0);
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
		struct clog_error err = {0};
		if (open_and_close(paths[i][0], noting_disk(), &err) != 0)
			fail_msg("%s: %s", paths[i][0], err.text);
		assert_true(was_synced(paths[i][1]));
		/* Once it is a member's, it was. */
		assert_int_equal(open_and_close(paths[i][0], noting_disk(), &err), 0);
		assert_false(was_synced(paths[i][1]));
	}
}

static void a_data_folder_is_its_owners_alone(void **state)
{
	struct stat stat_of;
	assert_int_equal(open_and_close("data", log_disk_posix(), NULL), 0);
	assert_int_equal(stat("data", &stat_of), 0);
	assert_int_equal(stat_of.st_mode & 07777, 0700);
	assert_int_equal(stat("data/identity", &stat_of), 0);
	assert_int_equal(stat_of.st_mode & 07777, 0600);
	assert_int_equal(stat("data/vote", &stat_of), 0);
	assert_int_equal(stat_of.st_mode & 07777, 0600);
}

static void a_data_folder_whose_parent_is_missing_is_refused(void **state)
{
	struct clog_error err = {0};
	assert_int_equal(open_and_close("no/data", log_disk_posix(), &err), -ENOENT);
	assert_non_null(strstr(err.text, "no/data"));
}

static void a_path_too_long_for_the_files_in_it_is_refused(void **state)
{
	static char data[PATH_MAX];
	const size_t size = PATH_MAX - 6;
	for (size_t i = 0; i < size; i += 2)
		memcpy(data + i, "./", 2);
	data[size] = 'd';
	struct clog_error err = {0};
	/* The folder itself can be made; "lock" in it cannot be named. */
	assert_int_equal(open_and_close(data, log_disk_posix(), &err), -ENAMETOOLONG);
	assert_int_equal(err.code, -ENAMETOOLONG);
}

static void a_folder_refused_for_what_it_holds_is_left_as_it_was(void **state)
{
	struct clog_error err = {0};
	struct stat stat_of;
	assert_int_equal(mkdir("data", 0755), 0);
	FILE *file = fopen("data/letter", "w");
	assert_non_null(file);
	fclose(file);
	assert_int_equal(open_and_close("data", log_disk_posix(), &err), -ENOTEMPTY);
	assert_non_null(strstr(err.text, "\"letter\""));
	assert_int_equal(stat("data/lock", &stat_of), -1);
	assert_int_equal(errno, ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_folder_that_a_data_folder_is_in_is_synced, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_data_folder_is_its_owners_alone, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_data_folder_whose_parent_is_missing_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_path_too_long_for_the_files_in_it_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_folder_refused_for_what_it_holds_is_left_as_it_was, set_up,
	                                        tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
