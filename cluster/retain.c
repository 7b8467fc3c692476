/* Keeping no more than is wanted: the leader looks at the oldest segment, and proposes a trim when the log would still
 * hold enough without it. All members trim by that entry. */
#include "cluster/state.h"

#include <errno.h>

bool retain_wanted(const struct cluster *cluster)
{
	return cluster->machine.retain_bytes > 0 || cluster->machine.retain_ns > 0;
}

static bool is_past_limit(const struct cluster *cluster, const struct log_oldest *oldest)
{
	const struct machine *machine = &cluster->machine;
	uint64_t now_ns = cluster->host->time_ns(cluster->host);
	struct log_stat stat;
	log_stat(cluster->log, &stat);
	if (machine->retain_bytes > 0 && stat.bytes - oldest->bytes >= machine->retain_bytes)
		return true;
	return machine->retain_ns > 0 && now_ns > oldest->time_ns && now_ns - oldest->time_ns > machine->retain_ns;
}

void retain_look(struct cluster *cluster)
{
	unsigned char code[CONTROL_SIZE];
	struct log_oldest oldest;
	if (!retain_wanted(cluster) || !cluster_ready(cluster) || !log_oldest(cluster->log, &oldest) ||
	    oldest.next_offset <= cluster->machine.first_offset || oldest.next_offset > cluster->applied.next_offset ||
	    !is_past_limit(cluster, &oldest))
		return;
	const struct control control = {.type = CONTROL_TRIM, .offset = oldest.next_offset};
	control_encode(&control, code);
	int rc = entries_propose(cluster, LOG_CONTROL, code, sizeof code);
	/* What cannot be proposed now is looked at again. */
	if (rc == -ENOMEM || rc == -ENOTRECOVERABLE)
		cluster_check(cluster, rc, "a trim could not be proposed");
}
