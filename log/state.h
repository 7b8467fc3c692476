/* What the files of the log room share: the log itself. Its parts: log.c asks and appends, job.c writes, open.c opens,
 * read.c reads. */
#ifndef CLOG_LOG_STATE_H
#define CLOG_LOG_STATE_H

#include "error/error.h"
#include "log/segment.h"

#define LOG_SUFFIX_STORE ".store"
#define LOG_SUFFIX_INDEX ".index"
#define LOG_SUFFIX_NEW ".new"
#define LOG_NAME_MAX 31u /* "/<20 digits>.index.new": more room than that no name needs */
#define LOG_PREPARED "prepared" LOG_SUFFIX_STORE
#define LOG_BASE "base" /* a cell: the log's end before the first segment, and the lowest offset shown */
#define LOG_BASE_SIZE 64u
#define LOG_INSTALL "install" /* the files of a new beginning, until the log has it */
#define LOG_INSTALL_STORE LOG_INSTALL LOG_SUFFIX_STORE
#define LOG_INSTALL_INDEX LOG_INSTALL LOG_SUFFIX_INDEX

/* Index memory of sealed segments that is kept for reading, and stores kept open, beyond which the least recently read
 * are let go. */
#define LOG_INDEX_MEMORY_MAX ((size_t)64 << 20)
#define LOG_STORES_OPEN_MAX 64u

/* Headers of frames that were read lately, one in the place of its entry modulo their number: records of a large batch
 * are far from theirs. */
#define LOG_HEADERS_KEPT 1024u

struct kept_header {
	uint64_t entry; /* 0: none */
	uint64_t term;
	uint64_t time_ns;
};

/* A frame that was appended and is not durable yet. */
struct pending {
	struct log_frame *frame;
	struct log_segment *segment;
	uint32_t position;     /* in the segment's store */
	struct log_tail after; /* the log's end just after it */
};

struct log {
	struct log_disk *disk;
	char *path;
	uint32_t segment_size;
	uint64_t reserve_size;
	bool read_only;
	void (*state_cb)(void *arg, const void **data, size_t *size);
	void *arg;

	struct log_segment **segments; /* lowest first; the last one is written */
	size_t segment_count, segment_capacity;
	size_t unsealed_count; /* of those before the last one */

	uint64_t first_offset;      /* lowest that is shown; what is below it was trimmed */
	uint64_t first_stream;      /* where it begins in the joined stream */
	uint64_t kept_first_offset; /* as the file LOG_BASE has it */
	struct log_cell base;       /* of that file */
	uint64_t stale_index;       /* first entry of the segment that went last, whose index is still there; 0: none */

	struct log_tail tail;    /* appended */
	struct log_tail durable; /* on disk */

	/* A queue: pending[pending_first .. pending_end). */
	struct pending *pending;
	size_t pending_first, pending_end, pending_capacity;

	struct log_term *terms;
	size_t term_count, term_capacity;
	uint64_t *configurations;
	size_t configuration_count, configuration_capacity;
	struct log_damage *damage;
	size_t damage_count, damage_capacity;

	struct log_job *write; /* under way, or NULL */
	struct log_job *chore;
	struct log_job *verify;
	struct log_job *mend;
	bool prepared;             /* the file LOG_PREPARED is there */
	bool chore_failed;         /* tried in vain; again when there is a new reason */
	bool no_space;             /* the disk's reserve is reached: nothing could be prepared */
	struct clog_error failure; /* code 0 while the log can be written */

	struct kept_header headers[LOG_HEADERS_KEPT];
	uint64_t reads; /* counts, for the segments' `used` */
	uint64_t cuts;  /* counts truncations and new beginnings: a read begun before may have seen what is gone */
};

/* The path of a file in the log's folder, whose name is at most LOG_NAME_MAX bytes. */
void log_file_path(char path[PATH_MAX], const char *folder, const char *name);
/* The segment that is written, or NULL in an empty log. */
struct log_segment *log_last_segment(const struct log *log);
/* Adds a segment at the end; takes it on success. -ENOMEM. */
int log_add_segment(struct log *log, struct log_segment *segment);
/* Notes what the runs of terms and the list of configurations must know of an entry; log_note_reserve made room for it
 * (-ENOMEM). */
int log_note_reserve(struct log *log);
void log_note_entry(struct log *log, uint64_t entry, uint64_t term, enum log_type type);
/* Forgets what was noted of entries above this one. */
void log_forget_entries(struct log *log, uint64_t last);
/* Notes damage. -ENOMEM. */
int log_note_damage(struct log *log, const struct log_damage *damage);
/* Frees a segment that is not in the log any more, now, or when its last read has ended. */
void log_drop_segment(struct log *log, struct log_segment *segment);
/* The index of a segment, brought into memory; the segment must be pinned. -ENOMEM, -EBADMSG, or the disk's error. */
int log_load_index(struct log *log, struct log_segment *segment);
/* Makes room for one more element in an array. -ENOMEM. */
int log_reserve(void **array, size_t *capacity, size_t count, size_t element);
/* The segment that holds an entry; NULL when none does. */
struct log_segment *log_segment_of(const struct log *log, uint64_t entry);
/* The end of what is durable of a segment, in its store. */
uint64_t log_durable_position(const struct log *log, const struct log_segment *segment);
/* Lets go what was read least recently, beyond the limits: of sealed segments the index and the store's handle. */
void log_let_go(struct log *log);

#endif
