/* Bytes, little-endian: a version (1) and the count of members, four bytes each; then of each member its id in eight,
 * its role in four (PINNED added where it is), the sizes of its name and of its address in two each, and these two without NUL. */
#include "cluster/configuration.h"

#include "cluster/identity.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <string.h>

#define VERSION 1u
#define PINNED 256u

struct head {
	uint32_t version;
	uint32_t count;
};

struct row {
	uint64_t id;
	uint32_t role;
	uint16_t name_size;
	uint16_t address_size;
};

static_assert(sizeof(struct head) == 8 && sizeof(struct row) == 16, "no gaps");

size_t configuration_encode(const struct service_member *members, size_t count,
                            unsigned char data[CONFIGURATION_SIZE_MAX])
{
	assert(count > 0 && count <= SERVICE_MEMBERS_MAX);
	struct head head = {.version = htole32(VERSION), .count = htole32((uint32_t)count)};
	unsigned char *at = data;
	memcpy(at, &head, sizeof head);
	at += sizeof head;
	for (size_t i = 0; i < count; i++) {
		const struct service_member *member = &members[i];
		size_t name_size = strlen(member->name), address_size = strlen(member->address);
		struct row row = {.id = htole64(member->id),
		                  .role = htole32(member->role | (member->pinned ? PINNED : 0)),
		                  .name_size = htole16((uint16_t)name_size),
		                  .address_size = htole16((uint16_t)address_size)};
		memcpy(at, &row, sizeof row);
		memcpy(at + sizeof row, member->name, name_size);
		memcpy(at + sizeof row + name_size, member->address, address_size);
		at += sizeof row + name_size + address_size;
	}
	return (size_t)(at - data);
}

/* Takes one member from the bytes left; returns how many it used, 0 when they are not one. */
static size_t take(const unsigned char *at, size_t left, struct service_member *member)
{
	struct row row;
	if (left < sizeof row)
		return 0;
	memcpy(&row, at, sizeof row);
	size_t name_size = le16toh(row.name_size), address_size = le16toh(row.address_size);
	uint32_t role = le32toh(row.role) & ~PINNED;
	bool pinned = (le32toh(row.role) & PINNED) != 0;
	if (name_size >= SERVICE_NAME_SIZE || address_size >= SERVICE_ADDRESS_SIZE || role > SERVICE_SPARE ||
	    left - sizeof row < name_size + address_size)
		return 0;
	*member = (struct service_member){.id = le64toh(row.id), .role = (enum service_role)role, .pinned = pinned};
	memcpy(member->name, at + sizeof row, name_size);
	memcpy(member->address, at + sizeof row + name_size, address_size);
	bool whole = strlen(member->name) == name_size && strlen(member->address) == address_size;
	if (!whole || !identity_name_ok(member->name) || member->id == 0 || member->id >> 48 != 0)
		return 0;
	return sizeof row + name_size + address_size;
}

static bool stands_twice(const struct service_member *members, size_t last)
{
	for (size_t i = 0; i < last; i++)
		if (members[i].id == members[last].id || strcmp(members[i].name, members[last].name) == 0)
			return true;
	return false;
}

int configuration_decode(const void *data, size_t size, struct service_member *members, size_t *count)
{
	struct head head;
	if (size < sizeof head)
		return -EBADMSG;
	memcpy(&head, data, sizeof head);
	*count = le32toh(head.count);
	if (le32toh(head.version) != VERSION || *count == 0 || *count > SERVICE_MEMBERS_MAX)
		return -EBADMSG;
	const unsigned char *at = (const unsigned char *)data + sizeof head;
	size_t left = size - sizeof head;
	for (size_t i = 0; i < *count; i++) {
		size_t used = take(at, left, &members[i]);
		if (used == 0 || stands_twice(members, i))
			return -EBADMSG;
		at += used;
		left -= used;
	}
	return left == 0 ? 0 : -EBADMSG;
}
