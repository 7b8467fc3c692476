/* follower: a log that is behind what another has kept, and is to begin anew at the other's base. */
#ifndef CLOG_TESTS_LOG_FOLLOWER_H
#define CLOG_TESTS_LOG_FOLLOWER_H

#include "tests/disk/faulty.h"
#include "tests/disk/memory.h"
#include "tests/log/outcomes.h"
#include "tests/log/parts.h"
#include "tests/log/script.h"

#define FOLLOWER_LEADS 60u /* entries that the other log has */
#define FOLLOWER_STATE 900u

struct follower {
	struct memory_disk *memory;
	struct faulty_disk *faulty; /* NULL: none */
	struct log *log;
	struct dice dice;
	struct model old; /* what it has */
	/* The other log: its frames, and its end after each entry from 0 on. */
	struct model leader;
	struct log_frame *frames[FOLLOWER_LEADS + 1];
	struct log_tail tails[FOLLOWER_LEADS + 1];
	uint64_t next; /* entry of the other log that it takes next, once it has begun anew */

	/* What follower_judge demands of a disk after a crash. */
	bool may_be_old, may_be_new;
	uint64_t base, least; /* of the new one: where it begins; the last entry that must be there */
	uint64_t before;      /* 0, or: the old one begins after this entry of the other log */
	unsigned olds, news;  /* how often it was which */
};

/* Makes both: the log has the other's entries up to `same`, then `more` of its own, some of which fill a segment
 * alone. */
void follower_begin(struct follower *follower, uint64_t seed, bool faulty, uint64_t same, unsigned more);
void follower_end(struct follower *follower);
struct log_disk *follower_disk(struct follower *follower);
void follower_reopen(struct follower *follower);

/* The state of the other log's user at an entry, FOLLOWER_STATE bytes. */
void follower_state(uint64_t entry, unsigned char *state);
/* What begins the log anew after an entry; state has FOLLOWER_STATE bytes and must outlive it. */
struct log_install follower_offer(const struct follower *follower, uint64_t base, unsigned char *state);
/* Begins anew; the job is the caller's to run and end. */
struct log_job *follower_install(struct follower *follower, uint64_t base);
/* The same, run and ended. */
void follower_renew(struct follower *follower, uint64_t base);
/* Takes so many entries of the other log, from the log's end on, and syncs each. */
void follower_take(struct follower *follower, unsigned count);
/* Checks that the log is the one that begins after an entry of the other's, as far as it has got, or says what is
 * wrong. */
int follower_check_new(const struct follower *follower, struct log *log, uint64_t base, struct clog_error *err);
void follower_expect_new(const struct follower *follower, uint64_t base);

/* Opens the log on a disk after a crash, as outcomes.h has it: it is the old one whole, or the new one; and goes on,
 * through one more crash. */
int follower_judge(struct memory_disk *disk, void *arg, struct clog_error *err);

#endif
