/* rpc: the log over the network: gRPC (docs/grpc.md), log.v1.Log and grpc.health.v1.Health on HTTP/2, and HTTP with JSON
 * (docs/http.md); under TLS, or, within one machine, plain. Everything happens on the loop's thread. */
#ifndef CLOG_RPC_RPC_H
#define CLOG_RPC_RPC_H

#include <stdbool.h>

struct auth_policy;
struct clog_error;
struct rpc;
struct service;
struct tls_context;
struct uv_loop_s;

/* What the door is opened with. */
struct rpc_options {
	const char *listen;             /* HOST:PORT; port 0: any that is free */
	const char *address;            /* HOST:PORT that clients are told; NULL: where it listens */
	struct service *service;        /* outlives the door */
	const struct auth_policy *auth; /* outlives the door */
	struct tls_context *tls; /* NULL: none, and then it listens on this machine alone. A reference is taken */
	/* Gives the context for a connection that has come, where it changes in time; borrowed for the call. NULL: it does
	 * not. */
	struct tls_context *(*tls_now)(void *arg);
	void *tls_arg;
	bool tls_1_2; /* clients may speak TLS 1.2, too */
};

/* Listens. -EADDRINUSE and the like, -EINVAL for an address that is none, -EACCES without certificates where others could
 * reach it; each with a sentence. Blocks: the name is looked up. */
int rpc_start(struct rpc **rpc, struct uv_loop_s *loop, const struct rpc_options *options, struct clog_error *err);
/* The address that clients are told. Borrowed. */
const char *rpc_address(const struct rpc *rpc);
/* Listens no more, tells all clients to go elsewhere, lets calls under way come to their end, for a while, and frees the
 * door; done(arg) then. The service must be running until then. */
void rpc_stop(struct rpc *rpc, void (*done)(void *arg), void *arg);

/* ---- HTTP and JSON: docs/http.md ---- */

struct rpc_http;

/* What the HTTP door is told. */
struct rpc_http_options {
	const char *listen;             /* HOST:PORT */
	const char *tls_folder;         /* of ca.pem, cert.pem, key.pem; NULL: no TLS, and then this machine only */
	bool tls_1_2;                   /* clients may speak TLS 1.2, too */
	const struct auth_policy *auth; /* borrowed for as long as the door is open */
};

/* Opens the door over a service. -EADDRINUSE and the like, -EINVAL for an address that is none, -EACCES where others than
 * this machine could reach it without TLS, -ENOMEM; each with a sentence. Blocks: the name to listen at is looked up. */
int rpc_http_open(struct rpc_http **http, struct uv_loop_s *loop, struct service *service,
                  const struct rpc_http_options *options, struct clog_error *err);
/* Takes the certificates from their files anew, for the connections to come; if they are wrong, the old ones are kept, and
 * an event says why. */
void rpc_http_reload(struct rpc_http *http);
/* Takes no more requests; once those under way are answered and all connections have ended, calls stopped(arg), later. */
void rpc_http_stop(struct rpc_http *http, void (*stopped)(void *arg), void *arg);
/* Closes the door's handles. Stopped, or never used. NULL is allowed. */
void rpc_http_close(struct rpc_http *http);
/* Frees the door, once the loop has run the close callbacks of its handles. NULL is allowed. */
void rpc_http_free(struct rpc_http *http);

#endif
