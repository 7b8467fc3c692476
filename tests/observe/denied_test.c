/* Denials in a crowd are not told one by one, but none is forgotten. The monotonic clock is the test's (--wrap). */
#include "observe/observe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static time_t second = 1000;

int __real_clock_gettime(clockid_t id, struct timespec *now);
int __wrap_clock_gettime(clockid_t id, struct timespec *now);

int __wrap_clock_gettime(clockid_t id, struct timespec *now)
{
	if (id != CLOCK_MONOTONIC)
		return __real_clock_gettime(id, now);
	*now = (struct timespec){.tv_sec = second};
	return 0;
}

static char *said;
static size_t said_size;

/* Denies so many times. Gives what was told, as one text. */
static const char *deny(unsigned times, const char *from)
{
	free(said);
	said = NULL;
	FILE *const stream = open_memstream(&said, &said_size);
	assert_non_null(stream);
	observe_output(stream, OBSERVE_INFO);
	for (unsigned i = 0; i < times; i++)
		observe_denied("mount", "user:1000", "consume", "log", from);
	observe_output(NULL, OBSERVE_INFO);
	fclose(stream);
	return said;
}

static size_t lines(const char *text)
{
	size_t count = 0;
	while ((text = strchr(text, '\n')) != NULL) {
		text++;
		count++;
	}
	return count;
}

static void a_denial_says_who_and_what_and_where(void **state)
{
	(void)state;
	second++;
	assert_non_null(strstr(deny(1, NULL),
	                       " level=warning event=denied door=mount principal=user:1000 action=consume log=log\n"));
	assert_non_null(strstr(deny(1, "127.0.0.1:5"), " log=log address=127.0.0.1:5\n"));
}

static void so_many_are_told_in_a_second_and_the_others_counted(void **state)
{
	(void)state;
	second++;
	assert_int_equal(lines(deny(OBSERVE_DENIALS_MAX + 7, NULL)), OBSERVE_DENIALS_MAX);
	second++;
	assert_non_null(strstr(deny(1, NULL), " log=log untold=7\n"));
	assert_null(strstr(deny(1, NULL), "untold"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_denial_says_who_and_what_and_where),
		cmocka_unit_test(so_many_are_told_in_a_second_and_the_others_counted),
	};
	const int failed = cmocka_run_group_tests(tests, NULL, NULL);
	free(said);
	return failed;
}
