#include "channel/resolve_query.h"

#include "channel/resolve_order.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum { CLASS_IN = 1, TYPE_SRV = 33 };

int resolve_query_error(int status)
{
	switch (status) {
	case ARES_ENOTFOUND:
	case ARES_ENODATA:
	case ARES_ENONAME:
		return -ENOENT;
	case ARES_ETIMEOUT:
	case ARES_ECANCELLED: /* by us, when the time is over */
		return -ETIMEDOUT;
	case ARES_EBADRESP:
		return -EBADMSG;
	case ARES_EBADNAME:
		return -EINVAL;
	case ARES_ENOMEM:
		return -ENOMEM;
	default:
		return -EAGAIN;
	}
}

/* That a name is not there is told only if nothing worse happened: the other question might have found it. */
static void fail(const struct query *query, int status)
{
	struct lookup *lookup = query->lookup;
	int error = resolve_query_error(status);
	const char *what;
	if (lookup->status != 0 && lookup->status != -ENOENT)
		return;
	if (status == ARES_ENODATA)
		what = query == &lookup->records ? "the name has no SRV records" : "the name has no address";
	else if (error == -ENOENT)
		what = "there is no such name";
	else if (error == -ETIMEDOUT)
		what = "no DNS server answered in time";
	else if (error == -EBADMSG)
		what = "the DNS server's answer cannot be read";
	else if (error == -EAGAIN)
		what = "the DNS servers cannot be reached, or fail";
	else
		what = ares_strerror(status);
	lookup->status = error;
	snprintf(lookup->sentence, sizeof lookup->sentence, "%s: %s", query->host, what);
}

/* Field by field: the unused bytes of c-ares' addresses may be anything, and addresses are compared whole. */
static bool copy(struct sockaddr_storage *to, const struct sockaddr *address, uint16_t port)
{
	const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)address;
	const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *)address;
	memset(to, 0, sizeof *to);
	if (address->sa_family == AF_INET)
		*(struct sockaddr_in *)to = (struct sockaddr_in){
			.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = ipv4->sin_addr};
	else if (address->sa_family == AF_INET6)
		*(struct sockaddr_in6 *)to = (struct sockaddr_in6){.sin6_family = AF_INET6,
		                                                   .sin6_port = htons(port),
		                                                   .sin6_addr = ipv6->sin6_addr,
		                                                   .sin6_scope_id = ipv6->sin6_scope_id};
	return to->ss_family != 0;
}

void resolve_query_add(struct lookup *lookup, unsigned rank, const struct sockaddr *address, uint16_t port)
{
	struct found found = {.rank = rank};
	size_t at = lookup->found_count;
	while (at > 0 && lookup->found[at - 1].rank > rank)
		at--;
	if (at == RESOLVE_ADDRESSES_MAX || !copy(&found.address, address, port))
		return;
	if (lookup->found_count < RESOLVE_ADDRESSES_MAX)
		lookup->found_count++;
	memmove(lookup->found + at + 1, lookup->found + at, (lookup->found_count - at - 1) * sizeof *lookup->found);
	lookup->found[at] = found;
}

void resolve_query_gather(const struct lookup *lookup, struct resolved *resolved)
{
	resolved->count = 0;
	for (size_t i = 0; i < lookup->found_count; i++) {
		size_t j = 0;
		while (j < resolved->count &&
		       memcmp(&resolved->addresses[j], &lookup->found[i].address, sizeof resolved->addresses[j]) != 0)
			j++;
		if (j == resolved->count)
			resolved->addresses[resolved->count++] = lookup->found[i].address;
	}
}

/* ---- Queries ---- */

static void on_addresses(void *arg, int status, int timeouts, struct ares_addrinfo *result)
{
	struct query *query = arg;
	struct lookup *lookup = query->lookup;
	bool meant = query != &lookup->plain || !lookup->has_records;
	lookup->pending--;
	if (status == ARES_SUCCESS && result->nodes == NULL)
		status = ARES_ENODATA;
	if (meant && status != ARES_SUCCESS)
		fail(query, status);
	else if (meant)
		for (struct ares_addrinfo_node *node = result->nodes; node != NULL; node = node->ai_next)
			resolve_query_add(lookup, query->rank, node->ai_addr, query->port);
	if (result != NULL)
		ares_freeaddrinfo(result);
}

static void ask_addresses(struct query *query)
{
	struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC};
	query->lookup->pending++;
	ares_getaddrinfo(query->lookup->channel, query->host, NULL, &hints, on_addresses, query);
}

static uint32_t draw(void *arg, uint32_t most)
{
	uint64_t number = 0;
	ssize_t size = getrandom(&number, sizeof number, 0);
	assert(size == sizeof number);
	(void)size;
	return (uint32_t)(number % ((uint64_t)most + 1));
}

/* The records that count, into their order; returns how many. */
static size_t choose(const struct lookup *lookup, const struct ares_srv_reply *replies, struct resolve_record *records)
{
	size_t count = 0, kept = 0;
	bool has_port = false;
	for (const struct ares_srv_reply *reply = replies; reply != NULL && count < RESOLVE_RECORDS_MAX;
	     reply = reply->next) {
		/* The root as host says that the service is not to be had. */
		size_t size = strlen(reply->host);
		if (size == 0 || strcmp(reply->host, ".") == 0 || size >= CHANNEL_HOST_SIZE)
			continue;
		records[count++] = (struct resolve_record){
			.host = reply->host, .priority = reply->priority, .weight = reply->weight, .port = reply->port};
		has_port = has_port || reply->port == lookup->plain.port;
	}
	for (size_t i = 0; i < count; i++)
		if (lookup->is_service || !has_port || records[i].port == lookup->plain.port)
			records[kept++] = records[i];
	resolve_order(records, kept, draw, NULL);
	return kept < RESOLVE_TARGETS_MAX ? kept : RESOLVE_TARGETS_MAX;
}

static void on_records(void *arg, int status, int timeouts, unsigned char *answer, int size)
{
	struct query *query = arg;
	struct lookup *lookup = query->lookup;
	struct ares_srv_reply *replies = NULL;
	struct resolve_record records[RESOLVE_RECORDS_MAX];
	lookup->pending--;
	if (status == ARES_SUCCESS)
		status = ares_parse_srv_reply(answer, size, &replies);
	if (status == ARES_SUCCESS && replies == NULL)
		status = ARES_ENODATA;
	if (status != ARES_SUCCESS) {
		fail(query, status);
		return;
	}
	lookup->has_records = true;
	lookup->found_count = 0;
	lookup->status = 0;
	size_t count = choose(lookup, replies, records);
	if (count == 0) {
		lookup->status = -ENOENT;
		snprintf(lookup->sentence, sizeof lookup->sentence, "%s: its SRV records name no host", query->host);
	}
	for (size_t i = 0; i < count; i++) {
		struct query *target = &lookup->targets[i];
		target->lookup = lookup;
		target->rank = (unsigned)i;
		target->port = records[i].port;
		memcpy(target->host, records[i].host, strlen(records[i].host) + 1);
		ask_addresses(target);
	}
	ares_free_data(replies);
}

void resolve_query_start(struct lookup *lookup, const char *host, uint16_t port, bool for_service)
{
	lookup->is_service = for_service && host[0] == '_';
	lookup->records.lookup = lookup->plain.lookup = lookup;
	memcpy(lookup->records.host, host, CHANNEL_HOST_SIZE);
	memcpy(lookup->plain.host, host, CHANNEL_HOST_SIZE);
	lookup->plain.port = port;
	if (for_service) {
		lookup->pending++;
		ares_search(lookup->channel, host, CLASS_IN, TYPE_SRV, on_records, &lookup->records);
	}
	if (!lookup->is_service)
		ask_addresses(&lookup->plain);
}
