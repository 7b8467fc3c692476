#include "tests/client/far.h"

#include "error/error.h"
#include "rpc/private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 60000u

/* ---- Servers ---- */

void far_start(struct far *far)
{
	struct clog_error err = {0};
	const struct rpc_options options = {.listen = far->address[0] != '\0' ? far->address : "127.0.0.1:0",
	                                    .service = &far->service,
	                                    .tls = far->world->tls,
	                                    .auth = &far->world->auth};
	if (rpc_start(&far->rpc, &far->world->loop, &options, &err) != 0)
		fail_msg("%s", err.text);
	snprintf(far->address, sizeof far->address, "%s", rpc_address(far->rpc));
}

void far_cut(struct far *far)
{
	while (far->rpc->connections != NULL)
		connection_destroy(far->rpc->connections);
}

static void on_stopped(void *arg)
{
	struct far *far = arg;
	far->stopped = NULL;
}

static bool is_stopped(void *arg)
{
	const struct far *far = arg;
	return far->stopped == NULL;
}

void far_stop(struct far *far)
{
	if (far->rpc == NULL)
		return;
	/* What it owes is answered to nobody. */
	far_cut(far);
	far_answer(far);
	far->stopped = far->rpc;
	rpc_stop(far->rpc, on_stopped, far);
	far->rpc = NULL;
	far_until(far->world, is_stopped, far);
}

void far_lead(struct far_world *world, size_t place)
{
	world->log.leader = world->servers[place].id;
	world->log.term++;
	far_tell(world);
}

void far_end_sessions(struct far_world *world)
{
	for (size_t i = 0; i < world->log.session_count && i < FAR_SESSIONS_MAX; i++)
		world->log.sessions[i].ended = true;
}

/* ---- The world ---- */

struct far_world *far_create(size_t count)
{
	struct far_world *world = memset(far_room(sizeof *world), 0, sizeof *world);
	uv_loop_init(&world->loop);
	world->auth = (struct auth_policy){.owner = getuid(), .group = getgid(), .mode = 0600};
	world->log.term = 1;
	world->log.leader = 1;
	for (size_t i = 0; i < count; i++) {
		struct far *far = &world->servers[i];
		far->service.ops = &far_ops;
		far->world = world;
		far->id = i + 1;
		uv_timer_init(&world->loop, &far->turn);
		far->turn.data = far;
		far_start(far);
		world->count++;
	}
	return world;
}

void far_open_client(struct far_world *world, size_t known, uint32_t deadline_ms)
{
	char servers[FAR_SERVERS_MAX * SERVICE_ADDRESS_SIZE] = "";
	struct clog_error err = {0};
	for (size_t i = 0; i < known; i++)
		snprintf(servers + strlen(servers), sizeof servers - strlen(servers), "%s%s", i > 0 ? "," : "",
		         world->servers[i].address);
	const struct client_options options = {.servers = servers, .deadline_ms = deadline_ms};
	world->closed = false;
	if (client_open(&world->client, &world->loop, &options, &err) != 0)
		fail_msg("%s", err.text);
}

static void on_patience_over(uv_timer_t *timer)
{
	*(bool *)timer->data = true;
}

static void on_patience_closed(uv_handle_t *handle)
{
	free(handle);
}

void far_until(struct far_world *world, bool (*holds)(void *arg), void *arg)
{
	bool over = false;
	uv_timer_t *patience = far_room(sizeof *patience);
	uv_timer_init(&world->loop, patience);
	patience->data = &over;
	uv_update_time(&world->loop);
	uv_timer_start(patience, on_patience_over, PATIENCE_MS, 0);
	while (!holds(arg) && !over)
		uv_run(&world->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)patience, on_patience_closed);
	assert_false(over);
}

static void on_ready(void *arg, int status, const char *sentence)
{
	if (status != 0)
		fail_msg("%s", sentence);
	*(bool *)arg = true;
}

static bool is_set(void *arg)
{
	return *(bool *)arg;
}

void far_ready(struct far_world *world)
{
	bool known = false;
	client_ready(world->client, on_ready, &known);
	far_until(world, is_set, &known);
}

static void on_closed(void *arg)
{
	struct far_world *world = arg;
	world->closed = true;
	world->client = NULL;
}

void far_close_client(struct far_world *world)
{
	client_close(world->client, on_closed, world);
	far_until(world, is_set, &world->closed);
}

void far_destroy(struct far_world *world)
{
	if (world->client != NULL)
		far_close_client(world);
	for (size_t i = 0; i < world->count; i++) {
		world->servers[i].mute = false;
		far_stop(&world->servers[i]);
		uv_close((uv_handle_t *)&world->servers[i].turn, NULL);
	}
	uv_run(&world->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&world->loop), 0);
	for (uint64_t i = 0; i < world->log.count; i++)
		free(world->log.records[i].data);
	free(world);
}

/* ---- Appends of the client's ---- */

static void on_appended(struct service_append *append, void *arg)
{
	struct far_append *mine = arg;
	mine->answered++;
}

int far_append(struct far_world *world, struct far_append *append, uint64_t expected, const char *text)
{
	const uint32_t size = (uint32_t)strlen(text);
	*append = (struct far_append){0};
	return service_append_at(client_service(world->client), &append->append, expected, text, &size, 1, on_appended,
	                         append);
}

static bool is_answered(void *arg)
{
	return ((struct far_append *)arg)->answered > 0;
}

int far_answered(struct far_world *world, struct far_append *append)
{
	far_until(world, is_answered, append);
	assert_int_equal(append->answered, 1);
	return append->append.status;
}

int far_append_one(struct far_world *world, const char *text)
{
	struct far_append append;
	assert_int_equal(far_append(world, &append, SERVICE_ANYWHERE, text), SERVICE_PENDING);
	return far_answered(world, &append);
}
