/* What the files of the cluster room share: the member itself. Its parts: open.c opens and closes, cluster.c drives,
 * append.c takes appends and answers them, reads.c reads, members.c tells. */
#ifndef CLOG_CLUSTER_STATE_H
#define CLOG_CLUSTER_STATE_H

#include "cluster/cluster.h"
#include "cluster/identity.h"
#include "cluster/raft.h"
#include "error/error.h"
#include "log/log.h"
#include "service/service.h"

/* Appends that go into one entry: waiting to be proposed, then waiting to be committed. */
struct batch {
	struct batch *next;
	struct log_frame *frame;
	struct service_append *first, **last; /* a list, in the order of their records */
	uint32_t append_count;
	size_t size;           /* bytes that it counts for in the queue */
	struct log_tail after; /* once proposed: the log's end just after it */
};

struct batch_list {
	struct batch *first, **last;
};

struct cluster {
	struct service service; /* what cluster_service gives */
	struct cluster_host *host;
	char *data;
	int lock; /* handle of the locked file, -1 */
	struct identity identity;
	struct vote vote;
	struct log *log;
	struct core *core;
	uint32_t heartbeat_ms, election_ms;

	struct service_member members[SERVICE_MEMBERS_MAX]; /* of the configuration in force */
	size_t member_count;

	/* The state machine: a pure function of the log up to applied.entry. */
	struct log_tail applied; /* committed and durable here; its time_ns is the last record's */
	uint64_t commit;

	struct batch_list waiting;  /* the last one is open: it takes more */
	struct batch_list proposed; /* in the log, in its order */
	struct batch *proposing;    /* while core_submit runs */
	size_t queue_size;
	uint32_t queue_count;
	void (*ready_cb)(void *arg); /* who waits for room in the queue */
	void *ready_arg;

	struct record_read *free_reads;
	unsigned reads_out; /* with the host */
	bool write_out, chore_out;
	uint64_t woken_at; /* what the host was last asked for, 0 for nothing */
	uint64_t idle_at;  /* when the durable mark is due, 0 when it is not */

	uint64_t start_ns;
	bool started, stopping, stopped;
	int failure; /* why the member cannot go on */
	void (*stop_cb)(void *arg);
	void *stop_arg;
};

/* The member cannot go on: every append is answered, the host is told, once. */
void cluster_fail(struct cluster *cluster, int status, const char *sentence);

/* ---- append.c ---- */

void append_init(struct cluster *cluster);
int append_op(struct service *service, struct service_append *append, const void *data, const uint32_t *sizes,
              uint32_t count);
void append_ready_op(struct service *service, void (*cb)(void *arg), void *arg);
/* Proposes what waits. An error is final for the member, with its sentence in err. */
int append_propose(struct cluster *cluster, struct clog_error *err);
/* The core's word that the entry that is being proposed goes to the log. */
int append_accept(struct cluster *cluster, uint64_t entry);
/* Applies what is committed and durable: moves those batches into a list, for append_answer. */
void append_apply(struct cluster *cluster, struct batch_list *done);
/* Answers and frees the batches of a list. */
void append_answer(struct cluster *cluster, struct batch_list *done, int status);
bool append_idle(const struct cluster *cluster);

/* ---- reads.c ---- */

int read_op(struct service *service, struct service_read *read);
void read_end_op(struct service *service, struct service_read *read);
/* Frees what reads keep for reuse. */
void reads_finish(struct cluster *cluster);

/* ---- members.c ---- */

void state_op(struct service *service, struct service_state *state);
size_t members_op(struct service *service, struct service_member *members, size_t capacity);

#endif
