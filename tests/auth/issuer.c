#include "tests/auth/issuer.h"

#include "auth/base64url.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/ecdsa.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

/* What has to work works here, also without assertions. */
static void check(int good)
{
	if (!good)
		abort();
}

EVP_PKEY *issuer_key(const char *kind, unsigned bits)
{
	EVP_PKEY *const key = bits > 0 ? EVP_PKEY_Q_keygen(NULL, NULL, kind, (size_t)bits)
	                               : EVP_PKEY_Q_keygen(NULL, NULL, "EC", kind);
	check(key != NULL);
	return key;
}

static FILE *open_in(const char *folder, const char *name)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *const file = fopen(path, "we");
	check(file != NULL);
	return file;
}

void issuer_publish(EVP_PKEY *key, const char *folder, const char *name)
{
	FILE *const file = open_in(folder, name);
	check(PEM_write_PUBKEY(file, key) == 1);
	check(fclose(file) == 0);
}

void issuer_betray(EVP_PKEY *key, const char *folder, const char *name)
{
	FILE *const file = open_in(folder, name);
	check(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1);
	check(fclose(file) == 0);
}

void issuer_write(const char *folder, const char *name, const void *data, size_t size)
{
	FILE *const file = open_in(folder, name);
	check(fwrite(data, 1, size, file) == size);
	check(fclose(file) == 0);
}

static void add(char *token, const void *bytes, size_t size)
{
	const size_t at = strlen(token);
	check(at + BASE64URL_SIZE(size) + 2 <= ISSUER_TOKEN_SIZE);
	base64url_encode(bytes, size, token + at);
	token[at + BASE64URL_SIZE(size)] = '\0';
}

static void begin(char *token, const char *header, const char *claims)
{
	token[0] = '\0';
	add(token, header, strlen(header));
	strncat(token, ".", 1);
	add(token, claims, strlen(claims));
}

/* As JOSE has it: both numbers, one after the other. */
static size_t flatten(unsigned char *signature, size_t size)
{
	const unsigned char *at = signature;
	ECDSA_SIG *const pair = d2i_ECDSA_SIG(NULL, &at, (long)size);
	check(pair != NULL);
	const int half = 32;
	unsigned char flat[64];
	if (BN_bn2binpad(ECDSA_SIG_get0_r(pair), flat, half) == half &&
	    BN_bn2binpad(ECDSA_SIG_get0_s(pair), flat + half, half) == half)
		memcpy(signature, flat, sizeof flat); /* else the curve is a larger one: nobody takes it anyhow */
	ECDSA_SIG_free(pair);
	return sizeof flat;
}

const char *issuer_token(EVP_PKEY *key, const char *header, const char *claims, char token[ISSUER_TOKEN_SIZE])
{
	unsigned char signature[1024];
	size_t size = sizeof signature;
	EVP_MD_CTX *const context = EVP_MD_CTX_new();
	begin(token, header, claims);
	check(context != NULL && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) == 1);
	check(EVP_DigestSign(context, signature, &size, (const unsigned char *)token, strlen(token)) == 1);
	EVP_MD_CTX_free(context);
	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC)
		size = flatten(signature, size);
	strncat(token, ".", 1);
	add(token, signature, size);
	return token;
}

const char *issuer_hmac(const char *secret, const char *header, const char *claims, char token[ISSUER_TOKEN_SIZE])
{
	unsigned char signature[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	begin(token, header, claims);
	check(HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)token, strlen(token), signature,
	           &size) != NULL);
	strncat(token, ".", 1);
	add(token, signature, size);
	return token;
}

const char *issuer_unsigned(const char *header, const char *claims, char token[ISSUER_TOKEN_SIZE])
{
	begin(token, header, claims);
	strncat(token, ".", 1);
	return token;
}
