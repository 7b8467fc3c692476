/* Certificates: EC keys on P-256, names in the subject alternative name. The authority's own has the cluster's,
 * URI:clog://CLUSTER. */
#include "tls/private.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#define SCHEME "clog://"
#define BACKDATED_S (-3600L) /* for clocks that are behind */
#define SERIAL_BITS 127      /* positive, and never twice */
#define COMMON_NAME_SIZE 65  /* bytes of a common name, which X.509 bounds, its NUL included */
#define HOST_SIZE 254u       /* bytes of a host's name, its NUL included */

/* ---- Parts of a certificate ---- */

static bool set_serial(X509 *certificate)
{
	BIGNUM *number = BN_new();
	bool done = number != NULL && BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) &&
	            BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
	BN_free(number);
	return done;
}

static bool set_times(X509 *certificate, unsigned days)
{
	return X509_gmtime_adj(X509_getm_notBefore(certificate), BACKDATED_S) != NULL &&
	       X509_time_adj_ex(X509_getm_notAfter(certificate), (int)days, 0, NULL) != NULL;
}

static bool set_subject(X509 *certificate, const char *text)
{
	X509_NAME *name = X509_get_subject_name(certificate);
	return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)text, -1, -1, 0) == 1;
}

static bool add_extension(X509 *certificate, X509 *issuer, int kind, const char *value)
{
	X509V3_CTX context;
	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
	bool done = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return done;
}

static bool add_name(GENERAL_NAMES *names, int type, ASN1_STRING *value)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	if (name != NULL && value != NULL) {
		GENERAL_NAME_set0_value(name, type, value);
		if (sk_GENERAL_NAME_push(names, name) > 0)
			return true;
		GENERAL_NAME_free(name);
		return false;
	}
	GENERAL_NAME_free(name);
	ASN1_STRING_free(value);
	return false;
}

static bool add_text(GENERAL_NAMES *names, int type, const char *text)
{
	ASN1_IA5STRING *value = ASN1_IA5STRING_new();
	if (value != NULL && !ASN1_STRING_set(value, text, -1)) {
		ASN1_IA5STRING_free(value);
		value = NULL;
	}
	return add_name(names, type, value);
}

static bool add_host(GENERAL_NAMES *names, const char *host)
{
	unsigned char address[sizeof(struct in6_addr)];
	int size = inet_pton(AF_INET, host, address) == 1 ? 4 : inet_pton(AF_INET6, host, address) == 1 ? 16 : 0;
	if (size == 0)
		return add_text(names, GEN_DNS, host);
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
	if (value != NULL && !ASN1_OCTET_STRING_set(value, address, size)) {
		ASN1_OCTET_STRING_free(value);
		value = NULL;
	}
	return add_name(names, GEN_IPADD, value);
}

/* By its parts, not as a text that OpenSSL takes apart: a name cannot become another extension. */
static bool add_names(X509 *certificate, const char *uri, const char *const *hosts, size_t host_count)
{
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	bool done = names != NULL && add_text(names, GEN_URI, uri);
	for (size_t i = 0; done && i < host_count; i++)
		done = add_host(names, hosts[i]);
	done = done && X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1;
	GENERAL_NAMES_free(names);
	return done;
}

/* ---- An authority ---- */

static int check(const char *what, const char *name, unsigned days, struct clog_error *err)
{
	if (!tls_name_ok(name))
		return clog_error_set(err, -EINVAL,
		                      "'%s' is no name for a %s: it takes 1 to %d of A-Z a-z 0-9 . _ - and no "
		                      "dot first",
		                      name, what, TLS_NAME_SIZE - 1);
	if (days == 0 || days > TLS_DAYS_MAX)
		return clog_error_set(err, -EINVAL, "%u days: it is 1 to %u", days, TLS_DAYS_MAX);
	return 0;
}

static bool fill_authority(X509 *certificate, EVP_PKEY *key, const char *cluster, unsigned days)
{
	char subject[COMMON_NAME_SIZE], uri[TLS_NAME_SIZE + 16];
	/* It is for people: of a long name the end is left out. */
	snprintf(subject, sizeof subject, "clog %.*s", COMMON_NAME_SIZE - 6, cluster);
	snprintf(uri, sizeof uri, SCHEME "%s", cluster);
	return X509_set_version(certificate, X509_VERSION_3) && set_serial(certificate) &&
	       set_times(certificate, days) && set_subject(certificate, subject) &&
	       X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) &&
	       X509_set_pubkey(certificate, key) &&
	       add_extension(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
	       add_extension(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign") &&
	       add_extension(certificate, certificate, NID_subject_key_identifier, "hash") &&
	       add_names(certificate, uri, NULL, 0) && X509_sign(certificate, key, EVP_sha256()) > 0;
}

/* Makes what is not there, in a folder that is locked. */
static int create(const char *folder, const char *cluster, unsigned days, struct clog_error *err)
{
	char path[PATH_MAX];
	if (snprintf(path, sizeof path, "%s/ca.pem", folder) >= (int)sizeof path)
		return clog_error_set(err, -ENAMETOOLONG, "%s: the path is too long", folder);
	if (access(path, F_OK) == 0)
		return clog_error_set(err, -EEXIST, "%s is there: an authority is not replaced", path);
	ERR_clear_error();
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();
	int rc = 0;
	if (key == NULL || certificate == NULL || !fill_authority(certificate, key, cluster, days))
		rc = clog_error_set(err, -ENOMEM, "the certificate cannot be made: %s", tls_reason());
	/* The certificate last: with it the authority is there. A key alone is what an earlier try has left. */
	if (rc == 0)
		rc = tls_pem_write(folder, "ca-key.pem", NULL, key, err);
	if (rc == 0)
		rc = tls_pem_write(folder, "ca.pem", certificate, NULL, err);
	X509_free(certificate);
	EVP_PKEY_free(key);
	return rc;
}

int tls_authority_create(const char *folder, const char *cluster, unsigned days, struct clog_error *err)
{
	int rc = check("cluster", cluster, days, err);
	int locked = rc == 0 ? tls_folder_make(folder, err) : rc;
	if (locked < 0)
		return locked;
	rc = create(folder, cluster, days, err);
	close(locked);
	return rc;
}

/* ---- Those that it vouches for ---- */

struct authority {
	X509 *certificate;
	EVP_PKEY *key;
	char cluster[TLS_NAME_SIZE];
};

static int find_cluster(struct authority *authority, const char *folder, struct clog_error *err)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(authority->certificate, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		if (name->type != GEN_URI)
			continue;
		const char *uri = (const char *)ASN1_STRING_get0_data(name->d.uniformResourceIdentifier);
		size_t size = (size_t)ASN1_STRING_length(name->d.uniformResourceIdentifier), scheme = strlen(SCHEME);
		if (size > scheme && size - scheme < TLS_NAME_SIZE && memcmp(uri, SCHEME, scheme) == 0)
			memcpy(authority->cluster, uri + scheme, size - scheme);
	}
	GENERAL_NAMES_free(names);
	ERR_clear_error();
	if (tls_name_ok(authority->cluster))
		return 0;
	return clog_error_set(err, -EBADMSG,
	                      "%s/ca.pem is no authority of a cluster: it has no name URI:clog://CLUSTER", folder);
}

static int check_times(const struct authority *authority, const char *folder, struct clog_error *err)
{
	if (X509_cmp_current_time(X509_get0_notAfter(authority->certificate)) <= 0)
		return clog_error_set(err, -EACCES, "%s/ca.pem has expired: what it issued would be valid nowhere",
		                      folder);
	if (X509_cmp_current_time(X509_get0_notBefore(authority->certificate)) > 0)
		return clog_error_set(err, -EACCES, "%s/ca.pem is not valid yet: is the clock of this machine right?",
		                      folder);
	return 0;
}

static int load_authority(struct authority *authority, const char *folder, struct clog_error *err)
{
	STACK_OF(X509) *certificates;
	int rc = tls_pem_read_certificates(folder, "ca.pem", &certificates, err);
	if (rc != 0)
		return rc;
	const int count = sk_X509_num(certificates);
	authority->certificate = sk_X509_shift(certificates);
	sk_X509_pop_free(certificates, X509_free);
	if (count > 1)
		return clog_error_set(err, -EBADMSG, "%s/ca.pem has %d certificates: which one issues?", folder, count);
	rc = tls_pem_read_key(folder, "ca-key.pem", &authority->key, err);
	if (rc == 0 && X509_check_private_key(authority->certificate, authority->key) != 1) {
		ERR_clear_error();
		rc = clog_error_set(err, -EBADMSG, "%s/ca-key.pem is not the key of ca.pem", folder);
	}
	if (rc == 0)
		rc = find_cluster(authority, folder, err);
	return rc == 0 ? check_times(authority, folder, err) : rc;
}

/* Who is vouched for is so no longer than who vouches. */
static bool set_times_of_leaf(X509 *certificate, const X509 *authority, unsigned days)
{
	const ASN1_TIME *end = X509_get0_notAfter(authority);
	return set_times(certificate, days) && (ASN1_TIME_compare(X509_get0_notAfter(certificate), end) <= 0 ||
	                                        X509_set1_notAfter(certificate, end) == 1);
}

static bool fill_leaf(X509 *certificate, EVP_PKEY *key, const struct authority *authority,
                      const struct tls_issue *issue)
{
	char uri[2 * TLS_NAME_SIZE + 32];
	bool member = issue->kind == TLS_MEMBER;
	snprintf(uri, sizeof uri, SCHEME "%s/%s/%s", authority->cluster, member ? "member" : "client", issue->name);
	return X509_set_version(certificate, X509_VERSION_3) && set_serial(certificate) &&
	       set_times_of_leaf(certificate, authority->certificate, issue->days) &&
	       set_subject(certificate, issue->name) &&
	       X509_set_issuer_name(certificate, X509_get_subject_name(authority->certificate)) &&
	       X509_set_pubkey(certificate, key) &&
	       add_extension(certificate, authority->certificate, NID_basic_constraints, "critical,CA:FALSE") &&
	       add_extension(certificate, authority->certificate, NID_key_usage, "critical,digitalSignature") &&
	       add_extension(certificate, authority->certificate, NID_ext_key_usage,
	                     member ? "serverAuth,clientAuth" : "clientAuth") &&
	       add_extension(certificate, authority->certificate, NID_authority_key_identifier, "keyid") &&
	       add_names(certificate, uri, issue->hosts, issue->host_count) &&
	       X509_sign(certificate, authority->key, EVP_sha256()) > 0;
}

static bool is_address_6(const char *host)
{
	struct in6_addr address;
	return inet_pton(AF_INET6, host, &address) == 1;
}

static int check_hosts(const struct tls_issue *issue, struct clog_error *err)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:*";
	if (issue->host_count > TLS_HOSTS_MAX)
		return clog_error_set(err, -EINVAL, "%zu hosts are more than %u", issue->host_count, TLS_HOSTS_MAX);
	for (size_t i = 0; i < issue->host_count; i++) {
		size_t size = strlen(issue->hosts[i]);
		if (strpbrk(issue->hosts[i], ":[]") != NULL && !is_address_6(issue->hosts[i]))
			return clog_error_set(err, -EINVAL,
			                      "'%s': a host is given without a port, and an address without brackets",
			                      issue->hosts[i]);
		if (size == 0 || size >= HOST_SIZE || strspn(issue->hosts[i], allowed) != size)
			return clog_error_set(err, -EINVAL, "'%s' is no host's name or address", issue->hosts[i]);
	}
	return 0;
}

static int write_leaf(const struct authority *authority, X509 *certificate, EVP_PKEY *key, const char *folder,
                      struct clog_error *err)
{
	int locked = tls_folder_make(folder, err);
	if (locked < 0)
		return locked;
	int rc = tls_pem_write(folder, "ca.pem", authority->certificate, NULL, err);
	if (rc == 0)
		rc = tls_pem_write(folder, "key.pem", NULL, key, err);
	if (rc == 0)
		rc = tls_pem_write(folder, "cert.pem", certificate, NULL, err);
	close(locked);
	return rc;
}

int tls_issue(const char *folder_of_authority, const struct tls_issue *issue, const char *folder,
              struct clog_error *err)
{
	struct authority authority = {0};
	EVP_PKEY *key = NULL;
	X509 *certificate = NULL;
	int rc = check(issue->kind == TLS_MEMBER ? "member" : "client", issue->name, issue->days, err);
	if (rc == 0)
		rc = check_hosts(issue, err);
	ERR_clear_error();
	if (rc == 0)
		rc = load_authority(&authority, folder_of_authority, err);
	if (rc == 0) {
		key = EVP_EC_gen("P-256");
		certificate = X509_new();
		if (key == NULL || certificate == NULL || !fill_leaf(certificate, key, &authority, issue))
			rc = clog_error_set(err, -ENOMEM, "the certificate cannot be made: %s", tls_reason());
	}
	if (rc == 0)
		rc = write_leaf(&authority, certificate, key, folder, err);
	X509_free(certificate);
	EVP_PKEY_free(key);
	X509_free(authority.certificate);
	EVP_PKEY_free(authority.key);
	return rc;
}
