#include "tests/channel/name_server.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#define MESSAGE_SIZE 65535
#define HEADER_SIZE 12
#define TRIES 100 /* for a port that is free for UDP and for TCP */

/* A connection, which closes when its peer does or the server ends. */
struct name_client {
	uv_tcp_t tcp;
	struct name_server *server;
	struct name_client *next;
	unsigned char in[1024];
	size_t size;
};

struct message {
	unsigned char bytes[MESSAGE_SIZE];
	size_t size;
};

static void put(struct message *message, const void *bytes, size_t size)
{
	assert_true(message->size + size <= sizeof message->bytes);
	memcpy(message->bytes + message->size, bytes, size);
	message->size += size;
}

static void put_u16(struct message *message, unsigned number)
{
	unsigned char bytes[2] = {(unsigned char)(number >> 8), (unsigned char)number};
	put(message, bytes, sizeof bytes);
}

static void put_name(struct message *message, const char *name)
{
	while (*name != '\0' && strcmp(name, ".") != 0) {
		unsigned char size = (unsigned char)strcspn(name, ".");
		put(message, &size, 1);
		put(message, name, size);
		name += size + (name[size] == '.');
	}
	put(message, "", 1);
}

static void put_data(struct message *message, const struct name_record *record)
{
	unsigned char address[16];
	unsigned priority, weight, port;
	char target[256];
	switch (record->type) {
	case NAME_A:
		assert_int_equal(inet_pton(AF_INET, record->text, address), 1);
		put(message, address, 4);
		break;
	case NAME_AAAA:
		assert_int_equal(inet_pton(AF_INET6, record->text, address), 1);
		put(message, address, 16);
		break;
	case NAME_CNAME:
		put_name(message, record->text);
		break;
	case NAME_SRV:
		assert_int_equal(sscanf(record->text, "%u %u %u %255s", &priority, &weight, &port, target), 4);
		put_u16(message, priority);
		put_u16(message, weight);
		put_u16(message, port);
		put_name(message, target);
	}
}

static void put_record(struct message *message, const struct name_record *record)
{
	put_name(message, record->name);
	put_u16(message, record->type);
	put_u16(message, 1);
	put_u16(message, 0); /* time to live */
	put_u16(message, 60);
	size_t place = message->size;
	put_u16(message, 0);
	put_data(message, record);
	size_t size = message->size - place - 2;
	message->bytes[place] = (unsigned char)(size >> 8);
	message->bytes[place + 1] = (unsigned char)size;
}

/* The records of a name; those of what it is another name for too. Returns how many, -1 if there is no such name. */
static int put_records(struct message *message, const struct name_server *server, const char *name, unsigned type)
{
	int count = -1;
	for (size_t i = 0; i < server->count; i++) {
		const struct name_record *record = &server->records[i];
		if (strcasecmp(record->name, name) != 0)
			continue;
		count = count < 0 ? 0 : count;
		if (record->type != type && record->type != NAME_CNAME)
			continue;
		put_record(message, record);
		count++;
		if (record->type == NAME_CNAME && type != NAME_CNAME) {
			int more = put_records(message, server, record->text, type);
			count += more > 0 ? more : 0;
		}
	}
	return count;
}

/* Answers a question; false: not at all. */
static bool answer(struct name_server *server, const unsigned char *question, size_t size, struct message *message)
{
	char name[256] = "";
	size_t at = HEADER_SIZE, used = 0;
	if (size < HEADER_SIZE + 5)
		return false;
	while (at < size && question[at] != 0 && at + question[at] < size && used + question[at] + 2 < sizeof name) {
		memcpy(name + used, question + at + 1, question[at]);
		used += question[at];
		name[used++] = '.';
		at += question[at] + 1u;
	}
	if (used > 0)
		name[used - 1] = '\0';
	if (at + 5 > size)
		return false;
	unsigned type = (unsigned)question[at + 1] << 8 | question[at + 2];
	server->questions++;
	if (server->manners.silent || type == server->manners.silent_type)
		return false;
	message->size = 0;
	put(message, question, at + 5);
	memcpy(message->bytes + 2, "\x81\x80\0\1\0\0\0\0\0\0", 10);
	int count = server->manners.rcode != 0 ? 0 : put_records(message, server, name, type);
	message->bytes[3] |= count < 0 ? 3 : server->manners.rcode;
	message->bytes[6] = (unsigned char)((count > 0 ? count : 0) >> 8);
	message->bytes[7] = (unsigned char)(count > 0 ? count : 0);
	return true;
}

/* ---- UDP ---- */

static void send_udp(struct name_server *server, const struct message *message, const struct sockaddr *to)
{
	uv_buf_t buffer = uv_buf_init((char *)message->bytes, (unsigned)message->size);
	uv_udp_try_send(&server->udp, &buffer, 1, to);
}

static void on_alloc_udp(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	static char bytes[MESSAGE_SIZE];
	*buffer = uv_buf_init(bytes, sizeof bytes);
}

static void on_udp(uv_udp_t *udp, ssize_t size, const uv_buf_t *buffer, const struct sockaddr *from, unsigned flags)
{
	struct name_server *server = udp->data;
	const struct name_manners *manners = &server->manners;
	static struct message message;
	if (from == NULL || size <= 0 || !answer(server, (const unsigned char *)buffer->base, (size_t)size, &message))
		return;
	size_t question_size = (size_t)size;
	server->answer_size = message.size;
	if (manners->noise) {
		struct message noise = {.size = 40};
		memset(noise.bytes, 0xc0, noise.size);
		memcpy(noise.bytes, message.bytes, HEADER_SIZE);
		send_udp(server, &noise, from);
		if (manners->only_noise)
			return;
	}
	if (manners->forged) {
		message.bytes[0] ^= 1;
		send_udp(server, &message, from);
		message.bytes[0] ^= 1;
	}
	if (manners->truncated) {
		message.bytes[2] |= 2;
		memset(message.bytes + 6, 0, 2);
		message.size = question_size;
	}
	if (manners->cut_at != 0 && manners->cut_at < message.size)
		message.size = manners->cut_at;
	if (manners->flip_at != 0 && manners->flip_at <= message.size)
		message.bytes[manners->flip_at - 1] ^= 0x55;
	send_udp(server, &message, from);
}

/* ---- TCP ---- */

static void on_client_closed(uv_handle_t *handle)
{
	free(handle->data);
}

static void close_client(struct name_client *client)
{
	struct name_client **place = &client->server->clients;
	while (*place != client)
		place = &(*place)->next;
	*place = client->next;
	uv_close((uv_handle_t *)&client->tcp, on_client_closed);
}

static void on_alloc_tcp(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct name_client *client = handle->data;
	*buffer = uv_buf_init((char *)client->in + client->size, (unsigned)(sizeof client->in - client->size));
}

static void on_written(uv_write_t *request, int status)
{
	free(request);
}

static void answer_tcp(struct name_client *client, size_t question_size)
{
	static struct message message;
	struct {
		uv_write_t request; /* first: freed as it */
		unsigned char bytes[];
	} * sent;
	client->server->questions_tcp++;
	if (client->server->manners.silent_tcp || !answer(client->server, client->in + 2, question_size, &message))
		return;
	sent = malloc(sizeof *sent + 2 + message.size);
	assert_non_null(sent);
	sent->bytes[0] = (unsigned char)(message.size >> 8);
	sent->bytes[1] = (unsigned char)message.size;
	memcpy(sent->bytes + 2, message.bytes, message.size);
	uv_buf_t buffer = uv_buf_init((char *)sent->bytes, (unsigned)message.size + 2);
	assert_int_equal(uv_write(&sent->request, (uv_stream_t *)&client->tcp, &buffer, 1, on_written), 0);
}

static void on_tcp(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
	struct name_client *client = stream->data;
	if (size < 0) {
		close_client(client);
		return;
	}
	client->size += (size_t)size;
	while (client->size >= 2) {
		size_t question_size = (size_t)client->in[0] << 8 | client->in[1];
		if (client->size < question_size + 2)
			return;
		answer_tcp(client, question_size);
		client->size -= question_size + 2;
		memmove(client->in, client->in + question_size + 2, client->size);
	}
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct name_client *client = calloc(1, sizeof *client);
	assert_non_null(client);
	assert_int_equal(uv_tcp_init(listener->loop, &client->tcp), 0);
	client->tcp.data = client;
	client->server = listener->data;
	client->next = client->server->clients;
	client->server->clients = client;
	assert_int_equal(uv_accept(listener, (uv_stream_t *)&client->tcp), 0);
	assert_int_equal(uv_read_start((uv_stream_t *)&client->tcp, on_alloc_tcp, on_tcp), 0);
}

/* ---- Its life ---- */

/* A number that is free for both; libuv tells at listening of a port that is taken, and the handle is of no use then.
 * So plain sockets look for it, and libuv takes them over. */
static bool open_both(int *udp, int *tcp, struct sockaddr_in *address)
{
	socklen_t size = sizeof *address;
	*address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	*udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	*tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(*udp >= 0 && *tcp >= 0);
	assert_int_equal(bind(*udp, (struct sockaddr *)address, sizeof *address), 0);
	assert_int_equal(getsockname(*udp, (struct sockaddr *)address, &size), 0);
	if (bind(*tcp, (struct sockaddr *)address, sizeof *address) == 0 && listen(*tcp, 16) == 0)
		return true;
	close(*udp);
	close(*tcp);
	return false;
}

void name_server_init(struct name_server *server, uv_loop_t *loop, const struct name_record *records, size_t count)
{
	struct sockaddr_in address;
	int udp, tcp;
	unsigned tries = 0;
	memset(server, 0, sizeof *server);
	while (!open_both(&udp, &tcp, &address))
		assert_true(++tries < TRIES);
	assert_int_equal(uv_udp_init(loop, &server->udp), 0);
	assert_int_equal(uv_udp_open(&server->udp, udp), 0);
	assert_int_equal(uv_tcp_init(loop, &server->tcp), 0);
	assert_int_equal(uv_tcp_open(&server->tcp, tcp), 0);
	snprintf(server->address, sizeof server->address, "127.0.0.1:%d", ntohs(address.sin_port));
	server->records = records;
	server->count = count;
	server->udp.data = server->tcp.data = server;
	assert_int_equal(uv_udp_recv_start(&server->udp, on_alloc_udp, on_udp), 0);
	assert_int_equal(uv_listen((uv_stream_t *)&server->tcp, 16, on_connection), 0);
}

void name_server_finish(struct name_server *server)
{
	while (server->clients != NULL)
		close_client(server->clients);
	uv_close((uv_handle_t *)&server->udp, NULL);
	uv_close((uv_handle_t *)&server->tcp, NULL);
}
