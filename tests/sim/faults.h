/* faults: the kinds of trouble that a simulation knows. Each can be turned off alone. */
#ifndef CLOG_TESTS_SIM_FAULTS_H
#define CLOG_TESTS_SIM_FAULTS_H

enum fault {
	FAULT_LOSS,      /* messages are lost */
	FAULT_DUPLICATE, /* messages come twice */
	FAULT_DISORDER,  /* messages overtake each other */
	FAULT_DELAY,     /* a link is slow for a while */
	FAULT_CUT,       /* a link carries nothing one way for a while */
	FAULT_PARTITION, /* members are divided in two for a while */
	FAULT_POWER,     /* power is lost: of what was not synced anything may be lost or torn */
	FAULT_KILL,      /* the process dies and the machine does not */
	FAULT_MIDST,     /* power is lost between two calls of the disk */
	FAULT_STOP,      /* a member is stopped in order, and started again */
	FAULT_PAUSE,     /* a process gets no time for a while */
	FAULT_ERROR,     /* a call of the disk fails */
	FAULT_FULL,      /* a disk has no room for a while */
	FAULT_SLOW,      /* a disk is slow for a while */
	FAULT_ROT,       /* durable bytes change */
	FAULT_CLOCK,     /* the time of day jumps */
	FAULT_JOIN,      /* members join when there is trouble already */
	FAULT_REMOVE,    /* a member is removed; it comes back as a new one */
	FAULT_REPLACE,   /* a disk is lost; the member comes back under its name as a new one */
	FAULT_ROLE,      /* a member gets another role */
	FAULT_TRANSFER,  /* leadership is handed over */
	FAULT_TRIM,      /* records are trimmed */
	FAULT_RETAIN,    /* how much is kept is changed */
	FAULT_ALIEN,     /* a member of another cluster speaks */
	FAULT_AWAY,      /* a minority of the voters stays away when all other trouble is over */
	FAULT_COUNT
};

/* "loss", "duplicate" and so on. Static. */
const char *fault_name(enum fault fault);
#define FAULTS_ALL ((1u << FAULT_COUNT) - 1)

#endif
