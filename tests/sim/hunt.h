/* hunt: shows that the simulator finds what is wrong: each mutant, in few seeds or in the one that is known to. */
#ifndef CLOG_TESTS_SIM_HUNT_H
#define CLOG_TESTS_SIM_HUNT_H

#include "tests/sim/runner.h"

/* Looks for the first seed that catches each mutant, as far as its bound, and runner.count seeds, go. Tells, and returns
 * how many were not caught. */
unsigned hunt_all(const struct runner_options *runner);
/* Lives through the seed that is known to catch each mutant, with it and without. A change of the code may have moved
 * what the seed brings: then looks for another one, as hunt_all does. Returns how many were not caught. */
unsigned hunt_again(const struct runner_options *runner);

#endif
