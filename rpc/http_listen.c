/* http_listen: where the door takes connections. */
#include "rpc/http.h"

#include "error/error.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 1024
#define ACCEPTS_MAX 16 /* in one turn of the loop */

static bool is_loopback(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 == 127;
	const struct in6_addr *v6 = &((const struct sockaddr_in6 *)address)->sin6_addr;
	return IN6_IS_ADDR_LOOPBACK(v6);
}

static int look_up(const char *listen, struct addrinfo **found, struct clog_error *err)
{
	char host[SERVICE_ADDRESS_SIZE];
	const char *port = strrchr(listen, ':');
	if (port == NULL || port == listen || (size_t)(port - listen) >= sizeof host)
		return clog_error_set(err, -EINVAL, "HTTP: '%s' is no HOST:PORT", listen);
	const bool bracketed = listen[0] == '[' && port[-1] == ']';
	snprintf(host, sizeof host, "%.*s", (int)(port - listen) - 2 * bracketed, listen + bracketed);
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
	const int rc = getaddrinfo(host, port + 1, &hints, found);
	if (rc != 0)
		return clog_error_set(err, rc == EAI_MEMORY ? -ENOMEM : -EINVAL, "HTTP: %s cannot be looked up: %s",
		                      listen, gai_strerror(rc));
	return 0;
}

static int bind_to(struct rpc_http *http, const struct addrinfo *place, struct clog_error *err)
{
	const int yes = 1;
	if (http->tls_folder == NULL && !is_loopback(place->ai_addr))
		return clog_error_set(err, -EACCES,
		                      "HTTP: without --tls, %s would let in whoever reaches it: listen at 127.0.0.1 or "
		                      "[::1], or give certificates",
		                      http->listen);
	http->listen_fd = socket(place->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (http->listen_fd < 0)
		return clog_error_set(err, -errno, "HTTP: no socket for %s: %s", http->listen, strerror(errno));
	setsockopt(http->listen_fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
	if (bind(http->listen_fd, place->ai_addr, place->ai_addrlen) == 0 && listen(http->listen_fd, BACKLOG) == 0)
		return 0;
	const int code = -errno;
	close(http->listen_fd);
	http->listen_fd = -1;
	return clog_error_set(err, code, "HTTP: %s cannot be listened at: %s", http->listen, strerror(-code));
}

static void accept_some(uv_poll_t *poll, int status, int events)
{
	struct rpc_http *http = poll->data;
	const int yes = 1;
	(void)events;
	for (int i = 0; status == 0 && i < ACCEPTS_MAX && http->connection_count < HTTP_CONNECTIONS_MAX; i++) {
		const int socket = accept4(http->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (socket < 0)
			break;
		setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
		http_wire_adopt(http, socket);
	}
	http_listen_turn(http);
}

int http_listen_open(struct rpc_http *http, struct clog_error *err)
{
	struct addrinfo *found = NULL;
	http->listen_fd = -1;
	int rc = look_up(http->listen, &found, err);
	if (rc == 0)
		rc = bind_to(http, found, err);
	freeaddrinfo(found);
	if (rc != 0)
		return rc;
	rc = uv_poll_init(http->loop, &http->listener, http->listen_fd);
	if (rc == 0) {
		http->listener.data = http;
		http_listen_turn(http);
		return 0;
	}
	close(http->listen_fd);
	http->listen_fd = -1;
	return clog_error_set(err, rc, "HTTP: %s cannot be watched: %s", http->listen, uv_strerror(rc));
}

void http_listen_turn(struct rpc_http *http)
{
	if (http->listen_fd < 0)
		return;
	const bool accepting = http->connection_count < HTTP_CONNECTIONS_MAX;
	if (accepting && !http->accepting)
		uv_poll_start(&http->listener, UV_READABLE, accept_some);
	else if (!accepting && http->accepting)
		uv_poll_stop(&http->listener);
	http->accepting = accepting;
}

static void listener_closed(uv_handle_t *handle)
{
	struct rpc_http *http = handle->data;
	close(http->listen_fd);
	http->listen_fd = -1;
}

void http_listen_close(struct rpc_http *http)
{
	if (http->listen_fd < 0 || uv_is_closing((uv_handle_t *)&http->listener))
		return;
	http->accepting = true; /* or it would begin again */
	uv_close((uv_handle_t *)&http->listener, listener_closed);
}
