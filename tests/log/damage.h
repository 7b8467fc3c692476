/* damage: finds places in the files of a log, and makes damage that checksums do not show. */
#ifndef CLOG_TESTS_LOG_DAMAGE_H
#define CLOG_TESTS_LOG_DAMAGE_H

#include "tests/disk/memory.h"

/* The position of the nth place (from 0) in a file where these bytes stand. Fails the test when there is none. */
size_t damage_find(struct memory_disk *disk, const char *path, const void *bytes, size_t size, unsigned nth);
/* Flips a bit of one byte. */
void damage_flip(struct memory_disk *disk, const char *path, size_t position);
/* Changes one byte, and makes the checksum right again that stands in the last 4 of the size bytes from begin on. */
void damage_reseal(struct memory_disk *disk, const char *path, size_t begin, size_t size, size_t position,
                   unsigned char value);
/* A copy of a file's bytes, which the caller frees. */
unsigned char *damage_copy(struct memory_disk *disk, const char *path, size_t *size);

#endif
