/* fake_service: a log in memory behind the service's interface, for tests of what stands before it.
 *
 * It lives in memory that two processes share: the one that serves the mount calls it, the test sets how it behaves
 * and looks at what has come. The test waits for what it expects by fake_await. */
#ifndef CLOG_TESTS_FS_FAKE_SERVICE_H
#define CLOG_TESTS_FS_FAKE_SERVICE_H

#include "service/service.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#define FAKE_RECORDS_MAX (1u << 18)
#define FAKE_BYTES_MAX (64u << 20)
#define FAKE_HELD_MAX 64
#define FAKE_TIME_NS 1700000000123456789u /* of record 0; each record is a second later */
#define FAKE_START_NS 1600000000000000000u

enum fake_answers {
	FAKE_AT_ONCE, /* reads are DONE; appends are answered in the loop's next turn */
	FAKE_LATER,   /* reads are PENDING, too, and answered in the next turn */
	FAKE_HELD,    /* appends and reads wait for fake_release */
};

struct fake_record {
	uint64_t position;
	uint32_t size;
};

/* An append, a read or a command that has not been answered. */
struct fake_held {
	struct service_append *append;
	struct service_read *read;
	struct service_command *command;
};

struct fake {
	pthread_mutex_t lock; /* of all that follows */
	pthread_cond_t changed;

	/* How it behaves; set by the test. */
	enum fake_answers answers;
	int append_refusal;   /* what an append returns, when not 0 */
	int append_failure;   /* the status that it is answered with, when not 0, */
	uint32_t fail_from;   /* once so many have been taken */
	uint32_t full;        /* so many appends are answered -EAGAIN */
	int read_refusal;     /* what a read returns, when not 0 */
	int read_failure;     /* the status that it is answered with, when not 0 */
	uint32_t stream_step; /* a read of the stream ends at each multiple of this, when not 0 */
	uint64_t stream_bad;  /* reads of the stream from this position on fail with -EIO, when not 0 */
	uint64_t first;       /* lowest offset kept */
	uint64_t pretended;   /* the next offset that the state tells, when not 0, as if there were so many records */
	uint64_t leader, term, commit;
	bool removed;
	int failure;
	bool commands_held;  /* with FAKE_HELD: commands wait for fake_release, too */
	int command_refusal; /* what a command returns, when not 0 */
	int command_failure; /* the status that it is answered with, when not 0 */
	uint64_t end;        /* the end that SERVICE_END tells, when not 0 */
	uint64_t retain_bytes, retain_ns;
	bool settings_unknown;
	char setting_key[SERVICE_KEY_SIZE]; /* the only one that there is, */
	char setting[SERVICE_VALUE_SIZE_MAX];
	size_t setting_size; /* 0: none */
	struct service_member members[SERVICE_MEMBERS_MAX];
	size_t member_count;

	/* What has come; looked at by the test. */
	uint32_t batches;    /* appends that were taken */
	uint32_t last_count; /* records in the last one */
	uint32_t last_refused_count;
	uint32_t held_count;
	uint32_t reads;
	bool ready_asked;
	uint32_t commands; /* that were taken */
	struct service_command last_command;
	uint64_t count; /* of records */
	struct fake_record records[FAKE_RECORDS_MAX];
	uint64_t bytes_size;
	char bytes[FAKE_BYTES_MAX];

	/* Of the serving process alone. */
	struct service service;
	struct fake_held held[FAKE_HELD_MAX];
	uint64_t told; /* the count that those who watch know of */
	uv_async_t turn;
};

/* Creates a fake with one member, "one", id 7, which leads, in shared memory. */
struct fake *fake_create(void);
void fake_destroy(struct fake *fake);

/* Appends a record directly. */
void fake_add(struct fake *fake, const void *data, uint32_t size);
/* True when the record at an offset has exactly these bytes. */
bool fake_has(struct fake *fake, uint64_t offset, const void *data, size_t size);

/* Waits until a condition on the fake holds, for at most 20 s; false when that passed. The condition must not wait. */
bool fake_await(struct fake *fake, bool (*holds)(const struct fake *fake));

/* ---- In the serving process, on its loop ---- */

void fake_start(struct fake *fake, struct uv_loop_s *loop);
void fake_stop(struct fake *fake);
/* Answers what is held, and from now on answers at once. */
void fake_release(struct fake *fake);
/* Calls the callback that was given to service_ready. */
void fake_call_ready(struct fake *fake);

#endif
