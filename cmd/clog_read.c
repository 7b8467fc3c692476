/* Reads records: those that are named, the last ones, and those to come. */
#include "cmd/clog.h"
#include "cmd/numbers.h"
#include "cmd/output.h"
#include "cmd/reader.h"
#include "cmd/record_text.h"
#include "cmd/remote.h"
#include "error/error.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define TAIL_COUNT 10u /* records that tail begins with where nothing is said */

enum { OPTION_JSON = 256, OPTION_OFFSETS, OPTION_FROM };

static const struct option read_options[] = {
	{"json", no_argument, NULL, OPTION_JSON}, {"offsets", no_argument, NULL, OPTION_OFFSETS}, {NULL, 0, NULL, 0}};
static const struct option tail_options[] = {
	{"json", no_argument, NULL, OPTION_JSON},       {"offsets", no_argument, NULL, OPTION_OFFSETS},
	{"from", required_argument, NULL, OPTION_FROM}, {"follow", no_argument, NULL, 'f'},
	{"records", required_argument, NULL, 'n'},      {NULL, 0, NULL, 0}};

struct words {
	enum record_text text;
	bool follow;
	bool from_told;
	uint64_t from;
	uint64_t count; /* of the last records to begin with */
	bool count_told;
	const char *range;
};

static int give(struct reader *reader, const struct service_read *read)
{
	const struct words *const words = reader->arg;
	return record_text_write(words->text, read, reader->err);
}

static int flush(struct reader *reader)
{
	return output_flush(reader->err);
}

static int take_option(struct words *words, int found, char *const argv[], struct clog_error *err)
{
	switch (found) {
	case OPTION_JSON:
		words->text = RECORD_TEXT_JSON;
		return CLOG_OK;
	case OPTION_OFFSETS:
		words->text = RECORD_TEXT_OFFSETS;
		return CLOG_OK;
	case 'f':
		words->follow = true;
		return CLOG_OK;
	case OPTION_FROM:
		words->from_told = true;
		return numbers_read(optarg, UINT64_MAX - 1, &words->from)
		               ? CLOG_OK
		               : clog_refuse(err, "--from: '%s' is no offset", optarg);
	case 'n':
		words->count_told = true;
		return numbers_read(optarg, UINT64_MAX - 1, &words->count)
		               ? CLOG_OK
		               : clog_refuse(err, "-n: '%s' is no number of records", optarg);
	default:
		return clog_refuse_option(found, argv, err);
	}
}

static int take_words(struct words *words, int argc, char *argv[], const char *letters, const struct option *options,
                      int wanted, struct clog_error *err)
{
	*words = (struct words){.count = TAIL_COUNT};
	optind = 0;
	for (int found; (found = getopt_long(argc, argv, letters, options, NULL)) != -1;) {
		const int status = take_option(words, found, argv, err);
		if (status != CLOG_OK)
			return status;
	}
	if (argc - optind > wanted)
		return clog_refuse(err, "'%s' is one word too many", argv[optind + wanted]);
	words->range = optind < argc ? argv[optind] : NULL;
	return CLOG_OK;
}

/* Reads N, N..M (both are meant) or N.. (to the end as it is now: *end is READER_END). */
static bool read_range(const char *text, uint64_t *first, uint64_t *end)
{
	const char *const dots = strstr(text, "..");
	char *const copy = strdup(text);
	if (copy == NULL)
		return false;
	copy[dots != NULL ? (size_t)(dots - text) : strlen(text)] = '\0';
	bool right = numbers_read(copy, UINT64_MAX - 2, first);
	*end = *first;
	if (right && dots != NULL && dots[2] != '\0')
		right = numbers_read(dots + 2, UINT64_MAX - 2, end) && *end >= *first;
	*end = dots != NULL && dots[2] == '\0' ? READER_END : *end + 1;
	free(copy);
	return right;
}

/* Where the log ends: by the leader or, where there is none, as far as it is known. */
static uint64_t ask_end(struct remote *remote)
{
	struct service_state state;
	struct service_command command = {.kind = SERVICE_END};
	const int status = remote_command(remote, &command);
	service_state(remote->service, &state);
	return status == 0 ? command.value : state.next_offset;
}

static int print_range(struct remote *remote, struct words *words, uint64_t first, uint64_t end, struct clog_error *err)
{
	static struct reader reader; /* large */
	reader = (struct reader){.offset = first, .end = end, .give = give, .pause = flush, .arg = words, .err = err};
	output_watch(&remote->loop);
	int status = reader_run(&reader, remote);
	output_unwatch();
	const int flushed = output_flush(status == CLOG_OK ? err : NULL);
	return status == CLOG_OK ? flushed : status;
}

int clog_read(const struct target *target, int argc, char *argv[], struct clog_error *err)
{
	struct words words;
	struct remote remote;
	uint64_t first, end;
	int status = take_words(&words, argc, argv, ":", read_options, 1, err);
	if (status == CLOG_OK && words.range == NULL)
		return clog_refuse(err, "clog read takes an offset, or two with .. between them");
	if (status == CLOG_OK && !read_range(words.range, &first, &end))
		return clog_refuse(err, "'%s' is no offset, and no range of them such as 5..10", words.range);
	if (status == CLOG_OK)
		status = remote_open(&remote, target, 1, err);
	if (status != CLOG_OK)
		return status;
	if (end == READER_END)
		end = ask_end(&remote);
	status = first < end ? print_range(&remote, &words, first, end, err) : CLOG_OK;
	remote_close(&remote);
	return status;
}

int clog_tail(const struct target *target, int argc, char *argv[], struct clog_error *err)
{
	struct words words;
	struct remote remote;
	struct service_state state;
	int status = take_words(&words, argc, argv, ":fn:", tail_options, 0, err);
	if (status == CLOG_OK && words.from_told && words.count_told)
		return clog_refuse(err, "--from and -n say both where to begin");
	if (status == CLOG_OK)
		status = remote_open(&remote, target, 1, err);
	if (status != CLOG_OK)
		return status;
	const uint64_t end = ask_end(&remote);
	uint64_t first = words.from;
	if (!words.from_told)
		first = end > words.count ? end - words.count : 0;
	service_state(remote.service, &state);
	if (first < state.first_offset)
		first = state.first_offset;
	if (first < end || words.follow)
		status = print_range(&remote, &words, first, words.follow ? READER_END : end, err);
	remote_close(&remote);
	return status;
}
