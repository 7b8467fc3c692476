/* ledger: what became of each append, and so what a log must, may and must not hold.
 *
 * Every append has a shape and bytes of its own, drawn from a seed, so that each record found in a log is known again.
 * The ledger follows its appends over kills, crashes and restarts of the member:
 * - acknowledged: there for ever, at that offset, once;
 * - unknown (the member failed or died meanwhile): all of it there once after the next start, or never;
 * - refused: never there.
 * Offsets are dense, and go up with time: what was sent after an answer has a higher offset than what was answered. */
#ifndef CLOG_TESTS_CLUSTER_LEDGER_H
#define CLOG_TESTS_CLUSTER_LEDGER_H

#include "tests/cluster/member.h"

#define LEDGER_COUNT_MAX 4    /* records in an append */
#define LEDGER_SIZE_MAX 4000u /* bytes in a record */

enum ledger_fate { LEDGER_PENDING, LEDGER_DONE, LEDGER_UNKNOWN, LEDGER_REFUSED };

struct ledger;

struct ledger_line {
	struct sent sent; /* first */
	struct ledger *ledger;
	uint64_t number;
	uint64_t floor; /* what was acknowledged before it was sent has lower offsets */
	enum ledger_fate fate;
	uint64_t first_offset; /* once done */
	bool found;            /* while checking */
	uint32_t count;
	uint32_t sizes[LEDGER_COUNT_MAX];
	uint64_t seed; /* of its bytes */
};

/* A record that is there for ever. */
struct ledger_record {
	const struct ledger_line *line;
	uint32_t i;        /* of the line's records */
	uint64_t position; /* in the stream */
};

struct ledger {
	struct dice dice;
	struct ledger_line **lines;
	size_t line_count, line_capacity;
	struct ledger_record *records; /* by offset; those that are done */
	size_t record_count, record_capacity;
	uint64_t stream_size;
	struct clog_error broken; /* the first promise that was broken; code 0 while none was */
};

void ledger_init(struct ledger *ledger, uint64_t seed);
/* Frees it. No append is pending. */
void ledger_finish(struct ledger *ledger);

/* Sends one more append to the member, and follows it. Sizes are up to size_max. Returns its line. */
const struct ledger_line *ledger_send(struct ledger *ledger, struct member *member, uint32_t size_max);
/* The member died: what is pending is unknown. */
void ledger_cut(struct ledger *ledger);

/* Each of the following returns 0, or -EILSEQ with what is wrong in ledger->broken. */

/* Compares all that is in the log with the ledger, and settles what is unknown. Nothing is pending. */
int ledger_check(struct ledger *ledger, struct member *member);
/* Reads a record, its attributes, or a piece of the stream somewhere, past the end too, and compares. tolerated: 0, or
 * an error that the read may meet. */
int ledger_read(struct ledger *ledger, struct member *member, int tolerated);
/* Whether a promise was broken, by an answer too. */
int ledger_broken(const struct ledger *ledger);

#endif
