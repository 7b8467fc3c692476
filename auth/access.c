/* access: tokens, the access list and keys, as they are in force here. */
#include "auth/auth.h"

#include "error/error.h"

#include <errno.h>

int auth_access_bearer(const struct auth_access *access, const char *text, size_t size, char name[AUTH_NAME_SIZE],
                       struct auth_principal *principal, struct clog_error *err)
{
	return clog_error_set(err, -EACCES, "the token is not known here");
}
