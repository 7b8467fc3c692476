/* keys: the public keys that JSON Web Tokens are checked by. */
#ifndef CLOG_AUTH_KEYS_H
#define CLOG_AUTH_KEYS_H

#include <stddef.h>

struct clog_error;

#define KEYS_MAX 16u                   /* keys in a folder */
#define KEYS_FILE_SIZE_MAX (16u << 10) /* bytes of one's file */
#define KEYS_KID_SIZE 64u              /* bytes of a key's id, the NUL included */
#define KEYS_RSA_BITS_MIN 2048
#define KEYS_RSA_BITS_MAX 8192

struct key {
	char kid[KEYS_KID_SIZE];
	const char *algorithm; /* "RS256" or "ES256": the only one that it is for. Static */
	size_t signature_size; /* bytes that its signatures have */
	char *pem;             /* the public key as this room has written it, with a NUL at the end */
	size_t pem_size;       /* without the NUL */
};

struct keys {
	struct key keys[KEYS_MAX];
	size_t count;
	char *audience;
};

/* Takes the keys from a folder, KID.pem each; other files, and those whose names begin with a dot, are passed over. Errors
 * as of auth_access_keys. */
int keys_create(struct keys **keys, const char *folder, const char *audience, struct clog_error *err);
void keys_destroy(struct keys *keys);
/* The key with that id; kid NULL: the one key that there is. NULL where there is none. */
const struct key *keys_find(const struct keys *keys, const char *kid);

#endif
