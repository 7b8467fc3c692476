/* load: writers that each wait for a record before the next, and how long each took. Every writer is a thread. */
#ifndef CLOG_BENCH_LOAD_H
#define CLOG_BENCH_LOAD_H

#include <stdbool.h>
#include <stdint.h>

/* How a writer writes. open() gives what the others get, NULL when it cannot; write() is back when the record is
 * acknowledged, or false. What failed is then in errno. */
struct load_ops {
	const char *name; /* of what is written to, for complaints */
	void *(*open)(void);
	bool (*write)(void *target, uint64_t number);
	void (*close)(void *target);
};

/* Writes for so long, and prints one line: records a second, then the times of a record, in microseconds, that half, 99 of
 * 100 and 999 of 1000 stay below. A write that fails ends the program. */
void load_run(const struct load_ops *ops, unsigned writers, double seconds);

#endif
