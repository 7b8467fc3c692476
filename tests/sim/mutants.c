#include "tests/sim/mutants.h"

#include <string.h>

#include "cluster/shim.h"

const struct mutant mutants[] = {
	{.name = "no_sync", .what = "no sync does anything", .ignored_sync = "", .bound = 100},
	{.name = "no_store_sync", .what = "stores are not synced", .ignored_sync = ".store", .bound = 100},
	{.name = "no_vote_sync", .what = "votes are not synced", .ignored_sync = "vote", .bound = 1000},
	{.name = "no_folder_sync", .what = "the log's folder is not synced", .ignored_sync = "data/log", .bound = 300},
	{.name = "no_shim_1", .what = "answers to older terms count", .shims_off = SHIM_1, .bound = 3000},
	{.name = "no_shim_2", .what = "configurations come with others", .shims_off = SHIM_2, .bound = 3000},
	{.name = "no_shim_3", .what = "late rejections count", .shims_off = SHIM_3, .bound = 3000},
	{.name = "no_shim_4", .what = "a leader's timer may be past", .shims_off = SHIM_4, .bound = 300},
	{.name = "no_shim_5", .what = "entries below the base are given", .shims_off = SHIM_5, .bound = 3000},
	{.name = "no_shim_6", .what = "denials do not tell the term", .shims_off = SHIM_6, .bound = 3000},
	{.name = "no_shim_7", .what = "votes count for who is no candidate", .shims_off = SHIM_7, .bound = 3000},
	{.name = "no_shim_8", .what = "messages come in any order", .shims_off = SHIM_8, .bound = 3000},
	{.name = "no_shim_9", .what = "an only voter leads in an old term", .shims_off = SHIM_9, .bound = 300},
	{.name = "no_shim_10", .what = "who is no voter never forgets its leader", .shims_off = SHIM_10, .bound = 3000},
	{.name = "no_shim_11",
         .what = "who does not know yet that it votes does not",
         .shims_off = SHIM_11,
         .bound = 3000},
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
	shims_off = mutant->shims_off;
}

void mutant_switch_off(struct sim_options *options)
{
	options->ignored_sync = NULL;
	shims_off = 0;
}
