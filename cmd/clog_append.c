/* Appends what a file or stdin has: as one record, or each line as one (append_lines.c). */
#include "cmd/append_lines.h"
#include "cmd/clog.h"
#include "cmd/input.h"
#include "cmd/numbers.h"
#include "cmd/output.h"
#include "cmd/remote.h"
#include "error/error.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPTION_LINES = 256, OPTION_AT };

static const struct option long_options[] = {
	{"lines", no_argument, NULL, OPTION_LINES},
	{"at", required_argument, NULL, OPTION_AT},
	{NULL, 0, NULL, 0},
};

struct words {
	bool lines;
	uint64_t at; /* SERVICE_ANYWHERE: not said */
	const char *path;
};

static int take_words(struct words *words, int argc, char *argv[], struct clog_error *err)
{
	*words = (struct words){.at = SERVICE_ANYWHERE};
	optind = 0;
	for (int found; (found = getopt_long(argc, argv, ":", long_options, NULL)) != -1;) {
		if (found == OPTION_LINES)
			words->lines = true;
		else if (found != OPTION_AT)
			return clog_refuse_option(found, argv, err);
		else if (!numbers_read(optarg, UINT64_MAX - 1, &words->at))
			return clog_refuse(err, "--at: '%s' is no offset", optarg);
	}
	if (argc - optind > 1)
		return clog_refuse(err, "'%s' is one word too many", argv[optind + 1]);
	words->path = optind < argc ? argv[optind] : NULL;
	return CLOG_OK;
}

static void take_answer(struct service_append *append, void *arg)
{
	(void)append;
	*(bool *)arg = true;
}

static int append_one(struct remote *remote, const struct words *words, const void *data, uint32_t size,
                      struct clog_error *err)
{
	struct service_append append;
	bool done = false;
	uv_update_time(&remote->loop);
	int status = service_append_at(remote->service, &append, words->at, data, &size, 1, take_answer, &done);
	if (status == 0) {
		remote_wait(remote, &done);
		status = append.status;
	}
	if (status != 0)
		return append_lines_fail(remote, status, words->at, "", err);
	output_print(err, "%" PRIu64 "\n", append.first_offset);
	return output_flush(err);
}

static int append_record(const struct target *target, const struct words *words, struct input *input,
                         struct clog_error *err)
{
	char *const data = malloc(SERVICE_RECORD_SIZE_MAX);
	ssize_t size = -1;
	if (data == NULL)
		clog_error_set(err, -ENOMEM, "out of memory");
	else
		size = input_read_all(input, data, SERVICE_RECORD_SIZE_MAX, err);
	int status = CLOG_FAILED;
	struct remote remote;
	if (size == 0)
		clog_error_set(err, -EINVAL, "%s is empty: a record has at least one byte; nothing was appended",
		               input->name);
	else if (size > (ssize_t)SERVICE_RECORD_SIZE_MAX)
		clog_error_set(err, -EMSGSIZE,
		               "%s has more than the %u bytes that a record may have: nothing was appended",
		               input->name, SERVICE_RECORD_SIZE_MAX);
	else if (size > 0)
		status = remote_open(&remote, target, 1, err);
	if (size > 0 && status == CLOG_OK) {
		status = append_one(&remote, words, data, (uint32_t)size, err);
		remote_close(&remote);
	}
	free(data);
	return status;
}

int clog_append(const struct target *target, int argc, char *argv[], struct clog_error *err)
{
	struct words words;
	struct input input;
	int status = take_words(&words, argc, argv, err);
	if (status == CLOG_OK)
		status = input_open(&input, words.path, err);
	if (status != CLOG_OK)
		return status;
	if (!words.lines) {
		status = append_record(target, &words, &input, err);
		input_close(&input);
		return status;
	}
	struct remote remote;
	status = remote_open(&remote, target, 1, err);
	if (status == CLOG_OK) {
		status = append_lines(&remote, &input, words.at, err);
		input_close(&input);
		remote_close(&remote);
	}
	return status;
}
