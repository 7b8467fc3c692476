#include "client/private.h"

#include "tls/tls.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct server *find_address(const struct client *client, const char *address)
{
	for (size_t i = 0; i < client->roster.count; i++)
		if (strcmp(client->roster.servers[i]->address, address) == 0)
			return client->roster.servers[i];
	return NULL;
}

static int add(struct client *client, const char *address, struct server **server)
{
	struct roster *roster = &client->roster;
	*server = find_address(client, address);
	if (*server != NULL)
		return 0;
	if (roster->count == CLIENT_ROSTER_MAX)
		return -EAGAIN;
	int rc = server_create(server, client, address);
	if (rc == 0)
		roster->servers[roster->count++] = *server;
	return rc;
}

static int add_seed(struct client *client, const char *text, size_t size, struct clog_error *err)
{
	char address[SERVICE_ADDRESS_SIZE], host[CHANNEL_HOST_SIZE], port[CHANNEL_PORT_SIZE];
	struct server *server;
	if (client->roster.count == CLIENT_SERVERS_MAX)
		return clog_error_set(err, -EINVAL, "more than %u servers are named", CLIENT_SERVERS_MAX);
	if (size >= sizeof address)
		return clog_error_set(err, -EINVAL, "an address of a server is longer than %u bytes",
		                      SERVICE_ADDRESS_SIZE - 1);
	memcpy(address, text, size);
	address[size] = '\0';
	int rc = channel_split(address, host, port, err);
	if (rc == 0 && strtoul(port, NULL, 10) == 0)
		rc = clog_error_set(err, -EINVAL, "%s: nobody is reached at port 0", address);
	if (rc == 0 && add(client, address, &server) != 0)
		rc = clog_error_set(err, -ENOMEM, "no memory");
	if (rc == 0)
		server->seed = true;
	return rc;
}

int roster_init(struct client *client, const char *servers, struct clog_error *err)
{
	int rc;
	for (const char *at = servers;; at++) {
		size_t size = strcspn(at, ",");
		rc = add_seed(client, at, size, err);
		at += size;
		if (rc != 0 || *at == '\0')
			break;
	}
	if (rc != 0)
		roster_finish(client);
	/* The first one to be asked is one by chance. */
	client->roster.turn = (size_t)(client->dice >> 32);
	return rc;
}

void roster_finish(struct client *client)
{
	struct roster *roster = &client->roster;
	while (roster->count > 0)
		server_destroy(roster->servers[--roster->count]);
}

/* ---- The members ---- */

/* Forgets those that are members no more, or have another address. */
static void forget(struct client *client)
{
	struct roster *roster = &client->roster;
	size_t kept = 0;
	for (size_t i = 0; i < roster->count; i++) {
		struct server *server = roster->servers[i];
		if (server->member == 0 && !server->seed)
			server_destroy(server);
		else
			roster->servers[kept++] = server;
	}
	roster->count = kept;
}

/* The address that a member is known by: the one that is told, or that was before. */
static struct server *find_member(struct client *client, size_t place)
{
	const struct view *view = &client->view;
	struct server *server;
	if (view->rpc_addresses[place][0] != '\0')
		return add(client, view->rpc_addresses[place], &server) == 0 ? server : NULL;
	for (size_t i = 0; i < client->roster.count; i++)
		if (client->roster.servers[i]->member == view->members[place].id)
			return client->roster.servers[i];
	return NULL;
}

void roster_members(struct client *client)
{
	struct server *found[SERVICE_MEMBERS_MAX];
	const struct view *view = &client->view;
	for (size_t i = 0; i < view->member_count; i++)
		found[i] = find_member(client, i);
	for (size_t i = 0; i < client->roster.count; i++)
		client->roster.servers[i]->member = 0;
	for (size_t i = 0; i < view->member_count; i++)
		if (found[i] != NULL)
			found[i]->member = view->members[i].id;
	forget(client);
	client_soon(client);
}

/* ---- Whom to ask ---- */

static bool is_spare(const struct client *client, uint64_t member)
{
	for (size_t i = 0; i < client->view.member_count; i++)
		if (client->view.members[i].id == member)
			return client->view.members[i].role == SERVICE_SPARE;
	return false;
}

/* How gladly a server is asked; 0: not at all. */
static unsigned rank(const struct client *client, const struct server *server, bool leader, uint64_t avoid)
{
	if (!server_open(server))
		return 0;
	if (server->serial == avoid)
		return 1;
	if (server->member == 0 || is_spare(client, server->member))
		return 2;
	return leader && server->member == client->view.state.leader ? 4 : 3;
}

struct server *roster_pick(struct client *client, bool leader, uint64_t avoid)
{
	struct roster *roster = &client->roster;
	struct server *best = NULL;
	unsigned best_rank = 0;
	const size_t turn = roster->turn++;
	for (size_t i = 0; i < roster->count; i++) {
		struct server *server = roster->servers[(turn + i) % roster->count];
		unsigned found = rank(client, server, leader, avoid);
		if (found > best_rank) {
			best = server;
			best_rank = found;
		}
	}
	return best;
}

bool roster_leads(const struct client *client)
{
	for (size_t i = 0; i < client->roster.count; i++)
		if (client->view.state.leader != 0 && client->roster.servers[i]->member == client->view.state.leader &&
		    server_open(client->roster.servers[i]))
			return true;
	return false;
}

void roster_tick(struct client *client, uint64_t now_ms)
{
	const struct roster *roster = &client->roster;
	bool member_open = false;
	for (size_t i = 0; i < roster->count; i++) {
		server_tick(roster->servers[i], now_ms);
		member_open = member_open || (roster->servers[i]->member != 0 && server_open(roster->servers[i]));
	}
	/* Where the members can be reached, those that were named only to find them need not be. */
	for (size_t i = 0; i < roster->count; i++)
		if (roster->servers[i]->member != 0 || !member_open)
			server_connect(roster->servers[i]);
}

void roster_refused(struct client *client, uint64_t serial)
{
	for (size_t i = 0; i < client->roster.count; i++)
		if (client->roster.servers[i]->serial == serial)
			client->roster.servers[i]->refuses = true;
}

bool roster_refuses(const struct client *client)
{
	const struct roster *roster = &client->roster;
	for (size_t i = 0; i < roster->count; i++)
		if (roster->servers[i]->error != -EACCES && !roster->servers[i]->refuses)
			return false;
	return true;
}
