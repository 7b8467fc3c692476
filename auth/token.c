/* token: a token is 256 random bits: a plain hash of it, without a salt and without work, tells nothing of it. */
#include "auth/token.h"

#include "auth/base64url.h"
#include "error/error.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#define RANDOM_SIZE 32u
#define GRANTS_SIZE 64u /* bytes of all actions' names with commas, and a NUL */

static_assert(sizeof TOKEN_PREFIX + BASE64URL_SIZE(RANDOM_SIZE) == AUTH_TOKEN_SIZE, "a token is what auth.h says");

static bool is_name(const char *name)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	const size_t size = strspn(name, letters);
	return size > 0 && size < TOKEN_NAME_SIZE && name[size] == '\0' && name[0] != '.';
}

/* ---- Grants ---- */

static int grant(const char *word, size_t size, bool granted[AUTH_ACTION_COUNT])
{
	for (unsigned action = 0; action < AUTH_ACTION_COUNT; action++) {
		const char *const name = auth_action_name((enum auth_action)action);
		if (strlen(name) == size && memcmp(name, word, size) == 0) {
			granted[action] = true;
			return 0;
		}
	}
	return -EINVAL;
}

int auth_grants_read(const char *text, bool granted[AUTH_ACTION_COUNT], struct clog_error *err)
{
	memset(granted, 0, AUTH_ACTION_COUNT * sizeof granted[0]);
	for (const char *word = text;; word++) {
		const size_t size = strcspn(word, ",");
		if (grant(word, size, granted) < 0)
			return clog_error_set(
				err, -EINVAL,
				"what is granted is one or more of produce, consume, observe and admin, with "
				"commas between them");
		word += size;
		if (*word == '\0')
			return 0;
	}
}

static void write_grants(const bool granted[AUTH_ACTION_COUNT], char text[GRANTS_SIZE])
{
	size_t size = 0;
	text[0] = '\0';
	for (unsigned action = 0; action < AUTH_ACTION_COUNT; action++)
		if (granted[action])
			size += (size_t)snprintf(text + size, GRANTS_SIZE - size, "%s%s", size > 0 ? "," : "",
			                         auth_action_name((enum auth_action)action));
}

/* ---- What is kept ---- */

static void encode(const struct token *token, char value[AUTH_TOKEN_VALUE_SIZE])
{
	char grants[GRANTS_SIZE], hash[2 * TOKEN_HASH_SIZE + 1];
	write_grants(token->granted, grants);
	for (size_t i = 0; i < TOKEN_HASH_SIZE; i++)
		snprintf(hash + 2 * i, 3, "%02x", token->hash[i]);
	const int size = snprintf(value, AUTH_TOKEN_VALUE_SIZE,
	                          "clog-token/1 grants=%s created=%" PRIu64 " until=%" PRIu64 " sha256=%s", grants,
	                          token->created_s, token->until_s, hash);
	assert(size > 0 && (unsigned)size < AUTH_TOKEN_VALUE_SIZE);
	(void)size;
}

int token_decode(struct token *token, const char *name, const void *value, size_t size)
{
	char text[AUTH_TOKEN_VALUE_SIZE], again[AUTH_TOKEN_VALUE_SIZE], grants[GRANTS_SIZE];
	char hash[2 * TOKEN_HASH_SIZE + 1];
	*token = (struct token){0};
	if (!is_name(name) || size >= sizeof text || memchr(value, '\0', size) != NULL)
		return -EBADMSG;
	memcpy(text, value, size);
	text[size] = '\0';
	if (sscanf(text, "clog-token/1 grants=%63[a-z,] created=%" SCNu64 " until=%" SCNu64 " sha256=%64[0-9a-f]",
	           grants, &token->created_s, &token->until_s, hash) != 4 ||
	    auth_grants_read(grants, token->granted, NULL) < 0)
		return -EBADMSG;
	for (size_t i = 0; i < TOKEN_HASH_SIZE; i++)
		if (sscanf(hash + 2 * i, "%2hhx", &token->hash[i]) != 1)
			return -EBADMSG;
	snprintf(token->name, sizeof token->name, "%s", name);
	/* The text of a token is one: what sscanf takes besides that is none. */
	encode(token, again);
	return strcmp(again, text) == 0 ? 0 : -EBADMSG;
}

int auth_token_read(struct auth_token *token, const char *name, const void *value, size_t size)
{
	struct token read;
	const int status = token_decode(&read, name, value, size);
	*token = (struct auth_token){.name = name, .created_s = read.created_s, .until_s = read.until_s};
	memcpy(token->granted, read.granted, sizeof token->granted);
	return status;
}

uint64_t token_serial(const struct token *token)
{
	uint64_t serial;
	memcpy(&serial, token->hash, sizeof serial);
	return serial | 1;
}

int token_hash(const char *text, size_t size, unsigned char hash[TOKEN_HASH_SIZE])
{
	return SHA256((const unsigned char *)text, size, hash) != NULL ? 0 : -ENOMEM;
}

/* ---- Making one ---- */

static int check(const struct auth_token *token, struct clog_error *err)
{
	bool any = false;
	for (size_t i = 0; i < AUTH_ACTION_COUNT; i++)
		any = any || token->granted[i];
	if (token->name == NULL || !is_name(token->name))
		return clog_error_set(
			err, -EINVAL,
			"a token's name has 1 to %u bytes of A-Z a-z 0-9 . _ - and does not begin with a dot",
			TOKEN_NAME_SIZE - 1);
	if (!any)
		return clog_error_set(err, -EINVAL, "the token would be granted nothing");
	if (token->until_s != 0 && token->until_s <= token->created_s)
		return clog_error_set(err, -EINVAL, "the token would end before it begins");
	return 0;
}

int auth_token_create(const struct auth_token *token, char text[AUTH_TOKEN_SIZE], char value[AUTH_TOKEN_VALUE_SIZE],
                      struct clog_error *err)
{
	unsigned char random[RANDOM_SIZE];
	const int status = check(token, err);
	if (status < 0)
		return status;
	const ssize_t size = getrandom(random, sizeof random, 0);
	if (size != sizeof random)
		return clog_error_set(err, size < 0 ? -errno : -EIO, "the kernel gives no random bits: %s",
		                      strerror(size < 0 ? errno : EIO));
	memcpy(text, TOKEN_PREFIX, sizeof TOKEN_PREFIX);
	base64url_encode(random, sizeof random, text + strlen(TOKEN_PREFIX));
	text[AUTH_TOKEN_SIZE - 1] = '\0';
	OPENSSL_cleanse(random, sizeof random);

	struct token kept = {.created_s = token->created_s, .until_s = token->until_s};
	memcpy(kept.granted, token->granted, sizeof kept.granted);
	if (token_hash(text, strlen(text), kept.hash) < 0)
		return clog_error_set(err, -ENOMEM, "out of memory");
	encode(&kept, value);
	return 0;
}
