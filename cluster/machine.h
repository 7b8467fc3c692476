/* The machine: what the entries of the log make of a cluster's state. It is a pure function of the log's prefix: the
 * same entries give the same machine on every member, byte for byte. It stands at the log's end, not at what is
 * committed: a leader must find a record that was sent twice in what is not committed yet. Where the log is cut, the
 * machine is made again from the newest footer (log_state) and the entries after it. */
#ifndef CLOG_CLUSTER_MACHINE_H
#define CLOG_CLUSTER_MACHINE_H

#include "cluster/settings.h"
#include "log/log.h"
#include "service/service.h"

#ifndef CLOG_MUTANTS
#define MACHINE_SESSIONS_MAX 512u /* a session that is opened past this ends one */
/* Sessions of members' own that clients' give way to when there are too many; of more than that, members have ended. */
#define MACHINE_OWN_SESSIONS_MAX 128u
#else /* In a simulation (mutant.h) sessions end, too. */
#define MACHINE_SESSIONS_MAX 24u
#define MACHINE_OWN_SESSIONS_MAX 16u
#endif
#define MACHINE_RESULTS_MAX 64u /* results kept of a session: its batches in flight may span no more */

/* Members as one entry has them. */
struct machine_members {
	uint64_t entry; /* 0: there is no such entry */
	size_t count;
	struct service_member members[SERVICE_MEMBERS_MAX]; /* id, name, address and role; the rest is zero */
};

/* What became of a batch that came under a session. Results never overlap. */
struct machine_result {
	uint64_t sequence; /* of its first record */
	uint64_t offset;   /* of it */
	uint64_t entry;
	uint32_t count; /* records */
};

struct machine_session {
	uint64_t id;    /* the entry that opened it */
	uint64_t key;   /* 0: a member's own */
	uint64_t used;  /* the last entry that had records of it */
	uint32_t count; /* results */
	/* Lowest sequence first; where there would be more, the lowest goes. */
	struct machine_result results[MACHINE_RESULTS_MAX];
};

struct machine {
	uint64_t entry;                    /* the last one that is in it */
	uint64_t cluster;                  /* the cluster's id: the founding member's */
	struct machine_members members;    /* of the last configuration */
	struct machine_members before;     /* of the one before it */
	uint64_t first_offset;             /* the highest that a trim asked for */
	uint64_t retain_bytes;             /* 0: all */
	uint64_t retain_ns;                /* 0: for ever */
	struct settings *settings;         /* NULL: there never were any */
	struct machine_session **sessions; /* by id, lowest first */
	size_t session_count, session_capacity;
};

/* The members that a closed frame of type LOG_CONFIGURATION holds. -EBADMSG when they are none that can be. */
int machine_members_decode(struct machine_members *members, const struct log_frame *frame);

/* Whether a member is among them. */
bool machine_members_has(const struct machine_members *members, uint64_t id);

/* Makes a machine that stands before the first entry. */
void machine_init(struct machine *machine);
void machine_finish(struct machine *machine);

/* Takes in the next entry's frame. -EBADMSG when it does not follow, or is none that a right leader makes: no command or
 * configuration that can be, a trim past the next record, a setting for which there is no room, a row that overlaps what
 * its session has. -ENOMEM, which only an entry that opens a session or changes a setting gives. After an error nothing has changed. A row of a session that is not there (any
 * more) is passed over; records stay records. */
int machine_apply(struct machine *machine, const struct log_frame *frame);

/* Bytes of the largest encoded machine; less than LOG_STATE_SIZE_MAX. */
#define MACHINE_SIZE_MAX (LOG_STATE_SIZE_MAX - 1024)

/* Encodes into data, of at least MACHINE_SIZE_MAX bytes. Returns the size. Equal machines give equal bytes. */
size_t machine_encode(const struct machine *machine, unsigned char *data);
/* Decodes into a machine that was made by machine_init, and is as good as new after an error: -EBADMSG when the bytes
 * are no machine that can be, -ENOMEM. */
int machine_decode(struct machine *machine, const void *data, size_t size);

enum machine_answer {
	MACHINE_NEW,     /* it is in no entry, and may be appended */
	MACHINE_KNOWN,   /* it is in the entry that result names */
	MACHINE_ENDED,   /* the session is not there (any more) */
	MACHINE_UNKNOWN, /* the session no longer knows */
	MACHINE_INVALID, /* the session has another key, or the batch overlaps another one: no right sender does that */
};
/* What became of a session's batch: of count records from the sequence on. result is set for MACHINE_KNOWN alone. */
enum machine_answer machine_find(const struct machine *machine, uint64_t session, uint64_t key, uint64_t sequence,
                                 uint32_t count, struct machine_result *result);

/* ---- For machine_code.c ---- */

/* Adds an empty session, whose id is above all others; another one ends when there are too many. -ENOMEM (nothing has
 * changed). */
int machine_open_session(struct machine *machine, uint64_t id, uint64_t key);
/* Whether so many numbers from the first on are some, and the one after them is a number, too. */
bool machine_span_ok(uint64_t first, uint32_t count);

#endif
