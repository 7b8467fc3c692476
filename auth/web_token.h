/* web_token: JSON Web Tokens (RFC 7519), signed by RS256 or ES256. */
#ifndef CLOG_AUTH_WEB_TOKEN_H
#define CLOG_AUTH_WEB_TOKEN_H

#include "auth/auth.h"

struct keys;

/* How far the clock here and the one of who made the token may differ, either way. */
#define WEB_TOKEN_LEEWAY_S 30u

/* Whether a text looks like one: three parts with dots between them. */
bool web_token_is(const char *text, size_t size);
/* Checks one: its subject is put into name; when it ends, with the leeway, into *until_s. -EACCES with a sentence that has
 * nothing of it; -ENOMEM. */
int web_token_check(const struct keys *keys, const char *text, size_t size, uint64_t now_s, char name[AUTH_NAME_SIZE],
                    uint64_t *until_s, struct clog_error *err);

#endif
