/* observe: what clog tells about itself: events and metrics.
 *
 * Events are lines in logfmt on a stream that cmd/ chooses: `time=... level=info event=mounted folder=/mnt/clog`.
 * Metrics are process-wide counters, gauges and histograms in Prometheus' text format. Events may be sent from any
 * thread; metrics belong to the loop's thread. */
#ifndef CLOG_OBSERVE_OBSERVE_H
#define CLOG_OBSERVE_OBSERVE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* How much an event matters, least first. */
enum observe_level { OBSERVE_DEBUG, OBSERVE_INFO, OBSERVE_WARNING, OBSERVE_ERROR };

/* A key with its value: text when text is not NULL, else number. Keys are literals of [a-z_]. */
struct observe_field {
	const char *key;
	const char *text;
	uint64_t number;
};
#define OBSERVE_TEXT(name, value) ((struct observe_field){.key = (name), .text = (value)})
#define OBSERVE_NUMBER(name, value) ((struct observe_field){.key = (name), .number = (value)})

/* Sends one line. Values are quoted and control bytes escaped, so that nothing written by a user forges a line. */
void observe_event_fields(enum observe_level level, const char *event, const struct observe_field *fields,
                          size_t count);

/* observe_event(OBSERVE_INFO, "mounted", OBSERVE_TEXT("folder", path)): at least one field. */
#define observe_event(level, event, ...)                                                                               \
	observe_event_fields((level), (event), (const struct observe_field[]){__VA_ARGS__},                            \
	                     sizeof((const struct observe_field[]){__VA_ARGS__}) / sizeof(struct observe_field))

/* Sends the event denied: at a door, a principal may not do an action on a log. from, where it comes from, may be NULL. At
 * most OBSERVE_DENIALS_MAX are sent in a second, by all doors; the next tells in `untold` how many were not. On the loop's
 * thread. */
void observe_denied(const char *door, const char *principal, const char *action, const char *log, const char *from);
#define OBSERVE_DENIALS_MAX 10u

/* Where events go and the least level that is sent. Before the first call: stderr, OBSERVE_INFO. */
void observe_output(FILE *stream, enum observe_level least);

enum observe_metric {
	OBSERVE_APPENDED_RECORDS, /* counter */
	OBSERVE_APPENDED_BYTES,   /* counter */
	OBSERVE_REFUSED_APPENDS,  /* counter */
	OBSERVE_READ_RECORDS,     /* counter */
	OBSERVE_READ_BYTES,       /* counter */
	OBSERVE_CORRUPT_READS,    /* counter: reads that failed a checksum */
	OBSERVE_ROUNDS,           /* counter: writes followed by a sync */
	OBSERVE_FUSE_REQUESTS,    /* counter */
	OBSERVE_METRIC_COUNT
};

/* Adds to a counter. */
void observe_add(enum observe_metric metric, uint64_t amount);
/* Adds a duration to the histogram of how long an append took from its arrival to its answer. */
void observe_append_time(uint64_t duration_ns);

/* Gauges that the text also shows, as its caller knows them. */
struct observe_gauge {
	const char *name; /* without the prefix "clog_" */
	const char *help;
	double value;
};
/* Gives all metrics and the gauges in Prometheus' text format (version 0.0.4), NUL-terminated, in *text, which the
 * caller frees; its length in *size. -ENOMEM. */
int observe_render(const struct observe_gauge *gauges, size_t count, char **text, size_t *size);

#endif
