/* access: what auth.c asks of the tokens, the access list and the keys that are in force. */
#ifndef CLOG_AUTH_ACCESS_H
#define CLOG_AUTH_ACCESS_H

#include "auth/auth.h"

/* Whether the principal, who is not root nor the owner, may do it by the list or by what it was granted; a user's mode is not
 * looked at. access may be NULL. As auth_authorize. */
int access_permits(struct auth_access *access, const struct auth_principal *principal, enum auth_action action,
                   const char *log);

#endif
