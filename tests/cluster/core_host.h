/* A core in the test's hands: what it decides is noted, and its log is an array of frames. libraft's memory is counted:
 * when the last host is finished, no block of it may be left, and none freed twice. */
#ifndef CLOG_TESTS_CLUSTER_CORE_HOST_H
#define CLOG_TESTS_CLUSTER_CORE_HOST_H

#include "cluster/machine.h"
#include "cluster/message.h"
#include "cluster/raft.h"

#define CORE_ELECTION_MS 500u
#define CORE_HEARTBEAT_MS 75u
#define CORE_START_MS 5000u
#define CORE_LOG_MAX 64  /* entries past this are counted, and not kept */
#define CORE_SENT_MAX 64 /* messages past this are counted, and not kept */
#define CORE_RUNS_MAX 16

struct core_sent {
	uint64_t member;
	struct message message;
};

struct core_host {
	struct core *core;
	uint64_t id, now_ms;
	struct log_frame *log[CORE_LOG_MAX + 1]; /* by entry */
	uint64_t base_entry, last_entry;
	/* What a MESSAGE_INSTALL of this member brings, and what one that is received has brought. */
	struct machine_members base;
	/* A letter for each decision, in their order: v(ote), a(ccept), b(arrier), i(nstall), s(end), c(ommit). */
	char order[64];
	unsigned votes, accepts, barriers, installs, commits, sends;
	uint64_t term, vote, accepted, barrier, committed; /* of the last decision of the kind */
	size_t accepted_count;
	struct core_sent sent[CORE_SENT_MAX];
	int vote_rc, accept_rc, barrier_rc, install_rc; /* what they answer */
	bool spare_memory; /* nothing is allocated here: a barrier is counted, and not kept */
};

/* Members from a word: the nth letter is the role of the member with the id n, v(oter), b(y, a standby) or s(pare); with
 * '-' there is none of this id. */
struct machine_members core_members(uint64_t entry, const char *word);
/* A closed frame with a reference for the caller; of LOG_CONFIGURATION it holds core_members(entry, word). */
struct log_frame *core_frame(uint64_t entry, uint64_t term, enum log_type type, const char *word);

/* Creates the core: -ENOMEM. */
int core_host_init(struct core_host *host, uint64_t id, unsigned random);
/* Destroys it, also when it was not created. */
void core_host_finish(struct core_host *host);
/* Starts it. */
int core_host_start(struct core_host *host, const struct core_state *state);
/* Makes and starts a core whose log has entries of these terms from 1 on, which ends with 0; the first of them has the
 * members, and the others are records. */
void core_host_open(struct core_host *host, uint64_t id, const char *word, uint64_t term, const uint64_t *terms);
/* Forgets what was noted. */
void core_host_forget(struct core_host *host);

/* Waits until the core wants to be woken, and wakes it. */
void core_host_wait(struct core_host *host);
/* Has it elected by all others of ids up to `members`; what it had to write is durable after that. */
void core_host_lead(struct core_host *host, uint64_t members);
/* Submits the entry after the last. */
int core_host_submit(struct core_host *host, enum log_type type, const char *word);
/* All that it has is durable. */
void core_host_persist(struct core_host *host);
/* The base that it was to install is: its log begins anew after the entry. */
int core_host_installed(struct core_host *host, uint64_t entry);
/* Gives it a message with these frames. */
int core_host_receive(struct core_host *host, const struct message *message, struct log_frame *const *frames,
                      size_t count);
/* Gives it a message that another one sent, with the frames or members that it wants from the other's log. */
void core_host_bring(struct core_host *host, const struct core_host *from, const struct message *sent);
/* Gives a message of the type to the member, the newest one that was sent; NULL when none was. */
const struct message *core_host_sent(const struct core_host *host, uint64_t member, enum message_type type);

/* Messages. */
struct message core_append(uint64_t from, uint64_t term, uint64_t entry, uint64_t entry_term, uint64_t commit,
                           uint32_t count);
struct message core_append_result(uint64_t from, uint64_t term, uint64_t rejected, uint64_t last_entry);
struct message core_install(uint64_t from, uint64_t term, uint64_t entry, uint64_t entry_term);
struct message core_vote(uint64_t from, uint64_t term, uint64_t last_entry, uint64_t last_term, bool pre);
struct message core_vote_result(uint64_t from, uint64_t term, bool pre, bool granted);

#endif
