/* Any bytes as an access list: one that is taken permits nothing to who is not in it, unless by a star. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "auth/acl.h"
#include "error/error.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct clog_error err = {0};
	struct acl *acl;
	/* A copy without a NUL behind it, so that a read past the end is seen. */
	char *text = malloc(size > 0 ? size : 1);
	assert(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	const int rc = acl_create(&acl, text, size, &err);
	assert(rc == 0 || rc == -EINVAL || rc == -EMSGSIZE);
	assert(rc == 0 || (err.code == rc && err.text[0] != '\0'));
	if (rc == 0) {
		const bool star = size > 0 && memchr(text, '*', size) != NULL;
		const bool listed = memmem(text, size, "nobody-there", 12) != NULL;
		for (unsigned action = 0; action < AUTH_ACTION_COUNT; action++) {
			const enum auth_action asked = (enum auth_action)action;
			assert(!acl_permits(acl, AUTH_JWT, "nobody-there", asked, "log") || star || listed);
			/* A rule that holds for every object holds for one. */
			assert(!acl_permits(acl, AUTH_CERTIFICATE, "alice", asked, "no-such-log-anywhere") || star ||
			       memmem(text, size, "no-such-log-anywhere", 20) != NULL);
		}
		acl_destroy(acl);
	}
	free(text);
	return 0;
}
