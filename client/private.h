/* private: what the files of client/ share.
 *
 * server.c has one connection to one server, frames.c what nghttp2 makes of its bytes, exchange.c one call on it, and
 * outcome.c how that ended. roster.c knows all servers. task.c tries a call at one server after the other until it is
 * answered; batches.c, reading.c and order.c are what is called: appends, reads and commands. view.c is told the state.
 *
 * Nothing of the caller's is called while nghttp2 or a channel is at work: what has come is noted, and told later, by
 * exchanges_settle. */
#ifndef CLOG_CLIENT_PRIVATE_H
#define CLOG_CLIENT_PRIVATE_H

#include "channel/channel.h"
#include "client/client.h"
#include "client/outcome.h"
#include "error/error.h"
#include "service/service.h"

#include <nghttp2/nghttp2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#define CLIENT_TICK_MS 50u          /* how often times are looked at */
#define CLIENT_CONNECT_MS 2000u     /* until which an address has to answer, TLS included */
#define CLIENT_SILENCE_MS 5000u     /* without an acknowledgement of sent bytes the server is gone */
#define CLIENT_PING_MS 1000u        /* after so long without a byte a server that owes an answer is asked for one; */
#define CLIENT_IDLE_PING_MS 20000u  /* and one that owes none after so long. */
#define CLIENT_PONG_MS 2000u        /* If it says nothing for that long then, it is given up */
#define CLIENT_TRY_MS 3000u         /* so long one server is waited for before another is asked */
#define CLIENT_BACKOFF_MIN_MS 50u   /* before a server is connected to again, a random part more or less, */
#define CLIENT_BACKOFF_MAX_MS 2000u /* doubled with each failure up to this */
#define CLIENT_AGAIN_MIN_MS 10u     /* the same before a call is made again */
#define CLIENT_AGAIN_MAX_MS 500u
#define CLIENT_BATCHES_MAX 8u              /* batches under way: while they are, the next one grows */
#define CLIENT_BATCH_SIZE (512u << 10)     /* bytes: a batch is closed for more once it has these */
#define CLIENT_BATCH_COUNT 65536u          /* records that a server takes in one message */
#define CLIENT_MESSAGE_SIZE_MAX (2u << 20) /* bytes of a message that a server takes */
#define CLIENT_ANSWER_SIZE_MAX (SERVICE_READ_SIZE_MAX + (64u << 10)) /* and of one that it gives */
#define CLIENT_QUEUE_SIZE_MAX (64u << 20)  /* bytes appended and not yet answered; past it -EAGAIN */
#define CLIENT_QUEUE_COUNT_MAX (64u << 10) /* appends not yet answered; past it -EAGAIN */
#define CLIENT_TASKS_MAX 4096u             /* reads and commands not yet answered; past it -EAGAIN */
#define CLIENT_TOKEN_SIZE_MAX 4096u        /* bytes of a token */
#define CLIENT_ROSTER_MAX (CLIENT_SERVERS_MAX + SERVICE_MEMBERS_MAX)
#define CLIENT_HEAD_SIZE 5u /* bytes before a message of gRPC */

struct task;
struct batch;

/* ---- credentials.c: the files ---- */

struct credentials {
	char *tls_folder, *token_file; /* NULL: none */
	struct tls_context *tls;       /* NULL: none */
	bool certified;                /* it has a certificate of ours */
	uint64_t tls_stamp;
	char token[CLIENT_TOKEN_SIZE_MAX + sizeof "Bearer "]; /* as it is sent; empty: none */
	struct timespec token_time;
	uint64_t token_inode, token_size;
	uint64_t looked_ms;
};

/* Loads the files. -EACCES, -EINVAL or the file system's error, with a sentence that names the file. */
int credentials_load(struct credentials *credentials, const char *tls_folder, const char *token_file,
                     struct clog_error *err);
void credentials_finish(struct credentials *credentials);
/* Loads those again that have changed; where they are wrong now, the old ones stay. Looks about once a second. */
void credentials_look(struct credentials *credentials, uint64_t now_ms);

/* ---- exchange.c: one call on one connection ---- */

struct exchange;

struct exchange_kind {
	const char *path;
	size_t answer_size_max; /* bytes of a message from the server */
	/* A message has come, borrowed for the call. NULL: there is to be one, which waits in the exchange until its end. */
	void (*message)(struct exchange *exchange, const void *data, size_t size);
	/* It is over; its outcome says how. It may be started anew. */
	void (*ended)(struct exchange *exchange);
};

/* In the owner's memory, all zero at first. */
struct exchange {
	const struct exchange_kind *kind;
	struct client *client;
	struct server *server;               /* NULL: it is not under way there */
	struct exchange *next, **place;      /* in server->exchanges */
	struct exchange *ripe, **ripe_place; /* in client->ripe, when something is to be told; else place is NULL */
	int32_t stream;
	const unsigned char *body; /* the message with its head, borrowed until the end */
	size_t body_size, body_given;
	uint64_t begun_ms;
	unsigned char *input; /* what has come: the bytes from begin to end */
	size_t begin, end, capacity;
	bool closed; /* the end is to be told */
	struct outcome outcome;
};

/* Begins a call at a server that is open. -ENOMEM, -EHOSTUNREACH (the server takes no more). timeout_ms 0: none. */
int exchange_start(struct exchange *exchange, const struct exchange_kind *kind, struct server *server,
                   const unsigned char *body, size_t body_size, uint64_t timeout_ms);
/* Whether it was started and its end was not told yet. */
bool exchange_active(const struct exchange *exchange);
/* Whether all of it was given away, so that the server may have it. */
bool exchange_sent(const struct exchange *exchange);
/* Ends it without a word. */
void exchange_cancel(struct exchange *exchange);
/* Frees what it holds; not under way. */
void exchange_finish(struct exchange *exchange);
/* The one message of a call that has ended well. -EPROTO where there is not just one. Borrowed. */
int exchange_answer(const struct exchange *exchange, const unsigned char **data, size_t *size);
/* What frames.c tells of it: bytes have come; its stream is over, by an error of HTTP/2's or none. */
void exchange_data(struct exchange *exchange, const void *data, size_t size);
void exchange_closed(struct exchange *exchange, uint32_t error);
/* Its connection is over. */
void exchange_broken(struct exchange *exchange, int status, const char *sentence);
/* Tells what is to be told. */
void exchanges_settle(struct client *client);
/* Writes the head of a message. */
void exchange_head(unsigned char *head, size_t size);

/* ---- frames.c ---- */

/* What all sessions share. -ENOMEM. */
int frames_init(struct client *client);
void frames_finish(struct client *client);
/* Begins a connection's session. -ENOMEM. */
int frames_start(struct server *server);
/* Submits a call. */
int frames_submit(struct exchange *exchange, uint64_t timeout_ms);

/* ---- server.c ---- */

enum server_state { SERVER_IDLE, SERVER_RESOLVING, SERVER_CONNECTING, SERVER_OPEN };

struct server {
	struct client *client;
	uint64_t serial; /* of all servers that there were */
	uint64_t member; /* its id; 0: not known */
	bool seed;       /* it was named in the options */
	char address[SERVICE_ADDRESS_SIZE];
	enum server_state state;
	struct resolved resolved; /* and the next of these to try */
	size_t turn;
	struct channel *channel;
	nghttp2_session *session;
	struct exchange *exchanges;
	bool going; /* it has said that it takes no more */
	bool pinged;
	uint64_t since_ms; /* when the connection was begun */
	uint64_t heard_ms; /* when the last byte came; and when it was asked for one, if it was since */
	uint64_t pinged_ms;
	uint64_t again_ms, wait_ms;
	int error;    /* of the last connection that failed; 0: it did not */
	bool refuses; /* it does not tell us the state */
};

/* -ENOMEM. */
int server_create(struct server **server, struct client *client, const char *address);
/* Its exchanges are broken. NULL is allowed. */
void server_destroy(struct server *server);
/* Begins to connect, where it does not and it is time to. */
void server_connect(struct server *server);
/* Whether calls can be made. */
bool server_open(const struct server *server);
/* Something is to be sent. */
void server_soon(struct server *server);
void server_tick(struct server *server, uint64_t now_ms);

/* ---- roster.c: all servers ---- */

struct roster {
	struct server *servers[CLIENT_ROSTER_MAX];
	size_t count, turn;
	uint64_t serial;
	char cluster[SERVICE_NAME_SIZE]; /* by the certificates; empty: not known yet */
};

/* Reads HOST:PORT[,HOST:PORT...]. -EINVAL with a sentence, -ENOMEM. */
int roster_init(struct client *client, const char *servers, struct clog_error *err);
void roster_finish(struct client *client);
/* Takes in where the members are; those whose address is not told stay where they were. */
void roster_members(struct client *client);
/* A server to ask, where it can be another than the one with that serial: the leader, or one in turn. NULL: none is open. */
struct server *roster_pick(struct client *client, bool leader, uint64_t avoid);
/* Whether the leader is open. */
bool roster_leads(const struct client *client);
void roster_tick(struct client *client, uint64_t now_ms);
/* The server with that serial does not tell us the state, for who we say to be. */
void roster_refused(struct client *client, uint64_t serial);
/* Whether all that there are refuse whom we say to be. */
bool roster_refuses(const struct client *client);

/* ---- task.c: a call that is made until it is answered ---- */

struct task_kind {
	struct exchange_kind exchange;
	bool leader;  /* the leader is asked first */
	bool once;    /* it must not be sent again */
	bool ordered; /* it is sent when those before it are */
	bool reads; /* it changes nothing, so that it never is unknown; and another server may have what one has not */
	/* Makes its body, before each try. NULL: it stays. */
	void (*prepare)(struct task *task);
	/* Its end, at which it is not in the list any more. Status 0: the answer is exchange_answer's. */
	void (*done)(struct task *task, int status);
};

struct task {
	struct exchange exchange; /* first */
	const struct task_kind *kind;
	struct task *next, **place; /* in client->tasks */
	const unsigned char *body;
	size_t body_size;
	uint64_t deadline_ms, again_ms, wait_ms;
	uint64_t asked;   /* the serial of the server that was asked last; 0: none */
	unsigned damaged; /* how many had it and could not read it */
	bool doubtful;    /* it was sent, and nobody knows what came of it */
	int error;        /* that the last try ended with */
};

/* Begins it, with its body set; its deadline is set unless it is there already. */
void task_begin(struct task *task, struct client *client, const struct task_kind *kind);
/* What every kind of task has as the end of its exchange. */
void task_ended(struct exchange *exchange);
/* Ends it without a word. */
void task_cancel(struct task *task);
/* Starts those that can be started. */
void tasks_turn(struct client *client);
void tasks_tick(struct client *client, uint64_t now_ms);
/* Ends all, because the client closes. */
void tasks_end(struct client *client);

/* ---- numbers.c: the session that appends go under, and their numbers ---- */

struct numbers {
	struct task task; /* first: that opens a session */
	bool opening;
	unsigned char body[CLIENT_HEAD_SIZE + 16];
	uint64_t session, key; /* 0: there is none */
	uint64_t next_sequence, next_ordinal;
};

/* Begins to open a session, where there is none and it is not under way. */
void numbers_open(struct client *client);

/* ---- batches.c: appends ---- */

struct batches {
	struct batch *waiting, **waiting_last;
	struct batch *under_way, **under_way_last; /* oldest first */
	size_t under_way_count;
	size_t queue_count, queue_size;
};

void batches_init(struct client *client);
int batches_append(struct service *service, struct service_append *append, const void *data, const uint32_t *sizes,
                   uint32_t count);
/* Sends what waits, as far as it may be sent now. */
void batches_turn(struct client *client);
void batches_tick(struct client *client, uint64_t now_ms);
/* Refuses all that was not sent. */
void batches_refuse(struct client *client, int status);

/* ---- reading.c, order.c: reads; commands and settings ---- */

int reading_read(struct service *service, struct service_read *read);
void reading_end(struct service *service, struct service_read *read);
int order_command(struct service *service, struct service_command *command);

/* ---- view.c: the state, as a server tells it ---- */

struct view {
	struct exchange exchange; /* first */
	bool known;
	uint64_t again_ms, wait_ms;
	uint64_t asked; /* the serial of the server that tells */
	struct service_state state;
	struct service_member members[SERVICE_MEMBERS_MAX];
	char rpc_addresses[SERVICE_MEMBERS_MAX][SERVICE_ADDRESS_SIZE];
	size_t member_count;
	uint64_t least_offset; /* one more than the highest offset that this client knows of */
	uint64_t stream_end;   /* the highest that this client knows of: where its own records, */
	uint64_t own_offset;   /* those below this offset, follow on what was told, they count */
	uint64_t told_offset;  /* the least_offset, and the entry of settings, that those who watch know of */
	uint64_t told_settings;
	uint64_t moved_ms; /* when it was last looked for the leader */
};

void view_turn(struct client *client);
void view_end(struct client *client);
/* A record with that offset is there. */
void view_learn(struct client *client, uint64_t offset);
/* So many records, of so many bytes in all, were appended by this client. */
void view_appended(struct client *client, uint64_t first_offset, uint32_t count, uint64_t size);
/* Tells those who watch, if there is something to tell. */
void view_tell(struct client *client);

/* ---- client.c ---- */

struct client {
	struct service service; /* first */
	uv_loop_t *loop;
	uint32_t deadline_ms;
	struct credentials credentials;
	struct channels *channels;
	struct resolver *resolver;
	nghttp2_session_callbacks *callbacks;
	nghttp2_option *option;
	uv_timer_t timer, soon;
	unsigned open_handles; /* and the channels: what is closed before it is freed */
	struct roster roster;
	struct exchange *ripe, **ripe_last; /* of which something is to be told */
	struct task *tasks, **tasks_last;   /* oldest first */
	size_t task_count;
	struct numbers numbers;
	struct batches batches;
	struct view view;
	uint64_t dice;
	char sentence[CLOG_ERROR_TEXT_SIZE];
	/* client_ready's. */
	void (*ready)(void *arg, int status, const char *sentence);
	void *ready_arg;
	uint64_t ready_ms;
	int ready_error;
	/* client_close's. */
	bool closing;
	void (*closed)(void *arg);
	void *closed_arg;
};

struct client *client_of(struct service *service);
uint64_t client_now(const struct client *client);
/* Has tasks and the like looked at, once the loop goes round. */
void client_soon(struct client *client);
/* What went wrong, at a server or, with NULL, here. */
void client_say(struct client *client, const struct server *server, const char *sentence);
/* A time to wait before something is tried again: doubles wait_ms between the two, and gives that, a random part more or
 * less. */
uint64_t client_wait(struct client *client, uint64_t *wait_ms, uint64_t least_ms, uint64_t most_ms);

#endif
