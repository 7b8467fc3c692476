/* check: what the cluster promises, held against all that its members say and have.
 *
 * The checker keeps the truth: the committed entries, as the first member that had each committed has it. It reads every
 * entry that a member holds for committed, on every member and in each of its lives, and compares. Every record's bytes
 * say which append it is of, so that it knows each record again wherever it finds one. */
#ifndef CLOG_TESTS_SIM_CHECK_H
#define CLOG_TESTS_SIM_CHECK_H

#include "cluster/machine.h"
#include "log/log.h"
#include "service/service.h"

struct node;
struct sim;

#define CHECK_COUNT_MAX 6         /* records in an append */
#define CHECK_RECORD_SIZE_MIN 16u /* bytes: a record's number is in them */
#define CHECK_RECORD_SIZE_MAX 9000u

enum check_fate { CHECK_PENDING, CHECK_DONE, CHECK_REFUSED, CHECK_UNKNOWN };

/* An append of a client, from before it is sent to the end of the simulation. */
struct check_append {
	struct service_append append; /* first */
	struct sim *sim;
	uint64_t number;
	struct node *node; /* to which it was given, in that life */
	uint64_t life;
	uint64_t expected;              /* or SERVICE_ANYWHERE */
	struct service_session session; /* id 0: under none */
	uint64_t sequence;
	bool wrong;              /* under another key than the session's: it must never be done */
	struct check_append *of; /* the same batch, when it was given first; or itself */
	unsigned alive;          /* of that: how often it was given and not refused */
	uint64_t floor;          /* what was acknowledged before it was sent has lower offsets */
	uint64_t deadline_us;    /* but for what the process is paused */
	bool sure;               /* nothing can keep it from being done */
	enum check_fate fate;
	int status;            /* of the answer */
	uint64_t first_offset; /* as it was answered, once done */
	bool placed;           /* it is in the truth */
	bool unseen;           /* its entry had rotted where it was acknowledged */
	uint64_t place;        /* its first offset there */
	uint32_t count;
	uint32_t sizes[CHECK_COUNT_MAX];
};

struct check_entry {
	uint64_t hash; /* of its frame */
	uint64_t term;
};

/* A committed record. */
struct check_record {
	uint64_t entry;
	uint64_t append;   /* its number */
	uint64_t position; /* in the joined stream */
	uint32_t i;        /* of the append's records */
	uint32_t size;
	uint64_t time_ns;
};

struct check_leader {
	uint64_t term, member;
};

struct check {
	struct check_entry *entries; /* from 1 on; entries[0] is nothing */
	uint64_t last, entry_capacity;
	struct check_record *records; /* by offset */
	uint64_t next_offset, record_capacity;
	uint64_t stream_size;
	struct machine machine; /* after the last one */
	struct check_append **appends;
	uint64_t append_count, append_capacity;
	uint64_t settled;      /* the appends below this are not pending */
	uint64_t acknowledged; /* the offset after the highest one that was acknowledged */
	uint64_t trimmed;      /* an acknowledged trim asked for that */
	uint64_t least_kept;   /* bytes that any retention asked for left; UINT64_MAX while there was none */
	struct check_leader *leaders;
	size_t leader_count, leader_capacity;
	unsigned char *bytes;       /* room for a record */
	struct settings **settings; /* all that ever were, by their entries */
	size_t settings_count, settings_capacity;
};

void check_init(struct sim *sim);
void check_finish(struct sim *sim);

/* Adds an append with sizes of its own; it is sent next. */
struct check_append *check_new_append(struct sim *sim, struct node *node, uint64_t expected);
/* The same batch is given again, under its session. */
struct check_append *check_again(struct sim *sim, struct node *node, struct check_append *of);
/* Writes the bytes of a record of it. */
void check_fill(const struct check_append *append, uint32_t i, unsigned char *data);

/* A step of a member is over: looks at what it holds for committed, and whether it leads. */
void check_member(struct node *node);
/* It was opened; it is about to die. */
void check_opened(struct node *node);
void check_dies(struct node *node);
/* Whether the member that it is, is one of the configuration that is committed; it may have been none ever. */
bool check_is_member(const struct node *node);
/* Whether it is a voter. */
bool check_votes(const struct node *node);
/* Whether it is one and has the log: a voter or a standby. */
bool check_has_log(const struct node *node);
struct node *check_find(struct sim *sim, uint64_t member);
/* The next frame of the log that the member holds for committed is as it must be. False when it cannot be read now. */
bool check_entry(struct node *node, uint64_t entry);
/* Reads again all that it holds for committed. Returns whether all of it could be read. */
bool check_whole(struct node *node);

/* ---- check_answers.c ---- */

/* Whether a crash of everything would leave the entry on a majority of the voters. */
bool check_durable(struct sim *sim, uint64_t entry);

/* The append was answered; with an error also when it was not taken. */
void check_answer(struct check_append *append, int status);
/* Its answers will not come: the member has died. */
void check_no_answers(struct node *node);
/* It has stopped in order: all is answered. */
void check_stopped(struct node *node);
/* No append is older than its deadline allows. */
void check_deadlines(struct sim *sim);
/* What a read has given. floor is what the member had shown as its next offset before. */
void check_read(struct node *node, const struct service_read *read, int status, uint64_t floor);
/* The offset that a question for the log's end was answered with; what was acknowledged when it was asked. */
void check_end_answer(struct node *node, uint64_t value, uint64_t floor);

/* ---- check_settings.c ---- */

/* An entry was taken in by the truth's machine. */
void check_settings_taken(struct sim *sim);
/* What the member holds for the settings is what the entries that it has applied made of them. */
void check_settings(struct node *node);
/* It has answered a change of them, made by that entry. */
void check_set(struct node *node, uint64_t entry);
void check_settings_finish(struct check *check);

/* ---- check_end.c ---- */

/* Whether every append is answered. */
bool check_answered(struct sim *sim);
/* Whether all members of the configuration have come to the same end and every append is answered; else *why says what
 * is missing. */
bool check_settled(struct sim *sim, const char **why);
/* What must hold at the end, once all has settled. */
void check_finally(struct sim *sim);

#endif
