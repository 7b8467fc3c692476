/* token: what is kept of a token of clog's: a line of text in a setting. docs/access.md has its form. */
#ifndef CLOG_AUTH_TOKEN_H
#define CLOG_AUTH_TOKEN_H

#include "auth/auth.h"

#define TOKEN_PREFIX "clog_"
#define TOKEN_HASH_SIZE 32u /* bytes of a SHA-256 */
#define TOKEN_NAME_SIZE 64u /* bytes, the NUL included */

struct token {
	char name[TOKEN_NAME_SIZE];
	bool granted[AUTH_ACTION_COUNT];
	uint64_t created_s;
	uint64_t until_s;
	unsigned char hash[TOKEN_HASH_SIZE]; /* of the token's text */
};

/* Reads the value of the token with that name. -EBADMSG. */
int token_decode(struct token *token, const char *name, const void *value, size_t size);
/* A number that another token has not, though it may have the name. Not 0. */
uint64_t token_serial(const struct token *token);
/* Gives the hash of a token's text. -ENOMEM. */
int token_hash(const char *text, size_t size, unsigned char hash[TOKEN_HASH_SIZE]);

#endif
