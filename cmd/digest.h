/* digest: what a member's log holds, in few bytes, to be compared with another member's. */
#ifndef CLOG_CMD_DIGEST_H
#define CLOG_CMD_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct clog_error;
struct log;

#define DIGEST_RANGE 4096u           /* offsets in a range; the first and the last one may have fewer */
#define DIGEST_RANGES_MAX (1u << 24) /* ranges that are read from a file */

struct digest_range {
	uint64_t first, next; /* offsets */
	uint32_t checksum;    /* over offset, entry, term, size and checksum of each record */
	uint32_t damaged;     /* records of it that cannot be read */
};

struct digest {
	uint64_t cluster;     /* its id; 0: not known, of a log that is empty or damaged */
	uint64_t first, next; /* offsets, of what is kept and known to be committed */
	uint64_t entry;       /* the last one known to be committed */
	uint64_t damage;      /* stretches that fail their checksums */
	struct digest_range *ranges;
	size_t count;
	struct log *log; /* of a folder: open, read-only; NULL of a file */
};

/* Reads a member's data folder, which a clogd may be using, and checks every byte of it on the way; or a digest's file.
 * The sentence of an error names the source. Blocks. */
int digest_open(struct digest *digest, const char *source, struct clog_error *err);
/* Frees it. */
void digest_close(struct digest *digest);
/* Writes it as text, which digest_open reads. */
void digest_print(const struct digest *digest, FILE *file);
/* The checksum of one record of a folder's digest. -EBADMSG when it cannot be read, or another error. */
int digest_record(const struct digest *digest, uint64_t offset, uint32_t *checksum);

#endif
