/* Bytes, little-endian: a version (1) and the type, four bytes each; then the offset and what is kept, in bytes and in
 * nanoseconds, eight each. What the type does not need is zero. */
#include "cluster/control.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#define VERSION 1u

struct row {
	uint32_t version;
	uint32_t type;
	uint64_t offset;
	uint64_t retain_bytes;
	uint64_t retain_ns;
};

static_assert(sizeof(struct row) == CONTROL_SIZE, "no gaps");

void control_encode(const struct control *control, unsigned char data[CONTROL_SIZE])
{
	struct row row = {.version = htole32(VERSION), .type = htole32(control->type)};
	switch (control->type) {
	case CONTROL_SESSION:
		break;
	case CONTROL_TRIM:
		row.offset = htole64(control->offset);
		break;
	case CONTROL_RETAIN:
		row.retain_bytes = htole64(control->retain_bytes);
		row.retain_ns = htole64(control->retain_ns);
		break;
	}
	memcpy(data, &row, sizeof row);
}

int control_decode(const void *data, size_t size, struct control *control)
{
	unsigned char again[CONTROL_SIZE];
	struct row row;
	if (size != sizeof row)
		return -EBADMSG;
	memcpy(&row, data, sizeof row);
	uint32_t type = le32toh(row.type);
	if (type < CONTROL_SESSION || type > CONTROL_RETAIN)
		return -EBADMSG;
	*control = (struct control){.type = (enum control_type)type,
	                            .offset = le64toh(row.offset),
	                            .retain_bytes = le64toh(row.retain_bytes),
	                            .retain_ns = le64toh(row.retain_ns)};
	/* One command has one form: another version's bytes, or a number where there is none, would come out different. */
	control_encode(control, again);
	return memcmp(again, data, sizeof again) == 0 ? 0 : -EBADMSG;
}
