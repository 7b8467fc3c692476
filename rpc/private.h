/* private: what the files of rpc/ share.
 *
 * How a call goes: listener.c takes connections, connection.c moves their bytes, http2.c has what nghttp2 makes of them,
 * call.c has one request from its headers to its trailers, and the file of its method answers it.
 *
 * A stream may end at any time, while the service still owes an answer: the call lives until both are over. */
#ifndef CLOG_RPC_PRIVATE_H
#define CLOG_RPC_PRIVATE_H

#include "auth/auth.h"
#include "channel/channel.h"
#include "rpc/arena.h"
#include "rpc/framing.h"
#include "rpc/request.h"
#include "rpc/rpc.h"
#include "rpc/status.h"
#include "service/service.h"

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define RPC_CONNECTIONS_MAX 2048u  /* past it those that come are closed at once */
#define RPC_STRANGERS_MAX 128u     /* that have not said anything useful yet; past it the oldest is closed */
#define RPC_GREET_MS 5000u         /* until which TLS and the greeting of HTTP/2 have to be over */
#define RPC_IDLE_MS 600000u        /* a connection without calls for that long is closed */
#define RPC_SILENCE_MS 20000u      /* a client that takes no bytes for that long is gone */
#define RPC_STREAMS_MAX 128u       /* calls of a connection at once */
#define RPC_WINDOW_SIZE (1u << 20) /* bytes that a client may send of a call before they are taken in */
#define RPC_CONNECTION_WINDOW_SIZE (4u << 20)
#define RPC_INPUT_SIZE_MAX (128u << 20) /* bytes of all messages that are not there in whole, or wait */
#define RPC_CONNECTION_INPUT_SIZE_MAX (16u << 20)
#define RPC_OUTPUT_SIZE (256u << 10) /* with that many bytes waiting for its client no more is made for a connection */
#define RPC_RESETS_MAX 1000u         /* calls that end in an error of HTTP/2, such as a client's reset, at once; */
#define RPC_RESETS_PER_S 50u         /* and so many more each second. Past it the connection is closed */
#define RPC_CHATTER_MAX 1000u        /* frames that ask for nothing, since something was last sent or taken in */
#define RPC_SETTINGS_MAX 32u         /* in a frame of settings */
#define RPC_PIPELINE_COUNT 16384u    /* records of a ProduceStream that are not acknowledged */
#define RPC_PIPELINE_SIZE (4u << 20) /* and their bytes */
#define RPC_ROOM_MS 10000u           /* how long records wait for room in the service's queue */
#define RPC_DRAIN_MS 5000u           /* how long calls under way may take when the door closes */
#define RPC_TICK_MS 50u              /* how often times are looked at */
#define RPC_ALLOW_MS 1000u           /* and whether who has a call that goes on still may */
#define RPC_ANSWER_MS                                                                                                  \
	15000u /* until when a question is answered whose client does not say: the service gives up before */
#define RPC_MESSAGE_SIZE 160 /* bytes of what is said of an error, the NUL included */
#define RPC_TELLINGS_MAX 10u /* events of clients that are refused something, each RPC_TELL_MS */
#define RPC_TELL_MS 1000u
/* The name of the log that is served. */
#define RPC_LOG "log"

struct call;
struct connection;

/* The members as those who watch are told of them. */
struct watch_members {
	struct service_member all[SERVICE_MEMBERS_MAX];
	char rpc_addresses[SERVICE_MEMBERS_MAX][SERVICE_ADDRESS_SIZE];
	size_t count;
	uint64_t version; /* changes with them; 0: not looked at yet */
};

struct rpc {
	uv_loop_t *loop;
	struct service *service;
	const struct auth_policy *auth;
	struct tls_context *tls; /* NULL: none */
	struct tls_context *(*tls_now)(void *arg);
	void *tls_arg;
	enum tls_side side; /* how connections are accepted under TLS */
	char address[SERVICE_ADDRESS_SIZE];
	char cluster[SERVICE_NAME_SIZE]; /* by the certificate */
	struct channels *channels;
	uv_tcp_t listener;
	uv_timer_t timer;
	unsigned open_handles; /* whose close callback has not run */
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *option;
	struct arena arena;
	struct connection *connections; /* the newest first */
	size_t connection_count, stranger_count, call_count;
	struct call *timed;    /* that have a deadline */
	struct call *blocked;  /* whose records wait for room in the service's queue */
	struct call *watched;  /* of health */
	struct call *followed; /* that are told of the state */
	struct watch_members members;
	size_t input_size;
	uint64_t tellings, refusals; /* of the last second or so */
	uint64_t tell_ms;
	bool accept_again; /* there was no memory for one that came */
	bool awaits_room;  /* the service was asked to tell */
	bool closed;       /* all handles are being closed */
	/* Once it is being stopped. */
	void (*done)(void *arg);
	void *done_arg;
	uint64_t stop_ms;
};

/* ---- listener.c ---- */

uint64_t rpc_now(const struct rpc *rpc);
bool rpc_stopping(const struct rpc *rpc);
/* Frees the door, if it is stopped and nothing is left. The last thing that a function does with it. */
void rpc_end(struct rpc *rpc);

/* ---- connection.c ---- */

struct connection {
	struct rpc *rpc;
	struct connection *next, **place; /* in rpc->connections */
	struct channel *channel;
	nghttp2_session *session; /* NULL until TLS is over */
	struct auth_principal principal;
	char from[CHANNEL_ADDRESS_SIZE];
	bool greeted; /* it has acknowledged the settings */
	bool leaving; /* nothing more is taken in; it closes once its bytes have gone */
	bool told;    /* that it is to go elsewhere; */
	bool gone;    /* and that no new calls are taken */
	uint64_t since_ms, used_ms, leave_ms, allowed_ms;
	struct call *calls;
	size_t call_count;
	size_t input_size, output_size;
	uint32_t resets, chatter;
	uint64_t resets_ms;
};

void connection_accept(struct rpc *rpc, uv_stream_t *listener);
/* Something is to be sent. */
void connection_soon(struct connection *connection);
/* It asks for too much: it is told to be calm, and closed. */
void connection_calm(struct connection *connection, const char *reason);
/* The same for one frame that asks for nothing. */
void connection_chatter(struct connection *connection);
/* A call has ended in an error of HTTP/2. */
void connection_reset(struct connection *connection);
/* Tells the client to go elsewhere. */
void connection_drain(struct connection *connection);
void connections_tick(struct rpc *rpc, uint64_t now_ms);
void connection_destroy(struct connection *connection);

/* ---- http2.c ---- */

/* What all sessions share, in rpc. -ENOMEM. */
int http2_init(struct rpc *rpc);
void http2_finish(struct rpc *rpc);
/* Begins a connection's session. -ENOMEM. */
int http2_start(struct connection *connection);

/* ---- call.c: a request, from its headers to its trailers ---- */

/* Who may call a method. */
enum method_leave {
	METHOD_ACTION,    /* who may do its action */
	METHOD_ANY,       /* who may do any action */
	METHOD_EVERYBODY, /* who may connect */
};

struct method {
	const char *path;
	enum method_leave leave;
	enum auth_action action;
	bool client_streams; /* its client sends any number of messages, and not just one */
	bool lasts;          /* it may go on for long: whether its client still may is asked again and again */
	uint32_t timeout_ms; /* of a client that gives no time; 0: none */
	/* Makes what it needs, call->state. -ENOMEM. */
	int (*begin)(struct call *call);
	/* A message has come, borrowed for the call. Returns false when it cannot be taken in now: then the call was paused,
	 * and it comes again. */
	bool (*message)(struct call *call, const void *data, size_t size);
	/* No message is left for now; and all have come. NULL: it does not matter. */
	void (*gap)(struct call *call);
	void (*ended)(struct call *call);
	/* More can be given again after call_room said no. NULL: it never asks. */
	void (*more)(struct call *call);
	/* The member is stopping. NULL: the call will soon be done anyway. */
	void (*drain)(struct call *call);
	/* The call is done: it waits for nothing any more. What the service still owes it comes later. NULL: it never waits. */
	void (*stop)(struct call *call);
	/* Frees call->state, which may be NULL. */
	void (*finish)(struct call *call);
};

struct call {
	struct rpc *rpc;
	struct connection *connection; /* NULL once its stream has ended */
	struct call *next, **place;    /* in connection->calls */
	struct call *timed_next, **timed_place;
	struct call *waiting_next, **waiting_place; /* in a list of rpc's, by its method */
	int32_t stream;
	unsigned uses;               /* the stream's, and those of who waits for the service */
	const struct method *method; /* NULL until its headers are there */
	void *state;
	struct request request;
	uint64_t deadline_ms;
	struct framing input;
	size_t input_size;            /* as it is counted */
	size_t unconsumed;            /* bytes that the client's window does not have back */
	bool paused;                  /* messages wait in input */
	bool ended;                   /* the client has sent all */
	bool taken;                   /* the method has had a message */
	bool told_ended;              /* and the method knows */
	bool answered;                /* the response's headers are submitted */
	bool done;                    /* with the status, and nothing is added to it */
	bool deferred;                /* nothing was there to be sent */
	bool wants_room;              /* call_room said no */
	struct auth_principal bearer; /* who has the token of its headers */
	char bearer_name[AUTH_NAME_SIZE];
	bool has_bearer;  /* they have one, good or not */
	int bearer_error; /* which is not good: why is in message */
	enum status status;
	int error;                      /* negative errno that the status stands for; 0: none */
	const char *outcome;            /* of what was to change the log: "refused" or "unknown"; else NULL */
	const char *accept_encoding;    /* what the client may use instead; else NULL */
	char message[RPC_MESSAGE_SIZE]; /* empty: none */
	unsigned char *output;          /* bytes that wait: those from begin to end */
	size_t output_begin, output_end, output_capacity;
};

/* A stream has begun, its headers are there, bytes of its body, its end. -ENOMEM. */
int call_create(struct connection *connection, int32_t stream);
void call_begin(struct call *call);
void call_data(struct call *call, const void *data, size_t size);
void call_end(struct call *call);
/* Its stream is over. */
void call_closed(struct call *call);

/* One more user, and one fewer: the last one frees it. */
void call_keep(struct call *call);
void call_release(struct call *call);

/* Gives a message to the client. Whether there is room for more ought to be asked before: when there is none, method->more
 * is called later. */
void call_reply(struct call *call, const ProtobufCMessage *message);
bool call_room(struct call *call);
/* The call is done, with that status; message may be NULL. Nothing happens when it was done already. */
void call_finish(struct call *call, enum status status, const char *message);
/* The same with what a negative errno of the service comes to; and with a sentence of one's own. */
void call_fail(struct call *call, int error);
void call_refuse(struct call *call, int error, const char *message);
/* No more messages are taken in; they are again. */
void call_pause(struct call *call);
void call_resume(struct call *call);
/* Gives the bytes to be sent, as nghttp2 asks for them. */
ssize_t call_send(nghttp2_session *session, int32_t stream, uint8_t *data, size_t capacity, uint32_t *flags,
                  nghttp2_data_source *source, void *arg);
/* Those that have room again are told. */
void calls_more(struct connection *connection);
void calls_tick(struct rpc *rpc, uint64_t now_ms);
/* Adds a call to a list of waiting ones, and takes it from where it is. */
void call_wait(struct call *call, struct call **list);
void call_leave(struct call *call);

/* ---- allow.c: who asks, and what they may ---- */

/* Takes the value of an authorization header in. */
void allow_header(struct call *call, const void *value, size_t size);
/* Whether the call may begin, and go on, or its client do an action; where not, the call is finished, and that is told. */
bool allow_call(struct call *call);
bool allow_action(struct call *call, enum auth_action action);
/* The same without finishing it. */
bool allow_silently(const struct call *call, enum auth_action action);
/* Ends the calls that go on for long and whose client may not do that any more. */
void allow_again(struct connection *connection, uint64_t now_ms);

/* ---- methods.c and the files of the methods ---- */

/* NULL: there is none. */
const struct method *method_find(const char *path);

extern const struct method produce_one, produce_stream;
/* Tries again what waits for room. */
void produce_tick(struct rpc *rpc, uint64_t now_ms);
extern const struct method consume_one, consume_stream;
extern const struct method servers_list;
extern const struct method read_one;
extern const struct method watch_state;
/* Tells those who watch of what has changed and nobody calls for. */
void watch_tick(struct rpc *rpc);
extern const struct method command_any, command_session;
extern const struct method settings_list;
extern const struct method reflect, reflect_alpha;
extern const struct method health_check, health_watch;
/* Tells those who watch of changes. */
void health_tick(struct rpc *rpc);

#endif
