#include "channel/channel.h"

#include "channel/resolve_query.h"
#include "error/error.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* How often each server is asked, with twice the time when it is asked again. */
#define TRIES 2
#define FIRST_TRY 5 /* its part of the whole time is one in so many */

struct resolver {
	uv_loop_t *loop;
	char *servers; /* NULL: the system's */
	unsigned timeout_ms;
	struct lookup *lookups;
	unsigned count;
};

/* A socket of c-ares, watched. */
struct watch {
	uv_poll_t poll;
	ares_socket_t fd;
	struct lookup *lookup;
	struct watch *next;
};

static uint64_t now_ms(void)
{
	return uv_hrtime() / 1000000u;
}

/* ---- The loop ---- */

static void close_one(struct lookup *lookup)
{
	if (--lookup->open_handles == 0)
		free(lookup);
}

static void on_watch_closed(uv_handle_t *handle)
{
	struct watch *watch = handle->data;
	close_one(watch->lookup);
	free(watch);
}

static void on_timer_closed(uv_handle_t *handle)
{
	close_one(handle->data);
}

/* The end of a lookup, without a word. Its memory stays until the loop has closed the handles. */
static void discard(struct lookup *lookup)
{
	struct lookup **place = &lookup->resolver->lookups;
	while (*place != lookup)
		place = &(*place)->next;
	*place = lookup->next;
	lookup->resolver->count--;
	if (lookup->channel != NULL)
		ares_destroy(lookup->channel);
	uv_close((uv_handle_t *)&lookup->timer, on_timer_closed);
}

/* The last that is done in a callback of the loop: the user's may end the resolver. */
static void finish(struct lookup *lookup)
{
	struct resolved resolved;
	resolve_query_gather(lookup, &resolved);
	discard(lookup);
	if (resolved.count > 0)
		lookup->cb(lookup->arg, 0, &resolved, "");
	else
		lookup->cb(lookup->arg, lookup->status, NULL, lookup->sentence);
}

static void on_timer(uv_timer_t *timer);

static void go_on(struct lookup *lookup)
{
	uint64_t wait_ms = 0;
	if (lookup->pending > 0) {
		uint64_t now = now_ms(), left_ms = lookup->deadline_ms > now ? lookup->deadline_ms - now : 0;
		struct timeval most = {.tv_sec = (time_t)(left_ms / 1000),
		                       .tv_usec = (suseconds_t)(left_ms % 1000 * 1000)};
		struct timeval left, *next = ares_timeout(lookup->channel, &most, &left);
		wait_ms = (uint64_t)next->tv_sec * 1000 + ((uint64_t)next->tv_usec + 999) / 1000;
	}
	uv_update_time(lookup->resolver->loop);
	uv_timer_start(&lookup->timer, on_timer, wait_ms, 0);
}

static void process(struct lookup *lookup, ares_socket_t readable, ares_socket_t writable)
{
	if (lookup->pending > 0)
		ares_process_fd(lookup->channel, readable, writable);
	if (lookup->pending > 0 && now_ms() >= lookup->deadline_ms) {
		ares_cancel(lookup->channel);
		finish(lookup);
	} else if (lookup->pending == 0) {
		finish(lookup);
	} else {
		go_on(lookup);
	}
}

static void on_timer(uv_timer_t *timer)
{
	process(timer->data, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct watch *watch = poll->data;
	bool readable = status < 0 || (events & UV_READABLE) != 0, writable = status < 0 || (events & UV_WRITABLE) != 0;
	process(watch->lookup, readable ? watch->fd : ARES_SOCKET_BAD, writable ? watch->fd : ARES_SOCKET_BAD);
}

/* c-ares has opened a socket; it closes it again and tries what else there is if we cannot watch it. */
static int on_socket(ares_socket_t fd, int type, void *arg)
{
	struct lookup *lookup = arg;
	struct watch *watch = calloc(1, sizeof *watch);
	if (watch == NULL)
		return -1;
	if (uv_poll_init(lookup->resolver->loop, &watch->poll, fd) != 0) {
		free(watch);
		return -1;
	}
	watch->poll.data = watch;
	watch->fd = fd;
	watch->lookup = lookup;
	watch->next = lookup->watches;
	lookup->watches = watch;
	lookup->open_handles++;
	return 0;
}

/* What c-ares waits for; for nothing when it is about to close the socket. */
static void on_socket_state(void *arg, ares_socket_t fd, int readable, int writable)
{
	struct lookup *lookup = arg;
	struct watch **place = &lookup->watches;
	while (*place != NULL && (*place)->fd != fd)
		place = &(*place)->next;
	struct watch *watch = *place;
	if (watch == NULL)
		return;
	if (readable || writable) {
		uv_poll_start(&watch->poll, (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0), on_poll);
	} else {
		*place = watch->next;
		uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
	}
}

/* ---- Lookups ---- */

static int open_channel(ares_channel *channel, const struct resolver *resolver, struct lookup *lookup)
{
	unsigned try_ms = resolver->timeout_ms / FIRST_TRY;
	struct ares_options options = {.timeout = try_ms > 0 ? (int)try_ms : 1,
	                               .tries = TRIES,
	                               .sock_state_cb = on_socket_state,
	                               .sock_state_cb_data = lookup};
	int status = ares_init_options(channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB);
	if (status != ARES_SUCCESS)
		return status;
	ares_set_socket_callback(*channel, on_socket, lookup);
	if (resolver->servers != NULL)
		status = ares_set_servers_ports_csv(*channel, resolver->servers);
	if (status != ARES_SUCCESS)
		ares_destroy(*channel);
	return status;
}

/* What is written as an address. */
static bool add_literal(struct lookup *lookup, const char *host, uint16_t port)
{
	struct sockaddr_in ipv4;
	struct sockaddr_in6 ipv6;
	if (uv_ip4_addr(host, port, &ipv4) == 0)
		resolve_query_add(lookup, 0, (struct sockaddr *)&ipv4, port);
	else if (strchr(host, ':') != NULL && uv_ip6_addr(host, port, &ipv6) == 0)
		resolve_query_add(lookup, 0, (struct sockaddr *)&ipv6, port);
	return lookup->found_count > 0;
}

static int start(struct resolver *resolver, const char *address, bool service, resolve_cb cb, void *arg)
{
	char host[CHANNEL_HOST_SIZE] = "", port_text[CHANNEL_PORT_SIZE] = "";
	if (resolver->count == RESOLVE_LOOKUPS_MAX)
		return -EAGAIN;
	struct lookup *lookup = calloc(1, sizeof *lookup);
	if (lookup == NULL)
		return -ENOMEM;
	lookup->resolver = resolver;
	lookup->cb = cb;
	lookup->arg = arg;
	lookup->deadline_ms = now_ms() + resolver->timeout_ms;
	int rc = channel_split(address, host, port_text, NULL);
	uint16_t port = (uint16_t)strtoul(port_text, NULL, 10);
	bool literal = rc == 0 && add_literal(lookup, host, port);
	if (rc == 0 && !literal) {
		int status = open_channel(&lookup->channel, resolver, lookup);
		rc = status == ARES_SUCCESS ? 0 : resolve_query_error(status);
	}
	if (rc != 0) {
		free(lookup);
		return rc;
	}
	uv_timer_init(resolver->loop, &lookup->timer);
	lookup->timer.data = lookup;
	lookup->open_handles = 1;
	lookup->next = resolver->lookups;
	resolver->lookups = lookup;
	resolver->count++;
	if (!literal)
		resolve_query_start(lookup, host, port, service);
	go_on(lookup);
	return 0;
}

int resolve_address(struct resolver *resolver, const char *address, resolve_cb cb, void *arg)
{
	return start(resolver, address, false, cb, arg);
}

int resolve_service(struct resolver *resolver, const char *name_and_port, resolve_cb cb, void *arg)
{
	return start(resolver, name_and_port, true, cb, arg);
}

void resolve_cancel(struct resolver *resolver, void *arg)
{
	for (struct lookup *lookup = resolver->lookups, *next; lookup != NULL; lookup = next) {
		next = lookup->next;
		if (lookup->arg == arg)
			discard(lookup);
	}
}

/* ---- The resolver ---- */

int resolver_create(struct resolver **resolver_out, struct uv_loop_s *loop, const char *servers, struct clog_error *err)
{
	int status = ares_library_init(ARES_LIB_INIT_ALL);
	if (status != ARES_SUCCESS)
		return clog_error_set(err, resolve_query_error(status), "c-ares: %s", ares_strerror(status));
	int rc = -ENOMEM;
	struct resolver *resolver = calloc(1, sizeof *resolver);
	if (resolver == NULL)
		goto fail_init;
	resolver->loop = loop;
	resolver->timeout_ms = RESOLVE_TIMEOUT_MS;
	if (servers != NULL && (resolver->servers = strdup(servers)) == NULL)
		goto fail_resolver;

	/* Shows now whether lookups will start. */
	ares_channel channel;
	status = servers != NULL && servers[0] == '\0' ? ARES_EBADSTR : open_channel(&channel, resolver, NULL);
	if (status != ARES_SUCCESS) {
		rc = status == ARES_EBADSTR ? -EINVAL : resolve_query_error(status);
		goto fail_servers;
	}
	ares_destroy(channel);
	*resolver_out = resolver;
	return 0;

fail_servers:
	free(resolver->servers);
fail_resolver:
	free(resolver);
fail_init:
	ares_library_cleanup();
	if (rc == -EINVAL)
		return clog_error_set(err, rc, "DNS servers \"%s\": these are no addresses", servers);
	return clog_error_set(err, rc, "names cannot be resolved: %s", strerror(-rc));
}

void resolver_timeout(struct resolver *resolver, unsigned timeout_ms)
{
	assert(timeout_ms > 0);
	resolver->timeout_ms = timeout_ms;
}

void resolver_destroy(struct resolver *resolver)
{
	if (resolver == NULL)
		return;
	while (resolver->lookups != NULL)
		discard(resolver->lookups);
	ares_library_cleanup();
	free(resolver->servers);
	free(resolver);
}
