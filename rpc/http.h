/* http: what the files of the HTTP door share: the door, its connections, their requests.
 *
 * A connection has at most one request at a time: what its client sends meanwhile waits. A request whose connection has gone
 * lives until the service has answered it. */
#ifndef CLOG_RPC_HTTP_H
#define CLOG_RPC_HTTP_H

#include "auth/auth.h"
#include "channel/channel.h"
#include "rpc/http_json.h"
#include "rpc/http_parse.h"
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
#define HTTP_AGAIN_MS 1000                /* between two looks at whether a long answer's client still may have it */
#define HTTP_EARLY_SIZE_MAX (64u << 10)   /* bytes of requests that are sent before their turn */
#define HTTP_PIECE_SIZE (64u << 10)       /* bytes given to the wire at once */
#define HTTP_FILL_SIZE (64u << 10)        /* bytes that an answer in pieces makes ready, and one record more */
#define HTTP_WORD_SIZE 256                /* bytes of a header that is looked at, its NUL included */
#define HTTP_WEBSOCKET_SIZE 29            /* bytes of a WebSocket's accepted key, its NUL included */

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
	struct tls_context *tls; /* NULL: none */
	uint64_t tls_stamp;
	struct channels *channels;
	uv_tcp_t listener;
	bool waiting; /* a connection waits to be accepted */
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

/* A command that a request gives to the cluster, and what it is answered with. */
struct http_admin {
	struct service_command command;
	char key[SERVICE_KEY_SIZE];
	char value[AUTH_TOKEN_VALUE_SIZE]; /* of a token */
	char *answer;                      /* JSON, once it is done; NULL without memory */
};

struct http_connection {
	struct rpc_http *http;
	struct channel *channel;
	struct http_request *request; /* NULL: none */
	struct http_connection *next, **place;
	char *kept; /* bytes that have come and could not be taken yet */
	size_t kept_size, kept_capacity;
	bool ended;              /* its client sends no more */
	bool leaving;            /* nothing more is taken; it closes once its bytes have gone */
	bool ending;             /* it closes now */
	uint64_t deadline_ms;    /* for its handshake, and without a request for the next one */
	uint64_t written, moved; /* bytes given to the channel; those that had left it at the last look */
	uint64_t moved_ms;
	struct auth_principal principal;
};

struct http_request {
	struct rpc_http *http;
	struct http_connection *connection; /* NULL: has gone */
	/* What is asked. */
	enum http_method method;
	struct http_target target;
	bool old; /* HTTP/1.0: no chunks, and the connection is closed */
	/* Who asks. */
	struct auth_principal principal;
	char principal_name[AUTH_NAME_SIZE];
	uint64_t again_ms; /* when that it may was looked at last */
	char content_type[HTTP_WORD_SIZE];
	char accept[HTTP_WORD_SIZE];
	char if_none_match[HTTP_WORD_SIZE];
	uint64_t expected; /* SERVICE_ANYWHERE: nothing */
	char *body;        /* a NUL behind it */
	size_t body_size;
	size_t body_max;      /* bytes that it may have */
	size_t body_capacity; /* bytes that there is room for, and that are counted */
	bool in_chunks;       /* it says itself where it ends; */
	struct http_chunks chunks;
	uint64_t announced;   /* or it was told: bytes that are still to come */
	bool lost;            /* where it ends is not known any more */
	uint64_t begun_ms;    /* when it was first awaited */
	size_t dropped;       /* bytes of it that came after the answer was made */
	bool whole;           /* all of it has come */
	uint64_t deadline_ms; /* for what is awaited of the client; 0: nothing */
	/* The answer. */
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
	uint64_t beat_ms;                     /* of a tail's last sign of life */
	bool ping;                            /* it is time for one */
	char accept_key[HTTP_WEBSOCKET_SIZE]; /* of a WebSocket */
	struct http_admin *admin;             /* what is asked of the cluster; NULL: nothing */
};

/* ---- http_wire.c ---- */

/* Takes in a connection that waits to be accepted. */
void http_wire_accept(struct rpc_http *http);
/* There is more of the answer: it is written when the wire takes it. */
void http_wire_wake(struct http_connection *connection);
/* Gives bytes to the wire. */
void http_wire_write(struct http_connection *connection, const void *data, size_t size);
/* Ends a connection, soon: once what was written has gone, or without more words. */
void http_wire_leave(struct http_connection *connection);
void http_wire_end(struct http_connection *connection);
/* What the clock does to a connection, which may not be there any more afterwards. */
void http_wire_look(struct http_connection *connection, uint64_t now_ms);

/* ---- http_listen.c ---- */

int http_listen_open(struct rpc_http *http, struct clog_error *err);
/* Accepts those who wait, where there is room for them. */
void http_listen_turn(struct rpc_http *http);
void http_listen_close(struct rpc_http *http);

/* ---- http_websocket.c ---- */

/* Makes what answers a client's key. -EINVAL for what is none. */
int http_websocket_key(const char *key, char answer[HTTP_WEBSOCKET_SIZE]);
/* The connection is a WebSocket from here on. */
void http_websocket_open(struct http_request *request);
/* Takes a frame; how many bytes that were, 0: it is not whole yet. -EPROTO: the connection has to end. */
ssize_t http_websocket_take(struct http_connection *connection, const char *data, size_t size);
/* Gives the wire a message, a ping, and what ends it in order. */
void http_websocket_text(struct http_connection *connection, const void *data, size_t size);
void http_websocket_ping(struct http_connection *connection);
void http_websocket_close(struct http_connection *connection);

/* ---- http_head.c ---- */

/* Takes the line and the headers of a request, who asks, and how long the body is; answers where they are refused. */
void http_head_take(struct http_request *request, struct http_lines *lines);

/* ---- http_allow.c: who asks, and what they may ---- */

/* Finds out who asks: by a token, where there is one, else by the connection. Answers, and gives false, where that is refused. */
bool http_allow_know(struct http_request *request, const struct http_lines *lines);
/* Whether who asks may; else it is answered, or, where the answer has begun, told by an event alone. */
bool http_allow(struct http_request *request, enum auth_action action);
/* A long answer ends when who asked for it may not have it any more. */
void http_allow_again(struct http_request *request, uint64_t now_ms);

/* ---- http_request.c ---- */

/* Begins a request; NULL without memory. */
struct http_request *http_request_create(struct http_connection *connection);
/* The request is done, or its connection gone. It is freed once the service has answered. */
void http_request_end(struct http_request *request);
/* What the service's callbacks call first: false when nobody waits for the answer any more, and the request is freed. */
bool http_request_answered(struct http_request *request);
/* Judges a request whose headers are taken; answers where it is refused. */
void http_request_begin(struct http_request *request);
/* Takes a piece of the body, whatever its framing; answers where it is too large. False: the connection has to end. */
bool http_request_take(struct http_request *request, const void *data, size_t size);
/* All has come: does what is asked. */
void http_request_run(struct http_request *request);
/* What a request does to the log. */
enum auth_action http_request_action(const struct http_request *request);

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
void http_admin_run(struct http_request *request);
void http_tokens_run(struct http_request *request);
/* Makes room for a command. Answers, and gives NULL, without memory. */
struct http_admin *http_admin_create(struct http_request *request, enum service_command_kind kind);
/* Gives the command to the cluster; once it is done that is answered by text, which is freed. */
void http_admin_start(struct http_request *request, char *text);
void http_admin_destroy(struct http_admin *admin);
/* Gives the settings whose keys begin so, that are count at most; their count. Answers, and gives -EAGAIN, where they are not
 * known. */
ssize_t http_admin_settings(struct http_request *request, const char *key, struct service_setting *settings,
                            size_t capacity);

#endif
