/* member: a member on a disk in memory, and what tests do with one again and again. Asserts that it works, unless it
 * says otherwise. */
#ifndef CLOG_TESTS_CLUSTER_MEMBER_H
#define CLOG_TESTS_CLUSTER_MEMBER_H

#include "service/service.h"
#include "tests/cluster/host.h"
#include "tests/disk/faulty.h"
#include "tests/disk/memory.h"

#define MEMBER_DATA "data" /* its folder */
#define MEMBER_NAME "one"

struct member {
	struct memory_disk *memory; /* what is under the faulty one */
	struct faulty_disk *faulty; /* the host's disk; nothing fails unless the test says so */
	struct host host;
	uint32_t segment_size;   /* the smallest, unless the test sets another */
	struct cluster *cluster; /* NULL while it is not open */
	struct service *service;
	uint64_t answers; /* to appends, so far */
	unsigned stops;   /* calls of the callback of cluster_stop */
	bool dying;       /* what it answers now, nobody hears */
};

/* A member that is not open yet, on an empty disk; on one that it takes; or on another kind of disk, which is borrowed
 * (then memory is NULL, and it cannot be killed). */
void member_init(struct member *member, uint64_t seed);
void member_init_on(struct member *member, struct memory_disk *memory, uint64_t seed);
void member_init_over(struct member *member, struct log_disk *disk, uint64_t seed);
/* Closes it if it is open, and frees the disk. */
void member_finish(struct member *member);

/* Opens and starts it. What fails leaves it closed, with a sentence in err. */
int member_try_open(struct member *member, struct clog_error *err);
void member_open(struct member *member);
/* Stops it; returns when it has. */
void member_stop(struct member *member);
/* Closes it, if it is open; stops it before if need be. */
void member_close(struct member *member);
/* It dies, as by a kill: the disk is left as it is at this moment, what is at stake on it still is, and nothing that it
 * had not answered will be. Then memory_disk_crash() makes a power cut of it. */
void member_kill(struct member *member);
/* Stops, closes and opens it. */
void member_reopen(struct member *member);

/* From here on what members complain of is sent nowhere: the test gives them cause. */
void member_hush(void);

/* ---- Appends ---- */

/* An append, and what became of it. */
struct sent {
	struct service_append append; /* first: its callback casts it back */
	struct member *member;
	int refused;                     /* what service_append said, if it was an error */
	unsigned answers;                /* calls of its callback */
	uint64_t place;                  /* of the last one, among all of the member's */
	void (*then)(struct sent *sent); /* called by the callback, if not NULL; set before member_send */
};

/* Sends count records that lie one after the other in data; sets refused. */
void member_send(struct member *member, struct sent *sent, const void *data, const uint32_t *sizes, uint32_t count);
/* The same with one record. */
void member_send_one(struct member *member, struct sent *sent, const void *data, uint32_t size);
void member_send_text(struct member *member, struct sent *sent, const char *text);
/* The same under a caller's session. */
void member_send_under(struct member *member, struct sent *sent, const struct service_session *session,
                       uint64_t sequence, uint64_t expected, const char *text);
void member_send_under_many(struct member *member, struct sent *sent, const struct service_session *session,
                            uint64_t sequence, const void *data, const uint32_t *sizes, uint32_t count);
/* Appends one record, and settles the host until it is answered, with success. Returns its offset. */
uint64_t member_append(struct member *member, const void *data, uint32_t size);
uint64_t member_append_text(struct member *member, const char *text);
/* Asserts that it was answered once with success, at that offset; once with that status; or not yet. */
void member_expect_done(const struct sent *sent, uint64_t offset);
void member_expect_status(const struct sent *sent, int status);
void member_expect_pending(const struct sent *sent);

/* ---- Reads ---- */

/* A read, and what became of it. */
struct asked {
	struct service_read read; /* first: its callback casts it back */
	int rc;                   /* what service_read said */
	unsigned answers;         /* calls of its callback */
};

/* Asks, and returns what service_read said. What was not refused is ended by the caller: service_read_end. */
int member_ask(struct member *member, struct asked *asked, enum service_read_kind kind, uint64_t at, uint32_t size);
/* Asks and settles the host until it is answered: 0 or the error, whether it came at once or later. Ended by the caller
 * (member_end) in any case. */
int member_read(struct member *member, struct asked *asked, enum service_read_kind kind, uint64_t at, uint32_t size);
void member_end(struct member *member, struct asked *asked);
/* Asserts that the record at the offset has these bytes. */
void member_expect(struct member *member, uint64_t offset, const void *data, size_t size);
void member_expect_text(struct member *member, uint64_t offset, const char *text);
/* The offset of the next record, as the service tells it. */
uint64_t member_next(struct member *member);
/* The entry that holds the record. */
uint64_t member_entry(struct member *member, uint64_t offset);

#endif
