/* What members say to each other. A host carries messages from member to member: it may lose them, delay them and bring
 * them twice or in another order (the receiver sorts that out: shim.h, S8), but what it brings is what was sent. */
#ifndef CLOG_CLUSTER_MESSAGE_H
#define CLOG_CLUSTER_MESSAGE_H

#include "log/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum message_type {
	/* Raft's own; docs/design.md names what each is in the literature. */
	MESSAGE_VOTE = 1,
	MESSAGE_VOTE_RESULT,
	MESSAGE_APPEND, /* data: count whole frames, as they are in the log */
	MESSAGE_APPEND_RESULT,
	MESSAGE_INSTALL, /* data: the machine at the base (machine.h) */
	MESSAGE_TIMEOUT_NOW,
	/* A majority is asked whether this is still its leader's term. */
	MESSAGE_ECHO,
	MESSAGE_ECHO_RESULT,
	/* Asked of the leader. Each is answered by a MESSAGE_RESULT with the same request number. */
	MESSAGE_FORWARD, /* data: a closed frame with the records of a batch */
	MESSAGE_CONTROL, /* data: a command (control.h) */
	MESSAGE_END,     /* where does the log end now? */
	MESSAGE_JOIN,    /* data: the member that wants to join, as a configuration of one */
	MESSAGE_CHANGE,  /* another role for a member, or its removal, or leadership */
	MESSAGE_RESULT,
	/* To one that would join: data: the leader, as a configuration of one. To a spare: data: the configuration. */
	MESSAGE_LEADER,
	/* A damaged member asks another one for frames. */
	MESSAGE_FETCH,
	MESSAGE_FETCH_RESULT, /* data: count whole frames */
	/* You are in the cluster no more. */
	MESSAGE_REMOVED,
	/* To all members now and then: I am here. */
	MESSAGE_ALIVE,
};

enum message_change { CHANGE_VOTER, CHANGE_STANDBY, CHANGE_SPARE, CHANGE_REMOVE, CHANGE_TRANSFER };

struct message_vote {
	uint64_t last_entry, last_term;
	bool disrupt, pre;
};

struct message_vote_result {
	bool granted, pre;
};

struct message_append {
	uint64_t entry, entry_term; /* before the first one */
	uint64_t commit;
	uint32_t count;
};

struct message_append_result {
	uint64_t rejected; /* the entry that did not match, 0 for a success */
	uint64_t last_entry;
	bool stale; /* the message that this answers was of an older term (shim.h, S1) */
	bool full;  /* the disk has room for no more */
};

struct message_install {
	struct log_tail base;
	uint64_t first_offset, first_stream;
};

struct message_timeout_now {
	uint64_t last_entry, last_term;
};

struct message_request {
	uint64_t number;   /* the sender's */
	uint64_t session;  /* FORWARD */
	uint64_t sequence; /* FORWARD */
	uint64_t expected; /* FORWARD: the offset that it must get; MESSAGE_ANYWHERE: any */
	uint64_t member;   /* CHANGE */
	enum message_change change;
	uint64_t key; /* FORWARD: of the session; 0: it is the sender's own */
};
#define MESSAGE_ANYWHERE UINT64_MAX

struct message_result {
	uint64_t number;
	int32_t status;      /* 0 or a negative errno */
	uint64_t value;      /* FORWARD: the first offset; CONTROL: the entry; END: the next offset */
	uint64_t entry;      /* committed: the sender of the request answers its user once it has applied this one */
	uint64_t entry_term; /* of it: who has it in this term has all before it as well */
};

struct message_fetch {
	uint64_t first_entry, last_entry;
	uint32_t count; /* of the answer; 0: none are here */
};

struct message_alive {
	uint64_t match; /* the last entry that is durable there */
	bool candidate; /* it stands for election */
};

struct message {
	enum message_type type;
	uint64_t from;    /* the sender's id */
	uint64_t term;    /* the sender's */
	uint64_t cluster; /* the cluster's id; 0 from a member that is in none yet */
	/* Where it stands in all that the sender has ever sent to this receiver. */
	uint64_t start;  /* of the sender: later ones are greater */
	uint64_t number; /* since that start, from 1 */
	union {
		struct message_vote vote;
		struct message_vote_result vote_result;
		struct message_append append;
		struct message_append_result append_result;
		struct message_install install;
		struct message_timeout_now timeout_now;
		uint64_t round; /* ECHO, ECHO_RESULT */
		struct message_request request;
		struct message_result result;
		struct message_fetch fetch;
		struct message_alive alive;
		uint64_t configuration; /* REMOVED, LEADER to a spare: the entry that says so */
	};
	const void *data; /* borrowed */
	size_t size;
};

#define MESSAGE_SIZE_MAX (LOG_FRAME_SIZE_MAX + (1u << 20)) /* bytes of data */

#endif
