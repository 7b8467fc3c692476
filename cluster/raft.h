/* The Raft core: libraft driven by raft_step, one call in, its decisions out through callbacks. Nothing else of clog
 * knows libraft's structs. The order in which an update is carried out is libraft's demand. */
#ifndef CLOG_CLUSTER_RAFT_H
#define CLOG_CLUSTER_RAFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct core;
struct log_term;
struct raft_message;
struct service_member;

/* What the core decides. Called inside of the core_* calls, in this order. Errors are final for the member. */
struct core_ops {
	/* Term and vote must be durable on return. */
	int (*vote)(void *arg, uint64_t term, uint64_t vote);
	/* The entry that is being submitted is accepted as this one: it goes to the log. */
	int (*accept)(void *arg, uint64_t entry);
	/* A message for a member, borrowed for the call. */
	void (*send)(void *arg, uint64_t member, const struct raft_message *message);
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

/* What the disk holds. */
struct core_state {
	uint64_t term, vote;
	const struct log_term *terms; /* runs of the log's entries, from entry 1 */
	size_t term_count;
	const struct service_member *members; /* of the last configuration in the log; committed */
	size_t member_count;
	uint64_t configuration; /* its entry, 0 when there is none */
};

enum core_role { CORE_FOLLOWER, CORE_CANDIDATE, CORE_LEADER };

/* Creates a core. -ENOMEM. */
int core_create(struct core **core, const struct core_options *options);
/* NULL is allowed. */
void core_destroy(struct core *core);

/* Starts it. The only voter of a cluster becomes leader in the call. -ENOMEM, -ENOTRECOVERABLE when libraft refuses
 * what it must take, or what a callback returned. */
int core_start(struct core *core, uint64_t now_ms, const struct core_state *state);
/* Submits one entry that is no configuration. -EHOSTUNREACH when this is not the leader; else as above. */
int core_submit(struct core *core, uint64_t now_ms);
/* Everything up to the entry is durable here. */
int core_persisted(struct core *core, uint64_t now_ms, uint64_t entry);
/* The time of core_timeout_at has come. */
int core_timeout(struct core *core, uint64_t now_ms);

uint64_t core_timeout_at(const struct core *core);
uint64_t core_term(const struct core *core);
uint64_t core_commit(const struct core *core);
enum core_role core_role(const struct core *core);
/* The leader's id, 0 when none is known. */
uint64_t core_leader(const struct core *core);

#endif
