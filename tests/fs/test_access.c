#include "auth/auth.h"
#include "tests/fs/mounted.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NOBODY 65534

/* The rooms' real policy lets a user do all or nothing. Here, nobody may do the actions in this set of bits: the linker
 * puts this in the place of the real one, in the server's process too. */
static _Atomic unsigned *nobody_may;

int __wrap_auth_authorize(const struct auth_policy *policy, const struct auth_principal *principal,
                          enum auth_action action, const char *log);

int __wrap_auth_authorize(const struct auth_policy *policy, const struct auth_principal *principal,
                          enum auth_action action, const char *log)
{
	assert_string_equal(log, "log");
	return principal->uid == policy->owner || (*nobody_may & 1u << action) ? 0 : -EACCES;
}

/* Runs a step as another user, in a process of its own. Gives the errno that the step returned. */
static int as_nobody(struct mounted *m, int (*step)(struct mounted *m, int fd), int fd)
{
	int status;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(m->commands);
		if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
			_exit(255);
		_exit(step(m, fd));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int mounted_to_all_of(void **state, unsigned actions)
{
	/* The server's process has it, too. */
	nobody_may = mmap(NULL, sizeof *nobody_may, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (nobody_may == MAP_FAILED)
		return -1;
	*nobody_may = actions;
	/* By their modes the kernel would let all users do all that they ask for. */
	static const struct auth_policy modes = {.owner = 0, .mode = 0666};
	static const struct fs_options options = {.guard = FS_GUARD_NO, .allow_other = true, .auth = &modes};
	if (mounted_setup_unmounted(state) != 0)
		return -1;
	struct mounted *m = *state;
	/* The temporary folder is the owner's alone. */
	return chmod(m->base, 0755) == 0 ? mounted_start(m, &options) : -1;
}

static int mounted_to_all(void **state)
{
	return mounted_to_all_of(state, 0);
}

static int mounted_for_producers(void **state)
{
	return mounted_to_all_of(state, 1u << AUTH_PRODUCE);
}

static int mounted_for_consumers(void **state)
{
	return mounted_to_all_of(state, 1u << AUTH_CONSUME);
}

static int mounted_for_observers(void **state)
{
	return mounted_to_all_of(state, 1u << AUTH_OBSERVE);
}

static int try_to_open(struct mounted *m, int fd)
{
	static const char *const names[] = {"log/append", "log/lines",     "log/records/0", "log/stream",
	                                    "log/first",  "status/health", "log/next",      "cluster/one/state"};
	(void)fd;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (ERRNO(open(at(m, names[i]), O_RDONLY)) != EACCES)
			return 1;
	return 0;
}

static void who_may_nothing_opens_nothing(void **state)
{
	struct mounted *m = *state;
	fake_add(m->fake, "a", 1);
	assert_int_equal(as_nobody(m, try_to_open, -1), 0);
	/* Nor does it help that the kernel knows the names and attributes. */
	assert_text(m, "log/records/0", "a");
	assert_text(m, "log/first", "0\n");
	assert_text(m, "status/health", "ok\n");
	assert_text(m, "cluster/one/state", "leader\n");
	assert_int_equal(as_nobody(m, try_to_open, -1), 0);
}

static int try_to_look(struct mounted *m, int fd)
{
	static const char *const names[] = {"", "log", "log/records", "cluster", "cluster/one", "status"};
	(void)fd;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (opendir(at(m, names[i])) != NULL || errno != EACCES)
			return 1;
	return 0;
}

static void who_may_nothing_lists_nothing(void **state)
{
	struct mounted *m = *state;
	assert_int_equal(as_nobody(m, try_to_look, -1), 0);
	assert_int_equal(access(at(m, "cluster/one"), F_OK), 0);
	assert_int_equal(access(at(m, "log/records"), F_OK), 0);
	assert_int_equal(as_nobody(m, try_to_look, -1), 0);
}

static int write_one(struct mounted *m, int fd)
{
	(void)m;
	return write(fd, "by nobody", 9) == 9 ? 0 : errno;
}

static int read_one(struct mounted *m, int fd)
{
	char byte;
	(void)m;
	return read(fd, &byte, 1) == 1 ? 0 : errno;
}

static int list_one(struct mounted *m, int fd)
{
	(void)m;
	DIR *folder = fdopendir(fd);
	return folder != NULL && readdir(folder) != NULL ? 0 : 1;
}

static void an_open_file_is_its_opener_s_whoever_uses_it(void **state)
{
	struct mounted *m = *state;
	fake_add(m->fake, "a", 1);
	int append = open_at(m, "log/append", O_WRONLY), lines = open_at(m, "log/lines", O_WRONLY);
	assert_int_equal(as_nobody(m, write_one, append), 0);
	assert_int_equal(as_nobody(m, write_one, lines), 0);
	static const char *const names[] = {"log/records/0", "log/stream", "log/next", "status/version"};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		int fd = open_at(m, names[i], O_RDONLY);
		assert_int_equal(as_nobody(m, read_one, fd), 0);
		close(fd);
	}
	int folder = open_at(m, "log/records", O_RDONLY | O_DIRECTORY);
	assert_int_equal(as_nobody(m, list_one, folder), 0);
	close(folder);
	close(append);
	assert_int_equal(close(lines), 0);
	/* The lines' handle was closed by the other process, too, and that ended the line. */
	assert_int_equal(m->fake->count, 3);
	assert_true(fake_has(m->fake, 2, "by nobody", 9));
}

static int enter(struct mounted *m, int fd)
{
	(void)fd;
	return ERRNO(access(at(m, "log"), F_OK));
}

static void others_are_kept_out_unless_they_are_let(void **state)
{
	struct mounted *m = *state;
	assert_int_equal(chmod(m->base, 0755), 0);
	assert_int_equal(as_nobody(m, enter, -1), EACCES);
}

static const char *const produced[] = {"append", "log/append", "log/lines", NULL};
static const char *const consumed[] = {"log/records/0", "records/0", "log/stream", "log/first", "log/next", NULL};
static const char *const observed[] = {"leader/state", "self/id", "cluster/one/lag", "status/health", NULL};

static bool all_open(struct mounted *m, const char *const *names)
{
	while (*names != NULL)
		if (open(at(m, *names++), O_RDONLY | O_CLOEXEC) < 0)
			return false;
	return true;
}

static bool none_opens(struct mounted *m, const char *const *names, int flags)
{
	while (*names != NULL)
		if (ERRNO(open(at(m, *names++), flags | O_CLOEXEC)) != EACCES)
			return false;
	return true;
}

static int be_a_producer(struct mounted *m, int fd)
{
	(void)fd;
	return all_open(m, produced) && none_opens(m, consumed, O_RDONLY) && none_opens(m, observed, O_RDONLY) &&
	                       opendir(at(m, "log")) != NULL && opendir(at(m, "log/records")) == NULL &&
	                       opendir(at(m, "status")) == NULL
	               ? 0
	               : 1;
}

static int be_a_consumer(struct mounted *m, int fd)
{
	(void)fd;
	return all_open(m, consumed) && none_opens(m, produced, O_WRONLY) && all_open(m, produced) &&
	                       none_opens(m, observed, O_RDONLY) && opendir(at(m, "log/records")) != NULL &&
	                       opendir(at(m, "cluster")) == NULL
	               ? 0
	               : 1;
}

static int be_an_observer(struct mounted *m, int fd)
{
	(void)fd;
	return all_open(m, observed) && none_opens(m, consumed, O_RDONLY) && none_opens(m, produced, O_WRONLY) &&
	                       all_open(m, produced) && opendir(at(m, "")) != NULL &&
	                       opendir(at(m, "cluster")) != NULL && opendir(at(m, "log/records")) == NULL
	               ? 0
	               : 1;
}

static void who_may_only_append_gets_to_append(void **state)
{
	struct mounted *m = *state;
	fake_add(m->fake, "a", 1);
	assert_int_equal(as_nobody(m, be_a_producer, -1), 0);
}

static void who_may_only_read_gets_to_the_records(void **state)
{
	struct mounted *m = *state;
	fake_add(m->fake, "a", 1);
	assert_int_equal(as_nobody(m, be_a_consumer, -1), 0);
}

static void who_may_only_observe_gets_to_the_status(void **state)
{
	struct mounted *m = *state;
	fake_add(m->fake, "a", 1);
	assert_int_equal(as_nobody(m, be_an_observer, -1), 0);
}

/* True when the process is in read(2). */
static bool reads(pid_t pid)
{
	char path[64], text[32] = "";
	snprintf(path, sizeof path, "/proc/%d/syscall", (int)pid);
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	const bool known = fgets(text, sizeof text, file) != NULL;
	fclose(file);
	return known && strtol(text, NULL, 10) == SYS_read && text[0] != 'r';
}

static void who_waits_for_records_and_may_not_read_any_more_gets_none(void **state)
{
	struct mounted *m = *state;
	const time_t deadline = time(NULL) + 20;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		char byte;
		close(m->commands);
		int fd = setgid(NOBODY) == 0 && setuid(NOBODY) == 0 ? open(at(m, "log/follow"), O_RDONLY) : -1;
		_exit(fd >= 0 && read(fd, &byte, 1) < 0 ? errno : 0);
	}
	while (!reads(pid) && time(NULL) < deadline)
		sched_yield();
	*nobody_may = 0;
	int status, append = open_at(m, "append", O_WRONLY);
	assert_int_equal(write(append, "secret", 6), 6);
	close(append);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), EACCES);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, mounted_to_all, mounted_teardown)
	const struct CMUnitTest tests[] = {
		TEST(who_may_nothing_opens_nothing),
		TEST(who_may_nothing_lists_nothing),
		TEST(an_open_file_is_its_opener_s_whoever_uses_it),
		cmocka_unit_test_setup_teardown(who_may_only_append_gets_to_append, mounted_for_producers,
	                                        mounted_teardown),
		cmocka_unit_test_setup_teardown(who_may_only_read_gets_to_the_records, mounted_for_consumers,
	                                        mounted_teardown),
		cmocka_unit_test_setup_teardown(who_waits_for_records_and_may_not_read_any_more_gets_none,
	                                        mounted_for_consumers, mounted_teardown),
		cmocka_unit_test_setup_teardown(who_may_only_observe_gets_to_the_status, mounted_for_observers,
	                                        mounted_teardown),
		cmocka_unit_test_setup_teardown(others_are_kept_out_unless_they_are_let, mounted_setup,
	                                        mounted_teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
