/* issuer: who makes JSON Web Tokens, good ones and bad ones, and the folder of keys that they are checked by. */
#ifndef CLOG_TESTS_AUTH_ISSUER_H
#define CLOG_TESTS_AUTH_ISSUER_H

#include <stddef.h>

#include <openssl/evp.h>

#define ISSUER_TOKEN_SIZE 8192

/* Makes a key: "RSA" with bits, or a curve by its name with 0. */
EVP_PKEY *issuer_key(const char *kind, unsigned bits);
/* Writes the public half, or all of it, to FOLDER/NAME. */
void issuer_publish(EVP_PKEY *key, const char *folder, const char *name);
void issuer_betray(EVP_PKEY *key, const char *folder, const char *name);
void issuer_write(const char *folder, const char *name, const void *data, size_t size);

/* Signs a header and claims, texts in JSON, as the key can: RS256, or ES256 on P-256. */
const char *issuer_token(EVP_PKEY *key, const char *header, const char *claims, char token[ISSUER_TOKEN_SIZE]);
/* Signs them by HS256 with the secret; and not at all. */
const char *issuer_hmac(const char *secret, const char *header, const char *claims, char token[ISSUER_TOKEN_SIZE]);
const char *issuer_unsigned(const char *header, const char *claims, char token[ISSUER_TOKEN_SIZE]);

#endif
