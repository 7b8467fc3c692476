#include "fs/mounts.h"
#include "tests/fs/dead_mount.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/clog mounts\t\\-XXXXXX"); /* characters that the table escapes */
	return fuse_there() && mkdtemp(folder) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	while (umount2(folder, MNT_DETACH) == 0)
		;
	return rmdir(folder);
}

static void nothing_is_found_where_nothing_is_mounted(void **state)
{
	struct mount mount;
	(void)state;
	assert_int_equal(mounts_find(folder, &mount), -ENOENT);
	assert_int_equal(mounts_find("/no/such/folder", &mount), -ENOENT);
	assert_int_equal(mounts_find("/", &mount), 0);
	assert_false(mounts_dead(folder));
	assert_false(mounts_dead("/no/such/folder"));
}

static void the_uppermost_mount_is_found_with_its_type_and_source(void **state)
{
	struct mount found;
	(void)state;
	assert_int_equal(mount("lower one", folder, "tmpfs", 0, ""), 0);
	assert_int_equal(mounts_find(folder, &found), 0);
	assert_string_equal(found.type, "tmpfs");
	assert_string_equal(found.source, "lower one");
	assert_false(mounts_dead(folder));
	assert_int_equal(dead_mount(folder, "fuse.clog"), 0);
	assert_int_equal(mounts_find(folder, &found), 0);
	assert_string_equal(found.type, "fuse.clog");
	assert_string_equal(found.source, "somebody");
	assert_int_equal(umount2(folder, MNT_DETACH), 0);
	assert_int_equal(mounts_find(folder, &found), 0);
	assert_string_equal(found.type, "tmpfs");
}

static void a_mount_without_its_program_is_dead(void **state)
{
	(void)state;
	assert_int_equal(dead_mount(folder, "fuse.other"), 0);
	assert_true(mounts_dead(folder));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(nothing_is_found_where_nothing_is_mounted),
		TEST(the_uppermost_mount_is_found_with_its_type_and_source),
		TEST(a_mount_without_its_program_is_dead),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
