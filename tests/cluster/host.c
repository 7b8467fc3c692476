#include "tests/cluster/host.h"

#include "cluster/message.h"
#include "log/log.h"

#include <assert.h>
#include <string.h>

static struct host *of(struct cluster_host *door)
{
	return (struct host *)door;
}

/* ---- What the member calls ---- */

static uint64_t host_now_ms(struct cluster_host *door)
{
	return of(door)->now_ms;
}

static uint64_t host_time_ns(struct cluster_host *door)
{
	return of(door)->time_ns;
}

static void host_wake_at(struct cluster_host *door, uint64_t at_ms)
{
	of(door)->wake_at_ms = at_ms;
}

static void host_wake_soon(struct cluster_host *door)
{
	of(door)->turn_wanted = true;
}

static void give(struct host_job *place, struct log_job *job)
{
	assert(place->job == NULL && "one job of a kind at a time");
	*place = (struct host_job){.job = job};
}

static void host_take_write(struct cluster_host *door, struct log_job *job)
{
	assert(log_job_writes(job));
	give(&of(door)->write, job);
}

static void host_take_chore(struct cluster_host *door, struct log_job *job)
{
	assert(!log_job_writes(job));
	give(&of(door)->chore, job);
}

static void host_take_read(struct cluster_host *door, struct log_read *read)
{
	struct host *host = of(door);
	assert(host->read_count < HOST_READS_MAX && "a test asks for fewer reads at a time");
	host->reads[host->read_count++] = (struct host_read){.read = read};
}

static void host_send(struct cluster_host *door, uint64_t member, const char *address, const struct message *message)
{
	(void)address;
	struct host *host = of(door);
	if (host->message_count < HOST_MESSAGES_MAX)
		host->messages[host->message_count] = (struct host_message){.member = member, .type = message->type};
	host->message_count++;
}

static enum cluster_way host_way(struct cluster_host *door, uint64_t member, const char *address)
{
	(void)door;
	(void)member;
	return CLUSTER_WAY_FREE;
}

static void host_fail(struct cluster_host *door, int status, const char *sentence)
{
	struct host *host = of(door);
	host->failures++;
	clog_error_set(&host->failure, status, "%s", sentence);
}

static uint64_t host_random(struct cluster_host *door)
{
	return dice_next(&of(door)->dice);
}

void host_init(struct host *host, struct log_disk *disk, uint64_t seed)
{
	memset(host, 0, sizeof *host);
	host->door = (struct cluster_host){.disk = disk,
	                                   .now_ms = host_now_ms,
	                                   .time_ns = host_time_ns,
	                                   .wake_at = host_wake_at,
	                                   .wake_soon = host_wake_soon,
	                                   .run_write = host_take_write,
	                                   .run_chore = host_take_chore,
	                                   .run_read = host_take_read,
	                                   .send = host_send,
	                                   .way = host_way,
	                                   .fail = host_fail,
	                                   .random = host_random};
	dice_init(&host->dice, seed);
	host->now_ms = HOST_START_MS;
	host->time_ns = 1700000000000000000u;
	host->wake_at_ms = HOST_NEVER;
}

/* ---- What the test calls ---- */

bool host_turn(struct host *host)
{
	if (!host->turn_wanted)
		return false;
	host->turn_wanted = false;
	if (host->door.cluster != NULL)
		cluster_turn(host->door.cluster);
	return true;
}

static bool run_job(struct host_job *place)
{
	if (place->job == NULL || place->ran)
		return false;
	log_job_run(place->job);
	place->ran = true;
	return true;
}

static bool end_job(struct host *host, struct host_job *place)
{
	struct log_job *job = place->job;
	if (job == NULL || !place->ran)
		return false;
	*place = (struct host_job){0};
	cluster_job_done(host->door.cluster, job);
	return true;
}

bool host_run_write(struct host *host)
{
	return run_job(&host->write);
}

bool host_run_chore(struct host *host)
{
	return run_job(&host->chore);
}

bool host_end_write(struct host *host)
{
	return end_job(host, &host->write);
}

bool host_end_chore(struct host *host)
{
	return end_job(host, &host->chore);
}

bool host_run_read(struct host *host, size_t i)
{
	if (i >= host->read_count || host->reads[i].ran)
		return false;
	log_read_run(host->reads[i].read, true);
	host->reads[i].ran = true;
	return true;
}

bool host_end_read(struct host *host, size_t i)
{
	if (i >= host->read_count || !host->reads[i].ran)
		return false;
	struct log_read *read = host->reads[i].read;
	host->read_count--;
	memmove(&host->reads[i], &host->reads[i + 1], (host->read_count - i) * sizeof host->reads[i]);
	cluster_read_done(host->door.cluster, read);
	return true;
}

bool host_pass(struct host *host, uint64_t ms)
{
	host->now_ms += ms;
	host->time_ns += ms * 1000000u;
	if (host->now_ms < host->wake_at_ms || host->door.cluster == NULL)
		return false;
	host->wake_at_ms = HOST_NEVER;
	cluster_timeout(host->door.cluster);
	return true;
}

bool host_wake(struct host *host)
{
	if (host->wake_at_ms == HOST_NEVER)
		return false;
	return host_pass(host, host->wake_at_ms > host->now_ms ? host->wake_at_ms - host->now_ms : 0);
}

/* The i-th kind of thing that could be done. */
static bool try_step(struct host *host, unsigned kind)
{
	size_t read = host->read_count == 0 ? 0 : (size_t)dice_below(&host->dice, host->read_count);
	switch (kind) {
	case 0:
		return host_turn(host);
	case 1:
		return host_run_write(host);
	case 2:
		return host_end_write(host);
	case 3:
		return host_run_chore(host);
	case 4:
		return host_end_chore(host);
	case 5:
		return host_run_read(host, read);
	default:
		return host_end_read(host, read);
	}
}

bool host_step(struct host *host)
{
	enum { KINDS = 7 };
	unsigned first = (unsigned)dice_below(&host->dice, KINDS);
	for (unsigned i = 0; i < KINDS; i++)
		if (try_step(host, (first + i) % KINDS))
			return true;
	return host->read_count > 0 && (host_run_read(host, 0) || host_end_read(host, 0));
}

void host_settle(struct host *host)
{
	while (host_step(host))
		continue;
}

bool host_busy(const struct host *host)
{
	return host->write.job != NULL || host->chore.job != NULL || host->read_count > 0;
}
