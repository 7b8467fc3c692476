/* Waiting for what members come to, and asking them for things. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/cluster/several.h"

/* ---- Waiting ---- */

void several_await(struct several *several, several_cb cb, void *arg, const char *what)
{
	enum { PACE_MS = 10 };
	several_settle(several);
	for (unsigned ms = 0; !cb(several, arg); ms += PACE_MS) {
		if (ms > SEVERAL_LONG_MS)
			fail_msg("in vain waited for: %s", what);
		several_pass(several, PACE_MS);
	}
}

static bool is_up(const struct several *several, size_t i)
{
	return several->nodes[i].member.cluster != NULL;
}

/* Whether the node is up, a member as far as it knows, and not cut off from the other. */
static bool takes_part(struct several *several, size_t i, size_t other)
{
	const struct cluster *cluster = several_cluster(several, i);
	return is_up(several, i) && cluster->failure == 0 && !cluster->removed && !several->cut[i][other] &&
	       !several->cut[other][i] && member_index(cluster, cluster->identity.id) < cluster->machine.members.count;
}

static bool leads_all(struct several *several, size_t leader)
{
	if (!is_up(several, leader) || !cluster_ready(several_cluster(several, leader)))
		return false;
	for (size_t i = 0; i < several->count; i++)
		if (takes_part(several, i, leader) && several_cluster(several, i)->leader != several->nodes[leader].id)
			return false;
	return true;
}

static bool find_leader(struct several *several, void *arg)
{
	size_t *leader = arg;
	for (*leader = 0; *leader < several->count; (*leader)++)
		if (leads_all(several, *leader))
			return true;
	return false;
}

size_t several_lead(struct several *several)
{
	size_t leader;
	several_await(several, find_leader, &leader, "a leader");
	return leader;
}

static bool is_leader(struct several *several, void *arg)
{
	return leads_all(several, *(size_t *)arg);
}

void several_elect(struct several *several, size_t i)
{
	size_t leader = several_lead(several);
	if (leader != i)
		assert_int_equal(several_transfer(several, leader, i), 0);
	several_await(several, is_leader, &i, "the leader that was chosen");
}

static bool agree(struct several *several, void *arg)
{
	const struct cluster *one = NULL;
	for (size_t i = 0; i < several->count; i++) {
		const struct cluster *cluster = several_cluster(several, i);
		if (!is_up(several, i) || cluster->failure != 0 || cluster->spare || cluster->removed)
			continue;
		struct log_tail tail;
		log_tail(cluster->log, &tail);
		if (cluster->applied.entry != tail.entry || (one != NULL && one->applied.entry != tail.entry) ||
		    (one != NULL && one->applied.chain != cluster->applied.chain))
			return false;
		one = cluster;
	}
	return true;
}

void several_agree(struct several *several)
{
	several_await(several, agree, NULL, "logs that are equal");
}

int several_role(struct several *several, size_t seen_by, size_t i)
{
	const struct cluster *cluster = several_cluster(several, seen_by);
	size_t at = member_index(cluster, several->nodes[i].id);
	return at < cluster->machine.members.count ? (int)cluster->machine.members.members[at].role : -1;
}

struct wanted_role {
	size_t seen_by, i;
	int role;
};

static bool has_role(struct several *several, void *arg)
{
	const struct wanted_role *wanted = arg;
	return several_role(several, wanted->seen_by, wanted->i) == wanted->role &&
	       core_settled(several_cluster(several, wanted->seen_by)->core);
}

void several_await_role(struct several *several, size_t seen_by, size_t i, int role)
{
	struct wanted_role wanted = {.seen_by = seen_by, .i = i, .role = role};
	several_await(several, has_role, &wanted, "a role");
}

void several_join(struct several *several, size_t i)
{
	size_t leader = several_lead(several), voters = 0;
	const struct cluster *cluster = several_cluster(several, leader);
	for (size_t k = 0; k < cluster->machine.members.count; k++)
		voters += cluster->machine.members.members[k].role == SERVICE_VOTER;
	several_open_at(several, i, leader);
	several_await_role(several, i, i, voters < cluster->voters ? SERVICE_VOTER : SERVICE_STANDBY);
	several_agree(several);
}

/* ---- Asking ---- */

static bool is_answered(struct several *several, void *arg)
{
	return ((const struct sent *)arg)->answers > 0;
}

int several_answer(struct several *several, struct sent *sent)
{
	assert_int_equal(sent->refused, 0);
	several_await(several, is_answered, sent, "the answer to an append");
	assert_int_equal(sent->answers, 1);
	return sent->append.status;
}

uint64_t several_append(struct several *several, size_t i, const char *text)
{
	struct sent sent = {0};
	member_send_text(several_member(several, i), &sent, text);
	assert_int_equal(several_answer(several, &sent), 0);
	return sent.append.first_offset;
}

static void on_append_at(struct service_append *append, void *arg)
{
	struct sent *sent = arg;
	if (!sent->member->dying)
		sent->answers++;
}

void several_send_at(struct several *several, size_t i, struct sent *sent, uint64_t expected, const char *text)
{
	uint32_t size = (uint32_t)strlen(text);
	*sent = (struct sent){.member = several_member(several, i)};
	sent->refused = service_append_at(sent->member->service, &sent->append, expected, text, &size, 1, on_append_at,
	                                  sent);
}

static void on_told(struct service_command *command, void *arg)
{
	struct told *told = arg;
	if (!told->node->member.dying)
		told->answers++;
}

void several_tell(struct several *several, size_t i, struct told *told)
{
	told->node = &several->nodes[i];
	told->answers = 0;
	told->refused = service_command(told->node->member.service, &told->command, on_told, told);
}

static bool is_told(struct several *several, void *arg)
{
	return ((const struct told *)arg)->answers > 0;
}

int several_command(struct several *several, size_t i, struct told *told)
{
	several_tell(several, i, told);
	assert_int_equal(told->refused, 0);
	several_await(several, is_told, told, "the answer to a command");
	assert_int_equal(told->answers, 1);
	return told->command.status;
}

int several_set_role(struct several *several, size_t at, size_t i, enum service_role role)
{
	struct told told = {.command = {.kind = SERVICE_SET_ROLE, .member = several->nodes[i].id, .role = role}};
	return several_command(several, at, &told);
}

int several_remove(struct several *several, size_t at, size_t i)
{
	struct told told = {.command = {.kind = SERVICE_REMOVE, .member = several->nodes[i].id}};
	return several_command(several, at, &told);
}

int several_transfer(struct several *several, size_t at, size_t i)
{
	struct told told = {.command = {.kind = SERVICE_TRANSFER, .member = several->nodes[i].id}};
	return several_command(several, at, &told);
}

uint64_t several_end(struct several *several, size_t i)
{
	struct told told = {.command = {.kind = SERVICE_END}};
	assert_int_equal(several_command(several, i, &told), 0);
	return told.command.value;
}
