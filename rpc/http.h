/* http: what the files of the HTTP door share: the door, its connections, their requests.
 *
 * libwebsockets has the wire (http_wire.c), on the loop. A connection has at most one request at a time; a request whose
 * connection has gone lives until the service has answered it. */
#ifndef CLOG_RPC_HTTP_H
#define CLOG_RPC_HTTP_H

#include "auth/auth.h"
#include "rpc/http_json.h"
#include "rpc/http_target.h"
#include "rpc/rpc.h"
#include "service/service.h"
#include "tls/tls.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

/* The name by which the access list knows the log that a member has. */
#define RPC_LOG "log"

#define HTTP_CONNECTIONS_MAX 1024         /* at a time; others wait to be accepted */
#define HTTP_HEADER_SIZE_MAX (8u << 10)   /* bytes of a request's line and headers */
#define HTTP_BODY_SIZE_MAX (12u << 20)    /* bytes of the body of a batch */
#define HTTP_ONE_SIZE_MAX (1536u << 10)   /* bytes of the body of one record in JSON */
#define HTTP_ASK_SIZE_MAX 4096u           /* bytes of the body of a GET */
#define HTTP_DROPPED_SIZE_MAX (64u << 20) /* bytes of a body that was refused already, until the client stops */
#define HTTP_BODIES_SIZE_MAX (64u << 20)  /* bytes of all bodies that are under way */
#define HTTP_HEADER_MS 10000              /* for a handshake, and for a request's headers */
#define HTTP_BODY_MS 10000                /* for a body, and besides a second for each HTTP_BODY_RATE bytes */
#define HTTP_BODY_RATE (64u << 10)        /* bytes a second that a body has to come by */
#define HTTP_STALL_MS 30000               /* without a byte of an answer being taken */
#define HTTP_IDLE_MS 60000                /* between two requests */
#define HTTP_LINGER_MS 2000               /* for who is still sending what was refused already */
#define HTTP_BEAT_MS 15000                /* between two signs of life in a quiet tail */
#define HTTP_STOP_MS 5000                 /* for answers to be taken when the door closes */
#define HTTP_SWEEP_MS 500                 /* between two looks at who is late */
#define HTTP_EARLY_MAX 64                 /* times that libwebsockets tells of bytes before their turn */
#define HTTP_PIECE_SIZE (64u << 10)       /* bytes given to the wire at once */
#define HTTP_FILL_SIZE (64u << 10)        /* bytes that an answer in pieces makes ready, and one record more */
#define HTTP_WORD_SIZE 256                /* bytes of a header that is looked at, its NUL included */

struct lws;
struct lws_context;
struct lws_vhost;
struct ssl_ctx_st;
struct http_connection;

/* The door. */
struct rpc_http {
	uv_loop_t *loop;
	struct service *service;
	const struct auth_policy *auth;
	char listen[SERVICE_ADDRESS_SIZE];
	char *tls_folder;   /* NULL: no TLS */
	enum tls_side side; /* how connections are accepted under TLS */
	char cluster[TLS_NAME_SIZE];
	struct ssl_ctx_st *ssl;
	uint64_t tls_stamp;
	struct lws_context *context;
	struct lws_vhost *vhost;
	uv_poll_t listener;
	int listen_fd;
	bool accepting;
	uv_timer_t sweep;
	struct http_connection *connections;
	unsigned connection_count;
	unsigned request_count; /* those without a connection, too */
	size_t bodies_size;
	/* Closing. */
	bool stopping;
	uint64_t stop_at_ms;
	void (*stopped)(void *arg);
	void *stopped_arg;
};

struct http_request;

struct http_connection {
	struct rpc_http *http;
	struct lws *wsi;
	struct http_request *request; /* NULL: none */
	struct http_connection *next, **place;
	unsigned early_count;
	bool ending; /* it is being closed */
	bool known;  /* who is there was asked for */
	bool nobody; /* and nothing tells */
	struct auth_principal principal;
	char principal_text[TLS_NAME_SIZE]; /* the name in a certificate, or uid/N */
};

struct http_request {
	struct rpc_http *http;
	struct http_connection *connection; /* NULL: has gone */
	/* What is asked. */
	enum http_method method;
	struct http_target target;
	bool old; /* HTTP/1.0: no chunks, and the connection is closed */
	char content_type[HTTP_WORD_SIZE];
	char accept[HTTP_WORD_SIZE];
	char if_none_match[HTTP_WORD_SIZE];
	uint64_t expected; /* SERVICE_ANYWHERE: nothing */
	char *body;        /* a NUL behind it */
	size_t body_size;
	uint64_t announced;   /* bytes that are to come */
	size_t body_capacity; /* once they are awaited */
	size_t dropped;       /* bytes of it that came after the answer was made */
	bool told;            /* that it has come */
	bool whole;           /* all of it has come */
	uint64_t deadline_ms; /* for what is awaited of the client; 0: nothing */
	/* The answer. Bytes lie in out behind LWS_PRE others, for libwebsockets. */
	bool answered; /* it has begun */
	bool close;    /* the connection, afterwards */
	bool chunked;
	bool websocket;
	unsigned char *out;
	size_t out_size;
	size_t out_sent;
	size_t out_capacity;
	void (*more)(struct http_request *request); /* makes more of it when out is empty; NULL: there is no more */
	/* What the service is asked: one thing at a time. */
	bool pending;
	bool watching;
	struct service_append append;
	struct service_read read;
	struct service_watch watch;
	struct http_batch batch;
	/* An answer in pieces: the offset of the next one, and where it stops; what puts one, and what is done where none is. */
	uint64_t next, end;
	int (*put)(struct http_request *request, const struct service_record *record, const void *data);
	void (*failed)(struct http_request *request, int status);
	uint64_t beat_ms; /* of a tail's last sign of life */
	bool ping;        /* it is time for one */
};

/* ---- http_wire.c ---- */

int http_wire_open(struct rpc_http *http, struct clog_error *err);
/* Takes in a connection that was accepted; the socket is the wire's. */
void http_wire_adopt(struct rpc_http *http, int socket);
/* There is more of the answer: it is written when the wire takes it. */
void http_wire_wake(struct http_connection *connection);
/* Ends a connection, soon, without more words. */
void http_wire_end(struct http_connection *connection);

/* ---- http_listen.c ---- */

int http_listen_open(struct rpc_http *http, struct clog_error *err);
/* Accepts, or not, by how many there are. */
void http_listen_turn(struct rpc_http *http);
void http_listen_close(struct rpc_http *http);

/* ---- http_head.c ---- */

/* Takes the line and the headers of a request from libwebsockets, who asks, and whether the body has a length; answers where
 * they are refused. */
void http_head_take(struct http_request *request, const char *path);

/* ---- http_request.c ---- */

/* Begins a request; NULL without memory. */
struct http_request *http_request_create(struct http_connection *connection);
/* The request is done, or its connection gone. It is freed once the service has answered. */
void http_request_end(struct http_request *request);
/* What the service's callbacks call first: false when nobody waits for the answer any more, and the request is freed. */
bool http_request_answered(struct http_request *request);
/* Judges a request whose headers are taken; answers where it is refused. */
void http_request_begin(struct http_request *request);
/* Takes a piece of the body. False: the connection has to end. */
bool http_request_take(struct http_request *request, const void *data, size_t size);
/* All has come: does what is asked. */
void http_request_run(struct http_request *request);
/* Whether the principal may; else it is answered. */
bool http_request_may(struct http_request *request, enum auth_action action);

/* ---- http_answer.c ---- */

/* Answers with a body, which is the answer's from here on and freed; NULL for none, and then size is what it would have. More headers each
 * end with a line end; NULL for none. */
void http_answer(struct http_request *request, int status, const char *type, const char *headers, char *body,
                 size_t size);
/* Answers with a copy of a text. */
void http_answer_text(struct http_request *request, int status, const char *type, const char *text);
/* Answers that it did not go well: a negative errno, and a sentence; NULL for the errno's own. */
void http_answer_error(struct http_request *request, int code, const char *sentence);
/* The same with another status than the errno's, and more headers. */
void http_answer_refusal(struct http_request *request, int status, const char *headers, int code, const char *sentence);
/* Begins an answer of unknown length; more makes the rest. */
void http_answer_begin(struct http_request *request, int status, const char *type, const char *headers,
                       void (*more)(struct http_request *request));
/* Puts a piece of it. -ENOMEM. */
int http_answer_put(struct http_request *request, const void *data, size_t size);
/* There is no more of it. */
void http_answer_finish(struct http_request *request);
/* The answer cannot be finished: its reader is shown that by the connection's end. */
void http_answer_break(struct http_request *request);
/* Whether the header Accept asks for a type. */
bool http_answer_wanted(const struct http_request *request, const char *type);

/* ---- What the routes do ---- */

/* Puts records until enough is ready or one has to be waited for. True when nothing was put, and nothing is waited for. */
bool http_pieces_fill(struct http_request *request);

void http_book_run(struct http_request *request);
void http_append_run(struct http_request *request);
void http_record_run(struct http_request *request);
void http_range_run(struct http_request *request);
void http_tail_run(struct http_request *request);
/* The connection is a WebSocket from here on. */
void http_tail_upgraded(struct http_request *request);
/* A tail has been quiet for long: says that it lives. */
void http_tail_beat(struct http_request *request);
/* Ends a tail in order, as far as its wire takes that. */
void http_tail_stop(struct http_request *request);
void http_about_run(struct http_request *request);
void http_page_run(struct http_request *request);

#endif
