/* The programs that people write and read files with. */
#include "tests/fs/mounted.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs a command with a shell in the mount; the test fails unless it exits with that status. */
static void run(struct mounted *m, const char *shell, const char *command, int status)
{
	int ended;
	fflush(NULL);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (chdir(m->folder) != 0)
			_exit(126);
		execlp(shell, shell, "-c", command, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &ended, 0), pid);
	if (!WIFEXITED(ended) || WEXITSTATUS(ended) != status)
		fail_msg("%s -c '%s' ended with status %#x", shell, command, (unsigned)ended);
}

static void assert_records(struct mounted *m, const char *const *records)
{
	uint64_t count = 0;
	for (; records[count] != NULL; count++)
		if (!fake_has(m->fake, count, records[count], strlen(records[count])))
			fail_msg("record %llu is not \"%s\"", (unsigned long long)count, records[count]);
	assert_int_equal(m->fake->count, count);
}

static void shells_append_and_overwrite_alike(void **state)
{
	struct mounted *m = *state;
	static const char *const shells[] = {"bash", "dash"};
	for (int i = 0; i < 2; i++) {
		run(m, shells[i], "echo one >> append", 0);
		run(m, shells[i], "echo two > log/append", 0);
		run(m, shells[i], "{ echo three; echo four; } >> append", 0);
	}
	assert_records(m, (const char *const[]){"one\n", "two\n", "three\n", "four\n", "one\n", "two\n", "three\n",
	                                        "four\n", NULL});
}

static void shells_read_back_the_offset_of_their_write(void **state)
{
	struct mounted *m = *state;
	for (int i = 0; i < 12; i++)
		fake_add(m->fake, "x", 1);
	run(m, "bash",
	    "exec 3<>append; echo a >&3; read off <&3; echo b >&3; read then <&3; test \"$off $then\" = '12 13'", 0);
	run(m, "dash",
	    "exec 3<>append; echo a >&3; read off <&3; echo b >&3; read then <&3; test \"$off $then\" = '14 15'", 0);
	run(m, "dash", "exec 3<>log/lines; echo 'a\nb' >&3; read first count <&3; test \"$first $count\" = '16 2'", 0);
}

static void tools_append_what_they_write(void **state)
{
	struct mounted *m = *state;
	char command[512];
	run(m, "sh", "printf tee | tee -a append > /dev/null", 0);
	run(m, "sh", "printf again | tee append > /dev/null", 0);
	run(m, "sh", "printf 0123456789 | dd of=append bs=4 2> /dev/null", 0);
	run(m, "sh", "printf dd | dd of=append oflag=append conv=notrunc,fsync 2> /dev/null", 0);
	snprintf(command, sizeof command, "printf copied > '%s/file' && cp '%s/file' append && cp -p '%s/file' append",
	         m->base, m->base, m->base);
	run(m, "sh", command, 0);
	run(m, "sh", "touch append && truncate -s 0 append", 0);
	assert_records(m, (const char *const[]){"tee", "again", "0123", "4567", "89", "dd", "copied", "copied", NULL});
}

static void python_appends_what_it_flushes(void **state)
{
	struct mounted *m = *state;
	run(m, "sh",
	    "/usr/bin/python3 -c \"f = open('append', 'a'); f.write('one '); f.write('record'); f.close();"
	    "f = open('append', 'wb', buffering=0); f.write(b'two'); f.close();"
	    "f = open('append', 'a'); f.write('x' * 300000); f.close()\"",
	    0);
	assert_int_equal(m->fake->count, 3);
	assert_true(fake_has(m->fake, 0, "one record", 10));
	assert_true(fake_has(m->fake, 1, "two", 3));
	assert_int_equal(m->fake->records[2].size, 300000);
}

static void a_text_sent_to_lines_is_the_stream(void **state)
{
	struct mounted *m = *state;
	char command[512];
	snprintf(command, sizeof command,
	         "seq 1 200000 > '%s/text' && cat '%s/text' >> log/lines && cmp '%s/text' log/stream && "
	         "test $(cat log/next) = 200000 && test $(cat records/123456) = 123457 && "
	         "tail -n 1 log/stream | grep -qx 200000 && test $(wc -c < log/stream) = $(wc -c < '%s/text')",
	         m->base, m->base, m->base, m->base);
	run(m, "sh", command, 0);
}

static void an_error_reaches_those_who_look(void **state)
{
	struct mounted *m = *state;
	m->fake->append_failure = -ENOSPC;
	run(m, "bash", "echo x 2> /dev/null >> append", 1);
	run(m, "dash", "echo x 2> /dev/null >> append", 1);
	run(m, "sh", "printf unfinished | dd of=log/lines 2> /dev/null", 1); /* at the close */
	m->fake->append_failure = 0;
	run(m, "sh", "head -c 1100000 /dev/zero | dd of=append bs=2M iflag=fullblock 2> /dev/null", 1);
	run(m, "sh", "rm -f append 2> /dev/null", 1);
	run(m, "sh", "exec 2> /dev/null; echo x > records/0", 2);
	assert_int_equal(m->fake->count, 0);
}

static void recursive_tools_come_to_an_end(void **state)
{
	struct mounted *m = *state;
	run(m, "sh", "echo needle > append; echo hay > append", 0);
	run(m, "sh", "test $(grep -rl needle . | sort | tr '\\n' ' ' | wc -w) = 2", 0);
	run(m, "sh", "test $(find . -type f | wc -l) = 21 && test $(find . -type l | wc -l) = 4", 0);
	run(m, "sh", "tar cf - . | tar tf - > /dev/null", 0);
	run(m, "sh", "ls -lR . > /dev/null && du -a . > /dev/null && test \"$(ls cluster)\" = one", 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, mounted_setup, mounted_teardown)
	const struct CMUnitTest tests[] = {
		TEST(shells_append_and_overwrite_alike),  TEST(shells_read_back_the_offset_of_their_write),
		TEST(tools_append_what_they_write),       TEST(python_appends_what_it_flushes),
		TEST(a_text_sent_to_lines_is_the_stream), TEST(an_error_reaches_those_who_look),
		TEST(recursive_tools_come_to_an_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
