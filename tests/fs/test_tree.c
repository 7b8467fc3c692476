#include "tests/fs/mounted.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static void assert_link(struct mounted *m, const char *name, const char *target)
{
	char found[256];
	struct stat attr;
	ssize_t size = readlink(at(m, name), found, sizeof found - 1);
	if (size < 0)
		fail_msg("%s: %s", name, strerror(errno));
	found[size] = '\0';
	assert_string_equal(found, target);
	assert_int_equal(lstat(at(m, name), &attr), 0);
	assert_int_equal(attr.st_mode, S_IFLNK | 0777);
	assert_int_equal(attr.st_size, size);
}

static void the_root_s_links_point_into_the_tree(void **state)
{
	struct mounted *m = *state;
	assert_link(m, "append", "log/append");
	assert_link(m, "records", "log/records");
	assert_link(m, "leader", "cluster/one");
	assert_link(m, "self", "cluster/one");
	assert_text(m, "leader/state", "leader\n");
	assert_text(m, "self/id", "7\n");
}

static void the_leader_s_link_follows_the_leader(void **state)
{
	struct mounted *m = *state;
	struct stat attr;
	m->fake->members[1] = (struct service_member){.id = 8, .state = SERVICE_FOLLOWER};
	snprintf(m->fake->members[1].name, SERVICE_NAME_SIZE, "other-one");
	m->fake->member_count = 2;
	assert_link(m, "leader", "cluster/one");
	m->fake->leader = 8;
	assert_link(m, "leader", "cluster/other-one");
	m->fake->leader = 0;
	assert_int_equal(ERRNO(lstat(at(m, "leader"), &attr)), ENOENT);
	m->fake->leader = 7;
	assert_link(m, "leader", "cluster/one");
	assert_link(m, "self", "cluster/one");
}

static void folders_are_the_owner_s_and_open_to_look_at(void **state)
{
	struct mounted *m = *state;
	static const char *const names[] = {"", "log", "log/records", "cluster", "cluster/one", "status"};
	struct stat attr;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		assert_int_equal(stat(at(m, names[i]), &attr), 0);
		assert_int_equal(attr.st_mode, S_IFDIR | 0755);
		assert_int_equal(attr.st_uid, geteuid());
		assert_int_equal(attr.st_gid, getegid());
		assert_true(attr.st_mtim.tv_sec >= (time_t)(FAKE_START_NS / 1000000000));
	}
}

static void what_is_not_in_the_tree_is_not_there(void **state)
{
	struct mounted *m = *state;
	static const char *const names[] = {"x",           "first",           "stream",     "log/log",
	                                    "log/leader",  "cluster/two",     "cluster/id", "cluster/one/x",
	                                    "status/role", "log/records/one", ".git",       "log/append~"};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (ERRNO(access(at(m, names[i]), F_OK)) != ENOENT)
			fail_msg("%s is there", names[i]);
	assert_int_equal(ERRNO(access(at(m, "log/append/x"), F_OK)), ENOTDIR);
}

static void it_says_how_long_a_name_may_be(void **state)
{
	struct mounted *m = *state;
	struct statvfs attr;
	char name[300];
	assert_int_equal(statvfs(m->folder, &attr), 0);
	assert_int_equal(attr.f_namemax, 255);
	assert_true(attr.f_flag & ST_NOSUID);
	assert_true(attr.f_flag & ST_NODEV);
	memset(name, '1', sizeof name);
	name[255] = '\0';
	assert_int_equal(ERRNO(access(at(m, name), F_OK)), ENOENT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, mounted_setup, mounted_teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_root_s_links_point_into_the_tree),
		TEST(the_leader_s_link_follows_the_leader),
		TEST(folders_are_the_owner_s_and_open_to_look_at),
		TEST(what_is_not_in_the_tree_is_not_there),
		TEST(it_says_how_long_a_name_may_be),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
