/* service: what a log can do for its users.
 *
 * Doors (fs/, rpc/) call this interface; a member of the cluster implements it (cluster/), and so does a client over the
 * network (client/). Everything happens on the loop's thread. A request belongs to its caller, who keeps it in place
 * until it is answered.
 *
 * Asynchronous calls return a negative errno (refused, the callback is never called), SERVICE_DONE (the answer is in
 * the request already, the callback is never called) or SERVICE_PENDING (the callback is called once, later). */
#ifndef CLOG_SERVICE_SERVICE_H
#define CLOG_SERVICE_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERVICE_RECORD_SIZE_MAX 1044480u   /* bytes in a record: 255 pages */
#define SERVICE_BATCH_COUNT_MAX (2u << 20) /* records in one append */
#define SERVICE_READ_SIZE_MAX (1u << 20)   /* bytes of the stream in one read */
#define SERVICE_NAME_SIZE 64               /* bytes of a member's or cluster's name, its NUL included */
#define SERVICE_ADDRESS_SIZE 264           /* bytes of HOST:PORT, its NUL included */
#define SERVICE_MEMBERS_MAX 16             /* members of a cluster, whatever their role */

/* What asynchronous calls return besides errors. */
enum { SERVICE_PENDING = 0, SERVICE_DONE = 1 };

struct service;

/* ---- Append ---- */

struct service_append;
typedef void (*service_append_cb)(struct service_append *append, void *arg);

struct service_append {
	/* The answer. Status 0: the records are on disk at a quorum, at first_offset and up, and can be read here.
	 * Refused, nothing was appended: -ESHUTDOWN, -ENOSPC, -EHOSTUNREACH (the deadline passed and they were never
	 * proposed), -EEXIST (conditional: there is a record at that offset), -ENXIO (conditional: the log does not
	 * reach to that offset), -EKEYEXPIRED (under a session: it has ended, and these records were not sent under it
	 * before), -EINVAL (under a session: it has another key, or other records have some of these numbers).
	 * Unknown, they may yet be found in the log: -ETIMEDOUT (the deadline passed, or a session that knew has ended),
	 * -ECONNABORTED (the service failed). */
	int status;
	uint64_t first_offset;
	uint32_t count;
	/* Private to the service. */
	service_append_cb cb;
	void *arg;
	struct service_append *next;
	uint64_t begun_ns;
	uint64_t expected; /* SERVICE_ANYWHERE: none */
	uint64_t session;  /* 0: none of the caller's */
	uint64_t session_key;
	uint64_t sequence; /* of the first record */
	uint64_t deadline; /* of the service's clock, ms */
	uint32_t place;
};
/* What an append expects that may get any offset. */
#define SERVICE_ANYWHERE UINT64_MAX

/* Appends count records, which lie one after the other in data, as one batch: consecutive offsets, all or none. data
 * and sizes are borrowed for the call. Always PENDING or an error: -EMSGSIZE (a record or the batch is too large),
 * -EINVAL (count is 0 or over SERVICE_BATCH_COUNT_MAX), -EAGAIN (the queue is full; when it has drained,
 * service_ready's callback is called), -ESHUTDOWN (the service is stopping, or its disk failed), -ENOMEM. */
int service_append(struct service *service, struct service_append *append, const void *data, const uint32_t *sizes,
                   uint32_t count, service_append_cb cb, void *arg);
/* The same, if the first record gets the offset `expected`, and else not at all. */
int service_append_at(struct service *service, struct service_append *append, uint64_t expected, const void *data,
                      const uint32_t *sizes, uint32_t count, service_append_cb cb, void *arg);

/* A session of the caller's (SERVICE_OPEN_SESSION), under which a batch that is given again is appended once, whichever
 * member it is given to. A batch keeps its records and its first number when it is given again; the numbers of others are
 * higher. At most SERVICE_SESSION_BATCHES of a session may be unanswered: of older ones it is not known any more. */
struct service_session {
	uint64_t id;
	uint64_t key; /* whoever has it may append under the session */
};
#define SERVICE_SESSION_BATCHES 63u
/* As service_append_at, under a session of the caller's; expected may be SERVICE_ANYWHERE. The batch is appended under the
 * numbers sequence (from 1), sequence + 1 and so on. */
int service_append_under(struct service *service, struct service_append *append, const struct service_session *session,
                         uint64_t sequence, uint64_t expected, const void *data, const uint32_t *sizes, uint32_t count,
                         service_append_cb cb, void *arg);

/* Asks for cb to be called once, when an append that was answered -EAGAIN may be tried again. A door has one such
 * question at a time, and there are at most SERVICE_READY_MAX. */
void service_ready(struct service *service, void (*cb)(void *arg), void *arg);
#define SERVICE_READY_MAX 32
/* Takes the question back, if it is asked. */
void service_unready(struct service *service, void (*cb)(void *arg), void *arg);

/* ---- Read ---- */

struct service_record {
	uint64_t offset;
	uint64_t entry; /* of the log that holds it */
	uint64_t term;
	uint64_t time_ns; /* when it was appended, in ns since 1970 */
	uint32_t size;    /* bytes */
	uint32_t crc32c;  /* of its bytes; 0 from SERVICE_STAT */
};

enum service_read_kind {
	SERVICE_STAT,   /* attributes of the record at offset */
	SERVICE_RECORD, /* attributes and bytes of the record at offset */
	SERVICE_STREAM, /* at most size bytes of all records joined, from the position */
};

struct service_read;
typedef void (*service_read_cb)(struct service_read *read, void *arg);

struct service_read {
	/* Asked, set by the caller. */
	enum service_read_kind kind;
	uint64_t offset;
	uint64_t position; /* counted from the log's very first record, trimmed ones too */
	uint32_t size;     /* up to SERVICE_READ_SIZE_MAX */
	/* The answer. Only committed records are seen: -ENOENT past them (a stream gives 0 bytes), -ESTALE below the
	 * first kept, -EIO where the bytes fail their checksum, -ENOMEM. */
	int status;
	struct service_record record;
	const void *data; /* borrowed until service_read_end */
	uint32_t data_size;
	/* Private to the service. */
	service_read_cb cb;
	void *arg;
	void *state;
};

/* Reads. DONE, PENDING or an error. After DONE and in or after the callback the caller calls service_read_end once. */
int service_read(struct service *service, struct service_read *read, service_read_cb cb, void *arg);
/* Gives back what data points to. */
void service_read_end(struct service *service, struct service_read *read);

/* Who waits for more: in the caller's memory, and in place until service_unwatch. */
struct service_watch {
	/* Private to the service. */
	void (*cb)(void *arg);
	void *arg;
	struct service_watch *next, **place;
};
/* From now on cb(arg) is called, on the loop, each time that there is more to read: service_state tells a higher
 * next_offset than before; and when the settings have changed. cb may watch, unwatch, read and append. */
void service_watch(struct service *service, struct service_watch *watch, void (*cb)(void *arg), void *arg);
void service_unwatch(struct service *service, struct service_watch *watch);

/* ---- Ask ---- */

/* The log as this member knows it: what is committed and here. */
struct service_state {
	uint64_t first_offset; /* lowest kept */
	uint64_t next_offset;  /* of the record to come */
	uint64_t stream_begin; /* position of the first byte kept in the joined stream */
	uint64_t stream_end;   /* position after its last byte */
	uint64_t time_ns;      /* of the last record, in ns since 1970; 0 when there is none */
	uint64_t start_ns;     /* when this service was started */
	uint64_t term;
	uint64_t commit;                  /* entry */
	uint64_t self;                    /* this member's id */
	uint64_t leader;                  /* its id, 0 while there is none */
	uint64_t retain_bytes, retain_ns; /* what is kept at most, by what the log says here; 0: all, for ever */
	bool removed;                     /* this member is in the cluster no more */
	bool settings_known;              /* see service_settings */
	uint64_t settings_entry;          /* that last changed the settings; 0: none has */
	int failure;                      /* 0, or the negative errno of the failure that stopped appends here */
};
void service_state(struct service *service, struct service_state *state);

/* What a member is to the cluster: it votes; it has the log and does not vote; it has neither. */
enum service_role { SERVICE_VOTER, SERVICE_STANDBY, SERVICE_SPARE };
/* What a member is doing now. */
enum service_member_state { SERVICE_LEADER, SERVICE_FOLLOWER, SERVICE_CANDIDATE, SERVICE_UNREACHABLE };

struct service_member {
	uint64_t id; /* 1 to 2^48 - 1 */
	char name[SERVICE_NAME_SIZE];
	char address[SERVICE_ADDRESS_SIZE]; /* empty when the member listens to no peers */
	enum service_role role;
	bool pinned; /* the role was given by hand: the leader does not change it */
	enum service_member_state state;
	uint64_t match; /* the last entry known to be durable there */
	uint64_t lag;   /* entries that it is behind the leader's last */
};
/* Gives up to capacity members, in the configuration's order. Returns how many there are. */
size_t service_members(struct service *service, struct service_member *members, size_t capacity);

/* Where another member serves gRPC, HOST:PORT, as it has told this one; empty where that is not known. Borrowed until the
 * loop goes on. */
const char *service_rpc_address(struct service *service, uint64_t member);

/* The words used in files and on the command line: "voter", "leader" and so on. Static. */
const char *service_role_name(enum service_role role);
const char *service_member_state_name(enum service_member_state state);

/* ---- Settings ---- */

/* What all members keep alike besides the log: values under keys, such as who may do what (auth/auth.h). A key has 1 to
 * SERVICE_KEY_SIZE - 1 bytes of a-z A-Z 0-9 . _ / -. */
#define SERVICE_KEY_SIZE 96u                  /* bytes, the NUL included */
#define SERVICE_VALUE_SIZE_MAX (32u << 10)    /* bytes of one */
#define SERVICE_SETTINGS_SIZE_MAX (64u << 10) /* bytes of all, their keys and 16 for each */
#define SERVICE_SETTINGS_MAX 512u             /* how many there are at most */

struct service_setting {
	const char *key;
	const void *value;
	size_t size; /* bytes, 1 at least */
};
/* Gives up to capacity settings, by their keys, lowest first; how many there are. They are committed, or were in this
 * member's log when it started. A member that has not got the log as far as where it came in does not know them yet
 * (settings_known), nor does a spare, ever. Borrowed until the loop goes on. */
size_t service_settings(struct service *service, struct service_setting *settings, size_t capacity);

/* A number for those who watch over a member, under the name that its metrics have for it. */
struct service_figure {
	const char *name;
	const char *help;
	double value;
};
#define SERVICE_FIGURES_MAX 16
/* Gives the member's figures; their count. Names and texts are static. */
size_t service_figures(struct service *service, struct service_figure figures[SERVICE_FIGURES_MAX]);

/* ---- Command ---- */

struct service_command;
typedef void (*service_command_cb)(struct service_command *command, void *arg);

enum service_command_kind {
	SERVICE_END,          /* the log's end, no older than the call: value is the offset of the next record */
	SERVICE_TRIM,         /* records below the offset go */
	SERVICE_RETAIN,       /* keep at most so many bytes, and so long */
	SERVICE_SET_ROLE,     /* of a member */
	SERVICE_REMOVE,       /* a member */
	SERVICE_TRANSFER,     /* leadership to a member */
	SERVICE_SET,          /* a setting; without a value it goes */
	SERVICE_OPEN_SESSION, /* value is the id of a new session with the key */
};

struct service_command {
	/* Asked, set by the caller. */
	enum service_command_kind kind;
	uint64_t offset;         /* TRIM */
	uint64_t bytes, time_ns; /* RETAIN; 0: all, for ever */
	uint64_t member;         /* SET_ROLE, REMOVE, TRANSFER: its id */
	enum service_role role;  /* SET_ROLE */
	const char *key;         /* SET; borrowed, as the value is, until it is answered */
	const void *setting;     /* SET: the value */
	size_t setting_size;     /* SET: its bytes; 0: the setting goes */
	uint64_t session_key;    /* OPEN_SESSION: any number but 0, that nobody guesses */
	/* The answer. Refused: -EINVAL (past the end), -ENOENT (no such member), -EBUSY (another change of the members
	 * is under way, or the last voter would go), -ENOSPC (a setting: there is no room for it), -EHOSTUNREACH (no
	 * leader by the deadline), -ESHUTDOWN. -ETIMEDOUT, -ECONNABORTED: unknown. All commands but TRANSFER may be given
	 * again without harm. */
	int status;
	uint64_t value;
	/* Private to the service. */
	service_command_cb cb;
	void *arg;
	struct service_command *next;
	uint64_t deadline;
	uint64_t number;
	uint64_t entry;
	uint64_t again; /* when it may be asked again, and how long that is after the time before */
	uint64_t wait;
	bool sent;
};

/* Always PENDING or an error: -ESHUTDOWN, -ENOMEM, -EAGAIN (too many are under way), -EINVAL (a key that is none),
 * -EMSGSIZE (a value of more than SERVICE_VALUE_SIZE_MAX bytes). */
int service_command(struct service *service, struct service_command *command, service_command_cb cb, void *arg);

/* ---- Implement ---- */

/* What an implementation provides: the calls above, whose common checks are made, and cb and arg set, before it is
 * called. */
struct service_ops {
	int (*append)(struct service *service, struct service_append *append, const void *data, const uint32_t *sizes,
	              uint32_t count);
	/* Somebody waits for room in the queue: service_tell_ready is called when there is some. */
	void (*ready)(struct service *service);
	int (*read)(struct service *service, struct service_read *read);
	void (*read_end)(struct service *service, struct service_read *read);
	void (*state)(struct service *service, struct service_state *state);
	size_t (*members)(struct service *service, struct service_member *members, size_t capacity);
	const char *(*rpc_address)(struct service *service, uint64_t member); /* NULL: it is never known */
	size_t (*settings)(struct service *service, struct service_setting *settings, size_t capacity); /* NULL: none */
	int (*command)(struct service *service, struct service_command *command);
};

/* Embedded in what implements it; all but ops is zero at first, and is service.c's own. */
struct service {
	const struct service_ops *ops;
	struct {
		void (*cb)(void *arg);
		void *arg;
	} ready[SERVICE_READY_MAX];
	size_t ready_count;
	struct service_watch *watches, *next_watch;
};

/* Whether so many bytes are the key of a setting. */
bool service_is_key(const char *key, size_t size);
/* Whether somebody waits for room in the queue; and tells those who do. */
bool service_awaits_room(const struct service *service);
void service_tell_ready(struct service *service);
/* There is more to read: tells who watches. Not from within another call of it. */
void service_tell_more(struct service *service);

#endif
