#include "lib/clog.h"

#include "service/service.h"
#include "tests/cmd/fake_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

static struct clog_log *handle;
static char sentence[CLOG_SENTENCE_SIZE];
static const struct clog_options options = {.servers = "somewhere:1"};

static int open_log(void **state)
{
	(void)state;
	fake_reset();
	return clog_open(&handle, &options, sentence);
}

static int close_log(void **state)
{
	(void)state;
	clog_close(handle);
	return 0;
}

static void what_is_appended_is_read(void **state)
{
	(void)state;
	uint64_t offset = 99;
	struct clog_record record;
	assert_int_equal(clog_append(handle, "one", 3, &offset), 0);
	assert_int_equal(offset, 0);
	assert_int_equal(clog_append(handle, "two", 3, NULL), 0);
	assert_int_equal(clog_read(handle, 1, &record), 0);
	assert_int_equal(record.offset, 1);
	assert_int_equal(record.size, 3);
	assert_memory_equal(record.data, "two", 3);
	assert_int_equal(record.time_ns, 1700000000000000042u);
	assert_int_equal(clog_read(handle, 2, &record), -ENOENT);
	fake.first = 1;
	assert_int_equal(clog_read(handle, 0, &record), -ESTALE);
}

static void a_batch_is_appended_whole(void **state)
{
	(void)state;
	const struct clog_bytes batch[] = {{"a", 1}, {NULL, 0}, {"ccc", 3}};
	uint64_t first;
	clog_append(handle, "x", 1, NULL);
	assert_int_equal(clog_append_many(handle, batch, 3, &first), 0);
	assert_int_equal(first, 1);
	assert_int_equal(fake.next, 4);
	assert_int_equal(fake.records[2].size, 0);
	assert_memory_equal(fake.records[3].data, "ccc", 3);
	assert_int_equal(clog_append_many(handle, batch, 0, NULL), -EINVAL);
	assert_int_equal(clog_append_many(handle, batch, CLOG_BATCH_COUNT_MAX + 1, NULL), -EINVAL);
}

static void sizes_have_a_limit(void **state)
{
	(void)state;
	char *const data = calloc(1, CLOG_RECORD_SIZE_MAX + 1);
	const struct clog_bytes one = {data, CLOG_RECORD_SIZE_MAX};
	struct clog_bytes two[] = {{data, CLOG_BATCH_SIZE_MAX - 1}, {data, 1}};
	assert_int_equal(clog_append(handle, data, CLOG_RECORD_SIZE_MAX, NULL), 0);
	assert_int_equal(clog_append_many(handle, &one, 1, NULL), 0);
	assert_int_equal(clog_append_many(handle, two, 2, NULL), 0);
	assert_int_equal(clog_append(handle, data, CLOG_RECORD_SIZE_MAX + 1, NULL), -EMSGSIZE);
	assert_int_equal(clog_append(handle, data, ((size_t)1 << 32) + 1, NULL), -EMSGSIZE);
	assert_int_equal(clog_append_at(handle, 4, data, CLOG_RECORD_SIZE_MAX + 1), -EMSGSIZE);
	two[1].size = 2;
	assert_int_equal(clog_append_many(handle, two, 2, NULL), -EMSGSIZE);
	two[1].size = SIZE_MAX;
	assert_int_equal(clog_append_many(handle, two, 2, NULL), -EMSGSIZE);
	assert_int_equal(fake.next, 4);
	free(data);
}

static void conditional_appends_get_their_offset_or_none(void **state)
{
	(void)state;
	assert_int_equal(clog_append_at(handle, 0, "x", 1), 0);
	assert_int_equal(clog_append_at(handle, 0, "x", 1), -EEXIST);
	assert_int_equal(clog_append_at(handle, 2, "x", 1), -ENXIO);
	assert_int_equal(clog_append_at(handle, UINT64_MAX, "x", 1), -ENXIO);
	assert_int_equal(fake.next, 1);
}

static void a_failure_has_a_sentence_until_the_next_call(void **state)
{
	(void)state;
	fake.append_fails_at = 1;
	fake.append_failure = -ETIMEDOUT;
	const int error = clog_append(handle, "x", 1, NULL);
	assert_int_equal(error, -ETIMEDOUT);
	assert_int_equal(clog_unknown(error), 1);
	assert_int_equal(clog_unknown(-EHOSTUNREACH), 0);
	assert_int_equal(clog_unknown(0), 0);
	assert_string_equal(clog_sentence(handle), "it says so");
	assert_int_equal(clog_append(handle, "x", 1, NULL), 0);
	assert_string_equal(clog_sentence(handle), "");
}

static void a_full_queue_is_waited_for(void **state)
{
	(void)state;
	fake.full_from = 1;
	fake.full_calls = 3;
	assert_int_equal(clog_append(handle, "x", 1, NULL), 0);
	assert_int_equal(fake.full_calls, 0);
}

static void who_waits_for_the_next_record_gets_it_or_is_told_the_time(void **state)
{
	(void)state;
	struct clog_record record;
	uint64_t offset = 0;
	fake_append("one");
	fake_append("two");
	assert_int_equal(clog_next(handle, &offset, -1, &record), 0);
	assert_memory_equal(record.data, "one", 3);
	assert_int_equal(offset, 1);
	assert_int_equal(clog_next(handle, &offset, 0, &record), 0);
	assert_int_equal(clog_next(handle, &offset, 0, &record), -EAGAIN);
	assert_int_equal(clog_next(handle, &offset, 10, &record), -EAGAIN);
	assert_int_equal(offset, 2);
	fake_append("three");
	assert_int_equal(clog_next(handle, &offset, 10, &record), 0);
	assert_memory_equal(record.data, "three", 5);
}

static void who_was_overtaken_by_a_trim_goes_on_with_what_is_kept(void **state)
{
	(void)state;
	struct clog_record record;
	uint64_t offset = 0;
	for (int i = 0; i < 5; i++)
		fake_append("x");
	fake.first = 3;
	assert_int_equal(clog_next(handle, &offset, -1, &record), -ESTALE);
	assert_int_equal(offset, 3);
	assert_int_equal(clog_next(handle, &offset, -1, &record), 0);
	fake.reads = 0;
	fake.read_fails_at = 1;
	fake.read_failure = -EHOSTUNREACH;
	assert_int_equal(clog_next(handle, &offset, -1, &record), -EHOSTUNREACH);
	assert_int_equal(offset, 4);
}

static void the_ends_are_the_leaders(void **state)
{
	(void)state;
	uint64_t first, next;
	for (int i = 0; i < 5; i++)
		fake_append("x");
	fake.first = 2;
	assert_int_equal(clog_ends(handle, &first, &next), 0);
	assert_int_equal(first, 2);
	assert_int_equal(next, 5);
	assert_int_equal(clog_ends(handle, NULL, NULL), 0);
	fake.command_failure = -EHOSTUNREACH;
	assert_int_equal(clog_ends(handle, &first, &next), -EHOSTUNREACH);
}

static void an_open_that_fails_says_why_and_leaves_nothing(void **state)
{
	(void)state;
	struct clog_log *log = NULL;
	fake_reset();
	fake.ready_status = -EACCES;
	assert_int_equal(clog_open(&log, &options, sentence), -EACCES);
	assert_string_equal(sentence, "nobody is there");
	assert_int_equal(clog_open(&log, &options, NULL), -EACCES);
	const struct clog_options nonsense = {.servers = "nonsense"}, nobody = {0};
	assert_int_equal(clog_open(&log, &nonsense, sentence), -EINVAL);
	assert_string_equal(sentence, "'nonsense' is no HOST:PORT");
	assert_int_equal(clog_open(&log, &nobody, sentence), -EINVAL);
	assert_string_equal(sentence, "no server is named");
	assert_null(log);
	clog_close(NULL);
}

static volatile sig_atomic_t pipes;

static void take_pipe(int number)
{
	(void)number;
	pipes++;
}

static void raise_pipe(void)
{
	raise(SIGPIPE);
}

static void a_broken_pipe_inside_of_a_call_is_no_signal_to_the_process(void **state)
{
	(void)state;
	struct sigaction before;
	const struct sigaction taken = {.sa_handler = take_pipe};
	sigaction(SIGPIPE, &taken, &before);
	fake.on_answer = raise_pipe;
	assert_int_equal(clog_append(handle, "x", 1, NULL), 0);
	assert_int_equal(pipes, 0);
	raise(SIGPIPE);
	assert_int_equal(pipes, 1);
	/* One that the process has blocked, and that waits already, is not taken away. */
	sigset_t set, old;
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_BLOCK, &set, &old);
	raise(SIGPIPE);
	assert_int_equal(clog_append(handle, "x", 1, NULL), 0);
	assert_int_equal(pipes, 1);
	sigprocmask(SIG_SETMASK, &old, NULL);
	assert_int_equal(pipes, 2);
	sigaction(SIGPIPE, &before, NULL);
}

#define AT_LOG(name) cmocka_unit_test_setup_teardown(name, open_log, close_log)

int main(void)
{
	const struct CMUnitTest tests[] = {
		AT_LOG(what_is_appended_is_read),
		AT_LOG(a_batch_is_appended_whole),
		AT_LOG(sizes_have_a_limit),
		AT_LOG(conditional_appends_get_their_offset_or_none),
		AT_LOG(a_failure_has_a_sentence_until_the_next_call),
		AT_LOG(a_full_queue_is_waited_for),
		AT_LOG(who_waits_for_the_next_record_gets_it_or_is_told_the_time),
		AT_LOG(who_was_overtaken_by_a_trim_goes_on_with_what_is_kept),
		AT_LOG(the_ends_are_the_leaders),
		AT_LOG(a_broken_pipe_inside_of_a_call_is_no_signal_to_the_process),
		cmocka_unit_test(an_open_that_fails_says_why_and_leaves_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
