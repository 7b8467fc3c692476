#include "tests/sim/client.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim.h"

/* A read or a command on its way. */
struct request {
	union {
		struct service_read read;
		struct service_command command;
	};
	char key[16]; /* of a setting, and its value */
	unsigned char *value;
	struct sim *sim;
	struct client *client; /* NULL: of none */
	struct node *node;
	uint64_t life;
	uint64_t floor;
};

static void done(struct client *client)
{
	if (client != NULL)
		client->out--;
}

/* Whether anybody hears the answer. */
static bool heard(const struct node *node, uint64_t life)
{
	return !node_mute(node) && node->life == life;
}

/* ---- Appends ---- */

static void on_append(struct service_append *append, void *arg)
{
	struct client *client = arg;
	done(client);
	check_answer((struct check_append *)append, append->status);
	if (client != NULL)
		client_under_answered(client, (struct check_append *)append);
}

bool client_give(struct node *node, struct client *client, struct check_append *append)
{
	struct sim *sim = node->sim;
	size_t size = 0;
	for (uint32_t i = 0; i < append->count; i++)
		size += append->sizes[i];
	unsigned char *data = world_allocate(NULL, size);
	size_t at = 0;
	for (uint32_t i = 0; i < append->count; at += append->sizes[i++])
		check_fill(append->of, i, data + at);
	if (client != NULL)
		client->out++;
	world_trace(&sim->world, "append %" PRIu64 " to %s", append->number, node->name);
	int rc = append->session.id == 0 ? service_append_at(node->service, &append->append, append->expected, data,
	                                                     append->sizes, append->count, on_append, client)
	                                 : service_append_under(node->service, &append->append, &append->session,
	                                                        append->sequence, append->expected, data, append->sizes,
	                                                        append->count, on_append, client);
	free(data);
	if (rc == 0)
		return true;
	done(client);
	check_answer(append, rc);
	return false;
}

static struct check_append *send_append(struct node *node, struct client *client, uint64_t expected)
{
	struct check_append *append = check_new_append(node->sim, node, expected);
	return client_give(node, client, append) ? append : NULL;
}

struct check_append *client_append(struct node *node, uint64_t expected)
{
	struct check_append *append = send_append(node, NULL, expected);
	node_after(node);
	return append;
}

/* One that must get a certain offset: mostly the next one, as some member knows it. */
static void append_at(struct client *client)
{
	struct sim *sim = client->sim;
	struct service_state state;
	const struct node *other = sim_any_up(sim);
	service_state(other == NULL ? client->node->service : other->service, &state);
	uint64_t expected = state.next_offset;
	if (world_chance(&sim->world, 200))
		expected = world_between(&sim->world, expected < 3 ? 0 : expected - 3, expected + 3);
	send_append(client->node, client, expected);
}

/* ---- Reads ---- */

static void end_read(struct request *request, int status, bool answered)
{
	struct client *client = request->client;
	struct service_read *read = &request->read;
	bool hear = heard(request->node, request->life);
	if (hear)
		check_read(request->node, read, status, request->floor);
	if (hear && status == 0 && read->kind == SERVICE_STREAM)
		client->position = read->position + read->data_size;
	if (hear && status == -ESTALE && read->kind == SERVICE_STREAM) {
		struct service_state state;
		service_state(request->node->service, &state);
		client->position = state.stream_begin;
	}
	if (answered)
		service_read_end(request->node->service, read);
	done(client);
	free(request);
}

static void on_read(struct service_read *read, void *arg)
{
	end_read(arg, read->status, true);
}

static void send_read(struct client *client, enum service_read_kind kind)
{
	struct node *node = client->node;
	struct world *world = &client->sim->world;
	struct service_state state;
	service_state(node->service, &state);
	struct request *request = world_allocate(NULL, sizeof *request);
	*request = (struct request){.sim = client->sim, .client = client, .node = node, .life = node->life};
	request->read.kind = kind;
	request->floor = kind == SERVICE_STREAM ? state.stream_end : state.next_offset;
	if (kind == SERVICE_STREAM) {
		request->read.position = client->position;
		request->read.size = (uint32_t)world_between(world, 1, 20000);
	} else {
		request->read.offset = world_between(world, 0, state.next_offset + 1);
	}
	client->out++;
	int rc = service_read(node->service, &request->read, on_read, request);
	if (rc != SERVICE_PENDING)
		end_read(request, rc == SERVICE_DONE ? request->read.status : rc, rc == SERVICE_DONE);
}

/* ---- Commands ---- */

static void answer_command(struct request *request, int status)
{
	struct sim *sim = request->sim;
	const struct service_command *command = &request->command;
	bool hear = heard(request->node, request->life);
	world_trace(&sim->world, "%s answers command %d with %d", request->node->name, (int)command->kind, status);
	if (hear && status == 0 && command->kind == SERVICE_END) {
		check_member(request->node);
		check_end_answer(request->node, command->value, request->floor);
	}
	if (hear && status == 0 && command->kind == SERVICE_TRIM && command->offset > sim->check.trimmed)
		sim->check.trimmed = command->offset;
	if (hear && status == 0 && command->kind == SERVICE_SET) {
		check_member(request->node);
		check_set(request->node, command->value);
	}
	if (command->kind >= SERVICE_SET_ROLE && command->kind <= SERVICE_TRANSFER)
		schedule_answered(sim);
	if (command->kind == SERVICE_OPEN_SESSION)
		client_under_opened(request->client, command, hear && status == 0);
	done(request->client);
	free(request->value);
	free(request);
}

static void on_command(struct service_command *command, void *arg)
{
	answer_command(arg, command->status);
}

static void send_command(struct node *node, struct client *client, const struct service_command *command)
{
	struct sim *sim = node->sim;
	struct request *request = world_allocate(NULL, sizeof *request);
	*request = (struct request){
		.sim = sim, .client = client, .node = node, .life = node->life, .floor = sim->check.acknowledged};
	request->command = *command;
	if (command->kind == SERVICE_SET) {
		snprintf(request->key, sizeof request->key, "%s", command->key);
		request->value = world_allocate(NULL, command->setting_size + 1);
		memcpy(request->value, command->setting, command->setting_size);
		request->command.key = request->key;
		request->command.setting = request->value;
	}
	if (client != NULL)
		client->out++;
	if (command->kind == SERVICE_RETAIN && command->bytes != 0 && command->bytes < sim->check.least_kept)
		sim->check.least_kept = command->bytes;
	if (command->kind == SERVICE_RETAIN && command->time_ns != 0)
		sim->check.least_kept = 0;
	int rc = service_command(node->service, &request->command, on_command, request);
	if (rc != SERVICE_PENDING)
		answer_command(request, rc);
}

void client_command(struct node *node, const struct service_command *command)
{
	send_command(node, NULL, command);
	node_after(node);
}

void client_ask(struct node *node, struct client *client, const struct service_command *command)
{
	send_command(node, client, command);
}

static void set(struct client *client)
{
	struct world *world = &client->sim->world;
	static unsigned char value[20000];
	char key[2] = {(char)world_between(world, 'a', 'h'), '\0'};
	size_t size = world_chance(world, 200) ? 0
	                                       : world_between(world, 1, world_chance(world, 50) ? sizeof value : 100);
	for (size_t i = 0; i < size && i < 8; i++)
		value[i] = (unsigned char)world_between(world, 0, 255);
	client_ask(client->node, client,
	           &(struct service_command){.kind = SERVICE_SET, .key = key, .setting = value, .setting_size = size});
}

/* ---- What they do ---- */

static void act(struct client *client)
{
	struct world *world = &client->sim->world;
	uint64_t dice = world_between(world, 0, 99);
	if (world_between(world, 1, 100) <= client->under)
		client_under_act(client);
	else if (dice < 68 - client->conditional)
		send_append(client->node, client, SERVICE_ANYWHERE);
	else if (dice < 68)
		append_at(client);
	else if (dice < 80)
		send_read(client, world_chance(world, 500) ? SERVICE_RECORD : SERVICE_STAT);
	else if (dice < 93)
		send_read(client, SERVICE_STREAM);
	else if (dice < 97)
		client_ask(client->node, client, &(struct service_command){.kind = SERVICE_END});
	else
		set(client);
	node_after(client->node);
}

/* It goes on with the node that it is at, or to another one. */
static bool find_node(struct client *client)
{
	struct node *node = client->node;
	if (node != NULL && node_up(node) && node->life == client->life && !world_chance(&client->sim->world, 20))
		return true;
	client->node = sim_any_up(client->sim);
	if (client->node == NULL)
		return false;
	client->life = client->node->life;
	return true;
}

static void fire(void *arg, uint64_t token)
{
	struct client *client = arg;
	struct world *world = &client->sim->world;
	if (client->sim->schedule.calm)
		return;
	if (client->out < client->out_max && find_node(client))
		act(client);
	world_after(world, world_between(world, 1, 2 * client->pause_us), fire, client, token);
}

void client_start(struct sim *sim)
{
	struct world *world = &sim->world;
	sim->client_count = (unsigned)world_between(world, 1, SIM_CLIENTS_MAX);
	bool busy = world_chance(world, 40);
	for (unsigned i = 0; i < sim->client_count; i++) {
		struct client *client = &sim->clients[i];
		*client = (struct client){.sim = sim, .index = i};
		client->out_max = world_chance(world, 300) ? 1 : (unsigned)world_between(world, 1, 20);
		client->pause_us = (busy ? world_between(world, 5, 20) : world_between(world, 20, 400)) * WORLD_MS;
		client->conditional = world_chance(world, 200) ? (unsigned)world_between(world, 20, 60) : 8;
		client->under = world_chance(world, 500) ? (unsigned)world_between(world, 10, 90) : 0;
		world_after(world, world_between(world, 0, 500 * WORLD_MS), fire, client, 0);
	}
}
