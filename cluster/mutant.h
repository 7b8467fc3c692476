/* mutant: a member with one thing wrong, for the simulator (tests/sim), which must find out. Programs are built without
 * CLOG_MUTANTS: there no member has anything wrong, and nothing of this is left in them. */
#ifndef CLOG_CLUSTER_MUTANT_H
#define CLOG_CLUSTER_MUTANT_H

#include <stdbool.h>

#ifdef CLOG_MUTANTS

/* What each one does wrong is said in tests/sim/mutants.c. */
enum mutation {
	MUTANT_NONE,
	MUTANT_LEADER_COUNTS_EARLY,
	MUTANT_FOLLOWER_ANSWERS_EARLY,
	MUTANT_VOTE_NOT_SAVED,
	MUTANT_SESSIONS_NOT_KEPT,
	MUTANT_MACHINE_NOT_CUT,
	MUTANT_ANSWERED_EARLY,
	MUTANT_SETTLED_EARLY,
	MUTANT_RETRY_IS_NEW,
	MUTANT_SENT_IS_REFUSED,
	MUTANT_DECISION_KEPT,
	MUTANT_NO_BARRIER,
	MUTANT_NO_ECHO,
	MUTANT_READ_UNCOMMITTED,
	MUTANT_CONDITION_OF_COMMITTED,
	MUTANT_TRIM_EARLY,
	MUTANT_TRIM_FORGOTTEN,
	MUTANT_BASE_ALONE,
	MUTANT_NO_WITHHOLD,
	MUTANT_NO_STEP_ASIDE,
	MUTANT_PROMOTED_BEHIND,
	MUTANT_DAMAGED_STANDS,
	MUTANT_NO_REPEAT,
	MUTANT_ALIEN_TAKEN,
	MUTANT_TAKEN_TWICE,
	MUTANT_START_REUSED,
	MUTANT_KEY_NOT_CHECKED,
	MUTANT_SENT_HAS_EXPIRED,
	MUTANT_SETTING_EARLY,
	MUTANT_SETTING_NOT_CUT,
};
/* The one that is on. */
extern enum mutation cluster_mutant;
#define MUTANT(NAME) (cluster_mutant == MUTANT_##NAME)

#else

#define MUTANT(NAME) false

#endif

#endif
