/* clock: the time of day, in the tests' hands: linked with --wrap=time. */
#ifndef CLOG_TESTS_AUTH_CLOCK_H
#define CLOG_TESTS_AUTH_CLOCK_H

#include <time.h>

#define CLOCK_START 1700000000

/* Seconds since 1970. */
extern time_t clock_now;

#endif
