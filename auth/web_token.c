/* web_token: the header is judged here before libjwt gets to see the token, because libjwt goes by the algorithm that the
 * token itself names: by none, or by HS256 with the public key as the secret, anybody could sign. From libjwt there is the
 * answer whether the signature is good; the claims are read here, too, from the very bytes that were signed. */
#include "auth/web_token.h"

#include "auth/acl.h"
#include "auth/base64url.h"
#include "auth/keys.h"
#include "error/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>
#include <jwt.h>

enum part { HEADER, CLAIMS, SIGNATURE, PART_COUNT };

struct web_token {
	char text[AUTH_BEARER_SIZE_MAX + 1];
	const char *parts[PART_COUNT];
	size_t sizes[PART_COUNT];
};

static int refuse(struct clog_error *err, const char *reason)
{
	return clog_error_set(err, -EACCES, "the token %s", reason);
}

bool web_token_is(const char *text, size_t size)
{
	size_t dots = 0;
	for (size_t i = 0; i < size; i++)
		dots += text[i] == '.';
	return dots == 2;
}

static int split(struct web_token *token, const char *text, size_t size, struct clog_error *err)
{
	if (size > AUTH_BEARER_SIZE_MAX || !web_token_is(text, size) || memchr(text, '\0', size) != NULL)
		return refuse(err, "is malformed");
	memcpy(token->text, text, size);
	token->text[size] = '\0';
	const char *at = token->text;
	for (size_t i = 0; i < PART_COUNT; i++) {
		token->parts[i] = at;
		token->sizes[i] = strcspn(at, ".");
		at += token->sizes[i] + 1;
	}
	return 0;
}

/* Decodes a part that is an object in JSON. NULL when it is none. */
static json_t *object_of(const struct web_token *token, enum part part)
{
	unsigned char bytes[AUTH_BEARER_SIZE_MAX];
	const ssize_t size = base64url_decode(token->parts[part], token->sizes[part], bytes);
	/* jansson bounds how deep it goes, and refuses what is no UTF-8. */
	json_t *const json = size < 0 ? NULL
	                              : json_loadb((const char *)bytes, (size_t)size, JSON_REJECT_DUPLICATES, NULL);
	if (json_is_object(json))
		return json;
	json_decref(json);
	return NULL;
}

/* ---- The header ---- */

static int judge_header(const json_t *header, const struct keys *keys, const struct key **key, struct clog_error *err)
{
	const json_t *const kid = json_object_get(header, "kid"), *const type = json_object_get(header, "typ");
	const char *const algorithm = json_string_value(json_object_get(header, "alg"));
	if (algorithm == NULL || (strcmp(algorithm, "RS256") != 0 && strcmp(algorithm, "ES256") != 0))
		return refuse(err, "is signed neither by RS256 nor by ES256");
	if (json_object_get(header, "crit") != NULL)
		return refuse(err, "demands what is not known here (crit)");
	if (type != NULL && (!json_is_string(type) || strcasecmp(json_string_value(type), "JWT") != 0))
		return refuse(err, "is of another type than JWT (typ)");
	if (kid != NULL && !json_is_string(kid))
		return refuse(err, "is malformed: its key's id (kid) is no text");
	*key = keys_find(keys, json_string_value(kid));
	if (*key == NULL)
		return refuse(err, kid != NULL ? "is signed by a key that is not known here (kid)"
		                               : "does not say which key it is signed by (kid)");
	return strcmp((*key)->algorithm, algorithm) == 0 ? 0 : refuse(err, "is not signed by the algorithm of its key");
}

/* ---- The signature ---- */

static int verify(const struct web_token *token, const struct key *key, struct clog_error *err)
{
	unsigned char signature[AUTH_BEARER_SIZE_MAX];
	const ssize_t size = base64url_decode(token->parts[SIGNATURE], token->sizes[SIGNATURE], signature);
	if (size < 0 || (size_t)size != key->signature_size)
		return refuse(err, "has a wrong signature");
	jwt_t *jwt = NULL;
	const int status = jwt_decode(&jwt, token->text, (const unsigned char *)key->pem, (int)key->pem_size);
	const bool same = status == 0 && strcmp(jwt_alg_str(jwt_get_alg(jwt)), key->algorithm) == 0;
	if (status == 0)
		jwt_free(jwt);
	if (status == ENOMEM)
		return clog_error_set(err, -ENOMEM, "out of memory");
	return same ? 0 : refuse(err, "has a wrong signature");
}

/* ---- The claims ---- */

/* Gives a time, in seconds since 1970; fractions are dropped. -ENOENT when there is none, -EINVAL when it is no time. */
static int time_of(const json_t *claims, const char *name, uint64_t *time_s)
{
	const json_t *const json = json_object_get(claims, name);
	if (json == NULL)
		return -ENOENT;
	const double value = json_number_value(json);
	if (!json_is_number(json) || !(value >= 0 && value < 9e15))
		return -EINVAL;
	*time_s = (uint64_t)value;
	return 0;
}

static int judge_times(const json_t *claims, uint64_t now_s, uint64_t *until_s, struct clog_error *err)
{
	static const char *const begins[] = {"nbf", "iat"};
	uint64_t time_s;
	int status = time_of(claims, "exp", &time_s);
	if (status < 0)
		return refuse(err,
		              status == -ENOENT ? "does not say when it ends (exp)" : "is malformed: exp is no time");
	*until_s = time_s + WEB_TOKEN_LEEWAY_S;
	if (now_s >= *until_s)
		return refuse(err, "has expired");
	for (size_t i = 0; i < sizeof begins / sizeof begins[0]; i++) {
		status = time_of(claims, begins[i], &time_s);
		if (status == -EINVAL)
			return refuse(err, "is malformed: nbf or iat is no time");
		if (status == 0 && time_s > now_s + WEB_TOKEN_LEEWAY_S)
			return refuse(err, "is not valid yet");
	}
	return 0;
}

static bool names(const json_t *json, const char *audience)
{
	/* Not by strcmp alone: jansson's texts could have a NUL, but for that json_loadb refuses it. */
	return json_is_string(json) && strcmp(json_string_value(json), audience) == 0;
}

static int judge_audience(const json_t *claims, const char *audience, struct clog_error *err)
{
	const json_t *const named = json_object_get(claims, "aud");
	bool found = named == NULL || names(named, audience);
	for (size_t i = 0; i < json_array_size(named) && !found; i++)
		found = names(json_array_get(named, i), audience);
	return found ? 0 : refuse(err, "is for another audience (aud)");
}

static int judge_claims(const json_t *claims, const char *audience, uint64_t now_s, char name[AUTH_NAME_SIZE],
                        uint64_t *until_s, struct clog_error *err)
{
	int status = judge_times(claims, now_s, until_s, err);
	if (status == 0)
		status = judge_audience(claims, audience, err);
	if (status < 0)
		return status;
	const json_t *const subject = json_object_get(claims, "sub");
	if (!json_is_string(subject) || !acl_is_name(json_string_value(subject), json_string_length(subject)))
		return refuse(err, "has no subject (sub) that an access list can name");
	memcpy(name, json_string_value(subject), json_string_length(subject) + 1);
	return 0;
}

int web_token_check(const struct keys *keys, const char *text, size_t size, uint64_t now_s, char name[AUTH_NAME_SIZE],
                    uint64_t *until_s, struct clog_error *err)
{
	struct web_token token;
	const struct key *key = NULL;
	int status = split(&token, text, size, err);
	if (status < 0)
		return status;
	json_t *const header = object_of(&token, HEADER), *const claims = object_of(&token, CLAIMS);
	if (header == NULL || claims == NULL)
		status = refuse(err, "is malformed");
	if (status == 0)
		status = judge_header(header, keys, &key, err);
	if (status == 0)
		status = verify(&token, key, err);
	if (status == 0)
		status = judge_claims(claims, keys->audience, now_s, name, until_s, err);
	json_decref(header);
	json_decref(claims);
	return status;
}
