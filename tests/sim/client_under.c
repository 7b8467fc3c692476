#include <errno.h>

#include "tests/sim/sim.h"

static void open_session(struct client *client)
{
	struct world *world = &client->sim->world;
	if (client->opening)
		return;
	client->opening = true;
	/* Others come and go, too, and now and then many of them. */
	for (uint64_t others = world_chance(world, 200) ? world_between(world, 1, 20) : 0; others > 0; others--)
		client_ask(client->node, NULL,
		           &(struct service_command){.kind = SERVICE_OPEN_SESSION, .session_key = 1});
	client_ask(client->node, client,
	           &(struct service_command){.kind = SERVICE_OPEN_SESSION,
	                                     .session_key = world_between(world, 1, UINT64_MAX)});
}

void client_under_opened(struct client *client, const struct service_command *command, bool heard)
{
	if (client == NULL)
		return;
	client->opening = false;
	if (!heard)
		return;
	client->session = (struct service_session){.id = command->value, .key = command->session_key};
	client->next_sequence = 1;
}

/* A batch that it gave before, mostly one of which it does not know yet. */
static struct check_append *find_given(struct client *client)
{
	struct world *world = &client->sim->world;
	uint64_t count = client->given_count < CLIENT_GIVEN_MAX ? client->given_count : CLIENT_GIVEN_MAX;
	if (count == 0)
		return NULL;
	struct check_append *given = client->given[world_between(world, 0, count - 1)];
	return given->fate != CHECK_DONE || world_chance(world, 300) ? given : NULL;
}

static void give(struct client *client)
{
	struct world *world = &client->sim->world;
	struct service_state state;
	service_state(client->node->service, &state);
	bool conditional = world_chance(world, 100);
	struct check_append *append = check_new_append(client->sim, client->node,
	                                               conditional ? state.next_offset : SERVICE_ANYWHERE);
	append->sure = false;
	append->session = client->session;
	append->sequence = client->next_sequence;
	if (world_chance(world, 50)) {
		/* Somebody else's, who has guessed a session: its numbers may be those of another one. */
		struct check_append *given = find_given(client);
		append->wrong = true;
		if (given != NULL) {
			append->session = given->session;
			append->sequence = given->sequence;
		}
		append->session.key ^= 2;
	} else {
		client->next_sequence += append->count;
		client->given[client->given_count++ % CLIENT_GIVEN_MAX] = append;
	}
	client_give(client->node, client, append);
}

void client_under_act(struct client *client)
{
	struct world *world = &client->sim->world;
	struct check_append *given = world_chance(world, 400) ? find_given(client) : NULL;
	if (client->session.id == 0 || world_chance(world, 30))
		open_session(client);
	else if (given != NULL)
		client_give(client->node, client, check_again(client->sim, client->node, given));
	else
		give(client);
}

void client_under_answered(struct client *client, const struct check_append *append)
{
	if (append->session.id == 0 || append->session.id != client->session.id || append->fate == CHECK_PENDING)
		return;
	if (append->status == -EKEYEXPIRED || (append->status == -ETIMEDOUT && world_chance(&client->sim->world, 100)))
		client->session.id = 0;
}
