/* schedule: which trouble there is, and when. */
#ifndef CLOG_TESTS_SIM_SCHEDULE_H
#define CLOG_TESTS_SIM_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/disk/dice.h"
#include "tests/sim/faults.h"
#include "tests/sim/net.h"

struct node;
struct sim;

struct schedule {
	struct dice dice;  /* its own: the others are not moved by what it draws, nor it by them */
	unsigned drawn;    /* the kinds of this life, bits 1 << enum fault */
	unsigned faults;   /* those of them that are not turned off */
	uint64_t pause_us; /* between two of them, on average */
	uint64_t end_us;   /* when the trouble stops */
	bool calm;         /* it has */
	unsigned deaf;     /* the one that stood for election, and hears nothing */
	uint64_t deaf_until_us;
	uint64_t ambush_us;                   /* until then one that stands for election is waited for */
	bool mild;                            /* now and then a message is lost, and that is all */
	bool shrinks;                         /* members are removed in this life; in others disks are lost */
	unsigned damaged;                     /* nodes that have lost something durable, bits 1 << index */
	uint64_t damaged_last[NET_NODES_MAX]; /* what was committed or durable when that happened */
	unsigned commands;                    /* changes of the members that are not answered yet */
};

void schedule_start(struct sim *sim);
/* Whether that kind of trouble is one of this life. */
bool schedule_happens(const struct sim *sim, enum fault fault);
/* Whether what was durable on the node's disk may be unreadable in places, or gone. */
bool schedule_damaged(const struct node *node);
/* The node is opened next: its disk may have trouble in store. */
void schedule_opens(struct node *node);
/* Its log is about to be cut: it may lose power there. */
void schedule_cuts(struct node *node);
/* A change of the members was answered. */
void schedule_answered(struct sim *sim);

/* ---- schedule_away.c ---- */

/* Lets a minority of the voters be away, now or soon. Returns whether it is so. */
bool schedule_send_away(struct sim *sim);
void schedule_call_back(struct sim *sim);

/* ---- schedule_disk.c ---- */

/* The trouble that befalls a disk, and that takes a node out of the cluster. */
void schedule_full(struct sim *sim);
void schedule_rot(struct sim *sim);
void schedule_replace(struct sim *sim);
/* Looks after what was damaged and who was removed. */
void schedule_look_after(struct sim *sim);

#endif
