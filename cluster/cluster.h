/* cluster: a member: the log, Raft over it, and the service that doors use.
 *
 * struct cluster is pure: its clock, disk, network and threads come in through struct cluster_host, so that the same
 * code runs on a libuv loop (cluster_loop_create) and under a simulator. Everything belongs to one thread, the loop's,
 * but for log jobs and reads, which the host runs elsewhere and brings back. */
#ifndef CLOG_CLUSTER_CLUSTER_H
#define CLOG_CLUSTER_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct clog_error;
struct log;
struct log_disk;
struct log_job;
struct log_read;
struct message;
struct service;
struct uv_loop_s;
struct cluster;

#define CLUSTER_HEARTBEAT_MS 75             /* default */
#define CLUSTER_ELECTION_MS 500             /* default; each wait is drawn from this to twice this */
#define CLUSTER_BATCH_SIZE (1u << 20)       /* bytes: a batch is closed for more once it has these */
#define CLUSTER_QUEUE_SIZE_MAX (64u << 20)  /* bytes appended and not yet answered; past it -EAGAIN */
#define CLUSTER_QUEUE_COUNT_MAX (64u << 10) /* appends not yet answered; past it -EAGAIN */
#define CLUSTER_RESERVE_SIZE (64u << 20)    /* bytes of the disk that appends leave free: past it -ENOSPC */
#define CLUSTER_IDLE_MS 50                  /* after that long without appends the durable mark is written */
#define CLUSTER_CHORE_AGAIN_MS 250          /* a segment could not be prepared: after that long it is tried again */
#define CLUSTER_CHORE_TELL_MS 60000         /* and after that long it is told of again */
#define CLUSTER_DEADLINE_MS 10000           /* default; an append that is not committed by then is answered */
#define CLUSTER_VOTERS_MAX 7                /* members that vote */
#define CLUSTER_VOTERS 5                    /* default; standbys are made voters up to that many */
#define CLUSTER_PIECE_SIZE (1u << 20)       /* bytes of frames in one message to a follower, but for one larger frame */
#define CLUSTER_SEEDS_MAX 16                /* addresses that a new member tries */

/* The way to another member. */
enum cluster_way {
	CLUSTER_WAY_FREE,
	CLUSTER_WAY_BUSY, /* much is on it already */
	CLUSTER_WAY_NONE, /* the member cannot be reached: what is sent to it is lost */
};

/* What a member takes from the machine it runs on. Each call gets the host itself. */
struct cluster_host {
	struct log_disk *disk;
	/* Milliseconds that never go back. */
	uint64_t (*now_ms)(struct cluster_host *host);
	/* Nanoseconds since 1970. */
	uint64_t (*time_ns)(struct cluster_host *host);
	/* Calls cluster_timeout at that time (of now_ms), once. A later call replaces an earlier one. */
	void (*wake_at)(struct cluster_host *host, uint64_t at_ms);
	/* Calls cluster_turn once, when the input that is at hand has been taken in. Asking twice is asking once. */
	void (*wake_soon)(struct cluster_host *host);
	/* Runs log_job_run(job) elsewhere, then cluster_job_done(job) on this thread. Write jobs go by a thread of
	 * their own, in order; chores by another. */
	void (*run_write)(struct cluster_host *host, struct log_job *job);
	void (*run_chore)(struct cluster_host *host, struct log_job *job);
	/* Runs log_read_run(read, true) elsewhere, then cluster_read_done(read) on this thread. */
	void (*run_read)(struct cluster_host *host, struct log_read *read);
	/* Sends a message (message.h) to a member: by its id, and where that is not known, 0, by its address. Copied before
	 * it returns. May be lost. */
	void (*send)(struct cluster_host *host, uint64_t member, const char *address, const struct message *message);
	/* Whether more can be sent to the member now. Asked before what is large is made ready; when the way has become
	 * free, the host calls cluster_writable. Messages that are small are sent regardless. */
	enum cluster_way (*way)(struct cluster_host *host, uint64_t member, const char *address);
	/* The member cannot go on: its disk failed, or its log is not what it must be. Called once. The sentence is
	 * borrowed for the call. */
	void (*fail)(struct cluster_host *host, int status, const char *sentence);
	/* Where another member serves gRPC; empty where that is not known. Borrowed until the loop goes on. NULL: none does. */
	const char *(*rpc_address)(struct cluster_host *host, uint64_t member);
	/* A random number. */
	uint64_t (*random)(struct cluster_host *host);
	struct cluster *cluster; /* set by cluster_open: whom to call back */
};

struct cluster_options {
	const char *data; /* the member's folder; made when it is not there */
	const char
		*name; /* of a new member: [A-Za-z0-9._-], not starting with a dot, at most 63; NULL: the one it has */
	const char *cluster;   /* of a new cluster; NULL means "clog" */
	uint32_t segment_size; /* bytes; 0 means the log's default */
	uint32_t heartbeat_ms; /* 0 means CLUSTER_HEARTBEAT_MS */
	uint32_t election_ms;  /* 0 means CLUSTER_ELECTION_MS */
	uint32_t deadline_ms;  /* 0 means CLUSTER_DEADLINE_MS */
	uint32_t voters;       /* 0 means CLUSTER_VOTERS; the leader's counts */
	const char *address;   /* HOST:PORT where the other members reach this one; NULL: they cannot */
	/* A new member joins the cluster that is found at these addresses; none: it is a cluster of its own. Copied. */
	const char *const *seeds;
	size_t seed_count;
};

/* Opens the member in a data folder; an empty folder bootstraps a cluster of one. Takes the folder's lock: -EBUSY when
 * another process has it. -EINVAL for a bad name, or another than the folder's member has; -ENODATA when the member is
 * new and has no name; -EBADMSG for a file that is corrupt, -ENOTEMPTY for a folder with other things in it, or the
 * disk's error; each with a sentence. Blocks. host must outlive the cluster. */
int cluster_open(struct cluster **cluster, const struct cluster_options *options, struct cluster_host *host,
                 struct clog_error *err);
/* Starts Raft: from here on the host is called. */
int cluster_start(struct cluster *cluster, struct clog_error *err);
/* Takes no more appends; when those under way are answered and no job or read is out, makes the durable mark current
 * and calls done(arg). */
void cluster_stop(struct cluster *cluster, void (*done)(void *arg), void *arg);
/* Frees the cluster. Stopped, failed, or never started; with no job or read out. NULL is allowed. */
void cluster_close(struct cluster *cluster);

/* The service; valid until cluster_close. */
struct service *cluster_service(struct cluster *cluster);
/* This member's name, borrowed. */
const char *cluster_name(const struct cluster *cluster);

/* What the host calls. */
void cluster_timeout(struct cluster *cluster);
void cluster_turn(struct cluster *cluster);
void cluster_job_done(struct cluster *cluster, struct log_job *job);
void cluster_read_done(struct cluster *cluster, struct log_read *read);
/* A message has come. It is borrowed for the call. */
void cluster_receive(struct cluster *cluster, const struct message *message);
/* More can be sent to the member. */
void cluster_writable(struct cluster *cluster, uint64_t member);

/* The address where others reach it: as it was opened with, else as the cluster knows it; empty when there is none. */
const char *cluster_address(const struct cluster *cluster);

/* The id of the cluster that a log is of, by what is in the log, which may be open read-only: two logs with other ids were
 * founded apart. 0 of a log without entries. -EBADMSG when damage keeps it from being known, -ENOMEM, or the disk's
 * error; with a sentence. Blocks. */
int cluster_of_log(struct log *log, uint64_t *id, struct clog_error *err);

/* ---- The host on a libuv loop ---- */

struct cluster_loop;

/* Creates the host that runs a member on a libuv loop, over the operating system's files: a timer, a writer thread, and
 * the loop's pool. failed(arg, status, sentence) is called, on the loop, when the member cannot go on. */
int cluster_loop_create(struct cluster_loop **host, struct uv_loop_s *loop,
                        void (*failed)(void *arg, int status, const char *sentence), void *arg, struct clog_error *err);
struct cluster_host *cluster_loop_host(struct cluster_loop *host);

struct tls_context;
struct cluster_network {
	const char *listen;      /* HOST:PORT for the other members */
	const char *address;     /* HOST:PORT where they reach this one; NULL: where it listens */
	const char *rpc_address; /* HOST:PORT where it serves gRPC, which it tells them; NULL: it does not */
	/* The folder of the certificates, and what was loaded from it; NULL: none, and then all members must be on this
	 * machine. A reference to the context is taken. */
	const char *tls_folder;
	struct tls_context *tls;
};
/* Connects the member that was opened with this host to the others. After cluster_start. -EADDRINUSE and the like, -EINVAL
 * for an address that is none, -EACCES where others could reach it without certificates, or where these are for another
 * member or cluster; each with a sentence. Blocks: the name to listen at is looked up. */
int cluster_loop_connect(struct cluster_loop *host, const struct cluster_network *network, struct clog_error *err);
/* The certificates that are used on new connections to members; NULL: there are none, or it is not connected. Borrowed until
 * the loop goes on. */
struct tls_context *cluster_loop_tls(const struct cluster_loop *host);
/* Takes the certificates from their files anew, without breaking a connection; if they are wrong, the old ones are kept,
 * and an event says why. */
void cluster_loop_reload(struct cluster_loop *host);

/* Ends the thread and closes the handles; the memory is freed once the loop has run their close callbacks. After
 * cluster_close. */
void cluster_loop_destroy(struct cluster_loop *host);

#endif
