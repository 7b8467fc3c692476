/* clog: a replicated commit log, from C programs. Link with libclog: pkg-config --cflags --libs clog.
 *
 * All calls wait for what they ask for, at most as long as the options say. A handle may be used by any thread, one at a time;
 * several handles are independent. Nothing runs between calls: connections that end meanwhile are made anew by the next one.
 * A handle does not go along to the child of a fork. The process's signals are left alone.
 *
 * Calls return 0 or a negative errno, as docs/filesystem.md has them. Of an append it is either refused, and nothing was
 * appended, or unknown (clog_unknown): then it may yet be found in the log, and is not to be sent again blindly. What breaks
 * on the way is tried again by the library itself, and is appended once. */
#ifndef CLOG_LIB_CLOG_H
#define CLOG_LIB_CLOG_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CLOG_RECORD_SIZE_MAX 1044480u /* bytes in a record */
#define CLOG_BATCH_COUNT_MAX 65536u   /* records in one append; */
#define CLOG_BATCH_SIZE_MAX 900000u   /* bytes of them, if they are more than one */
#define CLOG_SENTENCE_SIZE 512u       /* bytes of a sentence, its NUL included */

/* A log that is open. */
struct clog_log;

/* Copied. */
struct clog_options {
	const char *servers;    /* HOST:PORT[,HOST:PORT...]: where to begin */
	const char *tls_folder; /* ca.pem, and cert.pem and key.pem where there are any; NULL: no TLS */
	const char *token_file; /* a token, which others may not read; NULL: none */
	uint32_t deadline_ms;   /* in which a call is answered; 0: 10,000 */
};

/* Opens a log: waits until a server has told its state. Where it fails, the sentence says why, if it is not NULL. -EINVAL,
 * -ENOMEM, -EACCES (a key or token that others can read, or who one says to be is not let in), -EHOSTUNREACH, -EPROTO, or the
 * file system's errors. */
int clog_open(struct clog_log **log, const struct clog_options *options, char sentence[CLOG_SENTENCE_SIZE]);
/* NULL is allowed. */
void clog_close(struct clog_log *log);

/* What was wrong when the last call failed, for a person: which server, and what it said; may be empty. Valid until the next
 * call. */
const char *clog_sentence(const struct clog_log *log);
/* Whether an append that failed so may yet be found in the log: 1 or 0. */
int clog_unknown(int error);

/* ---- Append ---- */

/* Bytes of the caller's. */
struct clog_bytes {
	const void *data;
	size_t size;
};

/* Appends a record; returns when it is on disk at a quorum, with its offset, if that is not NULL. Refused: -EMSGSIZE, -EACCES,
 * -ENOSPC, -EHOSTUNREACH, -ESHUTDOWN, -ENOMEM. Unknown: -ETIMEDOUT, -ECONNABORTED. */
int clog_append(struct clog_log *log, const void *data, size_t size, uint64_t *offset);
/* The same if the record gets the offset `expected`. Refused besides: -EEXIST (there is a record), -ENXIO (the log does not
 * reach to there). */
int clog_append_at(struct clog_log *log, uint64_t expected, const void *data, size_t size);
/* Appends records under consecutive offsets, of which the first is given, all or none. -EINVAL: there are none, or more than
 * CLOG_BATCH_COUNT_MAX; -EMSGSIZE. */
int clog_append_many(struct clog_log *log, const struct clog_bytes *records, size_t count, uint64_t *first_offset);

/* ---- Read ---- */

struct clog_record {
	uint64_t offset;
	uint64_t term;    /* of Raft, in which it was appended */
	uint64_t time_ns; /* when it was appended, in ns since 1970 */
	const void *data; /* until the handle's next call */
	size_t size;      /* bytes */
};

/* Reads a record. -ENOENT: it is not there yet; -ESTALE: it was trimmed; -EIO: its bytes fail their checksum there; -EACCES,
 * -EHOSTUNREACH. */
int clog_read(struct clog_log *log, uint64_t offset, struct clog_record *record);
/* Reads the record at *offset, and waits for it where it is to come: at most timeout_ms, or for ever where that is negative.
 * Moves *offset to the next one. -EAGAIN: it has not come in time. -ESTALE: it was trimmed; *offset is then the first that is
 * kept. Others leave *offset as it was, and may be tried again: one who follows goes on so over a failure of servers. */
int clog_next(struct clog_log *log, uint64_t *offset, int timeout_ms, struct clog_record *record);
/* Where the log begins, and the offset of the record to come: no older than the call, by the leader. Each may be NULL.
 * -EHOSTUNREACH where there is none. */
int clog_ends(struct clog_log *log, uint64_t *first_offset, uint64_t *next_offset);

#ifdef __cplusplus
}
#endif

#endif
