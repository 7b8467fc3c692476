/* http_websocket: the frames of a WebSocket (RFC 6455) that a tail needs: it speaks, and its client listens. */
#include "rpc/http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#define HEADER_SIZE_MAX 10u
#define CONTROL_SIZE_MAX 125u
#define MASK_SIZE 4u
#define FINAL 0x80u
#define MASKED 0x80u
#define GOING_AWAY "\x03\xe9"

enum opcode { TEXT = 1, CLOSE = 8, PING = 9, PONG = 10 };

int http_websocket_key(const char *key, char answer[HTTP_WEBSOCKET_SIZE])
{
	static const char magic[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
	unsigned char bytes[24], digest[EVP_MAX_MD_SIZE];
	char text[64];
	unsigned size = 0;
	/* 16 bytes, and what fills up the last three of them. */
	if (strlen(key) != 24 || EVP_DecodeBlock(bytes, (const unsigned char *)key, 24) != 18 || key[21] == '=' ||
	    key[22] != '=' || key[23] != '=')
		return -EINVAL;
	snprintf(text, sizeof text, "%s%s", key, magic);
	if (!EVP_Digest(text, strlen(text), digest, &size, EVP_sha1(), NULL))
		return -EINVAL;
	EVP_EncodeBlock((unsigned char *)answer, digest, (int)size);
	return 0;
}

void http_websocket_open(struct http_request *request)
{
	char text[160];
	const int size = snprintf(text, sizeof text,
	                          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	                          "Sec-WebSocket-Accept: %s\r\n\r\n",
	                          request->accept_key);
	http_wire_write(request->connection, text, (size_t)size);
	http_tail_upgraded(request);
}

static void write_frame(struct http_connection *connection, enum opcode opcode, const void *data, size_t size)
{
	unsigned char header[HEADER_SIZE_MAX] = {(unsigned char)(FINAL | opcode)};
	size_t header_size = 2;
	if (size <= CONTROL_SIZE_MAX) {
		header[1] = (unsigned char)size;
	} else if (size <= UINT16_MAX) {
		header[1] = 126;
		header_size = 4;
	} else {
		header[1] = 127;
		header_size = 10;
	}
	for (size_t i = 2; i < header_size; i++)
		header[i] = (unsigned char)((uint64_t)size >> 8 * (header_size - 1 - i));
	http_wire_write(connection, header, header_size);
	http_wire_write(connection, data, size);
}

ssize_t http_websocket_take(struct http_connection *connection, const char *data, size_t size)
{
	const unsigned char *frame = (const unsigned char *)data, *mask = frame + 2;
	unsigned char text[CONTROL_SIZE_MAX];
	if (size < 2)
		return 0;
	/* A control frame is whole, small and masked; a client has nothing else to say. */
	const size_t length = frame[1] & ~MASKED;
	if (frame[0] < (FINAL | CLOSE) || frame[0] > (FINAL | PONG) || !(frame[1] & MASKED) ||
	    length > CONTROL_SIZE_MAX)
		return -EPROTO;
	if (size < 2 + MASK_SIZE + length)
		return 0;
	for (size_t i = 0; i < length; i++)
		text[i] = mask[MASK_SIZE + i] ^ mask[i % MASK_SIZE];
	const enum opcode opcode = frame[0] & ~FINAL;
	/* One that asks and does not listen. */
	if (opcode == PING && channel_busy(connection->channel))
		return -EPROTO;
	if (opcode == PING)
		write_frame(connection, PONG, text, length);
	if (opcode == CLOSE) {
		write_frame(connection, CLOSE, text, length < 2 ? 0 : 2);
		http_wire_leave(connection);
	}
	return (ssize_t)(2 + MASK_SIZE + length);
}

void http_websocket_text(struct http_connection *connection, const void *data, size_t size)
{
	write_frame(connection, TEXT, data, size);
}

void http_websocket_ping(struct http_connection *connection)
{
	write_frame(connection, PING, NULL, 0);
}

void http_websocket_close(struct http_connection *connection)
{
	write_frame(connection, CLOSE, GOING_AWAY, 2);
	http_wire_leave(connection);
}
