#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/check.h"
#include "tests/sim/look.h"
#include "tests/sim/sim.h"

void check_settings_taken(struct sim *sim)
{
	struct check *check = &sim->check;
	if (settings_entry(check->machine.settings) != check->last || check->machine.settings == NULL)
		return;
	if (check->settings_count == check->settings_capacity) {
		check->settings_capacity = 2 * check->settings_capacity + 64;
		check->settings = world_allocate(check->settings, check->settings_capacity * sizeof *check->settings);
	}
	check->settings[check->settings_count++] = settings_ref(check->machine.settings);
}

void check_settings_finish(struct check *check)
{
	for (size_t i = 0; i < check->settings_count; i++)
		settings_unref(check->settings[i]);
	free(check->settings);
}

/* The table after an entry; NULL: there was none yet. */
static const struct settings *table_at(const struct check *check, uint64_t entry)
{
	size_t i = check->settings_count;
	while (i > 0 && check->settings[i - 1]->entry > entry)
		i--;
	return i == 0 ? NULL : check->settings[i - 1];
}

static bool same(struct node *node, const struct settings *table)
{
	static struct service_setting settings[SERVICE_SETTINGS_MAX];
	size_t count = service_settings(node->service, settings, SERVICE_SETTINGS_MAX);
	if (count != (table == NULL ? 0 : table->count))
		return false;
	for (size_t i = 0; i < count; i++)
		if (strcmp(settings[i].key, table->all[i].key) != 0 || settings[i].size != table->all[i].size ||
		    memcmp(settings[i].value, table->all[i].value, settings[i].size) != 0)
			return false;
	return true;
}

void check_settings(struct node *node)
{
	struct sim *sim = node->sim;
	struct service_state state;
	uint64_t applied = look_applied(node->cluster);
	service_state(node->service, &state);
	if (!state.settings_known || applied > sim->check.last)
		return;
	const struct settings *table = table_at(&sim->check, applied);
	uint64_t entry = settings_entry(table);
	/* From its start on it goes by what its log had then, which may come to nothing. */
	if (state.settings_entry > applied && state.settings_entry <= node->opened_entry)
		return;
	if (state.settings_entry != entry || !same(node, table))
		world_break(&sim->world,
		            "%s has applied entry %" PRIu64 " and goes by the settings of entry %" PRIu64
		            "; those of entry %" PRIu64 " are in force",
		            node->name, applied, state.settings_entry, entry);
}

void check_set(struct node *node, uint64_t entry)
{
	struct service_state state;
	service_state(node->service, &state);
	if (check_has_log(node) && state.settings_known && state.settings_entry < entry)
		world_break(&node->sim->world,
		            "%s answers a change of settings by entry %" PRIu64 ", and goes by those of entry %" PRIu64,
		            node->name, entry, state.settings_entry);
}
