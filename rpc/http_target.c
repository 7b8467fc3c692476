#include "rpc/http_target.h"

#include "error/error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define READS (1u << HTTP_GET | 1u << HTTP_HEAD)

static const struct {
	const char *path; /* with a slash at its end: a name or a number follows */
	unsigned methods;
} routes[HTTP_ROUTE_COUNT] = {
	[HTTP_BOOK] = {"/", READS | 1u << HTTP_POST},
	[HTTP_RECORDS] = {"/v1/records", READS | 1u << HTTP_POST | 1u << HTTP_DELETE},
	[HTTP_RECORD] = {"/v1/records/", READS},
	[HTTP_TAIL] = {"/v1/tail", READS},
	[HTTP_MEMBERS] = {"/v1/members", READS},
	[HTTP_STATUS] = {"/v1/status", READS},
	[HTTP_RETENTION] = {"/v1/retention", READS | 1u << HTTP_PUT},
	[HTTP_ACL] = {"/v1/acl", READS | 1u << HTTP_PUT | 1u << HTTP_DELETE},
	[HTTP_TOKENS] = {"/v1/tokens", READS | 1u << HTTP_POST},
	[HTTP_TOKEN] = {"/v1/tokens/", 1u << HTTP_DELETE},
	[HTTP_METRICS] = {"/metrics", READS},
	[HTTP_LIVEZ] = {"/livez", READS},
	[HTTP_READYZ] = {"/readyz", READS},
	[HTTP_PAGE] = {"/ui", READS},
};

static const char *const methods[HTTP_OTHER] = {
	[HTTP_GET] = "GET", [HTTP_HEAD] = "HEAD", [HTTP_POST] = "POST", [HTTP_PUT] = "PUT", [HTTP_DELETE] = "DELETE"};

enum http_method http_method_of(const char *word)
{
	enum http_method method = HTTP_GET;
	while (method < HTTP_OTHER && strcmp(word, methods[method]) != 0)
		method++;
	return method;
}

int http_number(const char *text, uint64_t *number)
{
	uint64_t value = 0;
	if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0'))
		return -EINVAL;
	for (const char *digit = text; *digit != '\0'; digit++) {
		if (*digit < '0' || *digit > '9' || value > INT64_MAX / 10)
			return -EINVAL;
		value = 10 * value + (uint64_t)(*digit - '0');
	}
	if (value > INT64_MAX)
		return -EINVAL;
	*number = value;
	return 0;
}

int http_target_path(struct http_target *target, const char *path, struct clog_error *err)
{
	*target = (struct http_target){0};
	for (int route = 0; route < HTTP_ROUTE_COUNT; route++) {
		const size_t size = strlen(routes[route].path);
		target->route = (enum http_route)route;
		if (route == HTTP_RECORD && strncmp(path, routes[route].path, size) == 0)
			return http_number(path + size, &target->offset) == 0
			               ? 0
			               : clog_error_set(err, -EINVAL, "an offset is a number from 0 to 2^63 - 1");
		if (route == HTTP_TOKEN && strncmp(path, routes[route].path, size) == 0)
			return snprintf(target->name, sizeof target->name, "%s", path + size) < (int)sizeof target->name
			               ? 0
			               : clog_error_set(err, -EINVAL, "the name is too long");
		if (strcmp(path, routes[route].path) == 0)
			return 0;
	}
	return clog_error_set(err, -ENOENT, "there is nothing at this path");
}

static bool is_secret(const char *parameter)
{
	static const char *const words[] = {"token", "auth", "secret", "password", "key", "jwt", "bearer"};
	const size_t size = strcspn(parameter, "=");
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		for (size_t at = 0; at + strlen(words[i]) <= size; at++)
			if (strncasecmp(parameter + at, words[i], strlen(words[i])) == 0)
				return true;
	return false;
}

/* Takes NAME=N into a number that is not there yet: 1; 0 where it is another parameter, or is there already. */
static int take_number(const char *parameter, const char *name, uint64_t least, bool *has, uint64_t *number,
                       struct clog_error *err)
{
	const size_t size = strlen(name);
	if (*has || strncmp(parameter, name, size) != 0 || parameter[size] != '=')
		return 0;
	*has = true;
	if (http_number(parameter + size + 1, number) == 0 && *number >= least)
		return 1;
	return clog_error_set(err, -EINVAL, "%s is a number from %u to 2^63 - 1", name, (unsigned)least);
}

int http_target_parameter(struct http_target *target, enum http_method method, const char *parameter,
                          struct clog_error *err)
{
	const bool ranges = target->route == HTTP_RECORDS && method != HTTP_DELETE;
	const bool trims = target->route == HTTP_RECORDS && method == HTTP_DELETE;
	const bool from = ranges || target->route == HTTP_TAIL;
	int rc = 0;
	if (is_secret(parameter))
		return clog_error_set(err, -EINVAL,
		                      "secrets do not belong into URLs, which are kept in logs: this one "
		                      "is not looked at, and should be replaced");
	if (from)
		rc = take_number(parameter, "from", 0, &target->has_from, &target->from, err);
	if (rc == 0 && ranges)
		rc = take_number(parameter, "limit", 1, &target->has_limit, &target->limit, err);
	if (rc == 0 && trims)
		rc = take_number(parameter, "below", 0, &target->has_from, &target->from, err);
	if (rc != 0)
		return rc < 0 ? rc : 0;
	return clog_error_set(err, -EINVAL,
	                      "the query has a parameter that is not known here, or is given twice; known: %s",
	                      ranges  ? "from, limit"
	                      : trims ? "below"
	                      : from  ? "from"
	                              : "none");
}

void http_target_allows(enum http_route route, char allows[HTTP_ALLOWS_SIZE])
{
	size_t size = 0;
	for (int method = 0; method < HTTP_OTHER; method++)
		if (routes[route].methods & 1u << method)
			size += (size_t)snprintf(allows + size, HTTP_ALLOWS_SIZE - size, "%s%s", size > 0 ? ", " : "",
			                         methods[method]);
}

bool http_target_takes(enum http_route route, enum http_method method)
{
	return method != HTTP_OTHER && (routes[route].methods & 1u << method) != 0;
}

/* Bytes of HOST:PORT that are its host; brackets included. */
static size_t host_size(const char *address)
{
	const char *bracket = address[0] == '[' ? strchr(address, ']') : NULL;
	return bracket != NULL ? (size_t)(bracket - address) + 1 : strcspn(address, ":");
}

static bool is_number_address(const char *host, size_t size)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char bytes[16];
	const bool v6 = size > 2 && host[0] == '[';
	const size_t inner = v6 ? size - 2 : size;
	if (inner >= sizeof text)
		return false;
	memcpy(text, host + v6, inner);
	text[inner] = '\0';
	return inet_pton(v6 ? AF_INET6 : AF_INET, text, bytes) == 1;
}

static bool is_well_formed(const char *host, size_t size)
{
	const char *port = host + size;
	if (size == 0 ||
	    strspn(host, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:[]") != strlen(host))
		return false;
	return *port == '\0' || (*port == ':' && strspn(port + 1, "0123456789") == strlen(port + 1));
}

int http_origin_check(const char *host, const char *origin, const char *site, const char *listen, bool tls,
                      struct clog_error *err)
{
	const size_t size = host != NULL ? host_size(host) : 0;
	if (host == NULL || !is_well_formed(host, size))
		return clog_error_set(err, -EACCES, "the header Host is missing or malformed");
	const bool told = size == host_size(listen) && strncasecmp(host, listen, size) == 0;
	const bool local = size == strlen("localhost") && strncasecmp(host, "localhost", size) == 0;
	if (!tls && !told && !local && !is_number_address(host, size))
		return clog_error_set(err, -EACCES, "the header Host has a name that this member is not known by");
	const char *scheme = tls ? "https://" : "http://";
	if (origin != NULL &&
	    (strncasecmp(origin, scheme, strlen(scheme)) != 0 || strcasecmp(origin + strlen(scheme), host) != 0))
		return clog_error_set(err, -EACCES, "a web page of another origin has made this request");
	if (site != NULL && strcasecmp(site, "same-origin") != 0 && strcasecmp(site, "none") != 0)
		return clog_error_set(err, -EACCES, "a web page of another site has made this request");
	return 0;
}
