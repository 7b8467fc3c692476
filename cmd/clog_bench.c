/* Load on the servers, and how long each request takes. */
#include "cmd/clog.h"
#include "cmd/load.h"
#include "cmd/numbers.h"
#include "cmd/output.h"
#include "cmd/remote.h"
#include "error/error.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#define DEFAULT_SECONDS 10u
#define DEFAULT_SIZE 100u
#define DEFAULT_OUTSTANDING 64u
#define SECONDS_MAX 86400u
#define COUNT_MAX 1000000000000u
#define RATE_MAX 10000000u
#define SECOND_NS 1000000000u

enum { RECORDS = 256, SECONDS, SIZE, OUTSTANDING, CONNECTIONS, RATE, READ, PROGRESS, JSON };

static const struct option long_options[] = {
	{"records", required_argument, NULL, RECORDS},
	{"seconds", required_argument, NULL, SECONDS},
	{"size", required_argument, NULL, SIZE},
	{"outstanding", required_argument, NULL, OUTSTANDING},
	{"connections", required_argument, NULL, CONNECTIONS},
	{"rate", required_argument, NULL, RATE},
	{"read", no_argument, NULL, READ},
	{"progress", no_argument, NULL, PROGRESS},
	{"json", no_argument, NULL, JSON},
	{NULL, 0, NULL, 0},
};

/* The most that each number may be, in the order of the options. */
static const uint64_t most[] = {COUNT_MAX,          SECONDS_MAX, SERVICE_RECORD_SIZE_MAX, LOAD_OUTSTANDING_MAX,
                                REMOTE_CLIENTS_MAX, RATE_MAX};

struct words {
	uint64_t numbers[RATE - RECORDS + 1]; /* 0: not said */
	bool read, progress, json;
};

static int take_words(struct words *words, int argc, char *argv[], struct clog_error *err)
{
	*words = (struct words){.progress = isatty(STDERR_FILENO) == 1};
	optind = 0;
	for (int found; (found = getopt_long(argc, argv, ":", long_options, NULL)) != -1;) {
		if (found < RECORDS)
			return clog_refuse_option(found, argv, err);
		words->read = words->read || found == READ;
		words->progress = words->progress || found == PROGRESS;
		words->json = words->json || found == JSON;
		if (found > RATE)
			continue;
		uint64_t *const number = &words->numbers[found - RECORDS];
		if (!numbers_read(optarg, most[found - RECORDS], number) || *number == 0)
			return clog_refuse(err, "--%s: '%s' is not 1 to %" PRIu64, long_options[found - RECORDS].name,
			                   optarg, most[found - RECORDS]);
	}
	if (optind < argc)
		return clog_refuse(err, "'%s' is one word too many", argv[optind]);
	if (words->read && words->numbers[SIZE - RECORDS] != 0)
		return clog_refuse(err, "--size is of records to append, and --read appends none");
	return CLOG_OK;
}

static const struct {
	const char *name;
	uint32_t millionths;
} quantiles[] = {{"p50", 500000}, {"p90", 900000}, {"p99", 990000}, {"p99.9", 999000}};
#define QUANTILE_COUNT (sizeof quantiles / sizeof quantiles[0])

static int print(const struct load *load, bool json, struct clog_error *err)
{
	const struct histogram *const times_ns = &load->times_ns;
	const double seconds = (double)load->elapsed_ns / 1e9;
	const double share = seconds > 0 ? 1 / seconds : 0;
	const double mean_us = times_ns->count > 0 ? times_ns->sum / (double)times_ns->count / 1e3 : 0;
	int status = output_print(
		err,
		json ? "{\"requests\":%" PRIu64 ",\"bytes\":%" PRIu64
		       ",\"seconds\":%.3f,\"requests_per_second\":%.1f,\"bytes_per_second\":%.1f,"
		       "\"latency_us\":{"
		     : "requests %" PRIu64 "\nbytes    %" PRIu64 "\nseconds  %.3f\nrate     %.1f/s, %.1f bytes/s\n",
		times_ns->count, load->bytes, seconds, (double)times_ns->count * share, (double)load->bytes * share);
	for (size_t i = 0; i < QUANTILE_COUNT && status == CLOG_OK; i++)
		status = output_print(err, json ? "\"%s\":%.1f," : "%-8s %.1f us\n", quantiles[i].name,
		                      (double)histogram_quantile(times_ns, quantiles[i].millionths) / 1e3);
	if (status == CLOG_OK)
		status = output_print(err,
		                      json ? "\"max\":%.1f,\"mean\":%.1f}}\n" : "max      %.1f us\nmean     %.1f us\n",
		                      (double)times_ns->max / 1e3, mean_us);
	return status == CLOG_OK ? output_flush(err) : status;
}

static uint64_t number_of(const struct words *words, int option, uint64_t otherwise)
{
	const uint64_t number = words->numbers[option - RECORDS];
	return number != 0 ? number : otherwise;
}

int clog_bench(const struct target *target, int argc, char *argv[], struct clog_error *err)
{
	static struct load load; /* large */
	struct words words;
	struct remote remote;
	int status = take_words(&words, argc, argv, err);
	if (status == CLOG_OK)
		status = remote_open(&remote, target, number_of(&words, CONNECTIONS, 1), err);
	if (status != CLOG_OK)
		return status;
	load = (struct load){
		.count = number_of(&words, RECORDS, 0),
		.duration_ns = SECOND_NS * number_of(&words, SECONDS, words.numbers[0] != 0 ? 0 : DEFAULT_SECONDS),
		.size = (uint32_t)number_of(&words, SIZE, DEFAULT_SIZE),
		.outstanding = (uint32_t)number_of(&words, OUTSTANDING, DEFAULT_OUTSTANDING),
		.rate = number_of(&words, RATE, 0),
		.read = words.read,
		.progress = words.progress,
	};
	if (load.rate != 0 &&
	    load.duration_ns != 0) { /* so many are due, and none is left out because others took long */
		const uint64_t due = load.rate * (load.duration_ns / SECOND_NS);
		load.count = load.count != 0 && load.count < due ? load.count : due;
		load.duration_ns = 0;
	}
	status = load_run(&load, &remote, err);
	const int printed = print(&load, words.json, status == CLOG_OK ? err : NULL);
	remote_close(&remote);
	return status == CLOG_OK ? printed : status;
}
