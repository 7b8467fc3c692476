#include "tests/sim/mutants.h"

#include <string.h>

#include "cluster/shim.h"

enum mutation cluster_mutant;

#define INSIDE(NAME) .mutation = MUTANT_##NAME

const struct mutant mutants[] = {
	{.name = "no_sync", .what = "no sync does anything", .ignored_sync = "", .bound = 3000},
	{.name = "no_store_sync", .what = "stores are not synced", .ignored_sync = ".store", .bound = 3000},
	{.name = "no_vote_sync", .what = "votes are not synced", .ignored_sync = "vote", .bound = 3000},
	{.name = "no_folder_sync", .what = "the log's folder is not synced", .ignored_sync = "data/log", .bound = 3000},
	{.name = "cut_not_done", .what = "a log is cut in memory alone", .cut = SIM_CUT_NOT_DONE, .bound = 3000},
	{.name = "cut_not_synced", .what = "what cuts a log is not synced", .cut = SIM_CUT_NOT_SYNCED, .bound = 3000},
	{.name = "no_shim_1", .what = "answers to older terms count", .shims_off = SHIM_1, .bound = 0},
	{.name = "no_shim_2", .what = "configurations come with others", .shims_off = SHIM_2, .bound = 3000},
	{.name = "no_shim_3", .what = "late rejections count", .shims_off = SHIM_3, .bound = 0},
	{.name = "no_shim_4", .what = "a leader's timer may be past", .shims_off = SHIM_4, .bound = 3000},
	{.name = "no_shim_5", .what = "entries below the base are given", .shims_off = SHIM_5, .bound = 0},
	{.name = "no_shim_6", .what = "denials do not tell the term", .shims_off = SHIM_6, .bound = 3000},
	{.name = "no_shim_7", .what = "votes count for who is no candidate", .shims_off = SHIM_7, .bound = 0},
	{.name = "no_shim_8", .what = "messages come in any order", .shims_off = SHIM_8, .bound = 3000},
	{.name = "no_shim_9", .what = "an only voter leads in an old term", .shims_off = SHIM_9, .bound = 3000},
	{.name = "no_shim_10", .what = "who is no voter never forgets its leader", .shims_off = SHIM_10, .bound = 3000},
	{.name = "no_shim_11",
         .what = "who does not know yet that it votes does not",
         .shims_off = SHIM_11,
         .bound = 3000},
	{.name = "leader_counts_early",
         .what = "a leader counts itself before its sync",
         INSIDE(LEADER_COUNTS_EARLY),
         .bound = 3000},
	{.name = "follower_answers_early",
         .what = "a follower answers before its sync",
         INSIDE(FOLLOWER_ANSWERS_EARLY),
         .bound = 3000},
	{.name = "vote_not_saved", .what = "a vote is given and not saved", INSIDE(VOTE_NOT_SAVED), .bound = 3000},
	{.name = "sessions_not_kept",
         .what = "a state of the machine has no sessions",
         INSIDE(SESSIONS_NOT_KEPT),
         .bound = 3000},
	{.name = "machine_not_cut",
         .what = "a log that is cut leaves the machine as it was",
         INSIDE(MACHINE_NOT_CUT),
         .bound = 3000},
	{.name = "answered_early",
         .what = "an append is answered when it is proposed",
         INSIDE(ANSWERED_EARLY),
         .bound = 3000},
	{.name = "settled_early",
         .what = "what is decided is answered before it is committed",
         INSIDE(SETTLED_EARLY),
         .bound = 3000},
	{.name = "retry_is_new", .what = "what is sent again is appended again", INSIDE(RETRY_IS_NEW), .bound = 3000},
	{.name = "sent_is_refused",
         .what = "what was sent is called refused when time is up",
         INSIDE(SENT_IS_REFUSED),
         .bound = 3000},
	{.name = "decision_kept",
         .what = "what a leader decided outlives its term",
         INSIDE(DECISION_KEPT),
         .bound = 3000},
	{.name = "no_barrier", .what = "a new leader is ready at once", INSIDE(NO_BARRIER), .bound = 3000},
	{.name = "no_echo", .what = "the log's end is told without asking a majority", INSIDE(NO_ECHO), .bound = 3000},
	{.name = "read_uncommitted",
         .what = "what is not committed can be read",
         INSIDE(READ_UNCOMMITTED),
         .bound = 3000},
	{.name = "condition_of_committed",
         .what = "conditions look at what is committed alone",
         INSIDE(CONDITION_OF_COMMITTED),
         .bound = 3000},
	{.name = "trim_early", .what = "a trim is done before it is committed", INSIDE(TRIM_EARLY), .bound = 3000},
	{.name = "trim_forgotten", .what = "a start shows what was trimmed", INSIDE(TRIM_FORGOTTEN), .bound = 3000},
	{.name = "base_alone", .what = "a base is taken without its machine", INSIDE(BASE_ALONE), .bound = 3000},
	{.name = "no_withhold",
         .what = "a voter gets the entry that ends its vote early",
         INSIDE(NO_WITHHOLD),
         .bound = 3000},
	{.name = "no_step_aside", .what = "a leader removes itself", INSIDE(NO_STEP_ASIDE), .bound = 3000},
	{.name = "promoted_behind",
         .what = "who has not caught up becomes a voter",
         INSIDE(PROMOTED_BEHIND),
         .bound = 3000},
	{.name = "two_changes", .what = "members are changed while they are", INSIDE(TWO_CHANGES), .bound = 0},
	{.name = "damaged_stands",
         .what = "who has lost entries stands for election",
         INSIDE(DAMAGED_STANDS),
         .bound = 3000},
	{.name = "removed_believed",
         .what = "any word of being removed is believed",
         INSIDE(REMOVED_BELIEVED),
         .bound = 0},
	{.name = "removed_early",
         .what = "a removal is told before it is committed",
         INSIDE(REMOVED_EARLY),
         .bound = 0},
	{.name = "no_repeat",
         .what = "what the leader does not answer is not sent again",
         INSIDE(NO_REPEAT),
         .bound = 3000},
	{.name = "alien_taken", .what = "another cluster's messages are taken", INSIDE(ALIEN_TAKEN), .bound = 3000},
	{.name = "commit_past_piece",
         .what = "a piece tells a commit past its end",
         INSIDE(COMMIT_PAST_PIECE),
         .bound = 0},
	{.name = "taken_twice", .what = "a leader does not see what waits already", INSIDE(TAKEN_TWICE), .bound = 3000},
	{.name = "start_reused", .what = "messages of two lives look alike", INSIDE(START_REUSED), .bound = 3000},
	{.name = "old_leader_sends", .what = "who led sends on", INSIDE(OLD_LEADER_SENDS), .bound = 0},
	{.name = "mended_uncommitted",
         .what = "what is not committed is mended",
         INSIDE(MENDED_UNCOMMITTED),
         .bound = 0},
	{.name = "held_overtaken",
         .what = "what follows a message that waits is taken",
         INSIDE(HELD_OVERTAKEN),
         .bound = 0},
};
const size_t mutant_count = sizeof mutants / sizeof mutants[0];

const struct mutant *mutant_find(const char *name)
{
	for (size_t i = 0; i < mutant_count; i++)
		if (strcmp(mutants[i].name, name) == 0)
			return &mutants[i];
	return NULL;
}

void mutant_switch_on(const struct mutant *mutant, struct sim_options *options)
{
	options->ignored_sync = mutant->ignored_sync;
	options->cut = mutant->cut;
	shims_off = mutant->shims_off;
	cluster_mutant = mutant->mutation;
}

void mutant_switch_off(struct sim_options *options)
{
	static const struct mutant none = {0};
	mutant_switch_on(&none, options);
}
