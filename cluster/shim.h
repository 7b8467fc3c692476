/* Shims at libraft's boundary: what version 0.22.1 gets wrong, put right before a message reaches it or after it leaves.
 * Each is a rule of its own, without state; raft.c and peer.c call them. The numbers are those of docs/design.md. */
#ifndef CLOG_CLUSTER_SHIM_H
#define CLOG_CLUSTER_SHIM_H

#include "cluster/message.h"

/* For tests alone: a shim that is switched off must be found missing. */
enum shim {
	SHIM_1 = 1 << 1,
	SHIM_2 = 1 << 2,
	SHIM_3 = 1 << 3,
	SHIM_4 = 1 << 4,
	SHIM_5 = 1 << 5,
	SHIM_6 = 1 << 6,
	SHIM_7 = 1 << 7,
	SHIM_8 = 1 << 8,
	SHIM_9 = 1 << 9,
	SHIM_10 = 1 << 10,
	SHIM_11 = 1 << 11,
};
extern unsigned shims_off;

/* S1: an answer to an APPEND or INSTALL of an older term looks like a success: it is marked, and says nothing of the
 * log. Changes the answer. */
void shim_mark_stale(struct message *answer, uint64_t asked_term, uint64_t term_before);
/* S1, where it arrives: such an answer is only good for its term. */
bool shim_drop_stale(const struct message *answer, uint64_t term);

/* S2: libraft takes note of a configuration only at the head of what it is given: how many of the frames it may be given
 * at once, at least one of count > 0. */
size_t shim_split(struct log_frame *const *frames, size_t count);

/* S3: a leader may not go back below what it knows a follower has: a late rejection is dropped. */
bool shim_drop_rejection(const struct message *answer, uint64_t match);

/* S4: a leader's own answer to when it wants to be woken may lie in the past, and would make the timer spin. */
uint64_t shim_timeout(uint64_t at, bool leader, uint64_t ticked_ms, uint32_t heartbeat_ms);

/* S5: entries up to the base are committed and gone: how many of an APPEND's count are left out; its entry and
 * entry_term become the base's then. */
uint32_t shim_clip(struct message *append, uint64_t base_entry, uint64_t base_term);

/* S6: a denied pre-vote carries the candidate's term, which does not tell it that ours is newer. */
void shim_raise_denial(struct message *answer, uint64_t term);

/* S7: libraft counts votes also when it is no candidate. */
bool shim_drop_vote(const struct message *answer, bool candidate);

/* S9: an only voter is made leader in the term that it has: whether it must begin one of its own first. */
bool shim_begins_term(bool follower, bool only_voter, uint64_t now_ms, uint64_t expires_ms);

/* S10: a follower that does not stand for election, being no voter or writing to its disk, never forgets its leader, and
 * denies its vote to everyone else for ever: whether it is to forget. */
bool shim_forgets_leader(bool follower, uint64_t now_ms, uint64_t expires_ms);

/* S11: a member that is no voter denies its vote; but it may be one by an entry that it has not got yet, and its vote be
 * the one that is missing. Who votes is the candidate's to know: whether it is made a voter for the while. */
bool shim_lets_vote(bool voter);

/* S8: libraft wants each peer's messages in order, once, and none of an earlier life of the peer. What has come last. */
struct shim_order {
	uint64_t start, number;
};
bool shim_drop_disorder(struct shim_order *order, const struct message *message);

#endif
