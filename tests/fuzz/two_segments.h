/* two_segments: a small log of two segments, the first one sealed; always the same. */
#ifndef CLOG_TESTS_FUZZ_TWO_SEGMENTS_H
#define CLOG_TESTS_FUZZ_TWO_SEGMENTS_H

#include "tests/disk/memory.h"
#include "tests/log/model.h"

#define TWO_SEGMENTS_STORE "log/00000000000000000001.store"
#define TWO_SEGMENTS_INDEX "log/00000000000000000001.index"

/* Makes it on a disk, and notes in the model what it holds. */
struct memory_disk *two_segments_create(struct model *model);

#endif
