#include "tests/sim/look.h"

#include <errno.h>

#include "cluster/state.h"

struct log *look_log(const struct cluster *cluster)
{
	return cluster->log;
}

bool look_leads(const struct cluster *cluster)
{
	return cluster->started && core_role(cluster->core) == CORE_LEADER;
}

bool look_stands(const struct cluster *cluster)
{
	return cluster->started && core_role(cluster->core) == CORE_CANDIDATE;
}

uint64_t look_term(const struct cluster *cluster)
{
	return cluster->started ? core_term(cluster->core) : cluster->vote.term;
}

uint64_t look_commit(const struct cluster *cluster)
{
	return cluster->commit;
}

uint64_t look_applied(const struct cluster *cluster)
{
	return cluster->applied.entry;
}

const struct machine *look_machine(const struct cluster *cluster)
{
	return &cluster->machine;
}

uint64_t look_first_damage(const struct cluster *cluster)
{
	const struct log_damage *damage;
	return log_damage(cluster->log, &damage) > 0 ? damage->first_entry : log_durable(cluster->log);
}

bool look_lost(const struct cluster *cluster, uint64_t entry)
{
	const struct log_damage *damage;
	size_t count = log_damage(cluster->log, &damage);
	for (size_t i = 0; i < count; i++)
		if (entry >= damage[i].first_entry && entry <= damage[i].last_entry)
			return true;
	return false;
}

bool look_damaged(const struct cluster *cluster)
{
	uint64_t count, suspect;
	bool broken;
	look_damage(cluster, &count, &broken, &suspect);
	return broken || suspect != 0 || count > 0;
}

void look_damage(const struct cluster *cluster, uint64_t *count, bool *broken, uint64_t *suspect)
{
	const struct log_damage *damage;
	*count = log_damage(cluster->log, &damage);
	*broken = cluster->machine_broken;
	*suspect = cluster->mend.suspect;
}

void look_queue(const struct cluster *cluster, uint64_t *count, uint64_t *size)
{
	*count = cluster->queue_count;
	*size = cluster->queue_size;
}

void look_fail(struct cluster *cluster)
{
	cluster_fail(cluster, -EIO, "killed");
}
