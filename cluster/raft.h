/* The Raft core: libraft driven by raft_step, one call in, its decisions out through callbacks. Nothing else of clog
 * knows libraft's structs. The order in which an update is carried out is libraft's demand. What it gets wrong at its
 * boundary is put right in shim.h. */
#ifndef CLOG_CLUSTER_RAFT_H
#define CLOG_CLUSTER_RAFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct core;
struct log_frame;
struct log_term;
struct machine_members;
struct message;

/* What the core decides. Called inside of the core_* calls, in this order. Errors are final for the member. */
struct core_ops {
	/* Term and vote must be durable on return. */
	int (*vote)(void *arg, uint64_t term, uint64_t vote);
	/* These frames, of those that were received or submitted, are the entries from the first one's on. If the log
	 * has that one, it is cut there first. */
	int (*accept)(void *arg, struct log_frame *const *frames, size_t count);
	/* The entry is a barrier of the core's own, to be made and appended. */
	int (*barrier)(void *arg, uint64_t entry);
	/* The log is thrown away, and begins anew at the base that came with the message; then core_installed. */
	int (*install)(void *arg);
	/* A message for a member, borrowed for the call. It has no data yet: a MESSAGE_APPEND with a count wants the
	 * frames after its entry, a MESSAGE_INSTALL the base and the machine there. from, start and number are not
	 * set. */
	void (*send)(void *arg, uint64_t member, const struct message *message);
	/* All up to the entry is committed. */
	void (*commit)(void *arg, uint64_t entry);
};

struct core_options {
	uint64_t id; /* this member's */
	const char *address;
	unsigned random; /* seeds its random waits */
	uint32_t election_ms, heartbeat_ms;
	const struct core_ops *ops;
	void *arg;
};

/* What the disk holds. A member that has nothing yet has zeros. */
struct core_state {
	uint64_t term, vote;
	uint64_t base_entry, base_term;     /* before the first entry kept */
	const struct machine_members *base; /* as they were there; NULL when base_entry is 0 */
	const struct log_term *terms;       /* runs of the log's entries, from the first kept */
	size_t term_count;
	const struct machine_members *last;   /* of the last configuration in the log; NULL when there is none */
	const struct machine_members *before; /* of the one before it, which is committed; NULL when there is none */
};

enum core_role { CORE_FOLLOWER, CORE_CANDIDATE, CORE_LEADER };

/* Creates a core. -ENOMEM. */
int core_create(struct core **core, const struct core_options *options);
/* NULL is allowed. */
void core_destroy(struct core *core);

/* Starts it. The only voter of a cluster becomes leader in the call. -ENOMEM, -ENOTRECOVERABLE when libraft refuses
 * what it must take, or what a callback returned. */
int core_start(struct core *core, uint64_t now_ms, const struct core_state *state);
/* Submits one closed frame as the entry after the last. -EHOSTUNREACH when this is not the leader (or hands leadership
 * over just now); for a configuration -EBUSY while another change is under way; else as above. */
int core_submit(struct core *core, uint64_t now_ms, struct log_frame *frame);
/* Everything up to the entry is durable here. */
int core_persisted(struct core *core, uint64_t now_ms, uint64_t entry);
/* The time of core_timeout_at has come. */
int core_timeout(struct core *core, uint64_t now_ms);
/* Takes one of Raft's own messages. frames are those of a MESSAGE_APPEND, checked, each following the one before;
 * members are those at the base of a MESSAGE_INSTALL. */
int core_receive(struct core *core, uint64_t now_ms, const struct message *message, struct log_frame *const *frames,
                 size_t count, const struct machine_members *members);
/* The base that ops->install was called for is durable. */
int core_installed(struct core *core, uint64_t now_ms);
/* The log begins after this entry now: what was before it is trimmed. */
int core_trimmed(struct core *core, uint64_t now_ms, uint64_t entry, uint64_t term,
                 const struct machine_members *members);
/* Leader only: hands leadership to a voter, 0: to whichever has most of the log. -EHOSTUNREACH, -ENOENT when it is no
 * voter, -EBUSY. */
int core_transfer(struct core *core, uint64_t now_ms, uint64_t member);

/* The time at which core_timeout is to be called. */
uint64_t core_timeout_at(const struct core *core);
uint64_t core_term(const struct core *core);
uint64_t core_commit(const struct core *core);
enum core_role core_role(const struct core *core);
/* The leader's id, 0 when none is known. */
uint64_t core_leader(const struct core *core);
/* Leader only: the last entry that is known to be durable on a member; 0 when none is. */
uint64_t core_match(const struct core *core, uint64_t member);
/* The entry before the first that the core knows to be kept. */
uint64_t core_base(const struct core *core);
/* Puts the next election off by a whole wait: for a member that must not stand. */
void core_defer(struct core *core, uint64_t now_ms);
/* Whether a base is being installed. */
bool core_installing(const struct core *core);
/* Whether the configuration in force is committed. */
bool core_settled(const struct core *core);

#endif
