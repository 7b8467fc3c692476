/* numbers: numbers and spans of time as they are written on a command line. */
#ifndef CLOG_CMD_NUMBERS_H
#define CLOG_CMD_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

/* Reads a decimal number of at most max. False for anything else. */
bool numbers_read(const char *text, uint64_t max, uint64_t *number);
/* Reads a number with s, m, h or d behind it, such as 30d. False for anything else, 0, and more than 36,500 days. */
bool numbers_read_span(const char *text, uint64_t *seconds);

#endif
