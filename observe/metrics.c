#include "observe/observe.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_NS 1000000000u

static const struct {
	const char *name;
	const char *help;
} counters[OBSERVE_METRIC_COUNT] = {
	[OBSERVE_APPENDED_RECORDS] = {"clog_appended_records_total", "Records appended here and answered as durable."},
	[OBSERVE_APPENDED_BYTES] = {"clog_appended_bytes_total", "Bytes of the records appended here."},
	[OBSERVE_REFUSED_APPENDS] = {"clog_refused_appends_total", "Appends that were answered with an error."},
	[OBSERVE_READ_RECORDS] = {"clog_read_records_total", "Records read."},
	[OBSERVE_READ_BYTES] = {"clog_read_bytes_total", "Bytes of records read."},
	[OBSERVE_CORRUPT_READS] = {"clog_corrupt_reads_total", "Reads that failed a checksum."},
	[OBSERVE_ROUNDS] = {"clog_rounds_total", "Writes to the log that were followed by a sync."},
	[OBSERVE_FUSE_REQUESTS] = {"clog_fuse_requests_total", "Requests taken from the kernel."},
};
static uint64_t values[OBSERVE_METRIC_COUNT];

/* Upper bounds of the histogram's buckets, with the words that the text has for them. */
static const struct {
	uint64_t bound_ns;
	const char *seconds;
} buckets[] = {
	{50000, "5e-05"},    {100000, "0.0001"},  {250000, "0.00025"}, {500000, "0.0005"},  {1000000, "0.001"},
	{2500000, "0.0025"}, {5000000, "0.005"},  {10000000, "0.01"},  {25000000, "0.025"}, {50000000, "0.05"},
	{100000000, "0.1"},  {250000000, "0.25"}, {500000000, "0.5"},  {1000000000, "1"},   {2500000000, "2.5"},
	{5000000000, "5"},   {10000000000, "10"},
};
#define BUCKET_COUNT (sizeof buckets / sizeof buckets[0])
static uint64_t append_counts[BUCKET_COUNT + 1]; /* each bucket's own; the last is of what is longer than all bounds */
static uint64_t append_sum_ns;

void observe_add(enum observe_metric metric, uint64_t amount)
{
	assert(metric < OBSERVE_METRIC_COUNT);
	values[metric] += amount;
}

void observe_append_time(uint64_t duration_ns)
{
	size_t bucket = 0;
	while (bucket < BUCKET_COUNT && duration_ns > buckets[bucket].bound_ns)
		bucket++;
	append_counts[bucket]++;
	append_sum_ns += duration_ns;
}

/* Where the text goes; the first pass only measures, with no room. */
struct page {
	char *text;
	size_t capacity;
	size_t size;
};

static void put(struct page *page, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct page *page, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	const size_t room = page->size < page->capacity ? page->capacity - page->size : 0;
	const int size = vsnprintf(room > 0 ? page->text + page->size : NULL, room, format, args);
	va_end(args);
	assert(size >= 0);
	page->size += (size_t)size;
}

static void put_histogram(struct page *page)
{
	put(page, "# HELP clog_append_seconds Time from the arrival of an append to its answer.\n"
	          "# TYPE clog_append_seconds histogram\n");
	uint64_t count = 0;
	for (size_t i = 0; i < BUCKET_COUNT; i++) {
		count += append_counts[i];
		put(page, "clog_append_seconds_bucket{le=\"%s\"} %" PRIu64 "\n", buckets[i].seconds, count);
	}
	count += append_counts[BUCKET_COUNT];
	put(page, "clog_append_seconds_bucket{le=\"+Inf\"} %" PRIu64 "\n", count);
	put(page, "clog_append_seconds_sum %" PRIu64 ".%09" PRIu64 "\n", append_sum_ns / SECOND_NS,
	    append_sum_ns % SECOND_NS);
	put(page, "clog_append_seconds_count %" PRIu64 "\n", count);
}

static void put_gauge(struct page *page, const struct observe_gauge *gauge)
{
	put(page, "# HELP clog_%s ", gauge->name);
	for (const char *byte = gauge->help; *byte != '\0'; byte++) {
		if (*byte == '\n')
			put(page, "\\n");
		else
			put(page, *byte == '\\' ? "\\%c" : "%c", *byte);
	}
	put(page, "\n# TYPE clog_%s gauge\nclog_%s ", gauge->name, gauge->name);
	if (isnan(gauge->value))
		put(page, "NaN\n");
	else if (isinf(gauge->value))
		put(page, gauge->value > 0 ? "+Inf\n" : "-Inf\n");
	else
		put(page, "%.17g\n", gauge->value);
}

static void put_page(struct page *page, const struct observe_gauge *gauges, size_t count)
{
	page->size = 0;
	for (size_t i = 0; i < OBSERVE_METRIC_COUNT; i++)
		put(page, "# HELP %s %s\n# TYPE %s counter\n%s %" PRIu64 "\n", counters[i].name, counters[i].help,
		    counters[i].name, counters[i].name, values[i]);
	put_histogram(page);
	for (size_t i = 0; i < count; i++)
		put_gauge(page, &gauges[i]);
}

int observe_render(const struct observe_gauge *gauges, size_t count, char **text, size_t *size)
{
	struct page page = {0};
	put_page(&page, gauges, count);
	page.capacity = page.size + 1;
	page.text = malloc(page.capacity);
	if (page.text == NULL)
		return -ENOMEM;
	put_page(&page, gauges, count);
	assert(page.size < page.capacity);
	*text = page.text; /* the caller's from here */
	*size = page.size;
	return 0;
}
