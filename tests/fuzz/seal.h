/* seal: makes the checksums in a file of a log right, so that a fuzzer gets past them to what they guard.
 * docs/format.md has the places. */
#ifndef CLOG_TESTS_FUZZ_SEAL_H
#define CLOG_TESTS_FUZZ_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of a store: the head, the two slots of the mark, and every frame from the first one on, as far as their sizes lead.
 * With follow also what makes each frame follow the one before: entry, first offset, chain. */
void seal_store(unsigned char *bytes, size_t size, bool follow);
/* Of one frame: its rows of sessions, its items and its header. */
void seal_frame(unsigned char *bytes, size_t size);
/* Of an index: the body, what follows it, and the trailer, as its counts divide it. */
void seal_index(unsigned char *bytes, size_t size);
/* Of a cell: its two slots, as far as they are there. */
void seal_cell(unsigned char *bytes, size_t size);

#endif
