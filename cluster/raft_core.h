/* What the files raft*.c share, the only ones that know libraft: raft.c creates, steps and asks, raft_start.c starts,
 * raft_receive.c takes what is submitted and received. */
#ifndef CLOG_CLUSTER_RAFT_CORE_H
#define CLOG_CLUSTER_RAFT_CORE_H

#include "cluster/machine.h"
#include "cluster/message.h"
#include "cluster/raft.h"
#include "cluster/shim.h"

#include <raft.h>

struct core {
	struct raft raft;
	const struct core_ops *ops;
	void *arg;
	uint32_t heartbeat_ms;
	uint64_t ticked_ms; /* when it last had a timeout */
	/* During a step: what was submitted or received. */
	struct log_frame *const *frames;
	size_t frame_count;
	uint64_t first_entry;                     /* of the frames */
	bool taken;                               /* libraft has use for some of them */
	uint64_t asked_term, term_before;         /* of an APPEND or INSTALL that is received; term_before is 0 else */
	struct raft_snapshot_metadata installing; /* while a base is */
};

/* libraft's codes in ours. Whatever has no meaning of its own is a broken contract: final. */
int core_translate(int rv);
/* Makes members a configuration of libraft's. */
int core_make_configuration(struct raft_configuration *configuration, const struct machine_members *members);
/* One step, its decisions carried out; core_step also confirms the configurations that it commits. */
int core_step_once(struct core *core, uint64_t now_ms, struct raft_event *event);
int core_step(struct core *core, uint64_t now_ms, struct raft_event *event);
/* Confirms the configurations that are committed by now. */
int core_confirm_committed(struct core *core, uint64_t now_ms);
/* Whether this member votes, and nobody else does. */
bool core_only_voter(const struct raft *raft);
/* Tells libraft that the configuration in force is committed. */
int core_confirm_configuration(struct core *core, uint64_t now_ms);

#endif
