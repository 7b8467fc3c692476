#include "tls/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#define FIRST_SIZE 4096u

static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
static BIO_METHOD *method; /* NULL: there was no memory for it */

int wire_add(struct wire_bytes *bytes, const void *data, size_t size)
{
	if (size > bytes->capacity - bytes->end && bytes->begin > 0) {
		memmove(bytes->data, bytes->data + bytes->begin, bytes->end - bytes->begin);
		bytes->end -= bytes->begin;
		bytes->begin = 0;
	}
	if (size > bytes->capacity - bytes->end) {
		size_t capacity = bytes->capacity > 0 ? bytes->capacity : FIRST_SIZE;
		while (capacity - bytes->end < size) {
			if (capacity > SIZE_MAX / 2)
				return -ENOMEM;
			capacity *= 2;
		}
		unsigned char *grown = realloc(bytes->data, capacity);
		if (grown == NULL)
			return -ENOMEM;
		bytes->data = grown;
		bytes->capacity = capacity;
	}
	memcpy(bytes->data + bytes->end, data, size);
	bytes->end += size;
	return 0;
}

void wire_take(struct wire_bytes *bytes, size_t size)
{
	if (size < bytes->end - bytes->begin) {
		bytes->begin += size;
		return;
	}
	free(bytes->data);
	*bytes = (struct wire_bytes){0};
}

void wire_finish(struct wire *wire)
{
	free(wire->in.data);
	free(wire->out.data);
}

/* ---- What the SSL calls ---- */

static int give(BIO *bio, char *data, size_t capacity, size_t *size)
{
	struct wire *wire = BIO_get_data(bio);
	size_t there = wire->in.end - wire->in.begin;
	BIO_clear_retry_flags(bio);
	*size = there < capacity ? there : capacity;
	if (*size == 0) {
		BIO_set_retry_read(bio);
		return 0;
	}
	memcpy(data, wire->in.data + wire->in.begin, *size);
	wire_take(&wire->in, *size);
	return 1;
}

static int take(BIO *bio, const char *data, size_t size, size_t *taken)
{
	struct wire *wire = BIO_get_data(bio);
	BIO_clear_retry_flags(bio);
	*taken = 0;
	if (wire_add(&wire->out, data, size) != 0) {
		wire->no_memory = true;
		return 0;
	}
	*taken = size;
	return 1;
}

static long control(BIO *bio, int what, long number, void *arg)
{
	return what == BIO_CTRL_FLUSH ? 1 : 0;
}

static void make_method(void)
{
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "clog wire");
	if (method != NULL && (!BIO_meth_set_read_ex(method, give) || !BIO_meth_set_write_ex(method, take) ||
	                       !BIO_meth_set_ctrl(method, control))) {
		BIO_meth_free(method);
		method = NULL;
	}
}

BIO *wire_bio(struct wire *wire)
{
	BIO *bio = CRYPTO_THREAD_run_once(&once, make_method) && method != NULL ? BIO_new(method) : NULL;
	if (bio != NULL) {
		BIO_set_data(bio, wire);
		BIO_set_init(bio, 1);
	}
	return bio;
}
