#include "cluster/transport_state.h"

#include "observe/observe.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t transport_now(const struct transport *transport)
{
	return uv_hrtime() / 1000000u;
}

void transport_self(struct transport *transport, struct wire_hello *hello)
{
	*hello = (struct wire_hello){.version = WIRE_VERSION};
	transport->ops->self(transport->arg, hello);
	memcpy(hello->address, transport->address, sizeof hello->address);
	memcpy(hello->rpc_address, transport->rpc_address, sizeof hello->rpc_address);
}

bool transport_trusts(const struct transport *transport, const struct channel *channel, const char *name,
                      char sentence[WIRE_REFUSAL_SIZE])
{
	const struct tls_identity *identity = channel_identity(channel);
	if (transport->tls == NULL)
		return true;
	assert(identity != NULL);
	const char *own = tls_context_identity(transport->tls)->cluster;
	if (identity->kind != TLS_MEMBER)
		snprintf(sentence, WIRE_REFUSAL_SIZE, "the certificate is the client %s's, and no member's",
		         identity->name);
	else if (strcmp(identity->cluster, own) != 0)
		snprintf(sentence, WIRE_REFUSAL_SIZE, "the certificate is for the cluster %s, and not for %s",
		         identity->cluster, own);
	else if (strcmp(identity->name, name) != 0)
		snprintf(sentence, WIRE_REFUSAL_SIZE, "it says that it is %s, and its certificate is %s's", name,
		         identity->name);
	else
		return true;
	return false;
}

bool transport_knows_other(const struct transport *transport, uint64_t member, const char *name,
                           char sentence[WIRE_REFUSAL_SIZE])
{
	struct service_member members[SERVICE_MEMBERS_MAX];
	size_t count = transport->ops->members(transport->arg, members, SERVICE_MEMBERS_MAX);
	for (size_t i = 0; i < count && i < SERVICE_MEMBERS_MAX; i++) {
		if (members[i].id != member || strcmp(members[i].name, name) == 0)
			continue;
		snprintf(sentence, WIRE_REFUSAL_SIZE, "%s has the id of %s", name, members[i].name);
		return true;
	}
	return false;
}

/* ---- What others ask of it ---- */

void transport_send(struct transport *transport, uint64_t member, const char *address, const struct message *message)
{
	struct link *link = link_find(transport, member, address);
	if (link != NULL)
		link_send(link, message);
}

enum cluster_way transport_way(struct transport *transport, uint64_t member, const char *address)
{
	struct link *link = link_find(transport, member, address);
	if (link == NULL || link->state != LINK_OPEN)
		return CLUSTER_WAY_NONE;
	return channel_busy(link->channel) ? CLUSTER_WAY_BUSY : CLUSTER_WAY_FREE;
}

const char *transport_address(const struct transport *transport)
{
	return transport->address;
}

/* ---- Certificates ---- */

struct tls_context *transport_tls(const struct transport *transport)
{
	return transport->tls;
}

static void on_reload(uv_work_t *work)
{
	struct transport *transport = work->data;
	transport->reload_status = tls_context_load(&transport->reloaded, transport->tls_folder,
	                                            &transport->reload_error);
}

static void finish_closing(struct transport *transport);

/* The new ones must be for this member, too. */
static int check_reloaded(struct transport *transport)
{
	const struct tls_identity *before = tls_context_identity(transport->tls);
	const struct tls_identity *after = tls_context_identity(transport->reloaded);
	if (after->kind == before->kind && strcmp(after->cluster, before->cluster) == 0 &&
	    strcmp(after->name, before->name) == 0)
		return 0;
	return clog_error_set(&transport->reload_error, -EACCES,
	                      "%s: the certificate is for %s of %s now, and not for %s of %s", transport->tls_folder,
	                      after->name, after->cluster, before->name, before->cluster);
}

static void on_reloaded(uv_work_t *work, int status)
{
	struct transport *transport = work->data;
	transport->reloading = false;
	if (transport->reload_status == 0 && check_reloaded(transport) != 0) {
		tls_context_unref(transport->reloaded);
		transport->reload_status = -EACCES;
	}
	if (transport->reload_status == 0) {
		tls_context_unref(transport->tls);
		transport->tls = transport->reloaded;
		observe_event(OBSERVE_INFO, "certificates_loaded", OBSERVE_TEXT("folder", transport->tls_folder));
	} else {
		observe_event(OBSERVE_ERROR, "certificates_kept", OBSERVE_TEXT("folder", transport->tls_folder),
		              OBSERVE_TEXT("reason", transport->reload_error.text));
	}
	transport->reloaded = NULL;
	if (transport->destroyed)
		finish_closing(transport);
}

void transport_reload(struct transport *transport)
{
	if (transport->tls == NULL || transport->reloading || transport->destroyed)
		return;
	transport->reload.data = transport;
	transport->reloading = uv_queue_work(transport->loop, &transport->reload, on_reload, on_reloaded) == 0;
}

static void watch_certificates(struct transport *transport)
{
	uint64_t stamp = transport->tls_folder == NULL ? 0 : tls_folder_stamp(transport->tls_folder);
	if (stamp == transport->tls_stamp || transport->reloading)
		return;
	transport->tls_stamp = stamp;
	transport_reload(transport);
}

/* ---- Time ---- */

/* All members are dialled before there is something to say, so that it can be said at once. */
static void look_for_members(struct transport *transport)
{
	struct service_member members[SERVICE_MEMBERS_MAX];
	struct wire_hello self;
	size_t count = transport->ops->members(transport->arg, members, SERVICE_MEMBERS_MAX);
	transport_self(transport, &self);
	for (size_t i = 0; i < count && i < SERVICE_MEMBERS_MAX; i++)
		if (members[i].id != self.member && members[i].address[0] != '\0')
			link_find(transport, members[i].id, members[i].address);
}

static void on_tick(uv_timer_t *timer)
{
	struct transport *transport = timer->data;
	uint64_t now_ms = transport_now(transport);
	if (transport->accept_again)
		guests_accept((uv_stream_t *)&transport->listener, 0);
	links_tick(transport, now_ms);
	guests_tick(transport, now_ms);
	if (now_ms >= transport->look_ms) {
		transport->look_ms = now_ms + LOOK_MS;
		look_for_members(transport);
	}
	if (now_ms >= transport->watch_ms) {
		transport->watch_ms = now_ms + TRANSPORT_WATCH_MS;
		watch_certificates(transport);
	}
}

/* ---- Its life ---- */

static void finish_closing(struct transport *transport)
{
	if (transport->open_handles > 0 || transport->reloading)
		return;
	tls_context_unref(transport->tls);
	free(transport->tls_folder);
	free(transport);
}

static void on_closed(uv_handle_t *handle)
{
	struct transport *transport = handle->data;
	transport->open_handles--;
	finish_closing(transport);
}

static void on_channels_closed(void *arg)
{
	struct transport *transport = arg;
	transport->open_handles--;
	finish_closing(transport);
}

static void close_handle(struct transport *transport, uv_handle_t *handle)
{
	transport->open_handles++;
	uv_close(handle, on_closed);
}

void transport_destroy(struct transport *transport)
{
	if (transport == NULL)
		return;
	transport->destroyed = true;
	links_close(transport);
	guests_close(transport);
	resolver_destroy(transport->resolver);
	close_handle(transport, (uv_handle_t *)&transport->listener);
	close_handle(transport, (uv_handle_t *)&transport->timer);
	transport->open_handles++;
	channels_destroy(transport->channels, on_channels_closed, transport);
}

static bool is_any(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return ((const struct sockaddr_in *)address)->sin_addr.s_addr == htonl(INADDR_ANY);
	const struct in6_addr *in = &((const struct sockaddr_in6 *)address)->sin6_addr;
	return address->sa_family == AF_INET6 && IN6_IS_ADDR_UNSPECIFIED(in);
}

static int bind_listener(struct transport *transport, const struct transport_options *options, struct clog_error *err)
{
	struct sockaddr_storage address;
	int size = sizeof address;
	int rc = channel_look_up(options->listen, &address, err);
	if (rc != 0)
		return rc;
	if (transport->tls == NULL && !channel_is_loopback((struct sockaddr *)&address))
		return clog_error_set(
			err, -EACCES,
			"%s can be reached from other machines: without certificates (--tls DIR) a member "
			"listens on 127.0.0.1 or [::1] only",
			options->listen);
	rc = uv_tcp_bind(&transport->listener, (struct sockaddr *)&address, 0);
	if (rc == 0)
		rc = uv_tcp_getsockname(&transport->listener, (struct sockaddr *)&address, &size);
	if (rc != 0)
		return clog_error_set(err, rc, "%s: it is not possible to listen there: %s", options->listen,
		                      uv_strerror(rc));
	if (options->address == NULL && is_any((struct sockaddr *)&address))
		return clog_error_set(
			err, -EINVAL,
			"%s is every address that this machine has: by which of them, or by which name, the "
			"others reach it, is to be said (--advertise HOST:PORT)",
			options->listen);
	if (options->address == NULL) {
		channel_address_text((struct sockaddr *)&address, transport->address);
		return 0;
	}
	char host[CHANNEL_HOST_SIZE], port[CHANNEL_PORT_SIZE];
	rc = channel_split(options->address, host, port, err);
	if (rc == 0)
		snprintf(transport->address, sizeof transport->address, "%s", options->address);
	return rc;
}

static int take_certificates(struct transport *transport, const struct transport_options *options,
                             struct clog_error *err)
{
	if (options->tls == NULL)
		return 0;
	transport->tls_folder = strdup(options->tls_folder);
	if (transport->tls_folder == NULL)
		return clog_error_set(err, -ENOMEM, "no memory");
	transport->tls_stamp = tls_folder_stamp(options->tls_folder);
	transport->tls = tls_context_ref(options->tls);
	return 0;
}

int transport_create(struct transport **made, struct uv_loop_s *loop, const struct transport_options *options,
                     const struct transport_ops *ops, void *arg, struct clog_error *err)
{
	struct transport *transport = calloc(1, sizeof *transport);
	if (transport == NULL)
		return clog_error_set(err, -ENOMEM, "no memory");
	transport->loop = loop;
	transport->ops = ops;
	transport->arg = arg;
	snprintf(transport->rpc_address, sizeof transport->rpc_address, "%s",
	         options->rpc_address != NULL ? options->rpc_address : "");
	int rc = take_certificates(transport, options, err);
	if (rc == 0)
		rc = resolver_create(&transport->resolver, loop, options->servers, err);
	if (rc == 0)
		rc = channels_create(&transport->channels, loop, TRANSPORT_SILENCE_MS, err);
	if (rc != 0) {
		resolver_destroy(transport->resolver);
		finish_closing(transport);
		return rc;
	}
	uv_tcp_init(loop, &transport->listener);
	uv_timer_init(loop, &transport->timer);
	transport->listener.data = transport->timer.data = transport;
	rc = bind_listener(transport, options, err);
	if (rc != 0) {
		transport_destroy(transport);
		return rc;
	}
	*made = transport;
	return 0;
}

int transport_start(struct transport *transport, struct clog_error *err)
{
	int rc = uv_listen((uv_stream_t *)&transport->listener, LISTEN_BACKLOG, guests_accept);
	if (rc != 0)
		return clog_error_set(err, rc, "%s: it is not possible to listen there: %s", transport->address,
		                      uv_strerror(rc));
	uv_timer_start(&transport->timer, on_tick, 0, TICK_MS);
	return 0;
}
