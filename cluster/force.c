/* Which settings are in force here: those of the last entry that is applied; and from a start on, before it is known what is
 * committed, those at the log's end. */
#include "cluster/state.h"

static void replace(struct settings **at, struct settings *settings)
{
	settings_ref(settings);
	settings_unref(*at);
	*at = settings;
}

void force_note(struct cluster *cluster)
{
	struct settings *settings = cluster->machine.settings;
	uint64_t entry = settings_entry(settings);
	if (entry <= cluster->applied.entry || MUTANT(SETTING_EARLY)) {
		if (entry >= settings_entry(cluster->settings))
			replace(&cluster->settings, settings);
		return;
	}
	/* Each entry that is not applied has a step. */
	uint64_t i = cluster->step_first + (entry - cluster->applied.entry - 1);
	if (i < cluster->step_end && cluster->steps[i].after.entry == entry)
		replace(&cluster->steps[i].settings, settings);
}

void force_apply(struct cluster *cluster, struct step *step)
{
	if (step->settings != NULL && step->settings->entry >= settings_entry(cluster->settings))
		replace(&cluster->settings, step->settings);
	replace(&step->settings, NULL);
}

void force_forget(struct step *step)
{
	replace(&step->settings, NULL);
}

void force_end(struct cluster *cluster)
{
	replace(&cluster->settings, cluster->machine.settings);
}

void force_cut(struct cluster *cluster, uint64_t first)
{
	if (settings_entry(cluster->settings) >= first && !MUTANT(SETTING_NOT_CUT))
		force_end(cluster);
}

size_t force_under_way(const struct cluster *cluster)
{
	size_t count = 0;
	for (size_t i = cluster->step_first; i < cluster->step_end; i++)
		count += cluster->steps[i].settings != NULL;
	return count;
}

void force_look(struct cluster *cluster)
{
	const struct machine_members *members = &cluster->machine.members;
	if (members->entry > cluster->applied.entry)
		members = &cluster->machine.before;
	/* Of several that have come together none may be applied: then it is what it was. */
	if (members->entry <= cluster->applied.entry)
		cluster->applied_member = machine_members_has(members, cluster->identity.id);
}

bool force_known(const struct cluster *cluster)
{
	return cluster->applied_member && !cluster_detached(cluster) && !cluster->machine_broken;
}

size_t settings_op(struct service *service, struct service_setting *settings, size_t capacity)
{
	const struct settings *all = ((const struct cluster *)service)->settings;
	for (size_t i = 0; all != NULL && i < all->count && i < capacity; i++)
		settings[i] = all->all[i];
	return all == NULL ? 0 : all->count;
}
