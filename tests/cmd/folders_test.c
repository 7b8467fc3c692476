#include "cmd/folders.h"
#include "error/error.h"
#include "tests/disk/allocation.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* The working folder of each test is a fresh one with the folder "there", the folder "there/in", and "link" to
 * "there". */
static char folder[64];

static int enter_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/clog-folders.XXXXXX");
	assert_non_null(mkdtemp(folder));
	assert_int_equal(chdir(folder), 0);
	assert_int_equal(mkdir("there", 0700), 0);
	assert_int_equal(mkdir("there/in", 0700), 0);
	assert_int_equal(symlink("there", "link"), 0);
	return 0;
}

static int leave_folder(void **state)
{
	(void)state;
	unlink("link");
	rmdir("there/in");
	rmdir("there");
	assert_int_equal(chdir("/"), 0);
	return rmdir(folder);
}

static void accept(const char *data, const char *mount)
{
	struct clog_error err = {0};
	if (folders_check(data, mount, &err) != 0)
		fail_msg("%s", err.text);
}

static void refuse(const char *data, const char *mount, const char *sentence)
{
	struct clog_error err = {0};
	assert_int_equal(folders_check(data, mount, &err), -EINVAL);
	assert_string_equal(err.text, sentence);
	assert_int_equal(folders_check(data, mount, NULL), -EINVAL);
}

static void folders_beside_each_other_are_accepted(void **state)
{
	(void)state;
	accept("there", "mnt");
	accept("data", "there");
	accept("data", "mnt");
	accept("there/in", "there/mnt");
	accept("there", "there2");
	accept("there2", "there");
	accept("/no/such/data", "/no/such/mnt");
	accept("new/data", "new/mnt");
}

static void the_same_folder_is_refused(void **state)
{
	(void)state;
	refuse("there", "there", "there: the data and the mount need a folder each");
	refuse("there", "link/", "link/: the data and the mount need a folder each");
	refuse("new", "./new//", "./new//: the data and the mount need a folder each");
	refuse("link/new", "there/new", "there/new: the data and the mount need a folder each");
	refuse("there/in/..", "there", "there: the data and the mount need a folder each");
	refuse("/", "/", "/: the data and the mount need a folder each");
	char path[128];
	snprintf(path, sizeof path, "%s/new", folder);
	refuse(path, "new", "new: the data and the mount need a folder each");
}

static void a_mount_in_the_data_is_refused(void **state)
{
	(void)state;
	refuse("there", "there/in", "there/in: the mount cannot be in the data folder, there");
	refuse("there", "link/in", "link/in: the mount cannot be in the data folder, there");
	refuse("there", "there/new/", "there/new/: the mount cannot be in the data folder, there");
	refuse("new", "new/mnt", "new/mnt: the mount cannot be in the data folder, new");
	refuse("./new/", "new//not/yet/mnt", "new//not/yet/mnt: the mount cannot be in the data folder, ./new/");
	refuse("/", "there", "there: the mount cannot be in the data folder, /");
	refuse("/", "/no-such-mount", "/no-such-mount: the mount cannot be in the data folder, /");
}

static void data_under_the_mount_is_refused(void **state)
{
	(void)state;
	refuse("there/in", "there", "there/in: the data folder cannot be under the mount, there");
	refuse("there/new", "link", "there/new: the data folder cannot be under the mount, link");
	refuse("there", ".", "there: the data folder cannot be under the mount, .");
	refuse("new", "/", "new: the data folder cannot be under the mount, /");
	refuse("/no/such/mnt/data", "/no/such/mnt",
	       "/no/such/mnt/data: the data folder cannot be under the mount, "
	       "/no/such/mnt");
}

static void mounts_in_each_other_are_refused(void **state)
{
	(void)state;
	static const char *const wrong[][2] = {
		{"there", "link/"}, {"new", "new"}, {"there", "link/in"}, {"new/x", "./new"}};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct clog_error err = {0};
		char sentence[128];
		assert_int_equal(folders_check_mounts(wrong[i][0], wrong[i][1], &err), -EINVAL);
		snprintf(sentence, sizeof sentence, "%s and %s: two mounts need a folder each, neither in the other",
		         wrong[i][0], wrong[i][1]);
		assert_string_equal(err.text, sentence);
	}
	assert_int_equal(folders_check_mounts("there", "there2", NULL), 0);
	assert_int_equal(folders_check_mounts("new/a", "new/b", NULL), 0);
}

static void a_working_folder_that_is_gone_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(mkdir("gone", 0700), 0);
	assert_int_equal(chdir("gone"), 0);
	assert_int_equal(rmdir("../gone"), 0);
	struct clog_error err = {0};
	assert_int_equal(folders_check("data", "/mnt", &err), -ENOENT);
	assert_string_equal(err.text, "data: No such file or directory");
	assert_int_equal(folders_check("/data", "mnt", &err), -ENOENT);
	assert_string_equal(err.text, "mnt: No such file or directory");
	assert_int_equal(chdir(folder), 0);
}

static void memory_that_runs_out_is_an_error(void **state)
{
	(void)state;
	unsigned nth = 1;
	for (;; nth++) {
		struct clog_error err = {0};
		allocation_fail(nth);
		const int status = folders_check("there", "mnt", &err);
		const bool fired = allocation_fired();
		allocation_fail(0);
		if (!fired) {
			assert_int_equal(status, 0);
			break;
		}
		assert_int_equal(status, -ENOMEM);
		assert_non_null(strstr(err.text, "Cannot allocate memory"));
	}
	assert_in_range(nth, 3, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(folders_beside_each_other_are_accepted, enter_folder, leave_folder),
		cmocka_unit_test_setup_teardown(the_same_folder_is_refused, enter_folder, leave_folder),
		cmocka_unit_test_setup_teardown(a_mount_in_the_data_is_refused, enter_folder, leave_folder),
		cmocka_unit_test_setup_teardown(a_working_folder_that_is_gone_is_an_error, enter_folder, leave_folder),
		cmocka_unit_test_setup_teardown(memory_that_runs_out_is_an_error, enter_folder, leave_folder),
		cmocka_unit_test_setup_teardown(data_under_the_mount_is_refused, enter_folder, leave_folder),
		cmocka_unit_test_setup_teardown(mounts_in_each_other_are_refused, enter_folder, leave_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
