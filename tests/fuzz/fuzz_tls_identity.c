/* Any bytes as the name in a certificate: one that is taken is written again as the same bytes. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tls/private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tls_identity identity;
	char again[2 * TLS_NAME_SIZE + 32];
	/* A copy without a NUL behind it, so that a read past the end is seen. */
	char *uri = malloc(size > 0 ? size : 1);
	assert(uri != NULL);
	if (size > 0)
		memcpy(uri, data, size);
	int rc = tls_identity_parse(uri, size, &identity);
	assert(rc == 0 || rc == -EINVAL);
	if (rc == 0) {
		assert(tls_name_ok(identity.cluster) && tls_name_ok(identity.name));
		int count = snprintf(again, sizeof again, "clog://%s/%s/%s", identity.cluster,
		                     identity.kind == TLS_MEMBER ? "member" : "client", identity.name);
		assert(count > 0 && (size_t)count == size && memcmp(again, uri, size) == 0);
	}
	free(uri);
	return 0;
}
