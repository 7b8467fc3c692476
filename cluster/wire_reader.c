#include "cluster/wire.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX_SIZE 8u

/* The size of the unit that begins with these bytes; 0: they are too few to tell. */
static int unit_size(const struct wire_reader *reader, const unsigned char *bytes, size_t size, size_t *header_size,
                     size_t *whole)
{
	uint32_t sizes[2];
	*whole = 0;
	if (size < PREFIX_SIZE)
		return 0;
	memcpy(sizes, bytes, sizeof sizes);
	*header_size = le32toh(sizes[0]);
	size_t data_size = le32toh(sizes[1]);
	if (*header_size == 0 || *header_size > WIRE_HEAD_SIZE_MAX - PREFIX_SIZE || data_size > reader->data_size_max)
		return -EMSGSIZE;
	*whole = PREFIX_SIZE + *header_size + data_size;
	return 0;
}

static int call(const unsigned char *unit, size_t header_size, size_t whole, wire_unit_cb cb, void *arg)
{
	const unsigned char *header = unit + PREFIX_SIZE;
	return cb(arg, header, header_size, header + header_size, whole - PREFIX_SIZE - header_size);
}

/* Keeps bytes of a unit that is not whole: room for twice what has come, but for no more than the unit. */
static int keep(struct wire_reader *reader, const unsigned char *data, size_t size, size_t whole)
{
	if (reader->size + size > reader->capacity) {
		size_t capacity = 2 * (reader->size + size);
		if (whole != 0 && capacity > whole)
			capacity = whole;
		unsigned char *bytes = realloc(reader->bytes, capacity);
		if (bytes == NULL)
			return -ENOMEM;
		reader->bytes = bytes;
		reader->capacity = capacity;
	}
	memcpy(reader->bytes + reader->size, data, size);
	reader->size += size;
	return 0;
}

static void forget(struct wire_reader *reader)
{
	reader->size = 0;
	if (reader->capacity > WIRE_KEEP_SIZE)
		wire_reader_finish(reader);
}

/* Goes on with the unit that was begun; *used gets how many bytes of the data it took. */
static int go_on(struct wire_reader *reader, const unsigned char *data, size_t size, size_t *used, wire_unit_cb cb,
                 void *arg)
{
	size_t header_size = 0, whole;
	*used = 0;
	if (reader->size < PREFIX_SIZE) {
		*used = PREFIX_SIZE - reader->size < size ? PREFIX_SIZE - reader->size : size;
		int rc = keep(reader, data, *used, 0);
		if (rc != 0)
			return rc;
	}
	int rc = unit_size(reader, reader->bytes, reader->size, &header_size, &whole);
	if (rc != 0 || whole == 0)
		return rc;
	size_t more = whole - reader->size < size - *used ? whole - reader->size : size - *used;
	rc = keep(reader, data + *used, more, whole);
	*used += more;
	if (rc != 0 || reader->size < whole)
		return rc;
	rc = call(reader->bytes, header_size, whole, cb, arg);
	forget(reader);
	return rc;
}

int wire_reader_take(struct wire_reader *reader, const void *data, size_t size, wire_unit_cb cb, void *arg)
{
	const unsigned char *at = data;
	while (size > 0) {
		size_t header_size = 0, used = 0;
		int rc = 0;
		if (reader->size == 0)
			rc = unit_size(reader, at, size, &header_size, &used);
		if (rc != 0)
			return rc;
		/* One that lies here whole is not copied. */
		if (reader->size == 0 && used != 0 && used <= size)
			rc = call(at, header_size, used, cb, arg);
		else
			rc = go_on(reader, at, size, &used, cb, arg);
		if (rc != 0)
			return rc;
		at += used;
		size -= used;
	}
	return 0;
}

void wire_reader_finish(struct wire_reader *reader)
{
	free(reader->bytes);
	reader->bytes = NULL;
	reader->size = reader->capacity = 0;
}
