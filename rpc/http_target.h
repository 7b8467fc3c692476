/* http_target: what a request is aimed at. */
#ifndef CLOG_RPC_HTTP_TARGET_H
#define CLOG_RPC_HTTP_TARGET_H

#include <stdbool.h>
#include <stdint.h>

struct clog_error;

enum http_method { HTTP_GET, HTTP_HEAD, HTTP_POST, HTTP_PUT, HTTP_DELETE, HTTP_OTHER };

enum http_route {
	HTTP_BOOK,      /* / */
	HTTP_RECORDS,   /* /v1/records */
	HTTP_RECORD,    /* /v1/records/N */
	HTTP_TAIL,      /* /v1/tail */
	HTTP_MEMBERS,   /* /v1/members */
	HTTP_STATUS,    /* /v1/status */
	HTTP_RETENTION, /* /v1/retention */
	HTTP_ACL,       /* /v1/acl */
	HTTP_TOKENS,    /* /v1/tokens */
	HTTP_TOKEN,     /* /v1/tokens/NAME */
	HTTP_METRICS,   /* /metrics */
	HTTP_LIVEZ,     /* /livez */
	HTTP_READYZ,    /* /readyz */
	HTTP_PAGE,      /* /ui, and / for browsers */
	HTTP_ROUTE_COUNT,
};

struct http_target {
	enum http_route route;
	uint64_t offset; /* RECORD */
	/* What the query says. */
	bool has_from, has_limit;
	uint64_t from, limit; /* from: of a DELETE of records, below */
	char name[64];        /* TOKEN */
};

/* OTHER for what is none that is known here. */
enum http_method http_method_of(const char *word);

/* Takes a path, decoded, without its query. -ENOENT when there is nothing there, -EINVAL for an offset that is none. */
int http_target_path(struct http_target *target, const char *path, struct clog_error *err);
/* Takes one NAME=VALUE of the query. -EINVAL for what the route does not know, what is given twice, or a secret: those do
 * not belong where logs and histories keep them. */
int http_target_parameter(struct http_target *target, enum http_method method, const char *parameter,
                          struct clog_error *err);
#define HTTP_ALLOWS_SIZE 64u
/* The methods that a route knows, as the header Allow has them. */
void http_target_allows(enum http_route route, char allows[HTTP_ALLOWS_SIZE]);
bool http_target_takes(enum http_route route, enum http_method method);

/* Takes a decimal number from 0 to 2^63 - 1, without a sign, spaces or needless zeros. -EINVAL. */
int http_number(const char *text, uint64_t *number);

/* Whether a web page may have made the request, by its headers; NULL for one that was not sent.
 *
 * Host has to be an address, localhost, or, with TLS, whose certificate binds it, any name; or the name that the door was
 * told to listen at: so that no name which somebody else makes point here is served. Origin has to be the very same place. A
 * browser's word that another site is behind a request is believed. -EACCES with a sentence. */
int http_origin_check(const char *host, const char *origin, const char *site, const char *listen, bool tls,
                      struct clog_error *err);

#endif
