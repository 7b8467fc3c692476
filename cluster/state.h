/* What the files of the cluster room share: the member itself. Its parts:
 *   open.c       opens and closes        cluster.c   drives: jobs, time, starting and stopping
 *   entries.c    the log's end: what the core's decisions do to it, and to the machine
 *   force.c      which settings are in force
 *   peer.c       what goes to each other member, in order
 *   receive.c    what comes from them       sender.c    who of them is heard on what
 *   append.c     appends: group commit
 *   answer.c     their answers
 *   forward.c    appends of a member that does not lead, and their session
 *   request.c    what else is asked of the leader, and its answers
 *   echo.c       asking a majority whether this is still its leader's term
 *   members.c    who is in the cluster, and with what role
 *   join.c       how this member comes in, and goes
 *   retain.c     trimming what is past the limit       reads.c   reads
 *   mend.c       getting damaged entries from others */
#ifndef CLOG_CLUSTER_STATE_H
#define CLOG_CLUSTER_STATE_H

#include "cluster/cluster.h"
#include "cluster/control.h"
#include "cluster/identity.h"
#include "cluster/machine.h"
#include "cluster/message.h"
#include "cluster/mutant.h"
#include "cluster/raft.h"
#include "cluster/shim.h"
#include "error/error.h"
#include "log/log.h"
#include "service/service.h"

#define CHECK_MS 100u      /* how often deadlines, members and damage are looked at, while there is a reason */
#define COMMANDS_MAX 1024u /* commands of this member's users under way; past it -EAGAIN */
#define REQUESTS_MAX 4096u /* requests of members that a leader has taken; past it they are dropped */
#define PEERS_MAX 32u      /* whom a member talks to; a stranger past it goes first */
#define OUTGOING_MAX 256u  /* messages that wait for one peer; past it they are dropped */
#define OUTGOING_SIZE_MAX (64u << 20) /* and bytes of data in them */
#define MEND_SIZE_MAX (64u << 20)     /* bytes of one damaged stretch that can be fetched */
#define FETCH_MS 1000u                /* after that long without an answer another peer is asked */
#define PROBE_SIZE (64u << 10)        /* of a frame that ought to find room: a disk without is told to be full */
#define COMMANDS_SIZE 6144u /* bytes of a segment that all else leaves to commands: what trims a full disk finds room */
#define SETTINGS_SIZE 40960u /* and records leave these to settings: one finds room on a full disk, too */
#define SETTINGS_MAX 16u     /* changes of settings that a leader has proposed and not applied; past it they wait */
#define JOIN_MS 500u         /* between two tries to join */

/* Appends that go into one entry together, or, of another member, came together. */
struct batch {
	struct batch *next;
	struct log_frame *frame;              /* its items */
	struct service_append *first, **last; /* a list, in the order of their records; of another member's: none */
	uint32_t append_count;
	size_t size;                  /* bytes that it counts for in the queue */
	uint64_t expected;            /* offset of its first record, or SERVICE_ANYWHERE */
	uint64_t deadline;            /* ms */
	uint64_t origin;              /* the member it came from; 0: this one */
	uint64_t number;              /* of the request that brought it, or takes it to the leader */
	uint64_t session, sequence;   /* 0, 0: none */
	uint64_t key;                 /* of a client's session; 0: it is under its member's own, or none */
	uint64_t ordinal;             /* of this member's own under its session */
	bool sent;                    /* it may be in some log: refusing it would be a guess */
	bool sent_before;             /* and might have been before it was last sent */
	uint64_t again, wait;         /* when it is sent again, if there is no answer */
	bool closed;                  /* its frame is */
	int status;                   /* once settled */
	uint64_t entry, first_offset; /* once proposed or settled */
};

struct batch_list {
	struct batch *first, **last;
};

/* An entry that is in the log and not applied. */
struct step {
	struct log_tail after;
	bool records, trim;
	uint64_t offset;           /* trim: what is below it goes */
	struct settings *settings; /* that it made; NULL: it changed none */
};

/* A request that the leader has taken, for a member or (origin 0) for its own users. */
struct request {
	struct request *next;
	uint64_t origin, number;
	int status;
	uint64_t value;
	uint64_t entry; /* it is answered once this one is applied; 0: by an echo, a transfer */
};

struct outgoing;
struct peer_load;

/* Another member, or one that would be. */
struct peer {
	uint64_t id;
	struct shim_order order;        /* of what comes from it */
	uint64_t heard_ms;              /* when it was last heard of; 0: never */
	bool full;                      /* its disk is */
	struct message_alive alive;     /* what it last told of itself */
	struct outgoing *first, **last; /* what waits to be sent, in order */
	size_t outgoing_count, outgoing_size;
	struct peer_load *load; /* the read that the first of these waits for */
	unsigned char *bytes;   /* for frames that go together */
	size_t bytes_size;
};

/* An APPEND or INSTALL that must wait until no job is at work on the log. */
struct held {
	struct message message; /* type 0: none */
	unsigned char *data;
};

struct echo {
	uint64_t round;                      /* the last one begun */
	bool out;                            /* it has not a majority yet */
	uint64_t heard[SERVICE_MEMBERS_MAX]; /* ids of those that said yes */
	size_t heard_count;
	struct request *asking;                    /* those that it was begun for */
	struct request *next;                      /* those that came after */
	struct batch_list doubtful, doubtful_next; /* conditional appends past the end, in the same way */
};

struct session {
	uint64_t id;            /* 0: none is open */
	bool wanted;            /* a batch waits for one */
	uint64_t number;        /* of the request that opens one; 0: none is under way */
	bool asked;             /* it is on its way; after a while it is asked again */
	uint64_t next_sequence; /* of the next record */
	uint64_t next_ordinal;  /* of the next batch */
};

struct chores {
	uint64_t again_at; /* one that failed is not tried again before */
	uint64_t tell_at;  /* what is in told is not told again before */
	char told[CLOG_ERROR_TEXT_SIZE];
};

struct mend {
	uint64_t first_entry, last_entry; /* that are being fetched; 0: none are */
	uint64_t next_entry;              /* that comes next */
	unsigned char *data;
	size_t size, capacity;
	uint64_t asked_ms;
	size_t turn;      /* whose turn it is to be asked */
	uint64_t suspect; /* an entry that could not be read: its segment is to be looked through; 0: none */
	bool out;         /* the job is */
	const struct log_job *job;
};

struct cluster {
	struct service service; /* what cluster_service gives */
	struct cluster_host *host;
	char *data;
	int lock; /* handle of the locked file, -1 */
	struct identity identity;
	struct vote vote;
	struct log *log;
	struct core *core;
	uint32_t heartbeat_ms, election_ms, deadline_ms, voters;
	char address[SERVICE_ADDRESS_SIZE];
	char *seeds[CLUSTER_SEEDS_MAX];
	size_t seed_count, seed_turn;
	uint64_t join_at;     /* when to ask again; 0: not at all */
	uint64_t join_number; /* of the request */
	int refused_status;   /* why it was not let in when that was last told; 0: it never was */
	uint64_t refused_ms;  /* and when */

	struct machine machine;      /* at the log's end */
	bool machine_broken;         /* damage kept an entry out of it: it is made again when that is mended */
	uint64_t broken_entry;       /* the last one that it lacks */
	unsigned char *machine_code; /* where it is encoded */

	/* A queue: steps[step_first .. step_end), of the entries after applied.entry. */
	struct step *steps;
	size_t step_first, step_end, step_capacity;
	struct log_tail applied;   /* committed and durable here; its time_ns is the last record's */
	struct settings *settings; /* in force */
	bool applied_member;       /* by what is applied, this is a member */
	size_t full_size;          /* bytes of settings proposed while a majority has no room for records */
	uint64_t commit;

	/* What it last saw of the core. */
	enum core_role role;
	uint64_t term, leader;
	uint64_t ready_entry;              /* a leader proposes once this is applied: all that it inherited */
	bool removed;                      /* in the cluster no more */
	bool full;                         /* there was no room for an entry of the leader's */
	bool spare;                        /* the leader says so: it sends no log */
	uint64_t spare_leader, spare_term; /* who says so, and in which term */

	struct batch_list waiting;    /* the last one is open: it takes more */
	struct batch_list sent;       /* at the leader */
	struct batch_list proposed;   /* in the log, in its order */
	struct batch_list settled;    /* decided; to be answered once their entry is applied */
	struct batch_list *proposing; /* those whose records are in the frame that is being submitted */
	size_t queue_size;
	uint32_t queue_count;
	uint64_t told_offset; /* the next offset that who waits for more knows of */
	uint64_t told_settings;
	bool told_known;
	struct session session;

	struct service_command *commands; /* of this member's users */
	uint32_t command_count;
	struct request *requests; /* taken as leader */
	uint32_t request_count;
	uint64_t number; /* of the last request */
	struct echo echo;

	struct peer peers[PEERS_MAX];
	size_t peer_count;
	uint64_t start;       /* a number that goes up with each start */
	uint64_t sent_number; /* of the last message */
	uint64_t told_entry;  /* of the configuration that members_settled was called for */
	uint64_t repeat_at;   /* when unanswered requests are sent again */
	struct held held;
	struct mend mend;

	struct record_read *free_reads;
	unsigned reads_out; /* with the host */
	bool write_out, chore_out;
	struct chores chores;
	uint64_t woken_at; /* what the host was last asked for, 0 for nothing */
	uint64_t idle_at;  /* when the durable mark is due, 0 when it is not */
	uint64_t check_at; /* when the next look is due, 0 when it is not */

	uint64_t start_ns;
	bool started, stopping, stopped;
	int failure; /* why the member cannot go on */
	void (*stop_cb)(void *arg);
	void *stop_arg;
};

/* ---- cluster.c ---- */

/* The member cannot go on: every append is answered, the host is told, once. */
void cluster_fail(struct cluster *cluster, int status, const char *sentence);
/* The same when status is an error; sentence is for one that the log does not explain. Returns status. */
int cluster_check(struct cluster *cluster, int status, const char *sentence);
uint64_t cluster_now(const struct cluster *cluster);
/* Looks at what the core has become, applies what can be, and gives the disk and the peers what there is for them.
 * After each call of the core. */
void cluster_advance(struct cluster *cluster);
/* Whether a job is at work on the log: then it cannot be cut. */
bool cluster_log_busy(const struct cluster *cluster);
bool cluster_leads(const struct cluster *cluster);
/* Leads, and has applied all that it inherited. */
bool cluster_ready(const struct cluster *cluster);
/* Only this member is in the cluster: nobody else can lead it. */
bool cluster_alone(const struct cluster *cluster);
/* The leader sends it no log any more: what is decided elsewhere it cannot wait to see here. */
bool cluster_detached(const struct cluster *cluster);
/* It is to stop, and all is answered: it takes nothing more in, or there would always be more to write. */
bool cluster_drains(const struct cluster *cluster);

/* ---- chore.c ---- */

/* Begins the next chore, if there is one and none is under way. */
void chore_start(struct cluster *cluster);
void chore_done(struct cluster *cluster, struct log_job *job);
/* There may be room on the disk again: what failed for want of it is tried again, but not all the time. */
void chore_retry(struct cluster *cluster);

/* ---- entries.c ---- */

/* Makes the machine anew, as it is after an entry. Blocks. */
int entries_load_machine(struct cluster *cluster, uint64_t entry, struct clog_error *err);
/* Takes the machine on to an entry. Blocks. */
int entries_extend_machine(struct cluster *cluster, uint64_t entry, struct clog_error *err);
/* Gives the log the states that it lost: full segments without one could not be trimmed. Leaves the machine at some
 * entry. Blocks. */
int entries_fill_states(struct cluster *cluster, struct clog_error *err);
/* What a trim has hidden is hidden again; the machine stands at what is applied. */
void entries_trim_again(struct cluster *cluster);
/* Finds out what is committed as far as the log itself tells. Blocks. */
int entries_load_steps(struct cluster *cluster, struct clog_error *err);
/* The log's state_cb. */
void entries_state(void *arg, const void **data, size_t *size);
/* The core's decisions (raft.h). */
int entries_accept(void *arg, struct log_frame *const *frames, size_t count);
int entries_barrier(void *arg, uint64_t entry);
int entries_install(void *arg);
/* Makes a frame of one item, or of none, that follows the log's end. */
int entries_make(struct cluster *cluster, enum log_type type, const void *data, size_t size, struct log_frame **frame);
/* Proposes it: the next entry. As core_submit. */
int entries_propose(struct cluster *cluster, enum log_type type, const void *data, size_t size);
/* Applies what is committed and durable. */
void entries_apply(struct cluster *cluster);
/* Tells the core what a trim has deleted. */
int entries_trimmed(struct cluster *cluster);
void entries_finish(struct cluster *cluster);

/* ---- force.c ---- */

/* The machine stands at another entry, or was made anew: what it has of settings is in force, or will be with its entry's
 * step. */
void force_note(struct cluster *cluster);
/* An entry is applied. */
void force_apply(struct cluster *cluster, struct step *step);
/* A step is given up. */
void force_forget(struct step *step);
/* What the machine has is in force. */
void force_end(struct cluster *cluster);
/* The log was cut from an entry on, and the machine made anew. */
void force_cut(struct cluster *cluster, uint64_t first);
/* Changes of settings that are in the log and not applied. */
size_t force_under_way(const struct cluster *cluster);
/* Looks whether this is a member by what is applied. */
void force_look(struct cluster *cluster);
/* Whether the settings in force can be gone by: they may be those of long ago, or lack what is damaged. */
bool force_known(const struct cluster *cluster);
size_t settings_op(struct service *service, struct service_setting *settings, size_t capacity);

/* ---- peer.c ---- */

/* The peer with that id; made if there is none and add is true; else NULL. NULL also for this member's own id. */
struct peer *peer_find(struct cluster *cluster, uint64_t id, bool add);
/* Sends to a member; fills in who from and in what order. Copies data. Drops what there is no room for. */
void peer_send(struct cluster *cluster, uint64_t id, const struct message *message);
/* Sends to an address, where the id is not known. */
void peer_send_to(struct cluster *cluster, const char *address, const struct message *message);
/* The core's ops->send. */
void peer_send_core(void *arg, uint64_t id, const struct message *message);
/* Goes on with what waits. */
void peer_pump(struct cluster *cluster, struct peer *peer);
/* A read that a peer waited for is back. True if it was one of these. */
bool peer_load_done(struct cluster *cluster, struct log_read *read);
bool peer_heard(const struct cluster *cluster, uint64_t id);
void peers_finish(struct cluster *cluster);

/* ---- receive.c ---- */

/* Takes the message that was held, if nothing keeps it any more. */
void receive_held(struct cluster *cluster);

/* ---- sender.c ---- */

/* Whether the message's sender may say it, as things stand here. */
bool sender_allowed(const struct cluster *cluster, const struct message *message);

/* ---- append.c ---- */

void list_init(struct batch_list *list);
void list_add(struct batch_list *list, struct batch *batch);
struct batch *list_take(struct batch_list *list);
/* Moves all of a list to the front of another. */
void list_prepend(struct batch_list *list, struct batch_list *more);

void append_init(struct cluster *cluster);
int append_op(struct service *service, struct service_append *append, const void *data, const uint32_t *sizes,
              uint32_t count);
void append_ready_op(struct service *service);
/* Proposes what waits. An error is final for the member, with its sentence in err. */
int append_propose(struct cluster *cluster, struct clog_error *err);
/* The frame that is being submitted is in the log. */
void append_accepted(struct cluster *cluster, const struct log_tail *after);
struct batch *batch_create(void);
void batch_destroy(struct batch *batch);

/* ---- answer.c ---- */

/* Moves what is applied into a list, for append_answer. */
void append_apply(struct cluster *cluster, struct batch_list *done);
/* Answers and frees the batches of a list: each with its status, or all with this one if it is not 0. */
void append_answer(struct cluster *cluster, struct batch_list *done, int status);
/* A batch is decided: it is answered once the entry is applied. */
void append_settle(struct cluster *cluster, struct batch *batch, int status, uint64_t entry, uint64_t first_offset);
/* The log was cut from an entry on: what was decided by what stood there is undecided again, before another leader's
 * entries of the same numbers come. */
void append_cut(struct cluster *cluster, uint64_t first);
/* The leader is another one, or this is none any more. */
void append_leader_changed(struct cluster *cluster);
/* Answers what is past its deadline. */
void append_expire(struct cluster *cluster, uint64_t now_ms);
/* Answers what waits, when the member has failed. */
void append_fail_waiting(struct cluster *cluster);
bool append_idle(const struct cluster *cluster);
/* Frees what other members wait for. */
void append_finish(struct cluster *cluster);

/* ---- forward.c ---- */

/* Gives this member's own batches that wait a session, as far as there is one and room in it; asks for one if need be.
 * True when the first that waits may be proposed or sent. */
bool forward_prepare(struct cluster *cluster, struct batch *batch);
/* The leader does not know the session any more: if it was this member's own, the next batch gets a new one. */
void forward_session_ended(struct cluster *cluster, uint64_t session);
/* Sends what waits to the leader. */
void forward_send(struct cluster *cluster);
/* Sends again what the leader has not answered. */
void forward_repeat(struct cluster *cluster);
/* A batch of another member. */
void forward_receive(struct cluster *cluster, const struct message *message);
/* The leader's answer to one of this member's. False when it is not to one. */
bool forward_result(struct cluster *cluster, const struct message_result *result);

/* ---- request.c ---- */

int command_op(struct service *service, struct service_command *command);
/* Opens a session: a command of the member's own. */
void request_session(struct cluster *cluster);
/* Asked by a member. */
void request_receive(struct cluster *cluster, const struct message *message);
void request_result(struct cluster *cluster, const struct message_result *result);
/* Answers a request, or the command of this member's own (origin 0). */
void request_answer(struct cluster *cluster, uint64_t origin, const struct message_result *result);
/* Takes a request that is answered once the entry is applied. */
void request_promise(struct cluster *cluster, uint64_t origin, uint64_t number, uint64_t value, uint64_t entry);
/* What was promised and is applied is answered; commands that wait are sent. */
void request_advance(struct cluster *cluster);
/* Lets be asked again what may have been lost by now. */
void request_repeat(struct cluster *cluster, uint64_t now_ms);
void request_leader_changed(struct cluster *cluster, bool led);
void request_expire(struct cluster *cluster, uint64_t now_ms);
/* Ends all commands. */
void request_fail(struct cluster *cluster, int status);
bool request_idle(const struct cluster *cluster);
/* Frees what other members wait for. */
void request_finish(struct cluster *cluster);

/* ---- echo.c ---- */

/* Answers the request with the log's end once a majority has confirmed the term. */
void echo_ask(struct cluster *cluster, uint64_t origin, uint64_t number);
/* Answers the batch with the status in the same way. */
void echo_doubt(struct cluster *cluster, struct batch *batch, int status);
void echo_receive(struct cluster *cluster, const struct message *message);
void echo_result(struct cluster *cluster, const struct message *message);
/* Asks again where an answer may be lost. */
void echo_repeat(struct cluster *cluster);
/* It leads no more: what was asked is forgotten, what doubted waits again. */
void echo_forget(struct cluster *cluster);

/* ---- members.c ---- */

void state_op(struct service *service, struct service_state *state);
const char *rpc_address_op(struct service *service, uint64_t member);
size_t members_op(struct service *service, struct service_member *members, size_t capacity);
/* The place of a member in the configuration in force, or its count. */
size_t member_index(const struct cluster *cluster, uint64_t id);
/* As leader: asked to join, or to change a member. Gives what request_promise wants, or an error. */
int member_join(struct cluster *cluster, const struct message *message, uint64_t *entry);
int member_change(struct cluster *cluster, uint64_t id, enum message_change change, uint64_t *entry);
/* As leader whose own disk is full: hands over to a voter whose disk is not, if there is one. */
void members_hand_over(struct cluster *cluster);
/* Whether a majority of the voters has no room on its disk. */
bool members_full(const struct cluster *cluster);
/* Promotes who has caught up. */
void members_look(struct cluster *cluster);
/* Tells one that would join who leads. */
void member_point(struct cluster *cluster, const struct message *message);
/* Tells those that the configuration in force has left out. */
void members_settled(struct cluster *cluster);
/* Tells the spares, who get no entries, that they are spares and who leads. */
void members_tell_spares(struct cluster *cluster);

/* ---- join.c ---- */

/* Begins to ask for what it wants of the cluster: to be in it, or to be known at another address. */
void join_start(struct cluster *cluster);
/* Asks again; finds out that it was removed. */
void join_look(struct cluster *cluster, uint64_t now_ms);
/* The answer. False when it is none to this. */
bool join_result(struct cluster *cluster, const struct message_result *result);
/* It was told who leads. */
void join_pointed(struct cluster *cluster, const struct message *message);
/* It was told that it was removed. */
void join_removed(struct cluster *cluster, const struct message *message);
/* Tells the others that it is here, and how far it is. */
void join_tell_alive(struct cluster *cluster);

/* ---- mend.c ---- */

/* The entry could not be read: all damage around it is found out. */
void mend_suspect(struct cluster *cluster, uint64_t entry);
/* Whether this member has lost what it should have: then it does not stand for election. */
bool mend_wanted(const struct cluster *cluster);
void mend_look(struct cluster *cluster, uint64_t now_ms);
void mend_receive(struct cluster *cluster, const struct message *message);
/* Begins the job, if all has come and no other chore is under way. */
void mend_start(struct cluster *cluster);
/* The job is done. True if it was one of these. */
bool mend_done(struct cluster *cluster, const struct log_job *job);
void mend_finish(struct cluster *cluster);

/* ---- retain.c ---- */

/* Whether there is a limit to what is kept. */
bool retain_wanted(const struct cluster *cluster);
/* As leader: proposes to trim what is past the limit. */
void retain_look(struct cluster *cluster);

/* ---- reads.c ---- */

int read_op(struct service *service, struct service_read *read);
void read_end_op(struct service *service, struct service_read *read);
/* Frees what reads keep for reuse. */
/* Tells those who wait for more, if there is. */
void reads_tell_more(struct cluster *cluster);
void reads_finish(struct cluster *cluster);

#endif
