#include "tests/tls/pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ_SIZE 65536u

void pair_begin_as(struct pair *pair, struct tls_context *connecting, struct tls_context *accepting, enum tls_side side)
{
	*pair = (struct pair){0};
	if (tls_stream_create(&pair->ends[TLS_CONNECT].stream, connecting, TLS_CONNECT) != 0 ||
	    tls_stream_create(&pair->ends[TLS_ACCEPT].stream, accepting, side) != 0)
		abort();
}

void pair_begin(struct pair *pair, struct tls_context *connecting, struct tls_context *accepting)
{
	pair_begin_as(pair, connecting, accepting, TLS_ACCEPT);
}

void pair_end(struct pair *pair)
{
	for (size_t i = 0; i < 2; i++) {
		tls_stream_destroy(pair->ends[i].stream);
		free(pair->ends[i].read);
	}
}

static void fail(struct end *end, int rc, const struct clog_error *err)
{
	end->rc = rc;
	end->err = *err;
}

static void receive(struct end *end, const void *data, size_t size)
{
	struct clog_error err = {0};
	if (end->rc != 0)
		return;
	int rc = tls_stream_receive(end->stream, data, size, &err);
	if (rc != 0) {
		fail(end, rc, &err);
		return;
	}
	for (;;) {
		unsigned char *grown = realloc(end->read, end->read_size + READ_SIZE);
		if (grown == NULL)
			abort();
		end->read = grown;
		ssize_t count = tls_stream_read(end->stream, end->read + end->read_size, READ_SIZE, &err);
		if (count < 0)
			fail(end, (int)count, &err);
		if (count <= 0)
			return;
		end->read_size += (size_t)count;
	}
}

/* Moves a piece from a side to the other; returns whether there was one. */
static bool move(struct pair *pair, enum tls_side side, size_t piece)
{
	struct end *from = &pair->ends[side], *to = &pair->ends[!side];
	const void *data;
	size_t size = tls_stream_pending(from->stream, &data);
	if (size == 0)
		return false;
	if (size > piece)
		size = piece;
	unsigned char *copy = malloc(size);
	if (copy == NULL)
		abort();
	memcpy(copy, data, size);
	if (pair->flipped_side == side && pair->flipped_at >= from->sent && pair->flipped_at < from->sent + size)
		copy[pair->flipped_at - from->sent] ^= pair->flip;
	from->sent += size;
	tls_stream_sent(from->stream, size);
	receive(to, copy, size);
	free(copy);
	return true;
}

void pair_run(struct pair *pair, size_t piece)
{
	bool moved = true;
	while (moved) {
		moved = move(pair, TLS_CONNECT, piece);
		moved = move(pair, TLS_ACCEPT, piece) || moved;
	}
}

void pair_shaken(struct pair *pair, struct tls_context *connecting, struct tls_context *accepting)
{
	pair_begin(pair, connecting, accepting);
	pair_run(pair, 1u << 20);
	for (size_t i = 0; i < 2; i++)
		if (pair->ends[i].rc != 0 || !tls_stream_ready(pair->ends[i].stream)) {
			fprintf(stderr, "side %zu: %s\n", i, pair->ends[i].err.text);
			abort();
		}
}
