/* node: a member of the cluster under test, and the machine it runs on: a disk, clocks, threads, and its life: opened,
 * stopped, killed, without power, wiped.
 *
 * The member is a whole struct cluster. Its host is host.c. What it gives to other threads takes virtual time; what they
 * do to the disk happens at one moment, which a crash may come before, after, or into the midst of. */
#ifndef CLOG_TESTS_SIM_NODE_H
#define CLOG_TESTS_SIM_NODE_H

#include "cluster/cluster.h"
#include "error/error.h"
#include "log/log.h"
#include "service/service.h"
#include "tests/disk/faulty.h"
#include "tests/disk/memory.h"

struct sim;

#define NODE_READS_MAX 256 /* out at a time */
#define NODE_NAME_SIZE 24
#define NODE_DATA "data"

/* How a life ends. */
enum node_death { NODE_KILLED, NODE_POWER };

struct node {
	struct cluster_host door; /* first: the member gives its address back */
	struct sim *sim;
	unsigned index;
	char name[NODE_NAME_SIZE], address[NODE_NAME_SIZE];

	struct memory_disk *memory;
	struct faulty_disk *faulty;
	bool full;              /* the disk has no room */
	uint64_t slow_until_us; /* the disk is slow */

	struct cluster *cluster; /* NULL while it is down */
	struct service *service;
	uint64_t id;   /* of the member; 0 until it was opened once on this disk */
	uint64_t life; /* how often it was opened: what belongs to an earlier life is dropped */
	bool wanted;   /* it is down, and will be opened again */
	bool away;     /* but not yet */
	bool joined;   /* it was in the configuration */
	bool founder;  /* the cluster was founded on this disk: it is not told to join another */

	bool stopping, stopped; /* in order */
	bool dying;             /* what it says now, nobody hears */
	bool doomed;            /* the call that the disk fails is where power is lost */
	bool troubled;          /* the disk was given cause to fail it */
	struct clog_error failure;

	uint64_t base_ms;       /* of its clock that never goes back */
	uint64_t time_shift_ns; /* of its time of day */
	uint64_t paused_until_us;
	uint64_t paused_us; /* in all */
	uint64_t wake;      /* which call of wake_at counts */
	bool turn_wanted;
	struct log_job *write, *chore; /* out */
	bool write_ran, chore_ran;
	struct log_read *reads[NODE_READS_MAX];
	size_t read_count;

	/* What the checker has seen of it. */
	uint64_t checked;      /* committed entries, in this life */
	uint64_t opened_entry; /* the last one in its log when it was opened */
	uint64_t next_offset;
	uint64_t durable; /* when it went down */
	bool rotted;      /* its disk has, once: nothing may have looked at that place since */
	/* Its configuration when it died, and what it knew committed by it. */
	struct service_member last_members[SERVICE_MEMBERS_MAX];
	size_t last_count;
	uint64_t last_commit;
	struct log_term *durable_terms;
	size_t durable_term_count;
};

void node_init(struct node *node, struct sim *sim, unsigned index);
void node_finish(struct node *node);

/* Opens and starts it, now; a failure for which there was cause has it tried again later. */
void node_open(struct node *node);
void node_open_later(struct node *node, uint64_t us);
/* Stops it in order; it is opened again that long after it has stopped. */
void node_stop(struct node *node);
/* It dies now, and is opened again after a while. */
void node_die(struct node *node, enum node_death death);
/* Its disk is lost: the member is gone for ever, and a new one starts on the machine. It is down. */
void node_wipe(struct node *node);
/* The disk fails the nth call that changes it: with an error, or because power is lost there. */
void node_arm(struct node *node, unsigned nth, bool power);
void node_disarm(struct node *node);

/* Whether what it says is heard no more. */
bool node_mute(const struct node *node);
bool node_up(const struct node *node);
/* Has a call into the member ended: looks what has become of it. */
void node_after(struct node *node);

/* ---- host.c ---- */

/* Fills the door. */
void host_init(struct node *node);
/* Brings back all that is out with other threads. */
void host_drain(struct node *node);
/* A message has come; it is borrowed. */
void host_receive(struct node *node, const struct message *message);
/* Tells the member that more can be sent. */
void host_writable(struct node *node, uint64_t member);

#endif
