/* private: what the files of fs/ share.
 *
 * How a request goes: session.c takes it from the kernel, operations.c finds out whether its caller may do that and
 * which kind of node it is for, and the file of that kind answers it, at once or when the service has answered. Every
 * request is answered exactly once, by a function of reply.c, and is not touched after that. */
#ifndef CLOG_FS_PRIVATE_H
#define CLOG_FS_PRIVATE_H

#define FUSE_USE_VERSION 314

#include "fs/folder.h"
#include "fs/fs.h"
#include "fs/node.h"
#include "service/service.h"

#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <uv.h>

/* Bytes of the largest write(2) and read(2) that the kernel passes on in one piece. */
#define FS_PIECE_SIZE (1u << 20)
/* Bytes of names that one request to list a folder is answered with at most. */
#define FS_LISTING_SIZE (32u << 10)
/* How long a write waits for room in the service's queue, before the time that the service has for it. */
#define FS_DEADLINE_MS 10000u
/* The name of the log that the files under log/ are of. */
#define FS_LOG "log"

/* A process that is in the policy's group by a supplementary one. */
struct access_known {
	pid_t pid;
	uid_t uid;
	gid_t gid;
	uint64_t until_ms; /* of the loop's clock; 0: none */
};
#define ACCESS_KNOWN_COUNT 64

struct deferred;
struct follow_handle;
struct handle;
struct pending;
struct write;

struct fs {
	struct service *service;
	const struct auth_policy *auth;
	const char *config;
	struct folder folder;
	struct access_known known[ACCESS_KNOWN_COUNT]; /* by the process's id */
	void (*ended)(void *arg);
	void *ended_arg;
	void (*done)(void *arg);
	void *done_arg;

	struct fuse_session *session;
	struct fuse_buf request; /* the one at hand */
	uv_poll_t poll;
	uv_timer_t timer; /* runs while there are signalled or deferred requests */
	bool draining;    /* fs_unmount was called: what needs the service is refused */
	bool over;        /* the kernel has ended the session */
	bool closing;     /* the poll handle is closed, or being closed */

	uint64_t lookups;                           /* of append and lines: the number of the next node */
	uint32_t waiting;                           /* requests that the service has to answer, the deferred ones too */
	struct handle *handles;                     /* all that are open */
	struct service_watch watch;                 /* for follow */
	struct follow_handle *follows;              /* open ones */
	struct pending *signalled;                  /* whose caller got a signal that the wait outlasts */
	struct deferred *deferred, **deferred_last; /* writes that wait for room in the service's queue */
	uint32_t deferred_count;
	size_t deferred_size; /* bytes that they hold */
	bool awaits_room;     /* the service was asked to tell */
	bool stalled;         /* no more can be deferred: nothing is taken from the kernel */

	char *joined; /* where lines.c joins a carried line and a write; in use until the service has taken them */
	size_t joined_capacity;
	uint32_t *sizes; /* of the lines of a write; likewise */
	size_t sizes_capacity;
	char listing[FS_LISTING_SIZE];
};

/* ---- session.c: from the mount to its end ---- */

/* One more, or one fewer, request waits for the service. */
void session_wait(struct fs *fs);
void session_answered(struct fs *fs);
/* Takes nothing more from the kernel. The request at hand stays as it is, so that what is borrowed from it stays valid. */
void session_stall(struct fs *fs);
void session_resume(struct fs *fs);
/* Looks now and then at what is signalled and deferred. */
void session_look(struct fs *fs);

/* ---- operations.c ---- */

/* What the kernel may ask; userdata is the struct fs. */
extern const struct fuse_lowlevel_ops operations;

/* ---- access.c ---- */

/* Who makes a request. */
struct auth_principal access_caller(fuse_req_t req);
/* Make a number of a principal, for what is opened and has no handle, and the principal of that. */
uint64_t access_pack(struct auth_principal principal);
struct auth_principal access_unpack(uint64_t packed);
/* Returns 0, or -EACCES when the principal may not use nodes of that kind, or, with change, not write to them, nor make
 * and remove what is in them. */
int access_ask(const struct fs *fs, struct auth_principal principal, enum node_kind kind, bool change);
/* The st_mode of nodes of that kind: what access_ask lets each class of users do. */
mode_t access_mode(const struct fs *fs, enum node_kind kind);

/* ---- reply.c: the one place where requests are answered. NULL stands for one that was answered by a signal ---- */

/* The errno that programs see for a negative one of the service. */
int reply_errno(int error);
/* Answers with an error, or, when it is 0, with success and no more. */
void reply_error(fuse_req_t req, int error);
/* Answers a lookup, and a question for attributes. */
void reply_entry(fuse_req_t req, uint64_t node, const struct stat *attr);
void reply_attr(fuse_req_t req, uint64_t node, const struct stat *attr);
/* Answers a read of size bytes at offset of a file that has these bytes from its beginning. */
void reply_piece(fuse_req_t req, const void *data, size_t data_size, size_t size, off_t offset);
/* Returns false when the kernel has no more use for the bytes: nobody gets them. */
bool reply_data(fuse_req_t req, const void *data, size_t size);
void reply_poll(fuse_req_t req, unsigned events);
void reply_written(fuse_req_t req, size_t size);
void reply_link(fuse_req_t req, const char *target);
/* Answer an open, and one that makes the file. Return false when the kernel has no more use for it: no release will
 * come. */
bool reply_open(fuse_req_t req, const struct fuse_file_info *file);
bool reply_created(fuse_req_t req, uint64_t node, const struct stat *attr, const struct fuse_file_info *file);
void reply_statfs(fuse_req_t req);
/* Answers a question for an extended attribute, or for their names. size is what there is room for, 0 to ask only. */
void reply_xattr(fuse_req_t req, const char *text, size_t text_size, size_t size);

/* ---- handle.c: what an open file keeps until it is closed ---- */

struct handle {
	struct handle *next, **place;          /* in fs->handles */
	struct auth_principal opener;          /* what is done by the handle is done in that name */
	void (*finish)(struct handle *handle); /* frees what the handle holds; NULL for nothing */
	uint32_t uses;                         /* the kernel's, and those of requests that wait */
};

/* Makes a handle of size bytes that begins with a struct handle, zeroed. NULL when there is no memory. */
void *handle_create(struct fs *fs, size_t size, struct auth_principal opener, void (*finish)(struct handle *handle));
/* One more use; each is ended by handle_destroy, and with the last one the handle. */
void handle_keep(struct handle *handle);
void handle_destroy(struct handle *handle);
void handle_destroy_all(struct fs *fs);
/* Answers an open with the handle, which is destroyed when the kernel has no more use for it. */
void handle_open(fuse_req_t req, struct fuse_file_info *file, struct handle *handle);
/* The handle that a request comes by. */
void *handle_of(const struct fuse_file_info *file);

/* ---- pending.c: requests that wait, and the signals that their callers get meanwhile ---- */

struct pending {
	fuse_req_t req;                           /* NULL once a signal has ended the wait: EINTR was answered */
	bool any_signal;                          /* any ends it, else only one that its caller dies of */
	void (*gave_up)(struct pending *pending); /* it did; may free it; NULL for nothing to do */
	/* Private. */
	struct fs *fs;
	pid_t pid;
	struct pending *next, **place;
};

/* The request waits. any_signal and gave_up are set before. May give up at once. */
void pending_start(struct pending *pending, struct fs *fs, fuse_req_t req);
/* The wait is over: returns the request to answer, or NULL. */
fuse_req_t pending_end(struct pending *pending);
/* Looks again at those whose caller got a signal. */
void pending_look(struct fs *fs);

/* ---- command.c: commands on their way through the service ---- */

/* A command that a request waits for. It begins a larger struct from malloc, which is freed after answered(). */
struct command {
	struct service_command command;
	struct pending pending;
	/* Answers the request, which may be NULL. */
	void (*answered)(struct command *command, fuse_req_t req, int status);
};
/* Gives the command to the service. When it refuses it, answered() is called at once. */
void command_start(struct command *command, struct fs *fs, fuse_req_t req);

/* ---- admin.c: what changes the log and the cluster ---- */

/* Whether nodes of that kind are texts that can be written. */
bool admin_writable(enum node_kind kind);
void admin_write(struct fs *fs, const struct write *write);
/* Removes a member. */
void admin_remove(struct fs *fs, fuse_req_t req, const char *name);
/* Takes the access list away. */
void admin_remove_list(struct fs *fs, fuse_req_t req);

/* ---- claim.c: names that are created in records/ ---- */

void claim_create(struct fs *fs, fuse_req_t req, const char *name, struct fuse_file_info *file);
int claim_write(struct fs *fs, const struct write *write);

/* ---- submit.c: appends on their way through the service ---- */

/* An append that a request waits for. It begins a larger struct from malloc, which is freed after answered(). */
struct submit {
	struct service_append append;
	struct pending pending;
	struct handle *handle; /* that it comes by: kept as long as this */
	uint64_t expected;     /* the offset of the first record; SERVICE_ANYWHERE: any */
	/* Answers the request, which may be NULL. */
	void (*answered)(struct submit *submit, fuse_req_t req, int status);
};

/* Gives a batch to the service; data and sizes are borrowed for the call. An error is the service's, and the caller
 * frees the submit and answers the request. */
int submit_start(struct submit *submit, struct fs *fs, fuse_req_t req, const void *data, const uint32_t *sizes,
                 uint32_t count);
/* Whether an append that was answered with that status has certainly appended nothing. */
bool submit_refused(int status);

/* ---- write.c: what writes and the ends of lines go by ---- */

/* A write, or a request that ends an unfinished line. */
struct write {
	fuse_req_t req;
	uint64_t node;
	struct fuse_file_info file;
	const char *data; /* NULL for an end */
	size_t size;
	off_t position; /* a log is written at its end, wherever that is said to be */
};

/* Answers it, at once or later. */
void write_start(struct fs *fs, const struct write *write);
/* Returns 0 when it is answered, or will be; else the error to answer it with, and nothing has changed. */
int write_try(struct fs *fs, const struct write *write);

/* ---- defer.c: writes that found the service's queue full ---- */

/* Keeps the write, and tries it when there is room. */
void defer_start(struct fs *fs, const struct write *write);
void defer_retry(struct fs *fs);
/* Refuses those that have waited for too long. */
void defer_expire(struct fs *fs, uint64_t now_ms);
/* The service does not tell the mount of room any more. */
void defer_finish(struct fs *fs);

/* ---- append.c ---- */

/* What a handle of append or lines gives to its reader: what was acknowledged last. */
struct acknowledgement {
	char text[48];
	uint32_t size, cursor;
};
void acknowledgement_set(struct acknowledgement *acknowledgement, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Answers a read with what the reader has not had of it, and at most size bytes. */
void acknowledgement_read(struct acknowledgement *acknowledgement, fuse_req_t req, size_t size);

void append_open(struct fs *fs, fuse_req_t req, struct fuse_file_info *file);
void append_read(fuse_req_t req, size_t size, const struct fuse_file_info *file);
int append_write(struct fs *fs, const struct write *write);

/* ---- lines.c ---- */

void lines_open(struct fs *fs, fuse_req_t req, struct fuse_file_info *file);
void lines_read(fuse_req_t req, size_t size, const struct fuse_file_info *file);
int lines_write(struct fs *fs, const struct write *write);
/* Ends an unfinished line: it is appended, and the request answered after its commit. */
int lines_end(struct fs *fs, const struct write *write);

/* ---- records.c ---- */

/* The offset that a name in records/ stands for; false when it is none. */
bool records_offset(const char *name, uint64_t *offset);
void records_lookup(struct fs *fs, fuse_req_t req, const char *name);
void records_attr(struct fs *fs, fuse_req_t req, uint64_t offset);
void records_open(struct fs *fs, fuse_req_t req, uint64_t offset, struct fuse_file_info *file);
/* Answer for the extended attributes of a record: what the log knows of it, as text. */
void records_list_xattr(fuse_req_t req, size_t size);
void records_xattr(struct fs *fs, fuse_req_t req, uint64_t offset, const char *name, size_t size);
void records_read(struct fs *fs, fuse_req_t req, uint64_t offset, size_t size, off_t position);

/* ---- stream.c ---- */

void stream_open(fuse_req_t req, struct fuse_file_info *file);
/* base: the position in the joined stream of the file's first byte. */
void stream_read(struct fs *fs, fuse_req_t req, uint64_t base, size_t size, off_t position);

/* ---- follow.c ---- */

void follow_open(struct fs *fs, fuse_req_t req, struct fuse_file_info *file);
void follow_read(struct fs *fs, fuse_req_t req, size_t size, const struct fuse_file_info *file);
/* poll, which may be NULL, is the handle's from here on. */
void follow_poll(fuse_req_t req, const struct fuse_file_info *file, struct fuse_pollhandle *poll);
/* There is more to read. arg: the struct fs. */
void follow_more(void *arg);
/* Refuses those who wait. */
void follow_drain(struct fs *fs);

/* ---- text.c: small files that are made when they are asked for ---- */

/* Gives the text of a node, which the caller frees. -ENOENT when its member is gone, -ENOMEM. */
int text_render(struct fs *fs, uint64_t node, char **text, size_t *size);
void text_open(struct fs *fs, fuse_req_t req, uint64_t node, struct fuse_file_info *file);
void text_read(fuse_req_t req, size_t size, off_t position, const struct fuse_file_info *file);

/* ---- members.c ---- */

/* Give a member. -ENOENT when there is none of that id or name. */
int member_by_id(struct fs *fs, uint64_t id, struct service_member *member);
int member_by_name(struct fs *fs, const char *name, struct service_member *member);

/* ---- tree.c: names and attributes ---- */

/* Fills in what follows from the id and the service's state alone: all but a file's size, its times and its links. */
void tree_attr_begin(const struct fs *fs, uint64_t node, uint64_t time_ns, struct stat *attr);
/* The number of the node that a kind is reached by now: the leader's id, where the stream begins... */
uint64_t tree_number(struct fs *fs, enum node_kind kind);
void tree_lookup(struct fs *fs, fuse_req_t req, uint64_t folder, const char *name);
void tree_attr(struct fs *fs, fuse_req_t req, uint64_t node);
void tree_link(struct fs *fs, fuse_req_t req, uint64_t node);

/* ---- listing.c ---- */

void listing_read(struct fs *fs, fuse_req_t req, uint64_t folder, size_t size, off_t position);

#endif
