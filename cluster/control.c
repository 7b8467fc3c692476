/* Bytes, little-endian: a version (1) and the type, four bytes each; then three numbers, eight each: of a session its key;
 * of a trim the offset; of a retention, in the second and third, what is kept, in bytes and in nanoseconds; of a setting,
 * in the first and second, the sizes of its key and its value, which follow. What the type does not need is zero. */
#include "cluster/control.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#define VERSION 1u

struct row {
	uint32_t version;
	uint32_t type;
	uint64_t first, second, third;
};

static_assert(sizeof(struct row) == CONTROL_SIZE, "no gaps");

static void fill(const struct control *control, struct row *row)
{
	*row = (struct row){.version = htole32(VERSION), .type = htole32(control->type)};
	switch (control->type) {
	case CONTROL_SESSION:
		row->first = htole64(control->session_key);
		break;
	case CONTROL_TRIM:
		row->first = htole64(control->offset);
		break;
	case CONTROL_RETAIN:
		row->second = htole64(control->retain_bytes);
		row->third = htole64(control->retain_ns);
		break;
	case CONTROL_SETTING:
		row->first = htole64(control->key_size);
		row->second = htole64(control->value_size);
		break;
	}
}

size_t control_encode(const struct control *control, unsigned char *data)
{
	struct row row;
	fill(control, &row);
	memcpy(data, &row, sizeof row);
	if (control->type != CONTROL_SETTING)
		return sizeof row;
	memcpy(data + sizeof row, control->key, control->key_size);
	if (control->value_size > 0)
		memcpy(data + sizeof row + control->key_size, control->value, control->value_size);
	return sizeof row + control->key_size + control->value_size;
}

/* Takes the key and the value, which are all that follows. */
static int take_setting(const char *at, size_t size, const struct row *row, struct control *control)
{
	uint64_t key_size = le64toh(row->first), value_size = le64toh(row->second);
	if (key_size >= SERVICE_KEY_SIZE || value_size > SERVICE_VALUE_SIZE_MAX || key_size + value_size != size ||
	    !service_is_key(at, key_size))
		return -EBADMSG;
	control->key = at;
	control->key_size = key_size;
	control->value = at + key_size;
	control->value_size = value_size;
	return 0;
}

int control_decode(const void *data, size_t size, struct control *control)
{
	struct row row, again;
	if (size < sizeof row)
		return -EBADMSG;
	memcpy(&row, data, sizeof row);
	*control = (struct control){.type = (enum control_type)le32toh(row.type)};
	switch (le32toh(row.type)) {
	case CONTROL_SESSION:
		control->session_key = le64toh(row.first);
		break;
	case CONTROL_TRIM:
		control->offset = le64toh(row.first);
		break;
	case CONTROL_RETAIN:
		control->retain_bytes = le64toh(row.second);
		control->retain_ns = le64toh(row.third);
		break;
	case CONTROL_SETTING:
		if (take_setting((const char *)data + sizeof row, size - sizeof row, &row, control) != 0)
			return -EBADMSG;
		size = sizeof row;
		break;
	default:
		return -EBADMSG;
	}
	/* One command has one form: another version's bytes, or a number where there is none, would come out different. */
	fill(control, &again);
	return size == sizeof row && memcmp(&again, &row, sizeof row) == 0 ? 0 : -EBADMSG;
}
