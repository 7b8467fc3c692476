#include "tests/rpc/door.h"

#include "rpc/peer_uid.h"

#include <assert.h>
#include <errno.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

/* Memory that does not run out where a test has malloc fail. */
static void *room_for(size_t size)
{
	void *room = aligned_alloc(alignof(max_align_t),
	                           (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1));
	assert(room != NULL);
	return room;
}

/* ---- The channel ---- */

struct channel {
	struct door *door;
};

int channels_create(struct channels **channels, struct uv_loop_s *loop, unsigned silence_ms, struct clog_error *err)
{
	return -ENOSYS;
}

void channels_destroy(struct channels *channels, void (*closed)(void *arg), void *arg)
{
}

int channel_accept(struct channel **channel, struct channels *channels, struct uv_stream_s *listener,
                   struct tls_context *tls, enum tls_side side, const struct channel_ops *ops, void *arg)
{
	struct door *door = (struct door *)channels;
	*channel = room_for(sizeof **channel);
	(*channel)->door = door;
	door->ops = ops;
	door->connection = arg;
	return 0;
}

void channel_destroy(struct channel *channel)
{
	channel->door->destroyed = true;
	free(channel);
}

void channel_write(struct channel *channel, const void *data, size_t size)
{
	struct door *door = channel->door;
	if (size == 0)
		return;
	if (door->out_size + size > door->out_capacity) {
		door->out_capacity = 2 * (door->out_size + size);
		unsigned char *out = room_for(door->out_capacity);
		if (door->out_size > 0)
			memcpy(out, door->out, door->out_size);
		free(door->out);
		door->out = out;
	}
	memcpy(door->out + door->out_size, data, size);
	door->out_size += size;
}

void channel_soon(struct channel *channel)
{
	channel->door->soon = true;
}

size_t channel_backlog(const struct channel *channel)
{
	return channel->door->out_size;
}

bool channel_busy(struct channel *channel)
{
	return channel->door->out_size >= channel->door->room;
}

const struct tls_identity *channel_identity(const struct channel *channel)
{
	return NULL;
}

void channel_address(const struct channel *channel, char text[CHANNEL_ADDRESS_SIZE])
{
	text[0] = '\0';
}

int channel_socket(const struct channel *channel)
{
	return -1;
}

/* Root's, who may do everything. */
int peer_uid(int socket, uid_t *uid)
{
	*uid = 0;
	return 0;
}

/* ---- The log ---- */

static int append(struct service *service, struct service_append *asked, const void *data, const uint32_t *sizes,
                  uint32_t count)
{
	struct door *door = (struct door *)service;
	const unsigned char *from = data;
	if (door->full > 0 || door->append_count == DOOR_HELD_MAX || door->count + count > DOOR_RECORDS_MAX) {
		door->full -= door->full > 0;
		return -EAGAIN;
	}
	asked->status = door->failure;
	asked->first_offset = door->count;
	asked->count = count;
	for (uint32_t i = 0; i < count && door->failure == 0; i++) {
		unsigned char *copy = room_for(sizes[i] + 1);
		memcpy(copy, from, sizes[i]);
		from += sizes[i];
		door->records[door->count].data = copy;
		door->records[door->count++].size = sizes[i];
	}
	door->appends[door->append_count++] = asked;
	return SERVICE_PENDING;
}

static void ready(struct service *service)
{
}

static int read_record(struct service *service, struct service_read *read)
{
	struct door *door = (struct door *)service;
	if (read->kind != SERVICE_STREAM && read->offset >= door->count - door->behind)
		return -ENOENT;
	door->served++;
	if (read->kind == SERVICE_STREAM)
		return SERVICE_DONE;
	read->record = (struct service_record){.offset = read->offset, .size = door->records[read->offset].size};
	if (read->kind == SERVICE_STAT)
		return SERVICE_DONE;
	read->data = door->records[read->offset].data;
	read->data_size = door->records[read->offset].size;
	return SERVICE_DONE;
}

static void read_end(struct service *service, struct service_read *read)
{
}

static void state(struct service *service, struct service_state *told)
{
	const struct door *door = (const struct door *)service;
	*told = (struct service_state){.next_offset = door->count - door->behind,
	                               .self = 1,
	                               .leader = door->leader,
	                               .settings_known = !door->settings_unknown,
	                               .settings_entry = door->setting_count};
}

static size_t members(struct service *service, struct service_member *all, size_t capacity)
{
	all[0] = (struct service_member){.id = 1, .name = "one", .address = "one:7400", .state = SERVICE_LEADER};
	return 1;
}

static int command(struct service *service, struct service_command *asked)
{
	struct door *door = (struct door *)service;
	if (door->command_count == DOOR_HELD_MAX)
		return -EAGAIN;
	door->commands[door->command_count++] = asked;
	return SERVICE_PENDING;
}

static size_t settings(struct service *service, struct service_setting *all, size_t capacity)
{
	const struct door *door = (const struct door *)service;
	memcpy(all, door->settings, door->setting_count * sizeof *all);
	return door->setting_count;
}

static const struct service_ops service_ops = {.append = append,
                                               .ready = ready,
                                               .read = read_record,
                                               .read_end = read_end,
                                               .state = state,
                                               .members = members,
                                               .settings = settings,
                                               .command = command};

void door_answer(struct door *door)
{
	while (door->append_count > 0) {
		struct service_append *asked = door->appends[0];
		memmove(door->appends, door->appends + 1, --door->append_count * sizeof door->appends[0]);
		asked->cb(asked, asked->arg);
	}
	while (door->command_count > 0) {
		struct service_command *asked = door->commands[--door->command_count];
		asked->value = door->count;
		asked->status = door->command_failure;
		asked->cb(asked, asked->arg);
	}
	service_tell_more(&door->service);
}

void door_make_room(struct door *door)
{
	service_tell_ready(&door->service);
}

/* ---- The door ---- */

static void send_all(struct door *door)
{
	while (door->soon && !door->destroyed) {
		door->soon = false;
		door->ops->soon(door->connection);
	}
}

void door_open(struct door *door)
{
	*door = (struct door){.service.ops = &service_ops, .room = 256u << 10, .leader = 1};
	struct rpc *rpc = &door->rpc;
	uv_loop_init(&door->loop);
	rpc->loop = &door->loop;
	rpc->service = &door->service;
	rpc->auth = &door->rules;
	rpc->channels = (struct channels *)door;
	int rc = http2_init(rpc);
	assert(rc == 0);
	rc = arena_init(&rpc->arena);
	assert(rc == 0);
	(void)rc;
	connection_accept(rpc, NULL);
	door->ops->opened(door->connection);
	send_all(door);
}

void door_feed(struct door *door, const void *data, size_t size)
{
	if (!door->destroyed)
		door->ops->bytes(door->connection, data, size);
	send_all(door);
}

void door_take(struct door *door)
{
	door->out_size = 0;
	if (!door->destroyed)
		door->ops->drained(door->connection);
	send_all(door);
}

void door_close(struct door *door)
{
	if (!door->destroyed)
		connection_destroy(door->connection);
	door_answer(door);
	door_make_room(door);
	const struct rpc *rpc = &door->rpc;
	assert(rpc->connections == NULL && rpc->connection_count == 0 && rpc->stranger_count == 0);
	assert(rpc->call_count == 0 && rpc->input_size == 0 && !rpc->awaits_room);
	assert(rpc->timed == NULL && rpc->blocked == NULL && rpc->watched == NULL);
	assert(door->service.watches == NULL);
	http2_finish(&door->rpc);
	arena_finish(&door->rpc.arena);
	for (uint64_t i = 0; i < door->count; i++)
		free(door->records[i].data);
	free(door->out);
	int left = uv_loop_close(&door->loop);
	assert(left == 0);
	(void)left;
}
