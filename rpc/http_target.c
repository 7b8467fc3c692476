#include "rpc/http_target.h"

#include "error/error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const struct {
	const char *path;
	const char *allows;
	bool reads, posts;
} routes[HTTP_ROUTE_COUNT] = {
	[HTTP_BOOK] = {"/", "GET, HEAD, POST", true, true},
	[HTTP_RECORDS] = {"/v1/records", "GET, HEAD, POST", true, true},
	[HTTP_RECORD] = {"/v1/records/", "GET, HEAD", true, false},
	[HTTP_TAIL] = {"/v1/tail", "GET, HEAD", true, false},
	[HTTP_MEMBERS] = {"/v1/members", "GET, HEAD", true, false},
	[HTTP_STATUS] = {"/v1/status", "GET, HEAD", true, false},
	[HTTP_METRICS] = {"/metrics", "GET, HEAD", true, false},
	[HTTP_LIVEZ] = {"/livez", "GET, HEAD", true, false},
	[HTTP_READYZ] = {"/readyz", "GET, HEAD", true, false},
	[HTTP_PAGE] = {"/ui", "GET, HEAD", true, false},
};

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
	const char *record = routes[HTTP_RECORD].path;
	*target = (struct http_target){0};
	for (int route = 0; route < HTTP_ROUTE_COUNT; route++) {
		target->route = (enum http_route)route;
		if (route != HTTP_RECORD && strcmp(path, routes[route].path) == 0)
			return 0;
	}
	if (strncmp(path, record, strlen(record)) != 0)
		return clog_error_set(err, -ENOENT, "there is nothing at this path");
	target->route = HTTP_RECORD;
	if (http_number(path + strlen(record), &target->offset) != 0)
		return clog_error_set(err, -EINVAL, "an offset is a number from 0 to 2^63 - 1");
	return 0;
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

int http_target_parameter(struct http_target *target, const char *parameter, struct clog_error *err)
{
	const bool ranges = target->route == HTTP_RECORDS, from = ranges || target->route == HTTP_TAIL;
	if (is_secret(parameter))
		return clog_error_set(err, -EINVAL,
		                      "secrets do not belong into URLs, which are kept in logs: this one "
		                      "is not looked at, and should be replaced");
	if (from && strncmp(parameter, "from=", 5) == 0 && !target->has_from) {
		target->has_from = true;
		if (http_number(parameter + 5, &target->from) == 0)
			return 0;
		return clog_error_set(err, -EINVAL, "from is a number from 0 to 2^63 - 1");
	}
	if (ranges && strncmp(parameter, "limit=", 6) == 0 && !target->has_limit) {
		target->has_limit = true;
		if (http_number(parameter + 6, &target->limit) == 0 && target->limit > 0)
			return 0;
		return clog_error_set(err, -EINVAL, "limit is a number from 1 to 2^63 - 1");
	}
	return clog_error_set(err, -EINVAL,
	                      "the query has a parameter that is not known here, or is given twice; known: %s",
	                      ranges ? "from, limit"
	                      : from ? "from"
	                             : "none");
}

const char *http_target_allows(enum http_route route)
{
	return routes[route].allows;
}

bool http_target_takes(enum http_route route, enum http_method method)
{
	return method == HTTP_POST ? routes[route].posts : method != HTTP_OTHER && routes[route].reads;
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
