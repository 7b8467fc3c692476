#include "tls/private.h"

#include <errno.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#define SCHEME "clog://"

static bool is_name(const char *text, size_t size)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	if (size == 0 || size >= TLS_NAME_SIZE || text[0] == '.')
		return false;
	for (size_t i = 0; i < size; i++)
		if (text[i] == '\0' || strchr(allowed, text[i]) == NULL)
			return false;
	return true;
}

bool tls_name_ok(const char *name)
{
	return is_name(name, strlen(name));
}

/* Takes a name up to the end or a slash; returns what follows, NULL when it is no name. */
static const char *take_name(const char *at, const char *end, char name[TLS_NAME_SIZE])
{
	size_t size = 0;
	while (at + size < end && at[size] != '/')
		size++;
	if (!is_name(at, size))
		return NULL;
	memcpy(name, at, size);
	name[size] = '\0';
	return at + size;
}

int tls_identity_parse(const char *uri, size_t size, struct tls_identity *identity)
{
	static const struct {
		const char *word;
		enum tls_kind kind;
	} kinds[] = {{"/member/", TLS_MEMBER}, {"/client/", TLS_CLIENT}};
	const char *end = uri + size;
	*identity = (struct tls_identity){0};
	if (size < strlen(SCHEME) || memcmp(uri, SCHEME, strlen(SCHEME)) != 0)
		return -EINVAL;
	const char *at = take_name(uri + strlen(SCHEME), end, identity->cluster);
	for (size_t i = 0; at != NULL && i < sizeof kinds / sizeof kinds[0]; i++) {
		size_t word = strlen(kinds[i].word);
		if ((size_t)(end - at) <= word || memcmp(at, kinds[i].word, word) != 0)
			continue;
		identity->kind = kinds[i].kind;
		return take_name(at + word, end, identity->name) == end ? 0 : -EINVAL;
	}
	return -EINVAL;
}

int tls_identity_of(const X509 *certificate, struct tls_identity *identity)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	int found = 0;
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		if (name->type != GEN_URI)
			continue;
		const ASN1_IA5STRING *uri = name->d.uniformResourceIdentifier;
		size_t size = (size_t)ASN1_STRING_length(uri);
		if (size >= strlen(SCHEME) && memcmp(ASN1_STRING_get0_data(uri), SCHEME, strlen(SCHEME)) == 0)
			found += tls_identity_parse((const char *)ASN1_STRING_get0_data(uri), size, identity) == 0 ? 1
			                                                                                           : 2;
	}
	GENERAL_NAMES_free(names);
	ERR_clear_error();
	return found == 1 ? 0 : -ENOENT;
}

const char *tls_reason(void)
{
	unsigned long code = ERR_peek_error();
	const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
	ERR_clear_error();
	return reason != NULL ? reason : "no reason is known";
}
