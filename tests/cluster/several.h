/* several: a cluster of members in a test's hands.
 *
 * Each is a member on a disk in memory with a host of its own (member.h); the links between them are here. A message is
 * copied when it is sent and waits, first in, first out, until it is delivered; one whose link is cut by then, or that
 * the test's filter takes, is lost. Nothing happens by itself, and the same calls give the same run. */
#ifndef CLOG_TESTS_CLUSTER_SEVERAL_H
#define CLOG_TESTS_CLUSTER_SEVERAL_H

#include "cluster/state.h"
#include "tests/cluster/member.h"

#define SEVERAL_MAX 18       /* members */
#define SEVERAL_LONG_MS 9000 /* what comes to pass within that did; less than a deadline */
#define SEVERAL_NONE SIZE_MAX
#define SEVERAL_TYPES 32 /* more than there are types of messages */

struct letter;

struct several_node {
	struct member member; /* its cluster is NULL while it is down */
	struct several *several;
	size_t index;
	uint64_t id;
	char name[8]; /* m0 and up, unless the test gives it one before it is opened */
	char address[16];
	uint64_t received[SEVERAL_TYPES]; /* messages by type, as delivered */
};

struct several {
	struct several_node nodes[SEVERAL_MAX];
	size_t count;
	struct log_disk *disk;                  /* what all of them are on, instead of a disk in memory each; */
	const char *folder;                     /* then the folder of their folders */
	struct cluster_options options;         /* for all that are opened; zeros at first */
	bool cut[SEVERAL_MAX][SEVERAL_MAX];     /* from, to: lost */
	bool blocked[SEVERAL_MAX][SEVERAL_MAX]; /* from, to: not writable */
	bool stalled[SEVERAL_MAX];              /* what its threads are given they do not do */
	/* Sees each message as it is sent, and loses it by returning true. May change it. */
	bool (*filter)(struct several *several, size_t from, size_t to, struct message *message);
	struct letter *first, **last;
	uint64_t biggest; /* bytes of data of a message, so far */
};

/* No member is open. */
void several_init(struct several *several);
/* Founds a cluster on node 0 and lets so many join, one after the other, all of them voters at the end if there are no
 * more than options.voters. */
void several_found(struct several *several, size_t count);
/* Closes all, and frees. */
void several_finish(struct several *several);

/* ---- Lives ---- */

/* Adds a node that is not open. */
void several_add(struct several *several);
/* Opens node i, which must be the next one or one that was there: as a founder, or to join at node seed. */
void several_open(struct several *several, size_t i);
void several_open_at(struct several *several, size_t i, size_t seed);
/* The same, or as a founder (seed SEVERAL_NONE); what fails leaves it closed, with a sentence in err. */
int several_try_open(struct several *several, size_t i, size_t seed, struct clog_error *err);
/* The same, and waits until it is a member and, if that is what it becomes, a voter. */
void several_join(struct several *several, size_t i);
/* Closes it, if it is open; nobody hears of what it does in its last moments. */
void several_close(struct several *several, size_t i);
/* Kills it: what it was about is lost, and so are its messages on their way. */
void several_kill(struct several *several, size_t i);
/* Kills it and gives it an empty disk: it will be another member, of that name. */
void several_wipe(struct several *several, size_t i);
struct cluster *several_cluster(struct several *several, size_t i);
struct member *several_member(struct several *several, size_t i);

/* ---- Time and links ---- */

/* One thing, of any member or link. False when there is nothing to do. */
bool several_step(struct several *several);
/* Steps until nothing is left to do; time stands still. */
void several_settle(struct several *several);
/* Lets time pass, settling as it goes. */
void several_pass(struct several *several, uint64_t ms);
/* Cuts or heals all links of a node. */
void several_isolate(struct several *several, size_t i, bool cut);
/* Messages on their way. */
size_t several_letters(const struct several *several);
/* Delivers to node `to` a message as if node `from` had sent it next. */
void several_forge(struct several *several, size_t from, size_t to, const struct message *message);

/* ---- Waiting: each fails the test when it does not come to pass within SEVERAL_LONG_MS ---- */

/* Until one of the nodes that are up is a leader that can propose, and all that are up and not cut off know it. */
size_t several_lead(struct several *several);
/* Makes node i the leader, by a transfer. */
void several_elect(struct several *several, size_t i);
/* Until all that are up have applied the same. */
void several_agree(struct several *several);
/* Until that is so. */
typedef bool (*several_cb)(struct several *several, void *arg);
void several_await(struct several *several, several_cb cb, void *arg, const char *what);
/* Node i's role as node `seen_by` knows it; -1 when it is no member. */
int several_role(struct several *several, size_t seen_by, size_t i);
void several_await_role(struct several *several, size_t seen_by, size_t i, int role);

/* ---- Asking ---- */

/* Appends at a node and waits until it is answered, with success. Returns the offset. */
uint64_t several_append(struct several *several, size_t i, const char *text);
/* Waits until it is answered. Returns its status. */
int several_answer(struct several *several, struct sent *sent);
/* An append of one record that must get the offset. */
void several_send_at(struct several *several, size_t i, struct sent *sent, uint64_t expected, const char *text);

/* A command and what became of it. */
struct told {
	struct service_command command; /* first: its callback casts it back */
	struct several_node *node;
	int refused;
	unsigned answers;
};

/* Gives a command; its kind and arguments are set. */
void several_tell(struct several *several, size_t i, struct told *told);
/* Gives it and waits until it is answered. Returns its status. */
int several_command(struct several *several, size_t i, struct told *told);
int several_set_role(struct several *several, size_t at, size_t i, enum service_role role);
int several_remove(struct several *several, size_t at, size_t i);
int several_transfer(struct several *several, size_t at, size_t i);
/* The log's end as asked of node i. */
uint64_t several_end(struct several *several, size_t i);

/* ---- Looking ---- */

/* A number for what a member is, its disk's bytes apart: equal when nothing that matters has changed. */
uint64_t several_hash(struct several *several, size_t i);
/* Asserts that all that are up have the same records and the same machine, and none has failed. */
void several_expect_equal(struct several *several);

#endif
