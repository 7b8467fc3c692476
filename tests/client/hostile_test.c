/* Servers that are none, or would rather do harm. */
#include "client/client.h"
#include "error/error.h"
#include "service/service.h"

#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include <cmocka.h>

#define DEADLINE_MS 200u
#define SAID_SIZE 4096u

/* What a server says to whoever connects. */
static struct {
	uv_loop_t loop;
	uv_tcp_t listener;
	char address[64];
	unsigned char said[SAID_SIZE];
	size_t said_size;
	bool hangs_up;
	unsigned guests;
} server;

struct guest {
	uv_tcp_t tcp;
	uv_write_t write;
	unsigned char input[4096];
};

static void on_guest_closed(uv_handle_t *handle)
{
	server.guests--;
	free(handle->data);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct guest *guest = handle->data;
	*buffer = uv_buf_init((char *)guest->input, sizeof guest->input);
}

static void on_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
	if (size < 0 && !uv_is_closing((uv_handle_t *)stream))
		uv_close((uv_handle_t *)stream, on_guest_closed);
}

static void on_written(uv_write_t *write, int status)
{
	struct guest *guest = write->data;
	if (server.hangs_up && !uv_is_closing((uv_handle_t *)&guest->tcp))
		uv_close((uv_handle_t *)&guest->tcp, on_guest_closed);
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct guest *guest = calloc(1, sizeof *guest);
	uv_buf_t said = uv_buf_init((char *)server.said, (unsigned)server.said_size);
	uv_tcp_init(&server.loop, &guest->tcp);
	guest->tcp.data = guest->write.data = guest;
	server.guests++;
	uv_accept(listener, (uv_stream_t *)&guest->tcp);
	uv_read_start((uv_stream_t *)&guest->tcp, on_alloc, on_read);
	uv_write(&guest->write, (uv_stream_t *)&guest->tcp, &said, 1, on_written);
}

static int set_up(void **state)
{
	struct sockaddr_in address;
	int size = sizeof address;
	memset(&server, 0, sizeof server);
	uv_loop_init(&server.loop);
	uv_tcp_init(&server.loop, &server.listener);
	uv_ip4_addr("127.0.0.1", 0, &address);
	uv_tcp_bind(&server.listener, (struct sockaddr *)&address, 0);
	uv_listen((uv_stream_t *)&server.listener, 16, on_connection);
	uv_tcp_getsockname(&server.listener, (struct sockaddr *)&address, &size);
	snprintf(server.address, sizeof server.address, "127.0.0.1:%u", ntohs(address.sin_port));
	return 0;
}

static int tear_down(void **state)
{
	uv_close((uv_handle_t *)&server.listener, NULL);
	uv_run(&server.loop, UV_RUN_DEFAULT);
	assert_int_equal(server.guests, 0);
	return uv_loop_close(&server.loop);
}

struct asked {
	struct client *client;
	struct service_append append;
	unsigned appended, ready;
	int status;
	bool closed;
};

static void on_appended(struct service_append *append, void *arg)
{
	((struct asked *)arg)->appended++;
}

static void on_ready(void *arg, int status, const char *sentence)
{
	struct asked *asked = arg;
	asked->ready++;
	asked->status = status;
	assert_non_null(sentence);
}

static void on_closed(void *arg)
{
	((struct asked *)arg)->closed = true;
}

/* A client comes to nothing there, and to no harm. Gives what it was told. */
static int ask(void)
{
	const struct client_options options = {.servers = server.address, .deadline_ms = DEADLINE_MS};
	const uint32_t size = 1;
	struct asked asked = {0};
	assert_int_equal(client_open(&asked.client, &server.loop, &options, NULL), 0);
	client_ready(asked.client, on_ready, &asked);
	assert_int_equal(
		service_append(client_service(asked.client), &asked.append, "x", &size, 1, on_appended, &asked),
		SERVICE_PENDING);
	while (asked.ready == 0 || asked.appended == 0)
		uv_run(&server.loop, UV_RUN_ONCE);
	client_close(asked.client, on_closed, &asked);
	while (!asked.closed)
		uv_run(&server.loop, UV_RUN_ONCE);
	assert_int_equal(asked.ready, 1);
	assert_int_equal(asked.appended, 1);
	assert_true(asked.status != 0);
	/* It was never sent, for there was no session. */
	assert_true(asked.append.status != 0 && asked.append.status != -ETIMEDOUT);
	return asked.status;
}

static void say(const void *data, size_t size)
{
	assert_true(server.said_size + size <= SAID_SIZE);
	memcpy(server.said + server.said_size, data, size);
	server.said_size += size;
}

static void one_that_says_nothing(void **state)
{
	assert_int_equal(ask(), -EHOSTUNREACH);
}

static void one_that_hangs_up(void **state)
{
	server.hangs_up = true;
	assert_int_equal(ask(), -EHOSTUNREACH);
}

static void one_that_speaks_another_protocol(void **state)
{
	static const char http[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
	say(http, sizeof http - 1);
	ask();
}

/* HTTP/2's frames as they come, whatever was asked: heads of answers and data that nobody wants to have. */
static void say_frame(unsigned type, unsigned flags, uint32_t stream, const void *data, size_t size)
{
	const unsigned char head[] = {
		(unsigned char)(size >> 16),   (unsigned char)(size >> 8),   (unsigned char)size,
		(unsigned char)type,           (unsigned char)flags,         (unsigned char)(stream >> 24),
		(unsigned char)(stream >> 16), (unsigned char)(stream >> 8), (unsigned char)stream};
	say(head, sizeof head);
	if (size > 0)
		say(data, size);
}

static void ones_whose_answers_are_no_grpc(void **state)
{
	/* :status 200, by HPACK's table. */
	static const unsigned char ok[] = {0x88};
	static const unsigned char large[] = {0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3};
	static const unsigned char compressed[] = {1, 0, 0, 0, 1, 1};
	static const unsigned char wrong[] = {0, 0, 0, 0, 3, 0xff, 0xff, 0xff};
	static const struct {
		const unsigned char *data;
		size_t size;
	} bodies[] = {{large, sizeof large}, {compressed, sizeof compressed}, {wrong, sizeof wrong}, {ok, 0}};
	for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
		server.said_size = 0;
		say_frame(NGHTTP2_SETTINGS, 0, 0, NULL, 0);
		for (uint32_t stream = 1; stream < 6; stream += 2) {
			say_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, stream, ok, sizeof ok);
			say_frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, stream, bodies[i].data, bodies[i].size);
		}
		ask();
	}
}

static void ones_that_say_anything(void **state)
{
	uint64_t dice = 88172645463325252u;
	for (unsigned turn = 0; turn < 12; turn++) {
		server.said_size = 0;
		server.hangs_up = turn % 2 == 0;
		if (turn % 3 != 0)
			say_frame(NGHTTP2_SETTINGS, 0, 0, NULL, 0);
		for (unsigned i = 0; i < 300; i++) {
			dice ^= dice << 13;
			dice ^= dice >> 7;
			dice ^= dice << 17;
			const unsigned char bytes[4] = {(unsigned char)dice, (unsigned char)(dice >> 8),
			                                (unsigned char)(dice >> 16), (unsigned char)(dice >> 24)};
			if (turn % 3 == 1 && i < 100)
				say_frame(bytes[0] % 10, bytes[1], bytes[2] % 8, bytes, bytes[3] % 5);
			else
				say(bytes, 4);
		}
		ask();
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_that_says_nothing),
		TEST(one_that_hangs_up),
		TEST(one_that_speaks_another_protocol),
		TEST(ones_whose_answers_are_no_grpc),
		TEST(ones_that_say_anything),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
