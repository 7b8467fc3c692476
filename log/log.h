/* log: the commit log library.
 *
 * A log is a folder of segments. A segment is a store (frames of records, written once and in order) and an index
 * (where each record is). A frame is what is written, replicated and checked as a whole: one Raft entry, holding a
 * batch of records, or a control command, a barrier or a configuration. Entries are numbered from 1, records from
 * offset 0; only frames of type LOG_RECORDS take offsets. docs/format.md has the bytes.
 *
 * The library knows neither Raft nor an event loop. Its threads are its owner's: every function here belongs to one
 * owner thread, but for log_job_run and log_read_run, which touch nothing but their job or read and files, and may run
 * on any thread. What may block is split in three so that the owner never has to: begin (memory only), run (files, any
 * thread), end (memory only).
 *
 * Errors are negative errno. A failed write or sync is final: the log refuses every later append with that same error
 * and its sentence (log_failure); reads of what was durable go on. */
#ifndef CLOG_LOG_LOG_H
#define CLOG_LOG_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct clog_error;

/* ---- Limits -------------------------------------------------------------------------------------------------- */

#define LOG_RECORD_SIZE_MAX 1044480u         /* bytes in a record: 255 pages */
#define LOG_FRAME_SIZE_MAX (16u << 20)       /* bytes in a frame; holds 1 MiB of one-byte records after a long line */
#define LOG_SESSIONS_MAX 4096u               /* rows of sessions in a frame */
#define LOG_SEGMENT_SIZE_MIN (16u << 10)     /* bytes in a store */
#define LOG_SEGMENT_SIZE_DEFAULT (64u << 20) /* bytes in a store */
#define LOG_SEGMENT_SIZE_MAX (1u << 30)      /* bytes in a store */
#define LOG_STATE_SIZE_MAX (1u << 20)        /* bytes of the user's state in a footer */
#define LOG_ROUND_SIZE_MAX (32u << 20)       /* bytes written between two syncs, but for one frame that is larger */

/* ---- Disk ---------------------------------------------------------------------------------------------------- */

/* The files under a log. log_disk_posix() is the operating system's; tests bring disks in memory that crash and fail.
 * Paths are absolute or relative to the working folder; handles are small numbers from 0. Each call returns 0 (or what
 * it says) or a negative errno. Any thread may call, each handle's writes come from one thread at a time. */
struct log_disk {
	/* Returns a handle. flags: O_RDONLY or O_RDWR, with O_CREAT, O_EXCL as in open(2). */
	int (*open)(struct log_disk *disk, const char *path, int flags);
	void (*close)(struct log_disk *disk, int handle);
	/* Reads up to size bytes; fewer only at the end of the file or, with !wait, where the rest is not in memory;
	 * with !wait and nothing of it in memory -EAGAIN. Returns the count. */
	ssize_t (*read)(struct log_disk *disk, int handle, void *data, size_t size, uint64_t position, bool wait);
	/* Writes all of size bytes, or fails. */
	int (*write)(struct log_disk *disk, int handle, const void *data, size_t size, uint64_t position);
	/* Returns when the file's data, and what is needed to read it, is on stable storage. */
	int (*sync)(struct log_disk *disk, int handle);
	/* Gives the file's size in bytes. */
	int (*size)(struct log_disk *disk, int handle, uint64_t *size);
	int (*rename)(struct log_disk *disk, const char *from, const char *to);
	int (*remove)(struct log_disk *disk, const char *path);
	/* Makes the folder unless it is there. */
	int (*make_folder)(struct log_disk *disk, const char *path);
	/* Makes the folder's names durable. */
	int (*sync_folder)(struct log_disk *disk, const char *path);
	/* Calls cb with each name in the folder but "." and "..", in no order, until cb returns non-zero, which is then
	 * returned. */
	int (*list)(struct log_disk *disk, const char *path, int (*cb)(const char *name, void *arg), void *arg);
	/* Takes the file's exclusive lock until close; -EBUSY when another has it. */
	int (*lock)(struct log_disk *disk, int handle);
	/* Gives the bytes that can still be written in the folder. NULL: it never fills. */
	int (*space)(struct log_disk *disk, const char *path, uint64_t *size);
};

/* The operating system's files. It is static and never freed. */
struct log_disk *log_disk_posix(void);

/* ---- Cells: small values that are replaced whole ------------------------------------------------------------- */

/* A cell holds one value of at most LOG_CELL_VALUE_SIZE_MAX bytes in two checksummed slots of a file, written in
 * turn: a torn write leaves the value before it. The durable mark of a store is a cell; so are a member's term and
 * vote, and its identity. */
#define LOG_CELL_SLOT_SIZE 512u
#define LOG_CELL_SIZE (2 * LOG_CELL_SLOT_SIZE)
#define LOG_CELL_VALUE_SIZE_MAX 472u

struct log_cell {
	uint64_t generation; /* of the value last read or written; 0 before the first */
};

/* Reads the newer valid slot of the cell at the position: the value, which must be size bytes. Returns -ENODATA when
 * both slots are zeros, -EBADMSG when neither is valid, or the disk's error. */
int log_cell_read(struct log_cell *cell, struct log_disk *disk, int handle, uint64_t position, void *value,
                  size_t size);
/* Writes the value over the older slot; it is durable after the file's next sync. */
int log_cell_write(struct log_cell *cell, struct log_disk *disk, int handle, uint64_t position, const void *value,
                   size_t size);

/* Reads the value of the cell file at path (a file of one cell), and makes it durable: its writer may have died before
 * its sync. -ENOENT when there is none; other errors as above. */
int log_cell_load(struct log_disk *disk, const char *path, struct log_cell *cell, void *value, size_t size,
                  struct clog_error *err);
/* Makes the value durable in the cell file at path in folder: creates it under another name and renames it when the
 * cell is new (generation 0), else writes the older slot and syncs. A failure is final: nothing may rely on either
 * value. */
int log_cell_save(struct log_disk *disk, const char *folder, const char *path, struct log_cell *cell, const void *value,
                  size_t size, struct clog_error *err);

/* ---- Frames -------------------------------------------------------------------------------------------------- */

enum log_type {
	LOG_RECORDS = 1,       /* a batch of user records; takes offsets */
	LOG_CONTROL = 2,       /* a command to the machine above */
	LOG_BARRIER = 3,       /* nothing; a new leader's first entry */
	LOG_CONFIGURATION = 4, /* the members */
};

/* What a frame's header says. */
struct log_header {
	uint64_t entry;        /* Raft's index, from 1 */
	uint64_t term;         /* Raft's term */
	uint64_t first_offset; /* of the first record; for other types, of the next record to come */
	uint64_t stream_size;  /* bytes of all records before it, trimmed ones counted */
	uint64_t commit;       /* the entry that the leader knew committed when it made the frame */
	uint64_t time_ns;      /* when the frame was made, in ns since 1970 */
	uint32_t size;         /* bytes of the whole frame */
	uint32_t count;        /* items in it: of LOG_RECORDS the records, else 0 or 1 */
	uint32_t chain;        /* checksum of this header, which the next frame carries */
	enum log_type type;
};

/* A frame: first filled with items, then closed, then appended; or read back from a log. Counted references, all
 * taken and dropped on the owner's thread. */
struct log_frame;

/* The end of a log: what a frame that is appended next must follow. */
struct log_tail {
	uint64_t entry;       /* the last entry, 0 in an empty log */
	uint64_t term;        /* its term */
	uint64_t next_offset; /* of the next record */
	uint64_t stream_size; /* bytes of all records up to here, trimmed ones counted */
	uint64_t time_ns;     /* of the last frame */
	uint32_t chain;       /* checksum of the last frame's header, 0 in an empty log */
};

/* Creates an empty frame with one reference. */
int log_frame_create(struct log_frame **frame);
struct log_frame *log_frame_ref(struct log_frame *frame);
/* Drops a reference; the last one frees. NULL is allowed. */
void log_frame_unref(struct log_frame *frame);
/* Adds a copy of an item to a frame that is not closed. -EMSGSIZE when the item is over LOG_RECORD_SIZE_MAX, -ENOBUFS
 * when the frame would be over LOG_FRAME_SIZE_MAX (nothing is added), -ENOMEM. */
int log_frame_add(struct log_frame *frame, const void *data, size_t size);
/* Adds count items that lie one after the other in data, all or none; sizes has the size of each. Errors as above. */
int log_frame_add_many(struct log_frame *frame, const void *data, const uint32_t *sizes, uint32_t count);
/* Adds all items of another frame, closed or not, with their checksums as they are. -ENOBUFS, -ENOMEM: nothing is
 * added. */
int log_frame_add_frame(struct log_frame *frame, const struct log_frame *from);
/* A run of records of a frame that came under one session: the first of them has the sequence, the next ones follow. */
struct log_session {
	uint64_t session; /* 0: of none */
	uint64_t sequence;
	uint32_t count; /* records */
};
/* Adds a row to a frame that is not closed. Rows stand for the records in order: the first row for the first `count`
 * records and so on; records past the rows have no session. Only a frame of LOG_RECORDS may be closed with rows, and
 * with no more records in them than it has. -ENOBUFS when the frame would be over LOG_FRAME_SIZE_MAX or has
 * LOG_SESSIONS_MAX rows (nothing is added), -ENOMEM. */
int log_frame_add_session(struct log_frame *frame, const struct log_session *row);
/* Rows added so far. */
uint32_t log_frame_sessions(const struct log_frame *frame);
/* Gives row i of a frame, closed or not; i < rows. */
void log_frame_session(const struct log_frame *frame, uint32_t i, struct log_session *row);
/* True when count items of size bytes in all would still fit. */
bool log_frame_fits(const struct log_frame *frame, size_t size, size_t count);
/* Closes the frame: it becomes the entry after tail. Of header, the term, type, commit and time_ns are read. */
void log_frame_close(struct log_frame *frame, const struct log_tail *tail, const struct log_header *header);
/* Makes a closed frame of bytes that came from elsewhere: the first whole frame in them, every byte checked. *used gets
 * its size, 0 on an error. -EBADMSG, -EPROTONOSUPPORT, -ENOMEM. */
int log_frame_parse(struct log_frame **frame, const void *data, size_t size, size_t *used);
/* Gives the header of the frame that the bytes begin with; of the rest nothing is checked but that it is there. -EBADMSG,
 * -EPROTONOSUPPORT. */
int log_frame_peek(const void *data, size_t size, struct log_header *header);
/* The bytes of a closed frame, as they go to disk and to peers; borrowed from it. */
const void *log_frame_bytes(const struct log_frame *frame, size_t *size);
/* The header of a closed frame. Valid as long as the frame. */
const struct log_header *log_frame_header(const struct log_frame *frame);
/* Gives item i of a closed frame, borrowed from it; i < count. Linear in i: items are found by walking. */
void log_frame_item(const struct log_frame *frame, uint32_t i, const void **data, uint32_t *size);
/* Items and their bytes added so far. */
uint32_t log_frame_count(const struct log_frame *frame);
size_t log_frame_data_size(const struct log_frame *frame);
/* Bytes that the whole frame has, or would have if it were closed now. */
uint32_t log_frame_size(const struct log_frame *frame);

/* ---- Opening and closing ------------------------------------------------------------------------------------- */

struct log_options {
	struct log_disk *disk; /* borrowed while the log is open */
	const char *path;      /* the folder, a path of up to 4,064 bytes; made when it is not there; copied */
	uint32_t segment_size; /* bytes, LOG_SEGMENT_SIZE_MIN to _MAX; 0 means LOG_SEGMENT_SIZE_DEFAULT */
	/* Bytes of the disk to leave free: with less, no segment is prepared and none begun, and appends that need one
	 * are refused with -ENOSPC. Reading and trimming go on. */
	uint64_t reserve_size;
	/* Nothing is written, and only what the durable mark names is seen: for a log that may be in use elsewhere. */
	bool read_only;
	/* Asked when a segment is full, for the state of the log's user just then, which goes into the segment's
	 * footer: at most LOG_STATE_SIZE_MAX bytes, borrowed until it is next asked. NULL allowed. */
	void (*state_cb)(void *arg, const void **data, size_t *size);
	void *arg;
};

struct log;

/* Opens the log in a folder, or makes an empty one. Reads the last segment in full and of the others the index's end
 * (an index that is missing or wrong is made again from its store). Cuts a torn tail: what is invalid beyond the
 * durable mark. What is invalid below it is corruption: it is never cut, log_damage tells of it, and everything else
 * can be read. -EBADMSG, with the file and the place in err, when a file is missing or so damaged that not even that is
 * known: nothing is changed. -EPROTONOSUPPORT for a newer format, -EINVAL for a bad option, -ENAMETOOLONG, or the disk's error.
 * Blocks. */
int log_open(struct log **log, const struct log_options *options, struct clog_error *err);
/* Frees the log. Every job and read has ended before. Does not sync: what was not durable may be lost. NULL allowed. */
void log_close(struct log *log);

/* ---- Appending ----------------------------------------------------------------------------------------------- */

/* Gives the end of the log, appended frames that are not yet durable included. */
void log_tail(const struct log *log, struct log_tail *tail);
/* 0 when a frame of that size can be appended; -ENOSPC when it would need a segment that the disk has no room for (see
 * log_options), -EROFS in a log that was opened read-only, or the error of the failure that made it so. */
int log_room(const struct log *log, uint32_t frame_size);
/* Appends a closed frame: it must follow log_tail's. Memory only; takes a reference until the frame is durable. The
 * bytes go to disk with the next job of log_write_begin. -EINVAL when it does not follow, -ENOMEM, or as log_room. */
int log_append(struct log *log, struct log_frame *frame, struct clog_error *err);

/* The frame of an entry that is appended and still in memory because it is not durable yet; borrowed until the next
 * log_job_end or truncation. NULL when it is not there. */
struct log_frame *log_pending_frame(const struct log *log, uint64_t entry);

/* Blocking work taken out of the log: run it on any thread, then end it on the owner's. */
struct log_job;

/* Takes a job that writes what was appended since the last one and syncs it: at most one at a time. Gives NULL in *job
 * when there is nothing to write. With idle, also when all is written but the durable mark is behind. */
int log_write_begin(struct log *log, bool idle, struct log_job **job);
/* Takes a job that keeps the log in order, off the hot path: sealing a full segment (its index written), preparing the
 * next one (zeros, synced), or deleting one that was trimmed. At most one at a time, and none while a job of
 * log_truncate_begin or log_install_begin is out. NULL when there is nothing to do, also after one failed, until there is
 * a new reason to try: another segment, or a trim. */
int log_chore_begin(struct log *log, struct log_job **job);
/* Lets chores be tried again after one failed: when the disk may have room again, say. */
void log_chore_retry(struct log *log);
/* True for a job of log_write_begin, log_truncate_begin or log_install_begin: it belongs on the thread that writes. */
bool log_job_writes(const struct log_job *job);
/* Does the job's work. Blocks; any thread. */
void log_job_run(struct log_job *job);
/* Takes the job's result into the log and frees it. A write job's success makes durable what it wrote. Returns the
 * job's error, with its sentence in err. Of a job that writes, and of a chore that deletes what was trimmed, it is
 * final (see the top); of other chores it is not: the log works on without. */
int log_job_end(struct log *log, struct log_job *job, struct clog_error *err);
/* Writes and syncs all that was appended, in the calling thread: begin, run and end until nothing is left. -EBUSY while a
 * job that writes is out; other errors as those of log_job_end. */
int log_sync(struct log *log, struct clog_error *err);
/* Cuts the tail: the entry and all after it are gone, as if they had never been appended. In memory at once (it may
 * read a header and an index); gives in *job what has to be done on the disk before the next write job, or NULL. No job
 * may be out: -EBUSY. -EINVAL below what was trimmed, -EBADMSG when the entry before it is damaged. */
int log_truncate_begin(struct log *log, uint64_t entry, struct log_job **job, struct clog_error *err);
/* Trims the head: records below the offset are gone at once; the segments that hold nothing else are deleted by chores,
 * the last one kept. Going back is asking for nothing. -EINVAL past what is durable. */
int log_trim(struct log *log, uint64_t offset, struct clog_error *err);
/* Where a log begins: what a member gets that is behind all that the others have kept. */
struct log_install {
	struct log_tail base; /* the log's end before its first entry */
	/* The lowest offset shown, and where it begins in the joined stream, as log_stat of the log that it comes from
	 * says; past the base, records come and are hidden. */
	uint64_t first_offset;
	uint64_t first_stream;
	const void *state; /* of the log's user at base.entry: log_state gives it back; borrowed for the call */
	size_t state_size; /* at most LOG_STATE_SIZE_MAX */
};
/* Throws the whole log away, whatever its end is: it is empty and begins after install->base. In memory at once; gives
 * in *job what has to be done on the disk before the next write job (it counts as a job that writes). Reads that are
 * under way end with what they had found, or with -ESTALE or -ENOENT. A crash during the job leaves the old log whole,
 * or the new one; a job that failed likewise. No job may be out: -EBUSY. -EINVAL when the log has the base's entry, of
 * the same term (then it needs no new beginning), when it begins at or after it itself, when offsets that a trim has
 * hidden would be given again, or when the state is too large. -ENOMEM, -EROFS, or the failure. */
int log_install_begin(struct log *log, const struct log_install *install, struct log_job **job, struct clog_error *err);
/* Takes a job that reads the segment that holds the entry (or the first one) and checks every byte of it. *next gets
 * the first entry of the segment after it, 0 after the last. What is damaged is in log_damage after log_job_end, whose
 * error is of the reading, not of what was read. One at a time, besides other jobs: NULL while one is out. */
int log_verify_begin(struct log *log, uint64_t entry, struct log_job **job, uint64_t *next);
struct log_damage;
/* Takes a job that writes whole frames over damage: data, which is copied, is the frames of exactly the entries
 * damage->first_entry to last_entry, as other members have them. One at a time, besides other jobs, but for a chore that
 * seals that segment: -EBUSY. -EINVAL when that is no damage of the log (log_damage). -EBADMSG when the frames are not
 * the ones that belong there: every byte of them is checked, and that they fill the place. Whether they follow the frame
 * before and lead to the one after is seen when the job reads the store, before it writes: then -EBADMSG comes of
 * log_job_end. The error of such a job is not final: the damage stays. When it succeeds the damage is gone from
 * log_damage, which now tells what else is damaged in that segment, and the records are read. A crash at any point
 * leaves damage or the mended frames. -ENOMEM, -EROFS, or the failure. */
int log_mend_begin(struct log *log, const struct log_damage *damage, const void *data, size_t size,
                   struct log_job **job, struct clog_error *err);
/* The last durable entry. */
uint64_t log_durable(const struct log *log);
/* 0, or the error that made the log read-only, with its sentence in err. */
int log_failure(const struct log *log, struct clog_error *err);

/* ---- Asking -------------------------------------------------------------------------------------------------- */

struct log_stat {
	uint64_t first_entry;  /* lowest entry kept, or the next one in an empty log */
	uint64_t first_offset; /* lowest offset kept */
	uint64_t stream_begin; /* position of its first byte in the joined stream */
	uint64_t bytes;        /* of the stores in use */
	uint32_t segments;
};
/* Gives it. Takes longer the more segments there are. */
void log_stat(const struct log *log, struct log_stat *stat);
/* Gives the lowest offset kept and where it begins in the joined stream, as log_stat does, at once: for each read. */
void log_begin(const struct log *log, uint64_t *first_offset, uint64_t *stream_begin);
/* Gives the log's end before its first entry kept: all zeros in a log that was never trimmed. */
void log_base(const struct log *log, struct log_tail *base);
/* The oldest segment, which a trim to its next_offset would delete. */
struct log_oldest {
	uint64_t next_offset; /* after its last record */
	uint64_t bytes;       /* of its store */
	uint64_t time_ns;     /* of its last entry */
};
/* Gives it. False when there is none but the one that is written. */
bool log_oldest(const struct log *log, struct log_oldest *oldest);
/* Gives the log's end just after an entry, as log_tail does for the last. Only for entries not yet durable and the last
 * durable one: -ENOENT else. */
int log_after(const struct log *log, uint64_t entry, struct log_tail *tail);
/* The last entry of type LOG_CONFIGURATION at or below an entry; 0 when there is none. */
uint64_t log_configuration(const struct log *log, uint64_t entry);

/* Runs of entries of one term, lowest first. */
struct log_term {
	uint64_t last_entry; /* of the run */
	uint64_t term;
};
/* The term of an entry; of the one before the first kept, too. 0 when it is not known. */
uint64_t log_term(const struct log *log, uint64_t entry);
/* Gives the runs; borrowed until the log changes. Returns their count. */
size_t log_terms(const struct log *log, const struct log_term **terms);

/* Reads from the footers the newest state of the log's user that is of an entry at or below this one. *data is the
 * caller's to free. -ENOENT when there is none, -ENOMEM, or the disk's error. May block. */
int log_state(struct log *log, uint64_t entry, uint64_t *state_entry, void **data, size_t *size);

/* The last entry of the first full segment whose state is not known: it was full when the log was closed, or its footer
 * was lost. 0 when there is none. Such a segment is not trimmed in a log that has a state_cb. */
uint64_t log_stateless(const struct log *log);
/* Gives the state at the end of such a segment: it goes into its footer with the next chores. -EINVAL when there is no
 * such segment, -ENOMEM, or the disk's error. May block. */
int log_set_state(struct log *log, uint64_t entry, const void *data, size_t size);

/* A stretch of a store that is damaged: what it held cannot be read. */
struct log_damage {
	uint64_t segment;                   /* the first entry of the segment: the store's name */
	uint64_t position, size;            /* in the store, bytes */
	uint64_t first_entry, last_entry;   /* that it touches */
	uint64_t first_offset, next_offset; /* of the records in these, some of which may be whole */
};
/* Gives the damage that opening and verifying have met; borrowed until the log changes. Returns the count. */
size_t log_damage(const struct log *log, const struct log_damage **damage);

/* ---- Reading ------------------------------------------------------------------------------------------------- */

struct log_record {
	uint64_t offset;
	uint64_t entry;
	uint64_t term;
	uint64_t time_ns;
	uint32_t size;   /* bytes */
	uint32_t crc32c; /* of its bytes */
};

enum log_read_kind {
	LOG_READ_STAT,   /* a record's attributes: offset, entry, term, time_ns and size (crc32c is 0) */
	LOG_READ_RECORD, /* a record's attributes and bytes */
	LOG_READ_STREAM, /* bytes of the joined stream */
	LOG_READ_RANGE,  /* records from an offset on, for log_read_next */
	LOG_READ_FRAMES, /* whole frames from an entry on, as bytes, for log_frame_parse */
};

struct log_segment;
struct log_index;

/* One read. The caller zeroes it once, sets kind and what it asks for, and may use it again and again: the buffer in it
 * grows as needed and is kept. log_read_finish frees it. */
struct log_read {
	enum log_read_kind kind;
	uint64_t offset;   /* asked: the record (STAT, RECORD), or the first one (RANGE) */
	uint64_t position; /* asked: the first byte in the joined stream (STREAM) */
	uint64_t entry;    /* asked: the first one (FRAMES) */
	uint32_t size;     /* asked: bytes at most, up to LOG_READ_SIZE_MAX; of RANGE and FRAMES at least one comes */

	int status;               /* the answer: 0 or an error */
	struct log_record record; /* the answer (STAT, RECORD) */
	const void *data;         /* the answer (but STAT): borrowed from the read until its next use */
	uint32_t data_size;       /* bytes there; fewer than asked where a segment or what is in memory ends */

	/* private */
	struct log_disk *disk;
	const char *folder;
	bool read_only;
	bool header_known; /* record has what is in the frame's header */
	struct log_segment *segment;
	struct log_index *index;                  /* loaded by the run, or NULL */
	uint64_t frame_position, record_position; /* in the store; frame_position is 0 until they are known */
	uint64_t skip;                            /* bytes of that record before the position asked */
	uint64_t limit;                           /* of the store: nothing durable beyond */
	uint64_t cuts;                            /* of the log, when it began */
	int handle;                               /* of the store */
	unsigned char *buffer;
	size_t buffer_size;
	unsigned char *out;
	size_t out_size;
};
#define LOG_READ_SIZE_MAX (1u << 20)

/* Finds out where to read; pins the segment. Only what is durable can be read: -ENOENT at or past it, -ESTALE below the
 * first kept. On an error there is nothing to end. */
int log_read_begin(struct log *log, struct log_read *read);
/* Reads and checks. !wait: never blocks, sets status to -EAGAIN where it would have to; run it again with wait on a
 * thread that may block. Any thread. Sets status: 0, -EBADMSG when a checksum fails (no byte is given), -EIO,
 * -ENOMEM. Of a record whose bytes are damaged STAT gives the right attributes or -EBADMSG. */
void log_read_run(struct log_read *read, bool wait);
/* Goes through the answer of a RANGE: *position is 0 at first. Gives the next record and its bytes; false at the
 * end. */
bool log_read_next(const struct log_read *read, uint32_t *position, struct log_record *record, const void **data);
/* Unpins. Returns status. data stays valid until the read is used again. */
int log_read_end(struct log *log, struct log_read *read);
/* Frees the buffers. */
void log_read_finish(struct log_read *read);

/* Reads a whole frame by its entry, from memory while it is being written, else from its store, checked. The caller
 * drops the reference. -ENOENT, -EBADMSG, -ENOMEM or the disk's error. May block. */
int log_read_frame(struct log *log, uint64_t entry, struct log_frame **frame, struct clog_error *err);

#endif
