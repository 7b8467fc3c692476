/* Any bytes as the message of a call, or as the authorization header of one: what comes through to the log is within its
 * bounds, and nothing is left when the client is gone.
 *
 * The input: a byte for the method, with 0x80 where the rest is the header's; one for how the log answers; and the bytes. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/rpc/door.h"

#define FRAME_SIZE 9u
#define PIECE_SIZE (16u << 10)
#define PAYLOAD_SIZE_MAX (FRAMING_SIZE_MAX + 100)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const paths[] = {
	"/log.v1.Log/Produce",
	"/log.v1.Log/ProduceStream",
	"/log.v1.Log/Consume",
	"/log.v1.Log/ConsumeStream",
	"/log.v1.Log/GetServers",
	"/grpc.health.v1.Health/Check",
	"/grpc.health.v1.Health/Watch",
	"/clog.v1.Clog/OpenSession",
	"/clog.v1.Clog/Read",
	"/clog.v1.Clog/Watch",
	"/clog.v1.Clog/Command",
	"/clog.v1.Clog/GetSettings",
	"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
};
#define PATHS (sizeof paths / sizeof paths[0])

static void send_frame(struct door *door, uint8_t type, uint8_t flags, const uint8_t *payload, size_t size)
{
	uint8_t head[FRAME_SIZE] = {
		(uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size, type, flags, 0, 0, 0, 1};
	door_feed(door, head, sizeof head);
	door_feed(door, payload, size);
}

/* Adds a header that is not indexed, of HPACK. */
static size_t put_text(uint8_t *to, const void *text, size_t size)
{
	size_t at = 0, rest = size;
	to[at++] = size < 127 ? (uint8_t)size : 127;
	if (size >= 127) {
		for (rest -= 127; rest >= 128; rest >>= 7)
			to[at++] = (uint8_t)(rest | 128);
		to[at++] = (uint8_t)rest;
	}
	memcpy(to + at, text, size);
	return at + size;
}

static size_t put_header(uint8_t *to, const char *name, const void *value, size_t size)
{
	size_t at = 0;
	to[at++] = 0;
	at += put_text(to + at, name, strlen(name));
	return at + put_text(to + at, value, size);
}

static void send_headers(struct door *door, const char *path, const uint8_t *value, size_t size)
{
	static uint8_t block[PIECE_SIZE];
	static const char *const fields[][2] = {{":method", "POST"},
	                                        {":scheme", "http"},
	                                        {":authority", "a"},
	                                        {"content-type", "application/grpc"},
	                                        {"te", "trailers"}};
	size_t at = put_header(block, ":path", path, strlen(path));
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		at += put_header(block + at, fields[i][0], fields[i][1], strlen(fields[i][1]));
	if (value != NULL && size < sizeof block - 1000)
		at += put_header(block + at, "authorization", value, size);
	send_frame(door, NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, block, at);
}

static void send_message(struct door *door, const uint8_t *data, size_t size)
{
	uint8_t *framed = malloc(FRAMING_HEAD_SIZE + size);
	assert(framed != NULL);
	framing_head((uint32_t)size, framed);
	if (size > 0)
		memcpy(framed + FRAMING_HEAD_SIZE, data, size);
	for (size_t at = 0; at < FRAMING_HEAD_SIZE + size; at += PIECE_SIZE) {
		const size_t left = FRAMING_HEAD_SIZE + size - at;
		send_frame(door, NGHTTP2_DATA, left <= PIECE_SIZE ? NGHTTP2_FLAG_END_STREAM : 0, framed + at,
		           left < PIECE_SIZE ? left : PIECE_SIZE);
	}
	free(framed);
}

/* What the log was asked for is what it may be asked for. */
static void check(const struct door *door, const char *path)
{
	for (size_t i = 0; i < door->command_count; i++) {
		const struct service_command *asked = door->commands[i];
		assert(asked->kind <= SERVICE_OPEN_SESSION && asked->role <= SERVICE_SPARE);
		assert((asked->kind == SERVICE_OPEN_SESSION) == (strcmp(path, "/clog.v1.Clog/OpenSession") == 0));
		assert(asked->kind != SERVICE_OPEN_SESSION || asked->session_key != 0);
		if (asked->kind == SERVICE_SET)
			assert(strlen(asked->key) < SERVICE_KEY_SIZE && asked->setting_size <= SERVICE_VALUE_SIZE_MAX);
	}
	for (size_t i = 0; i < door->append_count; i++) {
		const struct service_append *asked = door->appends[i];
		assert(asked->session == 0 || (asked->session_key != 0 && asked->sequence != 0));
	}
}

static void call(struct door *door, const uint8_t *data, size_t size)
{
	static const int failures[] = {0, 0, -EKEYEXPIRED, -EINVAL, -ETIMEDOUT, -EHOSTUNREACH, -EBUSY, -ENOENT};
	const char *path = paths[(data[0] & 0x7f) % PATHS];
	const bool is_header = (data[0] & 0x80) != 0;
	door->failure = door->command_failure = failures[data[1] & 7];
	door->behind = data[1] >> 3 & 1;
	door->full = data[1] >> 4 & 1;
	send_headers(door, path, is_header ? data + 2 : NULL, size - 2);
	send_message(door, data + 2, is_header ? 0 : size - 2);
	check(door, path);
	for (int i = 0; i < 3; i++) {
		door_answer(door);
		door_make_room(door);
		door_take(door);
		watch_tick(&door->rpc);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* The preface, settings, and that those of the server are known. */
	static const char greeting[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\0\0\0\4\1\0\0\0\0";
	static struct door door;
	if (size < 2 || size > PAYLOAD_SIZE_MAX)
		return 0;
	door_open(&door);
	int rc = auth_access_create(&door.rules.access);
	assert(rc == 0);
	rc = auth_access_load(door.rules.access, NULL, 0, NULL);
	assert(rc == 0);
	(void)rc;
	door.records[0].data = calloc(1, 10);
	door.records[0].size = 10;
	door.count = 1;
	door_feed(&door, greeting, sizeof greeting - 1);
	call(&door, data, size);
	struct auth_access *access = door.rules.access;
	door_close(&door);
	auth_access_destroy(access);
	return 0;
}
