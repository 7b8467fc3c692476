#include "tests/cmd/reading.h"

#include <errno.h>
#include <string.h>

#define ARGUMENTS_MAX 18

struct options options;
struct clog_error err;

/* Looks a variable up in an array of names and values that ends with NULL. */
static const char *look_up(const char *variable, void *arg)
{
	for (const char *const *pair = arg; pair[0] != NULL; pair += 2)
		if (strcmp(pair[0], variable) == 0)
			return pair[1];
	return NULL;
}

int read_words(const char *const words[], const char *const environment[])
{
	char *argv[ARGUMENTS_MAX + 2] = {(char[]){"clogd"}};
	int argc = 1;
	for (; words[argc - 1] != NULL; argc++) {
		assert_in_range(argc, 1, ARGUMENTS_MAX);
		argv[argc] = (char *)(uintptr_t)words[argc - 1]; /* getopt_long writes to the array alone */
	}
	err = (struct clog_error){0};
	return options_read(&options, argc, argv, look_up, (void *)(uintptr_t)environment, &err);
}

void accept_words(const char *const words[], const char *const environment[])
{
	if (read_words(words, environment) != 0)
		fail_msg("%s", err.text);
}

void refuse_words(const char *const words[], const char *const environment[], const char *sentence)
{
	assert_int_equal(read_words(words, environment), -EINVAL);
	assert_string_equal(err.text, sentence);
	assert_int_equal(err.code, -EINVAL);
}

void assert_mounts(const char *const folders[])
{
	size_t count = 0;
	for (; folders[count] != NULL; count++) {
		assert_true(count < options.mount_count);
		assert_string_equal(options.mounts[count], folders[count]);
	}
	assert_int_equal(options.mount_count, count);
}
