/* access: tokens, the access list and keys, as they are in force here. */
#include "auth/access.h"

#include "auth/acl.h"
#include "auth/keys.h"
#include "auth/token.h"
#include "auth/users.h"
#include "auth/web_token.h"
#include "error/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/crypto.h>

struct auth_access {
	bool known;      /* what follows is what the cluster says */
	struct acl *acl; /* NULL: there is none */
	struct token *tokens;
	size_t token_count;
	struct keys *keys; /* NULL: none */
	struct users users;
};

static uint64_t now_s(void)
{
	const time_t now = time(NULL);
	return now > 0 ? (uint64_t)now : 0;
}

static bool is_over(uint64_t until_s)
{
	return until_s != 0 && now_s() >= until_s;
}

int auth_access_create(struct auth_access **access)
{
	*access = calloc(1, sizeof **access);
	return *access != NULL ? 0 : -ENOMEM;
}

static void clear(struct auth_access *access)
{
	acl_destroy(access->acl);
	free(access->tokens);
	access->acl = NULL;
	access->tokens = NULL;
	access->token_count = 0;
	access->known = false;
	access->users = (struct users){0};
}

void auth_access_destroy(struct auth_access *access)
{
	if (access == NULL)
		return;
	clear(access);
	keys_destroy(access->keys);
	free(access);
}

void auth_access_forget(struct auth_access *access)
{
	clear(access);
}

int auth_access_keys(struct auth_access *access, const char *folder, const char *audience, struct clog_error *err)
{
	struct keys *keys;
	const int status = keys_create(&keys, folder, audience, err);
	if (status < 0)
		return status;
	keys_destroy(access->keys);
	access->keys = keys;
	return 0;
}

/* ---- Loading ---- */

/* Keeps the first of what went wrong. */
static void tell(struct clog_error *first, const char *key, const char *reason)
{
	if (first->code == 0)
		clog_error_set(first, -EBADMSG, "%s: %s", key, reason);
}

static int take_list(struct auth_access *access, const struct auth_setting *setting, struct clog_error *first)
{
	struct clog_error reason = {0};
	if (access->acl != NULL)
		return 0;
	int status = acl_create(&access->acl, setting->value, setting->size, &reason);
	if (status < 0 && status != -ENOMEM) {
		tell(first, setting->key, reason.text);
		status = acl_create(&access->acl, "", 0, NULL); /* which permits nothing */
	}
	return status;
}

static int take(struct auth_access *access, const struct auth_setting *setting, struct clog_error *first)
{
	const size_t prefix = strlen(AUTH_TOKEN_KEY);
	if (strcmp(setting->key, AUTH_ACL_KEY) == 0)
		return take_list(access, setting, first);
	if (strncmp(setting->key, AUTH_TOKEN_KEY, prefix) != 0)
		return 0;
	if (token_decode(&access->tokens[access->token_count], setting->key + prefix, setting->value, setting->size) ==
	    0)
		access->token_count++;
	else
		tell(first, setting->key, "what is kept of the token cannot be read");
	return 0;
}

int auth_access_load(struct auth_access *access, const struct auth_setting *settings, size_t count,
                     struct clog_error *err)
{
	struct clog_error first = {0};
	struct auth_access loaded = {.known = true, .tokens = calloc(count + 1, sizeof loaded.tokens[0])};
	int status = loaded.tokens == NULL ? -ENOMEM : 0;
	for (size_t i = 0; i < count && status == 0; i++)
		status = take(&loaded, &settings[i], &first);
	if (status < 0) {
		clear(&loaded);
		return clog_error_set(err, status, "out of memory");
	}
	loaded.keys = access->keys;
	clear(access);
	*access = loaded;
	return first.code == 0 ? 0 : clog_error_set(err, first.code, "%s", first.text);
}

int auth_setting_check(const struct auth_setting *setting, struct clog_error *err)
{
	struct token token;
	const size_t prefix = strlen(AUTH_TOKEN_KEY);
	if (setting->size == 0)
		return 0;
	if (strcmp(setting->key, AUTH_ACL_KEY) == 0)
		return auth_acl_check(setting->value, setting->size, err);
	if (strncmp(setting->key, AUTH_TOKEN_KEY, prefix) != 0 ||
	    token_decode(&token, setting->key + prefix, setting->value, setting->size) == 0)
		return 0;
	return clog_error_set(err, -EINVAL, "this is not what is kept of a token");
}

/* ---- Who has a bearer token ---- */

static int check_token(const struct auth_access *access, const char *text, size_t size, char name[AUTH_NAME_SIZE],
                       struct auth_principal *principal, struct clog_error *err)
{
	const struct token *found = NULL;
	unsigned char hash[TOKEN_HASH_SIZE];
	if (!access->known)
		return clog_error_set(err, -EAGAIN, "it is not known here yet which tokens there are");
	if (token_hash(text, size, hash) < 0)
		return clog_error_set(err, -ENOMEM, "out of memory");
	/* All of them, and all bytes: how long it takes says nothing. */
	for (size_t i = 0; i < access->token_count; i++)
		if (CRYPTO_memcmp(access->tokens[i].hash, hash, sizeof hash) == 0)
			found = &access->tokens[i];
	if (found == NULL)
		return clog_error_set(err, -EACCES,
		                      "the token is not known here: it was never made, or it was revoked");
	if (is_over(found->until_s))
		return clog_error_set(err, -EACCES, "the token has expired");
	snprintf(name, AUTH_NAME_SIZE, "%s", found->name);
	*principal = (struct auth_principal){
		.kind = AUTH_TOKEN, .name = name, .serial = token_serial(found), .until_s = found->until_s};
	return 0;
}

static int check_web_token(const struct auth_access *access, const char *text, size_t size, char name[AUTH_NAME_SIZE],
                           struct auth_principal *principal, struct clog_error *err)
{
	uint64_t until_s;
	if (access->keys == NULL || access->keys->count == 0)
		return clog_error_set(err, -EACCES, "JSON Web Tokens are not taken here: there are no keys for them");
	const int status = web_token_check(access->keys, text, size, now_s(), name, &until_s, err);
	if (status == 0)
		*principal = (struct auth_principal){.kind = AUTH_JWT, .name = name, .until_s = until_s};
	return status;
}

int auth_access_bearer(const struct auth_access *access, const char *text, size_t size, char name[AUTH_NAME_SIZE],
                       struct auth_principal *principal, struct clog_error *err)
{
	*principal = (struct auth_principal){.kind = AUTH_NOBODY};
	name[0] = '\0';
	if (access == NULL)
		return clog_error_set(err, -EACCES, "tokens are not taken here");
	if (size > AUTH_BEARER_SIZE_MAX)
		return clog_error_set(err, -EACCES, "the token is malformed: it is larger than %u bytes",
		                      AUTH_BEARER_SIZE_MAX);
	if (size == AUTH_TOKEN_SIZE - 1 && memcmp(text, TOKEN_PREFIX, strlen(TOKEN_PREFIX)) == 0)
		return check_token(access, text, size, name, principal, err);
	if (web_token_is(text, size))
		return check_web_token(access, text, size, name, principal, err);
	return clog_error_set(err, -EACCES, "the token is malformed: it is neither one of clog's nor a JSON Web Token");
}

/* ---- What they may ---- */

static bool user_is_listed(struct auth_access *access, const struct auth_principal *principal, enum auth_action action,
                           const char *log)
{
	char number[16];
	snprintf(number, sizeof number, "%u", (unsigned)principal->uid);
	if (acl_permits(access->acl, AUTH_USER, number, action, log))
		return true;
	if (!acl_names_users(access->acl))
		return false;
	const char *const name = users_name(&access->users, principal->uid, now_s());
	return name != NULL && acl_permits(access->acl, AUTH_USER, name, action, log);
}

static bool token_grants(const struct auth_access *access, const struct auth_principal *principal,
                         enum auth_action action)
{
	for (size_t i = 0; i < access->token_count; i++)
		if (strcmp(access->tokens[i].name, principal->name) == 0)
			return token_serial(&access->tokens[i]) == principal->serial &&
			       !is_over(access->tokens[i].until_s) && access->tokens[i].granted[action];
	return false;
}

int access_permits(struct auth_access *access, const struct auth_principal *principal, enum auth_action action,
                   const char *log)
{
	const enum auth_kind kind = principal->kind;
	bool permitted = false;
	if (kind == AUTH_NOBODY || (kind != AUTH_USER && principal->name == NULL) || is_over(principal->until_s))
		return -EACCES;
	if (access == NULL || (kind == AUTH_USER && !access->known))
		return kind == AUTH_USER || kind == AUTH_CERTIFICATE ? 0 : -EACCES;
	if (!access->known)
		return -EAGAIN;
	if (kind == AUTH_TOKEN)
		permitted = token_grants(access, principal, action);
	else if (access->acl == NULL)
		permitted = kind != AUTH_JWT;
	else if (kind == AUTH_USER)
		permitted = user_is_listed(access, principal, action, log);
	else
		permitted = acl_permits(access->acl, kind, principal->name, action, log);
	return permitted ? 0 : -EACCES;
}
