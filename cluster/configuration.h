/* The members as an entry of the log holds them. docs/format.md has the bytes. */
#ifndef CLOG_CLUSTER_CONFIGURATION_H
#define CLOG_CLUSTER_CONFIGURATION_H

#include "service/service.h"

/* Bytes of the largest encoded configuration. */
#define CONFIGURATION_SIZE_MAX (8 + SERVICE_MEMBERS_MAX * (16 + SERVICE_NAME_SIZE + SERVICE_ADDRESS_SIZE))

/* Encodes id, name, address and role of at most SERVICE_MEMBERS_MAX members. Returns the size. */
size_t configuration_encode(const struct service_member *members, size_t count,
                            unsigned char data[CONFIGURATION_SIZE_MAX]);

/* Decodes into at most SERVICE_MEMBERS_MAX members; their other fields are zero. -EBADMSG when the bytes are no
 * configuration, or one that cannot be: no member, a name or id that is not one, or that stands there twice. */
int configuration_decode(const void *data, size_t size, struct service_member *members, size_t *count);

#endif
