/* Any bytes as a bearer token, with one key of each kind and one token known here: nobody is let in, for nobody can sign by
 * these keys any more, and who is refused gets a sentence. The first byte says whether what follows is the text itself, or
 * the header of a JSON Web Token, which is made of it. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/auth.h"
#include "auth/base64url.h"
#include "error/error.h"
#include "tests/auth/issuer.h"

#define CLAIMS ".eyJzdWIiOiJib2IiLCJleHAiOjkwMDAwMDAwMDB9." /* {"sub":"bob","exp":9000000000} */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct auth_access *known(void)
{
	static struct auth_access *made;
	if (made != NULL)
		return made;
	char folder[] = "/tmp/clog-fuzz-keys.XXXXXX", path[64];
	EVP_PKEY *const rsa = issuer_key("RSA", 2048), *const ec = issuer_key("P-256", 0);
	const char *const there = mkdtemp(folder);
	assert(there != NULL);
	issuer_publish(rsa, folder, "r.pem");
	issuer_publish(ec, folder, "e.pem");
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(ec);
	int rc = auth_access_create(&made);
	assert(rc == 0);
	rc = auth_access_keys(made, folder, "clog", NULL);
	assert(rc == 0);
	for (const char *name = "re"; *name != '\0'; name++) {
		snprintf(path, sizeof path, "%s/%c.pem", folder, *name);
		unlink(path);
	}
	rmdir(folder);
	char text[AUTH_TOKEN_SIZE], value[AUTH_TOKEN_VALUE_SIZE];
	const struct auth_token token = {.name = "ci", .granted = {true}, .created_s = 1};
	rc = auth_token_create(&token, text, value, NULL);
	assert(rc == 0);
	const struct auth_setting setting = {AUTH_TOKEN_KEY "ci", value, strlen(value)};
	rc = auth_access_load(made, &setting, 1, NULL);
	assert(rc == 0);
	(void)there;
	return made;
}

/* Writes the text that is to be given; its size. */
static size_t shape(const uint8_t *data, size_t size, char **text)
{
	const bool header = data[0] & 1;
	*text = malloc(BASE64URL_SIZE(size) + sizeof CLAIMS + 86);
	assert(*text != NULL);
	if (!header) {
		memcpy(*text, data + 1, size - 1);
		return size - 1;
	}
	const size_t head = BASE64URL_SIZE(size - 1);
	base64url_encode(data + 1, size - 1, *text);
	memcpy(*text + head, CLAIMS, sizeof CLAIMS - 1);
	memset(*text + head + sizeof CLAIMS - 1, 'A', 86);
	return head + sizeof CLAIMS - 1 + 86;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct clog_error err = {0};
	struct auth_principal principal;
	char name[AUTH_NAME_SIZE], *text;
	if (size == 0)
		return 0;
	const size_t text_size = shape(data, size, &text);
	const int rc = auth_access_bearer(known(), text, text_size, name, &principal, &err);
	assert(rc == -EACCES && err.code == -EACCES && principal.kind == AUTH_NOBODY && name[0] == '\0');
	assert(strncmp(err.text, "the token ", strlen("the token ")) == 0);
	free(text);
	return 0;
}
