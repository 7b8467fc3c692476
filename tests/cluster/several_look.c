/* Looking at members, and comparing them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/cluster/several.h"

static void mix(uint64_t *hash, const void *data, size_t size)
{
	const unsigned char *bytes = data;
	for (size_t i = 0; i < size; i++)
		*hash = (*hash ^ bytes[i]) * 1099511628211u;
}

static void mix_number(uint64_t *hash, uint64_t number)
{
	mix(hash, &number, sizeof number);
}

static uint64_t machine_hash(struct cluster *cluster)
{
	uint64_t hash = 14695981039346656037u;
	unsigned char *code = malloc(MACHINE_SIZE_MAX);
	assert_non_null(code);
	mix(&hash, code, machine_encode(&cluster->machine, code));
	free(code);
	return hash;
}

static size_t length(const struct batch_list *list)
{
	size_t count = 0;
	for (const struct batch *batch = list->first; batch != NULL; batch = batch->next)
		count++;
	return count;
}

uint64_t several_hash(struct several *several, size_t i)
{
	struct cluster *cluster = several_cluster(several, i);
	struct log_tail tail;
	log_tail(cluster->log, &tail);
	uint64_t hash = machine_hash(cluster);
	const uint64_t numbers[] = {tail.entry,
	                            tail.chain,
	                            cluster->applied.entry,
	                            cluster->commit,
	                            core_commit(cluster->core),
	                            core_term(cluster->core),
	                            core_leader(cluster->core),
	                            (uint64_t)core_role(cluster->core),
	                            core_base(cluster->core),
	                            cluster->vote.term,
	                            cluster->vote.vote,
	                            length(&cluster->waiting),
	                            length(&cluster->sent),
	                            length(&cluster->proposed),
	                            length(&cluster->settled),
	                            length(&cluster->echo.doubtful),
	                            length(&cluster->echo.doubtful_next),
	                            cluster->queue_size,
	                            cluster->queue_count,
	                            cluster->command_count,
	                            cluster->request_count,
	                            cluster->held.message.type,
	                            cluster->mend.size,
	                            cluster->mend.next_entry,
	                            cluster->removed,
	                            cluster->spare,
	                            (uint64_t)cluster->failure};
	for (size_t k = 0; k < sizeof numbers / sizeof numbers[0]; k++)
		mix_number(&hash, numbers[k]);
	/* That somebody was heard of is no change. */
	for (size_t k = 0; k < cluster->peer_count; k++)
		if (cluster->peers[k].outgoing_count > 0 || cluster->peers[k].full)
			mix_number(&hash, 2 * cluster->peers[k].outgoing_count + cluster->peers[k].full);
	return hash;
}

/* Of all the records that a member can read, and of where they begin and end. */
static uint64_t records_hash(struct several *several, size_t i)
{
	struct member *member = several_member(several, i);
	struct service_state state;
	struct asked asked;
	uint64_t hash = 14695981039346656037u;
	service_state(member->service, &state);
	mix_number(&hash, state.first_offset);
	mix_number(&hash, state.next_offset);
	for (uint64_t offset = state.first_offset; offset < state.next_offset; offset++) {
		int rc = member_read(member, &asked, SERVICE_RECORD, offset, 0);
		if (rc != 0)
			fail_msg("m%zu: record %llu: %d", i, (unsigned long long)offset, rc);
		mix_number(&hash, asked.read.record.entry);
		mix_number(&hash, asked.read.record.term);
		mix(&hash, asked.read.data, asked.read.data_size);
		member_end(member, &asked);
	}
	return hash;
}

void several_expect_equal(struct several *several)
{
	uint64_t records = 0, machine = 0;
	several_agree(several);
	for (size_t i = 0; i < several->count; i++) {
		struct cluster *cluster = several_cluster(several, i);
		if (cluster == NULL || cluster->spare || cluster->removed)
			continue;
		assert_int_equal(cluster->failure, 0);
		if (records != 0 && records_hash(several, i) != records)
			fail_msg("m%zu has other records", i);
		if (machine != 0 && machine_hash(cluster) != machine)
			fail_msg("m%zu has another machine", i);
		records = records_hash(several, i);
		machine = machine_hash(cluster);
	}
}
