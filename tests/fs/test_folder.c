#include "fs/mounts.h"
#include "tests/fs/dead_mount.h"
#include "tests/fs/mounted.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct fs_options guarded = {.guard = FS_GUARD_YES};

/* -1: the filesystem has no such flags. */
static int immutable(const char *folder)
{
	int flags, fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	int rc = ioctl(fd, FS_IOC_GETFLAGS, &flags);
	close(fd);
	return rc != 0 ? -1 : (flags & FS_IMMUTABLE_FL) != 0;
}

/* Makes a file in the folder; gives its errno. */
static int touch(struct mounted *m, const char *name)
{
	int fd = open(at(m, name), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static void stop(struct mounted *m)
{
	mounted_command(m, 'u');
	mounted_expect(m, 'd');
	mounted_join(m);
}

static void a_missing_folder_is_made_and_removed_at_the_end(void **state)
{
	struct mounted *m = *state;
	assert_int_equal(rmdir(m->folder), 0);
	assert_int_equal(mounted_start(m, &guarded), 0);
	assert_text(m, "status/health", "ok\n");
	stop(m);
	assert_int_equal(ERRNO(access(m->folder, F_OK)), ENOENT);
}

static void a_folder_that_was_there_stays(void **state)
{
	struct mounted *m = *state;
	assert_int_equal(mounted_start(m, NULL), 0);
	stop(m);
	assert_int_equal(access(m->folder, F_OK), 0);
	assert_int_equal(touch(m, "x"), 0); /* it was not guarded */
}

static void a_folder_that_is_not_empty_is_refused_and_told_what_is_in_it(void **state)
{
	struct mounted *m = *state;
	assert_int_equal(touch(m, "lost\nrecord"), 0);
	assert_int_equal(mounted_start(m, &guarded), -ENOTEMPTY);
	assert_non_null(strstr(m->err->text, m->folder));
	assert_non_null(strstr(m->err->text, "\"lost?record\""));
	assert_false(mounted_is(m));
	for (char name[] = "a"; name[0] < 'e'; name[0]++)
		assert_int_equal(touch(m, name), 0);
	assert_int_equal(mounted_start(m, &guarded), -ENOTEMPTY);
	assert_non_null(strstr(m->err->text, " and 2 more"));
	assert_int_not_equal(immutable(m->folder), 1);
}

static void a_file_is_not_a_folder(void **state)
{
	struct mounted *m = *state;
	assert_int_equal(rmdir(m->folder), 0);
	int fd = open(m->folder, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(mounted_start(m, NULL), -ENOTDIR);
	assert_non_null(strstr(m->err->text, m->folder));
}

static void a_folder_without_a_parent_is_refused(void **state)
{
	struct mounted *m = *state;
	snprintf(m->folder, sizeof m->folder, "%s/no/such", m->base);
	assert_int_equal(mounted_start(m, NULL), -ENOENT);
	assert_non_null(strstr(m->err->text, m->folder));
}

static void a_link_to_a_folder_is_followed(void **state)
{
	struct mounted *m = *state;
	char real[sizeof m->folder], link[sizeof m->folder];
	struct mount mount;
	snprintf(real, sizeof real, "%s", m->folder);
	snprintf(link, sizeof link, "%s/link", m->base);
	assert_int_equal(symlink("mount", link), 0);
	snprintf(m->folder, sizeof m->folder, "%s", link);
	assert_int_equal(mounted_start(m, NULL), 0);
	assert_int_equal(mounts_find(real, &mount), 0);
	assert_string_equal(mount.type, "fuse.clog");
	stop(m);
	assert_int_equal(mounts_find(real, &mount), -ENOENT);
}

static void a_folder_where_something_is_mounted_is_refused(void **state)
{
	struct mounted *m = *state;
	assert_int_equal(mount("something", m->folder, "tmpfs", 0, ""), 0);
	assert_int_equal(mounted_start(m, NULL), -EBUSY);
	assert_non_null(strstr(m->err->text, "something (tmpfs) is mounted there"));
	assert_int_equal(umount2(m->folder, 0), 0);
}

static void a_killed_server_s_mount_is_taken_off(void **state)
{
	struct mounted *m = *state;
	assert_int_equal(mounted_start(m, NULL), 0);
	mounted_kill(m);
	assert_true(mounted_is(m));
	assert_int_equal(mounted_start(m, NULL), 0);
	assert_true(mounted_told(m, "event=stale_mount_removed"));
	assert_text(m, "status/health", "ok\n");
	stop(m);
	assert_false(mounted_is(m));
}

static void dead_mounts_over_each_other_are_all_taken_off(void **state)
{
	struct mounted *m = *state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(dead_mount(m->folder, "fuse.clog"), 0);
	assert_int_equal(mounted_start(m, NULL), 0);
	stop(m);
	assert_false(mounted_is(m));
}

static void another_s_dead_mount_is_left_alone(void **state)
{
	struct mounted *m = *state;
	assert_int_equal(dead_mount(m->folder, "fuse.other"), 0);
	assert_int_equal(mounted_start(m, NULL), -EBUSY);
	assert_non_null(strstr(m->err->text, "somebody (fuse.other) is mounted there"));
	assert_true(mounted_is(m));
	assert_int_equal(umount2(m->folder, MNT_DETACH), 0);
}

static void the_guard_keeps_files_out_while_nothing_is_mounted(void **state)
{
	struct mounted *m = *state;
	if (immutable(m->folder) < 0)
		fail_msg("%s: its filesystem has no immutable flag; set TMPDIR to one that has", m->folder);
	assert_int_equal(mounted_start(m, &guarded), 0);
	int fd = open_at(m, "append", O_WRONLY | O_APPEND | O_CREAT);
	assert_int_equal(write(fd, "x", 1), 1);
	close(fd);
	stop(m);
	assert_int_equal(immutable(m->folder), 1);
	assert_int_equal(touch(m, "append"), EPERM);
	/* The next start finds it guarded, and that is well. */
	assert_int_equal(mounted_start(m, &guarded), 0);
	assert_false(mounted_told(m, "event=mount_folder_not_guarded"));
	assert_text(m, "status/health", "ok\n");
	stop(m);
	assert_int_equal(immutable(m->folder), 1);
}

static void without_the_guard_the_folder_is_left_as_it_is(void **state)
{
	struct mounted *m = *state;
	int before = immutable(m->folder);
	assert_int_equal(mounted_start(m, NULL), 0);
	stop(m);
	assert_int_equal(immutable(m->folder), before);
}

static void a_guard_that_cannot_be_had_is_a_warning(void **state)
{
	struct mounted *m = *state;
	assert_int_equal(mount("ramfs", m->folder, "ramfs", 0, ""), 0); /* which has no such flag */
	snprintf(m->folder, sizeof m->folder, "%s/mount/inner", m->base);
	assert_int_equal(mkdir(m->folder, 0755), 0);
	assert_int_equal(mounted_start(m, &guarded), 0);
	assert_true(mounted_told(m, "level=warning event=mount_folder_not_guarded"));
	assert_text(m, "status/health", "ok\n");
	stop(m);
	snprintf(m->folder, sizeof m->folder, "%s/mount", m->base);
	assert_int_equal(umount2(m->folder, 0), 0);
}

/* What is mounted from here on, this process alone sees. */
static void leave_namespace(void)
{
	if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		_exit(101);
}

static void hide_devices(struct mounted *m)
{
	(void)m;
	leave_namespace();
	if (mount("none", "/dev", "tmpfs", 0, "") != 0)
		_exit(102);
}

static void a_machine_without_fuse_is_told_so(void **state)
{
	struct mounted *m = *state;
	m->prepare = hide_devices;
	assert_int_equal(mounted_start(m, &guarded), -ENOENT);
	assert_non_null(strstr(m->err->text, "/dev/fuse"));
	assert_int_not_equal(immutable(m->folder), 1);
}

static void forbid_mounts(struct mounted *m)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];
	(void)m;
	if (prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN) != 0 || syscall(SYS_capget, &header, data) != 0)
		_exit(103);
	data[0].effective &= ~(1u << CAP_SYS_ADMIN);
	data[0].permitted &= ~(1u << CAP_SYS_ADMIN);
	data[0].inheritable &= ~(1u << CAP_SYS_ADMIN);
	/* What libfuse's helper says on stderr is not what is tested. */
	if (syscall(SYS_capset, &header, data) != 0 || freopen("/dev/null", "w", stderr) == NULL)
		_exit(104);
}

static void a_mount_that_fails_leaves_the_folder_as_it_was(void **state)
{
	struct mounted *m = *state;
	int before = immutable(m->folder);
	m->prepare = forbid_mounts;
	assert_int_equal(mounted_start(m, &guarded), -EPERM);
	assert_non_null(strstr(m->err->text, m->folder));
	assert_int_equal(immutable(m->folder), before);
	assert_int_equal(rmdir(m->folder), 0);
	assert_int_equal(mounted_start(m, &guarded), -EPERM);
	assert_int_equal(ERRNO(access(m->folder, F_OK)), ENOENT);
}

static void limit_pages(struct mounted *m)
{
	char path[sizeof m->base + 8];
	leave_namespace();
	snprintf(path, sizeof path, "%s/limit", m->base);
	FILE *file = fopen(path, "we");
	if (file == NULL || fputs("128\n", file) < 0 || fclose(file) != 0)
		_exit(105);
	if (mount(path, "/proc/sys/fs/fuse/max_pages_limit", NULL, MS_BIND, NULL) != 0)
		_exit(errno == ENOENT ? 0 : 106); /* a kernel without that limit */
}

static void a_limit_that_would_cut_writes_is_refused(void **state)
{
	struct mounted *m = *state;
	if (access("/proc/sys/fs/fuse/max_pages_limit", F_OK) != 0)
		return;
	m->prepare = limit_pages;
	assert_int_equal(mounted_start(m, NULL), -EINVAL);
	assert_non_null(strstr(m->err->text, "/proc/sys/fs/fuse/max_pages_limit is 128"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, mounted_setup_unmounted, mounted_teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_missing_folder_is_made_and_removed_at_the_end),
		TEST(a_folder_that_was_there_stays),
		TEST(a_folder_that_is_not_empty_is_refused_and_told_what_is_in_it),
		TEST(a_file_is_not_a_folder),
		TEST(a_folder_without_a_parent_is_refused),
		TEST(a_link_to_a_folder_is_followed),
		TEST(a_folder_where_something_is_mounted_is_refused),
		TEST(a_killed_server_s_mount_is_taken_off),
		TEST(dead_mounts_over_each_other_are_all_taken_off),
		TEST(another_s_dead_mount_is_left_alone),
		TEST(the_guard_keeps_files_out_while_nothing_is_mounted),
		TEST(without_the_guard_the_folder_is_left_as_it_is),
		TEST(a_guard_that_cannot_be_had_is_a_warning),
		TEST(a_machine_without_fuse_is_told_so),
		TEST(a_mount_that_fails_leaves_the_folder_as_it_was),
		TEST(a_limit_that_would_cut_writes_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
