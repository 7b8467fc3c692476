/* The access list as a file, and what it does to users of the mount. */
#include "auth/auth.h"
#include "tests/fs/mounted.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534
#define LIST "# who may\np, user:65534, log, consume\n"

/* Writes a text as cp does. Returns 0 or the errno of the write. */
static int put_bytes(struct mounted *m, const char *text, size_t size)
{
	int fd = open_at(m, "acl", O_WRONLY | O_CREAT | O_TRUNC);
	ssize_t written = write(fd, text, size);
	int error = written < 0 ? errno : 0;
	assert_true(written < 0 || written == (ssize_t)size);
	close(fd);
	return error;
}

static int put(struct mounted *m, const char *text)
{
	return put_bytes(m, text, strlen(text));
}

static void one_write_replaces_the_list(void **state)
{
	struct mounted *m = *state;
	assert_text(m, "acl", "");
	assert_int_equal(put(m, LIST), 0);
	assert_int_equal(m->fake->last_command.kind, SERVICE_SET);
	assert_string_equal(m->fake->setting_key, "acl");
	assert_int_equal(m->fake->setting_size, strlen(LIST));
	assert_text(m, "acl", LIST);
	assert_int_equal(put(m, "p, alice, log, *"), 0);
	assert_text(m, "acl", "p, alice, log, *");
	assert_true(mounted_told(m, "event=admin_done file=acl text=\"38 bytes\" uid=0"));
}

static void rm_takes_the_list_away(void **state)
{
	struct mounted *m = *state;
	assert_int_equal(put(m, LIST), 0);
	assert_int_equal(unlink(at(m, "acl")), 0);
	assert_int_equal(m->fake->last_command.kind, SERVICE_SET);
	assert_int_equal(m->fake->last_command.setting_size, 0);
	assert_text(m, "acl", "");
	assert_true(mounted_told(m, "event=admin_done file=acl text=rm uid=0"));
	m->fake->command_failure = -ETIMEDOUT;
	assert_int_equal(ERRNO(unlink(at(m, "acl"))), ETIMEDOUT);
	assert_true(mounted_told(m, "event=admin_failed file=acl text=rm uid=0 error="));
	assert_int_equal(ERRNO(unlink(at(m, "log/retention"))), EPERM);
	assert_int_equal(ERRNO(rmdir(at(m, "acl"))), ENOTDIR);
}

static void truncating_changes_nothing(void **state)
{
	struct mounted *m = *state;
	assert_int_equal(put(m, LIST), 0);
	close(open_at(m, "acl", O_WRONLY | O_TRUNC));
	assert_int_equal(truncate(at(m, "acl"), 0), 0);
	assert_int_equal(m->fake->commands, 1);
	assert_text(m, "acl", LIST);
}

static void a_wrong_list_is_refused_and_its_line_told(void **state)
{
	struct mounted *m = *state;
	assert_int_equal(put(m, "p, alice, log, *\np, bob, log, write\n"), EINVAL);
	assert_true(
		mounted_told(m, "event=admin_refused file=acl size=36 uid=0 reason=\"line 2: the action is none of "));
	assert_int_equal(put_bytes(m, "p, a\0b, log, *\n", 15), EINVAL);
	assert_int_equal(m->fake->commands, 0);
	assert_text(m, "acl", "");
}

static void a_list_has_a_bound(void **state)
{
	struct mounted *m = *state;
	static char large[AUTH_ACL_SIZE_MAX + 1];
	memset(large, '\n', sizeof large);
	assert_int_equal(put_bytes(m, large, sizeof large), EMSGSIZE);
	assert_true(
		mounted_told(m, "event=admin_refused file=acl size=32769 uid=0 reason=\"the access list is larger "));
	assert_int_equal(m->fake->commands, 0);
	assert_int_equal(put_bytes(m, large, sizeof large - 1), 0);
	struct stat attr;
	assert_int_equal(stat(at(m, "acl"), &attr), 0);
	assert_int_equal(attr.st_size, AUTH_ACL_SIZE_MAX);
}

static void nothing_is_added_to_a_list(void **state)
{
	struct mounted *m = *state;
	assert_int_equal(put(m, LIST), 0);
	int fd = open_at(m, "acl", O_WRONLY | O_APPEND);
	assert_int_equal(ERRNO(write(fd, "p, *, *, *\n", 11)), EINVAL);
	close(fd);
	fd = open_at(m, "acl", O_WRONLY);
	assert_int_equal(ERRNO(pwrite(fd, "p, *, *, *\n", 11, 4096)), EINVAL);
	close(fd);
	assert_text(m, "acl", LIST);
	assert_true(mounted_told(m, "reason=\"a list is written whole, by one write, and nothing is added to one\""));
}

static void while_the_settings_are_not_known_it_cannot_be_read(void **state)
{
	struct mounted *m = *state;
	struct stat attr;
	m->fake->settings_unknown = true;
	assert_int_equal(ERRNO(open(at(m, "acl"), O_RDONLY)), EAGAIN);
	assert_int_equal(stat(at(m, "acl"), &attr), 0);
	m->fake->settings_unknown = false;
	assert_text(m, "acl", "");
}

/* ---- Other users ---- */

/* Runs a step as nobody, in a process of its own. */
static int as_nobody(struct mounted *m, int (*step)(struct mounted *m))
{
	int status;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(m->commands);
		if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
			_exit(255);
		_exit(step(m));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* A mount that is everybody's by its mode, with a list. */
static int mounted_with(void **state, const char *list)
{
	static struct auth_policy policy = {.owner = 0, .mode = 0666};
	static const struct fs_options options = {.guard = FS_GUARD_NO, .allow_other = true, .auth = &policy};
	const struct auth_setting setting = {AUTH_ACL_KEY, list, strlen(list)};
	if (mounted_setup_unmounted(state) != 0 || auth_access_create(&policy.access) != 0 ||
	    auth_access_load(policy.access, &setting, 1, NULL) != 0)
		return -1;
	struct mounted *m = *state;
	const int rc = chmod(m->base, 0755) == 0 ? mounted_start(m, &options) : -1;
	auth_access_destroy(policy.access); /* the server has its own */
	return rc;
}

static int mounted_for_a_consumer(void **state)
{
	return mounted_with(state, LIST);
}

static int mounted_for_a_name(void **state)
{
	return mounted_with(state, "p, user:nobody, log, produce\n");
}

static int consume(struct mounted *m)
{
	return ERRNO(open(at(m, "records/0"), O_RDONLY)) == 0 && ERRNO(open(at(m, "append"), O_WRONLY)) == EACCES &&
	                       ERRNO(open(at(m, "status/health"), O_RDONLY)) == EACCES
	               ? 0
	               : 1;
}

static int produce(struct mounted *m)
{
	return ERRNO(open(at(m, "append"), O_WRONLY)) == 0 && ERRNO(open(at(m, "log/stream"), O_RDONLY)) == EACCES ? 0
	                                                                                                           : 1;
}

static void a_user_may_do_what_the_list_says_and_denials_are_told(void **state)
{
	struct mounted *m = *state;
	fake_add(m->fake, "a", 1);
	assert_int_equal(as_nobody(m, consume), 0);
	assert_true(mounted_told(m, "event=denied door=mount principal=user:65534 action=produce log=log\n"));
	/* The owner does as ever. */
	close(open_at(m, "append", O_WRONLY));
	assert_text(m, "status/health", "ok\n");
}

static void a_user_is_known_by_its_name(void **state)
{
	struct mounted *m = *state;
	assert_int_equal(as_nobody(m, produce), 0);
}

static int look_at_the_list(struct mounted *m)
{
	struct stat attr;
	return ERRNO(open(at(m, "acl"), O_RDONLY)) == EACCES && ERRNO(open(at(m, "acl"), O_WRONLY)) == EACCES &&
	                       ERRNO(unlink(at(m, "acl"))) == EACCES && ERRNO(truncate(at(m, "acl"), 0)) == EACCES &&
	                       stat(at(m, "acl"), &attr) == 0 && (attr.st_mode & 07777) == 0600
	               ? 0
	               : 1;
}

static int mounted_for_all(void **state)
{
	return mounted_with(state, "p, *, *, *\n");
}

static void the_list_is_its_owner_s_alone(void **state)
{
	struct mounted *m = *state;
	assert_int_equal(as_nobody(m, look_at_the_list), 0);
	assert_int_equal(m->fake->commands, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, mounted_setup, mounted_teardown)
#define TEST_WITH(name, setup) cmocka_unit_test_setup_teardown(name, setup, mounted_teardown)
	const struct CMUnitTest tests[] = {
		TEST(one_write_replaces_the_list),
		TEST(rm_takes_the_list_away),
		TEST(truncating_changes_nothing),
		TEST(a_wrong_list_is_refused_and_its_line_told),
		TEST(a_list_has_a_bound),
		TEST(nothing_is_added_to_a_list),
		TEST(while_the_settings_are_not_known_it_cannot_be_read),
		TEST_WITH(a_user_may_do_what_the_list_says_and_denials_are_told, mounted_for_a_consumer),
		TEST_WITH(a_user_is_known_by_its_name, mounted_for_a_name),
		TEST_WITH(the_list_is_its_owner_s_alone, mounted_for_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
