/* Names of members, resolved without blocking: by c-ares, on a libuv loop.
 *
 * All of this belongs to the loop's thread; callbacks come from the loop, one at a time, and may call anything here,
 * resolver_destroy included. /etc/hosts, /etc/resolv.conf and /etc/nsswitch.conf are read anew for each lookup, so that
 * a process that lives for months follows the network it is in; search domains count. */
#ifndef CLOG_CLUSTER_RESOLVE_H
#define CLOG_CLUSTER_RESOLVE_H

#include <stddef.h>
#include <sys/socket.h>

struct clog_error;
struct resolver;
struct uv_loop_s;

/* Of one lookup; what is found past that is left out. */
#define RESOLVE_ADDRESSES_MAX 16u
/* Records of one SRV answer that are looked at, and how many of the hosts they name are resolved. */
#define RESOLVE_RECORDS_MAX 64u
#define RESOLVE_TARGETS_MAX 16u
/* Lookups under way in one resolver. */
#define RESOLVE_LOOKUPS_MAX 64u
/* A lookup is over by then, answered or not. */
#define RESOLVE_TIMEOUT_MS 5000u

/* Each a sockaddr_in or sockaddr_in6 with its port, the best first: no address is there twice. */
struct resolved {
	struct sockaddr_storage addresses[RESOLVE_ADDRESSES_MAX];
	size_t count;
};

/* The end of a lookup. status 0: resolved has at least one address, and the sentence is empty. Else resolved is NULL
 * and the sentence says of which name what is wrong:
 *   -ENOENT     there is no such name, or it has no address
 *   -ETIMEDOUT  no server answered in time
 *   -EAGAIN     the servers failed, refused or cannot be reached
 *   -EBADMSG    the answer cannot be read
 *   -EINVAL     the name is none that can be asked for
 *   -ENOMEM
 * Both pointers are borrowed for the call. */
typedef void (*resolve_cb)(void *arg, int status, const struct resolved *resolved, const char *sentence);

/* servers NULL asks the system's DNS servers; else it names others, "127.0.0.1:5353" or several with commas between
 * (-EINVAL when it does not). The caller frees by resolver_destroy. */
int resolver_create(struct resolver **resolver, struct uv_loop_s *loop, const char *servers, struct clog_error *err);

/* Lookups that start from now on take at most timeout_ms (not 0), RESOLVE_TIMEOUT_MS if this is never called; a server is
 * given a fifth of it before the next is asked. */
void resolver_timeout(struct resolver *resolver, unsigned timeout_ms);

/* Pending callbacks are not called any more. The resolver is freed at once, its lookups when the loop has run their
 * handles' close callbacks: the loop has to go round once more. NULL is legal. */
void resolver_destroy(struct resolver *resolver);

/* The addresses of "HOST:PORT", IPv6 and IPv4 in the order of RFC 6724: those that this machine can reach first. Of
 * "1.2.3.4:PORT" and "[::1]:PORT" the address itself, and nobody is asked.
 *
 * 0: cb is called once, later, from the loop. Else it never is: -EINVAL (channel_split has the sentence), -EAGAIN when
 * RESOLVE_LOOKUPS_MAX are under way, -ENOMEM, -EMFILE and the like. */
int resolve_address(struct resolver *resolver, const char *address, resolve_cb cb, void *arg);

/* The members behind "NAME:PORT", which is what `dns:NAME:PORT` means, with the same results as resolve_address.
 *
 * If NAME has SRV records, the addresses of the hosts in them with the ports in them, by priority and, drawn by lot, by
 * weight (RFC 2782). Else the addresses of NAME with PORT; but a NAME that begins with '_' is never anything else than
 * that of a service. Where a NAME without '_' has SRV records, and some of them have PORT, the others are left out: a
 * headless Service of Kubernetes has under its plain name the records of all its ports. */
int resolve_service(struct resolver *resolver, const char *name_and_port, resolve_cb cb, void *arg);

/* No callback with that arg will be called any more. */
void resolve_cancel(struct resolver *resolver, void *arg);

#endif
