/* event: an event as a line of logfmt. */
#ifndef CLOG_OBSERVE_EVENT_H
#define CLOG_OBSERVE_EVENT_H

#include "observe/observe.h"

/* Bytes of the longest line, its newline included: what a pipe takes in one piece (PIPE_BUF). */
#define EVENT_LINE_SIZE_MAX 4096

/* Writes the line with its newline, without a NUL, and returns its size. time_ns counts from 1970 and is shown in UTC,
 * in milliseconds. A value that does not fit is cut, and the line then ends with cut=1 in place of what follows. */
size_t event_format(char line[static EVENT_LINE_SIZE_MAX], uint64_t time_ns, enum observe_level level,
                    const char *event, const struct observe_field *fields, size_t count);

#endif
