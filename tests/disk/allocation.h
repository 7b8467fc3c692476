/* allocation: memory that runs out at a chosen moment.
 *
 * An executable that uses it links with test_allocation_dep (tests/disk/meson.build), which sends the calls of malloc,
 * calloc, realloc and strdup in all that is linked in statically through here. The C library's own are not touched. */
#ifndef CLOG_TESTS_DISK_ALLOCATION_H
#define CLOG_TESTS_DISK_ALLOCATION_H

#include <stdbool.h>

/* From now on the nth allocation (from 1) fails, the ones after it work. nth 0 lets all work. */
void allocation_fail(unsigned nth);
/* Whether it has failed since. */
bool allocation_fired(void);

#endif
