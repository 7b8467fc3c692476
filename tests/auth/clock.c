#include "tests/auth/clock.h"

#include <stddef.h>

time_t clock_now = CLOCK_START;

time_t __wrap_time(time_t *out);

time_t __wrap_time(time_t *out)
{
	if (out != NULL)
		*out = clock_now;
	return clock_now;
}
